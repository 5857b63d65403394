//! 802.3ad: how it begins, who is woken when, and what single ports do.

use lab::Bonded;
use towpath_engine::{
    Command, CommandError, DeviceId, DropReason, Engine, Frame, Instant,
    device::{
        Link,
        bond::{Mode, Options, OptionsError},
    },
    snapshot::Restoring,
    wire::{
        MacAddr,
        lacp::{Lacpdu, PortInfo, PortState},
    },
};

fn lacp() -> Options {
    Options { mode: Mode::Ieee8023ad, miimon_ms: 100, ..Options::default() }
}

/// The states that the bond's text tells: of this end and of the other, port by port.
fn states(host: &Bonded) -> Vec<u8> {
    let text = host.text();
    text.lines().filter_map(|line| line.strip_prefix("    port state: ")?.parse().ok()).collect()
}

/// What a switch says by the other end of a port, which knows what the host says of that.
fn heard(host: &Bonded, port: u16) -> Vec<u8> {
    let own = PortInfo {
        system_priority: 32_768.into(),
        system: MacAddr([0, 0x13, 0xc4, 0, 0, 1]),
        key: 7.into(),
        port_priority: 32_768.into(),
        port: (port + 20).into(),
        state: PortState(0x3d),
    };
    let lacpdu = Lacpdu::new(own, host.state().port_info(DeviceId(port)).expect("it is a port"));
    [&[1, 0x80, 0xc2, 0, 0, 2, 0, 0x13, 0xc4, 0, 0, port as u8, 0x88, 9][..], &lacpdu.emit()].concat()
}

/// The switch says by both links what it has to say.
fn hear(host: &mut Bonded) {
    for port in [0, 1] {
        let frame = heard(host, port);
        assert_eq!(host.receive(port, &frame), []);
    }
}

/// A host that has come to terms with a switch by each of its two ports.
fn settled(options: Options) -> Bonded {
    let mut host = Bonded::new(options, &[0, 1]);
    for _ in 0..8 {
        hear(host.pass(1000));
    }
    host
}

#[test]
fn the_first_lacpdu_leaves_after_200_ms_and_says_that_nothing_is_known_of_the_other_end() {
    for (fast, active) in [(false, true), (true, true), (false, false)] {
        let mut host = Bonded::new(Options { lacp_fast: fast, lacp_active: active, ..lacp() }, &[0, 1]);
        assert_eq!(host.pass(199).sent(), []);
        let sent = host.pass(1).sent();
        assert_eq!(sent.iter().map(|(port, _)| port.0).collect::<Vec<_>>(), [0, 1], "from each port");
        // Aggregation, defaulted and expired.
        let state = 0xc4 | u8::from(active) | u8::from(fast) << 1;
        for (port, frame) in sent {
            let head = [&[1, 0x80, 0xc2, 0, 0, 2, 2, 0, 0, 0, 0, 0x10 + port.0 as u8][..], &[0x88, 9, 1, 1]].concat();
            assert_eq!(frame[..16], head);
            let Lacpdu { actor, partner, .. } = Lacpdu::parse(&frame[14..]).expect("it is whole");
            let expected = PortInfo {
                system_priority: 65_535.into(),
                system: host.mac(3),
                key: 15.into(),
                port_priority: 255.into(),
                port: (port.0 + 1).into(),
                state: PortState(state),
            };
            assert_eq!(actor, expected);
            let nobody = PortInfo {
                system: MacAddr::UNSPECIFIED,
                key: 1.into(),
                port: 1.into(),
                state: PortState::TIMEOUT,
                ..expected
            };
            assert_eq!(partner, nobody, "who is asked to speak every second");
        }
    }
}

