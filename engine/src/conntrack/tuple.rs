//! Tuples: who talks to whom, in one direction (Linux: `struct nf_conntrack_tuple`).

use core::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::wire::{Icmpv6Type, Protocol, icmp::IcmpType};

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// The way of the first packet.
    Original,
    /// The way back.
    Reply,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }

    /// 0 for original, 1 for reply.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Original => 0,
            Self::Reply => 1,
        }
    }
}

/// An IPv4 or IPv6 address in 16 bytes, without a tag: IPv4 stands in the first four, the rest is zero. Which family
/// it is says the tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// An IPv4 address.
    #[must_use]
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Its IPv4 octets; meaningless for IPv6.
    #[must_use]
    pub const fn as_v4(self) -> [u8; 4] {
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }

    /// The address with its family.
    #[must_use]
    pub fn to_ip(self, family: Family) -> IpAddr {
        match family {
            Family::Ipv4 => IpAddr::from(self.as_v4()),
            Family::Ipv6 => IpAddr::from(self.0),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => Self(v6.octets()),
        }
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

/// Who talks to whom, in one direction.
///
/// What the two ports are depends on the protocol: TCP and UDP ports; for ICMP and ICMPv6 the query's identifier is the source
/// "port" and type and code are the destination's; zero for protocols without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// From whom.
    pub source: Address,
    /// To whom.
    pub destination: Address,
    /// The sender's port, or ICMP identifier.
    pub source_port: u16,
    /// The receiver's port, or ICMP type (high byte) and code.
    pub destination_port: u16,
    /// The transport protocol's number.
    pub protocol: u8,
    /// The family of both addresses.
    pub family: Family,
}

impl Tuple {
    /// The tuple of the answers; `None` for ICMP types that have no answer.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `nf_ct_invert_tuple()`.
    #[must_use]
    pub fn inverted(&self) -> Option<Self> {
        let (source_port, destination_port) = match self.protocol() {
            Protocol::ICMP => {
                let [kind, code] = self.destination_port.to_be_bytes();
                (self.source_port, u16::from_be_bytes([IcmpType(kind).inverse()?.0, code]))
            }
            Protocol::ICMPV6 => {
                let [kind, code] = self.destination_port.to_be_bytes();
                (self.source_port, u16::from_be_bytes([Icmpv6Type(kind).inverse()?.0, code]))
            }
            _ => (self.destination_port, self.source_port),
        };
        Some(Self { source: self.destination, destination: self.source, source_port, destination_port, ..*self })
    }

    /// Whether it is the other one with its ends exchanged, as the tuple of answers is where the ports are ports and nothing
    /// is translated.
    #[inline]
    pub(super) fn is_turned(&self, other: &Self) -> bool {
        self.destination == other.source
            && self.source == other.destination
            && (self.source_port, self.destination_port) == (other.destination_port, other.source_port)
            && (self.protocol, self.family) == (other.protocol, other.family)
    }

    /// The transport protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    /// From whom, with its family.
    #[must_use]
    pub fn source_ip(&self) -> IpAddr {
        self.source.to_ip(self.family)
    }

    /// To whom, with its family.
    #[must_use]
    pub fn destination_ip(&self) -> IpAddr {
        self.destination.to_ip(self.family)
    }

    /// Type and code, when this is ICMP or ICMPv6.
    #[must_use]
    pub fn icmp_type_code(&self) -> Option<(u8, u8)> {
        let [kind, code] = self.destination_port.to_be_bytes();
        matches!(self.protocol(), Protocol::ICMP | Protocol::ICMPV6).then_some((kind, code))
    }
}

/// Writes `source:port > destination:port protocol`.
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, destination, protocol) = (self.source_ip(), self.destination_ip(), self.protocol());
        match self.icmp_type_code() {
            Some((kind, code)) => {
                write!(f, "{source} > {destination} {protocol} type {kind} code {code} id {}", self.source_port)
            }
            None => write!(f, "{source}:{} > {destination}:{} {protocol}", self.source_port, self.destination_port),
        }
    }
}
