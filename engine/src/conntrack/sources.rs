//! Who already sends from where: all connections whose source translation is settled, by their original source.
//!
//! A new connection from the same address and port is translated as the ones before it, so that peers see one mapping
//! (Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_bysource` and `find_appropriate_src()`).
//!
//! ```text
//!  heads: source ──► newest slot        links, by slot:   newest ⇄ older ⇄ oldest
//! ```
//!
//! Why not a list in each entry of the map: one resolver with a fixed port makes thousands of connections; a link costs
//! eight bytes, and entering and leaving touch two of them.
//!
//! Why the map holds hashes and not sources: a million sources would take 60 MB. Two that have the same hash share a list,
//! and who reads it passes over the other's connections.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::{
    Conntrack,
    conn::{ConnId, Connection, Status},
    hash::Hasher,
    tuple::{Address, Direction, Family, Tuple},
    zone::Zone,
};
use crate::random::Random;

/// Connections by their original source, newest first.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    hasher: Hasher,
    heads: HashTable<Head>,
    links: Vec<Link>,
    /// To which address the newest connection was translated whose source has settled; `None`: to none.
    newest_translation: Option<(Address, Family)>,
}

impl Sources {
    pub(super) const fn new(random: &mut Random) -> Self {
        Self::hashing_with(Hasher::new(random))
    }

    /// Makes room for so many connections when the first one is entered, so that nothing has to move while packets wait.
    pub(super) fn make_room(&mut self, connections: u32) {
        if self.heads.capacity() == 0 {
            self.heads.reserve(connections as usize, Head::hash);
            self.links.reserve(connections as usize);
        }
    }

    /// Enters the connection at `slot`. It must not be in the index already.
    pub(super) fn add(&mut self, slot: u32, zone: u16, original: &Tuple) {
        let hash = self.hash(zone, original);
        let index = slot as usize;
        if self.links.len() <= index {
            self.links.resize(index + 1, Link::ALONE);
        }
        let entry = self.heads.entry(hash, |head| head.hash() == hash, Head::hash);
        let head = entry.or_insert(Head { hash: [hash as u32, (hash >> 32) as u32], newest: NONE }).into_mut();
        let older = core::mem::replace(&mut head.newest, slot);
        self.links[index] = Link { newer: NONE, older };
        if let Some(link) = self.links.get_mut(older as usize) {
            link.newer = slot;
        }
    }

    /// Takes the connection at `slot` out. It must have been entered with the same zone and source.
    pub(super) fn remove(&mut self, slot: u32, zone: u16, original: &Tuple) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let Link { newer, older } = core::mem::replace(link, Link::ALONE);
        if let Some(link) = self.links.get_mut(older as usize) {
            link.newer = newer;
        }
        if let Some(link) = self.links.get_mut(newer as usize) {
            link.older = older;
            return;
        }
        let hash = self.hash(zone, original);
        let Ok(mut head) = self.heads.find_entry(hash, |head| head.hash() == hash) else { return };
        if head.get().newest != slot {
            return;
        }
        if older == NONE {
            head.remove();
        } else {
            head.get_mut().newest = older;
        }
    }

    /// An empty one that hashes as another did.
    pub(super) const fn with_keys(keys: [u64; 2]) -> Self {
        Self::hashing_with(Hasher::with_keys(keys))
    }

    const fn hashing_with(hasher: Hasher) -> Self {
        Self { hasher, heads: HashTable::new(), links: Vec::new(), newest_translation: None }
    }

    /// To which address the newest connection was translated whose source has settled; `None`: it was not. It says where
    /// the next one's answers will probably arrive, and nothing that matters.
    pub(super) const fn newest_translation(&self) -> Option<(Address, Family)> {
        self.newest_translation
    }

    /// Looks the source of a tuple up, so that it is near when it is asked for. What it gives says nothing.
    pub(super) fn touch(&self, zone: u16, tuple: &Tuple) -> bool {
        !self.heads.is_empty() && self.of(zone, tuple).next().is_some()
    }

    pub(super) const fn keys(&self) -> [u64; 2] {
        self.hasher.keys()
    }

    /// All slots in an order in which [`Self::add`] makes the same lists again: of one source the oldest first. Slots that are
    /// in no list may be among them.
    pub(super) fn in_order(&self) -> impl Iterator<Item = u32> {
        let oldest = (0..).zip(&self.links).filter(|(_, link)| link.older == NONE);
        oldest.flat_map(|(slot, _)| {
            core::iter::successors(Some(slot), |&slot| self.links.get(slot as usize).map(|link| link.newer))
                .take_while(|&slot| slot != NONE)
        })
    }

    /// The slots of the connections whose original source is that of `tuple`, newest first; there may be others among
    /// them.
    pub(super) fn of(&self, zone: u16, tuple: &Tuple) -> impl Iterator<Item = u32> {
        let hash = self.hash(zone, tuple);
        let head = self.heads.find(hash, |head| head.hash() == hash);
        core::iter::successors(head.map(|head| head.newest), |&slot| {
            self.links.get(slot as usize).map(|link| link.older)
        })
        .take_while(|&slot| slot != NONE)
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.heads.allocation_size() + self.links.capacity() * size_of::<Link>()
    }

    fn hash(&self, zone: u16, tuple: &Tuple) -> u64 {
        self.hasher.hash_of_source(zone, tuple)
    }
}

