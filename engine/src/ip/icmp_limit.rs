//! The rate limits of ICMP errors (RFC 1812, 4.3.2.8; RFC 4443, 2.4 (f); Linux v6.18: `net/ipv4/icmp.c`,
//! `icmpv4_xrlim_allow()` and `icmp_global_allow()`; `net/ipv6/icmp.c`, `icmpv6_xrlim_allow()`; `net/ipv4/route.c`,
//! `ip_error()`).
//!
//! One bucket a destination, out of which errors of the routing are paid too, and one for all together. Why not a map:
//! destinations are chosen by whoever sends to us. A fixed table, in which two destinations may share a bucket, cannot
//! grow. Time is counted in ticks of 4 ms, as a kernel with `CONFIG_HZ` of 250 does.

use alloc::{vec, vec::Vec};
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    ip::icmp_error::IcmpError,
    limits::COUNT_MAX,
    random::Random,
    snapshot::{Part, SnapshotError},
    sysctl::Sysctls,
    time::Instant,
    wire::{Icmpv6Type, icmp::IcmpType},
};

/// The buckets.
#[derive(Clone, Debug)]
pub struct IcmpLimit {
    buckets: Vec<Bucket>,
    global: Global,
}

/// Credit of one destination, in ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    credit: u64,
    /// The tick at which the credit was last reckoned; `None` while the bucket was never used.
    reckoned: Option<u64>,
}

/// Credit of all destinations together, in messages.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Global {
    credit: i64,
    /// The tick at which messages were last added.
    filled: Option<u64>,
}

impl Default for IcmpLimit {
    fn default() -> Self {
        Self { buckets: vec![Bucket::default(); BUCKETS], global: Global::default() }
    }
}

impl IcmpLimit {
    /// Whether an error may be sent to `destination` now; if so, it is paid for. An error that goes to this host itself is
    /// not limited by destination, and over IPv6 a wider route costs less.
    pub fn allows(
        &mut self,
        now: Instant,
        destination: IpAddr,
        error: IcmpError,
        way: Way,
        sysctls: &Sysctls,
        random: &mut Random,
    ) -> bool {
        if !is_limited(destination, error, sysctls) {
            return true;
        }
        let tick = tick(now);
        if !self.global.has_credit(tick, sysctls) {
            return false;
        }
        if let Way::Routed { prefix } = way {
            let price = match destination {
                IpAddr::V4(_) => u64::from(sysctls.icmp_ratelimit) / MILLIS_PER_TICK,
                IpAddr::V6(_) => {
                    (u64::from(sysctls.icmpv6_ratelimit) / MILLIS_PER_TICK) >> ((128 - prefix.min(128)) >> 5)
                }
            };
            if !self.bucket(destination).take(tick, price, price * BURST) {
                return false;
            }
        }
        // Nobody shall learn from the limit how much others are sent (CVE-2020-25705).
        self.global.credit -= i64::from(random.below(3));
        true
    }

    /// Whether the routing may tell a sender that it does not know the way; if so, it is paid for.
    pub fn allows_route_error(&mut self, now: Instant, sender: IpAddr, sysctls: &Sysctls) -> bool {
        // Linux limits it over IPv4 only.
        if sender.is_ipv6() {
            return true;
        }
        let (price, most) = (sysctls.route_error_cost.into(), sysctls.route_error_burst.into());
        self.bucket(sender).take(tick(now), price, most)
    }

    fn bucket(&mut self, destination: IpAddr) -> &mut Bucket {
        let bits = match destination {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 ^ (v6.to_bits() as u64).rotate_left(23),
        };
        let index = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BUCKETS.ilog2());
        &mut self.buckets[index as usize]
    }
}

/// Where an error goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To this host itself.
    ToSelf,
    /// To somebody else, by a route of this prefix length.
    Routed {
        /// 0 to 128.
        prefix: u8,
    },
}

/// Whether there is a limit at all. Not for those without which nothing larger would ever arrive: "fragmentation needed",
/// "packet too big".
const fn is_limited(destination: IpAddr, error: IcmpError, sysctls: &Sysctls) -> bool {
    match destination {
        IpAddr::V4(_) => {
            let is_mtu = error.kind == IcmpType::UNREACHABLE.0 && error.code == FRAGMENTATION_NEEDED;
            !is_mtu && error.kind < 32 && sysctls.icmp_ratemask & (1 << error.kind) != 0
        }
        IpAddr::V6(_) => error.kind != Icmpv6Type::TOO_BIG.0 && Icmpv6Type(error.kind).is_error(),
    }
}

impl Bucket {
    fn take(&mut self, tick: u64, price: u64, most: u64) -> bool {
        let earned = self.reckoned.map_or(NEW_CREDIT_TICKS, |reckoned| tick.saturating_sub(reckoned));
        self.credit = (self.credit + earned).min(most);
        self.reckoned = Some(tick);
        let enough = self.credit >= price;
        if enough {
            self.credit -= price;
        }
        enough
    }
}

impl Global {
    fn has_credit(&mut self, tick: u64, sysctls: &Sysctls) -> bool {
        if self.credit > 0 {
            return true;
        }
        let passed = self.filled.map_or(TICKS_PER_SEC, |filled| tick.saturating_sub(filled)).min(TICKS_PER_SEC);
        let gained = u64::from(sysctls.icmp_msgs_per_sec) * passed / TICKS_PER_SEC;
        if passed < TICKS_PER_SEC / 50 || gained == 0 {
            return false;
        }
        self.filled = Some(tick);
        self.credit = (self.credit + gained as i64).min(sysctls.icmp_msgs_burst.into());
        true
    }
}

