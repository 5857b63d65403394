//! Prefixes of both families: how many leading bits two addresses share, and networks.

use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::BitAnd,
};

/// Bits of an address as a prefix counts them.
pub trait Bits: Copy + Ord + BitAnd<Output = Self> {
    /// How many there are.
    const LEN: u8;

    /// All of them one.
    const ONES: Self;

    /// The leading `prefix` bits; all for a longer prefix.
    #[must_use]
    fn leading(self, prefix: u8) -> Self;
}

impl Bits for u32 {
    const LEN: u8 = 32;
    const ONES: Self = Self::MAX;

    fn leading(self, prefix: u8) -> Self {
        self & Self::MAX.checked_shl(Self::BITS - Self::from(prefix.min(Self::LEN))).unwrap_or(0)
    }
}

impl Bits for u128 {
    const LEN: u8 = 128;
    const ONES: Self = Self::MAX;

    fn leading(self, prefix: u8) -> Self {
        self & Self::MAX.checked_shl(Self::BITS - u32::from(prefix.min(Self::LEN))).unwrap_or(0)
    }
}

/// The longest prefix of an address's family: 32 or 128.
#[must_use]
pub const fn longest(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => u32::LEN,
        IpAddr::V6(_) => u128::LEN,
    }
}

/// The address with all bits behind the prefix zero.
#[must_use]
pub fn network(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().leading(prefix)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().leading(prefix)).into(),
    }
}

/// How many leading bits two addresses have in common; `None` when they are of two families.
#[must_use]
pub const fn shared(one: IpAddr, other: IpAddr) -> Option<u8> {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => Some((one.to_bits() ^ other.to_bits()).leading_zeros() as u8),
        (IpAddr::V6(one), IpAddr::V6(other)) => Some((one.to_bits() ^ other.to_bits()).leading_zeros() as u8),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// Whether two addresses of one family have the same leading `prefix` bits.
#[must_use]
pub fn agree(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    shared(one, other).is_some_and(|bits| bits >= prefix)
}

/// The address in another network at the same place; `None` when they are of two families.
#[must_use]
pub fn moved(address: IpAddr, network: IpAddr, prefix: u8) -> Option<IpAddr> {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let place = address.to_bits() ^ address.to_bits().leading(prefix);
            Some(Ipv4Addr::from_bits(network.to_bits().leading(prefix) | place).into())
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let place = address.to_bits() ^ address.to_bits().leading(prefix);
            Some(Ipv6Addr::from_bits(network.to_bits().leading(prefix) | place).into())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_network_has_no_bits_behind_its_prefix() {
        let ip = |text: &str| text.parse::<IpAddr>().expect(text);
        assert_eq!(network(ip("10.1.2.3"), 8), ip("10.0.0.0"));
        assert_eq!(network(ip("10.1.2.3"), 0), ip("0.0.0.0"));
        assert_eq!(network(ip("2001:db8:1:2::3"), 48), ip("2001:db8:1::"));
        assert_eq!(network(ip("2001:db8:1:2::3"), 128), ip("2001:db8:1:2::3"));
        assert_eq!(shared(ip("10.0.0.1"), ip("::1")), None);
        assert!(!agree(ip("10.0.0.1"), ip("::1"), 0));
    }

    proptest! {
        #[test]
        fn two_addresses_agree_in_a_prefix_when_their_networks_are_one(one: u128, flip in 0_u32..=128, prefix in 0_u8..=128) {
            let other = one ^ 1_u128.checked_shl(128 - flip).unwrap_or(0);
            let (one, other) = (IpAddr::from(Ipv6Addr::from_bits(one)), IpAddr::from(Ipv6Addr::from_bits(other)));
            prop_assert_eq!(agree(one, other, prefix), network(one, prefix) == network(other, prefix));
        }
    }
}
