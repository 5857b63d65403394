//! Dynamic interrupt moderation: which profile of coalescing fits what comes (`adaptive-rx`).
//!
//! Each 64 interrupts make a measurement: bytes, packets and interrupts a millisecond. A step along five profiles is kept as long as
//! each measurement is better than the one before: more bytes, else more packets, else fewer interrupts, by more than a tenth. One that is
//! not turns the search around; who has taken one step back after two or more the other way, and it is better there, stands on top and waits
//! for a change, and who has taken ten steps in a row rests
//! for as many measurements.
//!
//! Linux v6.18: `lib/dim/net_dim.c`, `lib/dim/dim.c`, `include/linux/dim.h`.

use super::Coalescing;
use crate::time::Instant;

/// One of the settings that are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `rx-usecs`.
    pub usecs: u32,
    /// `rx-frames`.
    pub frames: u32,
}

/// Profiles for a time that starts with the first frame.
#[rustfmt::skip]
pub const PROFILES: [Profile; 5] = [
    Profile { usecs:   1, frames: 256 },
    Profile { usecs:   8, frames: 256 },
    Profile { usecs:  64, frames: 256 },
    Profile { usecs: 128, frames: 256 },
    Profile { usecs: 256, frames: 256 },
];

/// Profiles for a time that starts with each frame.
#[rustfmt::skip]
pub const PROFILES_BY_COMPLETION: [Profile; 5] = [
    Profile { usecs:  2, frames: 256 },
    Profile { usecs:  8, frames: 128 },
    Profile { usecs: 16, frames:  64 },
    Profile { usecs: 32, frames:  64 },
    Profile { usecs: 64, frames:  64 },
];

/// What has been counted by a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// Interrupts.
    pub events: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What came in a millisecond, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rates {
    bytes: u64,
    packets: u64,
    events: u64,
}

/// Where the search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    OnTop,
    Tired,
    Right,
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Better,
    Same,
    Worse,
}

/// A search for the best profile.
#[derive(Clone, Debug)]
pub struct Dim {
    search: Search,
    /// The profile's number.
    place: usize,
    steps_right: u32,
    steps_left: u32,
    tired: usize,
    before: Rates,
    start: Option<Sample>,
    by_completion: bool,
}

impl Dim {
    /// A search that begins at the second profile. `by_completion`: each frame starts the time anew.
    #[must_use]
    pub fn new(by_completion: bool) -> Self {
        Self {
            search: Search::OnTop,
            place: 1,
            steps_right: 0,
            steps_left: 0,
            tired: 0,
            before: Rates::default(),
            start: None,
            by_completion,
        }
    }

    /// The profile that is to be used.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        if self.by_completion { PROFILES_BY_COMPLETION[self.place] } else { PROFILES[self.place] }
    }

    /// What coalescing is by it, where it has a say.
    #[must_use]
    pub const fn coalescing(&self, known: Coalescing) -> Coalescing {
        let Profile { usecs, frames } = self.profile();
        Coalescing { rx_usecs: usecs, rx_frames: frames, ..known }
    }

    /// Takes note of what has been counted, after each poll that was the last one.
    pub fn note(&mut self, sample: Sample) {
        let Some(start) = self.start else {
            self.start = Some(sample);
            return;
        };
        if sample.events - start.events < EVENTS {
            return;
        }
        let micros = sample.at.since(start.at).as_micros() as u64;
        if micros == 0 {
            return;
        }
        let per_ms = |count: u64| (count * 1000).div_ceil(micros);
        let rates = Rates {
            bytes: per_ms(sample.bytes - start.bytes),
            packets: per_ms(sample.packets - start.packets),
            events: per_ms(EVENTS),
        };
        // A new profile is measured from the next sample on.
        self.start = if self.decide(rates) { None } else { Some(sample) };
    }

    /// Moves on by a measurement; tells whether the profile is another one.
    fn decide(&mut self, rates: Rates) -> bool {
        let (before, place) = (self.search, self.place);
        match self.search {
            Search::OnTop => {
                if verdict(rates, self.before) != Verdict::Same {
                    self.leave();
                }
            }
            Search::Tired => {
                self.tired -= 1;
                if self.tired == 0 {
                    self.leave();
                }
            }
            Search::Right | Search::Left => self.walk(rates),
        }
        if before != Search::OnTop || self.search != Search::OnTop {
            self.before = rates;
        }
        self.place != place
    }

    fn walk(&mut self, rates: Rates) {
        if verdict(rates, self.before) != Verdict::Better {
            self.turn();
        }
        let (ahead, behind) = match self.search {
            Search::Right => (self.steps_right, self.steps_left),
            Search::Left | Search::OnTop | Search::Tired => (self.steps_left, self.steps_right),
        };
        if behind > 1 && ahead == 1 {
            return self.rest(Search::OnTop);
        }
        if self.tired == TIRED_AFTER {
            self.rest(Search::Tired);
        } else if !self.step() {
            self.rest(Search::OnTop);
        }
    }

    const fn turn(&mut self) {
        if matches!(self.search, Search::Right) {
            (self.search, self.steps_left) = (Search::Left, 0);
        } else {
            (self.search, self.steps_right) = (Search::Right, 0);
        }
    }

    /// Takes a step, unless it stands at the edge.
    const fn step(&mut self) -> bool {
        match self.search {
            Search::Right if self.place + 1 == PROFILES.len() => return false,
            Search::Left if self.place == 0 => return false,
            Search::Right => (self.place, self.steps_right) = (self.place + 1, self.steps_right + 1),
            Search::Left => (self.place, self.steps_left) = (self.place - 1, self.steps_left + 1),
            Search::OnTop | Search::Tired => {}
        }
        self.tired += 1;
        true
    }

    const fn rest(&mut self, search: Search) {
        if matches!(search, Search::OnTop) {
            self.tired = 0;
        }
        (self.steps_right, self.steps_left, self.search) = (0, 0, search);
    }

    const fn leave(&mut self) {
        self.search = if self.place > 0 { Search::Left } else { Search::Right };
        self.step();
    }
}

