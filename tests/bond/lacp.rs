//! 802.3ad: two hosts back to back, a host and a switch, and a host to which nobody answers.

use lab::Bonded;
use proptest::prelude::*;
use towpath_engine::{
    Command, DeviceId, DropReason, Instant,
    device::{
        Link,
        bond::{HashPolicy, Mode, Options, ad::AdSelect},
    },
    snapshot::Restoring,
    wire::{
        MacAddr,
        lacp::{Lacpdu, PortInfo, PortState},
    },
};

pub(super) fn lacp() -> Options {
    Options { mode: Mode::Ieee8023ad, miimon_ms: 100, ..Options::default() }
}

pub(super) fn fast() -> Options {
    Options { lacp_fast: true, ..lacp() }
}

/// Two hosts whose ports of the same number are the ends of one cable.
pub(super) struct Pair {
    pub(super) hosts: [Bonded; 2],
    cut: [bool; 3],
    /// LACPDUs that were sent, by whom, by which port and when.
    pub(super) said: Vec<(usize, u16, Instant, Lacpdu)>,
}

impl Pair {
    pub(super) fn new(options: [Options; 2], ports: &[u16]) -> Self {
        let mut stations = 1..;
        let hosts = options.map(|options| {
            let station = stations.next().expect("there is another");
            Bonded::at(Instant::from_secs(1_000_000), station, |host| host.bond(options, ports))
        });
        Self { hosts, cut: [false; 3], said: Vec::new() }
    }

    /// A cable is cut, or mended.
    fn cable(&mut self, port: u16, works: bool) {
        self.cut[usize::from(port)] = !works;
        self.hosts.iter_mut().for_each(|host| _ = host.link(port, works));
    }

    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.hosts[0].now() + std::time::Duration::from_millis(ms);
        loop {
            let due = self.hosts.iter().filter_map(|host| host.engine.poll_timeout()).map(|(when, _)| when).min();
            let when = due.unwrap_or(end).min(end);
            self.hosts.iter_mut().for_each(|host| host.until(when));
            self.exchange();
            if when == end {
                return;
            }
        }
    }

    /// Carries frames to the other ends, and what comes of them, until nothing does.
    fn exchange(&mut self) {
        loop {
            let mut carried = false;
            for from in [0, 1] {
                for (port, frame) in self.hosts[from].sent() {
                    if let Some(lacpdu) = Lacpdu::parse(&frame[14..]) {
                        self.said.push((from, port.0, self.hosts[from].now(), lacpdu));
                    }
                    if !self.cut[usize::from(port.0)] {
                        let dropped = self.hosts[1 - from].receive(port.0, &frame);
                        assert!(dropped.is_empty() || dropped == [DropReason::BondPortInactive], "{dropped:?}");
                        carried = true;
                    }
                }
            }
            if !carried {
                return;
            }
        }
    }

    /// The ports by which each host sends, of sixty flows.
    fn senders(&mut self) -> [Vec<u16>; 2] {
        [0, 1].map(|at| senders(&mut self.hosts[at], at as u8 + 1))
    }
}

