//! Round-trip times and the retransmission timeout (RFC 6298), with Linux's way of keeping the variance (v6.18:
//! `net/ipv4/tcp_input.c`, `tcp_rtt_estimator()`, `__tcp_set_rto()`; `net/ipv4/tcp_minisocks.c`; `lib/win_minmax.c`).
//!
//! Why not RFC 6298 to the letter: its least timeout is a second. Linux adds the variance to the round-trip time, and
//! lets the variance never be less than 200 ms; it takes the largest deviation of a round trip, not the mean of all, since
//! many samples come in one.

use core::time::Duration;

use crate::{sysctl::Sysctls, time::Instant, wire::SeqNum};

/// What is known of a connection's round-trip times, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rtt {
    /// The smoothed time, times 8; 0: none was measured.
    smoothed_8: u32,
    /// The mean deviation, times 4.
    deviation_4: u32,
    /// The largest deviation of this round trip, times 4.
    deviation_max_4: u32,
    /// What is added to the smoothed time for the timeout.
    variance: u32,
    /// The timeout until something is measured; `None`: a second before that, and as it was measured behind it.
    expected: Option<Duration>,
    /// Where this round trip ends.
    round_end: SeqNum,
    /// The least of the last minutes.
    least: Least,
}

impl Rtt {
    /// Takes a sample. `una` and `next` are what is acknowledged and what is sent next; the variance is never less than `floor`.
    pub(super) fn sample(&mut self, rtt: Duration, (una, next): (SeqNum, SeqNum), floor: Duration) {
        let measured = micros(rtt).max(1);
        let floor = micros(floor);
        self.expected = None;
        if self.smoothed_8 == 0 {
            self.smoothed_8 = measured << 3;
            self.deviation_4 = measured << 1;
            self.variance = self.deviation_4.max(floor);
            self.deviation_max_4 = self.variance;
            self.round_end = next;
            return;
        }
        let off = i64::from(measured) - i64::from(self.smoothed_8 >> 3);
        self.smoothed_8 = (i64::from(self.smoothed_8) + off).max(1) as u32;
        // A time that falls says little about one that will rise (Eifel, section 3.2.2).
        let mut change = off.abs() - i64::from(self.deviation_4 >> 2);
        if off < 0 && change > 0 {
            change >>= 3;
        }
        self.deviation_4 = (i64::from(self.deviation_4) + change).max(0) as u32;
        if self.deviation_4 > self.deviation_max_4 {
            self.deviation_max_4 = self.deviation_4;
            self.variance = self.variance.max(self.deviation_max_4);
        }
        if una.after(self.round_end) {
            if self.deviation_max_4 < self.variance {
                self.variance -= (self.variance - self.deviation_max_4) >> 2;
            }
            self.round_end = next;
            self.deviation_max_4 = floor;
        }
    }

    /// The handshake is done. Its segments are small: if round trips to its other end have taken longer before, `known_8` eighths of a
    /// microsecond, they are expected to again. If it has measured none, there may be a reason why not (RFC 6298, section 5.7; Linux v6.18:
    /// `net/ipv4/tcp_metrics.c`, `tcp_init_metrics()`).
    pub(super) fn expect(&mut self, known_8: u32, floor: Duration) {
        if known_8 > self.smoothed_8 {
            let known = Duration::from_micros(u64::from(known_8 >> 3));
            self.expected = Some(known + floor.max(2 * known));
        } else if self.smoothed_8 == 0 {
            self.variance = micros(UNMEASURED_TIMEOUT);
            (self.deviation_4, self.deviation_max_4) = (self.variance, self.variance);
            self.expected = Some(UNMEASURED_TIMEOUT);
        }
    }

    /// Goes by what was measured, if anything was.
    pub(super) const fn expect_the_measured(&mut self) {
        if self.smoothed_8 != 0 {
            self.expected = None;
        }
    }

    /// Takes a sample for the least time, which counts for `tcp_min_rtt_wlen` seconds.
    pub(super) fn sample_least(&mut self, now: Instant, rtt: Duration, sysctls: &Sysctls) {
        self.least.sample(now, micros(rtt).max(1), Duration::from_secs(sysctls.tcp_min_rtt_wlen.into()));
    }

    /// The retransmission timeout without backing off, and not longer than `most`; a second while nothing was measured or is known.
    #[must_use]
    pub fn timeout(&self, most: Duration) -> Duration {
        match (self.expected, self.smoothed_8) {
            (Some(expected), _) => expected.min(most),
            (None, 0) => INITIAL_TIMEOUT,
            (None, smoothed) => Duration::from_micros(u64::from(smoothed >> 3) + u64::from(self.variance)).min(most),
        }
    }

    /// The smoothed time; `None` while nothing was measured.
    #[must_use]
    pub const fn smoothed(&self) -> Option<Duration> {
        match self.smoothed_8 {
            0 => None,
            smoothed => Some(Duration::from_micros((smoothed >> 3) as u64)),
        }
    }

