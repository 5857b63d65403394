//! What is lost when links fail below bonds, how long it takes until others are used, and how flows are balanced.

use std::time::Duration;

use towpath_engine::{DropReason, device::bond::Mode};
use towpath_replay::lab::{BondReport, Lost, Pass, Passing, Report, Scenario, Watch, run};

use super::library::{FROM, play, read};

/// The number of a link.
fn link(scenario: &Scenario, name: &str) -> usize {
    scenario.links.iter().position(|link| link.name == name).unwrap_or_else(|| panic!("there is no link {name}"))
}

/// The names of the links that a bond used, and from when on, in milliseconds.
fn uses<'a>(scenario: &'a Scenario, bond: &BondReport) -> Vec<(u128, Vec<&'a str>)> {
    let named = |links: &Vec<usize>| links.iter().map(|link| scenario.links[*link].name.as_str()).collect();
    bond.uses.iter().map(|(at, links)| (at.as_millis(), named(links))).collect()
}

/// Frames lost in each direction of a link, from its first end and back, and on all other links.
fn lost(report: &Report, link: usize) -> ([u64; 2], u64) {
    let of = |lane: usize| report.lanes[lane].tally.lost.iter().sum::<u64>();
    let others = (0..report.lanes.len()).filter(|lane| lane / 2 != link).map(of).sum();
    ([of(2 * link), of(2 * link + 1)], others)
}

fn dropped(report: &Report, reason: DropReason) -> u64 {
    let drops = report.drops.iter().flat_map(|host| &host.drops);
    drops.filter(|(why, _)| *why == reason).map(|(_, count)| count).sum()
}

/// Frames for one station that have come by a port which their bond does not use.
struct Inactive(u64);

impl Watch for Inactive {
    fn frame(&mut self, passing: &Passing<'_>) {
        let is_for_one = passing.bytes.first().is_some_and(|first| first & 1 == 0);
        self.0 += u64::from(is_for_one && passing.pass == Pass::Lost(Lost::Inactive));
    }
}

fn play_counting(scenario: &Scenario) -> (Report, u64) {
    let mut inactive = Inactive(0);
    let report = run(scenario, Some(&mut inactive)).unwrap_or_else(|error| panic!("{error}"));
    (report, inactive.0)
}

/// Packets of each load that have come to their host.
fn delivered(report: &Report) -> Vec<u64> {
    report.loads.iter().map(|load| load.steps[0].queues.delivered).collect()
}

#[test]
fn active_backup_loses_what_is_sent_until_miimon_looks_and_nothing_else() {
    let scenario = read("failover-active-backup.toml");
    let (report, inactive) = play_counting(&scenario);
    let expected = [(0, vec!["left"]), (1100, vec!["right"]), (3100, vec!["left"])];
    assert_eq!(uses(&scenario, &report.bonds[0]), expected);
    // 1000 packets a second for 70 ms, and what was on the wire.
    let ([there, back], others) = lost(&report, link(&scenario, "left"));
    assert!((70..=71).contains(&there) && back <= 1 && others == 0, "{there} {back} {others}");
    assert!(
        (69..=72).contains(&inactive),
        "the switch finds the host by the other link, which it does not use: {inactive}"
    );
    let [to_server, to_client] = delivered(&report)[..] else { panic!("two loads") };
    assert!(to_server >= 4500 - 71 - 1 && to_client >= 4500 - 72 - 1, "{to_server} {to_client}");
}

#[test]
fn a_look_each_millisecond_leaves_what_was_on_the_wire() {
    let mut scenario = read("failover-active-backup.toml");
    scenario.hosts[0].bonds[0].options.miimon_ms = 1;
    let (report, inactive) = play_counting(&scenario);
    let ([there, back], others) = lost(&report, link(&scenario, "left"));
    assert!(there <= 2 && back <= 1 && others == 0 && inactive <= 2, "{there} {back} {others} {inactive}");
    assert_eq!(uses(&scenario, &report.bonds[0])[1].0, 1031);
}

