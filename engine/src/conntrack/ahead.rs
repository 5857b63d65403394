//! Looking ahead: what a batch will need is touched before its first packet goes its way, so that cache misses overlap.
//!
//! ```text
//!  hash of each packet ─► all buckets ─► a guess of each connection ─┬─► all connections
//!                                                                    └─ none: it is new ─► where its answers will be found
//! ```
//!
//! A load that misses lets the processor go on for a few hundred instructions, no more. So the loops that touch do nothing
//! else, and what has to be worked out is worked out between them.
//!
//! Nothing that is touched in vain does harm, and nothing that is not touched is missed: what comes out is the same.

use core::hint::black_box;

use super::{Conntrack, FlowHint, FlowKey, Tuple};
use crate::{limits::BATCH_FRAMES_MAX, packet::Packet};

/// Something about each packet of a batch.
type OfEach<T> = [T; BATCH_FRAMES_MAX];

impl Conntrack {
    /// Touches what the packets of a batch will need. Each packet's hash and the guess of its connection are kept for later.
    pub fn prefetch(&mut self, batch: &mut [Packet]) {
        for batch in batch.chunks_mut(BATCH_FRAMES_MAX) {
            if let [alone] = batch {
                if alone.meta().flow.is_none() {
                    alone.meta_mut().flow = self.flow_of(alone);
                }
                return;
            }
            let mut hashes: OfEach<Option<u64>> = [None; BATCH_FRAMES_MAX];
            for (packet, hash) in batch.iter_mut().zip(&mut hashes) {
                if packet.meta().flow.is_none() {
                    packet.meta_mut().flow = self.flow_of(packet);
                }
                *hash = packet.meta().flow.as_ref().and_then(|flow| flow.hash);
            }
            self.touch_buckets(hashes.iter().flatten());
            let mut hints: OfEach<Option<FlowHint>> = [None; BATCH_FRAMES_MAX];
            let mut is_any_new = false;
            for (packet, hint) in batch.iter_mut().zip(&mut hints) {
                if let Some(flow) = &mut packet.meta_mut().flow {
                    self.guess(flow);
                    *hint = flow.hint;
                    is_any_new |= hint.is_none();
                }
            }
            self.touch_connections(hints.iter().flatten());
            if is_any_new {
                self.touch_for_new(batch);
            }
        }
    }

    /// Touches what [`Self::find_by`] will need for each of these keys, and what a packet of the connection will. Whoever
    /// looks for many connections one after the other does this before.
    pub fn look_ahead(&self, keys: &mut [Option<FlowKey>]) {
        self.touch_buckets(keys.iter().flatten().filter_map(|key| key.hash.as_ref()));
        keys.iter_mut().flatten().for_each(|key| self.guess(key));
        self.touch_connections(keys.iter().flatten().filter_map(|key| key.hint.as_ref()));
    }

    /// Guesses a connection, unless it is known.
    #[inline]
    fn guess(&self, key: &mut FlowKey) {
        if let (None, Some(hash)) = (key.hint, key.hash) {
            key.hint = self.table.guess(hash);
        }
    }

    fn touch_buckets<'a>(&self, hashes: impl Iterator<Item = &'a u64>) {
        let buckets = hashes.map(|hash| self.table.touch_bucket(*hash));
        black_box(buckets.fold(0, |read, word| read ^ word));
    }

    fn touch_connections<'a>(&self, hints: impl Iterator<Item = &'a FlowHint>) {
        let connections = hints.map(|hint| self.table.touch_connection(hint.slot));
        black_box(connections.fold(0, |read, word| read ^ word));
    }

    /// Touches where the answers to connections that are about to be made will be found, and what may stand there already.
    fn touch_for_new(&self, batch: &[Packet]) {
        let mut hashes: OfEach<Option<u64>> = [None; BATCH_FRAMES_MAX];
        for (packet, hash) in batch.iter().zip(&mut hashes) {
            if let Some(flow) = packet.meta().flow.filter(|flow| flow.hint.is_none()) {
                *hash = self.likely_reply(&flow.tuple).map(|reply| self.table.hash(&reply));
            }
        }
        self.touch_buckets(hashes.iter().flatten());
        let clashing = hashes.iter().flatten().filter_map(|hash| self.table.guess(*hash));
        black_box(clashing.fold(0, |read, hint| read ^ self.table.touch_connection(hint.slot)));
        let sources = batch.iter().filter_map(|packet| packet.meta().flow.filter(|flow| flow.hint.is_none()));
        black_box(sources.filter(|flow| self.sources.touch(0, &flow.tuple)).count());
    }

    /// How the answers to a new connection probably arrive: to the address to which those of the newest one did that was
    /// translated, if it was one of the same family.
    fn likely_reply(&self, original: &Tuple) -> Option<Tuple> {
        let reply = original.inverted()?;
        match self.sources.newest_translation() {
            Some((address, family)) if family == original.family => Some(Tuple { destination: address, ..reply }),
            Some(_) | None => Some(reply),
        }
    }
}
