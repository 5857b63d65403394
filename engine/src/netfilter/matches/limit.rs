//! `-m limit`: so many packets in a time, with a burst (Linux v6.18: `net/netfilter/xt_limit.c`, `limit_mt()`): a bucket
//! fills with credit as time goes by, and each packet that matches takes some out.

use alloc::{format, string::String};

use super::{Answer, MatchState, Matching};
use crate::{
    netfilter::{
        View,
        error::{Fault, Flaw},
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::Word,
            values,
        },
        walk::Depends,
    },
    time::Instant,
};

/// A rate and a burst, and the bucket. Arithmetic is the kernel's, in 32 bits that wrap and ticks of 4 ms (`CONFIG_HZ`
/// of 250, as most distributions build it).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Limit {
    /// Ten thousandths of a second a packet.
    period: u32,
    burst: u32,
    bucket: Bucket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    credit: u32,
    cap: u32,
    cost: u32,
    /// The tick at which it was filled last; `None`: it is full.
    filled: Option<u64>,
}

impl Matching for Limit {
    const SPEC: &'static Spec =
        &Spec { name: "limit", options: &[Opt::value(&["limit"]), Opt::value(&["limit-burst"])] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let period = match given.find("limit") {
            Some(item) => parse_rate(item.value())?,
            None => SCALE * 60 * 60 / 3,
        };
        let burst = match given.find("limit-burst") {
            Some(item) => values::ranged(item.value(), 1, 10_000, "a number of packets from 1 to 10000")? as u32,
            None => BURST,
        };
        let (cap, cost) = (credits(period.wrapping_mul(burst)), credits(period));
        if cap < cost {
            let needed = "a smaller `--limit-burst` or a higher rate: together they overflow, in Linux too";
            return Err(Fault::Needs { what: "-m limit".into(), needed }.at(given.column));
        }
        Ok(Self { period, burst, bucket: Bucket { credit: cap, cap, cost, filled: None } })
    }

    fn print(&self, out: &mut String) {
        let named = |(name, seconds): &(&'static str, u32)| (*name, SCALE * seconds);
        // The longest unit in which the rate comes out nearly whole.
        let mut unit = named(&UNITS[0]);
        for next in UNITS[1..].iter().map(named) {
            if self.period > next.1 || next.1 / self.period < next.1 % self.period {
                break;
            }
            unit = next;
        }
        out.push_str(&format!(" --limit {}/{}", unit.1 / self.period, unit.0));
        if self.burst != BURST {
            out.push_str(&format!(" --limit-burst {}", self.burst));
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from(self.bucket.take(view.now))
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn state(&self) -> Option<MatchState> {
        Some(MatchState::Limit(self.bucket.credit, self.bucket.filled))
    }

    fn set_state(&mut self, state: MatchState) {
        if let MatchState::Limit(credit, filled) = state {
            (self.bucket.credit, self.bucket.filled) = (credit.min(self.bucket.cap), filled);
        }
    }

    fn found(&self, _: &Facts, _: &View<'_>) -> String {
        let left = u64::from(self.bucket.credit) * 100 / u64::from(self.bucket.cost.max(1));
        format!("comes too soon: the limit has {left} % of what a packet takes")
    }
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let tick = now.as_nanos() / NANOS_PER_TICK;
        let passed = self.filled.map_or(0, |filled| tick.saturating_sub(filled));
        self.filled = Some(tick);
        let gained = passed.wrapping_mul(u64::from(CREDITS_PER_TICK)) as u32;
        let credit = self.credit.wrapping_add(gained).min(self.cap);
        let enough = credit >= self.cost;
        self.credit = if enough { credit - self.cost } else { credit };
        enough
    }
}

/// Linux: `user2credits()`.
const fn credits(user: u32) -> u32 {
    if user > u32::MAX / (TICKS_PER_SEC * CREDITS_PER_TICK) {
        (user / SCALE).wrapping_mul(TICKS_PER_SEC).wrapping_mul(CREDITS_PER_TICK)
    } else {
        user * TICKS_PER_SEC * CREDITS_PER_TICK / SCALE
    }
}

/// Reads `packets` or `packets/unit`; the start of a unit's name suffices. Gives ten thousandths of a second a packet.
fn parse_rate(word: &Word) -> Result<u32, Flaw> {
    let wants = "a rate such as 5/minute: packets, then second, minute, hour or day; at most 10000/second";
    let (count, seconds) = match word.text.split_once('/') {
        Some((count, unit)) => {
            let unit = RATE_UNITS.iter().find(|(name, _)| values::starts(name, unit));
            (count, unit.ok_or_else(|| word.bad(wants))?.1)
        }
        None => (word.text.as_str(), 1),
    };
    let count = count.parse::<u32>().ok().filter(|count| *count > 0 && *count <= SCALE * seconds);
    Ok(SCALE * seconds / count.ok_or_else(|| word.bad(wants))?)
}

/// Linux: `XT_LIMIT_SCALE`.
const SCALE: u32 = 10_000;
const BURST: u32 = 5;
const TICKS_PER_SEC: u32 = 250;
const NANOS_PER_TICK: u64 = 1_000_000_000 / TICKS_PER_SEC as u64;
/// Linux: `CREDITS_PER_JIFFY`, the greatest power of two with which a day's credit fits 32 bits.
const CREDITS_PER_TICK: u32 = 1 << (u32::MAX / (TICKS_PER_SEC * 60 * 60 * 24)).ilog2();

const _: () = assert!(CREDITS_PER_TICK == 128);

#[rustfmt::skip]
static RATE_UNITS: [(&str, u32); 4] = [
    ("second", 1),
    ("minute", 60),
    ("hour",   60 * 60),
    ("day",    24 * 60 * 60),
];

/// As they are printed, the longest first.
#[rustfmt::skip]
static UNITS: [(&str, u32); 4] = [
    ("day",  24 * 60 * 60),
    ("hour", 60 * 60),
    ("min",  60),
    ("sec",  1),
];

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn bucket(period: u32, burst: u32) -> Bucket {
        Bucket { credit: credits(period * burst), cap: credits(period * burst), cost: credits(period), filled: None }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = bucket(SCALE, 3);
        let start = Instant::from_secs(5);
        assert_eq!(
            [bucket.take(start), bucket.take(start), bucket.take(start), bucket.take(start)],
            [true, true, true, false]
        );
        assert!(!bucket.take(start + Duration::from_millis(995)));
        assert!(bucket.take(start + Duration::from_millis(1000)));
        assert!(!bucket.take(start + Duration::from_millis(1996)));
        assert!(bucket.take(start + Duration::from_millis(2000)));
    }

    #[test]
    fn a_rest_fills_no_more_than_the_burst() {
        let mut bucket = bucket(SCALE, 2);
        let later = Instant::from_secs(1000);
        assert!(bucket.take(Instant::from_secs(1)));
        assert_eq!([bucket.take(later), bucket.take(later), bucket.take(later)], [true, true, false]);
    }
}
