//! balance-tlb and balance-alb: by which port flows leave, under which address, and what stations and switches are told.

use lab::Bonded;
use towpath_engine::{
    Command, CommandError, DeviceId, DropReason,
    device::{
        Device, InterfaceAddress, Kind, Link,
        bond::{HashPolicy, Mode, Options},
    },
    snapshot::Restoring,
    wire::MacAddr,
};

const P0: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);
const P1: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x11]);
const P2: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x12]);
const STATION: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);

fn adaptive(mode: Mode) -> Options {
    Options { mode, miimon_ms: 100, ..Options::default() }
}

/// A bond that has said what it says at first.
fn made(options: Options, ports: &[u16]) -> Bonded {
    let mut host = Bonded::new(options, ports);
    host.pass(50).sent();
    host.log();
    host
}

fn macs(host: &Bonded) -> [MacAddr; 4] {
    [0, 1, 2, 3].map(|device| host.mac(device))
}

fn speed(host: &mut Bonded, port: u16, mbps: u32) {
    let link = Link { carrier: true, speed_mbps: Some(mbps), full_duplex: Some(true) };
    host.command(Command::SetLink(DeviceId(port), link)).expect("there is the port");
}

/// A ping from this station, which the bond answers to it: by which port, and under which address.
fn answered(host: &mut Bonded, last: u8) -> (u16, MacAddr) {
    let mac = host.mac(3);
    let by = host.state().active().expect("an active port").0;
    assert_eq!(host.receive(by, &Bonded::ping_of(&format!("10.0.0.{last} > 10.0.0.1"), mac)), []);
    let sent = host.sent();
    let (port, frame) = sent.iter().find(|(_, frame)| frame[12..14] == [8, 0]).expect("an answer");
    (port.0, MacAddr(frame[6..12].try_into().expect("six bytes")))
}

/// ARP from a station to the bond.
fn arp(operation: u8, mac: MacAddr, last: u8, to: MacAddr) -> Vec<u8> {
    let target = if operation == 1 { MacAddr::UNSPECIFIED } else { to };
    let head = [&to.0[..], &mac.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation]].concat();
    [&head[..], &mac.0, &[10, 0, 0, last], &target.0, &[10, 0, 0, 1]].concat()
}

/// What is said in ARP: by which port, under which address, and what to whom.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    port: u16,
    from: MacAddr,
    operation: u8,
    says: MacAddr,
    to: (MacAddr, u8),
}

fn said(host: &mut Bonded) -> Vec<Said> {
    let six = |bytes: &[u8]| MacAddr(bytes.try_into().expect("six bytes"));
    let read = |(port, frame): (DeviceId, Vec<u8>)| {
        (frame[12..14] == [8, 6]).then(|| Said {
            port: port.0,
            from: six(&frame[6..12]),
            operation: frame[21],
            says: six(&frame[22..28]),
            to: (six(&frame[..6]), frame[41]),
        })
    };
    host.sent().into_iter().filter_map(read).collect()
}

/// A learning packet of an address, with a tag or none.
fn learning(mac: MacAddr, tag: &[u8]) -> Vec<u8> {
    [&mac.0[..], &mac.0, tag, &[0x90, 0], &[0; 46]].concat()
}

#[test]
fn the_active_port_has_the_bonds_address_and_gives_it_to_the_one_that_takes_over() {
    for mode in [Mode::Tlb, Mode::Alb] {
        let mut host = made(adaptive(mode), &[0, 1, 2]);
        assert_eq!((host.active(), macs(&host)), (Some(0), [P0, P1, P2, P0]), "{}", mode.name());
        host.link(0, false).pass(100);
        assert_eq!((host.active(), macs(&host)), (Some(1), [P1, P0, P2, P0]));
        assert_eq!(
            host.log(),
            [
                "bond0: (slave p0): link status definitely down, disabling slave",
                "bond0: (slave p1): making interface the new active one",
            ]
        );
        host.link(0, true).pass(100);
        assert_eq!((host.active(), macs(&host)), (Some(1), [P1, P0, P2, P0]), "it stays where it is");
        host.link(1, false).pass(100);
        assert_eq!((host.active(), macs(&host)), (Some(0), [P0, P1, P2, P0]));
        host.link(0, false).link(2, false).pass(100);
        assert_eq!((host.active(), macs(&host)), (None, [P0, P1, P2, P0]));
        host.link(2, true).pass(100);
        assert_eq!((host.active(), macs(&host)), (Some(2), [P2, P1, P0, P0]), "from the one that has it");
        host.bond(Options::default(), &[1]).expect("there can be one");
        assert_eq!([0, 2].map(|port| host.mac(port)), [P0, P2], "they are given back");
    }
}

