//! Byte queue limits (BQL): a bound on the bytes of a transmit ring that finds itself, so that the ring never runs dry and holds no more than that
//! takes; what is beyond it waits in the queueing discipline, which can do something about it.
//!
//! ```text
//!  bytes on the ring
//!     limit ─┬─────── over it by one frame: the queue is stopped
//!            │ slack: what was never needed while the wire was busy ─► the limit falls by the least of a hold time
//!            │
//!         0 ─┴─────── ran dry although the queue was stopped: the limit rises
//! ```
//!
//! Linux v6.18: `lib/dynamic_queue_limits.c`, `dql_completed()`; `include/linux/netdevice.h`, `netdev_tx_sent_queue()`,
//! `netdev_tx_completed_queue()`. Its hold time is counted in ticks, this one is not.

use core::time::Duration;

use crate::time::Instant;

/// The bounds of a limit (`/sys/class/net/DEVICE/queues/tx-N/byte_queue_limits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteLimitOptions {
    /// The least it is, in bytes (`limit_min`).
    pub min: u32,
    /// The most it is, in bytes, at least `min` (`limit_max`).
    pub max: u32,
    /// How long slack is looked at before it falls (`hold_time`), at most a day.
    pub hold_time: Duration,
}

impl Default for ByteLimitOptions {
    fn default() -> Self {
        Self { min: 0, max: LIMIT_MAX, hold_time: Duration::from_secs(1) }
    }
}

/// A limit, and what it is found by.
#[derive(Clone, Debug)]
pub(super) struct ByteLimits {
    options: ByteLimitOptions,
    limit: u64,
    /// Bytes that were ever put on the ring, and those of them that were taken back.
    queued: u64,
    completed: u64,
    /// Those of the last frame that was put there.
    last: u64,
    /// What was so when something was taken back last: bytes put there, by how much they were over the limit, and those of the last frame.
    before: (u64, u64, u64),
    slack: Option<u64>,
    slack_since: Instant,
}

impl ByteLimits {
    pub(super) const fn new(options: ByteLimitOptions) -> Self {
        let (limit, before) = (options.min as u64, (0, 0, 0));
        Self { options, limit, queued: 0, completed: 0, last: 0, before, slack: None, slack_since: Instant::ZERO }
    }

    /// The limit in bytes.
    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether more is on the ring than is to be.
    pub(super) const fn is_over(&self) -> bool {
        self.queued > self.completed + self.limit
    }

    /// A frame is put on the ring.
    pub(super) const fn put(&mut self, bytes: usize) {
        self.last = bytes as u64;
        self.queued += self.last;
    }

    /// So many bytes, some, are taken back at once.
    pub(super) fn take_back(&mut self, now: Instant, bytes: u64) {
        let (queued_before, over_before, last_before) = self.before;
        let completed = self.completed + bytes;
        let mut over = (self.queued - self.completed).saturating_sub(self.limit);
        let is_empty = completed == self.queued;
        let all_before = completed >= queued_before;
        let mut limit = self.limit;
        if (over > 0 && is_empty) || (over_before > 0 && all_before) {
            // Had the queue not been stopped, there would have been something to send.
            limit += completed.saturating_sub(queued_before) + over_before;
            (self.slack, self.slack_since) = (None, now);
        } else if !is_empty && queued_before > self.completed && !all_before {
            // Twice what one interval takes is enough; and the part of the last frame that was not over it was more than that.
            let unneeded = (limit + over_before).saturating_sub(2 * bytes);
            let of_last = if over_before > 0 { last_before.saturating_sub(over_before) } else { 0 };
            let slack = unneeded.max(of_last).min(self.slack.unwrap_or(u64::MAX));
            self.slack = Some(slack);
            if now > self.slack_since + self.options.hold_time {
                limit = limit.saturating_sub(slack);
                (self.slack, self.slack_since) = (None, now);
            }
        }
        // The options were looked at when the ring was made.
        limit = limit.max(self.options.min.into()).min(self.options.max.into());
        if limit != self.limit {
            (self.limit, over) = (limit, 0);
        }
        self.completed = completed;
        self.before = (self.queued, over, self.last);
    }
}

/// What `limit_max` is unless it is set (Linux v6.18: `include/linux/dynamic_queue_limits.h`, `DQL_MAX_LIMIT`).
const LIMIT_MAX: u32 = u32::MAX / 2 - u32::MAX / 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// Puts frames of 1000 bytes there until it is over the limit; how many.
    fn filled(limits: &mut ByteLimits) -> u64 {
        let mut frames = 0;
        while !limits.is_over() {
            limits.put(1000);
            frames += 1;
        }
        frames
    }

    #[test]
    fn a_ring_that_runs_dry_while_its_queue_is_stopped_gets_a_higher_limit() {
        let mut limits = ByteLimits::new(ByteLimitOptions::default());
        // Each time all is taken back at once, so that the wire has nothing to send meanwhile.
        let mut found = alloc::vec::Vec::new();
        for round in 0..5 {
            let frames = filled(&mut limits);
            limits.take_back(at(round), frames * 1000);
            found.push((frames, limits.limit()));
        }
        assert_eq!(found, [(1, 1000), (2, 3000), (4, 7000), (8, 15_000), (16, 31_000)]);
    }

    #[test]
    fn slack_of_a_hold_time_lowers_the_limit_and_its_bounds_hold() {
        let options = ByteLimitOptions { min: 2000, max: 20_000, hold_time: Duration::from_millis(100) };
        let mut limits = ByteLimits::new(options);
        for round in 0..8 {
            let frames = filled(&mut limits);
            limits.take_back(at(round), frames * 1000);
        }
        assert_eq!(limits.limit(), 20_000, "the most");
        // From now on each frame is taken back by itself: two of them are enough.
        for step in 0..1000 {
            _ = filled(&mut limits);
            limits.take_back(at(10 + step), 1000);
        }
        assert_eq!(limits.limit(), 2000);
    }
}
