//! What routers have told of the largest packets that go through to a host: the path's MTU (RFC 1191; RFC 8201).
//!
//! Anybody can send such an error. One is believed that quotes what a socket of this host may have sent, or a message of ICMP that
//! needs none, and it can do no more than make packets smaller, for a while.
//!
//! Linux v6.18: `net/ipv4/route.c`, `__ip_rt_update_pmtu()`, `update_or_create_fnhe()`; `net/ipv6/route.c`,
//! `__ip6_rt_update_pmtu()`.

use alloc::collections::BTreeMap;
use core::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{limits::PATH_MTUS_MAX, sysctl::Sysctls, time::Instant, wire::Ipv6Header};

/// What is known of the paths to hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PathMtus {
    known: BTreeMap<IpAddr, Told>,
}

/// What was told of the path to one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    mtu: PathMtu,
    until: Instant,
}

/// The MTU of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PathMtu {
    /// The largest packet that goes through, in bytes.
    pub(crate) bytes: u32,
    /// A router has named less than may be believed: packets have to be such that it can cut them.
    pub(crate) is_locked: bool,
}

impl PathMtus {
    /// What is known of the path to a host.
    pub(crate) fn towards(&self, now: Instant, host: IpAddr) -> Option<PathMtu> {
        let told = self.known.get(&host)?;
        (now < told.until).then_some(told.mtu)
    }

    /// Takes note that a router lets packets of `told` bytes through to a host, where `mtu_bytes` were sent. What was known lasts
    /// if it is less. Over IPv6 every link takes 1280 bytes, and who says otherwise is not heard (RFC 8201, section 4). When too many
    /// are known, the one is forgotten that is over first.
    pub(crate) fn note(&mut self, now: Instant, host: IpAddr, (told, mtu_bytes): (u32, u32), sysctls: &Sysctls) {
        let (least, seconds) = match host {
            IpAddr::V4(_) => (sysctls.route_min_pmtu, sysctls.route_mtu_expires),
            IpAddr::V6(_) => (Ipv6Header::MTU_MIN, sysctls.ipv6_route_mtu_expires),
        };
        let before = self.towards(now, host).map_or(mtu_bytes, |known| known.bytes.min(mtu_bytes));
        let is_news = if host.is_ipv4() { told <= before } else { (least..before).contains(&told) };
        if !is_news {
            return;
        }
        let mtu = PathMtu { bytes: told.max(least.min(before)), is_locked: host.is_ipv4() && told < least };
        if self.known.len() >= PATH_MTUS_MAX && !self.known.contains_key(&host) {
            let first = self.known.iter().min_by_key(|(host, told)| (told.until, **host)).map(|(host, _)| *host);
            first.map(|host| self.known.remove(&host));
        }
        self.known.insert(host, Told { mtu, until: now + Duration::from_secs(seconds.into()) });
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many are known, perhaps for no longer.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    const NOW: Instant = Instant::from_secs(100);

    fn noted(told: &[u32]) -> Option<(u32, bool)> {
        let (mut mtus, host) = (PathMtus::default(), IpAddr::from([192, 0, 2, 1]));
        told.iter().for_each(|told| mtus.note(NOW, host, (*told, 1500), &Sysctls::default()));
        mtus.towards(NOW, host).map(|mtu| (mtu.bytes, mtu.is_locked))
    }

    #[test]
    fn the_least_that_was_told_counts_but_for_what_cannot_be() {
        assert_eq!(noted(&[]), None);
        assert_eq!(noted(&[1501]), None);
        assert_eq!(noted(&[1400, 1450]), Some((1400, false)));
        assert_eq!(noted(&[1400, 1300]), Some((1300, false)));
        assert_eq!(noted(&[0]), Some((552, true)));
    }

    #[test]
    fn who_says_that_a_path_over_ipv6_takes_less_than_1280_bytes_is_not_heard() {
        let (mut mtus, host) = (PathMtus::default(), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
        for (told, known) in [(1279, None), (1300, Some(1300)), (68, Some(1300)), (1280, Some(1280))] {
            mtus.note(NOW, host, (told, 1500), &Sysctls::default());
            assert_eq!(mtus.towards(NOW, host).map(|mtu| mtu.bytes), known, "{told}");
        }
    }

    #[test]
    fn it_is_forgotten_after_ten_minutes() {
        let (mut mtus, host) = (PathMtus::default(), IpAddr::from([192, 0, 2, 1]));
        mtus.note(NOW, host, (1400, 1500), &Sysctls::default());
        assert!(mtus.towards(NOW + Duration::from_secs(599), host).is_some());
        assert_eq!(mtus.towards(NOW + Duration::from_secs(600), host), None);
        mtus.note(NOW + Duration::from_secs(600), host, (1450, 1500), &Sysctls::default());
        assert_eq!(mtus.towards(NOW + Duration::from_secs(600), host).map(|mtu| mtu.bytes), Some(1450));
    }

    #[test]
    fn of_too_many_the_oldest_is_forgotten() {
        let mut mtus = PathMtus::default();
        let host = |number: usize| IpAddr::from(Ipv4Addr::from_bits(number as u32));
        let at = |number: usize| NOW + Duration::from_millis(number as u64);
        for number in 0..=PATH_MTUS_MAX {
            mtus.note(at(number), host(number), (1400, 1500), &Sysctls::default());
        }
        assert_eq!(mtus.len(), PATH_MTUS_MAX);
        assert_eq!(mtus.towards(at(PATH_MTUS_MAX), host(0)), None);
        assert!(mtus.towards(at(PATH_MTUS_MAX), host(1)).is_some());
    }
}