/// The ports by which a host answers pings of sixty others that come in by any of them.
fn senders(host: &mut Bonded, station: u8) -> Vec<u16> {
    host.sent();
    let mac = host.mac(Bonded::BOND.0);
    let mut ports = Vec::new();
    for other in 100..160 {
        let ping = Bonded::ping_of(&format!("10.0.0.{other} > 10.0.0.{station}"), mac);
        for port in 0..3 {
            host.receive(port, &ping);
        }
        ports.extend(host.sent().into_iter().map(|(port, _)| port.0));
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

pub(super) fn balanced() -> Options {
    Options { xmit_hash_policy: HashPolicy::Layer34, ..fast() }
}

#[test]
fn two_hosts_back_to_back_come_to_terms_and_use_all_their_ports() {
    let mut pair = Pair::new([balanced(), balanced()], &[0, 1, 2]);
    pair.pass(15_000);
    for (own, other) in [(0, 1), (1, 0)] {
        let (text, partner) = (pair.hosts[own].text(), pair.hosts[other].mac(3));
        assert!(
            text.contains(&format!(
                "\tNumber of ports: 3\n\tActor Key: 15\n\tPartner Key: 15\n\tPartner Mac Address: {partner}\n"
            )),
            "{text}"
        );
        // Activity, short timeout, aggregation, synchronization, collecting, distributing.
        assert_eq!(text.matches("    port state: 63\n").count(), 6, "{text}");
        assert!(pair.hosts[own].state().has_carrier());
    }
    assert_eq!(pair.senders(), [vec![0, 1, 2], vec![0, 1, 2]]);
}

#[test]
fn lacpdus_go_out_as_often_as_the_other_end_asks_for_them_and_never_more_than_three_a_second() {
    let mut pair = Pair::new([fast(), lacp()], &[0, 1]);
    pair.pass(20_000);
    pair.said.clear();
    pair.pass(60_000);
    let count = |host| pair.said.iter().filter(|(from, port, ..)| (*from, *port) == (host, 0)).count();
    assert_eq!((count(0), count(1)), (2, 60), "the slow one is told twice a minute, the fast one every second");
    let mut pair = Pair::new([fast(), fast()], &[0]);
    for round in 0..40 {
        pair.cable(0, round % 2 == 1);
        pair.pass(150);
    }
    let times: Vec<Instant> = pair.said.iter().filter(|(from, ..)| *from == 0).map(|(_, _, when, _)| *when).collect();
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]).as_millis() >= 300), "{times:?}");
}

#[test]
fn a_port_that_fails_is_left_out_by_both_ends_and_comes_back() {
    let mut pair = Pair::new([balanced(), balanced()], &[0, 1]);
    pair.pass(15_000);
    pair.cable(0, false);
    pair.pass(100);
    assert_eq!(pair.senders(), [vec![1], vec![1]], "at the next look at links");
    pair.cable(0, true);
    pair.pass(6_000);
    assert_eq!(pair.senders(), [vec![0, 1], vec![0, 1]], "after both ends have waited two seconds");
    let text = pair.hosts[0].text();
    assert_eq!(text.matches("\nAggregator ID: ").count(), 2);
    assert!(text.contains("\tNumber of ports: 2\n"), "{text}");
}

#[test]
fn one_end_that_falls_silent_is_given_up_after_three_seconds_or_ninety() {
    for (options, seconds) in [(balanced(), 3), (Options { lacp_fast: false, ..balanced() }, 90)] {
        let mut pair = Pair::new([options.clone(), options], &[0, 1]);
        pair.pass(60_000);
        // The cable is cut between two media converters: both links stay up.
        pair.cut[1] = true;
        let last = pair.said.iter().rev().find(|(from, port, ..)| (*from, *port) == (1, 1)).expect("it has spoken").2;
        let waited = pair.hosts[0].now().since(last).as_millis() as u64;
        pair.pass(seconds * 1000 - waited - 200);
        assert_eq!(pair.senders()[0], [0, 1], "{seconds} s");
        pair.pass(400);
        assert_eq!(pair.senders()[0], [0], "{seconds} s");
    }
}

#[test]
fn without_an_answer_one_port_is_used_as_if_there_were_no_protocol() {
    let mut host = Bonded::new(balanced(), &[0, 1]);
    host.pass(20_000);
    assert_eq!(senders(&mut host, 1), [0]);
    let text = host.text();
    assert!(
        text.contains("\tNumber of ports: 1\n") && text.contains("\tPartner Mac Address: 00:00:00:00:00:00\n"),
        "{text}"
    );
    assert!(host.state().has_carrier());
    host.link(0, false).pass(200);
    assert_eq!(senders(&mut host, 1), [1], "the other one takes over");
}

