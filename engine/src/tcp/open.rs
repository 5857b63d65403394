//! How connections begin: by this end's SYN, by another's, or by two that cross (RFC 9293, section 3.5).

use core::time::Duration;

use super::{
    connection::{Connection, Sent},
    delivery::Stamp,
    listen::Request,
    segment::{Ends, Segment},
    settings::Settings,
    states::{State, Step},
    timers::Pending,
    way::Way,
    window::{INITIAL_PART, InitialWindow},
    work::Work,
};
use crate::{
    ending::{DropReason, Dropped},
    ip::path_mtu::PathMtu,
    packet::Packet,
    socket::{Readiness, SocketError},
    wire::{FastOpenOption, Ipv4Header, Ipv6Header, SeqNum, TcpFlags, TcpHeader},
};

impl Connection {
    /// A connection whose SYN goes out now, unless it waits for data to go with it.
    pub(crate) fn connect(
        work: &mut Work<'_>,
        ends: Ends,
        settings: Settings,
        way: Way,
        ip_id: u16,
        initial: Option<SeqNum>,
        beginning: Beginning<'_>,
    ) -> Self {
        let mut connection = Self::new(work.now, ends, State::SynSent, settings, way);
        connection.sender.initial = initial.unwrap_or_else(|| work.secrets.initial(work.now, &ends));
        connection.sender.ip_id = ip_id;
        connection.agreed.timestamp_offset = timestamp_offset(work, &ends);
        connection.agreed.ecn = work.sysctls.tcp_ecn == 1;
        connection.prepare(work);
        match beginning {
            Beginning::Plain => connection.send_syn(work, None, &[]),
            Beginning::Deferred => {
                if !connection.defer(work) {
                    connection.open_fast(work, &[]);
                }
            }
            Beginning::Fast(bytes) => {
                connection.open_fast(work, bytes);
            }
        }
        connection
    }

    /// What both sides of a handshake set up.
    pub(super) fn prepare(&mut self, work: &Work<'_>) {
        let sender = &mut self.sender;
        let start = sender.initial;
        (sender.una, sender.next, sender.end) = (start, start, start);
        (sender.small_end, sender.pushed, sender.most_out_end) = (start, start, start);
        self.trouble.high = start;
        self.trouble.reordering = work.sysctls.tcp_reordering;
        self.receiver.payload_part = INITIAL_PART;
        self.receiver.mss_told = self.mss_to_tell();
        self.receiver.mss_seen = self.receiver.mss_told.min(MSS_ASSUMED);
        // Whether segments will have timestamps is not known yet.
        let buffer = self.settings.buffer(self.receiver.mss_told, &self.way);
        let initial = InitialWindow::of(buffer, work.sysctls.tcp_window_scaling != 0, work.sysctls);
        self.receiver.window = initial.window;
        self.receiver.window_clamp = initial.clamp;
        self.receiver.window_soft_max = initial.window;
        self.agreed.receive_scale = initial.scale;
        self.sender.mss_clamp = u32::from(u16::MAX);
        self.sender.mss_bytes = MSS_DEFAULT;
    }

    /// The MSS that the other end is told of.
    pub(super) fn mss_to_tell(&self) -> u32 {
        let mss = self.way.mss_to_tell(self.ends.remote.is_ipv4());
        self.settings.mss_max.map_or(mss, |most| mss.min(u32::from(most)))
    }

    /// Sends the SYN, and data with it, and waits for its answer. Should they be lost, they are two.
    pub(super) fn send_syn(&mut self, work: &mut Work<'_>, option: Option<&FastOpenOption>, data: &[u8]) {
        let (initial, len) = (self.sender.initial, data.len() as u32);
        self.sender.queue.append(data, 0, data.len(), work.pool);
        work.pool.count_copy(data.len());
        self.emit_syn_with(work, option, len);
        let start = initial + 1;
        (self.sender.next, self.sender.end, self.sender.pushed) = (start + len, start + len, start + len);
        let syn = Sent::new(work.now, (initial, start), TcpFlags::SYN, 1, Stamp::default());
        self.sender.flight.push_back(syn);
        if len > 0 {
            self.sender.flight.push_back(Sent::new(
                work.now,
                (start, start + len),
                TcpFlags::PSH,
                len,
                Stamp::default(),
            ));
            self.chronicle_data(work.now);
        }
        self.sender.in_flight.out += self.sender.flight.len() as u32;
        self.trouble.resent_at = Some(work.now);
        self.deadlines.retransmit = Some((work.now + super::rtt::INITIAL_TIMEOUT, Pending::Retransmit));
    }

