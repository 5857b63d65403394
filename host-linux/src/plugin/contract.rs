//! `wit/helper.wit` in Rust, and between its types and the engine's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use towpath_engine::{
    conntrack::{
        helper::{HelperContext, HelperEndpoint, HelperVerdict, Inspection, Pattern, Site, Wish},
        tuple::Direction,
    },
    wire::ipv4::Protocol,
};

pub use generated::{ConntrackHelper, ConntrackHelperPre, exports::towpath::helper::conntrack as wit};

/// What wasmtime makes of the contract.
mod generated {
    #![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from wit/helper.wit")]

    wasmtime::component::bindgen!({ path: "../wit/helper.wit", world: "conntrack-helper" });
}

/// The interface that a helper exports.
pub const INTERFACE: &str = "towpath:helper/conntrack@1.0.0";

/// Its functions.
pub const FUNCTIONS: [&str; 4] = ["manifest", "concerns", "inspect", "render"];

/// The context in the contract's words; `None` for a protocol that it has no word for.
#[must_use]
pub fn context(context: &HelperContext) -> Option<wit::Context> {
    let HelperContext { protocol, direction, source, destination, broadcast_prefix } = *context;
    Some(wit::Context {
        protocol: match protocol {
            Protocol::TCP => wit::Protocol::Tcp,
            Protocol::UDP => wit::Protocol::Udp,
            _ => return None,
        },
        direction: match direction {
            Direction::Original => wit::Direction::Original,
            Direction::Reply => wit::Direction::Reply,
        },
        source: endpoint(source),
        destination: endpoint(destination),
        broadcast_prefix: broadcast_prefix.unwrap_or_default(),
    })
}

/// A connection's state in the contract's words: none, which costs no list, instead of an empty one.
#[must_use]
pub const fn state(state: &[u8]) -> Option<&[u8]> {
    if state.is_empty() { None } else { Some(state) }
}

/// An endpoint in the contract's words.
#[must_use]
pub fn endpoint(endpoint: HelperEndpoint) -> wit::Endpoint {
    let HelperEndpoint { address, port } = endpoint;
    let address = match address {
        IpAddr::V4(address) => wit::IpAddress::Ipv4(address.to_bits()),
        IpAddr::V6(address) => {
            let [high, low] = [64, 0].map(|shift| (address.to_bits() >> shift) as u64);
            wit::IpAddress::Ipv6(wit::Ipv6Address { high, low })
        }
    };
    wit::Endpoint { address, port }
}

/// A site in the contract's words.
#[must_use]
pub fn site(site: Site) -> wit::Site {
    let Site { offset, length, token } = site;
    wit::Site { offset, length, token }
}

/// What a helper found, in the engine's words. Whether it keeps to the manifest is for the engine to judge.
#[must_use]
pub fn inspection(inspection: wit::Inspection) -> Inspection {
    let wit::Inspection { verdict, wishes, state } = inspection;
    Inspection {
        verdict: match verdict {
            wit::Verdict::Accept => HelperVerdict::Accept,
            wit::Verdict::Incomplete => HelperVerdict::Incomplete,
            wit::Verdict::Malformed => HelperVerdict::Malformed,
            wit::Verdict::Foreign => HelperVerdict::Foreign,
        },
        wishes: wishes.into_iter().map(wish).collect(),
        state,
    }
}

fn wish(wish: wit::Wish) -> Wish {
    let wit::Wish { class, protocol: of, source, destination, direction: way, permanent, site } = wish;
    Wish {
        class,
        protocol: protocol(of),
        source: pattern(source),
        destination: pattern(destination),
        direction: direction(way),
        permanent,
        site: site.map(|wit::Site { offset, length, token }| Site { offset, length, token }),
    }
}

fn pattern(pattern: wit::Pattern) -> Pattern {
    let wit::Pattern { address: of, prefix, port } = pattern;
    Pattern { address: of.map(address), prefix, port }
}

fn address(address: wit::IpAddress) -> IpAddr {
    match address {
        wit::IpAddress::Ipv4(bits) => Ipv4Addr::from_bits(bits).into(),
        wit::IpAddress::Ipv6(wit::Ipv6Address { high, low }) => {
            Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
        }
    }
}

/// The direction in the engine's words.
#[must_use]
pub const fn direction(direction: wit::Direction) -> Direction {
    match direction {
        wit::Direction::Original => Direction::Original,
        wit::Direction::Reply => Direction::Reply,
    }
}

/// The protocol's number.
#[must_use]
pub fn protocol(protocol: wit::Protocol) -> Protocol {
    match protocol {
        wit::Protocol::Tcp => Protocol::TCP,
        wit::Protocol::Udp => Protocol::UDP,
    }
}
