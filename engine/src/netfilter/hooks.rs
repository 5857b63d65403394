//! The five hooks and who is called at each, in order.

use serde::{Deserialize, Serialize};

/// A place on the path where rules and trackers look at packets (Linux: `enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hook {
    /// After a packet has arrived, before it is routed.
    Prerouting,
    /// Before a packet is delivered to this host.
    Input,
    /// Between two devices.
    Forward,
    /// After this host has made a packet.
    Output,
    /// Before a packet leaves.
    Postrouting,
}

impl Hook {
    /// All hooks, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Prerouting, Self::Input, Self::Forward, Self::Output, Self::Postrouting];

    /// The built-in chain's name.
    #[must_use]
    pub const fn chain(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Forward => "FORWARD",
            Self::Output => "OUTPUT",
            Self::Postrouting => "POSTROUTING",
        }
    }

    /// Who is called, in order. Priorities: Linux v6.18, `include/uapi/linux/netfilter_ipv4.h`.
    #[must_use]
    pub const fn stages(self) -> &'static [Stage] {
        match self {
            Self::Prerouting => &[Stage::Raw, Stage::Conntrack, Stage::Mangle, Stage::DestinationNat],
            Self::Input => {
                &[Stage::Mangle, Stage::Filter, Stage::Security, Stage::SourceNat, Stage::Helper, Stage::Confirm]
            }
            Self::Forward => &[Stage::Mangle, Stage::Filter, Stage::Security],
            Self::Output => {
                &[Stage::Raw, Stage::Conntrack, Stage::Mangle, Stage::DestinationNat, Stage::Filter, Stage::Security]
            }
            Self::Postrouting => &[Stage::Mangle, Stage::SourceNat, Stage::Helper, Stage::Confirm],
        }
    }
}

/// Somebody who is called at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The raw table (-300).
    Raw,
    /// Connection tracking (-200).
    Conntrack,
    /// The mangle table (-150).
    Mangle,
    /// The nat table where it changes destinations (-100).
    DestinationNat,
    /// The filter table (0).
    Filter,
    /// The security table (50).
    Security,
    /// The nat table where it changes sources (100).
    SourceNat,
    /// The connection's helper (300).
    Helper,
    /// Sequence adjustment and entry into the table (last).
    Confirm,
}

/// A table of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TableName {
    /// Before connection tracking.
    Raw,
    /// Changes headers and marks.
    Mangle,
    /// Translates addresses; only asked about a connection's first packet.
    Nat,
    /// Lets pass or not.
    Filter,
    /// Once more behind filter: for those who mark packets for SELinux, whose own targets are not supported.
    Security,
}

impl TableName {
    /// All tables.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Mangle, Self::Nat, Self::Filter, Self::Security];

    /// Its name in rules text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Filter => "filter",
            Self::Security => "security",
        }
    }

    /// The hooks at which it has built-in chains.
    #[must_use]
    pub const fn hooks(self) -> &'static [Hook] {
        match self {
            Self::Raw => &[Hook::Prerouting, Hook::Output],
            Self::Mangle => &Hook::ALL,
            Self::Nat => &[Hook::Prerouting, Hook::Input, Hook::Output, Hook::Postrouting],
            Self::Filter | Self::Security => &[Hook::Input, Hook::Forward, Hook::Output],
        }
    }
}