    /// The smoothed time in eighths of a microsecond; 0 while nothing was measured.
    pub(super) const fn smoothed_eighths(&self) -> u32 {
        self.smoothed_8
    }

    /// The mean deviation in quarters of a microsecond.
    pub(super) const fn deviation_quarters(&self) -> u32 {
        self.deviation_4
    }

    /// The mean deviation.
    #[must_use]
    pub const fn deviation(&self) -> Duration {
        Duration::from_micros((self.deviation_4 >> 2) as u64)
    }

    /// The least time of the last minutes; `None` while nothing was measured.
    #[must_use]
    pub fn least(&self) -> Option<Duration> {
        (self.least.best[0].1 != 0).then(|| Duration::from_micros(self.least.best[0].1.into()))
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX).min(MEASURED_MAX_MICROS)
}

/// The timeout before anything was measured (RFC 6298, section 2).
pub const INITIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// The timeout of one whose handshake has measured nothing (Linux: `TCP_TIMEOUT_FALLBACK`).
const UNMEASURED_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer round trips count as this one: eight times of it fit 32 bits.
const MEASURED_MAX_MICROS: u32 = 500_000_000;

/// The least of what was measured in a while: the best, the best since, and the best since that one (Kathleen Nichols'
/// windowed filter).
#[derive(Clone, Copy, Debug, Default)]
struct Least {
    best: [(Instant, u32); 3],
}

impl Least {
    fn sample(&mut self, now: Instant, value: u32, window: Duration) {
        let new = (now, value);
        if self.best[0].1 == 0 || value <= self.best[0].1 || now.since(self.best[2].0) > window {
            self.best = [new; 3];
            return;
        }
        if value <= self.best[1].1 {
            (self.best[1], self.best[2]) = (new, new);
        } else if value <= self.best[2].1 {
            self.best[2] = new;
        }
        let age = now.since(self.best[0].0);
        if age > window {
            self.best = [self.best[1], self.best[2], new];
            if now.since(self.best[0].0) > window {
                self.best = [self.best[1], self.best[2], new];
            }
        } else if self.best[1].0 == self.best[0].0 && age > window / 4 {
            (self.best[1], self.best[2]) = (new, new);
        } else if self.best[2].0 == self.best[1].0 && age > window / 2 {
            self.best[2] = new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(120);

    fn measured(samples: &[u64]) -> Rtt {
        let (mut rtt, mut una) = (Rtt::default(), SeqNum(0));
        for millis in samples {
            rtt.sample(Duration::from_millis(*millis), (una, una + 10), Duration::from_millis(200));
            una += 11;
        }
        rtt
    }

    #[test]
    fn before_the_first_sample_the_timeout_is_a_second() {
        assert_eq!(Rtt::default().timeout(LONGEST), Duration::from_secs(1));
    }

    #[test]
    fn a_steady_time_gives_a_timeout_200_ms_above_it() {
        let rtt = measured(&[100; 50]);
        assert_eq!(rtt.smoothed(), Some(Duration::from_millis(100)));
        assert_eq!(rtt.timeout(LONGEST), Duration::from_millis(300));
    }

    #[test]
    fn the_first_sample_of_a_long_way_counts_twice_for_the_variance() {
        assert_eq!(measured(&[500]).timeout(LONGEST), Duration::from_millis(1500));
    }

    #[test]
    fn no_timeout_is_longer_than_the_longest() {
        assert_eq!(measured(&[4000]).timeout(Duration::from_secs(5)), Duration::from_secs(5));
    }

    #[test]
    fn a_time_that_is_known_is_waited_for_until_one_is_measured_unless_the_handshakes_was_longer() {
        let floor = Duration::from_millis(200);
        let timeout = |mut rtt: Rtt, known_millis: u32| {
            rtt.expect(known_millis * 8000, floor);
            let expected = rtt.timeout(LONGEST);
            rtt.sample(Duration::from_millis(20), (SeqNum(100), SeqNum(110)), floor);
            (expected.as_millis(), rtt.timeout(LONGEST).as_millis())
        };
        assert_eq!(timeout(measured(&[20]), 10), (220, 220));
        assert_eq!(timeout(measured(&[20]), 90), (290, 220));
        assert_eq!(timeout(measured(&[20]), 200), (600, 220));
        assert_eq!(timeout(Rtt::default(), 200), (600, 220));
        assert_eq!(timeout(Rtt::default(), 0), (3000, 220), "nothing is known");
    }

    #[test]
    fn the_least_time_is_forgotten_after_a_while() {
        let (mut rtt, sysctls) = (Rtt::default(), Sysctls::default());
        for (at, millis) in [(0, 50), (10, 80), (100, 70), (299, 90)] {
            rtt.sample_least(Instant::from_secs(at), Duration::from_millis(millis), &sysctls);
            assert_eq!(rtt.least(), Some(Duration::from_millis(50)), "{at}");
        }
        rtt.sample_least(Instant::from_secs(301), Duration::from_millis(90), &sysctls);
        assert_eq!(rtt.least(), Some(Duration::from_millis(70)));
    }
}
