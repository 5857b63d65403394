//! How much may wait and be remembered, and what is told when more would.

use super::{
    streams::{CLIENTS, NONE, NOTHING, play},
    *,
};
use crate::{
    conntrack::Extension,
    limits::{LINE_BYTES_HELD_MAX, LINE_HELD_TIME, LINE_SEGMENTS_HELD_MAX, LINES_HELD_BYTES_MAX, REMEMBERED_BYTES_MAX},
    nat::sequence::Rewrites,
};

#[test]
fn a_line_longer_than_may_be_held_goes_on() {
    let (mut lab, flow) = helped(Announcer::new());
    let part = [b'x'; 1000];
    assert_eq!(play(&mut lab, &flow, 0, NONE, b"OPEN "), NOTHING);
    for at in 0..4 {
        assert_eq!(play(&mut lab, &flow, 5 + at * 1000, NONE, &part), NOTHING);
    }
    assert_eq!(play(&mut lab, &flow, 4005, NONE, &part).len(), 6);
    let told = happened(&mut lab);
    assert!(matches!(told[..], [HelperEvent::GivenUp { why: GivenUp::Length, .. }]), "{told:?}");
    assert_eq!(LINE_BYTES_HELD_MAX, 4096, "five segments of it are too many");
    assert_eq!(play(&mut lab, &flow, 5005, NONE, b" 10.0.0.5:51210\r\nOPEN").len(), 0, "and then the next one");
}

#[test]
fn a_line_longer_than_may_be_held_is_not_shown_when_it_comes_in_one_piece_either() {
    let told = |len: usize| {
        let (mut lab, flow) = helped(Announcer::new());
        let line = [b"OPEN 10.0.0.5:51210 ".as_slice(), &b"x".repeat(len - 22), b"\r\n"].concat();
        let mut super_packet = flow.segment(CLIENTS, TcpFlags::ACK, b"");
        super_packet.splice_payload(0..0, &line).expect("it is short enough");
        offload::checksum::fill(&mut super_packet, &Routines::PORTABLE);
        assert_eq!(lab.pass_on(super_packet).len(), 1);
        happened(&mut lab)
    };
    assert!(matches!(told(LINE_BYTES_HELD_MAX + 1)[..], [HelperEvent::GivenUp { why: GivenUp::Length, .. }]));
    assert_eq!(told(LINE_BYTES_HELD_MAX), [], "it is shown");
}

#[test]
fn no_stream_holds_more_segments_than_it_may_however_short_they_are() {
    let (mut lab, flow) = helped(Announcer::new());
    let gone = (0..200).flat_map(|at| play(&mut lab, &flow, 2 * at + 1, NONE, b"x")).count();
    assert!(lab.waiting.len() <= LINE_SEGMENTS_HELD_MAX);
    assert_eq!(gone + lab.waiting.len(), 200);
}

#[test]
fn all_streams_together_hold_no_more_than_they_may() {
    let mut lab = Lab::new();
    let id = lab.helpers.load(Announcer::new().boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let mut held = 0;
    for client in 0..200_u16 {
        let from = |lab: &mut Lab, direction, flags: TcpFlags, seq: u32, bytes: &[u8]| {
            let flow = Flow {
                next: if direction == CLIENTS { [seq, 9001] } else { [1001, seq] },
                id: ConnId { slot: 0, generation: 0 },
            };
            let mut packet = flow.segment(direction, flags, bytes);
            let tcp = packet.tcp_mut().expect("it is TCP");
            match direction {
                Direction::Original => tcp.source_port = (2000 + client).into(),
                Direction::Reply => tcp.destination_port = (2000 + client).into(),
            }
            lab.pass_on(fixture::remade(&packet)).len()
        };
        from(&mut lab, CLIENTS, TcpFlags::SYN, 1000, b"");
        from(&mut lab, Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), 9000, b"");
        for at in 0..30 {
            from(&mut lab, CLIENTS, TcpFlags::ACK, 1002 + 2 * at, b"x");
        }
        held = held.max(lab.waiting.bytes());
    }
    assert!(held > LINES_HELD_BYTES_MAX / 2 && held <= LINES_HELD_BYTES_MAX + 4096, "{held}");
    let told = happened(&mut lab);
    let is_memory = |event: &HelperEvent| matches!(event, HelperEvent::GivenUp { why: GivenUp::Memory, .. });
    assert!(told.iter().any(is_memory), "{told:?}");
}

/// A segment of the client that sends from a port; what goes on.
fn as_client(
    lab: &mut Lab,
    port: u16,
    flow: &Flow,
    direction: Direction,
    flags: TcpFlags,
    payload: &[u8],
) -> Vec<Result<Packet, DropReason>> {
    let mut packet = flow.segment(direction, flags, payload);
    let tcp = packet.tcp_mut().expect("it is TCP");
    match direction {
        Direction::Original => tcp.source_port = port.into(),
        Direction::Reply => tcp.destination_port = port.into(),
    }
    lab.pass_on(fixture::remade(&packet))
}

