//! What can be wrong with a capture, and where.

use core::fmt;

use crate::limits::{BLOCK_BYTES_MAX, CAPTURED_BYTES_MAX, INTERFACES_MAX};

/// Why a capture cannot be read from some point on. Everything before that point has been handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureError {
    /// The packet that would have come next, from 1; `None` when the file is no capture at all.
    pub packet: Option<u64>,
    /// Where the damaged record starts, in bytes from the start of the capture (after decompression).
    pub offset: u64,
    /// Whether `offset` counts decompressed bytes.
    pub compressed: bool,
    /// What is wrong there.
    pub kind: CaptureErrorKind,
}

/// What is wrong with a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureErrorKind {
    /// There are no bytes.
    Empty,
    /// The first four bytes are those of no capture format.
    NotACapture([u8; 4]),
    /// A format that other tools can turn into a readable one.
    Foreign(&'static str),
    /// The stream that the capture is read from failed, or its compression is damaged.
    Stream(String),
    /// A record needs more bytes than the file has left.
    Truncated {
        /// Bytes that the record says it has, or the size of its header when even that is cut.
        promised: u64,
        /// Bytes that are there.
        present: u64,
    },
    /// The file ends inside its first header: pcap's, or the one of pcapng's first section.
    TruncatedHeader {
        /// Bytes that it has, as far as is known.
        promised: u64,
        /// Bytes that are there.
        present: u64,
    },
    /// A packet says it is longer than any can be.
    PacketLength(u32),
    /// A pcapng block's length is impossible.
    BlockLength(u32),
    /// A pcapng block's two length fields differ.
    BlockTrailer {
        /// The one in front.
        head: u32,
        /// The one behind.
        tail: u32,
    },
    /// A pcapng block is too short for its fixed fields or its packet.
    BlockContent(u32),
    /// A pcapng section starts with this instead of its byte-order magic.
    SectionMagic(u32),
    /// A version of pcapng that is not known.
    SectionVersion(u16, u16),
    /// A packet names an interface that its section has not described.
    UnknownInterface(u32),
    /// More interfaces than are taken.
    TooManyInterfaces,
}

impl fmt::Display for CaptureError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(packet) = self.packet {
            let of = if self.compressed { " of the decompressed capture" } else { "" };
            write!(out, "packet {packet}, byte {}{of}: ", self.offset)?;
        }
        self.kind.fmt(out)
    }
}

impl fmt::Display for CaptureErrorKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(out, "the file is empty"),
            Self::NotACapture([a, b, c, d]) => {
                write!(out, "neither pcap nor pcapng: the file starts with {a:02x} {b:02x} {c:02x} {d:02x}")
            }
            Self::Foreign(name) => write!(out, "this is {name}; convert it to pcapng first"),
            Self::Stream(why) => write!(out, "cannot read on: {why}"),
            Self::Truncated { promised, present } => {
                write!(out, "the capture is cut off: the record has {promised} bytes, {present} are left")
            }
            Self::TruncatedHeader { promised, present } => {
                write!(out, "the capture is cut off inside its header, which has {promised} bytes: {present} are there")
            }
            Self::PacketLength(length) => {
                write!(out, "the record says {length} captured bytes, more than {CAPTURED_BYTES_MAX}: it is damaged")
            }
            Self::BlockLength(length) => write!(
                out,
                "a block of {length} bytes, not a multiple of 4 from 12 to {BLOCK_BYTES_MAX}: it is damaged"
            ),
            Self::BlockTrailer { head, tail } => {
                write!(out, "a block starts with length {head} and ends with length {tail}: it is damaged")
            }
            Self::BlockContent(kind) => write!(out, "a block of type {kind:#x} is too short for what it should hold"),
            Self::SectionMagic(magic) => write!(out, "a section starts with {magic:#010x} instead of 0x1a2b3c4d"),
            Self::SectionVersion(major, minor) => {
                write!(out, "pcapng version {major}.{minor} is not known, only 1.x")
            }
            Self::UnknownInterface(number) => {
                write!(out, "no interface {number} is described in this section")
            }
            Self::TooManyInterfaces => write!(out, "more than {INTERFACES_MAX} interfaces"),
        }
    }
}

impl core::error::Error for CaptureError {}
