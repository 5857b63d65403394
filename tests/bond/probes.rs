//! Links that are judged by who answers by them: `arp_interval`.

use std::time::Duration;

use lab::Bonded;
use towpath_engine::{
    Command, DeviceId,
    device::bond::{ArpValidate, Mode, Options},
    snapshot::Restoring,
    wire::MacAddr,
};

const TARGET: [u8; 4] = [10, 0, 0, 99];
const OTHER: [u8; 4] = [10, 0, 0, 98];
const TARGET_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);

fn asking(mode: Mode) -> Options {
    Options { mode, arp_interval_ms: 100, arp_ip_targets: vec![TARGET.into()], ..Options::default() }
}

fn validating(arp_validate: ArpValidate) -> Options {
    Options { arp_validate, ..asking(Mode::ActiveBackup) }
}

/// A bond whose ports lead to a switch, behind which targets answer.
struct Switched {
    host: Bonded,
    /// Which cables work. The ports' links say nothing of it.
    cables: [bool; 3],
    targets: Vec<[u8; 4]>,
    /// Whether the switch sends questions on to the other ports.
    floods: bool,
    /// Questions that left: by which port, when, from whom and for whom.
    asked: Vec<(u16, u64, [u8; 4], [u8; 4])>,
    /// When neighbours were told where the bond is, and by which port.
    told: Vec<(u16, u64)>,
}

impl Switched {
    fn new(options: Options) -> Self {
        let host = made(options);
        Self { host, cables: [true; 3], targets: vec![TARGET], floods: false, asked: Vec::new(), told: Vec::new() }
    }

    fn pass(&mut self, ms: u64) -> &mut Self {
        let end = self.host.now() + Duration::from_millis(ms);
        while let Some((when, _)) = self.host.engine.poll_timeout().filter(|(when, _)| *when <= end) {
            self.host.until(when);
            self.carry();
        }
        self.host.until(end);
        self
    }

    fn carry(&mut self) {
        for (DeviceId(port), frame) in self.host.sent() {
            let ms = self.host.now().as_nanos() / 1_000_000 - 1_000_000_000;
            if frame[12..14] == [8, 6] && frame[28..32] == frame[38..42] {
                self.told.push((port, ms));
            }
            let Some(arp) = question(&frame) else { continue };
            self.asked.push((port, ms, arp.from, arp.to));
            if !self.cables[usize::from(port)] {
                continue;
            }
            if self.floods {
                for other in (0..2).filter(|other| *other != port && self.cables[usize::from(*other)]) {
                    self.host.receive(other, &frame);
                }
            }
            if self.targets.contains(&arp.to) {
                self.host.receive(port, &answer(&arp));
            }
        }
    }

    /// The ports by which was asked since this was asked last.
    fn asked_by(&mut self) -> Vec<u16> {
        self.asked.drain(..).map(|(port, ..)| port).collect()
    }

    fn has_failed(&self, port: u16) -> bool {
        let text = self.host.text();
        let mut counts = text.lines().filter_map(|line| line.strip_prefix("Link Failure Count: "));
        counts.nth(usize::from(port)).is_some_and(|count| count != "0")
    }

    fn states(&self) -> Vec<String> {
        let text = self.host.text();
        text.lines().filter_map(|line| line.strip_prefix("MII Status: ")).skip(1).map(str::to_owned).collect()
    }
}

/// A bond that has told its neighbours already where it is.
fn made(options: Options) -> Bonded {
    let mut host = Bonded::new(options, &[0, 1]);
    host.sent();
    host.log();
    host
}

/// Who asks by ARP for whom.
#[derive(Clone, Copy)]
struct Question {
    mac: MacAddr,
    from: [u8; 4],
    to: [u8; 4],
}

fn question(frame: &[u8]) -> Option<Question> {
    let is_question = frame[12..].starts_with(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    let part = |from: usize| frame.get(from..from + 4)?.try_into().ok();
    let (from, to) = (part(28)?, part(38)?);
    (is_question && from != to).then(|| Question {
        mac: MacAddr(frame[22..28].try_into().expect("six bytes")),
        from,
        to,
    })
}

/// ARP from one station to another.
fn arp(operation: u8, (mac, ip): (MacAddr, [u8; 4]), (to, target): (MacAddr, [u8; 4])) -> Vec<u8> {
    let head = [&to.0[..], &mac.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation]].concat();
    [&head[..], &mac.0, &ip, &to.0, &target].concat()
}

