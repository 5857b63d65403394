//! From [`Config`] to what an engine is told.

use std::net::IpAddr;

use towpath_engine::{
    Command, DeviceId,
    device::{Device, Devices, InterfaceAddress, Kind, Link, TagsBeyondMtu, bond::ArpValidate},
    sysctl::of_interface,
    wire::{MacAddr, ipv6::link_local},
};

use super::{BondConfig, Config, Interface, VlanConfig};

/// What an interface is where the configuration does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// The largest packet it sends, in bytes.
    pub mtu_bytes: u32,
    /// Whether its neighbours are asked for their addresses.
    pub arp: bool,
    /// Whether it takes frames for other stations as its own; never so when the configuration gives its address.
    pub any_destination: bool,
    /// What its link says of itself.
    pub link: Link,
    /// Which VLAN tags its frames may have beyond its MTU. Each further one makes the VLAN's MTU 4 bytes smaller.
    pub tags_beyond_mtu: TagsBeyondMtu,
}

impl Hardware {
    /// What an interface is in a replay: an address made up from its number, 1500 bytes, nobody to be asked, and
    /// taking every frame, since the capture's stations do not know the made-up address.
    #[must_use]
    pub const fn in_replay(device: DeviceId) -> Self {
        let [high, low] = (0x10 + device.0).to_be_bytes();
        let link = Link { carrier: true, speed_mbps: Some(10_000), full_duplex: Some(true) };
        let mac = MacAddr([2, 0, 0, 0, high, low]);
        Self { mac, mtu_bytes: 1500, arp: false, any_destination: true, link, tags_beyond_mtu: TagsBeyondMtu::All }
    }
}

impl Config {
    /// Interfaces, bonds and VLANs, by their numbers.
    fn made_devices(&self, hardware: &mut impl FnMut(DeviceId, &Interface) -> Hardware) -> Devices {
        let mut devices = Devices::default();
        for (number, interface) in (0u16..).zip(&self.interfaces) {
            let found = hardware(DeviceId(number), interface);
            let mac = interface.mac.unwrap_or(found.mac);
            devices.add(Device {
                name: interface.name.clone(),
                mac,
                mtu_bytes: interface.mtu_bytes.unwrap_or(found.mtu_bytes),
                tags_beyond_mtu: found.tags_beyond_mtu,
                addresses: with_link_local(&interface.addresses, mac),
                arp: interface.arp.unwrap_or(found.arp),
                any_destination: found.any_destination && interface.mac.is_none(),
                link: found.link,
                ..Device::default()
            });
        }
        for bond in &self.bonds {
            devices.add(device_of_bond(bond, &devices));
        }
        for vlan in &self.vlans {
            devices.add(device_of_vlan(vlan, &devices));
        }
        devices
    }

    /// The commands that make an engine this gateway, but for rules and helpers, which lie in files of their own.
    /// They have to be carried out in order, by an engine without devices.
    pub fn commands(&self, mut hardware: impl FnMut(DeviceId, &Interface) -> Hardware) -> Vec<Command> {
        let is_of_interface = |(name, _): &&(String, u32)| of_interface(name).is_some();
        let set = |(name, value): &(String, u32)| Command::SetSysctl(name.clone(), *value);
        let sysctls = self.sysctls.iter().filter(|sysctl| !is_of_interface(sysctl)).map(set);
        let devices = self.made_devices(&mut hardware);
        let mode = self.helper_mode.map(Command::SetHelperMode);
        // What a policy does not say is what the tunables say when it is made.
        let timeouts = self.timeouts.iter().cloned().map(Command::SetTimeoutPolicy);
        let added = devices.iter().map(|(_, device)| Command::AddDevice(device.clone()));
        let mut commands: Vec<Command> = sysctls.chain(mode).chain(timeouts).chain(added).collect();
        for (number, interface) in (0u16..).zip(&self.interfaces) {
            let features = interface.features.iter();
            commands.extend(features.map(|&(feature, on)| Command::SetFeature(DeviceId(number), feature, on)));
            if !interface.gro_flush_timeout.is_zero() {
                commands.push(Command::SetGroFlushTimeout(DeviceId(number), interface.gro_flush_timeout));
            }
        }
        for (id, bond) in (self.interfaces.len() as u16..).map(DeviceId).zip(&self.bonds) {
            let mut options = Box::new(bond.options.clone());
            // In a replay, where nobody would answer, nobody is asked unless `arp` says so, and all links are taken to carry.
            if devices.find(id).is_some_and(|device| !device.arp) {
                options.arp_interval_ms = 0;
                options.arp_validate = ArpValidate::None;
            }
            commands.push(Command::SetBond(id, options, bond.ports.clone()));
        }
        // There has to be an interface first.
        commands.extend(self.sysctls.iter().filter(is_of_interface).map(set));
        commands.extend(self.routes.iter().copied().map(Command::AddRoute));
        commands.extend(self.neighbours.iter().map(|neighbour| Command::AddNeighbour {
            device: neighbour.device,
            address: neighbour.address,
            mac: neighbour.mac,
        }));
        commands.extend(self.services.iter().cloned().map(Command::OfferUdp));
        commands.extend(self.host.iter().map(|_| Command::ServeHost(true)));
        commands
    }
}

