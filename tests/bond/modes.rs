//! By which ports packets leave and come in, by mode.

use lab::Bonded;
use towpath_engine::{
    Command, CommandError, DeviceId, DropReason, End, Frame, Instant, Outcome,
    device::{
        Device, Kind, Link, Vlan,
        bond::{FailOverMac, HashPolicy, Mode, Options, OptionsError, PrimaryReselect},
    },
    ip::{Route, RouteKind},
    limits::TRANSMIT_QUEUE_MAX,
    wire::MacAddr,
};

fn mode(mode: Mode) -> Options {
    Options { mode, miimon_ms: 100, ..Options::default() }
}

#[test]
fn packets_leave_by_one_port_after_the_other_and_as_many_by_each_as_was_said() {
    let mut host = Bonded::new(mode(Mode::RoundRobin), &[0, 1, 2]);
    assert_eq!(host.answers_by(0, 1..=6), [1, 2, 0, 1, 2, 0], "as in Linux, the second port has the first turn");
    let mut host = Bonded::new(Options { packets_per_port: 2, ..mode(Mode::RoundRobin) }, &[0, 1]);
    assert_eq!(host.answers_by(0, 1..=6), [0, 1, 1, 0, 0, 1]);
    let mut host = Bonded::new(Options { packets_per_port: 0, ..mode(Mode::RoundRobin) }, &[0, 1]);
    let by_lot = host.answers_by(0, 1..=200);
    assert!((70..=130).contains(&by_lot.iter().filter(|port| **port == 0).count()), "{by_lot:?}");
}

#[test]
fn a_port_that_is_down_is_left_out_of_turns() {
    let mut host = Bonded::new(mode(Mode::RoundRobin), &[0, 1, 2]);
    host.link(2, false).pass(100);
    assert_eq!(host.answers_by(0, 1..=4), [1, 0, 0, 1]);
}

#[test]
fn a_bond_tells_by_which_ports_it_sends_and_by_which_it_takes_anything() {
    let told = |host: &Bonded| {
        let used: Vec<u16> = host.state().in_use().map(|port| port.0).collect();
        let taken: Vec<u16> = (0..3).filter(|port| host.state().takes_by(DeviceId(*port))).collect();
        (used, taken)
    };
    for (kind, used, taken) in [
        (Mode::RoundRobin, vec![0, 1], vec![0, 1]),
        (Mode::ActiveBackup, vec![0], vec![0]),
        (Mode::Tlb, vec![0, 1], vec![0]),
        (Mode::Alb, vec![0, 1], vec![0, 1]),
    ] {
        let mut host = Bonded::new(mode(kind), &[0, 1]);
        assert_eq!(told(&host), (used, taken), "{}", kind.name());
        host.link(0, false).pass(100);
        let (used, taken) = told(&host);
        assert_eq!((used, taken.contains(&1)), (vec![1], true), "{}", kind.name());
    }
    // Nobody answers LACP: one port is used as if there were none.
    let mut host = Bonded::new(mode(Mode::Ieee8023ad), &[0, 1]);
    host.pass(20_000);
    assert_eq!(told(&host), (vec![0], vec![0]));
}

#[test]
fn a_port_without_a_carrier_is_passed_over_before_anybody_looks() {
    let by = |host: &mut Bonded| {
        let mut ports = host.answers_by(1, 1..=16);
        ports.sort_unstable();
        ports.dedup();
        ports
    };
    for kind in [Mode::RoundRobin, Mode::Xor, Mode::Broadcast] {
        let usual = Options { xmit_hash_policy: HashPolicy::Layer34, ..mode(kind) };
        let patient = Options { downdelay_ms: 500, ..usual.clone() };
        let blind = Options { miimon_ms: 0, ..usual.clone() };
        for options in [usual, patient, blind] {
            let told = format!("{} with {options:?}", kind.name());
            let mut host = Bonded::new(options, &[0, 1]);
            assert_eq!(by(&mut host), [0, 1], "{told}");
            host.link(0, false);
            assert_eq!(by(&mut host), [1], "{told}: at once");
            host.pass(200);
            assert_eq!(by(&mut host), [1], "{told}: as long as it has none");
            host.link(0, true).pass(100);
            assert_eq!(by(&mut host), [0, 1], "{told}: and no longer");
        }
    }
}

