//! Bonds on the path: what comes in by their ports and leaves by them, and what they do as time goes by.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::{
    device::{
        WayOut,
        bond::{Bond, Chosen, Happening, Reception, is_slow},
    },
    ending::{DropReason, Dropped, End},
    engine::Engine,
    event::Event,
    frame::DeviceId,
    ip::neighbour::Forgotten,
    packet::Packet,
    time::Instant,
    wire::{
        ArpPacket, EtherType, MacAddr,
        lacp::{Lacpdu, MarkerPdu, SLOW_PROTOCOLS},
    },
};

impl Engine {
    /// Lets a bond decide about a frame that has come in by one of its ports.
    #[inline(never)]
    pub(crate) fn accept_bonded(&mut self, mut packet: Packet, bond: DeviceId) -> Result<Packet, Dropped> {
        let Some(port) = packet.meta().device else { return Err(packet.drop_for(DropReason::DeviceDown)) };
        self.let_bond_hear(bond, port, &packet);
        let reception = self.devices.bond(bond).map_or(Reception::Inactive, |bond| bond.receives(port, &packet));
        let by = match reception {
            Reception::Bond => bond,
            Reception::Port => port,
            Reception::Slow if packet.tag().is_none() => port,
            Reception::Slow => match packet.take_tag() {
                Ok(()) => port,
                Err(reason) => return Err(packet.drop_for(reason)),
            },
            Reception::Inactive => return Err(packet.drop_for(DropReason::BondPortInactive)),
        };
        packet.meta_mut().device = Some(by);
        // The card has compared addresses before the bond is asked, and its address may not be the bond's.
        let Some(card) = self.devices.find(port) else { return Err(packet.drop_for(DropReason::DeviceDown)) };
        match self.devices.accept_by(&mut packet, card) {
            Ok(()) => packet.found(),
            Err(reason) => Err(packet.drop_for(reason)),
        }
    }

    /// Sends a packet that has its Ethernet header by ports of the bond below a device.
    #[inline(never)]
    pub(super) fn send_by_bond(&mut self, mut packet: Packet, device: DeviceId) -> Result<(), Dropped> {
        let Some((bond, features)) = self.devices.bond_below(device) else {
            return Err(packet.drop_for(DropReason::DeviceDown));
        };
        let Some(bond) = self.devices.bonds_mut().get_mut(&bond) else {
            return Err(packet.drop_for(DropReason::BondPortsDown));
        };
        let random = &mut self.around.random;
        let (id, mut happened) = (bond.device(), Vec::new());
        let (chosen, sending) = bond.choose(&packet, || random.next_u64() as u32, &mut happened);
        if !happened.is_empty() {
            self.follow_bond(self.latest, id, &happened);
        }
        match chosen {
            Chosen::None => Err(packet.drop_for(DropReason::BondPortsDown)),
            Chosen::One(port) => {
                packet.set_senders(sending.source, sending.says);
                self.send_by_one(packet, WayOut { port, features })
            }
            Chosen::Each => {
                let Some(bond) = self.devices.bond(id) else {
                    return Err(packet.drop_for(DropReason::BondPortsDown));
                };
                let ways = bond.senders().map(|port| WayOut { port, features }).collect();
                self.send_by_each(packet, ways)
            }
        }
    }

    /// Sends a packet and its copies. It is sent when any of them is; what ports have lost is counted for each.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_xmit_broadcast()`.
    fn send_by_each(&mut self, packet: Packet, mut ways: Vec<WayOut>) -> Result<(), Dropped> {
        let Some(last) = ways.pop() else { return Err(packet.drop_for(DropReason::BondPortsDown)) };
        let mut is_sent = false;
        for way_out in ways {
            let copy = packet.copy(&mut self.pool);
            match self.send_by_one(copy, way_out) {
                Ok(()) => is_sent = true,
                Err(dropped) => self.lose_copy(dropped),
            }
        }
        match self.send_by_one(packet, last) {
            Err(dropped) if is_sent => {
                self.lose_copy(dropped);
                Ok(())
            }
            result => result,
        }
    }

    fn lose_copy(&mut self, Dropped { packet, reason }: Dropped) {
        self.stats.count_drop(reason);
        packet.recycle(&mut self.pool);
    }

    /// Sends it by one port, in the form that this takes.
    pub(super) fn send_by_one(&mut self, mut packet: Packet, way_out: WayOut) -> Result<(), Dropped> {
        let Some(own) = self.devices.find(way_out.port).map(|port| port.features.active()) else {
            return Err(packet.drop_for(DropReason::DeviceDown));
        };
        if let Some(tag) = packet.meta().vlan.filter(|tag| !own.can_insert(*tag)) {
            packet.meta_mut().vlan = None;
            packet.insert_tag(tag);
        }
        self.send_by_port(packet, WayOut { features: own.and(way_out.features), ..way_out })
    }

