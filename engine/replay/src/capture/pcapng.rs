//! The newer format: blocks in sections (draft-ietf-opsawg-pcapng).
//!
//! ```text
//!  type · length · body, padded to 4 bytes · length again          a block
//!  section header · interface description … · packet · packet …    a section; a file may have several
//! ```
//!
//! Packets stand in enhanced, simple or (obsolete) packet blocks; all other blocks are passed over. A section has its
//! own byte order and its own interfaces.

use super::{
    CaptureErrorKind, LinkType, PacketDirection,
    interface::{Clock, Interface, Interfaces},
    order::Order,
    record::{Record, Step},
};
use crate::limits::{BLOCK_BYTES_MAX, CAPTURED_BYTES_MAX, INTERFACE_TEXT_BYTES_MAX};

/// The section that is being read.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
}

/// A block's body, and where it starts in the block.
struct Block<'a> {
    kind: u32,
    length: usize,
    body: &'a [u8],
}

impl Pcapng {
    /// Prepares to read a file that starts with a section header; `None` when it starts with something else.
    pub(super) fn open(bytes: &[u8]) -> Option<Self> {
        // The type of a section header reads the same in both byte orders.
        (Order::Big.u32(bytes, 0)? == SECTION_HEADER).then_some(Self { order: Order::Little })
    }

    /// Reads the block at the start of `bytes`.
    pub(super) fn step(&mut self, bytes: &[u8], interfaces: &mut Interfaces) -> Step {
        let block = match self.block(bytes) {
            Ok(block) => block,
            Err(step) => return step,
        };
        let result = match block.kind {
            SECTION_HEADER => self.section(&block, interfaces),
            INTERFACE_DESCRIPTION => self.interface(&block, interfaces),
            ENHANCED_PACKET | OBSOLETE_PACKET => self.packet(&block, interfaces),
            SIMPLE_PACKET => self.simple_packet(&block, interfaces),
            _ => Ok(Step::Skip(block.length)),
        };
        result.unwrap_or_else(Step::Bad)
    }

