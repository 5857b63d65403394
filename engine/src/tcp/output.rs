//! What a connection sends: how much, in which segments, and when (RFC 9293, section 3.8.6; RFC 1122, section 4.2.3.4).
//!
//! ```text
//!  written ─► send queue ─► congestion window? ─► other end's window? ─► Nagle, or worth a larger one? ─► emit ─► flight
//! ```
//!
//! Linux v6.18: `net/ipv4/tcp_output.c`, `tcp_write_xmit()`, `tcp_nagle_test()`, `tcp_mss_split_point()`,
//! `tcp_tso_should_defer()`.

use core::time::Duration;

use super::{
    congestion::Trouble,
    connection::{Connection, Sent},
    states::State,
    timers::Pending,
    work::Work,
};
use crate::wire::{SeqNum, TcpFlags};

/// Why sending has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// Nothing is left.
    Empty,
    /// The congestion window is full.
    Window,
    /// The other end takes no more, or it is not worth a segment yet.
    Other,
}

impl Connection {
    /// Behind the last byte that the other end takes.
    pub(super) fn window_end(&self) -> SeqNum {
        self.sender.una + self.sender.window
    }

    /// Sends what may be sent, and sees to it that a deadline stands when something waits.
    pub(crate) fn push(&mut self, work: &mut Work<'_>) {
        if !self.may_send() {
            return;
        }
        let stopped = self.send_some(work, u32::MAX);
        if stopped != Stopped::Empty && self.sender.in_flight.out == 0 {
            self.begin_window_probes(work);
        }
    }

    /// Payload that fits a segment now, beside the SACK blocks that are told with it; at least 1.
    pub(super) fn payload_now(&self) -> u32 {
        let blocks = if self.agreed.sack { self.receiver.received.option_bytes(self.agreed.timestamps) } else { 0 };
        self.sender.mss_bytes.saturating_sub(blocks).max(1)
    }

    /// Whether the state lets data and FIN go out.
    const fn may_send(&self) -> bool {
        match self.state {
            State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck => true,
            State::Closed | State::Listen | State::SynSent | State::SynReceived | State::FinWait2 | State::TimeWait => {
                false
            }
        }
    }

    /// Sends segments until something stops it, at most so many times.
    fn send_some(&mut self, work: &mut Work<'_>, mut most: u32) -> Stopped {
        let mut sent = 0;
        let mut stopped = Stopped::Empty;
        self.sender.is_window_limited = false;
        while self.has_unsent() {
            if most == 0 {
                stopped = Stopped::Other;
                break;
            }
            let pipe = self.sender.in_flight.pipe();
            if pipe >= self.window.segments {
                (stopped, self.sender.is_window_limited) = (Stopped::Window, true);
                break;
            }
            let quota = (self.window.segments / 2).max(1).min(self.window.segments - pipe);
            let Some((len, has_fin)) = self.next_segment(work, quota) else {
                stopped = Stopped::Other;
                break;
            };
            sent += self.send_new(work, len, has_fin);
            most -= 1;
        }
        if sent > 0 || stopped == Stopped::Window {
            self.note_window_use(work);
        }
        if sent > 0 {
            self.trouble.sent = self.trouble.sent.saturating_add(sent);
            self.schedule_loss_probe(work, false);
        }
        stopped
    }

    /// How long the next segment (or super-packet) is, and whether the FIN goes with it; `None` when none goes yet.
    fn next_segment(&mut self, work: &Work<'_>, quota: u32) -> Option<(u32, bool)> {
        let sender = &self.sender;
        let (mss, unsent) = (self.payload_now(), self.unsent());
        let record = sender.record_ends.iter().find(|end| end.after(sender.next)).map(|end| *end - sender.next);
        let waiting = record.unwrap_or(unsent).min(unsent);
        let has_fin = waiting == unsent && sender.fin_queued;
        let window_end = self.window_end();
        let left = if window_end.after(sender.next) { window_end - sender.next } else { 0 };
        // A FIN needs room of its own.
        if left < waiting.min(mss) + u32::from(has_fin && waiting < mss) {
            return None;
        }
        let segments_most = quota.min(self.segments_of_super(work)).max(1);
        if waiting <= mss {
            let is_small = waiting < mss;
            let goes = has_fin || !self.nagle_holds(is_small) || record.is_some_and(|record| record < unsent);
            return goes.then_some((waiting, has_fin));
        }
        if self.may_wait_for_more(work, waiting, left, segments_most) {
            return None;
        }
        let most = segments_most * mss;
        if most <= waiting.min(left) {
            return Some((most, has_fin && most == waiting && left > waiting));
        }
        let needed = waiting.min(left);
        let part = needed % mss;
        let is_all = needed == waiting;
        if part > 0 && self.nagle_holds(true) && !(has_fin && is_all) {
            return Some((needed - part, false));
        }
        Some((needed, has_fin && is_all && left > needed))
    }

