//! The bandwidth of the way: the most that was delivered in any of the last ten rounds; or, behind a policer, what he lets through in
//! the long run.
//!
//! A round ends when a segment is acknowledged that was sent after the one before had ended: a round trip, counted by segments. The filter
//! over rounds is Kathleen Nichols' (Linux v6.18: `lib/win_minmax.c`): the best, the best since, and the best since that one.

use crate::tcp::{Sample, congestion::Flow};

use super::UNIT;

/// Segments a microsecond are counted in parts of it: 2^-24.
pub(super) const ONE_SEGMENT: u32 = 1 << 24;

/// What a sample has made of the bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BandwidthNews {
    Nothing,
    /// There seems to be a policer.
    Policed,
    /// Whether there is one is asked anew.
    PolicerOver,
}

/// The bandwidth, in segments a microsecond times [`ONE_SEGMENT`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bandwidth {
    /// The best rates, and the rounds they are of.
    best: [(u32, u32); 3],
    round: u32,
    /// A segment that was sent when so many were delivered ends this round.
    round_end: u32,
    pub(super) is_round_start: bool,
    policer: Policer,
}

/// A policer lets through what his tokens are for and drops the rest: two times in a row with much loss the same rate (Flach and
/// others: "An Internet-wide analysis of traffic policing", SIGCOMM 2016).
#[derive(Clone, Copy, Debug, Default)]
struct Policer {
    /// A time is measured, since so many milliseconds, segments delivered, and segments lost.
    is_measuring: bool,
    since_millis: u64,
    delivered: u32,
    lost: u32,
    rounds: u32,
    /// His rate the last time, and whether it is held to.
    rate: u32,
    is_found: bool,
}

impl Bandwidth {
    /// The most of late.
    pub(super) const fn most(&self) -> u32 {
        self.best[0].1
    }

    /// What is taken for the way's.
    pub(super) const fn now(&self) -> u32 {
        if self.policer.is_found { self.policer.rate } else { self.most() }
    }

    pub(super) const fn is_policed(&self) -> bool {
        self.policer.is_found
    }

    /// A round begins.
    pub(super) const fn begin_round(&mut self, delivered: u32) {
        self.round_end = delivered;
    }

    pub(super) fn update(&mut self, flow: &Flow, sample: &Sample, is_probing: bool) -> BandwidthNews {
        self.is_round_start = false;
        let micros = sample.interval.map_or(0, |interval| interval.as_micros() as u64);
        let Some(delivered) = sample.delivered.filter(|_| micros > 0) else { return BandwidthNews::Nothing };
        if (sample.prior_delivered.wrapping_sub(self.round_end) as i32) >= 0 {
            self.round_end = flow.delivered;
            self.round = self.round.wrapping_add(1);
            self.is_round_start = true;
        }
        let news = self.look_for_policer(flow, sample, is_probing);
        let rate = u64::from(delivered) * u64::from(ONE_SEGMENT) / micros;
        let rate = u32::try_from(rate).unwrap_or(u32::MAX);
        // What a user has not sent says nothing of the way, unless it is more than is known.
        if !sample.is_app_limited || rate >= self.most() {
            self.take(rate);
        }
        news
    }

    fn take(&mut self, rate: u32) {
        let new = (self.round, rate);
        let age = |of: (u32, u32)| new.0.wrapping_sub(of.0);
        let best = &mut self.best;
        if rate >= best[0].1 || age(best[2]) > ROUNDS {
            *best = [new; 3];
            return;
        }
        if rate >= best[1].1 {
            (best[1], best[2]) = (new, new);
        } else if rate >= best[2].1 {
            best[2] = new;
        }
        if age(best[0]) > ROUNDS {
            *best = [best[1], best[2], new];
            if age(best[0]) > ROUNDS {
                *best = [best[1], best[2], new];
            }
        } else if best[1].0 == best[0].0 && age(best[0]) > ROUNDS / 4 {
            (best[1], best[2]) = (new, new);
        } else if best[2].0 == best[1].0 && age(best[0]) > ROUNDS / 2 {
            best[2] = new;
        }
    }

    /// Nothing is known of a policer.
    pub(super) fn forget_policer(&mut self, flow: &Flow) {
        self.policer = Policer::default();
        self.policer.measure(flow);
    }

