//! Packets as text, in full: the one notation, read and written, and frames made of it.
//!
//! Records and traces print the short form ([`super::Summary`]); it reads back as what it says. Tests and firewall cases
//! write what matters to them behind it:
//!
//! ```text
//! 10.0.0.2:40000 > 198.51.100.7:80 tcp S seq 1000 ack 0 win 64240 mss 1460
//! 10.0.0.2:40000 > 198.51.100.7:80 PA seq 1001 ack 1 data "GET / HTTP/1.0\r\n\r\n"
//! 10.0.0.2:53 > 198.51.100.7:53 udp len 100 ttl 1
//! 10.0.0.2 > 198.51.100.7 icmp type 8 code 0 id 7 seq 1
//! 203.0.113.9 > 10.0.0.2 icmp type 3 code 4 mtu 1400 [10.0.0.2:40000 > 198.51.100.7:80 tcp seq 1000]
//! 10.0.0.2 > 198.51.100.7 udp fragment 1480 more len 1480
//! 2001:db8::2:40000 > 2001:db8:1::7:443 tcp S seq 1000 ack 0 hoplimit 1
//! 2001:db8:1::9 > 2001:db8::2 icmpv6 type 2 code 0 mtu 1280 [2001:db8::2:40000 > 2001:db8:1::7:443 tcp seq 1000]
//! arp who-has 10.0.0.1 tell 10.0.0.2
//! ```
//!
//! | word | what it is | unwritten |
//! |---|---|---|
//! | `tcp` | may be left out before flags, letters of `FSRPAUEC` | |
//! | `seq`, `ack` | of TCP; `seq` also of an ICMP query | 0 |
//! | `id` | of an ICMP query | 0 |
//! | `data "…"` | payload, with `\r \n \t \0 \\ \" \xNN` | none |
//! | `len N` | payload of N bytes, whatever they are | 0 |
//! | `fragment N`, `more` | where a part of a datagram starts, in bytes; more follow | a whole datagram |
//! | `win`, `mss`, `wscale`, `sackok`, `ts V/E`, `sack A-B,A-B` | of TCP | made: 64240, no option; seen: not compared |
//! | `mtu N` | of an ICMP error | made: 0; seen: not compared |
//! | `ttl`, `tos`, `ipid`, `df` | of IPv4 | made: 64, 0, 0, off; seen: not compared |
//! | `hoplimit`, `tc`, `flowlbl` | of IPv6: hops left, traffic class and flow label, as `LOG` calls them | made: 64, 0, 0; seen: not compared |
//! | `ipid` | of IPv6: its fragment header's; a whole packet has such a header if this is written | made: 0 in a part; seen: not compared |
//!
//! IPv6 has the words of IPv4 except where the table says otherwise; `icmpv6` is its ICMP. The port stands behind the last
//! colon. An address may also be read in brackets (`[2001:db8::2]:443`), but is not printed so. Since `2001:db8::2:443`
//! could be an address too, `tcp` and `udp` between IPv6 addresses have ports wherever both ends can be read so and no
//! `fragment` follows. Where such a header cannot be right, so that there are no ports to tell, the protocol's number
//! stands there instead (`2001:db8::5:2 > 2001:db8::7:1 17`).
//!
//! What an ICMP error quotes stands in brackets, `[cut]` where that is too little to tell; there only addresses, protocol and ports (of ICMP: type, code, id) count, and
//! what is written beside them.
//!
//! What cannot be said here (wrong lengths and checksums, other protocols' headers, options of IPv4, extension headers of
//! IPv6 other than a fragment's, what a neighbour's message says beyond type, code and the bytes behind the header) is a
//! matter of bytes. Such headers are passed over in packets that are seen.

mod cursor;
mod ends;
mod hold;
mod make;
mod options;
mod read;
mod seen;
mod show;
#[cfg(test)]
mod tests;

use alloc::{boxed::Box, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use self::{cursor::TextError, options::OptionsSketch};
use crate::{
    conntrack::Family,
    wire::{Icmpv6Type, MacAddr, Protocol, TcpFlags, icmp::IcmpType},
};

/// What a line of the notation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sketch {
    /// An ARP packet.
    Arp(ArpSketch),
    /// An IPv4 or IPv6 packet.
    Ip(IpSketch),
}

/// An ARP packet, as far as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpSketch {
    /// `arp who-has TARGET tell SENDER`.
    Request {
        /// Whose Ethernet address is asked for.
        target: Ipv4Addr,
        /// Who asks.
        sender: Ipv4Addr,
    },
    /// `arp SENDER is-at MAC`.
    Reply {
        /// Who answers.
        sender: Ipv4Addr,
        /// Its Ethernet address.
        mac: MacAddr,
    },
}

