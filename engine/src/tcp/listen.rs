//! Listening: requests for connections, until their handshakes are done (RFC 9293, section 3.10.7.2; Linux v6.18:
//! `net/ipv4/tcp_input.c`, `tcp_conn_request()`; `net/ipv4/tcp_minisocks.c`, `tcp_check_req()`).

use alloc::collections::VecDeque;
use core::{net::SocketAddr, time::Duration};

use super::{
    connection::Connection,
    ecn::Codepoint,
    open::{MSS_DEFAULT, timestamp_offset},
    segment::{Agreed, Ends, Segment},
    settings::{FastOpenSettings, LAST_ANSWER, Settings},
    way::Way,
    window::InitialWindow,
    work::Work,
};
use crate::{
    socket::Readiness,
    sysctl::Sysctls,
    time::Instant,
    wire::{FastOpenOption, SeqNum},
};

/// A socket that takes connections.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) local: SocketAddr,
    /// Which of all listeners it is: its place may be another one's later.
    pub(crate) serial: u64,
    /// Connections that may wait to be accepted.
    pub(crate) backlog: u32,
    /// Those that do, by their numbers.
    pub(crate) accepted: VecDeque<u32>,
    /// Requests whose handshakes are not done.
    pub(crate) requests: u32,
    pub(crate) settings: Settings,
    pub(crate) woken: Readiness,
    /// When it has answered with a cookie last.
    pub(crate) cookie_at: Option<Instant>,
    /// Connections in use whose handshakes are not done.
    pub(crate) fast_open: super::fastopen::Queue,
}

impl Listener {
    pub(crate) fn is_full(&self) -> bool {
        self.accepted.len() > self.backlog as usize
    }

    /// Whether a segment may bring a cookie back.
    pub(crate) fn expects_cookies(&self, now: Instant) -> bool {
        self.cookie_at.is_some_and(|at| now.since(at) <= super::cookies::VALID)
    }

    /// Whether one more request may wait (Linux: `inet_csk_reqsk_queue_is_full()`).
    pub(crate) const fn takes_request(&self) -> bool {
        self.requests <= self.backlog
    }

    /// Whether one more may be remembered of which no cookie is given, with `tcp_max_syn_backlog` of them: not once less than a quarter
    /// of it is free (Linux v6.18: `tcp_conn_request()`).
    pub(crate) fn may_remember(&self, most: u32) -> bool {
        i64::from(most) - i64::from(self.requests) >= i64::from(most >> 2)
    }
}

/// A request for a connection, whose SYN has been answered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The place of the socket that it is for, and which listener that must be.
    pub(crate) listener: (u32, u64),
    pub(crate) ends: Ends,
    pub(super) initial: SeqNum,
    pub(super) their_initial: SeqNum,
    pub(super) agreed: Agreed,
    pub(super) window: u32,
    pub(super) window_clamp: u32,
    pub(super) mss_told: u32,
    pub(super) mss_clamp: u32,
    pub(super) recent_timestamp: u32,
    /// The traffic class of the packet that it has come with; and the mark, if connections take that over.
    pub(super) tos: u8,
    pub(super) mark: Option<u32>,
    pub(super) came_at: Instant,
    pub(super) sent_at: Instant,
    /// How often the answer was sent again, and how often because time was over.
    pub(super) resent: u32,
    pub(super) timeouts: u32,
    /// Its answer was acknowledged, but data are waited for.
    is_answered: bool,
    /// When a segment that could not be right was answered last.
    answered_at: Option<Instant>,
    pub(crate) way: Way,
    /// It was not remembered: nobody knows when its answer was sent.
    pub(super) is_of_cookie: bool,
    /// When the answer is sent again, or the request given up.
    pub(crate) deadline: Instant,
}

/// What a segment means to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The handshake is done.
    Done,
    /// The SYN has come again: its answer is sent again.
    Again,
    /// The other end wants no connection.
    Reset,
    /// A SYN in the middle: it is of another connection than this one, which ends.
    Other,
    /// It does not acknowledge the answer: the path answers it with a reset.
    Wrong,
    /// It says nothing.
    Nothing,
    /// It cannot be right, and is answered with where the request stands.
    Outside,
}

