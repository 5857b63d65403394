//! LACP and the marker protocol, two of IEEE 802.3's slow protocols (IEEE 802.1AX-2020, clauses 6.4.2 and 6.5.3; IEEE 802.3-2018,
//! annex 57A).

use core::ops::{BitOr, BitOrAssign};

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, byteorder::big_endian::U16};

use super::MacAddr;

/// To whom slow protocols are sent: whoever is at the other end of the link.
pub const SLOW_PROTOCOLS: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 2]);

/// What a frame of slow protocols carries: the first byte behind the Ethernet header.
pub mod subtype {
    /// LACP.
    pub const LACP: u8 = 1;
    /// The marker protocol.
    pub const MARKER: u8 = 2;
}

/// What one end of a link says of itself, or of the other end: what an information field of an LACPDU holds.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct PortInfo {
    /// The priority of its system; less is more.
    #[serde(with = "number")]
    pub system_priority: U16,
    /// Its system.
    pub system: MacAddr,
    /// Ports with the same key can be aggregated.
    #[serde(with = "number")]
    pub key: U16,
    /// The priority of its port; less is more.
    #[serde(with = "number")]
    pub port_priority: U16,
    /// The number of its port.
    #[serde(with = "number")]
    pub port: U16,
    /// Its state.
    pub state: PortState,
}

const _: () = assert!(size_of::<PortInfo>() == 15);

/// The state of one end of a link, a bit for each variable (IEEE 802.1AX-2020, 6.4.2.3.2).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct PortState(pub u8);

impl PortState {
    /// None.
    pub const NONE: Self = Self(0);
    /// It speaks without having been spoken to.
    pub const ACTIVITY: Self = Self(0x01);
    /// It gives up what it has heard after the short time.
    pub const TIMEOUT: Self = Self(0x02);
    /// It can be aggregated with others.
    pub const AGGREGATION: Self = Self(0x04);
    /// It is in the right aggregator.
    pub const SYNCHRONIZATION: Self = Self(0x08);
    /// It takes frames.
    pub const COLLECTING: Self = Self(0x10);
    /// It sends frames.
    pub const DISTRIBUTING: Self = Self(0x20);
    /// What it says of the other end is what was set, not what was heard.
    pub const DEFAULTED: Self = Self(0x40);
    /// It has heard nothing for too long.
    pub const EXPIRED: Self = Self(0x80);

    /// Whether all of these are set.
    #[must_use]
    pub const fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    /// With these set or not set.
    pub const fn set(&mut self, bits: Self, on: bool) {
        self.0 = if on { self.0 | bits.0 } else { self.0 & !bits.0 };
    }

    /// Whether both have these alike.
    #[must_use]
    pub const fn agrees(self, other: Self, bits: Self) -> bool {
        (self.0 ^ other.0) & bits.0 == 0
    }
}

impl BitOr for PortState {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for PortState {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// An LACPDU behind its Ethernet header (IEEE 802.1AX-2020, figure 6-8).
///
/// What is reserved is not looked at when it is read; another version than 1 may hold more, and is read like it (6.4.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Lacpdu {
    /// [`subtype::LACP`].
    pub subtype: u8,
    /// 1.
    pub version: u8,
    actor_type: u8,
    actor_len: u8,
    /// Who has sent it.
    pub actor: PortInfo,
    reserved_actor: [u8; 3],
    partner_type: u8,
    partner_len: u8,
    /// What that one knows of the other end.
    pub partner: PortInfo,
    reserved_partner: [u8; 3],
    collector_type: u8,
    collector_len: u8,
    /// How long it may take a frame to be taken in, in units of 10 µs.
    pub collector_max_delay: U16,
    reserved_collector: [u8; 12],
    terminator_type: u8,
    terminator_len: u8,
    reserved: [u8; 50],
}

const _: () = assert!(size_of::<Lacpdu>() == Lacpdu::LEN);

impl Lacpdu {
    /// Its length in bytes.
    pub const LEN: usize = 110;

    /// The length of what it says of both ends; what follows says nothing that is needed.
    pub const ENDS_LEN: usize = 42;

    /// What stands behind the Ethernet header of a frame; none when it ends early.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Self::read_from_prefix(bytes).ok().map(|(lacpdu, _)| lacpdu)
    }

