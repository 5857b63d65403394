//! Timers with numbers.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use super::wheel::{Links, PLACE_NONE, Timed, Wheel};
use crate::time::Instant;

/// Timers by number, each of which is armed or off.
///
/// Numbers are the owner's: a slot, or a slot and a kind. Memory is that of the highest number that was ever armed, 32 bytes
/// each, so that the owner's bound is the bound. Arming, arming anew and switching off take the same time however many there
/// are.
#[derive(Debug, Default)]
pub struct Timers {
    wheel: Wheel,
    all: All,
}

#[derive(Debug, Default)]
struct All(Vec<Timer>);

#[derive(Clone, Copy, Debug)]
struct Timer {
    number: u32,
    /// [`Instant::FAR_FUTURE`]: it is off.
    deadline: Instant,
    place: u16,
    links: Links,
}

impl Timers {
    /// Lets a timer run out at `deadline`, whatever it was armed for before. One that has passed already is due at once;
    /// [`Instant::FAR_FUTURE`] switches it off.
    pub fn arm(&mut self, now: Instant, number: u32, deadline: Instant) {
        if deadline == Instant::FAR_FUTURE {
            return self.cancel(number);
        }
        for number in self.all.0.len() as u32..=number {
            self.all.0.push(Timer { number, deadline: Instant::FAR_FUTURE, place: PLACE_NONE, links: Links::NONE });
        }
        let timer = &mut self.all[number];
        let before = core::mem::replace(&mut timer.deadline, deadline);
        if before == Instant::FAR_FUTURE {
            self.wheel.insert(&mut self.all, number, now);
        } else if deadline < before {
            self.wheel.lowered(&mut self.all, number, now);
        }
    }

    /// Switches a timer off, if it is armed.
    pub fn cancel(&mut self, number: u32) {
        if self.deadline(number).is_some() {
            self.wheel.remove(&mut self.all, number);
            self.all[number].deadline = Instant::FAR_FUTURE;
        }
    }

    /// When a timer runs out; `None`: it is off.
    #[must_use]
    pub fn deadline(&self, number: u32) -> Option<Instant> {
        let timer = self.all.0.get(number as usize)?;
        (timer.deadline < Instant::FAR_FUTURE).then_some(timer.deadline)
    }

    /// The numbers of those that have run out, by deadline and then by number; they are off from here on. When very many
    /// run out at once ([`TIMER_MOVES_MAX`](crate::limits::TIMER_MOVES_MAX)) some are left, and [`Self::next`] says so.
    pub fn expired(&mut self, now: Instant) -> Vec<u32> {
        let mut expired = self.wheel.expired(&mut self.all, now);
        // Lists come up in turn, and one may hold what has run out before all of another one.
        expired.sort_unstable_by_key(|&number| (self.all[number].deadline, number));
        for &number in &expired {
            self.all[number].deadline = Instant::FAR_FUTURE;
        }
        expired
    }

    /// When [`Self::expired`] is to be asked next: the first deadline. Where more than
    /// [`TIMER_LOOKS_MAX`](crate::limits::TIMER_LOOKS_MAX) timers may be the first, at most a millisecond later; and it may be
    /// earlier, when nothing has run out yet.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.wheel.next_of(&self.all)
    }
}

impl Index<u32> for All {
    type Output = Timer;

    fn index(&self, number: u32) -> &Timer {
        &self.0[number as usize]
    }
}

impl IndexMut<u32> for All {
    fn index_mut(&mut self, number: u32) -> &mut Timer {
        &mut self.0[number as usize]
    }
}

impl Timed for Timer {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn rank(&self) -> u64 {
        self.number.into()
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

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, vec};
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::limits::TIMER_LOOKS_MAX;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    const NOW: Instant = Instant::from_secs(1_000);

    #[test]
    fn a_timer_that_is_armed_anew_runs_out_once_at_its_last_deadline() {
        let mut timers = Timers::default();
        for millis in [200, 900, 300, 301] {
            timers.arm(NOW, 3, NOW + Duration::from_millis(millis));
        }
        assert_eq!(timers.deadline(3), Some(NOW + Duration::from_millis(301)));
        let mut found = vec![];
        while let Some(next) = timers.next() {
            found.extend(timers.expired(next).into_iter().map(|number| (number, next)));
        }
        assert_eq!(found, [(3, NOW + Duration::from_millis(301))]);
        assert_eq!(timers.deadline(3), None);
    }

