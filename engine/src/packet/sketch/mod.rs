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
//!
//! What an ICMP error quotes stands in brackets, `[cut]` where that is too little to tell; there only addresses, protocol and ports (of ICMP: type, code, id) count, and
//! what is written beside them.
//!
//! What cannot be said here (wrong lengths and checksums, other protocols' headers, IPv6) is a matter of bytes.

mod cursor;
mod make;
mod options;
mod read;
mod seen;
mod show;
#[cfg(test)]
mod tests;

use alloc::{boxed::Box, vec::Vec};
use core::net::Ipv4Addr;

pub use self::{cursor::TextError, options::OptionsSketch};
use crate::wire::{MacAddr, Protocol, TcpFlags};

/// What a line of the notation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sketch {
    /// An ARP packet.
    Arp(ArpSketch),
    /// An IPv4 packet.
    Ipv4(Ipv4Sketch),
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

/// An IPv4 packet, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv4Sketch {
    /// From whom.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// What it carries.
    pub kind: Kind,
    /// What follows the headers.
    pub payload: Payload,
    /// Hops left.
    pub ttl: Option<u8>,
    /// Type of service.
    pub tos: Option<u8>,
    /// Identification.
    pub id: Option<u16>,
    /// Whether "don't fragment" is set; `None`: not told.
    pub dont_fragment: Option<bool>,
}

/// What an IPv4 packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP.
    Tcp(TcpSketch),
    /// UDP.
    Udp(Ports),
    /// ICMP.
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
    /// Another protocol, or one whose header cannot be right; the payload starts behind the IP header.
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

/// An ICMP message, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpSketch {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// A query's identifier.
    pub id: Option<u16>,
    /// A query's sequence number.
    pub sequence: Option<u16>,
    /// The MTU in an error.
    pub mtu: Option<u16>,
    /// The packet that an error is about.
    pub about: Option<Box<Ipv4Sketch>>,
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
