//! Making a packet longer at its end, before its layers are found.

use alloc::sync::Arc;

use super::{Packet, Pool};
use crate::limits::FRAGMENTS_MAX;

impl Packet {
    /// The linear bytes from the first header on, to change.
    pub(crate) fn linear_mut(&mut self) -> &mut [u8] {
        let block = &mut *self.0;
        &mut block.bytes[usize::from(block.data)..usize::from(block.tail)]
    }

    /// Puts bytes behind its last one; each is copied once, as long as there are not [`FRAGMENTS_MAX`] parts, the last of which would
    /// have to grow. A further part has room for half as much as there is, so that those are few, and little of them stays empty.
    /// Lengths and checksums in headers stay as they are.
    pub(crate) fn extend(&mut self, pool: &mut Pool, bytes: &[u8]) {
        let fragments = &mut self.0.fragments;
        let is_full = fragments.len() >= FRAGMENTS_MAX;
        if let Some(last) = fragments.last_mut()
            && let Some(own) = Arc::get_mut(&mut last.buffer)
            && own.len() == last.end as usize
        {
            let has_room = own.capacity() - own.len() >= bytes.len();
            if has_room || is_full {
                self.0.tally.copied(if has_room { 0 } else { own.len() });
                own.extend_from_slice(bytes);
                last.end += bytes.len() as u32;
                return;
            }
        }
        let held: u32 = fragments.iter().map(|part| part.end - part.start).sum();
        fragments.push(pool.fragment_with_room(bytes, held as usize / 2));
    }
}
