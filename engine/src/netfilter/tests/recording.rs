//! Walks that are recorded and repeated.

use super::*;
use crate::{
    conntrack::{ConnId, Counter, Direction, State, Tracking},
    netfilter::{Fingerprint, WalkId},
};

const ESTABLISHED: Tracking = Tracking::Tracked {
    connection: ConnId { slot: 0, generation: 0 },
    state: State::Established,
    direction: Direction::Original,
};

/// Asks mangle and filter about a packet of an established flow and records the walk.
fn record(lab: &mut Lab, sample: &Sample) -> Option<WalkId> {
    let mut packet = established(lab, sample);
    lab.walk = Walk::new();
    for (table, hook) in WAY {
        assert_eq!(lab.ask(table, hook, &mut packet), Verdict::Accept);
    }
    let walk = core::mem::take(&mut lab.walk);
    lab.rules.record(&walk)
}

fn repeat(lab: &mut Lab, id: WalkId, sample: &Sample) -> bool {
    let packet = established(lab, sample);
    let fingerprint = Fingerprint::of(&packet, 0, LAN, WAN);
    lab.rules.repeat(id, fingerprint, packet.network_len() as u64)
}

fn established(lab: &mut Lab, sample: &Sample) -> Packet {
    let mut packet = lab.packet(sample);
    packet.meta_mut().tracking = ESTABLISHED;
    packet
}

const WAY: [(TableName, Hook); 4] = [
    (TableName::Mangle, Hook::Prerouting),
    (TableName::Mangle, Hook::Forward),
    (TableName::Filter, Hook::Forward),
    (TableName::Mangle, Hook::Postrouting),
];

const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;
const SYN: u8 = 0x02;

fn counter(lab: &Lab, text: &str) -> Counter {
    lab.rules.rules().into_iter().find(|rule| rule.text.contains(text)).expect(text).counter
}

#[test]
fn a_flow_repeats_its_walk_and_every_rule_on_it_counts() {
    let mut lab = Lab::new(
        "-t mangle -A FORWARD -i lan\n-A FORWARD -o wan\n-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n-A FORWARD -p tcp",
    );
    let id = record(&mut lab, &tcp(80, ACK)).expect("repeatable");
    assert!(repeat(&mut lab, id, &tcp(80, PUSH)));
    for text in ["-i lan", "-o wan", "-m state"] {
        assert_eq!(counter(&lab, text), Counter { packets: 2, bytes: 80 }, "{text}");
    }
    assert_eq!(counter(&lab, "-p tcp"), Counter::default());
    assert!(lab.rules.save(false).contains(":POSTROUTING ACCEPT [2:80]"));
}

#[test]
fn flags_that_a_rule_looked_at_must_be_the_same() {
    let mut lab = Lab::new("-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN\n-A FORWARD -p udp --dport 1 -j DROP");
    let id = record(&mut lab, &tcp(80, ACK)).expect("repeatable");
    assert!(repeat(&mut lab, id, &tcp(80, PUSH)));
    assert!(!repeat(&mut lab, id, &tcp(80, SYN)));
    let syn = record(&mut lab, &tcp(80, SYN)).expect("repeatable");
    assert_ne!(id, syn);
    assert!(repeat(&mut lab, syn, &tcp(80, SYN)));
    assert_eq!(counter(&lab, "--tcp-flags"), Counter { packets: 2, bytes: 80 });
}

#[test]
fn a_rule_that_misses_for_the_whole_flow_puts_no_condition_on_the_record() {
    let mut lab = Lab::new("-t mangle -A FORWARD -p tcp -s 1.2.3.4 --tcp-flags SYN,RST SYN");
    let id = record(&mut lab, &tcp(80, ACK)).expect("repeatable");
    assert!(repeat(&mut lab, id, &tcp(80, SYN)));
}

#[test]
fn the_state_and_the_devices_are_conditions_where_rules_ask_for_them() {
    let mut lab = Lab::new("-A FORWARD -i lan -o wan -m state --state ESTABLISHED -j ACCEPT");
    let id = record(&mut lab, &tcp(80, ACK)).expect("repeatable");
    let packet = established(&mut lab, &tcp(80, ACK));
    assert!(lab.rules.repeat(id, Fingerprint::of(&packet, 0, LAN, WAN), 40));
    assert!(!lab.rules.repeat(id, Fingerprint::of(&packet, 0, WAN, WAN), 40));
    assert!(!lab.rules.repeat(id, Fingerprint::of(&packet, 0, LAN, LAN), 40));
    let mut fresh = lab.packet(&tcp(80, ACK));
    fresh.meta_mut().tracking = Tracking::Invalid;
    assert!(!lab.rules.repeat(id, Fingerprint::of(&fresh, 0, LAN, WAN), 40));
}

#[test]
fn new_rules_and_changed_devices_end_all_records_and_no_count_is_lost() {
    let mut lab = Lab::new("-A FORWARD -p tcp");
    let id = record(&mut lab, &tcp(80, ACK)).expect("repeatable");
    assert!(repeat(&mut lab, id, &tcp(80, ACK)));
    if let Some(device) = lab.devices.find_mut(DeviceId(0)) {
        device.mtu_bytes = 1400;
    }
    let mut packet = lab.packet(&tcp(80, ACK));
    lab.forward(&mut packet);
    assert!(!repeat(&mut lab, id, &tcp(80, ACK)));
    assert_eq!(counter(&lab, "-p tcp"), Counter { packets: 3, bytes: 120 });
    let second = record(&mut lab, &tcp(80, ACK)).expect("repeatable");
    lab.rules.replace(parse("-A FORWARD -p tcp").expect("rules"));
    assert_eq!(lab.rules.generation(), 1);
    let third = record(&mut lab, &tcp(80, ACK)).expect("repeatable");
    assert!(!repeat(&mut lab, second, &tcp(80, ACK)));
    assert!(repeat(&mut lab, third, &tcp(80, ACK)));
}
