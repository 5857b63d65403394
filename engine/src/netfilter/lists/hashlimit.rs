//! A bucket for each group of packets: the tables of `-m hashlimit` (Linux v6.18: `net/netfilter/xt_hashlimit.c`,
//! revision 3). Arithmetic is the kernel's, in ticks of 4 ms (`CONFIG_HZ` of 250, as most distributions build it).

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    conntrack::{Address, Family},
    limits::HASHLIMIT_ENTRIES_MAX,
    time::Instant,
};

/// A table: what its buckets are like, and the buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buckets {
    pub(in crate::netfilter) shape: Shape,
    buckets: BTreeMap<Group, Bucket>,
    /// When buckets that nobody needs were thrown away last; `None`: the table has not been asked yet.
    swept: Option<Instant>,
}

/// What the buckets of a table are like. The rule that names the table first decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Bytes are counted, not packets.
    pub bytes: bool,
    /// Packets in an interval are counted, and no credit is kept.
    pub rate_match: bool,
    /// Millionths of a second a packet; for bytes the kernel's chunks of 16 bytes a 2^32nd of a second.
    pub average: u64,
    /// Packets, or how often a full credit may be taken.
    pub burst: u64,
    /// Seconds over which `rate_match` counts.
    pub interval_secs: u32,
    /// As many buckets at most.
    pub max: u32,
    /// How often buckets that nobody needs are thrown away.
    pub sweep: Duration,
    /// How long a bucket is kept after its last packet.
    pub keep: Duration,
}

/// Which packets share a bucket: what the mode does not name is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// Of which family.
    pub family: Family,
    /// From whom, masked.
    pub source: Address,
    /// To whom, masked.
    pub destination: Address,
    /// From which port.
    pub source_port: u16,
    /// To which port.
    pub destination_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    /// When it is thrown away.
    expires: Instant,
    /// The tick of its last filling, or the start of the interval.
    tick: u64,
    credit: u64,
    /// With bytes: how often a full credit may still be taken.
    cap: u64,
    cost: u64,
    /// With `rate_match`: what the interval has seen, and whether the last one saw too much.
    seen: u64,
    was_above: bool,
}

/// What a table says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) enum Level {
    Within,
    Above,
    /// There is no room for another bucket.
    Full,
}

impl Buckets {
    /// An empty table.
    pub(in crate::netfilter) const fn new(shape: Shape) -> Self {
        Self { shape, buckets: BTreeMap::new(), swept: None }
    }

    /// How many groups have a bucket.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no group has a bucket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Takes a packet of `bytes` out of its group's bucket.
    pub(in crate::netfilter) fn take(&mut self, now: Instant, group: Group, bytes: u32) -> Level {
        self.sweep(now);
        let shape = self.shape;
        let tick = now.as_nanos() / NANOS_PER_TICK;
        let max = shape.max.min(HASHLIMIT_ENTRIES_MAX) as usize;
        let has_room = self.buckets.len() < max;
        let bucket = match self.buckets.get_mut(&group) {
            Some(bucket) => {
                bucket.fill(&shape, tick);
                bucket
            }
            None if has_room => self.buckets.entry(group).or_insert(Bucket::new(&shape, tick)),
            None => return Level::Full,
        };
        bucket.expires = now + shape.keep;
        if bucket.take(&shape, bytes) { Level::Within } else { Level::Above }
    }

    /// Throws away what has run out, as often as the table says.
    fn sweep(&mut self, now: Instant) {
        let last = *self.swept.get_or_insert(now);
        let interval = self.shape.sweep.as_nanos().max(1);
        let rounds = now.since(last).as_nanos() / interval;
        if rounds == 0 {
            return;
        }
        let sweep = last + Duration::from_nanos(u64::try_from(rounds * interval).unwrap_or(u64::MAX));
        self.buckets.retain(|_, bucket| bucket.expires > sweep);
        self.swept = Some(sweep);
    }
}

impl Bucket {
    /// A full one (Linux: `rateinfo_init()`).
    fn new(shape: &Shape, tick: u64) -> Self {
        let (credit, cap, cost) = if shape.bytes {
            (BYTE_CREDITS_MAX, shape.burst, byte_cost(shape.average))
        } else {
            let full = credits(shape.average.wrapping_mul(shape.burst));
            (full, full, credits(shape.average))
        };
        Self { expires: Instant::ZERO, tick, credit, cap, cost, seen: 0, was_above: false }
    }

