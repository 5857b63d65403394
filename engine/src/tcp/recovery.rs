//! Loss, and what follows it: fast recovery with proportional rate reduction (RFC 6675, RFC 6937) and the retransmission
//! timeout (RFC 6298). How either is taken back is told in `undo`.
//!
//! ```text
//!            out of order             lost                      all of then acknowledged
//!   Open ─────────────────► Disorder ──────► Recovery ─────────────────────────────────► Open
//!    │  mark (ECE)                               ▲ lost                                    ▲
//!    ├───────────────────► Reduced ──────────────┘                                         │
//!    │  timeout                                                                            │
//!    └───────────────────► Loss ───────────────────────────────────────────────────────────┘
//! ```
//!
//! Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_fastretrans_alert()` and what it calls.

use super::{
    ack::Resend,
    congestion::{Trouble, Window},
    connection::Connection,
    scoreboard::News,
    work::Work,
};
use crate::{
    time::Instant,
    wire::{SeqNum, TcpFlags},
};

impl Connection {
    pub(super) fn set_trouble(&mut self, now: Instant, trouble: Trouble) {
        let flow = self.flow(now);
        self.congestion.enter(&flow, trouble);
        self.trouble.now = trouble;
    }

    /// The threshold to come back to when a reduction is taken back.
    pub(super) fn current_threshold(&self) -> u32 {
        if matches!(self.trouble.now, Trouble::Reduced | Trouble::Recovery) {
            return self.window.threshold;
        }
        self.window.threshold.max((self.window.segments >> 1) + (self.window.segments >> 2))
    }

    fn is_reducing(&self) -> bool {
        matches!(self.trouble.now, Trouble::Reduced | Trouble::Recovery)
    }

    /// Draws conclusions from an acknowledgement that is not what it should be, or comes in a time of trouble. Tells what is to
    /// be sent again.
    pub(super) fn handle_trouble(
        &mut self,
        work: &mut Work<'_>,
        prior_una: SeqNum,
        is_duplicate: bool,
        news: &mut News,
    ) -> Resend {
        if self.sender.in_flight.out == 0 {
            self.sender.in_flight.sacked = 0;
        }
        if news.has_echo {
            self.trouble.prior_threshold = 0;
        }
        if news.is_reneging && news.has_advanced {
            // The other end has given up what it had told of; the timeout comes soon.
            let wait = (self.rtt.smoothed().unwrap_or_default() / 2).max(core::time::Duration::from_millis(10));
            self.deadlines.retransmit = Some((work.now + wait, super::timers::Pending::Retransmit));
            news.rearms = false;
            return Resend::Nothing;
        }
        if self.trouble.now == Trouble::Open {
            self.trouble.resent_at = None;
        } else if !self.sender.una.before(self.trouble.high) {
            match self.trouble.now {
                Trouble::Reduced if self.sender.una != self.trouble.high => {
                    self.end_reduction();
                    self.set_trouble(work.now, Trouble::Open);
                }
                Trouble::Recovery => {
                    self.reset_duplicates();
                    if self.try_undo_recovery(work) {
                        return Resend::Nothing;
                    }
                    self.end_reduction();
                }
                Trouble::Open | Trouble::Disorder | Trouble::Reduced | Trouble::Loss => {}
            }
        }
        match self.trouble.now {
            Trouble::Recovery => self.handle_in_recovery(work, prior_una, is_duplicate, news),
            Trouble::Loss => self.handle_in_loss(work, is_duplicate, news),
            Trouble::Open | Trouble::Disorder | Trouble::Reduced => {
                self.handle_before_recovery(work, is_duplicate, news)
            }
        }
    }

