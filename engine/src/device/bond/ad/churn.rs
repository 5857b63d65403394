//! The churn machines: whether both ends come to terms within a minute (IEEE 802.1AX-2020, 6.4.17).

use super::{
    TICKS_PER_SEC,
    port::{AdPort, ChurnState, runs_out},
};
use crate::wire::lacp::PortState;

impl AdPort {
    /// Goes on, for this end and for the other.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_churn_machine()`.
    pub(super) fn churn(&mut self) {
        if core::mem::take(&mut self.churned) {
            self.churn = [ChurnState::Monitor; 2];
            self.timers.churn = [CHURN_DETECTION_TICKS; 2];
            return;
        }
        for (end, state) in [self.state, self.partner.state].into_iter().enumerate() {
            if !runs_out(&mut self.timers.churn[end]) || self.churn[end] != ChurnState::Monitor {
                continue;
            }
            if state.has(PortState::SYNCHRONIZATION) {
                self.churn[end] = ChurnState::NoChurn;
            } else {
                self.churn[end] = ChurnState::Churn;
                self.churn_counts[end] = self.churn_counts[end].saturating_add(1);
            }
        }
    }
}

/// `Churn_Detection_Time`, 60 s (IEEE 802.1AX-2020, 6.4.4).
pub(super) const CHURN_DETECTION_TICKS: u16 = 60 * TICKS_PER_SEC;
