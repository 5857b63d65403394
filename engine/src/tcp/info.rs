//! What can be asked of a connection: `TCP_INFO` (Linux v6.18: `include/uapi/linux/tcp.h`, `struct tcp_info`;
//! `net/ipv4/tcp.c`, `tcp_get_info()`).

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{congestion::Window, connection::Connection, states::State};
use crate::time::Instant;

/// What a connection counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) segments_sent: u32,
    pub(super) segments_received: u32,
    pub(super) data_segments_sent: u32,
    pub(super) data_segments_received: u32,
    pub(super) bytes_sent: u64,
    pub(super) bytes_resent: u64,
    pub(super) bytes_acked: u64,
    pub(super) bytes_received: u64,
    pub(super) delivered: u32,
    /// Of those, in acknowledgements that tell of a mark.
    pub(super) delivered_marked: u32,
    /// Segments that have come marked, and bytes of those that may be marked: ECT(1), ECT(0), CE.
    pub(super) received_marked: u32,
    pub(super) received_codepoints: [u32; 3],
    pub(super) lost: u32,
    pub(super) resent: u32,
    pub(super) resent_for: super::resent::Resent,
    pub(super) reorderings: u32,
    pub(super) dsacks_received: u32,
    pub(super) duplicates_received: u32,
    pub(super) out_of_order: u32,
    pub(super) timeouts: Timeouts,
    pub(super) rehashes: u32,
    pub(super) recoveries: u32,
    pub(super) undone: u32,
    pub(super) loss_probes: u32,
    pub(super) challenges: u32,
    pub(super) paws_rejected: u32,
    pub(super) zero_windows_sent: u32,
    pub(super) probes_out: u32,
}

/// Timeouts of retransmissions: rows of them begin with the first one after an acknowledgement, and end when what was in flight then is
/// acknowledged, or they turn out to have been for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeouts {
    count: u16,
    rows: u16,
    lasted: Duration,
    since: Option<Instant>,
}

impl Timeouts {
    /// One more.
    pub(super) const fn note(&mut self, now: Instant, is_first: bool) {
        if is_first {
            self.rows = self.rows.saturating_add(1);
            self.since = Some(now);
        }
        self.count = self.count.saturating_add(1);
    }

    /// A row has ended.
    pub(super) fn end(&mut self, now: Instant) {
        (self.lasted, self.since) = (self.lasted(now), None);
    }