fn answer(asked: &Question) -> Vec<u8> {
    arp(2, (TARGET_MAC, asked.to), (asked.mac, asked.from))
}

#[test]
fn the_active_port_asks_and_gives_way_when_nobody_has_answered_for_two_intervals_and_a_half() {
    let mut net = Switched::new(asking(Mode::ActiveBackup));
    net.floods = true;
    net.pass(1000);
    assert_eq!(net.asked.iter().map(|(port, ms, ..)| (*port, *ms)).collect::<Vec<_>>(), {
        (1..=10).map(|look| (0, look * 100)).collect::<Vec<_>>()
    });
    assert!(net.asked.iter().all(|(_, _, from, to)| (*from, *to) == ([10, 0, 0, 1], TARGET)));
    assert_eq!(net.host.log(), Vec::<String>::new());
    net.cables[0] = false;
    net.pass(200);
    assert_eq!((net.host.active(), net.host.log()), (Some(0), vec![]), "what came last is two intervals old");
    net.pass(100);
    assert_eq!(net.host.active(), Some(1));
    assert_eq!(
        net.host.log(),
        [
            "bond0: (slave p0): link status definitely down, disabling slave",
            "bond0: (slave p1): making interface the new active one",
        ]
    );
    net.asked_by();
    net.pass(500);
    assert_eq!((net.asked_by(), net.states()), (vec![1; 5], vec!["down".to_owned(), "up".to_owned()]));
    net.cables[0] = true;
    net.pass(200);
    assert_eq!(net.host.log(), ["bond0: (slave p0): link status definitely up"]);
    assert_eq!(net.host.active(), Some(1), "it stays where it is");
    assert!(net.host.text().contains("Link Failure Count: 1\n"));
}

#[test]
fn while_nobody_answers_each_port_is_tried_in_turn_and_the_first_by_which_somebody_does_is_used() {
    let mut net = Switched::new(validating(ArpValidate::All));
    net.pass(1000);
    net.cables = [false; 3];
    net.pass(1000);
    assert_eq!((net.host.active(), net.host.state().has_carrier()), (None, false));
    assert!(net.host.log().contains(&"bond0: now running without any active interface!".to_owned()));
    net.asked_by();
    net.pass(400);
    let tried = net.asked_by();
    assert!(tried == [0, 1, 0, 1] || tried == [1, 0, 1, 0], "{tried:?}");
    assert!(net.states().contains(&"going back".to_owned()) && net.states().contains(&"going down".to_owned()));
    net.cables[1] = true;
    net.pass(300);
    assert_eq!((net.host.active(), net.host.state().has_carrier()), (Some(1), true));
    assert_eq!(
        net.host.log(),
        [
            "bond0: (slave p1): link status definitely up",
            "bond0: (slave p1): making interface the new active one",
            "bond0: active interface up!",
        ]
    );
    net.asked_by();
    net.pass(300);
    assert_eq!(net.asked_by(), [1, 1, 1]);
    // A port without a carrier is not tried.
    net.host.link(0, false);
    net.cables = [false; 3];
    net.pass(500);
    net.asked_by();
    net.pass(400);
    assert_eq!(net.asked_by(), [1; 4]);
}

#[test]
fn the_primary_port_takes_over_again_as_soon_as_it_is_heard_by() {
    let options = Options { primary: Some(DeviceId(0)), num_peer_notif: 2, ..asking(Mode::ActiveBackup) };
    let mut net = Switched::new(options);
    net.floods = true;
    net.pass(500);
    net.cables[0] = false;
    net.pass(400);
    assert_eq!(net.host.active(), Some(1));
    net.cables[0] = true;
    net.pass(100);
    assert_eq!(net.host.active(), Some(1), "it has heard something, and nobody has looked");
    net.pass(100);
    assert_eq!(net.host.active(), Some(0));
}