    /// Takes a frame of slow protocols, whose place is a port of a bond in 802.3ad mode.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `bond_3ad_lacpdu_recv()`.
    #[cold]
    pub(crate) fn take_slow(&mut self, now: Instant, packet: Packet) -> Result<End, Dropped> {
        let port = packet.meta().device;
        let id = port.and_then(|port| self.devices.find(port)?.master);
        let bond = id.and_then(|id| self.devices.bonds_mut().get_mut(&id)).filter(|bond| bond.takes_slow());
        let (Some(port), Some(bond), true) = (port, bond, is_slow(&packet)) else {
            return Err(packet.drop_for(DropReason::LinkProtocolUnknown));
        };
        let mut bytes = [0; Lacpdu::LEN];
        packet.copy_network(&mut bytes);
        let (id, mut happened) = (bond.device(), Vec::new());
        let answers = bond.take_slow(now, port, &bytes, &mut happened);
        packet.recycle(&mut self.pool);
        if answers {
            bytes[MarkerPdu::KIND_AT] = MarkerPdu::RESPONSE;
            self.send_slow(now, id, port, &bytes);
        }
        if !happened.is_empty() {
            self.follow_bond(now, id, &happened);
        }
        Ok(End::Consumed)
    }

    /// Sends what a port says by a slow protocol. It says it as itself and not as the bond.
    fn send_slow(&mut self, now: Instant, bond: DeviceId, port: DeviceId, bytes: &[u8]) {
        let permanent = self.devices.bond(bond).and_then(|bond| bond.permanent_mac_of(port));
        let features = self.devices.find(port).map(|port| port.features.active());
        let (Some(permanent), Some(features)) = (permanent, features) else { return };
        let mut packet = Packet::compose_slow(&mut self.pool, bytes);
        packet.set_ethernet(SLOW_PROTOCOLS, permanent, EtherType::SLOW_PROTOCOLS);
        let sent = self.enqueue(packet, WayOut { port, features }).map(|()| End::Transmitted(port));
        self.settle(now, sent);
    }

    /// Lets bonds do what is due.
    pub(crate) fn handle_bonds_overdue(&mut self, now: Instant) {
        let is_due = |bond: &&Bond| bond.due().is_some_and(|due| due <= now);
        let due: Vec<DeviceId> = self.devices.bonds().filter(is_due).map(Bond::device).collect();
        for id in due {
            let mut happened = Vec::new();
            if let Some((bond, link)) = self.devices.bond_and_links(id) {
                bond.handle_timeout(now, link, &mut happened);
            }
            self.follow_bond(now, id, &happened);
        }
    }

    /// When a bond has to look at its links.
    pub(crate) fn next_bond_timeout(&self) -> Option<Instant> {
        self.devices.bonds().filter_map(Bond::looks_due).min()
    }

    /// When a bond does next what it does for ever.
    pub(crate) fn next_bond_beat(&self) -> Option<Instant> {
        self.devices.bonds().filter_map(Bond::beat_due).min()
    }

    /// Does beside a bond what has happened to it.
    pub(crate) fn follow_bond(&mut self, now: Instant, id: DeviceId, happened: &[Happening]) {
        let moved = self.devices.take_macs_of_bond(id);
        self.forget_neighbours(now, &moved, Forgotten::All);
        for &happening in happened {
            if happening == Happening::NotifyPeers {
                self.notify_peers(now, id);
            } else if happening == Happening::CarrierDown {
                self.forget_learned(now, id);
            } else if let Happening::Lacpdu { port, actor, partner } = happening {
                self.send_slow(now, id, port, &Lacpdu::new(actor, partner).emit());
            } else if let Happening::Probe { port } = happening {
                self.ask_targets(now, id, port);
            } else if let Happening::Learn { port, mac } = happening {
                self.teach_switches(now, (id, port), mac);
            } else if let Happening::TellPeer { port, own, peer, tci } = happening {
                self.tell_peer(now, (id, port), (own, peer), tci);
            }
            if self.around.events.wanted().log
                && let Some(line) = self.devices.bond(id).and_then(|bond| bond.log_line(happening, &self.devices))
            {
                self.around.events.push(now, Event::Log { level: happening.level(), line });
            }
        }
    }

    /// Tells the neighbours of a bond, and those of the VLANs over it, where its addresses are now: by gratuitous ARP (RFC 5227,
    /// section 3) and unsolicited advertisements (RFC 4861, section 7.2.6).
    ///
    /// Linux v6.18: `net/ipv4/devinet.c`, `inetdev_send_gratuitous_arp()`; `net/ipv6/ndisc.c`, `ndisc_send_unsol_na()`.
    fn notify_peers(&mut self, now: Instant, bond: DeviceId) {
        let above = self.devices.above(bond);
        let own: Vec<(DeviceId, IpAddr)> =
            above.flat_map(|(id, device)| device.addresses.iter().map(move |own| (id, own.address))).collect();
        for (device, own) in own {
            match own {
                IpAddr::V4(own) => self.send_arp(now, device, ArpPacket::REQUEST, own, (MacAddr::BROADCAST, own)),
                IpAddr::V6(own) => self.advertise(now, device, own),
            }
        }
    }
}
