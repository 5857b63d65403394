//! Congestion control: how much may be in the network at once.
//!
//! What those have in common that look at losses (when a loss is believed, how much is sent while it is repaired, when a reduction is taken
//! back) is the connection's; here is what tells one algorithm from another, behind [`CongestionControl`].

mod bbr;
mod cubic;
mod reno;

pub use bbr::{Bbr, BbrInfo};
pub use cubic::Cubic;
pub use reno::Reno;

use alloc::boxed::Box;
use core::{fmt, time::Duration};

use super::Sample;
use crate::{time::Instant, wire::SeqNum};

/// The congestion window, in segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many segments may be in flight; at least 1.
    pub segments: u32,
    /// Below it the window grows by what is acknowledged (slow start); above it about by one a round trip.
    pub threshold: u32,
    /// Segments acknowledged towards the next growth by one.
    pub counted: u32,
    /// The window never grows beyond it.
    pub clamp: u32,
}

impl Window {
    /// The initial window (RFC 6928).
    pub const INITIAL_SEGMENTS: u32 = 10;
    /// A threshold that says nothing yet.
    pub const NO_THRESHOLD: u32 = 0x7fff_ffff;

    /// Whether the window grows by what is acknowledged.
    #[must_use]
    pub const fn is_in_slow_start(&self) -> bool {
        self.segments < self.threshold
    }

    /// Grows by what was acknowledged, up to the threshold; what is left counts for what comes then (RFC 5681, section 3.1).
    pub(super) const fn grow_slow_start(&mut self, acknowledged: u32) -> u32 {
        let goal = self.segments.saturating_add(acknowledged);
        let goal = if goal < self.threshold { goal } else { self.threshold };
        let left = acknowledged - (goal - self.segments);
        self.set(goal);
        left
    }

    /// Grows by one for each `every` segments that were acknowledged.
    pub(super) const fn grow_additive(&mut self, every: u32, acknowledged: u32) {
        let every = if every == 0 { 1 } else { every };
        // The window may have shrunk since the last were counted.
        if self.counted >= every {
            self.counted = 0;
            self.set(self.segments.saturating_add(1));
        }
        self.counted = self.counted.saturating_add(acknowledged);
        if self.counted >= every {
            let steps = self.counted / every;
            self.counted -= steps * every;
            self.set(self.segments.saturating_add(steps));
        }
    }

    /// Sets the window within its bounds.
    pub(super) const fn set(&mut self, segments: u32) {
        let segments = if segments == 0 { 1 } else { segments };
        self.segments = if segments > self.clamp { self.clamp } else { segments };
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { segments: Self::INITIAL_SEGMENTS, threshold: Self::NO_THRESHOLD, counted: 0, clamp: u32::MAX }
    }
}

/// What an algorithm is told of an acknowledgement.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// How many segments were acknowledged, by SACK included.
    pub segments: u32,
    /// The round-trip time that was measured.
    pub rtt: Option<Duration>,
    /// The least and the smoothed round-trip time.
    pub smoothed: Duration,
    /// Up to where everything is acknowledged.
    pub una: SeqNum,
    /// What is sent next.
    pub next: SeqNum,
    /// Whether the window was what held the sender up.
    pub is_window_limited: bool,
    /// What may be sent a second, in bytes.
    pub pacing_rate: u64,
}

/// How a connection stands, for an algorithm that has a model of its way.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The time.
    pub now: Instant,
    /// Payload bytes of a segment.
    pub mss_bytes: u32,
    /// The smoothed and the least round-trip time; `None` while none was measured.
    pub smoothed: Option<Duration>,
    /// See there.
    pub least: Option<Duration>,
    /// Segments delivered so far, when the last of them was, and segments lost.
    pub delivered: u32,
    /// See there.
    pub delivered_at: Option<Instant>,
    /// See there.
    pub lost: u32,
    /// Segments that are thought to be in the network, or wait for their time.
    pub in_flight: u32,
    /// When the next segment may leave.
    pub departs: Instant,
    /// How it stands to loss.
    pub trouble: Trouble,
    /// Bytes that may be sent a second at most.
    pub pacing_rate_max: u64,
    /// What may be sent a second, in bytes; the algorithm may set it.
    pub pacing_rate: u64,
    /// Until more than so many segments are delivered, deliveries are the user's rate; the algorithm may set it.
    pub app_limited_until: Option<u32>,
}

