//! When what has come is acknowledged: at once, or with what is sent soon (RFC 1122, section 4.2.3.2; RFC 5681, section 4.2).
//!
//! Linux acknowledges at once while a sender starts and cannot know better (quick acknowledgements), and lets
//! acknowledgements wait for answers once a connection is seen to be one of questions and answers (v6.18:
//! `net/ipv4/tcp_input.c`, `tcp_event_data_recv()`, `__tcp_ack_snd_check()`; `net/ipv4/tcp_output.c`,
//! `tcp_send_delayed_ack()`; `net/ipv4/tcp_timer.c`, `tcp_delack_timer_handler()`).

use core::time::Duration;

use super::{connection::Connection, work::Work};
use crate::{time::Instant, wire::SeqNum};

/// How acknowledgements of a connection are given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delayed {
    /// Something has come that is not acknowledged.
    pub(super) is_due: bool,
    /// It is to be acknowledged at once.
    pub(super) is_urgent: bool,
    /// There was no memory for what is next: the window that is told next is closed (Linux: `ICSK_ACK_NOMEM`).
    pub(super) is_out_of_memory: bool,
    /// Segments that are acknowledged at once, still.
    pub(super) quick: u32,
    /// Answers that were sent soon after a question.
    pub(super) answers: u8,
    /// How long an acknowledgement waits; zero before the first data.
    pub(super) wait: Duration,
    /// When data came last.
    pub(super) came_at: Instant,
    /// A segment smaller than others has come, or two.
    pub(super) small: u8,
    /// The user wants no delay (`TCP_QUICKACK`).
    pub(super) never: bool,
    /// Acknowledgements of what has come out of order that wait for others.
    pub(super) compressed: u32,
    /// How many did not wait since the next byte in order is that.
    repeated: u8,
    repeated_for: SeqNum,
}

impl Delayed {
    /// Whether the next segment is acknowledged at once, for there may be no other.
    const fn is_quick(&self, is_of_answers: bool) -> bool {
        self.never || (self.quick > 0 && !is_of_answers)
    }
}

/// How long an acknowledgement waits at most where timeouts may be that short: the other end's are taken to be, too (Linux v6.18:
/// `net/ipv4/tcp_output.c`, `tcp_delack_max()`, in ticks of which 250 are a second).
fn wait_max(timeout_floor: Duration) -> Duration {
    WAIT_MAX.min(timeout_floor.max(2 * TICK).saturating_sub(TICK))
}

impl Connection {
    /// Whether acknowledgements wait for answers.
    pub(super) fn is_of_answers(&self, work: &Work<'_>) -> bool {
        u32::from(self.receiver.acks.answers) >= work.sysctls.tcp_pingpong_thresh
    }

    /// Acknowledges the next segments at once: a quarter of the window of them at most.
    pub(super) fn acknowledge_quickly(&mut self, most: u32) {
        let quick = self.receiver.window / (2 * self.receiver.mss_seen.max(1));
        let quick = if quick == 0 { 2 } else { quick }.min(most);
        self.receiver.acks.quick = self.receiver.acks.quick.max(quick);
    }

    /// From now on acknowledgements are quick, whatever was before.
    pub(super) fn enter_quick_acks(&mut self, most: u32) {
        self.acknowledge_quickly(most);
        (self.receiver.acks.answers, self.receiver.acks.wait) = (0, WAIT_MIN);
    }

    /// Data have come in order, in segments of so many bytes.
    pub(super) fn note_data(&mut self, work: &Work<'_>, size: u32) {
        let timeout = self.timeout();
        self.measure_mss(size);
        let acks = &mut self.receiver.acks;
        acks.is_due = true;
        let since = work.now.since(acks.came_at);
        acks.came_at = work.now;
        self.receiver.last_at = work.now;
        let acks = &mut self.receiver.acks;
        if acks.wait.is_zero() {
            acks.wait = WAIT_MIN;
            self.acknowledge_quickly(QUICK_MAX);
        } else if since <= WAIT_MIN / 2 {
            acks.wait = acks.wait / 2 + WAIT_MIN / 2;
        } else if since < acks.wait {
            acks.wait = (acks.wait / 2 + since).min(timeout);
        } else if since > timeout {
            // The sender is likely to begin slowly.
            self.acknowledge_quickly(QUICK_MAX);
        }
    }

    /// Learns from the size of a segment what sizes the other end sends.
    fn measure_mss(&mut self, size: u32) {
        if size >= self.receiver.mss_seen {
            self.receiver.mss_seen = size.min(self.receiver.mss_told).max(MSS_SEEN_MIN);
            self.receiver.acks.small = 0;
        } else {
            self.receiver.acks.small = (self.receiver.acks.small + 1).min(2);
        }
    }

    /// Acknowledges what has come, now or after a while.
    pub(super) fn acknowledge_data(&mut self, work: &mut Work<'_>) {
        if !self.receiver.acks.is_due {
            return;
        }
        let unacknowledged = self.receiver.next - self.receiver.told;
        let is_more_than_one =
            unacknowledged > self.receiver.mss_seen && self.window_to_tell(work) >= self.receiver.window;
        let acks = &self.receiver.acks;
        let is_gap_open = !self.receiver.out_of_order.is_empty();
        let is_quick = self.way.metrics.quickack || acks.is_quick(self.is_of_answers(work));
        if is_more_than_one || is_quick || acks.is_urgent || (is_gap_open && !self.compresses(work)) {
            self.send_ack(work);
        } else if is_gap_open {
            self.compress_ack(work);
        } else {
            self.delay_ack(work);
        }
    }

