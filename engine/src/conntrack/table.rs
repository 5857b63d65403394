//! The table: connections, where they are found, and when they run out.

use alloc::vec::Vec;

use super::{
    FlowHint,
    conn::{ConnId, Connection, Lasting, Status, Taken},
    hash::{Hasher, TURNED, in_zone},
    index::Index,
    slab::Slab,
    tuple::{Direction, Tuple},
    zone::{Reach, Zone, ZonesInUse},
};
use crate::{random::Random, time::Instant, timer::Wheel};

/// All connections, confirmed or not.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) hasher: Hasher,
    pub(super) slab: Slab,
    pub(super) index: Index,
    pub(super) wheel: Wheel,
    /// How many connections the index is made for.
    pub(super) room: u32,
    /// In which zones the connections are that are found here.
    pub(super) zones: ZonesInUse,
}

/// What stands at a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A connection, of which it is the tuple in this direction.
    Alive(u32, Direction),
    /// One whose time is over.
    Expired(u32),
}

impl Table {
    /// A table with room for so many connections.
    pub(super) fn new(random: &mut Random, room: u32) -> Self {
        Self {
            hasher: Hasher::new(random),
            slab: Slab::default(),
            index: Index::new(room),
            wheel: Wheel::default(),
            room,
            zones: ZonesInUse::default(),
        }
    }

    /// Makes room for so many connections, and not for more than those and what there is. All that is there is entered anew, about
    /// 0.1 µs each.
    pub(super) fn make_room(&mut self, room: u32) {
        let room = room.max(self.slab.slots());
        if room == self.room {
            return;
        }
        self.room = room;
        self.index = Index::new(room);
        let confirmed = self.slab.iter().filter(|(_, connection)| is_entered(connection));
        for (slot, connection) in confirmed {
            for (hash, direction) in places(&self.hasher, connection).into_iter().flatten() {
                self.index.insert(hash, slot, direction);
            }
        }
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.slab.bytes() + self.index.bytes() + size_of::<Self>()
    }

    /// The tuple's hash in zone 0.
    #[inline]
    pub(super) fn hash(&self, tuple: &Tuple) -> u64 {
        self.hasher.hash(tuple)
    }

    /// What stands at a tuple, be it the original one of a connection or that of its answers; `hash` is its hash in zone 0.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `nf_conntrack_find_get()`.
    #[inline]
    pub(super) fn find(&self, now: Instant, zone: Zone, tuple: &Tuple, hash: u64) -> Option<Found> {
        let found = self.find_as(Direction::Original, now, zone, tuple, hash);
        if zone.reach == Reach::Both {
            found
        } else {
            let is_alive = |found: &Found| matches!(found, Found::Alive(..));
            found.filter(is_alive).or_else(|| {
                let other = self.find_as(Direction::Reply, now, zone, tuple, hash);
                other.filter(is_alive).or(found).or(other)
            })
        }
    }

    /// What stands at a tuple that is one of this direction, or of the other where the zone is the same in both.
    #[inline]
    pub(super) fn find_as(
        &self,
        looked_for: Direction,
        now: Instant,
        zone: Zone,
        tuple: &Tuple,
        hash: u64,
    ) -> Option<Found> {
        let number = zone.of(looked_for);
        let mut standing = self.index.candidates(in_zone(hash, number)).filter(|&(slot, direction)| {
            let connection = &self.slab[slot];
            connection.tuple(direction) == tuple
                && connection.zone_of(direction) == number
                && zone.of(direction) == number
        });
        // Linux finds the newest one first, and passes over those whose time is over.
        let (slot, direction) = match self.zones.has_one_way() {
            false => standing.next(),
            true => standing.max_by_key(|&(slot, _)| (self.slab[slot].expires > now, self.slab[slot].serial)),
        }?;
        Some(if self.slab[slot].expires > now { Found::Alive(slot, direction) } else { Found::Expired(slot) })
    }

