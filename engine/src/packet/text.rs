//! The one notation for packets, as tests, records, traces and the page print it.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use zerocopy::FromBytes;

use super::{Network, Packet, Transport};
use crate::wire::{
    ArpPacket, IcmpHeader, Icmpv6Header, Ipv4Header, Ipv6Header, Protocol, TcpHeader, UdpHeader, icmp::IcmpType,
    ipv6::Chain,
};

/// Writes a packet on one line, such as `10.0.0.2:40000 > 198.51.100.7:80 tcp S seq 1000 ack 0` or
/// `2001:db8::2:40000 > 2001:db8:1::7:80 udp`.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(pub &'a Packet);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken = self.0.transport() == Transport::Broken;
        match self.0.network() {
            Network::Ipv4 | Network::Ipv6 => match Seen::of(self.0.network_bytes()) {
                Some(seen) => seen.write(f, broken),
                None => f.write_str("ip cut"),
            },
            Network::Arp => self.0.arp().map_or(Ok(()), |packet| arp(f, packet)),
            Network::Other => match self.0.ethernet() {
                Some(header) => {
                    write!(f, "{} > {} type {:#06x}", header.source, header.destination, header.ether_type.get())
                }
                None => write!(f, "{} bytes", self.0.len()),
            },
        }
    }
}

fn arp(f: &mut fmt::Formatter<'_>, arp: &ArpPacket) -> fmt::Result {
    let (sender, target) = (Ipv4Addr::from(arp.sender_ip), Ipv4Addr::from(arp.target_ip));
    match arp.operation.get() {
        ArpPacket::REQUEST => write!(f, "arp who-has {target} tell {sender}"),
        ArpPacket::REPLY => write!(f, "arp {sender} is-at {}", arp.sender_mac),
        other => write!(f, "arp operation {other}"),
    }
}

/// What an IP header says, and what follows it.
struct Seen<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: Protocol,
    /// Where this part starts, when it is one.
    fragment: Option<usize>,
    rest: &'a [u8],
}

impl<'a> Seen<'a> {
    /// Reads the packet that starts at `bytes`; `None` when it ends inside its header.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            6 => {
                let (ip, rest) = Ipv6Header::ref_from_prefix(bytes).ok()?;
                let chain = Chain::walk(ip.next_header(), rest);
                let offset = chain.fragment.and_then(|at| rest.get(at + 2..)?.first_chunk());
                let offset = offset.map(|bytes| usize::from(u16::from_be_bytes(*bytes)));
                Some(Self {
                    source: IpAddr::V6(ip.source()),
                    destination: IpAddr::V6(ip.destination()),
                    protocol: chain.protocol,
                    // The lowest bit says that others follow.
                    fragment: offset.filter(|offset| offset & !6 != 0).map(|offset| offset & !7),
                    rest: &rest[chain.len..],
                })
            }
            _ => {
                let (ip, _) = Ipv4Header::ref_from_prefix(bytes).ok()?;
                Some(Self {
                    source: IpAddr::V4(ip.source()),
                    destination: IpAddr::V4(ip.destination()),
                    protocol: ip.protocol(),
                    fragment: ip.is_fragment().then(|| ip.fragment_offset()),
                    rest: bytes.get(ip.header_len()..).unwrap_or_default(),
                })
            }
        }
    }

    /// Writes it; `broken` when its transport header is known not to be right.
    fn write(&self, f: &mut fmt::Formatter<'_>, broken: bool) -> fmt::Result {
        let Self { source, destination, protocol, fragment, rest } = *self;
        if let Some(offset) = fragment {
            return write!(f, "{source} > {destination} {protocol} fragment {offset}");
        }
        match protocol {
            Protocol::TCP if !broken => {
                if let Ok((tcp, _)) = TcpHeader::ref_from_prefix(rest) {
                    let (from, to) = (tcp.source_port, tcp.destination_port);
                    let (flags, seq, ack) = (tcp.flags, tcp.seq, tcp.ack);
                    return write!(f, "{source}:{from} > {destination}:{to} tcp {flags} seq {seq} ack {ack}");
                }
            }
            Protocol::UDP if !broken => {
                if let Ok((udp, _)) = UdpHeader::ref_from_prefix(rest) {
                    return write!(f, "{source}:{} > {destination}:{} udp", udp.source_port, udp.destination_port);
                }
            }
            Protocol::ICMP | Protocol::ICMPV6 if !broken => {
                if let Some((message, inner)) = Message::of(self) {
                    write!(f, "{source} > {destination} ")?;
                    return message.write(f, inner);
                }
            }
            _ => {}
        }
        write!(f, "{source} > {destination} {protocol}")
    }

    /// Writes what an ICMP error quotes: of TCP the first 8 bytes suffice, and an error in an error is not opened.
    fn write_quoted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, rest, .. } = *self;
        match (protocol, rest.first_chunk::<8>()) {
            (Protocol::TCP | Protocol::UDP, Some(&[a, b, c, d, ..])) => {
                let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                write!(f, "{source}:{from} > {destination}:{to} {protocol}")
            }
            (Protocol::ICMP | Protocol::ICMPV6, Some(&[kind, code, _, _, a, b, ..])) => {
                let (id, name) = (u16::from_be_bytes([a, b]), message_name(protocol));
                write!(f, "{source} > {destination} {name} type {kind} code {code} id {id}")
            }
            _ => write!(f, "{source} > {destination} {protocol}"),
        }
    }
}

/// What a message of ICMP or ICMPv6 says.
struct Message {
    name: &'static str,
    kind: u8,
    code: u8,
    /// The identifier of a query or its answer.
    id: Option<u16>,
    is_error: bool,
}

impl Message {
    /// The message of a packet, and what follows its header; `None` when it ends early, or its family has other messages.
    fn of<'a>(seen: &Seen<'a>) -> Option<(Self, &'a [u8])> {
        let name = message_name(seen.protocol);
        match (seen.source, seen.protocol) {
            (IpAddr::V4(_), Protocol::ICMP) => {
                let (icmp, inner) = IcmpHeader::ref_from_prefix(seen.rest).ok()?;
                let kind: IcmpType = icmp.icmp_type();
                let id = kind.inverse().map(|_| icmp.id());
                Some((Self { name, kind: icmp.kind, code: icmp.code, id, is_error: kind.is_error() }, inner))
            }
            (IpAddr::V6(_), Protocol::ICMPV6) => {
                let (icmp, inner) = Icmpv6Header::ref_from_prefix(seen.rest).ok()?;
                let kind = icmp.icmp_type();
                let id = kind.inverse().map(|_| icmp.id());
                Some((Self { name, kind: icmp.kind, code: icmp.code, id, is_error: kind.is_error() }, inner))
            }
            _ => None,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, inner: &[u8]) -> fmt::Result {
        write!(f, "{} type {} code {}", self.name, self.kind, self.code)?;
        match (self.id, self.is_error) {
            (Some(id), _) => write!(f, " id {id}"),
            (None, true) => {
                f.write_str(" [")?;
                match Seen::of(inner) {
                    Some(seen) => seen.write_quoted(f)?,
                    None => f.write_str("cut")?,
                }
                f.write_str("]")
            }
            (None, false) => Ok(()),
        }
    }
}

/// The name of a message's protocol. Why not `ipv6-icmp`, as rules write it: conntrack(8) and people do not.
pub(super) const fn message_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::ICMPV6 => "icmpv6",
        _ => "icmp",
    }
}
