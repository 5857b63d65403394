//! What kinds of devices there are, and what each does with a frame before any protocol sees it.
//!
//! ```text
//!  frame ─► physical ─┬─ a port of a bond ──────────────────► the bond, if that takes it by this port ─► …
//!                     ├─ tagged, and its VLAN is a device ─► that device ─► …
//!                     ├─ tagged with a priority only ──────► the tag comes off
//!                     ├─ tagged otherwise ─────────────────► dropped
//!                     └─ for this station ─────────────────► the protocols
//! ```
//!
//! A kind whose frames come from other devices is found from those, as a VLAN is from its parent: which device takes a
//! frame is decided here alone, and so is which device a frame leaves by ([`Devices::way_out`]).
//!
//! Linux v6.18: `net/core/dev.c`, `__netif_receive_skb_core()`; `net/8021q/vlan_core.c`, `vlan_do_receive()`.

use serde::{Deserialize, Serialize};

use super::{Active, Device, Devices};
use crate::{
    ending::DropReason,
    frame::DeviceId,
    limits::VLAN_DEPTH_MAX,
    packet::{Addressed, Packet, VlanTag},
    wire::{EtherType, MacAddr},
};

/// Where a device's frames come from and go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A port: the host hands its frames over, and takes them.
    #[default]
    Physical,
    /// `lo`: no frame comes or leaves.
    Loopback,
    /// A VLAN of another device.
    Vlan(Vlan),
    /// Several ports that are one device ([`super::bond`]).
    Bond,
}

/// A VLAN (IEEE 802.1Q), or a service VLAN (802.1ad; a VLAN over one is what is called QinQ).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// The device whose tagged frames it has: a port, or another VLAN.
    pub parent: DeviceId,
    /// The tag's protocol: 0x8100 or 0x88a8.
    pub tpid: u16,
    /// Its number, 0 to 4094.
    pub id: u16,
}

impl Vlan {
    /// The greatest number of a VLAN.
    pub const ID_MAX: u16 = 4094;

    /// Whether it can be.
    #[must_use]
    pub(crate) const fn is_right(self) -> bool {
        (self.tpid == EtherType::VLAN.0 || self.tpid == EtherType::SERVICE_VLAN.0) && self.id <= Self::ID_MAX
    }

    /// The tag of its frames.
    #[must_use]
    pub const fn tag(self) -> VlanTag {
        VlanTag { tpid: self.tpid, tci: self.id }
    }
}

/// Why a device does not take a frame as its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It takes it not at all.
    Dropped(DropReason),
    /// It is a port of this bond, which has to be asked.
    PortOf(DeviceId),
}

/// How a frame leaves by a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WayOut {
    /// The port.
    pub(crate) port: DeviceId,
    /// What the port does for the host, and the VLANs on the way as well.
    pub(crate) features: Active,
}

impl Devices {
    /// Lets the device that a frame has come in by decide about it: whose it is, once its tags are off, and whether it is
    /// for this host.
    #[inline(always)]
    pub(crate) fn accept(&self, packet: &mut Packet) -> Result<(), Refusal> {
        let device = packet.meta().device.and_then(|id| self.find(id));
        let device = device.ok_or(Refusal::Dropped(DropReason::DeviceDown))?;
        match device.master {
            None => self.accept_by(packet, device).map_err(Refusal::Dropped),
            Some(bond) => Err(Refusal::PortOf(bond)),
        }
    }

    /// The same of a device that is no port of a bond; `card` is the one whose address decides whether an untagged frame is for this
    /// host: the device itself, or the port of the bond that it is.
    ///
    /// Linux v6.18: `net/ethernet/eth.c`, `eth_type_trans()`, which no bond above changes.
    #[inline(always)]
    pub(crate) fn accept_by(&self, packet: &mut Packet, card: &Device) -> Result<(), DropReason> {
        let Some(ethernet) = packet.ethernet() else { return Err(DropReason::LinkTruncated) };
        let destination = ethernet.destination;
        let mut is_ours = card.takes(destination);
        if packet.tag().is_some() {
            is_ours |= self.accept_tagged(packet, destination)?;
        }
        if packet.meta().addressed == Addressed::Host && !is_ours {
            return Err(DropReason::LinkOtherHost);
        }
        Ok(())
    }

    /// The same for a tagged frame; whether one of its VLANs takes it for its own.
    #[inline(never)]
    fn accept_tagged(&self, packet: &mut Packet, destination: MacAddr) -> Result<bool, DropReason> {
        let mut is_ours = false;
        while let Some(tag) = packet.tag() {
            match self.vlan_of(packet.meta().device, tag) {
                Some((id, vlan)) => {
                    packet.meta_mut().device = Some(id);
                    is_ours |= vlan.takes(destination);
                }
                None if tag.id() != 0 => return Err(DropReason::VlanUnknown),
                None => {}
            }
            packet.take_tag()?;
        }
        Ok(is_ours)
    }