/// Whether it is better now.
fn verdict(now: Rates, before: Rates) -> Verdict {
    let is_other = |now: u64, before: u64| before > 0 && 100 * now.abs_diff(before) / before > 10;
    let by = |is_better| if is_better { Verdict::Better } else { Verdict::Worse };
    if before.bytes == 0 {
        return if now.bytes > 0 { Verdict::Better } else { Verdict::Same };
    }
    if is_other(now.bytes, before.bytes) {
        return by(now.bytes > before.bytes);
    }
    if before.packets == 0 {
        return if now.packets > 0 { Verdict::Better } else { Verdict::Same };
    }
    if is_other(now.packets, before.packets) {
        return by(now.packets > before.packets);
    }
    if before.events > 0 && is_other(now.events, before.events) {
        return by(now.events < before.events);
    }
    Verdict::Same
}

/// Interrupts of one measurement (Linux: `DIM_NEVENTS`).
const EVENTS: u64 = 64;

/// Steps after which it rests.
const TIRED_AFTER: usize = 2 * PROFILES.len();

#[cfg(test)]
mod tests {
    use super::*;

    /// Measurements of 1 ms with those bytes, packets and interrupts each; the profile's number after each.
    fn places(measured: &[(u64, u64)]) -> alloc::vec::Vec<usize> {
        let mut dim = Dim::new(false);
        let rates = |&(bytes, events): &(u64, u64)| Rates { bytes, packets: bytes / 100, events };
        measured
            .iter()
            .map(|each| {
                dim.decide(rates(each));
                dim.place
            })
            .collect()
    }

    #[test]
    fn the_search_goes_on_while_it_gets_better_and_turns_when_it_does_not() {
        #[rustfmt::skip]
        let cases = [
            // (bytes, interrupts) in each millisecond                                          profiles
            // Nothing came before: any is better, and one leaves the top to the left.
            (&[(1000, 64)][..],                                                                 &[0][..]),
            // The same again: turned, and so on to the right for as long as interrupts become fewer.
            (&[(1000, 64), (1000, 64), (1000, 40), (1000, 20)],                                 &[0, 1, 2, 3]),
            // At the edge it stays, until something changes by more than a tenth.
            (&[(1000, 64), (1000, 64), (1000, 40), (1000, 20), (1000, 10), (1000, 5), (1000, 5)], &[0, 1, 2, 3, 4, 4, 4]),
            // Right for two steps, worse, one step back, better again: that is the top.
            (&[(1000, 64), (1000, 64), (2000, 64), (1000, 64), (2000, 64)],                     &[0, 1, 2, 1, 1]),
            // Not better again: it turns once more.
            (&[(1000, 64), (1000, 64), (2000, 64), (1000, 64), (1000, 64)],                     &[0, 1, 2, 1, 2]),
            // Better by a tenth and no more is the same.
            (&[(1000, 64), (1100, 64)],                                                         &[0, 1]),
        ];
        for (measured, expected) in cases {
            assert_eq!(places(measured), expected, "{measured:?}");
        }
    }

    #[test]
    fn it_is_measured_over_64_interrupts_and_not_fewer() {
        let mut dim = Dim::new(true);
        let sample = |micros: u64, events| Sample {
            at: Instant::from_nanos(micros * 1000),
            events,
            packets: events,
            bytes: 100 * events,
        };
        dim.note(sample(0, 0));
        dim.note(sample(1000, 63));
        assert_eq!(dim.profile(), PROFILES_BY_COMPLETION[1]);
        dim.note(sample(1010, 64));
        assert_eq!(dim.profile(), PROFILES_BY_COMPLETION[0]);
        assert_eq!(dim.start, None, "a new profile is measured from the next sample on");
    }
}
