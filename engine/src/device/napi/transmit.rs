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
//! The ring consists of descriptors, and a frame takes one for its linear bytes and one for each of its fragments, where the NIC
//! gathers them itself; else it has been made linear, and takes one ([`Footprint`]). The queue is stopped as soon as the largest
//! frame might find no room: what is handed to a driver is to fit. It is also stopped while more bytes are there than its limit
//! says, if it has one ([`super::ByteLimitOptions`]). How much must be free for a stopped queue to be woken is each driver's to
//! say: a quarter of the ring here (tg3: more than that), and room for the largest frame, so that it is not stopped again by the
//! next one.
//!
//! Linux v6.18: `include/linux/netdevice.h`, `netif_tx_stop_queue()`, `netif_tx_wake_queue()`;
//! `drivers/net/ethernet/broadcom/tg3.c`, `tg3_start_xmit()`, `tg3_tx()`, `TG3_TX_WAKEUP_THRESH`; `include/linux/skbuff.h`,
//! `MAX_SKB_FRAGS`; `drivers/net/ethernet/intel/ixgbe/ixgbe.h`, `TXD_USE_COUNT()`.

use alloc::collections::VecDeque;

use super::byte_limits::{ByteLimitOptions, ByteLimits};
use crate::time::Instant;

/// What a frame takes of a transmit ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Its bytes.
    pub bytes: usize,
    /// Descriptors, 1 to [`FRAME_DESCRIPTORS_MAX`].
    pub descriptors: u16,
}

impl Footprint {
    /// That of a frame in one piece.
    #[must_use]
    pub const fn linear(bytes: usize) -> Self {
        Self { bytes, descriptors: 1 }
    }

    /// That of a frame of so many linear bytes and fragments of these lengths. One that is longer than a descriptor can say takes
    /// several. More than [`FRAME_DESCRIPTORS_MAX`] are not counted, which is a simplification: Linux bounds the fragments, not the
    /// descriptors, and its drivers keep some more free (ixgbe: `DESC_NEEDED`).
    #[must_use]
    pub fn of(linear_bytes: usize, fragments: impl IntoIterator<Item = usize>) -> Self {
        let (mut bytes, mut descriptors) = (linear_bytes, linear_bytes.div_ceil(DESCRIPTOR_BYTES_MAX).max(1));
        for fragment in fragments {
            bytes += fragment;
            descriptors += fragment.div_ceil(DESCRIPTOR_BYTES_MAX);
        }
        Self { bytes, descriptors: descriptors.min(FRAME_DESCRIPTORS_MAX.into()) as u16 }
    }
}

/// The most descriptors that a frame takes: its linear bytes' and its fragments' (Linux: `MAX_SKB_FRAGS` and 1).
pub const FRAME_DESCRIPTORS_MAX: u16 = 18;

/// Bytes of one descriptor (Linux: ixgbe's `IXGBE_MAX_DATA_PER_TXD`).
const DESCRIPTOR_BYTES_MAX: usize = 16_384;

/// A transmit ring with room for so many descriptors (`ethtool -g`: TX).
#[derive(Clone, Debug)]
pub struct TransmitRing {
    size: usize,
    /// Descriptors that its largest frame takes.
    largest: usize,
    /// Descriptors that are taken.
    used: usize,
    /// What each frame takes that is to be sent.
    waiting: VecDeque<Footprint>,
    /// When each was sent that has not been taken back, and what it takes.
    sent: VecDeque<(Instant, Footprint)>,
    limits: Option<ByteLimits>,
    /// It was full, and not enough is free (Linux: `__QUEUE_STATE_DRV_XOFF`).
    is_full: bool,
    /// It was over its limit, and has not been below since (`__QUEUE_STATE_STACK_XOFF`).
    is_over: bool,
}

impl TransmitRing {
    /// An empty one, of a NIC that gathers fragments or does not, with a limit to its bytes or without.
    #[must_use]
    pub fn new(size: usize, gathers: bool, limits: Option<ByteLimitOptions>) -> Self {
        Self {
            size,
            largest: if gathers { FRAME_DESCRIPTORS_MAX.into() } else { 1 },
            used: 0,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            limits: limits.map(ByteLimits::new),
            is_full: false,
            is_over: false,
        }
    }

    /// Puts a frame there; tells whether there was room. One that leaves no room for the largest stops the queue, and one that is
    /// beyond the limit.
    pub fn put(&mut self, frame: Footprint) -> bool {
        let descriptors = usize::from(frame.descriptors).min(self.largest);
        let has_room = descriptors <= self.free();
        if has_room {
            self.used += descriptors;
            self.waiting.push_back(Footprint { descriptors: descriptors as u16, ..frame });
            if let Some(limits) = &mut self.limits {
                limits.put(frame.bytes);
                self.is_over |= limits.is_over();
            }
        }
        self.is_full |= !has_room || self.free() < self.largest;
        has_room
    }

