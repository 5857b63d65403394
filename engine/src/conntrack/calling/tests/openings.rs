//! Connections that do not begin as their helper's protocol does.

use super::{
    streams::{CLIENTS, NONE, NOTHING, gone_on, play},
    *,
};
use crate::{
    conntrack::calling::{event::Departure, stream::Streams},
    limits::{HELPER_LINES_MAX, LATE_BYTES_MAX, LINE_BYTES_HELD_MAX, LINE_HELD_TIME, LINE_SEGMENTS_HELD_MAX},
};

/// A connection on which nobody has said anything yet, of a helper that knows how its protocol begins.
pub(super) fn fresh(mode: HelperMode) -> (Lab, Flow) {
    fresh_of(mode, |_| ())
}

/// The same, with a helper of another manifest.
pub(super) fn fresh_of(mode: HelperMode, change: impl FnOnce(&mut crate::conntrack::helper::Manifest)) -> (Lab, Flow) {
    let mut lab = Lab::new();
    lab.helpers.set_mode(mode);
    let knows = Announcer::new().with(|manifest| manifest.openings = alloc::vec![b"HELLO".to_vec(), b"OPEN".to_vec()]);
    let knows = knows.with(change);
    let id = lab.helpers.load(knows.boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let flow = Flow::open(&mut lab);
    lab.told();
    (lab, flow)
}

/// A connection whose client has sent no more than its SYN, with these bytes.
fn asking(bytes: &[u8]) -> (Lab, Flow) {
    let mut lab = Lab::new();
    let knows = Announcer::new().with(|manifest| manifest.openings = alloc::vec![b"HELLO".to_vec()]);
    let id = lab.helpers.load(knows.boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let mut flow = Flow { next: [1000, 9000], id: ConnId { slot: 0, generation: 0 } };
    let syn = lab.pass(flow.segment(CLIENTS, TcpFlags::SYN, bytes)).expect("it may open");
    flow.id = syn.meta().tracking.connection().expect("it is tracked");
    (lab, flow)
}

pub(super) fn has_helper(lab: &Lab, flow: &Flow) -> bool {
    lab.conntrack.connection(flow.id).is_some_and(|connection| connection.helper().is_some())
}

pub(super) const ORDER: &[u8] = b"OPEN 10.0.0.5:51210\r\n";

#[test]
fn who_begins_as_another_protocol_does_is_not_read_whatever_he_says_then() {
    for first in [&b"EHLO office.example\r\n"[..], b"CLIENT libcurl\r\n", b" \r\n", b"HELLOS\r\n", b"\x16\x03\x01"] {
        let (mut lab, flow) = fresh(HelperMode::Guarded);
        let gone = play(&mut lab, &flow, 0, NONE, &[first, ORDER].concat());
        assert_eq!(gone, [alloc::format!("0 {}", [first, ORDER].concat().escape_ascii())]);
        assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
        assert!(matches!(happened(&mut lab)[..], [HelperEvent::Detached { .. }]));
    }
}

#[test]
fn who_begins_as_the_protocol_does_is_read() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    play(&mut lab, &flow, 0, NONE, &[b"hello office\r\n", ORDER].concat());
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}

#[test]
fn the_first_line_announces_nothing_since_a_page_may_choose_its_word() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    play(&mut lab, &flow, 0, NONE, b"OPEN 10.0.0.5:51210 HTTP/1.1\r\n");
    assert!(has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
    play(&mut lab, &flow, 30, NONE, ORDER);
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"], "behind it there may be one");
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    play(&mut lab, &flow, 0, NONE, &ORDER[..9]);
    play(&mut lab, &flow, 9, NONE, &ORDER[9..]);
    assert!(lab.conntrack.expectations().is_empty(), "in pieces as well");
}

#[test]
fn blank_lines_before_the_first_one_are_no_part_of_it() {
    for pieces in [&[&b"\r\n"[..], b"\n", b"HELLO\r\n"][..], &[b"\r\n\r\nHELLO\r\n"], &[b"\r\nHEL", b"LO\r\n"]] {
        let (mut lab, mut flow) = fresh(HelperMode::Guarded);
        for piece in pieces {
            lab.pass_on(flow.segment(CLIENTS, TcpFlags::ACK, piece));
            flow.next[0] += piece.len() as u32;
        }
        play(&mut lab, &flow, 0, NONE, ORDER);
        assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
    }
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    play(&mut lab, &flow, 0, NONE, &[&b"\r\n"[..], ORDER].concat());
    assert!(has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty(), "the first one announces nothing");
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    play(&mut lab, &flow, 0, NONE, b"\r\n");
    play(&mut lab, &flow, 2, NONE, b"POST / HTTP/1.1\r\n");
    assert!(!has_helper(&lab, &flow));
}

#[test]
fn what_another_protocol_has_announced_is_expected_no_more() {
    let long = [b"OPEN ".to_vec(), alloc::vec![b'x'; LINE_BYTES_HELD_MAX]].concat();
    let many = b"OPEN x\r\n".repeat(HELPER_LINES_MAX + 1);
    for later in [&b"ALIEN\r\n"[..], &long, &many] {
        let (mut lab, flow) = fresh(HelperMode::Guarded);
        play(&mut lab, &flow, 0, NONE, &[b"HELLO office\r\n", ORDER].concat());
        assert_eq!(lab.conntrack.expectations().len(), 1);
        happened(&mut lab);
        let mut at = 35;
        for piece in [later, b"\r\n", ORDER].concat().chunks(1000) {
            play(&mut lab, &flow, at, NONE, piece);
            at += piece.len() as u32;
        }
        assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty(), "{}", later.escape_ascii());
        assert!(matches!(happened(&mut lab).last(), Some(HelperEvent::Detached { .. })));
    }
}

