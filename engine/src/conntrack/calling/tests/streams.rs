//! Lines that come in pieces, out of order, twice, late, or never whole.

use alloc::string::ToString;
use core::time::Duration;

use proptest::prelude::*;

use super::{Announcer, *};
use crate::{
    conntrack::helper::{Anchor, Trigger},
    limits::LINE_HELD_TIME,
    packet::Gso,
};

pub(super) const CLIENTS: Direction = Direction::Original;

/// A segment of the client's, whose bytes start `from` behind what it has said so far.
fn piece(flow: &Flow, from: u32, flags: TcpFlags, bytes: &[u8]) -> Packet {
    let ahead = Flow { next: [flow.next[0] + from, flow.next[1]], id: flow.id };
    ahead.segment(CLIENTS, TcpFlags::ACK.union(flags), bytes)
}

/// Number and payload of all that goes on, or why it does not; numbers count from where the client's next byte was.
pub(super) fn gone_on(flow: &Flow, passed: Vec<Result<Packet, DropReason>>) -> Vec<String> {
    let line = |passed: Result<Packet, DropReason>| match passed {
        Ok(packet) => {
            assert!(is_right(&packet, &Routines::PORTABLE), "its checksum is right");
            let tcp = packet.tcp().expect("it is TCP");
            let flags = tcp.flags.without(TcpFlags::ACK);
            let bytes = stream::payload(&packet).escape_ascii().to_string();
            alloc::format!("{}{flags} {bytes}", tcp.seq() - SeqNum(flow.next[0]))
        }
        Err(reason) => String::from(reason.name()),
    };
    passed.into_iter().map(line).collect()
}

pub(super) fn play(lab: &mut Lab, flow: &Flow, from: u32, flags: TcpFlags, bytes: &[u8]) -> Vec<String> {
    let packet = piece(flow, from, flags, bytes);
    let passed = lab.pass_on(packet);
    gone_on(flow, passed)
}

pub(super) const NONE: TcpFlags = TcpFlags(0);
pub(super) const NOTHING: [&str; 0] = [];

#[test]
fn a_segment_that_ends_inside_a_line_waits_for_its_rest_and_the_site_may_lie_across_both() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0."), NOTHING);
    assert_eq!((lab.waiting.len(), lab.conntrack.expectations().len()), (1, 0));
    let gone = play(&mut lab, &flow, 10, NONE, b"0.5:51210\r\nNOOP\r\n");
    assert_eq!(gone, ["0 OPEN 203.0.113.1:51210", "22 \\r\\nNOOP\\r\\n"], "the second one starts behind the site");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
    assert_eq!(play(&mut lab, &flow, 27, NONE, b"NOOP\r\n"), ["30 NOOP\\r\\n"]);
    assert_eq!((lab.waiting.len(), lab.waiting.bytes(), lab.waiting.next_timeout()), (0, 0, None));
}

#[test]
fn a_client_that_begins_anew_before_it_is_answered_is_read_from_its_new_beginning() {
    for begin in [400, 70_000] {
        let mut lab = Lab::new();
        let id = lab.helpers.load(Announcer::new().boxed()).expect("the manifest is right");
        lab.template = Template { helper: Some(id), ..Template::default() };
        let mut flow = Flow { next: [1000, 9000], id: ConnId { slot: 0, generation: 0 } };
        for client in [1000, begin] {
            flow.next[0] = client;
            let syn = lab.pass(flow.segment(CLIENTS, TcpFlags::SYN, b"")).expect("it may open");
            flow.id = syn.meta().tracking.connection().expect("it is tracked");
        }
        flow.next[0] += 1;
        lab.pass(flow.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"")).expect("it is answered");
        flow.next[1] += 1;
        assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51210\r\n"), ["0 OPEN 203.0.113.1:51210\\r\\n"]);
        assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
    }
}

#[test]
fn bytes_that_are_sent_again_say_what_was_said_in_their_place_however_they_are_cut() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.");
    play(&mut lab, &flow, 10, NONE, b"0.5:51210\r\nNOOP\r\n");
    lab.told();
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0."), ["0 OPEN 203.0.113.1:51210"]);
    assert_eq!(play(&mut lab, &flow, 10, NONE, b"0.5:51210\r\nNOOP\r\n"), ["22 \\r\\nNOOP\\r\\n"]);
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51210\r\n"), ["0 OPEN 203.0.113.1:51210\\r\\n"]);
    assert_eq!(play(&mut lab, &flow, 3, NONE, b"N 10"), ["3 N 203.0.113.1:51210"]);
    assert_eq!(play(&mut lab, &flow, 21, NONE, b"NOOP\r\nNOOP\r\n"), ["24 NOOP\\r\\nNOOP\\r\\n"], "old and new bytes");
    assert!(lab.told().is_empty(), "nobody was asked again");
}

