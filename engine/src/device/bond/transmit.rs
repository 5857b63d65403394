//! By which of its ports a packet leaves a bond.

use alloc::vec::Vec;

use super::{Bond, Happening, Mode, Port, Sending};
use crate::{frame::DeviceId, packet::Packet, wire::Protocol};

/// The ports by which a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// This one.
    One(DeviceId),
    /// Each one that can send.
    Each,
    /// None can.
    None,
}

impl Bond {
    /// By which ports a packet leaves that has its Ethernet header, and as what. `lot` draws a number.
    pub(crate) fn choose(
        &mut self,
        packet: &Packet,
        lot: impl FnOnce() -> u32,
        tell: &mut Vec<Happening>,
    ) -> (Chosen, Sending) {
        match self.options.mode.balances_adaptively() {
            true => self.choose_alb(packet, tell),
            false => (self.choose_as_it_is(packet, lot), Sending::AS_IT_IS),
        }
    }

    /// The same where no port has an address of its own.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_xmit_roundrobin_slave_get()`, `bond_xmit_activebackup_slave_get()`,
    /// `bond_xmit_3ad_xor_slave_get()`, `bond_update_slave_arr()`, `bond_xmit_broadcast()`.
    fn choose_as_it_is(&mut self, packet: &Packet, lot: impl FnOnce() -> u32) -> Chosen {
        let one = |port: Option<&Port>| port.map_or(Chosen::None, |port| Chosen::One(port.device));
        match self.options.mode {
            // Its carrier is not asked: whether it is the active one, the monitor alone decides.
            Mode::ActiveBackup | Mode::Tlb | Mode::Alb => one(self.active_port()),
            Mode::Broadcast if self.ports.iter().any(Port::can_send) => Chosen::Each,
            Mode::Broadcast => Chosen::None,
            Mode::Xor | Mode::Ieee8023ad => {
                let usable = || self.usable();
                let hash = self.options.xmit_hash_policy.hash(packet) as usize;
                one(hash.checked_rem(usable().count()).and_then(|place| usable().nth(place)))
            }
            // Who is told of groups by several ports would leave them again by all but one.
            Mode::RoundRobin if packet.ipv4().is_some_and(|ip| ip.protocol() == IGMP) => {
                one(self.active_port().or_else(|| self.sender_from(0)))
            }
            Mode::RoundRobin => {
                let turn = self.next_turn(lot);
                one((turn as usize).checked_rem(self.ports.len()).and_then(|first| self.sender_from(first)))
            }
        }
    }

    /// The ports by which packets leave now, in the order in which they were added: the active one, or all among which is chosen.
    pub fn in_use(&self) -> impl Iterator<Item = DeviceId> {
        let (is_lone, active) = (self.options.mode == Mode::ActiveBackup, self.active_port());
        let among = (!is_lone).then(|| self.usable()).into_iter().flatten();
        active.filter(|_| is_lone).into_iter().chain(among).map(|port| port.device)
    }

    /// The ports by which a packet leaves that leaves by each.
    pub(crate) fn senders(&self) -> impl Iterator<Item = DeviceId> {
        self.ports.iter().filter(|port| port.can_send()).map(|port| port.device)
    }

    /// The ports among which a hash chooses.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_update_slave_arr()`.
    pub(super) fn usable(&self) -> impl Iterator<Item = &Port> {
        let is_usable = |(place, port): &(usize, &Port)| {
            port.can_send() && self.ad.as_ref().is_none_or(|ad| ad.is_in_active(*place))
        };
        self.ports.iter().enumerate().filter(is_usable).map(|(_, port)| port)
    }

    /// The first port from a place on, around, that can send (Linux: `bond_get_slave_by_id()`).
    fn sender_from(&self, first: usize) -> Option<&Port> {
        let (before, behind) = self.ports.split_at(first.min(self.ports.len()));
        behind.iter().chain(before).find(|port| port.can_send())
    }

    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_rr_gen_slave_id()`.
    fn next_turn(&mut self, lot: impl FnOnce() -> u32) -> u32 {
        if self.options.packets_per_port == 0 {
            return lot();
        }
        self.turn = self.turn.wrapping_add(1);
        self.turn / u32::from(self.options.packets_per_port)
    }
}

const IGMP: Protocol = Protocol(2);
