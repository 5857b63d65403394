//! How many connections of a listener were opened fast and have not shown yet that their user hears. Anybody who has a cookie can have
//! some made for another's address: a place whose connection was reset, as the true holder of the address does, stays taken for a
//! minute (RFC 7413, section 5.1; Linux v6.18: `net/core/request_sock.c`, `reqsk_fastopen_remove()`; `net/ipv4/tcp_fastopen.c`,
//! `tcp_fastopen_queue_check()`).

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::time::Instant;

/// The places of one listener.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Those that are taken by connections.
    pending: u32,
    /// When those are free again that were reset, in order.
    resets: VecDeque<Instant>,
}

/// How long the place of a connection that was reset stays taken.
const RESET_PAUSE: Duration = Duration::from_secs(60);

impl Queue {
    /// Whether there is a place among so many; that of the first that was reset is free when its time is over.
    pub(crate) fn has_place(&mut self, now: Instant, most: u32) -> bool {
        if self.taken() < u64::from(most) {
            return true;
        }
        match self.resets.front() {
            Some(free_at) if *free_at <= now => self.resets.pop_front().is_some(),
            Some(_) | None => false,
        }
    }

    pub(crate) const fn enter(&mut self) {
        self.pending += 1;
    }

    /// A connection's handshake has ended; `is_paused`: by a reset, of one that was in use.
    pub(crate) fn leave(&mut self, now: Instant, is_paused: bool) {
        self.pending = self.pending.saturating_sub(1);
        if is_paused {
            self.resets.push_back(now + RESET_PAUSE);
        }
    }

    fn taken(&self) -> u64 {
        u64::from(self.pending) + self.resets.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_when_its_handshake_is_done_and_a_minute_after_a_reset() {
        let mut queue = Queue::default();
        let at = Instant::from_secs;
        assert!(!queue.has_place(at(0), 0));
        assert!(queue.has_place(at(0), 1));
        queue.enter();
        assert!(!queue.has_place(at(0), 1));
        queue.leave(at(1), false);
        assert!(queue.has_place(at(1), 1));
        queue.enter();
        queue.leave(at(2), true);
        assert!(!queue.has_place(at(61), 1));
        assert!(queue.has_place(at(62), 1));
        queue.enter();
        assert!(!queue.has_place(at(999), 1));
    }
}