#[test]
fn a_port_whose_other_end_is_silent_expects_it_for_three_seconds_and_then_does_without() {
    let mut host = Bonded::new(lacp(), &[0]);
    let (defaulted, expired) = (0x40, 0x80);
    assert_eq!(states(&host), [0x45, 0], "initialised");
    assert_eq!(states(host.pass(100)), [0x45 | expired, 2]);
    // Attached after two seconds, and so in the aggregator that is used.
    assert_eq!(states(host.pass(2999)), [0x4d | expired, 2]);
    assert_eq!(states(host.pass(1)), [0x0d | defaulted, 0]);
    let sent = |host: &mut Bonded| host.sent().len();
    assert!((4..=6).contains(&sent(&mut host)), "one a second, and what changes");
    host.pass(60_000);
    assert_eq!(sent(&mut host), 2, "then two a minute");
}

#[test]
fn a_port_is_used_as_soon_as_both_ends_have_waited_two_seconds() {
    let mut host = Bonded::new(lacp(), &[0, 1]);
    let mut used = Vec::new();
    for tenths in 1..=40 {
        hear(host.pass(100));
        if states(&host)[0] & 0x30 == 0x30 {
            used.push(tenths);
        }
    }
    assert!(matches!(used.first(), Some(21..=26)), "{used:?}");
}

#[test]
fn a_host_with_lacp_is_woken_only_while_a_timer_runs() {
    let wakes = |host: &mut Bonded, seconds: u64| {
        let end = host.now() + std::time::Duration::from_secs(seconds);
        let mut count = 0;
        while let Some((when, _)) = host.engine.poll_timeout().filter(|(when, _)| *when <= end) {
            host.until(when);
            count += 1;
        }
        host.until(end);
        count
    };
    let mut passive = Bonded::new(Options { lacp_active: false, ..lacp() }, &[0, 1]);
    passive.pass(100_000);
    assert_eq!(passive.engine.poll_timeout(), None, "nobody speaks, and nobody waits");
    let mut host = settled(lacp());
    host.link(0, false).pass(1000);
    let count = wakes(&mut host, 300);
    assert!(count < 100, "{count} for a port that is down and one that speaks every 30 s");
    host.link(1, false).pass(100_000);
    assert_eq!(host.engine.poll_timeout(), None, "no link, no protocol");
}

#[test]
fn a_port_that_is_used_before_its_updelay_is_over_takes_part_in_the_protocol() {
    let mut host = settled(Options { updelay_ms: 1000, ..lacp() });
    host.link(1, false).pass(100).link(1, true).pass(300);
    assert!(host.text().contains("\nMII Status: going back\n"), "{}", host.text());
    host.link(0, false).pass(100);
    assert!(host.text().contains("\nSlave Interface: p1\nMII Status: up\n"), "{}", host.text());
    assert_eq!(host.state().port_info(DeviceId(1)).map(|info| info.key.get()), Some(15));
    assert!(host.state().has_carrier());
}

#[test]
fn a_link_that_does_not_say_how_fast_it_is_fails_whatever_downdelay_says() {
    let mut host = settled(Options { downdelay_ms: 5000, ..lacp() });
    host.log();
    host.command(Command::SetLink(DeviceId(0), Link::DOWN)).expect("there is the port");
    assert_eq!(host.log(), ["bond0: (slave p0): speed changed to 0 on port 1"]);
    host.pass(100);
    let down = "bond0: (slave p0): link status definitely down, disabling slave";
    assert_eq!(host.log(), [down]);
    let mute = Link { carrier: true, speed_mbps: None, full_duplex: Some(true) };
    host.command(Command::SetLink(DeviceId(0), mute)).expect("there is the port");
    let again = "bond0: (slave p0): link status up again after 5000 ms";
    assert_eq!(host.pass(100).log(), [again, "bond0: (slave p0): failed to get link speed/duplex"]);
    assert!(host.text().contains("\nMII Status: down\n"));
    host.link(0, true).pass(100);
    let up = "bond0: (slave p0): link status definitely up, 10000 Mbps full duplex";
    assert_eq!(
        host.log(),
        [up, "bond0: active interface up!"],
        "the first that comes up later, and told though the bond was up"
    );
}

