//! What of a stream has gone on unread, because what lies before it is missing.
//!
//! Whoever makes somebody's program speak to a helper's port (NAT slipstreaming) can see to it that a segment is missing here which its
//! receiver gets: one that does not fit into the window that connection tracking knows of. So nothing behind a gap is read until the gap is
//! filled, and none of what has gone on meanwhile may be of concern.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{limits::STRETCHES_AHEAD_MAX, wire::SeqNum};

/// Bytes that have gone on unread, behind some that are missing: at most [`STRETCHES_AHEAD_MAX`] stretches, in their order, with bytes
/// between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ahead(Vec<Stretch>);

/// Bytes in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretch {
    /// The first one.
    pub(super) start: SeqNum,
    /// Behind the last one.
    pub(super) end: SeqNum,
    /// The last one ends a line.
    pub(super) ends_line: bool,
}

impl Ahead {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Memory of the stretches.
    pub(super) const fn bytes(&self) -> usize {
        self.0.len() * size_of::<Stretch>()
    }

    /// Takes note of bytes that go on; whether there is room for that.
    pub(super) fn note(&mut self, stretch: Stretch) -> bool {
        let mut joined = stretch;
        self.0.retain(|other| {
            let is_apart = other.start.after(joined.end) || joined.start.after(other.end);
            if !is_apart && other.start.before(joined.start) {
                joined.start = other.start;
            }
            if !is_apart && other.end.after(joined.end) {
                (joined.end, joined.ends_line) = (other.end, other.ends_line);
            }
            is_apart
        });
        let behind = |other: &Stretch| other.start.after(joined.start);
        let at = self.0.iter().position(behind).unwrap_or(self.0.len());
        self.0.insert(at, joined);
        self.0.len() <= STRETCHES_AHEAD_MAX
    }

    /// Takes the first stretch out, when no byte is missing before it any more.
    pub(super) fn reached(&mut self, next: SeqNum) -> Option<Stretch> {
        let is_reached = self.0.first().is_some_and(|first| !first.start.after(next));
        is_reached.then(|| self.0.remove(0))
    }

    /// Whether it can be so of a stream that was read up to there.
    pub(super) fn is_right(&self, next: SeqNum) -> bool {
        let mut before = next;
        self.0.len() <= STRETCHES_AHEAD_MAX
            && self.0.iter().all(|stretch| {
                let is_right = stretch.start.after(before) && stretch.end.after(stretch.start);
                before = stretch.end;
                is_right
            })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn stretch(start: u32, end: u32, ends_line: bool) -> Stretch {
        Stretch { start: SeqNum(start), end: SeqNum(end), ends_line }
    }

    #[test]
    fn stretches_that_touch_are_one_which_ends_as_its_last_byte_does() {
        let mut ahead = Ahead::default();
        for noted in [stretch(30, 40, true), stretch(10, 20, true), stretch(40, 50, false), stretch(35, 38, true)] {
            assert!(ahead.note(noted));
        }
        assert_eq!(ahead.0, [stretch(10, 20, true), stretch(30, 50, false)]);
        assert!(ahead.note(stretch(15, 60, true)));
        assert_eq!(ahead.0, [stretch(10, 60, true)]);
    }

    #[test]
    fn a_stretch_is_reached_when_nothing_is_missing_before_it() {
        let mut ahead = Ahead(vec![stretch(10, 20, true), stretch(30, 40, true)]);
        assert!(ahead.is_right(SeqNum(9)) && !ahead.is_right(SeqNum(10)));
        assert_eq!(ahead.reached(SeqNum(9)), None);
        assert_eq!(ahead.reached(SeqNum(10)), Some(stretch(10, 20, true)));
        assert_eq!(ahead.reached(SeqNum(35)), Some(stretch(30, 40, true)));
        assert!(ahead.is_empty());
    }

    #[test]
    fn so_many_are_kept_and_no_more() {
        let mut ahead = Ahead::default();
        for number in 0..STRETCHES_AHEAD_MAX as u32 {
            assert!(ahead.note(stretch(10 * number, 10 * number + 5, true)));
        }
        assert!(!ahead.note(stretch(10_000, 10_001, true)));
    }

    proptest! {
        #[test]
        fn every_byte_that_was_noted_is_in_one_stretch(start: u32, noted in proptest::collection::vec((0_u32..100, 1_u32..20), 1..16)) {
            let mut ahead = Ahead::default();
            let mut bytes = [false; 120];
            for (from, len) in noted {
                let stretch = Stretch { start: SeqNum(start) + from, end: SeqNum(start) + from + len, ends_line: true };
                ahead.note(stretch);
                bytes[from as usize..(from + len) as usize].fill(true);
            }
            prop_assert!(ahead.is_right(SeqNum(start).offset(-1)));
            let is_in = |at: u32| ahead.0.iter().any(|one| !one.start.after(SeqNum(start) + at) && one.end.after(SeqNum(start) + at));
            prop_assert!((0..120).all(|at| is_in(at) == bytes[at as usize]));
        }
    }
}
