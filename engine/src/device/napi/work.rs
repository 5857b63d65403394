//! What CPUs do: handlers of interrupts, softirqs, and processes that poll.

use super::{
    AfterPoll, Dropped, Hardware, Mode, Received,
    cpu::Vector,
    poll::{Poll, Sent, Source},
    softirq::Softirq,
};
use crate::time::Instant;

impl<T> Hardware<T> {
    /// A CPU is done with what it does.
    pub(super) fn done(&mut self, at: Instant, place: usize) {
        let cpu = &mut self.cpus[place];
        cpu.settle(at);
        if cpu.handler.is_some() {
            self.handled(at, place);
        } else if let Some(softirq) = cpu.softirq.take() {
            self.run_softirq(at, place, softirq);
        } else if let Some(poll) = cpu.spin.take() {
            self.run_spin(at, place, poll);
        }
        self.spin_on(at, place);
        self.cpus[place].note_activity();
    }

    /// An interrupt has been handled.
    fn handled(&mut self, at: Instant, place: usize) {
        let cpu = &mut self.cpus[place];
        let Some(handler) = cpu.handler.take() else { return };
        match handler.vector {
            Vector::Receive(queue) => {
                cpu.counters.rounds.interrupts += 1;
                self.queues[queue].counters.interrupts += 1;
                match self.queues[queue].mode {
                    Mode::Interrupt { .. } => {
                        self.take_back(at, queue, handler.taken_back);
                        self.take_in_handler(at, place, queue, handler.frames);
                    }
                    Mode::Napi | Mode::BusyPoll | Mode::PreferBusyPoll => {
                        if self.queues[queue].napi.schedule() {
                            self.schedule(place, Source::Queue(queue));
                        }
                    }
                }
            }
            Vector::Timer(number) => {
                cpu.counters.timers += 1;
                let queue = &mut self.queues[number];
                if queue.napi.wake() {
                    queue.counters.deferred += 1;
                    self.schedule(place, Source::Queue(number));
                }
            }
            Vector::Told => {
                cpu.counters.received_rps += 1;
                self.schedule(place, Source::Backlog);
            }
        }
        if self.handle_next(place) {
            return;
        }
        // On the way out of the last handler softirqs have their turn, unless they have been interrupted.
        if self.cpus[place].softirq.is_none() {
            self.begin_raised(at, place);
        }
    }

    /// What a handler does that knows no NAPI.
    fn take_in_handler(&mut self, at: Instant, place: usize, queue: usize, frames: usize) {
        for _ in 0..frames {
            let Some(received) = self.queues[queue].pop() else { break };
            let target = self.target_of(&received).unwrap_or(place);
            self.enqueue(at, place, target, received);
        }
        self.queues[queue].arm(at);
    }

    /// Somebody is to be polled by softirqs of that CPU.
    pub(super) fn schedule(&mut self, place: usize, source: Source) {
        let cpu = &mut self.cpus[place];
        cpu.poll_list.push_back(source);
        cpu.is_raised |= !cpu.is_in_round;
    }

    /// A CPU puts a packet on the backlog of another one, or its own.
    fn enqueue(&mut self, at: Instant, from: usize, target: usize, received: Received<T>) {
        let cpu = &mut self.cpus[target];
        if let Err(received) = cpu.backlog.push(received) {
            cpu.counters.dropped += 1;
            self.lost.push_back(Dropped { at, cpu: target, received });
            return;
        }
        if core::mem::replace(&mut cpu.backlog.is_scheduled, true) {
            return;
        }
        if from == target {
            return self.schedule(target, Source::Backlog);
        }
        // It is told when the round ends, or before this CPU polls its own.
        let cpu = &mut self.cpus[from];
        cpu.tells |= 1 << target;
        cpu.is_raised |= !cpu.is_in_round;
    }

    /// ksoftirqd has its turn.
    pub(super) fn run_thread(&mut self, at: Instant, place: usize) {
        let cpu = &mut self.cpus[place];
        cpu.settle(at);
        cpu.thread_at = None;
        if cpu.is_raised {
            self.begin_softirq(at, place, true);
        }
        self.spin_on(at, place);
        self.cpus[place].note_activity();
    }

    /// Runs softirqs, if they are to be run.
    pub(super) fn begin_raised(&mut self, at: Instant, place: usize) {
        if self.cpus[place].is_raised {
            self.begin_softirq(at, place, false);
        }
    }

    fn begin_softirq(&mut self, at: Instant, place: usize, in_thread: bool) {
        let mut softirq = Softirq::begin(at, &self.softirq, in_thread);
        self.begin_round(place, &mut softirq);
        self.next_poll(at, place, softirq);
    }

    fn begin_round(&mut self, place: usize, softirq: &mut Softirq<T>) {
        let cpu = &mut self.cpus[place];
        (cpu.is_raised, cpu.is_in_round) = (false, true);
        softirq.list = core::mem::take(&mut cpu.poll_list);
    }

