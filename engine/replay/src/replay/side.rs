//! On which side of the gateway a captured packet was: by which interface it comes in, or that it is the gateway's own.
//!
//! A packet comes from where a route leads back to its source: through the interface whose networks hold it. Where
//! the capture itself tells more (an interface that stands for one of the gateway's, a direction, an Ethernet address)
//! it tells of packets that the gateway has sent, which are not fed in again:
//!
//! | the packet | is |
//! |---|---|
//! | was sent by the capturing host, which is the gateway | its own output |
//! | has an Ethernet source or IP source of the gateway's | its own output |
//! | was received by the capturing host, which is the gateway, on an interface that stands for one of its | that one's input |
//! | comes from behind another interface, whose link was captured too | its own output: the input is in the capture as well |
//! | comes from behind another interface, whose link was not captured | that other one's input |
//! | comes from behind the interface on whose link it was captured, or from nowhere that is known | that one's input |
//!
//! Whether the capturing host is the gateway, the configuration says (`taken_at`); if it does not, a packet from one of
//! the gateway's addresses that the capturing host has sent tells it from there on.

use core::net::{IpAddr, Ipv4Addr};

use towpath_engine::{
    DeviceId,
    device::{Device, Devices, InterfaceAddress},
    ip::{Fate, Route, RouteKind, Routes},
    wire::MacAddr,
};

use super::{peek::Peek, transparent::is_private};
use crate::{
    capture::{self, CapturedPacket, InterfaceId, PacketDirection},
    config::{CaptureName, Config, Hardware, Network, TakenAt},
};

/// Where a captured packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It arrives at a device.
    Input(DeviceId),
    /// The gateway has sent it.
    OwnOutput,
    /// No device leads to its source.
    Nowhere,
}

/// Where a packet comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'a> {
    /// The source in the capture.
    pub(super) captured: &'a IpAddr,
    /// The one that the gateway sees.
    pub(super) seen: &'a IpAddr,
}

impl<'a> Sources<'a> {
    /// A packet that the gateway sees as it was captured.
    #[cfg(test)]
    pub(super) const fn of(source: &'a IpAddr) -> Self {
        Self { captured: source, seen: source }
    }

    /// The same, unless its address says nothing about where a packet comes from, because every link has it.
    pub(super) fn telling(self) -> Option<Self> {
        let is_of_a_link = match self.captured {
            IpAddr::V4(_) => false,
            IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local(),
        };
        (!is_of_a_link).then_some(self)
    }
}

/// Decides sides.
#[derive(Debug)]
pub(super) struct Sides {
    devices: Devices,
    /// Routes back to sources.
    routes: Routes,
    /// The devices' Ethernet addresses that the configuration gives.
    macs: Vec<MacAddr>,
    /// Whether the capturing host is the gateway.
    on_gateway: bool,
    /// Whether that is not to be doubted.
    is_said: bool,
    /// Which interfaces of the capture stand for a device, by the configuration's words.
    named: Vec<(CaptureName, DeviceId)>,
    /// The same by the capture's numbers; filled in as interfaces appear.
    bound: Vec<Option<DeviceId>>,
    /// Devices for which an interface of the capture stands.
    captured: Vec<bool>,
    /// Of each device that is a port of a bond the first port, which stands for all of them; of others themselves.
    first_ports: Vec<DeviceId>,
    /// From where sources came that were asked for before; none of that changes.
    origins: Origins,
}

/// What routes say of IPv4 sources, of each number of them the last one that was asked for.
#[derive(Debug)]
struct Origins(Vec<Option<(Ipv4Addr, Side)>>);

impl Origins {
    fn new() -> Self {
        Self(vec![None; ORIGINS])
    }

    /// What was found out about a source, or what `find` finds out now.
    fn of(&mut self, source: Ipv4Addr, find: impl FnOnce() -> Side) -> Side {
        // The upper bits of a product depend on all bits of the address (Knuth, The Art of Computer Programming 3, 6.4).
        let number = source.to_bits().wrapping_mul(GOLDEN) as usize >> (u32::BITS - ORIGINS.ilog2());
        match &mut self.0[number] {
            Some((known, side)) if *known == source => *side,
            place => place.insert((source, find())).1,
        }
    }
}

