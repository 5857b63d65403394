//! Routes: the longest prefix wins (Linux v6.18: `net/ipv4/fib_trie.c`, `net/ipv4/route.c`).
//!
//! Why not a trie: gateways have tens of routes of a few prefix lengths. Routes are sorted by length, each length is
//! searched by bisection, and lengths without routes cost nothing.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{
    device::Devices,
    ending::DropReason,
    frame::DeviceId,
    limits::ROUTES_MAX,
    packet::{Addressed, Packet},
};

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The network; bits behind the prefix are zero.
    pub destination: Ipv4Addr,
    /// Length of its prefix, 0 to 32.
    pub prefix: u8,
    /// What becomes of packets for it.
    pub kind: RouteKind,
    /// The lesser one of two routes to the same network wins.
    pub metric: u32,
    /// The largest packet sent this way, in bytes; the device's when `None`.
    pub mtu_bytes: Option<u32>,
}

/// What becomes of packets that a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteKind {
    /// They leave by a device.
    Unicast {
        /// Which.
        device: DeviceId,
        /// To which router; the destination itself when `None`.
        via: Option<Ipv4Addr>,
    },
    /// They are dropped without a word.
    Blackhole,
    /// They are dropped, and the sender is told that the host cannot be reached.
    Unreachable,
    /// They are dropped, and the sender is told that this is prohibited.
    Prohibit,
    /// They are treated as if there were no route at all; a shorter prefix is not tried.
    Throw,
}

/// How a packet goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Through which device.
    pub device: DeviceId,
    /// To which station on its link.
    pub neighbour: Ipv4Addr,
    /// The largest packet that fits, in bytes.
    pub mtu_bytes: u32,
}

/// What routing says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is for this host.
    Local,
    /// It goes on.
    Forward(NextHop),
    /// It goes nowhere.
    Nowhere(DropReason),
}

/// All routes.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Sorted by descending prefix, then destination, then metric.
    routes: Vec<Route>,
    /// Where in `routes` each prefix length begins and ends, longest first.
    lengths: Vec<(u8, u32, u32)>,
}

impl Routes {
    /// Adds a route; false when there is no room ([`ROUTES_MAX`]) or the same route is there already.
    pub fn add(&mut self, route: Route) -> bool {
        let route = Route { destination: masked(route.destination, route.prefix), ..route };
        let key = |route: &Route| (u8::MAX - route.prefix, route.destination, route.metric);
        match self.routes.binary_search_by_key(&key(&route), key) {
            Ok(_) => false,
            Err(_) if self.routes.len() >= ROUTES_MAX => false,
            Err(index) => {
                self.routes.insert(index, route);
                self.index_lengths();
                true
            }
        }
    }

    /// All routes, longest prefix first.
    #[must_use]
    pub fn all(&self) -> &[Route] {
        &self.routes
    }

    /// What becomes of a packet that has arrived.
    ///
    /// Linux v6.18: `net/ipv4/route.c`, `ip_route_input_slow()`.
    #[must_use]
    pub fn fate(&self, devices: &Devices, packet: &Packet) -> Fate {
        let Some(ip) = packet.ipv4() else { return Fate::Nowhere(DropReason::LinkProtocolUnknown) };
        let (source, destination) = (ip.source(), ip.destination());
        if destination.is_broadcast() || (source.is_unspecified() && destination.is_unspecified()) {
            return Fate::Local;
        }
        if source.is_multicast() || source.is_broadcast() || source.is_unspecified() || source.is_loopback() {
            return Fate::Nowhere(DropReason::IpSourceInvalid);
        }
        if destination.is_unspecified() || destination.is_loopback() {
            return Fate::Nowhere(DropReason::IpDestinationInvalid);
        }
        if devices.has_address(source) {
            return Fate::Nowhere(DropReason::IpSourceInvalid);
        }
        if devices.is_local(destination) || destination.is_multicast() {
            return Fate::Local;
        }
        if packet.meta().addressed != Addressed::Host {
            return Fate::Nowhere(DropReason::IpLinkBroadcast);
        }
        self.towards(devices, destination)
    }

    /// How a packet of this host reaches `destination`; [`Fate::Local`] when that is this host.
    ///
    /// Linux v6.18: `net/ipv4/route.c`, `ip_route_output_key_hash_rcu()`.
    #[must_use]
    pub fn from_here(&self, devices: &Devices, destination: Ipv4Addr) -> Fate {
        if devices.has_address(destination) || destination.is_loopback() {
            return Fate::Local;
        }
        self.towards(devices, destination)
    }

