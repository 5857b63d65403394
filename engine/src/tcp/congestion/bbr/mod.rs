//! BBR, the first version (Cardwell, Cheng, Gunn, Hassas Yeganeh, Jacobson: "BBR: congestion-based congestion control", ACM Queue
//! 14(5), 2016; draft-cardwell-iccrg-bbr-congestion-control-00), with the constants of Linux (v6.18: `net/ipv4/tcp_bbr.c`).
//!
//! It keeps a model of the way instead of waiting for losses: the most that was delivered in a while, and the least round-trip time.
//! One times the other (the bandwidth-delay product, BDP) fills the way and not the queue before its narrowest link.
//!
//! ```text
//!   Startup ──────────► Drain ─────────────► ProbeBandwidth ◄──────────┐
//!   gain 2.89, until    1/2.89, until no     5/4, 3/4, 1, 1, 1, 1, 1, 1 │
//!   the rate stays      more than a BDP      of the rate, a least round │
//!   for three rounds    is in flight         trip each                  │
//!      ▲                                        │ the least round trip  │
//!      └──── the way was not full ── ProbeRtt ◄─┘ is ten seconds old    │
//!                                     four segments for 200 ms ─────────┘
//! ```
//!
//! | file | what |
//! |---|---|
//! | `bandwidth` | the most that was delivered of late; the rate of a policer |
//! | `aggregation` | how much comes at once what would come in turn |

mod aggregation;
mod bandwidth;
#[cfg(test)]
mod tests;

use core::time::Duration;

use serde::{Deserialize, Serialize};

use self::{
    aggregation::Aggregation,
    bandwidth::{Bandwidth, BandwidthNews, ONE_SEGMENT, bytes_per_second},
};
use super::{Acknowledged, CongestionControl, Flow, Trouble, Window};
use crate::{random::Random, tcp::Sample, time::Instant};

/// What is asked for as `TCP_CC_INFO` (Linux v6.18: `include/uapi/linux/inet_diag.h`, `struct tcp_bbr_info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BbrInfo {
    /// The bandwidth of the way, in bytes a second.
    pub bandwidth: u64,
    /// The least round-trip time; `None` while none was measured.
    pub least: Option<Duration>,
    /// What the bandwidth is multiplied by for the pacing rate, in 1/256.
    pub pacing_gain: u32,
    /// What the BDP is multiplied by for the window, in 1/256.
    pub window_gain: u32,
}

/// What it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// The rate doubles each round trip, to find the bandwidth.
    #[default]
    Startup,
    /// What is in a queue by then is let go.
    Drain,
    /// A little more and a little less is sent in turn.
    ProbeBandwidth,
    /// Next to nothing is sent, to see how long the way is.
    ProbeRtt,
}

/// The model and where it is probed.
#[derive(Clone, Debug)]
pub struct Bbr {
    mode: Mode,
    bandwidth: Bandwidth,
    aggregation: Aggregation,
    /// The least round-trip time, and since when that is known.
    least: Option<Duration>,
    least_at: Instant,
    /// When enough of next to nothing was sent, and whether a round trip has passed of it.
    probed_at: Option<Instant>,
    has_probed_round: bool,
    /// Which phase of the cycle it is, and since when.
    phase: usize,
    phase_at: Instant,
    /// How the connection stood at the acknowledgement before.
    prior_trouble: Trouble,
    /// As many segments are sent as are acknowledged, for the first round of a recovery.
    conserves: bool,
    /// Sending has begun anew after a silence of the user's.
    restarts: bool,
    /// A round-trip time is known.
    has_rtt: bool,
    pacing_gain: u32,
    window_gain: u32,
    full: Full,
    /// The window before it was cut.
    prior_window: u32,
    random: Random,
}

/// Whether Startup has filled the way.
#[derive(Clone, Copy, Debug, Default)]
struct Full {
    is_reached: bool,
    /// The bandwidth that it was, and for how many rounds it has not grown by a quarter.
    bandwidth: u32,
    rounds: u8,
}

