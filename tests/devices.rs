//! Devices as plays: whose a frame is before any protocol sees it, and how packets leave by devices over devices.

use lab::{lab, lab_with_arp};
use towpath_engine::{
    Command, CommandError, DeviceId, Engine, Instant,
    device::{Device, Feature, Features, InterfaceAddress, Kind, Link, TagsBeyondMtu, Vlan},
    ip::{Route, RouteKind},
    snapshot::Restoring,
};

const C_TAG: u16 = 0x8100;
const S_TAG: u16 = 0x88a8;

#[test]
fn a_tagged_packet_comes_in_by_the_vlans_device_and_its_answer_leaves_with_the_tag() {
    lab("-A INPUT -i lan.10 -p icmp -j ACCEPT\n-P INPUT DROP").vlan("lan", C_TAG, 10, [10, 1, 0, 1]).play(
        "
        0.000  lan <  10.1.0.2 > 10.1.0.1  icmp type 8 code 0 id 7 | vlan 10
        0.000  lan >  10.1.0.1 > 10.1.0.2  icmp type 0 code 0 id 7 | vlan 10
        0.100  lan <  10.1.0.2 > 10.1.0.1  icmp type 8 code 0 id 7 | in vlan 10
        0.100  lan >  10.1.0.1 > 10.1.0.2  icmp type 0 code 0 id 7 | vlan 10
        0.200  lan <  10.0.0.2 > 10.0.0.1  icmp type 8 code 0 id 8
        0.200  lan x  FilterPolicy
        ",
    );
}

#[test]
fn a_super_packet_is_cut_for_a_vlan_that_does_not_though_its_port_does() {
    let mut lab = lab("").vlan("wan", C_TAG, 10, [10, 1, 0, 1]).vlan("wan", C_TAG, 20, [10, 2, 0, 1]);
    let tso = Feature::by_name("tso").expect("it is known");
    lab.command(Command::SetFeature(DeviceId(2), tso, false)).play(
        "
        0.000  lan <  10.0.0.2:1 > 10.1.0.2:80  A seq 1 ack 1 len 2000 df | gso 1448
        0.000  wan >  10.0.0.2:1 > 10.1.0.2:80  A seq 1 ack 1 len 1448 df ttl 63 | vlan 10
        0.000  wan >  10.0.0.2:1 > 10.1.0.2:80  A seq 1449 ack 1 len 552 df ttl 63 | vlan 10
        0.000  lan <  10.0.0.2:1 > 10.2.0.2:80  A seq 1 ack 1 len 2000 df | gso 1448
        0.000  wan >  10.0.0.2:1 > 10.2.0.2:80  A seq 1 ack 1 len 2000 df ttl 63 | gso 1448 vlan 20
        ",
    );
}

#[test]
fn a_device_that_sends_smaller_packets_from_now_on_says_so_and_so_do_its_vlans() {
    let mut lab = lab("").vlan("wan", C_TAG, 10, [10, 1, 0, 1]);
    lab.play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp df len 1300
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:9  udp df len 1300
        0.000  lan <  10.0.0.2:1 > 10.1.0.2:9  udp df len 1300
        0.000  wan >  10.0.0.2:1 > 10.1.0.2:9  udp df len 1300 | vlan 10
        ",
    );
    lab.command(Command::SetMtu(DeviceId(1), 1000)).play(
        "
        1.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp df len 1300
        1.000  lan x  PacketTooBig
        1.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 4 mtu 1000 [10.0.0.2:1 > 198.51.100.7:9 udp df]
        1.000  lan <  10.0.0.2:1 > 10.1.0.2:9  udp df len 1300
        1.000  lan x  PacketTooBig
        1.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 4 mtu 1000 [10.0.0.2:1 > 10.1.0.2:9 udp df]
        1.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp df len 972
        1.000  wan >  10.0.0.2:1 > 198.51.100.7:9  udp df len 972
        ",
    );
    let mtu = |lab: &lab::Lab, id| lab.engine().devices().find(DeviceId(id)).map(|device| device.mtu_bytes);
    assert_eq!((mtu(&lab, 1), mtu(&lab, 2)), (Some(1000), Some(1000)));
    lab.command(Command::SetMtu(DeviceId(1), 1500));
    assert_eq!((mtu(&lab, 1), mtu(&lab, 2)), (Some(1500), Some(1000)), "a VLAN does not grow by itself");
    lab.command(Command::SetMtu(DeviceId(2), 1500));
    assert_eq!(mtu(&lab, 2), Some(1500));
}