#[test]
fn a_bond_with_an_address_of_its_own_lends_it_to_the_active_port() {
    let own = MacAddr([2, 0, 0, 0, 0, 0x55]);
    let mut host = Bonded::at(towpath_engine::Instant::from_secs(9), 1, |host| {
        let bond = Device { name: "bond1".into(), mac: own, kind: Kind::Bond, ..Device::default() };
        host.command(Command::AddDevice(bond))?;
        host.command(Command::SetBond(DeviceId(4), Box::new(adaptive(Mode::Alb)), vec![DeviceId(0), DeviceId(1)]))
    });
    assert_eq!([0, 1, 4].map(|device| host.mac(device)), [own, P1, own]);
    assert_eq!(host.sent(), [(DeviceId(0), learning(own, &[]))]);
    host.link(0, false).pass(100);
    assert_eq!([0, 1, 4].map(|device| host.mac(device)), [P1, own, own]);
}

#[test]
fn a_flow_keeps_the_port_that_had_the_most_room_until_flows_are_dealt_anew() {
    for mode in [Mode::Tlb, Mode::Alb] {
        let options = Options { xmit_hash_policy: HashPolicy::Layer34, ..adaptive(mode) };
        let mut host = made(options, &[0, 1]);
        speed(&mut host, 0, 100);
        speed(&mut host, 1, 1000);
        host.pass(100);
        // Nothing is known of any flow: the faster port has all.
        for last in 20..24 {
            assert_eq!(answered(&mut host, last), (1, P1), "{}", mode.name());
        }
        // They have sent different amounts when they are dealt: 100 Mbit/s fill a port of 100 and not one of 1000.
        host.pass(10_000);
        assert_eq!(answered(&mut host, 20), (1, P1));
        // A port that fails loses its flows to the other one.
        host.link(1, false).pass(100);
        assert_eq!(answered(&mut host, 20), (0, P0));
        speed(&mut host, 1, 1000);
        host.pass(200);
        assert_eq!(answered(&mut host, 20), (1, P1), "all are dealt anew when a link comes up");
    }
}

#[test]
fn flows_that_have_sent_much_are_parted_from_others() {
    for mode in [Mode::Tlb, Mode::Alb] {
        let mut host = made(Options { xmit_hash_policy: HashPolicy::Layer34, ..adaptive(mode) }, &[0, 1]);
        host.pass(100);
        let heavy = answered(&mut host, 20);
        for _ in 0..1000 {
            assert_eq!(answered(&mut host, 20), heavy);
        }
        for last in 22..26 {
            assert_eq!(answered(&mut host, last), heavy, "nothing is known of how much it has sent");
        }
        host.pass(10_000).sent();
        // Each has what it had before, and goes where the most room is left.
        let heavy = answered(&mut host, 20);
        for last in 22..26 {
            assert_ne!(answered(&mut host, last), heavy, "{} {last}", mode.name());
        }
    }
}

#[test]
fn without_dynamic_balancing_a_hash_says_by_which_port_a_flow_leaves_and_nobody_learns_anything() {
    for mode in [Mode::Tlb, Mode::Alb] {
        let options = Options { tlb_dynamic_lb: false, xmit_hash_policy: HashPolicy::Layer23, ..adaptive(mode) };
        let mut host = made(options, &[0, 1]);
        let ports: Vec<_> = (20..28).map(|last| answered(&mut host, last)).collect();
        assert!(ports.contains(&(0, P0)) && ports.contains(&(1, P1)), "{ports:?}");
        let again: Vec<_> = (20..28).map(|last| answered(&mut host, last)).collect();
        assert_eq!(ports, again);
        assert!(host.text().contains("Transmit Hash Policy: layer2+3 (2)\n"));
        host.pass(5000);
        assert_eq!(host.sent().is_empty(), mode == Mode::Tlb, "{}", mode.name());
    }
}

/// A bond that asks for its neighbours, `bond1`, which is 10.5.0.1/24.
fn asking(mode: Mode) -> Bonded {
    let mut host = Bonded::at(towpath_engine::Instant::from_secs(9), 1, |host| {
        let addresses = vec![InterfaceAddress { address: [10, 5, 0, 1].into(), prefix: 24 }];
        let bond = Device { name: "bond1".into(), addresses, kind: Kind::Bond, ..Device::default() };
        host.command(Command::AddDevice(bond))?;
        host.command(Command::SetBond(DeviceId(4), Box::new(adaptive(mode)), vec![DeviceId(0), DeviceId(1)]))
    });
    host.pass(1500).sent();
    host
}

