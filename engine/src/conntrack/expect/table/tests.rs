use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{
    conntrack::expect::{HelperId, SourceMask},
    event::Subscription,
    nat::fixture,
};

const MASTER: ConnId = ConnId { slot: 3, generation: 1 };
const OTHER: ConnId = ConnId { slot: 4, generation: 1 };
const ROOM: Room = Room { class_max: 8, table_max: 100, client_max: u32::MAX, timeout: Duration::from_secs(300) };

/// The server opens to the gateway's `port`, from anywhere.
fn data(master: ConnId, port: u16) -> Expectation {
    Expectation {
        id: ExpectationId::default(),
        master,
        master_tuple: Tuple { source_port: 42_000, destination_port: 21, protocol: 6, ..Tuple::default() },
        zone: 0,
        tuple: Tuple {
            source: Address::v4([198, 51, 100, 21]),
            destination: Address::v4([203, 0, 113, 1]),
            source_port: 0,
            destination_port: port,
            protocol: 6,
            family: Family::Ipv4,
        },
        mask: SourceMask::new(Family::Ipv4, 32, false),
        class: 0,
        helper: HelperId(0),
        helper_name: "ftp".into(),
        nat: None,
        permanent: false,
        inactive: false,
        told: Told::All,
        expires: Instant::ZERO,
    }
}

/// The first packet of the connection that [`data`] announces.
fn first_packet(port: u16) -> Tuple {
    Tuple { source_port: 20, ..data(MASTER, port).tuple }
}

fn listening() -> Events {
    let mut events = Events::default();
    events.subscribe(Subscription { conntrack: true, ..Subscription::default() });
    events
}

fn told(events: &mut Events) -> Vec<(Change, u64)> {
    core::iter::from_fn(|| events.pop())
        .filter_map(|(_, event)| match event {
            Event::Expectation(change, entry) => Some((change, entry.id.0)),
            Event::Connection(..) | Event::Log { .. } | Event::Helper(_) | Event::Nflog(_) | Event::Audit { .. } => {
                None
            }
        })
        .collect()
}

#[test]
fn the_first_packet_of_an_announced_connection_takes_its_expectation() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    let now = Instant::from_secs(5);
    expectations.insert(now, data(MASTER, 51_210), ROOM, &mut events).expect("there is room");
    assert_eq!(expectations.take(now, 0, &first_packet(51_211), |_| true, &mut events), None);
    assert_eq!(expectations.take(now, 1, &first_packet(51_210), |_| true, &mut events), None);
    let taken = expectations.take(now, 0, &first_packet(51_210), |_| true, &mut events);
    assert_eq!(taken.map(|taken| taken.master), Some(MASTER));
    assert!(expectations.is_empty() && expectations.next_timeout().is_none());
    assert_eq!(told(&mut events), [(Change::New, 1), (Change::Destroy, 1)]);
}

#[test]
fn a_permanent_expectation_stays_and_an_inactive_one_waits_in_vain() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    let now = Instant::ZERO;
    expectations.insert(now, Expectation { permanent: true, ..data(MASTER, 1) }, ROOM, &mut events).expect("room");
    expectations.insert(now, Expectation { inactive: true, ..data(MASTER, 2) }, ROOM, &mut events).expect("room");
    for _ in 0..2 {
        assert!(expectations.take(now, 0, &first_packet(1), |_| true, &mut events).is_some());
    }
    assert_eq!(expectations.take(now, 0, &first_packet(2), |_| true, &mut events), None);
}

#[test]
fn nothing_is_fulfilled_whose_master_is_gone_or_whose_time_is_over() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    expectations.insert(Instant::ZERO, data(MASTER, 7), ROOM, &mut events).expect("there is room");
    assert_eq!(expectations.take(Instant::ZERO, 0, &first_packet(7), |_| false, &mut events), None);
    let late = Instant::from_secs(300);
    assert_eq!(expectations.take(late, 0, &first_packet(7), |_| true, &mut events), None);
    assert_eq!(expectations.next_timeout(), Some(late));
    expectations.handle_timeout(Instant::from_secs(299), &mut events);
    assert_eq!(expectations.len(), 1);
    expectations.handle_timeout(late, &mut events);
    assert!(expectations.is_empty());
    assert_eq!(told(&mut events), [(Change::New, 1), (Change::Destroy, 1)]);
}

#[test]
fn a_walk_may_begin_in_the_middle() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    for port in 1..=8 {
        expectations.insert(Instant::ZERO, data(MASTER, port), ROOM, &mut events).expect("there is room");
    }
    let from = |number| expectations.from(ExpectationId(number)).map(|one| one.id.0).collect::<Vec<_>>();
    assert_eq!((from(0), from(7), from(9)), ((1..=8).collect(), vec![7, 8], vec![]));
}

