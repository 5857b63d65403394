//! The one notation for packets, as tests, records, traces and the page print it.

use core::{fmt, net::Ipv4Addr};

use zerocopy::FromBytes;

use super::{Network, Packet, Transport};
use crate::wire::{ArpPacket, IcmpHeader, Ipv4Header, Protocol, TcpHeader, UdpHeader};

/// Writes a packet on one line, such as `10.0.0.2:40000 > 198.51.100.7:80 tcp S seq 1000 ack 0`.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(pub &'a Packet);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.network() {
            Network::Ipv4 => ipv4(f, self.0.network_bytes(), self.0.transport() == Transport::Broken),
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

/// Writes the packet that starts at `bytes`; `broken` when its transport header is known not to be right.
fn ipv4(f: &mut fmt::Formatter<'_>, bytes: &[u8], broken: bool) -> fmt::Result {
    let Ok((ip, _)) = Ipv4Header::ref_from_prefix(bytes) else { return f.write_str("ip cut") };
    let (source, destination, protocol) = (ip.source(), ip.destination(), ip.protocol());
    let rest = bytes.get(ip.header_len()..).unwrap_or_default();
    if ip.is_fragment() {
        return write!(f, "{source} > {destination} {protocol} fragment {}", ip.fragment_offset());
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
        Protocol::ICMP if !broken => {
            if let Ok((icmp, inner)) = IcmpHeader::ref_from_prefix(rest) {
                write!(f, "{source} > {destination} icmp type {} code {}", icmp.kind, icmp.code)?;
                return match icmp.icmp_type() {
                    kind if kind.inverse().is_some() => write!(f, " id {}", icmp.id()),
                    kind if kind.is_error() => {
                        f.write_str(" [")?;
                        quoted(f, inner)?;
                        f.write_str("]")
                    }
                    _ => Ok(()),
                };
            }
        }
        _ => {}
    }
    write!(f, "{source} > {destination} {protocol}")
}

/// Writes what an ICMP error quotes: of TCP the first 8 bytes suffice, and an error in an error is not opened.
fn quoted(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let Ok((ip, _)) = Ipv4Header::ref_from_prefix(bytes) else { return f.write_str("cut") };
    let (source, destination, protocol) = (ip.source(), ip.destination(), ip.protocol());
    let rest = bytes.get(ip.header_len()..).unwrap_or_default();
    match (protocol, rest.first_chunk::<8>()) {
        (Protocol::TCP | Protocol::UDP, Some(&[a, b, c, d, ..])) => {
            let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            write!(f, "{source}:{from} > {destination}:{to} {protocol}")
        }
        (Protocol::ICMP, Some(&[kind, code, _, _, a, b, ..])) => {
            let id = u16::from_be_bytes([a, b]);
            write!(f, "{source} > {destination} icmp type {kind} code {code} id {id}")
        }
        _ => write!(f, "{source} > {destination} {protocol}"),
    }
}