impl Conntrack {
    /// Remembers where a connection comes from, now that its source's translation is settled.
    pub(crate) fn source_settled(&mut self, id: ConnId) {
        let Some(connection) = self.table.slab.get_mut(id) else { return };
        if !connection.status.contains(Status::SRC_NAT_DONE) {
            connection.status.insert(Status::SRC_NAT_DONE);
            let translation = (connection.reply.destination, connection.reply.family);
            self.sources.newest_translation = connection.status.contains(Status::SRC_NAT).then_some(translation);
            self.sources.make_room(self.table.room);
            self.sources.add(id.slot, connection.zone().of_sources(), &connection.original);
        }
    }

    /// The connections whose source is settled and that come from where `tuple` does, newest first.
    pub(crate) fn coming_from(&self, zone: Zone, tuple: &Tuple) -> impl Iterator<Item = &Connection> {
        let source = |zone, tuple: &Tuple| (zone, tuple.source, tuple.source_port, tuple.protocol, tuple.family);
        let wanted = source(zone.of(Direction::Original), tuple);
        let connections = self.sources.of(zone.of_sources(), tuple).map(|slot| &self.table.slab[slot]);
        connections
            .filter(move |connection| source(connection.zone_of(Direction::Original), &connection.original) == wanted)
    }

    /// Forgets where a connection came from.
    pub(super) fn forget_source(&mut self, slot: u32) {
        let connection = &self.table.slab[slot];
        if connection.status.contains(Status::SRC_NAT_DONE) {
            self.sources.remove(slot, connection.zone().of_sources(), &connection.original);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Head {
    /// The low half and the high one, so that a head takes 12 bytes.
    hash: [u32; 2],
    newest: u32,
}

impl Head {
    fn hash(&self) -> u64 {
        let [low, high] = self.hash;
        u64::from(low) | u64::from(high) << 32
    }
}

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
}

impl Link {
    const ALONE: Self = Self { newer: NONE, older: NONE };
}

/// No slot; slots are bounded by `nf_conntrack_max`, far below.
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tuple(source_port: u16) -> Tuple {
        Tuple { source: Address::v4([192, 168, 1, 10]), source_port, protocol: 17, ..Tuple::default() }
    }

    #[test]
    fn sources_of_other_zones_and_protocols_are_others() {
        let mut sources = Sources::new(&mut Random::new(7));
        sources.add(0, 0, &tuple(5000));
        sources.add(1, 1, &tuple(5000));
        sources.add(2, 0, &Tuple { protocol: 6, ..tuple(5000) });
        assert_eq!(Vec::from_iter(sources.of(0, &tuple(5000))), [0]);
        assert_eq!(Vec::from_iter(sources.of(1, &tuple(5000))), [1]);
        assert_eq!(Vec::from_iter(sources.of(2, &tuple(5000))), [0_u32; 0]);
    }

    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Add(u32, u16),
        Remove(u32),
    }

    proptest! {
        #[test]
        fn the_index_holds_what_was_entered_and_not_taken_out_newest_first(
            seed: u64,
            deeds in proptest::collection::vec(
                prop_oneof![(0_u32..12, 0_u16..3).prop_map(|(slot, port)| Deed::Add(slot, port)), (0_u32..12).prop_map(Deed::Remove)],
                0..60,
            ),
        ) {
            let mut sources = Sources::new(&mut Random::new(seed));
            let mut model: Vec<(u32, u16)> = Vec::new();
            for deed in deeds {
                match deed {
                    Deed::Add(slot, _) if model.iter().any(|entry| entry.0 == slot) => {}
                    Deed::Add(slot, port) => {
                        sources.add(slot, 0, &tuple(port));
                        model.insert(0, (slot, port));
                    }
                    Deed::Remove(slot) => {
                        if let Some(at) = model.iter().position(|entry| entry.0 == slot) {
                            let (_, port) = model.remove(at);
                            sources.remove(slot, 0, &tuple(port));
                        }
                    }
                }
                for port in 0..3 {
                    let expected = Vec::from_iter(model.iter().filter(|entry| entry.1 == port).map(|entry| entry.0));
                    prop_assert_eq!(Vec::from_iter(sources.of(0, &tuple(port))), expected);
                }
            }
        }
    }
}
