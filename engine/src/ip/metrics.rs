//! What a route says of the way beside where it leads (Linux v6.18: `RTA_METRICS`, `include/uapi/linux/rtnetlink.h`), under the names
//! that ip-route(8) has for it.
//!
//! | name | what follows from it | Linux |
//! |---|---|---|
//! | `mtu` | what is larger is cut or refused | `dst_mtu()` |
//! | `mtu lock` | over IPv4: packets of this host are such that routers can cut them, and who says that they are too large is not heard | `ip_mtu_locked()` |
//! | `rtt`, `rttvar` | what is remembered of round trips there to begin with | `tcpm_suck_dst()` |
//! | `ssthresh`, `cwnd`, `reordering` | what is remembered of the slow start threshold, the congestion window and reordering to begin with | `tcpm_suck_dst()` |
//! | each of these five with `lock` | connections that end change nothing of it; a locked `cwnd` is also the upper bound of their windows | `tcp_metric_locked()` |
//! | `advmss` | the MSS that SYNs tell | `tcp_advertise_mss()` |
//! | `initcwnd` | the congestion window of connections that begin, or begin anew | `tcp_init_cwnd()` |
//! | `rto_min` | timeouts are longer than a round trip by no less, and acknowledgements wait for less than that | `tcp_rto_min()`, `tcp_delack_max()` |
//! | `initrwnd` | what SYNs tell of the window is no more than so many segments | `tcp_select_initial_window()` |
//! | `quickack` | acknowledgements do not wait | `tcp_in_quickack_mode()` |
//! | `fastopen_no_cookie` | data may go, and come, with a SYN that has no cookie | `tcp_fastopen_no_cookie()` |
//!
//! What is remembered of a destination (`ip tcp_metrics`) begins with what its route says, when the first connection to it ends, and again an
//! hour after it was heard of last; until then the five mean nothing to connections, as in Linux 6.18.
//!
//! Not here: `window`, `hoplimit`, `features` and `congctl`, which sockets and tunables say as well.

use core::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

/// What a route says of the way; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMetrics {
    /// The largest packet sent this way, in bytes; the device's when `None`.
    pub mtu_bytes: Option<u32>,
    /// No smaller one is searched for over IPv4 (`mtu lock`). Over IPv6 it has no effect: routers cannot cut packets there.
    pub is_mtu_locked: bool,
    /// The round-trip time to begin with, in milliseconds.
    pub rtt_ms: Option<u32>,
    /// How far it varies, in milliseconds.
    pub rttvar_ms: Option<u32>,
    /// The slow start threshold, in segments.
    pub ssthresh: Option<u32>,
    /// The congestion window, in segments.
    pub cwnd: Option<u32>,
    /// By how many segments the network reorders.
    pub reordering: Option<u32>,
    /// Which of these five connections do not change.
    pub locks: Locks,
    /// The MSS that SYNs tell, in bytes; what the MTU lets when `None`.
    pub advmss_bytes: Option<u32>,
    /// The initial congestion window, in segments; 10 when `None`.
    pub initcwnd: Option<u32>,
    /// The least that a retransmission timeout is longer than a round trip, in milliseconds; the tunable's when `None`.
    pub rto_min_ms: Option<u32>,
    /// The initial window that is told at most, in segments; what the buffer lets when `None`.
    pub initrwnd: Option<u32>,
    /// Acknowledgements do not wait.
    pub quickack: bool,
    /// No cookie is needed for Fast Open.
    pub fastopen_no_cookie: bool,
}

impl RouteMetrics {
    /// Nothing is said.
    pub const NONE: Self = Self {
        mtu_bytes: None,
        is_mtu_locked: false,
        rtt_ms: None,
        rttvar_ms: None,
        ssthresh: None,
        cwnd: None,
        reordering: None,
        locks: Locks::NONE,
        advmss_bytes: None,
        initcwnd: None,
        rto_min_ms: None,
        initrwnd: None,
        quickack: false,
        fastopen_no_cookie: false,
    };

    /// The largest packet alone.
    #[must_use]
    pub const fn of_mtu(mtu_bytes: Option<u32>) -> Self {
        Self { mtu_bytes, ..Self::NONE }
    }

    /// Whether all are within their ranges, and all that are locked are said.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let said = [
            (Metric::MTU, self.mtu_bytes),
            (Metric::RTT, self.rtt_ms),
            (Metric::RTTVAR, self.rttvar_ms),
            (Metric::SSTHRESH, self.ssthresh),
            (Metric::CWND, self.cwnd),
            (Metric::REORDERING, self.reordering),
            (Metric::ADVMSS, self.advmss_bytes),
            (Metric::INITCWND, self.initcwnd),
            (Metric::RTO_MIN, self.rto_min_ms),
            (Metric::INITRWND, self.initrwnd),
        ];
        let are_within = said.iter().all(|(metric, value)| value.is_none_or(|value| metric.range.contains(&value)));
        let locked = [
            (Locks::RTT, self.rtt_ms),
            (Locks::RTTVAR, self.rttvar_ms),
            (Locks::SSTHRESH, self.ssthresh),
            (Locks::CWND, self.cwnd),
            (Locks::REORDERING, self.reordering),
        ];
        let are_said = locked.into_iter().all(|(lock, value)| value.is_some() || !self.locks.hold(lock));
        are_within && are_said && self.locks.is_right()
    }

    /// [`Self::rto_min_ms`] as a time.
    pub(crate) fn rto_min(&self) -> Option<Duration> {
        self.rto_min_ms.map(|millis| Duration::from_millis(millis.into()))
    }
}

