//! Looking ahead: what a batch will need is touched before its first packet goes its way, so that cache misses overlap.
//!
//! ```text
//!  hash of each packet ─► all buckets ─► a guess of each connection ─┬─► all connections
//!                                                                    └─ none: it is new ─► where it will be entered
//! ```
//!
//! A load that misses lets the processor go on for a few hundred instructions, no more. So the loops that touch do nothing
//! else, and what has to be worked out is worked out between them.
//!
//! Nothing that is touched in vain does harm, and nothing that is not touched is missed: what comes out is the same.

use core::hint::black_box;

use super::{Conntrack, FlowHint, FlowKey, Tuple};
use crate::{limits::BATCH_FRAMES_MAX, packet::Packet};

impl Conntrack {
    /// Touches what the packets of a batch will need. Each packet's hash and the guess of its connection are kept for later.
    pub fn prefetch(&mut self, batch: &mut [Packet]) {
        for batch in batch.chunks_mut(BATCH_FRAMES_MAX) {
            if let [alone] = batch {
                self.look_up(alone);
                return;
            }
            let mut hashes = Gathered::default();
            for packet in &mut *batch {
                self.note_flow(packet);
                if let Some(flow) = &packet.meta().flow {
                    hashes.push(flow.hash.0);
                }
            }
            self.touch_buckets(&hashes);
            let mut slots = Gathered::default();
            for packet in &mut *batch {
                if let Some(flow) = &mut packet.meta_mut().flow
                    && let Some(hint) = self.guess(flow)
                {
                    slots.push(hint.slot);
                }
            }
            self.touch_connections(&slots);
            if slots.len < hashes.len {
                self.touch_for_new(batch.iter().filter_map(|packet| packet.meta().flow.as_ref()));
            }
        }
    }

    /// Touches what [`Self::find_by`] will need for each of these keys, and what a packet of the connection will, or the first one of a
    /// new connection. Whoever looks for many connections one after the other does this before.
    pub fn look_ahead(&self, keys: &mut [Option<FlowKey>]) {
        for keys in keys.chunks_mut(BATCH_FRAMES_MAX) {
            let mut hashes = Gathered::default();
            keys.iter().flatten().for_each(|key| hashes.push(key.hash.0));
            self.touch_buckets(&hashes);
            let mut slots = Gathered::default();
            keys.iter_mut().flatten().filter_map(|key| self.guess(key)).for_each(|hint| slots.push(hint.slot));
            self.touch_connections(&slots);
            if slots.len < hashes.len {
                self.touch_for_new(keys.iter().flatten());
            }
        }
    }

    /// Finds out what a packet's hash is, and guesses its connection.
    #[inline]
    pub(super) fn look_up(&self, packet: &mut Packet) {
        self.note_flow(packet);
        if let Some(flow) = &mut packet.meta_mut().flow {
            self.guess(flow);
        }
    }

    /// Guesses a connection, unless it is known.
    #[inline(always)]
    fn guess(&self, key: &mut FlowKey) -> Option<FlowHint> {
        if key.hint.is_none() {
            key.hint = self.table.guess(key.hash.0);
        }
        key.hint
    }

    fn touch_buckets(&self, hashes: &Gathered<u64>) {
        black_box(hashes.iter().fold(0, |read, hash| read ^ self.table.touch_bucket(*hash)));
    }

    fn touch_connections(&self, slots: &Gathered<u32>) {
        black_box(slots.iter().fold(0, |read, slot| read ^ self.table.touch_connection(*slot)));
    }

    /// Touches where those will be entered that are about to be made: the lists of their sources, and where answers to what is
    /// translated will be found, with what may stand there already. Most other answers are found where the packets themselves are.
    #[inline(never)]
    fn touch_for_new<'k>(&self, keys: impl Iterator<Item = &'k FlowKey> + Clone) {
        let new = || keys.clone().filter(|key| key.hint.is_none());
        if let Some((address, family)) = self.sources.newest_translation() {
            let mut hashes = Gathered::default();
            new()
                .filter(|key| key.tuple.family == family)
                .filter_map(|key| key.tuple.inverted())
                .map(|reply| Tuple { destination: address, ..reply })
                .for_each(|reply| hashes.push(self.table.hash(&reply)));
            self.touch_buckets(&hashes);
            let mut clashing = Gathered::default();
            hashes.iter().filter_map(|hash| self.table.guess(*hash)).for_each(|hint| clashing.push(hint.slot));
            self.touch_connections(&clashing);
        }
        black_box(new().filter(|key| self.sources.touch(0, &key.tuple)).count());
    }
}

/// Something about packets of a batch, one after the other.
struct Gathered<T> {
    items: [T; BATCH_FRAMES_MAX],
    len: usize,
}

impl<T: Copy + Default> Default for Gathered<T> {
    #[inline]
    fn default() -> Self {
        Self { items: [T::default(); BATCH_FRAMES_MAX], len: 0 }
    }
}

impl<T> Gathered<T> {
    /// Adds one; there are never more than packets.
    #[inline]
    fn push(&mut self, item: T) {
        if let Some(place) = self.items.get_mut(self.len) {
            *place = item;
            self.len += 1;
        }
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().take(self.len)
    }
}