/// An IPv4 or IPv6 packet, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSketch {
    /// From whom to whom, and what else its header says.
    pub header: HeaderSketch,
    /// What it carries.
    pub kind: Kind,
    /// What follows the headers.
    pub payload: Payload,
}

/// An IP header, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSketch {
    /// IPv4.
    V4(Ipv4Sketch),
    /// IPv6.
    V6(Ipv6Sketch),
}

/// An IPv4 header, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv4Sketch {
    /// From whom.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// Hops left.
    pub ttl: Option<u8>,
    /// Type of service.
    pub tos: Option<u8>,
    /// Identification.
    pub id: Option<u16>,
    /// Whether "don't fragment" is set; `None`: not told.
    pub dont_fragment: Option<bool>,
}

/// An IPv6 header and its fragment header, as far as they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv6Sketch {
    /// From whom.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// Hops left.
    pub hop_limit: Option<u8>,
    /// Traffic class.
    pub traffic_class: Option<u8>,
    /// Flow label, of 20 bits.
    pub flow_label: Option<u32>,
    /// The fragment header's identification. A whole packet of which it is told has such a header, one that cuts nothing.
    pub id: Option<u32>,
}

impl HeaderSketch {
    /// From whom.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        match self {
            Self::V4(header) => IpAddr::V4(header.source),
            Self::V6(header) => IpAddr::V6(header.source),
        }
    }

    /// To whom.
    #[must_use]
    pub const fn destination(&self) -> IpAddr {
        match self {
            Self::V4(header) => IpAddr::V4(header.destination),
            Self::V6(header) => IpAddr::V6(header.destination),
        }
    }

    /// Which of the two it is.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::V4(_) => Family::Ipv4,
            Self::V6(_) => Family::Ipv6,
        }
    }
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP.
    Tcp(TcpSketch),
    /// UDP.
    Udp(Ports),
    /// ICMP over IPv4, ICMPv6 over IPv6.
    Icmp(IcmpSketch),
    /// A part of a datagram. Ports are not told, not even of the first one.
    Fragment {
        /// What the datagram carries.
        protocol: Protocol,
        /// Where the part starts, in bytes, a multiple of 8.
        offset: u16,
        /// Whether more follow.
        more: bool,
    },
    /// Another protocol, or one whose header cannot be right; the payload starts behind the IP headers.
    Other(Protocol),
}

/// From which port to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// From.
    pub source: u16,
    /// To.
    pub destination: u16,
}

/// A TCP segment, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSketch {
    /// Its ports.
    pub ports: Ports,
    /// Its flags.
    pub flags: TcpFlags,
    /// Its sequence number; unwritten in a quote: `None`.
    pub seq: Option<u32>,
    /// Its acknowledgement number.
    pub ack: Option<u32>,
    /// Its window, before scaling.
    pub window: Option<u16>,
    /// Its options.
    pub options: OptionsSketch,
}

/// An ICMP or ICMPv6 message, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpSketch {
    /// IPv6: it is ICMPv6.
    pub family: Family,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// A query's identifier.
    pub id: Option<u16>,
    /// A query's sequence number.
    pub sequence: Option<u16>,
    /// The MTU in an error; of ICMP up to 65535.
    pub mtu: Option<u32>,
    /// The packet that an error is about.
    pub about: Option<Box<IpSketch>>,
}

impl IcmpSketch {
    const fn protocol(&self) -> Protocol {
        match self.family {
            Family::Ipv4 => Protocol::ICMP,
            Family::Ipv6 => Protocol::ICMPV6,
        }
    }

    /// Whether it reports an error about another packet.
    fn is_error(&self) -> bool {
        match self.family {
            Family::Ipv4 => IcmpType(self.kind).is_error(),
            Family::Ipv6 => Icmpv6Type(self.kind).is_error(),
        }
    }

    /// Whether it is a query or the answer to one: only those have an identifier and a sequence number.
    fn is_query(&self) -> bool {
        match self.family {
            Family::Ipv4 => IcmpType(self.kind).inverse().is_some(),
            Family::Ipv6 => Icmpv6Type(self.kind).inverse().is_some(),
        }
    }

    /// Whether it is an error that tells an MTU.
    fn has_mtu(&self) -> bool {
        match self.family {
            Family::Ipv4 => IcmpType(self.kind) == IcmpType::UNREACHABLE,
            Family::Ipv6 => Icmpv6Type(self.kind) == Icmpv6Type::TOO_BIG,
        }
    }
}

/// What follows the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many, whatever they are.
    Length(usize),
}

impl Payload {
    /// Nothing.
    pub const NONE: Self = Self::Length(0);

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Length(len) => *len,
        }
    }

    /// Whether it is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
