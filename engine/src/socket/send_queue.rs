//! What a stream socket has to send or to send again: shared blocks, in the order of the stream. Segments refer to them.

use alloc::collections::VecDeque;
use core::ops::Range;

use crate::packet::{Pool, Shared};

/// The bytes of a stream from the first one that is not acknowledged to the last one written.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    blocks: VecDeque<Block>,
    /// Where in the stream the first byte that is kept lies.
    start: u64,
    /// Behind the last byte.
    end: u64,
    /// Bytes that the blocks have room for.
    memory: usize,
}

#[derive(Debug)]
struct Block {
    /// Where in the stream its first byte lies.
    start: u64,
    shared: Shared,
}

impl SendQueue {
    /// Bytes that are kept.
    pub(crate) const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// The memory that the blocks take.
    pub(crate) const fn memory(&self) -> usize {
        self.memory
    }

    /// Writes bytes behind the others, in blocks of at most `block_bytes`. Of what is kept, the first `sent` bytes were sent:
    /// packets may still refer to their blocks, which are not written to.
    pub(crate) fn append(&mut self, mut bytes: &[u8], sent: usize, block_bytes: usize, pool: &mut Pool) {
        let unsent = self.start + sent as u64;
        while !bytes.is_empty() {
            let taken = match self.blocks.back_mut() {
                Some(last) if last.start >= unsent => last.shared.extend(bytes),
                Some(_) | None => 0,
            };
            if taken == 0 {
                let capacity = bytes.len().clamp(SMALL_BLOCK_BYTES, block_bytes.max(SMALL_BLOCK_BYTES));
                let shared = Shared::new(pool, capacity);
                self.memory += shared.memory_bytes();
                self.blocks.push_back(Block { start: self.end, shared });
                continue;
            }
            self.end += taken as u64;
            bytes = &bytes[taken..];
        }
    }

    /// Gives up the first bytes: they are acknowledged. More than there are count as all.
    pub(crate) fn release(&mut self, bytes: usize, pool: &mut Pool) {
        self.start = (self.start + bytes as u64).min(self.end);
        while let Some(first) = self.blocks.front() {
            let len = first.shared.len();
            // A block that is written to may still grow.
            let is_last = self.blocks.len() == 1;
            if first.start + len as u64 > self.start || (is_last && self.start < self.end) {
                return;
            }
            self.memory -= first.shared.memory_bytes();
            if let Some(done) = self.blocks.pop_front() {
                done.shared.recycle(pool);
            }
        }
    }

    /// Forgets all bytes.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        (self.start, self.memory) = (self.end, 0);
        self.blocks.drain(..).for_each(|block| block.shared.recycle(pool));
    }

    /// Where the `len` bytes lie that begin `from` bytes behind the first one kept.
    pub(crate) fn parts(&self, from: usize, len: usize) -> impl Iterator<Item = (&Shared, Range<usize>)> {
        let first = self.start + from as u64;
        let end = (first + len as u64).min(self.end);
        let index = self.blocks.partition_point(|block| block.start <= first).saturating_sub(1);
        self.blocks.range(index.min(self.blocks.len())..).map_while(move |block| {
            let block_end = block.start + block.shared.len() as u64;
            let (from, to) = (first.max(block.start), end.min(block_end));
            (from < to).then(|| (&block.shared, (from - block.start) as usize..(to - block.start) as usize))
        })
    }
}

/// A block has room for that much, so that small writes that follow each other need not have one each. It is less than what a
/// piece is charged beside its bytes.
const SMALL_BLOCK_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn read(queue: &SendQueue, from: usize, len: usize) -> Vec<u8> {
        queue.parts(from, len).flat_map(|(shared, range)| shared.bytes()[range].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_lies_where_it_was_written(
            steps in proptest::collection::vec((0_usize..9000, 0_usize..9000), 1..30), from in 0_usize..5000, len in 0_usize..5000,
        ) {
            let (mut queue, mut model, mut next) = (SendQueue::default(), Vec::new(), 0_u8);
            let pool = &mut Pool::new();
            for (written, released) in steps {
                let bytes: Vec<u8> = (0..written).map(|_| { next = next.wrapping_add(1); next }).collect();
                let sent = queue.len() / 2;
                queue.append(&bytes, sent, 4096, pool);
                model.extend_from_slice(&bytes);
                let released = released.min(model.len());
                queue.release(released, pool);
                model.drain(..released);
                prop_assert_eq!(queue.len(), model.len());
                let (from, len) = (from.min(model.len()), len.min(model.len() - from.min(model.len())));
                prop_assert_eq!(read(&queue, from, len), &model[from..from + len]);
            }
            queue.release(model.len(), pool);
            prop_assert_eq!(queue.len(), 0);
            prop_assert!(queue.blocks.is_empty());
        }
    }
}