#[test]
fn a_port_that_was_drawn_stands_in_the_retransmission_too() {
    let (mut lab, flow) = helped(Announcer::new());
    let other = another_client(&mut lab, &flow);
    as_another(&mut lab, &other, CLIENTS, TcpFlags::ACK, b"OPEN 10.0.0.5:51210\r\n");
    lab.around.random.set_script(Some(alloc::vec![(Draw::Port, 60_000)]));
    let line = b"OPEN 10.0.0.5:51210\r\n";
    for _ in 0..2 {
        assert_eq!(play(&mut lab, &flow, 0, NONE, line), ["0 OPEN 203.0.113.1:60000\\r\\n"]);
    }
    assert!(lab.around.random.missing().is_empty());
}

#[test]
fn a_line_that_cannot_matter_waits_for_nothing() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"NOO"), ["0 NOO"]);
    assert_eq!(play(&mut lab, &flow, 3, NONE, b"OPEN 10.0.0.5:1"), ["3 OPEN 10.0.0.5:1"], "the rest of a line");
    assert_eq!(play(&mut lab, &flow, 18, NONE, b"\r\nOP"), NOTHING, "the next one can");
    assert_eq!(play(&mut lab, &flow, 22, NONE, b"ERA\r\n"), ["18 \\r\\nOP", "22 ERA\\r\\n"]);
}

#[test]
fn lines_before_a_line_that_waits_go_on_at_once_when_a_segment_ends_with_them() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10."), NOTHING);
    assert_eq!(play(&mut lab, &flow, 21, NONE, b"OPEN 10.0.0.5:51"), NOTHING, "bytes are missing before it");
    let gone = play(&mut lab, &flow, 8, NONE, b"0.0.5:51210\r\n");
    assert_eq!(gone, ["0 OPEN 203.0.113.1:51210", "22 \\r\\n"]);
    assert_eq!(lab.waiting.len(), 1);
    assert_eq!(play(&mut lab, &flow, 37, NONE, b"211\r\n"), ["24 OPEN 203.0.113.1:51211", "46 \\r\\n"]);
}

#[test]
fn segments_that_come_out_of_order_are_read_in_order() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 8, NONE, b"0.0.5:512");
    play(&mut lab, &flow, 17, NONE, b"10\r\n");
    let gone = play(&mut lab, &flow, 0, NONE, b"OPEN 10.");
    assert_eq!(gone, ["0 OPEN 203.0.113.1:51210", "22 ", "22 \\r\\n"]);
}

#[test]
fn held_bytes_that_come_again_go_on_as_an_acknowledgement_and_other_bytes_in_their_place_do_not_count() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.");
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0."), ["10 "]);
    assert_eq!(play(&mut lab, &flow, 9, NONE, b"."), ["10 "], "a keepalive");
    assert_eq!(play(&mut lab, &flow, 10, NONE, b""), ["10 "], "an acknowledgement");
    let gone = play(&mut lab, &flow, 0, NONE, b"OPEN 66.6.0.5:51210\r\n");
    assert_eq!(gone, ["0 OPEN 203.0.113.1:51210", "22 \\r\\n"], "the helper reads what the server reads");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}

#[test]
fn a_line_whose_rest_does_not_come_goes_on_and_is_read_all_the_same_when_it_comes_late() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 0, NONE, b"OPEN ");
    assert_eq!(lab.waiting.next_timeout(), Some(lab.now + LINE_HELD_TIME));
    lab.now = lab.now + LINE_HELD_TIME;
    let gone = lab.let_overdue_go();
    assert_eq!(gone_on(&flow, gone), ["0 OPEN "]);
    let told = happened(&mut lab);
    assert!(matches!(told[..], [HelperEvent::GivenUp { why: GivenUp::Time, .. }]), "{told:?}");
    assert_eq!(lab.helpers.iter().next().map(|status| status.given_up), Some(1));
    assert_eq!(play(&mut lab, &flow, 5, NONE, b"10.0.0.5:51210\r\n"), ["5 203.0.113.1:51210\\r\\n"]);
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}

