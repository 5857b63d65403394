//! From hashes to connections: buckets of one cache line, each with ten places.
//!
//! ```text
//!  bucket   | ten tags of 16 bits | ten references: slot, direction, turned | next |
//! ```
//!
//! A tag is the low end of the hash, so that all but one in 65 536 of the connections that a look-up must not find are
//! passed over without being read. A connection whose answers' hash is its own turned round ([`TURNED`]) stands in one
//! place, from which both of its directions are seen; any other has a place for each. A bucket that is full goes on in
//! another one; at 5.5 places taken of ten, as when all are translated, one bucket in forty does.
//!
//! Why not a table that grows: `nf_conntrack_max` and `nf_conntrack_buckets` say how large it gets, and nothing has to move while packets
//! wait. It takes its memory when the first connection is entered, 6 MB by default, which that one waits for: a host that tracks none
//! needs none, and one that tracks few does with less where both are small.

use alloc::{vec, vec::Vec};

use super::{hash::TURNED, tuple::Direction};

/// Where connections are found.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// [`BUCKETS_MIN`] until the first connection is entered.
    buckets: Vec<Bucket>,
    /// How many there are to be.
    wanted: usize,
    /// Buckets that full ones go on in; number 0 is never used.
    overflow: Vec<Bucket>,
    /// First unused bucket of `overflow`, chained by `next`; 0: none.
    unused: u32,
}

/// One cache line. Places are taken from the first on without a gap.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u16; PLACES],
    references: [Reference; PLACES],
    next: u32,
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// A connection's slot, one of its directions, and whether that one's hash says that it is turned round; the default refers to
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
struct Reference(u32);

impl Reference {
    const DIRECTION: u32 = 1;
    const TURNED: u32 = 2;
    const SLOT_SHIFT: u32 = 2;

    const fn new(hash: u64, slot: u32, direction: Direction) -> Self {
        let turned = if hash & TURNED == 0 { 0 } else { Self::TURNED };
        Self((slot + 1) << Self::SLOT_SHIFT | turned | direction.index() as u32)
    }

    /// The slot, and the direction that stands here.
    const fn get(self) -> Option<(u32, Direction)> {
        let direction = if self.0 & Self::DIRECTION == 0 { Direction::Original } else { Direction::Reply };
        match (self.0 >> Self::SLOT_SHIFT).checked_sub(1) {
            Some(slot) => Some((slot, direction)),
            None => None,
        }
    }

    /// The slot, and the direction that a tuple of this hash would have: the other one when one of both is turned round.
    #[inline]
    const fn seen_by(self, hash: u64) -> Option<(u32, Direction)> {
        Self(self.0 ^ (self.0 >> 1 ^ (hash >> TURNED.trailing_zeros()) as u32) & Self::DIRECTION).get()
    }
}

impl Index {
    /// An index for at most `connections` connections; more fit, but are found more slowly.
    pub(super) fn new(connections: u32) -> Self {
        let buckets = (connections as usize * 2 * 2).div_ceil(FILL_TIMES_2).max(BUCKETS_MIN);
        Self { buckets: vec![Bucket::default(); BUCKETS_MIN], wanted: buckets, overflow: Vec::new(), unused: 0 }
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        (self.buckets.len() + self.overflow.capacity()) * size_of::<Bucket>()
    }

    /// How many buckets there are, without those that full ones go on in.
    pub(super) const fn len(&self) -> usize {
        self.wanted
    }

    /// Reads the bucket's line, so that it is near when it is looked at. What it gives says nothing.
    pub(super) fn touch(&self, hash: u64) -> u32 {
        self.buckets[self.bucket(hash)].next
    }

    /// The connections whose tag is that of `hash`, and the direction of which a tuple of this hash is the tuple, if any.
    #[inline]
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = (u32, Direction)> {
        let tag = hash as u16;
        let mut bucket = &self.buckets[self.bucket(hash)];
        let mut hits = bucket.hits(tag);
        core::iter::from_fn(move || {
            loop {
                if hits != 0 {
                    let place = place_of(hits.trailing_zeros());
                    hits &= hits - 1;
                    if let Some(found) = bucket.references.get(place)?.seen_by(hash) {
                        return Some(found);
                    }
                } else if bucket.next != 0 {
                    bucket = self.overflow.get(bucket.next as usize)?;
                    hits = bucket.hits(tag);
                } else {
                    return None;
                }
            }
        })
    }