#[test]
fn downdelay_puts_the_other_link_off_by_as_much() {
    for (downdelay, at) in [(200, 1300), (500, 1600)] {
        let mut scenario = read("failover-active-backup.toml");
        scenario.hosts[0].bonds[0].options.downdelay_ms = downdelay;
        let report = play(&scenario);
        assert_eq!(uses(&scenario, &report.bonds[0])[1], (at, vec!["right"]), "the look at 1.1 s, and {downdelay} ms");
        let ([there, _], others) = lost(&report, link(&scenario, "left"));
        assert!((70..=71).contains(&(there - u64::from(downdelay))) && others == 0, "{there} {others}");
    }
}

#[test]
fn lacp_loses_what_was_on_the_wire_that_lost_its_carrier_and_nothing_else() {
    let scenario = read("failover-lacp.toml");
    let report = play(&scenario);
    let ([there, back], others) = lost(&report, link(&scenario, "left"));
    // 10 ms of wire, 1000 packets a second, half of the flows: 5 are on their way.
    assert!((3..=7).contains(&there) && (3..=7).contains(&back) && others == 0, "{there} {back} {others}");
    for reason in [DropReason::BondPortInactive, DropReason::BondPortsDown] {
        assert_eq!(dropped(&report, reason), 0, "{reason:?}");
    }
    let switch = report.switches[0];
    assert_eq!((switch.blocked, switch.no_port), (0, 0));
    for bond in &report.bonds {
        let uses = uses(&scenario, bond);
        let failed = uses.iter().position(|(at, _)| *at == 10_030).expect("at once");
        assert_eq!(uses[failed].1, ["right"], "{uses:?}");
        let (back, all) = &uses[failed + 1];
        assert!(
            (15_000..=18_500).contains(back) && *all == ["left", "right"],
            "two seconds of waiting for others: {uses:?}"
        );
    }
}

/// When the last LACPDU has come over each lane.
struct Heard(Vec<Duration>);

impl Watch for Heard {
    fn frame(&mut self, passing: &Passing<'_>) {
        let is_lacp = passing.bytes.starts_with(&[1, 0x80, 0xc2, 0, 0, 2]);
        if is_lacp && passing.pass == Pass::Arrives {
            self.0[passing.lane] = passing.at;
        }
    }
}

#[test]
fn a_silent_link_is_given_up_three_or_ninety_seconds_after_the_last_lacpdu() {
    for (name, seconds) in [("lacp-silent-fast.toml", 3), ("lacp-silent-slow.toml", 90)] {
        let scenario = read(name);
        let mut heard = Heard(vec![Duration::ZERO; 2 * scenario.links.len()]);
        let report = run(&scenario, Some(&mut heard)).unwrap_or_else(|error| panic!("{error}"));
        let left = link(&scenario, "left");
        let fails = scenario.events[0].at;
        for (bond, lane) in report.bonds.iter().zip([2 * left + 1, 2 * left]) {
            let (given_up, links) = bond.used_at(report.ended).expect("it uses some");
            assert_eq!(links[..], [link(&scenario, "right")], "{name}");
            let waited = given_up.saturating_sub(heard.0[lane]);
            // In ticks, the first of which comes at any time after the LACPDU.
            let (most, tick) = (Duration::from_secs(seconds), Duration::from_millis(100));
            assert!(waited > most - tick && waited <= most, "{name}: {waited:?}");
            assert!(*given_up > fails, "{name}");
        }
        let mut lost_silently = 0;
        for lane in 0..report.lanes.len() {
            let tally = report.lanes[lane].tally;
            let silent = tally.lost_for(Lost::Silent);
            assert_eq!(tally.lost.iter().sum::<u64>(), silent, "{name}: for no other reason");
            assert_eq!(silent > 0, lane / 2 == left, "{name}");
            lost_silently += silent;
        }
        // Half the flows of both directions for as long as it took, and some LACPDUs.
        let (given_up, _) = report.bonds[0].used_at(report.ended).expect("it uses some");
        let rate = scenario.loads[0].rates[0];
        let most = rate * (given_up.saturating_sub(fails).as_millis() as u64 + 200) / 1000;
        assert!(lost_silently > most / 2 && lost_silently < most + 60, "{name}: {lost_silently} of {most}");
    }
}

