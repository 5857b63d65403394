//! A CPU: what it does now, what that has put off, and what waits for it.
//!
//! An interrupt stands above softirqs, and these above threads. What is put off keeps what is left of it.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::{
    Activity, CpuCounters, Received,
    backlog::Backlog,
    poll::{Poll, Source},
    softirq::Softirq,
};
use crate::time::Instant;

/// What an interrupt tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vector {
    /// Frames have come to a queue, or were sent by it.
    Receive(usize),
    /// The time of a queue's `gro_flush_timeout` is over.
    Timer(usize),
    /// Another CPU has put packets on the backlog.
    Told,
}

/// An interrupt that is being handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handler {
    pub(super) vector: Vector,
    /// Frames that it takes itself.
    pub(super) frames: usize,
    /// Frames that were sent and that it takes back itself.
    pub(super) taken_back: usize,
    pub(super) left: Duration,
}

/// A CPU.
#[derive(Debug)]
pub(super) struct Cpu<T> {
    /// Interrupts that wait for the one that is handled.
    pub(super) waiting: VecDeque<Vector>,
    pub(super) handler: Option<Handler>,
    pub(super) softirq: Option<Softirq<T>>,
    /// The poll of a process.
    pub(super) spin: Option<Poll<T>>,
    /// Queues that processes poll.
    pub(super) spinning: VecDeque<usize>,
    /// Who is to be polled by softirqs (Linux: `softnet_data.poll_list`).
    pub(super) poll_list: VecDeque<Source>,
    /// Whether a round of polls goes on, which looks itself whether there is somebody else to be polled.
    pub(super) is_in_round: bool,
    /// Whether softirqs are to be run.
    pub(super) is_raised: bool,
    /// When ksoftirqd, which has been woken, has its turn.
    pub(super) thread_at: Option<Instant>,
    pub(super) backlog: Backlog<Received<T>>,
    /// CPUs that are to be told of packets on their backlogs, a bit each.
    pub(super) tells: u64,
    pub(super) counters: CpuCounters,
    activity: Activity,
    /// Since when it does what it does.
    pub(super) since: Instant,
}

impl<T> Cpu<T> {
    pub(super) fn new(max_backlog: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            handler: None,
            softirq: None,
            spin: None,
            spinning: VecDeque::new(),
            poll_list: VecDeque::new(),
            is_in_round: false,
            is_raised: false,
            thread_at: None,
            backlog: Backlog::new(max_backlog),
            tells: 0,
            counters: CpuCounters::default(),
            activity: Activity::default(),
            since: Instant::ZERO,
        }
    }

    /// How long what it does yet takes; `None` when it does nothing that ends.
    fn left(&mut self) -> Option<&mut Duration> {
        if let Some(handler) = &mut self.handler {
            return Some(&mut handler.left);
        }
        let polled = self.softirq.as_mut().and_then(|softirq| softirq.poll.as_mut());
        polled.or(self.spin.as_mut()).map(|poll| &mut poll.left)
    }

    /// When what it does ends.
    pub(super) fn ends(&self) -> Option<Instant> {
        let left = match (&self.handler, &self.softirq, &self.spin) {
            (Some(handler), ..) => Some(handler.left),
            (None, Some(softirq), _) => softirq.poll.as_ref().map(|poll| poll.left),
            (None, None, spin) => spin.as_ref().map(|poll| poll.left),
        };
        left.map(|left| self.since + left)
    }

    /// Whether a thread can have it: nothing stands above threads.
    pub(super) const fn is_with_threads(&self) -> bool {
        self.handler.is_none() && self.softirq.is_none()
    }

    /// Whether a process polls empty queues.
    pub(super) fn spins_idly(&self) -> bool {
        self.is_with_threads() && self.spin.is_none() && !self.spinning.is_empty()
    }

    /// Takes down what it has done until now.
    pub(super) fn settle(&mut self, now: Instant) {
        let passed = now.since(self.since);
        self.counters.times[self.activity as usize] += passed;
        if let Some(left) = self.left() {
            *left = left.saturating_sub(passed);
        }
        self.since = now;
    }

    /// Takes down what it does from now on.
    pub(super) fn note_activity(&mut self) {
        self.activity = match (&self.handler, &self.softirq) {
            (Some(_), _) => Activity::Interrupt,
            (None, Some(softirq)) if softirq.in_thread => Activity::Ksoftirqd,
            (None, Some(_)) => Activity::Softirq,
            (None, None) if self.spin.is_some() || !self.spinning.is_empty() => Activity::BusyPoll,
            (None, None) => Activity::Process,
        };
    }

    /// What it has counted by now.
    pub(super) fn counters_at(&self, now: Instant) -> CpuCounters {
        let mut counters = self.counters;
        counters.times[self.activity as usize] += now.since(self.since);
        counters
    }
}
