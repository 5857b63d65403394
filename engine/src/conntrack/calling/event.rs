//! What is told about helpers.

use serde::{Deserialize, Serialize};

use crate::conntrack::{Address, HelperId, Tuple, helper::HelperFailure};

/// Something that happened with a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperEvent {
    /// A call failed.
    Failed {
        /// Which helper.
        helper: HelperId,
        /// The original tuple of the connection whose payload it read.
        connection: Tuple,
        /// How.
        failure: HelperFailure,
    },
    /// It wished for something that its manifest forbids. Nothing of it was granted.
    Refused {
        /// Which helper.
        helper: HelperId,
        /// The original tuple of the connection whose payload it read.
        connection: Tuple,
        /// What.
        refusal: Refusal,
    },
    /// It failed too often and is not called any more.
    Quarantined(HelperId),
}

/// What a manifest forbids. A payload can make a helper wish for it, so that it does not count as the helper's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// To expect a connection to this port, outside of `expect_ports`.
    Port(u16),
    /// To expect a connection to this host, which is no endpoint of the master.
    ThirdParty(Address),
    /// To rewrite at all.
    Rewriting,
    /// To make a payload longer or shorter by this many bytes, more than `rewrite_bytes_max`.
    RewriteSize(u32),
}
