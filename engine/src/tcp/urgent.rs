//! Urgent data: a pointer into the stream, and the one byte before it that is read out of turn (RFC 9293, section 3.8.5; RFC 6093).
//!
//! ```text
//!   sent:    ……………………│u│           what was written last as urgent ends here: each segment before it has URG and says how far that is
//!   come:    ……………………│u│………        the byte before the pointer; one after it with `tcp_stdurg`
//!   read:    ───────►│ │───►       reading stops before it, and goes on behind it, unless it is to be read in its turn (`SO_OOBINLINE`)
//! ```
//!
//! RFC 6093 says why nothing new should be made of this: ends do not agree on where the pointer leads, and what checks streams on their
//! way may not see what is read.
//!
//! Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_urg()`, `tcp_check_urg()`; `net/ipv4/tcp.c`, `tcp_recv_urg()`, `tcp_recvmsg_locked()`,
//! `tcp_inq()`; `net/ipv4/tcp_output.c`, `__tcp_transmit_skb()`, `tcp_write_wakeup()`.

use super::{connection::Connection, segment::Segment, states::State, work::Work};
use crate::{
    packet::{Packet, Pool},
    socket::{Readiness, SocketError},
    wire::{SeqNum, TcpFlags},
};

/// The byte that the other end has called urgent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    at: SeqNum,
    byte: Byte,
}

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Byte {
    /// It was told of, and has not come.
    Awaited,
    Come(u8),
    /// It was read out of turn.
    Read,
}

impl Connection {
    /// What a segment says of urgent data, and has of them.
    pub(super) fn take_urgent(&mut self, work: &mut Work<'_>, segment: &Segment, packet: &Packet) {
        if let Some(pointer) = segment.urgent {
            let is_behind = work.sysctls.tcp_stdurg == 0 && pointer > 0;
            self.note_mark(segment.seq + u32::from(pointer) - u32::from(is_behind), work.pool);
        }
        let Some(Mark { at, byte: Byte::Awaited }) = self.receiver.urgent else { return };
        let from = at - segment.seq - u32::from(segment.has(TcpFlags::SYN));
        if from >= segment.len {
            return;
        }
        let mut byte = [0];
        packet.copy_payload(from as usize, &mut byte);
        self.receiver.urgent = Some(Mark { at, byte: Byte::Come(byte[0]) });
        if !self.is_orphan {
            self.wake(Readiness::READABLE | Readiness::URGENT);
        }
    }

    fn note_mark(&mut self, at: SeqNum, pool: &mut Pool) {
        let is_read = self.read_to().after(at);
        let is_known = self.receiver.urgent.is_some_and(|known| !at.after(known.at));
        if is_read || at.before(self.receiver.next) || is_known {
            return;
        }
        // An older byte that would be passed by next is not read as data now.
        if self.mark_ahead(0) == Some(0) && !self.settings.urgent_inline {
            self.receiver.queue.read(&mut [0], pool);
        }
        self.receiver.urgent = Some(Mark { at, byte: Byte::Awaited });
    }

    /// The next byte of the stream that is read.
    fn read_to(&self) -> SeqNum {
        self.receiver.next - self.receiver.queue.len() as u32 - u32::from(self.is_at_end)
    }

    /// How many bytes are before the urgent one, of those behind the next `passed` ones; `None` when it is not ahead.
    fn mark_ahead(&self, passed: usize) -> Option<usize> {
        let from = self.read_to() + passed as u32;
        let mark = self.receiver.urgent?;
        (!mark.at.before(from)).then(|| (mark.at - from) as usize)
    }

    /// Reads bytes of the stream, up to the urgent one; from that one on it goes on behind it. With `keep` they stay unread.
    pub(super) fn read_to_mark(&mut self, to: &mut [u8], keep: bool, pool: &mut Pool) -> usize {
        let (mut copied, mut passed) = (0, 0);
        while copied < to.len() {
            let mut most = to.len() - copied;
            match self.mark_ahead(passed) {
                Some(0) if copied > 0 => break,
                Some(0) if !self.settings.urgent_inline => {
                    passed += self.read_part(&mut [0], passed, keep, pool);
                    if self.mark_ahead(passed) == Some(0) {
                        break;
                    }
                    continue;
                }
                Some(0) | None => {}
                Some(ahead) => most = most.min(ahead),
            }
            let read = self.read_part(&mut to[copied..copied + most], passed, keep, pool);
            if read == 0 {
                break;
            }
            copied += read;
            passed += if keep { read } else { 0 };
        }
        copied
    }

