//! The modes of bonds.

use serde::{Deserialize, Serialize};

/// How a bond uses its ports (Linux: `BOND_MODE_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// `balance-rr`: one packet by each in turn.
    #[default]
    RoundRobin,
    /// `active-backup`: all by one, until that fails.
    ActiveBackup,
    /// `balance-xor`: by a hash of the packet.
    Xor,
    /// `broadcast`: every packet by each of them.
    Broadcast,
    /// `802.3ad`: by a hash, among those that LACP has found to lead to one system.
    Ieee8023ad,
}

impl Mode {
    /// Those that there are here, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::RoundRobin, Self::ActiveBackup, Self::Xor, Self::Broadcast, Self::Ieee8023ad];

    /// Its name, as an operator says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "balance-rr",
            Self::ActiveBackup => "active-backup",
            Self::Xor => "balance-xor",
            Self::Broadcast => "broadcast",
            Self::Ieee8023ad => "802.3ad",
        }
    }

    /// As `/proc/net/bonding` calls it (Linux: `bond_mode_name()`).
    #[must_use]
    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::RoundRobin => "load balancing (round-robin)",
            Self::ActiveBackup => "fault-tolerance (active-backup)",
            Self::Xor => "load balancing (xor)",
            Self::Broadcast => "fault-tolerance (broadcast)",
            Self::Ieee8023ad => "IEEE 802.3ad Dynamic link aggregation",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether one of the ports is the active one, and may be preferred (Linux: `bond_uses_primary()`).
    #[must_use]
    pub const fn uses_primary(self) -> bool {
        matches!(self, Self::ActiveBackup)
    }

    /// Whether its links can be those of who answers (Linux: `bond_mode_uses_arp()`).
    #[must_use]
    pub const fn may_probe(self) -> bool {
        !matches!(self, Self::Ieee8023ad)
    }

    /// Whether packets are told apart by [`HashPolicy`](super::HashPolicy) (Linux: `bond_mode_uses_xmit_hash()`).
    #[must_use]
    pub const fn uses_xmit_hash(self) -> bool {
        matches!(self, Self::Xor | Self::Ieee8023ad)
    }
}
