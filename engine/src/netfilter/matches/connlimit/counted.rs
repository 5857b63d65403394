//! The connections that a rule has seen, by whose they are.
//!
//! What a packet costs does not grow with their number: one list is walked, and some others are tidied where a new one is begun,
//! as Linux does on its way through a tree (v6.18: `net/netfilter/nf_conncount.c`, `__nf_conncount_add()`, `insert_tree()`). Of a
//! list that is longer than [`CONNLIMIT_CHECKED_MAX`] a packet walks the oldest part only, and puts behind it what is still
//! there, so that the next one walks another part.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::ops::Bound;

use crate::{
    conntrack::{Tuple, Zone},
    limits::{CONNLIMIT_CHECKED_MAX, CONNLIMIT_CONNECTIONS_MAX},
    netfilter::matches::{MatchState, Seen, Whose},
};

/// What has become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not tracked, or no longer.
    Gone,
    /// It is over, but still tracked.
    Closed,
    Alive,
}

/// Connections that were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counted {
    lists: BTreeMap<Whose, List>,
    /// In all lists.
    total: usize,
    /// Whose list was tidied last.
    tidied: Option<Whose>,
}

/// Those of one address; it is never empty.
#[derive(Clone, Debug, Default, PartialEq)]
struct List {
    /// In the order in which they came, as long as all are walked.
    order: VecDeque<(Zone, Tuple)>,
    /// All of them, while there are too many to be walked.
    known: BTreeSet<Tuple>,
}

impl Counted {
    pub(super) const fn new() -> Self {
        Self { lists: BTreeMap::new(), total: 0, tidied: None }
    }

    /// How many connections are counted together.
    pub(super) fn of(&self, whose: Whose) -> usize {
        self.lists.get(&whose).map_or(0, |list| list.order.len())
    }

    /// Counts a connection, and says how many there are then; `None`: there is no room for it. `look` says what has become of one.
    pub(super) fn count(
        &mut self,
        whose: Whose,
        connection: (Zone, Tuple),
        mut look: impl FnMut(&(Zone, Tuple)) -> Standing,
    ) -> Option<usize> {
        let is_known = match self.lists.get_mut(&whose) {
            Some(list) => {
                let before = list.order.len();
                let is_known = list.walk(&connection.1, &mut look);
                self.total -= before - list.order.len();
                is_known
            }
            None => {
                self.tidy(&mut look);
                false
            }
        };
        if is_known {
            return Some(self.of(whose));
        }
        if self.total >= CONNLIMIT_CONNECTIONS_MAX {
            self.tidy(&mut look);
        }
        if self.total >= CONNLIMIT_CONNECTIONS_MAX {
            if self.of(whose) == 0 {
                self.lists.remove(&whose);
            }
            return None;
        }
        let list = self.lists.entry(whose).or_default();
        let before = list.order.len();
        list.add(connection);
        self.total = self.total - before + list.order.len();
        Some(list.order.len())
    }

    /// What a snapshot holds.
    pub(super) fn state(&self) -> MatchState {
        let lists = self.lists.iter().map(|(whose, list)| (*whose, list.order.iter().copied().collect()));
        MatchState::Connlimit(lists.collect(), self.tidied)
    }

    /// What [`Self::state`] gave, as far as there is room for it.
    pub(super) fn restore(lists: Vec<Seen>, tidied: Option<Whose>) -> Self {
        let mut counted = Self { tidied, ..Self::new() };
        for (whose, connections) in lists {
            let room = CONNLIMIT_CONNECTIONS_MAX - counted.total;
            let order: VecDeque<_> = connections.into_iter().take(room).collect();
            if order.is_empty() {
                continue;
            }
            counted.total += order.len();
            let mut list = List { order, known: BTreeSet::new() };
            list.know();
            if let Some(before) = counted.lists.insert(whose, list) {
                counted.total -= before.order.len();
            }
        }
        counted
    }

    /// Takes some connections that are gone out of some lists, from where the last time has ended.
    fn tidy(&mut self, look: &mut impl FnMut(&(Zone, Tuple)) -> Standing) {
        for _ in 0..LISTS_TIDIED {
            let behind = (self.tidied.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            let next = self.lists.range_mut(behind).next();
            let Some((whose, list)) = next else {
                self.tidied = None;
                return;
            };
            self.tidied = Some(*whose);
            let before = list.order.len();
            list.tidy(look);
            self.total -= before - list.order.len();
            if list.order.is_empty() {
                let whose = *whose;
                self.lists.remove(&whose);
            }
        }
    }
}

impl List {
    /// Whether it holds a connection. On the way there those that are gone are taken out, but not many at once. As in Linux, those
    /// behind the one that is looked for stay.
    fn walk(&mut self, tuple: &Tuple, look: &mut impl FnMut(&(Zone, Tuple)) -> Standing) -> bool {
        if self.order.len() > CONNLIMIT_CHECKED_MAX {
            return self.walk_on(tuple, look);
        }
        let (mut index, mut gone) = (0, 0);
        while let Some(known) = self.order.get(index).filter(|_| gone <= GONE_MAX) {
            match look(known) {
                Standing::Alive | Standing::Closed if known.1 == *tuple => return true,
                Standing::Alive => index += 1,
                Standing::Closed | Standing::Gone => {
                    self.order.remove(index);
                    gone += 1;
                }
            }
        }
        false
    }

    /// The same of a long one.
    fn walk_on(&mut self, tuple: &Tuple, look: &mut impl FnMut(&(Zone, Tuple)) -> Standing) -> bool {
        for _ in 0..CONNLIMIT_CHECKED_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if look(&oldest) == Standing::Alive {
                self.order.push_back(oldest);
            } else {
                self.known.remove(&oldest.1);
            }
        }
        let is_known = self.known.contains(tuple);
        self.know();
        is_known
    }

