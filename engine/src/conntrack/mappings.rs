//! Who stands behind which endpoint outside, when translation does not depend on peers (RFC 4787, sections 4.1 and 5).
//!
//! ```text
//!  outside: 203.0.113.1:5000 udp ──► inside: 192.168.1.10:5000, held by connections 7, 9 and 30
//! ```
//!
//! Kept only while `towpath.nat.mapping` or `towpath.nat.filtering` asks for it. A mapping lives as long as one of the
//! connections that were translated to it, or let in by it. Without `towpath.nat.mapping` several hosts may share an endpoint
//! outside, as in Linux: then it stands for the host of the oldest connection.
//!
//! All of it follows from the connections in the table and their order, so that a snapshot need not hold it.

use alloc::collections::BTreeMap;

use super::{
    Conntrack,
    conn::{Connection, Status},
    table::is_entered,
    tuple::{Address, Tuple},
};
use crate::{
    nat::{Manip, ports::Key},
    wire::Protocol,
};

/// By zone and endpoint outside: whom it stands for in the eyes of each connection that holds it, by serial number.
#[derive(Clone, Debug, Default)]
pub(super) struct Mappings(BTreeMap<(u16, Tuple), BTreeMap<u64, Inside>>);

/// The address and the port of a host inside.
type Inside = (Address, u16);

impl Mappings {
    /// Whom an endpoint stands for.
    fn inside(&self, zone: u16, outside: Tuple) -> Option<Inside> {
        self.0.get(&(zone, outside))?.first_key_value().map(|(_, inside)| *inside)
    }

    fn hold(&mut self, connection: &Connection) {
        for (outside, inside) in ends(connection).into_iter().flatten() {
            self.0.entry((connection.zone_id, outside)).or_default().insert(connection.serial, inside);
        }
    }

    fn let_go(&mut self, connection: &Connection) {
        for (outside, _) in ends(connection).into_iter().flatten() {
            let place = (connection.zone_id, outside);
            if let Some(holders) = self.0.get_mut(&place) {
                holders.remove(&connection.serial);
                if holders.is_empty() {
                    self.0.remove(&place);
                }
            }
        }
    }
}

impl Conntrack {
    /// Whom the source of a translated tuple stands for; `None`: nobody yet.
    pub(crate) fn inside_of_source(&self, zone: u16, translated: &Tuple) -> Option<Inside> {
        self.mappings.inside(zone, endpoint(translated.source, translated.source_port, translated))
    }

    /// Whom the destination of a tuple from outside stands for; only of protocols with ports.
    pub(crate) fn inside_of_destination(&self, zone: u16, tuple: &Tuple) -> Option<Inside> {
        if Key::of(tuple, Manip::Destination) != Some(Key::Destination) {
            return None;
        }
        self.mappings.inside(zone, endpoint(tuple.destination, tuple.destination_port, tuple))
    }

    /// Remembers what the source of a connection that has entered the table, or the destination by which it was let in,
    /// stands for.
    pub(super) fn hold_mapping(&mut self, slot: u32) {
        self.mappings.hold(&self.table.slab[slot]);
    }

    /// Forgets that a connection holds a mapping.
    pub(super) fn forget_mapping(&mut self, slot: u32) {
        if !self.mappings.0.is_empty() {
            self.mappings.let_go(&self.table.slab[slot]);
        }
    }

    /// Makes the mappings of all connections in the table again, or forgets all.
    pub(crate) fn map_anew(&mut self, wanted: bool) {
        self.mappings = Mappings::default();
        if wanted {
            let entered = self.table.slab.iter().map(|(_, connection)| connection);
            entered.filter(|connection| is_entered(connection)).for_each(|connection| self.mappings.hold(connection));
        }
    }
}

/// The endpoints outside that a connection holds, each with whom it stands for.
fn ends(connection: &Connection) -> [Option<(Tuple, Inside)>; 2] {
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
