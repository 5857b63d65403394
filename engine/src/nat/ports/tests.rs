use core::cell::RefCell;

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::conntrack::Address;

fn tuple(protocol: Protocol, source_port: u16) -> Tuple {
    Tuple {
        source: Address::v4([192, 168, 1, 10]),
        destination: Address::v4([198, 51, 100, 7]),
        source_port,
        destination_port: 53,
        protocol: protocol.0,
        family: Family::Ipv4,
    }
}

#[test]
#[rustfmt::skip]
fn ports_are_drawn_among_their_like() {
    let cases = [
        // port   first  last
        (    0,      1,   511),
        (    1,      1,   511),
        (  300,      1,   511),
        (  511,      1,   511),
        (  512,    600,  1023),
        (  700,    600,  1023),
        ( 1023,    600,  1023),
        ( 1024,   1024, 65535),
        ( 5000,   1024, 65535),
        (65535,   1024, 65535),
    ];
    for (port, first, last) in cases {
        let found = Candidates::of(&tuple(Protocol::UDP, port), Manip::Source, &NatRange::default());
        assert_eq!(found, Some(Candidates::between(first, last)), "port {port}");
    }
}

#[test]
fn identifiers_are_drawn_among_all_and_unknown_protocols_have_none() {
    let range = NatRange::default();
    let all = Some(Candidates { first: 0, count: 65_536 });
    assert_eq!(Candidates::of(&tuple(Protocol::ICMP, 900), Manip::Source, &range), all);
    assert_eq!(Candidates::of(&tuple(Protocol::ICMP, 900), Manip::Destination, &range), all);
    assert_eq!(Candidates::of(&tuple(Protocol::GRE, 0), Manip::Source, &range), None);
    assert_eq!(Candidates::of(&tuple(Protocol(200), 0), Manip::Source, &range), None);
}

#[test]
fn a_destination_keeps_its_port_unless_the_rule_names_a_range() {
    assert_eq!(Candidates::of(&tuple(Protocol::TCP, 5000), Manip::Destination, &NatRange::default()), None);
    let range = NatRange { ports: Some((8080, 8090)), ..NatRange::default() };
    let found = Candidates::of(&tuple(Protocol::TCP, 5000), Manip::Destination, &range);
    assert_eq!(found, Some(Candidates { first: 8080, count: 11 }));
    let turned = NatRange { ports: Some((8090, 8080)), ..NatRange::default() };
    assert_eq!(Candidates::of(&tuple(Protocol::TCP, 5000), Manip::Destination, &turned), found);
}

#[test]
fn a_search_from_the_first_candidate_goes_upwards() {
    let taken = |port| if port < 8083 { Occupancy::Taken } else { Occupancy::Free };
    let choice = search(Candidates::between(8080, 8090), Start::First, &mut Random::new(1), taken);
    assert_eq!(choice, Choice { value: 8083, occupancy: Occupancy::Free });
}

#[test]
fn a_full_range_is_given_up_without_a_draw() {
    let mut random = Random::new(1);
    random.set_script(Some(Vec::new()));
    let choice = search(Candidates::between(30_000, 30_002), Start::Drawn, &mut random, |_| Occupancy::Taken);
    assert_eq!(choice.occupancy, Occupancy::Taken);
    assert!((30_000..=30_002).contains(&choice.value));
    assert!(random.missing().is_empty());
}

#[test]
fn a_wide_range_is_searched_in_ever_smaller_rounds() {
    let tries = RefCell::new(Vec::new());
    let choice = search(Candidates::between(1024, u16::MAX), Start::Drawn, &mut Random::new(3), |port| {
        tries.borrow_mut().push(port);
        Occupancy::Taken
    });
    assert_eq!(choice.occupancy, Occupancy::Taken);
    let tries = tries.into_inner();
    assert_eq!(tries.len(), 128 + 64 + 32 + 16 + 8);
    let upwards = |pair: &[u16]| pair[1] == if pair[0] == u16::MAX { 1024 } else { pair[0] + 1 };
    assert!(tries[..128].windows(2).all(upwards) && tries[128..192].windows(2).all(upwards));
}

#[test]
fn only_the_last_tries_of_a_round_throw_somebody_out() {
    let closed = ConnId { slot: 5, generation: 1 };
    let choice =
        search(Candidates::between(1, 128), Start::First, &mut Random::new(1), |_| Occupancy::Evictable(closed));
    assert_eq!(choice, Choice { value: 97, occupancy: Occupancy::Evictable(closed) });
    let choice = search(Candidates::between(31_000, 31_000), Start::Drawn, &mut Random::new(1), |_| {
        Occupancy::Evictable(closed)
    });
    assert_eq!(choice.value, 31_000);
    assert_eq!(choice.occupancy, Occupancy::Evictable(closed));
}

#[test]
fn a_script_decides_where_the_engine_would_draw() {
    let mut random = Random::new(1);
    random.set_script(Some(vec![(Draw::Port, 80), (Draw::Port, 19_308), (Draw::Port, 20_000)]));
    let taken = |port| if port == 5000 { Occupancy::Taken } else { Occupancy::Free };
    let choice = search(Candidates::between(1024, u16::MAX), Start::Drawn, &mut random, taken);
    assert_eq!(choice.value, 19_308);
    assert!(random.missing().is_empty());
}

proptest! {
    #[test]
    fn a_chosen_port_is_of_the_right_class_and_free(
        seed: u64, port: u16, taken in proptest::collection::hash_set(any::<u16>(), 0..3000), destination: bool,
    ) {
        let manip = if destination { Manip::Destination } else { Manip::Source };
        let range = NatRange { ports: destination.then_some((port, port.saturating_add(40))), ..NatRange::default() };
        let candidates = Candidates::of(&tuple(Protocol::TCP, port), manip, &range).expect("TCP has ports");
        let occupancy = |port| if taken.contains(&port) { Occupancy::Taken } else { Occupancy::Free };
        let choice = search(candidates, Start::Drawn, &mut Random::new(seed), occupancy);
        prop_assert!(candidates.contains(choice.value));
        prop_assert_eq!(choice.occupancy, occupancy(choice.value));
        // Of at most 3000 taken ports, no 128 in a row of a drawn start are likely; a small range is searched whole.
        if candidates.count <= 128 {
            let any_free = (0..candidates.count).any(|offset| !taken.contains(&candidates.at(offset)));
            prop_assert_eq!(choice.occupancy == Occupancy::Free, any_free);
        }
    }

    #[test]
    fn candidates_hold_exactly_what_lies_between_their_ends(low: u16, high: u16, value: u16) {
        let candidates = Candidates::between(low, high);
        prop_assert_eq!(candidates.contains(value), (low.min(high)..=low.max(high)).contains(&value));
    }
}
