//! All destinations that are remembered.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Destination, Remembered};
use crate::{
    ip::{RouteMetrics, prefix},
    limits::DESTINATIONS_MAX,
    tcp::{Ends, fastopen::Peer},
    time::Instant,
};

/// What which of this host's addresses knows of whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Destinations {
    known: BTreeMap<Pair, (u64, Remembered)>,
    /// In the order in which they were written.
    by_age: BTreeMap<u64, Pair>,
    written: u64,
}

/// What a snapshot holds: those first that were written first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DestinationsRecord(Vec<(IpAddr, IpAddr, Remembered)>);

/// The other host, and this one's address.
type Pair = (IpAddr, IpAddr);

impl Destinations {
    /// What is known of the other end.
    pub(super) fn find(&mut self, now: Instant, ends: &Ends, metrics: &RouteMetrics) -> Option<Remembered> {
        let pair = pair(ends);
        let (_, known) = self.known.get(&pair)?;
        let mut known = *known;
        if now.since(known.at) > KEPT {
            known.begin(now, metrics);
            self.put(pair, known);
        }
        Some(known)
    }

    /// Writes something down of the other end. The destination that was written longest ago makes room.
    pub(super) fn revise(
        &mut self,
        now: Instant,
        ends: &Ends,
        metrics: &RouteMetrics,
        how: impl FnOnce(&mut Remembered),
    ) {
        let mut known = self.find(now, ends, metrics).unwrap_or_else(|| {
            let mut new = Remembered::default();
            new.begin(now, metrics);
            new
        });
        how(&mut known);
        self.put(pair(ends), known);
    }

    /// The same if anything is known of it.
    pub(super) fn revise_known(
        &mut self,
        now: Instant,
        ends: &Ends,
        metrics: &RouteMetrics,
        how: impl FnOnce(&mut Remembered),
    ) {
        if self.find(now, ends, metrics).is_some() {
            self.revise(now, ends, metrics, how);
        }
    }

    /// What a client knows of a server's Fast Open.
    pub(in crate::tcp) fn server(&mut self, now: Instant, ends: &Ends, metrics: &RouteMetrics) -> Peer {
        self.find(now, ends, metrics).map_or_else(Peer::default, |known| known.fast_open)
    }

    /// Writes down what a server has told of its Fast Open.
    pub(in crate::tcp) fn note_server(
        &mut self,
        now: Instant,
        ends: &Ends,
        metrics: &RouteMetrics,
        how: impl FnOnce(&mut Peer),
    ) {
        self.revise(now, ends, metrics, |known| how(&mut known.fast_open));
    }

    /// Whether somebody is there: a round trip was measured (Linux v6.18: `tcp_peer_is_proven()`).
    pub(crate) fn is_proven(&mut self, now: Instant, ends: &Ends, metrics: &RouteMetrics) -> bool {
        self.find(now, ends, metrics).is_some_and(|known| known.rtt_8 > 0)
    }

    /// All of them, by their addresses.
    pub(crate) fn all(&self, now: Instant) -> impl Iterator<Item = Destination> {
        self.known.iter().map(move |(pair, (_, known))| known.show(now, *pair))
    }

    /// Forgets those in a network, or all; tells how many.
    pub(crate) fn forget(&mut self, network: Option<(IpAddr, u8)>) -> usize {
        let before = self.known.len();
        let stays = |address: IpAddr| network.is_some_and(|(network, len)| !prefix::agree(network, address, len));
        self.known.retain(|(address, _), _| stays(*address));
        let known = &self.known;
        self.by_age.retain(|_, pair| known.contains_key(pair));
        before - self.known.len()
    }

    fn put(&mut self, pair: Pair, known: Remembered) {
        self.written += 1;
        if let Some((age, _)) = self.known.insert(pair, (self.written, known)) {
            self.by_age.remove(&age);
        }
        self.by_age.insert(self.written, pair);
        if self.known.len() > DESTINATIONS_MAX
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.known.remove(&oldest);
        }
    }

    /// What a snapshot holds.
    pub(crate) fn record(&self) -> DestinationsRecord {
        let known = |pair: &Pair| self.known.get(pair).map_or_else(Remembered::default, |(_, known)| *known);
        DestinationsRecord(self.by_age.values().map(|pair| (pair.0, pair.1, known(pair))).collect())
    }

    /// Those of a snapshot; `None` when there are too many, or one cannot be.
    pub(crate) fn restore(DestinationsRecord(record): DestinationsRecord) -> Option<Self> {
        if record.len() > DESTINATIONS_MAX || !record.iter().all(|(.., known)| known.is_right()) {
            return None;
        }
        let mut destinations = Self::default();
        record.into_iter().for_each(|(address, source, known)| destinations.put((address, source), known));
        Some(destinations)
    }
}

#[cfg(test)]
impl DestinationsRecord {
    /// All of it two times.
    pub(super) fn twice(self) -> Self {
        Self(self.0.repeat(2))
    }
}

const fn pair(ends: &Ends) -> Pair {
    (ends.remote.ip(), ends.local.ip())
}

/// So long something that was learned is believed (Linux: `TCP_METRICS_TIMEOUT`).
const KEPT: Duration = Duration::from_secs(3600);
