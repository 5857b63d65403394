//! What tracking reads of a TCP segment.

use super::tcp_states::SegmentKind;
use crate::{
    packet::Packet,
    wire::{SeqNum, TcpFlags, tcp_options::TcpOptions},
};

/// A segment's figures.
#[derive(Clone, Debug)]
pub(super) struct Segment<'a> {
    pub(super) flags: TcpFlags,
    pub(super) kind: SegmentKind,
    /// The first byte, or the SYN.
    pub(super) seq: SeqNum,
    /// Behind the last byte; SYN and FIN count as one.
    pub(super) end: SeqNum,
    /// The acknowledgement number, whether or not ACK is set.
    pub(super) ack: SeqNum,
    /// Before scaling.
    pub(super) window: u16,
    /// `None`: the header ends before any option.
    pub(super) options: Option<TcpOptions<'a>>,
}

impl<'a> Segment<'a> {
    /// The figures of a packet that holds a whole TCP header.
    pub(super) fn of(packet: &'a Packet) -> Option<Self> {
        Self::with_flags(packet, packet.tcp()?.flags)
    }

    /// Whether it is an ACK without SYN, FIN and RST, as most segments are.
    #[inline(always)]
    pub(super) fn is_ack(packet: &Packet) -> bool {
        packet.tcp().is_some_and(|header| SegmentKind::of(header.flags) == SegmentKind::Ack)
    }

    /// The figures of [one](Self::is_ack), of whose flags ACK alone is told.
    #[inline(always)]
    pub(super) fn of_ack(packet: &'a Packet) -> Option<Self> {
        Self::with_flags(packet, TcpFlags::ACK)
    }

    #[inline(always)]
    fn with_flags(packet: &'a Packet, flags: TcpFlags) -> Option<Self> {
        let header = packet.tcp()?;
        let marks = u32::from(flags.contains(TcpFlags::SYN)) + u32::from(flags.contains(TcpFlags::FIN));
        let has_options = header.header_len() > crate::wire::TcpHeader::LEN;
        Some(Self {
            flags,
            kind: SegmentKind::of(flags),
            seq: header.seq(),
            end: header.seq() + packet.payload_len() as u32 + marks,
            ack: header.ack(),
            window: header.window.get(),
            options: has_options.then(|| packet.tcp_options()),
        })
    }

    pub(super) const fn has(&self, flag: TcpFlags) -> bool {
        self.flags.contains(flag)
    }

    /// The highest byte that is acknowledged, selectively or not. Of several lists of blocks the first counts, and blocks
    /// of a wrong size none (Linux v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `tcp_sack()`).
    #[inline]
    pub(super) fn highest_sack(&self) -> SeqNum {
        self.options.as_ref().map_or(self.ack, |options| highest_sack(options.clone(), self.ack))
    }
}

#[inline(never)]
fn highest_sack(options: TcpOptions<'_>, ack: SeqNum) -> SeqNum {
    let mut lists = options.filter(|option| {
        option.kind == TcpOptions::SACK && !option.data.is_empty() && option.data.len() % SACK_BLOCK == 0
    });
    let Some(list) = lists.next() else { return ack };
    list.data.as_chunks::<SACK_BLOCK>().0.iter().fold(ack, |highest, block| {
        let [.., a, b, c, d] = *block;
        let edge = SeqNum(u32::from_be_bytes([a, b, c, d]));
        if edge.after(highest) { edge } else { highest }
    })
}

/// Bytes of a block: its left and right edge.
const SACK_BLOCK: usize = 8;
