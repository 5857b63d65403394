//! Bytes that are missing, in connections of a helper that has to know how they begin.

use super::{
    openings::{ORDER, fresh, fresh_of, has_helper},
    streams::{CLIENTS, NONE, NOTHING, gone_on, play},
    *,
};
use crate::limits::{
    HELPER_LINES_ASKED_MAX, HELPER_LINES_MAX, LATE_BYTES_MAX, LINE_BYTES_HELD_MAX, LINE_HELD_TIME,
    REMEMBERED_BYTES_MAX, STRETCHES_AHEAD_MAX,
};

/// A connection that has begun rightly, and of which six bytes are missing before `behind`, which has gone on by now.
fn with_a_gap(behind: &[u8]) -> (Lab, Flow) {
    let (mut lab, mut flow) = fresh(HelperMode::Guarded);
    flow.say(&mut lab, CLIENTS, b"HELLO\r\n").expect("it is read");
    assert_eq!(play(&mut lab, &flow, 6, NONE, behind), NOTHING, "what comes before it may still come");
    let_time_pass(&mut lab, &flow, 1);
    (lab, flow)
}

fn let_time_pass(lab: &mut Lab, flow: &Flow, go_on: usize) {
    lab.now = lab.now + LINE_HELD_TIME;
    let gone = lab.let_overdue_go();
    assert_eq!(gone_on(flow, gone).len(), go_on);
}

const ORDERED: [&str; 1] = ["198.51.100.21:0 > 203.0.113.1:51210 tcp"];

#[test]
fn what_is_missing_is_read_when_it_comes_and_the_stream_is_read_on_behind_what_has_gone_on() {
    let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
    assert_eq!(play(&mut lab, &flow, 12, NONE, b"NO").len(), 1, "nothing waits any more");
    play(&mut lab, &flow, 0, NONE, b"NOOP\r\n");
    play(&mut lab, &flow, 14, NONE, b"OP\r\n");
    play(&mut lab, &flow, 18, NONE, ORDER);
    assert_eq!(expected(&lab), ORDERED);
}

#[test]
fn whoever_hides_what_tells_another_protocol_gets_nothing_by_it() {
    let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
    play(&mut lab, &flow, 12, NONE, ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty(), "an order passes unread");
    let (mut lab, flow) = with_a_gap(ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty(), "one has waited");
    assert!(matches!(happened(&mut lab).last(), Some(HelperEvent::Detached { why: Departure::Unread, .. })));
    let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
    play(&mut lab, &flow, 0, NONE, b"ALIEN\n");
    assert!(!has_helper(&lab, &flow), "what was hidden comes at last");
}

#[test]
fn a_second_gap_is_one_as_well() {
    let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
    play(&mut lab, &flow, 18, NONE, b"NOOP\r\n");
    play(&mut lab, &flow, 0, NONE, b"NOOP\r\n");
    assert!(has_helper(&lab, &flow));
    play(&mut lab, &flow, 24, NONE, ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
    let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
    play(&mut lab, &flow, 18, NONE, b"NOOP\r\n");
    play(&mut lab, &flow, 0, NONE, b"NOOP\r\n");
    play(&mut lab, &flow, 12, NONE, b"NOOP\r\n");
    play(&mut lab, &flow, 24, NONE, ORDER);
    assert_eq!(expected(&lab), ORDERED);
}

#[test]
fn a_first_line_in_pieces_of_which_the_second_is_hidden_is_a_gap_too() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    assert_eq!(play(&mut lab, &flow, 7, NONE, b"NOOP\r\n"), NOTHING);
    let_time_pass(&mut lab, &flow, 1);
    play(&mut lab, &flow, 0, NONE, b"HELLO ");
    assert!(has_helper(&lab, &flow));
    play(&mut lab, &flow, 13, NONE, ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
}

#[test]
fn a_trigger_that_lies_across_the_end_of_a_gap_is_none_that_was_read() {
    let (mut lab, flow) = with_a_gap(b"IEN\r\n");
    assert!(has_helper(&lab, &flow));
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"NOO\nAL"), NOTHING, "its line can matter");
    let_time_pass(&mut lab, &flow, 1);
    assert!(!has_helper(&lab, &flow));
}