/// This host has something to say to 10.5.0.`last`.
fn speaks(host: &mut Bonded, last: u8) {
    let packet = &Bonded::ping_of(&format!("10.5.0.1 > 10.5.0.{last}"), STATION)[14..];
    host.command(Command::SendPacket(packet.to_vec())).expect("a packet");
}

#[test]
fn what_is_for_everybody_leaves_by_the_active_port_under_the_bonds_address() {
    for mode in [Mode::Tlb, Mode::Alb] {
        let mut host = asking(mode);
        speed(&mut host, 0, 10);
        speed(&mut host, 1, 1000);
        host.pass(100).sent();
        speaks(&mut host, 255);
        let by: Vec<_> = host.sent().iter().map(|(port, frame)| (port.0, frame[..12].to_vec())).collect();
        assert_eq!(by, [(0, [[0xff; 6], P0.0].concat())], "{}", mode.name());
    }
}

#[test]
fn each_port_teaches_switches_its_address_every_lp_interval_and_those_of_vlans() {
    for mode in [Mode::Tlb, Mode::Alb] {
        let mut host = made(Options { lp_interval_secs: 3, ..adaptive(mode) }, &[0, 1]);
        let own = MacAddr([2, 0, 0, 0, 0, 0x77]);
        host.vlan(own);
        host.pass(2900);
        assert_eq!(host.sent(), [], "{}", mode.name());
        host.pass(100);
        let tag = [0x81, 0, 0, 7];
        let expected = [
            (DeviceId(0), learning(P0, &[])),
            (DeviceId(0), learning(own, &tag)),
            (DeviceId(1), learning(P1, &[])),
            (DeviceId(1), learning(own, &tag)),
        ];
        assert_eq!(host.sent(), expected, "{}", mode.name());
        host.link(1, false).pass(3000);
        let ports: Vec<u16> = host.sent().iter().map(|(port, _)| port.0).collect();
        assert!(ports.ends_with(&[0, 0]), "{ports:?}");
    }
    let mut host = made(adaptive(Mode::Tlb), &[0, 1]);
    host.vlan(P0);
    host.pass(1000);
    assert!(
        host.sent().contains(&(DeviceId(1), learning(P1, &[0x81, 0, 0, 7]))),
        "under the port's, as under the bond's"
    );
}

#[test]
fn what_is_taken_by_which_port_is_what_the_mode_says() {
    for (mode, by_other) in [(Mode::Tlb, vec![DropReason::BondPortInactive]), (Mode::Alb, vec![])] {
        let mut host = made(adaptive(mode), &[0, 1]);
        assert_eq!(host.receive(1, &Bonded::ping(P1, 1)), by_other, "{}", mode.name());
        assert_eq!(host.receive(1, &Bonded::ping(MacAddr::BROADCAST, 1)), [DropReason::BondPortInactive]);
        assert_eq!(host.receive(0, &Bonded::ping(P0, 1)), []);
        let mut all = made(Options { all_slaves_active: true, ..adaptive(mode) }, &[0, 1]);
        assert_eq!(all.receive(1, &Bonded::ping(P1, 1)), []);
    }
    let mut host = made(adaptive(Mode::Alb), &[0, 1]);
    assert_eq!(host.receive(1, &Bonded::ping(P0, 1)), [DropReason::LinkOtherHost]);
}

#[test]
fn stations_that_ask_are_told_the_address_of_one_port_after_the_other() {
    let mut host = made(adaptive(Mode::Alb), &[0, 1, 2]);
    let told = |host: &mut Bonded, last: u8| {
        assert_eq!(host.receive(0, &arp(1, STATION, last, MacAddr::BROADCAST)), []);
        said(host).pop().expect("an answer")
    };
    for (last, port, mac) in [(20, 0, P0), (21, 1, P1), (22, 2, P2), (23, 0, P0)] {
        assert_eq!(told(&mut host, last), Said { port, from: mac, operation: 2, says: mac, to: (STATION, last) });
    }
    assert_eq!(
        told(&mut host, 21),
        Said { port: 1, from: P1, operation: 2, says: P1, to: (STATION, 21) },
        "the same again"
    );
    let mut tlb = made(adaptive(Mode::Tlb), &[0, 1]);
    for last in [20, 21] {
        let expected = Said { port: 0, from: P0, operation: 2, says: P0, to: (STATION, last) };
        assert_eq!(told(&mut tlb, last), expected, "only the active port takes anything");
    }
}

