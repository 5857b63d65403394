//! What is remembered of other hosts (RFC 9040; Linux v6.18: `net/ipv4/tcp_metrics.c`): how it was when connections to them ended, for
//! those that begin later, and their cookies of Fast Open. `ip tcp_metrics` shows it.
//!
//! A connection is learned from once, when it ends well: in TIME_WAIT, out of LAST_ACK, and in FIN_WAIT2 where nobody holds it any more
//! (of one that is kept there for longer than TIME_WAIT lasts at the end of it, and not, as Linux has it, 60 seconds earlier). Not with `net.ipv4.tcp_no_metrics_save` of 1. What is learned goes by
//! how far it has come:
//!
//! | of it | in its first slow start | in congestion avoidance, without trouble | else |
//! |---|---|---|---|
//! | round-trip time | its own if that is longer, else an eighth of the way towards it | same | same |
//! | deviation | what both times differ by, or its own if that is more; a quarter of the way down to it | same | same |
//! | window | its own if that is larger | the mean of both | the mean of it and the connection's threshold |
//! | threshold | half of its window, if one is known and that is larger | its own, or half of its window if that is more | its own, if one is known and that is larger |
//! | reordering | | | its own, if that is more and no longer the tunable's |
//!
//! Thresholds are learned, and believed, only with `net.ipv4.tcp_no_ssthresh_metrics_save` of 0. One whose last timeout is not over, or
//! that has measured no round trip, has only this to tell: that the time which was known means nothing.
//!
//! A connection that stands begins with the threshold and the reordering that are known; with a window that never grows beyond the one that
//! its route has locked when the destination became known; and waits for its first acknowledgement for as long as the known round trips
//! would have it, if they are longer than its handshake's was. With no time of either it waits for 3 seconds.
//!
//! After an hour without news all but the cookie is again as the route says ([`RouteMetrics`]), and most say nothing. Linux has 6 or 7
//! places for each of 8192 hashes of addresses, or 16384 of them where there is more than 512 MB of memory; here the destination that was
//! written longest ago makes room. How often SYNs with data were lost (`fo_syn_drops`) is not counted. A snapshot has all of it.

mod table;
#[cfg(test)]
mod tests;

use core::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

pub(crate) use table::{Destinations, DestinationsRecord};

use super::{
    congestion::{Trouble, Window},
    connection::Connection,
    fastopen::Peer,
    work::Work,
};
use crate::{
    ip::{Locks, RouteMetrics},
    sysctl::Sysctls,
    time::Instant,
    wire::FastOpenCookie,
};

/// A destination as it is remembered. Numbers are 0 where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The other host.
    pub address: IpAddr,
    /// This host's address.
    pub source: IpAddr,
    /// How long ago something was learned.
    pub age: Duration,
    /// The slow start threshold, in segments (`ssthresh`); 0: none is known.
    pub threshold: u32,
    /// The congestion window, in segments (`cwnd`); 0: none is known.
    pub window: u32,
    /// By how many segments the way reorders.
    pub reordering: u32,
    /// The smoothed round-trip time (`rtt`).
    pub rtt: Duration,
    /// Its mean deviation (`rttvar`).
    pub deviation: Duration,
    /// The MSS that it has named in answer to a SYN of Fast Open.
    pub fast_open_mss: Option<u16>,
    /// Its cookie of Fast Open.
    pub cookie: Option<FastOpenCookie>,
}

/// What is remembered of a destination. Numbers are 0 where nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// When something was learned.
    at: Instant,
    /// What connections do not change.
    locks: Locks,
    /// The smoothed round-trip time in eighths of a microsecond, its deviation in quarters.
    rtt_8: u32,
    deviation_4: u32,
    threshold: u32,
    window: u32,
    reordering: u32,
    pub(super) fast_open: Peer,
}

/// How a connection was when it ended.
#[derive(Clone, Copy, Debug)]
struct Lesson {
    rtt_8: u32,
    deviation_4: u32,
    window: Window,
    trouble: Trouble,
    reordering: u32,
}

impl Remembered {
    /// Whether it can be: a window that is locked lets something be sent.
    fn is_right(&self) -> bool {
        let can_send = self.window > 0 || !self.locks.hold(Locks::CWND);
        can_send && self.locks.is_right() && self.fast_open.is_right()
    }

    /// As the route has it; the cookie stays.
    fn begin(&mut self, now: Instant, metrics: &RouteMetrics) {
        let parts = |millis: Option<u32>, of_micro: u32| millis.unwrap_or(0).saturating_mul(1000 * of_micro);
        *self = Self {
            at: now,
            locks: metrics.locks,
            rtt_8: parts(metrics.rtt_ms, 8),
            deviation_4: parts(metrics.rttvar_ms, 4),
            threshold: metrics.ssthresh.unwrap_or(0),
            window: metrics.cwnd.unwrap_or(0),
            reordering: metrics.reordering.unwrap_or(0),
            fast_open: self.fast_open,
        };
    }

