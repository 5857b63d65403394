//! How long connections are remembered, in seconds.

use super::{
    sctp_states::SctpState,
    tcp_states::TcpState,
    timeout_policy::{STATES_MAX, TCP_RETRANSMITTED, TCP_UNACKNOWLEDGED, WITHOUT_TUNABLE},
};
use crate::sysctl::Sysctls;

/// Who says how long a connection is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timeouts<'a> {
    /// The tunables.
    Tunables(&'a Sysctls),
    /// Its policy.
    Policy(&'a [u32; STATES_MAX]),
}

/// A connection of a protocol without states, by whether it has been answered, or for UDP become a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) unreplied: u32,
    pub(super) replied: u32,
}

impl Timeouts<'_> {
    /// A TCP connection that is in `state` (Linux v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `tcp_timeouts`).
    #[inline]
    pub(super) const fn tcp(self, state: TcpState) -> u32 {
        match self {
            Self::Tunables(sysctls) => tcp(state, sysctls),
            Self::Policy(secs) => of_state(secs, state as usize),
        }
    }

    /// The most that a TCP connection gets whose data is retransmitted in vain, or whose window is zero.
    #[inline]
    pub(super) const fn tcp_retransmitted(self) -> u32 {
        match self {
            Self::Tunables(sysctls) => sysctls.conntrack_tcp_timeout_max_retrans,
            Self::Policy(secs) => secs[TCP_RETRANSMITTED],
        }
    }

    /// The most that a TCP connection gets that has unacknowledged data.
    #[inline]
    pub(super) const fn tcp_unacknowledged(self) -> u32 {
        match self {
            Self::Tunables(sysctls) => sysctls.conntrack_tcp_timeout_unacknowledged,
            Self::Policy(secs) => secs[TCP_UNACKNOWLEDGED],
        }
    }

    /// An SCTP association that is in `state` (Linux v6.18: `net/netfilter/nf_conntrack_proto_sctp.c`, `sctp_timeouts`).
    pub(super) const fn sctp(self, state: SctpState) -> u32 {
        match self {
            Self::Tunables(sysctls) => sctp(state, sysctls),
            Self::Policy(secs) => of_state(secs, state as usize),
        }
    }

    /// A flow of UDP or UDP-Lite.
    #[inline]
    pub(super) const fn udp(self) -> Pair {
        match self {
            Self::Tunables(sysctls) => {
                Pair { unreplied: sysctls.conntrack_udp_timeout, replied: sysctls.conntrack_udp_timeout_stream }
            }
            Self::Policy(secs) => pair(secs),
        }
    }

    /// A flow of GRE.
    pub(super) const fn gre(self) -> Pair {
        match self {
            Self::Tunables(sysctls) => {
                Pair { unreplied: sysctls.conntrack_gre_timeout, replied: sysctls.conntrack_gre_timeout_stream }
            }
            Self::Policy(secs) => pair(secs),
        }
    }

    /// A query of ICMP.
    pub(super) const fn icmp(self) -> u32 {
        match self {
            Self::Tunables(sysctls) => sysctls.conntrack_icmp_timeout,
            Self::Policy(secs) => secs[0],
        }
    }

    /// A query of ICMPv6.
    pub(super) const fn icmpv6(self) -> u32 {
        match self {
            Self::Tunables(sysctls) => sysctls.conntrack_icmpv6_timeout,
            Self::Policy(secs) => secs[0],
        }
    }

    /// A protocol without a tracker of its own.
    pub(super) const fn generic(self) -> u32 {
        match self {
            Self::Tunables(sysctls) => sysctls.conntrack_generic_timeout,
            Self::Policy(secs) => secs[0],
        }
    }
}

/// States are numbered from 1; 0 is none.
const fn of_state(secs: &[u32; STATES_MAX], state: usize) -> u32 {
    if state == 0 { 0 } else { secs[state - 1] }
}

const fn pair(secs: &[u32; STATES_MAX]) -> Pair {
    Pair { unreplied: secs[0], replied: secs[1] }
}

const fn tcp(state: TcpState, sysctls: &Sysctls) -> u32 {
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
        TcpState::SynSent2 => WITHOUT_TUNABLE,
    }
}

const fn sctp(state: SctpState, sysctls: &Sysctls) -> u32 {
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
