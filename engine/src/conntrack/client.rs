//! Who counts as one client, where a bound is shared out.

use core::net::{IpAddr, Ipv6Addr};

/// What stands for a client of that address: of IPv6 the first 64 bits, all of whose addresses one host can have.
pub(super) fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & u128::MAX << 64).into(),
    }
}
