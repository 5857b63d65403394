//! Who else may answer at an endpoint outside that a payload asks for.
//!
//! A host inside that offers a port which the gateway publishes for another host, or where a service of the gateway's own waits, would
//! take the calls that are meant for those. Linux lets it. Here it gets another port, which its payload then names.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    conntrack::Tuple,
    device::Devices,
    frame::DeviceId,
    netfilter::{Lists, OuterEndpoint, RuleSets},
    path::Way,
    socket::Sockets,
    tcp::Ends,
    time::Instant,
};

/// What answers outside without any helper, and where the packet at hand comes from and goes to.
pub(crate) struct Outside<'a> {
    pub(crate) rules: &'a mut RuleSets,
    pub(crate) lists: &'a mut Lists,
    pub(crate) devices: &'a Devices,
    pub(crate) sockets: &'a Sockets,
    pub(crate) way: Way,
}

impl Outside<'_> {
    /// The same for a shorter time.
    pub(super) const fn lent(&mut self) -> Outside<'_> {
        let Outside { rules, lists, devices, sockets, way } = self;
        Outside { rules, lists, devices, sockets, way: *way }
    }

    /// Whether callers of a tuple's destination are somebody else's than the host inside: a rule that names the port leads them away or
    /// lets them be, or a socket of the gateway's waits there. Programs of the gateway's machine are unknown here.
    pub(super) fn holds(&mut self, now: Instant, tuple: &Tuple, inside: IpAddr, input: Option<DeviceId>) -> bool {
        let (protocol, address, port) = (tuple.protocol(), tuple.destination_ip(), tuple.destination_port);
        let anybody: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let ends = Ends { local: SocketAddr::new(address, port), remote: SocketAddr::new(anybody, 0) };
        let endpoint = OuterEndpoint { protocol, address, port, input, inside };
        self.sockets.taken(protocol, &ends).is_some()
            || self.rules.of_mut(tuple.family).holds(now, self.devices, self.lists, &endpoint)
    }
}