    /// Whether nothing can stand at the tuples of a connection, of which these are the hashes in zone 0: they have one place, and nothing
    /// has its tag. Of most new connections this spares two look-ups.
    #[inline]
    pub(super) fn is_free(&self, zone: Zone, hashes: [u64; 2]) -> bool {
        matches!(places_of(hashes, zone), [Some((hash, _)), None] if self.index.candidates(hash).next().is_none())
    }

    /// Enters a connection that is in the slab but not found yet. The hashes are those of its tuples in zone 0.
    pub(super) fn enter(&mut self, now: Instant, slot: u32, hashes: [u64; 2]) {
        let zone = self.slab[slot].zone();
        self.zones.enter(zone);
        for (hash, direction) in places_of(hashes, zone).into_iter().flatten() {
            self.index.insert(hash, slot, direction);
        }
        self.wheel.insert(&mut self.slab, slot, now);
    }

    /// Takes a connection out, so that it is found no more; it stays in the slab.
    pub(super) fn leave(&mut self, slot: u32) {
        self.zones.leave(self.slab[slot].zone());
        for (hash, direction) in places(&self.hasher, &self.slab[slot]).into_iter().flatten() {
            self.index.remove(hash, slot, direction);
        }
        self.wheel.remove(&mut self.slab, slot);
    }

    /// Sets when a connection runs out, as [`Connection::lasts`] does.
    pub(super) fn refresh(&mut self, now: Instant, slot: u32, secs: u32) {
        if self.slab[slot].lasts(now, secs) == Lasting::LessLong {
            self.lowered(now, slot);
        }
    }

    /// Has to be called when a connection runs out earlier than it did.
    #[cold]
    pub(super) fn lowered(&mut self, now: Instant, slot: u32) {
        self.wheel.lowered(&mut self.slab, slot, now);
    }

    /// The slots that have run out, as [`Wheel::expired`] gives them.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<u32> {
        self.wheel.expired(&mut self.slab, now)
    }

    /// When [`Self::expired`] is to be asked next.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// The connections that stand near a tuple: bucket by bucket, from its own on.
    pub(super) fn neighbours(&self, zone: Zone, hash: u64, number: usize) -> Vec<u32> {
        self.index.neighbours(in_zone(hash, zone.of(Direction::Original)), number).map(|(slot, _)| slot).collect()
    }

    /// How many buckets there are.
    pub(super) fn buckets(&self) -> usize {
        self.index.len()
    }

    /// The connection's identifier.
    pub(super) fn id(&self, slot: u32) -> ConnId {
        self.slab.id(slot)
    }

    /// Reads what a look-up of this hash in zone 0 will read first.
    pub(super) fn touch_bucket(&self, hash: u64) -> u32 {
        self.index.touch(hash)
    }

    /// What probably stands at a tuple of this hash in zone 0: the first connection with its tag.
    #[inline(always)]
    pub(super) fn guess(&self, hash: u64) -> Option<FlowHint> {
        self.index.guess(hash).map(|(slot, direction)| FlowHint { slot, direction })
    }

    /// Reads what a look-up will read then, and what tracking needs after it.
    pub(super) fn touch_connection(&self, slot: u32) -> u64 {
        self.slab.touch(slot)
    }

    /// Whether [`Self::find`] finds what was guessed, and its time is not over. A tuple stands in the table once, so that
    /// whatever has it is what is found, unless there are zones of one direction.
    #[inline]
    pub(super) fn is_there(&self, now: Instant, zone: Zone, tuple: &Tuple, hint: FlowHint) -> bool {
        is_at(&self.slab[hint.slot], now, zone, tuple, hint.direction) && !self.zones.has_one_way()
    }

    /// Lets a packet of that many bytes count, and its connection last for so long from now on.
    pub(super) fn take(&mut self, now: Instant, (slot, direction): (u32, Direction), secs: u32, bytes: usize) {
        let taken = self.slab[slot].take(now, direction, secs);
        self.follow(now, (slot, direction), taken, bytes);
    }

    /// What a packet of that many bytes has as a consequence outside of its connection.
    #[inline(always)]
    pub(super) fn follow(&mut self, now: Instant, (slot, direction): (u32, Direction), taken: Taken, bytes: usize) {
        if taken.is_counted {
            self.slab.count(slot, direction, bytes as u64);
        }
        if taken.lasting == Lasting::LessLong {
            self.lowered(now, slot);
        }
    }
}

