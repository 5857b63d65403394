//! Looking ahead: before the first packet of a batch is fed, what connection tracking will need for all of them is touched,
//! so that cache misses overlap.
//!
//! Packets are fed one by one, because each one's record shows the gateway as it is right behind it. So this is done here
//! and not by a batch of the engine's. What is found is a key to look with, never an answer: nothing depends on it.

use towpath_engine::conntrack::{Conntrack, FlowKey, Tuple};

use super::peek::Peek;
use crate::capture::{Batch, Content};

/// By what the packets of a batch will be looked for.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The number of the batch's first packet.
    first: u64,
    /// As each was captured.
    own: Vec<Option<FlowKey>>,
    /// As the answers to it would be, where its own connection is not known.
    opposite: Vec<Option<FlowKey>>,
}

/// By what a packet is looked for.
#[derive(Debug)]
pub(super) struct Keys {
    /// As it was captured.
    pub(super) own: FlowKey,
    /// As the answers to it would be, if that has been worked out.
    opposite: Option<FlowKey>,
}

impl Ahead {
    /// Touches what the packets of a batch will need.
    pub(super) fn look(&mut self, conntrack: &Conntrack, batch: &Batch<'_>) {
        let Self { first, own, opposite } = self;
        own.resize(batch.len(), None);
        opposite.resize(batch.len(), None);
        *first = batch.packets().next().map_or(0, |packet| packet.number);
        for (key, packet) in own.iter_mut().zip(batch.packets()) {
            let tuple = match packet.content {
                Content::Ethernet(frame) => Peek::frame(frame).and_then(|peek| peek.tuple(frame)),
                Content::Unreadable(_) => None,
            };
            *key = tuple.map(|tuple| conntrack.key(tuple));
        }
        conntrack.look_ahead(own);
        for (opposite, own) in opposite.iter_mut().zip(own.iter()) {
            let inverted = match own {
                Some(own) if !own.is_guessed() => own.tuple.inverted(),
                Some(_) | None => None,
            };
            *opposite = inverted.map(|tuple| conntrack.key(tuple));
        }
        conntrack.look_ahead(opposite);
    }

    /// The keys of a packet that has this tuple, made now if nobody has looked ahead for it.
    pub(super) fn keys(&self, conntrack: &Conntrack, number: u64, tuple: Tuple) -> Keys {
        let index = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        match self.own.get(index) {
            Some(Some(own)) if own.tuple == tuple => {
                Keys { own: *own, opposite: self.opposite.get(index).copied().flatten() }
            }
            Some(_) | None => Keys { own: conntrack.key(tuple), opposite: None },
        }
    }
}

impl Keys {
    /// By what the connection is found whose answers have this packet's tuple; `None` where nothing answers such a packet.
    pub(super) fn opposite(&self, conntrack: &Conntrack) -> Option<FlowKey> {
        self.opposite.or_else(|| Some(conntrack.key(self.own.tuple.inverted()?)))
    }
}
