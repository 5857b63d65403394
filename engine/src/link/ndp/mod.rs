//! Neighbour discovery: how IPv6's neighbours ask and answer (RFC 4861). Unlike ARP, these are packets that take the
//! path, through INPUT and OUTPUT.
//!
//! Why no duplicate address detection (RFC 4862): an engine that is given an address is given it by somebody who knows the
//! network. It answers those who ask for its own addresses so, and defends them by that.

use core::net::{IpAddr, Ipv6Addr};

use zerocopy::FromBytes;

use crate::{
    device::source,
    ending::End,
    engine::Engine,
    frame::DeviceId,
    ip::{
        icmp_error::{Ends, Making, head},
        neighbour::Lesson,
    },
    offload::checksum,
    packet::{Draft, Packet},
    time::Instant,
    wire::{
        Icmpv6Type, MacAddr, Protocol,
        ipv6::solicited_node,
        ndp::{NeighbourMessage, NeighbourOptions},
    },
};

/// What a neighbour's message says.
#[derive(Clone, Copy)]
struct Heard {
    device: DeviceId,
    sender: Ipv6Addr,
    to: Ipv6Addr,
    message: NeighbourMessage,
    options: NeighbourOptions,
}

impl Engine {
    /// Learns from a solicitation or advertisement that was delivered, and answers it.
    pub(crate) fn take_neighbour_message(&mut self, now: Instant, packet: Packet) -> End {
        let heard = packet.meta().device.and_then(|device| hear(&packet, device));
        packet.recycle(&mut self.pool);
        match heard {
            Some(heard) if heard.message.kind == Icmpv6Type::NEIGHBOUR_SOLICITATION.0 => self.solicited(now, &heard),
            Some(heard) => self.advertised(now, &heard),
            None => {}
        }
        End::Delivered
    }

    /// Linux v6.18: `net/ipv6/ndisc.c`, `ndisc_recv_ns()`.
    fn solicited(&mut self, now: Instant, heard: &Heard) {
        let Heard { device, sender, to, message, options } = *heard;
        let target = message.target();
        let is_probe = sender.is_unspecified();
        // Somebody who looks whether an address is free asks everybody, and says nothing of its own (RFC 4861, 7.1.1).
        let probe_is_right = to == solicited_node(target) && options.source.is_none();
        let is_ours =
            self.devices.find(device).is_some_and(|own| own.addresses.iter().any(|own| own.address == target));
        if target.is_multicast() || !is_ours || (is_probe && !probe_is_right) {
            return;
        }
        let from_group = to.is_multicast();
        if let (Some(mac), false) = (options.source, is_probe) {
            self.learn_neighbour(now, device, sender.into(), mac, Lesson::Seen { create: true });
        }
        let router = if self.around.sysctls.ipv6_forwarding != 0 { NeighbourMessage::ROUTER } else { 0 };
        let (receiver, flags) = match (is_probe, from_group) {
            (true, _) => (ALL_NODES, NeighbourMessage::OVERRIDE),
            (false, true) => (sender, NeighbourMessage::SOLICITED | NeighbourMessage::OVERRIDE),
            (false, false) => (sender, NeighbourMessage::SOLICITED),
        };
        let Some(mac) = self.devices.find(device).map(|device| device.mac) else { return };
        let advertisement = NeighbourMessage::advertisement(target, router | flags, mac);
        // Who asks in person knows the Ethernet address (RFC 4861, 7.2.4).
        let len = if from_group { NeighbourMessage::WITH_ADDRESS_LEN } else { NeighbourMessage::LEN };
        let ends = Ends { source: target.into(), destination: receiver.into() };
        self.send_neighbour_message(now, device, ends, &advertisement[..len]);
    }