    fn handle_before_recovery(&mut self, work: &mut Work<'_>, is_duplicate: bool, news: &mut News) -> Resend {
        if !self.agreed.sack {
            if news.has_advanced {
                self.reset_duplicates();
            }
            self.count_duplicate(work, is_duplicate, news);
        }
        if self.trouble.now <= Trouble::Disorder {
            self.try_undo_by_dsack(work);
        }
        self.find_losses(work, news);
        if self.sender.in_flight.lost == 0 {
            if self.sender.in_flight.resent == 0 {
                self.trouble.resent_at = None;
            }
            if news.has_echo {
                self.enter_reduction(work);
            }
            if self.trouble.now != Trouble::Reduced {
                self.try_keep_open(work.now);
            }
            return Resend::Nothing;
        }
        if self.forgive_lost_probe(work) {
            return Resend::Nothing;
        }
        self.enter_recovery(work, news.has_echo);
        Resend::Lost
    }

    fn handle_in_recovery(
        &mut self,
        work: &mut Work<'_>,
        prior_una: SeqNum,
        is_duplicate: bool,
        news: &mut News,
    ) -> Resend {
        if !news.has_advanced {
            if !self.agreed.sack {
                self.count_duplicate(work, is_duplicate, news);
            }
        } else if self.try_undo_partial(work, prior_una) {
            return Resend::Nothing;
        }
        if self.try_undo_by_dsack(work) {
            self.try_keep_open(work.now);
        }
        self.find_losses(work, news);
        if self.trouble.now != Trouble::Recovery {
            if self.sender.in_flight.lost == 0 {
                return Resend::Nothing;
            }
            self.enter_recovery(work, news.has_echo);
        }
        Resend::Lost
    }

    fn handle_in_loss(&mut self, work: &mut Work<'_>, is_duplicate: bool, news: &mut News) -> Resend {
        let resend = self.process_loss(work, is_duplicate, news);
        self.find_losses(work, news);
        if self.trouble.now == Trouble::Loss {
            return resend;
        }
        self.counters.timeouts.end(work.now);
        if self.trouble.now == Trouble::Open && !news.has_lost_resent && self.sender.in_flight.lost == 0 {
            return resend;
        }
        match self.trouble.now {
            Trouble::Open | Trouble::Disorder | Trouble::Reduced => {
                self.handle_before_recovery(work, is_duplicate, news)
            }
            Trouble::Recovery | Trouble::Loss => resend,
        }
    }

    /// After a timeout: whether it was too early shows in what comes back of what was sent before it (F-RTO, RFC 5682).
    fn process_loss(&mut self, work: &mut Work<'_>, is_duplicate: bool, news: &mut News) -> Resend {
        let is_recovered = !self.sender.una.before(self.trouble.high);
        if news.has_advanced && self.try_undo_loss(work, false) {
            return Resend::Nothing;
        }
        if self.trouble.is_frto {
            if news.has_original && self.try_undo_loss(work, true) {
                return Resend::Nothing;
            }
            if self.sender.next.after(self.trouble.high) {
                if news.has_sacked || is_duplicate {
                    self.trouble.is_frto = false;
                }
            } else if news.has_advanced && !is_recovered {
                self.trouble.high = self.sender.next;
                if self.has_unsent() && self.window_end().after(self.sender.next) {
                    return Resend::New;
                }
                self.trouble.is_frto = false;
            }
        }
        if is_recovered {
            self.try_undo_recovery(work);
            return Resend::Nothing;
        }
        if !self.agreed.sack {
            if self.sender.next.after(self.trouble.high) && is_duplicate {
                self.count_duplicate(work, true, news);
            } else if news.has_advanced {
                self.reset_duplicates();
            }
        }
        Resend::Lost
    }

    /// Looks for segments that are lost now.
    fn find_losses(&mut self, work: &Work<'_>, news: &mut News) {
        if self.sender.flight.is_empty() {
            return;
        }
        if !self.agreed.sack {
            return self.find_losses_by_duplicates(news.has_advanced);
        }
        let resent = self.sender.in_flight.resent;
        if self.look_for_losses(work) {
            news.rearms = false;
        }
        if self.sender.in_flight.resent < resent {
            news.has_lost_resent = true;
        }
    }