#[test]
fn who_takes_the_place_of_another_station_leaves_it_to_the_active_port() {
    let mut host = made(adaptive(Mode::Alb), &[0, 1]);
    host.pass(1000);
    for last in [20, 21] {
        host.receive(0, &arp(1, STATION, last, MacAddr::BROADCAST));
    }
    host.sent();
    // 10.0.0.21 has the second port. 10.1.0.20 has the same hash, of an address that is xored.
    let mut frame = arp(1, STATION, 20, MacAddr::BROADCAST);
    frame[29] = 1;
    host.address([10, 1, 0, 1].into(), 16);
    frame[39] = 1;
    host.receive(0, &frame);
    let heard = said(&mut host);
    let to_21 = Said { port: 0, from: P0, operation: 2, says: P0, to: (STATION, 21) };
    assert_eq!(heard[..2], [&to_21, &to_21].map(|said| Said { to: said.to, ..Said { ..*said } }), "{heard:?}");
    assert_eq!(heard[2].to, (STATION, 20));
}

#[test]
fn when_a_port_fails_its_stations_are_told_another_address_and_switches_learn_of_its() {
    let mut host = made(adaptive(Mode::Alb), &[0, 1]);
    host.pass(1000);
    for last in [20, 21] {
        host.receive(0, &arp(1, STATION, last, MacAddr::BROADCAST));
    }
    host.pass(10_000).sent();
    host.link(1, false).pass(100);
    let sent = host.sent();
    assert!(sent.contains(&(DeviceId(0), learning(P1, &[]))), "its address is behind the active one: {sent:?}");
    let to_21 = Said { port: 0, from: P0, operation: 2, says: P0, to: (STATION, 21) };
    let mut told: Vec<Said> = sent
        .into_iter()
        .filter(|(_, frame)| frame[12..14] == [8, 6])
        .map(|(port, frame)| Said {
            port: port.0,
            from: MacAddr(frame[6..12].try_into().expect("six bytes")),
            operation: frame[21],
            says: MacAddr(frame[22..28].try_into().expect("six bytes")),
            to: (MacAddr(frame[..6].try_into().expect("six bytes")), frame[41]),
        })
        .collect();
    for _ in 0..100 {
        host.pass(100);
        told.extend(said(&mut host));
    }
    assert!(told.iter().all(|said| *said == to_21), "{told:?}");
    assert_eq!(told.len(), 8, "twice, and three times again");
    // It comes back: all are dealt anew.
    host.link(1, true).pass(8000);
    let told = said(&mut host);
    assert!(told.iter().any(|said| (said.port, said.says) == (1, P1)), "{told:?}");
}

#[test]
fn a_failed_active_port_gives_its_stations_to_the_one_that_takes_its_address() {
    let mut host = made(adaptive(Mode::Alb), &[0, 1]);
    host.pass(1000);
    for last in [20, 21] {
        host.receive(0, &arp(1, STATION, last, MacAddr::BROADCAST));
    }
    host.pass(10_000).sent();
    host.link(0, false).pass(100);
    assert_eq!(macs(&host)[..2], [P1, P0]);
    assert_eq!(answered(&mut host, 20), (1, P0));
    let mut told = Vec::new();
    for _ in 0..100 {
        host.pass(100);
        told.extend(said(&mut host));
    }
    assert!(told.iter().all(|said| (said.port, said.from, said.says) == (1, P0, P0)), "{told:?}");
    assert!([20, 21].iter().all(|last| told.iter().any(|said| said.to == (STATION, *last))), "{told:?}");
}

#[test]
fn a_station_that_answers_under_another_address_is_told_there_and_who_takes_ours_is_told_nothing() {
    let mut host = made(adaptive(Mode::Alb), &[0, 1]);
    host.pass(1000);
    for last in [20, 21] {
        host.receive(0, &arp(1, STATION, last, MacAddr::BROADCAST));
    }
    host.pass(10_000).sent();
    let new = MacAddr([2, 0, 0, 0, 0, 0x98]);
    host.receive(1, &arp(2, new, 21, P1));
    let mut told = Vec::new();
    for _ in 0..30 {
        host.pass(100);
        told.extend(said(&mut host));
    }
    let to_new = Said { port: 1, from: P1, operation: 2, says: P1, to: (new, 21) };
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|said| *said == to_new), "{told:?}");
    // Somebody else is 10.0.0.1.
    let mut other = arp(1, STATION, 1, MacAddr::BROADCAST);
    other[41] = 77;
    host.receive(0, &other);
    host.link(1, false).pass(10_000);
    assert_eq!(said(&mut host), []);
}

