//! What a client remembers of servers: their cookies, and how much data fit beside a SYN (RFC 7413, section 4.1.3; Linux v6.18:
//! `net/ipv4/tcp_metrics.c`, `tcp_fastopen_cache_get()`, `tcp_fastopen_cache_set()`).

use alloc::{collections::BTreeMap, vec::Vec};
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{limits::FAST_OPEN_PEERS_MAX, tcp::Ends, wire::fast_open::FastOpenOption};

/// What is remembered of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peer {
    /// The MSS that it has named last.
    pub(super) mss_bytes: Option<u16>,
    /// Its cookie, in the form in which it came.
    pub(super) cookie: Option<FastOpenOption>,
    /// With which form it was asked in vain.
    pub(super) tried: Tried,
}

/// Which forms of the option a server has not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Tried {
    /// None that is known of.
    #[default]
    None,
    /// The usual one: the next SYN has the experimental one.
    Usual,
    /// Both: the usual one is asked with from then on.
    Both,
}

/// Who of this host's addresses knows what of whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    known: BTreeMap<Pair, (u64, Peer)>,
    /// In the order in which they were written.
    by_age: BTreeMap<u64, Pair>,
    written: u64,
}

/// This host's address and the server's.
type Pair = (IpAddr, IpAddr);

impl Peers {
    pub(super) fn find(&self, ends: &Ends) -> Peer {
        self.known.get(&pair(ends)).map_or_else(Peer::default, |(_, peer)| *peer)
    }

    /// Writes down what a SYN's answer has told. The one that was written longest ago makes room.
    pub(super) fn note(&mut self, ends: &Ends, mss_bytes: Option<u16>, cookie: Option<FastOpenOption>, tried: Tried) {
        let mut peer = self.find(ends);
        peer.mss_bytes = mss_bytes.or(peer.mss_bytes);
        match cookie.filter(|option| !option.cookie.is_empty()) {
            Some(cookie) => peer.cookie = Some(cookie),
            None if tried > peer.tried && peer.cookie.is_none() => peer.tried = tried,
            None => {}
        }
        self.put(pair(ends), peer);
    }

    fn put(&mut self, pair: Pair, peer: Peer) {
        self.written += 1;
        if let Some((age, _)) = self.known.insert(pair, (self.written, peer)) {
            self.by_age.remove(&age);
        }
        self.by_age.insert(self.written, pair);
        if self.known.len() > FAST_OPEN_PEERS_MAX
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn clear(&mut self) {
        (self.known, self.by_age) = (BTreeMap::new(), BTreeMap::new());
    }

    /// All of them, those first that were written first.
    pub(super) fn record(&self) -> Vec<(IpAddr, IpAddr, Peer)> {
        let peer = |pair: &Pair| self.known.get(pair).map_or_else(Peer::default, |(_, peer)| *peer);
        self.by_age.values().map(|pair| (pair.0, pair.1, peer(pair))).collect()
    }

    /// Those of a snapshot; `None` when there are too many, or one has a cookie that cannot be.
    pub(super) fn restore(record: Vec<(IpAddr, IpAddr, Peer)>) -> Option<Self> {
        let is_right =
            |peer: &Peer| peer.cookie.is_none_or(|option| !option.cookie.is_empty() && option.cookie.is_right());
        if record.len() > FAST_OPEN_PEERS_MAX || !record.iter().all(|(.., peer)| is_right(peer)) {
            return None;
        }
        let mut peers = Self::default();
        record.into_iter().for_each(|(own, server, peer)| peers.put((own, server), peer));
        Some(peers)
    }
}

const fn pair(ends: &Ends) -> Pair {
    (ends.local.ip(), ends.remote.ip())
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::wire::fast_open::FastOpenCookie;

    fn ends(server: u32) -> Ends {
        let local = SocketAddr::from(([10, 0, 0, 1], 1));
        Ends { local, remote: SocketAddr::new(Ipv4Addr::from_bits(server).into(), 80) }
    }

    fn option(byte: u8) -> FastOpenOption {
        FastOpenOption { cookie: FastOpenCookie::new(&[byte; 4]).expect("a cookie"), is_experimental: false }
    }

    #[test]
    fn a_cookie_stays_until_another_one_comes_and_the_segment_size_is_the_last_one() {
        let mut peers = Peers::default();
        peers.note(&ends(1), Some(1460), Some(option(1)), Tried::None);
        peers.note(&ends(1), Some(1000), None, Tried::Usual);
        let known = Peer { mss_bytes: Some(1000), cookie: Some(option(1)), tried: Tried::None };
        assert_eq!(peers.find(&ends(1)), known);
        peers.note(&ends(1), None, Some(FastOpenOption::default()), Tried::None);
        assert_eq!(peers.find(&ends(1)), known);
        peers.note(&ends(1), None, Some(option(2)), Tried::None);
        assert_eq!(peers.find(&ends(1)).cookie, Some(option(2)));
    }

    #[test]
    fn the_one_written_longest_ago_makes_room() {
        let mut peers = Peers::default();
        let most = FAST_OPEN_PEERS_MAX as u32;
        (0..most).for_each(|server| peers.note(&ends(server), Some(1), None, Tried::None));
        peers.note(&ends(0), Some(2), None, Tried::None);
        peers.note(&ends(most), Some(3), None, Tried::None);
        assert_eq!((peers.known.len(), peers.by_age.len()), (FAST_OPEN_PEERS_MAX, FAST_OPEN_PEERS_MAX));
        let mss = |server| peers.find(&ends(server)).mss_bytes;
        assert_eq!((mss(0), mss(1), mss(2), mss(most)), (Some(2), None, Some(1), Some(3)));
        let twin = Peers::restore(peers.record()).expect("a record of one");
        assert_eq!(twin.record(), peers.record());
    }

    #[test]
    fn a_record_that_cannot_be_is_refused() {
        let record =
            |cookie| alloc::vec![(ends(1).local.ip(), ends(1).remote.ip(), Peer { cookie, ..Peer::default() })];
        assert!(Peers::restore(record(Some(option(1)))).is_some());
        assert!(Peers::restore(record(Some(FastOpenOption::default()))).is_none());
        let too_many = record(None).repeat(FAST_OPEN_PEERS_MAX + 1);
        assert!(Peers::restore(too_many).is_none());
    }
}
