//! When connections run out: a timing wheel of four levels with 256 lists each.
//!
//! ```text
//!  level 0   256 lists of 1 ms       level 2   256 lists of 69 s
//!  level 1   256 lists of 268 ms     level 3   256 lists of 4.9 h: 52 days in all, more than any timeout
//! ```
//!
//! A connection stands in the list in which it would have run out when it was put there. A later deadline moves nothing:
//! when the list's time comes, those that have more time left are put where they belong then. Only a deadline before the
//! list's start moves a connection at once.

use alloc::{boxed::Box, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    conn::Connection,
    slab::{Links, NONE, PLACE_NONE, Slab},
};
use crate::{limits::TIMER_MOVES_MAX, time::Instant};

/// Lists of slots by deadline.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The tick up to which lists have been emptied. Lists of one level hold ticks that agree with it in all digits
    /// above that level; the highest level goes round.
    elapsed: u64,
    /// The first slot of each list.
    lists: Box<[u32; LISTS]>,
    /// One bit for each list that is not empty.
    occupied: [[u64; SLOTS / 64]; LEVELS],
}

impl Default for Wheel {
    fn default() -> Self {
        Self { elapsed: 0, lists: Box::new([NONE; LISTS]), occupied: [[0; SLOTS / 64]; LEVELS] }
    }
}

impl Wheel {
    /// Enters a connection by its deadline.
    pub(super) fn insert(&mut self, slab: &mut Slab, slot: u32, now: Instant) {
        if self.first().is_none() {
            self.elapsed = self.elapsed.max(tick(now));
        }
        let place = self.place(tick(slab[slot].expires));
        self.put(slab, slot, place);
    }

    /// Puts a connection before the others of a list.
    fn put(&mut self, slab: &mut Slab, slot: u32, place: u16) {
        let first = core::mem::replace(&mut self.lists[usize::from(place)], slot);
        if first != NONE {
            slab[first].links.previous = slot;
        }
        let connection = &mut slab[slot];
        (connection.place, connection.links) = (place, Links { next: first, previous: NONE });
        let (level, list) = split(place);
        self.occupied[level][list / 64] |= 1 << (list % 64);
    }

    /// Takes a connection out, if it is in.
    pub(super) fn remove(&mut self, slab: &mut Slab, slot: u32) {
        let &Connection { place, links, .. } = &slab[slot];
        if place == PLACE_NONE {
            return;
        }
        if links.next != NONE {
            slab[links.next].links.previous = links.previous;
        }
        match links.previous {
            NONE => self.set_first(place, links.next),
            previous => slab[previous].links.next = links.next,
        }
        let connection = &mut slab[slot];
        (connection.place, connection.links) = (PLACE_NONE, Links::default());
    }

    /// Moves a connection whose deadline has become earlier, where that is needed.
    pub(super) fn lowered(&mut self, slab: &mut Slab, slot: u32, now: Instant) {
        let connection = &slab[slot];
        let place = connection.place;
        if place != PLACE_NONE && tick(connection.expires) < self.start(place) {
            self.remove(slab, slot);
            self.insert(slab, slot, now);
        }
    }

    /// The slots that have run out by `now`, by millisecond, within one by deadline and then by order of confirmation;
    /// they are in no list any more. At most [`TIMER_MOVES_MAX`] connections are looked at; [`Self::next`] says when
    /// there are more.
    pub(super) fn expired(&mut self, slab: &mut Slab, now: Instant) -> Vec<u32> {
        let (mut expired, mut moves) = (Vec::new(), 0);
        while let Some((place, start)) = self.first()
            && start <= tick(now)
            && moves < TIMER_MOVES_MAX
        {
            self.elapsed = self.elapsed.max(start);
            let (due, mut later) = (expired.len(), Vec::new());
            let mut slot = self.lists[usize::from(place)];
            while slot != NONE && moves < TIMER_MOVES_MAX {
                let next = slab[slot].links.next;
                self.remove(slab, slot);
                if slab[slot].expires <= now {
                    expired.push(slot)
                } else {
                    later.push(slot)
                }
                (slot, moves) = (next, moves + 1);
            }
            expired[due..].sort_unstable_by_key(|&slot| (slab[slot].expires, slab[slot].serial));
            for slot in later {
                self.insert(slab, slot, now);
            }
            if self.lists[usize::from(place)] != NONE {
                // This millisecond is not over yet, or the bound is reached.
                return expired;
            }
        }
        if self.first().is_none_or(|(_, start)| start > tick(now)) {
            self.elapsed = self.elapsed.max(tick(now));
        }
        expired
    }

