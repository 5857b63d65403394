//! What a segment does to a connection that both ends know of (RFC 9293, section 3.10.7.4).
//!
//! ```text
//!  timestamp ─► sequence number ─► RST ─► SYN ─► ACK ─► state ─► data, FIN ─► acknowledge, send on
//! ```
//!
//! Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_validate_incoming()`, `tcp_rcv_state_process()`, `tcp_data_queue()`.

use core::time::Duration;

use super::{
    ack::Taken,
    connection::Connection,
    reassembly::{Put, Reassembly},
    segment::Segment,
    states::{Action, State, Step, next},
    time_wait,
    work::Work,
};
use crate::{
    ending::{DropReason, Dropped},
    packet::Packet,
    socket::{Readiness, SocketError},
    wire::{SeqNum, TcpFlags},
};

impl Connection {
    /// Takes a segment.
    ///
    /// # Errors
    /// With the reason why nothing came of it; answers that it gets are in the outbox.
    pub(crate) fn receive(&mut self, work: &mut Work<'_>, segment: &Segment, packet: Packet) -> Result<(), Dropped> {
        self.counters.segments_received += segment.count;
        if segment.len > 0 {
            self.counters.data_segments_received += segment.count;
        }
        match self.state {
            State::SynSent => self.receive_in_syn_sent(work, segment, packet),
            State::Closed | State::Listen => Err(packet.drop_for(DropReason::NoSocket)),
            State::SynReceived | State::FinWait1 if self.is_in_handshake() => {
                self.receive_in_handshake(work, segment, packet)
            }
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {
                let packet = self.validate(work, segment, packet)?;
                self.receive_valid(work, segment, packet)
            }
        }
    }

    /// Whether a segment may be one of the connection's; challenges and resets are dealt with here.
    pub(super) fn validate(
        &mut self,
        work: &mut Work<'_>,
        segment: &Segment,
        packet: Packet,
    ) -> Result<Packet, Dropped> {
        let is_reset = segment.has(TcpFlags::RST);
        if !is_reset && self.is_from_the_past(work, segment) {
            self.counters.paws_rejected += 1;
            self.answer_invalid(work, segment);
            return Err(packet.drop_for(DropReason::TcpTimestampOld));
        }
        if !self.is_in_window(segment) {
            if is_reset {
                if self.is_exact_reset(segment) {
                    return Ok(packet);
                }
            } else if segment.has(TcpFlags::SYN) {
                self.challenge(work);
            } else {
                self.answer_invalid(work, segment);
            }
            return Err(packet.drop_for(DropReason::TcpOutsideWindow));
        }
        if is_reset && !self.is_exact_reset(segment) {
            // RFC 5961, section 3.2: a reset that is only near has to be repeated exactly.
            self.challenge(work);
            return Err(packet.drop_for(DropReason::TcpOutsideWindow));
        }
        if segment.has(TcpFlags::SYN) && !is_reset && !self.is_crossing_syn(segment) {
            self.challenge(work);
            return Err(packet.drop_for(DropReason::TcpFlagsWrong));
        }
        if !segment.flags.intersects(TcpFlags::ACK.union(TcpFlags::RST)) {
            return Err(packet.drop_for(DropReason::TcpFlagsWrong));
        }
        Ok(packet)
    }

    /// The answer to this end's SYN that has crossed the other end's (RFC 9293, section 3.5, figure 8).
    fn is_crossing_syn(&self, segment: &Segment) -> bool {
        self.state == State::SynReceived
            && segment.has(TcpFlags::ACK)
            && segment.seq + 1 == self.receiver.next
            && segment.ack == self.sender.next
    }

    /// Whether it acknowledges another SYN than this end's (RFC 9293, section 3.10.7.4, fifth). Linux v6.18 (`tcp_ack()`) takes a SYN
    /// that has crossed the other end's for acknowledged by its own number, too, and has it in flight still when the connection stands.
    fn is_of_another_syn(&self, segment: &Segment) -> bool {
        self.state == State::SynReceived && !segment.ack.after(self.sender.initial)
    }

