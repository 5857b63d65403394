//! What is told of what has come out of order (RFC 2018), and twice (RFC 2883).

use super::connection::Connection;
use crate::wire::{SackBlocks, SeqNum};

/// Blocks that have come out of order, the one that has grown last first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Received {
    blocks: [(SeqNum, SeqNum); SackBlocks::MAX],
    len: usize,
    /// What has come twice, until it was told.
    duplicate: Option<(SeqNum, SeqNum)>,
}

impl Received {
    /// Whether what has come out of order makes none of the first blocks grow, but a later one, or is one more than those. A later block
    /// has grown then.
    pub(super) fn grows_late(&mut self, start: SeqNum, end: SeqNum) -> bool {
        let blocks = &mut self.blocks[..self.len];
        let found = blocks.iter().position(|block| !block.1.before(start) && !end.before(block.0));
        if let Some(block) = found.and_then(|at| blocks.get_mut(at)).filter(|_| found >= Some(EXPECTED)) {
            block.0 = if start.before(block.0) { start } else { block.0 };
            block.1 = if end.after(block.1) { end } else { block.1 };
        }
        found.unwrap_or(self.len) >= EXPECTED
    }

    /// Something has come out of order.
    pub(super) fn add(&mut self, start: SeqNum, end: SeqNum) {
        let touches =
            |&(known_start, known_end): &(SeqNum, SeqNum)| !known_end.before(start) && !end.before(known_start);
        let mut grown = (start, end);
        let mut kept = 0;
        for at in 0..self.len {
            let block = self.blocks[at];
            if touches(&block) {
                grown.0 = if block.0.before(grown.0) { block.0 } else { grown.0 };
                grown.1 = if block.1.after(grown.1) { block.1 } else { grown.1 };
            } else {
                self.blocks[kept] = block;
                kept += 1;
            }
        }
        let kept = kept.min(SackBlocks::MAX - 1);
        self.blocks.copy_within(..kept, 1);
        self.blocks[0] = grown;
        self.len = kept + 1;
    }

    /// Everything before `next` has come in order.
    pub(super) fn advance(&mut self, next: SeqNum) {
        let mut kept = 0;
        for at in 0..self.len {
            let block = self.blocks[at];
            if block.1.after(next) {
                self.blocks[kept] = block;
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// Forgets all blocks.
    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Something has come twice.
    pub(super) fn add_duplicate(&mut self, start: SeqNum, end: SeqNum) {
        self.duplicate = Some(match self.duplicate {
            Some((known_start, known_end)) if !known_end.before(start) && !end.before(known_start) => (
                if known_start.before(start) { known_start } else { start },
                if known_end.after(end) { known_end } else { end },
            ),
            Some(_) | None => (start, end),
        });
    }

    /// The blocks for the next segment, what has come twice first; that is told once.
    pub(super) fn take(&mut self) -> SackBlocks {
        let mut told = SackBlocks::default();
        if let Some(duplicate) = self.duplicate.take() {
            told.push(duplicate);
        }
        self.blocks[..self.len].iter().for_each(|block| told.push(*block));
        told
    }

    /// The end of the block that goes furthest.
    pub(super) fn furthest(&self) -> Option<SeqNum> {
        let ends = self.blocks[..self.len].iter().map(|block| block.1);
        ends.reduce(|one, other| if one.after(other) { one } else { other })
    }

    /// Bytes of options that the blocks take in the next segment.
    pub(super) const fn option_bytes(&self, beside_timestamps: bool) -> u32 {
        let most = if beside_timestamps { SackBlocks::MAX - 1 } else { SackBlocks::MAX };
        let blocks = self.len + if self.duplicate.is_some() { 1 } else { 0 };
        let blocks = if blocks > most { most } else { blocks };
        if blocks == 0 { 0 } else { 4 + 8 * blocks as u32 }
    }
}

impl Connection {
    /// Notes that a part of a segment has come twice, and that acknowledgements should be quick: the other end is repairing.
    pub(super) fn note_duplicate(&mut self, start: SeqNum, end: SeqNum, tells: bool) {
        self.tell_duplicate(start, end, tells);
        self.enter_quick_acks(super::delayed::QUICK_MAX);
    }

    /// Notes that a part of a segment has come twice.
    pub(super) fn tell_duplicate(&mut self, start: SeqNum, end: SeqNum, tells: bool) {
        self.counters.duplicates_received += 1;
        if tells && self.agreed.sack {
            self.receiver.received.add_duplicate(start, end);
        }
    }
}

/// So many blocks are thought to reach the other end in one acknowledgement (Linux: `TCP_SACK_BLOCKS_EXPECTED`).
const EXPECTED: usize = 2;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn told(received: &mut Received) -> Vec<(u32, u32)> {
        received.take().as_slice().iter().map(|(start, end)| (start.0, end.0)).collect()
    }

    #[test]
    fn the_block_that_has_grown_last_comes_first_and_neighbours_become_one() {
        let mut received = Received::default();
        for (start, end) in [(10, 20), (30, 40), (50, 60)] {
            received.add(SeqNum(start), SeqNum(end));
        }
        assert_eq!(told(&mut received), [(50, 60), (30, 40), (10, 20)]);
        received.add(SeqNum(20), SeqNum(30));
        assert_eq!(told(&mut received), [(10, 40), (50, 60)]);
        received.advance(SeqNum(45));
        assert_eq!(told(&mut received), [(50, 60)]);
    }

    #[test]
    fn what_has_come_twice_is_told_once_and_first() {
        let mut received = Received::default();
        received.add(SeqNum(10), SeqNum(20));
        received.add_duplicate(SeqNum(1), SeqNum(5));
        assert_eq!(told(&mut received), [(1, 5), (10, 20)]);
        assert_eq!(told(&mut received), [(10, 20)]);
    }
}