    /// One of them, which is the only one of nearly all that are looked for.
    #[inline(always)]
    pub(super) fn guess(&self, hash: u64) -> Option<(u32, Direction)> {
        let bucket = &self.buckets[self.bucket(hash)];
        // Most stand in the first places.
        let hits = bucket.hits_of_first(hash as u16);
        if hits != 0
            && let Some(found) = bucket.references[(hits.trailing_zeros() / 16) as usize].seen_by(hash)
        {
            return Some(found);
        }
        let hits = bucket.hits(hash as u16);
        let first = if hits == 0 { None } else { bucket.references[place_of(hits.trailing_zeros())].seen_by(hash) };
        if first.is_some() || hits == 0 && bucket.next == 0 { first } else { self.first_of_many(hash) }
    }

    #[cold]
    fn first_of_many(&self, hash: u64) -> Option<(u32, Direction)> {
        self.candidates(hash).next()
    }

    /// All connections of the `number`th bucket after that of `hash`, going round.
    pub(super) fn neighbours(&self, hash: u64, number: usize) -> impl Iterator<Item = (u32, Direction)> {
        let bucket = (self.bucket(hash) + number) % self.buckets.len();
        self.chain(bucket).flat_map(|bucket| bucket.references.iter().filter_map(|reference| reference.get()))
    }

    /// All places that are taken, bucket by bucket: entered in this order into an empty index for as many connections,
    /// everything is found in the same order again.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (u32, Direction)> {
        let buckets = (0..self.buckets.len()).flat_map(|bucket| self.chain(bucket));
        buckets.flat_map(|bucket| bucket.references.iter().filter_map(|reference| reference.get()))
    }

    /// Enters one direction of a connection.
    pub(super) fn insert(&mut self, hash: u64, slot: u32, direction: Direction) {
        if self.buckets.len() != self.wanted {
            // Until now nothing stands in them.
            self.buckets = vec![Bucket::default(); self.wanted];
        }
        let mut at = Place::Home(self.bucket(hash));
        loop {
            let bucket = self.at_mut(at);
            if let Some(place) = bucket.references.iter().position(|other| other.get().is_none()) {
                bucket.tags[place] = hash as u16;
                bucket.references[place] = Reference::new(hash, slot, direction);
                return;
            }
            at = match bucket.next {
                0 => {
                    let fresh = self.fresh();
                    self.at_mut(at).next = fresh;
                    Place::Overflow(fresh)
                }
                next => Place::Overflow(next),
            };
        }
    }

    /// An unused bucket that a full one can go on in.
    fn fresh(&mut self) -> u32 {
        match self.unused {
            0 => {
                let fresh = self.overflow.len().max(1);
                self.overflow.resize(fresh + 1, Bucket::default());
                fresh as u32
            }
            unused => {
                self.unused = core::mem::take(&mut self.at_mut(Place::Overflow(unused)).next);
                unused
            }
        }
    }

    /// Takes one direction of a connection out; the last place of the chain moves into the gap.
    pub(super) fn remove(&mut self, hash: u64, slot: u32, direction: Direction) {
        let home = self.bucket(hash);
        let reference = Reference::new(hash, slot, direction);
        let (mut at, mut gap) = (Place::Home(home), None);
        let mut before_last = None;
        let last = loop {
            let bucket = self.at(at);
            if let Some(place) = bucket.references.iter().position(|&other| other == reference) {
                gap = Some((at, place));
            }
            if bucket.next == 0 {
                break at;
            }
            before_last = Some(at);
            at = Place::Overflow(bucket.next);
        };
        let Some((gap, place)) = gap else { return };
        let end = self.at(last).taken() - 1;
        let (tag, moved) = (self.at(last).tags[end], self.at(last).references[end]);
        let bucket = self.at_mut(gap);
        (bucket.tags[place], bucket.references[place]) = (tag, moved);
        let bucket = self.at_mut(last);
        (bucket.tags[end], bucket.references[end]) = (0, Reference::default());
        if let (0, Place::Overflow(number), Some(before)) = (end, last, before_last) {
            self.at_mut(before).next = 0;
            self.at_mut(last).next = core::mem::replace(&mut self.unused, number);
        }
    }

    fn chain(&self, bucket: usize) -> impl Iterator<Item = &Bucket> {
        core::iter::successors(self.buckets.get(bucket), |bucket| match bucket.next {
            0 => None,
            next => self.overflow.get(next as usize),
        })
    }

    fn bucket(&self, hash: u64) -> usize {
        bucket_of(hash, self.buckets.len())
    }

    fn at(&self, place: Place) -> &Bucket {
        match place {
            Place::Home(bucket) => &self.buckets[bucket],
            Place::Overflow(bucket) => &self.overflow[bucket as usize],
        }
    }

    fn at_mut(&mut self, place: Place) -> &mut Bucket {
        match place {
            Place::Home(bucket) => &mut self.buckets[bucket],
            Place::Overflow(bucket) => &mut self.overflow[bucket as usize],
        }
    }
}