/// 16 KB, and so in a processor's second cache at the latest.
const ORIGINS: usize = 1 << 10;
/// 2^32 divided by the golden ratio.
const GOLDEN: u32 = 0x9e37_79b9;

impl Sides {
    pub(super) fn new(config: &Config) -> Self {
        let mut devices = Devices::default();
        let mut routes = Routes::default();
        let mut named = Vec::new();
        for (number, interface) in (0u16..).zip(&config.interfaces) {
            let above = above(config, DeviceId(number));
            let addresses =
                interface.addresses.iter().chain(above.iter().flat_map(|(addresses, _)| *addresses)).copied();
            let addresses: Vec<_> = addresses.collect();
            let id = devices.add(Device {
                name: interface.name.clone(),
                mac: interface.mac.unwrap_or(Hardware::in_replay(DeviceId(number)).mac),
                mtu_bytes: 1500,
                addresses: addresses.clone(),
                arp: false,
                any_destination: true,
                ..Device::default()
            });
            for own in &addresses {
                routes.add(back(own.address, own.prefix, id));
            }
            for network in interface.networks.iter().chain(above.iter().flat_map(|(_, networks)| *networks)) {
                routes.add(back(network.address, network.prefix, id));
            }
            named.extend(interface.captures.iter().map(|name| (name.clone(), id)));
        }
        for route in &config.routes {
            if let RouteKind::Unicast { device, via } = route.kind {
                let device = config.ports_of(device).next().unwrap_or(device);
                routes.add(Route { kind: RouteKind::Unicast { device, via }, ..*route });
            }
        }
        let is_named = !named.is_empty();
        // A device and the interface of a capture that have the same name are the same, unless something else is said.
        for (number, interface) in
            (0u16..).zip(&config.interfaces).filter(|(_, interface)| interface.captures.is_empty())
        {
            for name in [&interface.device.value, &interface.name] {
                named.push((CaptureName::Name(name.clone()), DeviceId(number)));
            }
        }
        Self {
            macs: config.interfaces.iter().filter_map(|interface| interface.mac).collect(),
            captured: vec![false; devices.len()],
            first_ports: first_ports(config),
            on_gateway: config.taken_at.map_or(is_named, |taken_at| taken_at == TakenAt::Gateway),
            is_said: config.taken_at.is_some(),
            devices,
            routes,
            named,
            bound: Vec::new(),
            origins: Origins::new(),
        }
    }

    /// Takes note of the interfaces that the capture has described by now.
    pub(super) fn learn(&mut self, interfaces: &[capture::Interface]) {
        for (index, interface) in interfaces.iter().enumerate().skip(self.bound.len()) {
            let stands_for = |name: &CaptureName| match name {
                CaptureName::Name(name) => interface.name.as_ref() == Some(name),
                CaptureName::Number(number) => usize::from(*number) == index,
                CaptureName::Ifindex(_) => false,
            };
            let device = self.named.iter().find(|(name, _)| stands_for(name)).map(|(_, device)| *device);
            self.bound.push(device);
            self.note_captured(device);
        }
    }

    fn note_captured(&mut self, device: Option<DeviceId>) {
        if let Some(captured) = device.and_then(|device| self.captured.get_mut(usize::from(device.0))) {
            *captured = true;
        }
    }

    /// Where a packet belongs.
    pub(super) fn of(&mut self, packet: &CapturedPacket<'_>, frame: &[u8], sources: Option<Sources<'_>>) -> Side {
        let bound = self.device_of(packet.interface, packet.ifindex);
        let source = sources.map(|sources| sources.seen);
        if packet.direction == Some(PacketDirection::Outbound) {
            let is_own = sources.is_some_and(|sources| self.devices.has_address(*sources.captured));
            self.on_gateway |= is_own && !self.is_said;
            if self.on_gateway {
                return Side::OwnOutput;
            }
        }
        let on_gateway = self.on_gateway;
        let origin = source.map(|source| self.known_origin(source));
        if origin == Some(Side::OwnOutput) || self.is_own_mac(frame) {
            return Side::OwnOutput;
        }
        match (bound, origin) {
            (Some(bound), _) if on_gateway && packet.direction == Some(PacketDirection::Inbound) => Side::Input(bound),
            (Some(bound), Some(Side::Input(origin))) if origin != self.first_port(bound) => {
                if self.captured.get(usize::from(origin.0)) == Some(&true) {
                    Side::OwnOutput
                } else {
                    Side::Input(origin)
                }
            }
            (Some(bound), _) => Side::Input(bound),
            (None, Some(origin)) => origin,
            // Nothing says where it belongs, and nothing but its own fate depends on it.
            (None, None) if !self.devices.is_empty() => Side::Input(DeviceId(0)),
            (None, None) => Side::Nowhere,
        }
    }