#[test]
fn who_only_answers_says_nothing_first_and_goes_on_once_spoken_to() {
    let passive = Options { lacp_active: false, ..lacp() };
    let mut pair = Pair::new([passive.clone(), passive], &[0]);
    pair.pass(5_000);
    let count = pair.said.len();
    pair.pass(80_000);
    assert_eq!(pair.said.len(), count, "two that wait for each other say nothing more than that they have begun");
    let mut pair = Pair::new([Options { lacp_active: false, ..fast() }, fast()], &[0, 1]);
    pair.pass(20_000);
    assert!(pair.hosts[0].text().contains("\tNumber of ports: 2\n"), "{}", pair.hosts[0].text());
    pair.said.clear();
    pair.pass(10_000);
    assert_eq!(pair.said.iter().filter(|(from, port, ..)| (*from, *port) == (0, 0)).count(), 10);
}

/// What a switch says by one of its ports, of itself and of the host.
fn switch(system: u8, key: u16, port: u16, host: PortInfo) -> Vec<u8> {
    let state = PortState(0x3f);
    let own = PortInfo {
        system_priority: 32_768.into(),
        system: MacAddr([0, 0x13, 0xc4, 0, 0, system]),
        key: key.into(),
        port_priority: 32_768.into(),
        port: port.into(),
        state,
    };
    let lacpdu = Lacpdu::new(own, host);
    [&[1, 0x80, 0xc2, 0, 0, 2, 0, 0x13, 0xc4, 0, 0, port as u8, 0x88, 9][..], &lacpdu.emit()].concat()
}

/// Lets a host hear switches for some seconds: by each port what system and key it is told.
fn hear(host: &mut Bonded, links: &[(u16, u8, u16)], seconds: u64) {
    for _ in 0..seconds {
        host.pass(1000);
        let sent = host.sent();
        for &(port, system, key) in links {
            let said = sent.iter().rev().find(|(by, _)| by.0 == port);
            let known = said.and_then(|(_, frame)| Lacpdu::parse(&frame[14..]));
            let known = known.map_or_else(PortInfo::default, |lacpdu| lacpdu.actor);
            assert_eq!(host.receive(port, &switch(system, key, port + 20, known)), []);
        }
    }
}

#[test]
fn of_two_switches_the_one_is_used_that_ad_select_says() {
    let active = |host: &Bonded| {
        let text = host.text();
        let line = text.lines().find_map(|line| line.strip_prefix("\tPartner Mac Address: 00:13:c4:00:00:0"));
        line.map(str::to_owned).unwrap_or_else(|| panic!("{text}"))
    };
    let two = [(0, 1, 7), (1, 2, 7), (2, 2, 7)];
    for (ad_select, first, then) in
        [(AdSelect::Stable, "1", "1"), (AdSelect::Bandwidth, "1", "2"), (AdSelect::Count, "1", "2")]
    {
        let mut host = Bonded::new(Options { ad_select, ..fast() }, &[0, 1, 2]);
        hear(&mut host, &two[..1], 12);
        assert_eq!(active(&host), first);
        hear(&mut host, &two, 12);
        assert_eq!(active(&host), then, "{}", ad_select.name());
        // The stable one moves when its own link is gone.
        host.link(0, false);
        hear(&mut host, &two[1..], 4);
        assert_eq!(active(&host), "2");
    }
}

#[test]
fn the_aggregator_is_used_whose_ports_have_the_greatest_priorities_together() {
    for (prios, expected) in
        [(vec![], "2"), (vec![600], "1"), (vec![510, 255], "2"), (vec![100, 0, 101], "2"), (vec![9, 4, 4], "1")]
    {
        let options = Options { ad_select: AdSelect::ActorPortPrio, actor_port_prios: prios.clone(), ..fast() };
        let mut host = Bonded::new(options, &[0, 1, 2]);
        hear(&mut host, &[(0, 1, 7), (1, 2, 7), (2, 2, 7)], 12);
        let text = host.text();
        assert!(text.contains(&format!("\tPartner Mac Address: 00:13:c4:00:00:0{expected}")), "{prios:?} {text}");
        assert!(text.contains("Aggregator selection policy (ad_select): actor_port_prio\n"), "{text}");
        let first = prios.first().copied().unwrap_or(Options::ACTOR_PORT_PRIO);
        assert!(text.contains(&format!("    port priority: {first}\n")), "{text}");
        let said = host.state().port_info(DeviceId(0)).expect("a port");
        assert_eq!(said.port_priority.get(), first, "and so LACPDUs say");
    }
    let mut host = Bonded::new(fast(), &[0]);
    assert!(host.bond(Options { actor_port_prios: vec![1, 2], ..fast() }, &[0]).is_err());
    assert!(host.bond(Options { actor_port_prios: vec![1], ..Options::default() }, &[0]).is_err());
}

