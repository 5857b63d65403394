//! Ethernet II (IEEE 802.3, clause 3.2.6).

use core::fmt;

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, byteorder::big_endian::U16};

/// An Ethernet header; the payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct EthernetHeader {
    /// To whom.
    pub destination: MacAddr,
    /// From whom.
    pub source: MacAddr,
    /// What follows; see [`EtherType`].
    pub ether_type: U16,
}

const _: () = assert!(size_of::<EthernetHeader>() == EthernetHeader::LEN);

impl EthernetHeader {
    /// Its length in bytes.
    pub const LEN: usize = 14;
    /// Where the sender's address begins.
    pub const SOURCE_AT: usize = core::mem::offset_of!(Self, source);
}

/// What follows an Ethernet header (IANA, "IEEE 802 Numbers"). Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// An 802.1Q tag.
    pub const VLAN: Self = Self(0x8100);
    /// Slow protocols: LACP and markers (IEEE 802.3-2018, annex 57A).
    pub const SLOW_PROTOCOLS: Self = Self(0x8809);
    /// IPv6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);
    /// An 802.1ad service tag.
    pub const SERVICE_VLAN: Self = Self(0x88a8);
}

/// A 48-bit Ethernet address.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Everybody.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Nobody: not known yet.
    pub const UNSPECIFIED: Self = Self([0; 6]);

    /// Whether it is [`Self::BROADCAST`].
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// Whether it names a group of stations; the broadcast address does too.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