    /// Protection against wrapped sequence numbers (RFC 7323, section 5).
    fn is_from_the_past(&self, work: &Work<'_>, segment: &Segment) -> bool {
        let Some(timestamps) = segment.timestamps.filter(|_| self.agreed.timestamps) else { return false };
        let is_older = (timestamps.value.wrapping_sub(self.receiver.recent_timestamp) as i32) < 0;
        if !is_older || work.now.since(self.receiver.recent_at) >= TIMESTAMP_STALE {
            return false;
        }
        // An acknowledgement that was overtaken is only late (Linux: `tcp_disordered_ack()`).
        let is_bare = segment.len == 0
            && segment.seq == self.receiver.next
            && segment.ack == self.sender.una
            && !segment.flags.intersects(TcpFlags::SYN.union(TcpFlags::FIN))
            && u32::from(segment.window) << self.agreed.send_scale == self.sender.window;
        let behind = self.receiver.recent_timestamp.wrapping_sub(timestamps.value);
        let timeout = self.timeout().as_millis() as u32;
        !(is_bare && behind <= timeout)
    }

    fn is_in_window(&self, segment: &Segment) -> bool {
        let (end, right) = (segment.end(), self.receiver.next + self.window_left());
        if end.before(self.receiver.told) || segment.seq.after(right) {
            return false;
        }
        // More than was asked for is taken by who has nothing else to read.
        !end.after(right) || self.receiver.queue.is_empty()
    }

    fn is_exact_reset(&self, segment: &Segment) -> bool {
        if segment.seq == self.receiver.next {
            return true;
        }
        // The FIN has been counted, and the other end's socket is gone.
        let closed = matches!(self.state, State::CloseWait | State::LastAck | State::Closing);
        if closed && segment.seq + 1 == self.receiver.next {
            return true;
        }
        self.agreed.sack && self.receiver.received.furthest() == Some(segment.seq)
    }

    /// Answers that the sequence numbers have to be exact, not too often (RFC 5961, section 7).
    pub(super) fn challenge(&mut self, work: &mut Work<'_>) {
        if self.may_answer_invalid(work) && work.challenges.allow(work.now, work.sysctls) {
            self.counters.challenges += 1;
            self.send_ack(work);
        }
    }

    /// Answers a segment that cannot be one of this connection's with where it stands (RFC 9293, section 3.10.7.4, first).
    fn answer_invalid(&mut self, work: &mut Work<'_>, segment: &Segment) {
        let is_data = segment.seq != segment.end();
        if is_data && segment.seq.before(self.receiver.next) {
            let end = segment.end();
            let end = if end.after(self.receiver.next) { self.receiver.next } else { end };
            self.note_duplicate(segment.seq, end, work.sysctls.tcp_dsack != 0);
            return self.send_ack(work);
        }
        if is_data || self.may_answer_invalid(work) {
            self.send_ack(work);
        }
    }

    /// Two ends that disagree must not answer each other for ever.
    pub(super) fn may_answer_invalid(&mut self, work: &Work<'_>) -> bool {
        let limit = Duration::from_millis(work.sysctls.tcp_invalid_ratelimit.into());
        if self.receiver.answered_at.is_some_and(|at| work.now.since(at) < limit) {
            return false;
        }
        self.receiver.answered_at = Some(work.now);
        true
    }

