//! Where connections lie: chunks that never move, so that growing costs no copy and an identifier stays good.

use alloc::vec::Vec;

use super::{
    beside::{Accounts, Beside},
    conn::{ConnId, Connection, Counter, Status},
    entry::Known,
    tuple::{Direction, Tuple},
    zone::Zone,
};
use crate::{
    time::Instant,
    timer::{Links, NONE, PLACE_NONE, Timed},
};

/// Connections by slot. A slot's generation is odd while it is taken.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Connection>>,
    accounts: Accounts,
    /// When they were confirmed.
    began: Beside<Option<Instant>>,
    /// First free slot, chained by [`Links::next`] like a list of the wheel; `NONE`: none.
    free: Option<u32>,
    live: u32,
}

/// A slot in a snapshot; its generation is odd exactly when it holds a connection.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) generation: u32,
    /// With what it has carried, original and reply, and when it began.
    pub(super) connection: Option<(Connection, [Counter; 2], Option<Instant>)>,
}

/// Marks free slots while they are chained.
const PLACE_CHAINED: u16 = PLACE_NONE - 1;

impl Slab {
    /// A slab with these slots, the first free one of which is used again first; `None` when `free` does not name all free
    /// ones once.
    pub(super) fn restore(slots: impl Iterator<Item = Slot>, free: &[u32]) -> Option<Self> {
        let mut slab = Self::default();
        let mut spare = 0;
        for Slot { generation, connection } in slots {
            spare += usize::from(connection.is_none());
            slab.live += u32::from(connection.is_some());
            let (mut connection, carried, began) = connection.unwrap_or_else(|| {
                (Connection::new(Tuple::default(), Tuple::default(), Zone::DEFAULT), Default::default(), None)
            });
            connection.generation = generation;
            let slot = slab.push(connection);
            slab.accounts.set(slot, carried);
            slab.began.set(slot, began);
        }
        if spare != free.len() {
            return None;
        }
        // Those that are chained already have a successor, so that naming one twice is seen.
        let mut next = NONE;
        for &slot in free.iter().rev() {
            let is_spare = slot < slab.slots() && slab[slot].generation % 2 == 0;
            if !is_spare || slab[slot].place == PLACE_CHAINED {
                return None;
            }
            let connection = &mut slab[slot];
            (connection.links.next, connection.place) = (next, PLACE_CHAINED);
            next = slot;
        }
        free.iter().for_each(|&slot| slab[slot].place = PLACE_NONE);
        slab.free = free.first().copied();
        Some(slab)
    }

    /// The free slots, in the order in which they are used again.
    pub(super) fn free(&self) -> impl Iterator<Item = u32> {
        core::iter::successors(self.free, |&slot| Some(self[slot].links.next).filter(|&next| next != NONE))
    }

    /// How often each slot was taken and freed.
    pub(super) fn generations(&self) -> impl Iterator<Item = u32> {
        self.chunks.iter().flatten().map(|connection| connection.generation)
    }

    /// How many slots are taken.
    pub(super) const fn live(&self) -> u32 {
        self.live
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Connection>() + self.accounts.bytes() + self.began.bytes()
    }

    /// Puts a connection into a slot.
    pub(super) fn insert(&mut self, mut connection: Connection) -> ConnId {
        self.live += 1;
        let slot = match self.free {
            Some(slot) => {
                self.accounts.set(slot, Default::default());
                self.began.set(slot, None);
                let &Connection { links: Links { next, .. }, generation, .. } = &self[slot];
                self.free = (next != NONE).then_some(next);
                connection.generation = generation.wrapping_add(1);
                self[slot] = connection;
                slot
            }
            None => {
                connection.generation = 1;
                self.push(connection)
            }
        };
        self.id(slot)
    }

    fn push(&mut self, connection: Connection) -> u32 {
        let full = self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK);
        if full {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = &mut self.chunks[before / CHUNK];
        chunk.push(connection);
        (before + chunk.len() - 1) as u32
    }

