//! What is known of each segment in flight: arrived out of order, lost, sent again.

use core::time::Duration;

use super::{
    connection::{Connection, Sent},
    delivery::Stamp,
    segment::Segment,
    work::Work,
};
use crate::{
    time::Instant,
    wire::{SeqNum, TcpFlags},
};

/// What an acknowledgement has told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    /// `una` has moved.
    pub(super) has_advanced: bool,
    /// Data, a SYN or a FIN were acknowledged in order.
    pub(super) has_acked: bool,
    pub(super) has_data_acked: bool,
    /// Something has arrived out of order that had not been told of.
    pub(super) has_sacked: bool,
    /// Something has arrived twice.
    pub(super) has_dsack: bool,
    /// Something sent before the trouble, and only once, has arrived.
    pub(super) has_original: bool,
    /// What was acknowledged was sent more than once.
    pub(super) has_resent_acked: bool,
    /// The head of what is in flight had been told of before: the other end has given it up.
    pub(super) is_reneging: bool,
    /// A timeout has found so before, and all of then is not acknowledged yet.
    pub(super) had_reneged: bool,
    /// The segment has data, or changes the window.
    pub(super) is_no_duplicate: bool,
    /// The other end tells of a mark of the network (ECE).
    pub(super) has_echo: bool,
    /// A retransmission was lost.
    pub(super) has_lost_resent: bool,
    /// The deadline of the retransmission has to be set anew.
    pub(super) rearms: bool,
    /// Segments that were delivered.
    pub(super) delivered: u32,
    /// When the first and the last of the segments were sent that were acknowledged in order, and of those that were not.
    pub(super) acked_sent: Option<(Instant, Instant)>,
    pub(super) sacked_sent: Option<(Instant, Instant)>,
    /// The first segment that has come later than ones behind it.
    pub(super) reordered: Option<SeqNum>,
    /// Of what was delivered, the segment sent last: what was known then, and how long its flight had been sent.
    pub(super) stamp: Option<Stamp>,
    pub(super) send_phase: Duration,
    /// When that one was sent, and where it ends.
    pub(super) measured: (Instant, SeqNum),
    /// Segments in flight before.
    pub(super) prior_in_flight: u32,
    /// Something had arrived out of order before.
    pub(super) had_sacked: bool,
    /// Segments that were acknowledged in order.
    pub(super) acknowledged: u32,
    /// It may be the other end's wait for a second segment that has ended.
    pub(super) is_ack_delayed: bool,
}

impl News {
    fn note_reordered(&mut self, seq: SeqNum) {
        if self.reordered.is_none_or(|known| seq.before(known)) {
            self.reordered = Some(seq);
        }
    }

    /// The round-trip time that what was acknowledged in order, or else out of it, has taken.
    pub(super) fn rtt(&self, now: Instant) -> Option<Duration> {
        let acked = self.acked_sent.filter(|_| !self.has_resent_acked);
        acked.or(self.sacked_sent).map(|(first, _)| now.since(first))
    }

    /// The time that the last segment has taken of those that have arrived out of order, or else in order, if it is known which sending
    /// has arrived (Linux v6.18: `tcp_clean_rtx_queue()`, `ca_rtt_us`).
    pub(super) fn latest_rtt(&self, now: Instant) -> Option<Duration> {
        let acked = self.acked_sent.filter(|_| !self.has_resent_acked);
        self.sacked_sent.or(acked).map(|(_, last)| now.since(last))
    }
}

impl Connection {
    /// Behind the last segment that has arrived out of order; `una` when none has.
    pub(super) fn furthest_sacked(&self) -> SeqNum {
        if self.sender.in_flight.sacked == 0 {
            return self.sender.una;
        }
        let last = self.sender.flight.iter().rev().find(|sent| sent.is_sacked);
        last.map_or(self.sender.una, |sent| sent.end)
    }

    /// Marks a segment as lost, and what was sent again of it too.
    pub(super) fn mark_lost(&mut self, at: usize) {
        let Some(sent) = self.sender.flight.get_mut(at).filter(|sent| !sent.is_sacked) else { return };
        let tally = &mut self.sender.in_flight;
        // What was sent again and is lost again is one more loss (Linux v6.18: `tcp_mark_skb_lost()`).
        if !sent.is_lost || sent.is_resent {
            self.counters.lost = self.counters.lost.saturating_add(sent.segments);
        }
        if !sent.is_lost {
            sent.is_lost = true;
            tally.lost += sent.segments;
        }
        if sent.is_resent {
            sent.is_resent = false;
            tally.resent = tally.resent.saturating_sub(sent.segments);
        }
    }

    /// Cuts a record of what is in flight in two, at a segment's end. One that does not reach beyond `cut` stays whole.
    pub(super) fn split(&mut self, at: usize, cut: SeqNum) {
        let Some(whole) = self.sender.flight.get_mut(at) else { return };
        if !cut.after(whole.seq) || !cut.before(whole.end) {
            return;
        }
        let before = *whole;
        let last_flags = TcpFlags::FIN.union(TcpFlags::PSH);
        let mut rest = Sent { seq: cut, ..before };
        (whole.end, whole.flags, whole.ends_record) = (cut, before.flags.without(last_flags), false);
        (whole.segments, rest.segments) = (whole.count(), rest.count());
        let now = [*whole, rest];
        self.sender.flight.insert(at + 1, rest);
        self.retally(&before, &now);
    }