#[test]
fn one_that_repeats_another_replaces_it() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    for _ in 0..2 {
        expectations.insert(Instant::ZERO, data(MASTER, 7), ROOM, &mut events).expect("there is room");
    }
    assert_eq!(told(&mut events), [(Change::New, 1), (Change::Destroy, 1), (Change::New, 2)]);
    let other_class = Expectation { class: 1, ..data(MASTER, 7) };
    let refused = expectations.insert(Instant::ZERO, other_class, ROOM, &mut events);
    assert_eq!(refused, Err(CannotExpect::OtherClass));
}

#[test]
fn one_that_clashes_with_another_masters_is_refused() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    expectations.insert(Instant::ZERO, data(MASTER, 7), ROOM, &mut events).expect("there is room");
    let is_clashing = |other: &Expectation| expectations.is_in_the_way(other, &other.tuple);
    assert!(is_clashing(&data(OTHER, 7)));
    let wider = Expectation { mask: SourceMask::default(), ..data(OTHER, 7) };
    assert!(is_clashing(&wider));
    let mut from_elsewhere = data(OTHER, 7);
    from_elsewhere.tuple.source = Address::v4([198, 51, 100, 22]);
    assert!(!is_clashing(&from_elsewhere));
    assert!(!is_clashing(&Expectation { zone: 1, ..data(OTHER, 7) }));
    assert_eq!(expectations.insert(Instant::ZERO, data(OTHER, 7), ROOM, &mut events), Err(CannotExpect::Clash));
    assert_eq!(told(&mut events), [(Change::New, 1)]);
}

#[test]
fn the_oldest_of_a_masters_class_gives_way() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    let room = Room { class_max: 2, ..ROOM };
    for port in 1..=3 {
        expectations.insert(Instant::ZERO, data(MASTER, port), room, &mut events).expect("there is room");
    }
    expectations.insert(Instant::ZERO, Expectation { class: 1, ..data(MASTER, 9) }, room, &mut events).expect("room");
    expectations.insert(Instant::ZERO, data(OTHER, 10), room, &mut events).expect("there is room");
    assert_eq!(Vec::from_iter(expectations.iter().map(|waiting| waiting.id.0)), [2, 3, 4, 5]);
    let evicted = [(Change::New, 1), (Change::New, 2), (Change::Destroy, 1), (Change::New, 3)];
    assert_eq!(told(&mut events)[..4], evicted);
}

#[test]
fn a_full_table_refuses_and_a_masters_end_takes_its_expectations_along() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    let room = Room { table_max: 3, ..ROOM };
    for port in 1..=3 {
        expectations.insert(Instant::ZERO, data(MASTER, port), room, &mut events).expect("there is room");
    }
    assert_eq!(expectations.insert(Instant::ZERO, data(OTHER, 9), room, &mut events), Err(CannotExpect::Full));
    expectations.remove_of(Instant::ZERO, OTHER, &mut events);
    expectations.remove_of(Instant::ZERO, MASTER, &mut events);
    assert!(expectations.is_empty());
    assert_eq!(told(&mut events)[3..], [(Change::Destroy, 3), (Change::Destroy, 2), (Change::Destroy, 1)]);
}

#[test]
fn no_client_takes_more_than_its_share() {
    let of = |master: ConnId, source: [u16; 8], port| {
        let mut expectation = data(master, port);
        expectation.master_tuple.source = Address::from(IpAddr::from(source));
        expectation.master_tuple.family = Family::Ipv6;
        expectation
    };
    let (mut expectations, mut events) = (Expectations::default(), listening());
    let room = Room { client_max: 2, ..ROOM };
    let mut insert = |expectation| expectations.insert(Instant::ZERO, expectation, room, &mut events);
    let (one, same_host, other) = ([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1], [0x2001, 0xdb8, 0, 1, 9, 9, 9, 9], [1; 8]);
    let first = insert(of(MASTER, one, 1)).expect("there is room");
    insert(of(OTHER, same_host, 2)).expect("there is room");
    assert_eq!(insert(of(OTHER, one, 3)), Err(CannotExpect::ClientFull));
    assert_eq!(insert(of(OTHER, same_host, 3)), Err(CannotExpect::ClientFull));
    insert(of(OTHER, other, 4)).expect("another client has its own");
    insert(of(OTHER, same_host, 2)).expect("one that repeats another takes its place");
    expectations.remove(Instant::ZERO, first, &mut events);
    expectations.insert(Instant::ZERO, of(OTHER, one, 3), room, &mut events).expect("there is room again");
    expectations.remove_of(Instant::ZERO, OTHER, &mut events);
    assert!(expectations.is_empty() && expectations.by_client.is_empty());
}

#[test]
fn a_mask_lets_a_whole_network_open() {
    let mut mine = data(MASTER, 137);
    mine.mask = SourceMask::new(Family::Ipv4, 24, false);
    let (mut expectations, mut events) = (Expectations::default(), listening());
    expectations.insert(Instant::ZERO, mine, ROOM, &mut events).expect("there is room");
    let from = |octets| Tuple { source: Address::v4(octets), ..first_packet(137) };
    assert_eq!(expectations.take(Instant::ZERO, 0, &from([198, 51, 101, 9]), |_| true, &mut events), None);
    assert!(expectations.take(Instant::ZERO, 0, &from([198, 51, 100, 9]), |_| true, &mut events).is_some());
}

