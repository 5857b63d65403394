//! Reno: half the window after a loss, one segment more a round trip (RFC 5681).

use super::{Acknowledged, CongestionControl, Window};
use crate::time::Instant;

/// Reno. It remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reno;

impl CongestionControl for Reno {
    fn name(&self) -> &'static str {
        "reno"
    }

    fn threshold_after_loss(&mut self, _: Instant, window: &Window) -> u32 {
        (window.segments / 2).max(2)
    }

    fn acknowledge(&mut self, _: Instant, window: &mut Window, acknowledged: &Acknowledged) {
        if !acknowledged.is_window_limited {
            return;
        }
        let mut left = acknowledged.segments;
        if window.is_in_slow_start() {
            left = window.grow_slow_start(left);
        }
        if left > 0 {
            window.grow_additive(window.segments, left);
        }
    }
}
