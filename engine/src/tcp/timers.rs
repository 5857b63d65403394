//! What a connection does when time has passed: send again, ask, give up (RFC 6298; RFC 1122, sections 4.2.2.17 and 4.2.3.6;
//! Linux v6.18: `net/ipv4/tcp_timer.c`).

use core::time::Duration;

use super::{
    congestion::Window,
    connection::{Connection, Sent},
    resent::ResendReason,
    rtt,
    states::State,
    work::Work,
};
use crate::{socket::SocketError, time::Instant, wire::TcpFlags};

/// When a connection has something to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deadlines {
    /// For what is in flight, or waits for the other end's window.
    pub(super) retransmit: Option<(Instant, Pending)>,
    /// An acknowledgement waits.
    pub(super) ack: Option<Instant>,
    /// Acknowledgements of what has come out of order wait for others.
    pub(super) compressed: Option<Instant>,
    /// The other end is asked whether it is still there, or not waited for any longer.
    pub(super) keepalive: Option<Instant>,
    /// The next segment may leave.
    pub(super) departure: Option<Instant>,
}

/// What the first deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// The first segment is sent again.
    Retransmit,
    /// The last segment is asked for.
    LossProbe,
    /// Segments that have not come by then are lost.
    Reordering,
    /// The other end's window is asked for.
    WindowProbe,
    /// The answer to a SYN that has opened fast is sent again.
    Handshake,
}

impl Deadlines {
    /// The earliest of them.
    pub(super) fn next(&self) -> Option<Instant> {
        let retransmit = self.retransmit.map(|(when, _)| when);
        [retransmit, self.ack, self.compressed, self.keepalive, self.departure].into_iter().flatten().min()
    }
}

impl Connection {
    /// When it has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Does what is due.
    pub(crate) fn handle_deadlines(&mut self, work: &mut Work<'_>) {
        if self.deadlines.ack.is_some_and(|when| when <= work.now) {
            self.acknowledge_late(work);
        }
        if self.deadlines.compressed.is_some_and(|when| when <= work.now) {
            self.acknowledge_compressed(work);
        }
        if self.deadlines.departure.is_some_and(|when| when <= work.now) {
            self.deadlines.departure = None;
            self.depart(work);
        }
        if let Some((when, pending)) = self.deadlines.retransmit
            && when <= work.now
        {
            // Behind these two, what has passed counts (Linux v6.18: `tcp_write_timer_handler()`).
            if !matches!(pending, Pending::LossProbe | Pending::Reordering) {
                self.deadlines.retransmit = None;
            }
            match pending {
                Pending::Retransmit => self.handle_retransmission(work),
                Pending::LossProbe => self.send_loss_probe(work),
                Pending::Reordering => self.handle_reordering_timeout(work),
                Pending::WindowProbe => self.probe_window(work),
                Pending::Handshake => self.handle_handshake_timeout(work),
            }
        }
        if self.deadlines.keepalive.is_some_and(|when| when <= work.now) {
            self.deadlines.keepalive = None;
            self.handle_keepalive(work);
        }
    }

    /// Sets the deadline after which the first segment in flight is sent again; none when nothing is.
    pub(super) fn arm_retransmission(&mut self, work: &Work<'_>) {
        self.deadlines.retransmit = match self.sender.flight.front() {
            None => None,
            Some(first) => {
                let mut wait = self.timeout();
                // Behind another wait, what has passed of this one counts.
                if let Some((_, Pending::Reordering | Pending::LossProbe)) = self.deadlines.retransmit {
                    let left = wait.saturating_sub(work.now.since(first.sent_at));
                    wait = if left.is_zero() { Duration::from_millis(1) } else { left };
                }
                let wait = self.within_user_timeout(work, wait);
                Some((self.deadline_in(work, wait), Pending::Retransmit))
            }
        };
    }

    /// When a time is over that begins when the next segment may leave. What the user's limit makes of it is never longer than other
    /// timeouts (Linux v6.18: `tcp_reset_xmit_timer()`).
    pub(super) fn deadline_in(&self, work: &Work<'_>, wait: Duration) -> Instant {
        work.now + (wait + self.pacing.delay(work.now)).min(self.settings.timeout_max)
    }

