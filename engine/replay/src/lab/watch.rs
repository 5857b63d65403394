//! Who looks at each frame: what passes, where, and why it is sent again.

use core::{net::SocketAddr, time::Duration};
use std::collections::{BTreeMap, VecDeque};

use towpath_engine::{
    Engine, Instant,
    socket::SocketId,
    tcp::{ResendReason, Resent},
    wire::{SeqNum, TcpFlags},
};

use super::{lane::Lost, scenario::End, segment::Segment};

/// What becomes of a frame at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// It leaves a host or switch; sent again for that reason, if it is.
    Leaves(Option<ResendReason>),
    /// It arrives at a host or switch.
    Arrives,
    /// It is lost on the lane, or at its end.
    Lost(Lost),
}

/// A frame that passes.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// When, since the start.
    pub at: Duration,
    /// The lane: links have two each, in the order of their ends. Lane N's sender is the host at end N % 2 of link N / 2.
    pub lane: usize,
    /// What becomes of it.
    pub pass: Pass,
    /// The frame.
    pub bytes: &'a [u8],
    /// What is in it, if that is TCP.
    pub segment: Option<&'a Segment>,
    /// The connection that it belongs to, by its number, and which end has sent it.
    pub connection: Option<(usize, End)>,
}

/// Looks at frames.
pub trait Watch {
    /// One passes.
    fn frame(&mut self, passing: &Passing<'_>);

    /// Something happens to a link, to a bond or to the rings of a host's NICs.
    fn happens(&mut self, _at: Duration, _what: &str) {}
}

/// Looks at frames for a [`Watch`], and finds out why segments are sent again.
pub(super) struct Eye<'w> {
    watch: &'w mut dyn Watch,
    flows: BTreeMap<(SocketAddr, SocketAddr), Flow>,
}

/// One direction of a connection at its sender.
#[derive(Default)]
struct Flow {
    id: Option<SocketId>,
    connection: Option<(usize, End)>,
    /// Behind the last byte that was sent.
    high: Option<SeqNum>,
    known: Resent,
    /// Reasons of segments that the engine has sent again and that have not been seen yet.
    reasons: VecDeque<ResendReason>,
}

/// A frame that leaves a host.
pub(super) struct Leaving<'a> {
    pub(super) lane: usize,
    pub(super) bytes: &'a [u8],
    /// How many segments it stands for: more than one where a device cuts it.
    pub(super) segments: u16,
}

impl<'w> Eye<'w> {
    pub(super) fn new(watch: &'w mut dyn Watch) -> Self {
        Self { watch, flows: BTreeMap::new() }
    }

    /// A socket has both its addresses: a connection begins at this end.
    pub(super) fn knows(&mut self, local: SocketAddr, peer: SocketAddr, id: SocketId, (talk, end): (usize, End)) {
        let flow = self.flows.entry((local, peer)).or_default();
        (flow.id, flow.known, flow.connection) = (Some(id), Resent::default(), Some((talk, end)));
        // What comes first from there is for this connection, too.
        self.flows.entry((peer, local)).or_default().connection = Some((talk, end.other()));
    }

    fn show(&mut self, at: Duration, lane: usize, pass: Pass, bytes: &[u8], segment: Option<&Segment>) {
        let flow = segment.and_then(|segment| self.flows.get(&(segment.source, segment.destination)));
        let connection = flow.and_then(|flow| flow.connection);
        self.watch.frame(&Passing { at, lane, pass, bytes, segment, connection });
    }

    /// A frame leaves; from a host, its engine is there to be asked.
    pub(super) fn leaves(&mut self, now: Instant, at: Duration, leaving: Leaving<'_>, engine: Option<&mut Engine>) {
        let Leaving { lane, bytes, segments } = leaving;
        let segment = Segment::of(bytes);
        let why = engine.and_then(|engine| {
            // A host that only forwards it sends nothing again.
            let own = segment.as_ref().filter(|segment| engine.devices().has_address(segment.source.ip()))?;
            self.why_again(now, own, segments, engine)
        });
        self.show(at, lane, Pass::Leaves(why), bytes, segment.as_ref());
    }

    pub(super) fn arrives(&mut self, at: Duration, lane: usize, bytes: &[u8]) {
        self.show(at, lane, Pass::Arrives, bytes, Segment::of(bytes).as_ref());
    }

    pub(super) fn loses(&mut self, at: Duration, lane: usize, bytes: &[u8], why: Lost) {
        self.show(at, lane, Pass::Lost(why), bytes, Segment::of(bytes).as_ref());
    }

    pub(super) fn happens(&mut self, at: Duration, what: &str) {
        self.watch.happens(at, what);
    }

    fn why_again(
        &mut self,
        now: Instant,
        segment: &Segment,
        segments: u16,
        engine: &mut Engine,
    ) -> Option<ResendReason> {
        let flow = self.flows.entry((segment.source, segment.destination)).or_default();
        let is_syn = segment.flags.contains(TcpFlags::SYN);
        if is_syn && flow.high != Some(segment.end()) {
            // A new connection between the same ends.
            flow.high = Some(segment.end());
            flow.reasons.clear();
            return None;
        }
        if segment.end() == segment.seq {
            return None;
        }
        if flow.high.is_none_or(|high| segment.end().after(high)) {
            flow.high = Some(segment.end());
            return None;
        }
        if is_syn {
            return Some(ResendReason::Handshake);
        }
        if let Some((_, resent)) = flow.id.and_then(|id| engine.watch_connection(now, id)) {
            for why in ResendReason::ALL {
                let more = resent.of(why).saturating_sub(flow.known.of(why));
                flow.reasons.extend(core::iter::repeat_n(why, more as usize));
            }
            flow.known = resent;
        }
        // Each of its segments has been counted, for the same reason.
        flow.reasons.drain(..flow.reasons.len().min(usize::from(segments.max(1)))).next()
    }
}

impl Watch for Vec<&mut dyn Watch> {
    fn frame(&mut self, passing: &Passing<'_>) {
        self.iter_mut().for_each(|watch| watch.frame(passing));
    }

    fn happens(&mut self, at: Duration, what: &str) {
        self.iter_mut().for_each(|watch| watch.happens(at, what));
    }
}