    /// Takes those that are gone out of the oldest few.
    fn tidy(&mut self, look: &mut impl FnMut(&(Zone, Tuple)) -> Standing) {
        let mut index = 0;
        for _ in 0..CONNECTIONS_TIDIED {
            let Some(known) = self.order.get(index) else { break };
            if look(known) == Standing::Alive {
                index += 1;
            } else {
                self.known.remove(&known.1);
                self.order.remove(index);
            }
        }
        self.know();
    }

    fn add(&mut self, connection: (Zone, Tuple)) {
        self.order.push_back(connection);
        if !self.known.is_empty() {
            self.known.insert(connection.1);
        }
        self.know();
    }

    /// Keeps [`Self::known`] as its length asks for. One that was counted twice while the list was short is so no longer.
    fn know(&mut self) {
        if self.order.len() <= CONNLIMIT_CHECKED_MAX {
            self.known.clear();
        } else if self.known.is_empty() {
            let Self { order, known } = self;
            order.retain(|(_, tuple)| known.insert(*tuple));
            if order.len() <= CONNLIMIT_CHECKED_MAX {
                known.clear();
            }
        }
    }
}

/// Linux: `CONNCOUNT_GC_MAX_NODES`.
const GONE_MAX: u32 = 8;
/// Lists that are tidied for a new one: Linux takes as many out of a tree.
const LISTS_TIDIED: u32 = 8;
/// Connections of such a list that are looked at: addresses with more come again themselves, or are tidied in several rounds.
const CONNECTIONS_TIDIED: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conntrack::Address;

    fn whose(source: usize) -> Whose {
        (0, Address((source as u128).to_be_bytes()))
    }

    fn connection(source: usize, port: usize) -> (Zone, Tuple) {
        let tuple = Tuple { source: whose(source).1, source_port: port as u16, ..Tuple::default() };
        (Zone::both((port >> 16) as u16), tuple)
    }

    /// Counts a connection among others that are all of one standing; gives the count, and how many had to be looked up.
    fn count(counted: &mut Counted, source: usize, port: usize, others: Standing) -> (Option<usize>, usize) {
        let mut looked = 0;
        let count = counted.count(whose(source), connection(source, port), |_| {
            looked += 1;
            others
        });
        (count, looked)
    }

    fn with_sources(number: usize) -> Counted {
        let mut counted = Counted::new();
        for source in 0..number {
            count(&mut counted, source, 1, Standing::Alive);
        }
        counted
    }

    #[test]
    fn a_new_source_costs_as_much_among_a_hundred_as_when_all_room_is_taken() {
        let [few, many] = [100, CONNLIMIT_CONNECTIONS_MAX - 1].map(|known| {
            let mut counted = with_sources(known);
            counted.tidied = Some(whose(7));
            count(&mut counted, known, 1, Standing::Alive)
        });
        assert_eq!(few, (Some(1), 8));
        assert_eq!(many, few);
    }

    #[test]
    fn a_packet_beyond_the_bound_costs_little_and_is_counted_once_others_have_gone() {
        let mut counted = with_sources(CONNLIMIT_CONNECTIONS_MAX);
        let next = CONNLIMIT_CONNECTIONS_MAX;
        let (count_then, looked) = count(&mut counted, next, 1, Standing::Alive);
        assert_eq!(count_then, None);
        assert!(looked <= 16, "{looked}");
        assert_eq!(count(&mut counted, next, 1, Standing::Gone).0, Some(1));
        for source in 0..100 {
            assert_eq!(count(&mut counted, next + 1 + source, 1, Standing::Gone).0, Some(1));
        }
        assert!(counted.total < CONNLIMIT_CONNECTIONS_MAX - 700, "eight lists are tidied for each: {}", counted.total);
    }

    #[test]
    fn a_connection_more_of_one_source_costs_as_much_of_a_thousand_as_of_many() {
        let [few, many] = [1_000, 10_000].map(|known| {
            let mut counted = Counted::new();
            for port in 0..known {
                assert_eq!(count(&mut counted, 1, port, Standing::Alive).0, Some(port + 1));
            }
            assert_eq!(count(&mut counted, 1, known / 2, Standing::Alive).0, Some(known), "it is counted already");
            count(&mut counted, 1, known, Standing::Alive)
        });
        assert_eq!((few.1, many), (CONNLIMIT_CHECKED_MAX, (Some(10_001), CONNLIMIT_CHECKED_MAX)));
    }

    #[test]
    fn a_long_list_gets_short_again_when_its_connections_have_gone() {
        let mut counted = Counted::new();
        for port in 0..1_000 {
            count(&mut counted, 1, port, Standing::Alive);
        }
        let counts: Vec<_> = (1_000..1_006).map(|port| count(&mut counted, 1, port, Standing::Closed).0).collect();
        assert_eq!(counts, [745, 490, 235, 227, 219, 211].map(Some));
        assert_eq!(counted.total, 211);
        assert!(counted.lists[&whose(1)].known.is_empty());
    }

    #[test]
    fn what_is_counted_goes_on_alike_from_a_snapshot() {
        let mut counted = with_sources(20);
        for port in 2..600 {
            count(&mut counted, 3, port, Standing::Alive);
        }
        let MatchState::Connlimit(lists, tidied) = counted.state() else { panic!("another state") };
        assert_eq!(Counted::restore(lists, tidied), counted);
    }
}
