//! CoDel: frames that wait too long for too long are dropped, more often the longer it lasts (RFC 8289), in integers as Linux computes it
//! (v6.18: `include/net/codel_impl.h`).
//!
//! ```text
//!  sojourn                       ┌ first drop  ┌ I/√2  ┌ I/√3
//!   time            ┌─ interval ─┤             │       │
//!    target ────────┴────────────┴─────────────┴───────┴──────► below the target once: none is dropped
//! ```
//!
//! 1/√count comes of one step of Newton's method a drop, from what it was at the drop before: the second one is half an interval behind
//! the first, and from the third on they are within 3 % of the curve.

use core::time::Duration;

use towpath_engine::Instant;

use super::scenario;

/// A frame whose turn has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) now: Instant,
    /// For how long it has waited.
    pub(super) waited: Duration,
    /// What waits behind it.
    pub(super) left_bytes: u64,
    /// The largest frame: a queue of no more is let be.
    pub(super) mtu_bytes: u64,
}

/// What CoDel remembers of a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Codel {
    /// When frames will have waited too long for the interval.
    first_above: Option<Instant>,
    is_dropping: bool,
    next_drop: Instant,
    /// The frame before was dropped because the time had come: the next such time is not set yet.
    has_dropped: bool,
    /// Drops of this time of dropping, and what they were when it began.
    count: u32,
    count_before: u32,
    /// 1/√count, in parts of 2³², the lower half left off.
    inverse_root: u32,
}

impl Codel {
    /// Whether a frame is dropped at its turn. It is asked for each frame until one may go (RFC 8289, section 5.5: `dequeue`).
    pub(super) fn drops(&mut self, plan: scenario::Codel, turn: Turn) -> bool {
        let may_drop = self.may_drop(plan, turn);
        let has_dropped = core::mem::take(&mut self.has_dropped);
        if !may_drop {
            self.is_dropping = false;
            return false;
        }
        if self.is_dropping {
            if has_dropped {
                self.next_drop = self.after(self.next_drop, plan.interval);
            }
            if turn.now < self.next_drop {
                return false;
            }
            self.count = self.count.saturating_add(1);
            self.approach_root();
            self.has_dropped = true;
            return true;
        }
        self.is_dropping = true;
        // Dropping that has ended only lately goes on about where it was.
        let since = self.count.saturating_sub(self.count_before);
        if since > 1 && turn.now.since(self.next_drop) < plan.interval * 16 {
            self.count = since;
            self.approach_root();
        } else {
            (self.count, self.inverse_root) = (1, ROOT_OF_ONE);
        }
        self.count_before = self.count;
        self.next_drop = self.after(turn.now, plan.interval);
        true
    }

    /// Nothing waits any more.
    pub(super) const fn forget(&mut self) {
        self.first_above = None;
        self.is_dropping = false;
        self.has_dropped = false;
    }

    fn may_drop(&mut self, plan: scenario::Codel, turn: Turn) -> bool {
        if turn.waited < plan.target || turn.left_bytes <= turn.mtu_bytes {
            self.first_above = None;
            return false;
        }
        match self.first_above {
            None => {
                self.first_above = Some(turn.now + plan.interval);
                false
            }
            Some(when) => turn.now > when,
        }
    }

    /// One step of Newton's method: x (3 − count x²) / 2.
    const fn approach_root(&mut self) {
        let root = self.inverse_root as u64;
        let square = (root * root) >> 32;
        // x is at most that of a count one smaller, so that this is not negative.
        let rest = (3_u64 << 32).saturating_sub(self.count as u64 * square);
        // Two bits are taken off before, so that the product fits.
        let next = ((rest >> 2) * root) >> 31;
        self.inverse_root = (if next > ROOT_OF_ONE as u64 { ROOT_OF_ONE } else { next as u32 }) & ROOT_OF_ONE;
    }

    fn after(&self, from: Instant, interval: Duration) -> Instant {
        let nanos = u128::from(self.inverse_root) * interval.as_nanos();
        from + Duration::from_nanos((nanos >> 32) as u64)
    }
}

/// What 1/√1 is held as.
const ROOT_OF_ONE: u32 = 0xffff_0000;

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u64 = 1514;

    /// When frames are dropped of a queue whose frames all wait for `waited_millis`, one a millisecond.
    fn dropped(waited_millis: u64, millis: u64) -> Vec<u64> {
        let (mut codel, plan) = (Codel::default(), scenario::Codel::default());
        let waited = Duration::from_millis(waited_millis);
        let turn =
            |at: u64| Turn { now: Instant::from_nanos(at * 1_000_000), waited, left_bytes: 100 * MTU, mtu_bytes: MTU };
        (0..millis).filter(|at| codel.drops(plan, turn(*at))).collect()
    }

    #[test]
    fn what_waits_no_longer_than_the_target_is_never_dropped() {
        assert!(dropped(4, 10_000).is_empty());
    }

    #[test]
    fn after_an_interval_drops_come_closer_and_closer() {
        // After more than 100; then 100 on, 100 (3 − 2) / 2, and 50 (3 − 3/4) / 2 after that, each at the next whole millisecond.
        assert_eq!(dropped(20, 310), [101, 201, 251, 308]);
    }

    #[test]
    fn what_is_computed_step_by_step_is_a_root_before_long() {
        let mut codel = Codel { inverse_root: ROOT_OF_ONE, ..Codel::default() };
        for count in 2..100_000_u32 {
            codel.count = count;
            codel.approach_root();
            let exact = ((1_u128 << 64) / u128::from(count)).isqrt() as u32;
            let allowed = if count == 2 { exact / 3 } else { exact / 33 };
            assert!(codel.inverse_root.abs_diff(exact) <= allowed, "{count}: {} {exact}", codel.inverse_root);
        }
    }

    #[test]
    fn a_queue_of_one_frame_is_let_be() {
        let (mut codel, plan) = (Codel::default(), scenario::Codel::default());
        let waited = Duration::from_secs(1);
        let turn = |at| Turn { now: Instant::from_secs(at), waited, left_bytes: MTU, mtu_bytes: MTU };
        assert!((0..1000).all(|at| !codel.drops(plan, turn(at))));
    }
}