    /// A connection has ended.
    fn learn(&mut self, now: Instant, sysctls: &Sysctls, lesson: &Lesson) {
        self.at = now;
        let shorter = i64::from(self.rtt_8) - i64::from(lesson.rtt_8);
        if !self.locks.hold(Locks::RTT) {
            self.rtt_8 = if shorter <= 0 { lesson.rtt_8 } else { self.rtt_8 - (shorter >> 3) as u32 };
        }
        if !self.locks.hold(Locks::RTTVAR) {
            let deviation = ((shorter.unsigned_abs() >> 1) as u32).max(lesson.deviation_4);
            let less = self.deviation_4.saturating_sub(deviation);
            self.deviation_4 = if less == 0 { deviation } else { self.deviation_4 - (less >> 2) };
        }
        let Lesson { window: Window { segments, threshold, .. }, trouble, .. } = *lesson;
        if threshold >= Window::NO_THRESHOLD {
            self.learn_window(self.window.max(segments));
            self.learn_threshold(sysctls, if self.threshold > 0 { self.threshold.max(segments >> 1) } else { 0 });
        } else if !lesson.window.is_in_slow_start() && trouble == Trouble::Open {
            self.learn_window(mean(self.window, segments));
            self.learn_threshold(sysctls, threshold.max(segments >> 1));
        } else {
            // The window says nothing now.
            self.learn_window(mean(self.window, threshold));
            self.learn_threshold(sysctls, if self.threshold > 0 { self.threshold.max(threshold) } else { 0 });
            if !self.locks.hold(Locks::REORDERING) && lesson.reordering != sysctls.tcp_reordering {
                self.reordering = self.reordering.max(lesson.reordering);
            }
        }
    }

    fn learn_window(&mut self, segments: u32) {
        if !self.locks.hold(Locks::CWND) {
            self.window = segments;
        }
    }

    fn learn_threshold(&mut self, sysctls: &Sysctls, segments: u32) {
        if sysctls.tcp_no_ssthresh_metrics_save == 0 && !self.locks.hold(Locks::SSTHRESH) {
            self.threshold = segments;
        }
    }

    /// A connection has ended that has nothing to tell of round trips.
    fn unlearn_rtt(&mut self) {
        if !self.locks.hold(Locks::RTT) {
            self.rtt_8 = 0;
        }
    }

    fn show(&self, now: Instant, (address, source): (IpAddr, IpAddr)) -> Destination {
        Destination {
            address,
            source,
            age: now.since(self.at),
            threshold: self.threshold,
            window: self.window,
            reordering: self.reordering,
            rtt: Duration::from_micros(u64::from(self.rtt_8 >> 3)),
            deviation: Duration::from_micros(u64::from(self.deviation_4 >> 2)),
            fast_open_mss: self.fast_open.mss_bytes,
            cookie: self.fast_open.cookie.map(|option| option.cookie),
        }
    }
}

const fn mean(one: u32, other: u32) -> u32 {
    ((one as u64 + other as u64) >> 1) as u32
}

impl Connection {
    /// It ends well: others shall know how it was (Linux v6.18: `tcp_update_metrics()`).
    pub(super) fn remember(&mut self, work: &mut Work<'_>) {
        if work.sysctls.tcp_no_metrics_save != 0 || core::mem::replace(&mut self.is_remembered, true) {
            return;
        }
        let metrics = &self.way.metrics;
        if self.trouble.backoff > 0 || self.rtt.smoothed_eighths() == 0 {
            return work.destinations.revise_known(work.now, &self.ends, metrics, Remembered::unlearn_rtt);
        }
        let lesson = Lesson {
            rtt_8: self.rtt.smoothed_eighths(),
            deviation_4: self.rtt.deviation_quarters(),
            window: self.window,
            trouble: self.trouble.now,
            reordering: self.trouble.reordering,
        };
        let sysctls = work.sysctls;
        work.destinations.revise(work.now, &self.ends, metrics, |known| known.learn(work.now, sysctls, &lesson));
    }

    /// It stands: what others have left is its beginning (Linux v6.18: `tcp_init_metrics()`).
    pub(super) fn recall(&mut self, work: &mut Work<'_>) {
        // That a SYN was lost says nothing of segments.
        self.window.threshold = Window::NO_THRESHOLD;
        let known = work.destinations.find(work.now, &self.ends, &self.way.metrics).unwrap_or_default();
        if known.locks.hold(Locks::CWND) {
            self.window.clamp = known.window;
        }
        if known.threshold > 0 && work.sysctls.tcp_no_ssthresh_metrics_save == 0 {
            self.window.threshold = known.threshold.min(self.window.clamp);
        }
        if known.reordering > 0 {
            self.trouble.reordering = known.reordering;
        }
        self.rtt.expect(known.rtt_8, self.timeout_floor(work));
    }
}