/// The device that is a bond over some of those before it.
fn device_of_bond(bond: &BondConfig, devices: &Devices) -> Device {
    let ports = || bond.ports.iter().filter_map(|port| devices.find(*port));
    let first = ports().next().cloned().unwrap_or_default();
    let mac = bond.mac.unwrap_or(first.mac);
    Device {
        name: bond.name.clone(),
        mac,
        mtu_bytes: bond.mtu_bytes.or(ports().map(|port| port.mtu_bytes).min()).unwrap_or(first.mtu_bytes),
        tags_beyond_mtu: ports().fold(TagsBeyondMtu::All, |all, port| all.and(port.tags_beyond_mtu)),
        addresses: with_link_local(&bond.addresses, mac),
        arp: bond.arp.unwrap_or(first.arp),
        any_destination: first.any_destination && bond.mac.is_none(),
        kind: Kind::Bond,
        ..Device::default()
    }
}

/// An interface's addresses; one with IPv6 addresses also has a link-local one, of which its neighbours' questions are
/// asked (RFC 4291, section 2.8).
fn with_link_local(addresses: &[InterfaceAddress], mac: MacAddr) -> Vec<InterfaceAddress> {
    let mut all = addresses.to_vec();
    let v6 = || addresses.iter().filter_map(|own| if let IpAddr::V6(v6) = own.address { Some(v6) } else { None });
    if v6().next().is_some() && !v6().any(|own| own.is_unicast_link_local()) {
        all.push(InterfaceAddress { address: link_local(mac).into(), prefix: 64 });
    }
    all
}

/// A VLAN's device. It has at most the MTU that is left to it; more than its parent's is left as it is, for the engine to refuse.
fn device_of_vlan(vlan: &VlanConfig, devices: &Devices) -> Device {
    let parent = devices.find(vlan.vlan.parent).cloned().unwrap_or_default();
    let (mac, most) = (vlan.mac.unwrap_or(parent.mac), devices.vlan_mtu_bytes_max(vlan.vlan));
    let asked = vlan.mtu_bytes.as_ref().map_or(most, |asked| asked.value);
    Device {
        name: vlan.name.clone(),
        mac,
        mtu_bytes: if asked > parent.mtu_bytes { asked } else { asked.min(most) },
        addresses: with_link_local(&vlan.addresses, mac),
        arp: vlan.arp.unwrap_or(parent.arp),
        any_destination: parent.any_destination && vlan.mac.is_none(),
        kind: Kind::Vlan(vlan.vlan),
        ..Device::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_leave_less_room_where_frames_may_not_have_them_beyond_the_mtu() {
        let mtus = |protocol: &str, inner: &str| {
            let text = format!(
                "[[interface]]\nname='lan'\nmtu=1400\n[[vlan]]\nparent='lan'\nid=10\n{protocol}\n[[vlan]]\nparent='lan.10'\nid=5\n{inner}"
            );
            let hardware = |device, _: &Interface| Hardware {
                tags_beyond_mtu: TagsBeyondMtu::FirstOfCustomer,
                ..Hardware::in_replay(device)
            };
            let config = Config::read("f", &text).expect("it is right");
            config.made_devices(&mut { hardware }).iter().map(|(_, device)| device.mtu_bytes).collect::<Vec<_>>()
        };
        assert_eq!(mtus("", ""), [1400, 1400, 1396]);
        assert_eq!(mtus("", "mtu=1400"), [1400, 1400, 1396]);
        assert_eq!(mtus("", "mtu=1300"), [1400, 1400, 1300], "what is said is less than that");
        assert_eq!(mtus("mtu=1300", ""), [1400, 1300, 1300], "two tags have room beside it");
        assert_eq!(mtus("protocol='802.1ad'", ""), [1400, 1396, 1392], "a service tag has no room beyond the MTU");
    }
}
