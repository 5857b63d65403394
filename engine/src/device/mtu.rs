//! What tags leave of a port's largest packet.
//!
//! A VLAN's packets are no larger than its parent's, and its tags have to leave by the port as well:
//!
//! ```text
//!  port       |─ addresses ─|─ type ─|──────────── MTU ────────────|
//!  VLAN       |─ addresses ─|─ tag ─|─ type ─|──────────── MTU ────────────|     beyond the port's MTU by a tag
//!  VLAN in it |─ addresses ─|─ tag ─|─ tag ─|─ type ─|─────── MTU ───────|       no further beyond it, if that is all there may be
//! ```

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Device, Devices, Kind, Vlan};
use crate::{frame::DeviceId, wire::EtherType};

/// Which tags the frames of a port, or of a bond, may have beyond its MTU. Others make the packets of its VLANs smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagsBeyondMtu {
    /// All of them, as Linux has it of its own devices.
    #[default]
    All,
    /// One, if it is the frame's first and of 802.1Q: a frame whose first tag is of 802.1ad has none. That is what a packet socket takes
    /// (Linux v6.18: `net/packet/af_packet.c`, `packet_extra_vlan_len_allowed()`).
    FirstOfCustomer,
}

impl TagsBeyondMtu {
    /// How many of a frame's tags count, of which the first is of that protocol.
    const fn counted(self, tags: u32, first_tpid: u16) -> u32 {
        match self {
            Self::All => 0,
            Self::FirstOfCustomer if first_tpid == EtherType::VLAN.0 => tags - 1,
            Self::FirstOfCustomer => tags,
        }
    }

    /// Which tags frames may have that leave by either of two ports.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::All { other } else { self }
    }
}

impl Devices {
    /// The largest MTU that a VLAN can have, in bytes: its parent's, or what is left of the port's where tags count
    /// ([`Device::tags_beyond_mtu`]); never less than IPv4 needs. Without its parent: 0.
    #[must_use]
    pub fn vlan_mtu_bytes_max(&self, vlan: Vlan) -> u32 {
        let (mut first, mut tags) = (vlan, 1);
        let Some(parent) = self.find(vlan.parent) else { return 0 };
        let mut below = parent;
        while let Kind::Vlan(vlan) = below.kind {
            let Some(found) = self.find(vlan.parent) else { return 0 };
            (first, tags, below) = (vlan, tags + 1, found);
        }
        let counted = TAG_BYTES * below.tags_beyond_mtu.counted(tags, first.tpid);
        parent.mtu_bytes.min(below.mtu_bytes.saturating_sub(counted).max(*MTUS_BYTES.start()))
    }

    /// Gives a device another MTU, and those of its VLANs that have more than they then can as much as they can. Nothing happens when there
    /// is no such device.
    pub fn set_mtu(&mut self, id: DeviceId, mtu_bytes: u32) {
        if let Some(device) = self.find_mut(id) {
            device.mtu_bytes = mtu_bytes;
        }
        // A parent stands before what lies over it.
        let above: Vec<DeviceId> = self.above(id).map(|(above, _)| above).filter(|above| *above != id).collect();
        for id in above {
            let Some(&Device { kind: Kind::Vlan(vlan), .. }) = self.find(id) else { continue };
            let most = self.vlan_mtu_bytes_max(vlan);
            if let Some(device) = self.find_mut(id) {
                device.mtu_bytes = device.mtu_bytes.min(most);
            }
        }
    }
}

/// How large packets may be that a device sends, in bytes: the least is IPv4's (RFC 791, 3.2), the most fits a length field.
pub(crate) const MTUS_BYTES: RangeInclusive<u32> = 68..=65_535;
/// Bytes of a VLAN tag.
const TAG_BYTES: u32 = 4;
