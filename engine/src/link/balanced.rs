//! What balance-tlb and balance-alb say of their own accord.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use zerocopy::IntoBytes;

use crate::{
    device::Kind,
    engine::Engine,
    frame::DeviceId,
    packet::{Packet, VlanTag},
    time::Instant,
    wire::{ArpPacket, EtherType, MacAddr},
};

impl Engine {
    /// Sends learning packets by a port: from an Ethernet address to itself, and so from those of the VLANs over the bond, with their
    /// tags. VLANs that have the bond's address send from this one.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `alb_send_learning_packets()`, `alb_upper_dev_walk()`.
    pub(super) fn teach_switches(&mut self, now: Instant, by: (DeviceId, DeviceId), mac: MacAddr) {
        let own = self.devices.find(by.0).map(|bond| bond.mac);
        let of_vlan = |(_, device): (DeviceId, &crate::device::Device)| match device.kind {
            Kind::Vlan(vlan) if vlan.parent == by.0 => {
                let from = if Some(device.mac) == own { mac } else { device.mac };
                Some((from, Some(vlan.tag()).filter(|tag| tag.id() != 0)))
            }
            Kind::Vlan(_) | Kind::Physical | Kind::Loopback | Kind::Bond => None,
        };
        let mut all = Vec::from([(mac, None)]);
        all.extend(self.devices.above(by.0).filter_map(of_vlan));
        for (from, tag) in all {
            let mut packet = Packet::compose_slow(&mut self.pool, &[0; LEARNING_BYTES]);
            packet.set_ethernet(from, from, LOOPBACK);
            packet.meta_mut().vlan = tag;
            self.send_by_bonds_port(now, by, packet);
        }
    }

    /// Tells a station under which Ethernet address it finds this host, as if it had asked.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `rlb_update_client()`.
    pub(super) fn tell_peer(
        &mut self,
        now: Instant,
        by: (DeviceId, DeviceId),
        (own, peer): ((MacAddr, Ipv4Addr), (MacAddr, Ipv4Addr)),
        tci: u16,
    ) {
        let arp = ArpPacket::new(ArpPacket::REPLY, own, peer);
        let mut packet = Packet::compose_arp(&mut self.pool, arp.as_bytes());
        packet.set_ethernet(peer.0, own.0, EtherType::ARP);
        packet.meta_mut().vlan = (tci != 0).then_some(VlanTag { tpid: EtherType::VLAN.0, tci });
        self.send_by_bonds_port(now, by, packet);
    }
}

/// Linux v6.18: `include/uapi/linux/if_ether.h`, `ETH_P_LOOPBACK` (IEEE 802.3).
const LOOPBACK: EtherType = EtherType(0x9000);
/// What makes a frame of 60 bytes.
const LEARNING_BYTES: usize = 46;
