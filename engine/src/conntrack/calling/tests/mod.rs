mod announcer;
mod bounds;
mod gaps;
mod openings;
mod refusals;
mod streams;

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use announcer::Announcer;

use super::*;
use crate::{
    conntrack::{
        Address, ExpectationEntry, HelperId, Status, Template,
        expect::ExpectedNat,
        helper::{FailurePolicy, HelperFailure, HelperMode},
    },
    event::{Change, Event},
    limits::{HELPER_FAILING_CLIENTS_MAX, HELPER_FAILURES_MAX, HELPER_FAILURES_WINDOW},
    nat::{
        SequenceAdjustment, fixture,
        lab::{CLIENT, Flow, GATEWAY, Lab, SERVER, only, state_of},
    },
    offload::checksum::is_right,
    random::Draw,
    wire::{TcpFlags, checksum::Routines},
};

/// A lab that masquerades, and a connection with the helper.
fn helped(helper: Announcer) -> (Lab, Flow) {
    helped_in(HelperMode::Guarded, helper)
}

fn helped_in(mode: HelperMode, helper: Announcer) -> (Lab, Flow) {
    let mut lab = Lab::new();
    lab.helpers.set_mode(mode);
    let id = lab.helpers.load(helper.boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let mut flow = Flow::open(&mut lab);
    // Linux reads a line only behind one that it has seen, so both ends clear their throats.
    for direction in [Direction::Original, Direction::Reply] {
        flow.say(&mut lab, direction, b"hello\r\n").expect("nothing is read");
    }
    lab.told();
    (lab, flow)
}

/// The same without translation.
fn helped_without_nat(helper: Announcer) -> (Lab, Flow) {
    let mut lab = Lab::new();
    lab.source = only(CLIENT);
    let id = lab.helpers.load(helper.boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let mut flow = Flow { next: [1000, 9000], id: ConnId { slot: 0, generation: 0 } };
    let pass = |lab: &mut Lab, flow: &Flow, direction, flags, payload: &[u8]| {
        let mut packet = flow.segment(direction, flags, payload);
        if direction == Direction::Reply {
            packet.ipv4_mut().expect("it is IPv4").destination = CLIENT;
            packet = fixture::remade(&packet);
        }
        lab.pass(packet).expect("it passes")
    };
    let syn = pass(&mut lab, &flow, Direction::Original, TcpFlags::SYN, b"");
    flow.id = syn.meta().tracking.connection().expect("it is tracked");
    flow.next[0] += 1;
    pass(&mut lab, &flow, Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"");
    flow.next[1] += 1;
    pass(&mut lab, &flow, Direction::Original, TcpFlags::ACK, b"hello\n");
    flow.next[0] += 6;
    lab.told();
    (lab, flow)
}

/// Another client's connection, whose master has another source port, after a line that nobody reads.
fn another_client(lab: &mut Lab, flow: &Flow) -> Flow {
    let mut other = Flow { next: [1000, 9000], id: flow.id };
    as_another(lab, &other, Direction::Original, TcpFlags::SYN, b"");
    other.next[0] += 1;
    as_another(lab, &other, Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"");
    other.next[1] += 1;
    as_another(lab, &other, Direction::Original, TcpFlags::ACK, b"hello\n");
    other.next[0] += 6;
    other
}

/// A segment of that connection passes.
fn as_another(lab: &mut Lab, other: &Flow, direction: Direction, flags: TcpFlags, payload: &[u8]) -> Packet {
    let mut packet = other.segment(direction, flags, payload);
    let tcp = packet.tcp_mut().expect("it is TCP");
    match direction {
        Direction::Original => tcp.source_port = 42_003.into(),
        Direction::Reply => tcp.destination_port = 42_003.into(),
    }
    lab.pass(fixture::remade(&packet)).expect("it passes")
}

fn payload(packet: &Packet) -> String {
    String::from_utf8_lossy(packet.linear_payload().unwrap_or_default()).into_owned()
}

fn expected(lab: &Lab) -> Vec<String> {
    lab.conntrack.expectations().iter().map(|expected| alloc::format!("{}", expected.tuple)).collect()
}

fn happened(lab: &mut Lab) -> Vec<HelperEvent> {
    let helpers = |event| match event {
        Event::Helper(event) => Some(event),
        Event::Connection(..) | Event::Expectation(..) | Event::Log { .. } | Event::Nflog(_) | Event::Audit { .. } => {
            None
        }
    };
    lab.told().into_iter().filter_map(helpers).collect()
}

#[test]
fn an_endpoint_in_a_payload_is_expected_and_named_as_the_opener_sees_it() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    assert_eq!(payload(&said), "OPEN 203.0.113.1:51210\r\n");
    assert!(is_right(&said, &Routines::PORTABLE));
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
    let waiting = lab.conntrack.expectations().iter().next().expect("one waits");
    assert_eq!(waiting.nat, Some(ExpectedNat { direction: Direction::Reply, port: 51_210 }));
    assert_eq!(ExpectationEntry::of(lab.now, waiting).timeout_secs, 300);
    assert_eq!((waiting.mask.address, waiting.mask.port), (Address::v4([255; 4]), 0));
}

#[test]
fn the_announced_connection_is_related_and_follows_its_master() {
    let (mut lab, mut flow) = helped(Announcer::new());
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    let mut syn = fixture::tcp(SERVER, 20, GATEWAY, 51_210, &[], b"");
    syn.tcp_mut().expect("it is TCP").flags = TcpFlags::SYN;
    syn.tcp_mut().expect("it is TCP").ack = 0.into();
    let syn = lab.pass(fixture::remade(&syn)).expect("it passes");
    assert_eq!(state_of(&syn), Some(State::Related));
    assert_eq!(fixture::summary(&syn), "198.51.100.21:20 > 10.0.0.5:51210 tcp S seq 1000 ack 0");
    assert!(lab.connection(&syn).status.contains(Status::EXPECTED));
    assert_eq!(lab.connection(&syn).master(), Some(flow.id));
    assert!(lab.conntrack.expectations().is_empty());
}

#[test]
fn a_port_that_is_expected_already_is_replaced_by_a_drawn_one_above_it() {
    let (mut lab, mut flow) = helped(Announcer::new());
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    // Another client with the same idea.
    let other = another_client(&mut lab, &flow);
    lab.around.random.set_script(Some(alloc::vec![(Draw::Port, 51_210), (Draw::Port, 1024), (Draw::Port, 60_775)]));
    let said = as_another(&mut lab, &other, Direction::Original, TcpFlags::ACK, b"OPEN 10.0.0.5:51210\n");
    assert_eq!(payload(&said), "OPEN 203.0.113.1:60775\n");
    assert!(lab.around.random.missing().is_empty());
    let waiting = lab.conntrack.expectations().iter().last().expect("two wait");
    assert_eq!(waiting.nat.map(|nat| nat.port), Some(51_210));
}

#[test]
fn sequence_numbers_move_behind_a_payload_that_has_grown() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let before = flow.next;
    let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    assert_eq!(said.tcp().map(|tcp| tcp.seq.get()), Some(before[0]));
    let next = flow.say(&mut lab, Direction::Original, b"NOOP\r\n").expect("it passes");
    assert_eq!(next.tcp().map(|tcp| tcp.seq.get()), Some(flow.next[0] - 6 + 3));
    let connection = lab.connection(&next);
    assert!(connection.status.contains(Status::SEQ_ADJUST));
    let adjustment = SequenceAdjustment { correction: SeqNum(before[0] + 5), before: 0, after: 3 };
    assert_eq!(connection.extension.as_ref().map(|more| more.adjustments()[0]), Some(adjustment));
    // The server acknowledges what it has seen.
    flow.next[0] += 3;
    let ack = flow.segment(Direction::Reply, TcpFlags::ACK, b"");
    let ack = lab.pass(ack).expect("it passes");
    assert_eq!(ack.tcp().map(|tcp| tcp.ack.get()), Some(flow.next[0] - 3));
    assert!(is_right(&ack, &Routines::PORTABLE));
}

