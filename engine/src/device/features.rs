//! What a device does for the host, under the names of `ethtool -k`.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    packet::{Checksum, GsoKind, Meta, VlanTag},
    wire::{EtherType, sctp::SCTP_CHECKSUM},
};

/// What a device does (Linux: `netdev_features_t`). What it does not when it sends is done here before it gets a frame.
///
/// A device that does not sum cannot cut either: without `tx-checksumming` no segmentation is on, and comes back with it
/// when it is wanted; `large-receive-offload` is not on beside `rx-gro-hw` (Linux v6.18: `net/core/dev.c`, `netdev_fix_features()`;
/// `struct net_device`, `wanted_features`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features(
    /// What is wanted.
    u16,
);

impl Features {
    /// Nothing is left to the device.
    pub(crate) const NONE: Self = Self(0);
}

/// As Linux has it for a device that can everything: all but `tx-tcp-mangleid-segmentation`; and what it receives is not merged.
impl Default for Features {
    fn default() -> Self {
        Self(CHECKSUM | TCP4 | TCP4_ECN | TCP6 | UDP | VLAN | SERVICE_VLAN | HASH)
    }
}

/// One feature, or some that are switched together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name, as `ethtool -k` prints it.
    pub name: &'static str,
    /// Its short name, as `ethtool -K` takes it; empty when it has none.
    pub short: &'static str,
    bits: u16,
}

impl Feature {
    /// All that are known here, in the order of `ethtool -k`.
    #[rustfmt::skip]
    pub const ALL: [Self; 15] = [
        Self { name: "tx-checksumming",                 short: "tx",  bits: CHECKSUM },
        Self { name: "tcp-segmentation-offload",        short: "tso", bits: TCP4 | TCP4_ECN | TCP4_MANGLE_ID | TCP6 },
        Self { name: "tx-tcp-segmentation",             short: "",    bits: TCP4 },
        Self { name: "tx-tcp-ecn-segmentation",         short: "",    bits: TCP4_ECN },
        Self { name: "tx-tcp-mangleid-segmentation",    short: "",    bits: TCP4_MANGLE_ID },
        Self { name: "tx-tcp6-segmentation",            short: "",    bits: TCP6 },
        Self { name: "tx-udp-segmentation",             short: "",    bits: UDP },
        Self::GRO,
        Self::LARGE_RECEIVE,
        Self { name: "tx-vlan-offload",                 short: "txvlan", bits: VLAN },
        Self::RECEIVE_HASHING,
        Self { name: "tx-vlan-stag-hw-insert",          short: "",    bits: SERVICE_VLAN },
        Self::HARDWARE_GRO,
        Self::GRO_LIST,
        Self::UDP_GRO_FORWARDING,
    ];

    /// Merges what it receives.
    pub const GRO: Self = Self { name: "generic-receive-offload", short: "gro", bits: GRO };

    /// The device itself merges segments, looser than [`Self::GRO`]: what it has merged cannot be cut again, and is not forwarded.
    /// Nothing is left of this where it has [`Self::HARDWARE_GRO`]. What lies over the device, and forwarding, have a say in it
    /// ([`Command::SetFeature`](crate::Command::SetFeature)).
    pub const LARGE_RECEIVE: Self = Self { name: "large-receive-offload", short: "lro", bits: LRO };

    /// The device itself merges segments of TCP as [`Self::GRO`] does.
    pub const HARDWARE_GRO: Self = Self { name: "rx-gro-hw", short: "", bits: GRO_HARDWARE };

    /// Tells the hash of a frame's flow.
    pub const RECEIVE_HASHING: Self = Self { name: "receive-hashing", short: "rxhash", bits: HASH };

    /// Keeps the frames that it merges as they have come, those of UDP among them; nothing is left of this where a device does not
    /// merge.
    pub const GRO_LIST: Self = Self { name: "rx-gro-list", short: "", bits: GRO_FRAME_LIST };

    /// Merges UDP datagrams, too.
    pub const UDP_GRO_FORWARDING: Self = Self { name: "rx-udp-gro-forwarding", short: "", bits: UDP_GRO };

    /// The feature of that name, short or long.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name == name || (!known.short.is_empty() && known.short == name))
    }
}

impl Features {
    /// Whether it has the feature; of several that are switched together, any.
    #[must_use]
    pub const fn has(self, feature: Feature) -> bool {
        self.active() & feature.bits != 0
    }

    /// With a feature switched on or off.
    #[must_use]
    pub const fn with(self, feature: Feature, on: bool) -> Self {
        Self(if on { self.0 | feature.bits } else { self.0 & !feature.bits })
    }

    /// What both do.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.active() & other.active())
    }

    const fn active(self) -> u16 {
        let left = if self.0 & CHECKSUM == 0 { self.0 & !SEGMENTATION } else { self.0 };
        if left & GRO_HARDWARE != 0 { left & !LRO } else { left }
    }

    /// Whether anything that it receives may be merged.
    #[must_use]
    pub(crate) const fn merge_received(self) -> bool {
        self.0 & (GRO | GRO_HARDWARE | LRO) != 0
    }

    /// Whether the device can cut the packet, if it is a super-packet at all.
    #[must_use]
    pub(crate) fn can_segment(self, meta: &Meta) -> bool {
        let Some(gso) = meta.gso else { return true };
        let needed = match gso.kind {
            GsoKind::Tcp4 => TCP4,
            GsoKind::Tcp4Ecn => TCP4 | TCP4_ECN,
            GsoKind::Tcp6 => TCP6,
            GsoKind::Tcp6Ecn => TCP6 | TCP4_ECN,
            GsoKind::Udp => UDP,
            GsoKind::Lro => return false,
        };
        let needed = if gso.fixed_id { needed | TCP4_MANGLE_ID } else { needed };
        self.active() & needed == needed
    }

    /// Whether the device puts such a tag between the bytes.
    #[must_use]
    pub(crate) const fn can_insert(self, tag: VlanTag) -> bool {
        self.0 & if tag.tpid == EtherType::VLAN.0 { VLAN } else { SERVICE_VLAN } != 0
    }

    /// Whether the device can fill in the packet's checksum, if that is left to it. It sums words; none is told here that SCTP has a
    /// CRC instead (Linux: `csum_not_inet`, which no vnet header carries).
    #[must_use]
    pub(crate) const fn can_sum(self, meta: &Meta) -> bool {
        match meta.checksum {
            Checksum::Partial { offset, .. } => self.0 & CHECKSUM != 0 && offset as usize != SCTP_CHECKSUM.start,
            Checksum::None | Checksum::Unnecessary | Checksum::Complete(_) => true,
        }
    }
}