    /// Without SACK each duplicate stands for a segment that has arrived (RFC 5681, section 3.2).
    fn count_duplicate(&mut self, work: &Work<'_>, is_duplicate: bool, news: &mut News) {
        if !is_duplicate {
            return;
        }
        let before = self.sender.in_flight.sacked;
        self.sender.in_flight.sacked += 1;
        self.bound_duplicates(work, 0);
        if self.sender.in_flight.sacked > before {
            news.delivered += 1;
            self.counters.delivered = self.counters.delivered.wrapping_add(1);
        }
    }

    /// Of what was acknowledged, one segment was missing; the duplicates have stood for the others, which were counted then (Linux
    /// v6.18: `tcp_remove_reno_sacks()`).
    pub(super) fn remove_duplicates(&mut self, work: &Work<'_>, news: &mut News) {
        let acked = news.acknowledged;
        let tally = &mut self.sender.in_flight;
        news.delivered += acked.saturating_sub(tally.sacked).max(1);
        tally.sacked = tally.sacked.saturating_sub(acked.saturating_sub(1));
        self.bound_duplicates(work, acked);
        // Without SACK nothing tells whether the first sending has come, or the second.
        news.has_original &= !news.has_resent_acked;
    }

    /// More than are out cannot have arrived: the network has reordered, or repeated. `acked` were out until now (Linux v6.18:
    /// `tcp_check_reno_reordering()`).
    fn bound_duplicates(&mut self, work: &Work<'_>, acked: u32) {
        let tally = &mut self.sender.in_flight;
        let most = tally.out.saturating_sub(tally.lost.max(1));
        if tally.sacked > most {
            tally.sacked = most;
            self.trouble.reordering = (tally.out + acked).min(work.sysctls.tcp_max_reordering);
            self.trouble.has_reordered = true;
            self.counters.reorderings += 1;
        }
    }

    pub(super) fn reset_duplicates(&mut self) {
        if !self.agreed.sack {
            self.sender.in_flight.sacked = 0;
        }
    }

    /// Without SACK the first segment is lost after some duplicates, and each next one when an acknowledgement in recovery goes
    /// no further (NewReno, RFC 6582).
    fn find_losses_by_duplicates(&mut self, has_advanced: bool) {
        let is_first = self.trouble.now < Trouble::Recovery && self.sender.in_flight.sacked >= self.trouble.reordering;
        let is_next = self.trouble.now == Trouble::Recovery && has_advanced;
        if !is_first && !is_next {
            return;
        }
        let Some(first) = self.sender.flight.front().copied() else { return };
        if first.is_lost {
            return;
        }
        if first.segments > 1 && !first.flags.contains(TcpFlags::SYN) {
            self.split(0, first.seq + first.mss);
        }
        self.mark_lost(0);
    }

    pub(super) fn try_keep_open(&mut self, now: Instant) {
        let tally = &self.sender.in_flight;
        let is_calm = tally.sacked + tally.lost + tally.resent == 0;
        let trouble = if is_calm { Trouble::Open } else { Trouble::Disorder };
        if self.trouble.now != trouble {
            self.set_trouble(now, trouble);
            self.trouble.high = self.sender.next;
        }
    }

    pub(super) fn enter_recovery(&mut self, work: &Work<'_>, is_marked: bool) {
        self.trouble.prior_threshold = 0;
        self.begin_undo();
        if !self.is_reducing() {
            if !is_marked {
                self.trouble.prior_threshold = self.current_threshold();
            }
            self.start_reduction(work);
        }
        self.counters.recoveries += 1;
        self.set_trouble(work.now, Trouble::Recovery);
    }

    /// Reduces the window for a mark, or a segment that this host itself had no room for.
    pub(super) fn enter_reduction(&mut self, work: &Work<'_>) {
        self.trouble.prior_threshold = 0;
        if self.trouble.now < Trouble::Reduced {
            self.trouble.undo_from = None;
            self.start_reduction(work);
            self.set_trouble(work.now, Trouble::Reduced);
        }
    }

