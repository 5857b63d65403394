//! What waits before a lane's wire: queueing disciplines, and the transmit rings between them and the wire where the sender has hardware.
//!
//! ```text
//!            ┌─► queue 0 ─► ring 0 ─┐
//!  by hash ──┤                      ├─► in turn ─► the wire
//!            └─► queue 1 ─► ring 1 ─┘
//! ```
//!
//! Each queue has the bound and the discipline that the scenario says (Linux: `mq` over so many of them). Without hardware there is one, and
//! no ring. How many frames a ring has room for is the hardware's to say.

use core::time::Duration;
use std::collections::VecDeque;

use towpath_engine::Instant;

use super::{
    codel::{Codel, Turn},
    lane::Carried,
    scenario::{self, Bound},
};

/// What waits before a wire.
#[derive(Debug)]
pub(super) struct Feed {
    fifos: Vec<Fifo>,
    /// Frames that are to be sent, of each ring; none: there is no ring.
    rings: Vec<VecDeque<Carried>>,
    /// The ring whose turn it is.
    turn: usize,
}

/// A queueing discipline.
#[derive(Debug, Default)]
struct Fifo {
    waiting: VecDeque<(Instant, Carried)>,
    bytes: u64,
    codel: Codel,
}

/// A frame whose turn has come, and for how long it has waited; or one that was dropped instead.
pub(super) enum Next {
    Goes(Carried, Duration),
    Dropped(Carried),
}

impl Feed {
    /// One before a wire with so many transmit rings.
    pub(super) fn new(rings: usize) -> Self {
        Self {
            fifos: (0..rings.max(1)).map(|_| Fifo::default()).collect(),
            rings: (0..rings).map(|_| VecDeque::new()).collect(),
            turn: 0,
        }
    }

    /// Whether frames go by way of rings.
    pub(super) const fn has_rings(&self) -> bool {
        !self.rings.is_empty()
    }

    /// Frames and bytes that wait in queueing disciplines.
    pub(super) fn queued(&self) -> (usize, u64) {
        self.fifos.iter().fold((0, 0), |(frames, bytes), fifo| (frames + fifo.waiting.len(), bytes + fifo.bytes))
    }

    /// A frame waits in a queue, if that has room; `is_next`: it will not wait there if nothing else does.
    pub(super) fn push(
        &mut self,
        now: Instant,
        queue: usize,
        frame: Carried,
        (bound, is_next): (Bound, bool),
    ) -> Result<(), Carried> {
        let fifo = &mut self.fifos[queue];
        let has_room = match bound {
            Bound::Packets(most) => (fifo.waiting.len() as u64) < most,
            Bound::Bytes(most) => fifo.bytes + frame.bytes.len() as u64 <= most,
        };
        let waits = !is_next || !fifo.waiting.is_empty();
        if waits && !has_room {
            return Err(frame);
        }
        fifo.bytes += frame.bytes.len() as u64;
        fifo.waiting.push_back((now, frame));
        Ok(())
    }

    /// What a queue gives next.
    pub(super) fn pop(
        &mut self,
        now: Instant,
        queue: usize,
        codel: Option<scenario::Codel>,
        mtu_bytes: u64,
    ) -> Option<Next> {
        let fifo = &mut self.fifos[queue];
        let Some((since, frame)) = fifo.waiting.pop_front() else {
            fifo.codel.forget();
            return None;
        };
        fifo.bytes -= frame.bytes.len() as u64;
        let waited = now.since(since);
        let turn = Turn { now, waited, left_bytes: fifo.bytes, mtu_bytes };
        let is_dropped = codel.is_some_and(|plan| fifo.codel.drops(plan, turn));
        Some(if is_dropped { Next::Dropped(frame) } else { Next::Goes(frame, waited) })
    }

    /// A frame is put on a ring.
    pub(super) fn put(&mut self, ring: usize, frame: Carried) {
        self.rings[ring].push_back(frame);
    }

    /// The next frame of the next ring that has some, and which that is.
    pub(super) fn take(&mut self) -> Option<(usize, Carried)> {
        let count = self.rings.len();
        let ring = (0..count).map(|step| (self.turn + step) % count).find(|ring| !self.rings[*ring].is_empty())?;
        self.turn = (ring + 1) % count;
        Some((ring, self.rings[ring].pop_front()?))
    }

    /// Takes all out: what waits, and what is on rings, with the ring that it is on.
    pub(super) fn empty(&mut self) -> impl Iterator<Item = (Option<usize>, Carried)> {
        let queued = self.fifos.iter_mut().flat_map(|fifo| {
            fifo.bytes = 0;
            fifo.waiting.drain(..).map(|(_, frame)| (None, frame))
        });
        queued.chain(drained(&mut self.rings))
    }

    /// Takes out what is on rings, with the ring that it is on.
    pub(super) fn empty_rings(&mut self) -> impl Iterator<Item = (Option<usize>, Carried)> {
        drained(&mut self.rings)
    }
}

fn drained(rings: &mut [VecDeque<Carried>]) -> impl Iterator<Item = (Option<usize>, Carried)> {
    let numbered = rings.iter_mut().enumerate();
    numbered.flat_map(|(number, ring)| ring.drain(..).map(move |frame| (Some(number), frame)))
}