    /// Adds what time has brought (Linux: `rateinfo_recalc()`).
    fn fill(&mut self, shape: &Shape, tick: u64) {
        let passed = tick.saturating_sub(self.tick);
        if passed == 0 {
            return;
        }
        if shape.rate_match {
            let interval = u64::from(shape.interval_secs) * TICKS_PER_SEC;
            if passed < interval {
                return;
            }
            self.was_above = self.seen.saturating_mul(interval) > passed.saturating_mul(rate(shape));
            (self.tick, self.seen) = (tick, 0);
            return;
        }
        self.tick = tick;
        let (gain, max) =
            if shape.bytes { (BYTE_CREDITS_PER_TICK, BYTE_CREDITS_MAX) } else { (CREDITS_PER_TICK, self.cap) };
        self.credit = self.credit.saturating_add(passed.saturating_mul(gain)).min(max);
    }

    /// Whether there is enough, which is taken then.
    fn take(&mut self, shape: &Shape, bytes: u32) -> bool {
        if shape.rate_match {
            self.seen = self.seen.saturating_add(if shape.bytes { u64::from(bytes) } else { 1 });
            return !self.was_above && self.seen <= rate_burst(shape);
        }
        let cost = if shape.bytes { self.cost_of(bytes) } else { self.cost };
        let enough = self.credit >= cost;
        if enough {
            self.credit -= cost;
        }
        enough
    }

    /// Linux: `hashlimit_byte_cost()`. A burst is a number of full credits that may be taken when one is used up.
    fn cost_of(&mut self, bytes: u32) -> u64 {
        let chunks = u64::from(bytes >> CHUNK_SHIFT) + 1;
        let cost = chunks.saturating_mul(self.cost).min(BYTE_CREDITS_MAX);
        if self.credit < cost && self.cap != 0 {
            self.cap -= 1;
            self.credit = BYTE_CREDITS_MAX;
        }
        cost
    }
}

/// Linux: `user2credits()`.
pub(in crate::netfilter) const fn credits(user: u64) -> u64 {
    user.wrapping_mul(TICKS_PER_SEC * CREDITS_PER_TICK / SCALE)
}

/// Linux: `user2credits_byte()`.
pub(in crate::netfilter) const fn byte_cost(user: u64) -> u64 {
    let user = user as u32 as u64;
    (user * TICKS_PER_SEC * BYTE_CREDITS_PER_TICK) >> 32
}

/// Packets or bytes a second (Linux: `user2rate()`, `user2rate_bytes()`).
const fn rate(shape: &Shape) -> u64 {
    match (shape.bytes, shape.average) {
        (false, 0) => 0,
        (false, average) => SCALE / average,
        (true, 0) => (u32::MAX as u64 - 1) << CHUNK_SHIFT,
        (true, average) => ((u32::MAX as u64 / average).wrapping_sub(1)) << CHUNK_SHIFT,
    }
}

const fn rate_burst(shape: &Shape) -> u64 {
    match (shape.bytes, shape.burst) {
        (false, burst) => burst.saturating_add(rate(shape)),
        (true, 0) => rate(shape),
        (true, burst) => burst.saturating_mul(rate(shape)),
    }
}

/// Linux: `XT_HASHLIMIT_SCALE_v2`, a second.
pub(in crate::netfilter) const SCALE: u64 = 1_000_000;
/// Linux: `XT_HASHLIMIT_BYTE_SHIFT`: bytes are counted in chunks of 16.
pub(in crate::netfilter) const CHUNK_SHIFT: u32 = 4;
const TICKS_PER_SEC: u64 = 250;
const NANOS_PER_TICK: u64 = 1_000_000_000 / TICKS_PER_SEC;
/// Linux: `CREDITS_PER_JIFFY`, the greatest power of two with which a day's credit fits 64 bits.
const CREDITS_PER_TICK: u64 = 1 << (u64::MAX / (TICKS_PER_SEC * 60 * 60 * 24)).ilog2();
/// Linux: `CREDITS_PER_JIFFY_BYTES`, the greatest power of two with which a second's credit fits 32 bits.
const BYTE_CREDITS_PER_TICK: u64 = 1 << (u32::MAX as u64 / TICKS_PER_SEC).ilog2();
const BYTE_CREDITS_MAX: u64 = BYTE_CREDITS_PER_TICK * TICKS_PER_SEC;

