//! Losses found by time (RACK), and probes for a lost end (TLP): RFC 8985; Linux v6.18: `net/ipv4/tcp_recovery.c`,
//! `net/ipv4/tcp_output.c`, `tcp_schedule_loss_probe()`, `tcp_send_loss_probe()`.
//!
//! A segment is lost when one that was sent later has arrived, and longer ago than the network reorders.

use core::time::Duration;

use super::{
    congestion::Trouble,
    connection::{Connection, Sent},
    resent::ResendReason,
    timers::Pending,
    work::Work,
};
use crate::{time::Instant, wire::SeqNum};

/// What RACK knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rack {
    /// The segment sent last of those that have arrived: when, and where it ends.
    latest: Option<(Instant, SeqNum)>,
    /// Its round-trip time.
    rtt: Duration,
    /// Whether that is news since losses were looked for.
    has_advanced: bool,
    /// The window for reordering, in quarters of the least round-trip time, and for how many recoveries it stays so.
    steps: u8,
    persist: u8,
    /// What was sent when the last repetition was told of that was for nothing.
    widened_at: Option<SeqNum>,
}

impl Default for Rack {
    fn default() -> Self {
        Self { latest: None, rtt: Duration::ZERO, has_advanced: false, steps: 1, persist: 0, widened_at: None }
    }
}

impl Rack {
    /// A segment has arrived that was sent at `sent_at` and ends at `end`.
    pub(super) fn advance(&mut self, now: Instant, sent: &Sent, least: Option<Duration>) {
        let rtt = now.since(sent.sent_at);
        // An acknowledgement that comes sooner than any other answers the first time that it was sent.
        if sent.was_resent && least.is_some_and(|least| rtt < least) {
            return;
        }
        (self.has_advanced, self.rtt) = (true, rtt);
        if self.latest.is_none_or(|latest| is_later((sent.sent_at, sent.end), latest)) {
            self.latest = Some((sent.sent_at, sent.end));
        }
    }

    /// A reduction was for nothing: losses are looked for anew.
    pub(super) const fn reopen(&mut self) {
        self.has_advanced = true;
    }

    /// A recovery has ended.
    pub(super) const fn end_recovery(&mut self) {
        if self.persist > 0 {
            self.persist -= 1;
            if self.persist == 0 {
                self.steps = 1;
            }
        }
    }

    /// A repetition was for nothing, once a round trip: the network reorders more than was thought (RFC 8985, section 6.2,
    /// step 4).
    pub(super) fn widen(&mut self, una: SeqNum, next: SeqNum) {
        if self.widened_at.is_none_or(|at| !una.before(at)) {
            self.steps = self.steps.saturating_add(1);
            self.persist = PERSIST_RECOVERIES;
            self.widened_at = Some(next);
        }
    }
}

/// Whether one was sent later; of a super-packet's segments those behind are later.
pub(super) fn is_later(one: (Instant, SeqNum), other: (Instant, SeqNum)) -> bool {
    one.0 > other.0 || (one.0 == other.0 && one.1.after(other.1))
}

impl Connection {
    /// How long a segment may come after one that was sent later.
    fn reordering_window(&self, work: &Work<'_>) -> Duration {
        let tally = &self.sender.in_flight;
        if !self.trouble.has_reordered {
            if self.trouble.now >= Trouble::Recovery {
                return Duration::ZERO;
            }
            if tally.sacked >= self.trouble.reordering && work.sysctls.tcp_recovery & RECOVERY_NO_DUPTHRESH == 0 {
                return Duration::ZERO;
            }
        }
        let quarters = self.rtt.least().unwrap_or_default() / 4 * u32::from(self.rack.steps);
        quarters.min(self.rtt.smoothed().unwrap_or_default())
    }

    /// How long until a segment counts as lost; `None`: it does.
    pub(super) fn until_lost(&self, now: Instant, sent: &Sent, window: Duration) -> Option<Duration> {
        let left = (self.rack.rtt + window).saturating_sub(now.since(sent.sent_at));
        (!left.is_zero()).then_some(left)
    }

    /// Marks segments as lost that were sent before the latest that has arrived, and long enough ago. Gives how long to wait
    /// for those that were not.
    fn detect_losses(&mut self, work: &Work<'_>) -> Option<Duration> {
        let latest = self.rack.latest?;
        let window = self.reordering_window(work);
        let mut wait = None;
        for at in 0..self.sender.flight.len() {
            let sent = self.sender.flight[at];
            let is_marked = sent.is_lost && !sent.is_resent;
            if sent.is_sacked || is_marked || !is_later(latest, (sent.sent_at, sent.end)) {
                continue;
            }
            match self.until_lost(work.now, &sent, window) {
                Some(left) => wait = wait.max(Some(left)),
                None => self.mark_lost(at),
            }
        }
        wait
    }

    /// Looks for losses after an acknowledgement; tells whether a deadline stands for those that may turn out to be.
    pub(super) fn look_for_losses(&mut self, work: &Work<'_>) -> bool {
        if !core::mem::take(&mut self.rack.has_advanced) {
            return false;
        }
        let Some(wait) = self.detect_losses(work) else { return false };
        self.deadlines.retransmit = Some((work.now + wait + REORDERING_SLACK, Pending::Reordering));
        true
    }

