//! The bytes that a fuzzer gives, read as choices.

/// What is left of them.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl Input<'_> {
    /// The next byte; `None` behind the last one.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next byte; 0 behind the last one.
    pub(super) fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    /// A number below `bound`, which is 256 at most.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// One of these.
    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub(super) fn number(&mut self) -> u32 {
        u32::from(self.word()) << 16 | u32::from(self.word())
    }
}
