use crate::packet::Pool;

use super::*;

const ROUTER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 254));
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const LAN: DeviceId = DeviceId(0);

fn packet() -> Packet {
    let bytes = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 99, 0x66, 0x85, 10, 0, 0, 1, 10, 0, 0, 2];
    Packet::from_network_bytes(&mut Pool::new(), &bytes).expect("a right header")
}

/// One that has come in.
fn passing() -> Packet {
    let mut packet = packet();
    packet.meta_mut().device = Some(DeviceId(1));
    packet
}

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn waits(neighbours: &mut Neighbours, now: Instant) -> bool {
    match neighbours.resolve(now, LAN, ROUTER, packet()) {
        Ok(Resolved::Waits { ask, .. }) => ask,
        other => panic!("does not wait: {other:?}"),
    }
}

fn known(neighbours: &mut Neighbours, now: Instant) -> MacAddr {
    match neighbours.resolve(now, LAN, ROUTER, packet()) {
        Ok(Resolved::Known(_, mac)) => mac,
        other => panic!("not known: {other:?}"),
    }
}

#[test]
fn a_packet_waits_until_its_neighbour_answers() {
    let mut neighbours = Neighbours::default();
    assert!(waits(&mut neighbours, at(0)), "the first packet asks");
    assert!(!waits(&mut neighbours, at(0)), "the second does not");
    assert_eq!(neighbours.learn(at(0), LAN, ROUTER, MAC, Lesson::Answer).len(), 2);
    assert_eq!(known(&mut neighbours, at(1)), MAC);
}

#[test]
fn a_silent_neighbour_is_asked_three_times_and_then_fails_its_packets() {
    let mut neighbours = Neighbours::default();
    waits(&mut neighbours, at(0));
    for second in 1..=2 {
        assert_eq!(neighbours.next_timeout(), Some(at(second)));
        assert!(matches!(neighbours.handle_timeout(at(second))[..], [Overdue::Ask(LAN, ROUTER, None)]));
    }
    assert!(matches!(neighbours.handle_timeout(at(3))[..], [Overdue::Failed(_)]));
    assert!(waits(&mut neighbours, at(4)), "it is asked anew");
}

#[test]
fn a_deadline_that_a_made_up_snapshot_gives_a_stale_neighbour_passes_once() {
    let mut neighbours = Neighbours::default();
    neighbours.learn(at(0), LAN, ROUTER, MAC, Lesson::Seen { create: true });
    neighbours.set_deadline(0, at(5));
    assert!(neighbours.handle_timeout(at(9)).is_empty());
    assert_eq!((neighbours.next_timeout(), known(&mut neighbours, at(9))), (None, MAC));
}

#[test]
fn a_stale_neighbour_is_used_and_probed_in_person() {
    let mut neighbours = Neighbours::default();
    waits(&mut neighbours, at(0));
    neighbours.learn(at(0), LAN, ROUTER, MAC, Lesson::Answer);
    assert!(neighbours.handle_timeout(at(30)).is_empty());
    assert_eq!(neighbours.next_timeout(), None, "a stale neighbour that nobody uses is left alone");
    assert_eq!(known(&mut neighbours, at(100)), MAC);
    assert!(matches!(neighbours.handle_timeout(at(105))[..], [Overdue::Ask(LAN, ROUTER, Some(MAC))]));
    neighbours.learn(at(105), LAN, ROUTER, MAC, Lesson::Answer);
    assert!(neighbours.handle_timeout(at(134)).is_empty(), "an answer ends the probing");
    assert_eq!(neighbours.next_timeout(), Some(at(135)));
}

#[test]
fn too_many_packets_do_not_wait() {
    let mut neighbours = Neighbours::default();
    let one = packet().memory_bytes();
    for _ in 0..NEIGHBOUR_QUEUE_BYTES_MAX / one {
        waits(&mut neighbours, at(0));
    }
    let Ok(Resolved::Waits { displaced, .. }) = neighbours.resolve(at(0), LAN, ROUTER, packet()) else {
        panic!("a further packet waits")
    };
    assert_eq!(displaced.len(), 1, "the oldest one makes room");
    assert_eq!(neighbours.waiting_bytes(), NEIGHBOUR_QUEUE_BYTES_MAX / one * one);
    assert_eq!(neighbours.learn(at(0), LAN, ROUTER, MAC, Lesson::Answer).count(), NEIGHBOUR_QUEUE_BYTES_MAX / one);
    assert_eq!(neighbours.waiting_bytes(), 0);
}

#[test]
fn packets_for_all_neighbours_together_have_a_bound_for_each_of_their_owners() {
    let mut neighbours = Neighbours::default();
    let one = packet().memory_bytes();
    let fill = |neighbours: &mut Neighbours, network: u32, packet: fn() -> Packet| {
        let refused = (0..NEIGHBOUR_QUEUES_BYTES_MAX as u32).find_map(|number| {
            // Ten packets each, so that no neighbour's own bound is met.
            let address = IpAddr::from((network + number / 10).to_be_bytes());
            neighbours.resolve(at(0), LAN, address, packet()).err()
        });
        assert_eq!(refused.map(|dropped| dropped.reason), Some(DropReason::NeighbourQueueFull));
    };
    fill(&mut neighbours, 0x0a00_0000, passing);
    let full = NEIGHBOUR_QUEUES_BYTES_MAX / one * one;
    assert_eq!(neighbours.waiting_bytes(), full);
    let known = neighbours.entries.len();
    assert!(neighbours.resolve(at(0), LAN, IpAddr::from([10, 9, 9, 9]), passing()).is_err());
    assert_eq!(neighbours.entries.len(), known, "nobody is asked for a packet that cannot wait");
    fill(&mut neighbours, 0x0b00_0000, packet);
    assert_eq!(neighbours.waiting_bytes(), full + NEIGHBOUR_OWN_BYTES_MAX / one * one, "this host has its own");
    while let Some(next) = neighbours.next_timeout() {
        neighbours.handle_timeout(next);
    }
    assert_eq!(neighbours.waiting_bytes(), 0, "who waited in vain holds nothing");
}

#[test]
fn a_permanent_neighbour_learns_nothing() {
    let mut neighbours = Neighbours::default();
    let waiting = neighbours.set_permanent(LAN, ROUTER, MAC);
    assert!(waiting.is_some_and(|waiting| waiting.is_empty()));
    neighbours.learn(at(0), LAN, ROUTER, MacAddr::BROADCAST, Lesson::Answer);
    assert_eq!(known(&mut neighbours, at(1_000_000)), MAC);
    assert_eq!(neighbours.next_timeout(), None);
}

#[test]
fn packets_that_wait_are_given_back_when_the_address_is_set_by_hand() {
    let mut neighbours = Neighbours::default();
    waits(&mut neighbours, at(0));
    waits(&mut neighbours, at(0));
    assert_eq!(neighbours.set_permanent(LAN, ROUTER, MAC).map(|waiting| waiting.len()), Some(2));
    assert_eq!(known(&mut neighbours, at(1)), MAC);
}

#[test]
fn permanent_neighbours_are_bounded_too() {
    let mut neighbours = Neighbours::default();
    let address = |number: usize| IpAddr::V4(core::net::Ipv4Addr::from_bits(0x0a00_0000 + number as u32));
    for number in 0..NEIGHBOURS_MAX {
        assert!(neighbours.set_permanent(LAN, address(number), MAC).is_some());
    }
    assert!(neighbours.set_permanent(LAN, address(NEIGHBOURS_MAX), MAC).is_none());
    assert!(neighbours.set_permanent(LAN, address(0), MAC).is_some(), "one that is there can be set anew");
}
