//! What a device does for the host, under the names of `ethtool -k`.
//!
//! | file | what |
//! |---|---|
//! | `table` | all features that Linux has names for: what each is here, and what it needs |
//! | `text` | what `ethtool -k` and `ethtool -K` print |
//!
//! What a packet asks is a mask that is made when features change.

mod table;
mod text;

pub use text::{FeatureList, FeatureOutcome};

use serde::{Deserialize, Serialize};

use self::table::{Able, GROUPS, ROWS, able, bit, fixed, group};
use super::Kind;
use crate::{
    packet::{Checksum, GsoKind, Meta, VlanTag},
    wire::{EtherType, sctp::SCTP_CHECKSUM},
};

/// What a device does (Linux: `netdev_features_t`). What it does not when it sends is done here before it gets a frame.
///
/// What is wanted is on when all that it needs is on: nothing is cut by a device that does not sum, no segment of TCP by one that
/// does not gather. It comes back with that. Linux v6.18: `net/core/dev.c`, `netdev_fix_features()`; `struct net_device`,
/// `wanted_features` and `features`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Features {
    /// What is wanted, as far as it can be had.
    wanted: u64,
    /// What is on of that.
    active: u64,
}

/// As Linux has it for a device that can everything: all but `tx-tcp-mangleid-segmentation`; and what it receives is not merged.
impl Default for Features {
    fn default() -> Self {
        const DEFAULT: Features = Features::of(able(&[Able::AnyAtFirst, Able::PortAtFirst]) | ALWAYS);
        DEFAULT
    }
}

impl From<u64> for Features {
    fn from(wanted: u64) -> Self {
        Self::of(wanted & (PORT | ALWAYS))
    }
}

impl From<Features> for u64 {
    fn from(features: Features) -> Self {
        features.wanted
    }
}

/// One feature, or some that are switched together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name, as `ethtool -k` prints it.
    pub name: &'static str,
    /// Its short name, as `ethtool -K` takes it; empty when it has none.
    pub short: &'static str,
    bits: u64,
}

impl Feature {
    /// Merges what it receives.
    pub const GRO: Self = Self { name: "generic-receive-offload", short: "gro", bits: GRO };

    /// The device itself merges segments, looser than [`Self::GRO`]: what it has merged cannot be cut again, and is not forwarded.
    /// Nothing is left of this where it has [`Self::HARDWARE_GRO`]. What lies over the device, and forwarding, have a say in it
    /// ([`Command::SetFeature`](crate::Command::SetFeature)).
    pub const LARGE_RECEIVE: Self = Self { name: "large-receive-offload", short: "lro", bits: LRO };

    /// The device itself merges segments of TCP as [`Self::GRO`] does.
    pub const HARDWARE_GRO: Self = Self { name: "rx-gro-hw", short: "", bits: GRO_HARDWARE };

    /// Tells the hash of a frame's flow.
    pub const RECEIVE_HASHING: Self = Self { name: "receive-hashing", short: "rxhash", bits: bit("rx-hashing") };

    /// What the device says of a frame's checksum counts; else it is verified here. One that the sender has left out because the
    /// frame stays on one machine ([`Checksum::Partial`]) counts all the same.
    pub const RECEIVE_CHECKSUMMING: Self = Self { name: "rx-checksumming", short: "rx", bits: RECEIVE_CHECKSUM };

    /// Fills in the checksum of what it sends.
    pub const CHECKSUMMING: Self = Self { name: "tx-checksumming", short: "tx", bits: group("tx") };

    /// Takes frames in pieces; else these are laid together before: headers and payload, or what does not fit beside them in one
    /// piece behind.
    pub const SCATTER_GATHER: Self = Self { name: "scatter-gather", short: "sg", bits: group("sg") };

    /// Keeps the frames that it merges as they have come, those of UDP among them; nothing is left of this where a device does not
    /// merge.
    pub const GRO_LIST: Self = Self { name: "rx-gro-list", short: "", bits: bit("rx-gro-list") };

    /// Merges UDP datagrams, too.
    pub const UDP_GRO_FORWARDING: Self =
        Self { name: "rx-udp-gro-forwarding", short: "", bits: bit("rx-udp-gro-forwarding") };

    /// All that Linux has names for: first those that are switched together, then each by itself.
    ///
    /// `generic-segmentation-offload` is remembered and shown, and decides nothing: what a device does not cut is cut here, and TCP
    /// leaves it super-packets whatever it says (Linux v6.18: `net/core/sock.c`, `sk_setup_caps()`).
    pub fn all() -> impl Iterator<Item = Self> {
        let groups = GROUPS.iter().map(|known| Self { name: known.name, short: known.short, bits: group(known.short) });
        groups.chain(ROWS.iter().map(|row| Self { name: row.name, short: "", bits: bit(row.name) }))
    }

    /// The feature of that name, short or long.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|known| known.name == name || (!known.short.is_empty() && known.short == name))
    }

    /// Whether all that the other is belongs to it, and that is something.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        other.bits != 0 && self.bits & other.bits == other.bits
    }

    /// Whether a device of that kind, or a part of what it is, can be switched on and off.
    #[must_use]
    pub const fn is_for(self, kind: Kind) -> bool {
        self.bits & switched_by(kind) != 0
    }

    /// Whether nobody may ask for it: it is how a driver is made.
    #[must_use]
    pub const fn is_of_driver(self) -> bool {
        self.bits & DRIVER != 0
    }
}

