//! Who counts as one client, where a bound is shared out, and who has more than his share.
//!
//! Why not the same bound for each client: most of the time there is room for whoever needs much, and a network behind one address
//! does. Only when all is taken, whoever holds most makes room, as long as that is more than a share; so no one client takes it from others.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::{IpAddr, Ipv6Addr};

/// What stands for a client of that address: of IPv6 the first 64 bits, all of whose addresses one host can have.
pub(super) fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & u128::MAX << 64).into(),
    }
}

/// How many bytes each client holds of what there is for all of them.
#[derive(Debug, Default)]
pub(super) struct Shares {
    held: BTreeMap<IpAddr, usize>,
    /// The same, those who hold most last.
    by_bytes: BTreeSet<(usize, IpAddr)>,
}

impl Shares {
    /// A client holds more.
    pub(super) fn add(&mut self, client: IpAddr, bytes: usize) {
        self.change(client, |held| held + bytes);
    }

    /// A client holds less.
    pub(super) fn take(&mut self, client: IpAddr, bytes: usize) {
        self.change(client, |held| held - bytes);
    }

    fn change(&mut self, client: IpAddr, change: impl FnOnce(usize) -> usize) {
        let before = self.held.remove(&client).unwrap_or_default();
        self.by_bytes.remove(&(before, client));
        let after = change(before);
        if after > 0 {
            self.held.insert(client, after);
            self.by_bytes.insert((after, client));
        }
    }

    /// Who holds most, when that is more than a share.
    pub(super) fn largest_above(&self, share: usize) -> Option<IpAddr> {
        self.by_bytes.last().filter(|(held, _)| *held > share).map(|(_, client)| *client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_most_is_known_when_it_is_more_than_a_share() {
        let client = |number: u8| IpAddr::from([10, 0, 0, number]);
        let mut shares = Shares::default();
        assert_eq!(shares.largest_above(0), None);
        for (number, bytes) in [(1, 100), (2, 150), (1, 100), (3, 50)] {
            shares.add(client(number), bytes);
        }
        assert_eq!([199, 200].map(|share| shares.largest_above(share)), [Some(client(1)), None]);
        shares.take(client(1), 100);
        assert_eq!(shares.largest_above(100), Some(client(2)));
        for (number, bytes) in [(1, 100), (2, 150), (3, 50)] {
            shares.take(client(number), bytes);
        }
        assert_eq!((shares.largest_above(0), shares.held.len()), (None, 0));
    }
}
