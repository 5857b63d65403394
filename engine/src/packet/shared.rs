//! Bytes that packets share with somebody who keeps them: a socket's send queue, whose segments refer to what it holds
//! instead of copying it.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;

use super::{
    Draft, Packet, Pool,
    buf::{Block, Fragment},
};

/// Some bytes that packets may refer to. While none does, more can be written behind them.
#[derive(Debug, Default)]
pub struct Shared {
    buffer: Arc<Vec<u8>>,
    room: usize,
}

impl Shared {
    /// No bytes yet, and `room` for so many.
    #[must_use]
    pub fn new(pool: &mut Pool, room: usize) -> Self {
        Self { buffer: pool.buffer(room), room }
    }

    /// Gives the memory back for reuse, unless a packet still refers to it.
    pub fn recycle(self, pool: &mut Pool) {
        pool.give_back_buffer(self.buffer);
    }

    /// Writes what there is room for behind the others, and tells how much that was; nothing while a packet refers to any.
    pub fn extend(&mut self, bytes: &[u8]) -> usize {
        let Some(own) = Arc::get_mut(&mut self.buffer) else { return 0 };
        let taken = bytes.len().min(self.room - own.len());
        own.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The memory that it was made for, whatever of it is written.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        self.room
    }
}

impl Packet {
    /// A packet of this host, without a link header yet, whose payload lies in what others keep. Few bytes are copied behind
    /// the headers instead, which costs less than to refer to them.
    ///
    /// # Panics
    /// When the headers are longer than a block's linear part, or a range lies outside of its bytes.
    #[must_use]
    pub fn compose_around(
        pool: &mut Pool,
        draft: &Draft<'_>,
        payload: impl Iterator<Item = (impl AsRef<Shared>, Range<usize>)>,
        payload_len: usize,
    ) -> Self {
        let mut packet = Self::compose_headers(pool, draft, payload_len);
        let block = &mut *packet.0;
        for (shared, range) in payload {
            let shared = shared.as_ref();
            if payload_len <= COPIED_BYTES_MAX {
                block.tally.copied(range.len());
                copy_behind(block, &shared.buffer[range]);
            } else {
                debug_assert!(range.end <= shared.len(), "{range:?} lies in {} bytes", shared.len());
                let (start, end) = (range.start as u32, range.end as u32);
                block.fragments.push(Fragment { buffer: Arc::clone(&shared.buffer), start, end });
            }
        }
        packet.find_composed();
        packet
    }

    /// The payload behind the transport header, part by part.
    pub fn payload_parts(&self) -> impl Iterator<Item = &[u8]> {
        let linear = &self.0.bytes[usize::from(self.0.layers.payload)..usize::from(self.0.tail)];
        core::iter::once(linear).chain(self.fragments())
    }

    /// Copies bytes of the payload from `from` on, as many as there are and fit, and tells how many those were.
    pub fn copy_payload(&self, mut from: usize, to: &mut [u8]) -> usize {
        let mut copied = 0;
        for part in self.payload_parts() {
            let skipped = from.min(part.len());
            from -= skipped;
            let len = (part.len() - skipped).min(to.len() - copied);
            to[copied..copied + len].copy_from_slice(&part[skipped..skipped + len]);
            copied += len;
        }
        self.count_copy(copied);
        copied
    }

    /// Copies `len` bytes of another packet's payload, from `from` on, behind this one's, if its block has room for them and
    /// nothing of it lies elsewhere. The headers do not tell of them: this is for a packet that has arrived.
    pub(crate) fn extend_payload(&mut self, other: &Self, from: usize, len: usize) -> bool {
        let block = &mut *self.0;
        let tail = usize::from(block.tail);
        if !block.fragments.is_empty() || block.meta.cut_bytes > 0 || tail + len > block.bytes.len() {
            return false;
        }
        if other.copy_payload(from, &mut block.bytes[tail..tail + len]) < len {
            return false;
        }
        block.tail += len as u16;
        block.layers.network_len += len as u32;
        true
    }
}

impl AsRef<Self> for Shared {
    fn as_ref(&self) -> &Self {
        self
    }
}

fn copy_behind(block: &mut Block, bytes: &[u8]) {
    let tail = usize::from(block.tail);
    block.bytes[tail..tail + bytes.len()].copy_from_slice(bytes);
    block.tail += bytes.len() as u16;
}

/// Payloads up to this are copied behind the headers: they fit two more cache lines, and need no count of references.
const COPIED_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        packet::Head,
        wire::{Ipv4Header, Protocol, TcpHeader},
    };

    fn head() -> Head {
        Head::V4(Ipv4Header {
            version_ihl: 0,
            tos: 0,
            total_len: 0.into(),
            id: 0.into(),
            flags_fragment: 0.into(),
            ttl: 64,
            protocol: Protocol::TCP.0,
            checksum: [0; 2],
            source: [10, 0, 0, 1],
            destination: [10, 0, 0, 2],
        })
    }

    #[test]
    fn a_payload_is_referred_to_or_copied_and_reads_the_same() {
        let mut tcp = [0; TcpHeader::LEN];
        tcp[12] = 5 << 4;
        for len in [0, 1, 128, 129, 5000] {
            let pool = &mut Pool::new();
            let (mut one, mut other) = (Shared::new(pool, len), Shared::new(pool, len));
            let bytes = Vec::from_iter((0..len).map(|at| at as u8));
            one.extend(&bytes);
            other.extend(&bytes);
            let parts = [(&one, len / 3..len), (&other, 0..len / 2)];
            let expected = [&bytes[len / 3..], &bytes[..len / 2]].concat();
            let draft = Draft { ip: head(), transport: &tcp };
            let packet = Packet::compose_around(pool, &draft, parts.into_iter(), expected.len());
            assert_eq!(packet.payload_len(), expected.len());
            let mut read = vec![0; expected.len() + 1];
            assert_eq!(packet.copy_payload(0, &mut read), expected.len());
            assert_eq!(read[..expected.len()], expected);
            let from = expected.len() / 2;
            assert_eq!(packet.copy_payload(from, &mut read), expected.len() - from);
            assert_eq!(read[..expected.len() - from], expected[from..]);
        }
    }

    #[test]
    fn nothing_is_written_while_a_packet_refers_to_the_bytes() {
        let mut shared = Shared::new(&mut Pool::new(), 10);
        assert_eq!(shared.extend(&[1; 6]), 6);
        let reference = Arc::clone(&shared.buffer);
        assert_eq!(shared.extend(&[2; 6]), 0);
        drop(reference);
        assert_eq!(shared.extend(&[2; 6]), 4);
        assert_eq!(shared.bytes(), [1, 1, 1, 1, 1, 1, 2, 2, 2, 2]);
    }
}
