//! A receive ring: what a NIC has written to memory and nobody has taken yet.

use alloc::collections::VecDeque;

use crate::time::Instant;

/// A receive ring with room for so many frames (`ethtool -g`: RX).
#[derive(Clone, Debug)]
pub struct Ring<T> {
    waiting: VecDeque<(Instant, T)>,
    size: usize,
    /// When the last one came.
    last: Instant,
}

impl<T> Ring<T> {
    /// An empty one.
    #[must_use]
    pub const fn new(size: usize) -> Self {
        Self { waiting: VecDeque::new(), size, last: Instant::ZERO }
    }

    /// Puts a frame behind the others.
    ///
    /// # Errors
    /// Gives it back when the ring is full.
    pub fn push(&mut self, now: Instant, frame: T) -> Result<(), T> {
        if self.waiting.len() >= self.size {
            return Err(frame);
        }
        self.last = now;
        self.waiting.push_back((now, frame));
        Ok(())
    }

    /// Takes the first frame, and when it came.
    pub fn pop(&mut self) -> Option<(Instant, T)> {
        self.waiting.pop_front()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the first and the last of those that wait came.
    #[must_use]
    pub fn span(&self) -> Option<(Instant, Instant)> {
        self.waiting.front().map(|(first, _)| (*first, self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_takes_nothing_until_one_is_taken() {
        let (mut ring, at) = (Ring::new(2), Instant::from_nanos);
        assert_eq!((ring.push(at(1), 'a'), ring.push(at(2), 'b'), ring.push(at(3), 'c')), (Ok(()), Ok(()), Err('c')));
        assert_eq!((ring.len(), ring.span()), (2, Some((at(1), at(2)))));
        assert_eq!(ring.pop(), Some((at(1), 'a')));
        assert_eq!(ring.push(at(4), 'd'), Ok(()));
        assert_eq!(ring.span(), Some((at(2), at(4))));
    }
}