#[test]
fn what_this_host_sends_to_itself_is_read_and_moved_once() {
    for mode in [HelperMode::Guarded, HelperMode::Kernel] {
        let (mut lab, mut flow) = helped_in(mode, Announcer::new());
        let mut said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
        let mut next = flow.say(&mut lab, Direction::Original, b"NOOP\r\n").expect("it passes");
        lab.told();
        for (packet, seq) in [(&mut said, flow.next[0] - 27), (&mut next, flow.next[0] - 6 + 3)] {
            let before = payload(packet);
            packet.meta_mut().device = Some(DeviceId::LOOPBACK);
            let called = call(&mut lab.desk(), packet, None);
            assert_eq!(called, Ok(Called::Done), "{mode:?}");
            assert_eq!((payload(packet), packet.tcp().map(|tcp| tcp.seq.get())), (before, Some(seq)), "{mode:?}");
        }
    }
}

#[test]
fn linux_asks_again_about_a_retransmission_which_replaces_its_expectation() {
    let (mut lab, mut flow) = helped_in(HelperMode::Kernel, Announcer::new());
    let before = flow.next;
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    lab.told();
    flow.next = before;
    let again = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    assert_eq!(payload(&again), "OPEN 203.0.113.1:51210\r\n");
    assert_eq!(again.tcp().map(|tcp| tcp.seq.get()), Some(before[0]));
    let changes: Vec<(Change, u64)> = lab
        .told()
        .into_iter()
        .filter_map(|event| match event {
            Event::Expectation(change, entry) => Some((change, entry.id.0)),
            Event::Connection(..) | Event::Helper(_) | Event::Log { .. } | Event::Nflog(_) | Event::Audit { .. } => {
                None
            }
        })
        .collect();
    assert_eq!(changes, [(Change::Destroy, 1), (Change::New, 2)]);
    assert_eq!(lab.connection(&again).extension.as_ref().map(|more| more.adjustments()[0].after), Some(3));
}

