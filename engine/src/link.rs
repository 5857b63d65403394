//! The link layer at both ends of the path: Ethernet and ARP.

use core::net::Ipv4Addr;

use zerocopy::IntoBytes;

use crate::{
    ending::{DropReason, Dropped, End, Holder},
    engine::Engine,
    frame::{DeviceId, Transmit},
    ip::{
        NextHop,
        neighbour::{Lesson, Overdue, Resolved},
    },
    limits::TRANSMIT_QUEUE_MAX,
    packet::{Addressed, Packet},
    time::Instant,
    wire::{ArpPacket, EtherType, MacAddr},
};

impl Engine {
    /// Takes frames for this host, for everybody or for a group.
    pub(crate) fn accept_link(&mut self, packet: Packet) -> Result<Packet, Dropped> {
        let device = packet.meta().device.and_then(|device| self.devices.find(device));
        let (Some(device), Some(ethernet)) = (device, packet.ethernet()) else {
            return Err(packet.drop_for(DropReason::DeviceDown));
        };
        let for_other =
            packet.meta().addressed == Addressed::Host && !device.any_destination && ethernet.destination != device.mac;
        if for_other {
            return Err(packet.drop_for(DropReason::LinkOtherHost));
        }
        if packet.meta().vlan.is_some_and(|tag| tag.tci & VLAN_ID != 0) {
            return Err(packet.drop_for(DropReason::VlanUnknown));
        }
        Ok(packet)
    }

    /// Learns from an ARP packet and answers it (RFC 826, "Packet Reception"; Linux v6.18: `net/ipv4/arp.c`,
    /// `arp_process()`).
    pub(crate) fn answer_arp(&mut self, now: Instant, packet: Packet) -> Result<End, Dropped> {
        let (Some(device), Some(&arp)) = (packet.meta().device, packet.arp()) else {
            return Err(packet.drop_for(DropReason::ArpMalformed));
        };
        let (sender, target) = (Ipv4Addr::from(arp.sender_ip), Ipv4Addr::from(arp.target_ip));
        if target.is_multicast() || target.is_loopback() {
            return Err(packet.drop_for(DropReason::ArpMalformed));
        }
        let is_request = arp.operation.get() == ArpPacket::REQUEST;
        let is_ours = self.devices.has_address(target);
        let how = if !is_request && packet.meta().addressed == Addressed::Host {
            Lesson::Answer
        } else {
            Lesson::Seen { create: is_request && is_ours }
        };
        if !sender.is_unspecified() {
            for waiting in self.neighbours.learn(now, device, sender, arp.sender_mac, how) {
                self.release_waiting(now, waiting, device, arp.sender_mac);
            }
        }
        packet.recycle(&mut self.pool);
        if is_request && is_ours {
            self.send_arp(now, device, ArpPacket::REPLY, target, (arp.sender_mac, sender));
        }
        Ok(End::Consumed)
    }

    /// Finds the next station's Ethernet address, or lets the packet wait for it.
    pub(crate) fn resolve(&mut self, now: Instant, packet: Packet, hop: NextHop) -> Result<End, Dropped> {
        if hop.device == DeviceId::LOOPBACK {
            return self.loop_back(packet);
        }
        let Some(device) = self.devices.find(hop.device) else { return Err(packet.drop_for(DropReason::DeviceDown)) };
        let is_broadcast = hop.neighbour.is_broadcast()
            || device.addresses.iter().any(|address| address.broadcast() == Some(hop.neighbour));
        if is_broadcast {
            return self.send(packet, hop.device, MacAddr::BROADCAST, EtherType::IPV4);
        }
        if !device.arp {
            let mac = self.neighbours.permanent(hop.device, hop.neighbour).unwrap_or(device.mac);
            return self.send(packet, hop.device, mac, EtherType::IPV4);
        }
        match self.neighbours.resolve(now, hop.device, hop.neighbour, packet)? {
            Resolved::Known(packet, mac) => self.send(packet, hop.device, mac, EtherType::IPV4),
            Resolved::Waits(ask) => {
                if ask {
                    self.ask_neighbour(now, hop.device, hop.neighbour, None);
                }
                Ok(End::Held(Holder::Neighbour))
            }
        }
    }

    /// Asks, or gives up, where time has run out.
    pub(crate) fn handle_neighbours_overdue(&mut self, now: Instant) {
        for overdue in self.neighbours.handle_timeout(now) {
            match overdue {
                Overdue::Ask(device, address, mac) => self.ask_neighbour(now, device, address, mac),
                Overdue::Failed(packet) => {
                    let failed = packet.drop_for(DropReason::NeighbourFailed);
                    self.settle(now, Err(failed));
                }
            }
        }
    }

    fn release_waiting(&mut self, now: Instant, packet: Packet, device: DeviceId, mac: MacAddr) {
        let sent = self.send(packet, device, mac, EtherType::IPV4);
        self.settle(now, sent);
    }

    fn ask_neighbour(&mut self, now: Instant, device: DeviceId, address: Ipv4Addr, mac: Option<MacAddr>) {
        if let Some(source) = self.devices.source_address(device, address) {
            let to = mac.unwrap_or(MacAddr::BROADCAST);
            self.send_arp(now, device, ArpPacket::REQUEST, source, (to, address));
        }
    }

    fn send_arp(
        &mut self,
        now: Instant,
        device: DeviceId,
        operation: u16,
        source: Ipv4Addr,
        target: (MacAddr, Ipv4Addr),
    ) {
        let Some(own) = self.devices.find(device).map(|device| device.mac) else { return };
        let (to, address) = target;
        let known = if operation == ArpPacket::REQUEST { MacAddr::UNSPECIFIED } else { to };
        let arp = ArpPacket::new(operation, (own, source), (known, address));
        let packet = Packet::compose_arp(&mut self.pool, arp.as_bytes());
        let sent = self.send(packet, device, to, EtherType::ARP);
        self.settle(now, sent);
    }

    /// Puts a packet behind those that wait to leave.
    fn send(
        &mut self,
        mut packet: Packet,
        device: DeviceId,
        to: MacAddr,
        ether_type: EtherType,
    ) -> Result<End, Dropped> {
        let Some(own) = self.devices.find(device) else { return Err(packet.drop_for(DropReason::DeviceDown)) };
        if self.transmits.len() >= TRANSMIT_QUEUE_MAX {
            return Err(packet.drop_for(DropReason::TransmitQueueFull));
        }
        packet.set_ethernet(to, own.mac, ether_type);
        packet.meta_mut().vlan = None;
        self.transmits.push_back(Transmit { device, packet });
        Ok(End::Transmitted(device))
    }
}

/// The VLAN's number within a tag's control information; 0 means that the tag carries a priority only.
const VLAN_ID: u16 = 0x0fff;
