//! What tunables, options and links can be.

use std::time::Duration;

use towpath_engine::socket::SocketOption;

use super::input::Input;
use crate::network::Link;

/// Tunables that change what TCP does, and what they are given.
pub(super) const TUNABLES: [(&str, &[&[u32]]); 43] = [
    ("net.ipv4.tcp_sack", &[&[0], &[1]]),
    ("net.ipv4.tcp_timestamps", &[&[0], &[1], &[2]]),
    ("net.ipv4.tcp_window_scaling", &[&[0], &[1]]),
    ("net.ipv4.tcp_ecn", &[&[1], &[0], &[2]]),
    ("net.ipv4.tcp_fastopen", &[&[0x603], &[0x207], &[3], &[0]]),
    ("net.ipv4.tcp_syncookies", &[&[2], &[0], &[1]]),
    ("net.ipv4.tcp_mtu_probing", &[&[2], &[1], &[0]]),
    ("net.ipv4.tcp_base_mss", &[&[60], &[400]]),
    ("net.ipv4.tcp_congestion_control", &[&[1], &[2], &[0]]),
    ("net.ipv4.tcp_recovery", &[&[0], &[3], &[5], &[1]]),
    ("net.ipv4.tcp_early_retrans", &[&[0], &[3]]),
    ("net.ipv4.tcp_frto", &[&[0], &[2]]),
    ("net.ipv4.tcp_dsack", &[&[0], &[1]]),
    ("net.ipv4.tcp_rto_min_us", &[&[1], &[5000], &[1_000_000]]),
    ("net.ipv4.tcp_rto_max_ms", &[&[1000], &[120_000]]),
    ("net.ipv4.tcp_retries1", &[&[0], &[1]]),
    ("net.ipv4.tcp_retries2", &[&[0], &[3], &[15]]),
    ("net.ipv4.tcp_syn_retries", &[&[1], &[6]]),
    ("net.ipv4.tcp_synack_retries", &[&[0], &[5]]),
    ("net.ipv4.tcp_syn_linear_timeouts", &[&[0], &[4]]),
    ("net.ipv4.tcp_orphan_retries", &[&[1], &[3], &[0]]),
    ("net.ipv4.tcp_max_orphans", &[&[0], &[1], &[100]]),
    ("net.ipv4.tcp_fin_timeout", &[&[0], &[1], &[100]]),
    ("net.ipv4.tcp_max_tw_buckets", &[&[0], &[1], &[100]]),
    ("net.ipv4.tcp_tw_reuse", &[&[1], &[0], &[2]]),
    ("net.ipv4.tcp_rfc1337", &[&[1], &[0]]),
    ("net.ipv4.tcp_mem", &[&[0, 0, 0], &[2, 4, 8], &[8, 8, 16], &[1000, 1000, 1000]]),
    (
        "net.ipv4.tcp_rmem",
        &[&[2304, 2304, 2304], &[2304, 4096, 8192], &[4096, 16_384, 65_536], &[4096, 131_072, 33_554_432]],
    ),
    ("net.ipv4.tcp_wmem", &[&[1, 1, 1], &[4608, 4608, 8192], &[4096, 16_384, 65_536], &[4096, 16_384, 4_194_304]]),
    ("net.ipv4.tcp_moderate_rcvbuf", &[&[0], &[1]]),
    ("net.ipv4.tcp_shrink_window", &[&[1], &[0]]),
    ("net.ipv4.tcp_app_win", &[&[1], &[0], &[31]]),
    ("net.ipv4.tcp_workaround_signed_windows", &[&[1], &[0]]),
    ("net.ipv4.tcp_slow_start_after_idle", &[&[0], &[1]]),
    ("net.ipv4.tcp_thin_linear_timeouts", &[&[1], &[0]]),
    ("net.ipv4.tcp_retrans_collapse", &[&[0], &[1]]),
    ("net.ipv4.tcp_reordering", &[&[1], &[300]]),
    ("net.ipv4.tcp_comp_sack_nr", &[&[0], &[1], &[255]]),
    ("net.ipv4.tcp_invalid_ratelimit", &[&[100], &[500]]),
    ("net.ipv4.tcp_challenge_ack_limit", &[&[0], &[1]]),
    ("net.ipv4.tcp_abort_on_overflow", &[&[1], &[0]]),
    ("net.ipv4.tcp_stdurg", &[&[1], &[0]]),
    ("net.ipv4.tcp_min_snd_mss", &[&[65_535], &[48]]),
];

/// An option of a socket, with a value.
pub(super) fn option(input: &mut Input<'_>) -> SocketOption {
    let which = input.below(24);
    let value = input.byte();
    let on = value % 2 == 1;
    let bytes = [0, 1, 1000, 2304, 10_000, 65_536, 1 << 20, u32::MAX][usize::from(value % 8)];
    let seconds = Duration::from_secs(u64::from(value % 64));
    match which {
        0 => SocketOption::NoDelay(on),
        1 => SocketOption::Cork(on),
        2 => SocketOption::QuickAck(on),
        3 => SocketOption::MaxSegment([0, 88, 200, 536, 1460, 32_767][usize::from(value % 6)]),
        4 => SocketOption::ReceiveBuffer(bytes),
        5 => SocketOption::SendBuffer(bytes),
        6 => SocketOption::ReceiveLow(bytes),
        7 => SocketOption::WindowClamp(bytes),
        8 => SocketOption::NotSentLow(bytes),
        9 => SocketOption::MaxPacingRate([u64::MAX, 100_000, 1_000_000][usize::from(value % 3)]),
        10 => SocketOption::Keepalive(on),
        11 => SocketOption::KeepaliveIdle(seconds),
        12 => SocketOption::KeepaliveInterval(seconds),
        13 => SocketOption::KeepaliveProbes(u32::from(value)),
        14 => SocketOption::UserTimeout(Duration::from_millis(u64::from(value) * 50)),
        15 => SocketOption::TimeoutMax(seconds),
        16 => SocketOption::Linger2((value < 200).then_some(seconds)),
        17 => SocketOption::Linger((value < 200).then_some(seconds)),
        18 => SocketOption::Congestion(["reno", "cubic", "bbr", ""][usize::from(value % 4)].into()),
        19 => SocketOption::UrgentInline(on),
        20 => SocketOption::ReceiveErrors(on),
        21 => SocketOption::SynRetries(u32::from(value)),
        22 => SocketOption::DeferAccept(seconds),
        _ => SocketOption::Tos(value),
    }
}

/// A link, good or bad.
pub(super) fn link(input: &mut Input<'_>, before: Link) -> Link {
    let value = input.byte();
    let permille = u32::from(value) * 4;
    match input.below(8) {
        0 => Link { delay: Duration::from_millis(1 + u64::from(value)), ..before },
        1 => Link { rate_bps: [None, Some(50_000), Some(10_000_000)][usize::from(value % 3)], ..before },
        2 => Link { queue_frames: usize::from(value), ..before },
        3 => Link { loss_permille: permille, ..before },
        4 => Link { repeated_permille: permille.min(500), ..before },
        5 => Link { late_permille: permille, jitter: Duration::from_millis(20), ..before },
        6 => Link { jitter: Duration::from_millis(1 + u64::from(value) * 4), late_permille: 300, ..before },
        _ => Link { passes_bytes: [u32::MAX, 1000, 300, 100][usize::from(value % 4)], ..before },
    }
}
