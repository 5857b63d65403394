//! Helper plugins: what is loaded, what is refused, what a failing call costs, and that the components that are shipped
//! answer as their crates do.

mod cached;
mod costly;
mod evil;
mod failing;
#[path = "../wire/in_c.rs"]
mod in_c;
mod made;
mod refused;
mod sane;
mod shipped;
#[path = "../wire/skip.rs"]
mod skip;

use std::net::IpAddr;

use towpath::plugin::Runtime;
use towpath_engine::{
    conntrack::{
        helper::{HelperContext, HelperEndpoint},
        tuple::Direction,
    },
    wire::ipv4::Protocol,
};

/// A runtime without cache.
fn runtime() -> Runtime {
    Runtime::new(None).expect("wasmtime works here")
}

/// A packet of an FTP control connection.
fn context(direction: Direction, source: &str, destination: &str) -> HelperContext {
    let endpoint = |text: &str, port| HelperEndpoint { address: address(text), port };
    let (source, destination) = match direction {
        Direction::Original => (endpoint(source, 40000), endpoint(destination, 21)),
        Direction::Reply => (endpoint(source, 21), endpoint(destination, 40000)),
    };
    HelperContext { protocol: Protocol::TCP, direction, source, destination, broadcast_prefix: None }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