#[test]
fn a_site_in_bytes_that_were_sent_is_not_expected_and_that_is_told() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 0, NONE, b"OPEN 10.0");
    lab.now = lab.now + LINE_HELD_TIME;
    lab.let_overdue_go();
    lab.told();
    assert_eq!(play(&mut lab, &flow, 9, NONE, b".0.5:51210\r\n"), ["9 .0.5:51210\\r\\n"]);
    let told = happened(&mut lab);
    assert!(matches!(told[..], [HelperEvent::Refused { refusal: Refusal::Sent, .. }]), "{told:?}");
    assert!(lab.conntrack.expectations().is_empty());
}

#[test]
fn what_is_missing_is_not_waited_for_longer_than_anything_else() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 10, NONE, b"NOOP\r\nOPEN 10.0.0.5:51210\r\n");
    lab.now = lab.now + LINE_HELD_TIME;
    let gone = lab.let_overdue_go();
    assert_eq!(gone_on(&flow, gone), ["10 NOOP\\r\\nOPEN 203.0.113.1:51210\\r\\n"], "the first line may be a rest");
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0"), ["0 OPEN 10.0.0"], "it comes too late");
}

#[test]
fn a_fin_lets_go_what_it_ends_and_waits_for_what_is_missing_before_it() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51"), NOTHING);
    assert_eq!(play(&mut lab, &flow, 19, TcpFlags::FIN, b"\r\n"), NOTHING);
    let gone = play(&mut lab, &flow, 16, NONE, b"210");
    assert_eq!(gone, ["0 OPEN 203.0.113.1:51210", "22 ", "22F \\r\\n"]);
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51"), NOTHING);
    assert_eq!(play(&mut lab, &flow, 16, TcpFlags::FIN, b""), ["0 OPEN 10.0.0.5:51", "16F "]);
    assert_eq!(play(&mut lab, &flow, 16, TcpFlags::FIN, b""), ["16F "], "once more");
}

#[test]
fn a_reset_of_either_end_lets_go_what_is_held() {
    for direction in [CLIENTS, Direction::Reply] {
        let (mut lab, flow) = helped(Announcer::new());
        assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51"), NOTHING);
        let ahead = Flow {
            next: if direction == CLIENTS { [flow.next[0] + 16, flow.next[1]] } else { flow.next },
            id: flow.id,
        };
        let reset = ahead.segment(direction, TcpFlags::RST.union(TcpFlags::ACK), b"");
        let passed = lab.pass_on(reset);
        assert_eq!(passed.len(), 2);
        assert_eq!(gone_on(&flow, passed)[0], "0 OPEN 10.0.0.5:51");
        assert_eq!(lab.waiting.len(), 0);
    }
}

#[test]
fn a_line_that_cannot_be_right_goes_on_as_it_is_and_the_next_one_is_read() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN ses"), NOTHING);
    assert_eq!(play(&mut lab, &flow, 8, NONE, b"ame\r\n"), ["0 OPEN ses", "8 ame\\r\\n"]);
    assert_eq!(play(&mut lab, &flow, 13, NONE, b"OPEN 10.0.0.5:51210\r\n"), ["13 OPEN 203.0.113.1:51210\\r\\n"]);
}

#[test]
fn a_segment_that_is_dropped_leaves_no_state_behind_that_its_lines_have_made() {
    for mode in [HelperMode::Guarded, HelperMode::ServicePorts] {
        let (mut lab, flow) = helped_in(mode, Announcer::new());
        assert_eq!(play(&mut lab, &flow, 0, NONE, b"STATE a\r\nTELL\r\nTRAP\r\n"), ["HelperFailed"]);
        assert_eq!(play(&mut lab, &flow, 0, NONE, b"TELL\r\n"), ["HelperFailed"], "it remembers nothing");
        assert_eq!(play(&mut lab, &flow, 0, NONE, b"STATE a\r\nTELL\r\n"), ["0 STATE a\\r\\nTELL\\r\\n"]);
        assert_eq!(play(&mut lab, &flow, 15, NONE, b"TELL\r\n"), ["15 TELL\\r\\n"]);
    }
}