/// As `ethtool -k` lists them, those that are switched with others behind these; and one that no device has here, as Linux prints it
/// for one whose driver does not (veth).
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for feature in Feature::ALL {
            let is_part = Feature::ALL
                .iter()
                .any(|whole| whole.bits != feature.bits && whole.bits & feature.bits == feature.bits);
            let on = if self.has(feature) { "on" } else { "off" };
            writeln!(f, "{}{}: {on}", if is_part { "\t" } else { "" }, feature.name)?;
            if feature.name == "tx-vlan-offload" {
                writeln!(f, "ntuple-filters: off [fixed]")?;
            }
        }
        Ok(())
    }
}

const CHECKSUM: u16 = 1;
const TCP4: u16 = 1 << 1;
const TCP4_ECN: u16 = 1 << 2;
const TCP4_MANGLE_ID: u16 = 1 << 3;
const TCP6: u16 = 1 << 4;
const UDP: u16 = 1 << 5;
const VLAN: u16 = 1 << 6;
const SERVICE_VLAN: u16 = 1 << 7;
const GRO: u16 = 1 << 8;
const UDP_GRO: u16 = 1 << 9;
const HASH: u16 = 1 << 10;
const GRO_FRAME_LIST: u16 = 1 << 11;
const LRO: u16 = 1 << 12;
const GRO_HARDWARE: u16 = 1 << 13;
/// What a device cannot that does not sum.
const SEGMENTATION: u16 = TCP4 | TCP4_ECN | TCP4_MANGLE_ID | TCP6 | UDP;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Gso;

    fn feature(name: &str) -> Feature {
        Feature::by_name(name).expect("a known name")
    }

    fn cuts(features: Features, kind: GsoKind, fixed_id: bool) -> bool {
        features.can_segment(&Meta { gso: Some(Gso { kind, size: 1, segments: 0, fixed_id }), ..Meta::default() })
    }

    #[test]
    fn a_device_cuts_what_it_has_the_features_for() {
        let all = Features::default();
        let tcp = all.with(feature("tx-tcp-ecn-segmentation"), false).with(feature("tx-udp-segmentation"), false);
        let table = [
            // features                                  tcp4   ecn4   tcp6   ecn6   udp    fixed id
            (all, [true, true, true, true, true, false]),
            (all.with(feature("tx-tcp-mangleid-segmentation"), true), [true, true, true, true, true, true]),
            (tcp, [true, false, true, false, false, false]),
            (all.with(feature("tso"), false), [false, false, false, false, true, false]),
            (all.with(feature("tx-tcp6-segmentation"), false), [true, true, false, false, true, false]),
            (all.with(feature("tx"), false), [false; 6]),
        ];
        for (features, expected) in table {
            let kinds = [GsoKind::Tcp4, GsoKind::Tcp4Ecn, GsoKind::Tcp6, GsoKind::Tcp6Ecn, GsoKind::Udp];
            let found = kinds.map(|kind| cuts(features, kind, false));
            assert_eq!(found[..], expected[..5], "{features:?}");
            assert_eq!(cuts(features, GsoKind::Tcp4, true), expected[5], "{features:?}");
        }
    }

    #[test]
    fn features_are_listed_as_ethtool_lists_them() {
        let text = alloc::format!("{}", Features::default().with(feature("tso"), false).with(feature("gro"), true));
        let expected = "tx-checksumming: on\ntcp-segmentation-offload: off\n\ttx-tcp-segmentation: off\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains("\ngeneric-receive-offload: on\nlarge-receive-offload: off\ntx-vlan-offload: on\nntuple-filters: off [fixed]\n") && text.contains("\nrx-udp-gro-forwarding: off\n"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_cut_by_a_device_that_does_not_sum() {
        let none = Features::default().with(feature("tx-checksumming"), false);
        let wanted = none.with(feature("tso"), true).with(feature("tx-udp-segmentation"), false);
        for features in [none, wanted] {
            assert!(!features.has(feature("tso")) && !features.has(feature("tx-udp-segmentation")));
            assert!(features.has(feature("txvlan")));
            assert!(!cuts(features, GsoKind::Tcp4, false));
        }
        let again = wanted.with(feature("tx"), true);
        assert!(again.has(feature("tx")) && again.has(feature("tso")), "what is wanted comes back");
        assert!(!again.has(feature("tx-udp-segmentation")));
        assert!(!again.and(none).has(feature("tx")) && !again.and(none).has(feature("tso")));
        assert!(!none.can_sum(&Meta { checksum: Checksum::Partial { start: 0, offset: 0 }, ..Meta::default() }));
        assert!(none.can_sum(&Meta::default()));
    }
}
