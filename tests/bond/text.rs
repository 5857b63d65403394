//! A bond as `/proc/net/bonding` prints it. The layouts are those of bonds of Linux 6.4 and 6.12 whose texts people have published.

use lab::Bonded;
use towpath_engine::{
    Command, DeviceId,
    device::{
        Link,
        bond::{FailOverMac, HashPolicy, Mode, Options, PrimaryReselect},
    },
};

#[test]
fn an_active_backup_bond_is_printed_as_linux_prints_it() {
    let options = Options { mode: Mode::ActiveBackup, miimon_ms: 100, ..Options::default() };
    let mut host = Bonded::new(options, &[0, 1]);
    host.link(1, false).pass(200);
    host.command(Command::SetLink(DeviceId(1), Link::DOWN)).expect("there is the port");
    let expected = "\
Ethernet Channel Bonding Driver: v6.18.0

Bonding Mode: fault-tolerance (active-backup)
Primary Slave: None
Currently Active Slave: p0
MII Status: up
MII Polling Interval (ms): 100
Up Delay (ms): 0
Down Delay (ms): 0
Peer Notification Delay (ms): 0

Slave Interface: p0
MII Status: up
Speed: 10000 Mbps
Duplex: full
Link Failure Count: 0
Permanent HW addr: 02:00:00:00:00:10
Slave queue ID: 0

Slave Interface: p1
MII Status: down
Speed: Unknown
Duplex: Unknown
Link Failure Count: 1
Permanent HW addr: 02:00:00:00:00:11
Slave queue ID: 0
";
    assert_eq!(host.text(), expected);
}

#[test]
fn what_a_mode_has_beside_it_is_printed_with_it() {
    let head = |options: Options| {
        let text = Bonded::new(options, &[0, 1]).text();
        text.lines().skip(2).take_while(|line| !line.starts_with("MII Status")).map(str::to_owned).collect::<Vec<_>>()
    };
    let options = Options { mode: Mode::Xor, xmit_hash_policy: HashPolicy::Layer23, ..Options::default() };
    assert_eq!(head(options), ["Bonding Mode: load balancing (xor)", "Transmit Hash Policy: layer2+3 (2)"]);
    assert_eq!(head(Options::default()), ["Bonding Mode: load balancing (round-robin)"]);
    let options = Options { mode: Mode::Broadcast, ..Options::default() };
    assert_eq!(head(options), ["Bonding Mode: fault-tolerance (broadcast)"]);
    let options = Options {
        mode: Mode::ActiveBackup,
        primary: Some(DeviceId(1)),
        primary_reselect: PrimaryReselect::Failure,
        fail_over_mac: FailOverMac::Follow,
        ..Options::default()
    };
    let expected = [
        "Bonding Mode: fault-tolerance (active-backup) (fail_over_mac follow)",
        "Primary Slave: p1 (primary_reselect failure)",
        "Currently Active Slave: p1",
    ];
    assert_eq!(head(options), expected);
}

#[test]
fn delays_are_printed_as_whole_looks() {
    let options = Options {
        mode: Mode::RoundRobin,
        miimon_ms: 150,
        updelay_ms: 400,
        downdelay_ms: 149,
        peer_notif_delay_ms: 450,
        ..Options::default()
    };
    let text = Bonded::new(options, &[0, 1]).text();
    let expected =
        "MII Polling Interval (ms): 150\nUp Delay (ms): 300\nDown Delay (ms): 0\nPeer Notification Delay (ms): 450\n";
    assert!(text.contains(expected), "{text}");
}
