//! Pacing: segments leave one after another at a rate, instead of all at once when an acknowledgement comes (Linux v6.18:
//! `net/ipv4/tcp_output.c`, `tcp_pacing_check()`, `tcp_update_skb_after_send()`; `net/ipv4/tcp_input.c`,
//! `tcp_update_pacing_rate()`).
//!
//! The rate is always known: super-packets are as large as what is sent in a millisecond. Segments wait for their time only when an
//! algorithm of congestion control needs it or the user has set a limit (`SO_MAX_PACING_RATE`): Linux leaves it to a queue of the
//! device (fq) otherwise, and there is none here. Each segment may leave when the one before has been sent at the rate; who comes late,
//! because timers do, gets up to half of a segment's time back.

use core::time::Duration;

use super::{
    connection::Connection,
    output::{Hold, Rush},
    resent::ResendReason,
    work::Work,
};
use crate::time::Instant;

/// When and how fast segments leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacing {
    /// Bytes a second; [`UNLIMITED`] while nothing is known (Linux: `sk_pacing_rate`).
    pub(super) rate: u64,
    /// The most that it may be (Linux: `sk_max_pacing_rate`).
    pub(super) rate_max: u64,
    /// Segments wait for their time (Linux: `SK_PACING_NEEDED`).
    pub(super) is_on: bool,
    /// When the next segment may leave (Linux: `tcp_wstamp_ns`).
    pub(super) departs: Instant,
}

impl Pacing {
    /// As a user's limit has it.
    pub(super) const fn new(rate_max: u64, is_on: bool) -> Self {
        Self { rate: rate_max, rate_max, is_on, departs: Instant::ZERO }
    }

    /// Sets the rate, within its limit.
    pub(super) fn set(&mut self, rate: u64) {
        self.rate = rate.min(self.rate_max);
    }

    /// A packet leaves now, with so many bytes of data. The first ones of a connection, `is_first`, go as they come.
    pub(super) fn note_departure(&mut self, now: Instant, bytes: u32, is_first: bool) {
        let before = self.departs;
        self.departs = before.max(now);
        if !self.is_on || self.rate == UNLIMITED || self.rate == 0 || is_first {
            return;
        }
        let takes = Duration::from_nanos(u64::from(bytes) * NANOS / self.rate);
        let late = self.departs.since(before);
        self.departs = self.departs + (takes - late.min(takes / 2));
    }

    /// How long until the next segment may leave.
    pub(super) fn delay(&self, now: Instant) -> Duration {
        if self.is_on { self.departs.since(now) } else { Duration::ZERO }
    }
}

impl Connection {
    /// Whether the next segment has to wait for its time; then a deadline stands.
    pub(super) fn waits_for_departure(&mut self, now: Instant) -> bool {
        if self.pacing.delay(now).is_zero() {
            return false;
        }
        if self.deadlines.departure.is_none() {
            self.deadlines.departure = Some(self.pacing.departs);
        }
        true
    }

    /// The time has come: what is lost is sent again, and then what is new (Linux v6.18: `tcp_tsq_write()`).
    pub(super) fn depart(&mut self, work: &mut Work<'_>) {
        if !self.may_send() {
            return;
        }
        let tally = self.sender.in_flight;
        if tally.lost > tally.resent && self.window.segments > tally.pipe() {
            let why = ResendReason::of_recovery(self.trouble.now);
            self.resend_lost(work, why);
        }
        self.send_some(work, Rush::None(Hold::AsSet));
    }

    /// Sets the rate by the window and the round-trip time: what the window lets a round trip, and some more, so that it can grow.
    /// Before one was measured, an eighth of a microsecond stands for it.
    pub(super) fn update_pacing_rate(&mut self, work: &Work<'_>) {
        let ratio = if self.window.segments < self.window.threshold / 2 {
            work.sysctls.tcp_pacing_ss_ratio
        } else {
            work.sysctls.tcp_pacing_ca_ratio
        };
        let window = self.window.segments.max(self.sender.in_flight.out);
        let bytes = u64::from(window) * u64::from(self.sender.mss_bytes);
        let eighths = bytes.saturating_mul(u64::from(ratio) * (1_000_000 / 100 * 8));
        self.pacing.set(eighths / u64::from(self.rtt.smoothed_eighths()).max(1));
    }

    /// The user has set the most that may be sent a second, in bytes.
    pub(super) fn limit_pacing(&mut self, rate_max: u64) {
        self.pacing.rate_max = rate_max;
        self.pacing.set(self.pacing.rate);
        self.pacing.is_on |= rate_max != UNLIMITED;
    }
}

/// A rate that limits nothing.
pub(crate) const UNLIMITED: u64 = u64::MAX;
/// So many segments of a connection go as they come.
pub(super) const UNPACED_SEGMENTS: u32 = 10;
const NANOS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(1000 * micros)
    }

    #[test]
    fn segments_leave_as_far_apart_as_the_rate_says_and_late_ones_get_up_to_half_of_it_back() {
        let mut pacing = Pacing::new(UNLIMITED, true);
        pacing.set(1_000_000);
        pacing.note_departure(at(5000), 1000, true);
        assert_eq!(pacing.delay(at(5000)), Duration::ZERO, "the first go as they come");
        pacing.note_departure(at(5000), 1000, false);
        assert_eq!(pacing.departs, at(6000));
        assert_eq!(pacing.delay(at(5400)), Duration::from_micros(600));
        pacing.note_departure(at(6300), 1000, false);
        assert_eq!(pacing.departs, at(7000), "300 µs late, and so the next is 300 µs sooner");
        pacing.note_departure(at(17_000), 1000, false);
        assert_eq!(pacing.departs, at(17_500), "no more than half");
    }

    #[test]
    fn nothing_waits_that_needs_no_pacing() {
        let mut pacing = Pacing::new(UNLIMITED, false);
        pacing.set(1000);
        pacing.note_departure(at(1), 1_000_000, false);
        assert_eq!(pacing.delay(at(1)), Duration::ZERO);
    }

    #[test]
    fn the_limit_holds_whatever_is_set() {
        let mut pacing = Pacing::new(5000, true);
        assert_eq!(pacing.rate, 5000);
        pacing.set(7000);
        assert_eq!(pacing.rate, 5000);
    }
}
