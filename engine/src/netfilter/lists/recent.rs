//! Who was seen when: the lists of `-m recent` (Linux v6.18: `net/netfilter/xt_recent.c`).

use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};
use core::{fmt::Write, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    conntrack::{Address, Family},
    limits::{COUNT_MAX, RECENT_ENTRIES_MAX, RECENT_STAMPS_MAX},
    time::Instant,
};

/// A list: addresses, and when each was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    entries: BTreeMap<(Family, Address), Entry>,
    /// How many sightings of an address are kept: a power of two.
    stamps_max: u32,
    /// Counts what has been touched, so that the entry that nobody has touched for longest can be told.
    touches: u64,
}

/// What is remembered of an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// TTL or hop limit when it was seen last.
    ttl: u8,
    /// When it was seen, a ring.
    stamps: Vec<Instant>,
    /// Where in the ring the next sighting goes.
    next: u32,
    touched: u64,
}

impl Entry {
    /// When it was seen, in no order.
    #[must_use]
    pub fn stamps(&self) -> &[Instant] {
        &self.stamps
    }

    /// When it was seen last.
    #[must_use]
    pub fn last_seen(&self) -> Instant {
        let last = (self.next as usize).checked_sub(1).unwrap_or(self.stamps.len() - 1);
        self.stamps[last]
    }
}

impl Recent {
    /// A list for rules that ask for as many as `hits` sightings; 0: none asks for a number.
    pub(in crate::netfilter) fn new(hits: u32) -> Self {
        Self { stamps_max: stamps_for(hits), ..Self::default() }
    }

    /// How many sightings of an address are kept.
    pub(in crate::netfilter) const fn hits_max(&self) -> u32 {
        self.stamps_max
    }

    /// Sees to it that as many sightings are kept; what is remembered is lost when there was room for fewer.
    pub(super) fn remember_hits(&mut self, hits: u32) {
        if hits > self.stamps_max {
            self.entries.clear();
            self.stamps_max = hits;
        }
    }

    /// What is remembered of an address. With a `ttl` that is not 0, only when it was seen with that one.
    pub(in crate::netfilter) fn find(&self, key: (Family, Address), ttl: u8) -> Option<&Entry> {
        self.entries.get(&key).filter(|entry| ttl == 0 || entry.ttl == 0 || entry.ttl == ttl)
    }

    /// Notes that an address was seen now. The one not seen for longest makes room.
    pub(in crate::netfilter) fn see(&mut self, now: Instant, key: (Family, Address), ttl: u8) {
        self.touches += 1;
        let touched = self.touches;
        if let Some(entry) = self.entries.get_mut(&key) {
            let next = entry.next % self.stamps_max.max(1);
            match entry.stamps.get_mut(next as usize) {
                Some(stamp) => *stamp = now,
                None => entry.stamps.push(now),
            }
            entry.next = next + 1;
            (entry.ttl, entry.touched) = (ttl, touched);
            return;
        }
        if self.entries.len() >= RECENT_ENTRIES_MAX
            && let Some(oldest) = self.oldest()
        {
            self.entries.remove(&oldest);
        }
        self.entries.insert(key, Entry { ttl, stamps: vec![now], next: 1, touched });
    }

    /// Forgets an address.
    pub(in crate::netfilter) fn forget(&mut self, key: (Family, Address)) {
        self.entries.remove(&key);
    }

    /// Forgets the address that nobody has seen for longest, if that was before `since`; not `spared`.
    pub(in crate::netfilter) fn reap(&mut self, since: Instant, spared: Option<(Family, Address)>) {
        let Some(oldest) = self.oldest().filter(|oldest| Some(*oldest) != spared) else { return };
        if self.entries.get(&oldest).is_some_and(|entry| entry.last_seen() < since) {
            self.entries.remove(&oldest);
        }
    }

    /// All of it as `/proc/net/xt_recent/NAME` tells it, by address: times are ticks of 4 ms (`CONFIG_HZ` of 250) since the engine's
    /// time began.
    ///
    /// Linux v6.18: `recent_seq_show()`.
    #[must_use]
    pub fn show(&self) -> String {
        let ticks = |stamp: Instant| stamp.since(Instant::ZERO).as_millis() / 4;
        let mut out = String::new();
        for ((family, address), entry) in &self.entries {
            let _ = match address.to_ip(*family) {
                IpAddr::V4(v4) => write!(out, "src={v4}"),
                IpAddr::V6(v6) => {
                    let [first, rest @ ..] = v6.segments();
                    let _ = write!(out, "src={first:04x}");
                    rest.iter().try_for_each(|segment| write!(out, ":{segment:04x}"))
                }
            };
            let (ttl, last) = (entry.ttl, ticks(entry.last_seen()));
            let _ = write!(out, " ttl: {ttl} last_seen: {last} oldest_pkt: {}", entry.next);
            for (index, stamp) in entry.stamps.iter().enumerate() {
                let _ = write!(out, "{} {}", if index == 0 { "" } else { "," }, ticks(*stamp));
            }
            out.push('\n');
        }
        out
    }

