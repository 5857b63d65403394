//! ARP for IPv4 over Ethernet (RFC 826).

use core::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, byteorder::big_endian::U16};

use super::ethernet::{EtherType, MacAddr};

/// An ARP packet with Ethernet and IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ArpPacket {
    /// 1: Ethernet.
    pub hardware_type: U16,
    /// 0x0800: IPv4.
    pub protocol_type: U16,
    /// 6.
    pub hardware_len: u8,
    /// 4.
    pub protocol_len: u8,
    /// [`Self::REQUEST`] or [`Self::REPLY`].
    pub operation: U16,
    /// The sender's Ethernet address.
    pub sender_mac: MacAddr,
    /// The sender's IPv4 address.
    pub sender_ip: [u8; 4],
    /// The target's Ethernet address; zeros in a request.
    pub target_mac: MacAddr,
    /// The target's IPv4 address.
    pub target_ip: [u8; 4],
}

const _: () = assert!(size_of::<ArpPacket>() == ArpPacket::LEN);

impl ArpPacket {
    /// Its length in bytes.
    pub const LEN: usize = 28;
    /// Where the sender's Ethernet address begins.
    pub const SENDER_MAC_AT: usize = core::mem::offset_of!(Self, sender_mac);
    /// "Who has?"
    pub const REQUEST: u16 = 1;
    /// "I have."
    pub const REPLY: u16 = 2;

    /// Whether the types and lengths are those of IPv4 over Ethernet.
    #[must_use]
    pub fn is_ipv4_over_ethernet(&self) -> bool {
        self.hardware_type.get() == ETHERNET
            && self.protocol_type.get() == EtherType::IPV4.0
            && self.hardware_len == 6
            && self.protocol_len == 4
    }

    /// A packet that says `sender` to `target`.
    #[must_use]
    pub fn new(operation: u16, sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) -> Self {
        Self {
            hardware_type: U16::new(ETHERNET),
            protocol_type: U16::new(EtherType::IPV4.0),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(operation),
            sender_mac: sender.0,
            sender_ip: sender.1.octets(),
            target_mac: target.0,
            target_ip: target.1.octets(),
        }
    }
}

/// The hardware type of Ethernet (IANA, "ARP Parameters").
const ETHERNET: u16 = 1;
