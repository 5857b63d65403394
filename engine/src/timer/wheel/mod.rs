//! A timing wheel of four levels with 256 lists each: where a thing stands says when it is looked at.
//!
//! ```text
//!  level 0   256 lists of 1 ms       level 2   256 lists of 69 s
//!  level 1   256 lists of 268 ms     level 3   256 lists of 4.9 h: 52 days in all, more than any timeout
//! ```
//!
//! A thing stands in the list in which it would have run out when it was put there. A later deadline moves nothing: when
//! the list's time comes, those that have more time left are put where they belong then. Only a deadline before the list's
//! start moves a thing at once.
//!
//! The things lie with whoever owns them, in slots, and carry the two links of their list themselves.

use alloc::{boxed::Box, vec::Vec};
use core::ops::IndexMut;

use serde::{Deserialize, Serialize};

use crate::{
    limits::{TIMER_LOOKS_MAX, TIMER_MOVES_MAX},
    time::Instant,
};

/// Something that runs out.
pub(crate) trait Timed {
    /// When. It may become later while the thing stands in a wheel; for earlier see [`Wheel::lowered`].
    fn deadline(&self) -> Instant;
    /// Which of two with the same deadline comes first: the one with the lesser number.
    fn rank(&self) -> u64;
    /// In which of the wheel's lists it stands; [`PLACE_NONE`] at first.
    fn place(&self) -> u16;
    /// Notes in which of the wheel's lists it stands.
    fn set_place(&mut self, place: u16);
    /// Between whom it stands there. It is apart from the place, so that neighbours are linked with one touch.
    fn links(&self) -> Links;
    /// The same, for the wheel to change.
    fn links_mut(&mut self) -> &mut Links;
}

/// Slots with things that run out.
pub(crate) trait Things: IndexMut<u32, Output: Timed> {}

impl<S: IndexMut<u32, Output: Timed>> Things for S {}

/// What ties a thing into a list of slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    /// The next slot of the list.
    pub(crate) next: u32,
    /// The slot before.
    pub(crate) previous: u32,
}

impl Links {
    /// In no list.
    pub(crate) const NONE: Self = Self { next: NONE, previous: NONE };
}

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;
/// None of the wheel's lists.
pub(crate) const PLACE_NONE: u16 = u16::MAX;

/// Lists of slots by deadline.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// The tick up to which lists have been emptied. Lists of one level hold ticks that agree with it in all digits
    /// above that level; the highest level goes round.
    elapsed: u64,
    /// The first slot of each list.
    lists: Box<[u32; LISTS]>,
    /// One bit for each list that is not empty.
    occupied: [[u64; SLOTS / 64]; LEVELS],
    /// What [`Self::soonest`] says, found anew when `elapsed` or `occupied` changes: a replay asks for it before each packet.
    first: Option<(u16, u64)>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { elapsed: 0, lists: Box::new([NONE; LISTS]), occupied: [[0; SLOTS / 64]; LEVELS], first: None }
    }
}

impl Wheel {
    /// Enters a thing by its deadline.
    pub(crate) fn insert(&mut self, things: &mut impl Things, slot: u32, now: Instant) {
        if self.first.is_none() {
            self.elapsed = self.elapsed.max(tick(now));
        }
        let place = self.place(tick(things[slot].deadline()));
        self.put(things, slot, place);
    }

    /// Puts a thing before the others of a list.
    fn put(&mut self, things: &mut impl Things, slot: u32, place: u16) {
        let first = core::mem::replace(&mut self.lists[usize::from(place)], slot);
        if first != NONE {
            things[first].links_mut().previous = slot;
        }
        let thing = &mut things[slot];
        thing.set_place(place);
        *thing.links_mut() = Links { next: first, previous: NONE };
        if first == NONE {
            let (level, list) = split(place);
            self.occupied[level][list / 64] |= 1 << (list % 64);
            self.find_first();
        }
    }

    /// Takes a thing out, if it is in.
    pub(crate) fn remove(&mut self, things: &mut impl Things, slot: u32) {
        let (place, links) = (things[slot].place(), things[slot].links());
        if place == PLACE_NONE {
            return;
        }
        if links.next != NONE {
            things[links.next].links_mut().previous = links.previous;
        }
        match links.previous {
            NONE => self.set_first(place, links.next),
            previous => things[previous].links_mut().next = links.next,
        }
        let thing = &mut things[slot];
        thing.set_place(PLACE_NONE);
        *thing.links_mut() = Links::NONE;
    }

    /// Moves a thing whose deadline has become earlier, where that is needed.
    pub(crate) fn lowered(&mut self, things: &mut impl Things, slot: u32, now: Instant) {
        let place = things[slot].place();
        if place != PLACE_NONE && tick(things[slot].deadline()) < self.start(place) {
            self.remove(things, slot);
            self.insert(things, slot, now);
        }
    }

