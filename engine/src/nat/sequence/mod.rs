//! Sequence numbers of connections whose payload was rewritten to another length.
//!
//! ```text
//!  sender's numbers    ──── before ────┬─ rewritten segment ─┬──── after ────►
//!                                 correction                 grown by 3
//!  receiver's numbers      + 0         + 0                   + 3
//! ```
//!
//! One position is remembered per direction (Linux v6.18: `net/netfilter/nf_conntrack_seqadj.c`): whatever starts at or
//! below it moves by the old offset, whatever starts above by the new one.

mod rewrites;

pub use rewrites::{Rewrite, Rewrites};

use super::SequenceAdjustment;
use crate::{
    conntrack::{Connection, Direction, Status},
    ending::DropReason,
    offload::checksum::is_partial,
    packet::Packet,
    wire::{SeqNum, TcpFlags, TcpHeader, checksum::update, tcp_options::TcpOptions},
};

impl SequenceAdjustment {
    /// By how much a number moves that its sender calls `seq`.
    #[must_use]
    pub const fn offset(&self, seq: SeqNum) -> i32 {
        if seq.after(self.correction) { self.after } else { self.before }
    }

    /// What the receiver calls the sender's `seq`.
    #[must_use]
    pub const fn moved(&self, seq: SeqNum) -> SeqNum {
        seq.offset(self.offset(seq))
    }

    /// What the sender calls the receiver's `ack`.
    #[must_use]
    pub const fn moved_back(&self, ack: SeqNum) -> SeqNum {
        ack.offset(self.offset(ack.offset(self.before.wrapping_neg())).wrapping_neg())
    }

    /// Books that the segment at `seq` has grown by `bytes`, unless one further on is booked already: a retransmission
    /// is rewritten again but counts once.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_seqadj.c`, `nf_ct_seqadj_set()`.
    pub const fn book(&mut self, seq: SeqNum, bytes: i32) {
        if self.before == self.after || self.correction.before(seq) {
            *self = Self { correction: seq, before: self.after, after: self.after.wrapping_add(bytes) };
        }
    }
}

/// What rewriting has changed of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// How its sequence numbers have moved, original and reply.
    pub adjustments: [SequenceAdjustment; 2],
    /// What was written into its payload, original and reply; Linux remembers none of it.
    pub rewrites: [Rewrites; 2],
}

/// How the numbers of one direction move: exactly, as long as the texts are remembered that have moved them.
#[derive(Clone, Copy, Debug)]
pub struct Moves<'a> {
    rewrites: &'a Rewrites,
    adjustment: &'a SequenceAdjustment,
}

impl<'a> Moves<'a> {
    /// Those of a direction.
    #[must_use]
    pub const fn of(moved: &'a Moved, direction: Direction) -> Self {
        let index = direction.index();
        Self { rewrites: &moved.rewrites[index], adjustment: &moved.adjustments[index] }
    }

    /// What the receiver calls the sender's `seq`.
    #[must_use]
    pub fn moved(&self, seq: SeqNum) -> SeqNum {
        self.rewrites.moved(seq).unwrap_or_else(|| self.adjustment.moved(seq))
    }

    /// What the sender calls the receiver's `ack`.
    #[must_use]
    pub fn moved_back(&self, ack: SeqNum) -> SeqNum {
        self.rewrites.moved_back(ack).unwrap_or_else(|| self.adjustment.moved_back(ack))
    }
}

/// Books that the payload of a connection's segment has grown by `bytes` (which may be negative).
pub fn book(connection: &mut Connection, direction: Direction, seq: SeqNum, bytes: i32) {
    if bytes != 0 {
        connection.status.insert(Status::SEQ_ADJUST);
        connection.moved_mut().adjustments[direction.index()].book(seq, bytes);
    }
}

/// Whether numbers or payloads of a connection may have moved.
#[must_use]
pub fn moves(connection: &Connection) -> bool {
    connection.extension.as_deref().is_some_and(|extension| extension.moved.is_some())
}

/// Moves a segment's sequence number, acknowledgement and SACK blocks; does nothing to what is no TCP.
///
/// Why ICMP errors are left alone: Linux reads those of the original direction as if they were TCP, which damages them
/// (6.18 makes an MTU of 1400 in such an error 1403 when the flow has grown by 3).
///
/// # Errors
/// [`DropReason::NatUntranslatable`] when an option ends too early, so that SACK blocks may be hidden.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_seqadj.c`, `nf_ct_seq_adjust()`.
pub fn adjust(connection: &Connection, direction: Direction, packet: &mut Packet) -> Result<(), DropReason> {
    let Some(moved) = connection.extension.as_deref().and_then(|extension| extension.moved.as_deref()) else {
        return Ok(());
    };
    let partial = is_partial(packet);
    let this_way = Moves::of(moved, direction);
    let other_way = Moves::of(moved, direction.opposite());
    let Some(tcp) = packet.tcp_mut() else { return Ok(()) };
    let mut checksum = tcp.checksum;
    let seq = this_way.moved(tcp.seq());
    checksum = changed(checksum, partial, tcp.seq(), seq);
    tcp.seq.set(seq.0);
    if !tcp.flags.contains(TcpFlags::ACK) {
        tcp.checksum = checksum;
        return Ok(());
    }
    let ack = other_way.moved_back(tcp.ack());
    checksum = changed(checksum, partial, tcp.ack(), ack);
    tcp.ack.set(ack.0);
    let header_len = tcp.header_len();
    let options = packet.transport_bytes_mut().get_mut(TcpHeader::LEN..header_len).unwrap_or_default();
    let whole = for_each_sack_edge(options, |at| {
        let edge = SeqNum(u32::from_be_bytes(*at));
        let moved = other_way.moved_back(edge);
        *at = moved.0.to_be_bytes();
        checksum = changed(checksum, partial, edge, moved);
    });
    if let Some(tcp) = packet.tcp_mut() {
        tcp.checksum = checksum;
    }
    whole.ok_or(DropReason::NatUntranslatable)
}

/// The checksum after a sequence number has changed; one that the device will fill is not there yet.
fn changed(checksum: [u8; 2], partial: bool, before: SeqNum, after: SeqNum) -> [u8; 2] {
    if partial { checksum } else { update(checksum, before.0.to_be_bytes(), after.0.to_be_bytes()) }
}

/// Calls `each` for both edges of all SACK blocks; `None` when an option ends too early.
fn for_each_sack_edge(mut options: &mut [u8], mut each: impl FnMut(&mut [u8; 4])) -> Option<()> {
    loop {
        let (len, kind) = match *options {
            [] | [TcpOptions::END, ..] => return Some(()),
            [TcpOptions::NOP, ..] => (1, TcpOptions::NOP),
            [kind, len, ..] if len >= 2 => (usize::from(len), kind),
            [_, ..] => return None,
        };
        let (option, rest) = options.split_at_mut_checked(len)?;
        if kind == TcpOptions::SACK && len > 2 && (len - 2) % SACK_BLOCK_LEN == 0 {
            let (edges, _) = option[2..].as_chunks_mut::<4>();
            edges.iter_mut().for_each(&mut each);
        }
        options = rest;
    }
}

/// Two sequence numbers (RFC 2018, section 3).
const SACK_BLOCK_LEN: usize = 8;

#[cfg(test)]
mod tests;