    fn towards(&self, devices: &Devices, destination: Ipv4Addr) -> Fate {
        let Some(route) = self.longest(destination) else { return Fate::Nowhere(DropReason::NoRoute) };
        match route.kind {
            RouteKind::Unicast { device, via } => match devices.find(device) {
                Some(known) => Fate::Forward(NextHop {
                    device,
                    neighbour: via.unwrap_or(destination),
                    mtu_bytes: route.mtu_bytes.map_or(known.mtu_bytes, |mtu| mtu.min(known.mtu_bytes)),
                }),
                None => Fate::Nowhere(DropReason::DeviceDown),
            },
            RouteKind::Blackhole => Fate::Nowhere(DropReason::RouteIgnores),
            RouteKind::Unreachable => Fate::Nowhere(DropReason::RouteUnreachable),
            RouteKind::Prohibit => Fate::Nowhere(DropReason::RouteProhibits),
            RouteKind::Throw => Fate::Nowhere(DropReason::NoRoute),
        }
    }

    fn longest(&self, destination: Ipv4Addr) -> Option<&Route> {
        self.lengths.iter().find_map(|&(prefix, start, end)| {
            let routes = &self.routes[start as usize..end as usize];
            let network = masked(destination, prefix);
            let first = routes.partition_point(|route| route.destination < network);
            routes.get(first).filter(|route| route.destination == network)
        })
    }

    fn index_lengths(&mut self) {
        self.lengths.clear();
        for (index, route) in self.routes.iter().enumerate() {
            match self.lengths.last_mut() {
                Some((prefix, _, end)) if *prefix == route.prefix => *end = index as u32 + 1,
                Some(_) | None => self.lengths.push((route.prefix, index as u32, index as u32 + 1)),
            }
        }
    }
}

fn masked(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        device::{Device, InterfaceAddress},
        wire::MacAddr,
    };

    fn devices() -> Devices {
        let mut devices = Devices::default();
        for (name, address) in [("lan", Ipv4Addr::new(10, 0, 0, 1)), ("wan", Ipv4Addr::new(203, 0, 113, 1))] {
            devices.add(Device {
                name: String::from(name),
                mac: MacAddr::UNSPECIFIED,
                mtu_bytes: 1500,
                addresses: vec![InterfaceAddress { address, prefix: 24 }],
                any_destination: false,
                arp: true,
            });
        }
        devices
    }

    fn route(destination: [u8; 4], prefix: u8, device: u16) -> Route {
        let kind = RouteKind::Unicast { device: DeviceId(device), via: None };
        Route { destination: Ipv4Addr::from(destination), prefix, kind, metric: 0, mtu_bytes: None }
    }

    fn way(routes: &Routes, destination: [u8; 4]) -> Option<u16> {
        match routes.from_here(&devices(), Ipv4Addr::from(destination)) {
            Fate::Forward(hop) => Some(hop.device.0),
            Fate::Local | Fate::Nowhere(_) => None,
        }
    }

    #[test]
    fn the_longest_prefix_wins() {
        let mut routes = Routes::default();
        assert!(routes.add(route([0, 0, 0, 0], 0, 1)));
        assert!(routes.add(route([10, 0, 0, 0], 8, 0)));
        assert!(routes.add(route([10, 9, 0, 0], 16, 1)));
        assert_eq!(way(&routes, [10, 1, 1, 1]), Some(0));
        assert_eq!(way(&routes, [10, 9, 1, 1]), Some(1));
        assert_eq!(way(&routes, [192, 0, 2, 1]), Some(1));
    }

    #[test]
    fn a_route_is_added_once_and_the_lesser_metric_wins() {
        let mut routes = Routes::default();
        assert!(routes.add(Route { metric: 20, ..route([10, 0, 0, 7], 8, 0) }));
        assert!(!routes.add(Route { metric: 20, ..route([10, 0, 0, 9], 8, 0) }));
        assert!(routes.add(Route { metric: 10, ..route([10, 0, 0, 0], 8, 1) }));
        assert_eq!(way(&routes, [10, 1, 1, 1]), Some(1));
    }

    #[test]
    fn the_least_mtu_of_route_and_device_holds() {
        let mut routes = Routes::default();
        routes.add(Route { mtu_bytes: Some(1400), ..route([10, 0, 0, 0], 8, 0) });
        routes.add(Route { mtu_bytes: Some(9000), ..route([11, 0, 0, 0], 8, 0) });
        for (destination, expected) in [([10, 1, 1, 1], 1400), ([11, 1, 1, 1], 1500)] {
            let Fate::Forward(hop) = routes.from_here(&devices(), Ipv4Addr::from(destination)) else {
                panic!("no way")
            };
            assert_eq!(hop.mtu_bytes, expected);
        }
    }

    proptest! {
        #[test]
        fn bisection_finds_what_a_walk_finds(
            networks in proptest::collection::vec((any::<[u8; 4]>(), 0_u8..=32), 0..40), destination: [u8; 4],
        ) {
            let mut routes = Routes::default();
            for (index, (network, prefix)) in networks.iter().enumerate() {
                routes.add(Route { metric: index as u32, ..route(*network, *prefix, 0) });
            }
            let destination = Ipv4Addr::from(destination);
            let walked = routes.all().iter().find(|route| masked(destination, route.prefix) == route.destination);
            prop_assert_eq!(routes.longest(destination), walked);
        }
    }
}
