//! What both file formats are read into: one record at a time, found in the bytes at hand.

use super::{CaptureErrorKind, InterfaceId, PacketDirection};

/// What the next bytes of a capture are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A packet.
    Packet(Record),
    /// Something else of so many bytes, taken note of.
    Skip(usize),
    /// That cannot be told before so many bytes are at hand.
    Need(usize),
    /// Damage.
    Bad(CaptureErrorKind),
}

/// A packet's record. Positions count from the record's first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Length of the whole record in bytes.
    pub(super) length: usize,
    /// Where its captured bytes start.
    pub(super) start: usize,
    /// How many there are.
    pub(super) captured: u32,
    /// Length on the wire, at least `captured`.
    pub(super) original: u32,
    /// Nanoseconds since the Unix epoch; `None` when the record has no time.
    pub(super) nanos: Option<u64>,
    pub(super) interface: InterfaceId,
    /// The kernel's index of the device; 0: not told.
    pub(super) ifindex: u32,
    pub(super) direction: Option<PacketDirection>,
    /// Start and length of its first comment.
    pub(super) comment: Option<(usize, u16)>,
    /// Length of this packet's check sequence in bytes, where the record tells.
    pub(super) fcs_len: Option<u8>,
}