#[test]
fn a_port_in_waiting_is_up_while_it_hears_the_active_one_ask() {
    let mut net = Switched::new(validating(ArpValidate::All));
    net.floods = true;
    net.pass(1000);
    assert_eq!(net.states(), ["up", "up"]);
    net.floods = false;
    net.pass(300);
    assert_eq!(net.states(), ["up", "up"], "it has one interval more");
    net.pass(100);
    assert_eq!(net.states(), ["up", "down"]);
    assert_eq!(net.host.log(), ["bond0: (slave p1): link status definitely down, disabling slave"]);
    // What it says itself is believed by nobody while the active port is not answered.
    let mut net = Switched::new(validating(ArpValidate::Backup));
    net.floods = true;
    net.targets.clear();
    net.pass(2000);
    assert_ne!(net.states()[1], "up");
}

/// What counts of what comes by the active port, or by the one in waiting, under each `arp_validate`: anything, ARP between others,
/// and what a target says or is asked.
#[rustfmt::skip]
static COUNTS: [(ArpValidate, [&str; 2]); 7] = [
    //                           active port           other port
    (ArpValidate::None,         ["any arp target",    "any arp target"]),
    (ArpValidate::Active,       ["target",            "any arp target"]),
    (ArpValidate::Backup,       ["any arp target",    "target"]),
    (ArpValidate::All,          ["target",            "target"]),
    (ArpValidate::Filter,       ["arp target",        "arp target"]),
    (ArpValidate::FilterActive, ["target",            "arp target"]),
    (ArpValidate::FilterBackup, ["arp target",        "target"]),
];

#[test]
fn what_counts_is_what_arp_validate_says() {
    for (validate, counts) in COUNTS {
        for (place, expected) in [0, 1].into_iter().zip(counts) {
            for kind in ["any", "arp", "target"] {
                let mut net = Switched::new(validating(validate));
                net.floods = true;
                net.pass(1000);
                let own = net.host.mac(0);
                let us = (MacAddr::UNSPECIFIED, [10, 0, 0, 1]);
                let frame = match (kind, place) {
                    ("any", _) => Bonded::ping_of("192.0.2.1 > 192.0.2.2", own),
                    ("arp", _) => arp(2, (TARGET_MAC, OTHER), (own, [10, 0, 0, 1])),
                    (_, 0) => arp(2, (TARGET_MAC, TARGET), (own, us.1)),
                    (..) => arp(1, (own, us.1), (MacAddr::BROADCAST, TARGET)),
                };
                // Nothing comes by the port but this.
                match place {
                    0 => net.targets.clear(),
                    _ => net.floods = false,
                }
                for _ in 0..8 {
                    net.pass(100);
                    net.host.receive(place, &frame);
                }
                assert_eq!(
                    !net.has_failed(place),
                    expected.split(' ').any(|word| word == kind),
                    "{validate:?} {place} {kind}"
                );
            }
        }
    }
}

#[test]
fn frames_for_other_stations_are_no_answers_and_those_with_a_tag_are() {
    for (to, tag, is_up) in [
        ([2, 0, 0, 0, 0, 0x10], &[][..], true),
        ([2, 0, 0, 0, 0, 0x77], &[], false),
        ([2, 0, 0, 0, 0, 0x10], &[0x81, 0, 0, 9], true),
    ] {
        let mut net = Switched::new(validating(ArpValidate::All));
        net.pass(500).targets.clear();
        let mut frame = arp(2, (TARGET_MAC, TARGET), (MacAddr(to), [10, 0, 0, 1]));
        frame.splice(12..12, tag.iter().copied());
        for _ in 0..8 {
            net.pass(100);
            net.host.receive(0, &frame);
        }
        assert_eq!(!net.has_failed(0), is_up, "{to:?} {tag:?}");
    }
}

#[test]
fn with_arp_all_targets_each_of_them_has_to_answer() {
    for (all, answering, is_up) in
        [(false, vec![TARGET], true), (true, vec![TARGET], false), (true, vec![TARGET, OTHER], true)]
    {
        let options = Options {
            arp_all_targets: all,
            arp_ip_targets: vec![TARGET.into(), OTHER.into()],
            ..validating(ArpValidate::All)
        };
        let mut net = Switched::new(options);
        net.targets = answering.clone();
        net.pass(1500);
        assert_eq!(net.host.active().is_some(), is_up, "{all} {answering:?}");
    }
}