    /// A record will be sent again in segments of another size.
    pub(super) fn recut(&mut self, at: usize) {
        let mss = self.payload_now();
        let Some(sent) = self.sender.flight.get_mut(at) else { return };
        let before = *sent;
        sent.mss = mss;
        sent.segments = sent.count();
        let now = [*sent];
        self.retally(&before, &now);
    }

    /// Puts small segments behind one that is sent again into it, as long as all fit `most` bytes and the other end's window (Linux v6.18:
    /// `tcp_retrans_try_collapse()`).
    pub(super) fn collapse(&mut self, at: usize, most: u32) {
        let window_end = self.window_end();
        while let (Some(first), Some(next)) = (self.sender.flight.get(at).copied(), self.sender.flight.get(at + 1)) {
            let next = *next;
            let is_whole = first.segments == 1 && next.segments == 1 && !first.is_sacked && !next.is_sacked;
            if !is_whole || first.ends_record || first.len() + next.len() > most || next.end.after(window_end) {
                return;
            }
            self.sender.flight.remove(at + 1);
            self.retally(&next, &[]);
            if let Some(first) = self.sender.flight.get_mut(at) {
                (first.end, first.flags) = (next.end, first.flags.union(next.flags));
                first.was_resent |= next.was_resent;
                first.ends_record = next.ends_record;
            }
        }
    }

    /// What is in flight is counted in other segments than before.
    fn retally(&mut self, before: &Sent, now: &[Sent]) {
        let count: u32 = now.iter().map(|sent| sent.segments).sum();
        let tally = &mut self.sender.in_flight;
        let change = |counted: &mut u32, is_counted: bool| {
            if is_counted {
                *counted = (*counted + count).saturating_sub(before.segments);
            }
        };
        change(&mut tally.out, true);
        change(&mut tally.sacked, before.is_sacked);
        change(&mut tally.lost, before.is_lost);
        change(&mut tally.resent, before.is_resent);
    }

    /// Looks at the SACK blocks of an acknowledgement of `ack`.
    pub(super) fn take_sack(&mut self, work: &Work<'_>, segment: &Segment, prior_una: SeqNum, news: &mut News) {
        let blocks = segment.sack.as_slice();
        let Some(&first) = blocks.first() else { return };
        let is_within = |&(start, end): &(SeqNum, SeqNum)| {
            blocks.get(1).is_some_and(|second| !start.before(second.0) && !end.after(second.1))
        };
        let is_duplicate = first.0.before(segment.ack) || is_within(&first);
        if is_duplicate && first.0.before(first.1) {
            self.take_dsack(first, segment.ack, news);
        }
        for &(start, end) in blocks.iter().skip(usize::from(is_duplicate)) {
            // What cannot be is left out: behind what was sent, empty, or before what is acknowledged (RFC 2018, section 5).
            let is_right = start.before(end) && !end.after(self.sender.next) && !start.before(prior_una);
            if is_right && end.after(self.sender.una) {
                self.take_block(work, start, end, news);
            }
        }
    }

    /// Something has come twice (RFC 2883): one sending of it was for nothing.
    fn take_dsack(&mut self, (start, end): (SeqNum, SeqNum), ack: SeqNum, news: &mut News) {
        news.has_dsack = true;
        self.counters.dsacks_received += 1;
        let is_of_trouble = self.trouble.undo_from.is_some_and(|from| end.after(from));
        if is_of_trouble && !ack.before(start) {
            let segments = (end - start).div_ceil(self.sender.mss_bytes.max(1)).max(1);
            if let Some(left) = self.trouble.undo_resent.as_mut().filter(|left| **left > 0) {
                *left = left.saturating_sub(segments);
            }
        }
        let (una, next) = (self.sender.una, self.sender.next);
        // A probe that was for nothing says nothing of reordering.
        if self.trouble.probe_high.is_none() || !self.trouble.probe_was_resent {
            self.rack.widen(una, next);
        }
    }

    fn take_block(&mut self, work: &Work<'_>, start: SeqNum, end: SeqNum, news: &mut News) {
        let una = self.sender.una;
        let (from, to) = (if start.before(una) { 0 } else { start - una }, end - una);
        let mut at = self.sender.flight.partition_point(|sent| sent.end - una <= from && !sent.end.before(una));
        let furthest = self.furthest_sacked();
        while let Some(sent) = self.sender.flight.get(at).copied() {
            let seq_from = if sent.seq.before(una) { 0 } else { sent.seq - una };
            if seq_from >= to {
                return;
            }
            if !sent.is_sacked {
                let Some(cut_at) = self.cut_to_block(at, &sent, from, to) else {
                    at += 1;
                    continue;
                };
                at = cut_at;
                self.mark_sacked(work, at, furthest, news);
            }
            at += 1;
        }
    }

