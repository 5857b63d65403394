//! Which rules of a long chain a packet may match, found without looking at the others.
//!
//! ```text
//!  split: destination port, 16 bits ─┬─ 22 ──► list: 3, 17
//!                                    ├─ 80 ──► split: source, 24 bits ─┬─ 10.0.7.0 ──► list: 5
//!                                    │                                 └─ rest ──────► list: 6, 40
//!                                    └─ rest (rules that leave the port open) ──► list: 0, 99
//! ```
//!
//! A split asks for some leading bits of one field of a packet. Rules that fix those bits lie under their value, the
//! others in the rest, each rule in one place only, so that memory grows with the number of rules and no faster. A packet
//! meets one list under each value and each rest on its way down, at most [`LISTS_MAX`]; merged in the order of their
//! rules they are its candidates. Every candidate is then asked as in a walk along the chain: what is left out here are
//! only rules whose addresses, protocol or ports a packet cannot have, and which a walk would pass over in silence.
//!
//! Why only fields that are fixed for a flow: what a rule looks at beyond them (devices, states, marks) has to be noted
//! for [`walk`](crate::netfilter::walk), and rules that are left out note nothing.
//!
//! Why not bit vectors over all rules, one for each value of each field: 10 000 rules make 25 MB a field.

mod build;

use alloc::vec::Vec;

use super::facts::{Facts, Ports};

/// What a split asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    Protocol,
}

impl Field {
    pub(super) const ALL: [Self; 5] =
        [Self::Source, Self::Destination, Self::SourcePort, Self::DestinationPort, Self::Protocol];

    /// How many bits it has.
    const fn bits(self) -> u32 {
        match self {
            Self::Source | Self::Destination => 32,
            Self::SourcePort | Self::DestinationPort => 16,
            Self::Protocol => 8,
        }
    }

    /// Its leading bits, as a mask.
    const fn leading(self, count: u32) -> u32 {
        let all = u32::MAX >> (32 - self.bits());
        match count {
            0 => 0,
            count => all & (u32::MAX << (self.bits() - count)),
        }
    }

    /// What a packet has there; `None` when it has no ports.
    #[inline]
    fn of(self, facts: &Facts) -> Option<u32> {
        match self {
            Self::Source => Some(facts.source),
            Self::Destination => Some(facts.destination),
            Self::Protocol => Some(u32::from(facts.protocol.0)),
            Self::SourcePort => (facts.ports == Ports::Here).then_some(u32::from(facts.source_port)),
            Self::DestinationPort => (facts.ports == Ports::Here).then_some(u32::from(facts.destination_port)),
        }
    }
}

/// The long chains of all tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Classifier {
    /// In the order of their first rules.
    chains: Vec<Long>,
    nodes: Vec<Node>,
    /// The tables of all splits, one after the other.
    slots: Vec<Slot>,
    /// The lists of all leaves, one after the other; each rises.
    rules: Vec<u32>,
}

/// A chain of at least [`LONG_CHAIN_RULES`] rules.
#[derive(Clone, Copy, Debug)]
struct Long {
    first: u32,
    /// Behind its last rule.
    end: u32,
    root: u32,
}

#[derive(Clone, Copy, Debug)]
enum Node {
    /// A part of [`Classifier::rules`].
    List {
        start: u32,
        end: u32,
    },
    Split(Split),
}

#[derive(Clone, Copy, Debug)]
struct Split {
    field: Field,
    mask: u32,
    /// The first of its slots.
    start: u32,
    /// It has 2 to the power of 32 less this many slots.
    shift: u8,
    rest: u32,
}

/// A place of a split's table: open addressing, at most half full.
#[derive(Clone, Copy, Debug)]
struct Slot {
    value: u32,
    /// [`EMPTY`]: none.
    node: u32,
}

const EMPTY: u32 = u32::MAX;

impl Split {
    /// Where a value belongs if nothing else is there.
    const fn home(&self, value: u32) -> u32 {
        value.wrapping_mul(0x9e37_79b1) >> self.shift
    }

    const fn last(&self) -> u32 {
        u32::MAX >> self.shift
    }
}

