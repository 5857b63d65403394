//! Walks that are recorded and repeated.

use super::*;
use crate::{
    conntrack::{ConnId, Counter, Direction, State, Tracking},
    netfilter::WalkId,
};

const ESTABLISHED: Tracking = Tracking::Tracked {
    connection: ConnId { slot: 0, generation: 0 },
    state: State::Established,
    direction: Direction::Original,
};

/// A lab whose only flow knows its walks, and which writes nothing down.
struct Flow {
    lab: Lab,
    walks: WalkId,
}

impl Flow {
    fn new(text: &str) -> Self {
        let mut lab = Lab::new(text);
        lab.around.trace.set_level(TraceLevel::Off);
        Self { lab, walks: WalkId::NONE }
    }

    /// Takes a packet of the flow through mangle and filter. True: rules were asked nowhere.
    fn pass(&mut self, sample: &Sample) -> bool {
        self.pass_with(sample, ESTABLISHED, 0)
    }

    fn pass_with(&mut self, sample: &Sample, tracking: Tracking, mark: u32) -> bool {
        let mut packet = self.lab.packet(sample);
        packet.meta_mut().tracking = tracking;
        packet.meta_mut().mark = mark;
        self.lab.walk.restart();
        self.lab.rules.plan(self.walks, Direction::Original, &mut self.lab.walk);
        let repeats = !self.lab.walk.is_news();
        for (table, hook) in WAY {
            assert_eq!(self.lab.ask(table, hook, &mut packet), Verdict::Accept);
        }
        let repeated = repeats && !self.lab.walk.is_news();
        self.walks = self.lab.rules.record(self.walks, Direction::Original, &self.lab.walk, None);
        repeated
    }