#[test]
fn a_vlan_sends_no_larger_packets_than_are_left_to_it_whoever_asks_it_to() {
    let mut engine = Engine::new(1);
    let device = |name: &str, mtu_bytes, kind| Device { name: name.into(), mtu_bytes, kind, ..Device::default() };
    let port = Device { tags_beyond_mtu: TagsBeyondMtu::FirstOfCustomer, ..device("port", 1500, Kind::Physical) };
    let vlan = |parent, id| Kind::Vlan(Vlan { parent: DeviceId(parent), tpid: C_TAG, id });
    let (outer, inner, other) = (vlan(0, 7), vlan(1, 7), vlan(1, 8));
    give(&mut engine, [port, device("outer", 1500, outer), device("inner", 1496, inner)].map(Command::AddDevice));
    for (command, kind) in [
        (Command::SetMtu(DeviceId(1), 1501), outer),
        (Command::SetMtu(DeviceId(2), 1497), inner),
        (Command::AddDevice(device("other", 1497, other)), other),
    ] {
        assert_eq!(engine.handle_command(Instant::from_secs(1), command), Err(CommandError::DeviceKind(kind)));
    }
    let bytes = engine.save();
    let again = Engine::restore(&bytes, Restoring::default()).expect("its own snapshot, which holds no larger ones");
    assert!(again.save() == bytes);
}

#[test]
fn tags_that_a_port_takes_no_more_of_beyond_its_mtu_leave_its_vlans_smaller_packets_also_when_it_shrinks() {
    let mut lab = lab("");
    let lan = lab.engine().devices().find(DeviceId(0)).cloned().expect("it is there");
    let tags_beyond_mtu = TagsBeyondMtu::FirstOfCustomer;
    lab.command(Command::AddDevice(Device { name: "port".into(), addresses: Vec::new(), tags_beyond_mtu, ..lan }));
    let lab = lab.vlan("port", C_TAG, 10, [10, 1, 0, 1]).vlan("port.10", C_TAG, 5, [10, 2, 0, 1]);
    let mut lab = lab.vlan("port", S_TAG, 100, [10, 3, 0, 1]).vlan("port.100", C_TAG, 5, [10, 4, 0, 1]);
    let mtus =
        |engine: &Engine| engine.devices().iter().skip(2).map(|(_, device)| device.mtu_bytes).collect::<Vec<_>>();
    assert_eq!(mtus(lab.engine()), [1500, 1500, 1496, 1496, 1492]);
    lab.command(Command::SetMtu(DeviceId(2), 1400)).play(
        "
        0.000  lan <  10.0.0.2:1 > 10.2.0.2:9  udp df len 1369
        0.000  lan x  PacketTooBig
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 4 mtu 1396 [10.0.0.2:1 > 10.2.0.2:9 udp df]
        0.000  lan <  10.0.0.2:1 > 10.4.0.2:9  udp df len 1365
        0.000  lan x  PacketTooBig
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 4 mtu 1392 [10.0.0.2:1 > 10.4.0.2:9 udp df]
        ",
    );
    assert_eq!(mtus(lab.engine()), [1400, 1400, 1396, 1396, 1392]);
    lab.command(Command::SetMtu(DeviceId(3), 1300));
    assert_eq!(mtus(lab.engine()), [1400, 1300, 1300, 1396, 1392], "two tags have room beside those");
    lab.command(Command::SetMtu(DeviceId(2), 68));
    assert_eq!(mtus(lab.engine()), [68; 5], "IPv4 needs as much");
}

#[test]
fn what_only_a_device_that_is_down_leads_to_goes_another_way_or_is_answered_and_comes_back_with_it() {
    let rules = "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n";
    let mut lab = lab(rules).vlan("lan", C_TAG, 10, [10, 1, 0, 1]);
    let device = DeviceId(2);
    let second = Route {
        metric: 100,
        ..Route::new([0; 4].into(), 0, RouteKind::Unicast { device, via: Some([10, 1, 0, 9].into()) })
    };
    lab.command(Command::AddRoute(second)).play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  wan >  203.0.113.1:1 > 198.51.100.7:9  udp ttl 63
        ",
    );
    lab.command(Command::SetUp(DeviceId(1), false));
    assert!(lab.engine().conntrack().is_empty(), "who was masqueraded behind its address is forgotten");
    lab.play(
        "
        1.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        1.000  lan >  10.0.0.2:1 > 198.51.100.7:9  udp ttl 63 | vlan 10
        ",
    );
    lab.command(Command::SetUp(DeviceId(2), false)).play(
        "
        2.000  lan <  10.0.0.2:1 > 198.51.100.8:9  udp
        2.000  lan x  NoRoute
        2.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 0 [10.0.0.2:1 > 198.51.100.8:9 udp]
        ",
    );
    lab.command(Command::SetUp(DeviceId(1), true)).play(
        "
        3.000  lan <  10.0.0.2:1 > 198.51.100.8:9  udp
        3.000  wan >  203.0.113.1:1 > 198.51.100.8:9  udp ttl 63
        ",
    );
}

