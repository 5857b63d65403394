//! When stations are told that this host has another Ethernet address for them: by answers that nobody has asked for.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::super::{Bond, Happening};
use super::TICKS_PER_SEC;
use super::peers::Peer;
use crate::wire::MacAddr;

impl Bond {
    /// A tick goes by.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `bond_alb_monitor()`.
    pub(super) fn tick_peers(&mut self, tell: &mut Vec<Happening>) {
        let Some(peers) = self.alb.as_mut().and_then(|alb| alb.peers.as_mut()) else { return };
        if core::mem::take(&mut peers.is_unequal) {
            self.give_ports_anew();
        }
        let Some(peers) = self.alb.as_mut().and_then(|alb| alb.peers.as_mut()).filter(|peers| peers.tells) else {
            return;
        };
        if peers.delay > 0 {
            peers.delay -= 1;
            return;
        }
        let is_last = peers.repeats == 0;
        let to_be_told: Vec<Peer> = peers.all.iter().filter(|peer| peer.is_to_be_told).cloned().collect();
        if is_last {
            peers.all.iter_mut().for_each(|peer| peer.is_to_be_told = false);
            peers.tells = false;
        }
        peers.delay = DELAY_TICKS;
        peers.repeats = peers.repeats.saturating_sub(1);
        for peer in to_be_told {
            self.tell_peer(&peer, tell);
        }
    }

    /// Tells a station the address of its port.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_update_client()`.
    pub(super) fn tell_peer(&self, peer: &Peer, tell: &mut Vec<Happening>) {
        let Some(port) = peer.port.and_then(|place| self.ports.get(usize::from(place))).filter(|_| peer.is_known())
        else {
            return;
        };
        let happening = Happening::TellPeer {
            port: port.device,
            own: (port.mac, peer.own),
            peer: (peer.mac, peer.address),
            tci: peer.tci,
        };
        tell.extend([happening; BURST]);
    }

    /// All stations that know an address of this host are told, but for those that know the bond's own Ethernet address.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_req_update_subnet_clients()`.
    pub(super) fn tell_all_of(&mut self, own: Ipv4Addr) {
        let bond = self.mac;
        let macs: Vec<MacAddr> = self.ports.iter().map(|port| port.mac).collect();
        let Some(peers) = self.alb.as_mut().and_then(|alb| alb.peers.as_mut()) else { return };
        peers.delay = DELAY_TICKS;
        for peer in peers.all.iter_mut().filter(|peer| peer.own == own && peer.is_known()) {
            let mac = peer.port.and_then(|place| macs.get(usize::from(place)));
            if mac.is_some_and(|mac| *mac != bond) {
                peer.is_to_be_told = true;
                peers.tells = true;
            }
        }
    }

    /// All stations that know a port's address are told again, several times: it has another one now.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_req_update_slave_clients()`.
    pub(super) fn tell_peers_of(&mut self, place: u16) {
        let Some(peers) = self.alb.as_mut().and_then(|alb| alb.peers.as_mut()) else { return };
        let mut of_port = peers.all.iter_mut().filter(|peer| peer.port == Some(place) && peer.is_known()).peekable();
        if of_port.peek().is_some() {
            of_port.for_each(|peer| peer.is_to_be_told = true);
            (peers.tells, peers.repeats) = (true, REPEATS);
        }
    }

    /// Stations that know a port's address know another one's from now on.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_clear_slave()`.
    pub(super) fn leave_peers(&mut self, place: u16, tell: &mut Vec<Happening>) {
        let Some(count) = self.peers().map(|peers| peers.len()) else { return };
        for at in 0..count {
            if self.peers().and_then(|peers| peers.get(at)).is_none_or(|peer| peer.port != Some(place)) {
                continue;
            }
            let next = self.next_for_peer();
            let Some(peers) = self.alb.as_mut().and_then(|alb| alb.peers.as_mut()) else { return };
            let peer = &mut peers.all[at];
            peer.port = next;
            if next.is_some() && peer.is_known() {
                peer.is_to_be_told = true;
                (peers.tells, peers.repeats) = (true, REPEATS);
            }
        }
        if self.active != Some(place) {
            let mac = self.ports[usize::from(place)].mac;
            self.teach_of(mac, tell);
        }
    }

    /// Switches learn that a port's address is behind the active one now.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_teach_disabled_mac_on_primary()`.
    pub(super) fn teach_of(&self, mac: MacAddr, tell: &mut Vec<Happening>) {
        if let Some(active) = self.active_port() {
            tell.push(Happening::Learn { port: active.device, mac });
        }
    }

    /// Ports are given to all stations in turn.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_rebalance()`.
    fn give_ports_anew(&mut self) {
        for at in 0..self.peers().map_or(0, |peers| peers.len()) {
            let Some(next) = self.next_for_peer() else { continue };
            let Some(peers) = self.alb.as_mut().and_then(|alb| alb.peers.as_mut()) else { return };
            let peer = &mut peers.all[at];
            if peer.port.replace(next) != Some(next) && peer.mac != MacAddr::UNSPECIFIED {
                peer.is_to_be_told = true;
                peers.tells = true;
            }
        }
    }

    fn peers(&self) -> Option<&[Peer]> {
        Some(&self.alb.as_ref()?.peers.as_ref()?.all)
    }
}

/// Ticks that pass before stations are told again (Linux: `RLB_UPDATE_DELAY`).
pub(super) const DELAY_TICKS: u16 = 2 * TICKS_PER_SEC as u16;
/// How often they are told again when it matters (Linux: `RLB_UPDATE_RETRY`).
pub(super) const REPEATS: u8 = 3;
/// Answers each time (Linux: `RLB_ARP_BURST_SIZE`).
const BURST: usize = 2;