/// What a route says that connections which end do not change (`lock`), of what is remembered of destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locks(u8);

impl Locks {
    /// None is.
    pub const NONE: Self = Self(0);
    /// `rtt`.
    pub const RTT: Self = Self(1);
    /// `rttvar`.
    pub const RTTVAR: Self = Self(1 << 1);
    /// `ssthresh`.
    pub const SSTHRESH: Self = Self(1 << 2);
    /// `cwnd`.
    pub const CWND: Self = Self(1 << 3);
    /// `reordering`.
    pub const REORDERING: Self = Self(1 << 4);

    /// Whether all of those are locked.
    #[must_use]
    pub const fn hold(self, those: Self) -> bool {
        self.0 & those.0 == those.0
    }

    /// With those locked too, or no longer.
    #[must_use]
    pub const fn with(self, those: Self, on: bool) -> Self {
        Self(if on { self.0 | those.0 } else { self.0 & !those.0 })
    }

    /// Whether it says nothing beyond the five.
    pub(crate) const fn is_right(self) -> bool {
        self.0 < 1 << 5
    }
}

/// One of the things that a route may say, by its name.
#[derive(Clone, Debug)]
pub struct Metric {
    /// As ip-route(8) has it.
    pub name: &'static str,
    /// Which numbers it may have: 0 and 1 where it is said or not.
    pub range: RangeInclusive<u32>,
    set: fn(&mut RouteMetrics, u32),
    lock: Option<fn(&mut RouteMetrics, bool)>,
}

impl Metric {
    /// Bytes.
    pub const MTU: Self = Self {
        lock: Some(|metrics, on| metrics.is_mtu_locked = on),
        ..Self::new("mtu", 68..=65_535, |metrics, bytes| metrics.mtu_bytes = Some(bytes))
    };
    /// Milliseconds.
    pub const RTT: Self = Self {
        lock: Some(|metrics, on| metrics.locks = metrics.locks.with(Locks::RTT, on)),
        ..Self::new("rtt", 1..=120_000, |metrics, millis| metrics.rtt_ms = Some(millis))
    };
    /// Milliseconds.
    pub const RTTVAR: Self = Self {
        lock: Some(|metrics, on| metrics.locks = metrics.locks.with(Locks::RTTVAR, on)),
        ..Self::new("rttvar", 1..=120_000, |metrics, millis| metrics.rttvar_ms = Some(millis))
    };
    /// Segments; Linux takes any number.
    pub const SSTHRESH: Self = Self {
        lock: Some(|metrics, on| metrics.locks = metrics.locks.with(Locks::SSTHRESH, on)),
        ..Self::new("ssthresh", 1..=SEGMENTS_MAX, |metrics, segments| metrics.ssthresh = Some(segments))
    };
    /// Segments; Linux takes any number.
    pub const CWND: Self = Self {
        lock: Some(|metrics, on| metrics.locks = metrics.locks.with(Locks::CWND, on)),
        ..Self::new("cwnd", 1..=SEGMENTS_MAX, |metrics, segments| metrics.cwnd = Some(segments))
    };
    /// Bytes; with its headers a segment fits an IP packet.
    pub const ADVMSS: Self = Self::new("advmss", 36..=65_495, |metrics, bytes| metrics.advmss_bytes = Some(bytes));
    /// Segments; Linux takes any number.
    pub const REORDERING: Self = Self {
        lock: Some(|metrics, on| metrics.locks = metrics.locks.with(Locks::REORDERING, on)),
        ..Self::new("reordering", 1..=65_535, |metrics, segments| metrics.reordering = Some(segments))
    };
    /// Segments; Linux takes any number.
    pub const INITCWND: Self = Self::new("initcwnd", 1..=65_535, |metrics, segments| metrics.initcwnd = Some(segments));
    /// Milliseconds; as long as `tcp_rto_max_ms` at most.
    pub const RTO_MIN: Self = Self::new("rto_min", 1..=120_000, |metrics, millis| metrics.rto_min_ms = Some(millis));
    /// Segments; Linux takes any number.
    pub const INITRWND: Self = Self::new("initrwnd", 1..=65_535, |metrics, segments| metrics.initrwnd = Some(segments));
    /// Whether it is so.
    pub const QUICKACK: Self = Self::new("quickack", 0..=1, |metrics, on| metrics.quickack = on != 0);
    /// Whether it is so.
    pub const FASTOPEN_NO_COOKIE: Self =
        Self::new("fastopen_no_cookie", 0..=1, |metrics, on| metrics.fastopen_no_cookie = on != 0);