#[test]
fn ports_of_other_speeds_or_to_other_keys_are_not_one_link() {
    let mut host = Bonded::new(fast(), &[0, 1, 2]);
    let slower = Link { speed_mbps: Some(1000), ..Link::default() };
    host.command(Command::SetLink(DeviceId(1), slower)).expect("there is the port");
    hear(&mut host, &[(0, 1, 7), (1, 1, 7), (2, 1, 8)], 15);
    let text = host.text();
    assert!(text.contains("\tNumber of ports: 1\n"), "{text}");
    assert!(text.contains("    port key: 15\n") && text.contains("    port key: 9\n"), "{text}");
    let half = Link { full_duplex: Some(false), ..Link::default() };
    host.command(Command::SetLink(DeviceId(0), half)).expect("there is the port");
    host.pass(1000);
    host.sent();
    host.pass(10_000);
    assert!(host.sent().iter().all(|(port, _)| port.0 != 0), "half a link takes no part in the protocol");
}

#[test]
fn a_bond_with_too_few_ports_has_no_carrier() {
    let mut pair = Pair::new([Options { min_links: 2, ..fast() }, fast()], &[0, 1]);
    pair.pass(15_000);
    assert!(pair.hosts[0].state().has_carrier());
    pair.cable(1, false);
    pair.pass(200);
    assert!(!pair.hosts[0].state().has_carrier() && pair.hosts[1].state().has_carrier());
    assert!(pair.hosts[0].text().contains("\nMII Status: down\n"));
}

#[test]
fn ends_that_do_not_come_to_terms_within_a_minute_are_told() {
    let mut host = Bonded::new(fast(), &[0, 1]);
    for _ in 0..75 {
        host.pass(1000);
        for port in [0, 1] {
            let stranger = PortInfo::default();
            assert_eq!(host.receive(port, &switch(1, 7, port + 20, stranger)), []);
        }
    }
    let text = host.text();
    assert!(text.contains("Actor Churn State: none\nPartner Churn State: churned\n"), "{text}");
    assert!(text.contains("Partner Churned Count: 1\n"), "{text}");
}

#[test]
fn a_marker_is_answered_with_itself() {
    let mut host = Bonded::new(fast(), &[0, 1]);
    host.pass(1000).sent();
    let information = [2, 1, 1, 22, 0, 9, 0, 0x13, 0xc4, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef, 0, 0];
    let mut marker = [&[1, 0x80, 0xc2, 0, 0, 2, 0, 0x13, 0xc4, 0, 0, 1, 0x88, 9][..], &information, &[0; 92]].concat();
    assert_eq!(host.receive(1, &marker), []);
    let [(port, answer)]: [_; 1] = host.sent().try_into().expect("one answer");
    marker[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 0x11]);
    marker[16] = 2;
    assert_eq!((port, answer), (DeviceId(1), marker.clone()));
    assert_eq!(host.receive(1, &marker), [], "an answer is not answered");
    assert_eq!(host.sent(), []);
    let stats = host.state().ad_stats(DeviceId(1)).expect("it is a port");
    assert_eq!((stats.marker_rx, stats.marker_resp_tx, stats.marker_resp_rx), (1, 1, 1));
}