    /// Its bytes, for behind an Ethernet header.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        zerocopy::transmute!(*self)
    }

    /// One that says this.
    #[must_use]
    pub fn new(actor: PortInfo, partner: PortInfo) -> Self {
        Self {
            subtype: subtype::LACP,
            version: 1,
            actor_type: 1,
            actor_len: 20,
            actor,
            reserved_actor: [0; 3],
            partner_type: 2,
            partner_len: 20,
            partner,
            reserved_partner: [0; 3],
            collector_type: 3,
            collector_len: 16,
            collector_max_delay: U16::new(0),
            reserved_collector: [0; 12],
            terminator_type: 0,
            terminator_len: 0,
            reserved: [0; 50],
        }
    }
}

/// A marker PDU behind its Ethernet header (IEEE 802.1AX-2020, figure 6-24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MarkerPdu {
    /// [`subtype::MARKER`].
    pub subtype: u8,
    /// 1.
    pub version: u8,
    /// [`Self::INFORMATION`] or [`Self::RESPONSE`].
    pub kind: u8,
    /// Length of the information: 22.
    pub len: u8,
    /// The port that asks.
    pub requester_port: U16,
    /// Its system.
    pub requester_system: MacAddr,
    /// By which it knows its answers.
    pub transaction: [u8; 4],
    pad: [u8; 2],
    terminator_type: u8,
    terminator_len: u8,
    reserved: [u8; 90],
}

const _: () = assert!(size_of::<MarkerPdu>() == Lacpdu::LEN);

impl MarkerPdu {
    /// Where [`Self::kind`] stands, in bytes from the first.
    pub const KIND_AT: usize = 2;
    /// It asks to be answered.
    pub const INFORMATION: u8 = 1;
    /// It answers.
    pub const RESPONSE: u8 = 2;
}

/// Numbers in network order, as plain ones.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use zerocopy::byteorder::big_endian::U16;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(number: &U16, serializer: S) -> Result<S::Ok, S::Error> {
        number.get().serialize(serializer)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<U16, D::Error> {
        u16::deserialize(deserializer).map(U16::new)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The first frame of the capture `LACP.pcap` of tcpdump's tests, behind its Ethernet header: what a switch says of itself and of
    /// another, as tshark dissects it.
    #[rustfmt::skip]
    const CAPTURED: &[u8] = &[
        0x01, 0x01,
        0x01, 0x14, 0x80, 0x00, 0x00, 0x13, 0xc4, 0x12, 0x0f, 0x00, 0x00, 0x0d, 0x80, 0x00, 0x00, 0x16, 0x85, 0, 0, 0,
        0x02, 0x14, 0x80, 0x00, 0x00, 0x0e, 0x83, 0x16, 0xf5, 0x00, 0x00, 0x0d, 0x80, 0x00, 0x00, 0x19, 0x36, 0, 0, 0,
        0x03, 0x10, 0x80, 0x00,
    ];

    #[test]
    fn a_captured_lacpdu_is_read_as_it_is_dissected_and_written_as_it_was() {
        let mut bytes = CAPTURED.to_vec();
        bytes.resize(Lacpdu::LEN, 0);
        let lacpdu = Lacpdu::parse(&bytes).expect("it is whole");
        let switch = |system, port, state| PortInfo {
            system_priority: U16::new(32_768),
            system: MacAddr(system),
            key: U16::new(13),
            port_priority: U16::new(32_768),
            port: U16::new(port),
            state,
        };
        let (activity, timeout, aggregation) = (PortState::ACTIVITY, PortState::TIMEOUT, PortState::AGGREGATION);
        let actor = switch([0, 0x13, 0xc4, 0x12, 0x0f, 0], 22, activity | aggregation | PortState::EXPIRED);
        let passes = PortState::COLLECTING | PortState::DISTRIBUTING;
        let partner = switch([0, 0x0e, 0x83, 0x16, 0xf5, 0], 25, timeout | aggregation | passes);
        assert_eq!((lacpdu.actor, lacpdu.partner, lacpdu.collector_max_delay.get()), (actor, partner, 0x8000));
        let written = Lacpdu { collector_max_delay: U16::new(0x8000), ..Lacpdu::new(actor, partner) };
        assert_eq!(written.emit(), bytes[..]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_no_bytes_make_reading_panic(bytes: Vec<u8>, fill: [u8; 30]) {
            let _ = Lacpdu::parse(&bytes);
            let _ = MarkerPdu::ref_from_prefix(&bytes);
            let (actor, partner) = PortInfo::read_from_bytes(&fill[..15])
                .and_then(|actor| Ok((actor, PortInfo::read_from_bytes(&fill[15..])?)))
                .expect("15 bytes each");
            let written = Lacpdu::new(actor, partner);
            prop_assert_eq!(Lacpdu::parse(&written.emit()), Some(written));
        }
    }
}
