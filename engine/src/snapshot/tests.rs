use alloc::{string::String, vec};
use core::net::Ipv4Addr;

use super::*;
use crate::{
    Command, Instant,
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind},
    netfilter::{Loading, RuleSet, Source},
    wire::MacAddr,
};

fn engine() -> Engine {
    let mut engine = Engine::new(42);
    let device = Device {
        name: String::from("lan"),
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu_bytes: 1500,
        addresses: vec![InterfaceAddress { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 24 }],
        any_destination: false,
        arp: true,
    };
    let route = Route {
        destination: Ipv4Addr::UNSPECIFIED,
        prefix: 0,
        kind: RouteKind::Blackhole,
        metric: 0,
        mtu_bytes: Some(1400),
    };
    let source = Source { name: "rules.v4", text: "*filter\n-A INPUT -m limit --limit 5/sec -j ACCEPT\nCOMMIT\n" };
    let rules = RuleSet::parse(&[source], &Loading::default()).unwrap();
    for command in [Command::AddDevice(device), Command::AddRoute(route), Command::ReplaceRules(rules.into())] {
        engine.handle_command(Instant::from_secs(7), command).unwrap();
    }
    engine
}

#[test]
fn what_an_operator_has_set_is_there_again() {
    let engine = engine();
    let twin = Engine::restore(&engine.save(), Restoring::default()).unwrap();
    assert!(twin.devices().iter().eq(engine.devices().iter()));
    assert_eq!(twin.rules().rules(), engine.rules().rules());
    assert_eq!(twin.rules().rules()[0].line, 2);
    assert_eq!(twin.sysctls(), engine.sysctls());
    assert_eq!(twin.now(), engine.now());
    assert_eq!(twin.routes.all(), engine.routes.all());
}