    /// Whether a packet that comes in by `device` was surely captured behind the gateway, on its way from there to another side; see
    /// [`super::inner`].
    pub(super) fn is_behind(
        &mut self,
        packet: &CapturedPacket<'_>,
        frame: &[u8],
        peek: &Peek,
        device: DeviceId,
    ) -> bool {
        let Side::Input(towards) = self.known_origin(&peek.destination) else { return false };
        let is_to_gateway = frame.first_chunk::<6>().is_some_and(|to| self.macs.iter().any(|mac| mac.0 == *to));
        if towards == self.first_port(device) || is_to_gateway || packet.direction == Some(PacketDirection::Outbound) {
            return false;
        }
        match self.device_of(packet.interface, packet.ifindex) {
            Some(bound) => self.first_port(bound) == towards,
            None => !self.on_gateway && is_private(peek.destination) && !is_private(peek.source),
        }
    }

    fn first_port(&self, device: DeviceId) -> DeviceId {
        self.first_ports.get(usize::from(device.0)).copied().unwrap_or(device)
    }

    fn device_of(&mut self, interface: InterfaceId, ifindex: u32) -> Option<DeviceId> {
        if ifindex != 0 {
            let same = |name: &CaptureName| *name == CaptureName::Ifindex(ifindex);
            let device = self.named.iter().find(|(name, _)| same(name)).map(|(_, device)| *device);
            if device.is_some() {
                self.note_captured(device);
                return device;
            }
        }
        *self.bound.get(usize::from(interface.0))?
    }

    fn known_origin(&mut self, source: &IpAddr) -> Side {
        let Self { devices, routes, origins, .. } = self;
        match source {
            IpAddr::V4(v4) => origins.of(*v4, || origin(routes, devices, *source)),
            IpAddr::V6(_) => origin(routes, devices, *source),
        }
    }

    fn is_own_mac(&self, frame: &[u8]) -> bool {
        let source = frame.get(6..).and_then(|bytes| bytes.first_chunk::<6>());
        source.is_some_and(|source| self.macs.iter().any(|mac| mac.0 == *source))
    }
}

/// Of each interface the first port of its bond, or itself.
fn first_ports(config: &Config) -> Vec<DeviceId> {
    let first = |port| config.bond_of(port).and_then(|bond| bond.ports.first().copied()).unwrap_or(port);
    (0..config.interfaces.len() as u16).map(|port| first(DeviceId(port))).collect()
}

/// Addresses and networks of what lies over an interface: of VLANs, and of a bond that it is the first port of. What lies behind those
/// comes by it.
fn above(config: &Config, port: DeviceId) -> Vec<(&[InterfaceAddress], &[Network])> {
    let is_above = |device: DeviceId| config.ports_of(device).next() == Some(port);
    let bonds = config.bonds.iter().map(|bond| (&bond.addresses[..], &bond.networks[..]));
    let vlans = config.vlans.iter().map(|vlan| (&vlan.addresses[..], &vlan.networks[..]));
    let numbers = (config.interfaces.len() as u16..).map(DeviceId);
    numbers.zip(bonds.chain(vlans)).filter(|(device, _)| is_above(*device)).map(|(_, above)| above).collect()
}

/// From where a source's packets come, as routes have it.
fn origin(routes: &Routes, devices: &Devices, source: IpAddr) -> Side {
    match routes.from_here(devices, source, None) {
        Fate::Forward(hop) => Side::Input(hop.device),
        Fate::Local if devices.has_address(source) => Side::OwnOutput,
        Fate::Local | Fate::Nowhere(_) => Side::Nowhere,
    }
}

/// A route to a network on a device's own side.
fn back(address: IpAddr, prefix: u8, device: DeviceId) -> Route {
    let kind = RouteKind::Unicast { device, via: None };
    Route::new(address, prefix, kind)
}

