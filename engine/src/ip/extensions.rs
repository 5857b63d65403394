//! Extension headers of IPv6 that a host reads: hop-by-hop options of all that arrives, and every header of what is for it, in the
//! order in which they stand (RFC 8200, section 4.1).
//!
//! Linux v6.18: `net/ipv6/exthdrs.c`, `ipv6_parse_hopopts()`, `ipv6_destopt_rcv()`, `ipv6_rthdr_rcv()`; `net/ipv6/ip6_input.c`,
//! `ip6_protocol_deliver_rcu()`.

use alloc::vec;

use super::defrag::Flaw;
use crate::{
    ending::DropReason,
    packet::{Addressed, Packet},
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
    /// A routing header.
    Route(RouteFault),
    /// A fragment header.
    Fragment(Flaw),
    /// A header that is not read here is named at that place, from the IPv6 header on.
    Unread(usize),
}

/// What stands against taking a packet with a routing header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteFault {
    /// The packet is not for this host alone: it is for a group, or its frame was.
    Shared,
    /// The header is of a kind that is taken by nobody here, not even where it names no station that is left: segments (RFC 8754), or
    /// source routes for networks with losses (RFC 6554).
    /// (In Linux `seg6_enabled` and `rpl_seg_enabled`, which are off by default, would have them read.)
    Refused,
    /// It names stations that the packet has still to pass, and tells its type at that place from the IPv6 header on.
    Left(usize),
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
            Self::Route(_) => DropReason::IpSourceRoute,
            Self::Fragment(Flaw::HeadersMissing) => DropReason::FragmentHeadersMissing,
            Self::Fragment(Flaw::Malformed(_)) => DropReason::FragmentLengthWrong,
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
            Self::Option(_, OptionFault::JumboNeedless(at))
            | Self::Unread(at)
            | Self::Fragment(Flaw::Malformed(at)) => at,
            Self::Route(RouteFault::Left(at)) => at,
            Self::Route(RouteFault::Shared | RouteFault::Refused)
            | Self::Fragment(Flaw::HeadersMissing)
            | Self::Option(..) => 0,
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
    // Nothing is cut twice: what was put together, or has said already that it is no part.
    let mut is_whole = packet.pieces().is_some();
    loop {
        let found = match protocol {
            Protocol::HOP_BY_HOP if at == Ipv6Header::LEN => None,
            Protocol::DESTINATION_OPTIONS => of_options(packet, OptionsHeader::Destination, at, limits),
            Protocol::ROUTING => of_route(packet, at).map(Objection::Route),
            Protocol::FRAGMENT if core::mem::replace(&mut is_whole, true) => {
                Some(Objection::Fragment(Flaw::Malformed(at)))
            }
            Protocol::FRAGMENT => Flaw::of(packet, at).map(Objection::Fragment),
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

/// What stands against it in a routing header at `at`; of one that the capture has cut off, what can be told without it.
///
/// Linux v6.18: `net/ipv6/exthdrs.c`, `ipv6_rthdr_rcv()`, `ipv6_srh_rcv()`, `ipv6_rpl_srh_rcv()`: whom the packet is for is asked before
/// the type, and the type before how many stations are left.
fn of_route(packet: &Packet, at: usize) -> Option<RouteFault> {
    let is_for_group = packet.ipv6().is_some_and(|ip| ip.destination().is_multicast());
    if is_for_group || packet.meta().addressed != Addressed::Host {
        return Some(RouteFault::Shared);
    }
    match packet.network_bytes().get(at..)? {
        [_, _, SEGMENTS | RPL, ..] => Some(RouteFault::Refused),
        [_, _, _, left, ..] if *left > 0 => Some(RouteFault::Left(at + ROUTE_TYPE_AT)),
        _ => None,
    }
}

/// Where a routing header tells its type.
const ROUTE_TYPE_AT: usize = 2;
/// The type of source routes for networks with losses (RFC 6554; registry: IANA, "IPv6 Routing Types").
const RPL: u8 = 3;
/// That of segments (RFC 8754).
const SEGMENTS: u8 = 4;
