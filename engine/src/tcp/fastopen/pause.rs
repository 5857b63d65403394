//! A client that loses connections to boxes in the way which do not know Fast Open pauses it, each time for twice as long (RFC 7413,
//! section 4.1.3.1; Linux v6.18: `net/ipv4/tcp_fastopen.c`, `tcp_fastopen_active_should_disable()`).

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// Whether Fast Open pauses.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pause {
    /// How often in a row it had to.
    times: u32,
    /// Since when it has, the last time.
    since: Instant,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is known against Fast Open.
    Trusted,
    /// It is over, but who opens now tests whether it has to begin again.
    OnTrial,
    /// Nobody opens fast.
    Paused,
}

impl Pause {
    /// Begins one, unless the tunable (`seconds`) says that there is none. Tells whether it has.
    pub(super) const fn begin(&mut self, now: Instant, seconds: u32) -> bool {
        if seconds == 0 {
            return false;
        }
        *self = Self { times: self.times.saturating_add(1), since: now };
        true
    }

    pub(super) fn standing(&self, now: Instant, seconds: u32) -> Standing {
        if seconds == 0 || self.times == 0 {
            return Standing::Trusted;
        }
        let factor = 1 << (self.times - 1).min(DOUBLINGS_MAX);
        let lasts = Duration::from_secs(u64::from(seconds) * factor);
        if now.since(self.since) < lasts { Standing::Paused } else { Standing::OnTrial }
    }

    /// All is well again.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

/// A pause is 64 times the tunable's at most.
const DOUBLINGS_MAX: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_as_long_as_the_one_before_up_to_64_times() {
        let mut pause = Pause::default();
        assert_eq!(pause.standing(Instant::ZERO, 10), Standing::Trusted);
        for seconds in [10, 20, 40, 80, 160, 320, 640, 640] {
            assert!(pause.begin(Instant::ZERO, 10));
            assert_eq!(pause.standing(Instant::from_secs(seconds - 1), 10), Standing::Paused, "{seconds}");
            assert_eq!(pause.standing(Instant::from_secs(seconds), 10), Standing::OnTrial, "{seconds}");
        }
        assert_eq!(pause.standing(Instant::ZERO, 0), Standing::Trusted);
        assert!(!pause.begin(Instant::ZERO, 0));
        pause.end();
        assert_eq!(pause.standing(Instant::ZERO, 10), Standing::Trusted);
    }
}