/// The connection of the client that sends from a port, open.
fn open_as(lab: &mut Lab, port: u16) -> Flow {
    let mut flow = Flow { next: [1000, 9000], id: ConnId { slot: 0, generation: 0 } };
    as_client(lab, port, &flow, CLIENTS, TcpFlags::SYN, b"");
    flow.next[0] += 1;
    as_client(lab, port, &flow, Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"");
    flow.next[1] += 1;
    flow
}

fn remembered(lab: &Lab) -> usize {
    let connections = (0..lab.conntrack.slots()).filter_map(|slot| lab.conntrack.in_slot(slot));
    let extensions = connections.filter_map(|(_, connection)| connection.extension.as_deref());
    let bytes = |extension: &Extension| {
        let lines: usize =
            [Direction::Original, Direction::Reply].map(|way| extension.streams.line_bytes(way)).iter().sum();
        let rewrites = extension.moved.iter().flat_map(|moved| &moved.rewrites);
        lines + rewrites.map(Rewrites::memory_bytes).sum::<usize>() + extension.helper_state.len()
    };
    extensions.map(bytes).sum()
}

#[test]
fn what_is_remembered_of_lines_that_were_given_up_has_one_bound_for_all_connections() {
    let mut lab = Lab::new();
    let id = lab.helpers.load(Announcer::new().boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    let beginning = [b"OPEN ", &[b'x'; 3995][..]].concat();
    let mut forgotten = 0;
    for port in 2000..7000 {
        let mut flow = open_as(&mut lab, port);
        for part in beginning.chunks(1000) {
            assert!(as_client(&mut lab, port, &flow, CLIENTS, TcpFlags::ACK, part).is_empty());
            flow.next[0] += 1000;
        }
        lab.now = lab.now + LINE_HELD_TIME;
        assert_eq!(lab.let_overdue_go().len(), 4);
        let is_forgotten = |event: &HelperEvent| matches!(event, HelperEvent::GivenUp { why: GivenUp::Forgotten, .. });
        forgotten += happened(&mut lab).iter().filter(|event| is_forgotten(event)).count();
        lab.around.trace.take();
    }
    assert!(remembered(&lab) <= lab.conntrack.remembered_bytes(), "{}", remembered(&lab));
    assert!((REMEMBERED_BYTES_MAX - 5000..=REMEMBERED_BYTES_MAX).contains(&lab.conntrack.remembered_bytes()));
    assert_eq!(forgotten, 5000 - remembered(&lab) / beginning.len(), "and that is told");
    // The last one is still read when its rest comes, and the first one is not.
    for (port, is_read) in [(6999, true), (2000, false)] {
        let flow = Flow { next: [1001 + 4000, 9001], id: ConnId { slot: 0, generation: 0 } };
        let calls = |lab: &Lab| lab.helpers.iter().map(|status| status.calls).sum::<u64>();
        let before = calls(&lab);
        assert_eq!(as_client(&mut lab, port, &flow, CLIENTS, TcpFlags::ACK, b"\r\n").len(), 1);
        assert_eq!(calls(&lab) - before, u64::from(is_read), "{port}");
    }
    lab.conntrack.flush(lab.now, &mut lab.around);
    assert_eq!((remembered(&lab), lab.conntrack.remembered_bytes()), (0, 0), "what ends is not remembered");
}

#[test]
fn that_lines_go_on_unread_is_told_once_of_a_stream_and_counted_each_time() {
    let (mut lab, flow) = helped(Announcer::new());
    for number in 0..20 {
        play(&mut lab, &flow, 5 * number, NONE, b"OPEN ");
        lab.now = lab.now + LINE_HELD_TIME;
        lab.let_overdue_go();
    }
    assert_eq!(happened(&mut lab).len(), 1);
    assert_eq!(lab.helpers.iter().next().map(|status| status.given_up), Some(20));
}

#[test]
fn lines_beyond_those_that_a_helper_is_shown_go_on_unread_and_that_is_told() {
    let many = |manifest: &mut crate::conntrack::helper::Manifest| manifest.classes[0].expected_max = 99;
    let (mut lab, flow) = helped(Announcer::new().with(many));
    let lines: String = (0..17).map(|line| alloc::format!("OPEN 10.0.0.5:{}\r\n", 51_000 + line)).collect();
    let gone = play(&mut lab, &flow, 0, NONE, lines.as_bytes());
    assert!(gone[0].ends_with("OPEN 203.0.113.1:51015\\r\\nOPEN 10.0.0.5:51016\\r\\n"), "{gone:?}");
    let told = happened(&mut lab);
    assert!(matches!(told[..], [HelperEvent::GivenUp { why: GivenUp::Lines, .. }]), "{told:?}");
    assert_eq!(lab.helpers.iter().next().map(|status| status.given_up), Some(1));
}
