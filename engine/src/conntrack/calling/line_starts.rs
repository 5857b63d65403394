//! Where lines start in a TCP stream of which only single segments are seen.

use serde::{Deserialize, Serialize};

use crate::wire::SeqNum;

/// The sequence numbers right behind the newest two segments that ended in a newline: a helper that reads lines is shown
/// only what starts there.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_ftp.c`, `find_nl_seq()`, `update_nl_seq()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStarts {
    seqs: [SeqNum; 2],
    len: u8,
}

impl LineStarts {
    /// Whether a line is known to start there.
    #[must_use]
    pub fn contains(&self, seq: SeqNum) -> bool {
        self.known().contains(&seq)
    }

    /// Remembers that a line starts there. One that is older than both that are known is not worth a place.
    pub fn note(&mut self, seq: SeqNum) {
        if self.contains(seq) {
            return;
        }
        if let Some(free) = self.seqs.get_mut(usize::from(self.len)) {
            *free = seq;
            self.len += 1;
            return;
        }
        let [first, second] = &mut self.seqs;
        let oldest = if first.before(*second) { first } else { second };
        if seq.after(*oldest) {
            *oldest = seq;
        }
    }

    fn known(&self) -> &[SeqNum] {
        &self.seqs[..usize::from(self.len).min(self.seqs.len())]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noted(seqs: &[u32]) -> LineStarts {
        let mut starts = LineStarts::default();
        seqs.iter().for_each(|&seq| starts.note(SeqNum(seq)));
        starts
    }

    #[test]
    fn nothing_starts_a_line_before_a_newline_was_seen() {
        assert!(!LineStarts::default().contains(SeqNum(0)));
        assert!(!LineStarts::default().contains(SeqNum(1001)));
    }

    #[test]
    fn the_newest_two_starts_are_known_and_a_third_takes_the_oldests_place() {
        let starts = noted(&[1017, 1039, 1045]);
        assert!(starts.contains(SeqNum(1045)) && starts.contains(SeqNum(1039)));
        assert!(!starts.contains(SeqNum(1017)));
    }

    #[test]
    fn a_start_older_than_both_is_forgotten_at_once() {
        let starts = noted(&[2000, 3000, 1000]);
        assert!(!starts.contains(SeqNum(1000)));
        assert!(starts.contains(SeqNum(2000)) && starts.contains(SeqNum(3000)));
    }

    #[test]
    fn age_goes_round_the_circle_of_numbers() {
        let starts = noted(&[u32::MAX - 5, 10, 20]);
        assert!(starts.contains(SeqNum(10)) && starts.contains(SeqNum(20)));
    }

    proptest! {
        #[test]
        fn lines_in_order_are_always_known(start: u32, lengths in proptest::collection::vec(1_u32..2000, 1..20)) {
            let (mut starts, mut seq) = (LineStarts::default(), SeqNum(start));
            for length in lengths {
                seq += length;
                starts.note(seq);
                prop_assert!(starts.contains(seq));
            }
        }
    }
}