#[test]
fn bulk_data_waits_for_no_trigger_that_may_stand_anywhere() {
    let (mut lab, flow) = helped(Announcer::new().with(anywhere));
    let text = [&[b'x'; 79][..], b"\n"].concat().repeat(543);
    for (number, segment) in text.chunks(1448).enumerate() {
        assert_eq!(play(&mut lab, &flow, 1448 * number as u32, NONE, segment).len(), 1, "{number}");
        assert!(lab.conntrack.remembered_bytes() < 500, "the line that it ends in");
    }
    assert_eq!(lab.helpers.iter().next().map(|status| (status.calls, status.given_up)), Some((0, 0)));
}

#[test]
fn what_lies_before_a_trigger_goes_on_and_the_line_is_read_whole() {
    let (mut lab, flow) = helped(Announcer::new().with(anywhere));
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"O"), ["0 O"]);
    assert_eq!(play(&mut lab, &flow, 1, NONE, b"PE"), NOTHING, "a trigger begins there");
    let gone = play(&mut lab, &flow, 3, NONE, b"N 10.0.0.5:51210\r\n");
    assert_eq!(gone, ["1 PE", "3 N 203.0.113.1:51210\\r\\n"]);
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}

/// Triggers that may stand anywhere.
fn anywhere(manifest: &mut crate::conntrack::helper::Manifest) {
    manifest.triggers.clear();
    for bytes in [&b"pen "[..], b"ame"] {
        manifest.triggers.push(Trigger { bytes: bytes.to_vec(), anchor: Anchor::Anywhere });
    }
}

#[test]
fn what_has_gone_on_stays_granted_whatever_a_line_behind_a_gap_does() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51210\r\nOPEN"), NOTHING);
    assert_eq!(play(&mut lab, &flow, 40, NONE, b"perhaps a rest\r\nTRAP\r\n"), NOTHING);
    lab.now = lab.now + LINE_HELD_TIME;
    let gone = lab.let_overdue_go();
    assert_eq!(gone_on(&flow, gone), ["0 OPEN 203.0.113.1:51210\\r\\nOPEN", "HelperFailed"]);
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}

#[test]
fn a_helper_that_is_gone_holds_nothing_back() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51"), NOTHING);
    lab.conntrack.connection_mut(flow.id).expect("it is there").extension_mut().helper = None;
    assert_eq!(play(&mut lab, &flow, 16, NONE, b"210\r\n"), ["0 OPEN 10.0.0.5:51", "16 210\\r\\n"]);
}

#[test]
fn a_connection_that_does_not_speak_the_protocol_loses_its_helper_but_not_in_linux() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51210\r\n");
    let gone = play(&mut lab, &flow, 21, NONE, b"OPEN 10.0.0.5:51211\r\nALIEN\r\nOPEN 10.0.0.5:51212\r\n");
    let same = "24 OPEN 10.0.0.5:51211\\r\\nALIEN\\r\\nOPEN 10.0.0.5:51212\\r\\n";
    assert_eq!(gone, [same], "the rest is not read, and what was read says nothing");
    let told = happened(&mut lab);
    assert!(matches!(told[..], [HelperEvent::Detached { .. }]), "{told:?}");
    assert!(lab.conntrack.expectations().is_empty(), "nor does what was said before");
    let connection = lab.conntrack.connection(flow.id).expect("it is there");
    assert!(connection.helper().is_none() && concerns(connection), "its numbers have moved");
    assert_eq!(play(&mut lab, &flow, 70, NONE, b"OPEN 10.0.0.5:51210\r\n"), ["73 OPEN 10.0.0.5:51210\\r\\n"]);
    let (mut lab, flow) = helped_in(HelperMode::Kernel, Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"ALIEN\r\n"), ["0 ALIEN\\r\\n"]);
    assert!(lab.conntrack.connection(flow.id).is_some_and(|connection| connection.helper().is_some()));
}

#[test]
fn what_was_written_is_written_again_whoever_has_forgotten_the_stream_meanwhile() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51210\r\n");
    let helper = |lab: &mut Lab| {
        lab.conntrack.connection_mut(flow.id).map(|connection| connection.extension_mut().helper.take())
    };
    let taken = helper(&mut lab).flatten();
    assert_eq!(play(&mut lab, &flow, 21, NONE, b"NOOP\r\n"), ["24 NOOP\\r\\n"], "nobody reads it");
    lab.conntrack.connection_mut(flow.id).expect("it is there").extension_mut().helper = taken;
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51210\r\n"), ["0 OPEN 203.0.113.1:51210\\r\\n"]);
}

