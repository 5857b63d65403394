//! One NAPI instance: who looks after a ring, and when its interrupt may come again.
//!
//! ```text
//!                    interrupt, or timer               weight used up, and no process prefers to poll
//!   nobody has it ──────────────────────► a softirq ◄──────────────────────────────────┐
//!    │  ▲  ▲   ▲                           │  │  └──────────────────────────────────────┘
//!    │  │  │   └── ring empty: armed ──────┘  │
//!    │  │  └────── empty polls are put off: timer
//!    │  │          (with weight used up, too, where a process prefers to poll)
//!    ▼  └── something found, or nothing for busy_read: a last poll, then armed; with a preference and both knobs: timer
//!   a process
//! ```
//!
//! An interrupt that comes while somebody has it is remembered, and taken up when that one is done; but a process's last poll is for
//! it as well.
//!
//! Linux v6.18: `net/core/dev.c`, `napi_schedule_prep()`, `napi_complete_done()`, `napi_watchdog()`, `__napi_poll()`, `busy_poll_stop()`.

use core::time::Duration;

use crate::time::Instant;

/// Who has an instance (Linux: `NAPI_STATE_SCHED` is set, by a process with `NAPI_STATE_IN_BUSY_POLL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Softirqs poll it, or will.
    Softirq,
    /// A process polls it.
    Process,
}

/// What follows a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterPoll {
    /// Softirqs poll it again in their round.
    Again,
    /// It is scheduled anew.
    Schedule,
    /// Its interrupt may come.
    Arm,
    /// Its interrupt stays masked.
    Rest,
}

/// A NAPI instance (Linux: `struct napi_struct`).
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) owner: Option<Owner>,
    /// It was to be scheduled while somebody had it (Linux: `NAPI_STATE_MISSED`).
    is_missed: bool,
    /// A process would rather poll it itself (Linux: `NAPI_STATE_PREFER_BUSY_POLL`).
    pub(super) is_preferred: bool,
    /// When it is polled without an interrupt.
    pub(super) timer: Option<Instant>,
    /// How often empty polls may yet put off its interrupt (Linux: `defer_hard_irqs_count`).
    defers_left: u32,
    defer_hard_irqs: u32,
    gro_flush_timeout: Duration,
}

impl Instance {
    /// One that nobody has.
    pub(super) const fn new(defer_hard_irqs: u32, gro_flush_timeout: Duration) -> Self {
        Self {
            owner: None,
            is_missed: false,
            is_preferred: false,
            timer: None,
            defers_left: 0,
            defer_hard_irqs,
            gro_flush_timeout,
        }
    }

    /// An interrupt gives it to softirqs; tells whether it does, or somebody has it.
    pub(super) const fn schedule(&mut self) -> bool {
        self.is_missed |= self.owner.is_some();
        self.take(Owner::Softirq)
    }

    /// The timer gives it to softirqs; tells whether it does, or somebody has it.
    pub(super) const fn wake(&mut self) -> bool {
        let is_taken = self.take(Owner::Softirq);
        self.is_preferred &= !is_taken;
        is_taken
    }

    /// Somebody takes it, if nobody has it.
    pub(super) const fn take(&mut self, owner: Owner) -> bool {
        let is_free = self.owner.is_none();
        if is_free {
            self.owner = Some(owner);
        }
        is_free
    }

    /// A softirq has polled it, and found `work` frames of the `weight` that it would have taken.
    pub(super) fn after_softirq(&mut self, now: Instant, work: usize, weight: usize) -> AfterPoll {
        if work < weight {
            return self.complete(now, work);
        }
        if !self.is_preferred {
            return AfterPoll::Again;
        }
        // Nobody may forget it: without a timer softirqs go on.
        let then = self.complete(now, work);
        if then == AfterPoll::Arm && self.schedule() { AfterPoll::Schedule } else { then }
    }

    /// A process is about to poll it for the last time; tells whether a timer looks after it from then on.
    pub(super) fn stop(&mut self, now: Instant, prefers: bool) -> bool {
        self.is_missed = false;
        if prefers {
            self.defers_left = self.defer_hard_irqs;
        }
        let is_timed = prefers && self.defer_hard_irqs > 0 && !self.gro_flush_timeout.is_zero();
        if is_timed {
            self.timer = Some(now + self.gro_flush_timeout);
        }
        is_timed
    }

    /// A process has polled it for the last time. `is_timed`: what [`Self::stop`] has told.
    pub(super) fn after_stop(&mut self, now: Instant, (work, weight): (usize, usize), is_timed: bool) -> AfterPoll {
        if work < weight {
            return self.complete(now, work);
        }
        self.owner = (!is_timed).then_some(Owner::Softirq);
        if is_timed { AfterPoll::Rest } else { AfterPoll::Schedule }
    }

