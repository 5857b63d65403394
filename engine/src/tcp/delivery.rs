//! How fast the other end gets what is sent: the delivery rate (Cheng, Cardwell, Hassas Yeganeh, Jacobson: "Delivery Rate
//! Estimation", draft-cheng-iccrg-delivery-rate-estimation; Linux v6.18: `net/ipv4/tcp_rate.c`).
//!
//! ```text
//!   sent   ├──── send phase ────┤            of the segments that were sent between the first one of a flight and this one
//!   acked        ├──── ack phase ────┤       of those that were delivered between its sending and its acknowledgement
//!                rate = delivered / the longer of both
//! ```
//!
//! Acknowledgements come in heaps, and segments go out in trains: neither phase alone is what the network carries. While the user
//! has nothing to send, the rate is his, not the network's: such samples are told apart.

use core::time::Duration;

use super::{
    connection::{Connection, Sent},
    rack::is_later,
    scoreboard::News,
    work::Work,
};
use crate::time::Instant;

/// What was known of deliveries when a segment was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamp {
    /// Segments delivered by then.
    pub(super) delivered: u32,
    /// When the last of them was; `None`: nothing is measured by this segment.
    pub(super) delivered_at: Option<Instant>,
    /// When the first segment of its flight was sent.
    pub(super) first_sent_at: Instant,
    /// The user had nothing more to send.
    pub(super) is_app_limited: bool,
}

/// What is known of deliveries now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    /// When the last segment was delivered.
    pub(super) delivered_at: Option<Instant>,
    /// When the segment was sent that was delivered last, or the first one of this flight.
    first_sent_at: Instant,
    /// Until more than so many segments are delivered, what is measured is the user's rate.
    pub(super) app_limited_until: Option<u32>,
    /// The rate that was measured last: segments, their time in microseconds, and whether it is the user's.
    rate: (u32, u64),
    pub(super) rate_is_app_limited: bool,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            delivered_at: None,
            first_sent_at: Instant::ZERO,
            // Until the first acknowledgement nothing has filled the network.
            app_limited_until: Some(u32::MAX),
            rate: (0, 0),
            rate_is_app_limited: true,
        }
    }
}

/// What an acknowledgement tells of deliveries (Linux: `struct rate_sample`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Segments delivered since the one that is measured by was sent; `None`: nothing is measured.
    pub delivered: Option<u32>,
    /// In how long; `None` when it is too short to be right.
    pub interval: Option<Duration>,
    /// Segments that had been delivered when it was sent.
    pub prior_delivered: u32,
    /// Segments that this acknowledgement has told of, in order or not.
    pub acknowledged: u32,
    /// Segments that are lost since the one before.
    pub lost: u32,
    /// The user had nothing more to send meanwhile.
    pub is_app_limited: bool,
    /// The round-trip time of the segment that was delivered last.
    pub rtt: Option<Duration>,
    /// It may hold the other end's wait for a second segment.
    pub is_ack_delayed: bool,
    /// Segments in flight before it.
    pub prior_in_flight: u32,
}

impl Delivery {
    /// A segment has been delivered. What an acknowledgement tells of is measured by the one of its segments that was sent last.
    pub(super) fn note(&mut self, sent: &mut Sent, news: &mut News) {
        if sent.stamp.delivered_at.is_none() {
            return;
        }
        let is_last = |known: Stamp| known.delivered == 0 || is_later((sent.sent_at, sent.end), news.measured);
        if news.stamp.is_none_or(is_last) {
            (news.stamp, news.measured) = (Some(sent.stamp), (sent.sent_at, sent.end));
            self.first_sent_at = sent.sent_at;
            news.send_phase = sent.sent_at.since(sent.stamp.first_sent_at);
        }
        // It is delivered once, whatever is said of it later.
        sent.stamp.delivered_at = None;
    }
}

impl Connection {
    /// What is known of deliveries as a segment is sent; asked before it is counted as in flight.
    pub(super) fn stamp(&mut self, now: Instant) -> Stamp {
        let delivery = &mut self.delivery;
        if self.sender.in_flight.out == 0 {
            (delivery.first_sent_at, delivery.delivered_at) = (now, Some(now));
        }
        Stamp {
            delivered: self.counters.delivered,
            delivered_at: delivery.delivered_at,
            first_sent_at: delivery.first_sent_at,
            is_app_limited: delivery.app_limited_until.is_some(),
        }
    }

    /// The user is about to write: if all that he had written was sent and more could have been, there is a gap (Linux v6.18:
    /// `tcp_rate_check_app_limited()`).
    pub(super) fn note_gap(&mut self) {
        let tally = &self.sender.in_flight;
        let is_all_sent = self.unsent() < self.sender.mss_bytes && tally.lost <= tally.resent;
        if is_all_sent && tally.pipe() < self.window.segments {
            self.delivery.app_limited_until = Some(self.counters.delivered.wrapping_add(tally.pipe()).max(1));
        }
    }

