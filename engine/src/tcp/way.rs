//! How packets of a connection go, as far as it has to know.

use super::open::mss_of_way;
use crate::{frame::DeviceId, ip::RouteMetrics};

/// How packets of a connection go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// The largest packet that goes through, as far as is known.
    pub(crate) mtu_bytes: u32,
    /// A router has named less than may be believed: it has to cut what is larger than it takes.
    pub(crate) may_be_cut: bool,
    /// The device of the link on which the other end's address means something.
    pub(crate) bound: Option<DeviceId>,
    /// The device that they leave by; what waits for a bond's ports or beneath a VLAN is not told of.
    pub(crate) device: Option<DeviceId>,
    /// IPv6's flow label.
    pub(crate) flow_label: u32,
    /// What the route says.
    pub(crate) metrics: RouteMetrics,
    /// How often routes had changed when this was so.
    pub(crate) changes: u32,
}

impl Way {
    /// The MSS that a SYN tells: what the route says, or what its packets have room for, less headers without options (RFC 9293, section
    /// 3.7.1).
    pub(super) fn mss_to_tell(&self, is_v4: bool) -> u32 {
        self.metrics.advmss_bytes.unwrap_or_else(|| mss_of_way(self.mtu_bytes, is_v4))
    }
}
