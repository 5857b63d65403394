//! Rules name helpers and timeout policies; a gateway that is started again may number them otherwise than the one that was saved.

use std::net::IpAddr;

use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant,
    conntrack::{Entry, Family, TimeoutKind, TimeoutPolicy},
    device::{Device, InterfaceAddress},
    netfilter::{Loading, RuleSet, Source},
    wire::checksum::sum,
};

/// A gateway at 10.0.0.1 with those helpers and timeout policies for UDP, in that order, and rules of the raw table.
fn gateway(helpers: &[&str], policies: &[(&str, u32)], rules: &str) -> Engine {
    let mut engine = Engine::new(1);
    let mut give = |command| {
        engine.handle_command(Instant::ZERO, command).expect("a right command");
    };
    let address = InterfaceAddress { address: IpAddr::from([10, 0, 0, 1]), prefix: 24 };
    give(Command::AddDevice(Device {
        name: "lan".into(),
        addresses: vec![address],
        any_destination: true,
        ..Device::default()
    }));
    for name in helpers {
        let helper = towpath_helpers_native::all().into_iter().find(|helper| helper.manifest().name == *name);
        give(Command::LoadHelper(helper.expect("a helper of that name")));
    }
    for (name, seconds) in policies {
        let kind = TimeoutKind::by_name("udp").expect("a protocol with timeouts");
        let mut policy = TimeoutPolicy::new((*name).into(), Family::Ipv4, kind);
        assert!(policy.set("unreplied", *seconds));
        give(Command::SetTimeoutPolicy(policy));
    }
    let text = format!("*raw\n{rules}COMMIT\n");
    let helpers = engine.helpers().known();
    let timeouts = Some(engine.conntrack().timeout_policies());
    let loading = Loading { helpers: &helpers, timeouts, ..Loading::default() };
    let rules = RuleSet::parse(&[Source { name: "rules", text: &text }], &loading).expect("right rules");
    engine.handle_command(Instant::ZERO, Command::ReplaceRules(Box::new(rules))).expect("right rules");
    engine
}

/// The connection that a datagram to that port of the gateway begins.
fn connection(engine: &mut Engine, port: u16) -> Entry {
    let mut header = [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1];
    let checksum = (!sum(&header)).to_be_bytes();
    header[10..12].copy_from_slice(&checksum);
    let datagram = [40_000, port, 8, 0].map(u16::to_be_bytes).concat();
    let frame = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], &header, &datagram].concat();
    let now = engine.now();
    engine.handle_frames(now, &[Frame::new(DeviceId(0), &frame)]);
    let entries = engine.conntrack().entries(now);
    entries.into_iter().find(|entry| entry.original.destination_port == port).expect("it is tracked")
}

#[test]
fn a_rule_gives_the_timeouts_that_it_names_though_the_saved_gateway_counted_them_in_another_order() {
    let rules = "-A PREROUTING -p udp -j CT --timeout long\n";
    let saved = gateway(&[], &[("short", 7), ("long", 900)], rules).save();
    let mut engine = gateway(&[], &[("long", 900), ("short", 7)], rules);
    engine.resume(&saved, false).expect("the same gateway");
    assert_eq!(connection(&mut engine, 5).timeout_secs, Some(900));
}

#[test]
fn a_rule_attaches_the_helper_that_it_names_though_the_saved_gateway_counted_them_in_another_order() {
    let before = "-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\n";
    let saved = gateway(&["ftp"], &[], before).save();
    let after = format!("{before}-A PREROUTING -p udp --dport 69 -j CT --helper tftp\n");
    let mut engine = gateway(&["tftp", "ftp"], &[], &after);
    engine.resume(&saved, false).expect("the same gateway");
    assert_eq!(connection(&mut engine, 69).helper.as_deref(), Some("tftp"));
}