    /// What may come to a SYN (RFC 9293, section 3.10.7.3).
    pub(super) fn receive_in_syn_sent(
        &mut self,
        work: &mut Work<'_>,
        segment: &Segment,
        packet: Packet,
    ) -> Result<(), Dropped> {
        let has_ack = segment.has(TcpFlags::ACK);
        if has_ack {
            let is_ours = segment.ack.after(self.sender.una) && !segment.ack.after(self.sender.next);
            if !is_ours && self.trouble.attempts == 0 {
                // What is left of an earlier connection there may be gone when the reset has come (Linux v6.18:
                // `tcp_rcv_synsent_state_process()`).
                self.deadlines.retransmit = Some((work.now + SOON, Pending::Retransmit));
            }
            if !is_ours || self.has_wrong_echo(work, segment) {
                // Something of an earlier connection: the path answers it with a reset.
                let reason =
                    if segment.has(TcpFlags::RST) { DropReason::TcpAckImpossible } else { DropReason::NoSocket };
                return Err(packet.drop_for(reason));
            }
        }
        if segment.has(TcpFlags::RST) {
            if !has_ack {
                return Err(packet.drop_for(DropReason::TcpFlagsWrong));
            }
            self.take_step(work, Step::Reset);
            packet.recycle(work.pool);
            return Ok(());
        }
        if !segment.has(TcpFlags::SYN) {
            return Err(packet.drop_for(DropReason::TcpFlagsWrong));
        }
        if self.is_deferred() {
            // It has not asked for anything yet.
            return Err(packet.drop_for(DropReason::TcpFlagsWrong));
        }
        self.take_offers(work, segment);
        if !has_ack {
            return self.cross(work, segment, packet);
        }
        self.receiver.heard_at = work.now;
        self.sender.window_from = segment.seq;
        self.sender.window = u32::from(segment.window);
        self.sender.window_max = self.sender.window;
        self.forgive_resent_syn(segment);
        self.take_ack(work, segment);
        self.begin_established(work, segment);
        self.take_step(work, Step::SynAck);
        if self.fast_open.is_some() {
            return self.finish_fast(work, segment, packet);
        }
        self.acknowledge_answer(work);
        packet.recycle(work.pool);
        Ok(())
    }

    /// Acknowledges the answer to the SYN: with the data of who waits to write, if somebody does, or has said that he will soon
    /// (`TCP_DEFER_ACCEPT`; Linux v6.18: `tcp_rcv_synsent_state_process()`).
    pub(super) fn acknowledge_answer(&mut self, work: &mut Work<'_>) {
        let has_writer = core::mem::take(&mut self.sender.has_writer);
        if has_writer || self.settings.deferred_answers > 0 {
            // The data are an answer, and soon enough.
            self.enter_quick_acks(super::delayed::QUICK_MAX);
            (self.receiver.acks.is_due, self.receiver.acks.came_at) = (true, work.now);
            self.deadlines.ack = Some(work.now + super::delayed::WAIT_MAX);
        } else {
            self.send_ack(work);
        }
    }

    /// Whether an answer echoes a time at which no SYN was sent.
    fn has_wrong_echo(&self, work: &Work<'_>, segment: &Segment) -> bool {
        let Some(timestamps) = segment.timestamps.filter(|echoed| echoed.echo != 0) else { return false };
        self.echo_age(work, timestamps.echo) > SYN_ECHO_AGE_MAX_MILLIS
    }

    /// Two SYNs have crossed: the other end's is answered.
    fn cross(&mut self, work: &mut Work<'_>, segment: &Segment, packet: Packet) -> Result<(), Dropped> {
        self.receiver.heard_at = work.now;
        self.sender.window_from = segment.seq;
        self.sender.window = u32::from(segment.window);
        self.sender.window_max = self.sender.window;
        self.take_step(work, Step::Syn);
        packet.recycle(work.pool);
        Ok(())
    }

