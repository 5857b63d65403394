//! What a route says of the way beside where it leads (Linux v6.18: `RTA_METRICS`, `include/uapi/linux/rtnetlink.h`), under the names
//! that ip-route(8) has for it.
//!
//! | name | what follows from it | Linux |
//! |---|---|---|
//! | `mtu` | what is larger is cut or refused | `dst_mtu()` |
//! | `mtu lock` | over IPv4: packets of this host are such that routers can cut them, and who says that they are too large is not heard | `ip_mtu_locked()` |
//! | `advmss` | the MSS that SYNs tell | `tcp_advertise_mss()` |
//! | `initcwnd` | the congestion window of connections that begin, or begin anew | `tcp_init_cwnd()` |
//! | `rto_min` | timeouts are longer than a round trip by no less, and acknowledgements wait for less than that | `tcp_rto_min()`, `tcp_delack_max()` |
//! | `initrwnd` | what SYNs tell of the window is no more than so many segments | `tcp_select_initial_window()` |
//! | `quickack` | acknowledgements do not wait | `tcp_in_quickack_mode()` |
//! | `fastopen_no_cookie` | data may go, and come, with a SYN that has no cookie | `tcp_fastopen_no_cookie()` |
//!
//! Not here, since connections do not remember each other's ways (Linux: `net/ipv4/tcp_metrics.c`): `rtt`, `rttvar`, `ssthresh`, `cwnd`,
//! `reordering`. Nor are `window`, `hoplimit`, `features` and `congctl`, which sockets and tunables say as well.

use core::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

/// What a route says of the way; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMetrics {
    /// The largest packet sent this way, in bytes; the device's when `None`.
    pub mtu_bytes: Option<u32>,
    /// No smaller one is searched for over IPv4 (`mtu lock`). Over IPv6 it has no effect: routers cannot cut packets there.
    pub is_mtu_locked: bool,
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

    /// Whether all are within their ranges.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let said = [
            (Metric::MTU, self.mtu_bytes),
            (Metric::ADVMSS, self.advmss_bytes),
            (Metric::INITCWND, self.initcwnd),
            (Metric::RTO_MIN, self.rto_min_ms),
            (Metric::INITRWND, self.initrwnd),
        ];
        said.iter().all(|(metric, value)| value.is_none_or(|value| metric.range.contains(&value)))
    }

    /// [`Self::rto_min_ms`] as a time.
    pub(crate) fn rto_min(&self) -> Option<Duration> {
        self.rto_min_ms.map(|millis| Duration::from_millis(millis.into()))
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
}

impl Metric {
    /// Bytes.
    pub const MTU: Self =
        Self { name: "mtu", range: 68..=65_535, set: |metrics, bytes| metrics.mtu_bytes = Some(bytes) };
    /// Bytes; with its headers a segment fits an IP packet.
    pub const ADVMSS: Self =
        Self { name: "advmss", range: 36..=65_495, set: |metrics, bytes| metrics.advmss_bytes = Some(bytes) };
    /// Segments; Linux takes any number.
    pub const INITCWND: Self =
        Self { name: "initcwnd", range: 1..=65_535, set: |metrics, segments| metrics.initcwnd = Some(segments) };
    /// Milliseconds; as long as `tcp_rto_max_ms` at most.
    pub const RTO_MIN: Self =
        Self { name: "rto_min", range: 1..=120_000, set: |metrics, millis| metrics.rto_min_ms = Some(millis) };
    /// Segments; Linux takes any number.
    pub const INITRWND: Self =
        Self { name: "initrwnd", range: 1..=65_535, set: |metrics, segments| metrics.initrwnd = Some(segments) };
    /// Whether it is so.
    pub const QUICKACK: Self = Self { name: "quickack", range: 0..=1, set: |metrics, on| metrics.quickack = on != 0 };
    /// Whether it is so.
    pub const FASTOPEN_NO_COOKIE: Self =
        Self { name: "fastopen_no_cookie", range: 0..=1, set: |metrics, on| metrics.fastopen_no_cookie = on != 0 };

    /// All, in the order in which ip-route(8) prints them.
    pub const ALL: [Self; 7] = [
        Self::MTU,
        Self::ADVMSS,
        Self::INITCWND,
        Self::RTO_MIN,
        Self::INITRWND,
        Self::QUICKACK,
        Self::FASTOPEN_NO_COOKIE,
    ];

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_says_what_it_is_named_for_within_its_range() {
        #[rustfmt::skip]
        let table = [
            ("mtu",                640,   RouteMetrics { mtu_bytes: Some(640), ..RouteMetrics::NONE }),
            ("advmss",             600,   RouteMetrics { advmss_bytes: Some(600), ..RouteMetrics::NONE }),
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
        assert!(Metric::by_name("rtt").is_none());
        assert!(!RouteMetrics { initcwnd: Some(0), ..RouteMetrics::NONE }.is_right());
    }
}
