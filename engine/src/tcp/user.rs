//! What a connection's user does with it: writes, reads, sets options.

use super::{congestion, connection::Connection, states::State, work::Work};
use crate::{
    packet::Pool,
    socket::{Readiness, SocketError, SocketOption},
    wire::SeqNum,
};

impl Connection {
    /// Reads bytes; tells how many.
    pub(crate) fn read(&mut self, work: &mut Work<'_>, to: &mut [u8], keep: bool) -> Result<usize, SocketError> {
        let copied = self.read_to_mark(to, keep, work.pool);
        if copied > 0 {
            if !keep {
                self.tune_buffer(work);
                self.acknowledge_read(work, copied);
            }
            return Ok(copied);
        }
        if to.is_empty() {
            return Ok(0);
        }
        if self.is_at_end || (self.is_receive_shut && self.error.is_none()) {
            return Ok(0);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.state {
            State::Closed => Err(SocketError::NotConnected),
            State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => Err(SocketError::WouldBlock),
        }
    }

    /// Nothing more is read.
    pub(crate) fn shut_reading(&mut self) {
        self.is_receive_shut = true;
        self.wake(Readiness::READABLE | Readiness::PEER_CLOSED);
        if self.is_send_shut {
            self.wake(Readiness::HUNG_UP);
        }
    }

    /// Sets an option, and does at once what it asks for.
    pub(crate) fn set_option(&mut self, work: &mut Work<'_>, option: &SocketOption) -> Result<(), SocketError> {
        if option.is_of_beginning() {
            return Err(SocketError::Invalid);
        }
        let was_corked = self.settings.cork;
        self.settings.set(option, work.sysctls)?;
        match option {
            SocketOption::NoDelay(true) => {
                // What waits goes out, even from under a cork, which stays (Linux v6.18: `__tcp_sock_set_nodelay()`).
                self.settings.cork = false;
                self.push(work);
                self.settings.cork = was_corked;
            }
            SocketOption::Cork(false) if was_corked => self.push(work),
            SocketOption::QuickAck(on) => {
                self.receiver.acks.answers = if *on { 0 } else { u8::MAX };
                if *on && self.receiver.acks.is_due {
                    self.send_ack(work);
                }
            }
            SocketOption::MaxSegment(_) if self.state.is_synchronised() => self.settle_mss(),
            SocketOption::Keepalive(_) | SocketOption::KeepaliveIdle(_) => self.arm_keepalive(work),
            // To ask for what it has is no change (Linux v6.18: `tcp_set_congestion_control()`).
            SocketOption::Congestion(name) if *name != self.congestion.name() => {
                if let Some(algorithm) = congestion::by_name(name) {
                    self.congestion = algorithm;
                    if self.state.is_synchronised() {
                        self.begin_control(work);
                    }
                }
            }
            SocketOption::MaxPacingRate(rate) => self.limit_pacing(*rate),
            SocketOption::NotSentLow(_) | SocketOption::SendBuffer(_) if self.has_room() => {
                self.wake(Readiness::WRITABLE);
            }
            SocketOption::ReceiveLow(_) => self.settle_receive_low(work),
            SocketOption::WindowClamp(bytes) if *bytes > 0 => self.clamp_window(*bytes),
            SocketOption::ReuseAddress(_)
            | SocketOption::ReusePort(_)
            | SocketOption::OnlyV6(_)
            | SocketOption::Linger(_)
            | SocketOption::ReceiveBuffer(_)
            | SocketOption::SendBuffer(_)
            | SocketOption::UrgentInline(_)
            | SocketOption::ReceiveErrors(_)
            | SocketOption::Broadcast(_)
            | SocketOption::Mark(_)
            | SocketOption::Tos(_)
            | SocketOption::Hops(_)
            | SocketOption::Congestion(_)
            | SocketOption::NoDelay(_)
            | SocketOption::Cork(_)
            | SocketOption::MaxSegment(_)
            | SocketOption::KeepaliveInterval(_)
            | SocketOption::KeepaliveProbes(_)
            | SocketOption::SynRetries(_)
            | SocketOption::DeferAccept(_)
            | SocketOption::UserTimeout(_)
            | SocketOption::TimeoutMax(_)
            | SocketOption::Linger2(_)
            | SocketOption::NotSentLow(_)
            | SocketOption::WindowClamp(_)
            | SocketOption::FastOpen(_)
            | SocketOption::FastOpenConnect(_)
            | SocketOption::FastOpenNoCookie(_)
            | SocketOption::FastOpenKeys(_) => {}
        }
        Ok(())
    }

    /// Bytes that have come and are not read.
    pub(crate) const fn unread(&self) -> usize {
        self.receiver.queue.len()
    }

    /// Bytes that were written and are not acknowledged.
    pub(crate) const fn unacknowledged(&self) -> usize {
        self.sender.queue.len()
    }

    /// Sequence numbers that have come and were not read, and that were written and are not acknowledged: FIN and SYN count (Linux
    /// v6.18: `net/ipv4/tcp_diag.c`, `tcp_diag_get_info()`).
    pub(crate) fn queues(&self) -> (u32, u32) {
        (self.unread() as u32 + u32::from(self.is_at_end), self.sender.end - self.sender.una)
    }

    /// Payload of a segment now.
    pub(crate) const fn segment_bytes(&self) -> u32 {
        self.sender.mss_bytes
    }

    /// Whether a sequence number is one of what was sent and is not acknowledged.
    pub(crate) fn has_in_flight(&self, seq: SeqNum) -> bool {
        let is_of_answer = seq == self.sender.initial && self.is_in_handshake();
        is_of_answer || (!seq.before(self.sender.una) && !seq.after(self.sender.next))
    }

    /// Ends at once, and says so.
    pub(crate) fn abort(&mut self, work: &mut Work<'_>) {
        self.is_orphan = true;
        if (self.state.is_synchronised() || self.state == State::SynReceived) && self.state != State::TimeWait {
            self.send_reset(work);
        }
        self.finish(work.pool);
    }

    /// Gives it up, so that its socket can be used again; the other end is told if it knows of it (Linux v6.18: `net/ipv4/tcp.c`,
    /// `tcp_disconnect()`).
    pub(crate) fn disconnect(&mut self, work: &mut Work<'_>) {
        let is_known = match self.state {
            State::Established | State::CloseWait | State::FinWait1 | State::FinWait2 | State::SynReceived => true,
            State::Closing | State::LastAck => self.has_unsent(),
            State::Closed | State::Listen | State::SynSent | State::TimeWait => false,
        };
        if is_known {
            self.send_reset(work);
        }
        if is_known || self.state == State::SynSent {
            self.error = Some(SocketError::ConnectionReset);
        }
        self.finish(work.pool);
    }

    /// Whether both ends have timestamps.
    pub(crate) const fn has_timestamps(&self) -> bool {
        self.agreed.timestamps
    }

    /// The first sequence number of the next connection of its socket: behind all that the other end may have let it send.
    pub(crate) fn next_initial(&self) -> SeqNum {
        self.sender.end + self.sender.window_max + 2
    }

    /// Has ended well: what has come can still be read.
    pub(crate) fn end(&mut self, pool: &mut Pool) {
        self.finish(pool);
    }
}
