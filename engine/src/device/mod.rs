//! Devices: what the engine knows of the interfaces its frames come from and go to, and what they do with frames.

mod address;
pub mod bond;
pub mod ethtool;
mod features;
mod kind;
mod large;
mod link;
mod mtu;
pub mod napi;
mod queue;
mod receive;
pub mod rss;
pub mod source;

pub use address::InterfaceAddress;
pub(crate) use features::Active;
pub use features::{Feature, FeatureList, FeatureOutcome, Features};
pub use kind::{Kind, Vlan};
pub(crate) use kind::{Refusal, WayOut};
pub(crate) use large::wanted;
pub use link::Link;
pub(crate) use mtu::MTUS_BYTES;
pub use mtu::TagsBeyondMtu;
pub(crate) use queue::TransmitQueue;
pub(crate) use receive::Receivers;

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use self::bond::Bond;
use crate::{
    conntrack::Family,
    frame::DeviceId,
    sysctl::OfInterface,
    wire::{MacAddr, ipv6::solicited_node},
};

/// An interface (Linux: `struct net_device`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name in rules, 1 to 15 bytes.
    pub name: String,
    /// Its own Ethernet address.
    pub mac: MacAddr,
    /// The largest network packet it sends, in bytes, 68 to 65535. It does not bound what it receives.
    pub mtu_bytes: u32,
    /// Which VLAN tags its frames may have beyond that, of a port or a bond; of a VLAN the one below decides.
    pub tags_beyond_mtu: TagsBeyondMtu,
    /// Its addresses, the primary one first.
    pub addresses: Vec<InterfaceAddress>,
    /// Whether stations are asked for their Ethernet address. Without, a station that is not a permanent neighbour is
    /// sent to at the device's own address (Linux: `IFF_NOARP`; v6.18: `net/ipv4/arp.c`, `arp_constructor()`).
    pub arp: bool,
    /// The tunables that it has been told, not left to what all interfaces start with.
    pub tunables: OfInterface,
    /// Takes frames addressed to other stations as if they were its own: in a replay the capture's addresses are not
    /// the gateway's.
    pub any_destination: bool,
    /// What it does for the host; of what it does when it sends, its VLANs have only what it has, too.
    pub features: Features,
    /// How long it keeps what it may merge with what comes in later polls; 0: not beyond the poll (Linux:
    /// `/sys/class/net/DEVICE/gro_flush_timeout`).
    pub gro_flush_timeout: Duration,
    /// What its link says of itself.
    pub link: Link,
    /// The bond that it is a port of; [`Command::SetBond`](crate::Command::SetBond) alone says so.
    pub master: Option<DeviceId>,
    /// Where its frames come from and go to.
    pub kind: Kind,
}

/// An Ethernet device without a name, or any address.
impl Default for Device {
    fn default() -> Self {
        Self {
            name: String::new(),
            mac: MacAddr::UNSPECIFIED,
            mtu_bytes: 1500,
            tags_beyond_mtu: TagsBeyondMtu::default(),
            addresses: Vec::new(),
            arp: true,
            tunables: OfInterface::default(),
            any_destination: false,
            features: Features::default(),
            gro_flush_timeout: Duration::ZERO,
            link: Link::default(),
            master: None,
            kind: Kind::Physical,
        }
    }
}

impl Device {
    /// The IPv4 addresses that stand for the device in packets it sends: the first of each network, and none that is
    /// valid on this host only. Of IPv6 all addresses do; see [`Devices::source_address`].
    pub fn primary_addresses(&self) -> impl Iterator<Item = InterfaceAddress> {
        self.addresses.iter().enumerate().filter_map(|(index, own)| {
            let same_network =
                |earlier: &InterfaceAddress| earlier.prefix == own.prefix && earlier.contains(own.address);
            let secondary = self.addresses[..index].iter().any(same_network);
            (own.address.is_ipv4() && !secondary && !own.address.is_loopback()).then_some(*own)
        })
    }