#[cfg(test)]
mod tests {
    use towpath_engine::Instant;

    use super::*;
    use crate::{
        capture::{Content, LinkType},
        replay::{craft, peek::Peek},
    };

    const LAN: Side = Side::Input(DeviceId(0));
    const WAN: Side = Side::Input(DeviceId(1));
    const CLIENT: [u8; 4] = [10, 0, 0, 2];
    const SERVER: [u8; 4] = [198, 51, 100, 7];
    const GATEWAY: [u8; 4] = [203, 0, 113, 1];
    const BOTH: &str = "[[interface]]\nname='lan'\naddresses=['10.0.0.1/24']\n[[interface]]\nname='wan'\naddresses=['203.0.113.1/24']\nmac='02:00:00:00:00:77'\n[[route]]\nto='default'\nvia='203.0.113.254'\n";

    fn sides(config: &str, names: &[&str]) -> Sides {
        let mut sides = Sides::new(&Config::read("test", config).unwrap());
        let interfaces: Vec<_> = names.iter().map(|name| capture::Interface::named(name, LinkType::ETHERNET)).collect();
        sides.learn(&interfaces);
        sides
    }

    fn side(sides: &mut Sides, interface: u16, source: [u8; 4], direction: Option<PacketDirection>) -> Side {
        let frame = craft::udp((source, 1), ([192, 0, 2, 1], 2), b"");
        side_of(sides, interface, &frame, direction, 0)
    }

    fn side_of(
        sides: &mut Sides,
        interface: u16,
        frame: &[u8],
        direction: Option<PacketDirection>,
        ifindex: u32,
    ) -> Side {
        let packet = CapturedPacket {
            number: 1,
            time: Instant::ZERO,
            interface: InterfaceId(interface),
            ifindex,
            content: Content::Ethernet(frame),
            wire_len: frame.len() as u32,
            direction,
            comment: None,
            offset: 0,
        };
        let peek = Peek::frame(frame);
        let sources = peek.as_ref().map(|peek| Sources::of(&peek.source));
        sides.of(&packet, frame, sources)
    }

    #[test]
    fn a_capture_of_one_link_is_split_by_the_networks_of_its_sources() {
        let mut sides = sides(BOTH, &["somewhere"]);
        assert_eq!(side(&mut sides, 0, CLIENT, None), LAN);
        assert_eq!(side(&mut sides, 0, SERVER, None), WAN);
        assert_eq!(side(&mut sides, 0, GATEWAY, None), Side::OwnOutput);
        // Directions are the client's, and say nothing about the gateway.
        assert_eq!(side(&mut sides, 0, CLIENT, Some(PacketDirection::Outbound)), LAN);
        assert_eq!(side(&mut sides, 0, SERVER, Some(PacketDirection::Inbound)), WAN);
    }

    #[test]
    fn networks_behind_an_interface_need_no_route() {
        let config = "[[interface]]\nname='lan'\nnetworks=['192.168.0.0/16']\n[[interface]]\nname='wan'\naddresses=['203.0.113.1/24']\n";
        let mut sides = sides(config, &["x"]);
        assert_eq!(side(&mut sides, 0, [192, 168, 7, 7], None), LAN);
        assert_eq!(side(&mut sides, 0, SERVER, None), Side::Nowhere);
    }

    #[test]
    fn a_capture_of_both_links_feeds_each_packet_once() {
        let mut sides = sides(BOTH, &["lan", "wan"]);
        assert_eq!(side(&mut sides, 0, CLIENT, None), LAN);
        assert_eq!(side(&mut sides, 1, CLIENT, None), Side::OwnOutput, "forwarded without translation");
        assert_eq!(side(&mut sides, 1, GATEWAY, None), Side::OwnOutput, "masqueraded");
        assert_eq!(side(&mut sides, 1, SERVER, None), WAN);
        assert_eq!(side(&mut sides, 0, SERVER, None), Side::OwnOutput);
    }

    #[test]
    fn a_capture_of_the_inner_link_alone_has_the_answers_of_the_outer_one() {
        let mut sides = sides(BOTH, &["lan"]);
        assert_eq!(side(&mut sides, 0, CLIENT, None), LAN);
        assert_eq!(side(&mut sides, 0, SERVER, None), WAN);
    }