#[test]
fn a_question_is_for_everybody_so_that_stations_are_told_again_two_seconds_later() {
    let mut host = asking(Mode::Alb);
    for last in [20, 21] {
        let mut frame = arp(1, STATION, last, MacAddr::BROADCAST);
        (frame[29], frame[39]) = (5, 5);
        host.receive(0, &frame);
    }
    host.pass(10_000).sent();
    speaks(&mut host, 50);
    let asked = said(&mut host);
    assert_eq!(asked.len(), 1, "{asked:?}");
    let Said { port, from, operation, says, to } = &asked[0];
    assert_eq!((*operation, *says, *to), (1, P0, (MacAddr::BROADCAST, 50)), "it says the bond's address");
    assert_eq!((*port, *from), (0, P0), "the next in turn");
    // The station that knows another address than the bond's has heard that one. It is asked again after one second and two.
    let mut told = Vec::new();
    for tick in 1..=45 {
        host.pass(100);
        told.extend(
            said(&mut host).into_iter().filter(|said| said.operation == 2).map(|said| (tick, said.says, said.to.1)),
        );
    }
    assert_eq!(told, [(41, P1, 21), (41, P1, 21)]);
}

#[test]
fn links_have_to_say_how_fast_they_are() {
    let mut host = made(adaptive(Mode::Tlb), &[0, 1]);
    host.link(1, false).pass(100);
    let silent = Link { carrier: true, speed_mbps: None, full_duplex: None };
    host.command(Command::SetLink(DeviceId(1), silent)).expect("there is the port");
    host.log();
    host.pass(100);
    assert_eq!(host.log(), ["bond0: (slave p1): failed to get link speed/duplex"]);
}

#[test]
fn ports_need_addresses_of_their_own_and_links_that_are_looked_at() {
    let mut host = Bonded::new(Options::default(), &[0]);
    let refused = host.bond(Options { miimon_ms: 0, ..adaptive(Mode::Alb) }, &[0, 1]);
    assert_eq!(refused.map_err(|error| error.to_string()), Err("mode \"balance-alb\" needs 'miimon'".into()));
    host.command(Command::AddDevice(Device { name: "twin".into(), mac: P1, ..Device::default() })).expect("it is new");
    let refused = host.bond(adaptive(Mode::Tlb), &[0, 1, 4]);
    assert_eq!(refused, Err(CommandError::BondPort(DeviceId(4))));
    host.bond(adaptive(Mode::Tlb), &[0, 1]).expect("they are three");
    host.bond(adaptive(Mode::Alb), &[1, 0]).expect("whatever addresses they have now");
}

#[test]
fn a_bond_is_printed_as_linux_prints_it() {
    let options = Options { primary: Some(DeviceId(1)), ..adaptive(Mode::Alb) };
    let text = Bonded::new(options, &[0, 1]).text();
    let expected = "\
Bonding Mode: adaptive load balancing
Primary Slave: p1 (primary_reselect always)
Currently Active Slave: p1
MII Status: up
MII Polling Interval (ms): 100
";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("Permanent HW addr: 02:00:00:00:00:11\n"), "{text}");
    let text = Bonded::new(adaptive(Mode::Tlb), &[0, 1]).text();
    assert!(text.contains("Bonding Mode: transmit load balancing\nPrimary Slave: None\n"), "{text}");
}

#[test]
fn a_bond_goes_on_from_a_snapshot_while_stations_are_told() {
    let mut host = made(adaptive(Mode::Alb), &[0, 1, 2]);
    host.pass(1000);
    for last in 20..40 {
        host.receive(0, &arp(1, STATION, last, MacAddr::BROADCAST));
        let _ = answered(&mut host, last);
    }
    host.link(0, false).pass(130);
    let bytes = host.engine.save();
    let mut twin = Bonded::new(adaptive(Mode::Tlb), &[0, 1]);
    twin.engine = towpath_engine::Engine::restore(&bytes, Restoring::default()).expect("it is whole");
    assert!(twin.engine.save() == bytes);
    twin.until(host.now());
    for other in [&mut host, &mut twin] {
        other.sent();
        other.log();
        other.pass(15_000);
    }
    let (sent, again) = (host.sent(), twin.sent());
    assert!(!sent.is_empty() && sent == again);
    assert!(host.engine.save() == twin.engine.save());
}
