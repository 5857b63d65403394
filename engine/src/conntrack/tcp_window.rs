//! TCP's windows as seen from the middle: which segments can be those of the two ends.
//!
//! ```text
//!  what the sender may send   ……|======== receiver's window ========|……
//!                               highest ACK seen                    max_end
//!  I    a segment starts at most at max_end (the sender's)
//!  II   it ends at least at the sender's end − the receiver's largest window
//!  III  it acknowledges at most the receiver's end
//!  IV   and at least the receiver's end − the sender's largest window (66 000 if that is less)
//! ```
//!
//! Linux v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `tcp_in_window()`, after Guido van Rooij, "Real Stateful TCP
//! Packet Filtering in IP Filter", 2000.

use serde::{Deserialize, Serialize};

use super::{
    segment::Segment,
    tcp_states::{SegmentKind, TcpState},
    tuple::Direction,
};
use crate::{
    nat::SequenceAdjustment,
    wire::{SeqNum, TcpFlags, tcp_options::TcpOptions},
};

/// What is remembered of a TCP connection (Linux: `struct ip_ct_tcp`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpTracking {
    /// What each end has sent, original and reply.
    pub seen: [Side; 2],
    /// The segment that was taken or ignored last; some fields are of an earlier one.
    pub last: Last,
    /// The connection's state.
    pub state: TcpState,
}

/// What one end has sent (Linux: `struct ip_ct_tcp_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Behind the last byte that was sent.
    pub end: SeqNum,
    /// Behind the last byte that the other end has allowed to send.
    pub max_end: SeqNum,
    /// The largest window it has announced, scaled; 0: nothing of it was seen.
    pub max_window: u32,
    /// The highest acknowledgement it has sent.
    pub max_ack: SeqNum,
    /// By how many bits its window is shifted, 0 to 14.
    pub scale: u8,
    /// See [`SideFlags`].
    pub flags: SideFlags,
}

/// Facts about an end (Linux v6.18: `include/uapi/linux/netfilter/nf_conntrack_tcp.h`, `IP_CT_TCP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideFlags(pub u8);

impl SideFlags {
    /// It offers window scaling.
    pub const WINDOW_SCALE: Self = Self(0x01);
    /// It permits selective acknowledgements.
    pub const SACK_PERMITTED: Self = Self(0x02);
    /// It sent the first FIN.
    pub const CLOSE_INITIATED: Self = Self(0x04);
    /// Its segments are not held against the window.
    pub const BE_LIBERAL: Self = Self(0x08);
    /// It has sent data that is not acknowledged yet.
    pub const DATA_UNACKNOWLEDGED: Self = Self(0x10);
    /// [`Side::max_ack`] is known.
    pub const MAX_ACK_KNOWN: Self = Self(0x20);
    /// Of the last segment only: it is a SYN that may be answered by a challenge ACK (RFC 5961).
    pub const CHALLENGE_ACK: Self = Self(0x40);
    /// Of the last segment only: both ends have sent SYNs.
    pub const SIMULTANEOUS_OPEN: Self = Self(0x80);

    /// The names of the bits that are set, as records write them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        SIDE_FLAG_NAMES.iter().filter(move |(bit, _)| self.intersects(*bit)).map(|(_, name)| *name)
    }

    /// Whether any bit of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets the bits of `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Clears the bits of `other`.
    pub const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Clears all bits but those of `other`.
    pub const fn keep(&mut self, other: Self) {
        self.0 &= other.0;
    }
}

/// A segment that is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Its first byte.
    pub seq: SeqNum,
    /// Its acknowledgement.
    pub ack: SeqNum,
    /// Behind its last byte.
    pub end: SeqNum,
    /// Its window, before scaling.
    pub window: u16,
    /// By how many bits its sender shifts windows, when it is a SYN.
    pub scale: u8,
    /// What it says about its sender, when it is a SYN.
    pub flags: SideFlags,
    /// Its kind.
    pub kind: SegmentKind,
    /// True: it travelled in reply direction.
    pub reply: bool,
    /// How often it came again; wraps after 255 as in Linux.
    pub retransmissions: u8,
}

impl Last {
    /// Whether it travelled that way.
    #[must_use]
    pub const fn is(&self, direction: Direction) -> bool {
        self.reply as usize == direction.index()
    }
}

