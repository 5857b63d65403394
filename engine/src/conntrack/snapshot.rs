//! Connection tracking in a snapshot.
//!
//! Slots, their generations and the order of free ones are kept, since identifiers are told to the host; so is every order
//! in which connections are found or run out, since events come in it. Connections that have left the table but can
//! still be read are taken as freed: the next packet would do so first.

use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    ConnId, Conntrack, Direction, EventMask, LineStarts, Statistics, Status, Streams, TimeoutId, Tuple, Zone,
    calling::{Remembered, StreamRecord, StreamsRecord},
    conn::{Changes, Connection, Counter, Extension, ProtocolState},
    entry::HelperNames,
    expect::{Expectations, HelperId, SavedExpectations},
    hash::Hasher,
    index::Index,
    mappings::Mappings,
    slab::{Slab, Slot},
    sources::Sources,
    table::{Table, is_entered, places},
    tcp_window::TcpTracking,
    timeout_policy::{PolicyRecord, TimeoutPolicies},
    zone::ZonesInUse,
};
use crate::{
    limits::{
        CONNECTIONS_BOUND, COUNT_MAX, EXPECTATIONS_BOUND, HELPER_CLASSES_MAX, HELPER_STATE_BYTES_MAX,
        SNAPSHOT_SPARE_SLOTS,
    },
    nat::{
        SequenceAdjustment,
        sequence::{Moved, Rewrites},
    },
    snapshot::{Part, SnapshotError},
    time::Instant,
    timer::{Wheel, WheelRecord},
    wire::Protocol,
};

/// What connection tracking is held against that is not its own.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    /// The latest time.
    pub(crate) latest: Instant,
    /// The most connections that its tunables allow.
    pub(crate) room_max: u32,
    /// The names of the helpers, by number; a number without helper has the empty one.
    pub(crate) helpers: &'a [&'a str],
}

impl<'a> Known<'a> {
    fn helper(&self, number: HelperId) -> Option<&'a str> {
        self.helpers.get(usize::from(number.0)).copied().filter(|name| !name.is_empty())
    }
}

