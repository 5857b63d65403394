//! Sending: frames on transmit rings, and what polls take back of those that were sent.
//!
//! A NIC's wire is not part of the model, nor is the queueing discipline before it: who has both asks whether a queue takes a frame, says
//! what it has put on its ring and what its wire has sent, and is told when a queue that was stopped is woken. The model holds no frames that
//! leave, only their places.
//!
//! Linux v6.18: `net/core/dev.c`, `skb_tx_hash()`, `dev_hard_start_xmit()`; `drivers/net/ethernet/intel/ixgbe/ixgbe_main.c`,
//! `ixgbe_clean_tx_irq()`, `ixgbe_poll()`.

use super::{Footprint, Hardware, poll::Poll, poll::Sent};
use crate::time::Instant;

impl<T> Hardware<T> {
    /// The queue of a NIC that frames of a flow leave by: the whole hash, scaled to their number.
    #[must_use]
    pub fn transmit_queue(&self, nic: usize, hash: u32) -> u16 {
        let queues = self.nics.get(nic).map_or(0, |nic| nic.queues.len() as u64);
        ((u64::from(hash) * queues) >> 32) as u16
    }

    /// Whether a queue of a NIC takes frames: it is there, and not stopped.
    #[must_use]
    pub fn can_transmit(&self, nic: usize, queue: u16) -> bool {
        self.place_of(nic, queue).is_some_and(|place| !self.queues[place].transmit.is_stopped())
    }

    /// A frame is put on a transmit ring. Tells whether there was room; if not, that is counted, and it is to be offered
    /// again when the queue is woken.
    pub fn handle_transmit(&mut self, now: Instant, (nic, queue): (usize, u16), frame: Footprint) -> bool {
        self.handle_timeout(now);
        let Some(place) = self.place_of(nic, queue) else { return false };
        let queue = &mut self.queues[place];
        let was_stopped = queue.transmit.is_stopped();
        let has_room = queue.transmit.put(frame);
        queue.counters.tx_busy += u64::from(!has_room);
        if !was_stopped && queue.transmit.is_stopped() {
            let is_full = queue.transmit.is_full();
            queue.counters.tx_stopped += u64::from(is_full);
            queue.counters.tx_limited += u64::from(!is_full);
        }
        has_room
    }

    /// A NIC has sent the first frame of a transmit ring that was to be sent, or thrown it away.
    pub fn handle_sent(&mut self, now: Instant, (nic, queue): (usize, u16)) {
        self.handle_timeout(now);
        let Some(place) = self.place_of(nic, queue) else { return };
        let queue = &mut self.queues[place];
        let Some(bytes) = queue.transmit.note_sent(now) else { return };
        queue.counters.tx_packets += 1;
        queue.counters.tx_bytes += bytes as u64;
        // As with a frame that comes: an interrupt that is due at once comes before a process looks.
        self.handle_timeout(now);
        self.look(now, place);
        self.handle_timeout(now);
    }

    /// The next queue, and its NIC, that was stopped and takes frames again.
    pub fn poll_woken(&mut self) -> Option<(usize, u16)> {
        let place = self.woken.pop_front()?;
        Some((self.queues[place].nic, self.queues[place].number))
    }

    fn place_of(&self, nic: usize, queue: u16) -> Option<usize> {
        self.nics.get(nic)?.queues.clone().nth(queue.into())
    }

    /// Takes back what a poll has to before it takes frames; tells whether that takes time from now on.
    pub(super) fn takes_back(&mut self, at: Instant, place: usize, poll: &mut Poll<T>) -> bool {
        let frames = match poll.sent {
            Sent::Untouched => self.queues[place].transmit.sent().min(TAKEN_BACK_MAX),
            Sent::Going(frames) => {
                self.take_back(at, place, frames);
                poll.sent = Sent::Done { all: frames < TAKEN_BACK_MAX };
                return false;
            }
            Sent::Done { .. } => return false,
        };
        poll.left = self.costs.complete * frames as u32;
        poll.sent = if frames > 0 { Sent::Going(frames) } else { Sent::Done { all: true } };
        frames > 0
    }

    /// So many frames that were sent are taken back.
    pub(super) fn take_back(&mut self, at: Instant, place: usize, frames: usize) {
        let queue = &mut self.queues[place];
        let wakes = queue.transmit.take_back(at, frames);
        let limit = queue.transmit.limit_bytes().unwrap_or_default();
        queue.counters.tx_limit_max = queue.counters.tx_limit_max.max(limit);
        if wakes {
            queue.counters.tx_restart += 1;
            if !self.woken.contains(&place) {
                self.woken.push_back(place);
            }
        }
    }
}

/// Frames that a poll takes back; beside these it takes its weight (Linux: ixgbe's `IXGBE_DEFAULT_TX_WORK`).
pub(super) const TAKEN_BACK_MAX: usize = 256;
