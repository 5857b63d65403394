//! TCP: what a segment does to its connection.
//!
//! Linux v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `nf_conntrack_tcp_packet()`.

use super::{
    conn::{Changes, Connection, ProtocolState, Status},
    reasoning::{Ignored, Invalid, Taken},
    segment::Segment,
    tcp_states::{self, Next, SegmentKind, TcpState},
    tcp_window::{Last, Miss, Side, SideFlags, TcpTracking, sides},
    timeouts::Timeouts,
    tracker::{Outcome, Refreshed},
    tuple::Direction,
};
use crate::{sysctl::Sysctls, time::Instant, wire::TcpFlags};

/// Judges a segment and changes the connection accordingly. A connection that is not confirmed yet starts with it.
pub(super) fn track(
    connection: &mut Connection,
    now: Instant,
    segment: &Segment<'_>,
    direction: Direction,
    sysctls: &Sysctls,
    timeouts: Timeouts<'_>,
) -> Outcome {
    if !connection.is_confirmed() {
        match start(segment, sysctls) {
            Ok(tcp) => connection.protocol = ProtocolState::Tcp(tcp),
            Err(reason) => return Outcome::Invalid { reason, refresh: None },
        }
    }
    let status = connection.status;
    let adjustment = match &connection.extension {
        Some(extension) => extension.adjustments()[direction.opposite().index()],
        None => Default::default(),
    };
    let ProtocolState::Tcp(tcp) = &mut connection.protocol else {
        return Outcome::Invalid { reason: Invalid::Broken, refresh: None };
    };
    let (from, to, checked, reason) = match tcp.step(segment, direction, status, sysctls) {
        Step::To { from, to, checked } => (from, to, checked, Taken::Tcp { from, to }),
        Step::Anew { is_bare } => (TcpState::SynSent, TcpState::SynRecv, true, Taken::TcpAnew { is_bare }),
        Step::Stop(outcome) => return outcome,
    };
    if checked && let Err(miss) = tcp.check(segment, direction, adjustment, sysctls.conntrack_tcp_be_liberal != 0) {
        return missed(connection, now, segment, direction, miss, timeouts);
    }
    let secs = tcp.settle(segment, direction, (from, to), sysctls, timeouts);
    if from != to {
        connection.changes.insert(Changes::PROTOCOL);
    }
    refresh(connection, segment, (from, to), Refreshed { secs, reason }, timeouts)
}

/// Judges an ACK in a [settled](Connection::is_settled) connection that few things are known of: no timeouts of its own, no numbers
/// that rewriting has moved. Gives how many seconds the connection lasts; `None`, and nothing has changed: it is not open, or the
/// segment does not fit.
#[inline(always)]
pub(super) fn go_on(
    connection: &mut Connection,
    segment: &Segment<'_>,
    direction: Direction,
    sysctls: &Sysctls,
) -> Option<u32> {
    let state = TcpState::Established;
    let ProtocolState::Tcp(tcp) = &mut connection.protocol else { return None };
    if tcp.state != state {
        return None;
    }
    tcp.check_usual(segment, direction)?;
    Some(tcp.settle(segment, direction, (state, state), sysctls, Timeouts::Tunables(sysctls)))
}

/// Whether the ends have not agreed on their numbers yet.
pub(super) fn is_opening(connection: &Connection) -> bool {
    let ProtocolState::Tcp(tcp) = &connection.protocol else { return false };
    matches!(tcp.state, TcpState::SynSent | TcpState::SynSent2 | TcpState::SynRecv)
}

/// What is known of a connection from its first segment.
fn start(segment: &Segment<'_>, sysctls: &Sysctls) -> Result<TcpTracking, Invalid> {
    let mut tcp = TcpTracking::default();
    let side = &mut tcp.seen[0];
    match tcp_states::next(Direction::Original, TcpState::None, segment.kind) {
        Next::To(TcpState::SynSent) => {
            *side = Side::starting(segment);
            side.take_options(segment);
        }
        Next::To(_) if sysctls.conntrack_tcp_loose != 0 => {
            *side = Side::starting(segment);
            side.max_end = side.end + side.max_window;
            // Neither scaling nor SACK is known, so that nothing is held against them.
            let flags = SideFlags(SideFlags::SACK_PERMITTED.0 | SideFlags::BE_LIBERAL.0);
            for side in &mut tcp.seen {
                side.flags = flags;
            }
        }
        Next::To(_) => return Err(Invalid::MidStream),
        Next::Ignore | Next::Invalid => return Err(Invalid::CannotStart(segment.kind)),
    }
    Ok(tcp)
}

/// Where a segment leads before it is held against the window.
enum Step {
    /// From one state to the other; `checked` when the window has a say.
    To { from: TcpState, to: TcpState, checked: bool },
    /// From the beginning: the SYN that was ignored has been right.
    Anew { is_bare: bool },
    /// No further.
    Stop(Outcome),
}