impl Features {
    /// A device on which frames are as on a wire: whole, with their checksums, each by itself when it comes.
    pub const WIRE: Self = Self::of(group("sg") & PORT | group("gso") | RECEIVE_CHECKSUM | ALWAYS);

    const fn of(wanted: u64) -> Self {
        Self { wanted, active: fixed(wanted) }
    }

    /// Of these what a device of a kind can have.
    #[must_use]
    pub(crate) const fn for_kind(self, kind: Kind) -> Self {
        let always = match kind {
            Kind::Physical => ALWAYS,
            // Their ports have it, and they go on with what those have found.
            Kind::Vlan(_) | Kind::Bond => RECEIVE_CHECKSUM,
            Kind::Loopback => 0,
        };
        Self::of(self.wanted & switched_by(kind) | always)
    }

    /// Whether it has the feature; of several that are switched together, any.
    #[must_use]
    pub const fn has(self, feature: Feature) -> bool {
        self.active & feature.bits != 0
    }

    /// Whether it would have the feature, or any of several, if it had all that this needs.
    #[must_use]
    pub(crate) const fn wants(self, feature: Feature) -> bool {
        self.wanted & feature.bits != 0
    }

    /// With a feature switched on or off, as far as any device can have it.
    #[must_use]
    pub const fn with(self, feature: Feature, on: bool) -> Self {
        let bits = feature.bits & PORT;
        Self::of(if on { self.wanted | bits } else { self.wanted & !bits })
    }

    /// What the path asks for when it sends.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn active(self) -> Active {
        Active(self.active)
    }

    /// Whether anything that it receives may be merged.
    #[must_use]
    pub(crate) const fn merge_received(self) -> bool {
        self.active & (GRO | GRO_HARDWARE | LRO) != 0
    }
}

/// What is on, of a device or of all on a way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Active(u64);

impl Active {
    /// What both do.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the device can cut the packet, if it is a super-packet at all.
    #[must_use]
    pub(crate) fn can_segment(self, meta: &Meta) -> bool {
        let Some(gso) = meta.gso else { return true };
        let needed = match gso.kind {
            GsoKind::Tcp4 => TCP4,
            GsoKind::Tcp4Ecn => TCP4 | TCP_ECN,
            GsoKind::Tcp6 => TCP6,
            GsoKind::Tcp6Ecn => TCP6 | TCP_ECN,
            GsoKind::Udp => UDP,
            GsoKind::Lro => return false,
        };
        let needed = if gso.fixed_id { needed | TCP_MANGLE_ID } else { needed };
        self.0 & needed == needed
    }

    /// Whether the device puts such a tag between the bytes.
    #[must_use]
    pub(crate) const fn can_insert(self, tag: VlanTag) -> bool {
        self.0 & if tag.tpid == EtherType::VLAN.0 { VLAN } else { SERVICE_VLAN } != 0
    }

    /// Whether the device can fill in the packet's checksum, if that is left to it. It sums words; none is told here that SCTP has a
    /// CRC instead (Linux: `csum_not_inet`, which no vnet header carries).
    #[must_use]
    pub(crate) fn can_sum(self, meta: &Meta) -> bool {
        match meta.checksum {
            Checksum::Partial { offset, .. } => self.0 & CHECKSUM != 0 && offset as usize != SCTP_CHECKSUM.start,
            Checksum::None | Checksum::Unnecessary | Checksum::Complete(_) => true,
        }
    }

    /// Whether the device takes a frame in pieces.
    #[must_use]
    pub(crate) const fn can_gather(self) -> bool {
        self.0 & SCATTER_GATHER != 0
    }
}

/// What a device of a kind can be told to do or not to do (Linux: `hw_features`). Receiving is the ports' affair; but a bond has a say in
/// whether those merge by themselves.
const fn switched_by(kind: Kind) -> u64 {
    match kind {
        Kind::Physical => PORT,
        Kind::Vlan(_) => ABOVE,
        Kind::Bond => ABOVE | LRO,
        Kind::Loopback => 0,
    }
}

/// What those can be told that lie over ports.
const ABOVE: u64 = able(&[Able::Any, Able::AnyAtFirst]);
/// What a port can be told, which is all that any device can be.
const PORT: u64 = able(&[Able::Any, Able::AnyAtFirst, Able::Port, Able::PortAtFirst]);
/// What nobody can be told.
const DRIVER: u64 = able(&[Able::Driver]);
/// What a port has.
const ALWAYS: u64 = able(&[Able::Always]);

const SCATTER_GATHER: u64 = bit("tx-scatter-gather");
const CHECKSUM: u64 = bit("tx-checksum-ip-generic");
const TCP4: u64 = bit("tx-tcp-segmentation");
const TCP_ECN: u64 = bit("tx-tcp-ecn-segmentation");
const TCP_MANGLE_ID: u64 = bit("tx-tcp-mangleid-segmentation");
const TCP6: u64 = bit("tx-tcp6-segmentation");
const UDP: u64 = bit("tx-udp-segmentation");
const VLAN: u64 = bit("tx-vlan-hw-insert");
const SERVICE_VLAN: u64 = bit("tx-vlan-stag-hw-insert");
const GRO: u64 = bit("rx-gro");
const LRO: u64 = bit("rx-lro");
const GRO_HARDWARE: u64 = bit("rx-gro-hw");
const RECEIVE_CHECKSUM: u64 = bit("rx-checksum");

#[cfg(test)]
mod tests;
