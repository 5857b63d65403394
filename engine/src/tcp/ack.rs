//! What an acknowledgement does (RFC 9293, section 3.10.7.4; RFC 5681; Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_ack()`).
//!
//! ```text
//!  acceptable? ─► window ─► SACK ─► take what is acknowledged ─► round-trip time
//!              ─► trouble? ─► deadline ─► congestion window ─► send again, or send on
//! ```

use core::time::Duration;

use super::{
    congestion::{Acknowledged, Trouble},
    connection::Connection,
    delivery::Sample,
    resent::ResendReason,
    scoreboard::News,
    segment::Segment,
    states::State,
    timers::Pending,
    work::Work,
};
use crate::{
    packet::Pool,
    wire::{SeqNum, TcpFlags},
};

/// What an acknowledgement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was looked at.
    Fine,
    /// It acknowledges what was never sent, or what was acknowledged long ago (RFC 5961, section 5).
    Impossible,
}

/// What is sent because of an acknowledgement, before anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resend {
    Nothing,
    /// What is lost.
    Lost,
    /// Something new, to see whether anything is lost (F-RTO).
    New,
}

impl Connection {
    /// Takes the acknowledgement of a segment whose sequence numbers are right.
    pub(super) fn take_ack(&mut self, work: &mut Work<'_>, segment: &Segment) -> Taken {
        let (ack, prior_una, prior_out) = (segment.ack, self.sender.una, self.sender.in_flight.out);
        let prior = self.sender.in_flight;
        let (prior_in_flight, had_sacked) = (prior.pipe(), prior.sacked > 0);
        let is_no_duplicate = segment.len > 0;
        let had_reneged = self.trouble.has_reneged;
        let mut news = News { is_no_duplicate, prior_in_flight, had_sacked, had_reneged, ..News::default() };
        if ack.before(prior_una) {
            // Nobody acknowledges what was never sent either (RFC 5961, section 5.2).
            let most = u64::from(self.sender.window_max).min(self.counters.bytes_acked);
            let is_ancient = u64::from(prior_una - ack) > most;
            if is_ancient {
                return Taken::Impossible;
            }
            if self.agreed.sack && prior_out > 0 {
                let before = self.tallies();
                self.take_sack(work, segment, prior_una, &mut news);
                self.settle_ack(work, segment, prior_una, before, news, false);
            }
            return Taken::Fine;
        }
        if ack.after(self.sender.next) {
            return Taken::Impossible;
        }
        self.receiver.acked_at = work.now;
        // Something has worked (Linux v6.18: `tcp_ack()`).
        self.soft_error = None;
        self.note_timestamp(work, segment);
        (self.trouble.probes, self.counters.probes_out) = (0, 0);
        news.has_advanced = ack.after(prior_una);
        if news.has_advanced {
            self.trouble.attempts = 0;
        }
        self.take_window(work, segment, &mut news);
        news.has_echo = segment.has(TcpFlags::ECE) && !segment.has(TcpFlags::SYN) && self.agreed.ecn;
        if prior_out == 0 {
            self.move_una(ack, work.pool);
            self.take_late_dsack(work, segment, prior_una, &mut news);
            self.note_no_flight(work);
            return Taken::Fine;
        }
        let before = self.tallies();
        let furthest = self.furthest_sacked();
        if self.agreed.sack && !segment.sack.is_empty() {
            self.take_sack(work, segment, prior_una, &mut news);
        }
        self.take_acknowledged(work, ack, &mut news);
        self.move_una(ack, work.pool);
        self.note_probe_come();
        self.chronicle_acknowledged(work.now);
        if let Some(seq) = news.reordered.filter(|_| self.agreed.sack) {
            self.note_reordering(work, seq, furthest);
        }
        if news.has_acked {
            news.rearms = true;
        }
        let is_duplicate = !(news.has_advanced || news.is_no_duplicate || news.has_acked || news.has_dsack);
        self.note_probe_answer(work, ack, is_duplicate && segment.sack.is_empty(), news.has_dsack);
        self.settle_ack(work, segment, prior_una, before, news, is_duplicate);
        Taken::Fine
    }

    /// Nothing is in flight any more. That something has come twice counts all the same (Linux v6.18: `tcp_ack()`, `no_queue`).
    fn take_late_dsack(&mut self, work: &mut Work<'_>, segment: &Segment, prior_una: SeqNum, news: &mut News) {
        if self.agreed.sack && !segment.sack.is_empty() {
            self.take_sack(work, segment, prior_una, news);
        }
        if news.has_dsack {
            self.handle_trouble(work, prior_una, false, news);
        }
        let is_duplicate = !(news.has_advanced || news.is_no_duplicate || news.has_dsack);
        self.note_probe_answer(work, segment.ack, is_duplicate && segment.sack.is_empty(), news.has_dsack);
    }

    /// Segments lost and sent so far, to see what an acknowledgement has changed.
    const fn tallies(&self) -> (u32, u32) {
        (self.counters.lost, self.sender.in_flight.resent)
    }

