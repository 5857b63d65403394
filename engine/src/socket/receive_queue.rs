//! What a socket has not read yet: packets as they have come, in the order in which they are read.

use alloc::collections::VecDeque;

use crate::packet::{Packet, Pool};

/// The unread bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct ReceiveQueue {
    packets: VecDeque<Piece>,
    /// Unread bytes.
    len: usize,
    /// The memory that the packets take.
    memory: usize,
}

/// A part of a packet's payload.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) packet: Packet,
    /// Its first byte that is not read, counted from the payload's first.
    pub(crate) from: u32,
    /// Behind its last one.
    pub(crate) to: u32,
}

impl Piece {
    pub(crate) const fn len(&self) -> usize {
        (self.to - self.from) as usize
    }
}

impl ReceiveQueue {
    /// Unread bytes.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory that the packets take.
    pub(crate) const fn memory(&self) -> usize {
        self.memory
    }

    /// Puts bytes behind the others. What fits behind the last packet's bytes is copied there, when it is little, so that a
    /// stream of small segments takes no packet for each (Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_try_coalesce()`).
    pub(crate) fn push(&mut self, piece: Piece, pool: &mut Pool) {
        self.len += piece.len();
        if let Some(last) = self.packets.back_mut()
            && piece.len() <= COPIED_BYTES_MAX
            && last.to as usize == last.packet.payload_len()
            && last.packet.extend_payload(&piece.packet, piece.from as usize, piece.len())
        {
            last.to += piece.len() as u32;
            piece.packet.recycle(pool);
            return;
        }
        self.memory += piece.packet.memory_bytes();
        self.packets.push_back(piece);
    }

    /// Reads bytes behind the next `passed` ones, which all stay unread; tells how many.
    pub(crate) fn peek(&self, to: &mut [u8], mut passed: usize) -> usize {
        let mut copied = 0;
        for piece in &self.packets {
            let skipped = passed.min(piece.len());
            passed -= skipped;
            let len = (piece.len() - skipped).min(to.len() - copied);
            copied += piece.packet.copy_payload(piece.from as usize + skipped, &mut to[copied..copied + len]);
        }
        copied
    }

    /// Reads bytes: as many as there are and fit; tells how many.
    pub(crate) fn read(&mut self, to: &mut [u8], pool: &mut Pool) -> usize {
        let mut copied = 0;
        while let Some(first) = self.packets.front_mut().filter(|_| copied < to.len()) {
            let len = first.len().min(to.len() - copied);
            first.packet.copy_payload(first.from as usize, &mut to[copied..copied + len]);
            copied += len;
            first.from += len as u32;
            if first.from == first.to {
                self.recycle_first(pool);
            }
        }
        self.len -= copied;
        copied
    }

    fn recycle_first(&mut self, pool: &mut Pool) {
        if let Some(done) = self.packets.pop_front() {
            self.memory -= done.packet.memory_bytes();
            done.packet.recycle(pool);
        }
    }

    /// Forgets all bytes.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        while !self.packets.is_empty() {
            self.recycle_first(pool);
        }
        self.len = 0;
    }
}

/// What is copied behind another packet's bytes rather than kept with a packet of its own.
const COPIED_BYTES_MAX: usize = 512;
