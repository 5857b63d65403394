//! A CPU's backlog: packets that an interrupt or another CPU has put there, for a softirq to take.
//!
//! Two queues: others append to one, and the poll takes from the other, which takes over the whole first one when it is empty. The bound is
//! looked at before a packet is appended, so there is one more than it says.
//!
//! Linux v6.18: `net/core/dev.c`, `enqueue_to_backlog()`, `process_backlog()`.

use alloc::collections::VecDeque;

/// Packets that wait for a CPU.
#[derive(Debug)]
pub(super) struct Backlog<P> {
    input: VecDeque<P>,
    process: VecDeque<P>,
    max: usize,
    /// Whether its poll is scheduled, or will be when an interrupt tells its CPU.
    pub(super) is_scheduled: bool,
}

impl<P> Backlog<P> {
    /// An empty one, for so many packets (`net.core.netdev_max_backlog`).
    pub(super) const fn new(max: usize) -> Self {
        Self { input: VecDeque::new(), process: VecDeque::new(), max, is_scheduled: false }
    }

    /// Puts a packet behind the others; gives it back when there is no room.
    pub(super) fn push(&mut self, packet: P) -> Result<(), P> {
        if self.input.len() > self.max {
            return Err(packet);
        }
        self.input.push_back(packet);
        Ok(())
    }

    /// Takes the next one of a poll.
    pub(super) fn pop(&mut self) -> Option<P> {
        if self.process.is_empty() {
            core::mem::swap(&mut self.input, &mut self.process);
        }
        self.process.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_one_more_than_the_bound_and_for_as_many_again_while_those_are_processed() {
        let mut backlog = Backlog::new(2);
        assert_eq!([1, 2, 3, 4].map(|packet| backlog.push(packet)), [Ok(()), Ok(()), Ok(()), Err(4)]);
        assert_eq!(backlog.pop(), Some(1));
        assert_eq!([5, 6, 7, 8].map(|packet| backlog.push(packet)), [Ok(()), Ok(()), Ok(()), Err(8)]);
        let rest: alloc::vec::Vec<i32> = core::iter::from_fn(|| backlog.pop()).collect();
        assert_eq!(rest, [2, 3, 5, 6, 7]);
    }
}
