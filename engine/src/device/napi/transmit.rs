//! A transmit ring: what a driver has put there for its NIC to send, and what that has sent and nobody has taken back yet.
//!
//! ```text
//!                   ┌────────── the ring ───────────┐
//!   queueing ─► put │ to be sent ─► wire ─► sent     │ ─► interrupt, coalesced ─► poll: taken back
//!   discipline      └───────────────────────────────┘                                  │
//!       ▲  full: the queue is stopped                                                  │ a quarter is free:
//!       └──────────────────────────────────────────────────────────────────────────────┘ the queue is woken
//! ```
//!
//! It is also stopped while more bytes are there than its limit says, if it has one ([`super::ByteLimitOptions`]). A frame takes a place, where on a machine each of its fragments does. How much must be free for a stopped queue to be woken is each
//! driver's to say: a quarter of the ring here (tg3: more than that), so that it is not stopped again by the next frame.
//!
//! Linux v6.18: `include/linux/netdevice.h`, `netif_tx_stop_queue()`, `netif_tx_wake_queue()`; `drivers/net/ethernet/broadcom/tg3.c`,
//! `tg3_tx()`, `TG3_TX_WAKEUP_THRESH`.

use alloc::collections::VecDeque;

use super::byte_limits::{ByteLimitOptions, ByteLimits};
use crate::time::Instant;

/// A transmit ring with room for so many frames (`ethtool -g`: TX).
#[derive(Clone, Debug)]
pub struct TransmitRing {
    size: usize,
    /// The bytes of each frame that is to be sent.
    waiting: VecDeque<usize>,
    /// When each was sent that has not been taken back, and its bytes.
    sent: VecDeque<(Instant, usize)>,
    limits: Option<ByteLimits>,
    /// It was full, and not enough is free (Linux: `__QUEUE_STATE_DRV_XOFF`).
    is_full: bool,
    /// It was over its limit, and has not been below since (`__QUEUE_STATE_STACK_XOFF`).
    is_over: bool,
}

impl TransmitRing {
    /// An empty one, with a limit to its bytes or without.
    #[must_use]
    pub fn new(size: usize, limits: Option<ByteLimitOptions>) -> Self {
        let limits = limits.map(ByteLimits::new);
        Self { size, waiting: VecDeque::new(), sent: VecDeque::new(), limits, is_full: false, is_over: false }
    }

    /// Puts a frame of so many bytes there; tells whether there was room. The last place taken stops the queue, and the frame that is
    /// beyond the limit.
    pub fn put(&mut self, bytes: usize) -> bool {
        let has_room = self.len() < self.size;
        if has_room {
            self.waiting.push_back(bytes);
            if let Some(limits) = &mut self.limits {
                limits.put(bytes);
                self.is_over |= limits.is_over();
            }
        }
        self.is_full |= self.len() >= self.size;
        has_room
    }

    /// The first frame that is to be sent has been; gives its bytes, if there is one.
    pub fn note_sent(&mut self, now: Instant) -> Option<usize> {
        let bytes = self.waiting.pop_front()?;
        self.sent.push_back((now, bytes));
        Some(bytes)
    }

    /// Takes back so many of those that were sent; tells whether that wakes the queue.
    pub fn take_back(&mut self, now: Instant, frames: usize) -> bool {
        let was_stopped = self.is_stopped();
        let bytes: usize = self.sent.drain(..frames.min(self.sent.len())).map(|(_, bytes)| bytes).sum();
        if let Some(limits) = self.limits.as_mut().filter(|_| bytes > 0) {
            limits.take_back(now, bytes as u64);
            self.is_over &= limits.is_over();
        }
        self.is_full &= self.size - self.len() < (self.size / 4).max(1);
        was_stopped && !self.is_stopped()
    }

    /// The limit to its bytes, if it has one.
    #[must_use]
    pub fn limit_bytes(&self) -> Option<u64> {
        self.limits.as_ref().map(ByteLimits::limit)
    }

    /// Frames that take a place.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.sent.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames that were sent and have not been taken back.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent.len()
    }

    /// When the first and the last of these were sent.
    #[must_use]
    pub fn span(&self) -> Option<(Instant, Instant)> {
        Some((self.sent.front()?.0, self.sent.back()?.0))
    }

    /// Whether the queueing discipline is to keep its frames.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.is_full || self.is_over
    }

    /// Whether it was full, and not enough is free.
    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_stops_its_queue_until_a_quarter_of_it_is_free() {
        let (mut ring, at) = (TransmitRing::new(8, None), Instant::from_nanos);
        for frame in 0..8 {
            assert!(!ring.is_stopped() && ring.put(60 + frame));
        }
        assert!(ring.is_stopped() && !ring.put(99));
        assert_eq!((ring.note_sent(at(1)), ring.note_sent(at(2)), ring.len()), (Some(60), Some(61), 8));
        assert_eq!((ring.sent(), ring.span()), (2, Some((at(1), at(2)))));
        assert!(!ring.take_back(at(3), 1) && ring.is_stopped(), "one of eight is free");
        assert!(ring.take_back(at(3), 9) && !ring.is_stopped(), "two are");
        assert!(!ring.take_back(at(3), 0), "and nobody is woken twice");
        assert_eq!(ring.len(), 6);
        assert_eq!((0..6).filter_map(|_| ring.note_sent(at(3))).sum::<usize>(), 62 + 63 + 64 + 65 + 66 + 67);
        assert_eq!((ring.note_sent(at(4)), ring.sent()), (None, 6));
    }

    #[test]
    fn a_ring_of_one_wakes_its_queue_with_each_frame() {
        let mut ring = TransmitRing::new(1, None);
        assert!(ring.put(60) && ring.is_stopped());
        _ = ring.note_sent(Instant::ZERO);
        assert!(ring.take_back(Instant::ZERO, 1) && ring.is_empty());
    }

    #[test]
    fn a_ring_with_a_limit_is_stopped_by_the_frame_that_is_beyond_it_and_woken_when_that_is_sent() {
        let options = ByteLimitOptions { min: 1500, max: 1500, ..ByteLimitOptions::default() };
        let (mut ring, at) = (TransmitRing::new(8, Some(options)), Instant::from_nanos);
        assert!(ring.put(1000) && !ring.is_stopped());
        assert!(ring.put(1000) && ring.is_stopped() && !ring.is_full());
        assert!(ring.put(1000), "there is room all the same, for who does not ask");
        _ = ring.note_sent(at(1));
        assert!(!ring.take_back(at(2), 1) && ring.is_stopped(), "2000 bytes are there");
        _ = ring.note_sent(at(3));
        assert!(ring.take_back(at(4), 1) && !ring.is_stopped());
        assert_eq!(ring.limit_bytes(), Some(1500));
    }
}
