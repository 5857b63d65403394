//! What stands in a stream in place of what its sender has written, so that it stands there again when it is sent again.
//!
//! ```text
//!  sender's bytes     PORT 10,0,|0,5,200,10\r\n        in two segments, the site across both
//!                          └────site────┘
//!  receiver's bytes   PORT 203,0,113,1,200,10|\r\n     the text where the site starts, the site's rest nowhere
//! ```
//!
//! However a sender cuts its bytes when it sends them again, its receiver gets the same ones at the same numbers. Linux asks its
//! helper again instead, which may draw another port, and moves numbers by one position only
//! ([`SequenceAdjustment`](super::SequenceAdjustment), which still serves where nothing is remembered).

use alloc::{collections::VecDeque, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    ending::DropReason,
    limits::{REWRITE_MEMORY_BYTES, REWRITES_KEPT_MAX, REWRITTEN_BYTES_KEPT_MAX},
    packet::Packet,
    wire::SeqNum,
};

/// A text in place of a part of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// Where it starts, by the sender's numbers.
    pub at: SeqNum,
    /// How many of the sender's bytes it replaces.
    pub len: u32,
    /// What stands there.
    pub text: Vec<u8>,
    /// By how much numbers up to its start have moved.
    before: i32,
}

impl Rewrite {
    const fn end(&self) -> SeqNum {
        SeqNum(self.at.0.wrapping_add(self.len))
    }

    /// By how many bytes the stream has grown here.
    #[must_use]
    pub fn grown(&self) -> i32 {
        (self.text.len() as i64 - i64::from(self.len)) as i32
    }
}

/// The newest texts of one direction, in the stream's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrites(VecDeque<Rewrite>);

impl Rewrites {
    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it can have been remembered.
    pub(crate) fn is_right(&self) -> bool {
        self.0.len() <= REWRITES_KEPT_MAX && self.bytes() <= REWRITTEN_BYTES_KEPT_MAX
    }

    /// Remembers a text behind all others; `moved` is by how much numbers there have moved when there is no other. The oldest
    /// ones are forgotten when there are too many.
    pub fn push(&mut self, at: SeqNum, len: u32, text: Vec<u8>, moved: i32) {
        let before = self.0.back().map_or(moved, |last| last.before.wrapping_add(last.grown()));
        self.0.push_back(Rewrite { at, len, text, before });
        while self.0.len() > REWRITES_KEPT_MAX || self.bytes() > REWRITTEN_BYTES_KEPT_MAX {
            self.0.pop_front();
        }
    }