/// A bound of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// I: the segment starts beyond the receiver's window.
    SeqOver,
    /// I: so it does, but by less than another window, and all else fits: some stacks send more than they may.
    Overshot,
    /// II: all of the segment has been acknowledged long ago.
    SeqUnder,
    /// III: it acknowledges what was never sent.
    AckOver,
    /// IV: it acknowledges only what was acknowledged long ago.
    AckUnder,
}

/// A bound that a segment does not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Which.
    pub bound: Bound,
    /// The number that lies on the wrong side of it.
    pub number: SeqNum,
    /// The nearest number that would have done.
    pub limit: SeqNum,
}

impl Miss {
    /// By how many bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match self.bound {
            Bound::SeqOver | Bound::Overshot | Bound::AckOver => self.number - self.limit,
            Bound::SeqUnder | Bound::AckUnder => self.limit - self.number,
        }
    }

    /// Whether the segment is INVALID; else it passes but changes nothing.
    #[must_use]
    pub const fn is_invalid(&self) -> bool {
        match self.bound {
            Bound::SeqOver | Bound::AckOver => true,
            Bound::Overshot | Bound::SeqUnder | Bound::AckUnder => false,
        }
    }
}

/// What a segment's numbers mean on the original side of any rewriting.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    seq: SeqNum,
    end: SeqNum,
    ack: SeqNum,
    sack: SeqNum,
    window: u32,
}

impl TcpTracking {
    /// Holds a segment against the window, and moves the window when it fits. `receiver_adjustment` is how rewriting has
    /// moved the numbers of those who receive it.
    ///
    /// # Errors
    /// When it does not fit, unless the sender is not held against the window or `be_liberal` is set.
    pub(super) fn check(
        &mut self,
        segment: &Segment<'_>,
        direction: Direction,
        receiver_adjustment: SequenceAdjustment,
        be_liberal: bool,
    ) -> Result<(), Miss> {
        let state = self.state;
        let (sender, receiver) = sides(&mut self.seen, direction);
        let mut numbers = Numbers::of(segment, receiver, receiver_adjustment);
        if meet(sender, receiver, segment, &numbers, (direction, state)) {
            return Ok(());
        }
        let broken_reset = segment.has(TcpFlags::RST) && numbers.ack.0 == 0;
        if !segment.has(TcpFlags::ACK) || broken_reset {
            (numbers.ack, numbers.sack) = (receiver.end, receiver.end);
        }
        if segment.has(TcpFlags::RST) && numbers.seq.0 == 0 && state == TcpState::SynSent {
            (numbers.seq, numbers.end) = (sender.end, sender.end);
        }
        if let Err(miss) = judge(sender, receiver, &numbers) {
            if miss.bound == Bound::Overshot {
                // Its receiver may take it all the same and acknowledge it.
                sender.end = numbers.end;
                sender.flags.insert(SideFlags::DATA_UNACKNOWLEDGED);
            }
            let liberal = be_liberal || sender.flags.intersects(SideFlags::BE_LIBERAL);
            return if liberal { Ok(()) } else { Err(miss) };
        }
        advance(sender, receiver, segment, &numbers);
        self.note_retransmission(segment, direction, &numbers);
        Ok(())
    }

    /// The same for an ACK in an open connection of which rewriting has moved no numbers. `None`, and nothing has changed, when it
    /// does not fit, or nothing was seen of one of the ends.
    #[inline(always)]
    pub(super) fn check_usual(&mut self, segment: &Segment<'_>, direction: Direction) -> Option<()> {
        let (sender, receiver) = sides(&mut self.seen, direction);
        let numbers = Numbers::of(segment, receiver, SequenceAdjustment::default());
        if sender.max_window == 0 || receiver.max_window == 0 || judge(sender, receiver, &numbers).is_err() {
            return None;
        }
        advance(sender, receiver, segment, &numbers);
        self.note_retransmission(segment, direction, &numbers);
        Some(())
    }