#[test]
fn a_payload_in_fragments_is_read_and_rewritten_like_any_other() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let line = alloc::format!("OPEN 10.0.0.5:51210{}\r\n", " ".repeat(4000));
    let mut segment = flow.segment(Direction::Original, TcpFlags::ACK, b"");
    segment.splice_payload(0..0, line.as_bytes()).expect("it is short enough");
    offload::checksum::fill(&mut segment, &Routines::PORTABLE);
    assert_eq!(segment.linear_payload(), None);
    let said = lab.pass(segment).expect("it passes");
    flow.next[0] += line.len() as u32;
    assert!(stream::payload(&said).starts_with(b"OPEN 203.0.113.1:51210  "));
    assert!(is_right(&said, &Routines::PORTABLE));
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51211\r\n").expect("a line started behind it");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51211 tcp"]);
}

#[test]
fn without_translation_the_payload_stays_and_rules_will_decide() {
    let (mut lab, mut flow) = helped_without_nat(Announcer::new());
    let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    assert_eq!(payload(&said), "OPEN 10.0.0.5:51210\r\n");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 10.0.0.5:51210 tcp"]);
    assert_eq!(lab.conntrack.expectations().iter().next().map(|waiting| waiting.nat), Some(None));
}

#[test]
fn what_nothing_names_is_expected_at_the_masters_own_translated_port() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let said = flow.say(&mut lab, Direction::Original, b"SAME\r\n").expect("it passes");
    assert_eq!(payload(&said), "SAME\r\n");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:42000 tcp"]);
}

#[test]
fn the_servers_word_counts_too_and_names_it_as_the_client_sees_it() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let said = flow.say(&mut lab, Direction::Reply, b"OPEN 198.51.100.21:50000\r\n").expect("it passes");
    assert_eq!(payload(&said), "OPEN 198.51.100.21:50000\r\n");
    assert_eq!(expected(&lab), ["10.0.0.5:0 > 198.51.100.21:50000 tcp"]);
    assert!(!lab.connection(&said).status.contains(Status::SEQ_ADJUST));
}