    /// Cuts a record so that one part of it lies in a block, at segments' ends; gives where that lies.
    fn cut_to_block(&mut self, mut at: usize, sent: &Sent, from: u32, to: u32) -> Option<usize> {
        let (una, mss) = (self.sender.una, sent.mss);
        let mut start = if sent.seq.before(una) { 0 } else { sent.seq - una };
        let mut end = sent.end - una;
        if from > start {
            let skipped = (from - start).div_ceil(mss) * mss;
            if start + skipped >= end {
                return None;
            }
            self.split(at, sent.seq + skipped);
            at += 1;
            start += skipped;
        }
        if to < end {
            let taken = (to - start.min(to)) / mss * mss;
            if taken == 0 {
                return None;
            }
            end = start + taken;
            self.split(at, una + end);
        }
        Some(at)
    }

    fn mark_sacked(&mut self, work: &Work<'_>, at: usize, furthest: SeqNum, news: &mut News) {
        let least = self.rtt.least();
        let Some(sent) = self.sender.flight.get_mut(at) else { return };
        self.rack.advance(work.now, sent, least);
        self.delivery.note(sent, news);
        let tally = &mut self.sender.in_flight;
        if sent.is_resent {
            // It was lost, and its repetition has come.
            sent.is_resent = false;
            tally.resent = tally.resent.saturating_sub(sent.segments);
        } else if !sent.was_resent {
            // A hole that nobody has filled was none.
            if sent.seq.before(furthest) {
                news.note_reordered(sent.seq);
            }
            if !sent.end.after(self.trouble.high) {
                news.has_original = true;
            }
            news.sacked_sent = Some((news.sacked_sent.map_or(sent.sent_at, |(first, _)| first), sent.sent_at));
        }
        if sent.is_lost {
            sent.is_lost = false;
            tally.lost = tally.lost.saturating_sub(sent.segments);
        }
        sent.is_sacked = true;
        tally.sacked += sent.segments;
        news.delivered += sent.segments;
        news.has_sacked = true;
    }

    /// Takes what is acknowledged in order out of what is in flight.
    pub(super) fn take_acknowledged(&mut self, work: &Work<'_>, ack: SeqNum, news: &mut News) {
        while let Some(first) = self.sender.flight.front().copied() {
            let is_whole = !first.end.after(ack);
            if !is_whole {
                let whole_segments = ack.after(first.seq).then(|| (ack - first.seq) / first.mss);
                match whole_segments {
                    Some(segments) if segments > 0 && segments < first.segments => {
                        let cut = first.seq + segments * first.mss;
                        self.split(0, cut);
                        continue;
                    }
                    Some(_) | None => break,
                }
            }
            self.sender.flight.pop_front();
            let mut first = first;
            self.delivery.note(&mut first, news);
            self.count_acknowledged(work, &first, news);
        }
        if !self.agreed.sack && news.has_acked {
            self.remove_duplicates(work, news);
        }
        if let Some(first) = self.sender.flight.front().filter(|first| first.is_sacked) {
            news.is_reneging = first.seq == ack;
        }
    }

    fn count_acknowledged(&mut self, work: &Work<'_>, sent: &Sent, news: &mut News) {
        let tally = &mut self.sender.in_flight;
        tally.out = tally.out.saturating_sub(sent.segments);
        news.acknowledged += sent.segments;
        if sent.is_sacked {
            tally.sacked = tally.sacked.saturating_sub(sent.segments);
        } else if self.agreed.sack {
            news.delivered += sent.segments;
            self.rack.advance(work.now, sent, self.rtt.least());
        }
        if sent.is_lost {
            tally.lost = tally.lost.saturating_sub(sent.segments);
        }
        if sent.is_resent {
            tally.resent = tally.resent.saturating_sub(sent.segments);
        }
        if sent.was_resent {
            news.has_resent_acked = true;
        } else if !sent.is_sacked {
            news.acked_sent = Some((news.acked_sent.map_or(sent.sent_at, |(first, _)| first), sent.sent_at));
            news.note_reordered(sent.seq);
            if !sent.end.after(self.trouble.high) {
                news.has_original = true;
            }
        }
        news.has_acked = true;
        if !sent.flags.contains(TcpFlags::SYN) {
            news.has_data_acked = true;
        }
    }

    /// Learns how far the network reorders (Linux v6.18: `tcp_check_sack_reordering()`).
    pub(super) fn note_reordering(&mut self, work: &Work<'_>, seq: SeqNum, furthest: SeqNum) {
        if !seq.before(furthest) {
            return;
        }
        let mss = self.sender.mss_bytes.max(1);
        let metric = (furthest - seq).div_ceil(mss);
        if metric > self.trouble.reordering {
            self.trouble.reordering = metric.min(work.sysctls.tcp_max_reordering);
        }
        self.trouble.has_reordered = true;
        self.counters.reorderings += 1;
    }
}