    const fn free(&self) -> usize {
        self.size - self.used
    }

    /// The first frame that is to be sent has been; gives its bytes, if there is one.
    pub fn note_sent(&mut self, now: Instant) -> Option<usize> {
        let frame = self.waiting.pop_front()?;
        self.sent.push_back((now, frame));
        Some(frame.bytes)
    }

    /// Takes back so many of those that were sent; tells whether that wakes the queue.
    pub fn take_back(&mut self, now: Instant, frames: usize) -> bool {
        let was_stopped = self.is_stopped();
        let mut bytes = 0;
        for (_, frame) in self.sent.drain(..frames.min(self.sent.len())) {
            bytes += frame.bytes;
            self.used -= usize::from(frame.descriptors);
        }
        if let Some(limits) = self.limits.as_mut().filter(|_| bytes > 0) {
            limits.take_back(now, bytes as u64);
            self.is_over &= limits.is_over();
        }
        self.is_full &= self.free() < (self.size / 4).max(self.largest);
        was_stopped && !self.is_stopped()
    }

    /// The limit to its bytes, if it has one.
    #[must_use]
    pub fn limit_bytes(&self) -> Option<u64> {
        self.limits.as_ref().map(ByteLimits::limit)
    }

    /// Frames that are on it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.sent.len()
    }

    /// Whether none is.
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
        let (mut ring, at) = (TransmitRing::new(8, false, None), Instant::from_nanos);
        for frame in 0..8 {
            assert!(!ring.is_stopped() && ring.put(Footprint::linear(60 + frame)));
        }
        assert!(ring.is_stopped() && !ring.put(Footprint::linear(99)));
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
        let mut ring = TransmitRing::new(1, false, None);
        assert!(ring.put(Footprint::linear(60)) && ring.is_stopped());
        _ = ring.note_sent(Instant::ZERO);
        assert!(ring.take_back(Instant::ZERO, 1) && ring.is_empty());
    }

    #[test]
    fn a_ring_with_a_limit_is_stopped_by_the_frame_that_is_beyond_it_and_woken_when_that_is_sent() {
        let options = ByteLimitOptions { min: 1500, max: 1500, ..ByteLimitOptions::default() };
        let (mut ring, at) = (TransmitRing::new(8, false, Some(options)), Instant::from_nanos);
        assert!(ring.put(Footprint::linear(1000)) && !ring.is_stopped());
        assert!(ring.put(Footprint::linear(1000)) && ring.is_stopped() && !ring.is_full());
        assert!(ring.put(Footprint::linear(1000)), "there is room all the same, for who does not ask");
        _ = ring.note_sent(at(1));
        assert!(!ring.take_back(at(2), 1) && ring.is_stopped(), "2000 bytes are there");
        _ = ring.note_sent(at(3));
        assert!(ring.take_back(at(4), 1) && !ring.is_stopped());
        assert_eq!(ring.limit_bytes(), Some(1500));
    }

    #[test]
    fn where_fragments_are_gathered_each_takes_a_descriptor_and_the_largest_frame_always_finds_room() {
        let (mut ring, at) = (TransmitRing::new(40, true, None), Instant::ZERO);
        let frame = Footprint::of(66, [1448, 1448, 300]);
        assert_eq!(frame, Footprint { bytes: 66 + 1448 + 1448 + 300, descriptors: 4 });
        for _ in 0..5 {
            assert!(ring.put(frame) && !ring.is_stopped(), "20 of 40 are free");
        }
        assert!(ring.put(frame) && ring.is_stopped(), "16 are, and the largest takes 18");
        assert!(!ring.put(Footprint::of(66, [1; 100])) && ring.put(frame), "who does not ask may find some yet");
        assert_eq!((ring.note_sent(at), ring.note_sent(at)), (Some(frame.bytes), Some(frame.bytes)));
        assert!(!ring.take_back(at, 1) && ring.is_stopped(), "16 are free again");
        assert!(ring.take_back(at, 1) && !ring.is_stopped(), "20 are");
    }

    #[test]
    fn a_super_packet_takes_a_descriptor_for_each_16_kilobytes_and_none_more_than_18() {
        assert_eq!(Footprint::of(54, [65_000]).descriptors, 1 + 4);
        assert_eq!(Footprint::of(54, [16_384, 16_385]).descriptors, 1 + 1 + 2);
        assert_eq!(Footprint::of(1514, []), Footprint::linear(1514));
        assert_eq!(Footprint::of(54, [1000; 64]).descriptors, FRAME_DESCRIPTORS_MAX);
        let mut ring = TransmitRing::new(2, false, None);
        assert!(
            ring.put(Footprint::of(54, [1000; 5])) && !ring.is_stopped(),
            "what is not gathered is one piece by then"
        );
    }
}