impl Bucket {
    /// One bit for each place with that tag, as [`place_of`] reads it; empty places may be among them.
    #[inline]
    fn hits(&self, tag: u16) -> u64 {
        let (words, last) = self.tags.as_chunks::<LANES>();
        let &[first, second] = words else { return 0 };
        let &[i, j] = last else { return 0 };
        // Where there is no place there is a tag that is none.
        let none = !tag;
        equal(first, tag) >> 15 | equal(second, tag) >> 14 | equal([i, j, none, none], tag) >> 13
    }

    /// Those of the first four places.
    #[inline(always)]
    fn hits_of_first(&self, tag: u16) -> u64 {
        let &[a, b, c, d, ..] = &self.tags;
        equal([a, b, c, d], tag) >> 15
    }

    fn taken(&self) -> usize {
        self.references.iter().filter(|reference| reference.get().is_some()).count()
    }
}

/// The highest bit of each lane of 16 bits that holds the tag: four places at once.
#[inline(always)]
fn equal([a, b, c, d]: [u16; LANES], tag: u16) -> u64 {
    const HIGHEST: u64 = 0x8000_8000_8000_8000;
    let word = u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48;
    let wanted = u64::from(tag) * 0x0001_0001_0001_0001;
    let differs = word ^ wanted;
    !(((differs & !HIGHEST) + !HIGHEST) | differs) & HIGHEST
}

/// The place that a bit of [`Bucket::hits`] stands for.
const fn place_of(bit: u32) -> usize {
    (bit / 16) as usize + LANES * (bit % 16) as usize
}

/// Tags of one 64-bit word.
const LANES: usize = 4;

/// Where a bucket lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    Home(usize),
    Overflow(u32),
}

/// The high half of the hash, scaled to the number of buckets; the low end is the tag.
const fn bucket_of(hash: u64, buckets: usize) -> usize {
    (((hash >> 32) * buckets as u64) >> 32) as usize
}

/// Places of one bucket.
const PLACES: usize = 10;

/// Twice the places of a bucket that are taken on average when the table is full: 5.5 of ten.
const FILL_TIMES_2: usize = 11;

/// Buckets of the smallest index.
const BUCKETS_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Insert(u64, Direction),
        Remove(usize),
    }

    /// Few hashes, so that buckets run over; some of them turned round.
    fn hashes() -> impl Iterator<Item = u64> {
        (0_u64..3).flat_map(|hash| [hash << 33 | hash, hash << 33 | hash | TURNED])
    }

    #[test]
    fn an_index_takes_its_memory_when_the_first_connection_is_entered() {
        let mut index = Index::new(100_000);
        let (len, before) = (index.len(), index.bytes());
        assert_eq!((index.guess(7), before), (None, BUCKETS_MIN * 64));
        index.insert(7, 1, Direction::Original);
        assert_eq!((index.guess(7), index.len()), (Some((1, Direction::Original)), len));
        assert_eq!(index.bytes(), len * 64);
    }

    proptest! {
        #[test]
        fn whatever_was_entered_and_not_taken_out_is_found_and_from_the_other_side_as_the_other_direction(
            deeds in proptest::collection::vec(
                prop_oneof![
                    3 => (0_usize..6, any::<bool>()).prop_map(|(at, is_reply)| {
                        let direction = if is_reply { Direction::Reply } else { Direction::Original };
                        Deed::Insert(hashes().nth(at).unwrap(), direction)
                    }),
                    1 => (0_usize..200).prop_map(Deed::Remove),
                ],
                0..200,
            )
        ) {
            let mut index = Index::new(1);
            let mut model: Vec<(u64, u32, Direction)> = Vec::new();
            for (slot, deed) in (0..).zip(deeds) {
                match deed {
                    Deed::Insert(hash, direction) => {
                        index.insert(hash, slot, direction);
                        model.push((hash, slot, direction));
                    }
                    Deed::Remove(at) if at < model.len() => {
                        let (hash, slot, direction) = model.swap_remove(at);
                        index.remove(hash, slot, direction);
                    }
                    Deed::Remove(_) => {}
                }
                for hash in hashes() {
                    let seen = |&(entered, slot, direction): &(u64, u32, Direction)| match entered ^ hash {
                        0 => Some((slot, direction.index())),
                        TURNED => Some((slot, direction.opposite().index())),
                        _ => None,
                    };
                    let mut found: Vec<_> =
                        index.candidates(hash).map(|(slot, direction)| (slot, direction.index())).collect();
                    let mut expected: Vec<_> = model.iter().filter_map(seen).collect();
                    found.sort_unstable();
                    expected.sort_unstable();
                    let guessed = index.guess(hash).map(|(slot, direction)| (slot, direction.index()));
                    prop_assert!(guessed.map_or(expected.is_empty(), |guess| expected.contains(&guess)));
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
