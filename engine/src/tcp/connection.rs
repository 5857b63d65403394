//! A connection: what both directions know.

use alloc::{boxed::Box, collections::VecDeque};
use core::{net::SocketAddr, time::Duration};

use super::{
    congestion::{self, CongestionControl, Trouble, Window},
    delivery::{Delivery, Stamp},
    fastopen::Opening,
    info::Counters,
    memory::Account,
    mtu_search::MtuSearch,
    pacing::Pacing,
    rack::Rack,
    reassembly::Reassembly,
    rtt::Rtt,
    sack::Received,
    segment::{Agreed, Ends},
    settings::Settings,
    states::State,
    timers::Deadlines,
    way::Way,
    work::Work,
};
use crate::{
    frame::DeviceId,
    packet::Pool,
    socket::{Origin, Readiness, ReceiveQueue, SendQueue, SocketError},
    time::Instant,
    wire::{SeqNum, TcpFlags},
};

/// One connection (RFC 9293: the TCB; Linux: `struct tcp_sock`).
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) ends: Ends,
    pub(crate) state: State,
    pub(crate) settings: Settings,
    pub(super) way: Way,
    pub(super) agreed: Agreed,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) rtt: Rtt,
    pub(super) trouble: Troubles,
    pub(super) rack: Rack,
    pub(super) delivery: Delivery,
    pub(super) pacing: Pacing,
    pub(super) window: Window,
    pub(super) congestion: Box<dyn CongestionControl>,
    pub(super) deadlines: Deadlines,
    pub(super) mtu_search: MtuSearch,
    /// Only of one that was opened fast, from here or there.
    pub(super) fast_open: Option<Box<Opening>>,
    pub(super) counters: Counters,
    /// What of it is counted among all.
    pub(super) account: Account,
    /// What its socket was before, once somebody holds it.
    pub(crate) origin: Option<Origin>,
    /// Why it has ended, until somebody asks.
    pub(crate) error: Option<SocketError>,
    /// What the network has said since something was acknowledged, while it goes on trying; until somebody asks.
    pub(crate) soft_error: Option<SocketError>,
    /// Its user wants nothing more of what comes.
    pub(crate) is_receive_shut: bool,
    /// Its user has said that nothing more is sent.
    pub(crate) is_send_shut: bool,
    /// The other end's FIN has come, and everything before it.
    pub(crate) is_at_end: bool,
    /// Nobody holds it any more.
    pub(crate) is_orphan: bool,
    /// Somebody holds it, or has: it does not wait to be accepted.
    pub(crate) is_accepted: bool,
    /// How it was is remembered.
    pub(super) is_remembered: bool,
    /// What has become possible since its user was told last.
    pub(crate) woken: Readiness,
}

/// A segment that was sent, or several in one super-packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) seq: SeqNum,
    /// Behind its last byte, SYN and FIN counted.
    pub(super) end: SeqNum,
    /// SYN, FIN and PSH.
    pub(super) flags: TcpFlags,
    pub(super) is_sacked: bool,
    pub(super) is_lost: bool,
    /// It was sent again, and that has not been lost too.
    pub(super) is_resent: bool,
    /// It was sent more than once.
    pub(super) was_resent: bool,
    /// No segment goes beyond it.
    pub(super) ends_record: bool,
    /// How many segments it is, of how many bytes each but the last.
    pub(super) segments: u32,
    pub(super) mss: u32,
    /// When it was sent last.
    pub(super) sent_at: Instant,
    /// What was known of deliveries then.
    pub(super) stamp: Stamp,
}

impl Sent {
    /// Bytes from `from` up to its end, sent for the first time in segments of `mss` bytes.
    pub(super) fn new(now: Instant, (seq, end): (SeqNum, SeqNum), flags: TcpFlags, mss: u32, stamp: Stamp) -> Self {
        let mut sent = Self {
            seq,
            end,
            flags,
            is_sacked: false,
            is_lost: false,
            is_resent: false,
            was_resent: false,
            ends_record: false,
            segments: 1,
            mss: mss.max(1),
            sent_at: now,
            stamp,
        };
        sent.segments = sent.count();
        sent
    }