impl Request {
    /// A request from a SYN.
    pub(crate) fn new(
        work: &Work<'_>,
        listener: (u32, u64),
        ends: Ends,
        segment: &Segment,
        settings: &Settings,
        way: Way,
        initial: Option<SeqNum>,
    ) -> Self {
        let sysctls = work.sysctls;
        let of_way = way.mss_to_tell(ends.remote.is_ipv4());
        let mss_told = settings.mss_max.map_or(of_way, |most| of_way.min(u32::from(most)));
        let offers = segment.offers;
        let scaling = sysctls.tcp_window_scaling != 0 && offers.window_scale.is_some();
        let mut agreed = Agreed {
            timestamps: sysctls.tcp_timestamps != 0 && segment.timestamps.is_some(),
            sack: sysctls.tcp_sack != 0 && offers.sack,
            scaling,
            send_scale: offers.window_scale.filter(|_| scaling).unwrap_or(0),
            receive_scale: 0,
            ecn: super::ecn::takes_offer(sysctls, segment),
            timestamp_offset: timestamp_offset(work, &ends),
        };
        // Segments have timestamps from now on.
        let segment_bytes = mss_told.saturating_sub(agreed.options_bytes());
        let window = InitialWindow::of(settings.buffer(segment_bytes, &way), scaling, sysctls);
        agreed.receive_scale = window.scale;
        let named = u32::from(offers.mss_bytes.unwrap_or(MSS_DEFAULT as u16));
        Self {
            listener,
            ends,
            initial: initial.unwrap_or_else(|| work.secrets.initial(work.now, &ends)),
            their_initial: segment.seq,
            agreed,
            window: window.window,
            window_clamp: window.clamp,
            mss_told,
            mss_clamp: named.max(sysctls.tcp_min_snd_mss),
            recent_timestamp: segment.timestamps.map_or(0, |timestamps| timestamps.value),
            tos: segment.tos,
            mark: (sysctls.tcp_fwmark_accept != 0 && settings.mark == 0).then_some(segment.mark),
            came_at: work.now,
            sent_at: work.now,
            resent: 0,
            timeouts: 0,
            is_answered: false,
            answered_at: None,
            way,
            is_of_cookie: false,
            deadline: work.now + super::rtt::INITIAL_TIMEOUT,
        }
    }

    /// What is set on the connection that it becomes, and holds for answers to it, from what is set on its listener (Linux v6.18:
    /// `inet_request_mark()`, `tcp_v4_send_synack()`, `tcp_v4_syn_recv_sock()`, `tcp_ca_openreq_child()`).
    pub(super) fn inherited(&self, listener: Settings, sysctls: &Sysctls) -> Settings {
        // What a listener says of its queue, and of when connections leave it, is its own (Linux v6.18: `inet_csk_clone_lock()`).
        let fast_open = FastOpenSettings { queue: 0, keys: None, ..listener.fast_open };
        let mut settings = Settings { fast_open, deferred_answers: 0, ..listener };
        if !settings.algorithm.1 {
            // What is usual may have changed since it listens.
            settings.algorithm.0 = sysctls.congestion_control();
        }
        if sysctls.tcp_reflect_tos != 0 {
            settings.tos = Codepoint::NOT_ECT.in_class(self.tos);
        }
        settings.mark = self.mark.unwrap_or(settings.mark);
        settings
    }

    /// The window of one that a cookie tells of: what it was chosen for is not known any more, and it is chosen for the segments of the
    /// other end without timestamps (Linux v6.18: `net/ipv4/syncookies.c`, `cookie_v4_check()`).
    pub(super) fn settle_window(&mut self, settings: &Settings, sysctls: &Sysctls) {
        let window = InitialWindow::of(settings.buffer(self.mss_clamp, &self.way), self.agreed.scaling, sysctls);
        self.agreed.receive_scale = window.scale;
        (self.window, self.window_clamp) = (window.window, window.clamp);
    }

    /// Answers the SYN.
    pub(crate) fn answer(&self, work: &mut Work<'_>, settings: Settings) {
        self.answer_with(work, settings, None);
    }

    /// The same with an option of Fast Open.
    pub(crate) fn answer_with(&self, work: &mut Work<'_>, settings: Settings, reply: Option<&FastOpenOption>) {
        // Its identification is zero: it must not be fragmented, and nobody need count such answers.
        Connection::accepted(work, self, settings, 0).emit_syn_with(work, reply, 0);
    }

    /// Whether its answer has that sequence number.
    pub(crate) fn is_from(&self, seq: SeqNum) -> bool {
        seq == self.initial
    }