    /// The slots that have run out by `now`, by millisecond, within one by deadline and then by rank; they are in no list any
    /// more. At most [`TIMER_MOVES_MAX`] things are looked at; [`Self::next`] says when there are more.
    pub(crate) fn expired(&mut self, things: &mut impl Things, now: Instant) -> Vec<u32> {
        let (mut expired, mut moves) = (Vec::new(), 0);
        while let Some((place, start)) = self.first
            && start <= tick(now)
            && moves < TIMER_MOVES_MAX
        {
            self.empty_up_to(start);
            let (due, mut later) = (expired.len(), Vec::new());
            let mut slot = self.lists[usize::from(place)];
            while slot != NONE && moves < TIMER_MOVES_MAX {
                let next = things[slot].links().next;
                self.remove(things, slot);
                if things[slot].deadline() <= now {
                    expired.push(slot)
                } else {
                    later.push(slot)
                }
                (slot, moves) = (next, moves + 1);
            }
            expired[due..].sort_unstable_by_key(|&slot| (things[slot].deadline(), things[slot].rank()));
            for slot in later {
                self.insert(things, slot, now);
            }
            if self.lists[usize::from(place)] != NONE {
                // This millisecond is not over yet, or the bound is reached.
                return expired;
            }
        }
        if self.first.is_none_or(|(_, start)| start > tick(now)) {
            self.empty_up_to(tick(now));
        }
        expired
    }

    fn empty_up_to(&mut self, tick: u64) {
        self.elapsed = self.elapsed.max(tick);
        self.find_first();
    }

    /// The tick up to which lists have been emptied, and the lists that are not empty, with their slots in order.
    pub(crate) fn save(&self, things: &impl Things) -> WheelRecord {
        let next = |slot: u32| Some(things[slot].links().next).filter(|&next| next != NONE);
        let list = |first: u32| core::iter::successors(Some(first), |&slot| next(slot)).collect();
        let lists = (0..).zip(self.lists.iter()).filter(|&(_, &first)| first != NONE);
        WheelRecord { elapsed: self.elapsed, lists: lists.map(|(place, &first)| (place, list(first))).collect() }
    }

    /// The wheel of a record, and how many things it holds; `None` when it names one twice or one that `is_there` denies, or
    /// was emptied up to a time that is not there yet.
    pub(crate) fn restore<S: Things>(
        record: &WheelRecord,
        things: &mut S,
        latest: Instant,
        is_there: impl Fn(&S, u32) -> bool,
    ) -> Option<(Self, usize)> {
        let mut wheel = Self { elapsed: record.elapsed, ..Self::default() };
        let mut entered = 0;
        for (place, slots) in &record.lists {
            for &slot in slots.iter().rev() {
                let is_free = is_there(things, slot) && things[slot].place() == PLACE_NONE;
                if !is_free || usize::from(*place) >= LISTS {
                    return None;
                }
                wheel.put(things, slot, *place);
                entered += 1;
            }
        }
        (record.elapsed <= tick(latest)).then_some((wheel, entered))
    }

    /// When [`Self::expired`] is to be asked next: at most a millisecond after the next deadline, and perhaps before it.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (place, start) = self.first?;
        let (level, _) = split(place);
        Some(beginning(if level == 0 { start + 1 } else { start }))
    }

    /// The same, but the deadline itself where at most [`TIMER_LOOKS_MAX`] things stand in the first list.
    pub(crate) fn next_of(&self, things: &impl Things) -> Option<Instant> {
        let (place, start) = self.first?;
        let (level, _) = split(place);
        // Whoever has got more time is moved when the list's is over.
        let mut soonest = beginning(start + (1 << (level * BITS)));
        let mut slot = self.lists[usize::from(place)];
        for _ in 0..TIMER_LOOKS_MAX {
            if slot == NONE {
                return Some(soonest);
            }
            soonest = soonest.min(things[slot].deadline());
            slot = things[slot].links().next;
        }
        if slot == NONE { Some(soonest) } else { self.next() }
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

    fn find_first(&mut self) {
        self.first = self.soonest();
    }

    /// The list whose time comes first, and its first tick. Those of a lower level come before those of a higher one.
    fn soonest(&self) -> Option<(u16, u64)> {
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
            self.find_first();
        }
    }
}

/// A wheel in a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WheelRecord {
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

/// When a tick begins; one that is not reached before the end of time begins then.
const fn beginning(tick: u64) -> Instant {
    if tick > u64::MAX >> TICK_SHIFT { Instant::FAR_FUTURE } else { Instant::from_nanos(tick << TICK_SHIFT) }
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
mod tests;