    /// Whether packets for a group are for this host. Of IPv4 it is in that of all systems (RFC 1112, section 4); of IPv6 in
    /// those of all nodes, all routers, and its addresses (RFC 4291, section 2.8). Without an address of the family it is in
    /// none.
    #[must_use]
    pub fn has_joined(&self, group: IpAddr) -> bool {
        let group = match group {
            IpAddr::V4(group) => return group == ALL_SYSTEMS && self.addresses_of(Family::Ipv4).next().is_some(),
            IpAddr::V6(group) => group,
        };
        let mut own = self.addresses.iter().filter_map(|own| match own.address {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        });
        match GROUPS.contains(&group) {
            true => own.next().is_some(),
            false => own.any(|own| solicited_node(own) == group),
        }
    }

    /// Whether a frame for that station is for this host.
    pub(crate) fn takes(&self, destination: MacAddr) -> bool {
        self.any_destination || self.mac == destination
    }

    /// In what another device is not the same to connections and rules, in a word; `None`: connections go on over it. What it does
    /// for the host, its own Ethernet address and the size of its packets may be others.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.name != other.name {
            Some("name")
        } else if self.kind != other.kind {
            Some("kind")
        } else if self.addresses != other.addresses {
            Some("addresses")
        } else {
            None
        }
    }

    /// Its addresses of one family, in order.
    pub fn addresses_of(&self, family: Family) -> impl Iterator<Item = InterfaceAddress> + Clone {
        self.addresses.iter().filter(move |own| Family::of(own.address) == family).copied()
    }
}

/// All hosts and routers of a link.
const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// All nodes and all routers of a link, and all routers of a site.
const GROUPS: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 2),
];

/// All devices of an engine, by number.
#[derive(Clone, Debug)]
pub struct Devices {
    all: Vec<Device>,
    /// By parent, and protocol and number of the tag.
    vlans: BTreeMap<(DeviceId, u16, u16), DeviceId>,
    /// What those are that are bonds and have ports, by their numbers.
    bonds: BTreeMap<DeviceId, Bond>,
    loopback: Device,
    version: u32,
}

impl Default for Devices {
    fn default() -> Self {
        Self { all: Vec::new(), vlans: BTreeMap::new(), bonds: BTreeMap::new(), loopback: loopback(), version: 0 }
    }
}

/// The largest packet that this host sends to itself.
pub const LOOPBACK_MTU_BYTES: u32 = 65_536;

/// `lo` (Linux v6.18: `drivers/net/loopback.c`).
fn loopback() -> Device {
    Device {
        name: String::from("lo"),
        mac: MacAddr::UNSPECIFIED,
        mtu_bytes: LOOPBACK_MTU_BYTES,
        addresses: Vec::from([
            InterfaceAddress { address: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix: 8 },
            InterfaceAddress { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 },
        ]),
        arp: false,
        any_destination: true,
        kind: Kind::Loopback,
        // The machine behind it (`Command::ServeHost`) is handed packets as they are on a wire.
        features: Features::WIRE,
        ..Device::default()
    }
}

impl Devices {
    /// Adds a device behind the others; its kind stays what it is.
    pub fn add(&mut self, device: Device) -> DeviceId {
        self.version = self.version.wrapping_add(1);
        let id = DeviceId(self.all.len() as u16);
        if let Kind::Vlan(Vlan { parent, tpid, id: number }) = device.kind {
            self.vlans.insert((parent, tpid, number), id);
        }
        self.all.push(device);
        id
    }

    /// The device of that number; `lo` is one, though it is not among [`Self::iter`].
    #[must_use]
    pub fn find(&self, id: DeviceId) -> Option<&Device> {
        self.all.get(usize::from(id.0)).or_else(|| (id == DeviceId::LOOPBACK).then_some(&self.loopback))
    }