    #[inline(always)]
    fn note_retransmission(&mut self, segment: &Segment<'_>, direction: Direction, numbers: &Numbers) {
        if segment.kind != SegmentKind::Ack {
            return;
        }
        let last = &mut self.last;
        let same = last.is(direction)
            && (last.seq, last.ack, last.end, last.window) == (numbers.seq, numbers.ack, numbers.end, segment.window);
        if same {
            last.retransmissions = last.retransmissions.wrapping_add(1);
        } else {
            last.reply = direction == Direction::Reply;
            (last.seq, last.ack, last.end) = (numbers.seq, numbers.ack, numbers.end);
            (last.window, last.retransmissions) = (segment.window, 0);
        }
    }
}

impl Numbers {
    #[inline(always)]
    fn of(segment: &Segment<'_>, receiver: &Side, adjustment: SequenceAdjustment) -> Self {
        let permitted = receiver.flags.intersects(SideFlags::SACK_PERMITTED);
        let sack = if permitted { segment.highest_sack() } else { segment.ack };
        let is_later = (segment.ack - 1).after(adjustment.correction);
        let moved = if is_later { adjustment.after } else { adjustment.before }.wrapping_neg();
        Self {
            seq: segment.seq,
            end: segment.end,
            ack: segment.ack.offset(moved),
            sack: sack.offset(moved),
            window: u32::from(segment.window),
        }
    }
}

impl Side {
    /// What a first segment says about its sender.
    pub(super) fn starting(segment: &Segment<'_>) -> Self {
        Self { end: segment.end, max_end: segment.end, max_window: u32::from(segment.window).max(1), ..Self::default() }
    }

    /// Takes over what the options of a SYN say. A header without options leaves all as it was.
    pub(super) fn take_options(&mut self, segment: &Segment<'_>) {
        let Some(options) = segment.options.clone() else { return };
        self.scale = 0;
        self.flags.keep(SideFlags::BE_LIBERAL);
        for option in options {
            match (option.kind, option.data) {
                (TcpOptions::SACK_PERMITTED, []) => self.flags.insert(SideFlags::SACK_PERMITTED),
                (TcpOptions::WINDOW_SCALE, &[scale]) => {
                    self.scale = scale.min(SCALE_MAX);
                    self.flags.insert(SideFlags::WINDOW_SCALE);
                }
                _ => {}
            }
        }
    }

    /// Forgets all but that it is not held against the window.
    pub(super) const fn reset(&mut self) {
        let mut flags = self.flags;
        flags.keep(SideFlags::BE_LIBERAL);
        *self = Self { end: SeqNum(0), max_end: SeqNum(0), max_window: 0, max_ack: SeqNum(0), scale: 0, flags };
    }

    /// Starts anew with a SYN or SYN/ACK. Scaling holds only when both ends have offered it.
    fn restart(&mut self, receiver: &mut Self, segment: &Segment<'_>, direction: Direction) {
        self.end = segment.end;
        self.max_end = segment.end;
        self.max_window = u32::from(segment.window).max(1);
        self.take_options(segment);
        let both = self.flags.intersects(SideFlags::WINDOW_SCALE) && receiver.flags.intersects(SideFlags::WINDOW_SCALE);
        if direction == Direction::Reply && !both {
            (self.scale, receiver.scale) = (0, 0);
        }
    }
}

/// Learns what a segment says when it is the first of its sender, or a new SYN. True: it says all that is to be known,
/// and nothing is to be checked.
fn meet(
    sender: &mut Side,
    receiver: &mut Side,
    segment: &Segment<'_>,
    numbers: &Numbers,
    (direction, state): (Direction, TcpState),
) -> bool {
    let is_syn = segment.has(TcpFlags::SYN);
    if sender.max_window != 0 {
        let opening = matches!(state, TcpState::SynSent | TcpState::SynRecv);
        if is_syn && opening && numbers.end.after(sender.end) {
            sender.restart(receiver, segment, direction);
            return direction == Direction::Reply && !segment.has(TcpFlags::ACK);
        }
        return false;
    }
    if is_syn {
        sender.restart(receiver, segment, direction);
        return !segment.has(TcpFlags::ACK);
    }
    // In mid-stream: what was before is lost, so that this segment is taken for right.
    sender.end = numbers.end;
    sender.max_window = (numbers.window << sender.scale).max(1);
    sender.max_end = numbers.end + sender.max_window;
    if receiver.max_window == 0 {
        (receiver.end, receiver.max_end) = (numbers.sack, numbers.sack);
    } else if numbers.sack == receiver.end + 1 {
        // The answer to a keepalive.
        receiver.end += 1;
    }
    false
}