    /// Its bytes of payload.
    pub(super) fn len(&self) -> u32 {
        let control = [TcpFlags::SYN, TcpFlags::FIN].into_iter().filter(|flag| self.flags.contains(*flag));
        (self.end - self.seq) - control.count() as u32
    }

    /// How many segments its bytes are.
    pub(super) fn count(&self) -> u32 {
        self.len().div_ceil(self.mss).max(1)
    }
}

/// What this end sends.
#[derive(Debug, Default)]
pub(super) struct Sender {
    /// The first sequence number, that of the SYN.
    pub(super) initial: SeqNum,
    /// The first byte that is not acknowledged.
    pub(super) una: SeqNum,
    /// The next byte that is sent.
    pub(super) next: SeqNum,
    /// Behind the last byte that was written, and behind the FIN if there is to be one.
    pub(super) end: SeqNum,
    pub(super) fin_queued: bool,
    /// What the other end takes, from `una` on; and the most that it has ever taken.
    pub(super) window: u32,
    pub(super) window_max: u32,
    /// The sequence number of the segment that has told the window last.
    pub(super) window_from: SeqNum,
    /// Payload bytes of a segment, options taken off.
    pub(super) mss_bytes: u32,
    /// The way's MTU that this is for (Linux: `icsk_pmtu_cookie`); the way's may have changed since.
    pub(super) path_mtu_bytes: u32,
    /// What the other end has named, or what it has to be taken for having named.
    pub(super) mss_clamp: u32,
    pub(super) queue: SendQueue,
    /// What is in flight, in order.
    pub(super) flight: VecDeque<Sent>,
    /// Segments in flight, of those delivered out of order, taken for lost, and sent again.
    pub(super) in_flight: Tally,
    /// Behind the last segment that was smaller than it could be.
    pub(super) small_end: SeqNum,
    /// Behind the last byte that is urgent, until that is acknowledged.
    pub(super) urgent_end: Option<SeqNum>,
    /// Behind the last byte for which PSH was set.
    pub(super) pushed: SeqNum,
    /// When data were sent last.
    pub(super) last_at: Instant,
    /// What is not sent, in the pieces in which it was written.
    pub(super) unsent: VecDeque<super::unsent::Unsent>,
    /// For how long what has held sending up.
    pub(super) chronicle: super::chronicle::Chronicle,
    /// Segments that were sent in one round trip at most, and when that round ends.
    pub(super) most_out: u32,
    pub(super) most_out_end: SeqNum,
    /// Whether the congestion window was what held sending up.
    pub(super) is_window_limited: bool,
    /// Segments used of the window lately, and since when that is counted.
    pub(super) used: u32,
    pub(super) used_since: Instant,
    /// Writes have found no room.
    pub(super) wants_room: bool,
    /// Somebody waits for the connection to stand, and writes then (Linux: `sk_write_pending`).
    pub(super) has_writer: bool,
    /// The identification of the next IPv4 packet.
    pub(super) ip_id: u16,
}

/// How many segments, in sets that overlap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) out: u32,
    pub(super) sacked: u32,
    pub(super) lost: u32,
    pub(super) resent: u32,
}

impl Tally {
    /// Segments that are thought to be in the network (RFC 6675: the pipe).
    pub(super) const fn pipe(&self) -> u32 {
        (self.out + self.resent).saturating_sub(self.sacked + self.lost)
    }
}