    pub(super) fn receive_valid(
        &mut self,
        work: &mut Work<'_>,
        segment: &Segment,
        packet: Packet,
    ) -> Result<(), Dropped> {
        self.receiver.heard_at = work.now;
        if segment.has(TcpFlags::RST) {
            self.take_step(work, Step::Reset);
            packet.recycle(work.pool);
            return Ok(());
        }
        self.note_lateness(segment);
        self.forgive_resent_syn(segment);
        let taken = if self.is_of_another_syn(segment) { Taken::Impossible } else { self.take_ack(work, segment) };
        if taken == Taken::Impossible {
            if self.state == State::SynReceived {
                return Err(packet.drop_for(DropReason::NoSocket));
            }
            self.challenge(work);
            return Err(packet.drop_for(DropReason::TcpAckImpossible));
        }
        if self.state == State::Established {
            self.count_marks(segment);
        }
        if self.state == State::SynReceived {
            if self.is_in_handshake() {
                self.stand(work, segment);
            } else {
                self.begin_established(work, segment);
            }
            if !self.congestion.is_model() {
                self.update_pacing_rate(work);
            }
            self.take_step(work, Step::AckOfSyn);
            if self.is_send_shut {
                self.take_step(work, Step::Close);
            }
        }
        if self.is_fin_acknowledged() {
            let is_first = self.state == State::FinWait1;
            self.take_step(work, Step::AckOfFin);
            if is_first && self.is_orphan {
                self.leave_orphan(work, segment);
            }
        }
        self.take_urgent(work, segment, &packet);
        let result = match self.state {
            State::Closed | State::TimeWait => {
                packet.recycle(work.pool);
                Ok(())
            }
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::SynReceived
            | State::SynSent
            | State::Listen => self.take_data(work, segment, packet),
        };
        self.push(work);
        self.check_room(work);
        self.acknowledge_data(work);
        result
    }

    /// Whether the segment answers something that was sent before anything was sent again.
    fn note_lateness(&mut self, segment: &Segment) {
        let (Some(timestamps), Some(since)) = (segment.timestamps, self.trouble.resent_at) else {
            self.trouble.is_late = false;
            return;
        };
        let is_older = (timestamps.echo.wrapping_sub(self.clock_at(since)) as i32) < 0;
        self.trouble.is_late = self.agreed.timestamps && timestamps.echo != 0 && is_older;
    }

    /// Takes a step in the state machine and does what it asks for.
    pub(super) fn take_step(&mut self, work: &mut Work<'_>, step: Step) {
        let before = self.state;
        let (state, action) = next(before, step);
        if state == State::TimeWait || (before, step) == (State::LastAck, Step::AckOfFin) {
            self.remember(work);
        }
        self.state = state;
        match action {
            Action::Nothing => self.note_waiting(work, before),
            Action::AnswerSyn => self.emit_syn(work),
            Action::Acknowledge => self.send_ack(work),
            Action::Connect | Action::Open => self.wake(Readiness::WRITABLE),
            Action::SendFin => self.queue_fin(work),
            Action::EndOfStream => self.end_stream(),
            Action::Linger => self.end_stream(),
            Action::Forget => self.finish(work.pool),
            Action::Refuse => self.fail(SocketError::ConnectionRefused, work.pool),
            Action::Abort => {
                let error =
                    if before == State::CloseWait { SocketError::BrokenPipe } else { SocketError::ConnectionReset };
                self.fail(error, work.pool);
            }
            Action::Challenge => self.challenge(work),
        }
    }

    /// An orphan whose FIN is acknowledged does not wait for the other end's for ever.
    fn note_waiting(&mut self, work: &Work<'_>, before: State) {
        if self.state == State::FinWait2 && before != State::FinWait2 {
            self.wake(Readiness::WRITABLE);
            if self.is_orphan {
                self.wait_as_orphan(work);
            }
        }
    }

    /// How long FIN_WAIT2 lasts when nobody holds the connection.
    pub(super) fn wait_as_orphan(&mut self, work: &Work<'_>) {
        self.deadlines.keepalive = Some(work.now + self.orphan_wait(work));
    }

    fn orphan_wait(&self, work: &Work<'_>) -> Duration {
        let usual = Duration::from_secs(work.sysctls.tcp_fin_timeout.into());
        self.settings.linger2.unwrap_or(usual).max(self.timeout() * 7 / 2)
    }