#[test]
fn neighbours_are_asked_anew_when_the_link_was_lost_or_the_device_was_down() {
    let link = |carrier| Command::SetLink(DeviceId(1), Link { carrier, ..Link::default() });
    let mut lab = lab_with_arp("");
    lab.play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  wan >  arp who-has 203.0.113.254 tell 203.0.113.1
        0.001  wan <  arp 203.0.113.254 is-at 02:00:00:00:02:02
        0.001  wan >  10.0.0.2:1 > 198.51.100.7:9  udp ttl 63
        ",
    );
    lab.command(link(false)).command(link(true)).play(
        "
        1.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        1.000  wan >  arp who-has 203.0.113.254 tell 203.0.113.1
        1.001  wan <  arp 203.0.113.254 is-at 02:00:00:00:02:03
        1.001  wan >  10.0.0.2:1 > 198.51.100.7:9  udp ttl 63
        ",
    );
    lab.command(Command::SetUp(DeviceId(1), false)).command(Command::SetUp(DeviceId(1), true)).play(
        "
        2.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        2.000  wan >  arp who-has 203.0.113.254 tell 203.0.113.1
        ",
    );
}

#[test]
fn packets_are_routed_between_vlans_of_one_port_and_to_another() {
    lab("").vlan("lan", C_TAG, 10, [10, 1, 0, 1]).vlan("lan", C_TAG, 20, [10, 2, 0, 1]).play(
        "
        0.000  lan <  10.1.0.2:1 > 10.2.0.2:9  udp | vlan 10
        0.000  lan >  10.1.0.2:1 > 10.2.0.2:9  udp ttl 63 | vlan 20
        0.000  lan <  10.1.0.2:1 > 198.51.100.7:9  udp | vlan 10
        0.000  wan >  10.1.0.2:1 > 198.51.100.7:9  udp ttl 63
        0.000  wan <  198.51.100.7:9 > 10.2.0.2:1  udp
        0.000  lan >  198.51.100.7:9 > 10.2.0.2:1  udp ttl 63 | vlan 20
        ",
    );
}

#[test]
fn a_vlan_that_nobody_has_is_dropped_and_a_tag_with_a_priority_only_is_none() {
    lab("").vlan("lan", C_TAG, 10, [10, 1, 0, 1]).play(
        "
        0.000  lan <  10.1.0.2 > 10.1.0.1  icmp type 8 code 0 | vlan 11
        0.000  lan x  VlanUnknown
        0.000  lan <  10.1.0.2 > 10.1.0.1  icmp type 8 code 0 | svlan 10
        0.000  lan x  VlanUnknown
        0.000  wan <  10.1.0.2 > 10.1.0.1  icmp type 8 code 0 | in vlan 10
        0.000  wan x  VlanUnknown
        0.000  lan <  10.0.0.2 > 10.0.0.1  icmp type 8 code 0 id 1 | vlan 24576
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 0 code 0 id 1
        0.000  lan <  10.1.0.2 > 10.1.0.1  icmp type 8 code 0 id 2 | in vlan 0 vlan 24586
        0.000  lan >  10.1.0.1 > 10.1.0.2  icmp type 0 code 0 id 2 | vlan 10
        ",
    );
}

#[test]
fn a_vlan_in_a_service_vlan_has_both_tags() {
    lab("").vlan("wan", S_TAG, 100, [10, 3, 0, 1]).vlan("wan.100", C_TAG, 5, [10, 4, 0, 1]).play(
        "
        0.000  wan <  10.4.0.2 > 10.4.0.1  icmp type 8 code 0 id 1 | svlan 100 in vlan 5
        0.000  wan >  10.4.0.1 > 10.4.0.2  icmp type 0 code 0 id 1 | svlan 100 in vlan 5
        0.000  wan <  10.3.0.2 > 10.3.0.1  icmp type 8 code 0 id 2 | in svlan 100
        0.000  wan >  10.3.0.1 > 10.3.0.2  icmp type 0 code 0 id 2 | svlan 100
        0.000  wan <  10.4.0.2 > 10.4.0.1  icmp type 8 code 0 id 3 | in svlan 100 vlan 6
        0.000  wan x  VlanUnknown
        ",
    );
}