#[test]
fn linux_reads_a_line_only_behind_a_newline_that_it_has_seen() {
    let mut lab = Lab::new();
    let id = lab.helpers.load(Announcer::new().boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    lab.helpers.set_mode(HelperMode::Kernel);
    let mut flow = Flow::open(&mut lab);
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:1\r\n").expect("the first line is not read");
    assert!(lab.conntrack.expectations().is_empty());
    flow.say(&mut lab, Direction::Original, b"NO").expect("it is no trigger");
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:2\r\n").expect("this is the rest of a line");
    assert!(lab.conntrack.expectations().is_empty());
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:3\r\n").expect("it passes");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:3 tcp"]);
}

#[test]
fn linux_drops_a_segment_that_ends_inside_a_command_and_reads_it_when_it_comes_whole() {
    let (mut lab, mut flow) = helped_in(HelperMode::Kernel, Announcer::new());
    let refused = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:512");
    assert_eq!(refused.err(), Some(DropReason::HelperIncomplete));
    let refused = flow.say(&mut lab, Direction::Original, b"OP");
    assert_eq!(refused.err(), Some(DropReason::HelperIncomplete));
    let refused = flow.say(&mut lab, Direction::Original, b"OPEN sesame\r\n");
    assert_eq!(refused.err(), Some(DropReason::HelperMalformed));
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    assert_eq!(lab.conntrack.expectations().len(), 1);
}

#[test]
fn a_segments_lines_are_shown_one_by_one_and_written_together() {
    let (mut lab, mut flow) = helped(Announcer::new().with(|manifest| manifest.classes[0].expected_max = 4));
    let start = flow.next[0];
    let lines = b"OPEN 10.0.0.5:51210\r\nNOOP\r\nOPEN 10.0.0.5:51211\r\nNOO";
    let said = flow.say(&mut lab, Direction::Original, lines).expect("it passes");
    assert_eq!(payload(&said), "OPEN 203.0.113.1:51210\r\nNOOP\r\nOPEN 203.0.113.1:51211\r\nNOO");
    assert!(is_right(&said, &Routines::PORTABLE));
    assert_eq!(lab.conntrack.expectations().len(), 2);
    let adjustment = SequenceAdjustment { correction: SeqNum(start + 21 + 6 + 5), before: 3, after: 6 };
    assert_eq!(lab.connection(&said).extension.as_ref().map(|more| more.adjustments()[0]), Some(adjustment));
}

#[test]
fn a_line_that_drops_its_segment_takes_back_what_lines_before_it_were_granted() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let refused = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\nTRAP\r\n");
    assert_eq!(refused.err(), Some(DropReason::HelperFailed));
    assert!(lab.conntrack.expectations().is_empty());
}

#[test]
fn a_line_behind_others_that_only_looks_like_a_command_goes_on_with_them() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let lines = b"Hours:\r\nOPEN daily\r\nOPEN 10.0.0.5:51210\r\n";
    let said = flow.say(&mut lab, Direction::Original, lines).expect("Linux does not look at it");
    assert_eq!(payload(&said), "Hours:\r\nOPEN daily\r\nOPEN 203.0.113.1:51210\r\n");
    flow.say(&mut lab, Direction::Original, b"OPEN daily\r\n").expect("nor does it help to drop this one");
}