    /// Frees a slot. What the connection held is given back.
    pub(super) fn remove(&mut self, slot: u32) {
        let free = self.free.replace(slot).unwrap_or(NONE);
        let connection = &mut self[slot];
        connection.extension = None;
        connection.generation = connection.generation.wrapping_add(1);
        connection.links = Links { next: free, ..Links::NONE };
        self.live -= 1;
    }

    /// Counts a packet of a connection that [is counted](Status::COUNTED).
    pub(super) fn count(&mut self, slot: u32, direction: Direction, bytes: u64) {
        self.accounts.count(slot, direction, bytes);
    }

    /// Packets and bytes, original and reply, where counting was on when the connection began (Linux v6.18:
    /// `include/net/netfilter/nf_conntrack_acct.h`, `nf_ct_acct_ext_add()`).
    pub(super) fn counted(&self, slot: u32) -> Option<[Counter; 2]> {
        self[slot].status.contains(Status::COUNTED).then(|| self.accounts.get(slot))
    }

    /// Begins to count anew.
    pub(super) fn forget_counted(&mut self, slot: u32) {
        self.accounts.set(slot, Default::default());
    }

    /// Notes when a connection began.
    pub(super) fn set_began(&mut self, slot: u32, now: Instant) {
        self.began.set(slot, Some(now));
    }

    /// When it was confirmed, where that was asked for by then.
    pub(super) fn began(&self, slot: u32) -> Option<Instant> {
        self.began.get(slot)
    }

    /// All that lies beside it.
    pub(super) fn known(&self, slot: u32) -> Known {
        Known { counters: self.counted(slot), began: self.began(slot) }
    }

    /// Reads what a look-up will read of a connection, and what tracking needs after it: a word of each of its cache lines.
    #[inline]
    pub(super) fn touch(&self, slot: u32) -> u64 {
        let connection = &self[slot];
        let [original, expires, serial] =
            [u64::from(connection.original.source_port), connection.expires.as_nanos(), connection.serial];
        original ^ expires ^ serial ^ self.accounts.touch(slot)
    }

    /// The identifier of the connection in that slot.
    pub(super) fn id(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self[slot].generation }
    }

    /// The identifier of the connection in that slot, if there is one.
    pub(super) fn try_id(&self, slot: u32) -> Option<ConnId> {
        let connection = self.chunks.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)?;
        let generation = connection.generation;
        (generation % 2 == 1).then_some(ConnId { slot, generation })
    }

    /// The connection, unless its slot was freed since.
    pub(super) fn get(&self, id: ConnId) -> Option<&Connection> {
        let connection = self.chunks.get(id.slot as usize / CHUNK)?.get(id.slot as usize % CHUNK)?;
        (connection.generation == id.generation).then_some(connection)
    }

    /// The same, to change.
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        let connection = self.chunks.get_mut(id.slot as usize / CHUNK)?.get_mut(id.slot as usize % CHUNK)?;
        (connection.generation == id.generation).then_some(connection)
    }

    /// One more than the highest slot that was ever taken.
    pub(super) fn slots(&self) -> u32 {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len()) as u32
    }

    /// All connections, by slot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        let slots = self.chunks.iter().flatten().enumerate();
        slots.filter(|(_, connection)| connection.generation % 2 == 1).map(|(slot, entry)| (slot as u32, entry))
    }
}

/// A slot that is known to exist.
impl core::ops::Index<u32> for Slab {
    type Output = Connection;

    #[inline(always)]
    fn index(&self, slot: u32) -> &Connection {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }
}

impl core::ops::IndexMut<u32> for Slab {
    #[inline(always)]
    fn index_mut(&mut self, slot: u32) -> &mut Connection {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }
}

/// Connections run out in order of confirmation, those of one deadline.
impl Timed for Connection {
    #[inline]
    fn deadline(&self) -> Instant {
        self.expires
    }

    #[inline]
    fn rank(&self) -> u64 {
        self.serial
    }

    #[inline]
    fn place(&self) -> u16 {
        self.place
    }

    #[inline]
    fn set_place(&mut self, place: u16) {
        self.place = place;
    }

    #[inline]
    fn links(&self) -> Links {
        self.links
    }

    #[inline]
    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// Connections of one chunk: 384 KB.
pub(super) const CHUNK: usize = 2048;
