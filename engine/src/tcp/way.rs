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
    /// IPv6's flow label; 0: packets have none.
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

/// The flow label that a drawn number gives: 20 bits of it, and never the one that says that a packet has no label (RFC 6437, section 2).
pub(crate) const fn label_of(drawn: u32) -> u32 {
    match drawn & LABEL_MASK {
        0 => 1,
        label => label,
    }
}

const LABEL_MASK: u32 = 0xf_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_is_drawn_is_never_the_one_of_packets_without() {
        assert_eq!([0, 1, 0xf_ffff, 0x10_0000].map(label_of), [1, 1, 0xf_ffff, 1]);
    }
}