impl TcpTracking {
    fn step(&mut self, segment: &Segment<'_>, direction: Direction, status: Status, sysctls: &Sysctls) -> Step {
        let (from, kind) = (self.state, segment.kind);
        match tcp_states::next(direction, from, kind) {
            Next::To(TcpState::SynSent) if from >= TcpState::TimeWait => {
                if self.is_over(direction) {
                    return Step::Stop(Outcome::Reopen);
                }
                self.ignore(segment, direction)
            }
            Next::Ignore => self.ignore(segment, direction),
            Next::Invalid => Step::Stop(Outcome::Invalid { reason: Invalid::State(kind, from), refresh: None }),
            Next::To(TcpState::TimeWait) if self.is_challenge_ack(segment, direction) => {
                self.last.flags.remove(SideFlags::CHALLENGE_ACK);
                Step::Stop(Outcome::Ignored(Ignored::ChallengeAck))
            }
            Next::To(TcpState::SynSent2) => {
                self.last.flags.insert(SideFlags::SIMULTANEOUS_OPEN);
                Step::To { from, to: TcpState::SynSent2, checked: true }
            }
            Next::To(TcpState::SynRecv) => {
                let opened = direction == Direction::Reply
                    && kind == SegmentKind::Ack
                    && self.last.flags.intersects(SideFlags::SIMULTANEOUS_OPEN);
                Step::To { from, to: if opened { TcpState::Established } else { TcpState::SynRecv }, checked: true }
            }
            Next::To(TcpState::Close) if kind == SegmentKind::Rst => self.reset(segment, direction, status, sysctls),
            Next::To(to) => Step::To { from, to, checked: true },
        }
    }

    /// Whether a SYN from here may start the connection anew: it was closed by FIN, or aborted from the same side.
    fn is_over(&self, direction: Direction) -> bool {
        let closed = self.seen.iter().any(|side| side.flags.intersects(SideFlags::CLOSE_INITIATED));
        closed || (self.last.is(direction) && self.last.kind == SegmentKind::Rst)
    }

    /// Whether this ACK answers a stray SYN instead of the FIN.
    fn is_challenge_ack(&self, segment: &Segment<'_>, direction: Direction) -> bool {
        self.state == TcpState::LastAck
            && segment.kind == SegmentKind::Ack
            && !self.last.is(direction)
            && self.last.kind == SegmentKind::Syn
            && self.last.flags.intersects(SideFlags::CHALLENGE_ACK)
    }

    /// A segment that may be right although it does not fit what we know: it passes and is remembered, and what answers
    /// it tells.
    fn ignore(&mut self, segment: &Segment<'_>, direction: Direction) -> Step {
        let (from, kind) = (self.state, segment.kind);
        let answers_ignored_syn = kind == SegmentKind::SynAck
            && self.last.kind == SegmentKind::Syn
            && !self.last.is(direction)
            && segment.ack == self.last.end;
        if answers_ignored_syn {
            let is_bare = self.last.end == self.last.seq + 1;
            self.resynchronise(direction);
            return Step::Anew { is_bare };
        }
        let last = &mut self.last;
        (last.kind, last.reply) = (kind, direction == Direction::Reply);
        (last.seq, last.end, last.window) = (segment.seq, segment.end, segment.window);
        if kind == SegmentKind::Syn && direction == Direction::Original {
            (last.flags, last.scale) = syn_options(segment);
            if from == TcpState::LastAck {
                last.flags.insert(SideFlags::CHALLENGE_ACK);
            }
        }
        if from == TcpState::SynSent && kind == SegmentKind::Ack && direction == Direction::Reply {
            last.ack = segment.ack;
        }
        Step::Stop(Outcome::Ignored(Ignored::State(kind, from)))
    }

    /// The SYN that was ignored has been right: the connection continues from it.
    fn resynchronise(&mut self, direction: Direction) {
        let Last { end, window, scale, .. } = self.last;
        self.last.flags.remove(SideFlags::CHALLENGE_ACK);
        let (answering, opener) = sides(&mut self.seen, direction);
        (opener.end, opener.max_end) = (end, end);
        opener.max_window = u32::from(window).max(1);
        opener.scale = scale;
        opener.flags = self.last.flags;
        answering.reset();
    }

    /// A RST. It must lie at the receiver's highest acknowledgement to close an open connection, since anybody could
    /// guess a number in the window (RFC 5961, section 3.2).
    fn reset(&self, segment: &Segment<'_>, direction: Direction, status: Status, sysctls: &Sysctls) -> Step {
        let from = self.state;
        let close = |checked| Step::To { from, to: TcpState::Close, checked };
        if from.is_closing() {
            // The ports may be in use again, so that what we know is out of date.
            return close(false);
        }
        let mut to = TcpState::Close;
        let receiver = &self.seen[direction.opposite().index()];
        let last = &self.last;
        if receiver.flags.intersects(SideFlags::MAX_ACK_KNOWN) && last.kind != SegmentKind::Syn {
            let is_open = from == TcpState::Established && status.contains(Status::ASSURED);
            if segment.seq.0 == 0 && !is_open {
                return close(true);
            }
            if segment.seq.before(receiver.max_ack) && sysctls.conntrack_tcp_ignore_invalid_rst == 0 {
                let (number, limit) = (segment.seq, receiver.max_ack);
                return Step::Stop(Outcome::Invalid { reason: Invalid::Reset { number, limit }, refresh: None });
            }
            let follows_data = last.kind == SegmentKind::Ack && last.is(direction) && segment.seq == last.end;
            if !is_open || segment.seq == receiver.max_ack || follows_data {
                return close(true);
            }
            to = from;
        }
        let answers_syn = status.contains(Status::SEEN_REPLY) && last.kind == SegmentKind::Syn && !last.is(direction);
        let answers_ack = !status.contains(Status::ASSURED) && last.kind == SegmentKind::Ack;
        let answers_ignored = (answers_syn || answers_ack) && segment.ack == last.end;
        let answers_challenge =
            from == TcpState::SynSent && last.kind == SegmentKind::Ack && last.reply && segment.seq == last.ack;
        Step::To { from, to, checked: !(answers_ignored || answers_challenge) }
    }

