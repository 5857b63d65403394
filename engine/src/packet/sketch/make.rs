//! To bytes.

use alloc::{vec, vec::Vec};
use core::net::Ipv4Addr;

use zerocopy::IntoBytes;

use super::{ArpSketch, IcmpSketch, Ipv4Sketch, Kind, Payload, Sketch, TcpSketch};
use crate::wire::{
    ArpPacket, EtherType, EthernetHeader, IcmpHeader, Ipv4Header, MacAddr, Protocol, TcpHeader, UdpHeader, checksum,
};

impl Sketch {
    /// The Ethernet frame that a station with the address `from` sends to `to`, all checksums right. What is not written
    /// has the values of this module's table. ARP requests go to everybody.
    #[must_use]
    pub fn frame(&self, from: MacAddr, to: MacAddr) -> Vec<u8> {
        let (ether_type, to, packet) = match self {
            Self::Ipv4(sketch) => (EtherType::IPV4, to, sketch.packet()),
            Self::Arp(ArpSketch::Request { target, sender }) => {
                let arp = ArpPacket::new(ArpPacket::REQUEST, (from, *sender), (MacAddr::UNSPECIFIED, *target));
                (EtherType::ARP, MacAddr::BROADCAST, Vec::from(arp.as_bytes()))
            }
            Self::Arp(ArpSketch::Reply { sender, mac }) => {
                let arp = ArpPacket::new(ArpPacket::REPLY, (*mac, *sender), (to, Ipv4Addr::UNSPECIFIED));
                (EtherType::ARP, to, Vec::from(arp.as_bytes()))
            }
        };
        let header = EthernetHeader { destination: to, source: from, ether_type: ether_type.0.into() };
        [header.as_bytes(), &packet].concat()
    }
}

impl Ipv4Sketch {
    /// The packet from its IP header on. It ends at 65535 bytes, whatever is written.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        self.bytes(true)
    }

    fn bytes(&self, whole: bool) -> Vec<u8> {
        let payload = match &self.payload {
            Payload::Bytes(bytes) => bytes.clone(),
            Payload::Length(len) => vec![FILLER; *len],
        };
        let (protocol, mut transport, flags) = match &self.kind {
            Kind::Tcp(tcp) => (Protocol::TCP, tcp.header(), 0),
            Kind::Udp(ports) => {
                let header = UdpHeader {
                    source_port: ports.source.into(),
                    destination_port: ports.destination.into(),
                    len: ((UdpHeader::LEN + payload.len()) as u16).into(),
                    checksum: [0; 2],
                };
                (Protocol::UDP, Vec::from(header.as_bytes()), 0)
            }
            Kind::Icmp(icmp) => (Protocol::ICMP, icmp.message(), 0),
            Kind::Fragment { protocol, offset, more } => {
                let more = if *more { Ipv4Header::MORE_FRAGMENTS } else { 0 };
                (*protocol, Vec::new(), (offset / 8) | more)
            }
            Kind::Other(protocol) => (*protocol, Vec::new(), 0),
        };
        transport.extend(payload);
        transport.truncate(usize::from(u16::MAX) - Ipv4Header::LEN);
        self.fill_checksum(&mut transport);
        if !whole {
            transport.truncate(QUOTED_BYTES);
        }
        let dont_fragment = if self.dont_fragment == Some(true) { Ipv4Header::DONT_FRAGMENT } else { 0 };
        let mut ip = Ipv4Header {
            version_ihl: 0x45,
            tos: self.tos.unwrap_or(0),
            total_len: ((Ipv4Header::LEN + transport.len()) as u16).into(),
            id: self.id.unwrap_or(0).into(),
            flags_fragment: (dont_fragment | flags).into(),
            ttl: self.ttl.unwrap_or(TTL),
            protocol: protocol.0,
            checksum: [0; 2],
            source: self.source.octets(),
            destination: self.destination.octets(),
        };
        ip.checksum = (!checksum::sum(ip.as_bytes())).to_be_bytes();
        [ip.as_bytes(), &transport].concat()
    }

    fn fill_checksum(&self, transport: &mut [u8]) {
        let (at, protocol) = match self.kind {
            Kind::Tcp(_) => (16, Protocol::TCP),
            Kind::Udp(_) => (6, Protocol::UDP),
            Kind::Icmp(_) => (2, Protocol::ICMP),
            Kind::Fragment { .. } | Kind::Other(_) => return,
        };
        let pseudo = match protocol {
            Protocol::ICMP => 0,
            _ => checksum::pseudo_header_v4(self.source, self.destination, protocol, transport.len() as u16),
        };
        let sum = !checksum::add(pseudo, checksum::sum(transport));
        // Of UDP, 0 would say that there is none.
        let sum = if sum == 0 && protocol == Protocol::UDP { 0xffff } else { sum };
        transport[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

impl TcpSketch {
    fn header(&self) -> Vec<u8> {
        let options = self.options.bytes();
        let header = TcpHeader {
            source_port: self.ports.source.into(),
            destination_port: self.ports.destination.into(),
            seq: self.seq.unwrap_or(0).into(),
            ack: self.ack.unwrap_or(0).into(),
            data_offset: (((TcpHeader::LEN + options.len()) / 4) as u8) << 4,
            flags: self.flags,
            window: self.window.unwrap_or(WINDOW).into(),
            checksum: [0; 2],
            urgent: 0.into(),
        };
        [header.as_bytes(), &options].concat()
    }
}

impl IcmpSketch {
    fn message(&self) -> Vec<u8> {
        let first = self.id.unwrap_or(0).to_be_bytes();
        let second = self.sequence.or(self.mtu).unwrap_or(0).to_be_bytes();
        let rest = [first[0], first[1], second[0], second[1]];
        let header = IcmpHeader { kind: self.kind, code: self.code, checksum: [0; 2], rest };
        let about = self.about.as_ref().map(|about| about.bytes(false)).unwrap_or_default();
        [header.as_bytes(), &about].concat()
    }
}

/// What payloads consist of of which only the length is written.
const FILLER: u8 = b'.';
const TTL: u8 = 64;
const WINDOW: u16 = 64_240;
/// What an error quotes behind the IP header: a whole TCP header.
const QUOTED_BYTES: usize = 20;
