//! Chance for the generator: the same seed gives the same cases.

use towpath_engine::random::Random;

/// A die of any number of sides.
#[derive(Debug)]
pub(super) struct Dice(Random);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// A number below `bound`.
    pub(super) const fn below(&mut self, bound: u32) -> u32 {
        self.0.below(bound)
    }

    /// True once in `of` times.
    pub(super) const fn one_in(&mut self, of: u32) -> bool {
        self.0.below(of) == 0
    }

    /// One of them.
    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.0.below(from.len() as u32) as usize].clone()
    }

    /// A number from `low` to `high`.
    pub(super) const fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.0.below(high - low + 1)
    }
}
