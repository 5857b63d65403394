//! How many segments are acknowledged at once that would have been in turn: where a link or the other end collects acknowledgements,
//! more has to be in flight so that sending goes on between two heaps of them.

use crate::{
    tcp::{Sample, congestion::Flow},
    time::Instant,
};

use super::bandwidth::ONE_SEGMENT;

/// The most of late by which more came than the bandwidth says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Aggregation {
    /// Since when is counted, and what has come since.
    since: Instant,
    acknowledged: u32,
    /// The most of these rounds and of those before, which are these, and how many they have been.
    most: [u32; 2],
    at: usize,
    rounds: u32,
}

impl Aggregation {
    pub(super) fn begin(&mut self, now: Instant) {
        *self = Self { since: now, ..Self::default() };
    }

    /// Sending has begun anew.
    pub(super) const fn restart(&mut self, now: Instant) {
        (self.since, self.acknowledged) = (now, 0);
    }

    pub(super) fn update(&mut self, flow: &Flow, sample: &Sample, bandwidth: u32, is_round_start: bool, window: u32) {
        let is_measured = sample.delivered.is_some() && sample.interval.is_some_and(|interval| !interval.is_zero());
        if sample.acknowledged == 0 || !is_measured {
            return;
        }
        if is_round_start {
            self.rounds += 1;
            if self.rounds >= ROUNDS {
                (self.rounds, self.at) = (0, 1 - self.at);
                self.most[self.at] = 0;
            }
        }
        let now = flow.delivered_at.unwrap_or_default();
        let mut expected = segments_in(bandwidth, now.since(self.since).as_micros() as u64);
        if self.acknowledged <= expected || self.acknowledged + sample.acknowledged >= COUNTED_MAX {
            (self.acknowledged, self.since) = (0, now);
            expected = 0;
        }
        self.acknowledged = (self.acknowledged + sample.acknowledged).min(COUNTED_MAX - 1);
        let extra = self.acknowledged.saturating_sub(expected).min(window);
        self.most[self.at] = self.most[self.at].max(extra);
    }

    /// By how much more may be in flight: no more than a tenth of a second's.
    pub(super) fn segments(&self, bandwidth: u32) -> u32 {
        self.most[0].max(self.most[1]).min(segments_in(bandwidth, MICROS_MAX))
    }
}

fn segments_in(bandwidth: u32, micros: u64) -> u32 {
    let segments = (u128::from(bandwidth) * u128::from(micros)) >> ONE_SEGMENT.ilog2();
    u32::try_from(segments).unwrap_or(u32::MAX)
}

const ROUNDS: u32 = 5;
const COUNTED_MAX: u32 = 1 << 20;
const MICROS_MAX: u64 = 100_000;