/// The rules of one chain that a packet may match, in order.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    /// Parts of [`Classifier::rules`] that are still to come.
    lists: [(u32, u32); LISTS_MAX],
    len: usize,
    /// Behind the chain's last rule; 0: the chain is short, and all its rules are candidates.
    end: u32,
    /// Whether rules were left out because the packet has no ports.
    pub(super) missed_ports: bool,
}

impl Candidates {
    /// Of a short chain.
    pub(super) const ALL: Self = Self { lists: [(0, 0); LISTS_MAX], len: 0, end: 0, missed_ports: false };
}

impl Classifier {
    /// Starts at the rule `at`, and gives the first one from there on that has to be asked. `asks_all`: every one has.
    #[inline]
    pub(super) fn seek(&self, at: u32, facts: &Facts, asks_all: bool, candidates: &mut Candidates) -> u32 {
        candidates.end = 0;
        // A packet whose ports, or protocol, cannot be read is dropped by the first rule that asks for them.
        if self.chains.is_empty() || asks_all || matches!(facts.ports, Ports::Evil | Ports::Unreached) {
            return at;
        }
        match self.chain(at) {
            Some(chain) => self.start(chain, at, facts, candidates),
            None => at,
        }
    }

    /// The rule that has to be asked after `at`.
    #[inline]
    pub(super) fn after(&self, at: u32, candidates: &mut Candidates) -> u32 {
        if candidates.end == 0 { at + 1 } else { self.next(candidates) }
    }

    fn chain(&self, at: u32) -> Option<&Long> {
        let index = self.chains.partition_point(|chain| chain.first <= at).checked_sub(1)?;
        self.chains.get(index).filter(|chain| at < chain.end)
    }

    fn start(&self, chain: &Long, at: u32, facts: &Facts, candidates: &mut Candidates) -> u32 {
        (candidates.len, candidates.end, candidates.missed_ports) = (0, chain.end, false);
        self.collect(chain.root, facts, candidates);
        if at > chain.first {
            for (start, end) in &mut candidates.lists[..candidates.len] {
                let list = &self.rules[*start as usize..*end as usize];
                *start += list.partition_point(|&rule| rule < at) as u32;
            }
        }
        self.next(candidates)
    }

    fn collect(&self, mut node: u32, facts: &Facts, candidates: &mut Candidates) {
        loop {
            match self.nodes[node as usize] {
                Node::List { start, end } => {
                    if start < end && candidates.len < LISTS_MAX {
                        candidates.lists[candidates.len] = (start, end);
                        candidates.len += 1;
                    }
                    return;
                }
                Node::Split(split) => {
                    match split.field.of(facts) {
                        Some(value) => {
                            if let Some(node) = self.find(&split, value & split.mask) {
                                self.collect(node, facts, candidates);
                            }
                        }
                        None => candidates.missed_ports = true,
                    }
                    node = split.rest;
                }
            }
        }
    }

    #[inline]
    fn find(&self, split: &Split, value: u32) -> Option<u32> {
        let slots = &self.slots[split.start as usize..=(split.start + split.last()) as usize];
        let mut at = split.home(value);
        loop {
            let slot = slots[at as usize];
            if slot.node == EMPTY {
                return None;
            }
            if slot.value == value {
                return Some(slot.node);
            }
            at = (at + 1) & split.last();
        }
    }

    /// The least rule that is still to come; behind the last one comes the chain's end.
    #[inline]
    fn next(&self, candidates: &mut Candidates) -> u32 {
        let (mut least, mut of) = (candidates.end, None);
        for (index, &(start, end)) in candidates.lists[..candidates.len].iter().enumerate() {
            if start < end {
                let rule = self.rules[start as usize];
                if rule < least {
                    (least, of) = (rule, Some(index));
                }
            }
        }
        match of {
            Some(index) => candidates.lists[index].0 += 1,
            // What follows is the chain's end, which leads away.
            None => candidates.end = 0,
        }
        least
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.chains.len() * size_of::<Long>()
            + self.nodes.len() * size_of::<Node>()
            + self.slots.len() * size_of::<Slot>()
            + self.rules.len() * size_of::<u32>()
    }
}

/// Lists that one packet may meet in one chain.
const LISTS_MAX: usize = 8;

/// Rules of a chain from which on searching is faster than asking one after the other.
pub(super) const LONG_CHAIN_RULES: usize = 8;
