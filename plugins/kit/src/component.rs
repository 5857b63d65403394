//! A plugin as a component for `wit/helper.wit`: says in the contract's words what the plugin says in Rust's.

use alloc::vec::Vec;
use core::{
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

pub use bindings::export;
use bindings::exports::towpath::helper::conntrack as wit;

use crate::{
    Anchor, AttachPoint, Context, Direction, Endpoint, ExpectClass, FailurePolicy, Framing, Inspection, Manifest,
    Opener, Pattern, Plugin, Protocol, Site, Trigger, Verdict, Wish,
};

#[doc(hidden)]
#[expect(unsafe_code, reason = "generated from wit/helper.wit")]
#[allow(clippy::all, missing_docs, unreachable_pub, reason = "generated from wit/helper.wit")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/helper.wit",
        world: "conntrack-helper",
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

/// A plugin that is exported; [`crate::component!`] does it.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: Plugin> wit::Guest for Component<P> {
    fn manifest() -> wit::HelperManifest {
        manifest(P::manifest())
    }

    fn concerns(told: wit::Context, state: Option<Vec<u8>>, payload: Vec<u8>) -> bool {
        P::concerns(&context(told), &state.unwrap_or_default(), &payload)
    }

    fn inspect(told: wit::Context, state: Option<Vec<u8>>, payload: Vec<u8>) -> Option<wit::Inspection> {
        P::inspect(&context(told), &state.unwrap_or_default(), &payload).map(inspection)
    }

    fn render(told: wit::Context, state: Option<Vec<u8>>, site: wit::Site, translated: wit::Endpoint) -> Vec<u8> {
        let wit::Site { offset, length, token } = site;
        P::render(&context(told), &state.unwrap_or_default(), Site { offset, length, token }, endpoint(translated))
    }
}

fn context(told: wit::Context) -> Context {
    let wit::Context { protocol, direction, source, destination, broadcast_prefix } = told;
    Context {
        protocol: match protocol {
            wit::Protocol::Tcp => Protocol::Tcp,
            wit::Protocol::Udp => Protocol::Udp,
        },
        direction: match direction {
            wit::Direction::Original => Direction::Original,
            wit::Direction::Reply => Direction::Reply,
        },
        source: endpoint(source),
        destination: endpoint(destination),
        broadcast_prefix: (broadcast_prefix > 0).then_some(broadcast_prefix),
    }
}

fn endpoint(endpoint: wit::Endpoint) -> Endpoint {
    let wit::Endpoint { address, port } = endpoint;
    let address = match address {
        wit::IpAddress::Ipv4(bits) => Ipv4Addr::from_bits(bits).into(),
        wit::IpAddress::Ipv6(wit::Ipv6Address { high, low }) => {
            Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
        }
    };
    Endpoint { address, port }
}

fn address(address: IpAddr) -> wit::IpAddress {
    match address {
        IpAddr::V4(address) => wit::IpAddress::Ipv4(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            wit::IpAddress::Ipv6(wit::Ipv6Address { high: (bits >> 64) as u64, low: bits as u64 })
        }
    }
}

fn inspection(inspection: Inspection) -> wit::Inspection {
    let Inspection { verdict, wishes, state } = inspection;
    wit::Inspection {
        verdict: match verdict {
            Verdict::Accept => wit::Verdict::Accept,
            Verdict::Incomplete => wit::Verdict::Incomplete,
            Verdict::Malformed => wit::Verdict::Malformed,
            Verdict::Foreign => wit::Verdict::Foreign,
        },
        wishes: wishes.into_iter().map(wish).collect(),
        state,
    }
}

fn wish(wish: Wish) -> wit::Wish {
    let Wish { class, protocol: of, source, destination, direction: way, permanent, site } = wish;
    wit::Wish {
        class,
        protocol: protocol(of),
        source: pattern(source),
        destination: pattern(destination),
        direction: direction(way),
        permanent,
        site: site.map(|Site { offset, length, token }| wit::Site { offset, length, token }),
    }
}

fn pattern(pattern: Pattern) -> wit::Pattern {
    let Pattern { address: of, prefix, port } = pattern;
    wit::Pattern { address: of.map(address), prefix, port }
}

const fn protocol(protocol: Protocol) -> wit::Protocol {
    match protocol {
        Protocol::Tcp => wit::Protocol::Tcp,
        Protocol::Udp => wit::Protocol::Udp,
    }
}

const fn direction(direction: Direction) -> wit::Direction {
    match direction {
        Direction::Original => wit::Direction::Original,
        Direction::Reply => wit::Direction::Reply,
    }
}

fn manifest(manifest: Manifest) -> wit::HelperManifest {
    let Manifest {
        name,
        attach,
        framing,
        triggers,
        openings,
        classes,
        rewrite_bytes_max,
        state_bytes_max,
        fuel_per_call,
        memory_bytes_max,
        on_failure,
    } = manifest;
    wit::HelperManifest {
        name,
        attach: attach.iter().map(attach_point).collect(),
        framing: match framing {
            Framing::Packet => wit::Framing::Packet,
            Framing::Lines => wit::Framing::Lines,
            Framing::LooseLines => wit::Framing::LooseLines,
        },
        triggers: triggers.into_iter().map(trigger).collect(),
        openings,
        classes: classes.into_iter().map(class).collect(),
        rewrite_bytes_max,
        state_bytes_max,
        fuel_per_call,
        memory_bytes_max,
        on_failure: match on_failure {
            FailurePolicy::Pass => wit::FailurePolicy::Pass,
            FailurePolicy::Drop => wit::FailurePolicy::Drop,
            FailurePolicy::Detach => wit::FailurePolicy::Detach,
        },
    }
}

const fn attach_point(point: &AttachPoint) -> wit::AttachPoint {
    let AttachPoint { protocol: of, ports: range } = point;
    wit::AttachPoint { protocol: protocol(*of), ports: ports(range) }
}

const fn ports(ports: &RangeInclusive<u16>) -> wit::PortRange {
    wit::PortRange { first: *ports.start(), last: *ports.end() }
}

fn trigger(trigger: Trigger) -> wit::Trigger {
    let Trigger { bytes, anchor } = trigger;
    let anchor = match anchor {
        Anchor::LineStart => wit::Anchor::LineStart,
        Anchor::Anywhere => wit::Anchor::Anywhere,
    };
    wit::Trigger { bytes, anchor }
}

fn class(class: ExpectClass) -> wit::ExpectClass {
    let ExpectClass {
        name,
        protocol: of,
        direction: way,
        opener,
        ports: range,
        loose,
        permanent,
        ends_master,
        expected_max,
        timeout_seconds,
    } = class;
    wit::ExpectClass {
        name,
        protocol: protocol(of),
        direction: way.map(direction),
        opener: match opener {
            Opener::Peer => wit::Opener::Peer,
            Opener::Network => wit::Opener::Network,
            Opener::Anyone => wit::Opener::Anyone,
        },
        ports: ports(&range),
        loose,
        permanent,
        ends_master,
        expected_max,
        timeout_seconds,
    }
}