    /// Polls whose turn it is, or ends the round.
    fn next_poll(&mut self, at: Instant, place: usize, mut softirq: Softirq<T>) {
        loop {
            if let Some(source) = softirq.list.pop_front() {
                if source == Source::Backlog {
                    // Others need not wait for this CPU's own packets.
                    self.tell(at, place);
                }
                let cpu = &mut self.cpus[place];
                softirq.poll = Some(Poll::new(source, self.costs.poll));
                cpu.softirq = Some(softirq);
                return;
            }
            let cpu = &mut self.cpus[place];
            if softirq.repoll.is_empty() && !cpu.poll_list.is_empty() {
                softirq.list = core::mem::take(&mut cpu.poll_list);
            } else if !self.end_round(at, place, &mut softirq) {
                return;
            }
        }
    }

    /// Tells other CPUs of the packets that this one has put on their backlogs.
    fn tell(&mut self, at: Instant, place: usize) {
        let tells = core::mem::take(&mut self.cpus[place].tells);
        for target in (0..self.cpus.len()).filter(|target| tells >> target & 1 == 1) {
            self.raise(at, target, Vector::Told);
        }
    }

    /// Tells whether another round has begun.
    fn end_round(&mut self, at: Instant, place: usize, softirq: &mut Softirq<T>) -> bool {
        let cpu = &mut self.cpus[place];
        let mut all = core::mem::take(&mut softirq.list);
        all.append(&mut cpu.poll_list);
        all.append(&mut softirq.repoll);
        cpu.is_raised |= !all.is_empty();
        (cpu.poll_list, cpu.is_in_round) = (all, false);
        self.tell(at, place);
        let cpu = &mut self.cpus[place];
        if !cpu.is_raised {
            return false;
        }
        if softirq.restarts(at, &self.softirq) {
            self.begin_round(place, softirq);
            return true;
        }
        // One that has been woken already waits for its turn as before.
        if cpu.thread_at.is_none() {
            cpu.counters.ksoftirqd_woken += u64::from(!softirq.in_thread);
            cpu.thread_at = Some(at + self.softirq.process_slice);
        }
        false
    }

    /// A softirq's poll is done with a frame, or has begun.
    fn run_softirq(&mut self, at: Instant, place: usize, mut softirq: Softirq<T>) {
        let Some(mut poll) = softirq.poll.take() else { return };
        let weight = self.weight_of(poll.source);
        if self.take_next(at, place, &mut poll, weight) {
            softirq.poll = Some(poll);
            self.cpus[place].softirq = Some(softirq);
            return;
        }
        let found = poll.found;
        self.deliver(at, place, poll.done);
        self.cpus[place].counters.rounds.note_poll(found);
        if let Source::Queue(number) = poll.source {
            let counters = &mut self.queues[number].counters;
            counters.polls += 1;
            counters.sizes.add(found);
        }
        // Who has not taken back all that was sent has more to do.
        let found = if poll.sent == (Sent::Done { all: false }) { weight } else { found };
        match self.after_poll(at, place, poll.source, found) {
            AfterPoll::Again => softirq.repoll.push_back(poll.source),
            AfterPoll::Schedule => self.schedule(place, poll.source),
            AfterPoll::Arm | AfterPoll::Rest => {}
        }
        softirq.round.spend(found);
        let Some(squeeze) = softirq.round.squeeze(at) else { return self.next_poll(at, place, softirq) };
        self.cpus[place].counters.rounds.note_squeeze(squeeze);
        if self.end_round(at, place, &mut softirq) {
            self.next_poll(at, place, softirq);
        }
    }

    /// Takes note of the frame that a poll has processed, and takes the next one; tells whether there is one.
    pub(super) fn take_next(&mut self, at: Instant, place: usize, poll: &mut Poll<T>, weight: usize) -> bool {
        if let Source::Queue(queue) = poll.source
            && self.takes_back(at, queue, poll)
        {
            return true;
        }
        if let Some(received) = poll.current.take() {
            match self.target_of(&received).filter(|_| poll.source != Source::Backlog) {
                Some(target) => self.enqueue(at, place, target, received),
                None => poll.done.push(received),
            }
        }
        if poll.found >= weight {
            return false;
        }
        let next = match poll.source {
            Source::Queue(queue) => self.queues[queue].pop(),
            Source::Backlog => self.cpus[place].backlog.pop(),
        };
        let Some(received) = next else { return false };
        let goes_on = poll.source != Source::Backlog && self.target_of(&received).is_some();
        poll.left = if goes_on { self.costs.enqueue } else { self.costs.packet };
        poll.found += 1;
        poll.current = Some(received);
        true
    }

    const fn weight_of(&self, source: Source) -> usize {
        match source {
            Source::Queue(_) => self.softirq.budget.weight,
            Source::Backlog => self.softirq.dev_weight,
        }
    }

    /// What becomes of who was polled by a softirq.
    fn after_poll(&mut self, at: Instant, place: usize, source: Source, found: usize) -> AfterPoll {
        let weight = self.weight_of(source);
        let Source::Queue(number) = source else {
            if found >= weight {
                return AfterPoll::Again;
            }
            self.cpus[place].backlog.is_scheduled = false;
            return AfterPoll::Arm;
        };
        let queue = &mut self.queues[number];
        let then = queue.napi.after_softirq(at, found, weight);
        if then == AfterPoll::Arm {
            queue.arm(at);
        }
        then
    }
}