#[test]
fn igmp_leaves_by_one_port_whoever_has_the_turn() {
    let mut host = Bonded::new(mode(Mode::RoundRobin), &[0, 1]);
    let kind = RouteKind::Unicast { device: Bonded::BOND, via: None };
    let route = Route::new([224, 0, 0, 0].into(), 4, kind);
    host.command(Command::AddRoute(route)).expect("it is new");
    let igmp =
        [&[0x46, 0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, 1, 224, 0, 0, 22, 0x94, 4, 0, 0][..], &[0; 8]].concat();
    for _ in 0..3 {
        host.command(Command::SendPacket(igmp.clone())).expect("it is a packet");
    }
    assert_eq!(host.sent().iter().map(|(port, _)| port.0).collect::<Vec<_>>(), [0, 0, 0]);
}

#[test]
fn a_flow_leaves_by_the_port_that_its_hash_names_as_long_as_that_is_up() {
    let options = Options { xmit_hash_policy: HashPolicy::Layer34, ..mode(Mode::Xor) };
    let mut host = Bonded::new(options, &[0, 1, 2]);
    let addresses = u32::from_le_bytes([10, 0, 0, 1]) ^ u32::from_le_bytes([10, 0, 0, 99]);
    let of = |id: u16, ports: u32| {
        let hash = addresses ^ u32::from(id) << 16;
        let hash = hash ^ hash >> 16;
        (((hash ^ hash >> 8) >> 1) % ports) as u16
    };
    assert_eq!(host.answers_by(0, 1..=9), (1..=9).map(|id| of(id, 3)).collect::<Vec<_>>());
    host.link(1, false).pass(100);
    assert_eq!(host.answers_by(0, 1..=9), (1..=9).map(|id| [0, 2][usize::from(of(id, 2))]).collect::<Vec<_>>());
}

#[test]
fn a_broadcast_bond_sends_every_packet_by_each_port_that_is_up() {
    let mut host = Bonded::new(mode(Mode::Broadcast), &[0, 1, 2]);
    assert_eq!(host.answers_by(1, [1]), [0, 1, 2]);
    host.link(0, false).pass(100);
    assert_eq!(host.answers_by(1, [2]), [1, 2]);
    let copies = {
        host.receive(1, &Bonded::ping(host.mac(3), 3));
        host.sent()
    };
    assert_eq!(copies[0].1, copies[1].1);
}

#[test]
fn a_broadcast_is_sent_when_any_port_has_taken_it_and_what_others_lose_is_counted() {
    for full in [0, 1] {
        let mut host = Bonded::new(mode(Mode::Broadcast), &[0, 1]);
        let (now, mac) = (host.now(), host.mac(3));
        let link = |port, carrier| Command::SetLink(DeviceId(port), Link { carrier, ..Link::default() });
        let passing = lab::frame("lan", "10.0.0.99:1 > 10.0.0.98:9 udp");
        let passing = [&mac.0, &passing[6..]].concat();
        let give = |host: &mut Bonded, count, expected: Outcome| {
            host.engine.handle_frames(now, &vec![Frame::new(DeviceId(0), &passing); count]);
            let endings: Vec<_> = std::iter::from_fn(|| host.engine.poll_ending()).collect();
            assert_eq!(endings.len(), count);
            assert!(endings.iter().all(|ending| ending.outcome == expected), "{:?}", endings.last());
            host.engine.stats().drops(DropReason::TransmitQueueFull)
        };
        let sent = Outcome::Ended(End::Transmitted(Bonded::BOND));
        // Nobody fetches anything.
        host.engine.handle_command(now, link(1 - full, false)).expect("there is the port");
        assert_eq!(give(&mut host, TRANSMIT_QUEUE_MAX, sent), 0);
        host.engine.handle_command(now, link(1 - full, true)).expect("there is the port");
        assert_eq!(give(&mut host, 5, sent), 5, "port {full} is full");
    }
}

#[test]
fn what_a_bond_cannot_send_is_dropped_with_its_reason() {
    for kind in Mode::ALL {
        let mut host = Bonded::new(mode(kind), &[0, 1]);
        host.link(0, false).link(1, false).pass(100);
        let inbound = host.receive(0, &Bonded::ping(host.mac(3), 1));
        let expected = match kind {
            Mode::ActiveBackup | Mode::Ieee8023ad | Mode::Tlb => DropReason::BondPortInactive,
            Mode::RoundRobin | Mode::Xor | Mode::Broadcast | Mode::Alb => DropReason::BondPortsDown,
        };
        assert_eq!(inbound, [expected], "{}", kind.name());
    }
}