    fn lasted(&self, now: Instant) -> Duration {
        self.lasted + self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

/// `TCP_INFO`, under the names of its fields without `tcpi_`. Times are durations; what is 32 bits there is so here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of struct tcp_info, whose names are their documentation")]
pub struct TcpInfo {
    pub state: State,
    pub ca_state: u8,
    pub retransmits: u8,
    pub probes: u8,
    pub backoff: u8,
    /// 1 timestamps, 2 SACK, 4 window scaling, 8 ECN, 16 something that may be marked has come, 32 data that went with a SYN were taken
    /// (`TCPI_OPT_*`).
    pub options: u8,
    pub snd_wscale: u8,
    pub rcv_wscale: u8,
    pub delivery_rate_app_limited: bool,
    pub rto: Duration,
    pub ato: Duration,
    pub snd_mss: u32,
    pub rcv_mss: u32,
    pub unacked: u32,
    pub sacked: u32,
    pub lost: u32,
    pub retrans: u32,
    pub last_data_sent: Duration,
    pub last_data_recv: Duration,
    pub last_ack_recv: Duration,
    pub pmtu: u32,
    pub rcv_ssthresh: u32,
    pub rtt: Duration,
    pub rttvar: Duration,
    pub snd_ssthresh: u32,
    pub snd_cwnd: u32,
    pub advmss: u32,
    pub reordering: u32,
    pub rcv_rtt: Duration,
    pub rcv_space: u32,
    pub total_retrans: u32,
    /// Bytes a second; all ones before there is one.
    pub pacing_rate: u64,
    /// All ones: no limit.
    pub max_pacing_rate: u64,
    pub bytes_acked: u64,
    pub bytes_received: u64,
    pub busy_time: Duration,
    pub rwnd_limited: Duration,
    pub sndbuf_limited: Duration,
    pub segs_out: u32,
    pub segs_in: u32,
    pub notsent_bytes: u32,
    /// Bytes a second; 0 before it was measured.
    pub delivery_rate: u64,
    /// All ones while nothing was measured.
    pub min_rtt: Duration,
    pub data_segs_in: u32,
    pub data_segs_out: u32,
    pub delivered: u32,
    pub delivered_ce: u32,
    pub bytes_sent: u64,
    pub bytes_retrans: u64,
    pub dsack_dups: u32,
    pub reord_seen: u32,
    pub rcv_ooopack: u32,
    pub snd_wnd: u32,
    pub rcv_wnd: u32,
    /// How often packets were given a chance of another way, for a timeout: those of IPv6 have another flow label since.
    pub rehash: u32,
    pub total_rto: u16,
    /// Rows of timeouts, and how long they have lasted.
    pub total_rto_recoveries: u16,
    pub total_rto_time: Duration,
    pub received_ce: u32,
    pub received_e1_bytes: u32,
    pub received_e0_bytes: u32,
    pub received_ce_bytes: u32,
    /// Why data did not go with the SYN, or not with success: 1 no cookie, 2 the SYN alone was acknowledged, 3 the SYN was sent again.
    pub fastopen_client_fail: u8,
}

impl Connection {
    /// `TCPI_OPT_*`.
    fn told_options(&self) -> u8 {
        let agreed = &self.agreed;
        let are_on = [
            agreed.timestamps,
            agreed.sack,
            agreed.scaling,
            agreed.ecn,
            self.receiver.has_seen_ect,
            self.has_syn_data(),
        ];
        are_on.into_iter().enumerate().fold(0, |bits, (bit, is_on)| bits | u8::from(is_on) << bit)
    }

    /// What is known of it.
    pub(crate) fn info(&self, now: Instant) -> TcpInfo {
        let (agreed, tally, counters) = (&self.agreed, &self.sender.in_flight, &self.counters);
        let [busy_time, rwnd_limited, sndbuf_limited] = self.sender.chronicle.spent(now);
        let [received_e1_bytes, received_e0_bytes, received_ce_bytes] = counters.received_codepoints;
        TcpInfo {
            state: self.state,
            ca_state: self.trouble.now as u8,
            retransmits: self.trouble.attempts.min(255) as u8,
            probes: self.trouble.probes.min(255) as u8,
            backoff: self.trouble.backoff.min(255) as u8,
            options: self.told_options(),
            snd_wscale: agreed.send_scale,
            rcv_wscale: agreed.receive_scale,
            delivery_rate_app_limited: self.delivery.rate_is_app_limited,
            rto: self.timeout(),
            ato: self.receiver.acks.wait,
            snd_mss: self.sender.mss_bytes,
            rcv_mss: self.receiver.mss_seen,
            unacked: tally.out,
            sacked: tally.sacked,
            lost: tally.lost,
            retrans: tally.resent,
            last_data_sent: now.since(self.sender.last_at),
            last_data_recv: now.since(self.receiver.last_at),
            last_ack_recv: now.since(self.receiver.acked_at),
            pmtu: self.sender.path_mtu_bytes,
            rcv_ssthresh: self.receiver.window_soft_max,
            rtt: self.rtt.smoothed().unwrap_or_default(),
            rttvar: self.rtt.deviation(),
            snd_ssthresh: self.window.threshold.min(Window::NO_THRESHOLD),
            snd_cwnd: self.window.segments,
            advmss: self.own_mss(),
            reordering: self.trouble.reordering,
            rcv_rtt: self.receiver_rtt(),
            rcv_space: self.receiver_space(),
            total_retrans: counters.resent,
            pacing_rate: self.pacing.rate,
            max_pacing_rate: self.pacing.rate_max,
            bytes_acked: counters.bytes_acked,
            bytes_received: counters.bytes_received,
            busy_time,
            rwnd_limited,
            sndbuf_limited,
            segs_out: counters.segments_sent,
            segs_in: counters.segments_received,
            notsent_bytes: if self.state == State::Closed { 0 } else { self.unsent() },
            delivery_rate: self.delivery_rate(),
            min_rtt: self.rtt.least().unwrap_or(Duration::from_micros(u32::MAX.into())),
            data_segs_in: counters.data_segments_received,
            data_segs_out: counters.data_segments_sent,
            delivered: counters.delivered,
            delivered_ce: counters.delivered_marked,
            bytes_sent: counters.bytes_sent,
            bytes_retrans: counters.bytes_resent,
            dsack_dups: counters.dsacks_received,
            reord_seen: counters.reorderings,
            rcv_ooopack: counters.out_of_order,
            snd_wnd: self.sender.window,
            rcv_wnd: self.receiver.window,
            rehash: counters.rehashes,
            total_rto: counters.timeouts.count,
            total_rto_recoveries: counters.timeouts.rows,
            total_rto_time: counters.timeouts.lasted(now),
            received_ce: counters.received_marked,
            received_e1_bytes,
            received_e0_bytes,
            received_ce_bytes,
            fastopen_client_fail: self.fast_open_failure(),
        }
    }
}
