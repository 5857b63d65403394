//! All expectations that wait.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, btree_map::Entry},
    vec::Vec,
};
use core::{net::IpAddr, time::Duration};

use super::{Expectation, ExpectationEntry, ExpectationId, HelperId, SavedExpectation, SavedExpectations, Told};
use crate::{
    conntrack::{Address, ConnId, Connection, Family, Tuple, client::client_of},
    event::{Change, Event, Events},
    time::Instant,
    timer::Deadlines,
};

/// All expectations that wait: by number, by what they announce, by master, and by deadline.
///
/// Why ordered maps: there are few (`nf_conntrack_expect_max`), a new connection looks once and only when there are any,
/// and their order is part of the state.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    waiting: BTreeMap<ExpectationId, Expectation>,
    /// Newest last.
    by_destination: BTreeMap<Destination, Vec<ExpectationId>>,
    /// Oldest first, by the master's slot and generation.
    by_master: BTreeMap<(u32, u32), Vec<ExpectationId>>,
    /// How many wait for each client's masters.
    by_client: BTreeMap<IpAddr, u32>,
    deadlines: Deadlines<ExpectationId>,
    latest: ExpectationId,
}

/// How much room there is for an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many of its class may wait for its master, at least 1; the oldest gives way.
    pub class_max: u16,
    /// How many may wait altogether (`net.netfilter.nf_conntrack_expect_max`).
    pub table_max: u32,
    /// How many of those may be for the masters that one client has opened.
    pub client_max: u32,
    /// How long it waits.
    pub timeout: Duration,
}

/// Why an expectation cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotExpect {
    /// A packet could be taken for it and for another one that waits (Linux: EBUSY).
    Clash,
    /// The same master expects the same in another class (Linux: EALREADY).
    OtherClass,
    /// Too many wait (Linux: EMFILE).
    Full,
    /// As many wait for the master's client as it may have. Linux knows no such bound.
    ClientFull,
}

impl Expectations {
    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many have ever waited, those of the snapshot it goes on from included.
    #[must_use]
    pub const fn appeared(&self) -> u64 {
        self.latest.0
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Expectation> {
        self.waiting.values()
    }

    /// Those from that number on, in their order.
    pub fn from(&self, first: ExpectationId) -> impl Iterator<Item = &Expectation> {
        self.waiting.range(first..).map(|(_, expectation)| expectation)
    }

    /// Whether another one that waits is in the way of this one, if it announced that tuple.
    #[must_use]
    pub fn is_in_the_way(&self, expectation: &Expectation, tuple: &Tuple) -> bool {
        self.check(expectation, tuple) == Err(CannotExpect::Clash)
    }

    /// The one this one replaces, when nothing is in the way.
    fn check(&self, expectation: &Expectation, tuple: &Tuple) -> Result<Option<ExpectationId>, CannotExpect> {
        for other in self.at(tuple).rev() {
            if other.repeats(expectation, tuple) {
                let same_class = other.class == expectation.class;
                return if same_class { Ok(Some(other.id)) } else { Err(CannotExpect::OtherClass) };
            }
            if other.clashes(expectation, tuple) {
                return Err(CannotExpect::Clash);
            }
        }
        Ok(None)
    }

    /// Lets an expectation wait; it gets its number and its deadline. One that repeats another replaces it, and where
    /// its class is full, the master's oldest of that class gives way.
    ///
    /// # Errors
    /// When it cannot wait; those that gave way for it are gone all the same, as in Linux.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_expect.c`, `nf_ct_expect_related_report()`.
    pub fn insert(
        &mut self,
        now: Instant,
        mut expectation: Expectation,
        room: Room,
        events: &mut Events,
    ) -> Result<ExpectationId, CannotExpect> {
        if let Some(repeated) = self.check(&expectation, &expectation.tuple)? {
            self.remove(now, repeated, events);
        }
        if let Some(oldest) = self.surplus(&expectation, room.class_max) {
            self.remove(now, oldest, events);
        }
        if self.waiting.len() >= room.table_max as usize {
            return Err(CannotExpect::Full);
        }
        if self.by_client.get(&client(&expectation)).is_some_and(|waiting| *waiting >= room.client_max) {
            return Err(CannotExpect::ClientFull);
        }
        self.latest = ExpectationId(self.latest.0 + 1);
        expectation.id = self.latest;
        expectation.expires = now + room.timeout;
        tell(now, Change::New, &expectation, events);
        self.link(expectation);
        Ok(self.latest)
    }

    /// The master's oldest of the new one's class, when that class is full.
    fn surplus(&self, new: &Expectation, class_max: u16) -> Option<ExpectationId> {
        let mut of_class = self.of(new.master).filter(|other| other.class == new.class);
        let oldest = of_class.next()?.id;
        (1 + of_class.count() >= usize::from(class_max)).then_some(oldest)
    }

    fn link(&mut self, expectation: Expectation) {
        let id = expectation.id;
        self.by_destination.entry(Destination::of(&expectation.tuple)).or_default().push(id);
        self.by_master.entry(key(expectation.master)).or_default().push(id);
        *self.by_client.entry(client(&expectation)).or_default() += 1;
        self.deadlines.add(expectation.expires, id);
        self.waiting.insert(id, expectation);
    }

    /// Takes an expectation out, and tells so; `None` when it is gone already.
    pub fn remove(&mut self, now: Instant, id: ExpectationId, events: &mut Events) -> Option<Expectation> {
        let expectation = self.waiting.remove(&id)?;
        unlink(&mut self.by_destination, &Destination::of(&expectation.tuple), id);
        unlink(&mut self.by_master, &key(expectation.master), id);
        if let Entry::Occupied(mut waiting) = self.by_client.entry(client(&expectation)) {
            *waiting.get_mut() -= 1;
            if *waiting.get() == 0 {
                waiting.remove();
            }
        }
        self.deadlines.remove(expectation.expires, id);
        tell(now, Change::Destroy, &expectation, events);
        Some(expectation)
    }

    /// Takes all expectations of a master out, newest first.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_expect.c`, `nf_ct_remove_expectations()`.
    pub fn remove_of(&mut self, now: Instant, master: ConnId, events: &mut Events) {
        let ids = self.by_master.get(&key(master)).cloned().unwrap_or_default();
        for id in ids.into_iter().rev() {
            self.remove(now, id, events);
        }
    }

    /// The expectation that a new connection's first packet fulfils. It is taken out unless it is permanent; one whose
    /// master `is_alive` denies, because it does not stand in the table, fulfils nothing.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_expect.c`, `nf_ct_find_expectation()`.
    pub fn take(
        &mut self,
        now: Instant,
        zone: u16,
        tuple: &Tuple,
        is_alive: impl Fn(ConnId) -> bool,
        events: &mut Events,
    ) -> Option<Expectation> {
        if self.waiting.is_empty() {
            return None;
        }
        let active = |other: &&Expectation| !other.inactive && other.expires > now && other.announces(zone, tuple);
        let found = self.at(tuple).rev().find(active)?;
        if !is_alive(found.master) {
            return None;
        }
        let id = found.id;
        if found.permanent { Some(found.clone()) } else { self.remove(now, id, events) }
    }

    /// Forgets those whose time is over.
    pub fn handle_timeout(&mut self, now: Instant, events: &mut Events) {
        while let Some(id) = self.deadlines.take_due(now) {
            self.remove(now, id, events);
        }
    }

    /// When the next one's time is over.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Those that announce this destination, oldest first.
    fn at(&self, tuple: &Tuple) -> impl DoubleEndedIterator<Item = &Expectation> {
        let ids = self.by_destination.get(&Destination::of(tuple)).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.waiting.get(id))
    }