    /// Frames the block at the start of `bytes`. A section header is read in its own byte order, which is the
    /// section's from here on.
    fn block<'a>(&mut self, bytes: &'a [u8]) -> Result<Block<'a>, Step> {
        let Some(start) = bytes.first_chunk::<BLOCK_BYTES_MIN>() else {
            return Err(Step::Need(BLOCK_BYTES_MIN));
        };
        let word = |order: Order, at| order.u32(start, at).unwrap_or_default();
        if word(Order::Big, 0) == SECTION_HEADER {
            self.order = match (word(Order::Big, 8), word(Order::Little, 8)) {
                (BYTE_ORDER_MAGIC, _) => Order::Big,
                (_, BYTE_ORDER_MAGIC) => Order::Little,
                (other, _) => return Err(Step::Bad(CaptureErrorKind::SectionMagic(other))),
            };
        }
        let (kind, head) = (word(self.order, 0), word(self.order, 4));
        if !head.is_multiple_of(4) || !(BLOCK_BYTES_MIN as u32..=BLOCK_BYTES_MAX).contains(&head) {
            return Err(Step::Bad(CaptureErrorKind::BlockLength(head)));
        }
        let length = head as usize;
        let Some(block) = bytes.get(..length) else {
            return Err(Step::Need(length));
        };
        let tail = self.order.u32(block, length - 4).unwrap_or_default();
        if head != tail {
            return Err(Step::Bad(CaptureErrorKind::BlockTrailer { head, tail }));
        }
        Ok(Block { kind, length, body: block.get(BODY..length - 4).unwrap_or_default() })
    }

    fn section(&self, block: &Block<'_>, interfaces: &mut Interfaces) -> Result<Step, CaptureErrorKind> {
        let short = CaptureErrorKind::BlockContent(block.kind);
        let major = self.order.u16(block.body, 4).ok_or_else(|| short.clone())?;
        let minor = self.order.u16(block.body, 6).ok_or(short)?;
        if major != 1 {
            return Err(CaptureErrorKind::SectionVersion(major, minor));
        }
        interfaces.start_section();
        Ok(Step::Skip(block.length))
    }

    fn interface(&self, block: &Block<'_>, interfaces: &mut Interfaces) -> Result<Step, CaptureErrorKind> {
        let short = CaptureErrorKind::BlockContent(block.kind);
        let link = self.order.u16(block.body, 0).ok_or_else(|| short.clone())?;
        let snap_len = self.order.u32(block.body, 4).ok_or(short)?;
        let mut interface = Interface {
            name: None,
            description: None,
            link: LinkType(u32::from(link)),
            mac: None,
            snap_len,
            fcs_len: 0,
            clock: Clock::MICROS,
        };
        let (mut resolution, mut offset_secs) = (DEFAULT_RESOLUTION, 0);
        for (code, at, length) in self.options(block.body, 8) {
            let value = block.body.get(at..at + usize::from(length)).unwrap_or_default();
            match (code, value) {
                (2, _) => interface.name = Some(text(value)),
                (3, _) => interface.description = Some(text(value)),
                (6, _) => interface.mac = value.try_into().ok(),
                (9, [value]) => resolution = *value,
                // Bytes, although the first drafts said bits.
                (13, [value]) => interface.fcs_len = *value,
                (14, _) => offset_secs = self.order.u64(value, 0).unwrap_or_default().cast_signed(),
                _ => {}
            }
        }
        interface.clock = Clock::new(resolution, offset_secs);
        interfaces.add(interface)?;
        Ok(Step::Skip(block.length))
    }

    /// A packet with time, lengths and options. The block that enhanced ones have replaced differs in that it has
    /// only 16 bits of interface.
    fn packet(&self, block: &Block<'_>, interfaces: &Interfaces) -> Result<Step, CaptureErrorKind> {
        let Some(fixed) = block.body.first_chunk::<PACKET_FIXED>() else {
            return Err(CaptureErrorKind::BlockContent(block.kind));
        };
        let word = |at| self.order.u32(fixed, at).unwrap_or_default();
        let narrow = || u32::from(self.order.u16(fixed, 0).unwrap_or_default());
        let number = if block.kind == OBSOLETE_PACKET { narrow() } else { word(0) };
        let Some((id, interface)) = interfaces.in_section(number) else {
            return Err(CaptureErrorKind::UnknownInterface(number));
        };
        let (captured, original) = (word(12), word(16));
        if captured > CAPTURED_BYTES_MAX {
            return Err(CaptureErrorKind::PacketLength(captured));
        }
        let end = PACKET_FIXED + captured as usize;
        if block.body.len() < end {
            return Err(CaptureErrorKind::BlockContent(block.kind));
        }
        let stamp = u64::from(word(4)) << 32 | u64::from(word(8));
        let mut record = Record {
            length: block.length,
            start: BODY + PACKET_FIXED,
            captured,
            original: original.max(captured),
            nanos: Some(interface.clock.nanos(stamp)),
            interface: id,
            ifindex: 0,
            direction: None,
            comment: None,
            fcs_len: None,
        };
        let options = end.next_multiple_of(4);
        if options < block.body.len() {
            self.packet_options(block, options, &mut record);
        }
        Ok(Step::Packet(record))
    }

    fn packet_options(&self, block: &Block<'_>, from: usize, record: &mut Record) {
        for (code, at, length) in self.options(block.body, from) {
            match code {
                1 if record.comment.is_none() => record.comment = Some((BODY + at, length)),
                2 if length == 4 => {
                    let flags = self.order.u32(block.body, at).unwrap_or_default();
                    record.direction = match flags & 3 {
                        1 => Some(PacketDirection::Inbound),
                        2 => Some(PacketDirection::Outbound),
                        _ => None,
                    };
                    // Bits 5 to 8; zero says nothing.
                    record.fcs_len = Some((flags >> 5 & 0xf) as u8).filter(|length| *length > 0);
                }
                _ => {}
            }
        }
    }

    /// A packet with nothing but its length: captured on the section's first interface, without a time.
    fn simple_packet(&self, block: &Block<'_>, interfaces: &Interfaces) -> Result<Step, CaptureErrorKind> {
        let Some((id, interface)) = interfaces.in_section(0) else {
            return Err(CaptureErrorKind::UnknownInterface(0));
        };
        let short = CaptureErrorKind::BlockContent(block.kind);
        let original = self.order.u32(block.body, 0).ok_or_else(|| short.clone())?;
        let limit = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
        let captured = original.min(limit);
        if captured > CAPTURED_BYTES_MAX {
            return Err(CaptureErrorKind::PacketLength(captured));
        }
        if block.body.len() < 4 + captured as usize {
            return Err(short);
        }
        Ok(Step::Packet(Record {
            length: block.length,
            start: BODY + 4,
            captured,
            original,
            nanos: None,
            interface: id,
            ifindex: 0,
            direction: None,
            comment: None,
            fcs_len: None,
        }))
    }

    /// The options of a body from `at` on: code, where the value starts in the body, its length. Stops at the end
    /// mark, and at the first option that does not fit: what stood before it still counts.
    fn options(&self, body: &[u8], mut at: usize) -> impl Iterator<Item = (u16, usize, u16)> {
        core::iter::from_fn(move || {
            let (code, length) = (self.order.u16(body, at)?, self.order.u16(body, at + 2)?);
            let value = at + 4;
            let end = value + usize::from(length);
            if code == 0 || end > body.len() {
                return None;
            }
            at = end.next_multiple_of(4);
            Some((code, value, length))
        })
    }
}

fn text(value: &[u8]) -> String {
    let kept = value.get(..INTERFACE_TEXT_BYTES_MAX).unwrap_or(value);
    // Some writers count the terminating zero in.
    String::from_utf8_lossy(kept).trim_end_matches('\0').to_owned()
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Microseconds.
const DEFAULT_RESOLUTION: u8 = 6;
/// Type, length, and length again.
const BLOCK_BYTES_MIN: usize = 12;
/// Where a block's body starts.
const BODY: usize = 8;
/// Interface, time and lengths of a packet block.
const PACKET_FIXED: usize = 20;
