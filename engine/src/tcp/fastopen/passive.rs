//! Connections that are opened fast: they are there with their SYN, and stay in SYN_RECV until its answer is acknowledged (Linux v6.18:
//! `net/ipv4/tcp_fastopen.c`, `tcp_try_fastopen()`, `tcp_fastopen_create_child()`; `net/ipv4/tcp_minisocks.c`, `tcp_check_req()`;
//! `net/ipv4/tcp_timer.c`, `tcp_fastopen_synack_timer()`).

use alloc::boxed::Box;
use core::time::Duration;

use super::{FastOpen, FastOpenKeys, Opening, SERVER, SERVER_WITHOUT_COOKIE, key::Made};
use crate::{
    ending::{DropReason, Dropped},
    ip::RouteMetrics,
    packet::Packet,
    socket::Readiness,
    sysctl::Sysctls,
    tcp::{
        Ends,
        congestion::Trouble,
        connection::Connection,
        listen::{Listener, Request},
        rtt,
        secrets::Secrets,
        segment::Segment,
        settings::Settings,
        states::{State, Step},
        timers::Pending,
        work::Work,
    },
    time::Instant,
    wire::{FastOpenOption, TcpFlags},
};

/// A handshake whose connection is in use.
#[derive(Debug)]
pub(in crate::tcp) struct Handshake {
    /// The place of the listener, and which one that must be.
    listener: (u32, u64),
    sent_at: Instant,
    /// How often the answer was sent again, and how often because time was over.
    resent: u32,
    timeouts: u32,
    ended: Option<Ended>,
}

/// How a handshake has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is done, or was given up here.
    Here,
    /// The other end has reset it.
    Reset,
}

/// What a SYN gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// A connection, at once.
    pub(crate) opens: bool,
    /// The option in its answer.
    pub(crate) reply: Option<FastOpenOption>,
}

/// A SYN at a listener.
pub(crate) struct Presented {
    pub(crate) ends: Ends,
    pub(crate) option: Option<FastOpenOption>,
    pub(crate) has_data: bool,
    /// What is said of the way back.
    pub(crate) metrics: RouteMetrics,
}

impl FastOpen {
    /// What a SYN gets that a listener has room for.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        around: (&Sysctls, &Secrets),
        listener: &mut Listener,
        syn: &Presented,
    ) -> Judged {
        let (sysctls, secrets) = around;
        let counters = &mut self.counters;
        let count = |counter: &mut u64| *counter = counter.wrapping_add(1);
        if syn.option.is_some_and(|option| option.cookie.is_empty()) {
            count(&mut counters.cookie_reqd);
        }
        let settings = listener.settings.fast_open;
        let is_wanted = sysctls.tcp_fastopen & SERVER != 0 && (syn.has_data || syn.option.is_some());
        if !is_wanted || settings.queue == 0 {
            return Judged::default();
        }
        if !listener.fast_open.has_place(now, settings.queue) {
            count(&mut counters.listen_overflow);
            return Judged::default();
        }
        let needs_no_cookie = settings.needs_no_cookie || syn.metrics.fastopen_no_cookie;
        if syn.has_data && (needs_no_cookie || sysctls.tcp_fastopen & SERVER_WITHOUT_COOKIE != 0) {
            return Judged { opens: true, reply: None };
        }
        let Some(option) = syn.option else { return Judged::default() };
        let own = || FastOpenKeys::of_numbers(&sysctls.tcp_fastopen_key).unwrap_or_else(|| secrets.fast_open_keys());
        let keys = settings.keys.unwrap_or_else(own);
        let reply = Some(FastOpenOption { cookie: keys.cookie(&syn.ends), ..option });
        if option.cookie.is_empty() {
            return Judged { opens: false, reply };
        }
        match keys.judge(&syn.ends, &option.cookie) {
            Made::WithPrimary => Judged { opens: true, reply: None },
            Made::WithBackup => {
                count(&mut counters.passive_alt_key);
                Judged { opens: true, reply }
            }
            Made::Elsewhere => {
                count(&mut counters.passive_fail);
                Judged { opens: false, reply }
            }
        }
    }
}

impl Connection {
    /// The connection that a SYN has become at once; its answer goes out.
    pub(crate) fn opened_fast(
        work: &mut Work<'_>,
        request: &Request,
        settings: Settings,
        ip_id: u16,
        (segment, packet): (&Segment, Packet),
        reply: Option<&FastOpenOption>,
    ) -> Self {
        let mut connection = Self::accepted(work, request, settings, ip_id);
        let handshake =
            Handshake { listener: request.listener, sent_at: work.now, resent: 0, timeouts: 0, ended: None };
        let opening = Opening { is_data_taken: segment.len > 0, handshake: Some(handshake), ..Opening::default() };
        connection.fast_open = Some(Box::new(opening));
        connection.is_accepted = false;
        // The SYN is the handshake's business, and nothing else is in flight.
        connection.sender.flight.clear();
        connection.sender.in_flight.out = 0;
        connection.sender.una = connection.sender.next;
        (connection.sender.window, connection.sender.window_max) = (segment.window.into(), segment.window.into());
        connection.sender.pushed = connection.sender.next;
        connection.begin_transfer(work, false, false);
        connection.counters.segments_received += segment.count;
        if segment.len > 0 {
            connection.counters.data_segments_received += segment.count;
            connection.receiver.last_at = work.now;
        }
        connection.append(work, packet, 0, segment.len);
        connection.emit_syn_with(work, reply, 0);
        connection.deadlines.retransmit = Some((work.now + rtt::INITIAL_TIMEOUT, Pending::Handshake));
        connection
    }