    /// Memory that the texts hold, their places included.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes() + self.0.len() * REWRITE_MEMORY_BYTES
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|rewrite| rewrite.text.len()).sum()
    }

    /// What the receiver calls the sender's `seq`; `None` when nothing is remembered.
    #[must_use]
    pub fn moved(&self, seq: SeqNum) -> Option<SeqNum> {
        let oldest = self.0.front()?;
        let newest_before = self.0.iter().rev().find(|rewrite| seq.after(rewrite.at));
        let offset = newest_before.map_or(oldest.before, |rewrite| rewrite.before.wrapping_add(rewrite.grown()));
        Some(seq.offset(offset))
    }

    /// What the sender calls the receiver's `ack`; `None` when nothing is remembered. Whoever has only a part of a text has nothing
    /// of what it stands for.
    #[must_use]
    pub fn moved_back(&self, ack: SeqNum) -> Option<SeqNum> {
        let oldest = self.0.front()?;
        for rewrite in self.0.iter().rev() {
            let start = rewrite.at.offset(rewrite.before);
            if !ack.before(start + rewrite.text.len() as u32) && ack.after(start) {
                return Some(ack.offset(rewrite.before.wrapping_add(rewrite.grown()).wrapping_neg()));
            }
            if ack.after(start) {
                return Some(rewrite.at);
            }
        }
        Some(ack.offset(oldest.before.wrapping_neg()))
    }

    /// Writes into a segment what stands in its part of the stream; whether that has changed it. A site that an earlier segment
    /// has begun is taken out, and the segment starts behind it.
    ///
    /// # Errors
    /// [`DropReason::RewriteTooLong`] when the packet would be too long.
    pub fn write(&self, packet: &mut Packet) -> Result<bool, DropReason> {
        let Some(start) = packet.tcp().map(|tcp| tcp.seq()) else { return Ok(false) };
        let end = start + packet.payload_len() as u32;
        let mut has_changed = false;
        let is_here =
            |rewrite: &&Rewrite| rewrite.at.before(end) && (!rewrite.at.before(start) || start.before(rewrite.end()));
        for rewrite in self.0.iter().rev().filter(is_here) {
            let taken_until = if rewrite.end().before(end) { rewrite.end() } else { end };
            if rewrite.at.before(start) {
                let taken = taken_until - start;
                packet.splice_payload(0..taken as usize, &[])?;
                if let Some(tcp) = packet.tcp_mut() {
                    // Of a segment of which nothing is left, too: it acknowledges where its receiver is.
                    tcp.seq.set(rewrite.end().0);
                }
            } else {
                let range = (rewrite.at - start) as usize..(taken_until - start) as usize;
                packet.splice_payload(range, &rewrite.text)?;
            }
            has_changed = true;
        }
        Ok(has_changed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nat::fixture;

    fn segment(stream: &[u8], from: usize, to: usize) -> Packet {
        let mut packet = fixture::tcp([10, 0, 0, 5], 5000, [198, 51, 100, 7], 21, &[], &stream[from..to]);
        packet.tcp_mut().expect("it is TCP").seq = START.offset(from as i32).0.into();
        packet
    }

    /// Close to where numbers start anew.
    const START: SeqNum = SeqNum(u32::MAX - 40);

    proptest! {
        #[test]
        fn however_a_stream_is_cut_its_receiver_gets_the_same_bytes_at_the_same_numbers(
            len in 1_usize..120,
            sites in proptest::collection::vec((0_usize..20, 0_usize..12, 1_usize..20), 0..6),
            cuts in proptest::collection::vec((0_usize..120, 0_usize..120), 1..12),
        ) {
            let stream = Vec::from_iter((0..len).map(|index| index as u8));
            let (mut rewrites, mut wanted, mut copied) = (Rewrites::default(), Vec::new(), 0);
            for (gap, site, text) in sites {
                let at = copied + gap;
                if at + site > len {
                    break;
                }
                wanted.extend_from_slice(&stream[copied..at]);
                wanted.extend(core::iter::repeat_n(0xee, text));
                rewrites.push(START + at as u32, site as u32, alloc::vec![0xee; text], 0);
                copied = at + site;
            }
            wanted.extend_from_slice(&stream[copied..]);
            for (from, to) in cuts {
                let (from, to) = (from.min(to).min(len), to.max(from).min(len));
                let mut packet = segment(&stream, from, to);
                prop_assert!(rewrites.write(&mut packet).is_ok());
                let seq = packet.tcp().expect("it is TCP").seq();
                let at = (rewrites.moved(seq).unwrap_or(seq) - START) as usize;
                let payload = packet.linear_payload().expect("it is short");
                if !payload.is_empty() {
                    prop_assert_eq!(payload, &wanted[at..at + payload.len()]);
                }
                // Who has got all of it acknowledges all of it, and never more than was sent.
                let got = START + (at + payload.len()) as u32;
                let acknowledged = rewrites.moved_back(got).unwrap_or(got);
                prop_assert!(!acknowledged.before(START + to as u32) || payload.is_empty());
                prop_assert!(!acknowledged.after(START + len as u32));
            }
        }
    }

    #[test]
    fn a_part_of_a_text_acknowledges_nothing_of_its_site() {
        let mut rewrites = Rewrites::default();
        rewrites.push(SeqNum(1005), 6, b"203.0.113.1".to_vec(), 0);
        let back = |ack| rewrites.moved_back(SeqNum(ack)).map(|ack| ack.0);
        let acks = [1005, 1006, 1015, 1016, 1020].map(back);
        assert_eq!(acks, [1005, 1005, 1005, 1011, 1015].map(Some));
    }

    #[test]
    fn the_oldest_texts_are_forgotten_and_numbers_go_on_from_where_they_had_come() {
        let mut rewrites = Rewrites::default();
        for number in 0..100 {
            rewrites.push(SeqNum(1000 + number * 10), 1, b"abc".to_vec(), 0);
        }
        assert!(rewrites.is_right());
        assert_eq!(rewrites.moved(SeqNum(1995)), Some(SeqNum(1995 + 200)));
        let kept = REWRITES_KEPT_MAX as u32;
        assert_eq!(rewrites.moved(SeqNum(0)), Some(SeqNum(2 * (100 - kept))), "no one is that late");
    }
}
