//! What a port's link says of itself.

use serde::{Deserialize, Serialize};

/// A port's link, as its driver tells it (Linux: `netif_carrier_ok()`, `struct ethtool_link_ksettings`). Bonds look at it, nobody
/// else does: a frame that leaves by a port without a carrier is the host's to lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Whether there is a carrier.
    pub carrier: bool,
    /// Mbit/s; `None`: not known.
    pub speed_mbps: Option<u32>,
    /// Whether both ends may send at once; `None`: not known.
    pub full_duplex: Option<bool>,
}

/// A link that is up and as fast as Linux says of veth devices (v6.18: `drivers/net/veth.c`, `veth_get_link_ksettings()`).
impl Default for Link {
    fn default() -> Self {
        Self { carrier: true, speed_mbps: Some(10_000), full_duplex: Some(true) }
    }
}

impl Link {
    /// A link without a carrier, of which nothing is known.
    pub const DOWN: Self = Self { carrier: false, speed_mbps: None, full_duplex: None };
}
