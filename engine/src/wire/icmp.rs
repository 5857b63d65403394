//! ICMP (RFC 792).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// An ICMP header; what follows depends on the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct IcmpHeader {
    /// What it is; see [`IcmpType`].
    pub kind: u8,
    /// Which of its kind.
    pub code: u8,
    /// Over the whole message.
    pub checksum: [u8; 2],
    /// Identifier and sequence number of a query; MTU or gateway of an error.
    pub rest: [u8; 4],
}

const _: () = assert!(size_of::<IcmpHeader>() == IcmpHeader::LEN);

impl IcmpHeader {
    /// Its length in bytes.
    pub const LEN: usize = 8;

    /// The type.
    #[must_use]
    pub const fn icmp_type(&self) -> IcmpType {
        IcmpType(self.kind)
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

/// The kind of an ICMP message (IANA, "ICMP Type Numbers"). Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpType(pub u8);

impl IcmpType {
    /// Echo reply.
    pub const ECHO_REPLY: Self = Self(0);
    /// Destination unreachable.
    pub const UNREACHABLE: Self = Self(3);
    /// Source quench (deprecated, RFC 6633).
    pub const SOURCE_QUENCH: Self = Self(4);
    /// Redirect.
    pub const REDIRECT: Self = Self(5);
    /// Echo request.
    pub const ECHO_REQUEST: Self = Self(8);
    /// Time exceeded.
    pub const TIME_EXCEEDED: Self = Self(11);
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: Self = Self(12);
    /// Timestamp request.
    pub const TIMESTAMP: Self = Self(13);
    /// Timestamp reply.
    pub const TIMESTAMP_REPLY: Self = Self(14);
    /// Information request (obsolete).
    pub const INFO_REQUEST: Self = Self(15);
    /// Information reply (obsolete).
    pub const INFO_REPLY: Self = Self(16);
    /// Address mask request (deprecated).
    pub const ADDRESS_MASK: Self = Self(17);
    /// Address mask reply (deprecated).
    pub const ADDRESS_MASK_REPLY: Self = Self(18);

    /// Whether it reports an error about another packet, whose start it then carries (Linux v6.18:
    /// `net/netfilter/nf_conntrack_proto_icmp.c`, `nf_conntrack_icmpv4_error()`).
    #[must_use]
    pub fn is_error(self) -> bool {
        matches!(
            self,
            Self::UNREACHABLE | Self::SOURCE_QUENCH | Self::REDIRECT | Self::TIME_EXCEEDED | Self::PARAMETER_PROBLEM
        )
    }

    /// The type that answers this query or that this one answers; `None` for anything else.
    #[must_use]
    pub fn inverse(self) -> Option<Self> {
        PAIRS.iter().find_map(|&(query, reply)| match self {
            kind if kind == query => Some(reply),
            kind if kind == reply => Some(query),
            _ => None,
        })
    }

    /// Whether it asks something: only such a message starts a tracked flow.
    #[must_use]
    pub fn is_query(self) -> bool {
        PAIRS.iter().any(|&(query, _)| query == self)
    }
}

#[rustfmt::skip]
static PAIRS: [(IcmpType, IcmpType); 4] = [
    // query                    reply
    (IcmpType::ECHO_REQUEST,    IcmpType::ECHO_REPLY),
    (IcmpType::TIMESTAMP,       IcmpType::TIMESTAMP_REPLY),
    (IcmpType::INFO_REQUEST,    IcmpType::INFO_REPLY),
    (IcmpType::ADDRESS_MASK,    IcmpType::ADDRESS_MASK_REPLY),
];