    pub(super) fn start_reduction(&mut self, work: &Work<'_>) {
        self.trouble.high = self.sender.next;
        self.trouble.probe_high = None;
        self.window.counted = 0;
        self.trouble.prior_window = self.window.segments;
        (self.trouble.delivered, self.trouble.sent) = (0, 0);
        self.window.threshold = self.congestion.threshold_after_loss(work.now, &self.window);
        self.trouble.reduces_marked = self.agreed.ecn;
    }

    /// Proportional rate reduction: while a window is repaired, as many segments go out as the new one is of the old one for
    /// each that is delivered (RFC 6937).
    pub(super) fn reduce_window(&mut self, delivered: u32, lost: u32, has_advanced: bool) {
        if delivered == 0 || self.trouble.prior_window == 0 {
            return;
        }
        let trouble = &mut self.trouble;
        trouble.delivered = trouble.delivered.saturating_add(delivered);
        let pipe = self.sender.in_flight.pipe();
        let send = if pipe > self.window.threshold {
            let due = u64::from(self.window.threshold) * u64::from(trouble.delivered);
            let due = due.div_ceil(trouble.prior_window.into()) as u32;
            due.saturating_sub(trouble.sent)
        } else {
            let mut send = trouble.delivered.saturating_sub(trouble.sent).max(delivered);
            if has_advanced && lost == 0 {
                send += 1;
            }
            send.min(self.window.threshold - pipe)
        };
        // The first segment is sent again at once.
        let send = send.max(u32::from(trouble.sent == 0));
        self.window.set(pipe + send);
    }

    pub(super) fn end_reduction(&mut self) {
        if self.congestion.is_model() {
            return;
        }
        let is_set = self.window.threshold < Window::NO_THRESHOLD;
        if is_set && (self.trouble.now == Trouble::Reduced || self.trouble.undo_from.is_some()) {
            self.window.set(self.window.threshold);
        }
    }

    /// The retransmission timeout has run out: nothing counts as being in the network any more.
    pub(super) fn enter_loss(&mut self, work: &Work<'_>) {
        let is_new = self.trouble.now < Trouble::Recovery;
        self.mark_all_lost(work);
        let is_calm = self.trouble.now <= Trouble::Disorder;
        let is_behind = !self.trouble.high.after(self.sender.una);
        if is_calm || is_behind || (self.trouble.now == Trouble::Loss && self.trouble.attempts == 0) {
            self.trouble.prior_threshold = self.current_threshold();
            self.trouble.prior_window = self.window.segments;
            self.window.threshold = self.congestion.threshold_after_loss(work.now, &self.window);
            self.begin_undo();
        }
        self.window.set(self.sender.in_flight.pipe() + 1);
        self.window.counted = 0;
        if is_calm && self.sender.in_flight.sacked >= self.trouble.reordering {
            self.trouble.reordering = self.trouble.reordering.min(work.sysctls.tcp_reordering);
        }
        self.set_trouble(work.now, Trouble::Loss);
        self.trouble.high = self.sender.next;
        self.trouble.probe_high = None;
        self.trouble.reduces_marked = self.agreed.ecn;
        self.trouble.is_frto = work.sysctls.tcp_frto != 0 && (is_new || self.trouble.attempts > 0);
    }

    fn mark_all_lost(&mut self, work: &Work<'_>) {
        let is_reneging = self.sender.flight.front().is_some_and(|first| first.is_sacked);
        if is_reneging {
            // RFC 2018, section 8: what was told of by SACK is not relied on.
            self.sender.flight.iter_mut().for_each(|sent| sent.is_sacked = false);
            self.sender.in_flight.sacked = 0;
            self.trouble.has_reneged = true;
        } else {
            self.reset_duplicates();
        }
        for at in 0..self.sender.flight.len() {
            let sent = self.sender.flight[at];
            let may_come = at > 0
                && !is_reneging
                && self.agreed.sack
                && self.until_lost(work.now, &sent, core::time::Duration::ZERO).is_some();
            if !may_come {
                self.mark_lost(at);
            }
        }
    }
}
