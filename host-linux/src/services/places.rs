//! How many conversations there may be: in all, with one service, and with one peer, so that nobody takes all the places.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use crate::limits::{CONVERSATIONS_MAX, CONVERSATIONS_OF_PEER_MAX, CONVERSATIONS_OF_SERVICE_MAX};

/// The places that are taken.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: usize,
    by_service: BTreeMap<u16, usize>,
    by_peer: BTreeMap<IpAddr, usize>,
}

/// A place that somebody has; it must be given back.
#[derive(Debug)]
pub(super) struct Place {
    port: u16,
    peer: IpAddr,
}

impl Places {
    /// A place for a peer at the service of a port, if there is one for him.
    pub(super) fn take(&mut self, port: u16, peer: IpAddr) -> Option<Place> {
        let peer = network_of(peer);
        let (of_service, of_peer) =
            (self.by_service.entry(port).or_default(), self.by_peer.get(&peer).copied().unwrap_or(0));
        let is_full = self.taken >= CONVERSATIONS_MAX
            || *of_service >= CONVERSATIONS_OF_SERVICE_MAX
            || of_peer >= CONVERSATIONS_OF_PEER_MAX;
        if is_full {
            return None;
        }
        self.taken += 1;
        *of_service += 1;
        self.by_peer.insert(peer, of_peer + 1);
        Some(Place { port, peer })
    }

    pub(super) fn give_back(&mut self, Place { port, peer }: Place) {
        self.taken -= 1;
        if let Some(taken) = self.by_service.get_mut(&port) {
            *taken -= 1;
        }
        if let Some(taken) = self.by_peer.get_mut(&peer) {
            *taken -= 1;
            if *taken == 0 {
                self.by_peer.remove(&peer);
            }
        }
    }

    /// How many are taken.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }
}

/// What one peer has for himself: over IPv6 a network of 64 bits (RFC 4291, section 2.5.4).
fn network_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_places_of_others() {
        let mut places = Places::default();
        let v6 = |host: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + host));
        let mut taken: Vec<Place> = (0..).map_while(|host| places.take(7, v6(host))).collect();
        assert_eq!(taken.len(), CONVERSATIONS_OF_PEER_MAX, "one network is one peer");
        assert!(places.take(80, v6(1)).is_none(), "whatever he asks for");
        taken.extend((0..).map_while(|host: u32| places.take(7, IpAddr::V4(host.into()))));
        assert_eq!(taken.len(), CONVERSATIONS_OF_SERVICE_MAX);
        taken.extend((0..).map_while(|host: u32| places.take(80, IpAddr::V4(host.into()))));
        assert_eq!((taken.len(), places.taken()), (CONVERSATIONS_MAX, CONVERSATIONS_MAX));
        assert!(places.take(9, v6(1 << 100)).is_none());
        taken.into_iter().for_each(|place| places.give_back(place));
        assert_eq!((places.taken(), places.by_peer.len()), (0, 0));
        assert!(places.take(7, v6(0)).is_some());
    }
}