    /// How long until the first segment in flight would be sent again.
    pub(super) fn until_retransmission(&self, work: &Work<'_>) -> Duration {
        let waited = self.sender.flight.front().map_or(Duration::ZERO, |first| work.now.since(first.sent_at));
        self.timeout().saturating_sub(waited)
    }

    /// New data were sent: the deadline stands, unless it is another one's.
    pub(super) fn arm_retransmission_if_idle(&mut self, work: &Work<'_>) {
        match self.deadlines.retransmit {
            Some((_, Pending::Retransmit | Pending::Reordering | Pending::Handshake)) => {}
            Some((_, Pending::LossProbe | Pending::WindowProbe)) | None => self.arm_retransmission(work),
        }
    }

    /// A user timeout is not overslept.
    fn within_user_timeout(&self, work: &Work<'_>, wait: Duration) -> Duration {
        match (self.settings.user_timeout, self.trouble.resent_at) {
            (Some(most), Some(since)) => {
                let left = most.saturating_sub(work.now.since(since));
                wait.min(if left.is_zero() { Duration::from_millis(1) } else { left })
            }
            (Some(_) | None, _) => wait,
        }
    }

    fn handle_retransmission(&mut self, work: &mut Work<'_>) {
        if self.sender.flight.is_empty() {
            return;
        }
        self.trouble.probe_high = None;
        let is_handshake = matches!(self.state, State::SynSent | State::SynReceived);
        if self.sender.window == 0 && !is_handshake && !self.is_orphan {
            if self.has_asked_too_long(work) {
                return self.give_up(work);
            }
            self.enter_loss(work);
            self.resend_first(work);
        } else {
            if self.is_orphan && !is_handshake && self.yield_unanswered(work) {
                return;
            }
            if !is_handshake
                && self.has_waited_for(work, self.time_of(work.sysctls.tcp_retries1, self.timeout_floor(work)))
            {
                self.suspect_black_hole(work);
            }
            let is_over = self.has_waited_too_long(work);
            self.suspect_fast_open(work, is_over);
            if is_over {
                return self.give_up(work);
            }
            self.take_another_way(work);
            self.enter_loss(work);
            self.counters.timeouts.note(work.now, self.trouble.attempts == 0);
            self.trouble.attempts += 1;
            if !self.resend_first(work) && self.is_refused(work) {
                self.deadlines.retransmit = Some((work.now + RESOURCE_WAIT, Pending::Retransmit));
                return;
            }
        }
        let is_linear = self.state == State::SynSent && self.trouble.attempts <= work.sysctls.tcp_syn_linear_timeouts;
        if self.has_thin_timeouts(work) {
            self.trouble.backoff = 0;
            self.rtt.expect_the_measured();
        } else if !is_linear {
            self.trouble.backoff += 1;
        }
        let wait = self.within_user_timeout(work, self.timeout());
        self.deadlines.retransmit = Some((work.now + wait, Pending::Retransmit));
    }

    /// Something may be wrong with the way that packets take: those of another label may take another one (Linux v6.18:
    /// `tcp_write_timeout()`, `sk_rethink_txhash()`).
    fn take_another_way(&mut self, work: &Work<'_>) {
        self.counters.rehashes = self.counters.rehashes.wrapping_add(1);
        if self.way.flow_label != 0 {
            self.way.flow_label = work.secrets.flow_label(&self.ends, self.counters.rehashes);
        }
    }

    /// Whether so little is in flight that losses show by timeouts only, which do not grow then for a while (Linux v6.18:
    /// `tcp_retransmit_timer()`, `tcp_stream_is_thin()`).
    fn has_thin_timeouts(&self, work: &Work<'_>) -> bool {
        work.sysctls.tcp_thin_linear_timeouts != 0
            && self.state == State::Established
            && self.sender.in_flight.out < THIN_SEGMENTS
            && self.window.threshold < Window::NO_THRESHOLD
            && self.trouble.attempts <= THIN_TIMEOUTS
    }

