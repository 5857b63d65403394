//! One NAPI instance: whose turn it is to look after a ring, and when its interrupt may come again.
//!
//! ```text
//!           interrupt                  handled                       weight used up
//!   Armed ────────────► Raised ─────────────────────► Scheduled ◄──────────────────┐
//!     ▲                                                │  ▲   └────────────────────┘
//!     │   ring empty                                   │  │ gro_flush_timeout is over
//!     ├────────────────────────────────────────────────┤  │
//!     │                      napi_defer_hard_irqs left └─►Deferred
//!     │   nothing has come for busy_poll                │
//!     └───────────────────────────────────────── Spun ◄─┘ found something, and a process waits for it
//! ```
//!
//! Linux v6.18: `net/core/dev.c`, `napi_complete_done()`, `napi_watchdog()`, `napi_busy_loop()`.

use core::time::Duration;

use crate::time::Instant;

/// Where an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its interrupt may come.
    Armed,
    /// Its interrupt has come and is masked; the CPU has not handled it yet.
    Raised,
    /// A softirq polls it, or will.
    Scheduled,
    /// Its interrupt stays masked, and it is polled then.
    Deferred(Instant),
    /// A process polls it, and has found something at that time last.
    Spun(Instant),
}

/// What follows a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterPoll {
    /// It is polled again.
    Again,
    /// It is polled again then.
    Later(Instant),
    /// A process polls on.
    Spin,
    /// Its interrupt may come.
    Arm,
}

/// A NAPI instance (Linux: `struct napi_struct`).
#[derive(Clone, Debug)]
pub struct Instance {
    /// Where it is.
    pub state: State,
    /// How often empty polls may yet put off its interrupt (Linux: `defer_hard_irqs_count`).
    defers_left: u32,
    defer_hard_irqs: u32,
    gro_flush_timeout: Duration,
    spins: bool,
}

impl Instance {
    /// One whose interrupt may come. `spins`: a process polls on what a softirq has found.
    #[must_use]
    pub const fn new(defer_hard_irqs: u32, gro_flush_timeout: Duration, spins: bool) -> Self {
        Self { state: State::Armed, defers_left: 0, defer_hard_irqs, gro_flush_timeout, spins }
    }

    /// A softirq has polled it, and found `work` frames of the `weight` that it would have taken.
    pub fn after_poll(&mut self, now: Instant, work: usize, weight: usize) -> AfterPoll {
        if work >= weight {
            self.state = State::Scheduled;
            return AfterPoll::Again;
        }
        if work > 0 {
            self.defers_left = self.defer_hard_irqs;
            if self.spins {
                self.state = State::Spun(now);
                return AfterPoll::Spin;
            }
        }
        if self.defers_left > 0 {
            self.defers_left -= 1;
            if !self.gro_flush_timeout.is_zero() {
                let then = now + self.gro_flush_timeout;
                self.state = State::Deferred(then);
                return AfterPoll::Later(then);
            }
        }
        self.state = State::Armed;
        AfterPoll::Arm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_polls_is_as_the_knobs_say() {
        use AfterPoll::{Again, Arm, Later, Spin};
        let at = |micros: u64| Instant::from_nanos(micros * 1000);
        let in_20 = Later(at(120));
        #[rustfmt::skip]
        let cases = [
            // defer  timeout  spins   polls find           and then
            (0,       0,       false,  &[63][..],           &[Arm][..]),
            (0,       0,       false,  &[64, 64, 0],        &[Again, Again, Arm]),
            (2,       20,      false,  &[5, 0, 0],          &[in_20, in_20, Arm]),
            (2,       20,      false,  &[5, 0, 1, 0, 0],    &[in_20, in_20, in_20, in_20, Arm]),
            (2,       20,      false,  &[64, 0],            &[Again, Arm]),
            (2,       0,       false,  &[5, 0],             &[Arm, Arm]),
            (0,       20,      false,  &[5],                &[Arm]),
            (0,       0,       true,   &[5],                &[Spin]),
            (0,       0,       true,   &[0],                &[Arm]),
        ];
        for (defer, timeout, spins, polls, expected) in cases {
            let mut napi = Instance::new(defer, Duration::from_micros(timeout), spins);
            for (work, expected) in polls.iter().zip(expected) {
                assert_eq!(napi.after_poll(at(100), *work, 64), *expected, "{defer} {timeout} {spins} {polls:?}");
            }
        }
    }
}