    /// Whether every entry has a sighting and keeps the bounds.
    pub(super) fn is_sound(&self) -> bool {
        let is_right = |entry: &Entry| {
            let kept = entry.stamps.len();
            (1..=RECENT_STAMPS_MAX as usize).contains(&kept)
                && entry.next as usize <= kept
                && entry.touched <= self.touches
        };
        self.entries.len() <= RECENT_ENTRIES_MAX
            && self.stamps_max <= RECENT_STAMPS_MAX
            && self.touches < COUNT_MAX
            && self.entries.values().all(is_right)
    }

    /// All addresses, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&(Family, Address), &Entry)> {
        self.entries.iter()
    }

    fn oldest(&self) -> Option<(Family, Address)> {
        self.entries.iter().min_by_key(|(_, entry)| entry.touched).map(|(key, _)| *key)
    }
}

/// How many sightings are kept for rules that ask for `hits` of them; 0: for none (Linux v6.18: `recent_mt_check()`).
fn stamps_for(hits: u32) -> u32 {
    match hits {
        0 => 32,
        _ => hits.min(RECENT_STAMPS_MAX).next_power_of_two(),
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const fn key(last: u8) -> (Family, Address) {
        (Family::Ipv4, Address::v4([10, 0, 0, last]))
    }

    #[test]
    fn the_ring_keeps_the_latest_sightings() {
        let mut recent = Recent::new(3);
        let start = Instant::from_secs(100);
        for second in 0..6 {
            recent.see(start + Duration::from_secs(second), key(1), 64);
        }
        let entry = recent.find(key(1), 0).expect("seen");
        let mut seconds: Vec<u64> = entry.stamps().iter().map(|stamp| stamp.since(start).as_secs()).collect();
        seconds.sort_unstable();
        assert_eq!(seconds, [2, 3, 4, 5]);
        assert_eq!(entry.last_seen(), start + Duration::from_secs(5));
    }

    /// As the kernel tells it, but for when it has begun to count.
    #[test]
    fn a_list_is_told_as_in_proc() {
        let mut recent = Recent::new(0);
        let v6 = (Family::Ipv6, Address::from(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
        for (millis, key) in [(4000, key(1)), (4212, key(1)), (5000, v6)] {
            recent.see(Instant::ZERO + Duration::from_millis(millis), key, 64);
        }
        let told = "src=10.0.0.1 ttl: 64 last_seen: 1053 oldest_pkt: 2 1000, 1053\n\
            src=0000:0000:0000:0000:0000:0000:0000:0001 ttl: 64 last_seen: 1250 oldest_pkt: 1 1250\n";
        assert_eq!(recent.show(), told);
    }

    #[test]
    fn a_full_list_forgets_whom_it_has_not_seen_for_longest() {
        let mut recent = Recent::new(0);
        for last in 0..RECENT_ENTRIES_MAX as u8 {
            recent.see(Instant::from_secs(1), key(last), 64);
        }
        recent.see(Instant::from_secs(2), key(0), 64);
        recent.see(Instant::from_secs(3), key(200), 64);
        assert_eq!(recent.iter().count(), RECENT_ENTRIES_MAX);
        assert!(recent.find(key(0), 0).is_some());
        assert!(recent.find(key(1), 0).is_none());
    }

    #[test]
    fn reaping_takes_the_oldest_one_that_is_old_enough_and_spares_one() {
        let mut recent = Recent::new(0);
        recent.see(Instant::from_secs(1), key(1), 64);
        recent.see(Instant::from_secs(5), key(2), 64);
        recent.reap(Instant::from_secs(1), None);
        recent.reap(Instant::from_secs(9), Some(key(1)));
        assert_eq!(recent.iter().count(), 2);
        recent.reap(Instant::from_secs(9), None);
        assert!(recent.find(key(1), 0).is_none());
        assert!(recent.find(key(2), 0).is_some());
    }

    #[test]
    fn another_hop_count_is_another_sender_when_asked_for() {
        let mut recent = Recent::new(0);
        recent.see(Instant::from_secs(1), key(1), 64);
        assert!(recent.find(key(1), 64).is_some());
        assert!(recent.find(key(1), 63).is_none());
        assert!(recent.find(key(1), 0).is_some());
    }
}
