//! IPv4 (RFC 791).

use core::{fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, byteorder::big_endian::U16};

use super::{checksum, ethernet::MacAddr};

/// IPv4, fixed part (RFC 791, section 3.1). Options follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv4Header {
    /// Version (4) in the high nibble, header length in 32-bit words in the low.
    pub version_ihl: u8,
    /// Type of service: DSCP in the high six bits, ECN in the low two (RFC 2474, RFC 3168).
    pub tos: u8,
    /// Length of header and data in bytes.
    pub total_len: U16,
    /// Identification, shared by the fragments of one datagram.
    pub id: U16,
    /// Flags in the high three bits, fragment offset in units of 8 bytes below.
    pub flags_fragment: U16,
    /// Hops left.
    pub ttl: u8,
    /// What follows; see [`Protocol`].
    pub protocol: u8,
    /// Ones' complement of the header's ones' complement sum.
    pub checksum: [u8; 2],
    /// From whom.
    pub source: [u8; 4],
    /// To whom.
    pub destination: [u8; 4],
}

const _: () = assert!(size_of::<Ipv4Header>() == Ipv4Header::LEN);

impl Ipv4Header {
    /// Length of the fixed part in bytes.
    pub const LEN: usize = 20;
    /// Where the source's address begins, followed by the destination's; both end the fixed part.
    pub const ADDRESSES: usize = 12;
    /// "Don't fragment" in [`Self::flags_fragment`].
    pub const DONT_FRAGMENT: u16 = 0x4000;
    /// "More fragments" in [`Self::flags_fragment`].
    pub const MORE_FRAGMENTS: u16 = 0x2000;
    /// The fragment offset's bits in [`Self::flags_fragment`].
    pub const FRAGMENT_OFFSET: u16 = 0x1fff;

    /// The version field; 4 in every header that a parsed packet holds.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version_ihl >> 4
    }

    /// Length of the header with its options in bytes, 0 to 60 as the field says.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        (self.version_ihl & 0x0f) as usize * 4
    }

    /// From whom.
    #[must_use]
    pub const fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.source)
    }

    /// To whom.
    #[must_use]
    pub const fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.destination)
    }

    /// What follows.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    /// Whether this is a part of a datagram, the first one included.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.flags_fragment.get() & (Self::MORE_FRAGMENTS | Self::FRAGMENT_OFFSET) != 0
    }

    /// Where in the datagram's data this part starts, in bytes.
    #[must_use]
    pub fn fragment_offset(&self) -> usize {
        usize::from(self.flags_fragment.get() & Self::FRAGMENT_OFFSET) * 8
    }

    /// Whether "don't fragment" is set.
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.flags_fragment.get() & Self::DONT_FRAGMENT != 0
    }

    /// Takes one hop off and mends the checksum (RFC 1624). A TTL of 0 stays.
    pub fn decrement_ttl(&mut self) {
        let before = [self.ttl, self.protocol];
        self.ttl = self.ttl.saturating_sub(1);
        self.checksum = checksum::update(self.checksum, before, [self.ttl, self.protocol]);
    }

    /// Sets the type of service and mends the checksum.
    pub fn set_tos(&mut self, tos: u8) {
        let before = [self.version_ihl, self.tos];
        self.tos = tos;
        self.checksum = checksum::update(self.checksum, before, [self.version_ihl, tos]);
    }

    /// Sets the number of hops left and mends the checksum.
    pub fn set_ttl(&mut self, ttl: u8) {
        let before = [self.ttl, self.protocol];
        self.ttl = ttl;
        self.checksum = checksum::update(self.checksum, before, [ttl, self.protocol]);
    }

    /// Sets the identification and mends the checksum.
    pub fn set_id(&mut self, id: u16) {
        let before = self.id.get().to_be_bytes();
        self.id.set(id);
        self.checksum = checksum::update(self.checksum, before, id.to_be_bytes());
    }

    /// Sets the length of header and data and mends the checksum.
    pub fn set_total_len(&mut self, bytes: u16) {
        let before = *self.total_len.as_bytes().first_chunk().unwrap_or(&[0; 2]);
        self.total_len.set(bytes);
        self.checksum = checksum::update(self.checksum, before, bytes.to_be_bytes());
    }
}

/// What follows an IP header (IANA, "Assigned Internet Protocol Numbers"). Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Protocol(pub u8);

impl Protocol {
    /// IPv6's hop-by-hop options (RFC 8200, section 4.3).
    pub const HOP_BY_HOP: Self = Self(0);
    /// ICMP (RFC 792).
    pub const ICMP: Self = Self(1);
    /// IGMP (RFC 9776).
    pub const IGMP: Self = Self(2);
    /// TCP (RFC 9293).
    pub const TCP: Self = Self(6);
    /// UDP (RFC 768).
    pub const UDP: Self = Self(17);
    /// IPv6's routing header (RFC 8200, section 4.4).
    pub const ROUTING: Self = Self(43);
    /// IPv6's fragment header (RFC 8200, section 4.5).
    pub const FRAGMENT: Self = Self(44);
    /// GRE (RFC 2784).
    pub const GRE: Self = Self(47);
    /// IPsec ESP (RFC 4303).
    pub const ESP: Self = Self(50);
    /// DCCP (RFC 4340).
    pub const DCCP: Self = Self(33);
    /// IPsec AH (RFC 4302).
    pub const AH: Self = Self(51);
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: Self = Self(58);
    /// Nothing follows an IPv6 header (RFC 8200, section 4.7).
    pub const NO_NEXT: Self = Self(59);
    /// IPv6's destination options (RFC 8200, section 4.6).
    pub const DESTINATION_OPTIONS: Self = Self(60);
    /// PIM (RFC 7761).
    pub const PIM: Self = Self(103);
    /// SCTP (RFC 9260).
    pub const SCTP: Self = Self(132);
    /// UDP-Lite (RFC 3828).
    pub const UDPLITE: Self = Self(136);

    /// Its name as iptables, conntrack and `/etc/protocols` write it, if it has one here.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(protocol, _)| *protocol == self).map(|(_, name)| *name)
    }

    /// The protocol of that name (see [`Self::name`]).
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(protocol, _)| *protocol)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[rustfmt::skip]
static NAMES: [(Protocol, &str); 10] = [
    (Protocol::ICMP,    "icmp"),
    (Protocol::TCP,     "tcp"),
    (Protocol::UDP,     "udp"),
    (Protocol::DCCP,    "dccp"),
    (Protocol::GRE,     "gre"),
    (Protocol::ESP,     "esp"),
    (Protocol::AH,      "ah"),
    (Protocol::ICMPV6,  "ipv6-icmp"),
    (Protocol::SCTP,    "sctp"),
    (Protocol::UDPLITE, "udplite"),
];

/// The Ethernet address of a group (RFC 1112, section 6.4): its last 23 bits.
#[must_use]
pub const fn group_mac(group: Ipv4Addr) -> MacAddr {
    let [_, a, b, c] = group.octets();
    MacAddr([0x01, 0x00, 0x5e, a & 0x7f, b, c])
}
