//! How often the bytes of packets are copied and summed.
//!
//! A frame is copied once as it comes in, from the device's ring into a block (or, merged with others, behind an earlier one's
//! payload), and once by the host, into the ring that it leaves by. Whatever is done to its payload in between is counted at the
//! packet, wherever it happens, and added up when the packet ends its way: a packet that is forwarded has nothing to count unless a
//! device, a rule or a helper asks for it.

use core::{cell::Cell, ops::AddAssign};

use serde::{Deserialize, Serialize};

use super::{Packet, Pool};

/// How often payload was copied and summed, and how many bytes of it. Moving headers, and writing them, is not counted; nor are the
/// checksums of IP headers, and rules that compare bytes of a payload with others. All counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Copies.
    pub copies: u64,
    /// Bytes copied.
    pub copied_bytes: u64,
    /// Passes of a checksum, the CRC of SCTP among them. One pass takes the transport header with the payload.
    pub sums: u64,
    /// Bytes summed, transport headers included.
    pub summed_bytes: u64,
}

impl AddAssign for Touched {
    fn add_assign(&mut self, other: Self) {
        self.copies = self.copies.wrapping_add(other.copies);
        self.copied_bytes = self.copied_bytes.wrapping_add(other.copied_bytes);
        self.sums = self.sums.wrapping_add(other.sums);
        self.summed_bytes = self.summed_bytes.wrapping_add(other.summed_bytes);
    }
}

/// The same of one packet. Who reads a packet sums it, so that it is counted behind a shared reference.
#[derive(Debug, Default)]
pub(super) struct Tally {
    copies: Cell<u32>,
    copied_bytes: Cell<u32>,
    sums: Cell<u32>,
    summed_bytes: Cell<u32>,
}

impl Tally {
    /// Counts a copy; one of no bytes is none.
    #[inline]
    pub(super) fn copied(&self, bytes: usize) {
        if bytes > 0 {
            self.copies.set(self.copies.get().wrapping_add(1));
            self.copied_bytes.set(self.copied_bytes.get().wrapping_add(bytes as u32));
        }
    }

    /// What was counted, if anything was, which is so of few packets; nothing is left.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Touched> {
        self.is_some().then(|| core::mem::take(self).touched())
    }

    #[inline]
    const fn is_some(&self) -> bool {
        self.copies.get() | self.sums.get() != 0
    }

    fn touched(&self) -> Touched {
        Touched {
            copies: self.copies.get().into(),
            copied_bytes: self.copied_bytes.get().into(),
            sums: self.sums.get().into(),
            summed_bytes: self.summed_bytes.get().into(),
        }
    }
}

impl Packet {
    /// How often its payload was copied and summed since its frame has come in, or it was made.
    #[must_use]
    pub fn touched(&self) -> Touched {
        self.0.tally.touched()
    }

    /// Counts that bytes of its payload were copied; none are no copy.
    #[inline]
    pub(crate) fn count_copy(&self, bytes: usize) {
        self.0.tally.copied(bytes);
    }

    /// Counts that its transport header and payload, or so many bytes of them, were summed.
    #[inline]
    pub(crate) fn count_sum(&self, bytes: usize) {
        let Tally { sums, summed_bytes, .. } = &self.0.tally;
        sums.set(sums.get().wrapping_add(1));
        summed_bytes.set(summed_bytes.get().wrapping_add(bytes as u32));
    }

    /// Gives its buffers back for reuse, when what was done to its payload has been added up before.
    pub(crate) fn recycle_counted(mut self, pool: &mut Pool) {
        self.0.tally = Tally::default();
        pool.keep(self.0);
    }

    /// Adds up what was done to its payload; it stays counted at the packet.
    #[inline]
    pub(crate) fn add_up(&self, pool: &mut Pool) {
        let Tally { copies, sums, summed_bytes, .. } = &self.0.tally;
        if copies.get() > 0 {
            pool.count(self.touched());
        } else {
            pool.count_sums(sums.get(), summed_bytes.get());
        }
    }
}