    /// Whether the other end has been silent for so long that the connection is given up.
    fn has_waited_too_long(&mut self, work: &Work<'_>) -> bool {
        let sysctls = work.sysctls;
        match self.state {
            State::SynSent => {
                let retries = self.settings.syn_retries.unwrap_or(sysctls.tcp_syn_retries);
                // The time counts that so many take whose wait is doubled each time.
                let first = rtt::INITIAL_TIMEOUT;
                let most = self.settings.user_timeout.unwrap_or_else(|| self.time_of(retries, first));
                return self.has_waited_for(work, most)
                    || self.trouble.attempts >= retries + sysctls.tcp_syn_linear_timeouts;
            }
            State::SynReceived => {
                let retries = self.settings.syn_retries.unwrap_or(sysctls.tcp_synack_retries);
                return self.trouble.attempts >= retries;
            }
            State::Closed
            | State::Listen
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {}
        }
        let mut retries = sysctls.tcp_retries2;
        if self.is_orphan {
            retries = self.orphan_retries(work, self.is_alive());
        }
        self.has_timed_out(work, retries)
    }

    /// It does not wait the longest time there is, still.
    fn is_alive(&self) -> bool {
        self.timeout() < self.settings.timeout_max
    }

    /// Nobody holds it, and what it has sent is not answered: others may need its memory.
    fn yield_unanswered(&mut self, work: &mut Work<'_>) -> bool {
        let is_alive = self.is_alive();
        let resets = is_alive || !self.has_timed_out(work, self.orphan_retries(work, is_alive));
        self.yield_in_vain(work, resets)
    }

    fn orphan_retries(&self, work: &Work<'_>, is_alive: bool) -> u32 {
        match work.sysctls.tcp_orphan_retries {
            0 if is_alive => ORPHAN_RETRIES,
            retries => retries,
        }
    }

    /// Whether the time has passed that so many retransmissions take, or that the user has set.
    fn has_timed_out(&self, work: &Work<'_>, retries: u32) -> bool {
        let most = self.settings.user_timeout.unwrap_or_else(|| self.time_of(retries, self.timeout_floor(work)));
        self.has_waited_for(work, most)
    }

    /// The time that so many retransmissions take of which the first comes after `least` (Linux v6.18: `tcp_model_timeout()`): a number of
    /// them would be another time on each way.
    fn time_of(&self, retries: u32, least: Duration) -> Duration {
        let longest = self.settings.timeout_max;
        let doublings = (longest.as_micros() / least.as_micros().max(1)).max(1).ilog2();
        if retries <= doublings {
            least * ((2_u32 << retries) - 1)
        } else {
            least * ((2_u32 << doublings) - 1) + longest * (retries - doublings)
        }
    }

    /// The other end has closed its window over what is in flight: as long as it answers, it lives, unless the user waits for no more
    /// than that (Linux v6.18: `tcp_rtx_probe0_timed_out()`).
    fn has_asked_too_long(&self, work: &Work<'_>) -> bool {
        let since = self.trouble.resent_at.or_else(|| self.sender.flight.front().map(|first| first.sent_at));
        let waited = since.map_or(Duration::ZERO, |since| work.now.since(since));
        let most = self.settings.timeout_max * 2;
        let is_over = |most: Duration| waited > most && work.now.since(self.receiver.acked_at) > most;
        match self.settings.user_timeout {
            Some(wanted) => waited > wanted || is_over(most.min(wanted)),
            None => is_over(most),
        }
    }

    fn has_waited_for(&self, work: &Work<'_>, most: Duration) -> bool {
        let since = self.trouble.resent_at.filter(|_| self.trouble.attempts > 0);
        since.is_some_and(|since| work.now.since(since) >= most)
    }

    pub(super) fn give_up(&mut self, work: &mut Work<'_>) {
        // What the network has said says more (Linux v6.18: `net/ipv4/tcp_timer.c`, `tcp_write_err()`).
        self.fail(self.soft_error.unwrap_or(SocketError::TimedOut), work.pool);
    }

    fn resend_first(&mut self, work: &mut Work<'_>) -> bool {
        self.resend(work, 0, 1, ResendReason::Timeout)
    }