impl Default for Bbr {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            bandwidth: Bandwidth::default(),
            aggregation: Aggregation::default(),
            least: None,
            least_at: Instant::ZERO,
            probed_at: None,
            has_probed_round: false,
            phase: 0,
            phase_at: Instant::ZERO,
            prior_trouble: Trouble::Open,
            conserves: false,
            restarts: false,
            has_rtt: false,
            pacing_gain: HIGH_GAIN,
            window_gain: HIGH_GAIN,
            full: Full::default(),
            prior_window: 0,
            random: Random::new(0),
        }
    }
}

impl CongestionControl for Bbr {
    fn name(&self) -> &'static str {
        "bbr"
    }

    fn is_model(&self) -> bool {
        true
    }

    fn begin(&mut self, flow: &mut Flow, window: &mut Window, seed: u64) {
        *self = Self { least: flow.least, least_at: flow.now, random: Random::new(seed), ..Self::default() };
        window.threshold = Window::NO_THRESHOLD;
        self.bandwidth.forget_policer(flow);
        self.aggregation.begin(flow.now);
        self.begin_pacing(flow, window);
    }

    fn control(&mut self, flow: &mut Flow, window: &mut Window, sample: &Sample) {
        self.update_model(flow, window, sample);
        let bandwidth = self.bandwidth.now();
        self.set_pacing_rate(flow, window, bandwidth, self.pacing_gain);
        self.set_window(flow, window, sample, bandwidth);
    }

    fn threshold_after_loss(&mut self, _: Instant, window: &Window) -> u32 {
        self.save_window(window);
        window.threshold
    }

    fn acknowledge(&mut self, _: Instant, _: &mut Window, _: &Acknowledged) {}

    fn enter(&mut self, flow: &Flow, trouble: Trouble) {
        if trouble == Trouble::Loss {
            // A timeout ends a round.
            (self.prior_trouble, self.full.bandwidth) = (Trouble::Loss, 0);
            self.bandwidth.is_round_start = true;
            let lost = Sample { lost: 1, ..Sample::default() };
            let news = self.bandwidth.look_for_policer(flow, &lost, self.mode == Mode::ProbeBandwidth);
            self.take_news(flow, news);
        }
    }

    fn restart(&mut self, flow: &mut Flow, window: &mut Window, _: Duration) {
        if flow.app_limited_until.is_none() {
            return;
        }
        self.restarts = true;
        self.aggregation.restart(flow.now);
        match self.mode {
            // No more speed is needed than there was.
            Mode::ProbeBandwidth => self.set_pacing_rate(flow, window, self.bandwidth.now(), UNIT),
            Mode::ProbeRtt => self.end_probe_when_due(flow, window),
            Mode::Startup | Mode::Drain => {}
        }
    }

    fn undo(&mut self, flow: &Flow, window: &Window, _: u32) -> u32 {
        (self.full.bandwidth, self.full.rounds) = (0, 0);
        self.bandwidth.forget_policer(flow);
        window.segments
    }

    fn super_segments_min(&self, pacing_rate: u64) -> Option<u32> {
        Some(super_segments_min(pacing_rate))
    }

    fn buffered_windows(&self) -> u32 {
        // It may double its window in a recovery.
        3
    }

    fn info(&self, mss_bytes: u32) -> Option<BbrInfo> {
        Some(BbrInfo {
            bandwidth: bandwidth::bytes(self.bandwidth.now(), mss_bytes),
            least: self.least,
            pacing_gain: self.pacing_gain,
            window_gain: self.window_gain,
        })
    }
}

impl Bbr {
    fn update_model(&mut self, flow: &mut Flow, window: &mut Window, sample: &Sample) {
        let news = self.bandwidth.update(flow, sample, self.mode == Mode::ProbeBandwidth);
        if self.bandwidth.is_round_start {
            self.conserves = false;
        }
        self.take_news(flow, news);
        let rate = self.bandwidth.now();
        self.aggregation.update(flow, sample, rate, self.bandwidth.is_round_start, window.segments);
        if self.mode == Mode::ProbeBandwidth && self.is_phase_over(flow, sample) {
            self.next_phase(flow);
        }
        self.look_whether_full(sample);
        self.drain_when_full(flow, window);
        self.update_least(flow, window, sample);
        (self.pacing_gain, self.window_gain) = match self.mode {
            Mode::Startup => (HIGH_GAIN, HIGH_GAIN),
            Mode::Drain => (DRAIN_GAIN, HIGH_GAIN),
            Mode::ProbeBandwidth if self.bandwidth.is_policed() => (UNIT, WINDOW_GAIN),
            Mode::ProbeBandwidth => (CYCLE[self.phase % CYCLE.len()], WINDOW_GAIN),
            Mode::ProbeRtt => (UNIT, UNIT),
        };
    }

