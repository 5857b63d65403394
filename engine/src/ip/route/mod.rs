//! Routes: the longest prefix wins (Linux v6.18: `net/ipv4/fib_trie.c`, `net/ipv6/ip6_fib.c`).
//!
//! Why not a trie: gateways have tens of routes of a few prefix lengths. Routes are sorted by length, each length is
//! searched by bisection, and lengths without routes cost nothing. Each family has a table of its own, so that a search
//! compares plain numbers.

mod table;

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use self::table::Table;
use super::{metrics::RouteMetrics, prefix, source::Sources};
use crate::{
    device::Devices,
    ending::DropReason,
    frame::DeviceId,
    limits::ROUTES_MAX,
    packet::{Addressed, Ip, Packet},
    sysctl::Sysctls,
};

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The network; bits behind the prefix are zero.
    pub destination: IpAddr,
    /// Length of its prefix: 0 to 32, or 128 for IPv6.
    pub prefix: u8,
    /// What becomes of packets for it.
    pub kind: RouteKind,
    /// The lesser one of two routes to the same network wins.
    pub metric: u32,
    /// What it says of the way beside where it leads.
    pub metrics: RouteMetrics,
}

/// What becomes of packets that a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteKind {
    /// They leave by a device.
    Unicast {
        /// Which.
        device: DeviceId,
        /// To which router, of the destination's family; the destination itself when `None`.
        via: Option<IpAddr>,
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

impl Route {
    /// Whether it leads to one of these devices.
    fn leads_to(&self, devices: &[DeviceId]) -> bool {
        matches!(self.kind, RouteKind::Unicast { device, .. } if devices.contains(&device))
    }

    /// A route of metric 0 that says nothing of the way.
    #[must_use]
    pub const fn new(destination: IpAddr, prefix: u8, kind: RouteKind) -> Self {
        Self { destination, prefix, kind, metric: 0, metrics: RouteMetrics::NONE }
    }

    /// The device that its packets leave by, if they do.
    #[must_use]
    pub const fn device(&self) -> Option<DeviceId> {
        match self.kind {
            RouteKind::Unicast { device, .. } => Some(device),
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => None,
        }
    }
}

/// How a packet goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Through which device.
    pub device: DeviceId,
    /// To which station on its link.
    pub neighbour: IpAddr,
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
    v4: Table<u32>,
    v6: Table<u128>,
    /// Devices that are down: what leads there does not count.
    down: Vec<DeviceId>,
    /// How often they have changed; whoever remembers what they said can tell by it whether to ask again.
    changes: u32,
}

impl Routes {
    /// The routes of a snapshot; `None` when one cannot be, they are not sorted as [`Self::all`] gives them, or there are too
    /// many.
    pub(crate) fn restore(saved: &[Route]) -> Option<Self> {
        let mut routes = Self::default();
        for &route in saved {
            let longest = if route.destination.is_ipv4() { 32 } else { 128 };
            let is_network = prefix::network(route.destination, route.prefix) == route.destination;
            if route.prefix > longest || !is_network || !route.metrics.is_right() {
                return None;
            }
            match route.destination {
                IpAddr::V4(v4) => routes.v4.routes.push((v4.to_bits(), route)),
                IpAddr::V6(v6) => routes.v6.routes.push((v6.to_bits(), route)),
            }
        }
        let is_right = routes.v4.index_restored() && routes.v6.index_restored();
        (is_right && routes.all().eq(saved)).then_some(routes)
    }

    /// Adds a route; false when there is no room ([`ROUTES_MAX`] of a family) or the same route is there already.
    pub fn add(&mut self, route: Route) -> bool {
        let route = Route { destination: prefix::network(route.destination, route.prefix), ..route };
        self.changes = self.changes.wrapping_add(1);
        match route.destination {
            IpAddr::V4(v4) => self.v4.add(v4.to_bits(), route),
            IpAddr::V6(v6) => self.v6.add(v6.to_bits(), route),
        }
    }

    /// Adds a route, or puts it into the place of the one to the same network with the same metric; false when there is no room.
    pub fn replace(&mut self, route: Route) -> bool {
        let route = Route { destination: prefix::network(route.destination, route.prefix), ..route };
        self.changes = self.changes.wrapping_add(1);
        match route.destination {
            IpAddr::V4(v4) => self.v4.replace(v4.to_bits(), route),
            IpAddr::V6(v6) => self.v6.replace(v6.to_bits(), route),
        }
    }

    /// Says whether a device is up. Routes that lead to one that is down are as if they were not there, until it is up again (Linux
    /// v6.18: `net/ipv4/fib_frontend.c`, `fib_disable_ip()`, which forgets them; whoever has set them up there does so again).
    pub fn set_up(&mut self, device: DeviceId, is_up: bool) {
        self.down.retain(|down| *down != device);
        if !is_up {
            self.down.push(device);
        }
        self.lead_otherwise();
    }

    /// Has those who remember what they said ask again: something else about the ways has changed.
    pub(crate) const fn lead_otherwise(&mut self) {
        self.changes = self.changes.wrapping_add(1);
    }

    /// How often they have changed.
    pub(crate) const fn changes(&self) -> u32 {
        self.changes
    }