/// What comes from the other end.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    pub(super) initial: SeqNum,
    /// The next byte that is expected.
    pub(super) next: SeqNum,
    /// What was acknowledged when the window was told last, and the window.
    pub(super) told: SeqNum,
    pub(super) window: u32,
    /// No larger window is told, for now and ever.
    pub(super) window_soft_max: u32,
    pub(super) window_clamp: u32,
    pub(super) queue: ReceiveQueue,
    pub(super) urgent: Option<super::urgent::Mark>,
    pub(super) out_of_order: Reassembly,
    pub(super) received: Received,
    /// What the timestamps option of the next segment echoes, and when it was taken.
    pub(super) recent_timestamp: u32,
    pub(super) recent_at: Instant,
    /// The MSS that the other end seems to use.
    pub(super) mss_seen: u32,
    /// The MSS that was named to it.
    pub(super) mss_told: u32,
    pub(super) acks: super::delayed::Delayed,
    /// Payload per memory of what comes, in 1/256.
    pub(super) payload_part: u32,
    pub(super) tuning: super::window::Tuning,
    /// When data came last.
    pub(super) last_at: Instant,
    /// When anything came last.
    pub(super) heard_at: Instant,
    /// When an acknowledgement came last.
    pub(super) acked_at: Instant,
    /// When a segment that could not be right was answered last.
    pub(super) answered_at: Option<Instant>,
    /// The network's mark has to be told of (ECE), until the other end says CWR.
    pub(super) echoes_mark: bool,
    /// Something that may be marked has come.
    pub(super) has_seen_ect: bool,
}

/// How loss is dealt with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Troubles {
    pub(super) now: Trouble,
    /// What was sent when the trouble began: it ends there.
    pub(super) high: SeqNum,
    /// The window and threshold before it.
    pub(super) prior_window: u32,
    pub(super) prior_threshold: u32,
    /// Whether the reduction can be taken back: what was unacknowledged when it began.
    pub(super) undo_from: Option<SeqNum>,
    /// Segments sent again whose repetition was not told of yet; 0: all were for nothing.
    pub(super) undo_resent: Option<u32>,
    /// When the first segment was sent again.
    pub(super) resent_at: Option<Instant>,
    /// PRR (RFC 6937): delivered, and sent since it began.
    pub(super) delivered: u32,
    pub(super) sent: u32,
    /// Segments by which the network reorders.
    pub(super) reordering: u32,
    pub(super) has_reordered: bool,
    /// The timeout's first segments after it tell whether it was too early (F-RTO).
    pub(super) is_frto: bool,
    /// It has found that the other end had given up what it had told of (Linux: `is_sack_reneg`).
    pub(super) has_reneged: bool,
    /// A tail loss probe was sent, up to here; and it was a repetition.
    pub(super) probe_high: Option<SeqNum>,
    pub(super) probe_was_resent: bool,
    /// Timeouts in a row.
    pub(super) backoff: u32,
    /// Retransmissions, or probes, in a row without an answer.
    pub(super) attempts: u32,
    pub(super) probes: u32,
    /// ECN: the next data tell that the window was reduced (CWR).
    pub(super) reduces_marked: bool,
    /// What has just come answers something that was sent before anything was sent again (Eifel, RFC 3522).
    pub(super) is_late: bool,
    /// Since when the other end's window is asked for.
    pub(super) probing_since: Option<Instant>,
}

impl Connection {
    /// A connection before its first segment.
    pub(super) fn new(now: Instant, ends: Ends, state: State, settings: Settings, way: Way) -> Self {
        let congestion = congestion::by_name(settings.algorithm.0).unwrap_or_else(|| Box::new(congestion::Reno));
        Self {
            ends,
            state,
            settings,
            way,
            agreed: Agreed::default(),
            sender: Sender { used_since: now, last_at: now, path_mtu_bytes: way.mtu_bytes, ..Sender::default() },
            receiver: Receiver { heard_at: now, last_at: now, ..Receiver::default() },
            rtt: Rtt::default(),
            trouble: Troubles::default(),
            rack: Rack::default(),
            delivery: Delivery::default(),
            pacing: Pacing::new(settings.pacing_rate_max.0, settings.pacing_rate_max.1),
            window: Window::default(),
            congestion,
            deadlines: Deadlines::default(),
            mtu_search: MtuSearch::default(),
            fast_open: None,
            counters: Counters::default(),
            account: Account::default(),
            origin: None,
            error: None,
            soft_error: None,
            is_receive_shut: false,
            is_send_shut: false,
            is_at_end: false,
            is_orphan: false,
            is_accepted: true,
            is_remembered: false,
            woken: Readiness::default(),
        }
    }

