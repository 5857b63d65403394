//! A round of polls: how much is done before others have their turn.
//!
//! Linux v6.18: `net/core/dev.c`, `net_rx_action()`.

use core::time::Duration;

use crate::{limits::BATCH_FRAMES_MAX, time::Instant};

/// How much is done before others have their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Frames of one poll of a device (Linux: `NAPI_POLL_WEIGHT`), 1 to [`BATCH_FRAMES_MAX`].
    pub weight: usize,
    /// Frames of one round of polls (`net.core.netdev_budget`); the last poll may overshoot it by `weight`.
    pub frames: usize,
    /// Time of one round of polls (`net.core.netdev_budget_usecs`); looked at after each poll.
    pub time: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { weight: BATCH_FRAMES_MAX, frames: 300, time: Duration::from_millis(2) }
    }
}

/// What a round has run out of, whether or not anything is left to do (Linux counts both as `time_squeeze`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Squeeze {
    /// Its frames.
    Frames,
    /// Its time.
    Time,
}

/// A round that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    frames_left: usize,
    until: Instant,
}

impl Round {
    /// One that begins now.
    #[must_use]
    pub fn begin(now: Instant, budget: &Budget) -> Self {
        Self { frames_left: budget.frames, until: now + budget.time }
    }

    /// A poll has found so many frames.
    pub const fn spend(&mut self, frames: usize) {
        self.frames_left = self.frames_left.saturating_sub(frames);
    }

    /// What it has run out of by now, if anything.
    #[must_use]
    pub fn squeeze(&self, now: Instant) -> Option<Squeeze> {
        if self.frames_left == 0 { Some(Squeeze::Frames) } else { (now >= self.until).then_some(Squeeze::Time) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_ends_by_frames_or_by_time_and_frames_are_named_first() {
        let budget = Budget { weight: 64, frames: 100, time: Duration::from_micros(10) };
        let at = |micros: u64| Instant::from_nanos(1000 * micros);
        #[rustfmt::skip]
        let cases = [
            // polls found        looked at   it has run out of
            (&[][..],             0,          None),
            (&[64],               9,          None),
            (&[64, 35],           9,          None),
            (&[64, 36],           9,          Some(Squeeze::Frames)),
            (&[64, 64],           9,          Some(Squeeze::Frames)),
            (&[64],               10,         Some(Squeeze::Time)),
            (&[64, 64],           10,         Some(Squeeze::Frames)),
        ];
        for (polls, micros, expected) in cases {
            let mut round = Round::begin(at(0), &budget);
            polls.iter().for_each(|frames| round.spend(*frames));
            assert_eq!(round.squeeze(at(micros)), expected, "{polls:?} at {micros}");
        }
    }
}
