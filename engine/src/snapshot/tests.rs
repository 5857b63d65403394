use alloc::{string::String, vec};
use core::net::IpAddr;

use super::*;
use crate::{
    Command, DeviceId, Instant,
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind, RouteMetrics},
    netfilter::{Loading, RuleSet, Source},
    wire::MacAddr,
};

fn engine() -> Engine {
    let mut engine = Engine::new(42);
    let device = Device {
        name: String::from("lan"),
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu_bytes: 1500,
        addresses: vec![InterfaceAddress { address: IpAddr::from([10, 0, 0, 1]), prefix: 24 }],
        any_destination: false,
        arp: true,
        ..Device::default()
    };
    let route = Route {
        metrics: RouteMetrics {
            is_mtu_locked: true,
            initcwnd: Some(7),
            quickack: true,
            ..RouteMetrics::of_mtu(Some(1400))
        },
        ..Route::new(IpAddr::from([0, 0, 0, 0]), 0, RouteKind::Blackhole)
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
    assert_eq!(twin.rules().of(Family::Ipv4).rules(), engine.rules().of(Family::Ipv4).rules());
    assert_eq!(twin.rules().of(Family::Ipv4).rules()[0].line, 2);
    assert_eq!(twin.sysctls(), engine.sysctls());
    assert_eq!(twin.now(), engine.now());
    assert!(twin.routes.all().eq(engine.routes.all()));
}

#[test]
fn a_gateway_that_is_started_again_keeps_its_configuration_and_its_connections() {
    let mut before = engine();
    before.stats.forwarded = 7;
    before.around.sysctls.ip_default_ttl = 33;
    let bytes = before.save();
    let mut after = engine();
    after.routes.add(Route::new(IpAddr::from([192, 0, 2, 0]), 24, RouteKind::Prohibit));
    after.resume(&bytes, false).unwrap();
    assert_eq!((after.stats.forwarded, after.around.sysctls.ip_default_ttl, after.routes.all().count()), (7, 64, 3));
    assert_eq!(after.around.random, before.around.random);
    after.reload(&bytes, false).unwrap();
    assert_eq!((after.around.sysctls.ip_default_ttl, after.routes.all().count()), (33, 2));
    let mut other = Engine::new(1);
    let refusal = other.reload(&bytes, false).unwrap_err();
    assert!(matches!(refusal, SnapshotError::OtherDevices { differs_in: "it is missing here", .. }), "{refusal}");
}

#[test]
fn a_gateway_goes_on_over_cards_that_are_set_in_another_way_and_over_no_others() {
    let bytes = engine().save();
    let with = |change: fn(&mut Device)| {
        let mut engine = engine();
        engine.devices.find_mut(DeviceId(0)).map(change).unwrap();
        let result = engine.resume(&bytes, false).map_err(|error| alloc::format!("{error}"));
        (result, engine.devices.find(DeviceId(0)).unwrap().clone())
    };
    let (result, device) = with(|device| {
        device.features = crate::device::Features::WIRE;
        device.gro_flush_timeout = core::time::Duration::from_micros(20);
        (device.mac, device.mtu_bytes) = (MacAddr([2, 9, 9, 9, 9, 9]), 1400);
        (device.arp, device.any_destination) = (false, true);
        device.tunables.set(crate::sysctl::InterfaceSysctl::BcForwarding, &[1]).unwrap();
    });
    assert_eq!(result, Ok(()));
    assert_eq!((device.mtu_bytes, device.mac.0[1]), (1400, 9), "what this engine has been told of its cards holds");
    let (result, _) = with(|device| device.addresses.clear());
    assert!(result.unwrap_err().contains("is not the same there (addresses)"));
}

#[test]
fn a_snapshot_is_made_and_read_by_a_thread_that_has_no_engine() {
    let mut engine = engine();
    let taken = engine.snapshot();
    engine.stats.forwarded = 7;
    let succession = engine.succession(false);
    let (bytes, successor) = std::thread::spawn(move || {
        let bytes = taken.seal();
        let successor = succession.read(&bytes).unwrap();
        (bytes, successor)
    })
    .join()
    .unwrap();
    let saved = Engine::restore(&bytes, Restoring::default()).unwrap();
    assert_eq!((saved.stats.forwarded, saved.rules().of(Family::Ipv4).rules().len()), (0, 1));
    let former = engine.give_way(successor).unwrap();
    assert_eq!((former.stats.forwarded, engine.stats.forwarded), (7, 0));
    assert_eq!(engine.save(), bytes);
}

#[test]
fn rules_go_on_counting_only_when_they_are_the_same() {
    let text = |counters: &str, port: u16| {
        alloc::format!("*filter\n:INPUT DROP [0:0]\n{counters} -A INPUT -p tcp --dport {port} -j ACCEPT\nCOMMIT\n")
    };
    let with = |text: &str| {
        let mut engine = engine();
        let loading = Loading { counters: true, ..Loading::default() };
        let rules = RuleSet::parse(&[Source { name: "rules", text }], &loading).unwrap();
        engine.handle_command(Instant::ZERO, Command::ReplaceRules(rules.into())).unwrap();
        engine
    };
    let saved = with(&text("[9:900]", 22)).save();
    for (port, packets) in [(22, 9), (23, 0)] {
        let mut engine = with(&text("[0:0]", port));
        engine.resume(&saved, false).unwrap();
        assert_eq!(engine.rules().of(Family::Ipv4).rules()[0].counter.packets, packets, "port {port}");
    }
}