    /// What the other end's SYN says, as far as this end has offered it too.
    pub(super) fn take_offers(&mut self, work: &Work<'_>, segment: &Segment) {
        let offers = segment.offers;
        self.receiver.initial = segment.seq;
        self.receiver.next = segment.seq + 1;
        self.receiver.told = self.receiver.next;
        self.agreed.scaling = work.sysctls.tcp_window_scaling != 0 && offers.window_scale.is_some();
        self.agreed.send_scale = offers.window_scale.filter(|_| self.agreed.scaling).unwrap_or(0);
        if !self.agreed.scaling {
            self.agreed.receive_scale = 0;
            self.receiver.window_clamp = self.receiver.window_clamp.min(u16::MAX.into());
        }
        self.agreed.sack = work.sysctls.tcp_sack != 0 && offers.sack;
        self.agreed.timestamps = work.sysctls.tcp_timestamps != 0 && segment.timestamps.is_some();
        if let Some(timestamps) = segment.timestamps.filter(|_| self.agreed.timestamps) {
            (self.receiver.recent_timestamp, self.receiver.recent_at) = (timestamps.value, work.now);
        }
        self.take_marks_offer(segment);
        let named = u32::from(offers.mss_bytes.unwrap_or(MSS_DEFAULT as u16));
        self.sender.mss_clamp = named.max(work.sysctls.tcp_min_snd_mss);
        self.settle_mss();
    }

    /// Goes by what the way takes now, if that has changed (Linux v6.18: `tcp_current_mss()`).
    pub(super) fn settle_path_mtu(&mut self) {
        if self.sender.path_mtu_bytes != self.way.mtu_bytes {
            self.sender.path_mtu_bytes = self.way.mtu_bytes;
            self.settle_mss();
        }
    }

    /// Its packets go as routes say now. Segments are made for that from the next call or acknowledgement on, as in Linux, where the
    /// packet that finds its route gone has been made for that one.
    pub(crate) fn take_way(&mut self, way: Way) {
        self.way = Way { flow_label: self.way.flow_label, ..way };
    }

    /// As of which change of the routes its way is.
    pub(crate) const fn way_changes(&self) -> u32 {
        self.way.changes
    }

    /// The payload of a segment: what the other end takes and what the way takes, less options.
    pub(super) fn settle_mss(&mut self) {
        let of_way = mss_of_way(self.sender.path_mtu_bytes, self.ends.remote.is_ipv4());
        let mss = self.sender.mss_clamp.min(of_way);
        let mss = self.settings.mss_max.map_or(mss, |most| mss.min(u32::from(most)));
        let payload = self.bound_by_search(mss.saturating_sub(self.agreed.options_bytes()));
        self.sender.mss_bytes = payload.max(MSS_MIN);
    }

    /// Both SYNs are known to both ends.
    pub(super) fn begin_established(&mut self, work: &mut Work<'_>, segment: &Segment) {
        if !segment.has(TcpFlags::SYN) {
            self.sender.window = u32::from(segment.window) << self.agreed.send_scale;
            self.sender.window_max = self.sender.window_max.max(self.sender.window);
            self.sender.window_from = segment.seq;
        }
        self.sender.last_at = work.now;
        if segment.has(TcpFlags::SYN) {
            // Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_finish_connect()`.
            self.receiver.last_at = work.now;
        }
        // A SYN that had to be sent again more than once may have been lost: begin with one segment (RFC 6298, section 5.7).
        let was_lost = self.counters.resent > 1 && self.trouble.undo_from.is_some();
        self.trouble.resent_at = None;
        self.trouble.undo_from = None;
        self.set_trouble_quietly();
        self.receiver.mss_seen =
            self.receiver.mss_told.min(self.sender.mss_bytes).min(MSS_ASSUMED.max(self.receiver.mss_seen));
        self.measure_answer(work, segment, None);
        self.begin_transfer(work, segment.has(TcpFlags::SYN), was_lost);
        self.deadlines.retransmit = None;
        (self.trouble.backoff, self.trouble.attempts) = (0, 0);
        self.arm_keepalive(work);
    }

    /// A SYN was sent again for nothing if it is the first one whose time comes back (Linux v6.18: `tcp_try_undo_spurious_syn()`).
    pub(super) fn forgive_resent_syn(&mut self, segment: &Segment) {
        let (Some(first), Some(timestamps)) = (self.trouble.resent_at, segment.timestamps) else { return };
        let is_answer = matches!(self.state, State::SynSent | State::SynReceived) && !self.is_in_handshake();
        if is_answer && self.agreed.timestamps && timestamps.echo == self.clock_at(first) {
            self.trouble.undo_from = None;
        }
    }

    /// Data may go both ways from now on (Linux v6.18: `tcp_init_transfer()`).
    pub(super) fn begin_transfer(&mut self, work: &mut Work<'_>, has_connected: bool, was_lost: bool) {
        self.recall(work);
        self.window.set(if was_lost { 1 } else { self.initial_segments() });
        self.begin_mtu_search(work, has_connected);
        self.begin_tuning(work);
        self.begin_control(work);
        self.expand_send_buffer(work);
        self.enter_quick_acks(super::delayed::QUICK_MAX);
        self.receiver.acks.wait = Duration::ZERO;
    }