    /// Whether all of these, which are as for [`Self::takes`], are there already or can be added together.
    #[must_use]
    pub fn takes_all(&self, routes: &[Route]) -> bool {
        let has_room = |known: usize, of: fn(&IpAddr) -> bool| {
            let all = (0..).zip(routes).filter(|(_, route)| of(&route.destination));
            let new = all.filter(|&(index, route)| !routes[..index].contains(route) && !self.has(route));
            known + new.count() <= ROUTES_MAX
        };
        routes.iter().all(|route| self.takes(route))
            && has_room(self.v4.routes.len(), IpAddr::is_ipv4)
            && has_room(self.v6.routes.len(), IpAddr::is_ipv6)
    }

    fn has(&self, route: &Route) -> bool {
        match route.destination {
            IpAddr::V4(v4) => self.v4.has(v4.to_bits(), route),
            IpAddr::V6(v6) => self.v6.has(v6.to_bits(), route),
        }
    }

    /// Whether a route, whose network has no bits behind its prefix, is there already or can be added.
    #[must_use]
    pub fn takes(&self, route: &Route) -> bool {
        match route.destination {
            IpAddr::V4(v4) => self.v4.takes(v4.to_bits(), route),
            IpAddr::V6(v6) => self.v6.takes(v6.to_bits(), route),
        }
    }

    /// All routes, IPv4 first, the longest prefix first in each family.
    pub fn all(&self) -> impl Iterator<Item = &Route> {
        let v4 = self.v4.routes.iter().map(|(_, route)| route);
        v4.chain(self.v6.routes.iter().map(|(_, route)| route))
    }

    /// What becomes of a packet that has arrived.
    #[must_use]
    pub fn fate(&self, devices: &Devices, sysctls: &Sysctls, packet: &Packet) -> Fate {
        match packet.ip() {
            Some(Ip::V4(ip)) => self.fate_v4(devices, sysctls, packet, (ip.source(), ip.destination())),
            Some(Ip::V6(ip)) => self.fate_v6(devices, packet, ip.destination()),
            None => Fate::Nowhere(DropReason::LinkProtocolUnknown),
        }
    }

    /// Linux v6.18: `net/ipv6/route.c`, `ip6_route_input()`. Groups are not routed here; an address of a link is known on
    /// its link only.
    fn fate_v6(&self, devices: &Devices, packet: &Packet, destination: Ipv6Addr) -> Fate {
        let device = packet.meta().device.and_then(|device| devices.find(device));
        if destination.is_multicast() {
            let joined = device.is_some_and(|device| device.has_joined(destination.into()));
            return if joined { Fate::Local } else { Fate::Nowhere(DropReason::IpGroupUnknown) };
        }
        if destination.is_unspecified() {
            return Fate::Nowhere(DropReason::IpDestinationInvalid);
        }
        let destination = IpAddr::V6(destination);
        if is_of_a_link(destination) {
            let own = device.is_some_and(|device| device.addresses.iter().any(|own| own.takes(destination)));
            return if own { Fate::Local } else { Fate::Nowhere(DropReason::IpDestinationInvalid) };
        }
        if devices.is_local(destination) {
            return Fate::Local;
        }
        self.towards(devices, destination)
    }

    /// Linux v6.18: `net/ipv4/route.c`, `ip_route_input_rcu()`, `ip_route_input_slow()`, `ip_mc_validate_source()`.
    fn fate_v4(
        &self,
        devices: &Devices,
        sysctls: &Sysctls,
        packet: &Packet,
        (source, destination): (Ipv4Addr, Ipv4Addr),
    ) -> Fate {
        let device = packet.meta().device;
        let sources = Sources::by(devices, device, sysctls);
        let unless_refused = |fate: Fate| match sources.refuse(self, devices, source) {
            Some(reason) => Fate::Nowhere(reason),
            None => fate,
        };
        if destination.is_multicast() {
            let joined = device
                .and_then(|device| devices.find(device))
                .is_some_and(|device| device.has_joined(destination.into()));
            let is_right = !source.is_multicast()
                && !source.is_broadcast()
                && (!source.is_loopback() || sources.routes_loopback());
            return match (joined, is_right) {
                (false, _) => Fate::Nowhere(DropReason::IpGroupUnknown),
                (true, false) => Fate::Nowhere(DropReason::IpSourceInvalid),
                // Who has no address yet may speak to the routers and hosts of its link.
                (true, true) if source.is_unspecified() => match is_local_group(destination) {
                    true => Fate::Local,
                    false => Fate::Nowhere(DropReason::IpSourceInvalid),
                },
                (true, true) => unless_refused(Fate::Local),
            };
        }
        if source.is_multicast() || source.is_broadcast() {
            return Fate::Nowhere(DropReason::IpSourceInvalid);
        }
        if destination.is_broadcast() || (source.is_unspecified() && destination.is_unspecified()) {
            return if source.is_unspecified() { Fate::Local } else { unless_refused(Fate::Local) };
        }
        if source.is_unspecified() {
            return Fate::Nowhere(DropReason::IpSourceInvalid);
        }
        if destination.is_unspecified() || (destination.is_loopback() && !sources.routes_loopback()) {
            return Fate::Nowhere(DropReason::IpDestinationInvalid);
        }
        if source.is_loopback() && !sources.routes_loopback() {
            return Fate::Nowhere(DropReason::IpSourceInvalid);
        }
        if devices.is_local(destination.into()) || destination.is_loopback() {
            return unless_refused(Fate::Local);
        }
        if packet.meta().addressed != Addressed::Host {
            return Fate::Nowhere(DropReason::IpLinkBroadcast);
        }
        if sysctls.ip_forward == 0 {
            return Fate::Nowhere(DropReason::ForwardingOff);
        }
        match self.towards(devices, destination.into()) {
            fate @ Fate::Forward(_) => unless_refused(fate),
            fate @ (Fate::Local | Fate::Nowhere(_)) => fate,
        }
    }

