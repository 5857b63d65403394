//! Expectations: connections that another one, their master, has announced (Linux: `struct nf_conntrack_expect`).
//!
//! [`Expectations`] holds all that wait. The first packet of an expected connection takes its expectation out (unless
//! that is permanent) and is RELATED.

mod entry;
mod table;
pub mod xml;

pub use entry::{ExpectationEntry, SavedExpectation, SavedExpectations};
pub use table::{CannotExpect, Expectations, Room};

use alloc::boxed::Box;

use serde::{Deserialize, Serialize};

use super::{
    ConnId,
    tuple::{Address, Direction, Family, Tuple},
};
use crate::{event::Change, time::Instant};

/// A helper's number, in the order of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HelperId(pub u16);

/// An expectation's number, from 1 in order of appearance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExpectationId(pub u64);

/// A connection that another one has announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Its number; 0 until it waits.
    pub id: ExpectationId,
    /// Who announced it.
    pub master: ConnId,
    /// The way of the master's first packet.
    pub master_tuple: Tuple,
    /// The number of the master's zone, whatever its directions, and the only one it is looked for in.
    pub zone: u16,
    /// What its first packet will look like.
    pub tuple: Tuple,
    /// Which part of the tuple's source counts; the destination counts whole.
    pub mask: SourceMask,
    /// Which of the helper's classes it belongs to.
    pub class: u8,
    /// The helper that has read the announcement.
    pub helper: HelperId,
    /// That helper's name.
    pub helper_name: Box<str>,
    /// How its connection is to be translated; `None` when the master is not translated, and rules decide.
    pub nat: Option<ExpectedNat>,
    /// It stays when a connection has fulfilled it (Linux: `NF_CT_EXPECT_PERMANENT`).
    pub permanent: bool,
    /// It fulfils nothing yet (Linux: `NF_CT_EXPECT_INACTIVE`).
    pub inactive: bool,
    /// What is told of it: as its master's [`super::EventMask`] says.
    pub told: Told,
    /// When it is forgotten.
    pub expires: Instant,
}

/// What is told of an expectation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// That it is there, and that it is gone.
    #[default]
    All,
    /// Only that it is there.
    New,
    /// Nothing.
    Nothing,
}

impl Told {
    /// What a master's mask allows.
    #[must_use]
    pub const fn by(mask: Option<super::EventMask>) -> Self {
        match mask {
            None => Self::All,
            Some(mask) if mask.new_expectations => Self::New,
            Some(_) => Self::Nothing,
        }
    }

    const fn tells(self, change: Change) -> bool {
        match self {
            Self::All => true,
            Self::New => matches!(change, Change::New),
            Self::Nothing => false,
        }
    }
}

/// Which part of an expected source counts (Linux: `struct nf_conntrack_tuple_mask`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMask {
    /// The bits of the address that count.
    pub address: Address,
    /// The bits of the port that count.
    pub port: u16,
}

impl SourceMask {
    /// The mask of the first `prefix` bits of an address (beyond the family's length: of all), and of a port or none.
    #[must_use]
    pub fn new(family: Family, prefix: u8, port: bool) -> Self {
        let longest = match family {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        };
        let bits = u128::MAX.checked_shl(128 - u32::from(prefix.min(longest))).unwrap_or(0);
        Self { address: Address(bits.to_be_bytes()), port: if port { u16::MAX } else { 0 } }
    }

    /// What both masks let count.
    #[must_use]
    fn intersection(self, other: Self) -> Self {
        let mut address = self.address;
        for (byte, other) in address.0.iter_mut().zip(other.address.0) {
            *byte &= other;
        }
        Self { address, port: self.port & other.port }
    }

    /// Whether two tuples have the same destination, and the same source as far as it counts.
    ///
    /// Linux v6.18: `include/net/netfilter/nf_conntrack_tuple.h`, `nf_ct_tuple_mask_cmp()`.
    #[must_use]
    fn equates(self, one: &Tuple, other: &Tuple) -> bool {
        let sources = one.source.0.iter().zip(other.source.0).zip(self.address.0);
        one.destination == other.destination
            && one.destination_port == other.destination_port
            && one.protocol == other.protocol
            && one.family == other.family
            && (one.source_port ^ other.source_port) & self.port == 0
            && sources.into_iter().all(|((one, other), mask)| (one ^ other) & mask == 0)
    }
}

/// How an expected connection follows its master's translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedNat {
    /// The direction of its first packet, relative to the master.
    pub direction: Direction,
    /// The port that the announcement meant, before the payload was rewritten.
    pub port: u16,
}

impl Expectation {
    /// Whether a packet with this tuple is the one that was announced.
    #[must_use]
    pub fn announces(&self, zone: u16, tuple: &Tuple) -> bool {
        self.zone == zone && self.mask.equates(tuple, &self.tuple)
    }

    /// Whether one packet could be taken for this one, and for another one if that announced `tuple`.
    fn clashes(&self, other: &Self, tuple: &Tuple) -> bool {
        self.zone == other.zone && self.mask.intersection(other.mask).equates(&self.tuple, tuple)
    }

    /// Whether another one would announce the same to the same master.
    fn repeats(&self, other: &Self, tuple: &Tuple) -> bool {
        self.master == other.master && self.tuple == *tuple && self.mask == other.mask && self.zone == other.zone
    }
}
