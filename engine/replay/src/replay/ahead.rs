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
    keys: Vec<Option<FlowKey>>,
}

impl Ahead {
    /// Touches what the packets of a batch will need.
    pub(super) fn look(&mut self, conntrack: &Conntrack, batch: &Batch<'_>) {
        self.first = batch.packets().next().map_or(0, |packet| packet.number);
        self.keys.resize(batch.len(), None);
        for (key, packet) in self.keys.iter_mut().zip(batch.packets()) {
            let tuple = match packet.content {
                Content::Ethernet(frame) => Peek::frame(frame).and_then(|peek| peek.tuple(frame)),
                Content::Unreadable(_) => None,
            };
            *key = tuple.map(|tuple| conntrack.key(tuple));
        }
        conntrack.look_ahead(&mut self.keys);
    }

    /// The key of a packet that has this tuple, made now if nobody has looked ahead for it.
    pub(super) fn key(&self, conntrack: &Conntrack, number: u64, tuple: Tuple) -> FlowKey {
        let index = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        match self.keys.get(index) {
            Some(Some(key)) if key.tuple == tuple => *key,
            Some(_) | None => conntrack.key(tuple),
        }
    }
}
