//! `TCP_INFO` and its kin: under the names that assertions use, and as the bytes that `getsockopt` gives (Linux v6.18:
//! `include/uapi/linux/tcp.h`, `struct tcp_info`; `inet_diag.h`, `struct tcp_bbr_info`; `sock_diag.h`, `SK_MEMINFO_*`).

use std::time::Duration;

use towpath_engine::{
    socket::SocketSettings,
    tcp::{State, TcpInfo, congestion::BbrInfo},
};

/// The bytes of `struct tcp_info`; of what is no connection all but the state are zero.
pub(super) fn bytes(info: Option<&TcpInfo>, of_state: State) -> Vec<u8> {
    let mut bytes = vec![0; INFO_BYTES];
    bytes[0] = state(of_state) as u8;
    let Some(info) = info else { return bytes };
    bytes[0] = 0;
    for (_, at, len, shift, read) in &FIELDS {
        let value = (read(info) << shift).to_ne_bytes();
        let value = if cfg!(target_endian = "little") { &value[..*len] } else { &value[8 - len..] };
        bytes[*at..at + len].iter_mut().zip(value).for_each(|(to, from)| *to |= from);
    }
    bytes
}

/// The bytes of `struct tcp_bbr_info`; none for other algorithms.
pub(super) fn model(info: Option<BbrInfo>) -> Vec<u8> {
    let Some(info) = info else { return Vec::new() };
    let least = info.least.map_or(u32::MAX, |least| micros(least) as u32);
    let words = [info.bandwidth as u32, (info.bandwidth >> 32) as u32, least, info.pacing_gain, info.window_gain];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The bytes of `SO_MEMINFO`, nine words: the limits stand in the second and the fourth; what is used of them is not told here.
pub(super) fn memory(settings: &SocketSettings) -> Vec<u8> {
    let words = [0, settings.receive_buffer_bytes, 0, settings.send_buffer_bytes, 0, 0, 0, 0, 0];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The value of a field, or of a constant; `None` when there is none of that name.
pub(crate) fn value(info: Option<&TcpInfo>, name: &str) -> Option<i64> {
    if let Some((_, value)) = CONSTANTS.iter().find(|(known, _)| *known == name) {
        return Some(*value);
    }
    let (.., read) = FIELDS.iter().find(|(known, ..)| *known == name)?;
    info.map(read)
}

/// Names that are values, not fields.
#[rustfmt::skip]
static CONSTANTS: [(&str, i64); 22] = [
    ("TCP_CA_Open", 0), ("TCP_CA_Disorder", 1), ("TCP_CA_CWR", 2), ("TCP_CA_Recovery", 3), ("TCP_CA_Loss", 4),
    ("TCP_ESTABLISHED", 1), ("TCP_SYN_SENT", 2), ("TCP_SYN_RECV", 3), ("TCP_FIN_WAIT1", 4), ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6), ("TCP_CLOSE", 7), ("TCP_CLOSE_WAIT", 8), ("TCP_LAST_ACK", 9), ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
    ("TCPI_OPT_TIMESTAMPS", 1), ("TCPI_OPT_SACK", 2), ("TCPI_OPT_WSCALE", 4), ("TCPI_OPT_ECN", 8), ("TCPI_OPT_ECN_SEEN", 16),
    ("TCPI_OPT_SYN_DATA", 32),
];

type Read = fn(&TcpInfo) -> i64;

/// Fields with their place in `struct tcp_info`: byte, bytes, and how far to the left within them. A name without a row is a field of
/// something that the engine does not count; it is zero.
#[rustfmt::skip]
static FIELDS: [(&str, usize, usize, u8, Read); 63] = [
    // name, byte, bytes, shift, what it is read from
    ("tcpi_state", 0, 1, 0, |info| state(info.state)),
    ("tcpi_ca_state", 1, 1, 0, |info| info.ca_state.into()),
    ("tcpi_retransmits", 2, 1, 0, |info| info.retransmits.into()),
    ("tcpi_probes", 3, 1, 0, |info| info.probes.into()),
    ("tcpi_backoff", 4, 1, 0, |info| info.backoff.into()),
    ("tcpi_options", 5, 1, 0, |info| info.options.into()),
    ("tcpi_snd_wscale", 6, 1, 0, |info| info.snd_wscale.into()),
    ("tcpi_rcv_wscale", 6, 1, 4, |info| info.rcv_wscale.into()),
    ("tcpi_delivery_rate_app_limited", 7, 1, 0, |info| info.delivery_rate_app_limited.into()),
    ("tcpi_fastopen_client_fail", 7, 1, 1, |info| info.fastopen_client_fail.into()),
    ("tcpi_rto", 8, 4, 0, |info| micros(info.rto)),
    ("tcpi_ato", 12, 4, 0, |info| micros(info.ato)),
    ("tcpi_snd_mss", 16, 4, 0, |info| info.snd_mss.into()),
    ("tcpi_rcv_mss", 20, 4, 0, |info| info.rcv_mss.into()),
    ("tcpi_unacked", 24, 4, 0, |info| info.unacked.into()),
    ("tcpi_sacked", 28, 4, 0, |info| info.sacked.into()),
    ("tcpi_lost", 32, 4, 0, |info| info.lost.into()),
    ("tcpi_retrans", 36, 4, 0, |info| info.retrans.into()),
    ("tcpi_last_data_sent", 44, 4, 0, |info| info.last_data_sent.as_millis() as i64),
    ("tcpi_last_data_recv", 52, 4, 0, |info| info.last_data_recv.as_millis() as i64),
    ("tcpi_last_ack_recv", 56, 4, 0, |info| info.last_ack_recv.as_millis() as i64),
    ("tcpi_pmtu", 60, 4, 0, |info| info.pmtu.into()),
    ("tcpi_rcv_ssthresh", 64, 4, 0, |info| info.rcv_ssthresh.into()),
    ("tcpi_rtt", 68, 4, 0, |info| micros(info.rtt)),
    ("tcpi_rttvar", 72, 4, 0, |info| micros(info.rttvar)),
    ("tcpi_snd_ssthresh", 76, 4, 0, |info| info.snd_ssthresh.into()),
    ("tcpi_snd_cwnd", 80, 4, 0, |info| info.snd_cwnd.into()),
    ("tcpi_advmss", 84, 4, 0, |info| info.advmss.into()),
    ("tcpi_reordering", 88, 4, 0, |info| info.reordering.into()),
    ("tcpi_rcv_rtt", 92, 4, 0, |info| micros(info.rcv_rtt)),
    ("tcpi_rcv_space", 96, 4, 0, |info| info.rcv_space.into()),
    ("tcpi_total_retrans", 100, 4, 0, |info| info.total_retrans.into()),
    ("tcpi_pacing_rate", 104, 8, 0, |info| info.pacing_rate as i64),
    ("tcpi_max_pacing_rate", 112, 8, 0, |info| info.max_pacing_rate as i64),
    ("tcpi_bytes_acked", 120, 8, 0, |info| info.bytes_acked as i64),
    ("tcpi_bytes_received", 128, 8, 0, |info| info.bytes_received as i64),
    ("tcpi_segs_out", 136, 4, 0, |info| info.segs_out.into()),
    ("tcpi_segs_in", 140, 4, 0, |info| info.segs_in.into()),
    ("tcpi_notsent_bytes", 144, 4, 0, |info| info.notsent_bytes.into()),
    ("tcpi_min_rtt", 148, 4, 0, |info| micros(info.min_rtt)),
    ("tcpi_data_segs_in", 152, 4, 0, |info| info.data_segs_in.into()),
    ("tcpi_data_segs_out", 156, 4, 0, |info| info.data_segs_out.into()),
    ("tcpi_delivery_rate", 160, 8, 0, |info| info.delivery_rate as i64),
    ("tcpi_busy_time", 168, 8, 0, |info| micros(info.busy_time)),
    ("tcpi_rwnd_limited", 176, 8, 0, |info| micros(info.rwnd_limited)),
    ("tcpi_sndbuf_limited", 184, 8, 0, |info| micros(info.sndbuf_limited)),
    ("tcpi_delivered", 192, 4, 0, |info| info.delivered.into()),
    ("tcpi_delivered_ce", 196, 4, 0, |info| info.delivered_ce.into()),
    ("tcpi_bytes_sent", 200, 8, 0, |info| info.bytes_sent as i64),
    ("tcpi_bytes_retrans", 208, 8, 0, |info| info.bytes_retrans as i64),
    ("tcpi_dsack_dups", 216, 4, 0, |info| info.dsack_dups.into()),
    ("tcpi_reord_seen", 220, 4, 0, |info| info.reord_seen.into()),
    ("tcpi_rcv_ooopack", 224, 4, 0, |info| info.rcv_ooopack.into()),
    ("tcpi_snd_wnd", 228, 4, 0, |info| info.snd_wnd.into()),
    ("tcpi_rcv_wnd", 232, 4, 0, |info| info.rcv_wnd.into()),
    ("tcpi_rehash", 236, 4, 0, |info| info.rehash.into()),
    ("tcpi_total_rto", 240, 2, 0, |info| info.total_rto.into()),
    ("tcpi_total_rto_recoveries", 242, 2, 0, |info| info.total_rto_recoveries.into()),
    ("tcpi_total_rto_time", 244, 4, 0, |info| info.total_rto_time.as_millis() as i64),
    ("tcpi_received_ce", 248, 4, 0, |info| info.received_ce.into()),
    ("tcpi_received_e1_bytes", 264, 4, 0, |info| info.received_e1_bytes.into()),
    ("tcpi_received_e0_bytes", 268, 4, 0, |info| info.received_e0_bytes.into()),
    ("tcpi_received_ce_bytes", 272, 4, 0, |info| info.received_ce_bytes.into()),
];

fn micros(time: Duration) -> i64 {
    time.as_micros() as i64
}

/// The number of a state on Linux (v6.18: `include/net/tcp_states.h`).
const fn state(state: State) -> i64 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}

/// The structure's size.
const INFO_BYTES: usize = 280;
