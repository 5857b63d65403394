//! What crosses the border between a device and the engine: [`Frame`] comes in, [`Transmit`] goes out.

use serde::{Deserialize, Serialize};

use crate::{
    conntrack::{ConnId, Direction},
    packet::{Behind, Checksum, Gso, Packet, VlanTag},
};

/// A device of the engine: its index in the order of [`crate::Command::AddDevice`], from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceId(pub u16);

impl DeviceId {
    /// `lo`, over which this host sends to itself. It is always there; no frame comes or leaves by it but those of the machine's own
    /// programs ([`crate::Command::ServeHost`], [`crate::Engine::set_hearing_host`]).
    pub const LOOPBACK: Self = Self(u16::MAX);
}

/// What a device hands over: bytes and what it knows about them, as AF_PACKET with a vnet header does.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Where it arrived.
    pub device: DeviceId,
    /// The receive queue it arrived on, from 0.
    pub queue: u16,
    /// The Ethernet frame from the destination address on, without FCS and without a stripped VLAN tag; all headers of one of which
    /// a part lies `behind`.
    pub bytes: &'a [u8],
    /// What follows, in memory that its sender has as well; of most frames nothing.
    pub behind: Behind<'a>,
    /// Length on the wire in bytes; greater than that of `bytes` and what is `behind` when a capture cut it.
    pub wire_len: u32,
    /// What is known about the transport checksum.
    pub checksum: Checksum,
    /// Set on a super-packet.
    pub gso: Option<Gso>,
    /// The tag that the device has stripped.
    pub vlan: Option<VlanTag>,
    /// The connection that it belongs to and its direction, where whoever hands it over has found out
    /// ([`crate::conntrack::Conntrack::find`]). It is verified and spares a look-up, nothing else depends on it.
    pub flow: Option<(ConnId, Direction)>,
}

impl<'a> Frame<'a> {
    /// A whole frame about which nothing is known but its bytes.
    #[must_use]
    pub const fn new(device: DeviceId, bytes: &'a [u8]) -> Self {
        let wire_len = bytes.len() as u32;
        Self {
            device,
            queue: 0,
            bytes,
            behind: Behind::NOTHING,
            wire_len,
            checksum: Checksum::None,
            gso: None,
            vlan: None,
            flow: None,
        }
    }

    /// The same of which no device has verified anything: its checksum is to be looked at. One that is left out on purpose stays so, and
    /// so does what is said of a super-packet, whose segments' checksums are gone.
    #[must_use]
    pub(crate) const fn unverified(&self) -> Self {
        let is_said = matches!(self.checksum, Checksum::Unnecessary | Checksum::Complete(_)) && self.gso.is_none();
        Self { checksum: if is_said { Checksum::None } else { self.checksum }, ..*self }
    }

    /// How many bytes there are of it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.behind.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A frame that leaves by a device. It carries what [`Frame`] carries, and owns its bytes until it is given back with
/// [`crate::Engine::recycle`] (or dropped, which costs the next packet an allocation).
#[derive(Debug)]
pub struct Transmit {
    /// The port by which it leaves; a VLAN's packets leave by the port that it lies over.
    pub device: DeviceId,
    /// The packet, from its Ethernet header on.
    pub packet: Packet,
}

impl Transmit {
    /// The linear bytes: all headers, and the payload as far as it is not in [`Transmit::fragments`].
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.packet.linear()
    }

    /// The rest of the payload, in order.
    pub fn fragments(&self) -> impl Iterator<Item = &[u8]> {
        self.packet.fragments()
    }

    /// The frame as the other end of a cable gets it, where it comes in by `device`: nothing is copied, the payload is shared. Once the
    /// other engine has taken it, this may be given back.
    #[must_use]
    pub fn as_frame(&self, device: DeviceId) -> Frame<'_> {
        let (checksum, gso, vlan) = (self.checksum(), self.gso(), self.vlan());
        let wire_len = self.len() as u32;
        Frame { behind: self.packet.behind(), wire_len, checksum, gso, vlan, ..Frame::new(device, self.head()) }
    }

    /// Length of the whole frame in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packet.len()
    }

    /// Whether the frame has no bytes; never so for what the engine hands out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known about the transport checksum: `Partial` means the device or the host has to fill it.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.packet.meta().checksum
    }

    /// Set on a super-packet that the device or the host has to cut.
    #[must_use]
    pub fn gso(&self) -> Option<Gso> {
        self.packet.meta().gso
    }

    /// The class that `-j CLASSIFY` gave it, for the host's queueing discipline (Linux: `skb->priority`); 0: none.
    #[must_use]
    pub fn priority(&self) -> u32 {
        self.packet.meta().priority
    }

    /// The tag that the device or the host has to insert.
    #[must_use]
    pub fn vlan(&self) -> Option<VlanTag> {
        self.packet.meta().vlan
    }
}
