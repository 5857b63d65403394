//! Expectations: connections that another one has announced (Linux: `struct nf_conntrack_expect`).

use serde::{Deserialize, Serialize};

use super::{ConnId, Tuple};
use crate::wire::SeqNum;

/// A helper's number, in the order of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HelperId(pub u16);

/// An expectation's number, from 1 in order of appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExpectationId(pub u64);

/// Sequence numbers at which a line starts: those after the last two newlines seen at the end of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStarts {
    seqs: [SeqNum; 2],
    len: u8,
}

/// A connection that another one has announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Its number.
    pub id: ExpectationId,
    /// Who announced it.
    pub master: ConnId,
    /// What its first packet will look like.
    pub tuple: Tuple,
}

/// Something that happened with a helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelperEvent {
    /// It failed too often and is not called any more.
    Quarantined(HelperId),
}