    fn set_trouble_quietly(&mut self) {
        self.trouble.now = super::congestion::Trouble::Open;
        self.trouble.high = self.sender.next;
    }

    /// The send buffer has room for some windows, unless the user has set it (Linux v6.18: `tcp_sndbuf_expand()`).
    pub(super) fn expand_send_buffer(&mut self, work: &Work<'_>) {
        if self.settings.send_buffer.1 || !self.may_grow(work) {
            return;
        }
        let segment = (self.sender.mss_bytes + SEGMENT_OVERHEAD_BYTES).next_power_of_two() + 256;
        let segments = super::congestion::Window::INITIAL_SEGMENTS
            .max(self.window.segments)
            .max(self.trouble.reordering.saturating_add(1));
        let wanted = (u64::from(self.congestion.buffered_windows()) * u64::from(segments) * u64::from(segment))
            .min(work.sysctls.tcp_wmem[2].into()) as u32;
        if wanted > self.settings.send_buffer.0 {
            self.settings.send_buffer.0 = wanted;
        }
    }

    /// The connection that a request has become, whose last segment is at hand.
    pub(crate) fn accepted(work: &mut Work<'_>, request: &Request, settings: Settings, ip_id: u16) -> Self {
        let settings = request.inherited(settings, work.sysctls);
        let mut connection = Self::new(work.now, request.ends, State::SynReceived, settings, request.way);
        connection.sender.initial = request.initial;
        connection.sender.ip_id = ip_id;
        connection.agreed = request.agreed;
        connection.prepare(work);
        connection.agreed = request.agreed;
        let receiver = &mut connection.receiver;
        receiver.initial = request.their_initial;
        receiver.next = request.their_initial + 1;
        receiver.told = receiver.next;
        receiver.window = request.window;
        receiver.window_clamp = request.window_clamp;
        receiver.window_soft_max = request.window;
        (receiver.recent_timestamp, receiver.recent_at) = (request.recent_timestamp, request.came_at);
        receiver.mss_told = request.mss_told;
        let sender = &mut connection.sender;
        sender.mss_clamp = request.mss_clamp;
        (sender.next, sender.end) = (request.initial + 1, request.initial + 1);
        sender.window_from = request.their_initial;
        if request.is_of_cookie {
            sender.una = sender.next;
            // Nobody knows when the answer was sent, but it has come (Linux v6.18: `tcp_rcv_state_process()`).
            connection.counters.delivered = 1;
            connection.settle_mss();
            return connection;
        }
        sender.in_flight.out = 1;
        let ends = (request.initial, request.initial + 1);
        let syn = Sent {
            was_resent: request.resent > 0,
            ..Sent::new(request.sent_at, ends, TcpFlags::SYN, 1, Stamp::default())
        };
        sender.flight.push_back(syn);
        connection.counters.resent = request.resent;
        if request.timeouts > 0 {
            (connection.trouble.undo_from, connection.trouble.resent_at) =
                (Some(request.initial), Some(request.came_at));
        }
        connection.settle_mss();
        connection
    }

    /// Nothing more is read or sent by a user; what is written still goes out, and the other end's FIN is waited for.
    pub(crate) fn close(&mut self, work: &mut Work<'_>) {
        self.is_orphan = true;
        let has_unread = !self.receiver.queue.is_empty();
        self.receiver.queue.clear(work.pool);
        let resets = has_unread || self.settings.linger == Some(Duration::ZERO);
        self.is_receive_shut = true;
        if resets && (self.state.is_synchronised() || self.state == State::SynReceived) && self.state != State::TimeWait
        {
            // RFC 2525, section 2.17: bytes that nobody has read are told of by a reset.
            self.send_reset(work);
            return self.finish(work.pool);
        }
        self.shut_sending(work);
        if self.state != State::Closed && self.yield_as_orphan(work) {
            return;
        }
        if self.state == State::FinWait2 {
            self.remember_orphan(work);
            self.wait_as_orphan(work);
        }
    }

    /// Nothing more is written: a FIN follows what is.
    pub(crate) fn shut_sending(&mut self, work: &mut Work<'_>) {
        if self.is_send_shut {
            return;
        }
        self.is_send_shut = true;
        self.wake(Readiness::WRITABLE);
        // The FIN of one that is still held waits for the handshake (Linux v6.18: `tcp_shutdown()`).
        if self.is_orphan || self.state != State::SynReceived {
            self.take_step(work, Step::Close);
        }
    }

