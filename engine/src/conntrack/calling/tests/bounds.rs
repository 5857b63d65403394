//! How much may wait and be remembered, and what is told when more would.

use core::net::IpAddr;

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

/// Whoever has opened connections, by address and port.
type Client = ([u8; 4], u16);

/// A lab with the helper and no connection.
fn empty() -> Lab {
    let mut lab = Lab::new();
    let id = lab.helpers.load(Announcer::new().boxed()).expect("the manifest is right");
    lab.template = Template { helper: Some(id), ..Template::default() };
    lab
}

/// A segment of a client's connection; what goes on.
fn as_client(
    lab: &mut Lab,
    (address, port): Client,
    flow: &Flow,
    direction: Direction,
    flags: TcpFlags,
    payload: &[u8],
) -> Vec<Result<Packet, DropReason>> {
    let mut packet = flow.segment(direction, flags, payload);
    if direction == CLIENTS {
        packet.ipv4_mut().expect("it is IPv4").source = address;
    }
    let tcp = packet.tcp_mut().expect("it is TCP");
    match direction {
        Direction::Original => tcp.source_port = port.into(),
        Direction::Reply => tcp.destination_port = port.into(),
    }
    lab.pass_on(fixture::remade(&packet))
}

/// A client's connection, open.
fn open_as(lab: &mut Lab, client: Client) -> Flow {
    let mut flow = Flow { next: [1000, 9000], id: ConnId { slot: 0, generation: 0 } };
    as_client(lab, client, &flow, CLIENTS, TcpFlags::SYN, b"");
    flow.next[0] += 1;
    as_client(lab, client, &flow, Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"");
    flow.next[1] += 1;
    flow
}

/// A client's connection of which 30 segments wait, if they may; how many have gone on, of whomever.
fn fill(lab: &mut Lab, client: Client) -> usize {
    let flow = open_as(lab, client);
    let ahead = |at: u32| Flow { next: [flow.next[0] + 1 + 2 * at, flow.next[1]], id: flow.id };
    (0..30).map(|at| as_client(lab, client, &ahead(at), CLIENTS, TcpFlags::ACK, b"x").len()).sum()
}

/// Whose lines were given up, and why.
fn given_up(lab: &mut Lab) -> Vec<(IpAddr, GivenUp)> {
    let told = happened(lab).into_iter().filter_map(|event| match event {
        HelperEvent::GivenUp { connection, why, .. } => Some((connection.source_ip(), why)),
        HelperEvent::Failed { .. }
        | HelperEvent::Refused { .. }
        | HelperEvent::Barred { .. }
        | HelperEvent::Quarantined(_)
        | HelperEvent::Detached { .. } => None,
    });
    told.collect()
}

#[test]
fn all_streams_together_hold_no_more_than_they_may() {
    let mut lab = empty();
    let mut held = 0;
    for client in 0..200_u8 {
        fill(&mut lab, ([10, 0, 1, client], 2000 + u16::from(client)));
        held = held.max(lab.waiting.bytes());
    }
    assert!(held > LINES_HELD_BYTES_MAX / 2 && held <= LINES_HELD_BYTES_MAX + 4096, "{held}");
    let given_up = given_up(&mut lab);
    assert!(given_up.iter().any(|(_, why)| *why == GivenUp::Memory), "{given_up:?}");
    assert!(given_up.iter().all(|(_, why)| *why != GivenUp::Share), "none has more than its share");
}

/// Most of the time there is room for whoever needs much.
#[test]
fn who_holds_more_than_a_share_makes_room_for_others_when_nothing_else_is_left() {
    let mut lab = empty();
    let greedy = [10, 0, 0, 9];
    let mut gone = 0;
    for port in 2000..2200 {
        gone += fill(&mut lab, (greedy, port));
    }
    assert!(lab.waiting.bytes() > LINES_HELD_BYTES_MAX - 100_000, "one alone may have all");
    assert!(gone > 0);
    let told = given_up(&mut lab);
    assert!(!told.is_empty() && told.iter().all(|told| *told == (greedy.into(), GivenUp::Share)), "{told:?}");
    assert!(fill(&mut lab, ([10, 0, 0, 7], 4000)) > 0, "there is less room left than that");
    // Others wait as if there were nobody else, and what the greedy one has waiting for longest goes on.
    for (number, client) in [[10, 0, 0, 5], [10, 0, 0, 6]].into_iter().enumerate() {
        let client = (client, 3000 + number as u16);
        let mut flow = open_as(&mut lab, client);
        let waited = lab.waiting.len();
        let gone = as_client(&mut lab, client, &flow, CLIENTS, TcpFlags::ACK, b"OPEN 10.0.0.");
        assert!(gone.iter().all(|passed| passed.as_ref().is_ok_and(|packet| payload(packet) == "x")), "{gone:?}");
        assert_eq!(lab.waiting.len(), waited + 1 - gone.len());
        flow.next[0] += 12;
        let end = alloc::format!("{}:51210\r\n", client.0[3]);
        let gone = as_client(&mut lab, client, &flow, CLIENTS, TcpFlags::ACK, end.as_bytes());
        let said: String = gone.iter().flatten().map(payload).filter(|said| said != "x").collect();
        assert!(said.starts_with("OPEN 203.0.113.1:"), "{said}");
    }
    let told = given_up(&mut lab);
    assert!(!told.is_empty() && told.iter().all(|told| *told == (greedy.into(), GivenUp::Share)), "{told:?}");
}

