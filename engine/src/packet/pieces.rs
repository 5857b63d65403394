//! Datagrams that were put together here: in which pieces they came, so that they leave in like ones.

use alloc::{boxed::Box, vec::Vec};

use super::{Packet, buf::Fragment, list::List};
use crate::{
    limits::{BLOCK_MEMORY_BYTES, LINEAR_BYTES_MAX},
    wire::ipv6::FragmentHeader,
};

/// How a datagram came that was put together here (Linux v6.18: `IPCB(skb)->frag_max_size`, `IPSKB_FRAG_PMTU`, and the
/// list of fragments behind the first one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// Bytes of the largest fragment, network header included: what leaves is never cut into larger ones.
    pub largest_bytes: u16,
    /// The largest fragment must not be fragmented: what leaves says so too.
    pub dont_fragment: bool,
    /// Bytes behind the network header and its extensions in each fragment, in order.
    pub lens: Vec<u16>,
}

impl Pieces {
    /// The first `len` bytes have been laid together to be looked at or changed: pieces that end among them are one now.
    ///
    /// Linux v6.18: `net/core/skbuff.c`, `__pskb_pull_tail()`.
    pub fn pull(&mut self, len: usize) {
        let whole: usize = self.lens.iter().copied().map(usize::from).sum();
        let len = len.min(whole);
        let Some(&first) = self.lens.first().filter(|first| usize::from(**first) < len) else { return };
        let mut missing = len - usize::from(first);
        let mut lens = Vec::from([len as u16]);
        for &piece in &self.lens[1..] {
            let taken = missing.min(usize::from(piece));
            missing -= taken;
            if taken < usize::from(piece) {
                lens.push(piece - taken as u16);
            }
        }
        self.lens = lens;
    }

    /// The first `len` bytes of the first piece are headers of the network layer, which do not count as payload.
    pub fn begin_behind(&mut self, len: usize) {
        if let Some(first) = self.lens.first_mut() {
            *first = first.saturating_sub(len as u16);
        }
    }
}

impl Packet {
    /// In which pieces it came; `None` when it came whole, or was made here.
    #[must_use]
    pub fn pieces(&self) -> Option<&Pieces> {
        self.0.pieces.as_deref()
    }

    /// The same, to change.
    pub fn pieces_mut(&mut self) -> Option<&mut Pieces> {
        self.0.pieces.as_deref_mut()
    }

    /// Says in which pieces it came.
    pub fn set_pieces(&mut self, pieces: Pieces) {
        self.0.pieces = Some(Box::new(pieces));
    }

    /// Leaves only the first `len` bytes behind the network header; does nothing when there are not more.
    pub fn truncate_transport(&mut self, len: usize) {
        let block = &mut *self.0;
        let surplus = block.present_from(block.layers.l4).saturating_sub(len as u32);
        block.truncate_by(surplus);
    }

    /// Puts `bytes` behind its last byte. What fits the block lies there, the rest in one fragment. Lengths and checksums
    /// in headers stay as they are; the caller mends them, and finds the layers again.
    pub fn append(&mut self, bytes: &[u8]) {
        let block = &mut *self.0;
        let room = if block.fragments.is_empty() {
            LINEAR_BYTES_MAX.saturating_sub(usize::from(block.tail - block.data))
        } else {
            0
        };
        let room = room.min(block.bytes.len() - usize::from(block.tail));
        let (near, far) = bytes.split_at(bytes.len().min(room));
        let tail = usize::from(block.tail);
        block.bytes[tail..tail + near.len()].copy_from_slice(near);
        block.tail += near.len() as u16;
        block.tally.copied(bytes.len());
        if !far.is_empty() {
            block.fragments.push(Fragment::of(far.to_vec()));
        }
    }

    /// Takes IPv6's fragment header out, which ends `data_at` bytes behind the start of the IPv6 header and is named in the
    /// byte at `named_at`. Lengths stay as they are; the caller mends them, and finds the layers again.
    pub fn take_fragment_header(&mut self, data_at: usize, named_at: usize) {
        let block = &mut *self.0;
        let l3 = usize::from(block.layers.l3);
        let header = l3 + data_at - FragmentHeader::LEN;
        block.bytes[l3 + named_at] = block.bytes[header];
        block.bytes.copy_within(usize::from(block.data)..header, usize::from(block.data) + FragmentHeader::LEN);
        block.data += FragmentHeader::LEN as u16;
        block.layers.l3 += FragmentHeader::LEN as u16;
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let shared: usize = self.0.fragments.iter().map(Fragment::memory_bytes).sum();
        BLOCK_MEMORY_BYTES + shared + self.0.list.as_deref().map_or(0, List::memory_bytes)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn pulled(lens: &[u16], len: usize) -> Vec<u16> {
        let mut pieces = Pieces { largest_bytes: 0, dont_fragment: false, lens: lens.to_vec() };
        pieces.pull(len);
        pieces.lens
    }

    #[test]
    fn what_is_laid_together_is_one_piece() {
        assert_eq!(pulled(&[8, 8, 8], 8), [8, 8, 8]);
        assert_eq!(pulled(&[8, 8, 8], 20), [20, 4]);
        assert_eq!(pulled(&[8, 8, 8], 16), [16, 8]);
        assert_eq!(pulled(&[8, 8, 8], 99), [24]);
        assert_eq!(pulled(&[], 5), vec![0; 0]);
    }
}
