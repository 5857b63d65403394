//! Processes that poll.
//!
//! One that has nothing to read polls the queue that its frames come to until it finds something, or nothing has come for `busy_read`.
//! Each time it stops it polls once more, which arms the interrupt unless that is put off; then it reads, and waits anew. What it
//! does with what it reads takes no time here. A softirq that hands over frames wakes one that sleeps.
//!
//! Polls that find nothing are not played one by one: a process looks again each time a poll has taken its time, so that it is known when
//! it finds what comes. Where processes poll several queues of a CPU they take turns. A look that something else has put off is begun anew.
//!
//! Linux v6.18: `net/core/dev.c`, `__napi_busy_loop()`, `busy_poll_stop()`; `net/core/sock.c`, `sk_busy_loop_end()`.

use core::time::Duration;

use super::{
    AfterPoll, Hardware, Mode, Owner,
    poll::{Last, Poll, Sent, Source},
};
use crate::time::Instant;

/// What the process is about whose frames come to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// It sleeps, or there is none that polls.
    Asleep,
    /// There is something to read, and it has not had the CPU since.
    Woken,
    /// It has waited since then.
    Waits(Instant),
}

impl<T> Hardware<T> {
    /// Frames of a queue have been handed over: who waits for them is woken.
    pub(super) fn wake(&mut self, number: usize) {
        let queue = &mut self.queues[number];
        if matches!(queue.mode, Mode::Interrupt { .. } | Mode::Napi) {
            return;
        }
        if queue.process == Process::Asleep {
            self.cpus[queue.cpu].spinning.push_back(number);
        }
        queue.process = Process::Woken;
    }

    /// A frame has come to a queue that a process polls, or was sent by it.
    pub(super) fn look(&mut self, now: Instant, number: usize) {
        let place = self.queues[number].cpu;
        let cpu = &mut self.cpus[place];
        if self.queues[number].napi.owner != Some(Owner::Process) || !cpu.spins_idly() {
            return;
        }
        let Some(turn) = cpu.spinning.iter().position(|queue| *queue == number) else { return };
        let each = self.costs.poll.as_nanos() as u64;
        let (first, round) = (each * (turn as u64 + 1), each * cpu.spinning.len() as u64);
        let passed = now.since(cpu.since).as_nanos() as u64;
        let looks_at = first + passed.saturating_sub(first).next_multiple_of(round);
        cpu.settle(now);
        self.poll_in_turn(place, turn, Duration::from_nanos(looks_at - passed));
        self.cpus[place].note_activity();
    }

    /// Lets processes go on that wait for frames, if nothing else has the CPU.
    pub(super) fn spin_on(&mut self, at: Instant, place: usize) {
        let cpu = &self.cpus[place];
        if !cpu.is_with_threads() {
            return;
        }
        for turn in 0..cpu.spinning.len() {
            let queue = &mut self.queues[self.cpus[place].spinning[turn]];
            if queue.process == Process::Woken {
                queue.process = Process::Waits(at);
            }
            // Softirqs that have it now have been left to ksoftirqd.
            let is_free = queue.napi.take(Owner::Process);
            queue.napi.is_preferred |=
                !is_free && queue.napi.owner == Some(Owner::Softirq) && queue.mode == Mode::PreferBusyPoll;
        }
        let cpu = &self.cpus[place];
        let has_some = |queue: &usize| {
            let queue = &self.queues[*queue];
            queue.napi.owner == Some(Owner::Process) && queue.has_work()
        };
        if cpu.spins_idly()
            && let Some(turn) = cpu.spinning.iter().position(has_some)
        {
            self.poll_in_turn(place, turn, self.costs.poll * (turn as u32 + 1));
        }
    }

    /// Begins to take frames off the queue whose turn it is after so many others.
    fn poll_in_turn(&mut self, place: usize, turn: usize, looks_in: Duration) {
        let cpu = &mut self.cpus[place];
        cpu.spinning.rotate_left(turn);
        if let Some(queue) = cpu.spinning.pop_front() {
            cpu.spinning.push_back(queue);
            cpu.spin = Some(Poll::new(Source::Queue(queue), looks_in));
        }
    }

    /// A process's poll is done with a frame, or has begun.
    pub(super) fn run_spin(&mut self, at: Instant, place: usize, mut poll: Poll<T>) {
        if self.take_next(at, place, &mut poll, BUSY_POLL_BUDGET) {
            self.cpus[place].spin = Some(poll);
            return;
        }
        let Source::Queue(number) = poll.source else { return };
        if poll.found > 0 {
            let counters = &mut self.queues[number].counters;
            counters.busy_polls += 1;
            counters.busy_packets += poll.found as u64;
            counters.busy_sizes.add(poll.found);
        }
        self.deliver(at, place, poll.done);
        let found = if poll.sent == (Sent::Done { all: false }) { BUSY_POLL_BUDGET } else { poll.found };
        match poll.last {
            Some(last) => self.stopped(at, number, found, last),
            None if poll.found > 0 => self.stop(at, number, false),
            // It has taken back what was sent, which is nothing to read.
            None => {}
        }
        // For packets that it has put on backlogs.
        if self.cpus[place].softirq.is_none() {
            self.begin_raised(at, place);
        }
    }

    /// A process has found something, or gives up.
    fn stop(&mut self, at: Instant, number: usize, gives_up: bool) {
        let queue = &mut self.queues[number];
        let is_timed = queue.napi.stop(at, queue.mode == Mode::PreferBusyPoll);
        let last = Some(Last { is_timed, gives_up });
        let cpu = &mut self.cpus[queue.cpu];
        cpu.spin = Some(Poll { last, ..Poll::new(Source::Queue(number), self.costs.poll) });
    }

    fn stopped(&mut self, at: Instant, number: usize, found: usize, Last { is_timed, gives_up }: Last) {
        let queue = &mut self.queues[number];
        let place = queue.cpu;
        match queue.napi.after_stop(at, (found, BUSY_POLL_BUDGET), is_timed) {
            AfterPoll::Again | AfterPoll::Schedule => self.schedule(place, Source::Queue(number)),
            AfterPoll::Arm => queue.arm(at),
            AfterPoll::Rest => {}
        }
        if gives_up && found == 0 {
            self.sleep(number);
        } else {
            self.queues[number].process = Process::Woken;
        }
    }

    /// Nothing has come for long enough.
    pub(super) fn give_up(&mut self, at: Instant, number: usize) {
        let place = self.queues[number].cpu;
        self.cpus[place].settle(at);
        if self.queues[number].napi.owner == Some(Owner::Process) {
            self.stop(at, number, true);
        } else {
            self.sleep(number);
        }
        self.cpus[place].note_activity();
    }

    fn sleep(&mut self, number: usize) {
        let queue = &mut self.queues[number];
        queue.process = Process::Asleep;
        self.cpus[queue.cpu].spinning.retain(|spinning| *spinning != number);
    }
}

/// Frames of a process's poll (Linux: `BUSY_POLL_BUDGET`).
const BUSY_POLL_BUDGET: usize = 8;
