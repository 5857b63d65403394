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
    mtu_search::Probed,
    states::State,
    timers::Pending,
    work::Work,
};
use crate::wire::{SeqNum, TcpFlags};

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// What Nagle's algorithm or the user's cork hold back.
    AsSet,
    /// Segments that are not full: the user has said that more follows (`MSG_MORE`).
    Small,
    /// Nothing.
    Nothing,
}

/// How sending is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rush {
    /// As usual.
    None(Hold),
    /// One super-packet, though more is being written behind it.
    One,
    /// One segment, whatever the congestion window says.
    Probe,
}

/// What is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// So many bytes, and the FIN or not.
    Segment(u32, bool),
    /// Nothing yet: more may come to go with it.
    Waits,
    /// Nothing yet: the congestion window lets too little.
    Congestion,
    /// Nothing: the other end takes no more, or it is not worth a segment.
    Window,
}

impl Connection {
    /// Behind the last byte that the other end takes.
    pub(super) fn window_end(&self) -> SeqNum {
        self.sender.una + self.sender.window
    }

    /// Sends what may be sent, and sees to it that a deadline stands when something waits.
    pub(crate) fn push(&mut self, work: &mut Work<'_>) {
        self.push_with(work, Hold::AsSet);
    }

    /// The same, holding back what `hold` says.
    pub(super) fn push_with(&mut self, work: &mut Work<'_>, hold: Hold) {
        if !self.may_send() {
            return;
        }
        self.settle_path_mtu();
        self.send_some(work, Rush::None(hold));
        if self.has_unsent() && self.sender.in_flight.out == 0 {
            self.begin_window_probes(work);
        }
    }

    /// Payload that fits a segment now, beside the SACK blocks that are told with it; at least 1.
    pub(super) fn payload_now(&self) -> u32 {
        let blocks = if self.agreed.sack { self.receiver.received.option_bytes(self.agreed.timestamps) } else { 0 };
        self.sender.mss_bytes.saturating_sub(blocks).max(1)
    }

    /// Whether the state lets data and FIN go out.
    pub(super) fn may_send(&self) -> bool {
        match self.state {
            State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck => true,
            State::SynReceived => self.is_in_handshake(),
            State::Closed | State::Listen | State::SynSent | State::FinWait2 | State::TimeWait => false,
        }
    }

    /// Sends segments until something stops it.
    pub(super) fn send_some(&mut self, work: &mut Work<'_>, rush: Rush) {
        let (mut sent, mut is_held_by_window, mut is_held_by_congestion) = (0, false, false);
        if matches!(rush, Rush::None(_)) {
            match self.probe_mtu(work) {
                Probed::Sent => sent = 1,
                Probed::Waits => return,
                Probed::Not => {}
            }
        }
        while self.has_unsent() && !self.waits_for_departure(work.now) {
            let pipe = self.sender.in_flight.pipe();
            if pipe >= self.window.segments {
                break;
            }
            let quota = (self.window.segments / 2).max(1).min(self.window.segments - pipe);
            match self.next_segment(work, quota, rush) {
                Next::Segment(..) if self.is_refused(work) => break,
                Next::Segment(len, has_fin) => sent += self.send_new(work, len, has_fin, false),
                Next::Waits => break,
                Next::Congestion => {
                    is_held_by_congestion = true;
                    break;
                }
                Next::Window => {
                    is_held_by_window = true;
                    break;
                }
            }
            if rush == Rush::One {
                break;
            }
        }
        self.chronicle_window(work.now, is_held_by_window);
        is_held_by_congestion |= self.sender.in_flight.pipe() >= self.window.segments;
        if sent > 0 || is_held_by_congestion {
            self.note_window_use(work, is_held_by_congestion);
        }
        if sent > 0 {
            self.trouble.sent = self.trouble.sent.saturating_add(sent);
            self.schedule_loss_probe(work, false);
        }
    }

