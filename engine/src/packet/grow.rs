//! Making a packet longer at its end, before its layers are found.

use alloc::sync::Arc;

use super::{Packet, Pool};

impl Packet {
    /// The linear bytes from the first header on, to change.
    pub(crate) fn linear_mut(&mut self) -> &mut [u8] {
        let block = &mut *self.0;
        &mut block.bytes[usize::from(block.data)..usize::from(block.tail)]
    }

    /// Puts bytes behind its last one; each is copied once. Lengths and checksums in headers stay as they are.
    pub(crate) fn extend(&mut self, pool: &mut Pool, bytes: &[u8]) {
        let fragments = &mut self.0.fragments;
        if let Some(last) = fragments.last_mut()
            && let Some(own) = Arc::get_mut(&mut last.buffer)
            && own.len() == last.end as usize
        {
            if own.capacity() - own.len() < bytes.len() {
                // What is there moves into a larger buffer.
                self.0.tally.copied(own.len());
            }
            own.extend_from_slice(bytes);
            last.end += bytes.len() as u32;
            return;
        }
        fragments.push(pool.fragment(bytes));
    }
}
