//! By which port a packet leaves.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::super::{Bond, Chosen, Happening, Mode};
use super::{Alb, DEAL_SECS};
use crate::{
    packet::Packet,
    wire::{EtherType, Icmpv6Type, Ipv4Header, Ipv6Header, MacAddr, Protocol},
};

/// Packets whose destinations have the same hash (Linux: `struct tlb_client_info`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flow {
    /// The port by which they leave.
    pub(super) port: Option<u16>,
    /// Their bytes since flows were dealt.
    sent: u32,
    /// Bytes a second before that, and one more (Linux: `load_history`).
    before: u32,
}

/// What is to be changed of a packet before it leaves by a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    /// Who it is from.
    pub(crate) source: Option<MacAddr>,
    /// Who says something in ARP.
    pub(crate) says: Option<MacAddr>,
}

impl Sending {
    /// Nothing.
    pub(crate) const AS_IT_IS: Self = Self { source: None, says: None };
}

impl Alb {
    /// Takes a port's flows from it. `deals`: what they have sent counts when they are given to ports again.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `__tlb_clear_slave()`, `tlb_init_table_entry()`.
    pub(super) fn clear(&mut self, place: u16, deals: bool) {
        for flow in self.flows.iter_mut().filter(|flow| flow.port == Some(place)) {
            if deals {
                (flow.before, flow.sent) = (1 + flow.sent / DEAL_SECS, 0);
            }
            flow.port = None;
        }
        if let Some(load) = self.loads.get_mut(usize::from(place)) {
            *load = 0;
        }
    }
}

impl Bond {
    /// By which port a packet leaves, and as what.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `bond_do_alb_xmit()`.
    pub(in super::super) fn choose_alb(&mut self, packet: &Packet, tell: &mut Vec<Happening>) -> (Chosen, Sending) {
        let mut says = None;
        let found = match self.flow_of(packet) {
            Some(hash) if self.options.tlb_dynamic_lb => self.port_of_flow(hash, packet.len() as u32),
            Some(_) => {
                let usable = || (0..self.ports.len() as u16).filter(|place| self.can_send(*place));
                let hash = self.options.xmit_hash_policy.hash(packet) as usize;
                hash.checked_rem(usable().count()).and_then(|place| usable().nth(place))
            }
            None => self.port_of_arp(packet, &mut says, tell),
        };
        let place = found.or_else(|| {
            if let Some(alb) = self.alb.as_mut().filter(|_| self.options.tlb_dynamic_lb) {
                alb.unbalanced = alb.unbalanced.wrapping_add(packet.len() as u32);
            }
            self.active
        });
        let Some(place) = place else { return (Chosen::None, Sending::AS_IT_IS) };
        if !self.can_send(place) {
            if let Some(alb) = self.alb.as_mut().filter(|_| self.options.tlb_dynamic_lb) {
                alb.clear(place, false);
            }
            return (Chosen::None, Sending::AS_IT_IS);
        }
        let port = &self.ports[usize::from(place)];
        let source = (self.active != Some(place)).then_some(port.mac);
        (Chosen::One(port.device), Sending { source, says })
    }

    /// Among which packets it counts; `None`: it leaves by the active port, unless ARP says otherwise.
    fn flow_of(&self, packet: &Packet) -> Option<u8> {
        let ethernet = packet.ethernet()?;
        let (to, ether_type) = (ethernet.destination, EtherType(ethernet.ether_type.get()));
        let (v4, v6) = match ether_type {
            EtherType::IPV4 => (packet.ipv4(), None),
            EtherType::IPV6 => (None, packet.ipv6().filter(|ip| !is_about_neighbours(ip, packet))),
            _ => (None, None),
        };
        if self.options.mode == Mode::Tlb {
            let is_one = !to.is_group() && (v4.is_some() || v6.is_some());
            return is_one.then(|| self.options.xmit_hash_policy.hash(packet) as u8);
        }
        if to == MacAddr::BROADCAST {
            return None;
        }
        let of_v4 = |ip: &Ipv4Header| {
            (!ip.destination().is_broadcast() && ip.protocol() != IGMP).then(|| simple_hash(&ip.destination))
        };
        let of_v6 =
            |ip: &Ipv6Header| (to != ALL_NODES && !ip.source().is_unspecified()).then(|| simple_hash(&ip.destination));
        v4.and_then(of_v4).or_else(|| v6.and_then(of_v6))
    }

    /// The port of a flow; a new one is given to the port with the most room left.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `__tlb_choose_channel()`.
    fn port_of_flow(&mut self, hash: u8, bytes: u32) -> Option<u16> {
        let is_new = self.alb.as_ref()?.flows.get(usize::from(hash))?.port.is_none();
        let free = if is_new { self.least_loaded() } else { None };
        let alb = self.alb.as_mut()?;
        let flow = alb.flows.get_mut(usize::from(hash))?;
        if is_new {
            flow.port = free;
            if let Some(load) = free.and_then(|place| alb.loads.get_mut(usize::from(place))) {
                *load = load.wrapping_add(flow.before);
            }
        }
        flow.sent = flow.sent.wrapping_add(if flow.port.is_some() { bytes } else { 0 });
        flow.port
    }

    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `tlb_get_least_loaded_slave()`, `compute_gap()`. Numbers have 32 bits there before
    /// they are compared, so that of ports of 4 Gbit/s and more the speed that counts is what is left of it.
    fn least_loaded(&self) -> Option<u16> {
        let loads = &self.alb.as_ref()?.loads;
        let room = |place: u16| {
            let port = &self.ports[usize::from(place)];
            let speed = port.said.speed_mbps.unwrap_or(u32::MAX).wrapping_shl(20);
            let load = loads.get(usize::from(place)).copied().unwrap_or(0).wrapping_shl(3);
            i64::from(speed) - i64::from(load)
        };
        let mut best: Option<(i64, u16)> = None;
        for place in (0..self.ports.len() as u16).filter(|place| self.can_send(*place)) {
            let room = room(place);
            if best.is_none_or(|(most, _)| most < room) {
                best = Some((room, place));
            }
        }
        best.map(|(_, place)| place)
    }

    /// Takes all flows from their ports; what belongs to no flow is the active port's load.
    pub(super) fn deal_anew(&mut self) {
        let active = self.active.map(usize::from);
        let Some(alb) = &mut self.alb else { return };
        for place in 0..self.ports.len() as u16 {
            alb.clear(place, true);
        }
        if let Some(load) = active.and_then(|place| alb.loads.get_mut(place)) {
            *load = alb.unbalanced / DEAL_SECS;
            alb.unbalanced = 0;
        }
    }
}

/// Whether it is a solicitation or an advertisement, or cut where that would stand.
///
/// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `alb_determine_nd()`.
fn is_about_neighbours(ip: &Ipv6Header, packet: &Packet) -> bool {
    let kind = || packet.transport_bytes().first().map(|kind| Icmpv6Type(*kind));
    let is_about = |kind| matches!(kind, Icmpv6Type::NEIGHBOUR_SOLICITATION | Icmpv6Type::NEIGHBOUR_ADVERTISEMENT);
    ip.next_header == Protocol::ICMPV6.0 && kind().is_none_or(is_about)
}

/// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `_simple_hash()`.
pub(super) fn simple_hash(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |hash, byte| hash ^ byte)
}

const IGMP: Protocol = Protocol(2);
/// All IPv6 nodes of a link.
const ALL_NODES: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
