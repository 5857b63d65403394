//! What happens next on a host's hardware.

use super::{Hardware, Instance, State, hardware::Queue};
use crate::time::Instant;

/// What happens next, by the place of its CPU or queue. Of what happens at once, what stands first here does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    /// A CPU is done with what it does.
    Done(usize),
    /// A queue's interrupt is due.
    Interrupt(usize),
    /// A queue is to be polled although its interrupt is masked.
    Flush(usize),
    /// The process that polls a queue gives up.
    GiveUp(usize),
    /// ksoftirqd has its turn on a CPU.
    Thread(usize),
}

impl<T> Hardware<T> {
    /// What happens next, and when.
    pub(super) fn next(&self) -> Option<(Instant, Happening)> {
        let of_cpus = self.cpus.iter().enumerate().flat_map(|(place, cpu)| {
            let turn = cpu.thread_at.filter(|_| cpu.is_with_threads()).map(|at| at.max(cpu.since));
            [cpu.ends().map(|at| (at, Happening::Done(place))), turn.map(|at| (at, Happening::Thread(place)))]
        });
        let of_queues = self.queues.iter().enumerate().map(|(place, queue)| self.next_of(place, queue));
        of_cpus.chain(of_queues).flatten().min()
    }

    fn next_of(&self, place: usize, queue: &Queue<T>) -> Option<(Instant, Happening)> {
        let Instance { state, .. } = queue.napi;
        match state {
            State::Armed => {
                let due = queue.coalescing().due(&queue.ring)?;
                Some((due.max(queue.armed), Happening::Interrupt(place)))
            }
            State::Deferred(at) => Some((at, Happening::Flush(place))),
            State::Spun(last) => {
                let cpu = &self.cpus[queue.cpu];
                let at = (last + queue.busy_poll).max(cpu.since);
                (cpu.spins_idly() && queue.ring.is_empty()).then_some((at, Happening::GiveUp(place)))
            }
            State::Raised | State::Scheduled => None,
        }
    }
}
