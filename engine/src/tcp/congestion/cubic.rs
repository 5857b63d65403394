//! CUBIC (RFC 9438) with HyStart (Ha, Rhee: "Taming the elephants: new TCP slow start", 2011), in integers, with the
//! constants of Linux (v6.18: `net/ipv4/tcp_cubic.c`).
//!
//! ```text
//!  window
//!   W max ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄___---  W(t) = C (t − K)³ + W max
//!                            __--‾‾‾
//!                        _-‾             C = 0.4 segments a second cubed
//!   0.7 W max ──────────/                K = ∛(W max · 0.3 / C): when the window is W max again
//!                       0            K        t: time since the loss
//! ```
//!
//! Times are in units of 1/1024 s, so that powers of them are shifts.

use core::time::Duration;

use super::{Acknowledged, CongestionControl, Flow, Trouble, Window};
use crate::{time::Instant, wire::SeqNum};

/// CUBIC's memory of the last loss and of this round trip.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cubic {
    /// Segments to acknowledge for each growth by one.
    every: u32,
    /// The window before the last loss, less when it had not reached the one before.
    max: u32,
    /// The window and the time when `every` was computed last.
    computed: Option<(u32, Instant)>,
    /// Where the curve is flat: window and distance in time from its beginning.
    origin: u32,
    until_origin: u64,
    /// When this curve began.
    began: Option<Instant>,
    /// Segments acknowledged, and the window that Reno would have by now (RFC 9438, section 4.3).
    acknowledged: u32,
    reno: u32,
    /// The least round-trip time since the last timeout.
    least: Option<Duration>,
    hystart: HyStart,
}

/// How slow start finds its end before it loses segments.
#[derive(Clone, Copy, Debug, Default)]
struct HyStart {
    /// Whether it has been found.
    is_found: bool,
    /// Where this round trip ends, when it began, and its last close acknowledgement.
    round_end: Option<SeqNum>,
    round_began: Instant,
    last: Instant,
    /// Round-trip times of this round: how many, and the least.
    samples: u8,
    least: Option<Duration>,
}

impl CongestionControl for Cubic {
    fn name(&self) -> &'static str {
        "cubic"
    }

    fn threshold_after_loss(&mut self, _: Instant, window: &Window) -> u32 {
        self.began = None;
        // A window that is smaller than the one before makes room for others (RFC 9438, section 4.7).
        self.max =
            if window.segments < self.max { scaled(window.segments, ONE + BETA, 2 * ONE) } else { window.segments };
        scaled(window.segments, BETA, ONE).max(2)
    }

    fn acknowledge(&mut self, now: Instant, window: &mut Window, acknowledged: &Acknowledged) {
        if !acknowledged.is_window_limited {
            return;
        }
        let mut left = acknowledged.segments;
        if window.is_in_slow_start() {
            left = window.grow_slow_start(left);
            if left == 0 {
                return;
            }
        }
        self.update(now, window, left);
        window.grow_additive(self.every, left);
    }

    fn measure(&mut self, now: Instant, window: &mut Window, acknowledged: &Acknowledged) {
        let Some(rtt) = acknowledged.rtt else { return };
        // For a while after a reduction times are those of the full queue before it.
        if self.began.is_some_and(|began| now.since(began) < Duration::from_secs(1)) {
            return;
        }
        let rtt = rtt.max(Duration::from_micros(1));
        if self.least.is_none_or(|least| rtt < least) {
            self.least = Some(rtt);
        }
        if !self.hystart.is_found && window.is_in_slow_start() && window.segments >= HYSTART_SEGMENTS_MIN {
            self.look_for_end(now, rtt, window, acknowledged);
        }
    }

    fn enter(&mut self, flow: &Flow, trouble: Trouble) {
        if trouble == Trouble::Loss {
            *self = Self::default();
            self.hystart.round_began = flow.now;
        }
    }

    fn restart(&mut self, flow: &mut Flow, _: &mut Window, since: Duration) {
        // Silence is no time in which the curve goes on (RFC 9438, section 5.8).
        if let Some(began) = &mut self.began {
            *began = (*began + since).min(flow.now);
        }
    }
}