    /// All, in the order in which ip-route(8) prints them.
    pub const ALL: [Self; 12] = [
        Self::MTU,
        Self::RTT,
        Self::RTTVAR,
        Self::SSTHRESH,
        Self::CWND,
        Self::ADVMSS,
        Self::REORDERING,
        Self::INITCWND,
        Self::RTO_MIN,
        Self::INITRWND,
        Self::QUICKACK,
        Self::FASTOPEN_NO_COOKIE,
    ];

    const fn new(name: &'static str, range: RangeInclusive<u32>, set: fn(&mut RouteMetrics, u32)) -> Self {
        Self { name, range, set, lock: None }
    }

    /// The one of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name == name)
    }

    /// Whether it is said or not, and has no number.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.range == (0..=1)
    }

    /// Says it; false when the number lies outside [`Self::range`].
    pub fn say(&self, metrics: &mut RouteMetrics, value: u32) -> bool {
        let is_right = self.range.contains(&value);
        if is_right {
            (self.set)(metrics, value);
        }
        is_right
    }

    /// Says whether it is locked; false when it cannot be.
    pub fn say_lock(&self, metrics: &mut RouteMetrics, on: bool) -> bool {
        self.lock.inspect(|lock| lock(metrics, on)).is_some()
    }
}

/// More segments of the least size no window of 1 GB has room for.
const SEGMENTS_MAX: u32 = 1 << 25;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn each_metric_says_what_it_is_named_for_within_its_range() {
        #[rustfmt::skip]
        let table = [
            ("mtu",                640,   RouteMetrics { mtu_bytes: Some(640), ..RouteMetrics::NONE }),
            ("rtt",                80,    RouteMetrics { rtt_ms: Some(80), ..RouteMetrics::NONE }),
            ("rttvar",             40,    RouteMetrics { rttvar_ms: Some(40), ..RouteMetrics::NONE }),
            ("ssthresh",           20,    RouteMetrics { ssthresh: Some(20), ..RouteMetrics::NONE }),
            ("cwnd",               30,    RouteMetrics { cwnd: Some(30), ..RouteMetrics::NONE }),
            ("advmss",             600,   RouteMetrics { advmss_bytes: Some(600), ..RouteMetrics::NONE }),
            ("reordering",         7,     RouteMetrics { reordering: Some(7), ..RouteMetrics::NONE }),
            ("initcwnd",           11,    RouteMetrics { initcwnd: Some(11), ..RouteMetrics::NONE }),
            ("rto_min",            5,     RouteMetrics { rto_min_ms: Some(5), ..RouteMetrics::NONE }),
            ("initrwnd",           4,     RouteMetrics { initrwnd: Some(4), ..RouteMetrics::NONE }),
            ("quickack",           1,     RouteMetrics { quickack: true, ..RouteMetrics::NONE }),
            ("fastopen_no_cookie", 1,     RouteMetrics { fastopen_no_cookie: true, ..RouteMetrics::NONE }),
        ];
        assert_eq!(table.len(), Metric::ALL.len());
        for (name, value, expected) in table {
            let metric = Metric::by_name(name).unwrap();
            let mut metrics = RouteMetrics::NONE;
            assert!(metric.say(&mut metrics, value) && metrics.is_right(), "{name}");
            assert_eq!(metrics, expected, "{name}");
            assert!(!metric.say(&mut metrics, metric.range.end() + 1), "{name}");
            assert_eq!(metrics, expected, "{name}: what is refused says nothing");
        }
        assert!(Metric::by_name("hoplimit").is_none());
        assert!(!RouteMetrics { initcwnd: Some(0), ..RouteMetrics::NONE }.is_right());
        assert!(!RouteMetrics { locks: Locks(1 << 5), ..RouteMetrics::NONE }.is_right());
        assert!(!RouteMetrics { locks: Locks::CWND, ..RouteMetrics::NONE }.is_right(), "a lock of nothing");
    }

    #[test]
    fn what_connections_change_can_be_locked_and_the_mtu_and_nothing_else() {
        let [rtt_ms, rttvar_ms, ssthresh, cwnd, reordering] = [Some(1); 5];
        let mut metrics = RouteMetrics { rtt_ms, rttvar_ms, ssthresh, cwnd, reordering, ..RouteMetrics::NONE };
        let locked: Vec<&str> =
            Metric::ALL.iter().filter(|metric| metric.say_lock(&mut metrics, true)).map(|metric| metric.name).collect();
        assert_eq!(locked, ["mtu", "rtt", "rttvar", "ssthresh", "cwnd", "reordering"]);
        let five = [Locks::RTT, Locks::RTTVAR, Locks::SSTHRESH, Locks::CWND, Locks::REORDERING];
        assert!(metrics.is_mtu_locked && metrics.is_right() && five.iter().all(|lock| metrics.locks.hold(*lock)));
        Metric::CWND.say_lock(&mut metrics, false);
        assert!(!metrics.locks.hold(Locks::CWND) && metrics.locks.hold(Locks::RTT));
    }
}
