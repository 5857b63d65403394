//! A captured packet as the replay sees it.

use core::fmt;

use pcap_file::DataLink;
use towpath_engine::Instant;

use super::InterfaceId;

/// One packet of a capture; its bytes are borrowed from where the capture was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedPacket<'b> {
    /// Its number in the capture, from 1, counting every packet of every interface.
    pub number: u64,
    /// When it was captured, since the Unix epoch. Times before it count as the epoch. A simple packet block has no
    /// time of its own and gets the previous packet's.
    pub time: Instant,
    /// The interface it was captured on.
    pub interface: InterfaceId,
    /// The kernel's index of the device, where the link layer tells (Linux cooked v2, modified pcap); 0: not told.
    pub ifindex: u32,
    /// What was captured.
    pub content: Content<'b>,
    /// Length of the frame on the wire in bytes, without FCS; greater than the content's when the capture cut it.
    pub wire_len: u32,
    /// Whether the capturing host received or sent it, where the capture tells.
    pub direction: Option<PacketDirection>,
    /// The packet's first comment as the capture has it; not necessarily UTF-8.
    pub comment: Option<&'b [u8]>,
    /// Where its record starts, in bytes from the start of the capture (after decompression).
    pub offset: u64,
}

/// What of a captured packet can be given to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'b> {
    /// An Ethernet frame without FCS; its header is made up when the link layer was another one.
    Ethernet(&'b [u8]),
    /// Nothing: the link layer is not one that the engine knows.
    Unreadable(Unreadable),
}

/// Why a captured packet cannot be given to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The link type of its interface is not supported.
    LinkType(LinkType),
    /// It is shorter than its link header.
    LinkHeaderCut(LinkType),
    /// A null or loop header names an address family that is neither IPv4's nor IPv6's.
    AddressFamily(u32),
    /// A PPP header names a protocol that is neither IPv4 nor IPv6, such as those that PPP itself speaks.
    PppProtocol(u16),
    /// A raw IP packet's version is neither 4 nor 6.
    IpVersion(u8),
    /// A cooked header names a kind of device (`ARPHRD_*`) whose packets are not frames.
    DeviceType(u16),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkType(link) => write!(out, "link type {link} is not supported"),
            Self::LinkHeaderCut(link) => write!(out, "shorter than the link header of type {link}"),
            Self::AddressFamily(family) => {
                write!(out, "address family {family} is neither IPv4 nor IPv6")
            }
            Self::PppProtocol(protocol) => write!(out, "PPP protocol {protocol:#06x} is neither IPv4 nor IPv6"),
            Self::IpVersion(version) => write!(out, "raw packet of IP version {version}"),
            Self::DeviceType(kind) => write!(out, "packet of a device of type {kind} (ARPHRD), which has no frames"),
        }
    }
}

/// Which way a packet went, as seen by the host that captured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketDirection {
    /// The host received it (also when it was for another host).
    Inbound,
    /// The host sent it.
    Outbound,
}

/// A link type by its number in the registry of tcpdump.org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: an address family in the byte order of the capturing machine.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP (RFC 1661), with or without the framing of RFC 1662.
    pub const PPP: Self = Self(9);
    /// Raw IP, as most systems number it in `DLT_RAW`.
    pub const RAW_DLT: Self = Self(12);
    /// Raw IP, as OpenBSD numbers it in `DLT_RAW`.
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC-like framing (RFC 1662).
    pub const PPP_HDLC: Self = Self(50);
    /// Raw IP.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: an address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked, v1: what capturing on `any` gives.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked, v2.
    pub const LINUX_SLL2: Self = Self(276);
}

impl fmt::Display for LinkType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, DataLink::from(self.0)) {
            (Self::RAW_DLT | Self::RAW_OPENBSD, _) => write!(out, "{} (RAW)", self.0),
            (_, DataLink::Unknown(number)) => write!(out, "{number} (unknown)"),
            (_, known) => write!(out, "{} ({known:?})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_types_are_shown_with_number_and_name() {
        assert_eq!(LinkType::LINUX_SLL2.to_string(), "276 (LINUX_SLL2)");
        assert_eq!(LinkType::RAW_DLT.to_string(), "12 (RAW)");
        assert_eq!(LinkType(253).to_string(), "253 (NETLINK)");
        assert_eq!(LinkType(60_000).to_string(), "60000 (unknown)");
    }
}