    /// Whether a small segment has to wait: for others behind it while the user has corked it, else for the acknowledgement of
    /// a small one that is in flight (Nagle's algorithm as Minshall has it).
    fn nagle_holds(&self, is_small: bool) -> bool {
        let sender = &self.sender;
        let has_small_out = sender.small_end.after(sender.una) && !sender.small_end.after(sender.next);
        let corked = self.settings.cork || self.settings.more;
        is_small && (corked || (!self.settings.no_delay && sender.in_flight.out > 0 && has_small_out))
    }

    /// How many segments a super-packet has: what may be sent in a millisecond, more where the peer is near.
    pub(super) fn segments_of_super(&self, work: &Work<'_>) -> u32 {
        let rate = self.pacing_rate(work) >> PACING_SHIFT;
        let near = self.rtt.least().map_or(0, |least| {
            let shift = least.as_micros() as u64 >> work.sysctls.tcp_tso_rtt_log.min(63);
            if shift < 32 { u64::from(SUPER_BYTES_MAX) >> shift } else { 0 }
        });
        let bytes = (rate + near).min(SUPER_BYTES_MAX.into()) as u32;
        let mss = self.payload_now();
        (bytes / mss).max(work.sysctls.tcp_min_tso_segs).min(SUPER_BYTES_MAX / mss).max(1)
    }

    /// Whether the next super-packet waits for acknowledgements that let it be larger.
    fn may_wait_for_more(&mut self, work: &Work<'_>, waiting: u32, left: u32, segments_most: u32) -> bool {
        if self.trouble.now >= Trouble::Recovery || work.now.since(self.sender.last_at) > SUPER_WAIT_MAX {
            return false;
        }
        let mss = self.payload_now();
        let by_window = self.window.segments.saturating_sub(self.sender.in_flight.pipe()).saturating_mul(mss);
        let limit = left.min(by_window);
        let is_last = waiting == self.unsent();
        if limit >= segments_most.saturating_mul(mss) || (!is_last && limit >= waiting) {
            return false;
        }
        let window = self.sender.window.min(self.window.segments.saturating_mul(mss));
        match window.checked_div(work.sysctls.tcp_tso_win_divisor) {
            Some(part) if limit >= part => return false,
            None if limit > 3 * mss => return false,
            Some(_) | None => {}
        }
        // The acknowledgement that lets more go has to be near.
        let Some(first) = self.sender.flight.front() else { return false };
        let half = self.rtt.smoothed().unwrap_or_default() / 2;
        if work.now.since(first.sent_at) < half || (is_last && self.sender.fin_queued) {
            return false;
        }
        if by_window < left && by_window <= waiting {
            self.sender.is_window_limited = true;
        }
        true
    }

    /// Sends data for the first time; gives how many segments that are.
    fn send_new(&mut self, work: &mut Work<'_>, len: u32, has_fin: bool) -> u32 {
        let seq = self.sender.next;
        let is_last = seq + len + u32::from(self.sender.fin_queued) == self.sender.end;
        let ends_record = self.sender.record_ends.contains(&(seq + len));
        let mut flags = TcpFlags::default();
        let is_pushed = is_last || ends_record || (seq + len) - self.sender.pushed > self.sender.window_max / 2;
        if is_pushed && len > 0 {
            flags = flags.union(TcpFlags::PSH);
            self.sender.pushed = seq + len;
        }
        if has_fin {
            flags = flags.union(TcpFlags::FIN);
        }
        let mss = self.payload_now();
        let segments = len.div_ceil(mss).max(1);
        let end = seq + len + u32::from(has_fin);
        if len < mss * segments {
            self.sender.small_end = end;
        }
        self.note_sending(work, seq);
        self.sender.next = end;
        self.sender.in_flight.out += segments;
        let is_app_limited = is_last && self.sender.in_flight.pipe() < self.window.segments;
        self.sender.flight.push_back(Sent {
            seq,
            end,
            flags,
            is_sacked: false,
            is_lost: false,
            is_resent: false,
            was_resent: false,
            is_app_limited,
            segments,
            sent_at: work.now,
            delivered: self.counters.delivered,
        });
        self.emit_data(work, seq, len, flags, true);
        self.arm_retransmission_if_idle(work);
        segments
    }

    /// What is to be done before data go out (Linux v6.18: `tcp_event_data_sent()`).
    fn note_sending(&mut self, work: &Work<'_>, _seq: SeqNum) {
        if self.sender.in_flight.out == 0 {
            let silence = work.now.since(self.sender.last_at);
            self.congestion.restart(work.now, silence);
        }
        self.sender.last_at = work.now;
        self.note_data_sent(work.now);
    }

