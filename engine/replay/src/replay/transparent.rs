//! The gateway that stands in a capture's way when nothing is said about it.
//!
//! It lets everything pass: private addresses are inside, all others outside, nothing is translated, no packet is too
//! large. What remains is what the capture's own packets are to connection tracking and to helpers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use towpath_engine::{
    DeviceId,
    ip::{Route, RouteKind, prefix},
};

use crate::config::{Config, Interface, Located, Network};

/// The transparent gateway's configuration.
pub(super) fn config() -> Config {
    let interface = |name: &str, networks: Vec<Network>| Interface {
        name: name.to_owned(),
        addresses: Vec::new(),
        mac: None,
        mtu_bytes: Some(65_535),
        arp: Some(false),
        device: Located { value: String::new(), line: 0, column: 0 },
        features: Vec::new(),
        gro_flush_timeout: core::time::Duration::ZERO,
        captures: Vec::new(),
        networks,
    };
    let inside = PRIVATE.map(|(address, prefix)| Network { address: IpAddr::from(address), prefix });
    let unique_local = Network { address: UNIQUE_LOCAL.0.into(), prefix: UNIQUE_LOCAL.1 };
    let towards = |device: u16, network: Network| {
        Route::new(network.address, network.prefix, RouteKind::Unicast { device: DeviceId(device), via: None })
    };
    let mut routes: Vec<Route> = inside.into_iter().chain([unique_local]).map(|network| towards(0, network)).collect();
    routes.push(towards(1, Network { address: Ipv4Addr::UNSPECIFIED.into(), prefix: 0 }));
    routes.push(towards(1, Network { address: Ipv6Addr::UNSPECIFIED.into(), prefix: 0 }));
    Config {
        file: "the default".to_owned(),
        interfaces: vec![interface("inside", Vec::new()), interface("outside", Vec::new())],
        routes,
        ..Config::default()
    }
}

/// Whether an address is one that the gateway takes to be inside: nobody has it in the Internet.
pub(super) fn is_private(address: IpAddr) -> bool {
    let mut inside = PRIVATE.into_iter().map(|(address, prefix)| (IpAddr::from(address), prefix));
    let unique_local = (IpAddr::from(UNIQUE_LOCAL.0), UNIQUE_LOCAL.1);
    inside.any(|(network, prefix)| prefix::agree(network, address, prefix))
        || prefix::agree(unique_local.0, address, unique_local.1)
}

/// Addresses that are not routed in the Internet: RFC 1918, RFC 6598 (shared), RFC 3927 (link-local).
const PRIVATE: [([u8; 4], u8); 5] =
    [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16), ([100, 64, 0, 0], 10), ([169, 254, 0, 0], 16)];

/// The same for IPv6: RFC 4193.
const UNIQUE_LOCAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);