    fn take_news(&mut self, flow: &Flow, news: BandwidthNews) {
        match news {
            BandwidthNews::Nothing => {}
            BandwidthNews::Policed => self.pacing_gain = UNIT,
            BandwidthNews::PolicerOver => self.begin_cycle(flow),
        }
    }

    /// The rate before anything was delivered: the window a round-trip time, or a millisecond while none is known.
    fn begin_pacing(&mut self, flow: &mut Flow, window: &Window) {
        let micros = match flow.smoothed {
            Some(rtt) => {
                self.has_rtt = true;
                (rtt.as_micros() as u64).max(1)
            }
            None => 1000,
        };
        let bandwidth = u64::from(window.segments) * u64::from(ONE_SEGMENT) / micros;
        flow.set_pacing_rate(bytes_per_second(bandwidth, flow.mss_bytes, HIGH_GAIN));
    }

    fn set_pacing_rate(&mut self, flow: &mut Flow, window: &Window, bandwidth: u32, gain: u32) {
        if !self.has_rtt && flow.smoothed.is_some() {
            self.begin_pacing(flow, window);
        }
        let rate = bytes_per_second(bandwidth.into(), flow.mss_bytes, gain).min(flow.pacing_rate_max);
        if self.full.is_reached || rate > flow.pacing_rate {
            flow.set_pacing_rate(rate);
        }
    }

    /// Segments that are in flight when the way is filled `gain` times.
    fn bdp(&self, bandwidth: u32, gain: u32) -> u32 {
        let Some(least) = self.least else { return Window::INITIAL_SEGMENTS };
        let product = u64::from(bandwidth).saturating_mul(least.as_micros() as u64);
        let scaled = (u128::from(product) * u128::from(gain)) >> UNIT.ilog2();
        u32::try_from(scaled.div_ceil(ONE_SEGMENT.into())).unwrap_or(u32::MAX)
    }

    /// The same with room for what both ends work with: a super-packet in each of three places, an even number because every other one
    /// is acknowledged, and two more so that more is sent where little is in flight.
    fn with_room(&self, flow: &Flow, segments: u32) -> u32 {
        let even = segments.saturating_add(3 * super_segments(flow)).saturating_add(1) & !1;
        let is_probing = self.mode == Mode::ProbeBandwidth && self.phase == 0;
        even.saturating_add(if is_probing { 2 } else { 0 })
    }

    /// How many segments are to be in flight.
    fn in_flight(&self, flow: &Flow, gain: u32) -> u32 {
        self.with_room(flow, self.bdp(self.bandwidth.most(), gain))
    }

    /// Segments in the network when the next one leaves: those that wait for their time are not in it yet.
    fn in_network(&self, flow: &Flow, in_flight: u32) -> u32 {
        let micros = flow.departs.since(flow.now).as_micros() as u64;
        let delivered = (u128::from(self.bandwidth.now()) * u128::from(micros)) >> ONE_SEGMENT.ilog2();
        let then = if self.pacing_gain > UNIT { in_flight + super_segments(flow) } else { in_flight };
        then.saturating_sub(u32::try_from(delivered).unwrap_or(u32::MAX))
    }

    const fn save_window(&mut self, window: &Window) {
        let is_good = !self.prior_trouble.is_recovering() && !matches!(self.mode, Mode::ProbeRtt);
        if is_good || window.segments > self.prior_window {
            self.prior_window = window.segments;
        }
    }

