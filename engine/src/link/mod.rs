//! The link layer at both ends of the path: Ethernet, and the neighbours on it.

mod arp;
mod balanced;
mod bonded;
mod ndp;
mod probes;

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::{
    device::{Device, WayOut},
    ending::{DropReason, Dropped, End, Holder},
    engine::Engine,
    frame::DeviceId,
    ip::{
        NextHop,
        neighbour::{Forgotten, Overdue, Resolved},
    },
    offload::{self, gso::Segments},
    packet::{Network, Packet},
    time::Instant,
    wire::{ArpPacket, EtherType, MacAddr, ipv4, ipv6},
};

impl Engine {
    /// Finds the next station's Ethernet address, or lets the packet wait for it.
    pub(crate) fn resolve(&mut self, now: Instant, packet: Packet, hop: NextHop) -> Result<End, Dropped> {
        if hop.device == DeviceId::LOOPBACK {
            return self.loop_back(packet, DeviceId::LOOPBACK);
        }
        let Some(device) = self.devices.find(hop.device) else { return Err(packet.drop_for(DropReason::DeviceDown)) };
        match mac_of_many(device, hop.neighbour) {
            Some(mac) => self.send(packet, hop.device, mac),
            None => self.resolve_station(now, packet, hop),
        }
    }

    /// Whether a next hop is one station on a link.
    pub(crate) fn leads_to_one(&self, hop: NextHop) -> bool {
        let device = self.devices.find(hop.device).filter(|_| hop.device != DeviceId::LOOPBACK);
        device.is_some_and(|device| mac_of_many(device, hop.neighbour).is_none())
    }

    /// The same as [`Self::resolve`], where the next hop is one station on a link.
    #[inline(always)]
    pub(crate) fn resolve_station(&mut self, now: Instant, packet: Packet, hop: NextHop) -> Result<End, Dropped> {
        let Some(device) = self.devices.find(hop.device) else { return Err(packet.drop_for(DropReason::DeviceDown)) };
        let (packet, mac) = if device.arp {
            match self.neighbours.resolve(now, hop.device, hop.neighbour, packet)? {
                Resolved::Known(packet, mac) => (packet, mac),
                Resolved::Waits { ask, displaced } => return Ok(self.wait(now, hop, ask, displaced)),
            }
        } else {
            (packet, self.neighbours.permanent(hop.device, hop.neighbour).unwrap_or(device.mac))
        };
        self.send(packet, hop.device, mac)
    }

    /// A packet waits for its next station's address, which has perhaps to be asked for; others had to make room.
    fn wait(&mut self, now: Instant, hop: NextHop, ask: bool, displaced: Vec<Packet>) -> End {
        for packet in displaced {
            self.let_go(now, packet, |_, packet| Err(packet.drop_for(DropReason::NeighbourQueueFull)));
        }
        if ask {
            self.ask_neighbour(now, hop.device, hop.neighbour, None);
        }
        End::Held(Holder::Neighbour)
    }

    /// Asks, or gives up, where time has run out.
    pub(crate) fn handle_neighbours_overdue(&mut self, now: Instant) {
        for overdue in self.neighbours.handle_timeout(now) {
            match overdue {
                Overdue::Ask(device, address, mac) => self.ask_neighbour(now, device, address, mac),
                Overdue::Failed(packet) => {
                    self.let_go(now, packet, |_, packet| Err(packet.drop_for(DropReason::NeighbourFailed)));
                }
            }
        }
    }

    fn ask_neighbour(&mut self, now: Instant, device: DeviceId, address: IpAddr, mac: Option<MacAddr>) {
        match (address, self.devices.source_address(device, address)) {
            (IpAddr::V4(address), Some(IpAddr::V4(source))) => {
                let to = mac.unwrap_or(MacAddr::BROADCAST);
                self.send_arp(now, device, ArpPacket::REQUEST, source, (to, address));
            }
            (IpAddr::V6(address), _) => self.solicit(now, device, address, mac.is_some()),
            (IpAddr::V4(_), _) => {}
        }
    }

    /// Forgets neighbours on the links of devices; what waits for them is dropped.
    pub(crate) fn forget_neighbours(&mut self, now: Instant, devices: &[DeviceId], which: Forgotten) {
        for packet in self.neighbours.forget(devices, which) {
            self.let_go(now, packet, |_, packet| Err(packet.drop_for(DropReason::NeighbourForgotten)));
        }
    }

