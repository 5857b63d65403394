//! What is said about the addresses and networks of a configuration.

use core::net::IpAddr;

use towpath_engine::device::InterfaceAddress;

use super::Finding;
use crate::config::{Config, Network};

/// Addresses that Linux would take, and that no host should have.
pub(super) fn unusable(config: &Config) -> impl Iterator<Item = Finding> {
    config.address_places.iter().filter_map(|place| {
        let InterfaceAddress { address, prefix } = place.value;
        let what = match address {
            IpAddr::V4(v4) if v4.is_multicast() => "is a multicast address",
            IpAddr::V4(v4) if v4.is_broadcast() => "is the address of everybody on the link",
            IpAddr::V4(v4) if v4.is_unspecified() => "names no host",
            IpAddr::V4(v4) if place.value.broadcast() == Some(v4) => "is the broadcast address of its network",
            IpAddr::V4(_) if prefix < 31 && place.value.network() == address => "is the address of its network itself",
            IpAddr::V6(v6) if place.value.routers_anycast() == Some(v6) => {
                "is the one that all routers of its network share"
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        let text = format!("{address}/{prefix} {what}, not one of a host in it");
        Some(Finding { line: Some(place.line), ..Finding::new("unusable-address", &config.file, text) })
    })
}

/// Networks behind interfaces, and routes, that no packet comes from or goes by.
pub(super) fn without_effect(config: &Config) -> impl Iterator<Item = Finding> {
    config.network_places.iter().filter_map(|place| {
        let Network { address, prefix } = place.value;
        let shortest = if address.is_ipv4() { 8 } else { 128 };
        if !address.is_loopback() || prefix < shortest {
            return None;
        }
        let text = format!(
            "this has no effect: what is from or to {address}/{prefix} a machine sends to itself, by none of the gateway's interfaces"
        );
        Some(Finding { line: Some(place.line), ..Finding::new("loopback-network", &config.file, text) })
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        check::check,
        config::Config,
        replay::{Replay, Setup},
    };

    fn findings(config: &str) -> Vec<String> {
        let config = Config::read("gateway.toml", config).unwrap();
        let setup = Setup { config: Some(config.clone()), ..Setup::default() };
        let replay = Replay::new(setup).map_err(|error| error.to_string()).unwrap();
        check(replay.engine(), Some(&config)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn networks_and_routes_of_a_machine_to_itself_have_no_effect() {
        let config = "[[interface]]\nname='a'\nnetworks=['10.0.0.0/8', '127.0.0.0/8', '::1/128']\n[[vlan]]\nparent='a'\nid=7\nnetworks=['127.0.1.0/24']\n[[route]]\nto='127.0.0.53'\ninterface='a'\n[[route]]\nto='default'\ninterface='a'\n";
        let told = |line: u32, network: &str| {
            format!(
                "gateway.toml:{line}: warning: this has no effect: what is from or to {network} a machine sends to itself, by none of the gateway's interfaces"
            )
        };
        let expected = [told(3, "127.0.0.0/8"), told(3, "::1/128"), told(7, "127.0.1.0/24"), told(9, "127.0.0.53/32")];
        assert_eq!(findings(config), expected);
    }

    #[test]
    fn networks_that_merely_hold_those_addresses_are_as_good_as_any() {
        assert_eq!(findings("[[interface]]\nname='a'\nnetworks=['96.0.0.0/3', '::/0']\n"), [""; 0]);
    }
}