    /// How long the next segment (or super-packet) is, and whether the FIN goes with it.
    fn next_segment(&mut self, work: &Work<'_>, quota: u32, rush: Rush) -> Next {
        let mss = self.payload_now();
        let quota = quota.min(self.segments_of_super(work)).max(1);
        self.grow_first_piece(quota * mss);
        let next = self.sender.next;
        let len = self.sender.unsent.front().map_or(0, |first| first.end - next);
        let is_last = self.sender.unsent.len() <= 1;
        let has_fin = self.sender.fin_queued && is_last;
        let window_end = self.window_end();
        let left = if window_end.after(next) { window_end - next } else { 0 };
        // A FIN needs room of its own.
        if left < len.min(mss) + u32::from(has_fin && len <= mss) {
            return Next::Window;
        }
        let hold = match rush {
            Rush::None(hold) if is_last => hold,
            Rush::None(_) | Rush::One | Rush::Probe => Hold::Nothing,
        };
        if len <= mss {
            let is_held = len < mss && !has_fin && self.holds_small(hold);
            return if is_held { Next::Waits } else { Next::Segment(len, has_fin) };
        }
        if matches!(rush, Rush::None(_))
            && let Some(waits) = self.waits_for_more(work, len, left, has_fin)
        {
            return waits;
        }
        // Each has a pointer of its own.
        if self.is_urgent() {
            return Next::Segment(mss, false);
        }
        let most = quota * mss;
        if most <= left && !is_last {
            return Next::Segment(most.min(len), false);
        }
        let needed = len.min(left);
        if most <= needed {
            return Next::Segment(most, has_fin && most == len && left > len);
        }
        let part = needed % mss;
        if part > 0 && self.holds_small(hold) && !(has_fin && needed == len) {
            return Next::Segment(needed - part, false);
        }
        Next::Segment(needed, has_fin && needed == len && left > needed)
    }

    /// Whether a small segment has to wait: for others behind it while the user has corked it, else for the acknowledgement of
    /// a small one that is in flight (Nagle's algorithm as Minshall has it).
    fn holds_small(&self, hold: Hold) -> bool {
        let sender = &self.sender;
        let has_small_out = sender.small_end.after(sender.una) && !sender.small_end.after(sender.next);
        match hold {
            Hold::Nothing => false,
            _ if self.is_urgent() => false,
            Hold::Small => true,
            Hold::AsSet => self.settings.cork || (!self.settings.no_delay && sender.in_flight.out > 0 && has_small_out),
        }
    }

    /// How many segments a super-packet has: what may be sent in a millisecond, more where the peer is near.
    pub(super) fn segments_of_super(&self, work: &Work<'_>) -> u32 {
        let rate = self.pacing.rate >> PACING_SHIFT;
        let near = self.rtt.least().map_or(0, |least| {
            let shift = least.as_micros() as u64 >> work.sysctls.tcp_tso_rtt_log.min(63);
            if shift < 32 { u64::from(SUPER_BYTES_MAX) >> shift } else { 0 }
        });
        let bytes = (rate + near).min(SUPER_BYTES_MAX.into()) as u32;
        let mss = self.payload_now();
        let least = self.congestion.super_segments_min(self.pacing.rate).unwrap_or(work.sysctls.tcp_min_tso_segs);
        (bytes / mss).max(least).min(SUPER_BYTES_MAX / mss).max(1)
    }

    /// Why the next super-packet waits for acknowledgements that let it be larger, if it does.
    fn waits_for_more(&mut self, work: &Work<'_>, len: u32, left: u32, has_fin: bool) -> Option<Next> {
        if self.trouble.now >= Trouble::Recovery || work.now.since(self.sender.last_at) > SUPER_WAIT_MAX {
            return None;
        }
        let mss = self.payload_now();
        let by_window = self.window.segments.saturating_sub(self.sender.in_flight.pipe()).saturating_mul(mss);
        let limit = left.min(by_window);
        let is_last = self.sender.unsent.len() <= 1;
        let whole = self.segments_of_super(work).saturating_mul(mss);
        if limit >= whole || (!is_last && limit >= len) {
            return None;
        }
        let window = self.sender.window.min(self.window.segments.saturating_mul(mss));
        match window.checked_div(work.sysctls.tcp_tso_win_divisor) {
            Some(part) if limit >= part => return None,
            None if limit > 3 * mss => return None,
            Some(_) | None => {}
        }
        // The acknowledgement that lets more go has to be near.
        let rtt = self.rtt.smoothed().unwrap_or_default();
        let expected = self.sender.flight.front()?.sent_at + rtt;
        if expected.since(work.now) > SUPER_WAIT_MAX.min(rtt / 2) {
            return None;
        }
        if by_window < left && by_window <= len {
            return Some(Next::Congestion);
        }
        if by_window >= left && left <= len {
            return Some(Next::Window);
        }
        // What gets nothing behind it need not wait.
        let is_closed = has_fin || self.sender.unsent.front().is_some_and(|first| first.ends_record);
        (!is_closed).then_some(Next::Waits)
    }

    /// Whether the device takes nothing more now, which is a reason to send less (Linux v6.18: `__tcp_transmit_skb()`).
    pub(super) fn is_refused(&mut self, work: &Work<'_>) -> bool {
        let is_full = |device| work.transmits.is_full(device, work.outbox.len());
        let is_refused = self.way.device.is_some_and(is_full);
        if is_refused {
            self.enter_reduction(work);
        }
        is_refused
    }

