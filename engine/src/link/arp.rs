//! ARP: how IPv4's neighbours ask and answer (RFC 826).

use core::net::Ipv4Addr;

use zerocopy::IntoBytes;

use crate::{
    ending::{DropReason, Dropped, End},
    engine::Engine,
    frame::DeviceId,
    ip::neighbour::Lesson,
    packet::{Addressed, Packet},
    time::Instant,
    wire::{ArpPacket, MacAddr},
};

impl Engine {
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
        let is_ours = self.devices.has_address(target.into());
        let how = if !is_request && packet.meta().addressed == Addressed::Host {
            Lesson::Answer
        } else {
            Lesson::Seen { create: is_request && is_ours }
        };
        if !sender.is_unspecified() {
            self.learn_neighbour(now, device, sender.into(), arp.sender_mac, how);
        }
        packet.recycle(&mut self.pool);
        if is_request && is_ours {
            self.send_arp(now, device, ArpPacket::REPLY, target, (arp.sender_mac, sender));
        }
        Ok(End::Consumed)
    }

    /// Sends a request or a reply.
    pub(super) fn send_arp(
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
        let sent = self.send(packet, device, to);
        self.settle(now, sent);
    }
}