    /// Nobody holds it any more, and its FIN is acknowledged. Data that come then end it, and are nothing to learn from.
    fn leave_orphan(&mut self, work: &mut Work<'_>, segment: &Segment) {
        self.suspect_late_fin(work, segment);
        if !(segment.seq + segment.len).after(self.receiver.next) {
            self.remember_orphan(work);
        }
    }

    /// Nobody holds it in FIN_WAIT2: nothing more will be learned of its way, unless it stays there for long.
    pub(super) fn remember_orphan(&mut self, work: &mut Work<'_>) {
        if self.orphan_wait(work) <= time_wait::LENGTH {
            self.remember(work);
        }
    }

    /// The other end's FIN has come, and everything before it.
    fn end_stream(&mut self) {
        self.is_at_end = true;
        self.wake(Readiness::READABLE | Readiness::PEER_CLOSED);
        if self.is_send_shut {
            self.wake(Readiness::HUNG_UP);
        }
    }

    fn take_data(&mut self, work: &mut Work<'_>, segment: &Segment, packet: Packet) -> Result<(), Dropped> {
        let has_fin = segment.has(TcpFlags::FIN);
        if segment.len == 0 && !has_fin {
            if segment.has(TcpFlags::SYN) {
                // Two SYNs have crossed, and this is the second time that the other end's comes.
                self.note_duplicate(segment.seq, segment.end(), work.sysctls.tcp_dsack != 0);
                (self.receiver.acks.is_due, self.receiver.acks.is_urgent) = (true, true);
            }
            packet.recycle(work.pool);
            return Ok(());
        }
        self.take_reduced(segment);
        let (next, seq) = (self.receiver.next, segment.seq);
        let (data_end, end) = (seq + segment.len, segment.end());
        if self.is_at_end {
            self.receiver.acks.is_due = true;
            self.receiver.acks.is_urgent = true;
            return Err(packet.drop_for(DropReason::TcpDuplicate));
        }
        if !end.after(next) {
            self.note_duplicate(seq, end, work.sysctls.tcp_dsack != 0);
            (self.receiver.acks.is_due, self.receiver.acks.is_urgent) = (true, true);
            return Err(packet.drop_for(DropReason::TcpDuplicate));
        }
        let nobody_reads = self.is_receive_shut && data_end.after(next);
        if nobody_reads && matches!(self.state, State::FinWait1 | State::FinWait2) {
            // RFC 1122, 4.2.2.13: data that nobody can read are answered with a reset.
            self.fail(SocketError::ConnectionReset, work.pool);
            return Err(packet.drop_for(DropReason::TcpNobodyReads));
        }
        let memory = packet.memory_bytes();
        if let Err(reason) = self.make_room(work, (seq, segment.len), memory) {
            (self.receiver.acks.is_due, self.receiver.acks.is_urgent) = (true, true);
            return Err(packet.drop_for(reason));
        }
        self.note_codepoint(segment);
        if let Some(echoed) = segment.timestamps.filter(|_| self.agreed.timestamps) {
            if segment.len >= self.receiver.mss_seen && echoed.echo != 0 {
                let age = self.echo_age(work, echoed.echo).max(1);
                self.measure_receiver_rtt(work.now, Some(Duration::from_millis(age.into())));
            }
        } else {
            self.measure_receiver_rtt(work.now, None);
        }
        if seq.after(next) {
            return self.keep_for_later(work, segment, packet, memory);
        }
        let skipped = next - seq;
        if skipped > 0 {
            self.note_duplicate(seq, next, work.sysctls.tcp_dsack != 0);
        }
        self.note_data(work, segment.size);
        self.append(work, packet, skipped.min(segment.len), segment.len);
        self.grow_window(work, segment.len, memory as u32);
        if has_fin {
            self.take_fin(work);
        } else {
            self.fill_gaps(work);
        }
        Ok(())
    }