    /// Those of a master, oldest first.
    pub fn of(&self, master: ConnId) -> impl Iterator<Item = &Expectation> {
        let ids = self.by_master.get(&key(master)).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.waiting.get(id))
    }

    /// All of them for a snapshot. `connection` finds masters; those of masters that are gone are left out.
    pub fn save<'a>(&self, connection: impl Fn(ConnId) -> Option<&'a Connection>) -> SavedExpectations {
        let saved = |expectation: &Expectation| {
            Some(SavedExpectation {
                id: expectation.id,
                master: connection(expectation.master)?.serial,
                tuple: expectation.tuple,
                mask: expectation.mask,
                class: expectation.class,
                helper: expectation.helper,
                nat: expectation.nat,
                permanent: expectation.permanent,
                inactive: expectation.inactive,
                expires: expectation.expires,
            })
        };
        SavedExpectations { latest: self.latest, waiting: self.iter().filter_map(saved).collect() }
    }

    /// Lets those of a snapshot wait again, and tells nobody. `connection` finds masters by their serial numbers; `name` is
    /// what a helper is called. `None` when a master or a helper is not there, or numbers are out of order.
    pub fn restore<'a, 'n>(
        saved: &SavedExpectations,
        connection: impl Fn(u64) -> Option<(ConnId, &'a Connection)>,
        name: impl Fn(HelperId) -> Option<&'n str>,
    ) -> Option<Self> {
        let mut expectations = Self::default();
        for saved in saved.waiting.iter() {
            let (id, master) = connection(saved.master)?;
            if saved.id <= expectations.latest || saved.id > LATEST_MAX {
                return None;
            }
            expectations.latest = saved.id;
            expectations.link(Expectation {
                id: saved.id,
                master: id,
                master_tuple: master.original,
                zone: master.zone().id,
                tuple: saved.tuple,
                mask: saved.mask,
                class: saved.class,
                helper: saved.helper,
                helper_name: name(saved.helper)?.into(),
                nat: saved.nat,
                permanent: saved.permanent,
                inactive: saved.inactive,
                told: Told::by(master.extension.as_ref().and_then(|extension| extension.events)),
                expires: saved.expires,
            });
        }
        if !(expectations.latest..=LATEST_MAX).contains(&saved.latest) {
            return None;
        }
        expectations.latest = saved.latest;
        Some(expectations)
    }
}

/// A number that counting never reaches: higher ones in a snapshot are wrong.
const LATEST_MAX: ExpectationId = ExpectationId(1 << 62);

/// The part of a tuple that every expectation names whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Destination {
    address: Address,
    port: u16,
    protocol: u8,
    family: Family,
}

impl Destination {
    const fn of(tuple: &Tuple) -> Self {
        Self {
            address: tuple.destination,
            port: tuple.destination_port,
            protocol: tuple.protocol,
            family: tuple.family,
        }
    }
}

const fn key(master: ConnId) -> (u32, u32) {
    (master.slot, master.generation)
}

/// Whose master it is that an expectation waits for.
fn client(expectation: &Expectation) -> IpAddr {
    client_of(expectation.master_tuple.source_ip())
}

/// Takes a number out of a list, and a list that has become empty out of its map.
fn unlink<K: Ord>(lists: &mut BTreeMap<K, Vec<ExpectationId>>, key: &K, id: ExpectationId) {
    if let Some(list) = lists.get_mut(key) {
        list.retain(|other| *other != id);
        if list.is_empty() {
            lists.remove(key);
        }
    }
}

fn tell(now: Instant, change: Change, expectation: &Expectation, events: &mut Events) {
    if events.wanted().conntrack && expectation.told.tells(change) {
        let entry = Box::new(ExpectationEntry::of(now, expectation));
        events.push(now, Event::Expectation(change, entry));
    }
}

#[cfg(test)]
mod tests;