    /// Forgets what was learned on a device's link, which is not what it was: other stations may be there when it comes back, or the same
    /// ones behind other addresses (Linux v6.18: `net/ipv4/arp.c`, `arp_netdev_event()`; `arp_evict_nocarrier` as by default).
    pub(crate) fn forget_learned(&mut self, now: Instant, device: DeviceId) {
        let above: Vec<DeviceId> = self.devices.above(device).map(|(above, _)| above).collect();
        self.forget_neighbours(now, &above, Forgotten::Learned);
    }

    /// Hands a packet to the machine's own programs.
    #[cold]
    pub(crate) fn hand_over(&mut self, mut packet: Packet) -> Result<End, Dropped> {
        if packet.meta().options.has_changed() {
            packet.fill_ip_checksum();
        }
        self.send(packet, DeviceId::LOOPBACK, MacAddr::UNSPECIFIED)?;
        self.stats.delivered += 1;
        Ok(End::Delivered)
    }

    /// Hands a packet to its device, in the form that the device takes.
    #[inline(always)]
    fn send(&mut self, mut packet: Packet, device: DeviceId, to: MacAddr) -> Result<End, Dropped> {
        let Some(own) = self.devices.find(device) else { return Err(packet.drop_for(DropReason::DeviceDown)) };
        let ether_type = match packet.network() {
            Network::Ipv6 => EtherType::IPV6,
            Network::Arp => EtherType::ARP,
            Network::Ipv4 | Network::Other => EtherType::IPV4,
        };
        packet.set_ethernet(to, own.mac, ether_type);
        match self.devices.way_out(device, own, &mut packet) {
            Some(way_out) => self.send_by_port(packet, way_out),
            None => self.send_by_bond(packet, device),
        }
        .map(|()| End::Transmitted(device))
    }

    /// Puts a packet behind those that wait to leave by a port.
    #[inline(always)]
    fn send_by_port(&mut self, packet: Packet, way_out: WayOut) -> Result<(), Dropped> {
        match way_out.features.can_segment(packet.meta()) && !packet.is_list() {
            true => self.enqueue(packet, way_out),
            false => self.send_segments(packet, way_out),
        }
    }

    /// Sends the segments of a super-packet that the device cannot cut. When there is no room for one of them, those
    /// behind it are not made, and the whole counts as dropped.
    #[cold]
    fn send_segments(&mut self, whole: Packet, way_out: WayOut) -> Result<(), Dropped> {
        let mut failed = None;
        // Programs of the machine take it as sockets do.
        if whole.is_uncuttable() && way_out.port != DeviceId::LOOPBACK {
            return Err(whole.drop_for(DropReason::LroForwarded));
        }
        if let Some(mut segments) = Segments::of(&whole) {
            while failed.is_none()
                && let Some(segment) = segments.next(&mut self.pool)
            {
                if let Err(Dropped { packet, reason }) = self.enqueue(segment, way_out) {
                    packet.recycle(&mut self.pool);
                    failed = Some(reason);
                }
            }
        }
        match failed {
            Some(reason) => Err(whole.drop_for(reason)),
            None => {
                whole.recycle(&mut self.pool);
                Ok(())
            }
        }
    }

    /// Puts a frame behind those that wait to leave, its checksum filled in and its pieces laid together if the device does not.
    #[inline(always)]
    fn enqueue(&mut self, mut packet: Packet, way_out: WayOut) -> Result<(), Dropped> {
        if !way_out.features.can_sum(packet.meta()) {
            offload::checksum::complete(&mut packet, &self.around.routines);
        }
        if !way_out.features.can_gather() {
            packet.lay_together(&mut self.pool);
        }
        let pushed = self.transmits.push(way_out.port, packet);
        pushed.map_err(|packet| packet.drop_for(DropReason::TransmitQueueFull))
    }
}

/// The Ethernet address of a next hop that is many stations: everybody, or a group. Where no addresses are asked for, everybody
/// has the device's own, as any station has (Linux v6.18: `net/ipv4/arp.c`, `arp_constructor()`).
fn mac_of_many(device: &Device, address: IpAddr) -> Option<MacAddr> {
    match address {
        IpAddr::V4(v4) if v4.is_multicast() => Some(ipv4::group_mac(v4)),
        IpAddr::V4(v4) => {
            let is_broadcast = v4.is_broadcast() || device.addresses.iter().any(|own| own.broadcast() == Some(v4));
            (is_broadcast && device.arp).then_some(MacAddr::BROADCAST)
        }
        IpAddr::V6(v6) => v6.is_multicast().then(|| ipv6::group_mac(v6)),
    }
}
