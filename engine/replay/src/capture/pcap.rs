//! The classic format: one header, then a record a packet (draft-ietf-opsawg-pcap).
//!
//! ```text
//!  magic · version · zone · accuracy · snap length · link type     24 bytes, once
//!  seconds · fraction · captured length · original length · bytes  a packet
//! ```
//!
//! Three variants are read: microseconds, nanoseconds, and the "modified" one of old Linux tcpdumps, whose records
//! carry the device's index, protocol and packet type as well. All in both byte orders.

use pcap_file::{
    Endianness,
    pcap::{PcapHeader, PcapTsResolution},
};

use super::{
    CaptureErrorKind, InterfaceId, LinkType, PacketDirection,
    interface::{Clock, Interface, Interfaces},
    order::Order,
    record::{Record, Step},
};
use crate::limits::CAPTURED_BYTES_MAX;

/// A classic capture whose header has been read.
#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Nanoseconds in a unit of the time stamp's fraction.
    fraction_nanos: u64,
    modified: bool,
    lengths: Lengths,
}

/// In which order a record has its two lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    /// Before version 2.3.
    OriginalFirst,
    /// Version 2.3 was written both ways: the smaller one is the captured length.
    Either,
}

impl Pcap {
    /// The length of the file's header.
    pub(super) const HEADER_BYTES: usize = 24;

    /// Reads the file's header and describes its one interface; `None` when it is no classic capture.
    pub(super) fn open(bytes: &[u8], interfaces: &mut Interfaces) -> Option<Self> {
        let (plain, modified) = unmodified(bytes.first_chunk::<{ Self::HEADER_BYTES }>()?);
        let (_, header) = PcapHeader::from_slice(&plain).ok()?;
        let order = match header.endianness {
            Endianness::Little => Order::Little,
            Endianness::Big => Order::Big,
        };
        // The link type's upper half tells of a check sequence: bit 26 that it is there, bits 28 to 31 its length in
        // units of two bytes.
        let link = u32::from(header.datalink);
        let fcs_len = if link & (1 << 26) != 0 { ((link >> 28) as u8) * 2 } else { 0 };
        let interface = Interface {
            name: None,
            description: None,
            link: LinkType(link & 0xffff),
            mac: None,
            snap_len: header.snaplen,
            fcs_len,
            clock: Clock::MICROS,
        };
        interfaces.add(interface).ok()?;
        let lengths = match (header.version_major, header.version_minor) {
            (2, 0..=2) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Either,
            _ => Lengths::CapturedFirst,
        };
        let fraction_nanos = match header.ts_resolution {
            PcapTsResolution::MicroSecond => 1_000,
            PcapTsResolution::NanoSecond => 1,
        };
        Some(Self { order, fraction_nanos, modified, lengths })
    }

    /// Reads the record at the start of `bytes`.
    pub(super) fn step(&self, bytes: &[u8]) -> Step {
        let header_bytes = if self.modified { MODIFIED_RECORD_BYTES } else { RECORD_BYTES };
        let Some(header) = bytes.get(..header_bytes) else {
            return Step::Need(header_bytes);
        };
        let word = |at| self.order.u32(header, at).unwrap_or_default();
        let (captured, original) = match self.lengths {
            Lengths::CapturedFirst => (word(8), word(12)),
            Lengths::OriginalFirst => (word(12), word(8)),
            Lengths::Either => (word(8).min(word(12)), word(8).max(word(12))),
        };
        if captured > CAPTURED_BYTES_MAX {
            return Step::Bad(CaptureErrorKind::PacketLength(captured));
        }
        let length = header_bytes + captured as usize;
        if bytes.len() < length {
            return Step::Need(length);
        }
        let nanos = u64::from(word(0)) * 1_000_000_000 + u64::from(word(4)) * self.fraction_nanos;
        Step::Packet(Record {
            length,
            start: header_bytes,
            captured,
            original: original.max(captured),
            nanos: Some(nanos),
            interface: InterfaceId(0),
            ifindex: if self.modified { word(16) } else { 0 },
            direction: header.get(22).filter(|_| self.modified).map(|kind| packet_type(u16::from(*kind))),
            comment: None,
            fcs_len: None,
        })
    }
}

/// The direction that a Linux packet type tells (v6.18: `include/uapi/linux/if_packet.h`): 4 is `PACKET_OUTGOING`, and
/// all others came in.
pub(super) fn packet_type(kind: u16) -> PacketDirection {
    if kind == 4 { PacketDirection::Outbound } else { PacketDirection::Inbound }
}

/// Gives a modified file's header the magic of an ordinary one, and says whether it was one.
fn unmodified(header: &[u8; Pcap::HEADER_BYTES]) -> ([u8; Pcap::HEADER_BYTES], bool) {
    let mut plain = *header;
    let magic = match header {
        [0xa1, 0xb2, 0xcd, 0x34, ..] => [0xa1, 0xb2, 0xc3, 0xd4],
        [0x34, 0xcd, 0xb2, 0xa1, ..] => [0xd4, 0xc3, 0xb2, 0xa1],
        _ => return (plain, false),
    };
    plain[..4].copy_from_slice(&magic);
    (plain, true)
}

const RECORD_BYTES: usize = 16;
const MODIFIED_RECORD_BYTES: usize = 24;