#[test]
fn ports_that_are_down_are_not_counted_though_they_belong_to_the_aggregator() {
    let mut host = settled(lacp());
    assert!(host.text().contains("\tNumber of ports: 2\n"), "{}", host.text());
    host.link(0, false).pass(100);
    assert!(host.text().contains("\tNumber of ports: 1\n"), "{}", host.text());
    assert_eq!(host.text().matches("\nAggregator ID: 1\n").count(), 2);
}

#[test]
fn ports_that_leave_say_so() {
    let mut host = settled(lacp());
    host.sent();
    host.bond(Options { miimon_ms: 100, mode: Mode::Xor, ..Options::default() }, &[0]).expect("it can be another one");
    let said: Vec<_> = host.sent().into_iter().map(|(port, frame)| (port.0, Lacpdu::parse(&frame[14..]))).collect();
    let states: Vec<_> = said.iter().map(|(port, said)| (*port, said.map(|said| said.actor.state.0))).collect();
    assert_eq!(states, [(0, Some(0x01)), (1, Some(0x01))], "only that they speak first");
}

#[test]
fn an_lacpdu_that_the_capture_has_cut_is_read_as_far_as_it_says_something() {
    let taken = |len: usize| {
        let mut host = Bonded::new(lacp(), &[0]);
        host.pass(1000);
        let frame = heard(&host, 0);
        let cut = Frame { wire_len: frame.len() as u32, ..Frame::new(DeviceId(0), &frame[..len]) };
        let now = host.now();
        host.engine.handle_frames(now, &[cut]);
        host.state().ad_stats(DeviceId(0)).map(|stats| stats.lacpdu_rx)
    };
    assert_eq!((taken(124), taken(68), taken(56), taken(55)), (Some(1), Some(1), Some(1), Some(0)));
}

#[test]
fn options_of_lacp_are_refused_in_other_modes() {
    let mut host = Bonded::new(lacp(), &[0, 1]);
    let xor = Options { mode: Mode::Xor, ..Options::default() };
    let cases = [
        ("lacp_rate", Options { lacp_fast: true, ..xor.clone() }),
        ("lacp_active", Options { lacp_active: false, ..xor.clone() }),
        ("ad_actor_sys_prio", Options { ad_actor_sys_prio: 1, ..xor.clone() }),
        ("ad_actor_system", Options { ad_actor_system: Some(MacAddr([2; 6])), ..xor.clone() }),
        ("ad_user_port_key", Options { ad_user_port_key: 1, ..xor }),
    ];
    for (name, options) in cases {
        let error = CommandError::Bond(OptionsError::NeedsMode(name, &[Mode::Ieee8023ad]));
        assert_eq!(host.bond(options, &[0, 1]), Err(error));
    }
    host.bond(Options { ad_actor_system: Some(MacAddr::UNSPECIFIED), ..lacp() }, &[0, 1]).expect("that is the default");
    assert!(host.text().contains("System MAC address: 02:00:00:00:00:10\n"), "{}", host.text());
}

#[test]
fn a_host_goes_on_from_a_snapshot_at_any_time() {
    for ms in [0, 50, 100, 250, 2100, 3100, 9000] {
        let mut hosts = [0, 1].map(|_| Bonded::new(lacp(), &[0, 1]));
        let [host, twin] = &mut hosts;
        for host in [&mut *host, &mut *twin] {
            host.pass(ms);
            if ms > 2000 {
                hear(host);
            }
            host.sent();
        }
        let bytes = host.engine.save();
        host.engine = Engine::restore(&bytes, Restoring::default()).unwrap_or_else(|error| panic!("{ms} ms: {error}"));
        assert!(host.engine.poll_transmit().is_none());
        for _ in 0..50 {
            assert_eq!((host.pass(300).sent(), host.text()), (twin.pass(300).sent(), twin.text()), "{ms} ms");
        }
    }
}

#[test]
fn a_frame_of_another_slow_protocol_is_nobodys() {
    let mut host = Bonded::at(Instant::from_secs(9), 1, |host| host.bond(lacp(), &[0]));
    host.pass(1000);
    let mut frame = heard(&host, 0);
    frame[14] = 10;
    assert_eq!(host.receive(0, &frame), [DropReason::LinkProtocolUnknown]);
}