#[test]
fn only_the_active_port_takes_frames_in_but_those_for_no_station_beyond_the_link() {
    let mut host = Bonded::new(mode(Mode::ActiveBackup), &[0, 1]);
    let to = host.mac(3);
    assert_eq!(host.receive(1, &Bonded::ping(to, 1)), [DropReason::BondPortInactive]);
    assert_eq!(host.answers_by(0, [1]), [0]);
    let lldp = [&[1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 0x99, 0x88, 0xcc][..], &[0; 46]].concat();
    assert_eq!(host.receive(1, &lldp), [DropReason::LinkProtocolUnknown], "it is the port's own");
    let mut host = Bonded::new(Options { all_slaves_active: true, ..mode(Mode::ActiveBackup) }, &[0, 1]);
    assert_eq!(host.answers_by(1, [1]), [0]);
}

#[test]
fn a_port_takes_frames_for_its_own_address_and_not_for_the_bonds_when_that_is_another_ports() {
    for fail_over_mac in [FailOverMac::Active, FailOverMac::Follow] {
        let options = Options { fail_over_mac, all_slaves_active: true, ..mode(Mode::ActiveBackup) };
        let mut host = Bonded::new(options, &[0, 1]);
        let (bond, backup) = (host.mac(3), host.mac(1));
        assert_eq!(host.receive(1, &Bonded::ping(bond, 1)), [DropReason::LinkOtherHost], "{}", fail_over_mac.name());
        assert_eq!(host.receive(1, &Bonded::ping(backup, 2)), [], "{}", fail_over_mac.name());
        assert_eq!(host.receive(0, &Bonded::ping(bond, 3)), []);
    }
}

#[test]
fn a_frame_for_another_station_is_not_the_bonds() {
    let mut host = Bonded::new(mode(Mode::RoundRobin), &[0, 1]);
    let other = MacAddr([2, 0, 0, 0, 0, 0x77]);
    assert_eq!(host.receive(0, &Bonded::ping(other, 1)), [DropReason::LinkOtherHost]);
    assert_eq!(
        host.receive(2, &Bonded::ping(host.mac(3), 1)),
        [DropReason::LinkOtherHost],
        "the third is no port of it"
    );
}

#[test]
fn ports_have_the_bonds_address_while_they_belong_to_it() {
    let mut host = Bonded::new(mode(Mode::RoundRobin), &[1, 2]);
    let [p0, p1, p2] = [0x10, 0x11, 0x12].map(|last| MacAddr([2, 0, 0, 0, 0, last]));
    assert_eq!([0, 1, 2, 3].map(|device| host.mac(device)), [p0, p1, p1, p1]);
    host.bond(mode(Mode::RoundRobin), &[0, 1]).expect("it can be another one");
    assert_eq!([0, 1, 2, 3].map(|device| host.mac(device)), [p1, p1, p2, p1]);
    let fom = |fail_over_mac| Options { fail_over_mac, ..mode(Mode::ActiveBackup) };
    for kind in [FailOverMac::Active, FailOverMac::Follow] {
        let host = Bonded::new(fom(kind), &[0, 1]);
        assert_eq!([0, 1, 3].map(|device| host.mac(device)), [p0, p1, p0]);
    }
}

#[test]
fn a_vlan_over_a_bond_has_its_tagged_frames_and_sends_them_by_its_ports() {
    let mut host = Bonded::new(mode(Mode::RoundRobin), &[0, 1]);
    let mac = host.mac(3);
    host.vlan(mac);
    let untagged = lab::frame("lan", "10.7.0.9 > 10.7.0.1 icmp type 8 code 0 id 1");
    let frame = [&mac.0[..], &untagged[6..12], &[0x81, 0, 0, 7], &untagged[12..]].concat();
    assert_eq!(host.receive(1, &frame), []);
    let sent = host.sent();
    assert_eq!((sent[0].0, &sent[0].1[12..18]), (DeviceId(1), &[0x81, 0, 0, 7, 8, 0][..]));
    let other = [&frame[..14], &[0, 8], &frame[16..]].concat();
    assert_eq!(host.receive(1, &other), [DropReason::VlanUnknown]);
}

