//! What is known of connections only where somebody asks for it: what they have carried (`net.netfilter.nf_conntrack_acct`), and
//! when they began (`net.netfilter.nf_conntrack_timestamp`).
//!
//! It lies beside the connections, not in them: Linux does without unless asked to, and so a connection is one cache line
//! shorter. Memory is taken chunk by chunk, once something is known of a connection of one.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{ConnId, Conntrack, conn::Counter, slab::CHUNK, tuple::Direction};

/// What is known, by slot; the default where nothing is.
#[derive(Debug, Default)]
pub(super) struct Beside<T> {
    /// As many as there are chunks of connections, or fewer; of empty ones nothing is known.
    chunks: Vec<Box<[T]>>,
}

/// Packets and bytes, original and reply.
pub(super) type Accounts = Beside<[Counter; 2]>;

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

impl<T: Copy + Default + PartialEq> Beside<T> {
    /// What is known.
    pub(super) fn get(&self, slot: u32) -> T {
        let known = self.chunks.get(slot as usize / CHUNK).and_then(|chunk| chunk.get(slot as usize % CHUNK));
        known.copied().unwrap_or_default()
    }

    /// Sets it, for a connection that begins or comes back. None of all that is nothing takes memory.
    pub(super) fn set(&mut self, slot: u32, known: T) {
        if known != T::default() || self.get(slot) != known {
            *self.entry(slot) = known;
        }
    }

    #[inline]
    fn entry(&mut self, slot: u32) -> &mut T {
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

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| size_of_val(&**chunk)).sum()
    }
}

impl Accounts {
    /// Counts a packet.
    #[inline]
    pub(super) fn count(&mut self, slot: u32, direction: Direction, bytes: u64) {
        self.entry(slot)[direction.index()].count(1, bytes);
    }

    /// Reads what counting a packet of this slot will need. What it gives says nothing.
    pub(super) fn touch(&self, slot: u32) -> u64 {
        let [original, _] = self.get(slot);
        original.packets
    }
}
