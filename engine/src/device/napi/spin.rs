//! Processes that poll.
//!
//! Polls that find nothing are not played one by one: a process looks again each time a poll has taken its time, so that it is known when
//! it finds what comes.

use core::time::Duration;

use super::{
    Hardware, State,
    poll::{Poll, Source},
};
use crate::time::Instant;

impl<T> Hardware<T> {
    /// A frame has come to a queue that a process polls.
    pub(super) fn wake_spinner(&mut self, now: Instant, place: usize) {
        let cpu = &mut self.cpus[place];
        if !cpu.spins_idly() {
            return;
        }
        let (passed, each) = (now.since(cpu.since).as_nanos() as u64, self.costs.poll.as_nanos() as u64);
        cpu.settle(now);
        self.spin_on(place);
        let looks_in = Duration::from_nanos(passed.next_multiple_of(each) - passed);
        if let Some(poll) = &mut self.cpus[place].spin {
            poll.left = looks_in;
        }
        self.cpus[place].note_activity();
    }

    /// Lets a process poll a queue where something waits, if nothing else goes on.
    pub(super) fn spin_on(&mut self, place: usize) {
        let cpu = &mut self.cpus[place];
        if !cpu.spins_idly() {
            return;
        }
        let Some(at) = cpu.spinning.iter().position(|queue| !self.queues[*queue].ring.is_empty()) else { return };
        cpu.spinning.rotate_left(at);
        if let Some(queue) = cpu.spinning.pop_front() {
            cpu.spinning.push_back(queue);
            cpu.spin = Some(Poll::new(Source::Queue(queue), self.costs.poll));
        }
    }

    /// A process's poll is done with a frame, or has begun.
    pub(super) fn run_spin(&mut self, at: Instant, place: usize, mut poll: Poll<T>) {
        if self.take_next(place, &mut poll, BUSY_POLL_BUDGET) {
            self.cpus[place].spin = Some(poll);
            return;
        }
        let Source::Queue(number) = poll.source else { return };
        let queue = &mut self.queues[number];
        queue.counters.polls += 1;
        queue.counters.busy_polls += 1;
        queue.counters.sizes.add(poll.found);
        queue.napi.state = State::Spun(at);
        self.deliver(at, place, poll.done);
        // For packets that it has put on backlogs.
        self.begin_raised(at, place);
    }

    /// Nothing has come for long enough.
    pub(super) fn give_up(&mut self, at: Instant, number: usize) {
        let place = self.queues[number].cpu;
        let cpu = &mut self.cpus[place];
        cpu.settle(at);
        cpu.spinning.retain(|queue| *queue != number);
        cpu.note_activity();
        self.queues[number].arm(at);
    }
}

/// Frames of a process's poll (Linux: `BUSY_POLL_BUDGET`).
const BUSY_POLL_BUDGET: usize = 8;