impl Cubic {
    /// Computes how many acknowledged segments the window grows by one for.
    fn update(&mut self, now: Instant, window: &Window, acknowledged: u32) {
        self.acknowledged = self.acknowledged.saturating_add(acknowledged);
        let cwnd = window.segments;
        let is_fresh = |(known, at): (u32, Instant)| known == cwnd && now.since(at) <= RECOMPUTE;
        if self.began.is_some() && self.computed.is_some_and(is_fresh) {
            return;
        }
        let is_same_instant = self.computed.is_some_and(|(_, at)| at == now);
        if self.began.is_none() || !is_same_instant {
            self.computed = Some((cwnd, now));
            self.every = self.along_the_curve(now, cwnd, acknowledged);
        }
        self.every = self.every.min(self.as_fast_as_reno(cwnd)).max(2);
    }

    fn along_the_curve(&mut self, now: Instant, cwnd: u32, acknowledged: u32) -> u32 {
        let began = *self.began.get_or_insert_with(|| {
            (self.acknowledged, self.reno) = (acknowledged, cwnd);
            if self.max <= cwnd {
                (self.until_origin, self.origin) = (0, cwnd);
            } else {
                self.until_origin = cube_root(CUBE_FACTOR * u64::from(self.max - cwnd));
                self.origin = self.max;
            }
            now
        });
        let ahead = now.since(began) + self.least.unwrap_or_default();
        let time = ahead.as_micros() as u64 * 1024 / 1_000_000;
        let off = time.abs_diff(self.until_origin);
        // Beyond some 20 minutes the curve is as steep as it gets.
        let off = off.min(CURVE_UNITS_MAX);
        let delta = ((CURVE_SCALE * off * off * off) >> 40) as u32;
        let target = if time < self.until_origin {
            self.origin.saturating_sub(delta)
        } else {
            self.origin.saturating_add(delta)
        };
        let every = if target > cwnd { cwnd / (target - cwnd) } else { cwnd.saturating_mul(100) };
        // While nothing is known of the last loss, the window grows by 5 % a round trip.
        if self.max == 0 { every.min(20) } else { every }
    }

    /// What Reno's window would be, if that is larger, decides (RFC 9438, section 4.3).
    fn as_fast_as_reno(&mut self, cwnd: u32) -> u32 {
        let each = scaled(cwnd, RENO_SCALE, 8).max(1);
        let steps = self.acknowledged / each;
        self.acknowledged -= steps * each;
        self.reno = self.reno.saturating_add(steps);
        if self.reno > cwnd { cwnd / (self.reno - cwnd) } else { u32::MAX }
    }

    /// Slow start has filled the way when acknowledgements come for half a round trip without a pause, or when they take
    /// longer than they did.
    fn look_for_end(&mut self, now: Instant, rtt: Duration, window: &mut Window, acknowledged: &Acknowledged) {
        let hystart = &mut self.hystart;
        if hystart.round_end.is_none_or(|end| acknowledged.una.after(end)) {
            *hystart =
                HyStart { round_began: now, last: now, round_end: Some(acknowledged.next), ..HyStart::default() };
        }
        let least = self.least.unwrap_or(rtt);
        if now.since(hystart.last) <= TRAIN_GAP_MAX {
            hystart.last = now;
            // How long a sender lets segments wait to make one large one counts as the way's.
            let waits = match acknowledged.pacing_rate {
                0 => Duration::ZERO,
                rate => Duration::from_micros(65_536 * 4 * 1_000_000 / rate).min(Duration::from_millis(1)),
            };
            if now.since(hystart.round_began) > (least + waits) / 2 {
                hystart.is_found = true;
            }
        }
        let round_least = *hystart.least.get_or_insert(rtt);
        hystart.least = Some(round_least.min(rtt));
        if hystart.samples < SAMPLES_MIN {
            hystart.samples += 1;
        } else if hystart.least > Some(least + (least / 8).clamp(DELAY_MIN, DELAY_MAX)) {
            hystart.is_found = true;
        }
        if hystart.is_found {
            window.threshold = window.segments;
        }
    }
}

const fn scaled(value: u32, by: u32, of: u32) -> u32 {
    (value as u64 * by as u64 / of as u64) as u32
}