#[test]
fn what_makes_room_may_cost_the_helper_its_trust_and_no_packet_is_lost_by_that() {
    let mut lab = empty();
    let greedy = ([10, 0, 0, 9], 1999);
    let flow = open_as(&mut lab, greedy);
    let ahead = Flow { next: [flow.next[0] + 1, flow.next[1]], id: flow.id };
    assert!(as_client(&mut lab, greedy, &ahead, CLIENTS, TcpFlags::ACK, b"x\r\nTRAP\r\n").is_empty());
    for port in 2000..2200 {
        fill(&mut lab, (greedy.0, port));
    }
    let failures = &mut lab.helpers.loaded[0].as_mut().expect("it is loaded").recent_failures;
    for client in 1..HELPER_FAILING_CLIENTS_MAX as u8 {
        failures.note(lab.now, [10, 9, 9, client].into());
    }
    let waited = lab.waiting.len();
    let gone = fill(&mut lab, ([10, 0, 0, 7], 4000));
    assert!(lab.helpers.iter().all(|status| status.is_quarantined));
    assert_eq!(gone + lab.waiting.len(), waited + 30);
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

/// Lines' beginnings of clients', which nobody waits for any more; where each client goes on. It takes half a minute at most, after which
/// connection tracking would forget connections of which nothing is acknowledged.
fn remember_lines(lab: &mut Lab, clients: impl Iterator<Item = Client>) -> Vec<Flow> {
    let clients: Vec<_> = clients.collect();
    let mut flows = Vec::new();
    for some in clients.chunks(100) {
        for client in some {
            let mut flow = open_as(lab, *client);
            for part in BEGINNING.chunks(1000) {
                assert!(as_client(lab, *client, &flow, CLIENTS, TcpFlags::ACK, part).is_empty());
                flow.next[0] += 1000;
            }
            flows.push(flow);
            lab.around.trace.take();
        }
        lab.now = lab.now + LINE_HELD_TIME;
        assert_eq!(lab.let_overdue_go().len(), 4 * some.len());
        lab.around.trace.take();
    }
    flows
}

/// Whether the line is read when its rest comes.
fn is_read(lab: &mut Lab, client: Client, flow: &Flow) -> bool {
    let calls = |lab: &Lab| lab.helpers.iter().map(|status| status.calls).sum::<u64>();
    let before = calls(lab);
    assert_eq!(as_client(lab, client, flow, CLIENTS, TcpFlags::ACK, b"\r\n").len(), 1);
    calls(lab) > before
}

#[test]
fn what_is_remembered_of_lines_that_were_given_up_has_one_bound_for_all_connections() {
    let mut lab = empty();
    let client = |number: u16| ([10, 1, (number >> 8) as u8, number as u8], 2000 + number);
    let flows = remember_lines(&mut lab, (0..5000).map(client));
    let forgotten = given_up(&mut lab).iter().filter(|(_, why)| *why == GivenUp::Forgotten).count();
    assert!(remembered(&lab) <= lab.conntrack.remembered_bytes(), "{}", remembered(&lab));
    assert!((REMEMBERED_BYTES_MAX - 5000..=REMEMBERED_BYTES_MAX).contains(&lab.conntrack.remembered_bytes()));
    assert_eq!(forgotten, 5000 - remembered(&lab) / BEGINNING.len(), "and that is told");
    // The last one is still read when its rest comes, and the first one is not.
    for (number, read) in [(4999, true), (0, false)] {
        assert_eq!(is_read(&mut lab, client(number), &flows[usize::from(number)]), read, "{number}");
    }
    lab.conntrack.flush(lab.now, &mut lab.around);
    assert_eq!((remembered(&lab), lab.conntrack.remembered_bytes()), (0, 0), "what ends is not remembered");
}

#[test]
fn of_who_has_more_remembered_than_a_share_the_oldest_goes_before_anything_of_others() {
    let mut lab = empty();
    let (modest, greedy) = ([10, 0, 0, 5], [10, 0, 0, 9]);
    let clients = [(modest, 1999)].into_iter().chain((2000..7000).map(|port| (greedy, port)));
    let flows = remember_lines(&mut lab, clients);
    assert!((REMEMBERED_BYTES_MAX - 5000..=REMEMBERED_BYTES_MAX).contains(&lab.conntrack.remembered_bytes()));
    let told: Vec<_> = given_up(&mut lab).into_iter().filter(|(_, why)| *why != GivenUp::Time).collect();
    assert!(!told.is_empty() && told.iter().all(|told| *told == (greedy.into(), GivenUp::Share)), "{told:?}");
    assert!(is_read(&mut lab, (modest, 1999), &flows[0]), "it is older than all others");
    assert!(!is_read(&mut lab, (greedy, 2000), &flows[1]));
    assert!(is_read(&mut lab, (greedy, 6999), &flows[5000]));
}

/// How a line begins that is nearly as long as may be.
static BEGINNING: [u8; 4000] = {
    let mut beginning = [b'x'; 4000];
    let (word, _) = beginning.split_at_mut(5);
    word.copy_from_slice(b"OPEN ");
    beginning
};

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
