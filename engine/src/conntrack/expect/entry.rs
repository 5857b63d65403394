//! Expectations as listings, events and snapshots show them: plain data, copied out.

use alloc::{boxed::Box, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{Expectation, ExpectationId, ExpectedNat, HelperId, SourceMask};
use crate::{conntrack::Tuple, time::Instant};

/// An expectation as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectationEntry {
    /// Its number.
    pub id: ExpectationId,
    /// The way of the master's first packet.
    pub master: Tuple,
    /// The master's zone.
    pub zone: u16,
    /// What its first packet will look like.
    pub tuple: Tuple,
    /// Which part of the tuple's source counts.
    pub mask: SourceMask,
    /// Which of the helper's classes it belongs to.
    pub class: u8,
    /// The name of the helper that has read the announcement.
    pub helper: Box<str>,
    /// How its connection is to be translated.
    pub nat: Option<ExpectedNat>,
    /// It stays when a connection has fulfilled it.
    pub permanent: bool,
    /// It fulfils nothing yet.
    pub inactive: bool,
    /// Whole seconds until it is forgotten.
    pub timeout_secs: u32,
}

impl ExpectationEntry {
    /// The expectation as it is now.
    #[must_use]
    pub fn of(now: Instant, expectation: &Expectation) -> Self {
        Self {
            id: expectation.id,
            master: expectation.master_tuple,
            zone: expectation.zone,
            tuple: expectation.tuple,
            mask: expectation.mask,
            class: expectation.class,
            helper: expectation.helper_name.clone(),
            nat: expectation.nat,
            permanent: expectation.permanent,
            inactive: expectation.inactive,
            timeout_secs: expectation.expires.since(now).as_secs().min(u64::from(u32::MAX)) as u32,
        }
    }

    /// Its mask as a tuple; of the destination everything counts.
    #[must_use]
    pub fn whole_mask(&self) -> Tuple {
        let whole = SourceMask::new(self.tuple.family, u8::MAX, true);
        Tuple {
            source: self.mask.address,
            source_port: self.mask.port,
            destination: whole.address,
            destination_port: whole.port,
            ..self.tuple
        }
    }

    /// Whether a packet with this tuple, in that zone, is the one that was announced, or would be if it were active: how
    /// conntrack(8) looks one up.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_expect.c`, `__nf_ct_expect_find()`.
    #[must_use]
    pub fn announces(&self, zone: u16, tuple: &Tuple) -> bool {
        self.zone == zone && self.mask.equates(tuple, &self.tuple)
    }

    /// The names of its flags, as conntrack's events and records write them.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        [(self.permanent, "PERMANENT"), (self.inactive, "INACTIVE")]
            .into_iter()
            .filter_map(|(set, name)| set.then_some(name))
    }
}

/// All expectations in a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedExpectations {
    /// The number given last.
    pub latest: ExpectationId,
    /// Those that wait, in the order of their numbers.
    pub waiting: Vec<SavedExpectation>,
}

/// An expectation in a snapshot. Its master is named by serial number, since places in the table are given anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedExpectation {
    /// Its number.
    pub id: ExpectationId,
    /// The master's serial number.
    pub master: u64,
    /// What its first packet will look like.
    pub tuple: Tuple,
    /// Which part of the tuple's source counts.
    pub mask: SourceMask,
    /// Which of the helper's classes it belongs to.
    pub class: u8,
    /// The helper that has read the announcement.
    pub helper: HelperId,
    /// How its connection is to be translated.
    pub nat: Option<ExpectedNat>,
    /// It stays when a connection has fulfilled it.
    pub permanent: bool,
    /// It fulfils nothing yet.
    pub inactive: bool,
    /// When it is forgotten.
    pub expires: Instant,
}