    #[test]
    fn on_the_gateway_itself_the_directions_of_the_capture_count() {
        let config =
            BOTH.replace("name='lan'", "name='lan'\ncapture='eth0'").replace("name='wan'", "name='wan'\ncapture=1");
        let mut sides = sides(&config, &["eth0", "ppp0"]);
        assert_eq!(side(&mut sides, 0, SERVER, Some(PacketDirection::Outbound)), Side::OwnOutput);
        assert_eq!(
            side(&mut sides, 0, SERVER, Some(PacketDirection::Inbound)),
            LAN,
            "spoofed, and yet it came in there"
        );
        assert_eq!(side(&mut sides, 1, SERVER, Some(PacketDirection::Inbound)), WAN);
    }

    #[test]
    fn a_packet_from_the_gateways_address_that_the_capturing_host_has_sent_gives_the_gateway_away() {
        let mut sides = sides(BOTH, &["any"]);
        let (inbound, outbound) = (Some(PacketDirection::Inbound), Some(PacketDirection::Outbound));
        assert_eq!(side(&mut sides, 0, CLIENT, outbound), LAN, "a client could have sent it");
        assert_eq!(side(&mut sides, 0, GATEWAY, outbound), Side::OwnOutput);
        assert_eq!(side(&mut sides, 0, SERVER, inbound), WAN);
        assert_eq!(side(&mut sides, 0, SERVER, outbound), Side::OwnOutput);

        let mut told = self::sides(&format!("{BOTH}[capture]\ntaken_at='elsewhere'"), &["any"]);
        assert_eq!(side(&mut told, 0, GATEWAY, outbound), Side::OwnOutput);
        assert_eq!(side(&mut told, 0, SERVER, outbound), WAN);
    }

    #[test]
    fn what_lies_behind_a_bond_comes_by_its_first_port_or_by_the_one_where_it_was_captured() {
        let config = "[[interface]]\nname='e0'\n[[interface]]\nname='e1'\n[[interface]]\nname='wan'\naddresses=['203.0.113.1/24']\n[[bond]]\nname='b'\nports=['e0','e1']\naddresses=['10.0.0.1/24']\n[[route]]\nto='default'\nvia='203.0.113.254'\n";
        let mut one = sides(config, &["somewhere"]);
        assert_eq!(side(&mut one, 0, CLIENT, None), Side::Input(DeviceId(0)));
        assert_eq!(side(&mut one, 0, SERVER, None), Side::Input(DeviceId(2)));
        let mut both = sides(config, &["e0", "e1"]);
        assert_eq!(side(&mut both, 0, CLIENT, None), Side::Input(DeviceId(0)));
        assert_eq!(side(&mut both, 1, CLIENT, None), Side::Input(DeviceId(1)));
    }

    #[test]
    fn the_gateways_ethernet_address_tells_its_own_packets() {
        let mut sides = sides(BOTH, &["lan", "wan"]);
        let mut frame = craft::udp((SERVER, 1), (CLIENT, 2), b"");
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 0x77]);
        assert_eq!(side_of(&mut sides, 1, &frame, None, 0), Side::OwnOutput);
    }

    #[test]
    fn a_capture_of_any_device_is_told_apart_by_the_kernels_numbers() {
        let config = BOTH
            .replace("name='lan'", "name='lan'\ncapture='ifindex:2'")
            .replace("name='wan'", "name='wan'\ncapture='ifindex:3'");
        let mut sides = sides(&config, &["any"]);
        let frame = craft::udp((SERVER, 1), (CLIENT, 2), b"");
        let inbound = Some(PacketDirection::Inbound);
        assert_eq!(side_of(&mut sides, 0, &frame, inbound, 3), WAN);
        assert_eq!(side_of(&mut sides, 0, &frame, inbound, 2), LAN);
        assert_eq!(side_of(&mut sides, 0, &frame, Some(PacketDirection::Outbound), 2), Side::OwnOutput);
    }

    #[test]
    fn what_is_no_ip_belongs_to_the_link_it_was_captured_on() {
        let mut sides = sides(BOTH, &["lan", "wan"]);
        assert_eq!(side_of(&mut sides, 1, &[0; 60], None, 0), WAN);
        assert_eq!(side_of(&mut sides, 9, &[0; 60], None, 0), LAN);
    }
}