#[test]
fn what_a_server_says_before_anybody_has_asked_is_not_read() {
    let (mut lab, mut flow) = fresh(HelperMode::Guarded);
    flow.say(&mut lab, Direction::Reply, b"SAME\r\n").expect("it goes on");
    flow.say(&mut lab, CLIENTS, b"HELLO office\r\n").expect("it goes on");
    assert!(lab.conntrack.expectations().is_empty());
    flow.say(&mut lab, Direction::Reply, b"SAME\r\n").expect("it is read");
    assert_eq!(lab.conntrack.expectations().len(), 1);
}

#[test]
fn a_server_may_begin_as_it_likes() {
    let (mut lab, mut flow) = fresh(HelperMode::Guarded);
    flow.say(&mut lab, Direction::Reply, b"220 here\r\n").expect("nothing is read");
    assert!(has_helper(&lab, &flow));
}

#[test]
fn a_beginning_in_pieces_waits_until_it_says_which_protocol_it_is() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"H"), NOTHING);
    assert_eq!(play(&mut lab, &flow, 1, NONE, b"ELLO office\r\n"), ["0 H", "1 ELLO office\\r\\n"]);
    assert!(has_helper(&lab, &flow));
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"O"), NOTHING);
    assert_eq!(play(&mut lab, &flow, 1, NONE, b"PTIONS / HTTP/1.1\r\n"), ["0 O", "1 PTIONS / HTTP/1.1\\r\\n"]);
    assert!(!has_helper(&lab, &flow));
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"O"), NOTHING);
    lab.now = lab.now + LINE_HELD_TIME;
    let gone = lab.let_overdue_go();
    assert_eq!(gone_on(&flow, gone), ["0 O"]);
    assert!(!has_helper(&lab, &flow), "nobody can say any more what it is");
}

#[test]
fn in_linux_it_is_all_the_same_how_a_connection_begins() {
    let (mut lab, mut flow) = fresh(HelperMode::Kernel);
    flow.say(&mut lab, CLIENTS, b"EHLO office.example\r\n").expect("it goes on");
    flow.say(&mut lab, CLIENTS, ORDER).expect("it is read");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}

#[test]
fn a_connection_whose_beginning_was_not_read_is_not_read_at_all() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    lab.conntrack.connection_mut(flow.id).expect("it is there").extension_mut().streams = Streams::default();
    play(&mut lab, &flow, 0, NONE, ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty(), "it was picked up on its way");
    let told = happened(&mut lab);
    assert!(matches!(told[..], [HelperEvent::Detached { why: Departure::Unbegun, .. }]), "{told:?}");
}

