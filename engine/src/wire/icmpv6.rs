//! ICMPv6 (RFC 4443).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// An ICMPv6 header; what follows depends on the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Icmpv6Header {
    /// What it is; see [`Icmpv6Type`].
    pub kind: u8,
    /// Which of its kind.
    pub code: u8,
    /// Over the pseudo-header and the whole message.
    pub checksum: [u8; 2],
    /// Identifier and sequence number of a query; MTU or pointer of an error.
    pub rest: [u8; 4],
}

const _: () = assert!(size_of::<Icmpv6Header>() == Icmpv6Header::LEN);

impl Icmpv6Header {
    /// Its length in bytes.
    pub const LEN: usize = 8;

    /// The type.
    #[must_use]
    pub const fn icmp_type(&self) -> Icmpv6Type {
        Icmpv6Type(self.kind)
    }

    /// The identifier of a query.
    #[must_use]
    pub const fn id(&self) -> u16 {
        u16::from_be_bytes([self.rest[0], self.rest[1]])
    }

    /// The sequence number of a query.
    #[must_use]
    pub const fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }
}

/// The kind of an ICMPv6 message (IANA, "ICMPv6 type Numbers"). Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Icmpv6Type(pub u8);

impl Icmpv6Type {
    /// Destination unreachable.
    pub const UNREACHABLE: Self = Self(1);
    /// Packet too big.
    pub const TOO_BIG: Self = Self(2);
    /// Time exceeded.
    pub const TIME_EXCEEDED: Self = Self(3);
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: Self = Self(4);
    /// Echo request.
    pub const ECHO_REQUEST: Self = Self(128);
    /// Echo reply.
    pub const ECHO_REPLY: Self = Self(129);
    /// Router solicitation (RFC 4861).
    pub const ROUTER_SOLICITATION: Self = Self(133);
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: Self = Self(134);
    /// Neighbour solicitation.
    pub const NEIGHBOUR_SOLICITATION: Self = Self(135);
    /// Neighbour advertisement.
    pub const NEIGHBOUR_ADVERTISEMENT: Self = Self(136);
    /// Redirect.
    pub const REDIRECT: Self = Self(137);
    /// Node information query (RFC 4620).
    pub const NODE_QUERY: Self = Self(139);
    /// Node information reply.
    pub const NODE_REPLY: Self = Self(140);

    /// Whether it reports an error about another packet, whose start it then carries: all types below 128 do
    /// (RFC 4443, section 2.1), known or not.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 < Self::ECHO_REQUEST.0
    }

    /// The type that answers this query or that this one answers; `None` for anything else.
    #[must_use]
    pub const fn inverse(self) -> Option<Self> {
        match self {
            Self::ECHO_REQUEST => Some(Self::ECHO_REPLY),
            Self::ECHO_REPLY => Some(Self::ECHO_REQUEST),
            Self::NODE_QUERY => Some(Self::NODE_REPLY),
            Self::NODE_REPLY => Some(Self::NODE_QUERY),
            _ => None,
        }
    }

    /// Whether it asks something: only such a message starts a tracked flow.
    #[must_use]
    pub const fn is_query(self) -> bool {
        matches!(self, Self::ECHO_REQUEST | Self::NODE_QUERY)
    }

    /// Whether it is the link's own business, neighbours and group members: such messages are never tracked (Linux v6.18:
    /// `net/netfilter/nf_conntrack_proto_icmpv6.c`, `noct_valid_new`).
    #[must_use]
    pub const fn is_of_the_link(self) -> bool {
        matches!(self.0, 130..=136 | 143)
    }
}
