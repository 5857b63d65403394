//! `-m connlimit`: how many connections an address has (Linux v6.18: `net/netfilter/xt_connlimit.c`, `connlimit_mt()`;
//! `net/netfilter/nf_conncount.c`, `__nf_conncount_add()`).
//!
//! A rule counts the connections whose packets it has seen, as far as they are still tracked and not closed. Linux skips
//! the check of who is still there within one tick; here it is always done.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::fmt::Write;

use super::{Answer, MatchState, Matching};
use crate::{
    conntrack::{Address, Connection, ProtocolState, TcpState, Tuple, Zone},
    limits::CONNLIMIT_CONNECTIONS_MAX,
    netfilter::{
        View,
        ends::{Ends, address_bits, masked, prefix_mask},
        error::Flaw,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            values,
        },
        walk::Depends,
    },
};

/// A number of connections, and whose they are.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Connlimit {
    limit: u32,
    above: bool,
    prefix: u8,
    destination: bool,
    counted: Counted,
}

/// Connections that were seen, by zone and address.
pub(in crate::netfilter) type Counted = BTreeMap<(Zone, Address), Vec<Tuple>>;

impl Matching for Connlimit {
    const SPEC: &'static Spec = &Spec {
        name: "connlimit",
        options: &[
            Opt::value(&["connlimit-upto"]).inverting(),
            Opt::value(&["connlimit-above"]).inverting(),
            Opt::value(&["connlimit-mask"]),
            Opt::flag(&["connlimit-saddr"]),
            Opt::flag(&["connlimit-daddr"]),
        ],
    };
    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["connlimit-upto", "connlimit-above"])?;
        given.exclusive(&["connlimit-saddr", "connlimit-daddr"])?;
        let (item, above) = match (given.find("connlimit-upto"), given.find("connlimit-above")) {
            (Some(item), _) => (item, item.inverted),
            (None, Some(item)) => (item, !item.inverted),
            (None, None) => return Err(given.needs("`--connlimit-upto` or `--connlimit-above` with a number")),
        };
        let whole = address_bits(given.family);
        let prefix = match given.find("connlimit-mask") {
            Some(item) => values::ranged(item.value(), 0, whole.into(), "a prefix length of its family")? as u8,
            None => whole,
        };
        let (limit, destination) = (values::mark(item.value())?, given.has("connlimit-daddr"));
        Ok(Self { limit, above, prefix, destination, counted: Counted::new() })
    }

    fn print(&self, out: &mut String) {
        let word = if self.above { "above" } else { "upto" };
        let end = if self.destination { "daddr" } else { "saddr" };
        let _ = write!(out, " --connlimit-{word} {} --connlimit-mask {} --connlimit-{end}", self.limit, self.prefix);
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let Some((key, tuple)) = self.key(view) else { return Answer::Drop };
        let all: usize = self.counted.values().map(Vec::len).sum();
        let list = self.counted.entry(key).or_default();
        if !is_counted(list, &tuple, key.0, view) {
            if all >= CONNLIMIT_CONNECTIONS_MAX {
                self.forget_dead(view);
                return Answer::Drop;
            }
            list.push(tuple);
        }
        let is_above = list.len() as u64 > u64::from(self.limit);
        Answer::from(is_above == self.above)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        let count = self.key(view).and_then(|(key, _)| self.counted.get(&key)).map_or(0, Vec::len);
        format!("comes from where there are {count} connections")
    }

    fn state(&self) -> Option<MatchState> {
        Some(MatchState::Connlimit(self.counted.iter().map(|(key, list)| (*key, list.clone())).collect()))
    }

    fn set_state(&mut self, state: MatchState) {
        if let MatchState::Connlimit(counted) = state {
            self.counted = counted.into_iter().take(CONNLIMIT_CONNECTIONS_MAX).collect();
        }
    }
}

impl Connlimit {
    /// Under what the packet is counted, and its connection's first tuple.
    fn key(&self, view: &View<'_>) -> Option<((Zone, Address), Tuple)> {
        let ends = Ends::of(view.packet)?;
        let (zone, tuple) = match view.connection() {
            Some((connection, _)) => (connection.zone(), connection.original),
            None => (Zone::DEFAULT, Tuple::of(view.packet)?),
        };
        let address = if self.destination { ends.destination } else { ends.source };
        Some(((zone, masked(address, prefix_mask(self.prefix))), tuple))
    }

    fn forget_dead(&mut self, view: &View<'_>) {
        self.counted.retain(|(zone, _), list| {
            list.retain(|known| is_alive(known, *zone, view));
            !list.is_empty()
        });
    }
}

/// Whether a connection is in the list; on the way there those that are gone are taken out, but not many at once. As in
/// Linux, those behind the one that is looked for stay.
fn is_counted(list: &mut Vec<Tuple>, tuple: &Tuple, zone: Zone, view: &View<'_>) -> bool {
    let (mut index, mut gone) = (0, 0);
    while let Some(known) = list.get(index).filter(|_| gone <= GONE_MAX) {
        if known == tuple && view.conntrack.find(view.now, zone, known).is_some() {
            return true;
        }
        if is_alive(known, zone, view) {
            index += 1;
        } else {
            list.remove(index);
            gone += 1;
        }
    }
    false
}

/// Linux: `CONNCOUNT_GC_MAX_NODES`.
const GONE_MAX: u32 = 8;

/// Whether a connection is tracked and not closed.
fn is_alive(tuple: &Tuple, zone: Zone, view: &View<'_>) -> bool {
    let found = view.conntrack.find(view.now, zone, tuple);
    found.and_then(|(id, _)| view.conntrack.connection(id)).is_some_and(|connection| !is_closed(connection))
}

fn is_closed(connection: &Connection) -> bool {
    matches!(&connection.protocol, ProtocolState::Tcp(tcp) if matches!(tcp.state, TcpState::TimeWait | TcpState::Close))
}
