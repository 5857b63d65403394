//! Where a packet's bytes lie: a pooled block, and shared fragments for what does not fit into it.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::{
    charge::Charge,
    list::List,
    meta::{Checksum, Meta},
    parse::Layers,
    pieces::Pieces,
    touched::{Tally, Touched},
};
use crate::limits::{
    BLOCK_BYTES, BLOCK_MEMORY_BYTES, FRAGMENT_BYTES, HEADROOM_BYTES, POOL_BLOCKS_MAX, POOL_FRAGMENTS_MAX,
};

/// What a packet owns, side by side, so that touching one touches few cache lines.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) meta: Meta,
    pub(super) layers: Layers,
    /// First linear byte in `bytes`.
    pub(super) data: u16,
    /// Behind the last linear byte in `bytes`.
    pub(super) tail: u16,
    /// Payload that follows the linear bytes.
    pub(super) fragments: Vec<Fragment>,
    /// Set on a datagram that was put together here.
    pub(super) pieces: Option<Box<Pieces>>,
    /// Set on frames that were kept as they came.
    pub(super) list: Option<Box<List>>,
    /// To what the memory that it holds is charged.
    pub(super) charge: Option<Charge>,
    /// How often its payload was copied and summed.
    pub(super) tally: Tally,
    pub(super) bytes: [u8; BLOCK_BYTES],
}

const _: () = assert!(size_of::<Block>() <= BLOCK_MEMORY_BYTES);

impl Block {
    /// Bytes present from offset `from` of the block to the packet's end, fragments included.
    pub(super) fn present_from(&self, from: u16) -> u32 {
        let linear = u32::from(self.tail - from);
        if self.fragments.is_empty() {
            return linear;
        }
        linear + self.fragments.iter().map(|part| part.end - part.start).sum::<u32>()
    }

    /// Lets the packet start at `data` of the block: headers were put before it, or taken off. A checksum that is left to
    /// the device stays over the same bytes.
    pub(super) fn start_at(&mut self, data: u16) {
        if let Checksum::Partial { start, .. } = &mut self.meta.checksum {
            *start = start.saturating_add(self.data).saturating_sub(data);
        }
        self.data = data;
    }

    /// Bytes of the transport header and payload, as the network header promises.
    pub(super) fn transport_len(&self) -> usize {
        self.layers.network_len as usize - usize::from(self.layers.l4 - self.layers.l3)
    }

    /// Takes off what lies behind the network packet (Ethernet's padding).
    /// `present` bytes are there from its first on.
    #[inline]
    pub(super) fn trim_padding(&mut self, present: u32) {
        // The cut may have taken padding only.
        self.meta.cut_bytes = self.layers.network_len.saturating_sub(present);
        let surplus = present.saturating_sub(self.layers.network_len);
        if self.fragments.is_empty() {
            self.tail -= surplus as u16;
        } else {
            self.truncate_by(surplus);
        }
    }

    /// Takes `surplus` bytes off the end; at most as many as there are.
    pub(super) fn truncate_by(&mut self, mut surplus: u32) {
        while surplus > 0 {
            let Some(last) = self.fragments.last_mut() else {
                self.tail -= surplus.min(u32::from(self.tail - self.data)) as u16;
                return;
            };
            let taken = surplus.min(last.end - last.start);
            last.end -= taken;
            surplus -= taken;
            if last.end == last.start {
                self.fragments.pop();
            }
        }
    }
}

/// A part of a shared buffer.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub(super) buffer: Arc<Vec<u8>>,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Fragment {
    /// A buffer of its own.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let end = bytes.len() as u32;
        Self { buffer: Arc::new(bytes), start: 0, end }
    }

    /// The bytes from `start` to `end` of it, shared.
    pub(super) fn within(&self, start: usize, end: usize) -> Self {
        let bounds = self.start + start as u32..self.start + end as u32;
        Self { buffer: Arc::clone(&self.buffer), start: bounds.start, end: bounds.end }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start as usize..self.end as usize]
    }

    /// Memory that it holds: of what it has alone all that was taken, of what others have a part of its own part.
    pub(super) fn memory_bytes(&self) -> usize {
        let len = (self.end - self.start) as usize;
        if len == self.buffer.len() { self.buffer.capacity() } else { len }
    }
}