    /// Reads bytes, or with `keep` those behind the next `passed` ones; what is behind the urgent byte is no more than data. Tells how
    /// many.
    fn read_part(&mut self, to: &mut [u8], passed: usize, keep: bool, pool: &mut Pool) -> usize {
        if keep {
            return self.receiver.queue.peek(to, passed);
        }
        let read = self.receiver.queue.read(to, pool);
        if read > 0 && self.mark_ahead(0).is_none() {
            self.receiver.urgent = None;
        }
        read
    }

    /// Reads the urgent byte; `None` when nothing more will come. With `keep` it stays unread.
    pub(crate) fn read_urgent(&mut self, keep: bool) -> Result<Option<u8>, SocketError> {
        let Some(mark) = self.receiver.urgent.filter(|mark| mark.byte != Byte::Read && !self.settings.urgent_inline)
        else {
            return Err(SocketError::Invalid);
        };
        let is_done = self.state == State::Closed;
        match mark.byte {
            _ if is_done && !self.is_at_end => Err(SocketError::NotConnected),
            Byte::Come(byte) => {
                if !keep {
                    self.receiver.urgent = Some(Mark { byte: Byte::Read, ..mark });
                }
                Ok(Some(byte))
            }
            Byte::Awaited | Byte::Read if is_done || self.is_at_end || self.is_receive_shut => Ok(None),
            Byte::Awaited | Byte::Read => Err(SocketError::WouldBlock),
        }
    }

    /// Whether the urgent byte is the next one of the stream (`SIOCATMARK`).
    pub(crate) fn is_at_mark(&self) -> bool {
        self.mark_ahead(0) == Some(0)
    }

    /// Whether the urgent byte has come, and was neither read nor passed by (`POLLPRI`).
    pub(super) fn has_urgent(&self) -> bool {
        matches!(self.receiver.urgent, Some(Mark { byte: Byte::Come(_), .. }))
    }

    /// Bytes that can be read in their turn, before or behind an urgent one.
    pub(super) fn come_in_turn(&self) -> u32 {
        let passed_by = self.is_at_mark() && !self.settings.urgent_inline;
        self.receiver.queue.len().saturating_sub(passed_by.into()) as u32
    }

    /// Bytes that have come and are not read, up to the urgent one (`SIOCINQ`).
    pub(crate) fn readable(&self) -> usize {
        let unread = self.unread();
        self.mark_ahead(0).filter(|ahead| *ahead < unread && !self.settings.urgent_inline).unwrap_or(unread)
    }

    /// Whether something is urgent that the other end has not acknowledged.
    pub(super) const fn is_urgent(&self) -> bool {
        self.sender.urgent_end.is_some()
    }

    /// What was written up to here is urgent.
    pub(super) const fn mark_urgent(&mut self) {
        self.sender.urgent_end = Some(self.sender.end);
    }

    /// Forgets what was urgent, once it is acknowledged.
    pub(super) fn forget_urgent(&mut self) {
        self.sender.urgent_end = self.sender.urgent_end.filter(|end| end.after(self.sender.una));
    }

    /// The urgent pointer of a segment; `None` of one behind all that is urgent. It has 16 bits: further away it is as far as it goes.
    pub(super) fn urgent_pointer(&self, seq: SeqNum) -> Option<u16> {
        let end = self.sender.urgent_end.filter(|end| seq.before(*end))?;
        let is_furthest = (seq + u16::MAX.into()).after(self.sender.next);
        u16::try_from(end - seq).ok().or(is_furthest.then_some(u16::MAX))
    }

    /// Tells of urgent data behind a window that is closed, in a segment of its own.
    pub(super) fn tell_urgent(&mut self, work: &mut Work<'_>) {
        let una = self.sender.una;
        if self.sender.urgent_end.is_some_and(|end| end - una <= u16::MAX.into()) {
            self.send_bare(work, una, TcpFlags::ACK);
        }
    }
}
