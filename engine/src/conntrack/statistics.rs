//! What connection tracking counts.

use serde::{Deserialize, Serialize};

/// Counters since the start, as `/proc/net/stat/nf_conntrack` has them; they wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Tuples that a translation wanted and that were taken.
    pub found: u64,
    /// Packets that are INVALID, ICMP errors aside.
    pub invalid: u64,
    /// Connections that were entered into the table; Linux counts only those that come from netlink.
    pub insert: u64,
    /// Connections that could not be entered, since another one had one of their tuples.
    pub insert_failed: u64,
    /// Packets that were dropped for want of room, or because their connection could not be entered.
    pub drop: u64,
    /// Connections that were dropped to make room.
    pub early_drop: u64,
    /// ICMP messages that are INVALID, or errors about no known flow.
    pub error: u64,
    /// Expectations that came true.
    pub expect_new: u64,
}

impl Statistics {
    /// All counters, in the order of the fields.
    pub(super) const fn all(&self) -> [u64; 8] {
        let Self { found, invalid, insert, insert_failed, drop, early_drop, error, expect_new } = *self;
        [found, invalid, insert, insert_failed, drop, early_drop, error, expect_new]
    }
}