/// Blocks and fragment buffers kept for reuse, so that the path does not allocate.
#[derive(Debug, Default)]
pub struct Pool {
    // A block is handed on by its pointer; unboxing it into the list would copy 2 KB.
    #[expect(clippy::vec_box, reason = "blocks move between list and packet by pointer")]
    blocks: Vec<Box<Block>>,
    /// By size class ([`FRAGMENT_BYTES`]), so that what waits holds little more memory than it has bytes.
    buffers: [Vec<Arc<Vec<u8>>>; FRAGMENT_BYTES.len()],
    /// What was done to the payload of packets that have ended their way.
    touched: Touched,
}

impl Pool {
    /// An empty pool; it fills as packets are given back.
    #[must_use]
    pub const fn new() -> Self {
        let touched = Touched { copies: 0, copied_bytes: 0, sums: 0, summed_bytes: 0 };
        Self { blocks: Vec::new(), buffers: [const { Vec::new() }; FRAGMENT_BYTES.len()], touched }
    }

    /// What was done to the payload of packets that have been given back.
    pub(crate) const fn touched(&self) -> Touched {
        self.touched
    }

    /// Adds what was done to bytes that are, or become, no packet given back here.
    pub(crate) fn count(&mut self, touched: Touched) {
        self.touched += touched;
    }

    /// Adds so many checksum passes over so many bytes.
    #[inline]
    pub(super) const fn count_sums(&mut self, sums: u32, bytes: u32) {
        self.touched.sums = self.touched.sums.wrapping_add(sums as u64);
        self.touched.summed_bytes = self.touched.summed_bytes.wrapping_add(bytes as u64);
    }

    /// Counts that bytes were copied that are to become a packet's payload, or were one's.
    pub(crate) fn count_copy(&mut self, bytes: usize) {
        self.count(Touched { copies: (bytes > 0).into(), copied_bytes: bytes as u64, ..Touched::default() });
    }

    /// Counts that bytes were summed of which no packet is made yet.
    pub(crate) fn count_sum(&mut self, bytes: usize) {
        self.count(Touched { sums: (bytes > 0).into(), summed_bytes: bytes as u64, ..Touched::default() });
    }

    #[inline]
    pub(super) fn block(&mut self) -> Box<Block> {
        let Some(mut block) = self.blocks.pop() else { return Self::new_block() };
        block.meta = Meta::default();
        block.layers = Layers::default();
        block.pieces = None;
        block.data = HEADROOM_BYTES as u16;
        block.tail = HEADROOM_BYTES as u16;
        block
    }

    #[cold]
    fn new_block() -> Box<Block> {
        Box::new(Block {
            meta: Meta::default(),
            layers: Layers::default(),
            data: HEADROOM_BYTES as u16,
            tail: HEADROOM_BYTES as u16,
            fragments: Vec::new(),
            pieces: None,
            list: None,
            charge: None,
            tally: Tally::default(),
            bytes: [0; BLOCK_BYTES],
        })
    }

    /// A fragment that holds a copy of `bytes`.
    pub(super) fn fragment(&mut self, bytes: &[u8]) -> Fragment {
        self.fragment_with_room(bytes, bytes.len())
    }

    /// The same in a buffer that has room for `room` bytes at least; none has for more than the largest of [`FRAGMENT_BYTES`].
    pub(super) fn fragment_with_room(&mut self, bytes: &[u8], room: usize) -> Fragment {
        let room = room.max(bytes.len());
        let Some(class) = FRAGMENT_BYTES.iter().position(|most| room <= *most) else {
            return Fragment::of(bytes.to_vec());
        };
        let mut buffer = self.buffer_of(class);
        match Arc::get_mut(&mut buffer) {
            Some(free) => free.extend_from_slice(bytes),
            None => buffer = Arc::new(bytes.to_vec()),
        }
        Fragment { buffer, start: 0, end: bytes.len() as u32 }
    }