/// All connections and expectations.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConntrackRecord {
    table_keys: [u64; 2],
    source_keys: [u64; 2],
    room: u32,
    serials: u64,
    statistics: Statistics,
    /// Of all slots that were ever taken.
    generations: Vec<u32>,
    /// The free slots, in the order in which they are used again.
    free: Vec<u32>,
    /// By slot; all of them stand in the table.
    connections: Vec<ConnectionRecord>,
    /// Slots and directions in the order in which they are found.
    index: Vec<(u32, Direction)>,
    /// Slots in an order that makes the lists of sources again.
    sources: Vec<u32>,
    timers: WheelRecord,
    expectations: SavedExpectations,
    timeout_policies: Vec<PolicyRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ConnectionRecord {
    slot: u32,
    original: Tuple,
    reply: Tuple,
    zone: u16,
    changes: Changes,
    status: Status,
    mark: u32,
    expires: Instant,
    protocol: ProtocolState,
    counters: [Counter; 2],
    began: Option<Instant>,
    extension: Option<ExtensionRecord>,
    serial: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExtensionRecord {
    events: Option<EventMask>,
    timeouts: Option<TimeoutId>,
    labels: u128,
    helper: Option<HelperId>,
    helper_state: Vec<u8>,
    line_starts: [LineStarts; 2],
    master: Option<ConnId>,
    master_tuple: Option<Tuple>,
    adjustments: [SequenceAdjustment; 2],
    rewrites: [Rewrites; 2],
    streams: Option<StreamsRecord>,
}

impl ConntrackRecord {
    pub(crate) fn of(conntrack: &Conntrack) -> Self {
        let Conntrack {
            table, expectations, sources, dying, serials, statistics, timeout_policies, helper_names, ..
        } = conntrack;
        let Table { hasher, slab, index, wheel, room, zones: _ } = table;
        let is_held = |slot: u32| slab.try_id(slot).is_some() && is_entered(&slab[slot]);
        let mut generations: Vec<u32> = slab.generations().collect();
        // What the next packet frees first, and then what no packet has confirmed.
        let unconfirmed = slab.iter().filter(|(_, connection)| !connection.is_confirmed()).map(|(slot, _)| slot);
        let freed: Vec<u32> = dying.iter().rev().copied().chain(unconfirmed).collect();
        for &slot in &freed {
            generations[slot as usize] = generations[slot as usize].wrapping_add(1);
        }
        Self {
            table_keys: hasher.keys(),
            source_keys: sources.keys(),
            room: *room,
            serials: *serials,
            statistics: *statistics,
            free: freed.iter().rev().copied().chain(slab.free()).collect(),
            generations,
            connections: slab
                .iter()
                .filter(|(slot, _)| is_held(*slot))
                .map(|(slot, connection)| ConnectionRecord::of(slot, connection, slab, helper_names))
                .collect(),
            index: index.in_order().filter(|(slot, _)| is_held(*slot)).collect(),
            sources: sources
                .in_order()
                .filter(|&slot| is_held(slot) && slab[slot].status.contains(Status::SRC_NAT_DONE))
                .collect(),
            timers: wheel.save(slab),
            expectations: expectations.save(|id| slab.get(id).filter(|connection| is_entered(connection))),
            timeout_policies: timeout_policies.save(),
        }
    }

    pub(crate) fn restore(self, known: &Known<'_>) -> Result<Conntrack, SnapshotError> {
        let counts_are_right = self.serials < COUNT_MAX && self.statistics.all().iter().all(|count| *count < COUNT_MAX);
        Part::Counters.check(counts_are_right)?;
        let slots_max = self.room.saturating_add(SNAPSHOT_SPARE_SLOTS) as usize;
        Part::Places.check(self.room <= CONNECTIONS_BOUND && self.generations.len() <= slots_max)?;
        let room = room_of(self.room, known.room_max, self.generations.len());
        let serials = self.serials;
        let timeout_policies = TimeoutPolicies::restore(self.timeout_policies);
        let timeout_policies = timeout_policies.ok_or(SnapshotError::Inconsistent(Part::Connection))?;
        let mut slab = restore_slab(self.connections, &self.generations, &self.free, serials, known)?;
        let hasher = Hasher::with_keys(self.table_keys);
        let index = restore_index(&self.index, room, &hasher, &slab)?;
        let sources = restore_sources(&self.sources, self.source_keys, &slab)?;
        let wheel = Wheel::restore(&self.timers, &mut slab, known.latest, |slab, slot| slab.try_id(slot).is_some());
        let (wheel, entered) = wheel.ok_or(SnapshotError::Inconsistent(Part::Timers))?;
        Part::Timers.check(entered == slab.live() as usize)?;
        let expectations = restore_expectations(&self.expectations, &slab, known)?;
        let mut zones = ZonesInUse::default();
        slab.iter().for_each(|(_, connection)| zones.enter(connection.zone()));
        let announced = announced(&slab);
        let table = Table { hasher, slab, index, wheel, room, zones };
        let mut helper_names = HelperNames::default();
        for (number, name) in (0..).zip(known.helpers) {
            helper_names.set(HelperId(number), name);
        }
        let statistics = self.statistics;
        // Whoever restores the tunables says whether mappings are made again.
        let mappings = Mappings::default();
        let mut conntrack = Conntrack {
            table,
            expectations,
            sources,
            mappings,
            announced,
            dying: Vec::new(),
            serials,
            statistics,
            helper_names,
            timeout_policies,
            remembered: Remembered::default(),
        };
        conntrack.weigh_all();
        Ok(conntrack)
    }
}

fn restore_slab(
    connections: Vec<ConnectionRecord>,
    generations: &[u32],
    free: &[u32],
    serials: u64,
    known: &Known<'_>,
) -> Result<Slab, SnapshotError> {
    let live = connections.len();
    let mut connections = connections.into_iter().peekable();
    let mut slots = Vec::with_capacity(generations.len());
    for (slot, &generation) in (0..).zip(generations) {
        let connection = connections.next_if(|record| record.slot == slot);
        Part::Places.check(connection.is_some() == (generation % 2 == 1))?;
        let beside = connection.as_ref().map(|record| (record.counters, record.began));
        let connection = connection.map(|record| record.restore(serials, known)).transpose()?;
        let connection = connection.zip(beside).map(|(connection, (carried, began))| (connection, carried, began));
        slots.push(Slot { generation, connection });
    }
    // One that names no slot, or is out of order, is left over.
    Part::Places.check(connections.next().is_none() && live + free.len() == generations.len())?;
    Slab::restore(slots.into_iter(), free).ok_or(SnapshotError::Inconsistent(Part::Places))
}

/// For how many connections memory is taken: a few bytes that say 16 million must not cost a gigabyte. A room that was made
/// for more connections than are allowed by now is made as large as they need.
fn room_of(saved: u32, allowed: u32, slots: usize) -> u32 {
    saved.min(allowed.max(slots as u32))
}

fn restore_index(order: &[(u32, Direction)], room: u32, hasher: &Hasher, slab: &Slab) -> Result<Index, SnapshotError> {
    const BOTH: u8 = 0b11;
    let mut seen = vec![0_u8; slab.slots() as usize];
    let mut index = Index::new(room);
    for &(slot, direction) in order {
        let bit = 1 << direction.index();
        Part::Index.check(slab.try_id(slot).is_some() && seen[slot as usize] & bit == 0)?;
        let places = places(hasher, &slab[slot]);
        let place = places.iter().flatten().find(|(_, of)| *of == direction);
        index.insert(place.ok_or(SnapshotError::Inconsistent(Part::Index))?.0, slot, direction);
        seen[slot as usize] |= if places[1].is_some() { bit } else { BOTH };
    }
    Part::Index.check(slab.iter().all(|(slot, _)| seen[slot as usize] == BOTH))?;
    Ok(index)
}

/// How many each connection has announced that are there.
fn announced(slab: &Slab) -> BTreeMap<u32, u32> {
    let mut announced = BTreeMap::new();
    let masters = slab.iter().filter_map(|(_, connection)| connection.master());
    for master in masters.filter(|master| slab.get(*master).is_some()) {
        *announced.entry(master.slot).or_default() += 1;
    }
    announced
}

fn restore_sources(order: &[u32], keys: [u64; 2], slab: &Slab) -> Result<Sources, SnapshotError> {
    let is_listed = |connection: &Connection| connection.status.contains(Status::SRC_NAT_DONE);
    Part::Sources.check(order.len() == slab.iter().filter(|(_, connection)| is_listed(connection)).count())?;
    let mut seen = vec![false; slab.slots() as usize];
    let mut sources = Sources::with_keys(keys);
    for &slot in order {
        Part::Sources.check(slab.try_id(slot).is_some() && is_listed(&slab[slot]))?;
        Part::Sources.check(!core::mem::replace(&mut seen[slot as usize], true))?;
        sources.add(slot, slab[slot].zone().of_sources(), &slab[slot].original);
    }
    Ok(sources)
}

fn restore_expectations(
    saved: &SavedExpectations,
    slab: &Slab,
    known: &Known<'_>,
) -> Result<Expectations, SnapshotError> {
    let by_serial: BTreeMap<u64, u32> = slab.iter().map(|(slot, connection)| (connection.serial, slot)).collect();
    Part::Connection.check(by_serial.len() == slab.live() as usize)?;
    let classes_are_right = saved.waiting.iter().all(|one| usize::from(one.class) < HELPER_CLASSES_MAX);
    Part::Expectations.check(classes_are_right && saved.waiting.len() <= EXPECTATIONS_BOUND as usize)?;
    let master = |serial: u64| {
        let slot = *by_serial.get(&serial)?;
        Some((slab.try_id(slot)?, &slab[slot]))
    };
    Expectations::restore(saved, master, |helper| known.helper(helper))
        .ok_or(SnapshotError::Inconsistent(Part::Expectations))
}

impl ConnectionRecord {
    fn of(slot: u32, connection: &Connection, slab: &Slab, helpers: &HelperNames) -> Self {
        let Connection {
            original,
            reply,
            zone_id,
            changes,
            status,
            mark,
            expires,
            protocol,
            extension,
            serial,
            // Found again by the next packet: how rules let it through.
            walks: _,
            // Where it stands in lists, and its slot's number of uses: they are kept for all slots together.
            place: _,
            generation: _,
            links: _,
        } = connection;
        Self {
            slot,
            original: *original,
            reply: *reply,
            zone: *zone_id,
            changes: *changes,
            status: *status,
            mark: *mark,
            expires: *expires,
            protocol: protocol.clone(),
            counters: slab.counted(slot).unwrap_or_default(),
            began: slab.began(slot),
            extension: extension.as_deref().map(|extension| ExtensionRecord::of(extension, helpers)),
            serial: *serial,
        }
    }

    fn restore(self, serials: u64, known: &Known<'_>) -> Result<Connection, SnapshotError> {
        let in_table = self.status.contains(Status::CONFIRMED) && !self.status.contains(Status::DYING);
        let is_numbered = (1..=serials).contains(&self.serial);
        let is_one_family = self.original.family == self.reply.family && self.original.protocol == self.reply.protocol;
        let reaches = [Status::ZONE_OF_ORIGINAL, Status::ZONE_OF_REPLY];
        let of_one_way = reaches.iter().filter(|bit| self.status.contains(**bit)).count();
        let is_zone_right = of_one_way == 0 || of_one_way == 1 && self.zone != 0;
        Part::Connection.check(in_table && is_numbered && is_one_family && is_zone_right)?;
        Part::Connection.check(is_protocol_right(&self.protocol, self.original.protocol()))?;
        let extension = self.extension.map(|extension| extension.restore(known)).transpose()?;
        let mut connection = Connection::new(self.original, self.reply, Zone::both(self.zone));
        connection.changes = self.changes;
        connection.status = self.status;
        connection.mark = self.mark;
        connection.expires = self.expires;
        connection.protocol = self.protocol;
        connection.extension = extension.map(Into::into);
        connection.serial = self.serial;
        Ok(connection)
    }
}

impl ExtensionRecord {
    fn of(extension: &Extension, helpers: &HelperNames) -> Self {
        let Extension {
            events,
            timeouts,
            labels,
            helper,
            helper_state,
            line_starts,
            master,
            master_tuple,
            moved,
            streams,
        } = extension;
        let moved = moved.as_deref().cloned().unwrap_or_default();
        // One that was unloaded may not have left the connection yet: its name is gone.
        let has_left = helper.is_some_and(|helper| helpers.find(helper).is_none());
        Self {
            events: *events,
            timeouts: *timeouts,
            labels: *labels,
            helper: helper.filter(|_| !has_left),
            helper_state: if has_left { Vec::new() } else { helper_state.clone() },
            line_starts: if has_left { Default::default() } else { *line_starts },
            master: *master,
            master_tuple: *master_tuple,
            adjustments: moved.adjustments,
            rewrites: moved.rewrites,
            streams: streams.save(),
        }
    }

    fn restore(self, known: &Known<'_>) -> Result<Extension, SnapshotError> {
        let is_known = self.helper.is_none_or(|helper| known.helper(helper).is_some());
        Part::Connection.check(is_known && self.helper_state.len() <= usize::from(HELPER_STATE_BYTES_MAX))?;
        let streams_are_right = self.streams.iter().flatten().all(StreamRecord::is_right);
        let moved = Moved { adjustments: self.adjustments, rewrites: self.rewrites };
        Part::Connection.check(streams_are_right && moved.rewrites.iter().all(Rewrites::is_right))?;
        Ok(Extension {
            events: self.events,
            timeouts: self.timeouts,
            labels: self.labels,
            helper: self.helper,
            helper_state: self.helper_state,
            line_starts: self.line_starts,
            master: self.master,
            master_tuple: self.master_tuple,
            moved: (moved != Moved::default()).then(|| Box::new(moved)),
            streams: self.streams.map(Streams::resume).unwrap_or_default(),
        })
    }
}

/// Whether a tracker of that protocol can have left this behind.
fn is_protocol_right(state: &ProtocolState, protocol: Protocol) -> bool {
    match state {
        ProtocolState::Tcp(TcpTracking { seen, last, state: _ }) => {
            let scales = seen.iter().map(|side| side.scale).chain([last.scale]);
            protocol == Protocol::TCP && scales.into_iter().all(|scale| scale <= TCP_SCALE_MAX)
        }
        ProtocolState::Udp { .. } => matches!(protocol, Protocol::UDP | Protocol::UDPLITE),
        ProtocolState::Sctp(_) => protocol == Protocol::SCTP,
        ProtocolState::Icmp => matches!(protocol, Protocol::ICMP | Protocol::ICMPV6),
        ProtocolState::Gre { .. } => protocol == Protocol::GRE,
        ProtocolState::Generic => protocol != Protocol::TCP,
    }
}

/// RFC 7323, section 2.3.
const TCP_SCALE_MAX: u8 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_takes_no_more_memory_than_its_connections_and_tunables_need() {
        let table = [
            // saved             allowed   slots      made
            (262_144, 262_144, 0, 262_144),
            (CONNECTIONS_BOUND, 262_144, 0, 262_144),
            (CONNECTIONS_BOUND, 262_144, 500_000, 500_000),
            (CONNECTIONS_BOUND, 1 << 20, 10, 1 << 20),
            (1000, 262_144, 10, 1000),
        ];
        for (saved, allowed, slots, made) in table {
            assert_eq!(room_of(saved, allowed, slots), made, "{saved} {allowed} {slots}");
        }
    }
}
