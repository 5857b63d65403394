//! How long connections are remembered, in seconds.

use super::{sctp_states::SctpState, tcp_states::TcpState};
use crate::sysctl::Sysctls;

/// A TCP connection that is in `state` (Linux v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `tcp_timeouts`).
pub(super) const fn tcp(state: TcpState, sysctls: &Sysctls) -> u32 {
    match state {
        TcpState::None => 0,
        TcpState::SynSent => sysctls.conntrack_tcp_timeout_syn_sent,
        TcpState::SynRecv => sysctls.conntrack_tcp_timeout_syn_recv,
        TcpState::Established => sysctls.conntrack_tcp_timeout_established,
        TcpState::FinWait => sysctls.conntrack_tcp_timeout_fin_wait,
        TcpState::CloseWait => sysctls.conntrack_tcp_timeout_close_wait,
        TcpState::LastAck => sysctls.conntrack_tcp_timeout_last_ack,
        TcpState::TimeWait => sysctls.conntrack_tcp_timeout_time_wait,
        TcpState::Close => sysctls.conntrack_tcp_timeout_close,
        // It has no tunable in Linux either.
        TcpState::SynSent2 => SYN_SENT2,
    }
}

/// An SCTP association that is in `state` (Linux v6.18: `net/netfilter/nf_conntrack_proto_sctp.c`, `sctp_timeouts`).
pub(super) const fn sctp(state: SctpState, sysctls: &Sysctls) -> u32 {
    match state {
        SctpState::None => 0,
        SctpState::Closed => sysctls.conntrack_sctp_timeout_closed,
        SctpState::CookieWait => sysctls.conntrack_sctp_timeout_cookie_wait,
        SctpState::CookieEchoed => sysctls.conntrack_sctp_timeout_cookie_echoed,
        SctpState::Established => sysctls.conntrack_sctp_timeout_established,
        SctpState::ShutdownSent => sysctls.conntrack_sctp_timeout_shutdown_sent,
        SctpState::ShutdownReceived => sysctls.conntrack_sctp_timeout_shutdown_recd,
        SctpState::ShutdownAckSent => sysctls.conntrack_sctp_timeout_shutdown_ack_sent,
        SctpState::HeartbeatSent => sysctls.conntrack_sctp_timeout_heartbeat_sent,
    }
}

/// A connection of any other protocol, by whether it has been answered, or for UDP become a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) unreplied: u32,
    pub(super) replied: u32,
}

pub(super) const fn udp(sysctls: &Sysctls) -> Pair {
    Pair { unreplied: sysctls.conntrack_udp_timeout, replied: sysctls.conntrack_udp_timeout_stream }
}

pub(super) const fn gre(sysctls: &Sysctls) -> Pair {
    Pair { unreplied: sysctls.conntrack_gre_timeout, replied: sysctls.conntrack_gre_timeout_stream }
}

const SYN_SENT2: u32 = 120;
