//! The rate limits of ICMP errors (RFC 1812, 4.3.2.8; Linux v6.18: `net/ipv4/icmp.c`, `icmpv4_xrlim_allow()` and
//! `icmp_global_allow()`; `net/ipv4/route.c`, `ip_error()`).
//!
//! One bucket a destination, out of which errors of the routing are paid too, and one for all together. Why not a map:
//! destinations are chosen by whoever sends to us. A fixed table, in which two destinations may share a bucket, cannot
//! grow. Time is counted in ticks of 4 ms, as a kernel with `CONFIG_HZ` of 250 does.

use alloc::{vec, vec::Vec};
use core::net::Ipv4Addr;

use crate::{ip::icmp_error::IcmpError, random::Random, sysctl::Sysctls, time::Instant, wire::icmp::IcmpType};

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
#[derive(Clone, Copy, Debug, Default)]
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
    /// not limited by destination.
    pub fn allows(
        &mut self,
        now: Instant,
        destination: Ipv4Addr,
        error: IcmpError,
        to_self: bool,
        sysctls: &Sysctls,
        random: &mut Random,
    ) -> bool {
        // Without "fragmentation needed" nothing larger would ever arrive.
        let is_mtu = error.kind == IcmpType::UNREACHABLE && error.code == FRAGMENTATION_NEEDED;
        let is_limited = !is_mtu && error.kind.0 < 32 && sysctls.icmp_ratemask & (1 << error.kind.0) != 0;
        if !is_limited {
            return true;
        }
        let tick = tick(now);
        if !self.global.has_credit(tick, sysctls) {
            return false;
        }
        let price = u64::from(sysctls.icmp_ratelimit) / MILLIS_PER_TICK;
        if !to_self && !self.bucket(destination).take(tick, price, price * BURST) {
            return false;
        }
        // Nobody shall learn from the limit how much others are sent (CVE-2020-25705).
        self.global.credit -= i64::from(random.below(3));
        true
    }

    /// Whether the routing may tell a sender that it does not know the way; if so, it is paid for.
    pub fn allows_route_error(&mut self, now: Instant, sender: Ipv4Addr, sysctls: &Sysctls) -> bool {
        let (price, most) = (sysctls.route_error_cost.into(), sysctls.route_error_burst.into());
        self.bucket(sender).take(tick(now), price, most)
    }

    fn bucket(&mut self, destination: Ipv4Addr) -> &mut Bucket {
        let index = destination.to_bits().wrapping_mul(0x9e37_79b1) >> (32 - BUCKETS.ilog2());
        &mut self.buckets[index as usize]
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

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const PORT: IcmpError = IcmpError { kind: IcmpType::UNREACHABLE, code: 3, mtu_bytes: 0 };

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// How many of `tries` errors are sent.
    fn sent(limit: &mut IcmpLimit, millis: u64, to: Ipv4Addr, error: IcmpError, tries: usize) -> usize {
        let (sysctls, mut random) = (Sysctls::default(), Random::new(1));
        (0..tries).filter(|_| limit.allows(at(millis), to, error, false, &sysctls, &mut random)).count()
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
    fn replies_and_path_mtu_are_not_limited() {
        let mut limit = IcmpLimit::default();
        let reply = IcmpError { kind: IcmpType::ECHO_REPLY, code: 0, mtu_bytes: 0 };
        assert_eq!(sent(&mut limit, 0, A, reply, 100), 100);
        assert_eq!(sent(&mut limit, 0, A, IcmpError::too_big(1400), 100), 100);
    }

    #[test]
    fn all_destinations_together_get_about_fifty_at_once() {
        let mut limit = IcmpLimit::default();
        let all: usize = (0..200).map(|host| sent(&mut limit, 100_000, Ipv4Addr::from_bits(host << 24), PORT, 1)).sum();
        assert!((25..=100).contains(&all), "{all}");
    }
}
