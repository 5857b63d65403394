//! How a reduction is taken back when it turns out to have been for nothing: what was thought lost has come late (RFC 5682; Eifel, RFC 4015),
//! or twice (D-SACK, RFC 3708).
//!
//! Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_try_undo_recovery()` and those beside it.

use super::{congestion::Trouble, connection::Connection, work::Work};
use crate::{time::Instant, wire::SeqNum};

impl Connection {
    pub(super) fn begin_undo(&mut self) {
        self.trouble.undo_from = Some(self.sender.una);
        let resent = self.sender.in_flight.resent;
        let probe = u32::from(self.trouble.probe_high.is_some() && self.trouble.probe_was_resent);
        // Zero would mean that all were told of already.
        self.trouble.undo_resent = (resent + probe > 0).then_some(resent + probe);
    }

    /// Whether a reduction was for nothing: all that was sent again was told of as having come twice, or what comes back shows
    /// that it was sent before anything was sent again.
    fn may_undo(&self) -> bool {
        self.trouble.undo_from.is_some() && (self.trouble.undo_resent == Some(0) || self.trouble.is_late)
    }

    fn undo_reduction(&mut self, now: Instant, forgets_losses: bool) {
        if forgets_losses {
            self.sender.flight.iter_mut().for_each(|sent| sent.is_lost = false);
            self.sender.in_flight.lost = 0;
        }
        if self.trouble.prior_threshold > 0 {
            let flow = self.flow(now);
            let window = self.congestion.undo(&flow, &self.window, self.trouble.prior_window);
            self.window.set(window);
            if self.trouble.prior_threshold > self.window.threshold {
                self.window.threshold = self.trouble.prior_threshold;
                self.trouble.reduces_marked = false;
            }
        }
        self.trouble.undo_from = None;
        self.rack.reopen();
        self.counters.undone += 1;
    }

    /// All that was sent when the trouble began is acknowledged. Tells whether nothing more may be concluded yet: without SACK,
    /// duplicates of it may still come (RFC 6582, section 4).
    pub(super) fn try_undo_recovery(&mut self, work: &Work<'_>) -> bool {
        if self.may_undo() {
            self.undo_reduction(work.now, false);
        } else {
            self.rack.end_recovery();
        }
        if !self.agreed.sack && self.sender.una == self.trouble.high {
            if self.sender.in_flight.resent == 0 {
                self.trouble.resent_at = None;
            }
            return true;
        }
        if self.trouble.now == Trouble::Recovery {
            self.end_reduction();
        }
        self.set_trouble(work.now, Trouble::Open);
        self.trouble.has_reneged = false;
        false
    }

    pub(super) fn try_undo_by_dsack(&mut self, work: &Work<'_>) -> bool {
        if self.trouble.undo_from.is_none() || self.trouble.undo_resent != Some(0) {
            return false;
        }
        self.undo_reduction(work.now, false);
        true
    }

    pub(super) fn try_undo_loss(&mut self, work: &Work<'_>, by_frto: bool) -> bool {
        if !by_frto && !self.may_undo() {
            return false;
        }
        self.undo_reduction(work.now, true);
        self.trouble.attempts = 0;
        if by_frto || self.agreed.sack {
            self.set_trouble(work.now, Trouble::Open);
            self.trouble.has_reneged = false;
        }
        true
    }

    /// In recovery an acknowledgement of a part shows that what was sent first has come late.
    pub(super) fn try_undo_partial(&mut self, work: &Work<'_>, prior_una: SeqNum) -> bool {
        if self.trouble.undo_from.is_none() || !self.trouble.is_late {
            return false;
        }
        self.note_reordering(work, prior_una, self.furthest_sacked());
        if self.sender.in_flight.resent > 0 {
            return true;
        }
        self.trouble.resent_at = None;
        self.undo_reduction(work.now, true);
        self.try_keep_open(work.now);
        true
    }
}
