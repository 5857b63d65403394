//! What happens when links of an active-backup bond fail and come back.

use lab::Bonded;
use towpath_engine::{
    Command, DeviceId, Instant,
    device::{
        Device, Kind, Link, Vlan,
        bond::{FailOverMac, Mode, Options, PrimaryReselect},
    },
    snapshot::Restoring,
    wire::MacAddr,
};

fn backup() -> Options {
    Options { mode: Mode::ActiveBackup, miimon_ms: 100, ..Options::default() }
}

#[test]
fn the_next_port_takes_over_at_the_look_after_the_active_one_has_failed() {
    let mut host = Bonded::new(backup(), &[0, 1, 2]);
    host.pass(1000).log();
    host.pass(30).link(0, false).pass(69);
    assert_eq!((host.active(), host.log()), (Some(0), vec![]), "nobody has looked yet");
    host.pass(1);
    assert_eq!(host.active(), Some(1));
    assert_eq!(
        host.log(),
        [
            "bond0: (slave p0): link status definitely down, disabling slave",
            "bond0: (slave p1): making interface the new active one",
        ]
    );
    assert_eq!(host.answers_by(1, [1, 2]), [1, 1]);
    host.link(0, true).pass(200);
    assert_eq!(host.log(), ["bond0: (slave p0): link status definitely up, 10000 Mbps full duplex"]);
    assert_eq!(host.active(), Some(1), "it stays where it is");
}

#[test]
fn a_link_that_comes_back_within_downdelay_has_never_failed() {
    let mut host = Bonded::new(Options { downdelay_ms: 350, ..backup() }, &[0, 1]);
    host.pass(1000).log();
    host.link(0, false).pass(200);
    assert_eq!(host.answers_by(0, [1]), [0], "it is still used");
    assert!(host.text().contains("MII Status: going down\n"));
    host.link(0, true).pass(1000);
    assert_eq!(
        host.log(),
        [
            "bond0: (slave p0): link status down for active interface, disabling it in 300 ms",
            "bond0: (slave p0): link status up again after 200 ms",
            "bond0: (slave p0): link status definitely up, 10000 Mbps full duplex",
        ]
    );
    host.link(0, false).pass(399);
    assert_eq!(host.active(), Some(0));
    host.pass(1);
    assert_eq!(host.active(), Some(1), "300 ms after the first look");
}

#[test]
fn a_link_is_used_after_updelay_but_at_once_when_there_is_no_other() {
    let mut host = Bonded::new(Options { updelay_ms: 500, primary: Some(DeviceId(0)), ..backup() }, &[0, 1]);
    host.pass(1000).link(0, false).pass(100).link(0, true).log();
    host.pass(599);
    assert_eq!(host.active(), Some(1));
    host.pass(1);
    assert_eq!(host.active(), Some(0));
    assert_eq!(
        host.log(),
        [
            "bond0: (slave p0): link status up, enabling it in 500 ms",
            "bond0: (slave p0): link status definitely up, 10000 Mbps full duplex",
            "bond0: (slave p0): making interface the new active one",
        ]
    );
    // It is on its way up when the other one fails.
    host.link(0, false).pass(100).link(0, true).pass(300).log();
    host.link(1, false).pass(100);
    assert_eq!(host.active(), Some(0));
    assert!(host.log().contains(&"bond0: (slave p0): making interface the new active one 400 ms earlier".to_owned()));
    host.link(0, false).link(1, false).pass(100);
    assert_eq!((host.active(), host.state().has_carrier()), (None, false));
    assert_eq!(host.log().last().map(String::as_str), Some("bond0: now running without any active interface!"));
    host.link(1, true).pass(100);
    assert_eq!(host.active(), Some(1), "nobody waits for the only one");
    assert_eq!(host.log().last().map(String::as_str), Some("bond0: active interface up!"));
}

#[test]
fn a_link_that_fails_again_within_updelay_is_not_used() {
    let mut host = Bonded::new(Options { updelay_ms: 500, ..backup() }, &[0, 1]);
    host.pass(1000).link(1, false).pass(100).link(1, true).pass(200).log();
    host.link(1, false).pass(100);
    assert_eq!(
        host.log(),
        [
            "bond0: (slave p1): link status down again after 200 ms",
            "bond0: (slave p1): link status definitely down, disabling slave",
        ]
    );
}

#[test]
fn the_only_link_waits_for_updelay_where_nobody_keeps_count_of_those_that_can_send() {
    for (kind, waits) in
        [(Mode::ActiveBackup, false), (Mode::Xor, false), (Mode::RoundRobin, true), (Mode::Broadcast, true)]
    {
        let mut host = Bonded::new(Options { mode: kind, updelay_ms: 300, ..backup() }, &[0, 1]);
        host.pass(1000);
        host.link(0, false).link(1, false).pass(100).link(1, true).pass(100);
        assert_eq!(host.state().has_carrier(), !waits, "{}", kind.name());
        host.pass(299);
        assert_eq!(host.state().has_carrier(), !waits, "{}", kind.name());
        host.pass(1);
        assert!(host.state().has_carrier(), "{}", kind.name());
    }
}