#[test]
fn slow_protocols_are_for_ports_of_such_bonds_only() {
    let mut host = Bonded::new(Options { mode: Mode::Xor, miimon_ms: 100, ..Options::default() }, &[0]);
    let frame = switch(1, 7, 20, PortInfo::default());
    assert_eq!(host.receive(0, &frame), [DropReason::LinkProtocolUnknown]);
    assert_eq!(host.receive(2, &frame), [DropReason::LinkProtocolUnknown], "no port of a bond");
    let mut host = Bonded::new(lacp(), &[0]);
    assert_eq!(host.receive(0, &frame[..100]), [DropReason::LinkProtocolUnknown], "it is not whole");
    let tagged = |tags: &[u8]| [&frame[..12], tags, &frame[12..]].concat();
    let taken = |host: &Bonded| host.state().ad_stats(DeviceId(0)).expect("a port").lacpdu_rx;
    for (tags, is_taken) in [
        (&[0x81, 0, 0xe0, 0][..], true),
        (&[0x81, 0, 0, 7], true),
        (&[0x88, 0xa8, 0, 9], true),
        (&[0x81, 0, 0, 7, 0x81, 0, 0, 8], false),
    ] {
        let before = taken(&host);
        let dropped = host.receive(0, &tagged(tags));
        assert_eq!((taken(&host) - before, dropped.is_empty()), (u64::from(is_taken), is_taken), "{tags:x?}");
    }
}

#[test]
fn who_hears_himself_says_so_and_does_not_aggregate() {
    let mut host = Bonded::new(fast(), &[0, 1]);
    for _ in 0..50 {
        host.pass(100);
        for (port, frame) in host.sent() {
            host.receive(1 - port.0, &frame);
        }
    }
    let expected = "bond0: (slave p0): An illegal loopback occurred on slave\n";
    assert!(host.log().iter().any(|line| line.starts_with(expected)));
    assert!(host.text().contains("\tNumber of ports: 1\n"), "{}", host.text());
}

#[test]
fn a_host_goes_on_from_a_snapshot_in_the_middle_of_coming_to_terms() {
    let mut pair = Pair::new([balanced(), fast()], &[0, 1]);
    pair.pass(1_450);
    let bytes = pair.hosts[0].engine.save();
    pair.hosts[0].engine = towpath_engine::Engine::restore(&bytes, Restoring::default()).expect("it is whole");
    assert!(pair.hosts[0].engine.save() == bytes);
    let mut other = Pair::new([balanced(), fast()], &[0, 1]);
    other.pass(1_450);
    pair.said.clear();
    other.said.clear();
    pair.pass(30_000);
    other.pass(30_000);
    assert_eq!(pair.hosts[0].text(), other.hosts[0].text());
    assert_eq!(pair.said, other.said);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn whatever_links_have_done_both_ends_agree_in_the_end(
        steps in prop::collection::vec((0..3_u16, any::<bool>(), 0..6000_u64), 1..14),
        rates in any::<[bool; 2]>(),
        active in any::<bool>(),
        select in 0..3_usize,
        last in 0..8_u8,
    ) {
        let options = |at: usize| Options {
            lacp_fast: rates[at],
            lacp_active: at == 0 || active,
            ad_select: AdSelect::ALL[select],
            ..balanced()
        };
        let mut pair = Pair::new([options(0), options(1)], &[0, 1, 2]);
        for (port, works, ms) in steps {
            pair.cable(port, works);
            pair.pass(ms);
        }
        let up: Vec<u16> = (0..3).filter(|port| last & 1 << port != 0).collect();
        for port in 0..3 {
            pair.cable(port, up.contains(&port));
        }
        // Longer than any timer but the slow one's of 90 s, and than that.
        pair.pass(150_000);
        prop_assert_eq!(pair.senders(), [up.clone(), up.clone()], "{}{}", pair.hosts[0].text(), pair.hosts[1].text());
        for (own, other) in [(0, 1), (1, 0)] {
            let (text, partner) = (pair.hosts[own].text(), pair.hosts[other].mac(3));
            // Ports that are down still belong to the aggregator, as in Linux.
            let agreed = format!("\tPartner Mac Address: {partner}\n");
            prop_assert!(up.is_empty() || text.contains(&agreed), "{text}");
            prop_assert_eq!(pair.hosts[own].state().has_carrier(), !up.is_empty());
        }
        // What is settled stays so.
        let before = pair.hosts.each_ref().map(Bonded::text);
        pair.pass(100_000);
        prop_assert_eq!(pair.hosts.each_ref().map(Bonded::text), before);
    }
}
