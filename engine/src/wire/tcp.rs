//! TCP (RFC 9293).

use core::fmt;

use serde::{Deserialize, Serialize};
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    byteorder::big_endian::{U16, U32},
};

use super::seq::SeqNum;

/// TCP, fixed part (RFC 9293, section 3.1). Options follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TcpHeader {
    /// From which port.
    pub source_port: U16,
    /// To which port.
    pub destination_port: U16,
    /// Sequence number of the first byte (of the SYN when that is set).
    pub seq: U32,
    /// The next byte expected, when ACK is set.
    pub ack: U32,
    /// Header length in 32-bit words in the high nibble; reserved bits and AE in the low.
    pub data_offset: u8,
    /// See [`TcpFlags`].
    pub flags: TcpFlags,
    /// Bytes the sender would take, before scaling.
    pub window: U16,
    /// Over pseudo-header, header and payload.
    pub checksum: [u8; 2],
    /// End of urgent data, when URG is set.
    pub urgent: U16,
}

const _: () = assert!(size_of::<TcpHeader>() == TcpHeader::LEN);

impl TcpHeader {
    /// Length of the fixed part in bytes.
    pub const LEN: usize = 20;

    /// Length of the header with its options in bytes, 0 to 60 as the field says.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        (self.data_offset >> 4) as usize * 4
    }

    /// The sequence number.
    #[must_use]
    pub fn seq(&self) -> SeqNum {
        SeqNum(self.seq.get())
    }

    /// The acknowledgement number.
    #[must_use]
    pub fn ack(&self) -> SeqNum {
        SeqNum(self.ack.get())
    }
}

/// TCP's control bits.
#[derive(
    Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(transparent)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Hand data to the application now.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether any of `flags` is set.
    #[must_use]
    pub const fn intersects(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// Those that are set in either.
    #[must_use]
    pub const fn union(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Those that both have.
    #[must_use]
    pub const fn intersection(self, flags: Self) -> Self {
        Self(self.0 & flags.0)
    }

    /// Those that are set here and not in `flags`.
    #[must_use]
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

/// Writes one letter a flag, from the lowest bit up: `FSRPAUEC`; nothing when none is set.
impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        LETTERS
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            .try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const LETTERS: [&str; 8] = ["F", "S", "R", "P", "A", "U", "E", "C"];