#[test]
fn a_connections_first_line_is_read_but_not_by_linux() {
    let mut lab = Lab::new();
    let id = lab.helpers.load(Announcer::new().boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let mut flow = Flow::open(&mut lab);
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}

#[test]
fn what_a_helper_remembers_comes_back_with_the_next_call() {
    let (mut lab, mut flow) = helped(Announcer::new());
    assert!(flow.say(&mut lab, Direction::Original, b"TELL\r\n").is_err());
    flow.say(&mut lab, Direction::Original, b"STATE abc\r\n").expect("it passes");
    flow.say(&mut lab, Direction::Original, b"TELL\r\n").expect("it remembers");
    // A successor that takes less starts without.
    lab.helpers.load(Announcer::new().with(|manifest| manifest.state_bytes_max = 2).boxed()).expect("it is replaced");
    assert!(flow.say(&mut lab, Direction::Original, b"TELL\r\n").is_err());
}

#[test]
fn all_wishes_of_a_payload_come_true_or_none_does() {
    let classes = |manifest: &mut crate::conntrack::helper::Manifest| {
        manifest.classes[0].expected_max = 4;
        manifest.on_failure = FailurePolicy::Pass;
    };
    let (mut lab, mut flow) = helped(Announcer::new().with(classes));
    let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210 10.0.0.5:51211\r\n").expect("it passes");
    assert_eq!(payload(&said), "OPEN 203.0.113.1:51210 203.0.113.1:51211\r\n");
    assert!(is_right(&said, &Routines::PORTABLE));
    assert_eq!(lab.conntrack.expectations().len(), 2);
    assert_eq!(lab.connection(&said).extension.as_ref().map(|more| more.adjustments()[0].after), Some(6));
    let (mut lab, mut flow) = helped(Announcer::new().with(classes));
    let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210 10.0.0.9:51211\r\n").expect("it passes");
    assert_eq!(payload(&said), "OPEN 10.0.0.5:51210 10.0.0.9:51211\r\n");
    assert!(lab.conntrack.expectations().is_empty());
}

#[test]
fn a_master_ends_with_what_it_has_announced_only_when_all_of_that_came_true() {
    let ends_master = |manifest: &mut crate::conntrack::helper::Manifest| {
        manifest.classes[0].expected_max = 4;
        manifest.classes[0].ends_master = true;
        manifest.classes[0].timeout = Duration::from_secs(100);
    };
    // What it has said is not acknowledged yet.
    for (room, lasts) in [(2, 100), (1, 300)] {
        let (mut lab, mut flow) = helped(Announcer::new().with(ends_master));
        lab.around.sysctls.conntrack_expect_max = room;
        let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210 10.0.0.5:51211\r\n");
        assert_eq!(said.is_ok(), room == 2, "there is room for {room}");
        let master = lab.conntrack.connection(flow.id).expect("it is in the table");
        assert_eq!(master.expires.since(lab.now).as_secs(), lasts, "there is room for {room}");
    }
}

#[test]
fn port_zero_means_none_is_free_as_in_linux() {
    let (mut lab, mut flow) = helped_in(HelperMode::Kernel, Announcer::new());
    let refused = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:0\r\n");
    assert_eq!(refused.err(), Some(DropReason::NatExhausted));
    assert_eq!(lab.conntrack.expectations().len(), 1);
}

#[test]
fn a_full_table_of_expectations_drops_what_announces_another() {
    let (mut lab, mut flow) =
        helped_without_nat(Announcer::new().with(|manifest| manifest.classes[0].expected_max = 9));
    lab.around.sysctls.conntrack_expect_max = 1;
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:5001\r\n").expect("it passes");
    let refused = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:5002\r\n");
    assert_eq!(refused.err(), Some(DropReason::ExpectationRefused));
}

#[test]
fn a_cut_payload_is_read_as_far_as_its_lines_are_whole() {
    let (mut lab, mut flow) = helped_without_nat(Announcer::new());
    let cut = |flow: &mut Flow, payload: &[u8], by: u32| {
        let mut packet = flow.segment(Direction::Original, TcpFlags::ACK, payload);
        packet.meta_mut().cut_bytes = by;
        packet
    };
    let packet = cut(&mut flow, b"OPEN 10.0.0.5:51", 5);
    lab.pass(packet).expect("nobody can say whether it is whole");
    flow.next[0] += 16;
    assert!(lab.conntrack.expectations().is_empty());
    let packet = cut(&mut flow, b"OPEN 10.0.0.5:51210\r\nNOO", 5);
    lab.pass(packet).expect("its first line is whole");
    assert_eq!(lab.conntrack.expectations().len(), 1);
}

#[test]
#[rustfmt::skip]
fn a_manifest_that_cannot_be_right_is_refused_by_what_is_wrong() {
    type Case = (fn(&mut crate::conntrack::helper::Manifest), ManifestFlaw);
    let cases: [Case; 20] = [
        (|manifest| manifest.name.clear(),                                      ManifestFlaw::Name),
        (|manifest| manifest.name = "sixteen-letters-".into(),                  ManifestFlaw::Name),
        (|manifest| manifest.name = "FTP".into(),                               ManifestFlaw::Name),
        (|manifest| manifest.attach = alloc::vec![manifest.attach[0].clone(); 17], ManifestFlaw::Attach),
        (|manifest| manifest.attach[0].protocol = crate::wire::Protocol::ICMP,  ManifestFlaw::AttachPorts),
        (|manifest| manifest.attach[0].ports = core::ops::RangeInclusive::new(2, 1), ManifestFlaw::AttachPorts),
        (|manifest| manifest.attach[0].protocol = crate::wire::Protocol::UDP,   ManifestFlaw::LinesOfDatagrams),
        (|manifest| manifest.triggers[0].bytes.clear(),                         ManifestFlaw::TriggerBytes),
        (|manifest| manifest.triggers[0].bytes = b"OPEN\n".to_vec(),            ManifestFlaw::TriggerLines),
        (|manifest| manifest.openings = alloc::vec![b"A".to_vec(); 97],         ManifestFlaw::Openings),
        (|manifest| manifest.openings = alloc::vec![alloc::vec![]],             ManifestFlaw::OpeningBytes),
        (|manifest| manifest.openings = alloc::vec![alloc::vec![b'A'; 17]],     ManifestFlaw::OpeningBytes),
        (|manifest| (manifest.openings, manifest.framing) = (alloc::vec![b"A".to_vec()], Framing::Packet), ManifestFlaw::OpeningsOfPackets),
        (|manifest| manifest.classes.clear(),                                   ManifestFlaw::Classes),
        (|manifest| manifest.classes[0].expected_max = 0,                       ManifestFlaw::Expected),
        (|manifest| manifest.classes[0].timeout = Duration::ZERO,               ManifestFlaw::ExpectSeconds),
        (|manifest| manifest.classes[0].ports = core::ops::RangeInclusive::new(9, 1), ManifestFlaw::ClassPorts),
        (|manifest| manifest.classes[0].protocol = crate::wire::Protocol::ICMP, ManifestFlaw::ClassPorts),
        (|manifest| manifest.classes[0].name.clear(),                           ManifestFlaw::ClassName),
        (|manifest| manifest.state_bytes_max = 2000,                            ManifestFlaw::State),
    ];
    for (change, flaw) in cases {
        let refused = Helpers::default().load(Announcer::new().with(change).boxed());
        assert!(matches!(&refused, Err(LoadError::Manifest(_, found)) if *found == flaw), "{flaw:?}: {refused:?}");
    }
}

#[test]
fn helpers_are_found_by_name_and_by_the_port_that_a_packet_goes_to() {
    let mut helpers = Helpers::default();
    helpers.load(Announcer::new().boxed()).expect("there is room");
    let second = Announcer::new().with(|manifest| {
        manifest.name = "second".into();
        manifest.attach[0].ports = 2000..=2010;
    });
    helpers.load(second.boxed()).expect("there is room");
    assert_eq!(helpers.by_name("second"), Some(HelperId(1)));
    assert_eq!(helpers.name(HelperId(0)), Some("announcer"));
    let attached = |port| helpers.attached_to(&fixture::tcp(CLIENT, 5, SERVER, port, &[], b""));
    assert_eq!(attached(21), Some(HelperId(0)));
    assert_eq!(attached(2010), Some(HelperId(1)));
    assert_eq!(attached(22), None);
    assert_eq!(helpers.attached_to(&fixture::udp(CLIENT, 5, SERVER, 21, b"x")), None);
}
