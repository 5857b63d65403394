use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    conntrack::{Counter, Direction},
    limits::{COURSES_MAX, WALKS_MAX},
};

/// A walk through the filter table that has seen `seen` where it looked.
fn walk(counted: &[u32], depends: Depends, seen: Fingerprint) -> Walk {
    let mut walk = Walk::new();
    walk.start_noting();
    walk.start_table((TableName::Filter, Hook::Forward), Some(DeviceId(0)), Tracking::Invalid);
    if let Some(bits) = walk.asks_for(depends) {
        walk.note(bits, seen.and(bits));
    }
    counted.iter().for_each(|&index| walk.count(index));
    walk
}

fn flow(counted: &[u32]) -> Walk {
    walk(counted, Depends::FLOW, Fingerprint::NOTHING)
}

/// What is planned for a connection of that number.
fn planned(walks: &Walks, id: WalkId) -> Plan {
    let mut walk = Walk::new();
    walks.plan(id, Direction::Reply, &mut walk);
    walk.plan
}

fn record(walks: &mut Walks, walk: &Walk) -> WalkId {
    walks.record(walk, WalkId::NONE, Direction::Reply, None)
}

#[test]
fn equal_walks_have_one_number_and_others_another() {
    let mut walks = Walks::default();
    let syn = Fingerprint::tcp_flags(0x02);
    let all = [
        flow(&[0, 2]),
        flow(&[0]),
        walk(&[0, 2], Depends::On(syn), syn),
        walk(&[0, 2], Depends::On(syn), Fingerprint::NOTHING),
        walk(&[0, 2], Depends::Anything, syn),
    ];
    let numbers: Vec<WalkId> = all.iter().map(|walk| record(&mut walks, walk)).collect();
    for (index, number) in numbers.iter().enumerate() {
        assert_eq!(numbers.iter().position(|other| other == number), Some(index));
        assert_eq!(record(&mut walks, &all[index]), *number);
    }
}

#[test]
fn both_directions_stand_under_one_number() {
    let mut walks = Walks::default();
    let reply = record(&mut walks, &flow(&[0]));
    let both = walks.record(&flow(&[1]), reply, Direction::Original, None);
    assert_ne!(both, reply);
    assert_eq!(planned(&walks, reply), planned(&walks, both));
    let mut other = Walk::new();
    walks.plan(both, Direction::Original, &mut other);
    assert!(matches!(other.plan, Plan::Repeat(_)));
    assert_ne!(other.plan, planned(&walks, both));
}

#[test]
fn numbers_of_former_rules_find_nothing() {
    let mut walks = Walks::default();
    let old = record(&mut walks, &flow(&[0]));
    let mut next = Walks::default();
    next.follow(&walks);
    let new = record(&mut next, &flow(&[0]));
    assert_ne!(old, new);
    assert_eq!(planned(&next, old), Plan::Note);
    let mut counters = vec![Counter::default(); 1];
    walks.forget(&mut counters);
    assert_eq!(planned(&walks, old), Plan::Note);
    assert_ne!(record(&mut walks, &flow(&[0])), old);
}

#[test]
fn a_table_in_which_too_many_rules_counted_is_asked_each_time() {
    let mut full = flow(&[0; WALK_RULES_MAX]);
    assert!(full.noted().all(|(visit, counted)| visit.repeatable && counted.len() == WALK_RULES_MAX));
    full.count(1);
    assert!(full.noted().all(|(visit, counted)| !visit.repeatable && counted.is_empty()));
}

#[test]
fn at_most_so_many_flows_differ() {
    let mut walks = Walks::default();
    for index in 0..WALKS_MAX as u32 {
        assert_ne!(record(&mut walks, &flow(&[index])), WalkId::NONE);
    }
    assert_eq!(record(&mut walks, &flow(&[WALKS_MAX as u32])), WalkId::NONE);
    assert_eq!(planned(&walks, WalkId::NONE), Plan::Note);
}

#[test]
fn a_course_that_found_no_room_is_no_news_any_more() {
    let mut walks = Walks::default();
    let course =
        |number: usize| Course { input: DeviceId(0), output: DeviceId(1), via: None, mtu_bytes: number as u32 };
    let mut ids = Vec::new();
    for number in 0..=COURSES_MAX {
        ids.push(walks.record(&flow(&[0]), WalkId::NONE, Direction::Reply, Some(course(number))));
    }
    for (number, id) in ids.into_iter().enumerate() {
        let mut walk = Walk::new();
        walks.plan(id, Direction::Reply, &mut walk);
        walk.plan = Plan::Repeat(Next::END);
        assert!(!walks.is_news(&walk, Some(&course(number))), "{number}");
        assert_eq!(walks.is_news(&walk, None), number < COURSES_MAX, "{number}");
    }
}