#[test]
fn the_arp_monitor_notices_a_silent_link_after_two_intervals_and_a_half() {
    let scenario = read("failover-arp-monitor.toml");
    let report = play(&scenario);
    let uses = uses(&scenario, &report.bonds[0]);
    let (at, links) = uses.last().expect("it uses some");
    // The last answer came at 1.0 s; it looks every 100 ms.
    assert_eq!((uses.len(), *at, &links[..]), (2, 1300, &["right"][..]), "{uses:?}");
    let ([there, _], others) = lost(&report, link(&scenario, "left"));
    assert!((265..=275).contains(&there) && others == 0, "{there} {others}");
}

#[test]
fn miimon_never_notices_a_silent_link() {
    let mut scenario = read("failover-arp-monitor.toml");
    let options = &mut scenario.hosts[0].bonds[0].options;
    (options.arp_interval_ms, options.miimon_ms) = (0, 100);
    (options.arp_ip_targets, options.arp_validate) = (Vec::new(), Default::default());
    let report = play(&scenario);
    assert_eq!(uses(&scenario, &report.bonds[0]), [(0, vec!["left"])]);
    assert!(lost(&report, link(&scenario, "left")).0[0] > 3400);
}

#[test]
fn ten_thousand_flows_are_balanced_within_five_per_cent_in_both_directions() {
    let scenario = read("balance.toml");
    let report = play(&scenario);
    for direction in [0, 1] {
        for name in ["link-a", "link-b", "link-c", "link-d"] {
            let tally = report.lanes[2 * link(&scenario, name) + direction].tally;
            assert!((23_750..=26_250).contains(&tally.arrived), "{name}, {direction}: {tally:?}");
            assert_eq!(tally.lost.iter().sum::<u64>(), 0, "{name}, {direction}");
        }
    }
}

/// When segments with data have come to the host at the end of a connection, and the longest time between two.
#[derive(Default)]
struct Stalls {
    last: Option<Duration>,
    found: Vec<(Duration, Duration)>,
}

impl Watch for Stalls {
    fn frame(&mut self, passing: &Passing<'_>) {
        let is_data = passing.segment.is_some_and(|segment| segment.len > 0);
        // Lanes from the switch to the server.
        if !is_data || passing.pass != Pass::Arrives || ![4, 6].contains(&passing.lane) {
            return;
        }
        if let Some(last) = self.last.replace(passing.at).filter(|last| passing.at - *last > STALL) {
            self.found.push((last, passing.at - last));
        }
    }
}

const STALL: Duration = Duration::from_millis(30);

#[test]
fn a_stream_goes_on_when_links_fail_below_either_end() {
    let scenario = read("failover-tcp.toml");
    let mut stalls = Stalls::default();
    let report = run(&scenario, Some(&mut stalls)).unwrap_or_else(|error| panic!("{error}"));
    let found = &report.connections[0];
    assert!(!found.is_damaged && found.errors == [None; 2] && found.connected.is_some());
    let rate = found.goodput_bps(towpath_replay::lab::End::From);
    assert!(rate > 17_000_000, "{rate} bit/s of 20 Mbit/s");
    // Three times something fails, and each time the stream is there again within a second.
    let fails = [10_050, 15_050, 22_050].map(Duration::from_millis);
    for (at, time) in &stalls.found {
        let after_failure = fails.iter().any(|fail| *at + STALL > *fail && *at < *fail + Duration::from_secs(1));
        assert!(after_failure && *time < Duration::from_secs(1), "nothing for {time:?} from {at:?} on");
    }
    assert!(report.lanes.iter().map(|lane| lane.tally.lost_for(Lost::Down)).sum::<u64>() > 0);
    assert!(found.read[FROM] > 40_000_000, "{}", found.read[FROM]);
}

/// One of these modes below all bonds of a scenario, and how often it looks.
fn in_mode(name: &str, mode: Mode, miimon_ms: u32, downdelay_ms: u32) -> Scenario {
    let mut scenario = read(name);
    for bond in scenario.hosts.iter_mut().flat_map(|host| &mut host.bonds) {
        bond.options.mode = mode;
        (bond.options.miimon_ms, bond.options.downdelay_ms) = (miimon_ms, downdelay_ms);
    }
    scenario
}