const _: () = assert!(TICKS_PER_SEC * CREDITS_PER_TICK > SCALE);
const _: () = assert!(BYTE_CREDITS_PER_TICK == 1 << 24);

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        bytes: false,
        rate_match: false,
        average: SCALE,
        burst: 2,
        interval_secs: 1,
        max: 3,
        sweep: Duration::from_secs(1),
        keep: Duration::from_secs(10),
    };

    const fn group(last: u8) -> Group {
        Group {
            family: Family::Ipv4,
            source: Address::v4([10, 0, 0, last]),
            destination: Address::v4([0; 4]),
            source_port: 0,
            destination_port: 0,
        }
    }

    #[test]
    fn every_group_has_a_burst_and_a_rate_of_its_own() {
        let mut buckets = Buckets::new(SHAPE);
        let start = Instant::from_secs(100);
        let mut take = |millis, last| buckets.take(start + Duration::from_millis(millis), group(last), 100);
        assert_eq!(
            [take(0, 1), take(0, 1), take(0, 1), take(0, 2)],
            [Level::Within, Level::Within, Level::Above, Level::Within]
        );
        assert_eq!([take(996, 1), take(1000, 1), take(1000, 1)], [Level::Above, Level::Within, Level::Above]);
    }

    #[test]
    fn a_full_table_takes_no_more_groups_until_old_ones_run_out() {
        let mut buckets = Buckets::new(SHAPE);
        let start = Instant::from_secs(100);
        for last in 0..3 {
            assert_eq!(buckets.take(start, group(last), 1), Level::Within);
        }
        assert_eq!(buckets.take(start, group(9), 1), Level::Full);
        assert_eq!(buckets.take(start + Duration::from_secs(9), group(9), 1), Level::Full);
        assert_eq!(buckets.take(start + Duration::from_secs(10), group(9), 1), Level::Within);
        assert_eq!(buckets.len(), 1);
    }

    #[test]
    fn bytes_are_counted_in_chunks_and_a_burst_is_a_second_worth_of_them() {
        // 1 KB a second: 64 chunks.
        let shape = Shape { bytes: true, average: u64::from(u32::MAX) / 64, burst: 0, ..SHAPE };
        let mut buckets = Buckets::new(shape);
        let start = Instant::from_secs(100);
        assert_eq!(buckets.take(start, group(1), 500), Level::Within);
        assert_eq!(buckets.take(start, group(1), 480), Level::Within);
        assert_eq!(buckets.take(start, group(1), 100), Level::Above);
        assert_eq!(buckets.take(start + Duration::from_secs(1), group(1), 1000), Level::Within);
    }

    #[test]
    fn a_rate_of_many_bytes_is_kept_to_the_chunk() {
        // 512 KB a second: 32769 chunks, of which 17 packets of 30000 bytes take 31892. So many pass Linux 6.18.
        let shape = Shape { bytes: true, average: u64::from(u32::MAX) / 32_769, burst: 0, ..SHAPE };
        let mut buckets = Buckets::new(shape);
        let start = Instant::from_secs(100);
        let within = (0..40).filter(|_| buckets.take(start, group(1), 30_000) == Level::Within).count();
        assert_eq!(within, 17);
    }

    #[test]
    fn a_rate_is_judged_by_its_interval() {
        let shape = Shape { rate_match: true, average: SCALE / 5, burst: 1, interval_secs: 2, ..SHAPE };
        let mut buckets = Buckets::new(shape);
        let start = Instant::from_secs(100);
        let levels: alloc::vec::Vec<Level> = (0..7).map(|_| buckets.take(start, group(1), 1)).collect();
        assert_eq!(levels[5..], [Level::Within, Level::Above]);
        // Seven in four seconds are not above five in one; the kernel judges by what has passed, not by the interval.
        assert_eq!(buckets.take(start + Duration::from_secs(4), group(1), 1), Level::Within);
    }
}