    /// The tick up to which lists have been emptied, and the lists that are not empty, with their slots in order.
    pub(super) fn save(&self, slab: &Slab) -> WheelRecord {
        let next = |slot: u32| Some(slab[slot].links.next).filter(|&next| next != NONE);
        let list = |first: u32| core::iter::successors(Some(first), |&slot| next(slot)).collect();
        let lists = (0..).zip(self.lists.iter()).filter(|&(_, &first)| first != NONE);
        WheelRecord { elapsed: self.elapsed, lists: lists.map(|(place, &first)| (place, list(first))).collect() }
    }

    /// The wheel of a record; `None` when it does not name all connections once, or was emptied up to a time that is not
    /// there yet.
    pub(super) fn restore(record: &WheelRecord, slab: &mut Slab, latest: Instant) -> Option<Self> {
        let mut wheel = Self { elapsed: record.elapsed, ..Self::default() };
        let mut entered = 0;
        for (place, slots) in &record.lists {
            for &slot in slots.iter().rev() {
                let is_free = slab.try_id(slot).is_none() || slab[slot].place != PLACE_NONE;
                if is_free || usize::from(*place) >= LISTS {
                    return None;
                }
                wheel.put(slab, slot, *place);
                entered += 1;
            }
        }
        (entered == slab.live() && record.elapsed <= tick(latest)).then_some(wheel)
    }

    /// When [`Self::expired`] is to be asked next: at most a millisecond after the next deadline, and perhaps before it.
    pub(super) fn next(&self) -> Option<Instant> {
        let (place, start) = self.first()?;
        let (level, _) = split(place);
        let due = if level == 0 { start + 1 } else { start };
        Some(Instant::from_nanos(due << TICK_SHIFT))
    }

    /// The list for a deadline: on the lowest level whose lists reach that far.
    fn place(&self, deadline: u64) -> u16 {
        let deadline = deadline.clamp(self.elapsed, self.elapsed + REACH);
        let highest = 63 - ((deadline ^ self.elapsed) | 1).leading_zeros() as usize;
        let level = (highest / BITS).min(LEVELS - 1);
        let list = (deadline >> (level * BITS)) as usize % SLOTS;
        (level * SLOTS + list) as u16
    }

    /// The first tick of a list that is not empty.
    const fn start(&self, place: u16) -> u64 {
        let (level, list) = split(place);
        let digit = (self.elapsed >> (level * BITS)) as usize % SLOTS;
        let ahead = (list + SLOTS - digit) % SLOTS;
        ((self.elapsed >> (level * BITS)) + ahead as u64) << (level * BITS)
    }

    /// The list whose time comes first, and its first tick. Those of a lower level come before those of a higher one.
    fn first(&self) -> Option<(u16, u64)> {
        let level = self.occupied.iter().position(|words| words.iter().any(|&word| word != 0))?;
        let digit = (self.elapsed >> (level * BITS)) as usize % SLOTS;
        let list = next_bit(&self.occupied[level], digit)?;
        let place = (level * SLOTS + list) as u16;
        Some((place, self.start(place)))
    }

    fn set_first(&mut self, place: u16, slot: u32) {
        self.lists[usize::from(place)] = slot;
        if slot == NONE {
            let (level, list) = split(place);
            self.occupied[level][list / 64] &= !(1 << (list % 64));
        }
    }
}

/// A wheel in a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WheelRecord {
    elapsed: u64,
    lists: Vec<(u16, Vec<u32>)>,
}

/// The first bit that is set from `from` on, going round.
fn next_bit(words: &[u64; SLOTS / 64], from: usize) -> Option<usize> {
    let (word, bit) = (from / 64, from % 64);
    let head = words[word] & u64::MAX << bit;
    let rest = (1..words.len()).map(|ahead| (word + ahead) % words.len()).map(|at| (at, words[at]));
    let mut parts = core::iter::once((word, head)).chain(rest).chain([(word, words[word])]);
    parts.find(|&(_, bits)| bits != 0).map(|(at, bits)| at * 64 + bits.trailing_zeros() as usize)
}

const fn tick(instant: Instant) -> u64 {
    instant.as_nanos() >> TICK_SHIFT
}

const fn split(place: u16) -> (usize, usize) {
    (place as usize / SLOTS, place as usize % SLOTS)
}