#[test]
fn the_primary_port_takes_over_again_as_primary_reselect_says() {
    let speed = |port: u16, speed: u32, carrier| {
        Command::SetLink(DeviceId(port), Link { carrier, speed_mbps: Some(speed), full_duplex: Some(true) })
    };
    for (primary_reselect, slow, fast) in [
        (PrimaryReselect::Always, Some(1), Some(1)),
        (PrimaryReselect::Better, Some(0), Some(1)),
        (PrimaryReselect::Failure, Some(0), Some(0)),
    ] {
        for (mbps, expected) in [(100, slow), (25_000, fast)] {
            let options = Options { primary: Some(DeviceId(1)), primary_reselect, ..backup() };
            let mut host = Bonded::new(options, &[0, 1]);
            assert_eq!(host.active(), Some(1), "it is preferred from the start");
            host.link(1, false).pass(100);
            assert_eq!(host.active(), Some(0));
            host.command(speed(1, mbps, true)).expect("there is the port");
            host.pass(100);
            assert_eq!(host.active(), expected, "{} with {mbps} Mbps", primary_reselect.name());
            host.link(0, false).pass(100);
            assert_eq!(host.active(), Some(1));
        }
    }
}

#[test]
fn neighbours_of_the_bond_and_its_vlans_are_told_where_it_is_now_as_often_as_was_said() {
    let options = Options { num_peer_notif: 3, peer_notif_delay_ms: 200, ..backup() };
    let mut host = Bonded::new(options, &[0, 1]);
    let mac = host.mac(3);
    host.vlan(mac);
    host.pass(2000).sent();
    host.link(0, false).pass(100);
    let arp = |tag: &[u8], [a, b, c, d]: [u8; 4]| {
        let own = [&mac.0[..], &[a, b, c, d]].concat();
        let head = [&[0xff; 6][..], &mac.0, tag, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
        [&head[..], &own, &[0; 6], &[a, b, c, d]].concat()
    };
    let sent = host.sent();
    assert!(sent.iter().all(|(port, _)| *port == DeviceId(1)), "by the port that has taken over");
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].1, arp(&[], [10, 0, 0, 1]));
    assert_eq!(sent[2].1, arp(&[0x81, 0, 0, 7], [10, 7, 0, 1]));
    let advertisement = &sent[1].1;
    assert_eq!(advertisement[..6], [0x33, 0x33, 0, 0, 0, 1]);
    assert_eq!(advertisement[54..58], [136, 0, advertisement[56], advertisement[57]]);
    assert_eq!(advertisement[58] & 0x60, 0x20, "it overrides, and nobody has asked");
    assert_eq!(advertisement[78..86], [&[2, 1][..], &mac.0].concat());
    let mut later = Vec::new();
    for look in 1..=8 {
        host.pass(100);
        later.extend(host.sent().iter().map(|_| look));
    }
    assert_eq!(later, [2, 2, 2, 4, 4, 4], "all of it twice more, 200 ms apart");
    let mut quiet = Bonded::new(Options { num_peer_notif: 0, ..backup() }, &[0, 1]);
    quiet.pass(1000).link(0, false).pass(1000);
    assert_eq!(quiet.sent(), []);
}

#[test]
fn ethernet_addresses_move_as_fail_over_mac_says() {
    let [p0, p1] = [0x10, 0x11].map(|last| MacAddr([2, 0, 0, 0, 0, last]));
    let macs = |host: &Bonded| [0, 1, 3].map(|device| host.mac(device));
    for (fail_over_mac, before, after) in [
        (FailOverMac::None, [p0, p0, p0], [p0, p0, p0]),
        (FailOverMac::Active, [p0, p1, p0], [p0, p1, p1]),
        (FailOverMac::Follow, [p0, p1, p0], [p1, p0, p0]),
    ] {
        let mut host = Bonded::new(Options { fail_over_mac, ..backup() }, &[0, 1]);
        assert_eq!(macs(&host), before);
        host.link(0, false).pass(100);
        assert_eq!(macs(&host), after, "{}", fail_over_mac.name());
        assert_eq!(host.answers_by(1, [1]), [1], "and the frame for it is taken");
        host.link(0, true).link(1, false).pass(100);
        assert_eq!(host.answers_by(0, [2]), [0]);
        assert_eq!(macs(&host), before, "{} and back", fail_over_mac.name());
        host.link(0, false).pass(100).link(1, true).pass(100);
        assert_eq!(macs(&host), after, "{} over nobody", fail_over_mac.name());
    }
}