#[test]
fn a_gap_is_not_waited_for_when_the_stream_goes_on_and_on_or_has_too_many_of_them() {
    for (behind, stays) in [(LATE_BYTES_MAX, true), (LATE_BYTES_MAX + 1, false)] {
        let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
        play(&mut lab, &flow, behind as u32, NONE, b"NOOP\r\n");
        assert_eq!(has_helper(&lab, &flow), stays);
    }
    let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
    for number in 1..=STRETCHES_AHEAD_MAX as u32 {
        assert!(has_helper(&lab, &flow));
        play(&mut lab, &flow, 6 + 12 * number, NONE, b"NOOP\r\n");
    }
    assert!(!has_helper(&lab, &flow));
}

#[test]
fn a_gap_is_remembered_in_a_snapshot_and_counted_among_what_is_remembered() {
    let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
    assert!(lab.conntrack.remembered_bytes() > 0);
    let streams = &mut lab.conntrack.connection_mut(flow.id).expect("it is there").extension_mut().streams;
    let record = streams.save().expect("there is something to save");
    assert!(record.iter().all(StreamRecord::is_right));
    *streams = Streams::resume(record);
    play(&mut lab, &flow, 12, NONE, ORDER);
    assert!(!has_helper(&lab, &flow));
    let (mut lab, flow) = with_a_gap(b"NOOP\r\n");
    play(&mut lab, &flow, 0, NONE, b"NOOP\r\n");
    assert_eq!(lab.conntrack.remembered_bytes(), 0, "it is filled");
}