    /// What a recovery makes of the window: at first as much is sent as is acknowledged, afterwards twice as much at most, and when it
    /// is over the window is what it was. Tells whether that is all that is to be done.
    fn recover(&mut self, flow: &Flow, sample: &Sample, segments: u32) -> (u32, bool) {
        let (before, now) = (self.prior_trouble, flow.trouble);
        let mut segments = segments.saturating_sub(sample.lost).max(1);
        if now == Trouble::Recovery && before != Trouble::Recovery {
            self.conserves = true;
            self.bandwidth.begin_round(flow.delivered);
            segments = flow.in_flight.saturating_add(sample.acknowledged);
        } else if before.is_recovering() && !now.is_recovering() {
            segments = segments.max(self.prior_window);
            self.conserves = false;
        }
        self.prior_trouble = now;
        if self.conserves {
            return (segments.max(flow.in_flight.saturating_add(sample.acknowledged)), true);
        }
        (segments, false)
    }

    fn set_window(&mut self, flow: &Flow, window: &mut Window, sample: &Sample, bandwidth: u32) {
        if sample.acknowledged > 0 {
            let (mut segments, is_done) = self.recover(flow, sample, window.segments);
            if !is_done {
                let extra = if self.full.is_reached { self.aggregation.segments(bandwidth) } else { 0 };
                let target = self.with_room(flow, self.bdp(bandwidth, self.window_gain).saturating_add(extra));
                let more = segments.saturating_add(sample.acknowledged);
                if self.full.is_reached {
                    segments = more.min(target);
                } else if segments < target || flow.delivered < Window::INITIAL_SEGMENTS {
                    segments = more;
                }
                segments = segments.max(SEGMENTS_MIN);
            }
            window.set(segments);
        }
        if self.mode == Mode::ProbeRtt {
            window.set(window.segments.min(SEGMENTS_MIN));
        }
    }

    fn is_phase_over(&self, flow: &Flow, sample: &Sample) -> bool {
        let lasted = flow.delivered_at.unwrap_or_default().since(self.phase_at);
        let is_long = self.least.is_some_and(|least| lasted > least);
        if self.pacing_gain == UNIT {
            return is_long;
        }
        let in_network = self.in_network(flow, sample.prior_in_flight);
        if self.pacing_gain > UNIT {
            // More is in flight than fills the way, or does not fit.
            return is_long && (sample.lost > 0 || in_network >= self.in_flight(flow, self.pacing_gain));
        }
        is_long || in_network <= self.in_flight(flow, UNIT)
    }

    fn next_phase(&mut self, flow: &Flow) {
        self.phase = (self.phase + 1) % CYCLE.len();
        self.phase_at = flow.delivered_at.unwrap_or_default();
    }

    /// Begins the cycle at any phase but the one that sends less, so that flows are not in step.
    fn begin_cycle(&mut self, flow: &Flow) {
        self.mode = Mode::ProbeBandwidth;
        self.phase = CYCLE.len() - 1 - self.random.below(PHASES_DRAWN) as usize;
        self.next_phase(flow);
    }

    fn begin_mode(&mut self, flow: &Flow) {
        if self.full.is_reached {
            self.begin_cycle(flow);
        } else {
            self.mode = Mode::Startup;
        }
    }

    /// The way is full when the bandwidth has not grown by a quarter for three rounds: one for the other end's window to grow, one to
    /// fill it, one to be told.
    fn look_whether_full(&mut self, sample: &Sample) {
        if self.full.is_reached || !self.bandwidth.is_round_start || sample.is_app_limited {
            return;
        }
        let most = self.bandwidth.most();
        if u64::from(most) >= (u64::from(self.full.bandwidth) * u64::from(FULL_GROWTH)) >> UNIT.ilog2() {
            (self.full.bandwidth, self.full.rounds) = (most, 0);
            return;
        }
        self.full.rounds += 1;
        self.full.is_reached = self.full.rounds >= FULL_ROUNDS;
    }

    fn drain_when_full(&mut self, flow: &Flow, window: &mut Window) {
        if self.mode == Mode::Startup && self.full.is_reached {
            self.mode = Mode::Drain;
            window.threshold = self.in_flight(flow, UNIT);
        }
        if self.mode == Mode::Drain && self.in_network(flow, flow.in_flight) <= self.in_flight(flow, UNIT) {
            self.begin_cycle(flow);
        }
    }

