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
    /// `balance-tlb`: what leaves by the port with the most room left, what comes by the active one.
    Tlb,
    /// `balance-alb`: the same, and over IPv4 what comes by several, too.
    Alb,
}

impl Mode {
    /// Those that there are here, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::RoundRobin, Self::ActiveBackup, Self::Xor, Self::Broadcast, Self::Ieee8023ad, Self::Tlb, Self::Alb];

    /// Its name, as an operator says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "balance-rr",
            Self::ActiveBackup => "active-backup",
            Self::Xor => "balance-xor",
            Self::Broadcast => "broadcast",
            Self::Ieee8023ad => "802.3ad",
            Self::Tlb => "balance-tlb",
            Self::Alb => "balance-alb",
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
            Self::Tlb => "transmit load balancing",
            Self::Alb => "adaptive load balancing",
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
        matches!(self, Self::ActiveBackup | Self::Tlb | Self::Alb)
    }

    /// Whether its links can be those of who answers (Linux: `bond_mode_uses_arp()`).
    #[must_use]
    pub const fn may_probe(self) -> bool {
        !matches!(self, Self::Ieee8023ad | Self::Tlb | Self::Alb)
    }

    /// Whether each port sends under an Ethernet address of its own (Linux: `bond_is_lb()`).
    #[must_use]
    pub const fn balances_adaptively(self) -> bool {
        matches!(self, Self::Tlb | Self::Alb)
    }

    /// Whether its links have to say how fast they are (Linux: `bond_needs_speed_duplex()`).
    #[must_use]
    pub const fn needs_speed(self) -> bool {
        matches!(self, Self::Ieee8023ad | Self::Tlb | Self::Alb)
    }
}
