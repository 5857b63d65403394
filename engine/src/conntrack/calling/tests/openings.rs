//! Connections that do not begin as their helper's protocol does.

use super::{
    streams::{CLIENTS, NONE, NOTHING, gone_on, play},
    *,
};
use crate::{conntrack::calling::stream::Streams, limits::LINE_HELD_TIME};

/// A connection on which nobody has said anything yet, of a helper that knows how its protocol begins.
fn fresh(mode: HelperMode) -> (Lab, Flow) {
    let mut lab = Lab::new();
    lab.helpers.set_mode(mode);
    let knows =
        Announcer::new().with(|manifest| manifest.openings = alloc::vec![b"HELLO ".to_vec(), b"OPEN ".to_vec()]);
    let id = lab.helpers.load(knows.boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let flow = Flow::open(&mut lab);
    lab.told();
    (lab, flow)
}

fn has_helper(lab: &Lab, flow: &Flow) -> bool {
    lab.conntrack.connection(flow.id).is_some_and(|connection| connection.helper().is_some())
}

const ORDER: &[u8] = b"OPEN 10.0.0.5:51210\r\n";

#[test]
fn who_begins_as_another_protocol_does_is_not_read_whatever_he_says_then() {
    for first in [&b"EHLO office.example\r\n"[..], b"CLIENT libcurl\r\n", b"\r\n", b"HELLO\r\n", b"\x16\x03\x01"] {
        let (mut lab, flow) = fresh(HelperMode::Guarded);
        let gone = play(&mut lab, &flow, 0, NONE, &[first, ORDER].concat());
        assert_eq!(gone, [alloc::format!("0 {}", [first, ORDER].concat().escape_ascii())]);
        assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty());
        assert!(matches!(happened(&mut lab)[..], [HelperEvent::Detached { .. }]));
    }
}

#[test]
fn who_begins_as_the_protocol_does_is_read() {
    for first in [&b"hello office\r\n"[..], b""] {
        let (mut lab, flow) = fresh(HelperMode::Guarded);
        play(&mut lab, &flow, 0, NONE, &[first, ORDER].concat());
        assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
    }
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
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"O"), NOTHING);
    assert_eq!(play(&mut lab, &flow, 1, NONE, &ORDER[1..]), ["0 O", "1 PEN 203.0.113.1:51210\\r\\n"]);
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
    assert_eq!(play(&mut lab, &flow, 20, NONE, ORDER), NOTHING, "what comes before it may still come");
    lab.now = lab.now + LINE_HELD_TIME;
    let gone = lab.let_overdue_go();
    assert_eq!(gone_on(&flow, gone).len(), 1);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty(), "its beginning has not come in time");
    let (mut lab, flow) = fresh(HelperMode::Guarded);
    lab.conntrack.connection_mut(flow.id).expect("it is there").extension_mut().streams = Streams::default();
    play(&mut lab, &flow, 0, NONE, ORDER);
    assert!(!has_helper(&lab, &flow) && lab.conntrack.expectations().is_empty(), "it was picked up on its way");
}

#[test]
fn what_was_said_in_the_syn_is_no_beginning_that_was_read() {
    let mut lab = Lab::new();
    let knows = Announcer::new().with(|manifest| manifest.openings = alloc::vec![b"OPEN ".to_vec()]);
    let id = lab.helpers.load(knows.boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let mut flow = Flow { next: [1000, 9000], id: ConnId { slot: 0, generation: 0 } };
    let syn = lab.pass(flow.segment(CLIENTS, TcpFlags::SYN, b"POST / HTTP/1.1\r\n")).expect("it may open");
    flow.id = syn.meta().tracking.connection().expect("it is tracked");
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
    play(&mut lab, &flow, 0, NONE, b"HELLO \r\n");
    let streams = &mut lab.conntrack.connection_mut(flow.id).expect("it is there").extension_mut().streams;
    streams.forget();
    *streams = Streams::resume(streams.save().expect("there is something to save"));
    play(&mut lab, &flow, 8, NONE, b"NOOP\r\n");
    play(&mut lab, &flow, 14, NONE, ORDER);
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:51210 tcp"]);
}