    /// Looks whether what is lost and what comes is as behind a policer. He is believed in for 48 rounds.
    pub(super) fn look_for_policer(&mut self, flow: &Flow, sample: &Sample, is_probing: bool) -> BandwidthNews {
        let policer = &mut self.policer;
        if policer.is_found {
            if is_probing && self.is_round_start {
                policer.rounds += 1;
                if policer.rounds >= POLICED_ROUNDS {
                    self.forget_policer(flow);
                    return BandwidthNews::PolicerOver;
                }
            }
            return BandwidthNews::Nothing;
        }
        if !policer.is_measuring {
            // Before the first loss he had tokens left.
            if sample.lost == 0 {
                return BandwidthNews::Nothing;
            }
            policer.measure(flow);
            policer.is_measuring = true;
        }
        if sample.is_app_limited {
            self.forget_policer(flow);
            return BandwidthNews::Nothing;
        }
        policer.rounds += u32::from(self.is_round_start);
        if policer.rounds < MEASURED_ROUNDS_MIN {
            return BandwidthNews::Nothing;
        }
        if policer.rounds > 4 * MEASURED_ROUNDS_MIN {
            self.forget_policer(flow);
            return BandwidthNews::Nothing;
        }
        // It ends with a loss too: then all tokens were spent.
        if sample.lost == 0 { BandwidthNews::Nothing } else { self.end_measurement(flow) }
    }

    fn end_measurement(&mut self, flow: &Flow) -> BandwidthNews {
        let policer = &mut self.policer;
        let lost = u64::from(flow.lost.wrapping_sub(policer.lost));
        let delivered = u64::from(flow.delivered.wrapping_sub(policer.delivered));
        if delivered == 0 || (lost << UNIT.ilog2()) < LOSSY * delivered {
            return BandwidthNews::Nothing;
        }
        let millis = millis_of(flow).saturating_sub(policer.since_millis);
        if millis < 1 {
            return BandwidthNews::Nothing;
        }
        if millis >= MEASURED_MILLIS_MAX {
            self.forget_policer(flow);
            return BandwidthNews::Nothing;
        }
        let rate = u32::try_from(delivered * u64::from(ONE_SEGMENT) / (millis * 1000)).unwrap_or(u32::MAX);
        if policer.rate > 0 {
            let off = rate.abs_diff(policer.rate);
            let is_near = u64::from(off) * 8 <= policer.rate.into();
            if is_near || bytes_per_second(off.into(), flow.mss_bytes, UNIT) <= NEAR_BYTES {
                policer.rate = (u64::midpoint(rate.into(), policer.rate.into())) as u32;
                (policer.is_found, policer.rounds) = (true, 0);
                return BandwidthNews::Policed;
            }
        }
        policer.rate = rate;
        policer.measure(flow);
        BandwidthNews::Nothing
    }
}

impl Policer {
    /// Begins a time that is measured.
    fn measure(&mut self, flow: &Flow) {
        self.since_millis = millis_of(flow);
        (self.delivered, self.lost, self.rounds) = (flow.delivered, flow.lost, 0);
    }
}

fn millis_of(flow: &Flow) -> u64 {
    flow.delivered_at.unwrap_or_default().as_nanos() / 1_000_000
}

/// A bandwidth with a gain as bytes a second: 1 % less, so that a queue at the narrowest link gets shorter.
pub(super) fn bytes_per_second(bandwidth: u64, mss_bytes: u32, gain: u32) -> u64 {
    let bytes = (u128::from(bandwidth) * u128::from(mss_bytes) * u128::from(gain)) >> UNIT.ilog2();
    u64::try_from((bytes * (1_000_000 / 100 * 99)) >> ONE_SEGMENT.ilog2()).unwrap_or(u64::MAX)
}

/// A bandwidth as bytes a second.
pub(super) fn bytes(bandwidth: u32, mss_bytes: u32) -> u64 {
    u64::try_from((u128::from(bandwidth) * u128::from(mss_bytes) * 1_000_000) >> ONE_SEGMENT.ilog2())
        .unwrap_or(u64::MAX)
}

/// For so many rounds the most counts: a cycle of probing, and two.
const ROUNDS: u32 = 10;
const MEASURED_ROUNDS_MIN: u32 = 4;
/// Lost of delivered, in 1/256: a fifth.
const LOSSY: u64 = 50;
/// Rates that differ by an eighth, or by 4 kbit/s, are one.
const NEAR_BYTES: u64 = 4000 / 8;
const POLICED_ROUNDS: u32 = 48;
const MEASURED_MILLIS_MAX: u64 = u32::MAX as u64 / 1000;
