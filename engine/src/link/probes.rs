//! How a bond asks stations whether its links carry.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use crate::{
    device::{Kind, WayOut, bond::Heard, source},
    ending::End,
    engine::Engine,
    frame::DeviceId,
    ip::{
        RouteKind,
        icmp_error::{Ends, Making, head},
    },
    offload::checksum,
    packet::{Draft, Packet},
    time::Instant,
    wire::{
        ArpPacket, EtherType, MacAddr, Protocol,
        ipv6::{group_mac, solicited_node},
        ndp::NeighbourMessage,
    },
};

/// From where a station is asked.
enum From {
    /// As this, by the device whose tags it takes on the way.
    Here(Ipv4Addr, DeviceId),
    /// No way leads there by the bond.
    Nowhere,
}

impl Engine {
    /// Lets a bond hear what comes in by a port.
    pub(super) fn let_bond_hear(&mut self, id: DeviceId, port: DeviceId, packet: &Packet) {
        if !self.devices.bond(id).is_some_and(|bond| bond.listens()) {
            return;
        }
        if let Some(arp) = Heard::arp_of(packet)
            && let Some(bond) = self.devices.bonds_mut().get_mut(&id)
        {
            bond.hear_arp(&arp);
        }
        let heard = Heard::of(packet, self.devices.is_for_other(port, packet));
        let is_ours = |address: &IpAddr| {
            let mut above = self.devices.above(id);
            above.any(|(_, device)| device.addresses.iter().any(|own| own.address == *address))
        };
        let (ours, now) = (heard.addresses().map(|address| address.filter(is_ours)), self.latest);
        if let Some(bond) = self.devices.bonds_mut().get_mut(&id) {
            bond.hear(now, port, heard, ours);
        }
    }

    /// Asks a bond's targets by one of its ports.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_send_validate()`, `bond_arp_send_all()`, `bond_ns_send_all()`. Solicitations do
    /// not pass OUTPUT here.
    pub(super) fn ask_targets(&mut self, now: Instant, bond: DeviceId, port: DeviceId) {
        let Some(options) = self.devices.bond(bond).map(|bond| bond.options()) else { return };
        let (v4, v6) = (options.arp_ip_targets.clone(), options.ns_ip6_targets.clone());
        let mut has_asked = !v6.is_empty();
        for target in v4 {
            if let From::Here(source, device) = self.asks_from(bond, target) {
                has_asked = true;
                self.send_question(now, (bond, port), (source, target), device);
            }
        }
        for target in v6 {
            let source = self.solicits_from(bond, target);
            self.send_solicitation(now, (bond, port), (source, target));
        }
        if has_asked && let Some(bond) = self.devices.bonds_mut().get_mut(&bond) {
            bond.has_asked(now, port);
        }
    }

    /// As whom a station is asked that lies on a link of the bond's or of a VLAN's over it. Where no link is known to lead there, nobody
    /// asks, for any answer is one.
    fn asks_from(&self, bond: DeviceId, target: Ipv4Addr) -> From {
        if self.devices.has_address(target.into()) {
            return From::Nowhere;
        }
        let Some(RouteKind::Unicast { device, via: None }) = self.routes.longest(target.into()).map(|route| route.kind)
        else {
            return From::Here(Ipv4Addr::UNSPECIFIED, bond);
        };
        let Some((_, known)) = self.devices.above(bond).find(|(id, _)| *id == device) else { return From::Nowhere };
        let near = known.primary_addresses().find(|own| own.contains(target.into())).map(|own| own.address);
        let source = match near {
            Some(IpAddr::V4(own)) => own,
            Some(IpAddr::V6(_)) | None => Ipv4Addr::UNSPECIFIED,
        };
        From::Here(source, device)
    }

    /// As whom a station is asked over IPv6, which no VLAN's route counts for.
    fn solicits_from(&self, bond: DeviceId, target: Ipv6Addr) -> Ipv6Addr {
        let is_near = target.is_unicast_link_local()
            || self.routes.longest(target.into()).and_then(|route| route.device()) == Some(bond);
        let own = is_near.then(|| source::address(&self.devices, bond, target)).flatten();
        own.unwrap_or(Ipv6Addr::UNSPECIFIED)
    }

    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_arp_send()`.
    fn send_question(
        &mut self,
        now: Instant,
        by: (DeviceId, DeviceId),
        (source, target): (Ipv4Addr, Ipv4Addr),
        device: DeviceId,
    ) {
        let Some(own) = self.devices.find(by.1).map(|port| port.mac) else { return };
        let arp = ArpPacket::new(ArpPacket::REQUEST, (own, source), (MacAddr::UNSPECIFIED, target));
        let mut packet = Packet::compose_arp(&mut self.pool, arp.as_bytes());
        packet.set_ethernet(MacAddr::BROADCAST, own, EtherType::ARP);
        let mut above = self.devices.find(device);
        while let Some(Kind::Vlan(vlan)) = above.map(|device| device.kind) {
            // VLAN 0 is none (`bond_handle_vlan()`).
            if vlan.id != 0 {
                packet.put_tag(vlan.tag());
            }
            above = self.devices.find(vlan.parent);
        }
        self.send_by_bonds_port(now, by, packet);
    }

    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_ns_send()`; `net/ipv6/ndisc.c`, `ndisc_ns_create()`: who is nobody does not
    /// say its Ethernet address.
    fn send_solicitation(&mut self, now: Instant, by: (DeviceId, DeviceId), (source, target): (Ipv6Addr, Ipv6Addr)) {
        let Some(own) = self.devices.find(by.1).map(|port| port.mac) else { return };
        let group = solicited_node(target);
        let message = NeighbourMessage::solicitation(target, own);
        let len = if source.is_unspecified() { NeighbourMessage::LEN } else { message.len() };
        let ends = Ends { source: source.into(), destination: group.into() };
        let making = Making { hops: NeighbourMessage::HOP_LIMIT, id: 0, flow_label: 0 };
        let ip = head(ends, Protocol::ICMPV6, making);
        let mut packet = Packet::compose(&mut self.pool, &Draft { ip, transport: &message[..len] });
        checksum::fill(&mut packet, &self.around.routines);
        packet.set_ethernet(group_mac(group), own, EtherType::IPV6);
        self.send_by_bonds_port(now, by, packet);
    }

    /// Sends a frame by a port, whatever the bond would choose.
    pub(super) fn send_by_bonds_port(&mut self, now: Instant, (bond, port): (DeviceId, DeviceId), packet: Packet) {
        let Some((_, features)) = self.devices.bond_below(bond) else { return };
        let sent = self.send_by_one(packet, WayOut { port, features }).map(|()| End::Transmitted(port));
        self.settle(now, sent);
    }
}
