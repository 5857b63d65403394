//! Packets from their parts: an IP header of either family and what stands behind it, checksums filled in.

use std::net::IpAddr;

use towpath_engine::{
    conntrack::Family,
    wire::{
        Protocol,
        checksum::{self, pseudo_header_v4, pseudo_header_v6, sum},
    },
};

/// What an IP header says.
#[derive(Clone, Debug)]
pub(super) struct Ip {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) tos: u8,
    pub(super) id: u16,
    /// Flags and offset, as IPv4's field holds them.
    pub(super) fragment: u16,
    pub(super) ttl: u8,
    /// IPv4: whole words. IPv6: the type of an extension header, and the header, whose first byte names what follows.
    pub(super) options: Vec<u8>,
}

/// Where an address of IPv4 lies in `family`: inside, outside and behind it.
pub(super) fn address(family: Family, v4: [u8; 4]) -> IpAddr {
    let [.., last] = v4;
    let network = match (family, v4) {
        (Family::Ipv4, _) => return v4.into(),
        (Family::Ipv6, [192, ..]) => "fd00:1::",
        (Family::Ipv6, [203, ..]) => "2001:db8:1::",
        (Family::Ipv6, _) => "2001:db8:2::",
    };
    let text = format!("{network}{last}");
    text.parse().unwrap_or_else(|_| unreachable!("{text} is an address"))
}

impl Ip {
    pub(super) fn new(family: Family, source: [u8; 4], destination: [u8; 4], protocol: u8) -> Self {
        Self {
            source: address(family, source),
            destination: address(family, destination),
            protocol,
            tos: 0,
            id: 1,
            fragment: 0,
            ttl: 64,
            options: Vec::new(),
        }
    }

    /// The packet, from the IP header on.
    pub(super) fn packet(&self, transport: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.packet_v4(source.octets(), destination.octets(), transport)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.packet_v6(source.octets(), destination.octets(), transport)
            }
            (source, destination) => unreachable!("{source} and {destination} are of two families"),
        }
    }

    fn packet_v4(&self, source: [u8; 4], destination: [u8; 4], transport: &[u8]) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let total = (header_len + transport.len()) as u16;
        let mut bytes = vec![0x40 | (header_len / 4) as u8, self.tos];
        bytes.extend(total.to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([self.ttl, self.protocol, 0, 0]);
        bytes.extend(source);
        bytes.extend(destination);
        bytes.extend(&self.options);
        let header_sum = !sum(&bytes);
        bytes[10..12].copy_from_slice(&header_sum.to_be_bytes());
        bytes.extend(transport);
        bytes
    }

    fn packet_v6(&self, source: [u8; 16], destination: [u8; 16], transport: &[u8]) -> Vec<u8> {
        let is_fragment = self.fragment & 0x3fff != 0;
        let last = if is_fragment { FRAGMENT } else { self.protocol };
        let mut behind = Vec::new();
        let first = match self.options.split_first() {
            Some((kind, header)) => {
                behind.push(last);
                behind.extend(&header[1..]);
                *kind
            }
            None => last,
        };
        if is_fragment {
            let more = u16::from(self.fragment & 0x2000 != 0);
            behind.extend([self.protocol, 0]);
            behind.extend(((self.fragment & 0x1fff) << 3 | more).to_be_bytes());
            behind.extend([0, 0]);
            behind.extend(self.id.to_be_bytes());
        }
        behind.extend(transport);
        let mut bytes = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0];
        bytes.extend((behind.len() as u16).to_be_bytes());
        bytes.extend([first, self.ttl]);
        bytes.extend(source);
        bytes.extend(destination);
        bytes.extend(behind);
        bytes
    }

    /// The header of a packet that [`Self::packet`] has made, and what stands behind it.
    pub(super) fn parts(packet: &[u8]) -> (Self, Vec<u8>) {
        let half = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        if packet[0] >> 4 == 4 {
            let header_len = usize::from(packet[0] & 15) * 4;
            let array = |at: usize| [packet[at], packet[at + 1], packet[at + 2], packet[at + 3]];
            let ip = Self {
                tos: packet[1],
                id: half(4),
                fragment: half(6),
                ttl: packet[8],
                options: packet[20..header_len].to_vec(),
                ..Self::new(Family::Ipv4, array(12), array(16), packet[9])
            };
            return (ip, packet[header_len..].to_vec());
        }
        let array = |at: usize| std::array::from_fn::<u8, 16, _>(|index| packet[at + index]);
        let mut ip = Self::new(Family::Ipv6, [0; 4], [0; 4], packet[6]);
        (ip.source, ip.destination) = (array(8).into(), array(24).into());
        (ip.tos, ip.ttl) = (packet[0] << 4 | packet[1] >> 4, packet[7]);
        let mut at = 40;
        if let kind @ (HOP_BY_HOP | DESTINATION_OPTIONS) = ip.protocol {
            ip.options = [&[kind][..], &packet[at..at + 8]].concat();
            (ip.protocol, at) = (packet[at], at + 8);
        }
        if ip.protocol == FRAGMENT {
            let field = half(at + 2);
            (ip.protocol, ip.fragment, ip.id) = (packet[at], field >> 3 | (field & 1) << 13, half(at + 6));
            at += 8;
        }
        (ip, packet[at..].to_vec())
    }

    /// `transport` with its checksum at `at`, pseudo-header included.
    pub(super) fn summed(&self, mut transport: Vec<u8>, at: usize) -> Vec<u8> {
        let len = transport.len() as u16;
        let protocol = Protocol(self.protocol);
        let pseudo = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => pseudo_header_v4(source, destination, protocol, len),
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                pseudo_header_v6(source, destination, protocol, len.into())
            }
            (source, destination) => unreachable!("{source} and {destination} are of two families"),
        };
        let total = !checksum::add(pseudo, sum(&transport));
        transport[at..at + 2].copy_from_slice(&total.to_be_bytes());
        transport
    }

    /// An ICMP or ICMPv6 message with its checksum.
    pub(super) fn icmp(&self, kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, code, 0, 0];
        bytes.extend(rest);
        bytes.extend(data);
        if self.source.is_ipv6() {
            return self.summed(bytes, 2);
        }
        let total = !sum(&bytes);
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes
    }
}

/// Extension headers, by their numbers.
const HOP_BY_HOP: u8 = 0;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// A TCP header's fields.
#[derive(Clone, Debug)]
pub(super) struct Tcp {
    pub(super) ports: (u16, u16),
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// Whole words.
    pub(super) options: Vec<u8>,
}

impl Tcp {
    pub(super) fn segment(&self, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from(self.ports.0.to_be_bytes());
        bytes.extend(self.ports.1.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.extend([((20 + self.options.len()) / 4 * 16) as u8, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(&self.options);
        bytes.extend(data);
        bytes
    }
}

/// A UDP datagram without its checksum.
pub(super) fn udp(ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend((8 + data.len() as u16).to_be_bytes());
    bytes.extend([0; 2]);
    bytes.extend(data);
    bytes
}
