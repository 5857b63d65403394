//! Which port, or ICMP identifier, a translated connection gets when it cannot keep its own.

use super::{Manip, NatRange};
use crate::{
    conntrack::{ConnId, Family, Tuple},
    random::{Draw, Random},
    wire::Protocol,
};

/// The part of a tuple that a translation may choose besides the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The sender's port, or the identifier of an ICMP query, whichever end is translated.
    Source,
    /// The receiver's port.
    Destination,
}

impl Key {
    /// What a translation of this end chooses; `None` for protocols of which only addresses are translated.
    ///
    /// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_l4proto_unique_tuple()`; GRE without PPTP keeps its key.
    #[must_use]
    pub fn of(tuple: &Tuple, manip: Manip) -> Option<Self> {
        match (tuple.protocol(), tuple.family, manip) {
            (Protocol::ICMP, Family::Ipv4, _) | (Protocol::ICMPV6, Family::Ipv6, _) => Some(Self::Source),
            (protocol, _, Manip::Source) if has_ports(protocol) => Some(Self::Source),
            (protocol, _, Manip::Destination) if has_ports(protocol) => Some(Self::Destination),
            (_, _, Manip::Source | Manip::Destination) => None,
        }
    }

    /// Its value.
    #[must_use]
    pub const fn value(self, tuple: &Tuple) -> u16 {
        match self {
            Self::Source => tuple.source_port,
            Self::Destination => tuple.destination_port,
        }
    }

    /// The tuple with another value of it.
    #[must_use]
    pub const fn with(self, tuple: &Tuple, value: u16) -> Tuple {
        match self {
            Self::Source => Tuple { source_port: value, ..*tuple },
            Self::Destination => Tuple { destination_port: value, ..*tuple },
        }
    }
}

/// The values a search may give: `count` of them from `first` on, never beyond 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// The least.
    pub first: u16,
    /// How many there are, 1 to 65536.
    pub count: u32,
}

impl Candidates {
    /// The values from `low` to `high`, in whichever order they are given.
    #[must_use]
    pub const fn between(low: u16, high: u16) -> Self {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        Self { first: low, count: high as u32 - low as u32 + 1 }
    }

    /// Where a search for this tuple looks; `None` when it must keep what it has: a destination's port without a range.
    ///
    /// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_l4proto_unique_tuple()`.
    #[must_use]
    pub fn of(tuple: &Tuple, manip: Manip, range: &NatRange) -> Option<Self> {
        let key = Key::of(tuple, manip)?;
        if let Some((low, high)) = range.ports {
            return Some(Self::between(low, high));
        }
        match (tuple.protocol(), manip) {
            (Protocol::ICMP | Protocol::ICMPV6, _) => Some(Self { first: 0, count: 1 << 16 }),
            (_, Manip::Destination) => None,
            (_, Manip::Source) => {
                let port = key.value(tuple);
                CLASSES.iter().find(|(members, _)| port <= *members).map(|&(_, (low, high))| Self::between(low, high))
            }
        }
    }

    /// Whether it holds `value`.
    #[must_use]
    pub const fn contains(self, value: u16) -> bool {
        value >= self.first && ((value - self.first) as u32) < self.count
    }

    /// The value that lies `offset` behind the first, going round.
    pub(super) const fn at(self, offset: u32) -> u16 {
        self.first + (offset % self.count) as u16
    }
}

/// Ports are drawn among their like, since programs read privilege into low ones (Linux v6.18:
/// `net/netfilter/nf_nat_core.c`, `nf_nat_l4proto_unique_tuple()`). Why 512 to 599 are left out: rlogin and its
/// relatives pass credentials from ports of 512 and up.
#[rustfmt::skip]
static CLASSES: [(u16, (u16, u16)); 3] = [
    // ports up to   are drawn from
    (511,            (1, 511)),
    (1023,           (600, 1023)),
    (u16::MAX,       (1024, u16::MAX)),
];

/// What stands at a tuple that a search tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupancy {
    /// Nothing.
    Free,
    /// A closed TCP connection that may be thrown out when the search gets desperate.
    Evictable(ConnId),
    /// A connection that stays.
    Taken,
}

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The port or identifier.
    pub value: u16,
    /// What stands there: `Taken` when nothing was found, and the connection will fail when it is confirmed.
    pub occupancy: Occupancy,
}

/// Where a search starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first candidate.
    First,
    /// So far behind the first candidate, going round.
    Behind(u16),
    /// Anywhere.
    Drawn,
}

/// Searches a value that is free: upwards from the start for at most 128 tries, then from new places with half as many,
/// as long as that is at least 8 of them. The last 32 tries of each round take a place that can be evicted.
///
/// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_l4proto_unique_tuple()`.
pub fn search(
    candidates: Candidates,
    start: Start,
    random: &mut Random,
    occupancy: impl Fn(u16) -> Occupancy,
) -> Choice {
    let mut attempts = candidates.count.min(ATTEMPTS_MAX);
    let exhaustive = attempts == candidates.count;
    let usable = |value: u32| candidates.contains(value as u16) && occupancy(value as u16) != Occupancy::Taken;
    // A search that sees every candidate needs no lot when none of them will do.
    if exhaustive && !(0..attempts).any(|offset| usable(u32::from(candidates.at(offset)))) {
        return Choice { value: candidates.at(attempts - 1), occupancy: Occupancy::Taken };
    }
    let mut draw = || random.draw(Draw::Port, u32::from(candidates.first), candidates.count, usable) as u16;
    let mut first = match start {
        Start::First => candidates.first,
        Start::Behind(offset) => candidates.at(offset.into()),
        Start::Drawn => draw(),
    };
    loop {
        let offset = u32::from(first - candidates.first);
        for attempt in 0..attempts {
            let value = candidates.at(offset + attempt);
            match occupancy(value) {
                Occupancy::Evictable(_) if attempts - attempt > EVICTING_ATTEMPTS => {}
                Occupancy::Taken => {}
                found @ (Occupancy::Free | Occupancy::Evictable(_)) => return Choice { value, occupancy: found },
            }
        }
        if exhaustive || attempts < ATTEMPTS_MIN {
            return Choice { value: candidates.at(offset + attempts - 1), occupancy: Occupancy::Taken };
        }
        attempts /= 2;
        first = draw();
    }
}

const fn has_ports(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP)
}

/// Linux: `NF_NAT_MAX_ATTEMPTS`.
const ATTEMPTS_MAX: u32 = 128;

/// A round of fewer tries than this is the last one.
const ATTEMPTS_MIN: u32 = 16;

/// Linux: `NF_NAT_HARDER_THRESH`.
const EVICTING_ATTEMPTS: u32 = ATTEMPTS_MAX / 4;

#[cfg(test)]
mod tests;