#[inline(always)]
fn judge(sender: &Side, receiver: &Side, numbers: &Numbers) -> Result<(), Miss> {
    let Numbers { seq, end, sack, .. } = *numbers;
    let oldest_end = sender.end - receiver.max_window;
    let oldest_ack = receiver.end - sender.max_window.max(ACK_WINDOW_MIN);
    let ends_in_window = end.after(oldest_end - 1);
    let ack_is_fresh = sack.after(oldest_ack - 1);
    let ack_is_known = sack.before(receiver.end + 1);
    if !seq.before(sender.max_end + 1) {
        let overshot = (end - sender.max_end).wrapping_add(1);
        let known = receiver.max_window != 0 && ends_in_window;
        return Err(if known && ack_is_fresh && overshot <= receiver.max_window && ack_is_known {
            Miss { bound: Bound::Overshot, number: end, limit: sender.max_end }
        } else {
            Miss { bound: Bound::SeqOver, number: seq, limit: sender.max_end }
        });
    }
    if !ack_is_known {
        return Err(Miss { bound: Bound::AckOver, number: sack, limit: receiver.end });
    }
    if receiver.max_window != 0 && !ends_in_window {
        return Err(Miss { bound: Bound::SeqUnder, number: end, limit: oldest_end });
    }
    if !ack_is_fresh {
        return Err(Miss { bound: Bound::AckUnder, number: sack, limit: oldest_ack });
    }
    Ok(())
}

#[inline(always)]
fn advance(sender: &mut Side, receiver: &mut Side, segment: &Segment<'_>, numbers: &Numbers) {
    let Numbers { end, ack, sack, .. } = *numbers;
    let scale = if segment.has(TcpFlags::SYN) { 0 } else { sender.scale };
    let window = numbers.window << scale;
    sender.max_window = sender.max_window.max(window.wrapping_add(sack - ack));
    if end.after(sender.end) {
        sender.end = end;
        sender.flags.insert(SideFlags::DATA_UNACKNOWLEDGED);
    }
    let is_first_ack = !sender.flags.intersects(SideFlags::MAX_ACK_KNOWN);
    if segment.has(TcpFlags::ACK) && (is_first_ack || ack.after(sender.max_ack)) {
        sender.max_ack = ack;
        sender.flags.insert(SideFlags::MAX_ACK_KNOWN);
    }
    if receiver.max_window != 0 && end.after(sender.max_end) {
        receiver.max_window = receiver.max_window.wrapping_add(end - sender.max_end);
    }
    if (sack + window).after(receiver.max_end - 1) {
        receiver.max_end = sack + window.max(1);
    }
    if ack == receiver.end {
        receiver.flags.remove(SideFlags::DATA_UNACKNOWLEDGED);
    }
}

/// The sender's and the receiver's side of a segment.
pub(super) const fn sides(seen: &mut [Side; 2], direction: Direction) -> (&mut Side, &mut Side) {
    let [original, reply] = seen;
    match direction {
        Direction::Original => (original, reply),
        Direction::Reply => (reply, original),
    }
}

/// RFC 7323, section 2.3.
const SCALE_MAX: u8 = 14;

/// Linux: `MAXACKWINCONST`.
const ACK_WINDOW_MIN: u32 = 66_000;

#[rustfmt::skip]
static SIDE_FLAG_NAMES: [(SideFlags, &str); 8] = [
    (SideFlags::WINDOW_SCALE,        "WSCALE"),
    (SideFlags::SACK_PERMITTED,      "SACK"),
    (SideFlags::CLOSE_INITIATED,     "CLOSE_INIT"),
    (SideFlags::BE_LIBERAL,          "BE_LIBERAL"),
    (SideFlags::DATA_UNACKNOWLEDGED, "DATA_UNACK"),
    (SideFlags::MAX_ACK_KNOWN,       "MAXACK_SET"),
    (SideFlags::CHALLENGE_ACK,       "CHALLENGE_ACK"),
    (SideFlags::SIMULTANEOUS_OPEN,   "SIMULT_OPEN"),
];