    fn counter(&self, text: &str) -> Counter {
        self.lab.rules.rules().into_iter().find(|rule| rule.text.contains(text)).expect(text).counter
    }
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

const fn counter(packets: u64) -> Counter {
    Counter { packets, bytes: packets * 40 }
}

#[test]
fn a_flow_repeats_its_walk_and_every_rule_on_it_counts() {
    let mut flow = Flow::new(
        "-t mangle -A FORWARD -i lan\n-A FORWARD -o wan\n-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n-A FORWARD -p tcp",
    );
    assert!(!flow.pass(&tcp(80, ACK)));
    assert!(flow.pass(&tcp(80, PUSH)));
    for text in ["-i lan", "-o wan", "-m state"] {
        assert_eq!(flow.counter(text), counter(2), "{text}");
    }
    assert_eq!(flow.counter("-p tcp"), Counter::default());
    assert!(flow.lab.rules.save(false).contains(":POSTROUTING ACCEPT [2:80]"));
}

#[test]
fn flags_that_a_rule_looked_at_must_be_the_same() {
    let mut flow =
        Flow::new("-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN\n-A FORWARD -p udp --dport 1 -j DROP");
    assert_eq!([ACK, PUSH, SYN, SYN, SYN].map(|flags| flow.pass(&tcp(80, flags))), [false, true, false, false, true]);
    assert_eq!(flow.counter("--tcp-flags"), counter(3));
}

#[test]
fn a_rule_that_misses_for_the_whole_flow_puts_no_condition_on_the_record() {
    let mut flow = Flow::new("-t mangle -A FORWARD -p tcp -s 1.2.3.4 --tcp-flags SYN,RST SYN");
    assert_eq!([ACK, SYN].map(|flags| flow.pass(&tcp(80, flags))), [false, true]);
}

#[test]
fn states_and_marks_are_conditions_where_rules_ask_for_them() {
    let mut flow = Flow::new(
        "-t mangle -A FORWARD -m mark --mark 1/1\n-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n-A FORWARD -o wan",
    );
    let sample = tcp(80, ACK);
    assert_eq!(
        [0, 2, 1, 1, 1].map(|mark| flow.pass_with(&sample, ESTABLISHED, mark)),
        [false, true, false, false, true]
    );
    assert!(!flow.pass_with(&sample, Tracking::Invalid, 1));
    assert_eq!(flow.counter("-m mark"), counter(4));
    assert_eq!(flow.counter("-m state"), counter(5));
    assert_eq!(flow.counter("-o wan"), counter(1));
}

#[test]
fn a_table_in_which_chance_or_a_change_has_a_say_is_asked_each_time_and_the_others_are_not() {
    let mut flow = Flow::new(
        "-t mangle -A FORWARD -i lan -j MARK --set-mark 7\n-A FORWARD -m mark --mark 7 -j ACCEPT\n\
         -t mangle -A POSTROUTING -m length --length 40",
    );
    let sample = tcp(80, ACK);
    assert!(!flow.pass(&sample));
    assert!(flow.pass(&sample));
    for text in ["--set-xmark", "--mark", "-m length"] {
        assert_eq!(flow.counter(text), counter(2), "{text}");
    }
    assert!(flow.lab.rules.save(false).contains(":PREROUTING ACCEPT [2:80]"));
}

#[test]
fn only_the_tables_that_a_packet_came_to_have_counted() {
    let mut flow = Flow::new("-t mangle -A PREROUTING -i lan\n-A FORWARD -o wan");
    flow.pass(&tcp(80, ACK));
    let mut packet = flow.lab.packet(&tcp(80, ACK));
    packet.meta_mut().tracking = ESTABLISHED;
    flow.lab.walk.restart();
    flow.lab.rules.plan(flow.walks, Direction::Original, &mut flow.lab.walk);
    flow.lab.ask(TableName::Mangle, Hook::Prerouting, &mut packet);
    assert_eq!([flow.counter("-i lan"), flow.counter("-o wan")], [counter(2), counter(1)]);
}

#[test]
fn rules_that_count_anew_begin_with_nothing_and_what_was_taken_of_them_before_stays() {
    let mut flow = Flow::new("-t mangle -A FORWARD -i lan\n-A FORWARD -p tcp");
    let sample = tcp(80, ACK);
    assert_eq!([0; 2].map(|_| flow.pass(&sample)), [false, true]);
    let before = flow.lab.rules.counted();
    flow.lab.rules.zero(Some(TableName::Filter));
    assert_eq!([flow.counter("-i lan"), flow.counter("-p tcp")], [counter(2), counter(0)]);
    assert_eq!([0; 2].map(|_| flow.pass(&sample)), [false, true]);
    assert_eq!([flow.counter("-i lan"), flow.counter("-p tcp")], [counter(4), counter(2)]);
    flow.lab.rules.zero(None);
    assert!(!flow.lab.rules.save(true).contains("[2:80]"), "{}", flow.lab.rules.save(true));
    assert!(before.save(true).contains("[2:80] -A FORWARD -p tcp"), "{}", before.save(true));
    assert!(before.save(true).contains(":POSTROUTING ACCEPT [2:80]"), "{}", before.save(true));
}

#[test]
fn new_rules_and_changed_devices_end_all_records_and_no_count_is_lost() {
    let mut flow = Flow::new("-A FORWARD -p tcp");
    let sample = tcp(80, ACK);
    assert_eq!([0; 2].map(|_| flow.pass(&sample)), [false, true]);
    if let Some(device) = flow.lab.devices.find_mut(DeviceId(0)) {
        device.mtu_bytes = 1400;
    }
    // What ends the records is seen at the first table, after the plan was made.
    assert_eq!([0; 3].map(|_| flow.pass(&sample)), [true, false, true]);
    assert_eq!(flow.counter("-p tcp"), counter(5));
    flow.lab.rules.replace(parse("-A FORWARD -p tcp").expect("rules"));
    assert_eq!(flow.lab.rules.generation(), 1);
    assert_eq!([0; 2].map(|_| flow.pass(&sample)), [false, true]);
    assert_eq!(flow.counter("-p tcp"), counter(2));
}
