//! The rate limit of ICMP errors (RFC 1812, 4.3.2.8; Linux v6.18: `net/ipv4/icmp.c`, `icmpv4_xrlim_allow()`).
//!
//! One token bucket a destination. Why not a map: destinations are chosen by whoever sends to us. A fixed table, in
//! which two destinations may share a bucket, cannot grow.

use alloc::{vec, vec::Vec};
use core::{net::Ipv4Addr, time::Duration};

use crate::{sysctl::Sysctls, time::Instant, wire::icmp::IcmpType};

/// The buckets.
#[derive(Clone, Debug)]
pub struct IcmpLimit {
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Credit, in time.
    credit: Duration,
    /// When the credit was last reckoned; `None` while the bucket was never used.
    reckoned: Option<Instant>,
}

impl Default for IcmpLimit {
    fn default() -> Self {
        Self { buckets: vec![Bucket::default(); BUCKETS] }
    }
}

impl IcmpLimit {
    /// Whether an error of that type may be sent to `destination` now; if so, it is paid for.
    pub fn allows(&mut self, now: Instant, destination: Ipv4Addr, kind: IcmpType, sysctls: &Sysctls) -> bool {
        let is_limited = kind.0 < 32 && sysctls.icmp_ratemask & (1 << kind.0) != 0;
        if !is_limited || sysctls.icmp_ratelimit == 0 {
            return true;
        }
        let price = Duration::from_millis(u64::from(sysctls.icmp_ratelimit));
        let index = destination.to_bits().wrapping_mul(0x9e37_79b1) >> (32 - BUCKETS.ilog2());
        let bucket = &mut self.buckets[index as usize];
        let most = price * BURST;
        let earned = bucket.reckoned.map_or(most, |reckoned| now.since(reckoned));
        bucket.credit = (bucket.credit + earned).min(most);
        bucket.reckoned = Some(now);
        if bucket.credit < price {
            return false;
        }
        bucket.credit -= price;
        true
    }
}

/// How many errors may follow each other at once (Linux: `XRLIM_BURST_FACTOR`).
const BURST: u32 = 6;
/// Buckets; a power of two.
const BUCKETS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_errors_go_at_once_and_then_one_a_second() {
        let mut limit = IcmpLimit::default();
        let mut sent = |millis: u64| {
            let now = Instant::from_nanos(millis * 1_000_000);
            limit.allows(now, Ipv4Addr::new(10, 0, 0, 1), IcmpType::UNREACHABLE, &Sysctls::default())
        };
        assert_eq!((0..10).filter(|_| sent(0)).count(), 6);
        assert!(!sent(999));
        assert!(sent(1000));
        assert!(!sent(1001));
    }

    #[test]
    fn replies_are_not_limited() {
        let mut limit = IcmpLimit::default();
        let mut sent = || limit.allows(Instant::ZERO, Ipv4Addr::LOCALHOST, IcmpType::ECHO_REPLY, &Sysctls::default());
        assert!((0..100).all(|_| sent()));
    }
}
