//! All sockets, and how a packet finds its own: by both ends first, then by the local one alone (Linux v6.18:
//! `include/net/inet_hashtables.h`, `__inet_lookup()`).

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::net::{IpAddr, SocketAddr};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::{Family, Readiness, again::Remains, datagram::Datagram, options::Options};
use crate::{
    limits::SOCKETS_MAX,
    packet::Packet,
    random::Random,
    tcp::{
        Ends,
        connection::Connection,
        destinations::{Destinations, DestinationsRecord},
        fastopen::{FastOpen, FastOpenRecord},
        listen::{Listener, Request},
        memory::Memory,
        secrets::Secrets,
        time_wait::TimeWait,
        work::Challenges,
    },
    time::Instant,
    timer::Timers,
    wire::Protocol,
};

/// A socket's handle: its place, and which of those that had it. A handle of a socket that was closed finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SocketId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// He takes what comes to every address.
    pub(crate) is_wildcard: bool,
    /// What he has set with `SO_MARK`; `None`: it is only a request for a connection, or what is left of one.
    pub(crate) mark: Option<u32>,
}

/// All sockets of an engine.
#[derive(Debug)]
pub struct Sockets {
    pub(super) slots: Vec<Slot>,
    free: Vec<u32>,
    /// Connections, requests and what is left of connections, by both ends.
    by_ends: HashTable<(u64, u32)>,
    /// Sockets that were bound or listen, by protocol and local port.
    bound: BTreeMap<(u8, u16), Vec<u32>>,
    /// How many connections use a local port, besides those that are bound to it.
    pub(super) used: BTreeMap<u16, u32>,
    /// One timer a place.
    timers: Timers,
    /// Sockets that have become ready for something, in that order.
    ready: VecDeque<u32>,
    pub(crate) secrets: Secrets,
    pub(crate) random: Random,
    pub(crate) challenges: Challenges,
    pub(crate) fast_open: FastOpen,
    /// What is remembered of other hosts.
    pub(crate) destinations: Destinations,
    /// ICMP errors about what no connection has in flight (`OutOfWindowIcmps`).
    pub(super) strange_errors: u64,
    /// What all connections hold together.
    pub(crate) memory: Memory,
    /// Where the next search for a port starts, by a hash of the peer (RFC 6056, section 3.3.4).
    pub(super) port_steps: [u32; 64],
    /// Packets that sockets have sent and that have not set out yet.
    pub(crate) outbox: Vec<Packet>,
    /// Connections in TIME_WAIT.
    pub(crate) time_waits: u32,
    /// How many have begun to listen.
    pub(super) listeners: u64,
}

#[derive(Debug)]
pub(super) struct Slot {
    generation: u32,
    pub(super) entry: Entry,
    is_in_ready: bool,
}

/// What a place of the table holds.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Nothing.
    Free,
    /// A stream socket that does nothing yet.
    Idle(Box<Idle>),
    /// A socket that listens.
    Listener(Box<Listener>),
    /// A connection.
    Connection(Box<Connection>),
    /// A handshake.
    Request(Box<Request>),
    /// What is left of a connection.
    TimeWait(Box<TimeWait>),
    /// A datagram socket.
    Datagram(Box<Datagram>),
}

impl Entry {
    /// The datagram socket, if it is one.
    pub(super) fn datagram(&self) -> Option<&Datagram> {
        if let Self::Datagram(datagram) = self { Some(datagram) } else { None }
    }

    /// The same, to change.
    pub(super) fn datagram_mut(&mut self) -> Option<&mut Datagram> {
        if let Self::Datagram(datagram) = self { Some(datagram) } else { None }
    }
}

/// Keys and chance of an engine's sockets.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SocketsRecord {
    keys: [u64; 2],
    random: Random,
    port_steps: Vec<u32>,
    fast_open: FastOpenRecord,
    destinations: DestinationsRecord,
}

/// A stream socket that is neither connected nor listens.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    pub(crate) family: Family,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) options: Options,
    pub(super) remains: Option<Remains>,
}

