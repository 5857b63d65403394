//! What happens next on a host's hardware.

use super::{Hardware, Owner, hardware::Queue, spin::Process};
use crate::time::Instant;

/// What happens next, by the place of its CPU or queue. Of what happens at once, what stands first here does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    /// A CPU is done with what it does.
    Done(usize),
    /// A queue's interrupt is due.
    Interrupt(usize),
    /// The timer of a queue whose interrupt was put off is over.
    Timer(usize),
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
        let of_queues = self.queues.iter().enumerate().flat_map(|(place, queue)| self.next_of(place, queue));
        of_cpus.chain(of_queues).flatten().min()
    }

    fn next_of(&self, place: usize, queue: &Queue<T>) -> [Option<(Instant, Happening)>; 3] {
        let due = queue.armed.and_then(|armed| Some(armed.max(queue.interrupt_due()?)));
        let gives_up = match queue.process {
            Process::Waits(since) => {
                let cpu = &self.cpus[queue.cpu];
                let finds_nothing = queue.ring.is_empty() || queue.napi.owner != Some(Owner::Process);
                (cpu.spins_idly() && finds_nothing).then_some((since + queue.busy_read).max(cpu.since))
            }
            Process::Asleep | Process::Woken => None,
        };
        [
            due.map(|at| (at, Happening::Interrupt(place))),
            queue.napi.timer.map(|at| (at, Happening::Timer(place))),
            gives_up.map(|at| (at, Happening::GiveUp(place))),
        ]
    }
}