#[test]
fn a_line_of_concern_that_is_too_long_costs_a_connection_its_helper_in_however_small_pieces_it_comes() {
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    play(&mut lab, &flow, 0, NONE, b"HELLO\r\nALIEN");
    let mut at = 12;
    while at < 12 + LINE_BYTES_HELD_MAX as u32 {
        play(&mut lab, &flow, at, NONE, &[b'x'; 1000]);
        at += 1000;
        lab.now = lab.now + LINE_HELD_TIME;
        lab.let_overdue_go();
    }
    play(&mut lab, &flow, at, NONE, b"\r\n");
    play(&mut lab, &flow, at + 2, NONE, ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
}

#[test]
fn what_may_stand_anywhere_is_not_passed_over_in_the_rest_of_a_line_that_is_too_long() {
    for (rest, stays) in [(&b"and ALIEN\r\n"[..], false), (b"and so on\r\n", true)] {
        let anywhere = |manifest: &mut crate::conntrack::helper::Manifest| {
            manifest
                .triggers
                .iter_mut()
                .for_each(|trigger| trigger.anchor = crate::conntrack::helper::Anchor::Anywhere);
        };
        let (mut lab, flow) = fresh_of(HelperMode::Guarded, anywhere);
        play(&mut lab, &flow, 0, NONE, b"HELLO\r\n");
        for number in 0..=LINE_BYTES_HELD_MAX as u32 / 1000 {
            play(&mut lab, &flow, 7 + 1000 * number, NONE, &[b'x'; 1000]);
        }
        play(&mut lab, &flow, 5007, NONE, rest);
        assert_eq!(has_helper(&lab, &flow), stays);
    }
}

#[test]
fn a_connection_of_which_something_was_forgotten_to_make_room_counts_as_one_that_was_not_read() {
    let (mut lab, mut flow) = fresh(HelperMode::Guarded);
    flow.say(&mut lab, CLIENTS, b"HELLO\r\n").expect("it is read");
    play(&mut lab, &flow, 0, NONE, b"ALI");
    let_time_pass(&mut lab, &flow, 1);
    // Others have remembered as much as there may be since.
    let room = REMEMBERED_BYTES_MAX - lab.conntrack.remembered_bytes();
    let other = another_client(&mut lab, &flow);
    let other = as_another(&mut lab, &other, CLIENTS, TcpFlags::ACK, b"NOOP\r\n").meta().tracking.connection();
    let other = other.expect("it is tracked");
    lab.conntrack.connection_mut(other).expect("it is there").extension_mut().helper_state = alloc::vec![0; room];
    assert_eq!(lab.conntrack.weigh(other, Memory::State), [(flow.id, GivenUp::Share)]);
    play(&mut lab, &flow, 3, NONE, b"EN\r\n");
    play(&mut lab, &flow, 7, NONE, ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
}

/// What goes unread may be what tells that it is another protocol, and whoever speaks that may have seen to the failures.
#[test]
fn what_is_said_while_the_helper_is_shown_nothing_of_its_client_counts_as_unread() {
    for mode in [HelperMode::Guarded, HelperMode::Kernel] {
        let (mut lab, mut flow) = fresh(mode);
        flow.say(&mut lab, CLIENTS, b"HELLO\r\n").expect("it is read");
        for _ in 0..HELPER_FAILURES_MAX {
            assert!(flow.say(&mut lab, CLIENTS, b"TRAP\r\n").is_err());
        }
        flow.say(&mut lab, CLIENTS, b"NOOP\r\n").expect("it goes on");
        assert!(has_helper(&lab, &flow), "nothing of concern went unread");
        flow.say(&mut lab, CLIENTS, b"ALIEN\r\n").expect("nobody reads it");
        lab.now = lab.now + HELPER_FAILURES_WINDOW;
        flow.say(&mut lab, CLIENTS, ORDER).expect("it goes on");
        let is_read = mode == HelperMode::Kernel;
        assert_eq!((has_helper(&lab, &flow), lab.conntrack.expectations().len()), (is_read, usize::from(is_read)));
    }
}

#[test]
fn many_lines_of_no_concern_cost_a_connection_nothing() {
    let (mut lab, mut flow) = fresh(HelperMode::Guarded);
    flow.say(&mut lab, CLIENTS, b"HELLO\r\nSTATE a\r\n").expect("it is read");
    let lines = [b"TELL\r\n".repeat(2 * HELPER_LINES_MAX), ORDER.to_vec()].concat();
    flow.say(&mut lab, CLIENTS, &lines).expect("it is read");
    assert_eq!(expected(&lab), ORDERED);
    let lines = b"TELL\r\n".repeat(HELPER_LINES_ASKED_MAX + 1);
    for (number, piece) in lines.chunks(60 * b"TELL\r\n".len()).enumerate() {
        assert!(has_helper(&lab, &flow), "{number}");
        flow.say(&mut lab, CLIENTS, piece).expect("it is read");
    }
    let mut whole = flow.segment(CLIENTS, TcpFlags::ACK, b"");
    whole.splice_payload(0..0, &lines).expect("it is short enough");
    offload::checksum::fill(&mut whole, &Routines::PORTABLE);
    lab.pass(whole).expect("it goes on");
    assert!(!has_helper(&lab, &flow), "but there is a bound");
}

/// What is expected when a server has said something, the last piece of which lies so many bytes behind what it has said, and then its client.
fn after_the_server(pieces: &[(u32, &[u8])]) -> Vec<String> {
    let (mut lab, mut flow) = fresh(HelperMode::Guarded);
    flow.say(&mut lab, CLIENTS, b"HELLO\r\n").expect("it is read");
    for (from, bytes) in pieces {
        let ahead = Flow { next: [flow.next[0], flow.next[1] + from], id: flow.id };
        let packet = ahead.segment(Direction::Reply, TcpFlags::ACK, bytes);
        lab.pass_on(packet);
        lab.now = lab.now + LINE_HELD_TIME;
        lab.let_overdue_go();
    }
    let servers = expected(&lab);
    flow.say(&mut lab, CLIENTS, ORDER).expect("it is read");
    assert_eq!(expected(&lab), ORDERED, "what the client says counts");
    servers
}

#[test]
fn a_server_of_which_bytes_are_missing_is_not_believed_but_its_client_is() {
    assert_eq!(after_the_server(&[(0, b"SAME\r\n")]).len(), 1);
    assert_eq!(after_the_server(&[(6, b"SAME\r\n")]), NOTHING);
    assert_eq!(after_the_server(&[(6, b"NOOP\r\n"), (12, b"SAME\r\n")]), NOTHING);
    assert_eq!(after_the_server(&[(6, b"NOOP\r\n"), (0, b"NOOP\r\n"), (12, b"SAME\r\n")]).len(), 1);
    assert_eq!(after_the_server(&[(6, b"SAME\r\n"), (0, b"NOOP\r\n"), (12, b"SAME\r\n")]), NOTHING);
}

#[test]
fn a_server_whose_lines_are_too_long_or_too_many_is_not_believed_but_its_client_is() {
    let long = [b"OPEN ".to_vec(), alloc::vec![b'x'; LINE_BYTES_HELD_MAX]].concat();
    let many = b"OPEN x\r\n".repeat(HELPER_LINES_MAX + 1);
    for unread in [long, many] {
        let all = [&unread[..], b"\r\nSAME\r\n"].concat();
        let pieces: Vec<_> =
            all.chunks(1000).enumerate().map(|(number, piece)| (1000 * number as u32, piece)).collect();
        assert_eq!(after_the_server(&pieces), NOTHING);
    }
}