    /// Sends data for the first time; gives how many segments that are.
    fn send_new(&mut self, work: &mut Work<'_>, len: u32, has_fin: bool, is_probe: bool) -> u32 {
        let seq = self.sender.next;
        let ends_record = self.sender.unsent.front().is_some_and(|first| first.ends_record && first.end == seq + len);
        let mut flags = TcpFlags::default();
        if (self.take_unsent(seq + len) || is_probe) && len > 0 {
            flags = flags.union(TcpFlags::PSH);
        }
        if is_probe && self.sender.pushed.before(seq + len) {
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
        self.note_sending(work);
        self.sender.next = end;
        let stamp = self.stamp(work.now);
        self.sender.in_flight.out += segments;
        self.sender.flight.push_back(Sent { ends_record, ..Sent::new(work.now, (seq, end), flags, mss, stamp) });
        self.emit_data(work, seq, len, flags, true);
        self.arm_retransmission_if_idle(work);
        segments
    }

    /// What is to be done before data go out, for the first time or again (Linux v6.18: `tcp_event_data_sent()`). Sending begins
    /// anew when nothing is thought to be in the network.
    pub(super) fn note_sending(&mut self, work: &Work<'_>) {
        if self.sender.in_flight.pipe() == 0 {
            self.restart_control(work);
        }
        self.sender.last_at = work.now;
        self.note_data_sent(work.now);
    }

    /// The user is about to write after a while of silence: the window shrinks by half for each timeout of it (RFC 2861;
    /// Linux v6.18: `tcp_slow_start_after_idle_check()`).
    pub(super) fn restart_after_idle(&mut self, work: &Work<'_>) {
        let is_off = work.sysctls.tcp_slow_start_after_idle == 0 || self.congestion.is_model();
        if is_off || self.sender.in_flight.out > 0 {
            return;
        }
        let (silence, timeout) = (work.now.since(self.sender.last_at), self.timeout());
        if silence <= timeout {
            return;
        }
        let initial = self.initial_segments();
        let window = &mut self.window;
        // The threshold keeps three quarters of what the window was.
        let kept = (window.segments >> 1) + (window.segments >> 2);
        window.threshold = window.threshold.max(kept);
        let least = initial.min(window.segments);
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
    fn note_window_use(&mut self, work: &Work<'_>, is_limited: bool) {
        let sender = &mut self.sender;
        let out = sender.in_flight.out;
        let is_new_round = !sender.una.before(sender.most_out_end);
        if is_new_round || is_limited || (!sender.is_window_limited && out > sender.most_out) {
            (sender.is_window_limited, sender.most_out, sender.most_out_end) = (is_limited, out, sender.next);
        }
        if self.is_window_limited() {
            (self.sender.used, self.sender.used_since) = (0, work.now);
            return;
        }
        self.chronicle_no_room(work.now);
        self.sender.used = self.sender.used.max(out);
        let is_idle = work.now.since(self.sender.used_since) >= self.timeout();
        if work.sysctls.tcp_slow_start_after_idle != 0 && is_idle && !self.congestion.is_model() {
            let used = self.sender.used.max(self.initial_segments());
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

    /// Sends one segment more than the congestion window lets, for an acknowledgement that has said that others have left the
    /// network (limited transmit, RFC 3042), or as a probe.
    pub(super) fn send_one(&mut self, work: &mut Work<'_>) -> bool {
        if !self.may_send() || !self.has_unsent() || self.waits_for_departure(work.now) {
            return false;
        }
        let Next::Segment(len, has_fin) = self.next_segment(work, 1, Rush::Probe) else { return false };
        if self.is_refused(work) {
            return false;
        }
        self.send_new(work, len, has_fin, false);
        true
    }

    /// Sends a little of what waits, though it is not worth a segment, to a window that was closed.
    pub(super) fn send_probe_data(&mut self, work: &mut Work<'_>, len: u32, has_fin: bool) {
        self.send_new(work, len, has_fin, true);
    }

    /// The other end's window is closed, or too small: it is asked from time to time whether it has opened.
    fn begin_window_probes(&mut self, work: &Work<'_>) {
        if self.deadlines.retransmit.is_none() {
            let timeout = self.probe_timeout(work);
            self.deadlines.retransmit = Some((self.deadline_in(work, timeout), Pending::WindowProbe));
        }
    }
}

/// Bytes of a super-packet at most: what an IP packet can have, less its headers with all options.
pub(super) const SUPER_BYTES_MAX: u32 = 65_535 - 320;
/// 2^-10 s: a super-packet is what is sent in a millisecond.
const PACING_SHIFT: u32 = 10;
/// Who has not sent for so long does not wait any longer, and nobody waits for so long.
const SUPER_WAIT_MAX: Duration = Duration::from_millis(1);