    /// Sends up to so many segments of a record in flight again. Tells whether that was possible.
    pub(super) fn resend(&mut self, work: &mut Work<'_>, at: usize, segments: u32, why: ResendReason) -> bool {
        let Some(sent) = self.sender.flight.get(at).copied() else { return false };
        if self.is_refused(work) {
            // The attempt counts (Linux v6.18: `tcp_retransmit_skb()`).
            self.trouble.resent_at.get_or_insert(sent.sent_at);
            return false;
        }
        if sent.flags.contains(TcpFlags::SYN) {
            self.emit_syn(work);
            self.note_resent(work, at, ResendReason::Handshake);
            return true;
        }
        // What went with a SYN is not sent again before that has arrived.
        if matches!(self.state, State::SynSent | State::SynReceived) && self.sender.una == self.sender.initial {
            return false;
        }
        self.recut(at);
        self.forget_probe();
        let una = self.sender.una;
        let seq = if sent.seq.before(una) { una } else { sent.seq };
        let (mss, window_end) = (self.payload_now(), self.window_end());
        if sent.end.after(window_end) && seq != una && !seq.before(window_end) {
            return false;
        }
        let has_fin = sent.flags.contains(TcpFlags::FIN);
        let len = sent.end - seq - u32::from(has_fin);
        let mut most = mss * segments.max(1);
        if sent.end.after(window_end) && seq != una {
            most = most.min((window_end - seq) / mss * mss);
        }
        if self.sender.window == 0 || (sent.end.after(window_end) && seq == una) {
            most = most.min(mss);
        }
        if most == 0 {
            return false;
        }
        if len > most {
            self.split(at, seq + most);
        } else if work.sysctls.tcp_retrans_collapse != 0 {
            self.collapse(at, mss.min(most));
        }
        let Some(sent) = self.sender.flight.get(at).copied() else { return false };
        let len = sent.end - seq - u32::from(sent.flags.contains(TcpFlags::FIN));
        self.note_sending(work);
        self.emit_data(work, seq, len, sent.flags, false);
        self.note_resent(work, at, why);
        true
    }

    fn note_resent(&mut self, work: &Work<'_>, at: usize, why: ResendReason) {
        let stamp = self.stamp(work.now);
        let Some(sent) = self.sender.flight.get_mut(at) else { return };
        if !sent.is_resent && !sent.is_sacked {
            sent.is_resent = true;
            self.sender.in_flight.resent += sent.segments;
        }
        let Sent { segments, end, seq, .. } = *sent;
        (sent.was_resent, sent.sent_at, sent.stamp) = (true, work.now, stamp);
        self.counters.resent += segments;
        self.counters.resent_for.count(why, segments);
        self.counters.bytes_resent += u64::from(end - seq);
        if self.trouble.resent_at.is_none() {
            self.trouble.resent_at = Some(work.now);
        }
        let left = self.trouble.undo_resent.get_or_insert(0);
        *left = left.saturating_add(segments);
    }

    /// Sends what is lost again, as far as the congestion window lets.
    pub(super) fn resend_lost(&mut self, work: &mut Work<'_>, why: ResendReason) {
        if self.sender.in_flight.lost == 0 {
            return;
        }
        let mut rearms = false;
        // How many lost segments have been looked at.
        let (mut at, mut passed) = (0, 0);
        while let Some(sent) = self.sender.flight.get(at).copied() {
            if passed >= self.sender.in_flight.lost {
                break;
            }
            if sent.is_lost && !sent.is_resent && !sent.is_sacked {
                let free = self.window.segments.saturating_sub(self.sender.in_flight.pipe());
                if free == 0 || self.waits_for_departure(work.now) {
                    break;
                }
                let segments = free.min(self.segments_of_super(work));
                let resent = self.sender.in_flight.resent;
                if !self.resend(work, at, segments, why) {
                    break;
                }
                self.trouble.sent = self.trouble.sent.saturating_add(self.sender.in_flight.resent - resent);
                rearms |= at == 0
                    && !matches!(self.deadlines.retransmit, Some((_, Pending::Reordering | Pending::Handshake)));
            }
            let seen = self.sender.flight[at];
            passed += if seen.is_lost { seen.segments } else { 0 };
            at += 1;
        }
        if rearms {
            self.deadlines.retransmit = None;
            self.arm_retransmission(work);
        }
    }