#[test]
fn a_connection_that_is_forgotten_does_not_keep_its_segments() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51"), NOTHING);
    lab.conntrack.kill(lab.now, flow.id, &mut lab.around);
    lab.now = lab.now + LINE_HELD_TIME;
    let gone = lab.let_overdue_go();
    assert_eq!(gone_on(&flow, gone), ["0 OPEN 10.0.0.5:51"]);
    assert_eq!(lab.waiting.next_timeout(), None);
}

#[test]
fn a_super_packet_is_read_as_any_other_and_cut_to_what_is_new() {
    let (mut lab, flow) = helped(Announcer::new());
    play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51");
    let line = alloc::format!("OPEN 10.0.0.5:51210\r\n{}", "NOOP\r\n".repeat(300));
    let mut whole = piece(&flow, 0, NONE, b"");
    whole.splice_payload(0..0, line.as_bytes()).expect("it is short enough");
    whole.meta_mut().gso = Some(Gso { kind: crate::packet::GsoKind::Tcp4, size: 100, segments: 19, fixed_id: false });
    offload::checksum::fill(&mut whole, &Routines::PORTABLE);
    let passed = lab.pass_on(whole);
    let lens: Vec<usize> = passed.iter().map(|packet| packet.as_ref().expect("it goes on").payload_len()).collect();
    assert_eq!(lens, [22, line.len() - 19]);
    let gso = passed[1].as_ref().expect("it goes on").meta().gso.expect("it is still one");
    assert_eq!((gso.size, gso.segments), (100, 19));
}

proptest! {
    /// However a session is cut, repeated, reordered and lost, its receiver gets the same bytes as when each line is a segment.
    #[test]
    fn a_receiver_gets_the_same_stream_however_it_is_cut(
        pieces in proptest::collection::vec((0_usize..140, 1_usize..60), 1..60),
        delays in proptest::collection::vec(0_u64..300, 60),
        is_anywhere: bool,
    ) {
        let said = b"NOOP\r\nOPEN 10.0.0.5:51210\r\nOPEN 10.0.0.99:51210\r\nSAME\r\n\r\nOPEN 10.0.0.5:51213 10.0.0.5:51214\r\nNOOP\r\nNO";
        let many = |manifest: &mut crate::conntrack::helper::Manifest| {
            manifest.classes[0].expected_max = 9;
            if is_anywhere {
                anywhere(manifest);
            }
        };
        let wanted = b"NOOP\r\nOPEN 203.0.113.1:51210\r\nOPEN 10.0.0.99:51210\r\nSAME\r\n\r\nOPEN 203.0.113.1:51213 203.0.113.1:51214\r\nNOOP\r\nNO";
        let (mut lab, flow) = helped(Announcer::new().with(many));
        let start = SeqNum(flow.next[0]);
        let mut got = alloc::vec![None; wanted.len()];
        let take = |got: &mut Vec<Option<u8>>, passed: Vec<Result<Packet, DropReason>>| {
            for packet in passed {
                let packet = packet.expect("nothing is dropped");
                assert!(is_right(&packet, &Routines::PORTABLE));
                let at = (packet.tcp().expect("it is TCP").seq() - start) as usize;
                for (index, byte) in stream::payload(&packet).iter().enumerate() {
                    assert!(got[at + index].is_none_or(|before| before == *byte), "at {}", at + index);
                    got[at + index] = Some(*byte);
                }
            }
        };
        // What is lost for half a second is given up, so what is sent again at last is sent within it.
        let ends = core::iter::repeat_n((0..said.len()).step_by(7).map(|from| (from, 7)), 4).flatten();
        for ((from, len), delay) in pieces.into_iter().chain(ends).zip(delays.into_iter().chain(core::iter::repeat(0))) {
            let (from, to) = (from.min(said.len()), (from + len).min(said.len()));
            let packet = piece(&flow, from as u32, NONE, &said[from..to]);
            lab.now = lab.now + Duration::from_micros(delay);
            let passed = lab.pass_on(packet);
            take(&mut got, passed);
        }
        lab.now = lab.now + LINE_HELD_TIME;
        let passed = lab.let_overdue_go();
        take(&mut got, passed);
        prop_assert_eq!(lab.waiting.len(), 0);
        let got: Option<Vec<u8>> = got.into_iter().collect();
        prop_assert_eq!(got.map(|got| got.escape_ascii().to_string()), Some(wanted.escape_ascii().to_string()));
        prop_assert_eq!(lab.conntrack.expectations().len(), 4);
    }
}
