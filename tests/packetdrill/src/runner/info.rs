//! `TCP_INFO` under the names that assertions use.

use std::time::Duration;

use towpath_engine::tcp::{State, TcpInfo};

/// The value of a field, or of a constant; `None` when there is none of that name.
pub(super) fn value(info: Option<&TcpInfo>, name: &str) -> Option<i64> {
    if let Some((_, value)) = CONSTANTS.iter().find(|(known, _)| *known == name) {
        return Some(*value);
    }
    let (_, read) = FIELDS.iter().find(|(known, _)| *known == name)?;
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

#[rustfmt::skip]
static FIELDS: [(&str, Read); 50] = [
    ("tcpi_state", |info| state(info.state)),
    ("tcpi_ca_state", |info| info.ca_state.into()),
    ("tcpi_retransmits", |info| info.retransmits.into()),
    ("tcpi_probes", |info| info.probes.into()),
    ("tcpi_backoff", |info| info.backoff.into()),
    ("tcpi_options", |info| info.options.into()),
    ("tcpi_snd_wscale", |info| info.snd_wscale.into()),
    ("tcpi_rcv_wscale", |info| info.rcv_wscale.into()),
    ("tcpi_rto", |info| micros(info.rto)),
    ("tcpi_ato", |info| micros(info.ato)),
    ("tcpi_snd_mss", |info| info.snd_mss.into()),
    ("tcpi_rcv_mss", |info| info.rcv_mss.into()),
    ("tcpi_unacked", |info| info.unacked.into()),
    ("tcpi_sacked", |info| info.sacked.into()),
    ("tcpi_lost", |info| info.lost.into()),
    ("tcpi_retrans", |info| info.retrans.into()),
    ("tcpi_last_data_sent", |info| info.last_data_sent.as_millis() as i64),
    ("tcpi_last_data_recv", |info| info.last_data_recv.as_millis() as i64),
    ("tcpi_last_ack_recv", |info| info.last_ack_recv.as_millis() as i64),
    ("tcpi_pmtu", |info| info.pmtu.into()),
    ("tcpi_rcv_ssthresh", |info| info.rcv_ssthresh.into()),
    ("tcpi_rtt", |info| micros(info.rtt)),
    ("tcpi_rttvar", |info| micros(info.rttvar)),
    ("tcpi_snd_ssthresh", |info| info.snd_ssthresh.into()),
    ("tcpi_snd_cwnd", |info| info.snd_cwnd.into()),
    ("tcpi_advmss", |info| info.advmss.into()),
    ("tcpi_reordering", |info| info.reordering.into()),
    ("tcpi_rcv_space", |info| info.rcv_space.into()),
    ("tcpi_total_retrans", |info| info.total_retrans.into()),
    ("tcpi_pacing_rate", |info| info.pacing_rate as i64),
    ("tcpi_max_pacing_rate", |info| info.max_pacing_rate as i64),
    ("tcpi_bytes_acked", |info| info.bytes_acked as i64),
    ("tcpi_bytes_received", |info| info.bytes_received as i64),
    ("tcpi_busy_time", |info| micros(info.busy_time)),
    ("tcpi_rwnd_limited", |info| micros(info.rwnd_limited)),
    ("tcpi_sndbuf_limited", |info| micros(info.sndbuf_limited)),
    ("tcpi_segs_out", |info| info.segs_out.into()),
    ("tcpi_segs_in", |info| info.segs_in.into()),
    ("tcpi_notsent_bytes", |info| info.notsent_bytes.into()),
    ("tcpi_delivery_rate", |info| info.delivery_rate as i64),
    ("tcpi_min_rtt", |info| micros(info.min_rtt)),
    ("tcpi_data_segs_in", |info| info.data_segs_in.into()),
    ("tcpi_data_segs_out", |info| info.data_segs_out.into()),
    ("tcpi_delivered", |info| info.delivered.into()),
    ("tcpi_bytes_sent", |info| info.bytes_sent as i64),
    ("tcpi_bytes_retrans", |info| info.bytes_retrans as i64),
    ("tcpi_dsack_dups", |info| info.dsack_dups.into()),
    ("tcpi_reord_seen", |info| info.reord_seen.into()),
    ("tcpi_rcv_ooopack", |info| info.rcv_ooopack.into()),
    ("tcpi_snd_wnd", |info| info.snd_wnd.into()),
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