#[test]
fn a_port_that_does_not_put_tags_in_gets_frames_that_have_them() {
    lab("").vlan("lan", C_TAG, 10, [10, 1, 0, 1]).feature("lan", "txvlan", false).play(
        "
        0.000  lan <  10.1.0.2 > 10.1.0.1  icmp type 8 code 0 id 7 | vlan 10
        0.000  lan >  10.1.0.1 > 10.1.0.2  icmp type 0 code 0 id 7 | in vlan 10
        ",
    );
}

#[test]
fn a_super_packet_of_a_vlan_leaves_as_its_port_takes_it() {
    let lab = || lab("").vlan("wan", C_TAG, 10, [10, 1, 0, 1]).unicast("198.51.100.0/24", "wan.10", None);
    lab().play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 3000 df | gso 1448
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 3000 df | gso 1448 vlan 10
        ",
    );
    lab().feature("wan", "tso", false).feature("wan", "txvlan", false).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 2000 df | gso 1448
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1448 df | in vlan 10
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 1449 ack 1 len 552 df | in vlan 10
        ",
    );
    // Taken out of its tags, an unfilled checksum stays over the same bytes.
    lab().play(
        "
        0.000  wan <  198.51.100.7:80 > 10.0.0.2:4000  A seq 1 ack 1 len 3000 df | gso 1448 in vlan 10
        0.000  lan >  198.51.100.7:80 > 10.0.0.2:4000  A seq 1 ack 1 len 3000 df | gso 1448
        ",
    );
}

#[test]
fn neighbours_are_asked_on_their_vlan() {
    lab_with_arp("").vlan("lan", C_TAG, 10, [10, 1, 0, 1]).play(
        "
        0.000  wan <  198.51.100.7:9 > 10.1.0.2:1  udp
        0.000  wan =  HELD
        0.000  lan >  arp who-has 10.1.0.2 tell 10.1.0.1 | vlan 10
        0.200  lan <  arp 10.1.0.2 is-at 02:00:00:00:01:02 | in vlan 10
        0.200  lan >  198.51.100.7:9 > 10.1.0.2:1  udp | vlan 10
        ",
    );
}

#[test]
fn a_vlan_that_cannot_be_is_refused() {
    let mut engine = Engine::new(1);
    let mut add = |name: &str, mtu_bytes, kind| {
        let device = Device { name: name.into(), mtu_bytes, kind, ..Device::default() };
        engine.handle_command(Instant::ZERO, Command::AddDevice(device)).map(|_| ())
    };
    let vlan = |parent, tpid, id| Kind::Vlan(Vlan { parent: DeviceId(parent), tpid, id });
    assert_eq!(add("port", 1500, Kind::Physical), Ok(()));
    assert_eq!(add("good", 1500, vlan(0, C_TAG, 4094)), Ok(()));
    assert_eq!(add("other", 1500, vlan(0, S_TAG, 4094)), Ok(()));
    let wrong = [
        ("twice", 1500, vlan(0, C_TAG, 4094)),
        ("number", 1500, vlan(0, C_TAG, 4095)),
        ("protocol", 1500, vlan(0, 0x9100, 1)),
        ("long", 1501, vlan(0, C_TAG, 1)),
        ("nowhere", 1500, vlan(9, C_TAG, 1)),
        ("over lo", 1500, Kind::Vlan(Vlan { parent: DeviceId::LOOPBACK, tpid: C_TAG, id: 1 })),
        ("lo2", 1500, Kind::Loopback),
    ];
    for (name, mtu, kind) in wrong {
        assert_eq!(add(name, mtu, kind), Err(CommandError::DeviceKind(kind)), "{name}");
    }
    for depth in 2..=8 {
        let parent = if depth == 2 { 1 } else { depth };
        assert_eq!(add(&format!("deep{depth}"), 1500, vlan(parent, C_TAG, 7)), Ok(()));
    }
    assert_eq!(add("deep9", 1500, vlan(9, C_TAG, 7)), Err(CommandError::DeviceKind(vlan(9, C_TAG, 7))));
}

#[test]
fn a_bond_with_a_port_that_has_shrunk_goes_on_from_a_snapshot() {
    let mut engine = Engine::new(1);
    let device = |name: &str, kind| Command::AddDevice(Device { name: name.into(), kind, ..Device::default() });
    give(&mut engine, [device("one", Kind::Physical), device("two", Kind::Physical), device("bond", Kind::Bond)]);
    let bond = Command::SetBond(DeviceId(2), Box::default(), vec![DeviceId(0), DeviceId(1)]);
    give(&mut engine, [bond, Command::SetMtu(DeviceId(0), 1400)]);
    let bytes = engine.save();
    let again = Engine::restore(&bytes, Restoring::default()).expect("its own snapshot");
    assert!(again.save() == bytes);
}

