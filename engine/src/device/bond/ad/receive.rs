//! The receive machine: what is known of the other end, and for how long (IEEE 802.1AX-2020, 6.4.12, figure 6-18).
//!
//! ```text
//!  INITIALIZE ─► PORT_DISABLED ─┬─ LACP ──────► EXPIRED ── 3 s ──► DEFAULTED
//!                     ▲         └─ no LACP ─► LACP_DISABLED  │          │ LACPDU
//!                     │ the link is not used                 │ LACPDU   ▼
//!                     └──── from all of them                 └──────► CURRENT ── 3 s or 90 s ──► EXPIRED
//! ```

use serde::{Deserialize, Serialize};

use super::{
    Machines, TICKS_PER_SEC,
    port::{AdPort, PARTNER_ADMIN, runs_out},
};
use crate::{
    device::bond::Happening,
    wire::{
        MacAddr,
        lacp::{Lacpdu, PortInfo, PortState},
    },
};

/// Where the machine is (Linux: `rx_states_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ReceiveState {
    /// It has not begun yet, so that it has to enter [`Self::Initialize`].
    Dummy,
    Initialize,
    PortDisabled,
    LacpDisabled,
    Expired,
    Defaulted,
    Current,
}

impl Machines<'_> {
    /// Goes on, perhaps because of an LACPDU.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_rx_machine()`.
    pub(super) fn receive(&mut self, place: usize, heard: Option<&Lacpdu>) {
        let (system, system_priority) = (self.ad.system, self.ad.system_priority);
        let port = &mut self.ad.ports[place];
        let before = port.receive;
        port.receive = port.next_receive(heard.is_some());
        if port.receive == before && heard.is_none() {
            return;
        }
        match (port.receive, heard) {
            (ReceiveState::Current, Some(heard)) if heard.actor.system == system => {
                self.tell.push(Happening::Loopback { port: self.ports[place].device });
            }
            (ReceiveState::Current, Some(heard)) => {
                let actor = port.actor(system, system_priority);
                port.record(&actor, heard);
            }
            (_, _) => port.enter_receive(),
        }
    }
}

impl AdPort {
    /// Where the machine is next.
    fn next_receive(&mut self, has_heard: bool) -> ReceiveState {
        use ReceiveState::{Current, Defaulted, Expired, Initialize, LacpDisabled, PortDisabled};
        if self.begin {
            self.churned = true;
            return Initialize;
        }
        if !self.is_enabled {
            return PortDisabled;
        }
        if has_heard && matches!(self.receive, Expired | Defaulted | Current) {
            self.churned |= self.receive != Current;
            self.timers.current_while = 0;
            return Current;
        }
        match (runs_out(&mut self.timers.current_while), self.receive) {
            (true, Expired) => Defaulted,
            (true, Current) => Expired,
            (false, PortDisabled) if self.lacp_enabled => Expired,
            (false, PortDisabled) => LacpDisabled,
            (_, state) => state,
        }
    }

    /// Does what is to be done in a state; in [`ReceiveState::Current`] that is [`Self::record`].
    fn enter_receive(&mut self) {
        match self.receive {
            ReceiveState::Initialize => {
                self.lacp_enabled = self.key & 1 != 0;
                self.selected = false;
                self.record_default();
                self.state.set(PortState::EXPIRED, false);
                self.receive = ReceiveState::PortDisabled;
                self.matched = false;
            }
            ReceiveState::PortDisabled => self.matched = false,
            ReceiveState::LacpDisabled => {
                self.selected = false;
                self.record_default();
                self.partner.state.set(PortState::AGGREGATION, false);
                self.matched = true;
                self.state.set(PortState::EXPIRED, false);
            }
            ReceiveState::Expired => {
                self.matched = false;
                self.partner.state.set(PortState::SYNCHRONIZATION, false);
                self.partner.state.set(PortState::TIMEOUT, true);
                self.timers.current_while = SHORT_TIMEOUT_TICKS;
                self.state.set(PortState::EXPIRED, true);
                self.churned = true;
            }
            ReceiveState::Defaulted => {
                self.selected &= is_same_end(&PARTNER_ADMIN, &self.partner);
                self.record_default();
                self.matched = true;
                self.state.set(PortState::EXPIRED, false);
            }
            ReceiveState::Current | ReceiveState::Dummy => {}
        }
    }

    /// Takes down what the other end says of both.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `__update_selected()`, `__update_ntt()`, `__choose_matched()`, `__record_pdu()`.
    fn record(&mut self, actor: &PortInfo, heard: &Lacpdu) {
        self.selected &= is_same_end(&heard.actor, &self.partner);
        let knows_us = is_same_port(&heard.partner, actor);
        let told = PortState::ACTIVITY | PortState::TIMEOUT | PortState::SYNCHRONIZATION | PortState::AGGREGATION;
        self.ntt |= !knows_us || !heard.partner.state.agrees(actor.state, told);
        let aggregates = |state: PortState| state.has(PortState::AGGREGATION);
        let matches = knows_us && heard.partner.state.agrees(actor.state, PortState::AGGREGATION);
        self.matched = matches || !aggregates(heard.actor.state);
        self.partner = heard.actor;
        let is_synchronized = self.matched && heard.actor.state.has(PortState::SYNCHRONIZATION);
        self.partner.state.set(PortState::SYNCHRONIZATION, is_synchronized);
        self.state.set(PortState::DEFAULTED, false);
        let is_short = self.state.has(PortState::TIMEOUT);
        self.timers.current_while = if is_short { SHORT_TIMEOUT_TICKS } else { LONG_TIMEOUT_TICKS };
        self.state.set(PortState::EXPIRED, false);
    }
}

/// Whether both tell of the same port, whatever its state.
fn is_same_port(one: &PortInfo, other: &PortInfo) -> bool {
    let known = |info: &PortInfo| -> (u16, u16, MacAddr, u16, u16) {
        (info.port.get(), info.port_priority.get(), info.system, info.system_priority.get(), info.key.get())
    };
    known(one) == known(other)
}

/// The same, and whether it can be aggregated in both.
fn is_same_end(one: &PortInfo, other: &PortInfo) -> bool {
    is_same_port(one, other) && one.state.agrees(other.state, PortState::AGGREGATION)
}

/// `Short_Timeout_Time`, 3 s, and `Long_Timeout_Time`, 90 s (IEEE 802.1AX-2020, 6.4.4).
const SHORT_TIMEOUT_TICKS: u16 = 3 * TICKS_PER_SEC;
pub(super) const LONG_TIMEOUT_TICKS: u16 = 90 * TICKS_PER_SEC;