/// A connection whose client's first line is missing, and has been waited for.
fn beginning_late() -> (Lab, Flow) {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    assert_eq!(play(&mut lab, &flow, 7, NONE, b"NOOP\r\n"), NOTHING, "what comes before it may still come");
    lab.now = lab.now + LINE_HELD_TIME;
    let gone = lab.let_overdue_go();
    assert_eq!(gone_on(&flow, gone).len(), 1);
    assert!(has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
    (lab, flow)
}

#[test]
fn a_first_line_that_was_lost_is_read_when_it_comes_at_last_and_nothing_waits_for_it_meanwhile() {
    let (mut lab, flow) = beginning_late();
    assert_eq!(play(&mut lab, &flow, 13, NONE, b"NOOP\r\n").len(), 1, "it goes on at once");
    play(&mut lab, &flow, 0, NONE, b"HELLO\r\n");
    play(&mut lab, &flow, 19, NONE, b"NOOP\r\n");
    play(&mut lab, &flow, 25, NONE, ORDER);
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
    let (mut lab, flow) = beginning_late();
    play(&mut lab, &flow, 0, NONE, b"POST /\n");
    assert!(!has_helper(&lab, &flow), "it speaks another protocol");
    let (mut lab, flow) = beginning_late();
    play(&mut lab, &flow, 13, NONE, ORDER);
    assert!(!has_helper(&lab, &flow), "who has not begun announces nothing");
}

#[test]
fn a_first_line_is_not_waited_for_when_the_stream_goes_on_and_on_without_it() {
    let (mut lab, flow) = beginning_late();
    play(&mut lab, &flow, LATE_BYTES_MAX as u32, NONE, b"NOOP\r\n");
    assert!(has_helper(&lab, &flow));
    play(&mut lab, &flow, LATE_BYTES_MAX as u32 + 1, NONE, b"NOOP\r\n");
    assert!(!has_helper(&lab, &flow));
}

#[test]
fn a_connection_that_begins_on_the_ports_of_another_one_has_to_begin_rightly_itself() {
    for (first, expects) in [(&b"HELLO again\r\n"[..], 1), (b"POST / HTTP/1.1\r\n", 0)] {
        // Its numbers are lower, and the gateway holds the other one for open.
        let (mut lab, mut flow) = fresh(HelperMode::Guarded);
        flow.say(&mut lab, CLIENTS, b"HELLO\r\n").expect("it is read");
        flow.say(&mut lab, CLIENTS, ORDER).expect("it is read");
        assert_eq!(lab.conntrack.expectations().len(), 1);
        flow.next = [500, 4000];
        lab.pass(flow.segment(CLIENTS, TcpFlags::SYN, b"")).expect("its receiver may know better");
        flow.next[0] += 1;
        lab.pass(flow.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"")).expect("it does");
        flow.next[1] += 1;
        lab.pass(flow.segment(CLIENTS, TcpFlags::ACK, b"")).expect("it is open");
        flow.say(&mut lab, CLIENTS, first).expect("it goes on");
        flow.say(&mut lab, CLIENTS, b"OPEN 10.0.0.5:51299\r\n").expect("it goes on");
        assert_eq!(expected(&lab).iter().filter(|one| one.contains("51299")).count(), expects);
    }
}

#[test]
fn a_server_that_answers_twice_does_not_choose_where_its_client_begins() {
    let request = b"POST / HTTP/1.1\r\n";
    let (mut lab, mut flow) = asking(b"");
    flow.next[0] = 1001;
    lab.pass(flow.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"")).expect("it is answered");
    flow.next[0] = 1001 + request.len() as u32;
    lab.pass(flow.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b""))
        .expect("its client will not mind");
    flow.next = [1001, 9001];
    flow.say(&mut lab, CLIENTS, request).expect("it goes on");
    flow.say(&mut lab, CLIENTS, b"HELLO\r\n").expect("it goes on");
    flow.say(&mut lab, CLIENTS, ORDER).expect("it goes on");
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
}

#[test]
fn a_syn_that_has_not_gone_on_does_not_choose_where_a_client_begins() {
    for has_gone_on in [false, true] {
        let request = b"POST / HTTP/1.1\r\n";
        let (mut lab, flow) = fresh(HelperMode::Guarded);
        let mut thirds = Flow { next: [flow.next[0] + request.len() as u32 - 1, flow.next[1]], id: flow.id };
        if has_gone_on {
            lab.pass(thirds.segment(CLIENTS, TcpFlags::SYN, b"")).expect("its receiver may know better");
        } else {
            lab.track(&mut thirds.segment(CLIENTS, TcpFlags::SYN, b""));
        }
        thirds.next[0] += 1;
        lab.pass(thirds.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"")).expect("it does");
        play(&mut lab, &flow, 0, NONE, request);
        play(&mut lab, &flow, 17, NONE, b"HELLO\r\n");
        play(&mut lab, &flow, 24, NONE, ORDER);
        assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty(), "{has_gone_on}");
    }
}