    /// What a segment means to it.
    pub(crate) fn judge(&self, segment: &Segment) -> Answer {
        use crate::wire::TcpFlags;
        let expected = self.their_initial + 1;
        let is_syn = segment.has(TcpFlags::SYN) && !segment.flags.intersects(TcpFlags::RST.union(TcpFlags::ACK));
        if segment.seq == self.their_initial && is_syn {
            return Answer::Again;
        }
        if segment.has(TcpFlags::ACK) && segment.ack != self.initial + 1 {
            return if segment.has(TcpFlags::RST) { Answer::Nothing } else { Answer::Wrong };
        }
        if let Some(timestamps) = segment.timestamps.filter(|_| self.agreed.timestamps)
            && (timestamps.value.wrapping_sub(self.recent_timestamp) as i32) < 0
            && !segment.has(TcpFlags::RST)
        {
            return Answer::Outside;
        }
        let is_beyond = segment.seq.after(expected + self.window) || segment.end().before(expected);
        if is_beyond {
            return if segment.has(TcpFlags::RST) { Answer::Nothing } else { Answer::Outside };
        }
        if segment.has(TcpFlags::RST) {
            return if segment.seq == expected { Answer::Reset } else { Answer::Outside };
        }
        if segment.has(TcpFlags::SYN) {
            return Answer::Other;
        }
        if segment.has(TcpFlags::ACK) { Answer::Done } else { Answer::Nothing }
    }

    /// Answers a segment that cannot be right with where the request stands.
    pub(crate) fn acknowledge(&mut self, work: &mut Work<'_>, settings: Settings) {
        if !self.may_answer(work) {
            return;
        }
        let mut connection = Connection::accepted(work, self, settings, 0);
        let next = connection.sender.next;
        connection.send_bare(work, next, crate::wire::TcpFlags::ACK);
    }

    /// Whether its handshake is not done before data come, though its answer is acknowledged; that is remembered (Linux v6.18:
    /// `tcp_check_req()`).
    pub(crate) fn waits_for_data(&mut self, segment: &Segment, settings: &Settings) -> bool {
        let waits = self.timeouts < settings.deferred_answers.into() && segment.end() == self.their_initial + 1;
        self.is_answered |= waits;
        waits
    }

    /// Sends the answer again when its time has come. False when the request is to be given up. One that was acknowledged is not sent again
    /// before the time for data is nearly over, when that is asked for a last time (Linux v6.18: `net/ipv4/inet_connection_sock.c`,
    /// `syn_ack_recalc()`).
    pub(crate) fn handle_deadline(&mut self, work: &mut Work<'_>, settings: Settings) -> bool {
        let retries = settings.syn_retries.unwrap_or(work.sysctls.tcp_synack_retries);
        let deferred = u32::from(settings.deferred_answers);
        if self.timeouts >= retries && (!self.is_answered || self.timeouts >= deferred) {
            return false;
        }
        let resends = !self.is_answered || self.timeouts + 1 >= deferred;
        self.timeouts += 1;
        if resends {
            self.resend(work, settings);
        } else {
            self.wait_longer(work.now);
        }
        true
    }

    /// The SYN has come again: it is answered, but not too often.
    pub(crate) fn answer_again(&mut self, work: &mut Work<'_>, settings: Settings) {
        if self.may_answer(work) {
            self.resend(work, settings);
        }
    }

    /// Two ends that disagree must not answer each other for ever (Linux v6.18: `tcp_oow_rate_limited()`).
    fn may_answer(&mut self, work: &Work<'_>) -> bool {
        let limit = Duration::from_millis(work.sysctls.tcp_invalid_ratelimit.into());
        if self.answered_at.is_some_and(|at| work.now.since(at) < limit) {
            return false;
        }
        self.answered_at = Some(work.now);
        true
    }

    /// Sends the answer again, and waits as long as this time allows for its acknowledgement.
    fn resend(&mut self, work: &mut Work<'_>, settings: Settings) {
        self.resent += 1;
        self.sent_at = work.now;
        self.wait_longer(work.now);
        self.answer(work, settings);
    }

    /// Waits twice as long as before, whatever is the longest timeout of its listener (Linux v6.18: `tcp_reqsk_timeout()`).
    fn wait_longer(&mut self, now: Instant) {
        self.deadline = now + Duration::from_secs(1 << self.timeouts.min(16)).min(LAST_ANSWER);
    }
}