#[test]
fn vlans_over_a_bond_follow_its_ethernet_address_and_neighbours_are_forgotten_with_it() {
    let mut host = Bonded::new(Options { fail_over_mac: FailOverMac::Active, ..backup() }, &[0, 1]);
    let [p0, p1, other, neighbour] = [0x10, 0x11, 0x77, 0x99].map(|last| MacAddr([2, 0, 0, 0, 0, last]));
    host.vlan(p0);
    for (parent, id, mac) in [(4, 8, p0), (3, 9, other), (6, 10, p0)] {
        let kind = Kind::Vlan(Vlan { parent: DeviceId(parent), tpid: 0x8100, id });
        host.command(Command::AddDevice(Device { name: format!("v{id}"), mac, kind, ..Device::default() }))
            .expect("there can be such a VLAN");
    }
    let station = "10.0.0.99".parse().expect("an address");
    host.command(Command::AddNeighbour { device: Bonded::BOND, address: station, mac: neighbour }).expect("it is new");
    let answered_to = |host: &mut Bonded, by: u16| {
        let mac = host.mac(3);
        assert_eq!(host.receive(by, &Bonded::ping(mac, 1)), []);
        MacAddr(host.sent().pop().expect("an answer").1[..6].try_into().expect("six bytes"))
    };
    assert_eq!(answered_to(&mut host, 0), neighbour);
    host.pass(1000).link(0, false).pass(100);
    assert_eq!(
        [3, 4, 5, 6, 7].map(|device| host.mac(device)),
        [p1, p1, p1, other, p0],
        "one has an address of its own"
    );
    let told: Vec<_> = host.sent().into_iter().filter(|(_, frame)| frame[..6] == [0xff; 6]).collect();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|(_, frame)| frame[6..12] == p1.0 && frame[frame.len() - 20..][..6] == p1.0), "{told:?}");
    assert_eq!(answered_to(&mut host, 1), p1, "who asks nobody sends to its own address when it knows no other");
}

#[test]
fn without_miimon_nobody_looks_and_the_active_port_stays_what_it_is_whatever_its_link_says() {
    let mut host = Bonded::new(Options { miimon_ms: 0, ..backup() }, &[0, 1]);
    host.link(0, false).pass(60_000);
    assert_eq!((host.active(), host.engine.poll_timeout()), (Some(0), None));
    let mut down = Bonded::at(Instant::from_secs(9), 1, |host| {
        host.link(0, false);
        host.bond(Options { miimon_ms: 0, ..backup() }, &[0, 1])
    });
    assert_eq!(down.answers_by(0, [1]), [0]);
    let looked = Bonded::at(Instant::from_secs(9), 1, |host| {
        host.link(0, false);
        host.bond(backup(), &[0, 1])
    });
    assert_eq!(looked.active(), Some(1), "with miimon it is asked when it is added");
}

#[test]
fn a_bond_wants_to_be_woken_only_while_something_can_happen_to_it() {
    let mut host = Bonded::new(Options { updelay_ms: 300, ..backup() }, &[0, 1]);
    host.pass(1000);
    assert_eq!(host.engine.poll_timeout(), None);
    host.link(1, false);
    assert!(host.engine.poll_timeout().is_some());
    host.pass(100);
    assert_eq!(host.engine.poll_timeout(), None);
    host.link(1, true).pass(250);
    assert!(host.engine.poll_timeout().is_some(), "updelay runs");
    host.pass(1000);
    assert_eq!(host.engine.poll_timeout(), None);
}

#[test]
fn a_bond_goes_on_from_a_snapshot_in_the_middle_of_a_delay() {
    let mut host = Bonded::new(Options { downdelay_ms: 500, num_peer_notif: 2, ..backup() }, &[0, 1]);
    host.pass(1000).link(0, false).pass(250);
    let bytes = host.engine.save();
    let mut twin = Bonded::new(backup(), &[0, 1]);
    twin.engine = towpath_engine::Engine::restore(&bytes, Restoring::default()).expect("it is whole");
    assert!(twin.engine.save() == bytes);
    twin.until(host.now());
    for other in [&mut host, &mut twin] {
        other.sent();
        other.log();
        other.pass(350);
    }
    assert_eq!(host.active(), Some(1));
    assert_eq!((host.text(), host.sent(), host.log()), (twin.text(), twin.sent(), twin.log()));
    assert!(host.engine.save() == twin.engine.save());
}

#[test]
fn a_bond_that_has_lost_all_ports_before_all_neighbours_were_told_is_not_woken_for_ever() {
    let options = Options { num_peer_notif: 5, peer_notif_delay_ms: 200, ..backup() };
    let mut host = Bonded::new(options, &[0, 1]);
    host.pass(5000);
    host.link(0, false).pass(100).link(1, false).pass(5000);
    assert_eq!((host.active(), host.engine.poll_timeout()), (None, None));
    host.sent();
    host.link(1, true).pass(5000);
    assert_eq!((host.active(), host.engine.poll_timeout()), (Some(1), None));
    assert!(host.sent().len() >= 5, "then neighbours are told anew");
}
