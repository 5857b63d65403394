//! Of which port each station knows the address: balance-alb says to each another one in ARP.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::super::{Bond, Happening};
use super::transmit::simple_hash;
use crate::{
    packet::Packet,
    wire::{ArpPacket, MacAddr},
};

/// What is known of stations (Linux: the `rlb` part of `struct alb_bond_info`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peers {
    /// One for a hash of eight bits, the one first that was known last (Linux: `rx_hashtbl`, by its `used` list).
    pub(super) all: Vec<Peer>,
    /// The port that was given to a station last (Linux: `rx_slave`).
    last: Option<u16>,
    /// Some have to be told (Linux: `rx_ntt`).
    pub(super) tells: bool,
    /// Ticks until they are (Linux: `rlb_update_delay_counter`).
    pub(super) delay: u16,
    /// How often they are told again (Linux: `rlb_update_retry_counter`).
    pub(super) repeats: u8,
    /// Ports are to be given to stations anew (Linux: `rlb_rebalance`).
    pub(super) is_unequal: bool,
}

/// A station that knows one of this host's addresses (Linux: `struct rlb_client_info`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peer {
    hash: u8,
    pub(super) own: Ipv4Addr,
    pub(super) address: Ipv4Addr,
    /// The Ethernet address under which this host has spoken.
    own_mac: MacAddr,
    /// The station's; of a group while it is not known.
    pub(super) mac: MacAddr,
    /// The port whose address it knows.
    pub(super) port: Option<u16>,
    /// It has to be told.
    pub(super) is_to_be_told: bool,
    /// The tag of what it is sent (Linux: `vlan_id`).
    pub(super) tci: u16,
}

impl Peer {
    /// Whether its Ethernet address is one station's (Linux: `is_valid_ether_addr()`).
    pub(super) fn is_known(&self) -> bool {
        !self.mac.is_group() && self.mac != MacAddr::UNSPECIFIED
    }
}

impl Peers {
    /// None, among which ports are to be divided.
    pub(super) const fn new() -> Self {
        Self { all: Vec::new(), last: None, tells: false, delay: 0, repeats: 0, is_unequal: true }
    }

    pub(super) fn is_right(&self, count: usize) -> bool {
        let is_place = |place: Option<u16>| place.is_none_or(|place| usize::from(place) < count);
        let is_alone = |(at, peer): (usize, &Peer)| !self.all[..at].iter().any(|other| other.hash == peer.hash);
        self.all.iter().all(|peer| is_place(peer.port) && peer.hash == simple_hash(&peer.address.octets()))
            && self.all.iter().enumerate().all(is_alone)
            && is_place(self.last)
            && self.delay <= super::peers_told::DELAY_TICKS
            && self.repeats <= super::peers_told::REPEATS
    }

    fn find(&mut self, address: Ipv4Addr) -> Option<&mut Peer> {
        let hash = simple_hash(&address.octets());
        self.all.iter_mut().find(|peer| peer.hash == hash)
    }
}

