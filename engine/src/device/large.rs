//! Who has a say in `large-receive-offload` beside the device that is to merge.
//!
//! What lies over a device (its bond, its VLANs) must want it too; and where packets are forwarded nobody wants it: it goes off when
//! forwarding goes on, and when a device is added while it is. Who switches it on afterwards has it on, and its packets are dropped.
//!
//! A VLAN cannot want it, so that a device under one never has it. A bond wants it until it is told otherwise: it
//! leaves its ports alone.
//!
//! Linux v6.18: `net/core/dev.c`, `dev_disable_lro()`, `netdev_sync_upper_features()`, `netdev_sync_lower_features()`;
//! `net/ipv4/devinet.c`, `inet_forward_change()`, `inetdev_init()`; `net/ipv6/addrconf.c`, `dev_forward_change()`;
//! `drivers/net/bonding/bond_main.c`, `bond_enslave()`, `bond_setup()`; `net/8021q/vlan_dev.c`, `vlan_dev_init()`.

use alloc::vec::Vec;

use super::{Devices, Feature, Features, Kind};
use crate::frame::DeviceId;

impl Devices {
    /// Switches it off for a device, and for those that it lies over. Gives those of them that had
    /// it on: what they hold is to go on.
    pub(crate) fn disable_large_receive(&mut self, id: DeviceId) -> Vec<DeviceId> {
        let mut off = Vec::new();
        if let Some(device) = self.find_mut(id) {
            let without = device.features.with(Feature::LARGE_RECEIVE, false);
            if device.features != without {
                device.features = without;
                off.push(id);
            }
        }
        for below in self.below(id) {
            off.extend(self.disable_large_receive(below));
        }
        off
    }

    /// A device has been told otherwise, or is new: lets those have their say that lie over it, and the other way round. Gives those
    /// for which it goes off by that.
    pub(crate) fn settle_large_receive(&mut self, id: DeviceId) -> Vec<DeviceId> {
        let over = self.iter().filter(|(over, _)| self.below(*over).contains(&id));
        let is_wanted = over
            .chain(self.find(id).map(|device| (id, device)))
            .all(|(_, device)| device.features.wants(Feature::LARGE_RECEIVE));
        if is_wanted { Vec::new() } else { self.disable_large_receive(id) }
    }

    /// What a device lies over.
    fn below(&self, id: DeviceId) -> Vec<DeviceId> {
        match self.find(id).map(|device| device.kind) {
            Some(Kind::Vlan(vlan)) => Vec::from([vlan.parent]),
            Some(Kind::Bond) => self.bond(id).map(|bond| bond.ports().collect()).unwrap_or_default(),
            Some(Kind::Physical | Kind::Loopback) | None => Vec::new(),
        }
    }
}

/// The features that a new device of a kind wants, of those that it is given and can have.
pub(crate) const fn wanted(kind: Kind, given: Features) -> Features {
    match kind {
        Kind::Bond => given.with(Feature::LARGE_RECEIVE, true),
        Kind::Vlan(_) | Kind::Physical | Kind::Loopback => given,
    }
    .for_kind(kind)
}
