//! The mux machine: whether a port sends and takes frames (IEEE 802.1AX-2020, 6.4.15, figure 6-22: coupled control).
//!
//! ```text
//!  DETACHED ── selected ─► WAITING ── all have waited 2 s ─► ATTACHED ── the other end is ready ─► COLLECTING_DISTRIBUTING
//!     ▲                       │                                 │  ▲                                   │
//!     └────── not selected ───┴─────────────────────────────────┘  └────────── no more so ─────────────┘
//! ```

use serde::{Deserialize, Serialize};

use super::{Machines, TICKS_PER_SEC, port::runs_out};
use crate::wire::lacp::PortState;

/// Where the machine is (Linux: `mux_states_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum MuxState {
    /// It has not begun yet, so that it has to enter [`Self::Detached`].
    Dummy,
    Detached,
    Waiting,
    Attached,
    CollectingDistributing,
}

impl Machines<'_> {
    /// Goes on.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_mux_machine()`.
    pub(super) fn mux(&mut self, place: usize) {
        let before = self.ad.ports[place].mux;
        let next = self.next_mux(place, before);
        self.ad.ports[place].mux = next;
        if next != before {
            self.enter_mux(place);
        }
    }

    fn next_mux(&mut self, place: usize, state: MuxState) -> MuxState {
        let is_active = self.ad.is_in_active(place);
        let may_select = self.ad.agg_select_timer == 0;
        let port = &mut self.ad.ports[place];
        let partner_is_ready = port.partner.state.has(PortState::SYNCHRONIZATION);
        match state {
            _ if port.begin => MuxState::Detached,
            MuxState::Detached if port.selected => MuxState::Waiting,
            MuxState::Waiting if port.selected => {
                port.ready_n |= runs_out(&mut port.timers.wait_while);
                let has_waited = port.timers.wait_while == 0;
                self.set_ready(place);
                if self.ad.ports[place].ready && has_waited { MuxState::Attached } else { state }
            }
            MuxState::Waiting => self.leave_aggregator(place),
            MuxState::Attached if port.selected && partner_is_ready && may_select => {
                if is_active {
                    MuxState::CollectingDistributing
                } else {
                    state
                }
            }
            MuxState::Attached if !port.selected => self.leave_aggregator(place),
            MuxState::Attached if is_active => {
                port.state.set(PortState::SYNCHRONIZATION, true);
                state
            }
            MuxState::CollectingDistributing
                if !port.selected || !partner_is_ready || !port.state.has(PortState::SYNCHRONIZATION) =>
            {
                MuxState::Attached
            }
            MuxState::CollectingDistributing if is_active && self.ports[place].is_backup => {
                self.enable(place);
                state
            }
            MuxState::Dummy | MuxState::Detached | MuxState::Attached | MuxState::CollectingDistributing => state,
        }
    }

    fn leave_aggregator(&mut self, place: usize) -> MuxState {
        self.ad.ports[place].ready_n = false;
        self.set_ready(place);
        MuxState::Detached
    }

    /// Does what is to be done in a state.
    fn enter_mux(&mut self, place: usize) {
        let is_active = self.ad.is_in_active(place);
        let port = &mut self.ad.ports[place];
        let passes = PortState::COLLECTING | PortState::DISTRIBUTING;
        match port.mux {
            MuxState::Dummy => {}
            MuxState::Waiting => port.timers.wait_while = AGGREGATE_WAIT_TICKS,
            MuxState::Detached | MuxState::Attached => {
                let is_attached = port.mux == MuxState::Attached;
                port.state.set(PortState::SYNCHRONIZATION, is_attached && is_active);
                port.state.set(passes, false);
                port.ntt = true;
                // One that nobody answers is used all the same, and not stopped here.
                if self.ad.aggregator_of(place).is_some_and(super::Aggregator::has_partner) {
                    self.disable(place);
                }
            }
            MuxState::CollectingDistributing => {
                port.state.set(passes | PortState::SYNCHRONIZATION, true);
                port.ntt = true;
                if is_active {
                    self.enable(place);
                }
            }
        }
    }
}

/// `Aggregate_Wait_Time`, 2 s (IEEE 802.1AX-2020, 6.4.4).
pub(super) const AGGREGATE_WAIT_TICKS: u16 = 2 * TICKS_PER_SEC;