/// A tick is 2^20 ns, about a millisecond.
const TICK_SHIFT: u32 = 20;
const BITS: usize = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 4;
const LISTS: usize = LEVELS * SLOTS;
/// Deadlines farther away than this are put here and looked at again: 255 lists of the highest level.
const REACH: u64 = (SLOTS as u64 - 1) << ((LEVELS - 1) * BITS);

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::conntrack::{Connection, Tuple};

    /// Connections that run out at these nanoseconds, entered at `now`.
    fn wheel(now: Instant, deadlines: &[u64]) -> (Wheel, Slab) {
        let (mut wheel, mut slab) = (Wheel::default(), Slab::default());
        for (serial, &deadline) in deadlines.iter().enumerate() {
            let slot = slab.insert(Connection::new(Tuple::default(), Tuple::default(), 0)).slot;
            slab[slot].expires = Instant::from_nanos(deadline);
            slab[slot].serial = serial as u64;
            wheel.insert(&mut slab, slot, now);
        }
        (wheel, slab)
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_runs_out_together_comes_in_order_of_confirmation() {
        let (mut wheel, mut slab) = wheel(Instant::ZERO, &[5 * SECOND, 5 * SECOND, 4 * SECOND]);
        assert_eq!(wheel.expired(&mut slab, Instant::from_secs(5)), [2, 0, 1]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_later_deadline_moves_nothing_until_the_list_comes_up() {
        let (mut wheel, mut slab) = wheel(Instant::ZERO, &[30 * SECOND]);
        slab[0].expires = Instant::from_secs(432_000);
        let place = slab[0].place;
        wheel.lowered(&mut slab, 0, Instant::ZERO);
        assert_eq!(slab[0].place, place);
        assert_eq!(wheel.expired(&mut slab, Instant::from_secs(431_999)), [0_u32; 0]);
        assert_eq!(wheel.expired(&mut slab, Instant::from_secs(432_000)), [0]);
    }

    #[test]
    fn more_than_the_bound_run_out_in_several_goes() {
        let deadlines = alloc::vec![SECOND; TIMER_MOVES_MAX + 7];
        let (mut wheel, mut slab) = wheel(Instant::ZERO, &deadlines);
        let now = Instant::from_secs(2);
        let mut goes = Vec::new();
        while wheel.next().is_some_and(|next| next <= now) {
            goes.push(wheel.expired(&mut slab, now).len());
            assert!(goes.len() < 9, "{goes:?}");
        }
        assert_eq!(goes.iter().sum::<usize>(), deadlines.len());
        assert!(goes.iter().all(|&count| count <= TIMER_MOVES_MAX), "{goes:?}");
    }

    proptest! {
        #[test]
        fn each_connection_runs_out_once_and_never_early(
            start in 0_u64..2_000_000_000 * SECOND,
            timeouts in proptest::collection::vec((0_u64..40_000_000 * SECOND).prop_map(|nanos| nanos >> (nanos % 40)), 1..40),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0_u64..500 * SECOND), 0..40),
            steps in proptest::collection::vec((0_u64..50_000_000 * SECOND).prop_map(|nanos| nanos >> (nanos % 50)), 1..60),
        ) {
            let mut now = Instant::from_nanos(start);
            let deadlines: Vec<u64> = timeouts.iter().map(|timeout| start + timeout).collect();
            let (mut wheel, mut slab) = wheel(now, &deadlines);
            let mut alive: Vec<u32> = (0..deadlines.len() as u32).collect();
            let mut changes = changes.into_iter();
            for step in steps {
                now = now + Duration::from_nanos(step);
                loop {
                    let expired = wheel.expired(&mut slab, now);
                    for slot in expired {
                        prop_assert!(slab[slot].expires <= now);
                        let at = alive.iter().position(|&other| other == slot);
                        prop_assert!(at.is_some(), "{slot} ran out twice");
                        alive.remove(at.unwrap_or_default());
                    }
                    if wheel.next().is_none_or(|next| next > now) {
                        break;
                    }
                }
                let missed = alive.iter().find(|&&slot| slab[slot].expires <= now);
                prop_assert_eq!(missed, None);
                let soonest = alive.iter().map(|&slot| slab[slot].expires).min();
                prop_assert_eq!(wheel.next().is_some(), soonest.is_some());
                if let (Some(next), Some(soonest)) = (wheel.next(), soonest) {
                    prop_assert!(next <= soonest + Duration::from_nanos(1 << TICK_SHIFT));
                }
                if let Some((which, timeout)) = changes.next() && !alive.is_empty() {
                    let slot = alive[which.index(alive.len())];
                    slab[slot].expires = now + Duration::from_nanos(timeout);
                    wheel.lowered(&mut slab, slot, now);
                }
            }
            for slot in alive {
                wheel.remove(&mut slab, slot);
            }
            prop_assert_eq!(wheel.next(), None);
        }
    }
}