    /// Whether it is in use before its handshake is done.
    pub(crate) fn is_in_handshake(&self) -> bool {
        self.handshake().is_some_and(|handshake| handshake.ended.is_none())
    }

    fn handshake(&self) -> Option<&Handshake> {
        self.fast_open.as_ref()?.handshake.as_ref()
    }

    fn handshake_mut(&mut self) -> Option<&mut Handshake> {
        self.fast_open.as_mut()?.handshake.as_mut()
    }

    /// The listener of a handshake that has ended since it was asked last, and whether its place there stays taken.
    pub(crate) fn take_ended_handshake(&mut self) -> Option<((u32, u64), bool)> {
        let is_closed = self.state == State::Closed;
        let is_held = self.is_accepted;
        let handshake = &mut self.fast_open.as_mut()?.handshake;
        let ended = handshake.take_if(|handshake| is_closed || handshake.ended.is_some())?;
        Some((ended.listener, ended.ended == Some(Ended::Reset) && is_held))
    }

    /// A segment that comes before it is known that the other end hears.
    pub(in crate::tcp) fn receive_in_handshake(
        &mut self,
        work: &mut Work<'_>,
        segment: &Segment,
        packet: Packet,
    ) -> Result<(), Dropped> {
        let is_reset = segment.has(TcpFlags::RST);
        let is_syn = segment.has(TcpFlags::SYN);
        if is_syn
            && segment.seq == self.receiver.initial
            && !segment.flags.intersects(TcpFlags::RST.union(TcpFlags::ACK))
        {
            if self.may_answer_invalid(work) {
                self.answer_syn_again(work);
            }
            packet.recycle(work.pool);
            return Ok(());
        }
        if is_reset {
            if segment.seq != self.receiver.next {
                self.challenge(work);
                return Err(packet.drop_for(DropReason::TcpOutsideWindow));
            }
            if let Some(handshake) = self.handshake_mut() {
                handshake.ended = Some(Ended::Reset);
            }
            self.take_step(work, Step::Reset);
            packet.recycle(work.pool);
            return Ok(());
        }
        if is_syn && self.is_within_first_window(segment) {
            return Err(packet.drop_for(DropReason::NoSocket));
        }
        let packet = self.validate(work, segment, packet)?;
        let is_answer = !segment.ack.before(self.sender.una) && !segment.ack.after(self.sender.next);
        let result = self.receive_valid(work, segment, packet);
        if is_answer && self.is_in_handshake() {
            self.end_handshake(work, segment);
        }
        result
    }

    /// Another SYN in the middle is of another connection.
    fn is_within_first_window(&self, segment: &Segment) -> bool {
        let (start, end) = (self.receiver.next, self.receiver.next + self.receiver.window);
        segment.seq == start || (segment.end().after(start) && segment.seq.before(end))
    }

    /// The answer to the SYN is acknowledged.
    pub(in crate::tcp) fn end_handshake(&mut self, work: &mut Work<'_>, segment: &Segment) {
        let Some(handshake) = self.handshake_mut() else { return };
        handshake.ended = Some(Ended::Here);
        let (sent_at, was_resent) = (handshake.sent_at, handshake.resent > 0);
        self.counters.delivered = self.counters.delivered.wrapping_add(1);
        self.measure_answer(work, segment, (!was_resent).then(|| work.now.since(sent_at)));
        if self.trouble.now == Trouble::Loss && self.sender.in_flight.out == 0 {
            self.try_undo_recovery(work);
        }
        self.counters.timeouts.end(work.now);
        (self.trouble.attempts, self.trouble.backoff) = (0, 0);
        if self.trouble.now != Trouble::Recovery {
            self.trouble.resent_at = None;
        }
        self.deadlines.retransmit = None;
        self.arm_retransmission(work);
        self.wake(Readiness::WRITABLE);
    }

    /// The handshake of one in SYN_RECV is done: it stands.
    pub(in crate::tcp) fn stand(&mut self, work: &mut Work<'_>, segment: &Segment) {
        self.end_handshake(work, segment);
        self.sender.window = u32::from(segment.window) << self.agreed.send_scale;
        self.sender.window_max = self.sender.window_max.max(self.sender.window);
        self.sender.window_from = segment.seq;
        self.sender.last_at = work.now;
        self.arm_keepalive(work);
    }

    /// The answer to the SYN was not acknowledged in time. Before that nothing else is sent again.
    pub(in crate::tcp) fn handle_handshake_timeout(&mut self, work: &mut Work<'_>) {
        // One more than of those that nobody uses.
        let retries = self.settings.syn_retries.unwrap_or(work.sysctls.tcp_synack_retries + 1);
        let Some(timeouts) = self.handshake().map(|handshake| handshake.timeouts) else { return };
        if timeouts >= retries {
            return self.give_up(work);
        }
        if self.trouble.attempts == 1 {
            self.enter_loss(work);
        }
        self.answer_syn_again(work);
        if let Some(handshake) = self.handshake_mut() {
            handshake.timeouts += 1;
        }
        self.counters.timeouts.note(work.now, self.trouble.attempts == 0);
        self.trouble.attempts += 1;
        self.trouble.resent_at.get_or_insert(work.now);
        let doubled = Duration::from_secs(1 << (timeouts + 1).min(16));
        self.deadlines.retransmit = Some((work.now + doubled.min(self.settings.timeout_max), Pending::Handshake));
    }

    fn answer_syn_again(&mut self, work: &mut Work<'_>) {
        if let Some(handshake) = self.handshake_mut() {
            handshake.resent += 1;
        }
        self.counters.resent += 1;
        self.emit_syn_with(work, None, 0);
    }
}
