//! A batch of packets and the bytes they borrow.

use towpath_engine::Instant;

use super::{
    CapturedPacket, Content, Interface, InterfaceId, PacketDirection, Unreadable,
    interface::Interfaces,
    link::{self, ETHERNET_BYTES},
    record::Record,
};
use crate::capture::LinkType;

/// Some packets of a capture, in its order. They borrow from the capture until the next batch is read.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'b> {
    pub(super) heads: &'b [Head],
    /// The bytes that positions in the capture count from.
    pub(super) window: &'b [u8],
    /// The bytes that positions of made-up frames count from.
    pub(super) made_up: &'b [u8],
    pub(super) interfaces: &'b [Interface],
}

impl<'b> Batch<'b> {
    /// How many packets there are; 0 only at the end of the capture.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether the capture has ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The packets.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = CapturedPacket<'b>> + use<'b> {
        let Batch { heads, window, made_up, .. } = *self;
        heads.iter().map(move |head| head.packet(window, made_up))
    }

    /// The frames of the packets, `None` for those that are of none.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Option<&'b [u8]>> + use<'b> {
        let Batch { heads, window, made_up, .. } = *self;
        heads.iter().map(move |head| match head.frame {
            Frame::Captured(start, length) => Some(part(window, start, length)),
            Frame::MadeUp(start, length) => Some(part(made_up, start, length)),
            Frame::None(_) => None,
        })
    }

    /// The interfaces described so far.
    #[must_use]
    pub fn interfaces(&self) -> &'b [Interface] {
        self.interfaces
    }
}

/// Where a packet's parts lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    number: u64,
    nanos: u64,
    offset: u64,
    frame: Frame,
    comment_at: usize,
    comment_len: u16,
    interface: InterfaceId,
    wire_len: u32,
    ifindex: u32,
    direction: Option<PacketDirection>,
}

fn part(of: &[u8], start: usize, length: u32) -> &[u8] {
    of.get(start..start + length as usize).unwrap_or_default()
}

/// Where a frame lies, by start and length.
#[derive(Clone, Copy, Debug)]
enum Frame {
    Captured(usize, u32),
    MadeUp(usize, u32),
    None(Unreadable),
}

/// Where a record stands in the capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The packet's number.
    pub(super) number: u64,
    /// The packet's time; the record's own when it has one.
    pub(super) nanos: u64,
    /// From the start of the capture.
    pub(super) offset: u64,
    /// From the start of the window.
    pub(super) position: usize,
}

impl Head {
    /// Finds the parts of a packet. A frame with a made-up header is built in `made_up`.
    pub(super) fn new(
        record: &Record,
        place: Place,
        window: &[u8],
        interfaces: &Interfaces,
        made_up: &mut Vec<u8>,
    ) -> Self {
        let (link, fcs) = match interfaces.get(record.interface) {
            Some(interface) => (interface.link, record.fcs_len.unwrap_or(interface.fcs_len)),
            None => (LinkType::ETHERNET, 0),
        };
        let start = place.position + record.start;
        // The check sequence is the last thing on the wire: a cut packet may have none of it, or a part.
        let wire_len = record.original.saturating_sub(u32::from(fcs));
        let captured = record.captured.min(wire_len);
        let mut head = Self {
            number: place.number,
            nanos: place.nanos,
            offset: place.offset,
            frame: Frame::Captured(start, captured),
            comment_at: place.position + record.comment.map_or(0, |(at, _)| at),
            comment_len: record.comment.map_or(0, |(_, length)| length),
            interface: record.interface,
            wire_len,
            ifindex: record.ifindex,
            direction: record.direction,
        };
        if link != LinkType::ETHERNET {
            let bytes = window.get(start..start + captured as usize).unwrap_or_default();
            head.make_up(link, bytes, made_up);
        }
        head
    }

    fn make_up(&mut self, link: LinkType, bytes: &[u8], made_up: &mut Vec<u8>) {
        match link::read(link, bytes, self.wire_len) {
            Ok(header) => {
                let payload = bytes.get(header.length..).unwrap_or_default();
                let start = made_up.len();
                made_up.extend_from_slice(&header.ethernet);
                made_up.extend_from_slice(payload);
                // Neither sum can overflow: a payload is at most CAPTURED_BYTES_MAX, and lengths of 32 bits saturate.
                self.frame = Frame::MadeUp(start, (ETHERNET_BYTES + payload.len()) as u32);
                self.wire_len = self.wire_len.saturating_add(ETHERNET_BYTES as u32) - header.length as u32;
                // What the record itself says about the direction comes first.
                self.direction = self.direction.or(header.direction);
                self.ifindex = if header.ifindex == 0 { self.ifindex } else { header.ifindex };
            }
            Err(why) => self.frame = Frame::None(why),
        }
    }

    fn packet<'b>(&self, window: &'b [u8], made_up: &'b [u8]) -> CapturedPacket<'b> {
        CapturedPacket {
            number: self.number,
            time: Instant::from_nanos(self.nanos),
            interface: self.interface,
            ifindex: self.ifindex,
            content: match self.frame {
                Frame::Captured(start, length) => Content::Ethernet(part(window, start, length)),
                Frame::MadeUp(start, length) => Content::Ethernet(part(made_up, start, length)),
                Frame::None(why) => Content::Unreadable(why),
            },
            wire_len: self.wire_len,
            direction: self.direction,
            comment: (self.comment_len > 0).then(|| part(window, self.comment_at, u32::from(self.comment_len))),
            offset: self.offset,
        }
    }
}
