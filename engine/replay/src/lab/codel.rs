//! CoDel: frames that wait too long for too long are dropped, more often the longer it lasts (RFC 8289).
//!
//! ```text
//!  sojourn                       ┌ first drop  ┌ I/√2  ┌ I/√3
//!   time            ┌─ interval ─┤             │       │
//!    target ────────┴────────────┴─────────────┴───────┴──────► below the target once: none is dropped
//! ```

use core::time::Duration;

use towpath_engine::Instant;

use super::scenario;

/// What CoDel remembers of a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Codel {
    /// When frames will have waited too long for the interval.
    first_above: Option<Instant>,
    is_dropping: bool,
    next_drop: Instant,
    /// Drops of this time of dropping, and what they were when it began.
    count: u32,
    count_before: u32,
}

impl Codel {
    /// Whether a frame that has waited for `sojourn` is dropped at its turn; `left_bytes` wait behind it. It is asked for each frame
    /// until one may go (RFC 8289, section 5.5: `dequeue`).
    pub(super) fn drops(
        &mut self,
        now: Instant,
        plan: scenario::Codel,
        sojourn: Duration,
        left_bytes: u64,
        mtu_bytes: u64,
    ) -> bool {
        let may_drop = self.may_drop(now, plan, sojourn, left_bytes, mtu_bytes);
        if self.is_dropping {
            if !may_drop {
                self.is_dropping = false;
                return false;
            }
            if now < self.next_drop {
                return false;
            }
            self.count = self.count.saturating_add(1);
            self.next_drop = next_drop(self.next_drop, plan.interval, self.count);
            return true;
        }
        if !may_drop {
            return false;
        }
        self.is_dropping = true;
        // Dropping that has ended only lately goes on about where it was.
        let since = self.count.saturating_sub(self.count_before);
        let is_recent = now.since(self.next_drop) < plan.interval * 16;
        self.count = if since > 1 && is_recent { since } else { 1 };
        self.next_drop = next_drop(now, plan.interval, self.count);
        self.count_before = self.count;
        true
    }

    /// Nothing waits any more.
    pub(super) const fn is_empty(&mut self) {
        self.first_above = None;
        self.is_dropping = false;
    }

    fn may_drop(
        &mut self,
        now: Instant,
        plan: scenario::Codel,
        sojourn: Duration,
        left_bytes: u64,
        mtu_bytes: u64,
    ) -> bool {
        if sojourn < plan.target || left_bytes <= mtu_bytes {
            self.first_above = None;
            return false;
        }
        match self.first_above {
            None => {
                self.first_above = Some(now + plan.interval);
                false
            }
            Some(when) => now >= when,
        }
    }
}

fn next_drop(from: Instant, interval: Duration, count: u32) -> Instant {
    from + Duration::from_nanos((interval.as_nanos() as f64 / f64::from(count.max(1)).sqrt()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u64 = 1514;

    /// When frames are dropped of a queue whose frames all wait for `sojourn`, one a millisecond.
    fn dropped(sojourn_millis: u64, millis: u64) -> Vec<u64> {
        let (mut codel, plan) = (Codel::default(), scenario::Codel::default());
        let sojourn = Duration::from_millis(sojourn_millis);
        (0..millis)
            .filter(|at| codel.drops(Instant::from_nanos(*at * 1_000_000), plan, sojourn, 100 * MTU, MTU))
            .collect()
    }

    #[test]
    fn what_waits_no_longer_than_the_target_is_never_dropped() {
        assert!(dropped(4, 10_000).is_empty());
    }

    #[test]
    fn after_an_interval_drops_come_closer_and_closer() {
        // 100, then 100 + 100, 100 + 100 + 100/√2, + 100/√3 …
        assert_eq!(dropped(20, 400), [100, 200, 271, 329, 379]);
    }

    #[test]
    fn a_queue_of_one_frame_is_let_be() {
        let (mut codel, plan) = (Codel::default(), scenario::Codel::default());
        let wait = Duration::from_secs(1);
        assert!((0..1000).all(|at| !codel.drops(Instant::from_secs(at), plan, wait, MTU, MTU)));
    }
}
