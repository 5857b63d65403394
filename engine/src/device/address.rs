//! An interface's address, and the network that it lies in.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::ip::prefix;

/// An address of an interface and its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the network's prefix: 0 to 32, or 128 for IPv6.
    pub prefix: u8,
}

impl InterfaceAddress {
    /// The network: the address without the bits behind the prefix.
    #[must_use]
    pub fn network(self) -> IpAddr {
        prefix::network(self.address, self.prefix)
    }

    /// Whether `address` lies in the network.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        prefix::agree(self.address, address, self.prefix)
    }

    /// The network's broadcast address; `None` for prefixes of 31 and 32 bits (RFC 3021), and for IPv6, which has none.
    #[must_use]
    pub fn broadcast(self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) if self.prefix < 31 => {
                Some(Ipv4Addr::from_bits(address.to_bits() | (u32::MAX >> self.prefix)))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// The anycast address of all routers of the network (RFC 4291, section 2.6.1); `None` for IPv4, and for prefixes of
    /// 127 and 128 bits (RFC 6164).
    #[must_use]
    pub fn routers_anycast(self) -> Option<Ipv6Addr> {
        match self.network() {
            IpAddr::V6(network) if self.prefix < 127 => Some(network),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// Whether packets for `address` are for this host because of this address: it is the address itself, its network's
    /// broadcast or its routers' anycast address.
    #[must_use]
    pub fn takes(self, address: IpAddr) -> bool {
        self.address == address
            || match address {
                IpAddr::V4(v4) => self.broadcast() == Some(v4),
                IpAddr::V6(v6) => self.routers_anycast() == Some(v6),
            }
    }
}
