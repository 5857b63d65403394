//! The only place where time comes from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use towpath_engine::Instant;

/// Where the poll loop takes the time from: the machine's clock on a wire, a script in tests.
pub trait Clock {
    /// The time now; never earlier than what was told before.
    fn now(&mut self) -> Instant;
}

/// The machine's monotonic clock, counted from the Unix time at which it was asked first: it never steps, so Unix time
/// and this one drift apart when somebody sets the machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: std::time::Instant,
    unix: Duration,
}

impl SystemClock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: std::time::Instant::now(), unix }
    }

    /// How long it has been counting.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Clock for SystemClock {
    fn now(&mut self) -> Instant {
        Instant::ZERO + self.unix + self.elapsed()
    }
}
