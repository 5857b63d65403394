//! What a route says of the way beside where it leads (Linux: `RTA_METRICS`).

use serde::{Deserialize, Serialize};

/// What a route says of the way; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMetrics {
    /// The largest packet sent this way, in bytes; the device's when `None`.
    pub mtu_bytes: Option<u32>,
}

impl RouteMetrics {
    /// Nothing is said.
    pub const NONE: Self = Self { mtu_bytes: None };

    /// The largest packet alone.
    #[must_use]
    pub const fn of_mtu(mtu_bytes: Option<u32>) -> Self {
        Self { mtu_bytes }
    }
}