impl Bond {
    /// By which port ARP leaves that this host says itself; an answer says that port's address (`says`).
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_arp_xmit()`.
    pub(super) fn port_of_arp(
        &mut self,
        packet: &Packet,
        says: &mut Option<MacAddr>,
        tell: &mut Vec<Happening>,
    ) -> Option<u16> {
        self.alb.as_ref()?.peers.as_ref()?;
        let &arp = packet.arp()?;
        if !self.ports.iter().any(|port| port.mac == arp.sender_mac) {
            return None;
        }
        match arp.operation.get() {
            ArpPacket::REPLY => {
                let place = self.port_of_peer(packet, &arp, tell)?;
                let own = self.ports[usize::from(place)].mac;
                *says = (arp.sender_mac != own).then_some(own);
                Some(place)
            }
            ArpPacket::REQUEST => {
                let place = self.port_of_peer(packet, &arp, tell);
                // Everybody hears the question, and believes its address: they are told again, when that is over.
                self.tell_all_of(Ipv4Addr::from(arp.sender_ip));
                place
            }
            _ => None,
        }
    }

    /// The port whose address a station is to know. Where another one has its place, that one knows the active port's from now on.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_choose_channel()`.
    fn port_of_peer(&mut self, packet: &Packet, arp: &ArpPacket, tell: &mut Vec<Happening>) -> Option<u16> {
        let (own, address) = (Ipv4Addr::from(arp.sender_ip), Ipv4Addr::from(arp.target_ip));
        let active = self.active;
        let peers = self.alb.as_mut()?.peers.as_mut()?;
        let mut displaced = None;
        if let Some(peer) = peers.find(address) {
            if (peer.own, peer.address) == (own, address) {
                if arp.target_mac != MacAddr::BROADCAST {
                    peer.mac = arp.target_mac;
                }
                peer.own_mac = arp.sender_mac;
                if peer.port.is_some() {
                    return peer.port;
                }
            } else if active.is_some() && peer.port != active {
                peer.port = active;
                displaced = Some(peer.clone());
            }
        }
        if let Some(peer) = displaced {
            self.tell_peer(&peer, tell);
        }
        let place = self.next_for_peer()?;
        let peers = self.alb.as_mut()?.peers.as_mut()?;
        let mut new = Peer {
            hash: simple_hash(&address.octets()),
            own,
            address,
            own_mac: arp.sender_mac,
            mac: arp.target_mac,
            port: Some(place),
            is_to_be_told: false,
            tci: packet.tag().map_or(0, |tag| tag.tci),
        };
        new.is_to_be_told = new.is_known();
        peers.tells |= new.is_to_be_told;
        match peers.find(address) {
            Some(peer) => *peer = new,
            None => peers.all.insert(0, new),
        }
        Some(place)
    }

    /// The next port in turn of those that are fastest.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `__rlb_next_rx_slave()`.
    pub(super) fn next_for_peer(&mut self) -> Option<u16> {
        let last = self.alb.as_ref()?.peers.as_ref()?.last;
        let speed = |place: u16| self.ports[usize::from(place)].said.speed_mbps.unwrap_or(u32::MAX);
        let faster = |best: Option<u16>, place: u16| best.filter(|best| speed(*best) >= speed(place)).or(Some(place));
        let (mut before, mut behind, mut has_passed) = (None, None, false);
        for place in (0..self.ports.len() as u16).filter(|place| self.can_send(*place)) {
            match has_passed {
                true => behind = faster(behind, place),
                false => before = faster(before, place),
            }
            has_passed |= last == Some(place);
        }
        let is_slower = |place: u16| before.is_some_and(|before| speed(place) < speed(before));
        let next = behind.filter(|place| !is_slower(*place)).or(before);
        let peers = self.alb.as_mut()?.peers.as_mut()?;
        peers.last = next.or(peers.last);
        next
    }

    /// Whether it wants to know what is said in ARP.
    pub(in super::super) fn hears_arp(&self) -> bool {
        self.alb.as_ref().is_some_and(|alb| alb.peers.is_some())
    }

    /// ARP has come in: who uses an address that was this host's is no more told that it is here, and a station that answers under
    /// another Ethernet address is told anew.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_arp_recv()`.
    pub(crate) fn hear_arp(&mut self, arp: &ArpPacket) {
        let Some(peers) = self.alb.as_mut().and_then(|alb| alb.peers.as_mut()) else { return };
        let (sender, target) = (Ipv4Addr::from(arp.sender_ip), Ipv4Addr::from(arp.target_ip));
        peers.all.retain(|peer| peer.own != sender || peer.own_mac == arp.sender_mac);
        if arp.operation.get() != ArpPacket::REPLY {
            return;
        }
        if let Some(peer) = peers.find(sender)
            && (peer.own, peer.address) == (target, sender)
            && peer.mac != arp.sender_mac
        {
            (peer.mac, peer.is_to_be_told) = (arp.sender_mac, true);
            peers.tells = true;
        }
    }
}