#[test]
fn what_a_connection_has_announced_is_expected_no_more_once_another_one_begins_on_its_ports_however_far_that_comes() {
    let (mut lab, mut flow) = fresh(HelperMode::Guarded);
    flow.say(&mut lab, CLIENTS, b"HELLO\r\n").expect("it is read");
    flow.say(&mut lab, CLIENTS, b"SAME\r\n").expect("it is read");
    assert_eq!(lab.conntrack.expectations().len(), 1);
    let mut again = Flow { next: [500, 4000], id: flow.id };
    lab.pass(again.segment(CLIENTS, TcpFlags::SYN, b"")).expect("its receiver may know better");
    again.next[0] += 1;
    lab.track(&mut again.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b""));
    assert!(lab.conntrack.expectations().is_empty());
}

#[test]
fn a_keepalive_before_the_first_line_is_no_other_beginning() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    let before = Flow { next: [flow.next[0] - 1, flow.next[1]], id: flow.id };
    lab.pass(before.segment(CLIENTS, TcpFlags::ACK, b"x")).expect("it goes on");
    play(&mut lab, &flow, 0, NONE, b"HELLO\r\n");
    play(&mut lab, &flow, 7, NONE, ORDER);
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}

#[test]
fn a_syn_that_is_sent_again_without_the_bytes_that_it_had_is_no_beginning() {
    let request = b"POST / HTTP/1.1\r\n";
    let (mut lab, mut flow) = asking(request);
    lab.pass(flow.segment(CLIENTS, TcpFlags::SYN, b"")).expect("it is sent again");
    flow.next[0] = 1001 + request.len() as u32;
    lab.pass(flow.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"")).expect("what it had is taken");
    flow.next[1] += 1;
    flow.say(&mut lab, CLIENTS, b"HELLO\r\n").expect("it goes on");
    flow.say(&mut lab, CLIENTS, ORDER).expect("it goes on");
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
}

#[test]
fn many_segments_behind_one_that_is_missing_cost_no_connection_its_helper() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    play(&mut lab, &flow, 0, NONE, b"HELLO\r\n");
    for number in 0..LINE_SEGMENTS_HELD_MAX as u32 + 8 {
        play(&mut lab, &flow, 13 + 6 * number, NONE, b"NOOP\r\n");
    }
    assert!(has_helper(&lab, &flow));
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    for number in 0..LINE_SEGMENTS_HELD_MAX as u32 + 8 {
        play(&mut lab, &flow, 7 + 6 * number, NONE, b"NOOP\r\n");
    }
    play(&mut lab, &flow, 0, NONE, b"HEL");
    play(&mut lab, &flow, 3, NONE, b"LO\r\n");
    assert!(has_helper(&lab, &flow), "its first line comes at last, in pieces");
}

#[test]
fn what_was_written_into_a_connection_is_not_written_into_the_next_one_on_its_ports() {
    let (mut lab, flow) = helped(Announcer::new());
    assert_eq!(play(&mut lab, &flow, 0, NONE, ORDER), ["0 OPEN 203.0.113.1:51210\\r\\n"]);
    let mut again = Flow { next: [flow.next[0] - 1, 4000], id: flow.id };
    lab.pass(again.segment(CLIENTS, TcpFlags::SYN, b"")).expect("its receiver may know better");
    again.next[0] += 1;
    lab.pass(again.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"")).expect("it does");
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"PASS secret-of-23-bytes\r\n"), ["0 PASS secret-of-23-bytes\\r\\n"]);
}

#[test]
fn what_was_said_in_the_syn_is_no_beginning_that_was_read() {
    let (mut lab, mut flow) = asking(b"POST / HTTP/1.1\r\n");
    flow.next[0] += 18;
    lab.pass(flow.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"")).expect("it is answered");
    flow.next[1] += 1;
    play(&mut lab, &flow, 0, NONE, b"Content-Length: 21\r\n");
    play(&mut lab, &flow, 20, NONE, ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
}

#[test]
fn who_has_begun_rightly_is_read_on_though_he_went_unread_for_a_while_or_was_saved() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    play(&mut lab, &flow, 0, NONE, b"HELLO\r\n");
    let streams = &mut lab.conntrack.connection_mut(flow.id).expect("it is there").extension_mut().streams;
    streams.forget();
    *streams = Streams::resume(streams.save().expect("there is something to save"));
    play(&mut lab, &flow, 7, NONE, b"NOOP\r\n");
    play(&mut lab, &flow, 13, NONE, ORDER);
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}