    #[test]
    fn a_timer_that_is_off_never_runs_out() {
        let mut timers = Timers::default();
        timers.cancel(9);
        timers.arm(NOW, 1, NOW + Duration::from_secs(1));
        timers.arm(NOW, 2, NOW + Duration::from_secs(1));
        timers.cancel(1);
        timers.arm(NOW, 2, Instant::FAR_FUTURE);
        assert_eq!(timers.next(), None);
        assert_eq!(timers.expired(NOW + Duration::from_secs(9)), [0_u32; 0]);
    }

    #[test]
    fn what_runs_out_together_comes_by_deadline_and_then_by_number() {
        let mut timers = Timers::default();
        for (number, nanos) in [(5, 30), (1, 20), (4, 20), (0, 10_000_000), (2, 20)] {
            timers.arm(NOW, number, NOW + Duration::from_nanos(nanos));
        }
        assert_eq!(timers.expired(NOW + Duration::from_secs(1)), [1, 2, 4, 5, 0]);
    }

    #[test]
    fn few_timers_wake_to_the_nanosecond_and_many_within_a_millisecond() {
        let mut timers = Timers::default();
        timers.arm(NOW, 0, NOW + Duration::from_nanos(7_000_123));
        assert_eq!(timers.next(), Some(NOW + Duration::from_nanos(7_000_123)));
        for number in 1..=TIMER_LOOKS_MAX as u32 {
            timers.arm(NOW, number, NOW + Duration::from_nanos(7_000_123));
        }
        let next = timers.next().expect("they are armed");
        assert!(next <= NOW + Duration::from_nanos(7_000_123 + (1 << 20)), "{next:?}");
    }

    #[test]
    fn the_end_of_time_is_no_reason_to_wake() {
        let mut timers = Timers::default();
        timers.arm(at(u64::MAX - 9), 0, at(u64::MAX - 1));
        assert_eq!(timers.next(), Some(at(u64::MAX - 1)));
        assert_eq!(timers.expired(at(u64::MAX - 2)), [0_u32; 0]);
        for number in 1..40 {
            timers.arm(at(u64::MAX - 9), number, at(u64::MAX - 1));
        }
        assert_eq!(timers.next(), Some(Instant::FAR_FUTURE));
    }

    proptest! {
        #[test]
        fn they_do_what_a_plain_map_of_deadlines_does(
            steps in proptest::collection::vec((0_u32..60, any::<u64>(), 0_u32..44, 0_u8..8), 1..200),
        ) {
            let (mut timers, mut plain) = (Timers::default(), BTreeMap::new());
            let mut now = NOW;
            for (number, nanos, shift, what) in steps {
                let deadline = now + Duration::from_nanos((nanos >> 8) >> shift);
                match what {
                    0 => {
                        timers.cancel(number);
                        plain.remove(&number);
                    }
                    1..=5 => {
                        timers.arm(now, number, deadline);
                        plain.insert(number, deadline);
                    }
                    _ => now = deadline,
                }
                prop_assert_eq!(timers.deadline(number), plain.get(&number).copied());
                let mut due: Vec<(Instant, u32)> =
                    plain.iter().filter(|(_, when)| **when <= now).map(|(number, when)| (*when, *number)).collect();
                due.sort_unstable();
                plain.retain(|_, when| *when > now);
                prop_assert!(due.is_empty() || timers.next().is_some_and(|next| next <= now + Duration::from_millis(2)));
                prop_assert_eq!(timers.expired(now), due.iter().map(|(_, number)| *number).collect::<Vec<_>>());
                let first = plain.values().min().copied();
                prop_assert_eq!(timers.next().is_some(), first.is_some());
                if let (Some(next), Some(first)) = (timers.next(), first) {
                    prop_assert!(next > now, "woken again and again");
                    prop_assert!(next <= first + Duration::from_nanos(1 << 20), "late");
                }
            }
        }
    }
}