/// The buckets in a snapshot: those that were used, by number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CreditRecord {
    /// Number, credit, and the tick at which it was reckoned.
    buckets: Vec<(u16, u64, u64)>,
    global: Global,
}

impl CreditRecord {
    pub(crate) fn of(limit: &IcmpLimit) -> Self {
        let IcmpLimit { buckets, global } = limit;
        let used = |(number, bucket): (u16, &Bucket)| Some((number, bucket.credit, bucket.reckoned?));
        Self { buckets: (0..).zip(buckets).filter_map(used).collect(), global: *global }
    }

    /// # Errors
    /// When there is no such bucket, one is named twice, or one holds more than any can.
    pub(crate) fn restore(&self) -> Result<IcmpLimit, SnapshotError> {
        let mut limit = IcmpLimit { global: self.global, ..IcmpLimit::default() };
        Part::IcmpLimit.check(self.global.credit.unsigned_abs() < COUNT_MAX)?;
        Part::IcmpLimit.check(self.buckets.is_sorted_by(|one, next| one.0 < next.0))?;
        for &(number, credit, reckoned) in &self.buckets {
            Part::IcmpLimit.check(credit < COUNT_MAX)?;
            let bucket = limit.buckets.get_mut(usize::from(number));
            let bucket = bucket.ok_or(SnapshotError::Inconsistent(Part::IcmpLimit))?;
            *bucket = Bucket { credit, reckoned: Some(reckoned) };
        }
        Ok(limit)
    }
}

const fn tick(now: Instant) -> u64 {
    now.as_nanos() / (MILLIS_PER_TICK * 1_000_000)
}

const TICKS_PER_SEC: u64 = 250;
const MILLIS_PER_TICK: u64 = 1000 / TICKS_PER_SEC;
/// What a destination has earned that was never sent to (Linux: `inet_getpeer()`).
const NEW_CREDIT_TICKS: u64 = 60 * TICKS_PER_SEC;
/// How many errors may follow each other at once (Linux: `XRLIM_BURST_FACTOR`).
const BURST: u64 = 6;
/// Code 4 of "unreachable".
const FRAGMENTATION_NEEDED: u8 = 4;
/// Buckets; a power of two.
const BUCKETS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conntrack::Family;

    const A: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1));
    const PORT: IcmpError = IcmpError { kind: IcmpType::UNREACHABLE.0, code: 3, rest: [0; 4] };
    const ROUTED: Way = Way::Routed { prefix: 64 };

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// How many of `tries` errors are sent.
    fn sent(limit: &mut IcmpLimit, millis: u64, to: IpAddr, error: IcmpError, tries: usize) -> usize {
        let (sysctls, mut random) = (Sysctls::default(), Random::new(1));
        (0..tries).filter(|_| limit.allows(at(millis), to, error, ROUTED, &sysctls, &mut random)).count()
    }

    #[test]
    fn six_errors_go_at_once_and_then_one_a_second() {
        let mut limit = IcmpLimit::default();
        assert_eq!(sent(&mut limit, 100_000, A, PORT, 10), 6);
        assert_eq!(sent(&mut limit, 100_900, A, PORT, 1), 0);
        assert_eq!(sent(&mut limit, 101_000, A, PORT, 2), 1);
    }

    #[test]
    fn the_routing_tells_five_times_at_once_and_shares_the_bucket() {
        let mut limit = IcmpLimit::default();
        let told = |limit: &mut IcmpLimit| limit.allows_route_error(at(100_000), A, &Sysctls::default());
        assert_eq!((0..10).filter(|_| told(&mut limit)).count(), 5);
        assert_eq!(sent(&mut limit, 100_000, A, PORT, 1), 0);
    }

    #[test]
    fn over_ipv6_a_network_gets_four_errors_a_second_and_packets_too_big_are_free() {
        let mut limit = IcmpLimit::default();
        let to = IpAddr::from([0xfd; 16]);
        let expired = IcmpError { kind: Icmpv6Type::TIME_EXCEEDED.0, ..PORT };
        assert_eq!(sent(&mut limit, 100_000, to, expired, 10), 6);
        assert_eq!(sent(&mut limit, 100_000, to, IcmpError::too_big(Family::Ipv6, 1280), 100), 100);
        assert_eq!(sent(&mut limit, 100_240, to, expired, 1), 0);
        assert_eq!(sent(&mut limit, 100_256, to, expired, 2), 1);
    }

    #[test]
    fn replies_and_path_mtu_are_not_limited() {
        let mut limit = IcmpLimit::default();
        let reply = IcmpError { kind: IcmpType::ECHO_REPLY.0, code: 0, rest: [0; 4] };
        assert_eq!(sent(&mut limit, 0, A, reply, 100), 100);
        assert_eq!(sent(&mut limit, 0, A, IcmpError::too_big(Family::Ipv4, 1400), 100), 100);
    }

    #[test]
    fn all_destinations_together_get_about_fifty_at_once() {
        let mut limit = IcmpLimit::default();
        let all: usize = (0..200)
            .map(|host| sent(&mut limit, 100_000, IpAddr::V4(core::net::Ipv4Addr::from_bits(host << 24)), PORT, 1))
            .sum();
        assert!((25..=100).contains(&all), "{all}");
    }
}