    /// How a packet of this host reaches `destination`; [`Fate::Local`] when that is this host. `bound` is the device of the
    /// link on which an address that is valid on links only, or an IPv6 group, is meant.
    ///
    /// Linux v6.18: `net/ipv4/route.c`, `ip_route_output_key_hash_rcu()`; `net/ipv6/route.c`, `ip6_route_output_flags()`.
    #[must_use]
    pub fn from_here(&self, devices: &Devices, destination: IpAddr, bound: Option<DeviceId>) -> Fate {
        if is_of_a_link(destination) {
            let known = bound.and_then(|device| Some((device, devices.find(device)?)));
            return match known {
                Some((_, known)) if known.addresses.iter().any(|own| own.address == destination) => Fate::Local,
                // Without a link-local address of its own, a device has no way to those of others.
                Some((device, known))
                    if destination.is_multicast() || known.addresses.iter().any(|own| own.contains(destination)) =>
                {
                    Fate::Forward(NextHop { device, neighbour: destination, mtu_bytes: known.mtu_bytes })
                }
                Some(_) | None => Fate::Nowhere(DropReason::NoRoute),
            };
        }
        if devices.has_address(destination) || destination.is_loopback() {
            return Fate::Local;
        }
        match self.towards(devices, destination) {
            // No router stands between this host and everybody on its link.
            Fate::Forward(hop) if destination == IpAddr::V4(Ipv4Addr::BROADCAST) => {
                Fate::Forward(NextHop { neighbour: destination, ..hop })
            }
            fate @ (Fate::Local | Fate::Forward(_) | Fate::Nowhere(_)) => fate,
        }
    }

    /// The route for a destination that is not this host's.
    #[must_use]
    pub fn longest(&self, destination: IpAddr) -> Option<&Route> {
        match destination {
            IpAddr::V4(v4) => self.v4.longest(v4.to_bits(), &self.down),
            IpAddr::V6(v6) => self.v6.longest(v6.to_bits(), &self.down),
        }
    }

    /// What is said of the way to a destination that is not this host's.
    pub(crate) fn metrics_towards(&self, destination: IpAddr) -> RouteMetrics {
        let of_route = self.longest(destination).filter(|_| !is_of_a_link(destination));
        of_route.map_or(RouteMetrics::NONE, |route| route.metrics)
    }

    fn towards(&self, devices: &Devices, destination: IpAddr) -> Fate {
        let Some(route) = self.longest(destination) else { return Fate::Nowhere(DropReason::NoRoute) };
        match route.kind {
            RouteKind::Unicast { device, via } => match devices.find(device) {
                Some(known) => Fate::Forward(NextHop {
                    device,
                    neighbour: via.filter(|_| !is_to_all(destination, route)).unwrap_or(destination),
                    mtu_bytes: route.metrics.mtu_bytes.map_or(known.mtu_bytes, |mtu| mtu.min(known.mtu_bytes)),
                }),
                None => Fate::Nowhere(DropReason::DeviceDown),
            },
            RouteKind::Blackhole => Fate::Nowhere(DropReason::RouteIgnores),
            RouteKind::Unreachable => Fate::Nowhere(DropReason::RouteUnreachable),
            RouteKind::Prohibit => Fate::Nowhere(DropReason::RouteProhibits),
            RouteKind::Throw => Fate::Nowhere(DropReason::NoRoute),
        }
    }
}

/// Whether packets for an IPv4 group go to the link itself, though a router is named: a route as wide as that is for no group
/// in particular (Linux v6.18: `net/ipv4/route.c`, `__mkroute_output()`).
const fn is_to_all(destination: IpAddr, route: &Route) -> bool {
    matches!(destination, IpAddr::V4(v4) if v4.is_multicast()) && route.prefix < GROUPS_PREFIX
}

/// The prefix length of 224.0.0.0/4, which all IPv4 groups are in.
const GROUPS_PREFIX: u8 = 4;

/// Whether the address is a group of one link, 224.0.0.0/24.
#[must_use]
pub const fn is_local_group(group: Ipv4Addr) -> bool {
    matches!(group.octets(), [224, 0, 0, _])
}

/// Whether the address means something on one link only: an IPv6 group, or a link-local address.
#[must_use]
pub const fn is_of_a_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_multicast() || v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests;
