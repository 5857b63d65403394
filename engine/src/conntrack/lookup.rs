//! Finding connections, and listing them.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    Conntrack, Expectations, FlowHash, FlowHint, FlowKey, HelperId,
    calling::Remembered,
    conn::{ConnId, Connection, Counter, Status},
    entry::{Entry, HelperNames},
    hash::Hasher,
    mappings::Mappings,
    sources::Sources,
    statistics::Statistics,
    table::{Found, Table},
    timeout_policy::TimeoutPolicies,
    tuple::{Direction, Tuple},
    zone::Zone,
};
use crate::{limits::CONNECTIONS_MAX, packet::Packet, random::Random, time::Instant};

impl Conntrack {
    /// An empty table whose hash is keyed by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            table: Table::new(&mut random, CONNECTIONS_MAX),
            expectations: Expectations::default(),
            sources: Sources::new(&mut random),
            mappings: Mappings::default(),
            remembered: Remembered::default(),
            announced: BTreeMap::new(),
            dying: Vec::new(),
            serials: 0,
            statistics: Statistics::default(),
            helper_names: HelperNames::default(),
            timeout_policies: TimeoutPolicies::default(),
        }
    }

    /// Notes by what a packet's connection is found, unless that has been noted; nothing when it belongs to none.
    #[inline(always)]
    pub(super) fn note_flow(&self, packet: &mut Packet) {
        if packet.meta().flow.is_some() {
            return;
        }
        // Of most packets without a tuple in between that lies in memory.
        match Tuple::of_plain(packet) {
            Some(tuple) => packet.meta_mut().flow = Some(self.key(tuple)),
            None => self.note_other_flow(packet),
        }
    }

    #[inline(never)]
    fn note_other_flow(&self, packet: &mut Packet) {
        packet.meta_mut().flow = Tuple::of_other(packet).map(|tuple| self.key(tuple));
    }

    /// Notes by what the connection of a packet is found whose frame says which one that is ([`crate::Frame::flow`]).
    #[inline]
    pub(crate) fn note_said(&self, packet: &mut Packet, (id, direction): (ConnId, Direction)) {
        if self.connection(id).is_none() {
            return;
        }
        let hint = Some(FlowHint { slot: id.slot, direction });
        let key = |tuple| FlowKey { tuple, hash: FlowHash::UNKNOWN, hint };
        match Tuple::of_plain(packet) {
            Some(tuple) => packet.meta_mut().flow = Some(key(tuple)),
            None => packet.meta_mut().flow = Tuple::of_other(packet).map(key),
        }
    }

    /// By what the connection at a tuple is found, for [`Self::find_by`].
    #[must_use]
    #[inline(always)]
    pub fn key(&self, tuple: Tuple) -> FlowKey {
        FlowKey { tuple, hash: FlowHash(self.table.hash(&tuple)), hint: None }
    }

    /// By what the connection is found whose answers have the tuple of this key; `None` where nothing answers such a packet.
    /// It costs next to nothing where the answers' tuple is this one with its ends exchanged.
    #[must_use]
    pub fn key_of_answered(&self, key: &FlowKey) -> Option<FlowKey> {
        let tuple = key.tuple.inverted()?;
        if tuple == key.tuple {
            return Some(*key);
        }
        if key.hash == FlowHash::UNKNOWN || !tuple.is_turned(&key.tuple) {
            return Some(self.key(tuple));
        }
        let hint = key.hint.map(|hint| FlowHint { direction: hint.direction.opposite(), ..hint });
        Some(FlowKey { tuple, hash: FlowHash(Hasher::hash_of_turned(key.hash.0, &tuple)), hint })
    }

    /// The connection of that identifier; `None` when it is gone.
    #[must_use]
    pub fn connection(&self, id: ConnId) -> Option<&Connection> {
        self.table.slab.get(id)
    }

    /// The same, to change.
    pub fn connection_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        self.table.slab.get_mut(id)
    }

    /// The packets and bytes of a connection, original and reply, where counting was on when it began
    /// (`net.netfilter.nf_conntrack_acct`); they wrap.
    #[must_use]
    pub fn counted(&self, id: ConnId) -> Option<[Counter; 2]> {
        self.connection(id)?;
        self.table.slab.counted(id.slot)
    }

    /// The connection in the table that has this tuple, and in which direction.
    #[must_use]
    pub fn find(&self, now: Instant, zone: Zone, tuple: &Tuple) -> Option<(ConnId, Direction)> {
        self.find_by(now, zone, &self.key(*tuple))
    }

    /// The same by a key that was made before, and perhaps prepared with [`Self::look_ahead`].
    #[must_use]
    #[inline]
    pub fn find_by(&self, now: Instant, zone: Zone, key: &FlowKey) -> Option<(ConnId, Direction)> {
        let FlowKey { tuple, hash, hint } = key;
        if let Some(hint) = hint.filter(|hint| self.table.is_there(now, zone, tuple, *hint)) {
            return Some((self.table.id(hint.slot), hint.direction));
        }
        self.alive(self.table.find(now, zone, tuple, hash.or_else(|| self.table.hash(tuple)))?)
    }

    /// Whether there are connections in other zones than 0.
    #[must_use]
    #[inline]
    pub fn has_zones(&self) -> bool {
        self.table.zones.are_used()
    }

    /// In which zones other than 0 there are connections: their numbers, in order.
    pub fn zones(&self) -> impl Iterator<Item = u16> {
        self.table.zones.numbers()
    }

    /// The connection in the table that stands in the way of one of this zone whose answers come with this tuple.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `nf_conntrack_tuple_taken()`.
    #[must_use]
    pub fn find_answered(&self, now: Instant, zone: Zone, tuple: &Tuple) -> Option<(ConnId, Direction)> {
        self.alive(self.table.find_as(Direction::Reply, now, zone, tuple, self.table.hash(tuple))?)
    }

    fn alive(&self, found: Found) -> Option<(ConnId, Direction)> {
        match found {
            Found::Alive(slot, direction) => Some((self.table.id(slot), direction)),
            Found::Expired(_) => None,
        }
    }

    /// Whether another connection than `ignoring` has this tuple, unless it is the same flow. Counts those that have.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `nf_conntrack_tuple_taken()`.
    pub fn is_taken(&mut self, now: Instant, tuple: &Tuple, ignoring: ConnId) -> bool {
        let Some(ignored) = self.connection(ignoring) else { return false };
        let taken = self.find_answered(now, ignored.zone(), tuple).is_some_and(|(id, _)| {
            id != ignoring && self.connection(id).is_some_and(|other| other.original != ignored.original)
        });
        self.statistics.found += u64::from(taken);
        taken
    }

    /// One more than the highest slot that was ever in use: where a walk over all slots ends.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.table.slab.slots()
    }

    /// The serial number of the connection that came last; 0: none has come.
    #[must_use]
    pub const fn newest_serial(&self) -> u64 {
        self.serials
    }

    /// The connection in that slot, if it is in use.
    #[must_use]
    pub fn in_slot(&self, slot: u32) -> Option<(ConnId, &Connection)> {
        let id = self.table.slab.try_id(slot)?;
        Some((id, self.connection(id)?))
    }

    /// A connection of the table, with all there is to show.
    #[must_use]
    pub fn entry(&self, now: Instant, id: ConnId) -> Option<Entry> {
        let connection = self.connection(id).filter(|connection| is_listed(connection, now))?;
        Some(self.listed(now, id.slot, connection))
    }

    fn listed(&self, now: Instant, slot: u32, connection: &Connection) -> Entry {
        let uses = Some(1 + self.announced.get(&slot).copied().unwrap_or_default());
        Entry { uses, ..Entry::listed(connection, self.table.slab.known(slot), now, self.names()) }
    }

    /// What listings call helpers and timeout policies.
    const fn names(&self) -> (&HelperNames, &TimeoutPolicies) {
        (&self.helper_names, &self.timeout_policies)
    }

    /// All connections of the table, in the order in which they came.
    #[must_use]
    pub fn entries(&self, now: Instant) -> Vec<Entry> {
        let listed = self.table.slab.iter().filter(|(_, connection)| is_listed(connection, now));
        let mut entries: Vec<Entry> = listed.map(|(slot, connection)| self.listed(now, slot, connection)).collect();
        entries.sort_unstable_by_key(|entry| entry.serial);
        entries
    }

    /// What is expected.
    #[must_use]
    pub const fn expectations(&self) -> &Expectations {
        &self.expectations
    }

    /// What is expected, to change.
    pub(crate) const fn expectations_mut(&mut self) -> &mut Expectations {
        &mut self.expectations
    }

    /// How many connections there are, unconfirmed ones included.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.table.slab.live() - self.dying.len() as u32
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes taken by connections, the table, and what NAT remembers of sources; extensions aside.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.sources.bytes()
    }

    /// What has been counted.
    #[must_use]
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Says what a helper is called in listings and events.
    pub fn set_helper_name(&mut self, helper: HelperId, name: &str) {
        self.helper_names.set(helper, name);
    }

    /// What a helper is called.
    #[must_use]
    pub fn helper_name(&self, helper: HelperId) -> Option<&str> {
        self.helper_names.find(helper)
    }

    /// Timeouts that rules give to connections.
    #[must_use]
    pub const fn timeout_policies(&self) -> &TimeoutPolicies {
        &self.timeout_policies
    }

    /// The same, to change.
    pub(crate) const fn timeout_policies_mut(&mut self) -> &mut TimeoutPolicies {
        &mut self.timeout_policies
    }

    /// Takes other policies; connections go on with those of the same name, family and protocol, or else with the tunables.
    pub(crate) fn replace_timeout_policies(&mut self, policies: TimeoutPolicies) {
        let before = core::mem::replace(&mut self.timeout_policies, policies);
        let numbers: Vec<_> = before.iter().map(|(_, known)| self.timeout_policies.same_as(known)).collect();
        for slot in 0..self.slots() {
            let Some(id) = self.table.slab.try_id(slot) else { continue };
            if let Some(extension) = self.table.slab.get_mut(id).and_then(|connection| connection.extension.as_mut()) {
                extension.timeouts = extension.timeouts.and_then(|id| *numbers.get(usize::from(id.0))?);
            }
        }
    }

    /// When something may run out next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match (self.table.next_timeout(), self.expectations.next_timeout()) {
            (Some(of_a_connection), Some(of_an_expectation)) => Some(of_a_connection.min(of_an_expectation)),
            (one, other) => one.or(other),
        }
    }
}