/// The cube root, rounded down (Newton's method from above).
fn cube_root(value: u64) -> u64 {
    if value == 0 {
        return 0;
    }
    let mut root = 1 << (u64::BITS - value.leading_zeros()).div_ceil(3);
    loop {
        let next = (2 * root + value / (root * root)) / 3;
        if next >= root {
            return root;
        }
        root = next;
    }
}

/// What fractions are of.
const ONE: u32 = 1024;
/// The part of the window that is left after a loss: 0.7 (RFC 9438, section 4.6).
const BETA: u32 = 717;
/// C, the steepness: 0.4, in 1/1024 and units of time of 1/1024 s.
const CURVE_SCALE: u64 = 410;
/// 1 / C, for the way back from a distance in segments to time cubed.
const CUBE_FACTOR: u64 = (1 << 40) / CURVE_SCALE;
/// Times 8: how many windows Reno takes for one segment at this part of the window (RFC 9438, figure 4).
const RENO_SCALE: u32 = 8 * (ONE + BETA) / 3 / (ONE - BETA);
/// The cube of it, times C, fits 64 bits.
const CURVE_UNITS_MAX: u64 = 1 << 18;
/// How long what was computed for a window holds.
const RECOMPUTE: Duration = Duration::from_micros(31_250);
/// Below it the end of slow start is not looked for.
const HYSTART_SEGMENTS_MIN: u32 = 16;
/// Acknowledgements that come within it are of one train.
const TRAIN_GAP_MAX: Duration = Duration::from_millis(2);
/// Round-trip times of a round before they count.
const SAMPLES_MIN: u8 = 8;
const DELAY_MIN: Duration = Duration::from_millis(4);
const DELAY_MAX: Duration = Duration::from_millis(16);

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(segments: u32, rtt_millis: u64) -> Acknowledged {
        Acknowledged {
            segments,
            rtt: Some(Duration::from_millis(rtt_millis)),
            smoothed: Duration::from_millis(rtt_millis),
            una: SeqNum(0),
            next: SeqNum(1),
            is_window_limited: true,
            pacing_rate: 0,
        }
    }

    #[test]
    fn cube_roots_are_rounded_down() {
        for root in [0_u64, 1, 2, 3, 10, 1023, 1024, 2_000_000] {
            let cube = root * root * root;
            assert_eq!(cube_root(cube), root);
            assert_eq!(cube_root(cube + 1), root.max(1));
            assert_eq!(cube_root(cube.saturating_sub(1)), root.saturating_sub(1));
        }
    }

    #[test]
    fn after_a_loss_seven_tenths_are_left_and_the_curve_leads_back_in_time() {
        let (mut cubic, mut window) = (Cubic::default(), Window { segments: 1000, ..Window::default() });
        let mut now = Instant::from_secs(10);
        window.threshold = cubic.threshold_after_loss(now, &window);
        window.set(window.threshold);
        assert_eq!(window.segments, 700);
        // K is the cube root of 300 / 0.4: nine seconds.
        let mut reached = None;
        for _ in 0..150 {
            now = now + Duration::from_millis(100);
            let news = acknowledged(window.segments, 100);
            cubic.acknowledge(now, &mut window, &news);
            if window.segments >= 990 && reached.is_none() {
                reached = Some(now.since(Instant::from_secs(10)));
            }
        }
        let reached = reached.expect("the old window is reached");
        assert!((5..=10).contains(&reached.as_secs()), "{reached:?}");
        assert!(window.segments > 1000);
    }

    #[test]
    fn slow_start_ends_when_round_trips_take_longer() {
        let (mut cubic, mut window) = (Cubic::default(), Window { segments: 20, ..Window::default() });
        let now = Instant::from_secs(1);
        for _ in 0..10 {
            cubic.measure(now, &mut window, &acknowledged(1, 100));
        }
        assert!(window.is_in_slow_start());
        let next = Acknowledged { una: SeqNum(2), next: SeqNum(30), ..acknowledged(1, 120) };
        for gap in 0..9 {
            cubic.measure(now + Duration::from_millis(200 + 5 * gap), &mut window, &next);
        }
        assert!(!window.is_in_slow_start());
    }
}