    /// Linux v6.18: `net/ipv6/ndisc.c`, `ndisc_recv_na()`: an advertisement changes what is known, and makes nobody known.
    fn advertised(&mut self, now: Instant, heard: &Heard) {
        let Heard { device, to, message, options, .. } = *heard;
        let is_solicited = message.flags & NeighbourMessage::SOLICITED != 0;
        // An answer is for the one who asked (RFC 4861, 7.1.2).
        if message.target().is_multicast() || (to.is_multicast() && is_solicited) {
            return;
        }
        let how = if is_solicited { Lesson::Answer } else { Lesson::Seen { create: false } };
        let overrides = message.flags & NeighbourMessage::OVERRIDE != 0;
        let known = self.neighbours.known(device, message.target().into());
        // Who was asked in person need not repeat its address: it is there under the one that is known (RFC 4861, 7.2.5).
        if let Some(mac) = options.target.or(known)
            && (overrides || known.is_none_or(|known| known == mac))
        {
            self.learn_neighbour(now, device, message.target().into(), mac, how);
        }
    }

    /// Asks who has an address: everybody who might, or the station in person; of the device's link-local address, if it
    /// has one (Linux v6.18: `net/ipv6/ndisc.c`, `ndisc_solicit()` and `ndisc_send_ns()`).
    pub(super) fn solicit(&mut self, now: Instant, device: DeviceId, target: Ipv6Addr, in_person: bool) {
        let Some(own) = self.devices.find(device).map(|device| device.mac) else { return };
        let group = solicited_node(target);
        let Some(from) = source::address(&self.devices, device, group) else { return };
        let to = if in_person { target } else { group };
        let solicitation = NeighbourMessage::solicitation(target, own);
        self.send_neighbour_message(now, device, Ends { source: from.into(), destination: to.into() }, &solicitation);
    }

    /// Tells all nodes of a link where one of our addresses is, without having been asked.
    pub(super) fn advertise(&mut self, now: Instant, device: DeviceId, own: Ipv6Addr) {
        let router = if self.around.sysctls.ipv6_forwarding != 0 { NeighbourMessage::ROUTER } else { 0 };
        let Some(mac) = self.devices.find(device).map(|device| device.mac) else { return };
        let advertisement = NeighbourMessage::advertisement(own, router | NeighbourMessage::OVERRIDE, mac);
        let ends = Ends { source: own.into(), destination: ALL_NODES.into() };
        self.send_neighbour_message(now, device, ends, &advertisement);
    }

    fn send_neighbour_message(&mut self, now: Instant, device: DeviceId, ends: Ends, message: &[u8]) {
        let making = Making { hops: NeighbourMessage::HOP_LIMIT, id: 0, flow_label: 0 };
        let ip = head(ends, Protocol::ICMPV6, making);
        let mut packet = Packet::compose(&mut self.pool, &Draft { ip, transport: message });
        packet.meta_mut().bound = Some(device);
        checksum::fill(&mut packet, &self.around.routines);
        self.originate(now, packet);
    }

    /// Notes a neighbour's Ethernet address, and sends what has waited for it.
    pub(super) fn learn_neighbour(
        &mut self,
        now: Instant,
        device: DeviceId,
        address: IpAddr,
        mac: MacAddr,
        how: Lesson,
    ) {
        for waiting in self.neighbours.learn(now, device, address, mac, how) {
            self.release_waiting(now, waiting, device, mac);
        }
    }

    /// Sends a packet that has waited for its neighbour's address.
    pub(crate) fn release_waiting(&mut self, now: Instant, packet: Packet, device: DeviceId, mac: MacAddr) {
        self.let_go(now, packet, |engine, packet| engine.send(packet, device, mac));
    }
}

fn hear(packet: &Packet, device: DeviceId) -> Option<Heard> {
    let ip = packet.ipv6()?;
    let (message, options) = NeighbourMessage::ref_from_prefix(packet.transport_bytes()).ok()?;
    let options = NeighbourOptions::parse(options)?;
    let (sender, to) = (ip.source(), ip.destination());
    Some(Heard { device, sender, to, message: *message, options })
}

/// Everybody on a link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

#[cfg(test)]
mod tests;
