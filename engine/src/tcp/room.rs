//! Room for what comes: a socket's own, and that of all sockets together (Linux v6.18: `net/ipv4/tcp_input.c`,
//! `tcp_try_rmem_schedule()`, `tcp_prune_queue()`, `tcp_prune_ofo_queue()`).

use super::{connection::Connection, memory::Use, work::Work};
use crate::{ending::DropReason, socket::Readiness, wire::SeqNum};

impl Connection {
    /// Makes room for a segment of `len` bytes of payload, whose packet takes `memory`; what has come before its turn is given up for
    /// it. What fills an empty queue is taken in any case, so that a connection always goes on.
    ///
    /// # Errors
    /// [`DropReason::SocketMemory`] when the socket's buffer is full, [`DropReason::TcpMemory`] when all together hold what they may.
    pub(super) fn make_room(
        &mut self,
        work: &mut Work<'_>,
        (seq, len): (SeqNum, u32),
        memory: usize,
    ) -> Result<(), DropReason> {
        let is_next = !seq.after(self.receiver.next);
        let fits = self.fits_buffer(memory, is_next);
        if fits && self.may_hold(work, memory, Use::Receive) {
            return Ok(());
        }
        work.memory.counters.prunes += 1;
        if fits {
            self.hold_window(work);
        } else if !self.shrink_for(work, memory, is_next) {
            work.memory.counters.receive_pruned += 1;
            self.note_refusal(work, is_next);
            return Err(DropReason::SocketMemory);
        }
        while !self.may_hold(work, memory, Use::Receive) {
            if self.give_up_behind(work, seq) {
                continue;
            }
            let is_alone = is_next && (self.receiver.queue.is_empty() || len == 0);
            if is_alone {
                self.receiver.acks.is_out_of_memory = true;
                (self.receiver.acks.is_due, self.receiver.acks.is_urgent) = (true, true);
                return Ok(());
            }
            self.note_refusal(work, is_next);
            return Err(DropReason::TcpMemory);
        }
        Ok(())
    }

    fn fits_buffer(&self, memory: usize, is_next: bool) -> bool {
        let held = self.receiver.queue.memory() + self.receiver.out_of_order.memory();
        held + memory <= self.settings.receive_buffer.0 as usize || (is_next && held == 0)
    }

    /// Gives up what has come before its turn, until there is room in the buffer. What is next in order is taken as long as the window
    /// was open for it.
    fn shrink_for(&mut self, work: &mut Work<'_>, memory: usize, is_next: bool) -> bool {
        let buffer = self.settings.receive_buffer.0 as usize;
        if !self.receiver.out_of_order.is_empty() && is_next {
            let keep = buffer.saturating_sub(self.receiver.queue.memory() + memory);
            self.receiver.out_of_order.shrink_to(keep, work.pool);
            self.note_given_up(work);
        }
        // A window that was told is kept to, up to twice the buffer for packets that are mostly air.
        is_next && self.receiver.queue.memory() + memory <= 2 * buffer
    }

    /// Gives up what would be read last, but nothing before `seq`: an eighth of the buffer, or all of it under pressure. Tells whether
    /// there was anything.
    fn give_up_behind(&mut self, work: &mut Work<'_>, seq: SeqNum) -> bool {
        let next = self.receiver.next;
        let before = self.receiver.out_of_order.memory();
        let enough = self.settings.receive_buffer.0 as usize / 8;
        while self.receiver.out_of_order.give_up_last(next, seq, work.pool) {
            if before - self.receiver.out_of_order.memory() >= enough && !work.memory.is_under_pressure() {
                break;
            }
        }
        let has_given_up = self.receiver.out_of_order.memory() < before;
        if has_given_up {
            self.note_given_up(work);
        }
        has_given_up
    }

    /// What was told of it by SACK holds no longer.
    fn note_given_up(&mut self, work: &mut Work<'_>) {
        work.memory.counters.out_of_order_pruned += 1;
        self.receiver.received.clear();
    }

    /// A segment is dropped for want of memory: the user may read, and if it was the next one, the other end is told that the window
    /// is closed.
    fn note_refusal(&mut self, work: &mut Work<'_>, is_next: bool) {
        if is_next {
            work.memory.counters.receive_drops += 1;
            self.receiver.acks.is_out_of_memory = true;
        } else {
            work.memory.counters.out_of_order_drops += 1;
        }
        if !self.receiver.queue.is_empty() {
            self.wake(Readiness::READABLE);
        }
    }
}
