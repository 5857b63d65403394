//! Looking ahead: what a batch will need is touched before its first packet goes its way, so that cache misses overlap.
//!
//! ```text
//!  hash of each packet ─► all buckets ─► a guess of each connection ─► all connections
//! ```
//!
//! A load that misses lets the processor go on for a few hundred instructions, no more. So the loops that touch do nothing
//! else, and what has to be worked out is worked out between them.

use super::Conntrack;
use crate::{limits::BATCH_FRAMES_MAX, packet::Packet};

impl Conntrack {
    /// Touches what the packets of a batch will need. Each packet's hash and the guess of its connection are kept for later.
    pub fn prefetch(&mut self, batch: &mut [Packet]) {
        for batch in batch.chunks_mut(BATCH_FRAMES_MAX) {
            // Where there is no flow, any bucket is as good as another.
            let mut hashes = [0; BATCH_FRAMES_MAX];
            for (packet, hash) in batch.iter_mut().zip(&mut hashes) {
                let flow = self.flow_of(packet);
                *hash = flow.map_or(0, |flow| flow.hash);
                packet.meta_mut().flow = flow;
            }
            if batch.len() > 1 {
                self.touch(batch, &hashes);
            }
        }
    }

    fn touch(&self, batch: &mut [Packet], hashes: &[u64]) {
        let mut read = 0;
        for hash in &hashes[..batch.len()] {
            read ^= u64::from(self.table.touch_bucket(*hash));
        }
        let mut slots = [None; BATCH_FRAMES_MAX];
        for (packet, slot) in batch.iter_mut().zip(&mut slots) {
            if let Some(flow) = &mut packet.meta_mut().flow {
                flow.hint = self.table.guess(flow.hash);
                *slot = flow.hint.map(|hint| hint.slot);
            }
        }
        for slot in slots.iter().flatten() {
            read ^= self.table.touch_connection(*slot);
        }
        // Nobody asks what was read, but the compiler must not know.
        core::hint::black_box(read);
    }
}