    /// How long until the other end's window is asked for.
    pub(super) fn probe_timeout(&self, work: &Work<'_>) -> Duration {
        let base = self.rtt.timeout(self.settings.timeout_max).max(self.timeout_floor(work));
        base.saturating_mul(1 << self.trouble.backoff.min(16)).min(self.settings.timeout_max)
    }

    /// The other end's window has been closed for a while: a segment asks for it that it has to answer (RFC 9293, section
    /// 3.8.6.1). Whether others need the memory of a connection that nobody holds is asked before its probes are counted, so that its
    /// peer hears of its end (Linux v6.18: `tcp_probe_timer()`).
    fn probe_window(&mut self, work: &mut Work<'_>) {
        if self.sender.in_flight.out > 0 || !self.has_unsent() {
            self.trouble.probes = 0;
            return;
        }
        let since = *self.trouble.probing_since.get_or_insert(work.now);
        if self.trouble.probes == 0 {
            self.trouble.probing_since = Some(work.now);
        } else if self.settings.user_timeout.is_some_and(|most| work.now.since(since) >= most) {
            return self.give_up(work);
        }
        let mut most = work.sysctls.tcp_retries2;
        if self.is_orphan {
            let is_alive = self.probe_timeout(work) < self.settings.timeout_max;
            most = self.orphan_retries(work, is_alive);
            if !is_alive && self.trouble.backoff >= most {
                return self.give_up(work);
            }
            if self.yield_in_vain(work, true) {
                return;
            }
        }
        if self.trouble.probes >= most {
            return self.give_up(work);
        }
        let was_sent = self.wake_peer(work);
        if self.sender.in_flight.out > 0 || !self.has_unsent() {
            (self.trouble.probes, self.trouble.backoff) = (0, 0);
            return;
        }
        (self.trouble.probes, self.counters.probes_out) = (self.trouble.probes + 1, self.counters.probes_out + 1);
        if was_sent && self.trouble.backoff < work.sysctls.tcp_retries2 {
            self.trouble.backoff += 1;
        }
        let mut wait = if was_sent { self.probe_timeout(work) } else { RESOURCE_WAIT };
        if let (Some(most), Some(since)) = (self.settings.user_timeout, self.trouble.probing_since) {
            let left = most.saturating_sub(work.now.since(since));
            wait = wait.min(left.max(Duration::from_millis(1)));
        }
        self.deadlines.retransmit = Some((self.deadline_in(work, wait), Pending::WindowProbe));
    }

    /// Sends something that the other end answers: what its window takes, or a segment that it has had. Tells whether the device
    /// has taken it.
    fn wake_peer(&mut self, work: &mut Work<'_>) -> bool {
        if self.is_refused(work) {
            return false;
        }
        let window_end = self.window_end();
        if self.has_unsent() && self.sender.next.before(window_end) {
            let left = window_end - self.sender.next;
            let piece = self.sender.unsent.front().map_or(0, |first| first.end - self.sender.next);
            let len = piece.min(self.payload_now()).min(left);
            let has_fin = self.sender.fin_queued && len == self.unsent() && left > len;
            if len > 0 || has_fin {
                self.send_probe_data(work, len, has_fin);
                return true;
            }
        }
        self.tell_urgent(work);
        self.send_bare(work, self.sender.una - 1, TcpFlags::ACK);
        true
    }
}

/// When it is tried again to send what the device has not taken (Linux: `TCP_RESOURCE_PROBE_INTERVAL`).
const RESOURCE_WAIT: Duration = Duration::from_millis(500);
/// Retransmissions of an orphan, unless the tunable says how many.
const ORPHAN_RETRIES: u32 = 8;
/// Fewer segments in flight are not told of by enough duplicates when one is lost (Linux: `tcp_stream_is_thin()`), and that many
/// timeouts of such do not grow (`TCP_THIN_LINEAR_RETRIES`).
const THIN_SEGMENTS: u32 = 4;
const THIN_TIMEOUTS: u32 = 6;