    /// The time in which segments might still have come has passed.
    pub(super) fn handle_reordering_timeout(&mut self, work: &mut Work<'_>) {
        let before = self.sender.in_flight.pipe();
        let lost_before = self.sender.in_flight.lost;
        let wait = self.detect_losses(work);
        if before != self.sender.in_flight.pipe() || self.sender.in_flight.lost != lost_before {
            if self.trouble.now != Trouble::Recovery {
                self.enter_recovery(work, false);
                if !self.congestion.is_model() {
                    self.reduce_window(1, 0, false);
                }
            }
            self.resend_lost(work, ResendReason::Reordering);
        }
        if let Some(wait) = wait {
            self.deadlines.retransmit = Some((work.now + wait + REORDERING_SLACK, Pending::Reordering));
        } else if !matches!(self.deadlines.retransmit, Some((_, Pending::Retransmit))) {
            self.arm_retransmission(work);
        }
    }

    /// Arms the deadline after which the end of what is in flight is asked for. Tells whether it stands.
    pub(super) fn schedule_loss_probe(&mut self, work: &Work<'_>, is_progress: bool) -> bool {
        let is_wanted = matches!(work.sysctls.tcp_early_retrans, 3 | 4);
        let is_calm = matches!(self.trouble.now, Trouble::Open | Trouble::Reduced);
        let out = self.sender.in_flight.out;
        let is_in_handshake = matches!(self.deadlines.retransmit, Some((_, Pending::Handshake)));
        if !is_wanted || !is_calm || out == 0 || !self.agreed.sack || is_in_handshake {
            return false;
        }
        let mut wait = match self.rtt.smoothed() {
            Some(rtt) if out == 1 => rtt * 2 + self.timeout_floor(work),
            Some(rtt) => rtt * 2 + PROBE_SLACK,
            None => super::rtt::INITIAL_TIMEOUT,
        };
        // Never later than the retransmission would be.
        let timeout = if is_progress { self.timeout() } else { self.until_retransmission(work) };
        if !timeout.is_zero() {
            wait = wait.min(timeout);
        }
        self.deadlines.retransmit = Some((self.deadline_in(work, wait), Pending::LossProbe));
        true
    }

    /// Asks for the end of what is in flight: with new data, or by sending the last segment again.
    pub(super) fn send_loss_probe(&mut self, work: &mut Work<'_>) {
        if self.trouble.probe_high.is_some() {
            return self.arm_retransmission(work);
        }
        self.trouble.probe_was_resent = false;
        let out = self.sender.in_flight.out;
        if self.has_unsent() && !self.is_window_closed() {
            // What the device or the pacing holds back is new all the same: nothing is sent again in its place.
            if !self.send_one(work) || self.sender.in_flight.out == out {
                return self.arm_retransmission(work);
            }
        } else {
            let Some(last) = self.last_to_probe() else { return self.arm_retransmission(work) };
            if !self.resend(work, last, 1, ResendReason::LossProbe) {
                return self.arm_retransmission(work);
            }
            self.trouble.probe_was_resent = true;
        }
        self.counters.loss_probes += 1;
        self.trouble.probe_high = Some(self.sender.next);
        // From now on it is the retransmission's turn.
        self.deadlines.retransmit = None;
        self.arm_retransmission(work);
    }

    /// The last segment, cut off from the super-packet that it is part of.
    fn last_to_probe(&mut self) -> Option<usize> {
        let at = self.sender.flight.len().checked_sub(1)?;
        let last = self.sender.flight[at];
        if last.segments <= 1 || last.is_sacked {
            return Some(at);
        }
        let cut = last.seq + (last.len().saturating_sub(1)) / last.mss * last.mss;
        self.split(at, cut);
        Some(self.sender.flight.len() - 1)
    }

    /// An acknowledgement may tell what became of a probe (RFC 8985, section 7.4).
    pub(super) fn note_probe_answer(&mut self, work: &Work<'_>, ack: SeqNum, is_duplicate: bool, has_dsack: bool) {
        let Some(high) = self.trouble.probe_high else { return };
        if ack.before(high) {
            return;
        }
        if !self.trouble.probe_was_resent {
            // It carried new data, which have come, with all before them.
            self.trouble.probe_high = None;
        } else if has_dsack {
            // Original and probe have come: nothing was lost.
            self.trouble.probe_high = None;
        } else if ack.after(high) {
            // The probe has repaired a loss that nobody has seen else.
            self.start_reduction(work);
            self.set_trouble(work.now, Trouble::Reduced);
            self.end_reduction();
            self.try_keep_open(work.now);
        } else if is_duplicate {
            self.trouble.probe_high = None;
        }
    }
}

/// With this bit of `tcp_recovery` duplicates are not counted.
const RECOVERY_NO_DUPTHRESH: u32 = 4;
/// For how many recoveries a wider window stays (RFC 8985, section 6.2, step 4).
const PERSIST_RECOVERIES: u8 = 16;
/// Timers that run out too early find nothing to do (Linux: `TCP_TIMEOUT_MIN_US`).
const REORDERING_SLACK: Duration = Duration::from_millis(2);
/// The same for probes.
const PROBE_SLACK: Duration = Duration::from_millis(2);
