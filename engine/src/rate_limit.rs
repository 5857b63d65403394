//! How much is told of what packets can cause as often as they come.

use serde::{Deserialize, Serialize};

use crate::{
    limits::{COUNT_MAX, WARNINGS_MAX, WARNINGS_TIME},
    time::Instant,
};

/// Lets [`WARNINGS_MAX`] of something pass in [`WARNINGS_TIME`], and counts the others.
///
/// Linux v6.18: `lib/ratelimit.c`, `___ratelimit()`; `net/core/utils.c`, `net_ratelimit()`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RateLimit {
    /// When the time began of which `passed` tells; none before the first.
    since: Option<Instant>,
    passed: u32,
    held: u64,
}

impl RateLimit {
    /// Whether one more passes: then how many were held back since the last time began, which is said once.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u64> {
        let mut held = 0;
        if self.since.is_none_or(|since| now > since + WARNINGS_TIME) {
            held = self.held;
            *self = Self { since: Some(now), ..Self::default() };
        }
        if self.passed >= WARNINGS_MAX {
            self.held += 1;
            return None;
        }
        self.passed += 1;
        Some(held)
    }

    /// Whether it can be that of an engine whose latest time is this one.
    pub(crate) fn is_sound(&self, latest: Instant) -> bool {
        self.since.is_none_or(|since| since <= latest) && self.passed <= WARNINGS_MAX && self.held < COUNT_MAX
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn ten_pass_in_five_seconds_and_the_first_of_the_next_five_says_how_many_did_not() {
        let mut limit = RateLimit::default();
        let begin = Instant::from_secs(100);
        let passed = (0..1000).filter(|tick| limit.take(begin + Duration::from_millis(*tick)) == Some(0)).count();
        assert_eq!(passed, 10);
        assert_eq!(limit.take(begin + WARNINGS_TIME), None, "the time is not over yet");
        let later = begin + WARNINGS_TIME + Duration::from_millis(1);
        assert_eq!([limit.take(later), limit.take(later)], [Some(991), Some(0)]);
        assert_eq!(limit.take(later + WARNINGS_TIME * 9), Some(0));
    }
}