    fn complete(&mut self, now: Instant, work: usize) -> AfterPoll {
        if work > 0 {
            self.defers_left = self.defer_hard_irqs;
        }
        let mut then = AfterPoll::Arm;
        let mut timer = self.timer;
        if self.defers_left > 0 {
            self.defers_left -= 1;
            if !self.gro_flush_timeout.is_zero() {
                (then, timer) = (AfterPoll::Rest, Some(now + self.gro_flush_timeout));
            }
        }
        (self.is_preferred, self.owner) = (false, None);
        if core::mem::take(&mut self.is_missed) {
            self.owner = Some(Owner::Softirq);
            return AfterPoll::Schedule;
        }
        self.timer = timer;
        then
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1000)
    }

    fn instance(defer: u32, timeout: u64) -> Instance {
        Instance::new(defer, Duration::from_micros(timeout))
    }

    #[test]
    fn what_follows_polls_of_softirqs_is_as_the_knobs_say() {
        use AfterPoll::{Again, Arm, Rest, Schedule};
        #[rustfmt::skip]
        let cases = [
            // defer  timeout  preferred  polls find           and then
            (0,       0,       false,     &[63][..],           &[Arm][..]),
            (0,       0,       false,     &[64, 64, 0],        &[Again, Again, Arm]),
            (2,       20,      false,     &[5, 0, 0],          &[Rest, Rest, Arm]),
            (2,       20,      false,     &[5, 0, 1, 0, 0],    &[Rest, Rest, Rest, Rest, Arm]),
            (2,       20,      false,     &[64, 0],            &[Again, Arm]),
            (2,       0,       false,     &[5, 0],             &[Arm, Arm]),
            (0,       20,      false,     &[5],                &[Arm]),
            (2,       20,      true,      &[64, 64],           &[Rest, Again]),
            (0,       0,       true,      &[64, 64],           &[Schedule, Again]),
        ];
        for (defer, timeout, preferred, polls, expected) in cases {
            let mut napi = instance(defer, timeout);
            assert!(napi.schedule());
            napi.is_preferred = preferred;
            for (work, expected) in polls.iter().zip(expected) {
                let case = format!("{defer} {timeout} {preferred} {polls:?}");
                assert_eq!(napi.after_softirq(at(100), *work, 64), *expected, "{case}");
                let is_had = matches!(expected, Again | Schedule);
                assert_eq!(napi.owner, is_had.then_some(Owner::Softirq), "{case}");
                assert_eq!(napi.timer, (*expected == Rest).then_some(at(100 + timeout)).or(napi.timer), "{case}");
                assert_eq!(napi.timer.take().is_some(), *expected == Rest, "{case}");
                _ = napi.wake();
            }
        }
    }

    #[test]
    fn a_process_arms_the_interrupt_when_it_stops_unless_it_prefers_to_poll_and_both_knobs_are_set() {
        use AfterPoll::{Arm, Rest, Schedule};
        #[rustfmt::skip]
        let cases = [
            // defer  timeout  prefers  last poll finds   and then   timer
            (0,       0,       false,   0,                Arm,       None),
            (0,       0,       false,   7,                Arm,       None),
            (0,       0,       false,   8,                Schedule,  None),
            (0,       0,       true,    7,                Arm,       None),
            (0,       0,       true,    8,                Schedule,  None),
            (2,       0,       true,    8,                Schedule,  None),
            (2,       20,      true,    0,                Rest,      Some(125)),
            (2,       20,      true,    7,                Rest,      Some(125)),
            (2,       20,      true,    8,                Rest,      Some(120)),
            // What puts off interrupts after a softirq's poll does so here, where something was found.
            (2,       20,      false,   0,                Arm,       None),
            (2,       20,      false,   7,                Rest,      Some(125)),
            (2,       20,      false,   8,                Schedule,  None),
        ];
        for (defer, timeout, prefers, work, then, timer) in cases {
            let mut napi = instance(defer, timeout);
            assert!(napi.take(Owner::Process));
            assert!(!napi.schedule(), "an interrupt finds that somebody has it");
            let is_timed = napi.stop(at(100), prefers);
            let case = format!("{defer} {timeout} {prefers} {work}");
            assert_eq!(napi.after_stop(at(105), (work, 8), is_timed), then, "{case}");
            assert_eq!(napi.timer, timer.map(at), "{case}");
            assert_eq!(napi.owner, (then == Schedule).then_some(Owner::Softirq), "{case}");
        }
    }

    #[test]
    fn an_interrupt_that_comes_while_it_is_polled_is_taken_up_afterwards_and_a_timer_that_does_is_not() {
        let mut napi = instance(2, 20);
        assert!(napi.schedule());
        assert!(!napi.wake());
        assert_eq!(napi.after_softirq(at(100), 5, 64), AfterPoll::Rest);
        assert!(napi.wake());
        assert!(!napi.schedule());
        assert_eq!((napi.after_softirq(at(200), 5, 64), napi.timer), (AfterPoll::Schedule, Some(at(120))));
    }
}
