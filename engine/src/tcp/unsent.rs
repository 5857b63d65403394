//! What was written and not sent yet, in the pieces in which it was written: how far one reaches decides where segments end
//! and which of them has PSH.
//!
//! A piece is what Linux keeps in one buffer (`struct sk_buff`): a write goes on in the last one as long as that has room, and
//! no segment reaches beyond its end, unless it would be smaller than the congestion window lets. PSH is set when a write
//! ends, or when more than half of the other end's window was written since it was set last.
//!
//! Linux v6.18: `net/ipv4/tcp.c`, `tcp_sendmsg_locked()`, `tcp_push()`; `net/ipv4/tcp_output.c`, `tcp_grow_skb()`.

use super::{
    connection::Connection,
    memory::Use,
    output::{Hold, Rush},
    states::State,
    work::Work,
};
use crate::{
    socket::{Readiness, SendFlags, SocketError},
    wire::SeqNum,
};

/// Bytes that were written and not sent, up to where the next ones begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsent {
    /// Behind its last byte.
    pub(super) end: SeqNum,
    /// Its last segment has PSH.
    pub(super) is_pushed: bool,
    /// No segment goes beyond it (`MSG_EOR`).
    pub(super) ends_record: bool,
}

impl Connection {
    /// Takes bytes to send; tells how many.
    pub(crate) fn write(&mut self, work: &mut Work<'_>, bytes: &[u8], flags: SendFlags) -> Result<usize, SocketError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.is_send_shut {
            return Err(SocketError::BrokenPipe);
        }
        match self.state {
            State::Established | State::CloseWait => {}
            State::SynReceived if self.is_in_handshake() => {}
            State::SynSent | State::SynReceived => {
                self.sender.has_writer = flags.waits;
                return Err(SocketError::WouldBlock);
            }
            State::Closed
            | State::Listen
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait => return Err(SocketError::BrokenPipe),
        }
        self.restart_after_idle(work);
        self.settle_path_mtu();
        self.note_gap();
        let written = self.fill_pieces(work, bytes, flags.urgent);
        if flags.urgent && written > 0 {
            self.mark_urgent();
        }
        if written < bytes.len() {
            self.sender.wants_room = true;
            if written > 0 {
                self.push_written(work, Hold::Nothing);
            }
            return if written > 0 { Ok(written) } else { Err(SocketError::WouldBlock) };
        }
        if let Some(last) = self.sender.unsent.back_mut().filter(|_| flags.end_of_record && written > 0) {
            last.ends_record = true;
        }
        if written > 0 {
            self.push_written(work, if flags.more { Hold::Small } else { Hold::AsSet });
        }
        Ok(written)
    }

    /// Puts bytes behind the others as long as there is room, and lets go what is worth it meanwhile, unless all of them are urgent.
    fn fill_pieces(&mut self, work: &mut Work<'_>, bytes: &[u8], is_urgent: bool) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            let most = self.piece_bytes();
            let left = match self.sender.unsent.back() {
                Some(last) if !last.ends_record => most.saturating_sub(last.end - self.start_of_last()),
                Some(_) | None => 0,
            };
            if left == 0 && !self.has_memory() {
                break;
            }
            let room = if left > 0 { left } else { most };
            let wanted = room.min(u32::try_from(bytes.len() - written).unwrap_or(u32::MAX));
            let taken = self.granted(work, wanted, left == 0);
            if taken == 0 {
                break;
            }
            if left == 0 {
                let end = self.sender.end;
                self.sender.unsent.push_back(Unsent { end, is_pushed: false, ends_record: false });
                self.chronicle_data(work.now);
            }
            let sent = (self.sender.next - self.sender.una) as usize;
            self.sender.queue.append(&bytes[written..written + taken as usize], sent, most as usize, work.pool);
            work.pool.count_copy(taken as usize);
            self.sender.end += taken;
            if let Some(last) = self.sender.unsent.back_mut() {
                last.end = self.sender.end;
                last.is_pushed &= written > 0;
            }
            written += taken as usize;
            if taken == room && written < bytes.len() && !is_urgent {
                self.push_full(work);
            }
        }
        written
    }

    /// How many of so many bytes, of a new piece or of the last one, all sockets together have memory for. Beyond it, all of them if
    /// they fill the buffer, which is made small first: then the writer waits for his peer. Else what the least buffer has room for
    /// (Linux v6.18: `__sk_mem_raise_allocated()`, `tcp_wmem_schedule()`).
    fn granted(&mut self, work: &mut Work<'_>, wanted: u32, is_new: bool) -> u32 {
        if self.may_hold(work, wanted as usize + PIECE_OVERHEAD_BYTES, Use::Send) {
            return wanted;
        }
        self.moderate_send_buffer();
        let overhead = if is_new { PIECE_OVERHEAD_BYTES } else { 0 };
        if self.send_memory() + overhead + wanted as usize >= self.settings.send_buffer.0 as usize {
            return wanted;
        }
        let least = work.sysctls.tcp_wmem[0] as usize;
        wanted.min(least.saturating_sub(self.send_memory()) as u32)
    }

    /// The last piece is full, and more follows.
    fn push_full(&mut self, work: &mut Work<'_>) {
        if self.is_push_due() {
            self.mark_push();
            self.push_with(work, Hold::Nothing);
        } else if self.sender.unsent.len() == 1 {
            self.send_some(work, Rush::One);
        }
    }

    /// A write has ended.
    fn push_written(&mut self, work: &mut Work<'_>, hold: Hold) {
        if hold != Hold::Small || self.is_push_due() {
            self.mark_push();
        }
        self.push_with(work, hold);
    }

    /// More than half of what the other end has ever taken was written since PSH was set.
    fn is_push_due(&self) -> bool {
        self.sender.end.after(self.sender.pushed + self.sender.window_max / 2)
    }

    fn mark_push(&mut self) {
        if let Some(last) = self.sender.unsent.back_mut() {
            last.is_pushed = true;
            self.sender.pushed = self.sender.end;
        }
    }

    /// Where the last piece begins, or what of it is not sent.
    fn start_of_last(&self) -> SeqNum {
        let pieces = &self.sender.unsent;
        let before = pieces.len().checked_sub(2).and_then(|at| pieces.get(at));
        before.map_or(self.sender.next, |piece| piece.end)
    }

    /// Bytes of a piece at most: what a super-packet takes, in full segments, and no more than half of the other end's window,
    /// so that it has to wait for no acknowledgement.
    fn piece_bytes(&self) -> u32 {
        let mss = self.payload_now();
        let most = self.sender.window_max;
        let half = if most > MSS_DEFAULT { most / 2 } else { most };
        let bytes = if half > 0 { super::output::SUPER_BYTES_MAX.min(half) } else { super::output::SUPER_BYTES_MAX };
        (bytes / mss).max(1) * mss
    }

    /// The memory that is charged for what was written and not acknowledged.
    pub(crate) fn send_memory(&self) -> usize {
        let pieces = self.sender.flight.len() + self.sender.unsent.len();
        self.sender.queue.len() + pieces * PIECE_OVERHEAD_BYTES
    }

    /// The memory that it takes: blocks are kept whole while a byte of theirs is.
    pub(super) fn send_memory_held(&self) -> usize {
        let pieces = self.sender.flight.len() + self.sender.unsent.len();
        self.sender.queue.memory() + pieces * PIECE_OVERHEAD_BYTES
    }

    /// Whether a write may begin another piece (Linux v6.18: `sk_stream_memory_free()`).
    fn has_memory(&self) -> bool {
        let low = self.settings.not_sent_low.unwrap_or(u32::MAX);
        self.send_memory() < self.settings.send_buffer.0 as usize && self.unsent() < low
    }

    /// Whether a write would find room: a third of the buffer, and not too much unsent (Linux v6.18:
    /// `sk_stream_is_writeable()`).
    pub(super) fn has_room(&self) -> bool {
        let (charged, buffer) = (self.send_memory(), self.settings.send_buffer.0 as usize);
        let low = u64::from(self.settings.not_sent_low.unwrap_or(u32::MAX));
        buffer.saturating_sub(charged) >= charged / 2 && 2 * u64::from(self.unsent()) < low.max(1)
    }

    /// Who has found no room may find some now (Linux v6.18: `tcp_check_space()`).
    pub(super) fn check_room(&mut self, work: &Work<'_>) {
        if !self.sender.wants_room {
            return;
        }
        if self.sender.in_flight.pipe() < self.window.segments {
            self.expand_send_buffer(work);
        }
        if self.has_room() {
            self.sender.wants_room = false;
            self.chronicle_room(work.now);
            self.wake(Readiness::WRITABLE);
        }
    }

    /// The first piece takes bytes of those behind it, up to `bytes` in all, so that a segment need not be smaller than it could
    /// be because two writes meet in it.
    pub(super) fn grow_first_piece(&mut self, bytes: u32) {
        while let (Some(first), Some(second)) = (self.sender.unsent.front(), self.sender.unsent.get(1).copied()) {
            let missing = bytes.saturating_sub(first.end - self.sender.next);
            if missing == 0 || first.ends_record {
                return;
            }
            let moved = missing.min(second.end - first.end);
            let is_whole = moved == second.end - first.end;
            if is_whole {
                self.sender.unsent.remove(1);
            }
            if let Some(first) = self.sender.unsent.front_mut() {
                first.end += moved;
                if is_whole {
                    first.is_pushed |= second.is_pushed;
                    first.ends_record = second.ends_record;
                }
            }
        }
    }

    /// Bytes were sent up to `end`; gives whether PSH is due with them.
    pub(super) fn take_unsent(&mut self, end: SeqNum) -> bool {
        match self.sender.unsent.front().copied() {
            Some(first) if !first.end.after(end) => {
                self.sender.unsent.pop_front();
                first.is_pushed
            }
            Some(_) | None => false,
        }
    }
}

/// Below it the other end's window is not cut in halves (Linux: `TCP_MSS_DEFAULT`).
const MSS_DEFAULT: u32 = 536;
/// What a piece is charged beside its bytes (Linux: an `sk_buff` with the smallest head).
const PIECE_OVERHEAD_BYTES: usize = 896;