    /// Whether a frame that has come in by a device is for another station, before its tags are looked at.
    pub(crate) fn is_for_other(&self, id: DeviceId, packet: &Packet) -> bool {
        let takes = |mac| self.find(id).is_some_and(|device| device.takes(mac));
        packet.meta().addressed == Addressed::Host
            && packet.ethernet().is_none_or(|ethernet| !takes(ethernet.destination))
    }

    /// The port by which frames of a device leave; each VLAN on the way puts its tag before the packet. None where a bond lies below,
    /// which has to choose one ([`Self::bond_below`]).
    #[inline(always)]
    pub(crate) fn way_out(&self, id: DeviceId, device: &Device, packet: &mut Packet) -> Option<WayOut> {
        packet.meta_mut().vlan = None;
        match device.kind {
            Kind::Physical | Kind::Loopback => Some(WayOut { port: id, features: device.features.active() }),
            Kind::Vlan(_) => self.way_out_of_vlan(id, device, packet),
            Kind::Bond => None,
        }
    }

    fn way_out_of_vlan(&self, id: DeviceId, device: &Device, packet: &mut Packet) -> Option<WayOut> {
        let (mut port, mut device, mut features) = (id, device, device.features.active());
        while let Kind::Vlan(vlan) = device.kind {
            packet.put_tag(vlan.tag());
            (port, device) = (vlan.parent, self.find(vlan.parent)?);
            features = features.and(device.features.active());
        }
        if device.kind == Kind::Bond {
            return None;
        }
        if let Some(tag) = packet.meta().vlan.filter(|tag| !device.features.active().can_insert(*tag)) {
            packet.meta_mut().vlan = None;
            packet.insert_tag(tag);
        }
        Some(WayOut { port, features })
    }

    /// The bond that a device is or lies over, and what all of them do for the host.
    pub(crate) fn bond_below(&self, id: DeviceId) -> Option<(DeviceId, Active)> {
        let (mut id, mut device) = (id, self.find(id)?);
        let mut features = device.features.active();
        while let Kind::Vlan(vlan) = device.kind {
            (id, device) = (vlan.parent, self.find(vlan.parent)?);
            features = features.and(device.features.active());
        }
        (device.kind == Kind::Bond).then_some((id, features))
    }

    /// The devices whose packets leave by a device: itself, and the VLANs over it.
    pub(crate) fn above(&self, id: DeviceId) -> impl Iterator<Item = (DeviceId, &Device)> {
        self.iter().filter(move |(above, _)| {
            let mut below = Some(*above);
            while let Some(found) = below.filter(|below| *below != id) {
                below = match self.find(found).map(|device| device.kind) {
                    Some(Kind::Vlan(vlan)) => Some(vlan.parent),
                    Some(Kind::Physical | Kind::Loopback | Kind::Bond) | None => None,
                };
            }
            below == Some(id)
        })
    }

    /// Whether a device can be added: its kind is one that there can be, and its VLAN is not there already.
    pub(crate) fn may_be(&self, device: &Device) -> bool {
        match device.kind {
            Kind::Physical | Kind::Bond => true,
            Kind::Loopback => false,
            Kind::Vlan(vlan) => {
                let parent =
                    self.find(vlan.parent).filter(|parent| parent.kind != Kind::Loopback && parent.master.is_none());
                vlan.is_right()
                    && parent.is_some()
                    && device.mtu_bytes <= self.vlan_mtu_bytes_max(vlan)
                    && self.depth(vlan.parent) < VLAN_DEPTH_MAX
                    && self.vlan_of(Some(vlan.parent), vlan.tag()).is_none()
            }
        }
    }

    /// How many VLANs lie over each other up to this one.
    fn depth(&self, id: DeviceId) -> usize {
        let parent = |device: &&Device| match device.kind {
            Kind::Vlan(vlan) => self.find(vlan.parent),
            Kind::Physical | Kind::Loopback | Kind::Bond => None,
        };
        core::iter::successors(self.find(id), parent).count() - 1
    }

    fn vlan_of(&self, parent: Option<DeviceId>, tag: VlanTag) -> Option<(DeviceId, &Device)> {
        let &id = self.vlans.get(&(parent?, tag.tpid, tag.id()))?;
        Some((id, self.find(id)?))
    }
}