#[test]
fn a_target_is_asked_from_where_it_lies_with_its_vlans_tag() {
    let far = [192, 0, 2, 9];
    let vlan = [10, 7, 0, 9];
    let targets = [TARGET, far, vlan, [10, 0, 0, 1]].map(Into::into).to_vec();
    let mut host = made(Options { arp_ip_targets: targets, ..asking(Mode::ActiveBackup) });
    host.vlan(MacAddr([2, 0, 0, 0, 0, 0x77]));
    host.pass(100);
    let sent: Vec<_> = host.sent().into_iter().map(|(port, frame)| (port.0, frame)).collect();
    let asked = |tag: &[u8], from: [u8; 4], to: [u8; 4]| {
        let mac = [2, 0, 0, 0, 0, 0x10];
        let head = [&[0xff; 6][..], &mac, tag, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
        (0, [&head[..], &mac, &from, &[0; 6], &to].concat())
    };
    let expected = [
        asked(&[], [10, 0, 0, 1], TARGET),
        asked(&[], [0, 0, 0, 0], far),
        asked(&[0x81, 0, 0, 7], [10, 7, 0, 1], vlan),
    ];
    assert_eq!(sent, expected, "nobody asks for its own address");
}

#[test]
fn a_target_behind_another_device_is_not_asked_and_so_no_link_carries() {
    let options = Options { arp_ip_targets: vec![[10, 8, 0, 9].into()], ..asking(Mode::RoundRobin) };
    let mut host = Bonded::new(options, &[0, 1]);
    host.command(Command::AddAddress(
        DeviceId(2),
        towpath_engine::device::InterfaceAddress { address: [10, 8, 0, 1].into(), prefix: 24 },
    ))
    .expect("it is no port");
    host.pass(1000);
    assert_eq!((host.sent(), host.state().has_carrier()), (vec![], false));
}

#[test]
fn stations_are_asked_over_ipv6_by_solicitations_and_answer_by_advertisements() {
    let options = Options {
        arp_ip_targets: vec![],
        ns_ip6_targets: vec!["fd00::99".parse().expect("an address"), "2001:db8::7".parse().expect("an address")],
        ..validating(ArpValidate::All)
    };
    let mut host = made(options);
    host.pass(100);
    let sent = host.sent();
    assert_eq!(sent.len(), 2);
    let (near, far) = (&sent[0].1, &sent[1].1);
    assert_eq!(near[..14], [0x33, 0x33, 0xff, 0, 0, 0x99, 2, 0, 0, 0, 0, 0x10, 0x86, 0xdd]);
    assert_eq!((near[20], near[21], near[54], near.len()), (58, 255, 135, 86), "with an Ethernet address");
    assert_eq!(near[22..38], "fd00::1".parse::<std::net::Ipv6Addr>().expect("an address").octets());
    assert_eq!(near[78..86], [1, 1, 2, 0, 0, 0, 0, 0x10]);
    assert_eq!(
        (&far[22..38], far.len()),
        (&[0; 16][..], 78),
        "nobody asks where no way leads, and says no Ethernet address"
    );
    // The answer: from the target to this host.
    let mut answer = near.clone();
    answer[..6].copy_from_slice(&[2, 0, 0, 0, 0, 0x10]);
    answer[6..12].copy_from_slice(&TARGET_MAC.0);
    let [own, target] =
        ["fd00::1", "fd00::99"].map(|text| text.parse::<std::net::Ipv6Addr>().expect("an address").octets());
    answer[22..38].copy_from_slice(&target);
    answer[38..54].copy_from_slice(&own);
    answer[54] = 136;
    for _ in 0..10 {
        host.receive(0, &answer);
        host.receive(1, near);
        host.pass(100);
    }
    assert_eq!((host.active(), host.log()), (Some(0), vec![]));
    assert!(!host.text().contains("MII Status: down"), "{}", host.text());
    for _ in 0..10 {
        host.receive(1, near);
        host.pass(100);
    }
    assert_ne!(host.active(), Some(0), "without answers it is not believed");
}

#[test]
fn every_port_of_a_mode_that_sends_by_several_asks_and_is_used_while_it_is_answered() {
    for mode in [Mode::RoundRobin, Mode::Xor, Mode::Broadcast] {
        let mut net = Switched::new(asking(mode));
        net.pass(1000);
        assert_eq!(net.asked_by(), [0, 1].repeat(10), "{}", mode.name());
        net.cables[1] = false;
        net.pass(300);
        assert_eq!(net.host.log(), ["bond0: (slave p1): interface is now down"], "{}", mode.name());
        let by = net.host.answers_by(0, 0..4);
        assert!(by.iter().all(|port| *port == 0), "{} {by:?}", mode.name());
        net.cables = [false; 3];
        net.pass(400);
        assert_eq!(
            net.host.log(),
            ["bond0: (slave p0): interface is now down", "bond0: now running without any active interface!"]
        );
        net.cables = [false, true, true];
        net.pass(200);
        assert_eq!(
            net.host.log(),
            ["bond0: (slave p1): link status definitely up", "bond0: active interface up!"],
            "{}",
            mode.name()
        );
        net.cables = [true; 3];
        net.pass(200);
        assert_eq!(net.host.log(), ["bond0: (slave p0): interface is now up"]);
        assert_eq!(net.states(), ["up", "up"]);
        let text = net.host.text();
        assert_eq!(text.matches("Link Failure Count: 1\n").count(), 2, "{text}");
    }
}

#[test]
fn arp_missed_max_says_how_many_intervals_are_waited() {
    for (missed, intervals) in [(1, 2), (2, 3), (5, 6)] {
        let mut net = Switched::new(Options { arp_missed_max: missed, ..asking(Mode::RoundRobin) });
        net.pass(1000);
        net.host.log();
        net.cables[1] = false;
        net.pass(intervals * 100 - 100);
        assert_eq!(net.host.log(), Vec::<String>::new(), "{missed}");
        net.pass(100);
        assert_eq!(net.host.log(), ["bond0: (slave p1): interface is now down"], "{missed}");
    }
}

#[test]
fn neighbours_are_told_at_one_look_after_the_other() {
    let mut net = Switched::new(Options { num_peer_notif: 3, ..asking(Mode::ActiveBackup) });
    net.floods = true;
    net.pass(1000).told.clear();
    net.cables[0] = false;
    net.pass(1000);
    assert_eq!(net.told, [(1, 1300), (1, 1400), (1, 1500)]);
}

#[test]
fn a_bond_goes_on_from_a_snapshot_in_the_middle_of_a_search() {
    let mut net = Switched::new(Options { arp_all_targets: true, ..validating(ArpValidate::FilterActive) });
    net.pass(1000);
    net.cables = [false; 3];
    net.pass(730);
    let bytes = net.host.engine.save();
    let mut twin = Switched::new(asking(Mode::ActiveBackup));
    twin.host.engine = towpath_engine::Engine::restore(&bytes, Restoring::default()).expect("it is whole");
    assert!(twin.host.engine.save() == bytes);
    twin.host.until(net.host.now());
    for other in [&mut net, &mut twin] {
        other.host.sent();
        other.host.log();
        other.asked.clear();
        other.cables = [true; 3];
        other.pass(1000);
    }
    assert_eq!((net.host.text(), net.host.log()), (twin.host.text(), twin.host.log()));
    assert_eq!(net.asked, twin.asked);
    assert!(net.host.engine.save() == twin.host.engine.save());
}

#[test]
fn who_is_asked_is_printed_as_linux_prints_it() {
    let options = Options {
        arp_ip_targets: vec![TARGET.into(), OTHER.into()],
        ns_ip6_targets: vec!["2001:db8::7".parse().expect("an address")],
        ..asking(Mode::ActiveBackup)
    };
    let text = Bonded::new(options, &[0, 1]).text();
    let expected = "\
Peer Notification Delay (ms): 0
ARP Polling Interval (ms): 100
ARP Missed Max: 2
ARP IP target/s (n.n.n.n form): 10.0.0.99, 10.0.0.98
NS IPv6 target/s (xx::xx form): 2001:db8::7

Slave Interface: p0
";
    assert!(text.contains(expected), "{text}");
    let none = Bonded::new(asking(Mode::RoundRobin), &[0, 1]).text();
    assert!(none.contains("NS IPv6 target/s (xx::xx form):\n"), "{none}");
}
