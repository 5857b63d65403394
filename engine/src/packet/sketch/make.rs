//! To bytes.

use alloc::{vec, vec::Vec};
use core::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use super::{ArpSketch, HeaderSketch, IcmpSketch, IpSketch, Ipv4Sketch, Ipv6Sketch, Kind, Payload, Sketch, TcpSketch};
use crate::{
    conntrack::Family,
    wire::{
        ArpPacket, EtherType, EthernetHeader, IcmpHeader, Ipv4Header, Ipv6Header, MacAddr, Protocol, TcpHeader,
        UdpHeader, checksum,
        ipv6::{FragmentHeader, group_mac},
    },
};

impl Sketch {
    /// The Ethernet frame that a station with the address `from` sends to `to`, all checksums right. What is not written
    /// has the values of this module's table. ARP requests go to everybody, and IPv6 packets for
    /// a group to the group's Ethernet address.
    #[must_use]
    pub fn frame(&self, from: MacAddr, to: MacAddr) -> Vec<u8> {
        let (ether_type, to, packet) = match self {
            Self::Ip(sketch) => match &sketch.header {
                HeaderSketch::V4(_) => (EtherType::IPV4, to, sketch.packet()),
                HeaderSketch::V6(header) => {
                    let group = Some(header.destination).filter(Ipv6Addr::is_multicast);
                    (EtherType::IPV6, group.map_or(to, group_mac), sketch.packet())
                }
            },
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

impl IpSketch {
    /// The packet from its IP header on. It ends at 65535 bytes, of IPv6 behind its header, whatever is written.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        self.bytes(true)
    }

    fn bytes(&self, whole: bool) -> Vec<u8> {
        let payload = match &self.payload {
            Payload::Bytes(bytes) => bytes.clone(),
            Payload::Length(len) => vec![FILLER; *len],
        };
        let (protocol, mut transport) = match &self.kind {
            Kind::Tcp(tcp) => (Protocol::TCP, tcp.header()),
            Kind::Udp(ports) => {
                let header = UdpHeader {
                    source_port: ports.source.into(),
                    destination_port: ports.destination.into(),
                    len: ((UdpHeader::LEN + payload.len()) as u16).into(),
                    checksum: [0; 2],
                };
                (Protocol::UDP, Vec::from(header.as_bytes()))
            }
            Kind::Icmp(icmp) => (icmp.protocol(), icmp.message()),
            Kind::Fragment { protocol, .. } | Kind::Other(protocol) => (*protocol, Vec::new()),
        };
        let part = match self.kind {
            Kind::Fragment { offset, more, .. } => Some((offset, more)),
            Kind::Tcp(_) | Kind::Udp(_) | Kind::Icmp(_) | Kind::Other(_) => None,
        };
        transport.extend(payload);
        let headers_len = match self.header {
            HeaderSketch::V4(_) => Ipv4Header::LEN,
            HeaderSketch::V6(_) => FragmentHeader::LEN,
        };
        transport.truncate(usize::from(u16::MAX) - headers_len);
        self.fill_checksum(&mut transport);
        if !whole {
            transport.truncate(QUOTED_BYTES);
        }
        match &self.header {
            HeaderSketch::V4(header) => header.packet(protocol, part, &transport),
            HeaderSketch::V6(header) => header.packet(protocol, part, &transport),
        }
    }

    fn fill_checksum(&self, transport: &mut [u8]) {
        let (at, protocol) = match &self.kind {
            Kind::Tcp(_) => (16, Protocol::TCP),
            Kind::Udp(_) => (6, Protocol::UDP),
            Kind::Icmp(icmp) => (2, icmp.protocol()),
            Kind::Fragment { .. } | Kind::Other(_) => return,
        };
        let pseudo = match (&self.header, protocol) {
            (_, Protocol::ICMP) => 0,
            (HeaderSketch::V4(ip), _) => {
                checksum::pseudo_header_v4(ip.source, ip.destination, protocol, transport.len() as u16)
            }
            (HeaderSketch::V6(ip), _) => {
                checksum::pseudo_header_v6(ip.source, ip.destination, protocol, transport.len() as u32)
            }
        };
        let sum = !checksum::add(pseudo, checksum::sum(transport));
        // Of UDP, 0 would say that there is none.
        let sum = if sum == 0 && protocol == Protocol::UDP { 0xffff } else { sum };
        transport[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

impl Ipv4Sketch {
    /// The header and what follows it; `part` says where a part starts, in bytes, and whether more follow.
    fn packet(&self, protocol: Protocol, part: Option<(u16, bool)>, transport: &[u8]) -> Vec<u8> {
        let dont_fragment = if self.dont_fragment == Some(true) { Ipv4Header::DONT_FRAGMENT } else { 0 };
        let (offset, more) = part.unwrap_or_default();
        let more = if more { Ipv4Header::MORE_FRAGMENTS } else { 0 };
        let mut ip = Ipv4Header {
            version_ihl: 0x45,
            tos: self.tos.unwrap_or(0),
            total_len: ((Ipv4Header::LEN + transport.len()) as u16).into(),
            id: self.id.unwrap_or(0).into(),
            flags_fragment: (dont_fragment | (offset / 8) | more).into(),
            ttl: self.ttl.unwrap_or(HOPS),
            protocol: protocol.0,
            checksum: [0; 2],
            source: self.source.octets(),
            destination: self.destination.octets(),
        };
        ip.checksum = (!checksum::sum(ip.as_bytes())).to_be_bytes();
        [ip.as_bytes(), transport].concat()
    }
}

impl Ipv6Sketch {
    /// As for IPv4. There is a fragment header if this is a part, or an identification is told.
    fn packet(&self, protocol: Protocol, part: Option<(u16, bool)>, transport: &[u8]) -> Vec<u8> {
        let fragment = part.or(self.id.map(|_| (0, false))).map(|(offset, more)| FragmentHeader {
            next_header: protocol.0,
            reserved: 0,
            offset_more: (offset | if more { FragmentHeader::MORE_FRAGMENTS } else { 0 }).into(),
            id: self.id.unwrap_or(0).into(),
        });
        let next_header = if fragment.is_some() { Protocol::FRAGMENT } else { protocol };
        let fragment = fragment.as_ref().map_or(&[][..], IntoBytes::as_bytes);
        let mut ip = Ipv6Header {
            version_class_label: 0.into(),
            payload_len: ((fragment.len() + transport.len()) as u16).into(),
            next_header: next_header.0,
            hop_limit: self.hop_limit.unwrap_or(HOPS),
            source: self.source.octets(),
            destination: self.destination.octets(),
        };
        ip.set_class_label(self.traffic_class.unwrap_or(0), self.flow_label.unwrap_or(0));
        [ip.as_bytes(), fragment, transport].concat()
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
        let query = u32::from(self.id.unwrap_or(0)) << 16 | u32::from(self.sequence.unwrap_or(0));
        let mtu = match self.family {
            Family::Ipv4 => self.mtu.unwrap_or(0) & u32::from(u16::MAX),
            Family::Ipv6 => self.mtu.unwrap_or(0),
        };
        let rest = if self.is_error() { mtu } else { query }.to_be_bytes();
        let header = IcmpHeader { kind: self.kind, code: self.code, checksum: [0; 2], rest };
        let about = self.about.as_ref().map(|about| about.bytes(false)).unwrap_or_default();
        [header.as_bytes(), &about].concat()
    }
}

/// What payloads consist of of which only the length is written.
const FILLER: u8 = b'.';
const HOPS: u8 = 64;
const WINDOW: u16 = 64_240;
/// What an error quotes behind the IP headers: a whole TCP header.
const QUOTED_BYTES: usize = 20;
