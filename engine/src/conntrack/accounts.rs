//! Packets and bytes of those connections that are counted.
//!
//! They lie beside the connections, not in them: Linux counts none unless asked to (`net.netfilter.nf_conntrack_acct`), and
//! without them a connection is one cache line shorter. Memory is taken chunk by chunk, once a connection of one is counted.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{ConnId, Conntrack, conn::Counter, slab::CHUNK, tuple::Direction};

/// Counters by slot.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// As many as there are chunks of connections, or fewer; empty ones have counted nothing.
    chunks: Vec<Box<[[Counter; 2]]>>,
}

impl Conntrack {
    /// Forgets what connections have carried so far, of those that are counted.
    pub fn forget_counted(&mut self, ids: &[ConnId]) {
        for id in ids {
            if self.table.slab.get(*id).is_some() {
                self.table.slab.forget_counted(id.slot);
            }
        }
    }
}

impl Accounts {
    /// What was counted, original and reply.
    pub(super) fn get(&self, slot: u32) -> [Counter; 2] {
        let counters = self.chunks.get(slot as usize / CHUNK).and_then(|chunk| chunk.get(slot as usize % CHUNK));
        counters.copied().unwrap_or_default()
    }

    /// Sets it, for a connection that begins or comes back. None of all that is nothing takes memory.
    pub(super) fn set(&mut self, slot: u32, counters: [Counter; 2]) {
        if counters != <[Counter; 2]>::default() || self.get(slot) != counters {
            *self.entry(slot) = counters;
        }
    }

    /// Counts a packet.
    #[inline]
    pub(super) fn count(&mut self, slot: u32, direction: Direction, bytes: u64) {
        let counter = &mut self.entry(slot)[direction.index()];
        counter.packets = counter.packets.wrapping_add(1);
        counter.bytes = counter.bytes.wrapping_add(bytes);
    }

    #[inline]
    fn entry(&mut self, slot: u32) -> &mut [Counter; 2] {
        let (chunk, at) = (slot as usize / CHUNK, slot as usize % CHUNK);
        if self.chunks.get(chunk).is_none_or(|chunk| chunk.is_empty()) {
            self.make(chunk);
        }
        &mut self.chunks[chunk][at]
    }

    #[cold]
    fn make(&mut self, chunk: usize) {
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, Box::default);
        }
        self.chunks[chunk] = vec![Default::default(); CHUNK].into();
    }

    /// Reads what counting a packet of this slot will need. What it gives says nothing.
    pub(super) fn touch(&self, slot: u32) -> u64 {
        let [original, _] = self.get(slot);
        original.packets
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| size_of_val(&**chunk)).sum()
    }
}
