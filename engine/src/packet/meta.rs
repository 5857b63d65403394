//! What is known about a packet beside its bytes.

use serde::{Deserialize, Serialize};

use crate::{
    conntrack::{FlowKey, Tracking},
    frame::DeviceId,
    ip::options::Read,
};

/// What is known about a packet beside its bytes (Linux: the fields of `struct sk_buff` that Netfilter reads).
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta {
    /// Where it arrived; `None` for a packet made here.
    pub device: Option<DeviceId>,
    /// The receive queue it arrived on.
    pub queue: u16,
    /// The number of the frame that it came in ([`crate::Ending::frame`]); 0 when it was made here.
    pub frame: u64,
    /// Whom the link layer addressed.
    pub addressed: Addressed,
    /// What is known about the transport checksum.
    pub checksum: Checksum,
    /// How much the sum over an IPv6 header has changed by rules, which tell nobody: 0 or 0xffff when it has not.
    pub drift: u16,
    /// Set on a super-packet.
    pub gso: Option<Gso>,
    /// The VLAN tag that travels beside the bytes.
    pub vlan: Option<VlanTag>,
    /// Whose socket has sent it, when one of this host has.
    pub owner: Option<Owner>,
    /// The packet mark (`-j MARK`, `-m mark`).
    pub mark: u32,
    /// How many bytes of the frame a capture has cut off its end.
    pub cut_bytes: u32,
    /// The queueing discipline's class (`-j CLASSIFY`): major number in the high half, minor in the low.
    pub priority: u32,
    /// It tells every rule that it matches (`-j TRACE`).
    pub traced: bool,
    /// It is a copy that `-j TEE` has made; it is not copied again.
    pub is_copy: bool,
    /// Its socket lets it be cut whatever its header says of that (Linux: `ignore_df` of `struct sk_buff`).
    pub ignores_df: bool,
    /// It is the copy of what this host has sent to everybody on a link, which it takes as well.
    pub is_looped: bool,
    /// A program of the machine has sent it by the host's port: no system call of its own tells why it goes nowhere.
    pub is_of_machine: bool,
    /// What is known of the options of its IPv4 header, once somebody on its way has read them.
    pub options: Read,
    /// The device that a packet made here has to leave by: its destination means something on that link only.
    pub bound: Option<DeviceId>,
    /// What connection tracking says of it.
    pub tracking: Tracking,
    /// How a segment stands to its connection.
    pub standing: Standing,
    /// By what its connection is found, so that it is worked out once; `None`: not yet, or it belongs to none.
    pub flow: Option<FlowKey>,
}

/// How a segment of TCP or SCTP stands to its connection, as tracking has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is a part of it, or nobody has asked.
    #[default]
    Taken,
    /// It may be none: it passes, and its receiver will show who is right.
    Ignored,
}

/// Who owns the socket that a packet was sent from (Linux: `struct file`, `f_cred`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

impl Owner {
    /// Who may do everything.
    pub const ROOT: Self = Self { user: 0, group: 0 };
}

/// Whom the link layer addressed (Linux v6.18: `include/uapi/linux/if_packet.h`, `PACKET_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressed {
    /// This host.
    #[default]
    Host,
    /// Everybody.
    Broadcast,
    /// A group.
    Multicast,
    /// Another station.
    Other,
}

/// What is known about the transport checksum (Linux v6.18: `include/linux/skbuff.h`, `CHECKSUM_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checksum {
    /// Nothing: whoever needs it right verifies it.
    #[default]
    None,
    /// The device has verified it.
    Unnecessary,
    /// The device has summed all bytes after the Ethernet header; folded, not complemented.
    Complete(u16),
    /// Not filled in yet: the field holds the pseudo-header's sum only.
    Partial {
        /// First byte that the sum covers, from the start of the frame.
        start: u16,
        /// Where the sum goes, from `start`.
        offset: u16,
    },
}

/// Present while the packet is a super-packet that the wire must not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gso {
    /// How it is to be cut.
    pub kind: GsoKind,
    /// Payload bytes of every segment but the last; at least 1.
    pub size: u16,
    /// How many segments it stands for; 0 when the device did not say.
    pub segments: u16,
    /// Whether all segments have the IPv4 identification of the whole instead of consecutive ones (Linux:
    /// `SKB_GSO_TCP_FIXEDID`).
    pub fixed_id: bool,
}

/// How a super-packet is cut (Linux v6.18: `include/uapi/linux/virtio_net.h`, `VIRTIO_NET_HDR_GSO_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GsoKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv4, CWR on the first segment only (RFC 3168).
    Tcp4Ecn,
    /// TCP over IPv6.
    Tcp6,
    /// TCP over IPv6, CWR on the first segment only.
    Tcp6Ecn,
    /// UDP datagrams of one size.
    Udp,
    /// TCP over IPv4 that a device has merged without telling how it is to be cut, which nobody may (Linux: `gso_size` without a
    /// `gso_type`; [`crate::offload::gro`]).
    Lro,
}

/// An 802.1Q or 802.1ad tag that travels beside the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanTag {
    /// The tag protocol identifier: 0x8100 or 0x88a8.
    pub tpid: u16,
    /// Priority, drop eligibility and the VLAN's number in the low 12 bits.
    pub tci: u16,
}

impl VlanTag {
    /// The VLAN's number; 0 means that the tag carries a priority only.
    #[must_use]
    pub const fn id(self) -> u16 {
        self.tci & 0x0fff
    }
}