impl Sockets {
    /// None yet; keys are drawn from a generator of their own, so that other draws stay what they were.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ OWN_SEED);
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_ends: HashTable::new(),
            bound: BTreeMap::new(),
            used: BTreeMap::new(),
            timers: Timers::default(),
            ready: VecDeque::new(),
            secrets: Secrets::new(&mut random),
            random,
            challenges: Challenges::default(),
            fast_open: FastOpen::default(),
            destinations: Destinations::default(),
            strange_errors: 0,
            memory: Memory::default(),
            port_steps: [0; 64],
            outbox: Vec::new(),
            time_waits: 0,
            listeners: 0,
        }
    }

    /// What a snapshot holds of them: keys, chance, and what is remembered of other hosts, so that what is opened then gets the same numbers.
    pub(crate) fn record(&self) -> SocketsRecord {
        SocketsRecord {
            keys: self.secrets.keys(),
            random: self.random.clone(),
            port_steps: self.port_steps.to_vec(),
            fast_open: self.fast_open.record(),
            destinations: self.destinations.record(),
        }
    }

    /// None, with the keys and the chance of a snapshot; `None` when what it knows of other hosts cannot be.
    pub(crate) fn restore(record: SocketsRecord) -> Option<Self> {
        let SocketsRecord { keys, random, port_steps, fast_open, destinations } = record;
        let port_steps = port_steps.try_into().unwrap_or([0; 64]);
        let fast_open = FastOpen::restore(fast_open);
        let destinations = Destinations::restore(destinations)?;
        let secrets = Secrets::with_keys(keys);
        Some(Self { secrets, random, port_steps, fast_open, destinations, ..Self::new(0) })
    }

    /// Puts something into a free place; `None` when there are too many.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize].entry = entry;
            return Some(index);
        }
        if self.slots.len() >= SOCKETS_MAX {
            return None;
        }
        self.slots.push(Slot { generation: 1, entry, is_in_ready: false });
        Some(self.slots.len() as u32 - 1)
    }

    /// Takes what a place holds out of it; its handle finds nothing any more.
    pub(crate) fn remove(&mut self, index: u32) -> Entry {
        let Some(slot) = self.slots.get_mut(index as usize) else { return Entry::Free };
        self.timers.cancel(index);
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        core::mem::replace(&mut slot.entry, Entry::Free)
    }

    pub(crate) fn id(&self, index: u32) -> SocketId {
        let generation = self.slots.get(index as usize).map_or(0, |slot| slot.generation);
        SocketId { index, generation }
    }

    /// The place of a handle.
    pub(crate) fn index(&self, id: SocketId) -> Option<u32> {
        let slot = self.slots.get(id.index as usize)?;
        let is_held = match &slot.entry {
            Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => false,
            Entry::Connection(connection) => !connection.is_orphan,
            Entry::Datagram(datagram) => datagram.is_held(),
            Entry::Idle(_) | Entry::Listener(_) => true,
        };
        (slot.generation == id.generation && is_held).then_some(id.index)
    }

    pub(crate) fn entry(&self, index: u32) -> &Entry {
        self.slots.get(index as usize).map_or(&Entry::Free, |slot| &slot.entry)
    }

    pub(crate) fn entry_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.slots.get_mut(index as usize).map(|slot| &mut slot.entry)
    }

    pub(crate) fn replace(&mut self, index: u32, entry: Entry) -> Entry {
        self.slots.get_mut(index as usize).map_or(Entry::Free, |slot| core::mem::replace(&mut slot.entry, entry))
    }

    /// How many places there are.
    pub(crate) const fn places(&self) -> u32 {
        self.slots.len() as u32
    }

    /// How many places are taken.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn ends_of(entry: &Entry) -> Option<&Ends> {
        match entry {
            Entry::Connection(connection) => Some(&connection.ends),
            Entry::Request(request) => Some(&request.ends),
            Entry::TimeWait(rest) => Some(&rest.ends),
            Entry::Free | Entry::Idle(_) | Entry::Listener(_) | Entry::Datagram(_) => None,
        }
    }

    /// What has these ends.
    pub(crate) fn find(&self, ends: &Ends) -> Option<u32> {
        let hash = self.secrets.hash(ends);
        let is_it = |&(known, index): &(u64, u32)| known == hash && Self::ends_of(self.entry(index)) == Some(ends);
        self.by_ends.find(hash, is_it).map(|(_, index)| *index)
    }

    /// Lets a place be found by its ends.
    pub(crate) fn link(&mut self, index: u32) {
        let Some(ends) = Self::ends_of(self.entry(index)).copied() else { return };
        let hash = self.secrets.hash(&ends);
        self.by_ends.insert_unique(hash, (hash, index), |(hash, _)| *hash);
        *self.used.entry(ends.local.port()).or_default() += 1;
    }

    /// Lets a place no longer be found by its ends; it must hold them still.
    pub(crate) fn unlink(&mut self, index: u32) {
        let Some(ends) = Self::ends_of(self.entry(index)).copied() else { return };
        let hash = self.secrets.hash(&ends);
        if let Ok(found) = self.by_ends.find_entry(hash, |(_, known)| *known == index) {
            found.remove();
            let port = ends.local.port();
            if let Some(users) = self.used.get_mut(&port) {
                *users -= 1;
                if *users == 0 {
                    self.used.remove(&port);
                }
            }
        }
    }

    /// Lets a place be found by its local port.
    pub(crate) fn bind(&mut self, protocol: Protocol, port: u16, index: u32) {
        self.bound.entry((protocol.0, port)).or_default().push(index);
    }

    pub(crate) fn unbind(&mut self, protocol: Protocol, port: u16, index: u32) {
        if let Some(there) = self.bound.get_mut(&(protocol.0, port)) {
            there.retain(|known| *known != index);
            if there.is_empty() {
                self.bound.remove(&(protocol.0, port));
            }
        }
    }

    /// What is bound to a port.
    pub(crate) fn bound_to(&self, protocol: Protocol, port: u16) -> &[u32] {
        self.bound.get(&(protocol.0, port)).map_or(&[], Vec::as_slice)
    }

    /// Who listens where a SYN goes to: a socket of that very address before one of every address, and one of the packet's
    /// family before one of both; among several of the same port that the ends' hash chooses (`SO_REUSEPORT`).
    pub(crate) fn listener(&self, ends: &Ends) -> Option<u32> {
        let score = |index: &u32| match self.entry(*index) {
            Entry::Listener(listener) => score(listener.local, listener.settings.only_v6, ends.local.ip()),
            Entry::Free
            | Entry::Idle(_)
            | Entry::Connection(_)
            | Entry::Request(_)
            | Entry::TimeWait(_)
            | Entry::Datagram(_) => 0,
        };
        let there = self.bound_to(Protocol::TCP, ends.local.port());
        let best = there.iter().map(score).max().filter(|best| *best > 0)?;
        let count = there.iter().filter(|index| score(index) == best).count() as u64;
        let chosen = (u64::from(self.secrets.choice(ends)) * count) >> 32;
        there.iter().filter(|index| score(index) == best).nth(chosen as usize).copied()
    }

    /// All that is bound under a protocol, by port.
    pub(super) fn bound_under(&self, protocol: Protocol) -> impl Iterator<Item = u32> {
        self.bound.range((protocol.0, 0)..=(protocol.0, u16::MAX)).flat_map(|(_, there)| there.iter().copied())
    }

    /// Whose a packet with these ends is.
    pub(crate) fn taken(&self, protocol: Protocol, ends: &Ends) -> Option<Taken> {
        if protocol == Protocol::UDP {
            return self.datagram_taken(ends);
        }
        let index = self.find(ends).or_else(|| self.listener(ends))?;
        match self.entry(index) {
            Entry::Connection(connection) => Some(Taken { is_wildcard: false, mark: Some(connection.settings.mark) }),
            Entry::Listener(listener) => {
                let is_wildcard = listener.local.ip().is_unspecified();
                Some(Taken { is_wildcard, mark: Some(listener.settings.mark) })
            }
            Entry::Request(_) | Entry::TimeWait(_) => Some(Taken { is_wildcard: false, mark: None }),
            Entry::Free | Entry::Idle(_) | Entry::Datagram(_) => None,
        }
    }

    /// Who a request is for, if he listens still.
    pub(crate) fn listener_of(&self, request: &Request) -> Option<&Listener> {
        let (place, serial) = request.listener;
        match self.entry(place) {
            Entry::Listener(listener) if listener.serial == serial => Some(listener),
            Entry::Listener(_)
            | Entry::Free
            | Entry::Idle(_)
            | Entry::Connection(_)
            | Entry::Request(_)
            | Entry::TimeWait(_)
            | Entry::Datagram(_) => None,
        }
    }

    /// Lets a socket be looked at at `when`, and not before; never when that is `None`.
    pub(crate) fn arm(&mut self, now: Instant, index: u32, when: Option<Instant>) {
        self.timers.arm(now, index, when.unwrap_or(Instant::FAR_FUTURE));
    }

    /// The sockets that have to be looked at by now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<u32> {
        self.timers.expired(now)
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Notes that a socket may have become ready.
    pub(crate) fn note_ready(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize).filter(|slot| !slot.is_in_ready) {
            slot.is_in_ready = true;
            self.ready.push_back(index);
        }
    }

    /// The next socket that has become ready, and for what.
    pub(crate) fn next_ready(&mut self) -> Option<(SocketId, Readiness)> {
        while let Some(index) = self.ready.pop_front() {
            let id = self.id(index);
            let Some(slot) = self.slots.get_mut(index as usize) else { continue };
            slot.is_in_ready = false;
            let woken = match &mut slot.entry {
                Entry::Connection(connection) if connection.is_accepted && !connection.is_orphan => {
                    core::mem::take(&mut connection.woken)
                }
                Entry::Listener(listener) => core::mem::take(&mut listener.woken),
                Entry::Datagram(datagram) => core::mem::take(&mut datagram.woken),
                Entry::Connection(_) | Entry::Free | Entry::Idle(_) | Entry::Request(_) | Entry::TimeWait(_) => {
                    Readiness::default()
                }
            };
            if !woken.is_empty() {
                return Some((id, woken));
            }
        }
        None
    }
}

/// How well a bound socket fits an address: 0 not at all.
pub(super) fn score(local: SocketAddr, only_v6: bool, to: IpAddr) -> u8 {
    match (local.ip(), to) {
        (own, to) if own == to => 4,
        (IpAddr::V4(own), IpAddr::V4(_)) if own.is_unspecified() => 2,
        (IpAddr::V6(own), IpAddr::V6(_)) if own.is_unspecified() => 2,
        // A socket of both families.
        (IpAddr::V6(own), IpAddr::V4(_)) if own.is_unspecified() && !only_v6 => 1,
        (IpAddr::V4(_) | IpAddr::V6(_), _) => 0,
    }
}

/// Sets the sockets' generator apart from the engine's.
const OWN_SEED: u64 = 0x736f_636b_6574_7321;
