use core::{
    ops::{Index, IndexMut},
    time::Duration,
};

use proptest::prelude::*;

use super::*;

/// Something that runs out; the first one in rank is the last one in its slot.
struct Thing {
    expires: Instant,
    rank: u64,
    place: u16,
    links: Links,
}

impl Timed for Thing {
    fn deadline(&self) -> Instant {
        self.expires
    }

    fn rank(&self) -> u64 {
        self.rank
    }

    fn place(&self) -> u16 {
        self.place
    }

    fn set_place(&mut self, place: u16) {
        self.place = place;
    }

    fn links(&self) -> Links {
        self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

struct Slots(Vec<Thing>);

impl Index<u32> for Slots {
    type Output = Thing;

    fn index(&self, slot: u32) -> &Thing {
        &self.0[slot as usize]
    }
}

impl IndexMut<u32> for Slots {
    fn index_mut(&mut self, slot: u32) -> &mut Thing {
        &mut self.0[slot as usize]
    }
}

/// Things that run out at these nanoseconds, entered at `now`.
fn wheel(now: Instant, deadlines: &[u64]) -> (Wheel, Slots) {
    let thing = |(rank, &deadline): (u64, &u64)| Thing {
        expires: Instant::from_nanos(deadline),
        rank: u64::MAX - rank,
        place: PLACE_NONE,
        links: Links::NONE,
    };
    let mut slots = Slots((0..).zip(deadlines).map(thing).collect());
    let mut wheel = Wheel::default();
    (0..deadlines.len() as u32).for_each(|slot| wheel.insert(&mut slots, slot, now));
    (wheel, slots)
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn what_runs_out_together_comes_in_order_of_rank() {
    let (mut wheel, mut slots) = wheel(Instant::ZERO, &[5 * SECOND, 5 * SECOND, 4 * SECOND]);
    assert_eq!(wheel.expired(&mut slots, Instant::from_secs(5)), [2, 1, 0]);
    assert_eq!(wheel.next(), None);
}

#[test]
fn a_later_deadline_moves_nothing_until_the_list_comes_up() {
    let (mut wheel, mut slots) = wheel(Instant::ZERO, &[30 * SECOND]);
    slots[0].expires = Instant::from_secs(432_000);
    let place = slots[0].place;
    wheel.lowered(&mut slots, 0, Instant::ZERO);
    assert_eq!(slots[0].place, place);
    assert_eq!(wheel.expired(&mut slots, Instant::from_secs(431_999)), [0_u32; 0]);
    assert_eq!(wheel.expired(&mut slots, Instant::from_secs(432_000)), [0]);
}

#[test]
fn more_than_the_bound_run_out_in_several_goes() {
    let deadlines = alloc::vec![SECOND; TIMER_MOVES_MAX + 7];
    let (mut wheel, mut slots) = wheel(Instant::ZERO, &deadlines);
    let now = Instant::from_secs(2);
    let mut goes = Vec::new();
    while wheel.next().is_some_and(|next| next <= now) {
        goes.push(wheel.expired(&mut slots, now).len());
        assert!(goes.len() < 9, "{goes:?}");
    }
    assert_eq!(goes.iter().sum::<usize>(), deadlines.len());
    assert!(goes.iter().all(|&count| count <= TIMER_MOVES_MAX), "{goes:?}");
}

proptest! {
    #[test]
    fn each_thing_runs_out_once_and_never_early(
        start in 0_u64..2_000_000_000 * SECOND,
        timeouts in proptest::collection::vec((0_u64..40_000_000 * SECOND).prop_map(|nanos| nanos >> (nanos % 40)), 1..40),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0_u64..500 * SECOND), 0..40),
        steps in proptest::collection::vec((0_u64..50_000_000 * SECOND).prop_map(|nanos| nanos >> (nanos % 50)), 1..60),
    ) {
        let mut now = Instant::from_nanos(start);
        let deadlines: Vec<u64> = timeouts.iter().map(|timeout| start + timeout).collect();
        let (mut wheel, mut slots) = wheel(now, &deadlines);
        let mut alive: Vec<u32> = (0..deadlines.len() as u32).collect();
        let mut changes = changes.into_iter();
        for step in steps {
            now = now + Duration::from_nanos(step);
            loop {
                let expired = wheel.expired(&mut slots, now);
                for slot in expired {
                    prop_assert!(slots[slot].expires <= now);
                    let at = alive.iter().position(|&other| other == slot);
                    prop_assert!(at.is_some(), "{slot} ran out twice");
                    alive.remove(at.unwrap_or_default());
                }
                if wheel.next().is_none_or(|next| next > now) {
                    break;
                }
            }
            let missed = alive.iter().find(|&&slot| slots[slot].expires <= now);
            prop_assert_eq!(missed, None);
            let soonest = alive.iter().map(|&slot| slots[slot].expires).min();
            prop_assert_eq!(wheel.next().is_some(), soonest.is_some());
            if let (Some(next), Some(soonest)) = (wheel.next(), soonest) {
                prop_assert!(next <= soonest + Duration::from_nanos(1 << TICK_SHIFT));
            }
            if let Some((which, timeout)) = changes.next() && !alive.is_empty() {
                let slot = alive[which.index(alive.len())];
                slots[slot].expires = now + Duration::from_nanos(timeout);
                wheel.lowered(&mut slots, slot, now);
            }
            prop_assert_eq!(wheel.first, wheel.soonest());
        }
        for slot in alive {
            wheel.remove(&mut slots, slot);
        }
        prop_assert_eq!(wheel.next(), None);
    }
}

#[test]
fn what_runs_out_at_the_end_of_time_wakes_nobody_before() {
    let now = Instant::from_nanos(u64::MAX - 5);
    let (mut wheel, mut slots) = wheel(now, &[u64::MAX - 1]);
    assert_eq!(wheel.expired(&mut slots, now), [0_u32; 0]);
    assert_eq!(wheel.next(), Some(Instant::FAR_FUTURE));
    assert_eq!(wheel.expired(&mut slots, Instant::FAR_FUTURE), [0]);
}

#[test]
fn a_record_that_names_a_thing_twice_or_one_that_is_not_there_is_refused() {
    let now = Instant::from_secs(9);
    let (saved, slots) = wheel(now, &[11 * SECOND, 12 * SECOND, 11 * SECOND]);
    let record = saved.save(&slots);
    let restored = |record: &WheelRecord, latest| {
        let (_, mut slots) = wheel(now, &[11 * SECOND, 12 * SECOND, 11 * SECOND]);
        slots.0.iter_mut().for_each(|thing| thing.place = PLACE_NONE);
        Wheel::restore(record, &mut slots, latest, |slots, slot| (slot as usize) < slots.0.len())
            .map(|(mut wheel, entered)| (wheel.expired(&mut slots, Instant::from_secs(99)), entered))
    };
    assert_eq!(restored(&record, now), Some((alloc::vec![2, 0, 1], 3)));
    assert_eq!(restored(&record, Instant::from_secs(1)), None, "emptied up to a time to come");
    for slot in [0, 3] {
        let mut wrong = WheelRecord { elapsed: record.elapsed, lists: record.lists.clone() };
        wrong.lists[0].1.push(slot);
        assert_eq!(restored(&wrong, now), None, "slot {slot}");
    }
}