    /// Draws the conclusions of what an acknowledgement has told.
    fn settle_ack(
        &mut self,
        work: &mut Work<'_>,
        segment: &Segment,
        prior_una: SeqNum,
        before: (u32, u32),
        mut news: News,
        is_duplicate: bool,
    ) {
        self.counters.delivered = self.counters.delivered.wrapping_add(news.delivered);
        if news.has_echo {
            self.counters.delivered_marked = self.counters.delivered_marked.wrapping_add(news.delivered);
        }
        news.is_ack_delayed = self.may_be_delayed(&news, prior_una);
        // One that is overtaken tells neither time nor rate (Linux v6.18: `tcp_ack()`, `old_ack`).
        let is_overtaken = segment.ack.before(prior_una);
        let rtt = if is_overtaken { None } else { self.measure(work, segment, &news) };
        let is_dubious = !(news.is_no_duplicate || news.has_acked)
            || news.has_sacked
            || news.has_echo
            || news.has_dsack
            || self.trouble.now != Trouble::Open;
        let mut resend = Resend::Nothing;
        if is_dubious {
            resend = self.handle_trouble(work, prior_una, is_duplicate, &mut news);
        }
        if news.rearms && !self.schedule_loss_probe(work, true) {
            self.arm_retransmission(work);
        }
        let lost = self.counters.lost - before.0;
        if !is_overtaken {
            let sample = self.sample_delivery(work, &news, lost, rtt);
            self.adjust_window(work, &news, &sample);
        }
        let why = ResendReason::of_recovery(self.trouble.now);
        match resend {
            Resend::Nothing => {}
            // What is sent again for the answer to a SYN is told apart there.
            Resend::Lost | Resend::New if self.state == State::SynSent => {}
            Resend::Lost => self.resend_lost(work, why),
            Resend::New => {
                self.push(work);
                if !self.sender.next.after(self.trouble.high) {
                    self.trouble.is_frto = false;
                    self.resend_lost(work, why);
                }
            }
        }
    }

    /// Everything before `ack` is acknowledged.
    fn move_una(&mut self, ack: SeqNum, pool: &mut Pool) {
        let moved = ack - self.sender.una;
        if moved == 0 {
            return;
        }
        let is_syn =
            matches!(self.state, State::SynSent | State::SynReceived) && self.sender.una == self.sender.initial;
        let is_fin = self.sender.fin_queued && ack == self.sender.end;
        let bytes = (moved - u32::from(is_syn)).saturating_sub(u32::from(is_fin));
        self.sender.una = ack;
        self.forget_urgent();
        self.sender.queue.release(bytes as usize, pool);
        self.counters.bytes_acked += u64::from(moved);
    }

    /// Whether the other end takes no segment of what waits.
    pub(super) fn is_window_closed(&self) -> bool {
        self.window_end().before(self.sender.next + self.unsent().min(self.sender.mss_bytes))
    }

    /// Nothing is in flight; if something waits for the other end's window, it is known again that this end lives.
    fn note_no_flight(&mut self, work: &Work<'_>) {
        if !self.has_unsent() {
            return;
        }
        if self.is_window_closed() {
            let timeout = self.probe_timeout(work);
            self.deadlines.retransmit = Some((self.deadline_in(work, timeout), Pending::WindowProbe));
        } else {
            (self.trouble.backoff, self.trouble.probes) = (0, 0);
            self.deadlines.retransmit = None;
        }
    }

    /// Takes the other end's window, if the segment is not older than the one that has told it last (RFC 9293, section
    /// 3.10.7.4, "send window").
    fn take_window(&mut self, _: &Work<'_>, segment: &Segment, news: &mut News) {
        let scale = if segment.has(TcpFlags::SYN) { 0 } else { self.agreed.send_scale };
        let window = u32::from(segment.window) << scale;
        let sender = &mut self.sender;
        let window_max = sender.window_max;
        let is_newer = segment.ack.after(sender.una)
            || segment.seq.after(sender.window_from)
            || (segment.seq == sender.window_from && (window > sender.window || window == 0));
        if !is_newer {
            return;
        }
        if window != sender.window {
            news.is_no_duplicate = true;
            // A window for which something waits has opened, or closed.
            sender.window = window;
            if window > sender.window_max {
                sender.window_max = window;
            }
        }
        sender.window_from = segment.seq;
        if self.sender.window_max > window_max {
            // As Linux does; so the search for the largest packet comes to hold for who has been connected to.
            self.settle_mss();
        }
    }

    /// Takes the timestamp to echo, if the segment is the next one (RFC 7323, section 4.3).
    pub(super) fn note_timestamp(&mut self, work: &Work<'_>, segment: &Segment) {
        let Some(timestamps) = segment.timestamps.filter(|_| self.agreed.timestamps) else { return };
        if segment.seq.after(self.receiver.told) {
            return;
        }
        let is_newer = timestamps.value.wrapping_sub(self.receiver.recent_timestamp) as i32 >= 0;
        let is_stale = work.now.since(self.receiver.recent_at) >= super::input::TIMESTAMP_STALE;
        if is_newer || is_stale {
            (self.receiver.recent_timestamp, self.receiver.recent_at) = (timestamps.value, work.now);
        }
    }