    fn keep_for_later(
        &mut self,
        work: &mut Work<'_>,
        segment: &Segment,
        packet: Packet,
        memory: usize,
    ) -> Result<(), Dropped> {
        let (next, has_fin) = (self.receiver.next, segment.has(TcpFlags::FIN));
        self.receiver.acks.is_due = true;
        self.counters.out_of_order += 1;
        let piece = Reassembly::piece(packet, 0, segment.len);
        match self.receiver.out_of_order.put(next, segment.seq, piece, has_fin, work.pool) {
            Put::Kept => {
                self.note_block(work, segment);
                self.grow_window(work, segment.len, memory as u32);
            }
            Put::Known => {
                self.tell_duplicate(segment.seq, segment.end(), work.sysctls.tcp_dsack != 0);
                self.note_block(work, segment);
            }
        }
        Ok(())
    }

    /// Notes what SACK tells of a segment that has come out of order. Where that would be a third block or more, acknowledgements that
    /// wait for others go out before it pushes something out (Linux v6.18: `tcp_sack_new_ofo_skb()`).
    fn note_block(&mut self, work: &mut Work<'_>, segment: &Segment) {
        if !self.agreed.sack {
            return;
        }
        if self.receiver.received.grows_late(segment.seq, segment.end()) {
            self.acknowledge_compressed(work);
        }
        self.receiver.received.add(segment.seq, segment.end());
    }

    /// Puts bytes of a packet at the end of the stream in order.
    pub(super) fn append(&mut self, work: &mut Work<'_>, packet: Packet, from: u32, to: u32) {
        let len = to - from;
        self.receiver.next += len;
        self.receiver.out_of_order.advance(len);
        self.counters.bytes_received += u64::from(len);
        if len == 0 || self.is_orphan {
            packet.recycle(work.pool);
            return;
        }
        self.receiver.queue.push(Reassembly::piece(packet, from, to), work.pool);
        self.wake_reader(work);
    }

    /// What has waited for the bytes that have come now follows them.
    fn fill_gaps(&mut self, work: &mut Work<'_>) {
        if self.receiver.out_of_order.is_empty() {
            return;
        }
        while let Some((piece, has_fin)) = self.receiver.out_of_order.take_next(work.pool) {
            let (from, to) = (piece.from, piece.to);
            self.append(work, piece.packet, from, to);
            if has_fin {
                self.take_fin(work);
                break;
            }
        }
        if self.receiver.out_of_order.is_empty() {
            // Whoever has filled a gap is told at once (RFC 5681, section 4.2).
            self.receiver.acks.is_urgent = true;
        }
        self.receiver.received.advance(self.receiver.next);
    }

    pub(super) fn take_fin(&mut self, work: &mut Work<'_>) {
        self.receiver.next += 1;
        self.receiver.out_of_order.clear(work.pool);
        self.receiver.received.clear();
        (self.receiver.acks.is_due, self.receiver.acks.is_urgent) = (true, true);
        self.take_step(work, Step::Fin);
        if self.state == State::TimeWait {
            // Its acknowledgement is the last that this end says.
            self.state = State::FinWait2;
            self.send_ack(work);
            self.state = State::TimeWait;
        }
    }

    /// Puts a FIN behind all that was written.
    pub(super) fn queue_fin(&mut self, work: &mut Work<'_>) {
        if !self.sender.fin_queued {
            self.sender.fin_queued = true;
            self.sender.end += 1;
        }
        self.settings.cork = false;
        self.push(work);
    }

    /// The sequence number that is expected.
    pub(super) const fn expected(&self) -> SeqNum {
        self.receiver.next
    }
}

/// After so long a timestamp says nothing any more (RFC 7323, section 5.5).
pub(super) const TIMESTAMP_STALE: Duration = Duration::from_secs(24 * 24 * 3600);
