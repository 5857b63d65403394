//! What is remembered of connections for their helpers, weighed: all of it together has one bound, and what was remembered
//! first goes first. But when a client has more than its share of it, what goes is the oldest of that one who has most.
//!
//! | what | what it costs to lose it |
//! |---|---|
//! | the beginning of a line that has gone on, and how far a stream has gone on behind missing bytes | the line is not read when its rest comes |
//! | texts that were written | what is sent again goes on as its sender writes it; numbers move on as they did |
//! | a helper's state | the helper starts anew |
//!
//! With a line's beginning or a state may be lost what tells that a connection speaks another protocol, and somebody may have seen to that. So
//! a connection of which any is lost counts as one whose beginning was not read: a helper that has to know that leaves it.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::net::IpAddr;

use super::GivenUp;
use crate::{
    conntrack::{
        ConnId, Conntrack, Direction, Extension,
        client::{Shares, client_of},
    },
    limits::{REMEMBERED_BYTES_MAX, REMEMBERED_MEMORY_BYTES, REMEMBERED_SHARE_BYTES},
};

/// Something that is remembered of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The beginning of a line, in the stream of that direction.
    Line(Direction),
    /// Texts that stand in the stream of that direction.
    Texts(Direction),
    /// The helper's state.
    State,
}

impl Memory {
    const ALL: [Self; 5] = [
        Self::Line(Direction::Original),
        Self::Line(Direction::Reply),
        Self::Texts(Direction::Original),
        Self::Texts(Direction::Reply),
        Self::State,
    ];

    fn number(self) -> usize {
        Self::ALL.iter().position(|memory| *memory == self).unwrap_or_default()
    }

    /// Its bytes.
    fn bytes(self, extension: &Extension) -> usize {
        match self {
            Self::Line(direction) => extension.streams.line_bytes(direction),
            Self::Texts(direction) => {
                extension.moved.as_ref().map_or(0, |moved| moved.rewrites[direction.index()].memory_bytes())
            }
            Self::State => extension.helper_state.len(),
        }
    }

    fn forget(self, extension: &mut Extension) {
        if matches!(self, Self::Line(_) | Self::State) {
            extension.streams.forget_beginning();
        }
        match self {
            Self::Line(direction) => extension.streams.forget_line(direction),
            Self::Texts(direction) => {
                if let Some(moved) = &mut extension.moved {
                    moved.rewrites[direction.index()] = Default::default();
                }
            }
            Self::State => extension.helper_state = Vec::new(),
        }
    }
}

/// A slot of the connection table, and what is remembered there.
type Key = (u32, usize);

/// What all that is remembered weighs.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    weights: BTreeMap<Key, Weight>,
    /// By when it was written last.
    in_order: BTreeMap<u64, Key>,
    /// The same, client by client.
    of_clients: BTreeSet<(IpAddr, u64)>,
    shares: Shares,
    written: u64,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Weight {
    number: u64,
    bytes: usize,
    client: IpAddr,
}

impl Remembered {
    fn put(&mut self, key: Key, client: IpAddr, bytes: usize) {
        self.take(key);
        if bytes == 0 {
            return;
        }
        let weight = Weight { number: self.written, bytes: bytes + REMEMBERED_MEMORY_BYTES, client };
        self.written += 1;
        self.bytes += weight.bytes;
        self.in_order.insert(weight.number, key);
        self.of_clients.insert((client, weight.number));
        self.shares.add(client, weight.bytes);
        self.weights.insert(key, weight);
    }

    fn take(&mut self, key: Key) {
        if let Some(weight) = self.weights.remove(&key) {
            self.in_order.remove(&weight.number);
            self.of_clients.remove(&(weight.client, weight.number));
            self.shares.take(weight.client, weight.bytes);
            self.bytes -= weight.bytes;
        }
    }

    /// Forgets all of a slot.
    pub(in crate::conntrack) fn take_all(&mut self, slot: u32) {
        if !self.weights.is_empty() {
            (0..Memory::ALL.len()).for_each(|number| self.take((slot, number)));
        }
    }

    /// What goes first, while there is too much, and why.
    fn surplus(&mut self) -> Option<(u32, Memory, GivenUp)> {
        if self.bytes <= REMEMBERED_BYTES_MAX {
            return None;
        }
        let largest = self.shares.largest_above(REMEMBERED_SHARE_BYTES);
        let oldest = largest.and_then(|client| self.of_clients.range((client, 0)..).next());
        let (slot, number) = match oldest {
            Some((_, number)) => *self.in_order.get(number)?,
            None => *self.in_order.first_key_value()?.1,
        };
        self.take((slot, number));
        Some((slot, Memory::ALL[number], if largest.is_some() { GivenUp::Share } else { GivenUp::Forgotten }))
    }
}

impl Conntrack {
    /// Bytes of all that is remembered for helpers, and of the books about it; at most
    /// [`REMEMBERED_BYTES_MAX`].
    #[must_use]
    pub const fn remembered_bytes(&self) -> usize {
        self.remembered.bytes
    }

    /// Weighs something that has changed. Gives the connections of which something is forgotten to make room, in that order, and why it
    /// is them.
    pub(crate) fn weigh(&mut self, id: ConnId, memory: Memory) -> Vec<(ConnId, GivenUp)> {
        let Some(connection) = self.connection(id) else { return Vec::new() };
        let bytes = connection.extension.as_ref().map_or(0, |extension| memory.bytes(extension));
        let client = client_of(connection.original.source_ip());
        self.remembered.put((id.slot, memory.number()), client, bytes);
        let mut forgotten = Vec::new();
        while let Some((slot, memory, why)) = self.remembered.surplus() {
            let Some(id) = self.table.slab.try_id(slot) else { continue };
            if let Some(extension) = self.connection_mut(id).and_then(|connection| connection.extension.as_deref_mut())
            {
                memory.forget(extension);
                forgotten.push((id, why));
            }
        }
        forgotten
    }

    /// Forgets all that is remembered of a connection.
    pub(super) fn forget_all(&mut self, id: ConnId) {
        let Some(extension) = self.connection_mut(id).and_then(|connection| connection.extension.as_deref_mut()) else {
            return;
        };
        Memory::ALL.into_iter().for_each(|memory| memory.forget(extension));
        self.remembered.take_all(id.slot);
    }

    /// Weighs all anew that connections of a snapshot bring, as if it had been written in the order of their slots.
    pub(in crate::conntrack) fn weigh_all(&mut self) {
        let is_helped = |slot: &u32| self.in_slot(*slot).is_some_and(|(_, connection)| connection.extension.is_some());
        let helped: Vec<u32> = (0..self.slots()).filter(is_helped).collect();
        for id in helped.into_iter().filter_map(|slot| self.table.slab.try_id(slot)).collect::<Vec<_>>() {
            for memory in Memory::ALL {
                self.weigh(id, memory);
            }
        }
    }
}