impl Flow {
    /// Sets the rate, within its limit.
    pub(super) fn set_pacing_rate(&mut self, rate: u64) {
        self.pacing_rate = rate.min(self.pacing_rate_max);
    }
}

/// How a connection stands to loss (Linux: `enum tcp_ca_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// All is well.
    #[default]
    Open,
    /// Something came out of order, or twice.
    Disorder,
    /// The window is being reduced, for a mark or a full queue here.
    Reduced,
    /// Lost segments are being sent again.
    Recovery,
    /// The retransmission timeout has run out.
    Loss,
}

impl Trouble {
    /// Whether lost segments are being sent again.
    #[must_use]
    pub const fn is_recovering(self) -> bool {
        matches!(self, Self::Recovery | Self::Loss)
    }
}

/// What tells one algorithm from another.
pub trait CongestionControl: fmt::Debug + Send {
    /// Its name, as `TCP_CONGESTION` has it.
    fn name(&self) -> &'static str;

    /// Whether it sets window and pacing rate itself, by a model of the way: nothing else reduces the window then but a timeout, and
    /// segments are paced (Linux: `cong_control`).
    fn is_model(&self) -> bool {
        false
    }

    /// The connection stands. What is drawn by chance is drawn with `seed`.
    fn begin(&mut self, _flow: &mut Flow, _window: &mut Window, _seed: u64) {}

    /// An acknowledgement has come, for an algorithm that sets window and rate itself.
    fn control(&mut self, _flow: &mut Flow, _window: &mut Window, _sample: &Sample) {}

    /// Segments of a super-packet at least; `None`: as the tunable says.
    fn super_segments_min(&self, _pacing_rate: u64) -> Option<u32> {
        None
    }

    /// So many windows a send buffer has room for.
    fn buffered_windows(&self) -> u32 {
        2
    }

    /// What is known of its model, if it is BBR.
    fn info(&self, _mss_bytes: u32) -> Option<BbrInfo> {
        None
    }

    /// The threshold after a loss, in segments; asked once for each.
    fn threshold_after_loss(&mut self, now: Instant, window: &Window) -> u32;

    /// New data were acknowledged, and the window may grow.
    fn acknowledge(&mut self, now: Instant, window: &mut Window, acknowledged: &Acknowledged);

    /// A round-trip time was measured.
    fn measure(&mut self, _now: Instant, _window: &mut Window, _acknowledged: &Acknowledged) {}

    /// The state of trouble is another one now.
    fn enter(&mut self, _flow: &Flow, _trouble: Trouble) {}

    /// Sending begins anew after a while of silence, `since` the last segment.
    fn restart(&mut self, _flow: &mut Flow, _window: &mut Window, _since: Duration) {}

    /// The window to go back to when a reduction was for nothing; `prior` was the one before.
    fn undo(&mut self, _flow: &Flow, window: &Window, prior: u32) -> u32 {
        window.segments.max(prior)
    }
}

/// The algorithm of that name; `None` when there is none.
#[must_use]
pub fn by_name(name: &str) -> Option<Box<dyn CongestionControl>> {
    match name {
        "cubic" => Some(Box::new(Cubic::default())),
        "bbr" => Some(Box::new(Bbr::default())),
        "reno" => Some(Box::new(Reno)),
        _ => None,
    }
}

/// The names of all algorithms, the default first. Their places are their numbers in snapshots
/// ([`Sysctls::tcp_congestion_control`](crate::sysctl::Sysctls)), and never change.
pub const NAMES: [&str; 3] = ["cubic", "reno", "bbr"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_gives_the_algorithm_of_that_name() {
        for name in NAMES {
            assert_eq!(by_name(name).map(|algorithm| algorithm.name()), Some(name));
        }
        assert!(by_name("vegas").is_none());
    }

    #[test]
    fn slow_start_ends_at_the_threshold_and_leaves_the_rest() {
        let mut window = Window { segments: 8, threshold: 10, ..Window::default() };
        assert_eq!(window.grow_slow_start(5), 3);
        assert_eq!(window.segments, 10);
    }

    #[test]
    fn additive_growth_is_one_a_window() {
        let mut window = Window { segments: 10, threshold: 10, ..Window::default() };
        for _ in 0..9 {
            window.grow_additive(10, 1);
        }
        assert_eq!(window.segments, 10);
        window.grow_additive(10, 1);
        assert_eq!(window.segments, 11);
    }
}