    /// Whether the acknowledgement of what has come out of order may wait for others: the sender has been told of the gap often enough
    /// (Linux v6.18: `__tcp_ack_snd_check()`).
    fn compresses(&mut self, work: &Work<'_>) -> bool {
        let next = self.receiver.next;
        let acks = &mut self.receiver.acks;
        if !self.agreed.sack || acks.compressed >= work.sysctls.tcp_comp_sack_nr {
            return false;
        }
        if acks.repeated_for != next {
            (acks.repeated_for, acks.repeated) = (next, 0);
        }
        if acks.repeated < REPEATED {
            acks.repeated += 1;
            return false;
        }
        true
    }

    fn compress_ack(&mut self, work: &Work<'_>) {
        self.receiver.acks.compressed += 1;
        if self.deadlines.compressed.is_none() {
            let rtt = self.receiver_rtt();
            let rtt = self.rtt.smoothed().map_or(rtt, |smoothed| smoothed.min(rtt));
            let most = Duration::from_nanos(work.sysctls.tcp_comp_sack_delay_ns.into());
            let slack = Duration::from_nanos(work.sysctls.tcp_comp_sack_slack_ns.into());
            self.deadlines.compressed = Some(work.now + most.min(rtt / 20) + slack);
        }
    }

    /// Acknowledgements have waited long enough for others, or what they tell is too much for one.
    pub(super) fn acknowledge_compressed(&mut self, work: &mut Work<'_>) {
        self.deadlines.compressed = None;
        if core::mem::take(&mut self.receiver.acks.compressed) > 0 {
            self.send_ack(work);
        }
    }

    fn delay_ack(&mut self, work: &mut Work<'_>) {
        let mut wait = self.receiver.acks.wait;
        if wait > WAIT_MIN {
            let is_patient = self.is_of_answers(work) || self.receiver.acks.small > 0;
            let mut most = if is_patient { WAIT_MAX } else { Duration::from_millis(500) };
            if let Some(rtt) = self.rtt.smoothed() {
                most = most.min(rtt.max(WAIT_MIN));
            }
            wait = wait.min(most);
        }
        let wait = wait.min(wait_max(self.timeout_floor(work)));
        let at = work.now + wait;
        match self.deadlines.ack {
            // It is nearly time anyway.
            Some(waits_until) if at >= waits_until && waits_until <= work.now + wait / 4 => self.send_ack(work),
            Some(waits_until) => self.deadlines.ack = Some(waits_until.min(at)),
            None => self.deadlines.ack = Some(at),
        }
    }

    /// An acknowledgement has waited long enough.
    pub(super) fn acknowledge_late(&mut self, work: &mut Work<'_>) {
        self.deadlines.ack = None;
        if !self.receiver.acks.is_due {
            return;
        }
        if self.is_of_answers(work) {
            // The answer has not come: it is no such connection.
            (self.receiver.acks.answers, self.receiver.acks.wait) = (0, WAIT_MIN);
        } else {
            self.receiver.acks.wait = (self.receiver.acks.wait * 2).min(self.timeout());
        }
        self.send_ack(work);
    }

    /// A segment is sent that acknowledges all that has come.
    pub(super) fn note_acknowledged(&mut self) {
        let acks = &mut self.receiver.acks;
        if acks.quick > 0 {
            acks.quick -= 1;
            if acks.quick == 0 {
                acks.wait = WAIT_MIN;
            }
        }
        (acks.is_due, acks.is_urgent, acks.small, acks.compressed) = (false, false, 0, 0);
        (self.deadlines.ack, self.deadlines.compressed) = (None, None);
    }

    /// Data are sent: perhaps as an answer.
    pub(super) fn note_data_sent(&mut self, now: Instant) {
        let acks = &mut self.receiver.acks;
        if now.since(acks.came_at) < acks.wait {
            acks.answers = acks.answers.saturating_add(1);
        }
    }

    /// The user has read: the window may have opened so far that the other end should know, or an acknowledgement has waited
    /// for it (Linux v6.18: `net/ipv4/tcp.c`, `__tcp_cleanup_rbuf()`).
    pub(super) fn acknowledge_read(&mut self, work: &mut Work<'_>, copied: usize) {
        let acks = &self.receiver.acks;
        if acks.is_due {
            let is_more_than_one = self.receiver.next - self.receiver.told > self.receiver.mss_seen;
            let is_small = acks.small == 2 || (acks.small == 1 && !self.is_of_answers(work));
            if is_more_than_one || (copied > 0 && is_small && self.receiver.queue.is_empty()) {
                return self.send_ack(work);
            }
        }
        if copied == 0 || self.is_receive_shut || !self.state.can_receive() {
            return;
        }
        let told = self.window_left();
        if 2 * u64::from(told) <= u64::from(self.receiver.window_clamp) {
            let window = self.window_to_tell(work);
            if window > 0 && u64::from(window) >= 2 * u64::from(told) {
                self.send_ack(work);
            }
        }
    }
}

/// Acknowledgements behind a gap that do not wait for others (Linux: `TCP_FASTRETRANS_THRESH`).
const REPEATED: u8 = 3;
/// Acknowledgements that are given at once at a connection's beginning, at most.
pub(super) const QUICK_MAX: u32 = 16;
/// The least and the greatest time that an acknowledgement waits (Linux: `TCP_ATO_MIN`, `TCP_DELACK_MAX`).
pub(super) const WAIT_MIN: Duration = Duration::from_millis(40);
pub(super) const WAIT_MAX: Duration = Duration::from_millis(200);
/// What Linux counts time in where 250 ticks are a second.
const TICK: Duration = Duration::from_millis(4);
/// Segments smaller than this say nothing about the MSS (Linux: `TCP_MIN_MSS`).
const MSS_SEEN_MIN: u32 = 88;