#[test]
#[rustfmt::skip]
fn masks_count_from_the_first_bit() {
    let cases = [
        // prefix  mask
        (   0,     [0, 0, 0, 0]),
        (   8,     [255, 0, 0, 0]),
        (  25,     [255, 255, 255, 128]),
        (  32,     [255, 255, 255, 255]),
        ( 200,     [255, 255, 255, 255]),
    ];
    for (prefix, mask) in cases {
        let found = SourceMask::new(Family::Ipv4, prefix, true);
        assert_eq!((found.address, found.port), (Address::v4(mask), u16::MAX), "/{prefix}");
    }
    assert_eq!(SourceMask::new(Family::Ipv6, 128, false), SourceMask { address: Address([255; 16]), port: 0 });
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Insert { master: u32, port: u16, class: u8 },
    Take(u16),
    RemoveOf(u32),
    Wait(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0_u32..3, 0_u16..6, 0_u8..2).prop_map(|(master, port, class)| Deed::Insert { master, port, class }),
        2 => (0_u16..6).prop_map(Deed::Take),
        1 => (0_u32..3).prop_map(Deed::RemoveOf),
        1 => (0_u64..200).prop_map(Deed::Wait),
    ];
    proptest::collection::vec(deed, 0..60)
}

proptest! {
    /// Whatever happens, the four orders hold the same expectations, no bound is crossed, and every expectation that
    /// comes goes once.
    #[test]
    fn the_table_stays_consistent(deeds in deeds()) {
        let (mut expectations, mut events) = (Expectations::default(), listening());
        let room = Room { class_max: 2, table_max: 5, ..ROOM };
        let mut now = Instant::ZERO;
        for deed in deeds {
            match deed {
                Deed::Insert { master, port, class } => {
                    let new = Expectation { class, ..data(ConnId { slot: master, generation: 1 }, port) };
                    let _refused_or_not = expectations.insert(now, new, room, &mut events);
                }
                Deed::Take(port) => {
                    expectations.take(now, 0, &first_packet(port), |_| true, &mut events);
                }
                Deed::RemoveOf(master) => {
                    expectations.remove_of(now, ConnId { slot: master, generation: 1 }, &mut events);
                }
                Deed::Wait(secs) => {
                    now = now + Duration::from_secs(secs);
                    expectations.handle_timeout(now, &mut events);
                }
            }
            let waiting = expectations.len();
            prop_assert!(waiting <= 5);
            prop_assert_eq!(expectations.deadlines.len(), waiting);
            prop_assert_eq!(expectations.by_destination.values().map(Vec::len).sum::<usize>(), waiting);
            prop_assert_eq!(expectations.by_master.values().map(Vec::len).sum::<usize>(), waiting);
            prop_assert!(expectations.by_master.values().all(|list| list.len() <= 4));
            prop_assert!(expectations.iter().all(|waiting| waiting.expires > now));
        }
        let mut alive = vec![];
        for (change, id) in told(&mut events) {
            match change {
                Change::New => alive.push(id),
                Change::Destroy => {
                    prop_assert!(alive.contains(&id));
                    alive.retain(|other| *other != id);
                }
                Change::Update => prop_assert!(false, "expectations do not change"),
            }
        }
        prop_assert_eq!(alive, Vec::from_iter(expectations.iter().map(|waiting| waiting.id.0)));
    }
}

#[test]
fn a_snapshot_holds_what_waits_for_masters_that_live() {
    let (mut expectations, mut events) = (Expectations::default(), listening());
    for (master, port) in [(MASTER, 1), (OTHER, 2), (MASTER, 3)] {
        expectations.insert(Instant::ZERO, data(master, port), ROOM, &mut events).expect("there is room");
    }
    expectations.insert(Instant::ZERO, data(MASTER, 4), ROOM, &mut events).expect("there is room");
    expectations.remove(Instant::ZERO, ExpectationId(4), &mut events);
    let mut connection = fixture::connection(data(MASTER, 0).master_tuple);
    connection.serial = 17;
    let saved = expectations.save(|id| (id == MASTER).then_some(&connection));
    assert_eq!(Vec::from_iter(saved.waiting.iter().map(|saved| (saved.id.0, saved.master))), [(1, 17), (3, 17)]);
    let moved = ConnId { slot: 9, generation: 1 };
    let master = |serial| (serial == 17).then_some((moved, &connection));
    let name = |helper| (helper == HelperId(0)).then_some("ftp");
    let mut restored = Expectations::restore(&saved, master, name).expect("masters and helpers are there");
    assert_eq!(Vec::from_iter(restored.of(moved).map(|waiting| waiting.tuple.destination_port)), [1, 3]);
    let next = restored.insert(Instant::ZERO, data(moved, 5), ROOM, &mut events);
    assert_eq!(next, Ok(ExpectationId(5)));
    assert!(Expectations::restore(&saved, |_| None, name).is_none());
    assert!(Expectations::restore(&saved, master, |_| None).is_none());
}
