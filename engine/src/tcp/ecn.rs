//! Explicit congestion notification (RFC 3168): who may be marked, what a mark sets off, and how it is told of.
//!
//! ```text
//!   SYN ECE CWR ──►            both have said that they know it
//!   ◄── SYN ACK ECE
//!   data ECT(0) ──► router: CE ──► the other end
//!   ◄── ACK ECE, until CWR comes   the window is reduced, once a round trip
//!   data CWR ──►
//! ```
//!
//! Only data that are sent for the first time may be marked: not segments without payload, and nothing that is sent again
//! (section 6.1.5), so that nobody can mark what is not of the connection.
//!
//! Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_ecn_create_request()`, `tcp_data_ecn_check()`; `net/ipv4/tcp_output.c`,
//! `tcp_ecn_send()`.

use super::{connection::Connection, segment::Segment, work::Work};
use crate::{sysctl::Sysctls, wire::TcpFlags};

/// The two bits of an IP header that say whether a packet may be marked, and was (RFC 3168, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Codepoint(u8);

impl Codepoint {
    /// May not be marked.
    pub(super) const NOT_ECT: Self = Self(0);
    /// May be marked; the one that Linux sends.
    pub(super) const ECT_0: Self = Self(2);
    /// Was marked: the network is congested.
    const CE: Self = Self(3);
    const BITS: u8 = 3;

    /// That of a packet with this traffic class.
    pub(super) const fn of(tos: u8) -> Self {
        Self(tos & Self::BITS)
    }

    /// The traffic class with it.
    pub(super) const fn in_class(self, tos: u8) -> u8 {
        tos & !Self::BITS | self.0
    }
}

/// A SYN says with both that its sender knows marks (section 6.1.1).
const ASKS: TcpFlags = TcpFlags::ECE.union(TcpFlags::CWR);

/// Whether a SYN's offer is taken. One that may be marked itself is not one of RFC 3168's.
pub(super) fn takes_offer(sysctls: &Sysctls, segment: &Segment) -> bool {
    sysctls.tcp_ecn != 0 && segment.has(ASKS) && segment.codepoint == Codepoint::NOT_ECT
}

impl Connection {
    /// What the flags of this end's SYN say of it. A SYN that is sent again asks for nothing: there are hosts that drop those
    /// that do (section 6.1.1.1).
    pub(super) fn syn_marks(&self, work: &Work<'_>, is_answer: bool) -> TcpFlags {
        let is_first = self.sender.flight.is_empty() || work.sysctls.tcp_ecn_fallback == 0;
        match (self.agreed.ecn, is_answer) {
            (true, true) => TcpFlags::ECE,
            (true, false) if is_first => ASKS,
            (true | false, _) => TcpFlags::default(),
        }
    }

    /// What the SYN of the other end, or its answer, says to this end's offer.
    pub(super) fn take_marks_offer(&mut self, segment: &Segment) {
        let expected = if segment.has(TcpFlags::ACK) { TcpFlags::ECE } else { ASKS };
        let is_taken = segment.flags.intersection(ASKS) == expected;
        self.agreed.ecn = self.agreed.ecn && is_taken;
    }

    /// Whether data that are sent now may be marked, and what their flags say: that the window was reduced.
    pub(super) fn mark_data(&mut self, len: u32, is_new: bool) -> (Codepoint, TcpFlags) {
        if !self.agreed.ecn || len == 0 || !is_new {
            return (Codepoint::NOT_ECT, TcpFlags::default());
        }
        let reduced = core::mem::take(&mut self.trouble.reduces_marked);
        (Codepoint::ECT_0, if reduced { TcpFlags::CWR } else { TcpFlags::default() })
    }

    /// The other end has reduced its window: marks need no longer be told of. It may have room for one segment only, and is
    /// answered at once.
    pub(super) fn take_reduced(&mut self, segment: &Segment) {
        if self.agreed.ecn && segment.has(TcpFlags::CWR) {
            self.receiver.echoes_mark = false;
            self.receiver.acks.is_urgent = true;
        }
    }

    /// Counts what the network has told by marks, whatever was agreed on (Linux v6.18: `tcp_ecn_received_counters()`).
    pub(super) fn count_marks(&mut self, segment: &Segment) {
        let Codepoint(codepoint @ 1..) = segment.codepoint else { return };
        self.receiver.has_seen_ect |= !self.agreed.ecn;
        if segment.codepoint == Codepoint::CE {
            self.counters.received_marked = self.counters.received_marked.wrapping_add(segment.count);
        }
        let bytes = &mut self.counters.received_codepoints[usize::from(codepoint - 1)];
        *bytes = bytes.wrapping_add(segment.len);
    }

    /// Data have come, marked or not.
    pub(super) fn note_codepoint(&mut self, segment: &Segment) {
        if !self.agreed.ecn {
            return;
        }
        match segment.codepoint {
            // Data that must not be marked, after others that might, were sent again: their sender waits.
            Codepoint::NOT_ECT => {
                if self.receiver.has_seen_ect {
                    self.enter_quick_acks(QUICK);
                }
                return;
            }
            Codepoint::CE if !self.receiver.echoes_mark => {
                self.enter_quick_acks(QUICK);
                self.receiver.echoes_mark = true;
            }
            _ => {}
        }
        self.receiver.has_seen_ect = true;
    }
}

/// Acknowledgements that are given at once when something is to be told.
const QUICK: u32 = 2;