#[test]
fn each_link_has_a_network_of_link_local_addresses() {
    let mut engine = Engine::new(1);
    for (name, last) in [("lan", 1), ("wan", 2)] {
        let link_local = core::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last);
        let addresses = vec![InterfaceAddress { address: link_local.into(), prefix: 64 }];
        let device = Device { name: name.into(), addresses, ..Device::default() };
        engine.handle_command(Instant::ZERO, Command::AddDevice(device)).expect("another link's network is no matter");
    }
}

#[test]
fn no_device_merges_by_itself_where_packets_are_forwarded_until_it_is_switched_on_anew() {
    for forwarding in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
        let mut engine = Engine::new(1);
        let merging = Features::default().with(Feature::LARGE_RECEIVE, true);
        let device =
            |name: &str| Command::AddDevice(Device { name: name.into(), features: merging, ..Device::default() });
        let forward = |on| Command::SetSysctl(forwarding.into(), on);
        give(&mut engine, [device("a"), lro(0, true), forward(1)]);
        assert_eq!(merge_by_themselves(&engine, &[0]), [true], "packets were forwarded before");
        give(&mut engine, [forward(0), device("b")]);
        assert_eq!(merge_by_themselves(&engine, &[0, 1]), [true, false], "those of the other family are");
        give(&mut engine, [forward(1)]);
        assert_eq!(merge_by_themselves(&engine, &[0]), [false]);
        give(&mut engine, [forward(0)]);
        assert_eq!(merge_by_themselves(&engine, &[0]), [false], "it stays as it is");
        give(&mut engine, [forward(1), lro(0, true)]);
        let again = Engine::restore(&engine.save(), Restoring::default()).expect("its own snapshot");
        assert_eq!(merge_by_themselves(&again, &[0, 1]), [true, false]);
    }
}

#[test]
fn what_lies_over_a_device_has_a_say_in_whether_that_merges_by_itself() {
    let mut engine = Engine::new(1);
    let device = |name: &str, kind| Command::AddDevice(Device { name: name.into(), kind, ..Device::default() });
    let vlan = |parent| Kind::Vlan(Vlan { parent: DeviceId(parent), tpid: C_TAG, id: 7 });
    let off = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"].map(|name| Command::SetSysctl(name.into(), 0));
    let devices = [device("one", Kind::Physical), device("two", Kind::Physical), device("bond", Kind::Bond)];
    give(&mut engine, off.into_iter().chain(devices).chain([lro(0, true), lro(1, true)]));
    assert_eq!(merge_by_themselves(&engine, &[0, 1, 2]), [true; 3], "a bond wants it from the first");
    let bond = || Command::SetBond(DeviceId(2), Box::default(), vec![DeviceId(0), DeviceId(1)]);
    give(&mut engine, [bond()]);
    assert_eq!(merge_by_themselves(&engine, &[0, 1, 2]), [true; 3], "and leaves its ports alone");
    give(&mut engine, [lro(2, false), bond(), lro(1, true)]);
    assert_eq!(merge_by_themselves(&engine, &[0, 1]), [false; 2], "their bond does not");
    give(&mut engine, [lro(2, true), lro(0, true)]);
    assert_eq!(merge_by_themselves(&engine, &[0, 1, 2]), [true, false, true], "it does not switch them on");
    give(&mut engine, [device("vlan", vlan(2))]);
    assert_eq!(merge_by_themselves(&engine, &[0, 2, 3]), [false; 3], "a VLAN over the bond does not");
    give(&mut engine, [lro(2, true), lro(0, true), lro(3, false)]);
    assert_eq!(merge_by_themselves(&engine, &[0, 2, 3]), [false; 3]);
    let refused = engine.handle_command(Instant::from_secs(1), lro(3, true));
    assert_eq!(refused, Err(CommandError::FeatureFixed(Feature::LARGE_RECEIVE, true)), "nor can it");
}

fn give(engine: &mut Engine, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        engine.handle_command(Instant::from_secs(1), command).unwrap_or_else(|error| panic!("{error}"));
    }
}

fn lro(device: u16, on: bool) -> Command {
    Command::SetFeature(DeviceId(device), Feature::LARGE_RECEIVE, on)
}

fn merge_by_themselves(engine: &Engine, devices: &[u16]) -> Vec<bool> {
    let has = |device: &Device| device.features.has(Feature::LARGE_RECEIVE);
    devices.iter().map(|id| engine.devices().find(DeviceId(*id)).is_some_and(has)).collect()
}
