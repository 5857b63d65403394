//! Extension headers of IPv6 as rules look for them, and what their matches share.

use alloc::{format, string::String};
use core::fmt::Write;

use super::Answer;
use crate::{
    netfilter::{
        error::Flaw,
        header::Not,
        save::{
            options::{Given, Item},
            text::print_not,
            values,
        },
    },
    packet::Packet,
    wire::{
        Ipv6Header, Protocol,
        ipv6::{FragmentHeader, is_extension},
    },
};

/// The bytes from an extension header of type `wanted` on, of the first one that there is.
///
/// # Errors
/// What the rule answers when there is none: [`Answer::Drop`] when the packet ends before that is known.
///
/// Linux v6.18: `net/ipv6/exthdrs_core.c`, `ipv6_find_hdr()`.
pub(super) fn find(packet: &Packet, wanted: Protocol) -> Result<&[u8], Answer> {
    let (Some(ip), Some(mut bytes)) = (packet.ipv6(), packet.network_bytes().get(Ipv6Header::LEN..)) else {
        return Err(Answer::No);
    };
    let mut protocol = ip.next_header();
    while is_extension(protocol) && protocol != Protocol::NO_NEXT {
        let &[next, len, ..] = bytes else { return Err(Answer::Drop) };
        let is_whole = match protocol {
            // Who looks behind them wants to know which part it is, and how many stations are left.
            Protocol::FRAGMENT | Protocol::ROUTING => bytes.len() >= 4,
            _ => true,
        };
        if !is_whole {
            return Err(Answer::Drop);
        }
        if protocol == wanted {
            return Ok(bytes);
        }
        let is_later = |word: u16| word & FragmentHeader::FRAGMENT_OFFSET != 0;
        if protocol == Protocol::FRAGMENT && FragmentHeader::word(bytes).is_some_and(is_later) {
            return Err(Answer::No);
        }
        bytes = bytes.get(header_len(protocol, len)..).unwrap_or_default();
        protocol = Protocol(next);
    }
    Err(Answer::No)
}

/// Bytes of an extension header whose second byte is `len`.
pub(super) const fn header_len(protocol: Protocol, len: u8) -> usize {
    match protocol {
        Protocol::FRAGMENT => FragmentHeader::LEN,
        Protocol::AH => (len as usize + 2) * 4,
        _ => (len as usize + 1) * 8,
    }
}

/// The number of 32 bits at the start of `bytes`; 0 when they are too few.
pub(super) fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Numbers from one to another, or all others. One whose first is greater than its last holds none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Numbers(Not<(u32, u32)>);

impl Numbers {
    /// The option `name` as `NUMBER` or `FIRST:LAST`; all numbers when it is not given.
    pub(super) fn parse(given: &Given<'_>, name: &str) -> Result<Self, Flaw> {
        let what = |item: &Item| values::range(item.value(), u32::MAX, "a number of 32 bits or a range `first:last`");
        let Some(item) = given.find(name) else { return Ok(Self(Not { inverted: false, what: (0, u32::MAX) })) };
        Ok(Self(Not { inverted: item.inverted, what: what(item)? }))
    }

    /// Writes it as the tool does: nothing when all numbers are asked for.
    pub(super) fn print(self, out: &mut String, name: &str) {
        let Not { inverted, what: (first, last) } = self.0;
        if (first, last, inverted) == (0, u32::MAX, false) {
            return;
        }
        print_not(out, inverted);
        let _ = match first == last {
            true => write!(out, " --{name} {first}"),
            false => write!(out, " --{name} {first}:{last}"),
        };
    }

    /// Whether all that others hold is held.
    pub(super) fn cover(self, narrower: Self) -> bool {
        self == Self(Not { inverted: false, what: (0, u32::MAX) }) || self.0.covers(&narrower.0)
    }

    pub(super) fn hold(self, number: u32) -> bool {
        self.0.holds(&number)
    }
}

/// A number of 32 bits that an option gives, inverted or not.
pub(super) fn number(given: &Given<'_>, name: &str) -> Result<Option<Not<u32>>, Flaw> {
    let what = |item: &Item| values::ranged(item.value(), 0, u32::MAX.into(), "a number of 32 bits");
    given.find(name).map(|item| Ok(Not { inverted: item.inverted, what: what(item)? as u32 })).transpose()
}

/// Writes such a number.
pub(super) fn print_number(out: &mut String, name: &str, number: Option<Not<u32>>) {
    if let Some(Not { inverted, what }) = number {
        print_not(out, inverted);
        let _ = write!(out, " --{name} {what}");
    }
}

/// What is told of a packet that such a match did not match.
pub(super) fn found(packet: &Packet, wanted: Protocol, name: &str) -> String {
    match find(packet, wanted) {
        Ok(bytes) => format!("has {name} header of type {} that does not fit", bytes.get(2).copied().unwrap_or(0)),
        Err(_) => format!("has no {name} header"),
    }
}