/// Whether a connection that stands in the table has this tuple in that direction, and its time is not over.
#[inline(always)]
pub(super) fn is_at(connection: &Connection, now: Instant, zone: Zone, tuple: &Tuple, direction: Direction) -> bool {
    connection.tuple(direction) == tuple
        && connection.zone_of(direction) == zone.of(direction)
        && connection.expires > now
        && is_entered(connection)
}

/// Where a connection stands in the index: by which hashes and directions.
pub(super) fn places(hasher: &Hasher, connection: &Connection) -> [Option<(u64, Direction)>; 2] {
    let tuples = [&connection.original, &connection.reply];
    let hash = hasher.hash(tuples[0]);
    places_of([hash, hasher.hash_of_answers(hash, tuples)], connection.zone())
}

/// The same by the hashes of its tuples in zone 0: one place where a look-up for either finds it. What stands at a tuple whose
/// ends are one, and which is its answers' as well, is an answer (Linux v6.18: `net/netfilter/nf_conntrack_core.c`,
/// `__nf_conntrack_hash_insert()`, which puts the reply in front).
#[inline(always)]
fn places_of([original, reply]: [u64; 2], zone: Zone) -> [Option<(u64, Direction)>; 2] {
    let original = in_zone(original, zone.of(Direction::Original));
    let reply = in_zone(reply, zone.of(Direction::Reply));
    let is_one = original | TURNED == reply | TURNED;
    let first = if original == reply { Direction::Reply } else { Direction::Original };
    [Some((original, first)), (!is_one).then_some((reply, Direction::Reply))]
}

