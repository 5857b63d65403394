//! The FTP helper as a component for `wit/helper.wit`: says in the contract's words what `towpath-helper-ftp` reads and
//! writes. No logic of its own.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bindings::exports::towpath::helper::conntrack::{
    Anchor, AttachPoint, Context, Direction, Endpoint, ExpectClass, FailurePolicy, Framing, Guest, HelperManifest,
    Inspection, IpAddress, Ipv6Address, Pattern, PortRange, Protocol, Site, Trigger, Verdict, Wish,
};
use towpath_helper_ftp::{Announcement, Notation, Outcome, Sender, inspect, manifest, render};

#[expect(unsafe_code, reason = "generated from wit/helper.wit")]
#[allow(clippy::all, reason = "generated from wit/helper.wit")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/helper.wit", world: "conntrack-helper" });

    export!(Ftp);

    use super::Ftp;
}

/// The helper; keeps nothing.
struct Ftp;

impl Guest for Ftp {
    fn manifest() -> HelperManifest {
        HelperManifest {
            name: manifest::NAME.into(),
            attach: vec![AttachPoint {
                protocol: Protocol::Tcp,
                ports: PortRange { first: manifest::PORT, last: manifest::PORT },
            }],
            framing: Framing::Lines,
            triggers: manifest::TRIGGERS
                .iter()
                .map(|bytes| Trigger { bytes: bytes.to_vec(), anchor: Anchor::LineStart })
                .collect(),
            classes: vec![ExpectClass {
                name: manifest::CLASS.into(),
                expected_max: manifest::EXPECTED_MAX,
                timeout_seconds: manifest::EXPECT_SECONDS,
            }],
            expect_ports: PortRange { first: 0, last: u16::MAX },
            loose: false,
            rewrite_bytes_max: manifest::REWRITE_BYTES_MAX,
            state_bytes_max: 0,
            fuel_per_call: manifest::FUEL_PER_CALL,
            memory_bytes_max: manifest::MEMORY_BYTES_MAX,
            on_failure: FailurePolicy::Drop,
        }
    }

    fn inspect(context: Context, _state: Option<Vec<u8>>, payload: Vec<u8>) -> Option<Inspection> {
        let sender = match context.direction {
            Direction::Original => Sender::Client,
            Direction::Reply => Sender::Server,
        };
        let (verdict, wishes) = match inspect(sender, native_address(context.source.address), &payload) {
            Outcome::Nothing => return None,
            Outcome::Incomplete => (Verdict::Incomplete, Vec::new()),
            Outcome::Malformed => (Verdict::Malformed, Vec::new()),
            Outcome::Announced(found) => (Verdict::Accept, vec![wish(context, found)]),
        };
        Some(Inspection { verdict, wishes, state: None })
    }

    fn render(_context: Context, site: Site, translated: Endpoint) -> Vec<u8> {
        match Notation::from_token(site.token) {
            Some(notation) => render(notation, native_address(translated.address), translated.port).into_bytes(),
            None => Vec::new(),
        }
    }
}

/// A data connection from the side that reads the payload to the side that wrote it, from any port.
fn wish(context: Context, found: Announcement) -> Wish {
    Wish {
        class: 0,
        protocol: Protocol::Tcp,
        source: Pattern { address: Some(context.destination.address), prefix: None, port: None },
        destination: Pattern { address: Some(contract_address(found.address)), prefix: None, port: Some(found.port) },
        direction: match context.direction {
            Direction::Original => Direction::Reply,
            Direction::Reply => Direction::Original,
        },
        permanent: false,
        site: Some(Site {
            // A payload is shorter than 4 GB: 32-bit wasm.
            offset: found.offset as u32,
            length: found.length as u32,
            token: found.notation.token(),
        }),
    }
}

fn native_address(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4(bits) => Ipv4Addr::from_bits(bits).into(),
        IpAddress::Ipv6(Ipv6Address { high, low }) => {
            Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
        }
    }
}

fn contract_address(address: IpAddr) -> IpAddress {
    match address {
        IpAddr::V4(address) => IpAddress::Ipv4(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            IpAddress::Ipv6(Ipv6Address { high: (bits >> 64) as u64, low: bits as u64 })
        }
    }
}