    /// The user is about to write after a while of silence: the window shrinks by half for each timeout of it (RFC 2861;
    /// Linux v6.18: `tcp_slow_start_after_idle_check()`).
    pub(super) fn restart_after_idle(&mut self, work: &Work<'_>) {
        if work.sysctls.tcp_slow_start_after_idle == 0 || self.sender.in_flight.out > 0 {
            return;
        }
        let (silence, timeout) = (work.now.since(self.sender.last_at), self.timeout(work));
        if silence <= timeout {
            return;
        }
        let window = &mut self.window;
        // The threshold keeps three quarters of what the window was.
        let kept = (window.segments >> 1) + (window.segments >> 2);
        window.threshold = window.threshold.max(kept);
        let least = super::congestion::Window::INITIAL_SEGMENTS.min(window.segments);
        let mut left = silence;
        while left > timeout && window.segments > least {
            window.segments >>= 1;
            left -= timeout;
        }
        window.set(window.segments.max(least));
        (self.sender.used, self.sender.used_since) = (0, work.now);
    }

    /// Whether the window was used: one that is not does not grow, and shrinks after a while (RFC 2861; Linux v6.18:
    /// `tcp_cwnd_validate()`).
    fn note_window_use(&mut self, work: &Work<'_>) {
        let sender = &mut self.sender;
        let out = sender.in_flight.out;
        let is_new_round = !sender.una.before(sender.most_out_end) || sender.most_out_end.after(sender.next);
        if is_new_round || sender.is_window_limited || out > sender.most_out {
            (sender.most_out, sender.most_out_end) = (out, sender.next);
        }
        if self.is_window_limited() {
            (self.sender.used, self.sender.used_since) = (0, work.now);
            return;
        }
        self.sender.used = self.sender.used.max(out);
        let is_idle = work.now.since(self.sender.used_since) >= self.timeout(work);
        if work.sysctls.tcp_slow_start_after_idle != 0 && is_idle {
            let used = self.sender.used.max(super::congestion::Window::INITIAL_SEGMENTS);
            if self.trouble.now == Trouble::Open && used < self.window.segments {
                let kept = (self.window.segments >> 1) + (self.window.segments >> 2);
                self.window.threshold = self.window.threshold.max(kept);
                self.window.set(self.window.segments.midpoint(used));
            }
            (self.sender.used, self.sender.used_since) = (0, work.now);
        }
    }

    /// Whether the congestion window holds sending up; in slow start it does as long as half of it is used.
    pub(super) const fn is_window_limited(&self) -> bool {
        if self.sender.is_window_limited {
            return true;
        }
        self.window.is_in_slow_start() && self.window.segments < 2 * self.sender.most_out
    }

    /// What may be sent a second, in bytes: what the window lets a round trip, and some more, so that it can grow.
    pub(super) fn pacing_rate(&self, work: &Work<'_>) -> u64 {
        let ratio = if self.window.segments < self.window.threshold / 2 {
            work.sysctls.tcp_pacing_ss_ratio
        } else {
            work.sysctls.tcp_pacing_ca_ratio
        };
        let window = self.window.segments.max(self.sender.in_flight.out);
        let bytes = u64::from(window) * u64::from(self.sender.mss_bytes) * u64::from(ratio) / 100;
        match self.rtt.smoothed() {
            Some(rtt) => bytes.saturating_mul(1_000_000) / (rtt.as_micros() as u64).max(1),
            None => bytes.saturating_mul(1000),
        }
    }

    /// Sends one segment more than the congestion window lets, for an acknowledgement that has said that others have left the
    /// network (limited transmit, RFC 3042), or as a probe.
    pub(super) fn send_one(&mut self, work: &mut Work<'_>) -> bool {
        if !self.may_send() || !self.has_unsent() {
            return false;
        }
        let Some((len, has_fin)) = self.next_segment(work, 1) else { return false };
        self.send_new(work, len, has_fin);
        true
    }

    /// Sends a little of what waits, though it is not worth a segment, to a window that was closed.
    pub(super) fn send_probe_data(&mut self, work: &mut Work<'_>, len: u32, has_fin: bool) {
        self.send_new(work, len, has_fin);
    }

    /// Lets go what was held back for more to come.
    pub(crate) fn uncork(&mut self, work: &mut Work<'_>) {
        self.settings.more = false;
        self.push(work);
    }

    /// The other end's window is closed, or too small: it is asked from time to time whether it has opened.
    fn begin_window_probes(&mut self, work: &Work<'_>) {
        if self.deadlines.retransmit.is_none() {
            let timeout = self.probe_timeout(work);
            self.deadlines.retransmit = Some((work.now + timeout, Pending::WindowProbe));
        }
    }
}

/// Bytes of a super-packet at most: what an IP packet can have, less its headers with all options.
pub(super) const SUPER_BYTES_MAX: u32 = 65_535 - 320;
/// 2^-10 s: a super-packet is what is sent in a millisecond.
const PACING_SHIFT: u32 = 10;
/// Who has not sent for so long does not wait any longer.
const SUPER_WAIT_MAX: Duration = Duration::from_millis(1);
