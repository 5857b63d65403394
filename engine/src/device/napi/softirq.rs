//! Softirqs of a CPU: rounds of polls behind an interrupt, and when the rest is left to ksoftirqd.
//!
//! Linux v6.18: `kernel/softirq.c`, `handle_softirqs()`.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::{
    Budget, Round,
    options::SoftirqOptions,
    poll::{Poll, Source},
};
use crate::time::Instant;

/// Softirqs that are being run.
#[derive(Debug)]
pub(super) struct Softirq<T> {
    /// Whether ksoftirqd runs them.
    pub(super) in_thread: bool,
    /// Rounds that may begin yet, this one counted.
    rounds_left: u32,
    until: Instant,
    pub(super) round: Round,
    /// Who is polled in this round, and who has not been emptied by its poll.
    pub(super) list: VecDeque<Source>,
    pub(super) repoll: VecDeque<Source>,
    pub(super) poll: Option<Poll<T>>,
}

impl<T> Softirq<T> {
    pub(super) fn begin(at: Instant, options: &SoftirqOptions, in_thread: bool) -> Self {
        Self {
            in_thread,
            rounds_left: ROUNDS_MAX,
            until: tick_of(at, options.tick) + whole_ticks(TIME_MAX, options.tick),
            round: round(at, options),
            list: VecDeque::new(),
            repoll: VecDeque::new(),
            poll: None,
        }
    }

    /// Begins one more round, unless there were enough.
    pub(super) fn restarts(&mut self, at: Instant, options: &SoftirqOptions) -> bool {
        self.rounds_left -= 1;
        self.round = round(at, options);
        self.rounds_left > 0 && at < self.until
    }
}

/// A round whose time is counted in ticks.
fn round(at: Instant, options: &SoftirqOptions) -> Round {
    let time = whole_ticks(options.budget.time, options.tick);
    Round::begin(tick_of(at, options.tick), &Budget { time, ..options.budget })
}

/// The tick that a time lies in.
fn tick_of(at: Instant, tick: Duration) -> Instant {
    let tick = tick.as_nanos() as u64;
    Instant::from_nanos(at.as_nanos() / tick * tick)
}

/// A time, rounded up to ticks.
fn whole_ticks(time: Duration, tick: Duration) -> Duration {
    let tick = tick.as_nanos() as u64;
    Duration::from_nanos((time.as_nanos() as u64).div_ceil(tick) * tick)
}

/// Rounds behind one interrupt (Linux: `MAX_SOFTIRQ_RESTART`).
const ROUNDS_MAX: u32 = 10;

/// How long they may take (Linux: `MAX_SOFTIRQ_TIME`).
const TIME_MAX: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softirqs_stop_after_ten_rounds_or_when_the_second_tick_begins() {
        let options = SoftirqOptions::default();
        let micros = |micros: u64| Instant::from_nanos(micros * 1000);
        let mut softirq = Softirq::<()>::begin(micros(700), &options, false);
        assert_eq!((1..=10).filter(|_| softirq.restarts(micros(800), &options)).count(), 9);
        for (at, restarts) in [(1999, true), (2000, false)] {
            let mut softirq = Softirq::<()>::begin(micros(700), &options, false);
            assert_eq!(softirq.restarts(micros(at), &options), restarts, "at {at}");
        }
    }
}