/// How often miimon looks, its delay, and when it finds a carrier that has gone at 5.03 s, just behind a look where that is the time of
/// one, and one that is back at 12 s.
const LOOKS: [(u32, u32, u64, u64); 4] =
    [(100, 0, 5100, 12_100), (100, 200, 5300, 12_100), (10, 0, 5040, 12_010), (1, 0, 5031, 12_001)];

/// What must be so of a stream of 4 Mbit/s and of the bond's links, in whatever mode.
fn goes_on(scenario: &Scenario, report: &Report, back: u64) -> [u64; 2] {
    let told = format!("{:?}", scenario.hosts[0].bonds[0].options);
    let found = &report.connections[0];
    assert!(!found.is_damaged && found.errors == [None; 2] && found.connected.is_some(), "{told}");
    assert!(found.goodput_bps(towpath_replay::lab::End::From) > 3_900_000, "{told}");
    for bond in &report.bonds {
        let expected = [(0, vec!["left", "right"]), (5030, vec!["right"]), (u128::from(back), vec!["left", "right"])];
        assert_eq!(uses(scenario, bond), expected, "{told}: at once by its carrier, and back by miimon's next look");
    }
    let (lost, others) = lost(report, link(scenario, "left"));
    let down: u64 = report.lanes.iter().map(|lane| lane.tally.lost_for(Lost::Down)).sum();
    assert_eq!((others, down), (0, lost.iter().sum()), "{told}: nothing but what was on that wire");
    lost
}

#[test]
fn balance_rr_balance_xor_and_broadcast_lose_what_was_on_the_wire_whenever_miimon_looks() {
    for mode in [Mode::RoundRobin, Mode::Xor, Mode::Broadcast] {
        for (miimon, downdelay, _, back) in LOOKS {
            let scenario = in_mode("failover-balanced.toml", mode, miimon, downdelay);
            let report = play(&scenario);
            let [there, from] = goes_on(&scenario, &report, back);
            // 10 ms of wire; 1000 packets and 350 segments a second one way, 1000 and 175 the other, all or half of them by this one.
            let most = if mode == Mode::Broadcast { 16 } else { 11 };
            assert!((4..=most).contains(&there) && (4..=most).contains(&from), "{mode:?}: {there} {from}");
            for reason in [DropReason::BondPortInactive, DropReason::BondPortsDown, DropReason::LinkOtherHost] {
                assert_eq!(dropped(&report, reason), 0, "{mode:?}: {reason:?}");
            }
            if mode != Mode::Broadcast {
                continue;
            }
            // Each packet comes by the other link as well.
            assert!(delivered(&report).iter().all(|count| *count >= 36_000 - 7_100 - 14), "{:?}", delivered(&report));
        }
    }
}

#[test]
fn balance_tlb_and_balance_alb_pass_over_the_port_at_once_and_hear_by_another_when_miimon_has_looked() {
    for mode in [Mode::Tlb, Mode::Alb] {
        for (miimon, downdelay, looks, back) in LOOKS {
            let scenario = in_mode("failover-adaptive.toml", mode, miimon, downdelay);
            let report = play(&scenario);
            let [there, from] = goes_on(&scenario, &report, back);
            assert!(there <= 16 && from <= 16, "{mode:?}: {there} {from}");
            // What goes to the address of the active port comes by the other one, 10 ms later, until that has taken it over.
            let [inactive, other] =
                [DropReason::BondPortInactive, DropReason::LinkOtherHost].map(|why| dropped(&report, why));
            let wait = looks - 5030;
            let (least, most) = (wait.saturating_sub(15), wait * 6 / 5 + 3);
            assert!((least..=most).contains(&(inactive + other)), "{mode:?}, {wait} ms: {inactive} {other}");
            // The flow whose port has failed is dealt to another one with its next packet; this one is not sent.
            assert!(dropped(&report, DropReason::BondPortsDown) <= 100, "{mode:?}");
        }
    }
}