    /// The network has said that the other end cannot be reached. That ends a handshake, whatever the reason (Linux v6.18:
    /// `net/ipv4/tcp_ipv4.c`, `tcp_v4_err()`); a connection that stands goes on trying (RFC 1122, section 4.2.3.9), whoever is told.
    pub(crate) fn note_unreachable(&mut self, work: &mut Work<'_>, error: SocketError) {
        let is_in_use = self.is_accepted && self.is_in_handshake();
        if matches!(self.state, State::SynSent | State::SynReceived) && !is_in_use {
            self.fail(error, work.pool);
        } else if self.settings.hears_errors {
            self.error = Some(error);
            self.wake(Readiness::ERROR);
        } else {
            self.soft_error = Some(error);
        }
    }

    /// The way takes less than was thought: what is too large is sent again, cut anew (RFC 1191, RFC 8201).
    pub(crate) fn note_mtu(&mut self, work: &mut Work<'_>, mtu: PathMtu) {
        self.way.may_be_cut = mtu.is_locked;
        if mtu.bytes >= self.way.mtu_bytes {
            return;
        }
        (self.way.mtu_bytes, self.sender.path_mtu_bytes) = (mtu.bytes, mtu.bytes);
        let before = self.sender.mss_bytes;
        self.settle_mss();
        if self.state == State::SynSent {
            return self.resend_open(work);
        }
        // A probe may be too large for it where no other segment is.
        let is_smaller = self.sender.mss_bytes < before || self.is_probing_mtu();
        if is_smaller && !self.sender.flight.is_empty() {
            self.recut_and_resend(work);
        }
    }

    /// Cuts what is in flight into the segments of now, and sends again what was larger (Linux v6.18: `tcp_simple_retransmit()`).
    pub(super) fn recut_and_resend(&mut self, work: &mut Work<'_>) {
        let mss = self.sender.mss_bytes;
        for at in 0..self.sender.flight.len() {
            let sent = self.sender.flight[at];
            self.recut(at);
            if sent.len().min(sent.mss) > mss {
                self.mark_lost(at);
            }
        }
        self.resend_blameless(work, super::ResendReason::TooLarge);
    }

    /// Sends again what is lost, though not to congestion: the window stays (Linux v6.18: `tcp_non_congestion_loss_retransmit()`).
    pub(super) fn resend_blameless(&mut self, work: &mut Work<'_>, why: super::ResendReason) {
        if self.sender.in_flight.lost > 0 && self.trouble.now < super::congestion::Trouble::Loss {
            self.trouble.high = self.sender.next;
            self.window.threshold = self.current_threshold();
            (self.trouble.prior_threshold, self.trouble.undo_from) = (0, None);
            self.set_trouble(work.now, super::congestion::Trouble::Loss);
        }
        self.resend_lost(work, why);
    }
}

/// How a connection begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beginning<'a> {
    /// With a SYN alone.
    Plain,
    /// With a SYN that waits for data, if they may go with it, and else asks for a cookie (`TCP_FASTOPEN_CONNECT`).
    Deferred,
    /// With a SYN and as many of these bytes as may go with it (`MSG_FASTOPEN`).
    Fast(&'a [u8]),
}

/// What is added to the clock in timestamps to the other end.
pub(super) fn timestamp_offset(work: &Work<'_>, ends: &Ends) -> u32 {
    if work.sysctls.tcp_timestamps == 1 { work.secrets.timestamp_offset(ends) } else { 0 }
}

/// Payload that fits a packet on a way, without options.
pub(super) fn mss_of_way(mtu_bytes: u32, is_v4: bool) -> u32 {
    let ip = if is_v4 { Ipv4Header::LEN } else { Ipv6Header::LEN };
    mtu_bytes.saturating_sub((ip + TcpHeader::LEN) as u32).clamp(MSS_MIN, MSS_MOST)
}

/// A peer that names no MSS takes this (RFC 9293, section 3.7.1).
pub(super) const MSS_DEFAULT: u32 = 536;
/// Smaller segments are not sent, whatever is asked for.
const MSS_MIN: u32 = 36;
/// With headers it fits an IP packet.
const MSS_MOST: u32 = 65_495;
/// Until segments come, the other end is taken to use this (Linux: `TCP_MSS_DEFAULT`).
const MSS_ASSUMED: u32 = 536;
/// What memory a segment takes beside its payload.
const SEGMENT_OVERHEAD_BYTES: u32 = 640;
/// Two of the ticks that Linux counts in where 250 are a second (`TCP_TIMEOUT_MIN`).
const SOON: Duration = Duration::from_millis(8);
/// An echo of a SYN is not older than all attempts.
const SYN_ECHO_AGE_MAX_MILLIS: u32 = 600_000;