    /// Measures by what an acknowledgement has told (Linux v6.18: `tcp_rate_gen()`).
    pub(super) fn sample_delivery(&mut self, work: &Work<'_>, news: &News, lost: u32, rtt: Option<Duration>) -> Sample {
        let delivered = self.counters.delivered;
        let delivery = &mut self.delivery;
        if delivery.app_limited_until.is_some_and(|until| (delivered.wrapping_sub(until) as i32) > 0) {
            delivery.app_limited_until = None;
        }
        if news.delivered > 0 {
            delivery.delivered_at = Some(work.now);
        }
        let mut sample = Sample {
            acknowledged: news.delivered,
            lost,
            rtt,
            is_ack_delayed: news.is_ack_delayed,
            prior_in_flight: news.prior_in_flight,
            ..Sample::default()
        };
        let Some(stamp) = news.stamp else { return sample };
        (sample.prior_delivered, sample.is_app_limited) = (stamp.delivered, stamp.is_app_limited);
        // What was given up by the other end is delivered once more.
        let Some(since) = stamp.delivered_at.filter(|_| !news.had_reneged) else { return sample };
        sample.delivered = Some(delivered.wrapping_sub(stamp.delivered));
        let interval = news.send_phase.max(work.now.since(since));
        // What comes sooner than anything else answers an earlier sending.
        if interval < self.rtt.least().unwrap_or(Duration::MAX) {
            return sample;
        }
        sample.interval = Some(interval);
        let (segments, micros) = (delivered.wrapping_sub(stamp.delivered), interval.as_micros() as u64);
        let is_more = u64::from(segments) * delivery.rate.1 >= u64::from(delivery.rate.0) * micros;
        if !sample.is_app_limited || is_more {
            delivery.rate = (segments, micros);
            delivery.rate_is_app_limited = sample.is_app_limited;
        }
        sample
    }

    /// Bytes a second that were delivered lately, or 0 (Linux v6.18: `tcp_compute_delivery_rate()`).
    pub(super) fn delivery_rate(&self) -> u64 {
        let (segments, micros) = self.delivery.rate;
        let bytes = u64::from(segments) * u64::from(self.sender.mss_bytes);
        bytes.saturating_mul(1_000_000).checked_div(micros).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{SeqNum, TcpFlags};

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(1_000_000 * millis)
    }

    /// The `number`-th segment of 1000 bytes, sent then; the flight's first one was sent at 100 ms, and five segments were delivered
    /// by 90 ms.
    fn segment(number: u32, millis: u64) -> Sent {
        let stamp = Stamp { delivered: 5, delivered_at: Some(at(90)), first_sent_at: at(100), is_app_limited: false };
        let seq = SeqNum(1000 * number);
        Sent::new(at(millis), (seq, seq + 1000), TcpFlags::default(), 1000, stamp)
    }

    fn noted(segments: &mut [Sent]) -> (Delivery, News) {
        let (mut delivery, mut news) = (Delivery::default(), News::default());
        for sent in segments {
            delivery.note(sent, &mut news);
        }
        (delivery, news)
    }

    #[test]
    fn an_acknowledgement_of_several_is_measured_by_the_one_sent_last() {
        let (delivery, news) = noted(&mut [segment(1, 100), segment(2, 107), segment(3, 114)]);
        assert_eq!(news.send_phase, Duration::from_millis(14));
        assert_eq!(delivery.first_sent_at, at(114), "the next flight begins with it");
        // What was sent again was sent last, wherever it lies.
        let (delivery, news) = noted(&mut [segment(1, 120), segment(2, 107), segment(3, 114)]);
        assert_eq!(news.send_phase, Duration::from_millis(20));
        assert_eq!(delivery.first_sent_at, at(120));
    }

    #[test]
    fn of_segments_sent_at_once_the_one_behind_is_the_last() {
        let mut segments = [segment(2, 107), segment(3, 107), segment(1, 107)];
        segments[1].stamp.is_app_limited = true;
        let (_, news) = noted(&mut segments);
        assert!(news.stamp.is_some_and(|stamp| stamp.is_app_limited));
    }

    #[test]
    fn what_was_told_of_by_sack_measures_nothing_when_it_is_acknowledged() {
        let mut segments = [segment(2, 107)];
        let (mut delivery, news) = noted(&mut segments);
        assert!(news.stamp.is_some());
        let mut news = News::default();
        delivery.note(&mut segments[0], &mut news);
        assert!(news.stamp.is_none());
        delivery.note(&mut segment(1, 100), &mut news);
        assert_eq!((news.send_phase, delivery.first_sent_at), (Duration::ZERO, at(100)));
    }
}