    /// The device of that number, to change.
    pub fn find_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.version = self.version.wrapping_add(1);
        self.all.get_mut(usize::from(id.0))
    }

    /// Gives all devices their features, in order.
    pub(crate) fn take_features(&mut self, features: &[Features]) {
        self.all
            .iter_mut()
            .zip(features)
            .for_each(|(device, features)| device.features = features.for_kind(device.kind));
    }

    /// The device of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<DeviceId> {
        let loopback = || (self.loopback.name == name).then_some(DeviceId::LOOPBACK);
        self.all.iter().position(|device| device.name == name).map(|index| DeviceId(index as u16)).or_else(loopback)
    }

    /// What a device of kind [`Kind::Bond`] is, once it has ports.
    #[must_use]
    pub fn bond(&self, id: DeviceId) -> Option<&Bond> {
        self.bonds.get(&id)
    }

    /// Whether any bond has ports.
    #[must_use]
    pub fn has_bonds(&self) -> bool {
        !self.bonds.is_empty()
    }

    /// All bonds that have ports.
    pub fn bonds(&self) -> impl Iterator<Item = &Bond> {
        self.bonds.values()
    }

    /// All bonds, to change.
    pub(crate) const fn bonds_mut(&mut self) -> &mut BTreeMap<DeviceId, Bond> {
        &mut self.bonds
    }

    /// What the links of a bond's ports say, for [`Self::bonds_mut`].
    pub(crate) fn bond_and_links(&mut self, id: DeviceId) -> Option<(&mut Bond, impl Fn(DeviceId) -> Link)> {
        let all = &self.all;
        let link = |id: DeviceId| all.get(usize::from(id.0)).map_or(Link::DOWN, |device| device.link);
        Some((self.bonds.get_mut(&id)?, link))
    }

    /// Whether a device can be a port of that bond.
    pub(crate) fn may_be_port(&self, id: DeviceId, bond: DeviceId) -> bool {
        let mtu_bytes = self.find(bond).map_or(0, |bond| bond.mtu_bytes);
        let is_bare = |device: &Device| {
            device.kind == Kind::Physical
                && device.addresses.is_empty()
                && device.master.is_none_or(|master| master == bond)
                && device.mtu_bytes >= mtu_bytes
        };
        self.find(id).is_some_and(is_bare) && self.above(id).count() == 1
    }

    /// The Ethernet address that a device has when it is no port of a bond.
    pub(crate) fn permanent_mac_of(&self, id: DeviceId) -> Option<MacAddr> {
        let device = self.find(id)?;
        let of_port = |bond: &Bond| bond.permanent_mac_of(id);
        device.master.and_then(|bond| self.bond(bond)).and_then(of_port).or(Some(device.mac))
    }

    /// Makes devices the ports of a bond. It takes the place of the one that the device was before. Gives those that do not merge by
    /// themselves any more.
    pub(crate) fn take_ports(&mut self, bond: Bond) -> Vec<DeviceId> {
        for port in bond.ports() {
            if let Some(device) = self.find_mut(port) {
                device.master = Some(bond.device());
            }
        }
        let id = bond.device();
        self.bonds.insert(id, bond);
        self.settle_large_receive(id)
    }

    /// Makes the ports of a bond devices by themselves again.
    pub(crate) fn free_ports(&mut self, id: DeviceId) {
        let Some(bond) = self.bonds.remove(&id) else { return };
        for port in bond.ports {
            if let Some(device) = self.find_mut(port.device) {
                (device.mac, device.master) = (port.permanent, None);
            }
        }
    }

    /// Gives a bond and its ports the Ethernet addresses that the bond has chosen. VLANs over the bond that have the address which it
    /// had before follow it. Gives those whose address is another one now, ports left out.
    ///
    /// Linux v6.18: `net/8021q/vlan.c`, `vlan_sync_address()`; `net/8021q/vlan_dev.c`, `vlan_dev_inherit_address()`. There it is known of
    /// each VLAN whether somebody has given it its address; here one that was given the bond's has inherited it.
    pub(crate) fn take_macs_of_bond(&mut self, id: DeviceId) -> Vec<DeviceId> {
        let Some((bond, before)) = self.bonds.get(&id).zip(self.find(id).map(|device| device.mac)) else {
            return Vec::new();
        };
        let mac = bond.mac;
        let mut heirs = Vec::new();
        if mac != before {
            heirs.push(id);
            // Who lies over another device stands behind it.
            for (above, device) in self.iter() {
                let inherits = |vlan: Vlan| device.mac == before && heirs.contains(&vlan.parent);
                if matches!(device.kind, Kind::Vlan(vlan) if inherits(vlan)) {
                    heirs.push(above);
                }
            }
        }
        let ports = bond.ports.iter().map(|port| (port.device, port.mac));
        for (id, mac) in ports.chain(heirs.iter().map(|heir| (*heir, mac))) {
            if let Some(device) = self.all.get_mut(usize::from(id.0)) {
                device.mac = mac;
            }
        }
        heirs
    }

    /// Whether an interface has this address.
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses().any(|own| own.address == address)
    }

    /// Whether packets for this address are for this host: an interface's own, its network's broadcast or its routers'
    /// anycast address.
    #[must_use]
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.addresses().any(|own| own.takes(address))
    }

    /// Whether an address is this host's own, and of no other host beside it.
    #[must_use]
    pub fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.has_address(address)
    }

    /// Whether an address stands for more hosts than one: for everybody on a link, or for a group.
    #[must_use]
    pub fn is_for_many(&self, address: IpAddr) -> bool {
        address.is_multicast() || self.is_broadcast(address)
    }

    /// Whether an address stands for everybody on a link: on the one where the packet is, or on an interface's.
    #[must_use]
    pub fn is_broadcast(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if v4.is_broadcast()) || self.is_directed_broadcast(address)
    }

    /// Whether an interface's network has this broadcast address.
    #[must_use]
    pub fn is_directed_broadcast(&self, address: IpAddr) -> bool {
        self.addresses().any(|own| own.broadcast().map(IpAddr::V4) == Some(address))
    }

    /// All addresses of all interfaces, in order.
    pub fn addresses(&self) -> impl Iterator<Item = InterfaceAddress> {
        self.all.iter().flat_map(|device| device.addresses.iter().copied())
    }

    /// The address this host uses as its own on `device` when it talks to `peer`.
    ///
    /// For IPv4 the primary one whose network holds the peer, else the first, else that of any device (Linux v6.18:
    /// `net/ipv4/devinet.c`, `inet_select_addr()`). For IPv6 see [`source`].
    #[must_use]
    pub fn source_address(&self, device: DeviceId, peer: IpAddr) -> Option<IpAddr> {
        match peer {
            IpAddr::V4(_) => {
                let own = self.find(device).and_then(|device| {
                    let near = device.primary_addresses().find(|own| own.contains(peer));
                    near.or_else(|| device.primary_addresses().next())
                });
                let any = || self.all.iter().find_map(|device| device.primary_addresses().next());
                own.or_else(any).map(|own| own.address)
            }
            IpAddr::V6(peer) => source::address(self, device, peer).map(IpAddr::V6),
        }
    }

    /// All devices with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceId, &Device)> {
        self.all.iter().enumerate().map(|(index, device)| (DeviceId(index as u16), device))
    }

    /// A number that changes whenever a device was added or may have been changed.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn device(name: &str, addresses: &[([u8; 4], u8)]) -> Device {
        let address = |&(address, prefix): &([u8; 4], u8)| InterfaceAddress { address: IpAddr::from(address), prefix };
        Device {
            name: String::from(name),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu_bytes: 1500,
            addresses: addresses.iter().map(address).collect(),
            any_destination: false,
            arp: true,
            ..Device::default()
        }
    }

    #[test]
    fn the_source_address_is_the_one_whose_network_holds_the_peer() {
        let mut devices = Devices::default();
        devices.add(device("lan", &[([192, 168, 1, 1], 24)]));
        let wan = devices.add(device("wan", &[([127, 1, 1, 1], 8), ([203, 0, 113, 9], 24), ([198, 51, 100, 5], 30)]));
        let bare = devices.add(device("bare", &[]));
        let at = |octets: [u8; 4]| Some(IpAddr::from(octets));
        assert_eq!(devices.source_address(wan, IpAddr::from([203, 0, 113, 254])), at([203, 0, 113, 9]));
        assert_eq!(devices.source_address(wan, IpAddr::from([198, 51, 100, 6])), at([198, 51, 100, 5]));
        assert_eq!(devices.source_address(wan, IpAddr::from([10, 0, 0, 1])), at([203, 0, 113, 9]));
        assert_eq!(devices.source_address(bare, IpAddr::from([10, 0, 0, 1])), at([192, 168, 1, 1]));
    }

    #[test]
    fn a_second_address_of_the_same_network_does_not_stand_for_the_device() {
        let device = device("wan", &[([10, 0, 0, 1], 24), ([10, 0, 0, 2], 24), ([10, 0, 0, 3], 16)]);
        assert!(device.primary_addresses().map(|own| own.address).eq([[10, 0, 0, 1], [10, 0, 0, 3]].map(IpAddr::from)));
    }
}