    /// Bytes of the stream that were written and not sent yet, without FIN.
    pub(super) fn unsent(&self) -> u32 {
        self.sender.end - self.sender.next - u32::from(self.sender.fin_queued && self.has_unsent())
    }

    /// Whether anything was not sent yet, a FIN included.
    pub(super) fn has_unsent(&self) -> bool {
        self.sender.next.before(self.sender.end)
    }

    /// What can be done with it now, while all sockets together are under pressure or not.
    pub(crate) fn readiness(&self, is_under_pressure: bool) -> Readiness {
        let mut ready = Readiness::default();
        let is_done = self.state == State::Closed;
        if self.is_at_end || self.is_receive_shut || is_done {
            ready |= Readiness::READABLE | Readiness::PEER_CLOSED;
        }
        if self.is_worth_reading(is_under_pressure) {
            ready |= Readiness::READABLE;
        }
        if self.has_urgent() {
            ready |= Readiness::URGENT;
        }
        if is_done || ((self.is_at_end || self.is_receive_shut) && self.is_send_shut) {
            ready |= Readiness::HUNG_UP;
        }
        let is_opening = match self.state {
            State::SynSent => !self.is_deferred(),
            State::SynReceived => !self.is_in_handshake(),
            State::Closed
            | State::Listen
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => false,
        };
        if !is_opening && (self.is_send_shut || self.has_room()) {
            ready |= Readiness::WRITABLE;
        }
        if self.error.is_some() {
            ready |= Readiness::ERROR;
        }
        ready
    }

    /// Ends it for a reason that its user is told.
    pub(super) fn fail(&mut self, error: SocketError, pool: &mut Pool) {
        self.error = Some(error);
        self.wake(Readiness::ERROR);
        self.finish(pool);
    }

    /// Ends it; what has come can still be read.
    pub(super) fn finish(&mut self, pool: &mut Pool) {
        self.state = State::Closed;
        if self.fast_open.is_some() {
            self.note_end_of_fast();
        }
        self.deadlines = Deadlines::default();
        self.sender.queue.clear(pool);
        self.sender.unsent.clear();
        self.sender.flight.clear();
        self.sender.in_flight = Tally::default();
        self.receiver.out_of_order.clear(pool);
        (self.is_send_shut, self.is_receive_shut) = (true, true);
        self.wake(Readiness::READABLE | Readiness::WRITABLE | Readiness::PEER_CLOSED | Readiness::HUNG_UP);
    }

    /// Gives the packets back that it holds.
    pub(crate) fn release(mut self, pool: &mut Pool) {
        self.receiver.queue.clear(pool);
        self.receiver.out_of_order.clear(pool);
    }

    pub(super) fn wake(&mut self, for_what: Readiness) {
        self.woken |= for_what;
    }

    /// How long it waits for an acknowledgement now, and whether it has been given up for waiting too long.
    pub(super) fn timeout(&self) -> Duration {
        let timeout = self.rtt.timeout(self.settings.timeout_max);
        timeout.saturating_mul(1 << self.trouble.backoff.min(BACKOFF_MAX)).min(self.settings.timeout_max)
    }

    /// What a timeout is longer than a round trip at least.
    pub(super) fn timeout_floor(&self, work: &Work<'_>) -> Duration {
        let of_all = Duration::from_micros(work.sysctls.tcp_rto_min_us.into());
        self.way.metrics.rto_min().unwrap_or(of_all)
    }

    /// The congestion window that it begins with, in segments (RFC 6928).
    pub(super) fn initial_segments(&self) -> u32 {
        self.way.metrics.initcwnd.unwrap_or(Window::INITIAL_SEGMENTS)
    }

    /// The device of the link on which the other end's address means something.
    pub(crate) const fn bound(&self) -> Option<DeviceId> {
        self.way.bound
    }

    /// From whom to whom.
    pub(crate) const fn peer(&self) -> SocketAddr {
        self.ends.remote
    }
}

/// More doublings give the longest timeout anyway: 2^16 times 200 ms are hours.
const BACKOFF_MAX: u32 = 16;
