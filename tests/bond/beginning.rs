//! What becomes of ports when a bond is made of them.

use lab::Bonded;
use towpath_engine::{
    Command, DeviceId, DropReason, Engine, Instant,
    device::{
        Link,
        bond::{Mode, Options, PrimaryReselect},
    },
    snapshot::Restoring,
};

fn mode(mode: Mode) -> Options {
    Options { mode, miimon_ms: 100, ..Options::default() }
}

/// How many ports are up, as the bond's text says.
fn up(host: &Bonded) -> usize {
    host.text().split("Slave Interface").skip(1).filter(|port| port.contains("\nMII Status: up\n")).count()
}

#[test]
fn a_port_that_is_added_with_a_carrier_waits_for_updelay_as_any_other_link_that_comes_up() {
    let waits = |kind| Options { updelay_ms: 300, ..mode(kind) };
    for kind in [Mode::RoundRobin, Mode::Broadcast] {
        let mut host = Bonded::new(waits(kind), &[0, 1]);
        assert_eq!(host.text().matches("\nMII Status: going back\n").count(), 2, "{}", kind.name());
        assert!(!host.state().has_carrier(), "{}", kind.name());
        host.pass(399);
        assert_eq!(host.receive(0, &Bonded::ping(host.mac(3), 1)), [DropReason::BondPortsDown], "{}", kind.name());
        host.pass(1);
        assert_eq!((up(&host), host.state().has_carrier()), (2, true), "{}", kind.name());
    }
    // Where a list of ports is kept that can send, and in active-backup, nobody waits for the only one.
    for kind in [Mode::ActiveBackup, Mode::Xor] {
        let mut host = Bonded::new(waits(kind), &[0, 1]);
        assert_eq!((up(&host), host.active(), host.state().has_carrier()), (0, None, false), "{}", kind.name());
        let counts: Vec<usize> = (1..=4).map(|_| up(host.pass(100))).collect();
        assert_eq!(counts, [1, 1, 1, 2], "{}", kind.name());
        assert_eq!(host.engine.poll_timeout(), None, "{}", kind.name());
    }
}

#[test]
fn a_primary_port_that_has_no_carrier_at_first_takes_over_once_when_it_gets_one() {
    for primary_reselect in [PrimaryReselect::Failure, PrimaryReselect::Better] {
        let options = Options { primary: Some(DeviceId(1)), primary_reselect, ..mode(Mode::ActiveBackup) };
        let mut host = Bonded::at(Instant::from_secs(9), 1, |host| {
            host.link(1, false);
            host.bond(options, &[0, 1])
        });
        assert_eq!(host.active(), Some(0));
        let slow = Link { speed_mbps: Some(100), ..Link::default() };
        let mut again = |expected, told: &str| {
            host.command(Command::SetLink(DeviceId(1), slow)).expect("there is the port");
            assert_eq!(host.pass(100).active(), Some(expected), "{}: {told}", primary_reselect.name());
            host.link(1, false).pass(100);
        };
        again(1, "it was meant to be");
        again(0, "it has been");
    }
}

#[test]
fn neighbours_are_told_at_once_where_a_new_bond_is_and_not_again_when_it_comes_from_a_snapshot() {
    for miimon_ms in [0, 100] {
        let mut host = Bonded::new(Options { miimon_ms, ..mode(Mode::ActiveBackup) }, &[0, 1]);
        let kinds: Vec<_> = host.sent().iter().map(|(port, frame)| (port.0, frame[12..14].to_vec())).collect();
        assert_eq!(kinds, [(0, vec![8, 6]), (0, vec![0x86, 0xdd])], "with miimon {miimon_ms}");
        assert_eq!(
            host.log(),
            ["bond0: (slave p0): making interface the new active one"],
            "it has had a carrier before"
        );
        assert_eq!(host.engine.poll_timeout(), None);
        let bytes = host.engine.save();
        let mut twin = Engine::restore(&bytes, Restoring::default()).expect("it is whole");
        assert!(twin.poll_transmit().is_none() && twin.poll_event().is_none());
    }
    for kind in [Mode::RoundRobin, Mode::Xor, Mode::Broadcast] {
        let mut host = Bonded::new(mode(kind), &[0, 1]);
        assert_eq!((host.sent(), host.log()), (vec![], vec![]), "{}", kind.name());
        assert!(host.state().has_carrier());
    }
}
