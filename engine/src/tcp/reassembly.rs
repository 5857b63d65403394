//! What has come before its turn: parts of the stream that do not overlap, in order.
//!
//! A tree and not a list, since whoever sends chooses the order: each insertion takes a logarithm of what waits.

use alloc::collections::BTreeMap;

use crate::{
    packet::{Packet, Pool},
    socket::Piece,
    wire::SeqNum,
};

/// Segments that wait for others before them. Positions are counted from the stream's first byte in 64 bits, so that they
/// have an order.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    pieces: BTreeMap<u64, Waiting>,
    memory: usize,
    /// Where in the stream the next byte in order lies.
    base: u64,
}

#[derive(Debug)]
struct Waiting {
    piece: Piece,
    has_fin: bool,
}

/// What came of a segment that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is kept, as far as its bytes were not there.
    Kept,
    /// All its bytes were there.
    Known,
}

impl Reassembly {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) const fn memory(&self) -> usize {
        self.memory
    }

    /// Whether it is a FIN that waits, and nothing else.
    pub(super) fn is_lone_fin(&self) -> bool {
        self.pieces.len() == 1 && self.pieces.values().all(|waiting| waiting.has_fin)
    }

    /// Puts a segment in that begins at `seq`, behind `next`, the next byte in order. `len` bytes of its payload from `from`
    /// on count, and perhaps a FIN behind them.
    pub(super) fn put(&mut self, next: SeqNum, seq: SeqNum, piece: Piece, has_fin: bool, pool: &mut Pool) -> Put {
        let (mut piece, mut has_fin) = (piece, has_fin);
        let mut start = self.base + u64::from(seq - next);
        let mut end = start + piece.len() as u64;
        if let Some((&before, waiting)) = self.pieces.range(..=start).next_back() {
            let covered = before + waiting.piece.len() as u64;
            if covered >= end && (!has_fin || waiting.has_fin) {
                piece.packet.recycle(pool);
                return Put::Known;
            }
            if covered > start {
                piece.from += (covered.min(end) - start) as u32;
                start = covered.min(end);
            }
        }
        while let Some((&other, waiting)) = self.pieces.range(start..).next() {
            let other_end = other + waiting.piece.len() as u64;
            if other_end <= end && other < end {
                has_fin |= waiting.has_fin && other_end == end;
                self.remove(other, pool);
            } else {
                if other < end {
                    piece.to -= (end - other) as u32;
                    (end, has_fin) = (other, false);
                }
                break;
            }
        }
        if start == end && !has_fin {
            piece.packet.recycle(pool);
            return Put::Known;
        }
        self.memory += piece.packet.memory_bytes();
        if let Some(old) = self.pieces.insert(start, Waiting { piece, has_fin }) {
            self.memory -= old.piece.packet.memory_bytes();
            old.piece.packet.recycle(pool);
        }
        Put::Kept
    }

    fn remove(&mut self, start: u64, pool: &mut Pool) {
        if let Some(waiting) = self.pieces.remove(&start) {
            self.memory -= waiting.piece.packet.memory_bytes();
            waiting.piece.packet.recycle(pool);
        }
    }

    /// The stream in order has grown by so many bytes.
    pub(super) const fn advance(&mut self, bytes: u32) {
        self.base += bytes as u64;
    }

    /// The next part of the stream whose turn it is, without what was delivered already; whether a FIN is behind it. Parts of
    /// which nothing new is left are given up.
    pub(super) fn take_next(&mut self, pool: &mut Pool) -> Option<(Piece, bool)> {
        loop {
            let (&start, waiting) = self.pieces.first_key_value()?;
            let (end, has_fin) = (start + waiting.piece.len() as u64, waiting.has_fin);
            if start > self.base {
                return None;
            }
            if end <= self.base && !has_fin {
                self.remove(start, pool);
                continue;
            }
            let Waiting { mut piece, has_fin } = self.pieces.remove(&start)?;
            self.memory -= piece.packet.memory_bytes();
            piece.from += (self.base - start).min(piece.len() as u64) as u32;
            return Some((piece, has_fin));
        }
    }

    /// Gives up what would be read last, until no more memory is taken than that; what was told of it by SACK is broken, which
    /// senders must be ready for (RFC 2018, section 8).
    pub(super) fn shrink_to(&mut self, memory: usize, pool: &mut Pool) {
        while self.memory > memory {
            let Some((&last, _)) = self.pieces.last_key_value() else { return };
            self.remove(last, pool);
        }
    }

    /// Gives up the last part, unless it begins before `seq`, which lies where segments may; tells whether it did.
    pub(super) fn give_up_last(&mut self, next: SeqNum, seq: SeqNum, pool: &mut Pool) -> bool {
        let from = if seq.after(next) { self.base + u64::from(seq - next) } else { self.base };
        let last = self.pieces.last_key_value().map(|(&start, _)| start).filter(|start| *start >= from);
        last.inspect(|start| self.remove(*start, pool)).is_some()
    }

    pub(super) fn clear(&mut self, pool: &mut Pool) {
        self.shrink_to(0, pool);
    }

    /// A packet's payload as a piece.
    pub(super) fn piece(packet: Packet, from: u32, to: u32) -> Piece {
        Piece { packet, from, to }
    }
}