    /// Whether it is one segment that was acknowledged, which the other end may have waited with for a second one.
    fn may_be_delayed(&self, news: &News, prior_una: SeqNum) -> bool {
        let is_one = news.acknowledged == 1 && self.sender.una - prior_una < self.sender.mss_bytes;
        let is_whole = self.sender.flight.front().is_none_or(|first| !first.seq.before(self.sender.una));
        let is_plain = !(news.had_sacked || news.has_sacked || news.has_dsack || news.has_echo);
        let is_usual = is_plain && news.has_data_acked && !news.has_resent_acked;
        // Without SACK what is delivered is counted later.
        let counted = if self.agreed.sack {
            self.counters.delivered
        } else {
            self.counters.delivered.wrapping_sub(news.delivered)
        };
        let is_next = news.stamp.is_some_and(|stamp| stamp.delivered.wrapping_add(1) == counted);
        is_one && is_whole && is_usual && is_next
    }

    /// Measures the round-trip time, by when segments were sent, or by the timestamps that come back when they were sent
    /// more than once (Karn's algorithm; RFC 7323, section 4).
    fn measure(&mut self, work: &Work<'_>, segment: &Segment, news: &News) -> Option<Duration> {
        let echoed = || self.echoed_rtt(work, segment).filter(|_| news.has_advanced);
        let rtt = news.rtt(work.now).or_else(echoed)?;
        let latest = news.latest_rtt(work.now).unwrap_or(rtt);
        // What the other end has waited is not the way's; if it always waits, the least time runs out in time.
        if !news.is_ack_delayed || self.rtt.least().is_none_or(|least| latest <= least) {
            self.rtt.sample_least(work.now, latest, work.sysctls);
        }
        self.rtt.sample(rtt, (self.sender.una, self.sender.next), self.timeout_floor(work));
        self.trouble.backoff = 0;
        Some(latest)
    }

    /// How long ago the time was told that comes back with a segment.
    fn echoed_rtt(&self, work: &Work<'_>, segment: &Segment) -> Option<Duration> {
        let echo = segment.timestamps.filter(|_| self.agreed.timestamps)?.echo;
        let age = self.echo_age(work, echo);
        (echo != 0 && age < ECHO_AGE_MAX_MILLIS).then(|| Duration::from_millis(age.max(1).into()))
    }

    /// Measures the round trip of an answer to a SYN, unless something was measured: the one of `taken`, if that is known, else by the
    /// timestamp that comes back (Linux v6.18: `tcp_synack_rtt_meas()`).
    pub(super) fn measure_answer(&mut self, work: &Work<'_>, segment: &Segment, taken: Option<Duration>) {
        if self.rtt.smoothed().is_none()
            && let Some(rtt) = taken.or_else(|| self.echoed_rtt(work, segment))
        {
            self.rtt.sample_least(work.now, rtt, work.sysctls);
            self.rtt.sample(rtt, (self.sender.una, self.sender.next), self.timeout_floor(work));
        }
    }

    /// Lets the congestion window grow, or shrink as far as a reduction asks for.
    fn adjust_window(&mut self, work: &Work<'_>, news: &News, sample: &Sample) {
        if self.congestion.is_model() {
            return self.control(work, sample);
        }
        let acknowledged = Acknowledged {
            segments: news.delivered,
            rtt: sample.rtt,
            smoothed: self.rtt.smoothed().unwrap_or_default(),
            una: self.sender.una,
            next: self.sender.next,
            is_window_limited: self.is_window_limited(),
            pacing_rate: self.pacing.rate,
        };
        if sample.rtt.is_some() {
            self.congestion.measure(work.now, &mut self.window, &acknowledged);
        }
        if matches!(self.trouble.now, Trouble::Reduced | Trouble::Recovery) {
            self.reduce_window(news.delivered, sample.lost, news.has_advanced);
            return self.update_pacing_rate(work);
        }
        let may_grow = if self.trouble.reordering > work.sysctls.tcp_reordering {
            news.has_acked || news.has_sacked
        } else {
            news.has_data_acked
        };
        if may_grow && news.delivered > 0 {
            self.congestion.acknowledge(work.now, &mut self.window, &acknowledged);
        }
        self.update_pacing_rate(work);
    }

    /// Whether this end's FIN is acknowledged.
    pub(super) fn is_fin_acknowledged(&self) -> bool {
        self.sender.fin_queued && self.sender.una == self.sender.end && self.state != State::SynReceived
    }
}

/// An older echo is a mistake of the other end's.
const ECHO_AGE_MAX_MILLIS: u32 = 1 << 30;