#[test]
fn a_bond_that_cannot_be_is_refused_and_nothing_has_changed() {
    let mut host = Bonded::new(mode(Mode::ActiveBackup), &[0, 1]);
    let before = host.engine.save();
    let bond = |options: Options, ports: &[u16]| {
        let ports = ports.iter().copied().map(DeviceId).collect();
        Command::SetBond(Bonded::BOND, Box::new(options), ports)
    };
    let primary = |port| Some(DeviceId(port));
    let wrong = [
        (bond(mode(Mode::Xor), &[]), CommandError::NoBond(Bonded::BOND)),
        (bond(mode(Mode::Xor), &[0, 0]), CommandError::BondPort(DeviceId(0))),
        (bond(mode(Mode::Xor), &[3]), CommandError::BondPort(DeviceId(3))),
        (bond(mode(Mode::Xor), &[9]), CommandError::BondPort(DeviceId(9))),
        (Command::SetBond(DeviceId(0), Box::default(), vec![DeviceId(2)]), CommandError::NoBond(DeviceId(0))),
        (Command::SetBond(DeviceId(9), Box::default(), vec![DeviceId(2)]), CommandError::NoDevice(DeviceId(9))),
        (
            bond(Options { primary: primary(2), ..mode(Mode::ActiveBackup) }, &[0, 1]),
            CommandError::Bond(OptionsError::PrimaryIsNoPort),
        ),
        (
            bond(Options { primary: primary(0), ..mode(Mode::Xor) }, &[0, 1]),
            CommandError::Bond(OptionsError::NeedsMode("primary", &[Mode::ActiveBackup, Mode::Tlb, Mode::Alb])),
        ),
        (
            bond(Options { packets_per_port: 2, ..mode(Mode::Xor) }, &[0, 1]),
            CommandError::Bond(OptionsError::NeedsMode("packets_per_slave", &[Mode::RoundRobin])),
        ),
        (
            bond(Options { updelay_ms: 100, ..Options::default() }, &[0, 1]),
            CommandError::Bond(OptionsError::NeedsMiimon("updelay")),
        ),
        (
            bond(Options { miimon_ms: 3_600_001, ..Options::default() }, &[0, 1]),
            CommandError::Bond(OptionsError::Time("miimon")),
        ),
    ];
    for (command, error) in wrong {
        assert_eq!(host.command(command), Err(error));
    }
    assert!(host.engine.save() == before, "nothing has changed");
    let vlan = Kind::Vlan(Vlan { parent: DeviceId(0), tpid: 0x8100, id: 7 });
    let device = Device { name: "p0.7".into(), kind: vlan, ..Device::default() };
    assert_eq!(
        host.command(Command::AddDevice(device)),
        Err(CommandError::DeviceKind(vlan)),
        "its frames are the bond's"
    );
}

#[test]
fn what_means_nothing_in_a_mode_is_taken_where_linux_takes_it() {
    let options = Options {
        fail_over_mac: FailOverMac::Active,
        primary_reselect: PrimaryReselect::Failure,
        num_peer_notif: 7,
        all_slaves_active: true,
        ..mode(Mode::Xor)
    };
    let mut host = Bonded::new(options, &[0, 1]);
    assert_eq!([0, 1].map(|port| host.mac(port)), [host.mac(3); 2], "all have the bond's");
    host.link(0, false).pass(1000);
    assert_eq!((host.sent(), host.mac(3)), (vec![], MacAddr([2, 0, 0, 0, 0, 0x10])));
}

#[test]
fn a_bond_that_takes_larger_packets_than_its_port_is_refused() {
    let told = |mtu_bytes| {
        let mut engine = towpath_engine::Engine::new(1);
        for (name, kind, mtu_bytes) in [("p", Kind::Physical, 1500), ("b", Kind::Bond, mtu_bytes)] {
            let device = Device { name: name.into(), kind, mtu_bytes, ..Device::default() };
            engine.handle_command(Instant::ZERO, Command::AddDevice(device)).expect("it is right");
        }
        engine.handle_command(Instant::ZERO, Command::SetBond(DeviceId(1), Box::default(), vec![DeviceId(0)])).map(drop)
    };
    assert_eq!((told(1500), told(1501)), (Ok(()), Err(CommandError::BondPort(DeviceId(0)))));
}
