//! When connections and queues are looked at.

use core::time::Duration;

/// How often a run is looked at: as its scenario says, or else so often that there are 250 to 500 samples of it, however long it takes.
pub(super) struct Sampling {
    interval: Duration,
    /// Whether the interval grows with the run.
    grows: bool,
    taken: u32,
}

impl Sampling {
    /// As a scenario says.
    pub(super) fn new(sample: Option<Duration>) -> Self {
        Self { interval: sample.unwrap_or(SAMPLE_MIN), grows: sample.is_none(), taken: 0 }
    }

    /// One more has been taken. True: there are so many that every other one goes, and from now on the time between them is twice as
    /// long.
    pub(super) fn take(&mut self) -> bool {
        self.taken += 1;
        let is_full = self.grows && self.taken > SAMPLES;
        if is_full {
            self.interval *= 2;
            self.taken = self.taken.div_ceil(2);
        }
        is_full
    }

    /// When the next one is due.
    pub(super) fn next(&self, elapsed: Duration) -> Duration {
        elapsed + self.interval
    }

    /// Whether one of that time, in nanoseconds since the start, stays.
    pub(super) const fn keeps(&self, ts: u64) -> bool {
        (ts as u128).is_multiple_of(self.interval.as_nanos())
    }
}

/// As many there are at most, unless a scenario wants more.
const SAMPLES: u32 = 500;
/// The least time between two.
pub(super) const SAMPLE_MIN: Duration = Duration::from_micros(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_any_length_has_250_to_500_samples_on_an_even_grid() {
        for micros in [5_000_u64, 5_010, 133_000, 60_000_000, 3_600_000_000] {
            let (mut sampling, mut at, mut kept) = (Sampling::new(None), Duration::ZERO, Vec::new());
            while at <= Duration::from_micros(micros) {
                kept.push(at.as_nanos() as u64);
                if sampling.take() {
                    kept.retain(|ts| sampling.keeps(*ts));
                }
                at = sampling.next(at);
            }
            assert!((250..=501).contains(&kept.len()), "{} of {micros} us", kept.len());
            let steps: Vec<u64> = kept.windows(2).map(|two| two[1] - two[0]).collect();
            assert!(steps.iter().all(|step| *step == steps[0]), "{micros} us");
        }
    }

    #[test]
    fn a_run_whose_scenario_says_how_often_is_looked_at_so_often() {
        let mut sampling = Sampling::new(Some(Duration::from_millis(1)));
        assert!((0..10_000).all(|_| !sampling.take()));
        assert_eq!(sampling.next(Duration::from_secs(1)), Duration::from_millis(1001));
    }
}