/// Whether a connection is found by its tuples.
pub(super) fn is_entered(connection: &Connection) -> bool {
    connection.is_confirmed() && !connection.status.contains(Status::DYING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Protocol;

    const NOW: Instant = Instant::from_secs(100);

    fn tuple(source_port: u16, destination_port: u16) -> Tuple {
        Tuple { source_port, destination_port, protocol: Protocol::UDP.0, ..Tuple::default() }
    }

    /// Enters a connection from port 1 to port 2 that lasts till then, and gives its slot.
    fn enter(table: &mut Table, zone: Zone, expires: u64) -> u32 {
        let mut connection = Connection::new(tuple(1, 2), tuple(2, 1), zone);
        connection.status.insert(Status::CONFIRMED);
        (connection.expires, connection.serial) = (Instant::from_secs(expires), u64::from(table.slab.live()) + 1);
        let hashes = [table.hash(&connection.original), table.hash(&connection.reply)];
        let slot = table.slab.insert(connection).slot;
        table.enter(NOW, slot, hashes);
        slot
    }

    #[test]
    fn a_living_connection_is_found_behind_newer_ones_of_its_tuple_whose_time_is_over() {
        let mut table = Table::new(&mut Random::new(1), 64);
        let old = enter(&mut table, Zone::new(5, Reach::Original), 200);
        enter(&mut table, Zone::new(6, Reach::Original), 100);
        let answer = tuple(2, 1);
        let find = |table: &Table, zone| table.find(NOW, zone, &answer, table.hash(&answer));
        assert_eq!(find(&table, Zone::DEFAULT), Some(Found::Alive(old, Direction::Reply)));
        let newest = enter(&mut table, Zone::new(7, Reach::Original), 200);
        assert_eq!(find(&table, Zone::DEFAULT), Some(Found::Alive(newest, Direction::Reply)));
        // Looked for as that of a zone's original direction and then as one of zone 0.
        for number in [9, 5, 6, 7] {
            assert_eq!(find(&table, Zone::new(number, Reach::Original)), Some(Found::Alive(newest, Direction::Reply)));
        }
    }

    #[test]
    fn a_table_is_made_for_more_or_fewer_connections_and_finds_those_that_there_are() {
        let mut table = Table::new(&mut Random::new(1), 4096);
        let slot = enter(&mut table, Zone::DEFAULT, 200);
        let answer = tuple(2, 1);
        let find = |table: &Table| table.find(NOW, Zone::DEFAULT, &answer, table.hash(&answer));
        let mut made_for = |room| {
            table.make_room(room);
            assert_eq!(find(&table), Some(Found::Alive(slot, Direction::Reply)), "made for {room}");
            table.index.bytes()
        };
        let [few, some, many] = [64, 4096, 65_536].map(&mut made_for);
        assert!(few < some && some < many, "{few}, {some}, {many}");
        assert_eq!(made_for(4096), some);
    }

    #[test]
    fn what_was_guessed_counts_again_when_the_last_connection_of_a_one_way_zone_has_gone() {
        let mut table = Table::new(&mut Random::new(1), 64);
        let plain = enter(&mut table, Zone::DEFAULT, 200);
        let hint = FlowHint { slot: plain, direction: Direction::Original };
        assert!(table.is_there(NOW, Zone::DEFAULT, &tuple(1, 2), hint));
        let one_way = enter(&mut table, Zone::new(5, Reach::Original), 200);
        assert!(!table.is_there(NOW, Zone::DEFAULT, &tuple(1, 2), hint));
        table.leave(one_way);
        assert!(table.is_there(NOW, Zone::DEFAULT, &tuple(1, 2), hint));
    }

    #[test]
    fn a_connection_stands_in_one_place_unless_its_answers_differ_and_is_found_by_both_its_tuples() {
        let to_itself = Tuple { destination_port: 1, ..tuple(1, 1) };
        let [asked, answered] = [0x0800, 0].map(|kind| Tuple { protocol: Protocol::ICMP.0, ..tuple(7, kind) });
        let (both, one_way) = (Zone::both(5), Zone::new(5, Reach::Original));
        let cases = [
            // zone, original and reply           places
            (both, tuple(1, 2), tuple(2, 1), 1),
            (both, tuple(9, 2), tuple(2, 9), 1),
            (both, to_itself, to_itself, 1),
            (both, tuple(1, 2), tuple(2, 5000), 2),
            (both, asked, answered, 2),
            (one_way, tuple(1, 2), tuple(2, 1), 2),
        ];
        for (zone, original, reply, places) in cases {
            let mut table = Table::new(&mut Random::new(1), 64);
            let mut connection = Connection::new(original, reply, zone);
            connection.status.insert(Status::CONFIRMED);
            connection.expires = Instant::from_secs(200);
            let hashes = [&original, &reply].map(|tuple| table.hash(tuple));
            assert_eq!(table.hasher.hash_of_answers(hashes[0], [&original, &reply]), hashes[1]);
            let slot = table.slab.insert(connection).slot;
            table.enter(NOW, slot, hashes);
            assert_eq!(table.index.in_order().count(), places, "{original} and {reply}");
            let find = |table: &Table, tuple: &Tuple| table.find(NOW, zone, tuple, table.hash(tuple));
            let of_original = if original == reply { Direction::Reply } else { Direction::Original };
            assert_eq!(find(&table, &original), Some(Found::Alive(slot, of_original)), "{original}");
            assert_eq!(find(&table, &reply), Some(Found::Alive(slot, Direction::Reply)), "{reply}");
            table.leave(slot);
            assert_eq!((find(&table, &original), table.index.in_order().count()), (None, 0));
        }
    }
}
