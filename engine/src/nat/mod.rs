//! Network address translation: which addresses and ports a connection gets, and how its packets are rewritten.
//!
//! [`binding`] settles a new connection's translation, with the choice of [`address`] and [`ports`]; [`mod@rewrite`] and
//! [`icmp_error`] write it into packets; `foretold` says what would be chosen; [`sequence`] follows payloads whose length has changed.

pub mod address;
pub mod binding;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod foretold;
pub mod icmp_error;
#[cfg(test)]
pub(crate) mod lab;
pub mod ports;
pub mod rewrite;
pub mod sequence;

pub use binding::{Way, admit, bind, follow_master, has_lost_its_device, keep, masquerade, needs_binding, redirect};
pub(crate) use icmp_error::lay_error_together;
pub use icmp_error::{is_icmp, rewrite_icmp_error};
pub use rewrite::{rewrite, rewrite_both};

use serde::{Deserialize, Serialize};

use crate::{conntrack::Address, netfilter::Hook, wire::SeqNum};

/// Which end of a connection is translated (Linux: `enum nf_nat_manip_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manip {
    /// The source: SNAT, MASQUERADE.
    Source,
    /// The destination: DNAT, REDIRECT.
    Destination,
}

impl Manip {
    /// What a hook's nat stage translates (Linux: `HOOK2MANIP`).
    #[must_use]
    pub const fn at(hook: Hook) -> Self {
        match hook {
            Hook::Postrouting | Hook::Input => Self::Source,
            Hook::Prerouting | Hook::Output | Hook::Forward => Self::Destination,
        }
    }
}

/// What a rule allows a connection to be translated to (Linux: `struct nf_nat_range2`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NatRange {
    /// First and last address; `None` keeps the address (or takes the device's, for MASQUERADE and REDIRECT).
    pub addresses: Option<(Address, Address)>,
    /// First and last port or ICMP identifier; `None` keeps it where that is free.
    pub ports: Option<(u16, u16)>,
    /// What the original port is counted from: the one that lies so far behind it lies as far behind the first port of
    /// the range (`first-last/base`).
    pub base: Option<u16>,
    /// `--random`: the port is drawn, not kept.
    pub random: bool,
    /// `--random-fully`: every port that is tried is drawn.
    pub random_fully: bool,
    /// `--persistent`: the address of a range depends on the source address only.
    pub persistent: bool,
}

/// How rewriting has moved the sequence numbers of one direction (Linux: `struct nf_ct_seqadj`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceAdjustment {
    /// First byte, before rewriting, of the segment that was rewritten last.
    pub correction: SeqNum,
    /// By how much numbers up to `correction` move.
    pub before: i32,
    /// By how much later numbers move.
    pub after: i32,
}
