//! Who stands behind which endpoint outside, when translation does not depend on peers (RFC 4787, sections 4.1 and 5).
//!
//! ```text
//!  outside: 203.0.113.1:5000 udp ──► inside: 192.168.1.10:5000, held by connections 7, 9 and 30
//! ```
//!
//! Kept only while `towpath.nat.mapping` or `towpath.nat.filtering` asks for it. A mapping lives as long as one of the
//! connections that were translated to it, or let in by it.

use alloc::collections::{BTreeMap, BTreeSet};

use super::{
    Conntrack,
    conn::{ConnId, Connection, Status},
    tuple::{Address, Tuple},
};
use crate::{
    nat::{Manip, ports::Key},
    wire::Protocol,
};

/// Mappings by their endpoints outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Mappings(BTreeMap<(u16, Tuple), Mapping>);

#[derive(Clone, Debug)]
struct Mapping {
    inside: (Address, u16),
    /// Slots of connections.
    holders: BTreeSet<u32>,
}

impl Mappings {
    fn hold(&mut self, zone: u16, outside: Tuple, inside: (Address, u16), slot: u32) {
        let new = || Mapping { inside, holders: BTreeSet::new() };
        let mapping = self.0.entry((zone, outside)).or_insert_with(new);
        if mapping.inside == inside {
            mapping.holders.insert(slot);
        }
    }

    fn let_go(&mut self, zone: u16, outside: Tuple, slot: u32) {
        if let Some(mapping) = self.0.get_mut(&(zone, outside)) {
            mapping.holders.remove(&slot);
            if mapping.holders.is_empty() {
                self.0.remove(&(zone, outside));
            }
        }
    }
}

impl Conntrack {
    /// Whom the source of a translated tuple stands for; `None`: nobody yet.
    pub(crate) fn inside_of_source(&self, zone: u16, translated: &Tuple) -> Option<(Address, u16)> {
        self.mappings
            .0
            .get(&(zone, endpoint(translated.source, translated.source_port, translated)))
            .map(|found| found.inside)
    }

    /// Whom the destination of a tuple from outside stands for; only of protocols with ports.
    pub(crate) fn inside_of_destination(&self, zone: u16, tuple: &Tuple) -> Option<(Address, u16)> {
        if Key::of(tuple, Manip::Destination) != Some(Key::Destination) {
            return None;
        }
        let outside = endpoint(tuple.destination, tuple.destination_port, tuple);
        self.mappings.0.get(&(zone, outside)).map(|found| found.inside)
    }

    /// Remembers what a connection's source, or the destination by which it was let in, stands for.
    pub(crate) fn hold_mapping(&mut self, id: ConnId) {
        let Some(connection) = self.table.slab.get(id) else { return };
        for (outside, inside) in ends(connection).into_iter().flatten() {
            self.mappings.hold(connection.zone, outside, inside, id.slot);
        }
    }

    /// Forgets that a connection holds a mapping.
    pub(super) fn forget_mapping(&mut self, slot: u32) {
        if self.mappings.0.is_empty() {
            return;
        }
        let connection = &self.table.slab[slot];
        for (outside, _) in ends(connection).into_iter().flatten() {
            self.mappings.let_go(connection.zone, outside, slot);
        }
    }

    /// Makes the mappings of all connections again, or forgets all.
    pub(crate) fn map_anew(&mut self, wanted: bool) {
        self.mappings = Mappings::default();
        if wanted {
            let held = |connection: &Connection| connection.status.intersects(Status::NAT);
            let ids: alloc::vec::Vec<ConnId> = self
                .table
                .slab
                .iter()
                .filter(|(_, connection)| held(connection))
                .map(|(slot, _)| self.table.id(slot))
                .collect();
            ids.into_iter().for_each(|id| self.hold_mapping(id));
        }
    }
}

/// The endpoints outside that a connection holds, each with whom it stands for.
fn ends(connection: &Connection) -> [Option<(Tuple, (Address, u16))>; 2] {
    let Connection { original, reply, status, .. } = connection;
    let has_key = Key::of(original, Manip::Source).is_some();
    let source = (has_key && status.contains(Status::SRC_NAT)).then(|| {
        let port = if is_query(original) { reply.source_port } else { reply.destination_port };
        (endpoint(reply.destination, port, original), (original.source, original.source_port))
    });
    // Nobody has announced it: a mapping has let it in.
    let is_admitted = status.contains(Status::EXPECTED) && connection.master().is_none();
    let destination = (is_admitted && status.contains(Status::DST_NAT)).then(|| {
        (endpoint(original.destination, original.destination_port, original), (reply.source, reply.source_port))
    });
    [source, destination]
}

/// An endpoint as a key: a tuple with nothing but a source.
fn endpoint(address: Address, port: u16, of: &Tuple) -> Tuple {
    Tuple { source: address, source_port: port, protocol: of.protocol, family: of.family, ..Tuple::default() }
}

/// Of ICMP queries both ways have the identifier in the same place.
const fn is_query(tuple: &Tuple) -> bool {
    matches!(tuple.protocol(), Protocol::ICMP | Protocol::ICMPV6)
}
