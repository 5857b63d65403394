//! The periodic machine: when to say something of one's own accord (IEEE 802.1AX-2020, 6.4.13, figure 6-19).
//!
//! The other end says how often: `lacp_rate` is about what this one hears.

use serde::{Deserialize, Serialize};

use super::{Machines, TICKS_PER_SEC, port::AdPort, port::runs_out};
use crate::wire::lacp::PortState;

/// Where the machine is (Linux: `periodic_states_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PeriodicState {
    /// `NO_PERIODIC`.
    None,
    Fast,
    Slow,
    /// `PERIODIC_TX`.
    Transmit,
}

impl Machines<'_> {
    /// Goes on.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_periodic_machine()`.
    pub(super) fn periodic(&mut self, place: usize) {
        let port = &mut self.ad.ports[place];
        let before = port.periodic;
        port.periodic = port.next_periodic();
        if port.periodic == before {
            return;
        }
        match port.periodic {
            PeriodicState::None => port.timers.periodic = 0,
            // Less the tick of sending.
            PeriodicState::Fast => port.timers.periodic = FAST_TICKS - 1,
            PeriodicState::Slow => port.timers.periodic = SLOW_TICKS - 1,
            PeriodicState::Transmit => port.ntt = true,
        }
    }
}

impl AdPort {
    fn next_periodic(&mut self) -> PeriodicState {
        use PeriodicState::{Fast, None, Slow, Transmit};
        let is_fast = self.partner.state.has(PortState::TIMEOUT);
        let speaks = self.state.has(PortState::ACTIVITY) || self.partner.state.has(PortState::ACTIVITY);
        if self.begin || !self.lacp_enabled || !self.is_enabled || !speaks {
            return None;
        }
        if self.timers.periodic > 0 {
            return match (runs_out(&mut self.timers.periodic), self.periodic) {
                (true, _) => Transmit,
                (false, Fast) if !is_fast => Slow,
                (false, Slow) if is_fast => {
                    self.timers.periodic = 0;
                    Transmit
                }
                (false, state) => state,
            };
        }
        match self.periodic {
            None => Fast,
            Transmit if is_fast => Fast,
            Transmit => Slow,
            state @ (Fast | Slow) => state,
        }
    }
}

/// `Fast_Periodic_Time`, 1 s, and `Slow_Periodic_Time`, 30 s (IEEE 802.1AX-2020, 6.4.4).
const FAST_TICKS: u16 = TICKS_PER_SEC;
pub(super) const SLOW_TICKS: u16 = 30 * TICKS_PER_SEC;