fn is_listed(connection: &Connection, now: Instant) -> bool {
    connection.is_confirmed() && !connection.status.contains(Status::DYING) && connection.expires > now
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conntrack::{Address, Family};

    proptest! {
        #[test]
        fn the_key_of_what_a_packet_answers_finds_what_its_tuple_inverted_finds(
            ends: [[u8; 16]; 2],
            ports: [u16; 2],
            protocol in prop_oneof![Just(1_u8), Just(6), Just(17), Just(47)],
            is_v6: bool,
            is_to_itself: bool,
        ) {
            let [mut source, destination] = match is_v6 {
                true => ends.map(Address),
                false => ends.map(|[a, b, c, d, ..]| Address::v4([a, b, c, d])),
            };
            let [mut source_port, destination_port] = ports;
            if is_to_itself {
                (source, source_port) = (destination, destination_port);
            }
            let family = if is_v6 { Family::Ipv6 } else { Family::Ipv4 };
            let answer = Tuple { source, destination, source_port, destination_port, protocol, family };
            let mut conntrack = Conntrack::new(7);
            let answered = answer.inverted();
            if let Some(original) = answered {
                // A translated connection: its answers arrive elsewhere.
                let mut connection = Connection::new(original, Tuple { destination_port: 9, ..answer }, Zone::DEFAULT);
                connection.status.insert(Status::CONFIRMED);
                connection.expires = Instant::from_secs(9);
                let hashes = [&connection.original, &connection.reply].map(|tuple| conntrack.table.hash(tuple));
                let slot = conntrack.table.slab.insert(connection).slot;
                conntrack.table.enter(Instant::ZERO, slot, hashes);
            }
            let mut keys = [Some(conntrack.key(answer))];
            conntrack.look_ahead(&mut keys);
            let found = |key: FlowKey| conntrack.find_by(Instant::ZERO, Zone::DEFAULT, &key);
            let by_key = keys[0].and_then(|key| conntrack.key_of_answered(&key)).and_then(found);
            prop_assert_eq!(by_key, answered.and_then(|tuple| found(conntrack.key(tuple))));
            prop_assert_eq!(by_key.is_some(), answered.is_some());
        }
    }
}