    /// An empty buffer with room for so many bytes, and for an eighth more at most.
    pub(super) fn buffer(&mut self, room: usize) -> Arc<Vec<u8>> {
        match FRAGMENT_BYTES.iter().position(|most| (room..=room + room / 8).contains(most)) {
            Some(class) => self.buffer_of(class),
            None => Arc::new(Vec::with_capacity(room)),
        }
    }

    /// An empty buffer of a size class.
    fn buffer_of(&mut self, class: usize) -> Arc<Vec<u8>> {
        if let Some(mut buffer) = self.buffers[class].pop()
            && let Some(free) = Arc::get_mut(&mut buffer)
        {
            free.clear();
            return buffer;
        }
        Arc::new(Vec::with_capacity(FRAGMENT_BYTES[class]))
    }

    /// Keeps a buffer that nobody else refers to, if it is of a size that is kept.
    pub(super) fn give_back_buffer(&mut self, buffer: Arc<Vec<u8>>) {
        let class = FRAGMENT_BYTES.iter().position(|bytes| *bytes == buffer.capacity());
        if let Some(class) = class.filter(|_| Arc::strong_count(&buffer) == 1)
            && self.buffers[class].len() < POOL_FRAGMENTS_MAX
        {
            self.buffers[class].push(buffer);
        }
    }

    #[inline(always)]
    pub(super) fn give_back(&mut self, mut block: Box<Block>) {
        if let Some(touched) = block.tally.take() {
            self.touched += touched;
        }
        self.keep(block);
    }

    /// Keeps a block whose packet has nothing to add up.
    #[inline(always)]
    pub(super) fn keep(&mut self, mut block: Box<Block>) {
        block.charge = None;
        if !block.fragments.is_empty() {
            self.give_back_fragments(&mut block);
        }
        if self.blocks.len() < POOL_BLOCKS_MAX {
            self.blocks.push(block);
        }
    }

    /// Whose payload was kept with other frames' headers has some in fragments.
    fn give_back_fragments(&mut self, block: &mut Block) {
        block.list = None;
        block.fragments.drain(..).for_each(|part| self.give_back_buffer(part.buffer));
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        frame::{DeviceId, Frame},
        packet::Packet,
    };

    /// A frame with an IPv4 packet of that length behind its link header.
    fn packet(pool: &mut Pool, len: usize) -> Packet {
        let mut bytes = vec![0; 14 + len];
        (bytes[12], bytes[14], bytes[22], bytes[23]) = (8, 0x45, 64, 99);
        bytes[16..18].copy_from_slice(&(len as u16).to_be_bytes());
        let sum = !crate::wire::checksum::sum(&bytes[14..34]);
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        Packet::parse(pool, &Frame::new(DeviceId(0), &bytes)).expect("it can be")
    }

    #[test]
    fn what_a_packet_holds_is_counted_whatever_its_buffer_was_used_for_before() {
        let mut pool = Pool::new();
        for large in [60_000, 9000, 65_000] {
            packet(&mut pool, large).recycle(&mut pool);
        }
        for (len, buffer) in [(1000, 0), (2500, 3072), (9000, 12_288), (20_000, 24_576), (65_535, 65_536)] {
            let packet = packet(&mut pool, len);
            assert_eq!(packet.memory_bytes(), 2304 + buffer, "{len}, wherever this runs");
            let held: usize = packet.0.fragments.iter().map(|part| part.buffer.capacity()).sum();
            assert_eq!(held, buffer, "{len}");
        }
    }

    #[test]
    fn buffers_come_back() {
        let mut pool = Pool::new();
        let first = packet(&mut pool, 9000);
        let place = first.0.fragments[0].buffer.as_ptr();
        first.recycle(&mut pool);
        assert_eq!(packet(&mut pool, 10_000).0.fragments[0].buffer.as_ptr(), place);
    }
}