    fn update_least(&mut self, flow: &mut Flow, window: &mut Window, sample: &Sample) {
        let is_old = flow.now.since(self.least_at) > LEAST_LASTS;
        if let Some(rtt) = sample.rtt
            && (self.least.is_none_or(|least| rtt < least) || (is_old && !sample.is_ack_delayed))
        {
            (self.least, self.least_at) = (Some(rtt), flow.now);
        }
        if is_old && !self.restarts && self.mode != Mode::ProbeRtt {
            self.mode = Mode::ProbeRtt;
            self.save_window(window);
            self.probed_at = None;
        }
        if self.mode == Mode::ProbeRtt {
            self.probe_rtt(flow, window);
        }
        if sample.delivered.is_some_and(|delivered| delivered > 0) {
            self.restarts = false;
        }
    }

    fn probe_rtt(&mut self, flow: &mut Flow, window: &mut Window) {
        // What is delivered now says nothing of the bandwidth.
        flow.app_limited_until = Some(flow.delivered.wrapping_add(flow.in_flight).max(1));
        if self.probed_at.is_some() {
            self.has_probed_round |= self.bandwidth.is_round_start;
            if self.has_probed_round {
                self.end_probe_when_due(flow, window);
            }
        } else if flow.in_flight <= SEGMENTS_MIN {
            self.probed_at = Some(flow.now + PROBE_LASTS);
            self.has_probed_round = false;
            self.bandwidth.begin_round(flow.delivered);
        }
    }

    fn end_probe_when_due(&mut self, flow: &Flow, window: &mut Window) {
        if self.probed_at.is_some_and(|when| flow.now > when) {
            self.least_at = flow.now;
            window.set(window.segments.max(self.prior_window));
            self.begin_mode(flow);
        }
    }
}

/// Segments of a super-packet at least: on a slow way none is made.
const fn super_segments_min(pacing_rate: u64) -> u32 {
    if pacing_rate < SLOW_RATE { 1 } else { 2 }
}

/// Segments of a super-packet: what is sent in a millisecond.
fn super_segments(flow: &Flow) -> u32 {
    let bytes = (flow.pacing_rate >> 10).min(SUPER_BYTES_MAX.into()) as u32;
    (bytes / flow.mss_bytes.max(1)).max(super_segments_min(flow.pacing_rate)).min(SUPER_SEGMENTS_MAX)
}

/// What gains are of.
const UNIT: u32 = 256;
/// 2 / ln 2: the least gain by which the rate doubles each round trip.
const HIGH_GAIN: u32 = UNIT * 2885 / 1000 + 1;
/// Its inverse lets go in one round what has queued up in the one before.
const DRAIN_GAIN: u32 = UNIT * 1000 / 2885;
/// Twice a BDP may be in flight, for acknowledgements that come late and at once.
const WINDOW_GAIN: u32 = 2 * UNIT;
static CYCLE: [u32; 8] = [UNIT * 5 / 4, UNIT * 3 / 4, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT];
/// From so many of the last phases the one before the first is drawn.
const PHASES_DRAWN: u32 = 7;
/// Fewer segments are never in flight: two pairs, since every other one is acknowledged.
const SEGMENTS_MIN: u32 = 4;
const FULL_GROWTH: u32 = UNIT * 5 / 4;
const FULL_ROUNDS: u8 = 3;
const LEAST_LASTS: Duration = Duration::from_secs(10);
const PROBE_LASTS: Duration = Duration::from_millis(200);
/// 1.2 Mbit/s, in bytes a second.
const SLOW_RATE: u64 = 1_200_000 >> 3;
/// A super-packet of IPv4 (Linux: `GSO_LEGACY_MAX_SIZE - 1 - MAX_TCP_HEADER`).
const SUPER_BYTES_MAX: u32 = 65_536 - 1 - 320;
const SUPER_SEGMENTS_MAX: u32 = 0x7f;
