//! Extension headers of IPv6 that a host reads: hop-by-hop options of all that arrives, and every header of what is for it, in the
//! order in which they stand (RFC 8200, section 4.1).
//!
//! Linux v6.18: `net/ipv6/exthdrs.c`, `ipv6_parse_hopopts()`, `ipv6_destopt_rcv()`, `ipv6_rthdr_rcv()`; `net/ipv6/ip6_input.c`,
//! `ip6_protocol_deliver_rcu()`.

use alloc::vec;

use super::defrag::Flaw;
use crate::{
    ending::DropReason,
    packet::Packet,
    sysctl::Sysctls,
    wire::{
        Ipv6Header, Protocol,
        ipv6::{FragmentHeader, NEXT_HEADER_AT},
        ipv6_options::{self, OptionFault, OptionLimits, OptionsHeader, Unknown},
    },
};

/// What stands against taking a packet, in one of its extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// An option.
    Option(OptionsHeader, OptionFault),
    /// A routing header names stations that it has still to pass; of a type, at that place from the IPv6 header on, that is one of
    /// those which nobody here follows.
    RouteLeft(RouteType, usize),
    /// A fragment header.
    Fragment(Flaw),
    /// A header that is not read here is named at that place, from the IPv6 header on.
    Unread(usize),
}

/// The type of a routing header (registry: IANA, "IPv6 Routing Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteType(pub u8);

impl RouteType {
    /// Source routes for networks with losses (RFC 6554).
    pub const RPL: Self = Self(3);
    /// Segments (RFC 8754).
    pub const SEGMENTS: Self = Self(4);
}

impl Objection {
    /// For which reason the packet is dropped.
    #[must_use]
    pub const fn reason(self) -> DropReason {
        match self {
            Self::Option(_, OptionFault::Unknown(..)) => DropReason::IpOptionUnknown,
            Self::Option(_, OptionFault::TooMany(_) | OptionFault::TooLong(_)) => DropReason::IpOptionsTooMany,
            Self::Option(_, OptionFault::JumboNeedless(_)) => DropReason::IpJumboNeedless,
            Self::Option(_, OptionFault::JumboTruncated) => DropReason::IpTruncated,
            Self::Option(_, OptionFault::Truncated | OptionFault::Padding | OptionFault::Malformed(_)) => {
                DropReason::IpOptionsMalformed
            }
            Self::RouteLeft(..) => DropReason::IpSourceRoute,
            Self::Fragment(Flaw::HeadersMissing) => DropReason::FragmentHeadersMissing,
            Self::Fragment(Flaw::Malformed) => DropReason::FragmentLengthWrong,
            Self::Unread(_) => DropReason::NoProtocol,
        }
    }

    /// Which byte of the packet its sender is pointed to; 0: he is told nothing, or no byte.
    #[must_use]
    pub fn pointer(self, packet: &Packet) -> u32 {
        let at = match self {
            Self::Option(_, OptionFault::Unknown(kind, at)) => match kind.unknown() {
                Unknown::Skip | Unknown::Drop => 0,
                Unknown::TellOfOne if packet.ipv6().is_some_and(|ip| ip.destination().is_multicast()) => 0,
                Unknown::Tell | Unknown::TellOfOne => at,
            },
            Self::Option(_, OptionFault::JumboNeedless(at)) | Self::Unread(at) => at,
            // Whoever does not follow these is silent (Linux: `ipv6_srh_rcv()`, `ipv6_rpl_srh_rcv()`).
            Self::RouteLeft(RouteType::SEGMENTS | RouteType::RPL, _) => 0,
            Self::RouteLeft(_, at) => at,
            Self::Fragment(Flaw::Malformed) => Flaw::pointer(packet),
            Self::Fragment(Flaw::HeadersMissing) | Self::Option(..) => 0,
        };
        at as u32
    }
}

/// What stands against a packet in its hop-by-hop options, which come first (RFC 8200, section 4.1).
#[must_use]
pub fn of_hop_by_hop(packet: &Packet, sysctls: &Sysctls) -> Option<Objection> {
    let limits = OptionLimits { options: sysctls.ipv6_hop_options, bytes: sysctls.ipv6_hop_options_bytes };
    of_options(packet, OptionsHeader::HopByHop, Ipv6Header::LEN, limits)
}

/// What stands against a packet for this host: what the first header says that says something.
#[must_use]
pub fn of_host(packet: &Packet, sysctls: &Sysctls) -> Option<Objection> {
    let limits = OptionLimits { options: sysctls.ipv6_end_options, bytes: sysctls.ipv6_end_options_bytes };
    let bytes = packet.network_bytes();
    let (mut protocol, mut at, mut named_at) = (packet.ipv6()?.next_header(), Ipv6Header::LEN, NEXT_HEADER_AT);
    loop {
        let found = match protocol {
            Protocol::HOP_BY_HOP if at == Ipv6Header::LEN => None,
            Protocol::DESTINATION_OPTIONS => of_options(packet, OptionsHeader::Destination, at, limits),
            Protocol::ROUTING => match bytes.get(at..)? {
                [_, _, kind, left, ..] if *left > 0 => Some(Objection::RouteLeft(RouteType(*kind), at + ROUTE_TYPE_AT)),
                _ => None,
            },
            Protocol::FRAGMENT => Flaw::of(packet).map(Objection::Fragment),
            Protocol::HOP_BY_HOP | Protocol::AH => Some(Objection::Unread(named_at)),
            _ => return None,
        };
        if found.is_some() {
            return found;
        }
        let &[next, units, ..] = bytes.get(at..)? else { return None };
        named_at = at;
        at += if protocol == Protocol::FRAGMENT { FragmentHeader::LEN } else { (usize::from(units) + 1) * 8 };
        protocol = Protocol(next);
    }
}

/// What stands against it in an options header at `at`.
fn of_options(packet: &Packet, header: OptionsHeader, at: usize, limits: OptionLimits) -> Option<Objection> {
    let bytes = packet.network_bytes();
    let first = bytes.get(at..).unwrap_or_default();
    let result = ipv6_options::extent(first, at, packet.network_len(), limits).and_then(|extent| {
        if extent.end <= bytes.len() {
            return ipv6_options::read(header, bytes, extent, limits);
        }
        let mut copy = vec![0; extent.end];
        match packet.copy_network(&mut copy) == copy.len() {
            true => ipv6_options::read(header, &copy, extent, limits),
            // The capture has cut it off.
            false => Ok(()),
        }
    });
    result.err().map(|fault| Objection::Option(header, fault))
}

/// Where a routing header tells its type.
const ROUTE_TYPE_AT: usize = 2;