    /// Takes a segment that is in order, and gives the timeout in seconds.
    #[inline(always)]
    fn settle(
        &mut self,
        segment: &Segment<'_>,
        direction: Direction,
        (from, to): (TcpState, TcpState),
        sysctls: &Sysctls,
        timeouts: Timeouts<'_>,
    ) -> u32 {
        self.last.kind = segment.kind;
        self.last.reply = direction == Direction::Reply;
        self.state = to;
        if from != to && to == TcpState::FinWait {
            self.seen[direction.index()].flags.insert(SideFlags::CLOSE_INITIATED);
        }
        let secs = timeouts.tcp(to);
        let (retransmitted, unacknowledged) = (timeouts.tcp_retransmitted(), timeouts.tcp_unacknowledged());
        let waits = SideFlags(self.seen[0].flags.0 | self.seen[1].flags.0).intersects(SideFlags::DATA_UNACKNOWLEDGED);
        let retransmits = u32::from(self.last.retransmissions) >= sysctls.conntrack_tcp_max_retrans;
        // Of most segments none of what follows is true.
        if !(retransmits || waits || self.last.window == 0 || segment.kind == SegmentKind::Rst) {
            return secs;
        }
        if retransmits && secs > retransmitted {
            retransmitted
        } else if segment.kind == SegmentKind::Rst {
            timeouts.tcp(TcpState::Close)
        } else if waits && secs > unacknowledged {
            unacknowledged
        } else if self.last.window == 0 && secs > retransmitted {
            retransmitted
        } else {
            secs
        }
    }
}

/// A segment that does not fit the window. A FIN or RST among them, from both ends in turn, shows that the connection is
/// dead or that we have lost track of it, so that it is not kept for long.
fn missed(
    connection: &mut Connection,
    now: Instant,
    segment: &Segment<'_>,
    direction: Direction,
    miss: Miss,
    timeouts: Timeouts<'_>,
) -> Outcome {
    if !miss.is_invalid() {
        return Outcome::Ignored(Ignored::Window(miss));
    }
    let status = connection.status;
    let left = connection.expires.since(now);
    let ProtocolState::Tcp(tcp) = &mut connection.protocol else { return Outcome::Ignored(Ignored::Window(miss)) };
    let mut refresh = None;
    let ends = matches!(segment.kind, SegmentKind::Rst | SegmentKind::Fin);
    if ends && status.contains(Status::ASSURED) && !status.contains(Status::FIXED_TIMEOUT) {
        let last = &mut tcp.last;
        if !last.is(direction) && matches!(last.kind, SegmentKind::Rst | SegmentKind::Fin) {
            let secs = timeouts.tcp_unacknowledged();
            refresh = (left.as_secs() >= 120 && left > core::time::Duration::from_secs(secs.into())).then_some(secs);
        } else {
            (last.kind, last.reply) = (segment.kind, direction == Direction::Reply);
        }
    }
    Outcome::Invalid { reason: Invalid::Window(miss), refresh }
}

/// How long the connection is remembered after a segment that was in order.
fn refresh(
    connection: &mut Connection,
    segment: &Segment<'_>,
    (from, to): (TcpState, TcpState),
    Refreshed { mut secs, reason }: Refreshed,
    timeouts: Timeouts<'_>,
) -> Outcome {
    if !connection.status.contains(Status::SEEN_REPLY) {
        if segment.has(TcpFlags::RST) {
            return Outcome::Refused;
        }
        if segment.kind == SegmentKind::Syn && from == TcpState::SynSent {
            // Else whoever reuses the port could keep the entry and its translation for ever.
            return Outcome::Ignored(Ignored::SynAgain);
        }
        if to == TcpState::Established {
            secs = secs.min(timeouts.tcp_unacknowledged());
        }
    } else if !connection.status.contains(Status::ASSURED)
        && matches!(from, TcpState::SynRecv | TcpState::Established)
        && to == TcpState::Established
    {
        connection.status.insert(Status::ASSURED);
        connection.changes.insert(Changes::ASSURED);
    }
    Outcome::Taken(Refreshed { secs, reason })
}

/// What a SYN's options say of its sender.
fn syn_options(segment: &Segment<'_>) -> (SideFlags, u8) {
    let mut side = Side::default();
    side.take_options(segment);
    (side.flags, side.scale)
}
