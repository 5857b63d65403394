//! What the replay has to know of a frame before the engine sees it: where its IPv4 packet is and whose it is.
//!
//! Why not the engine's own parser: a [`towpath_engine::Packet`] is a copy that the engine makes when a frame is
//! handed over, and what is decided here comes before that.

use core::net::Ipv4Addr;

use towpath_engine::{
    conntrack::{Address, Family, Tuple},
    wire::{EtherType, Protocol},
};

/// Where an IPv4 packet and its transport header lie in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peek {
    /// First byte of the IPv4 header.
    pub(crate) network: usize,
    /// First byte behind it.
    pub(crate) transport: usize,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) protocol: Protocol,
    /// Length of the IPv4 packet, as it says itself.
    pub(crate) total_len: usize,
    /// The first 8 bytes behind the header belong to it: no later fragment, and not cut.
    pub(crate) has_ports: bool,
    pub(crate) is_fragment: bool,
}

impl Peek {
    /// Finds the IPv4 packet of an Ethernet frame without tags.
    pub(crate) fn frame(frame: &[u8]) -> Option<Self> {
        let kind = frame.get(12..ETHERNET_BYTES)?;
        if kind == EtherType::IPV4.0.to_be_bytes() { Self::packet(frame, ETHERNET_BYTES) } else { None }
    }

    /// Finds the IPv4 packet that starts at `network`.
    pub(crate) fn packet(bytes: &[u8], network: usize) -> Option<Self> {
        let header = bytes.get(network..)?.first_chunk::<20>()?;
        let header_len = usize::from(header[0] & 0xf) * 4;
        if header[0] >> 4 != 4 || header_len < header.len() {
            return None;
        }
        let transport = network + header_len;
        let fragment = u16::from_be_bytes([header[6], header[7]]);
        let is_whole_start = fragment & 0x1fff == 0 && bytes.len() >= transport + 8;
        Some(Self {
            network,
            transport,
            source: Ipv4Addr::new(header[12], header[13], header[14], header[15]),
            destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]),
            protocol: Protocol(header[9]),
            total_len: usize::from(u16::from_be_bytes([header[2], header[3]])),
            has_ports: is_whole_start,
            is_fragment: fragment & 0x3fff != 0,
        })
    }

    /// Who talks to whom, as connection tracking will see it; `None` when that takes more than is here, or for an
    /// ICMP message that is neither query nor answer.
    pub(crate) fn tuple(&self, bytes: &[u8]) -> Option<Tuple> {
        let tuple = Tuple {
            source: Address::v4(self.source.octets()),
            destination: Address::v4(self.destination.octets()),
            source_port: 0,
            destination_port: 0,
            protocol: self.protocol.0,
            family: Family::Ipv4,
        };
        let first = bytes.get(self.transport..).and_then(|rest| rest.first_chunk::<8>()).filter(|_| self.has_ports)?;
        let [a, b, c, d, e, f, ..] = *first;
        match self.protocol {
            Protocol::TCP | Protocol::UDP => Some(Tuple {
                source_port: u16::from_be_bytes([a, b]),
                destination_port: u16::from_be_bytes([c, d]),
                ..tuple
            }),
            Protocol::ICMP => {
                let query = Tuple {
                    source_port: u16::from_be_bytes([e, f]),
                    destination_port: u16::from_be_bytes([a, b]),
                    ..tuple
                };
                query.inverted().map(|_| query)
            }
            _ => Some(tuple),
        }
    }

    /// The packet that an ICMP error quotes.
    pub(crate) fn quoted(&self, bytes: &[u8]) -> Option<Self> {
        let kind = bytes.get(self.transport).filter(|_| self.protocol == Protocol::ICMP && self.has_ports)?;
        if ICMP_ERRORS.contains(kind) { Self::packet(bytes, self.transport + 8) } else { None }
    }
}

/// Length of an Ethernet header.
pub(crate) const ETHERNET_BYTES: usize = 14;
/// Unreachable, quench, redirect, time exceeded, parameter problem (RFC 792).
const ICMP_ERRORS: [u8; 5] = [3, 4, 5, 11, 12];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replay::craft;

    #[test]
    fn a_tcp_segment_is_found_behind_ip_options() {
        let mut frame = craft::tcp([10, 0, 0, 2], 40_000, [198, 51, 100, 7], 80);
        frame.splice(34..34, [1, 1, 1, 0]);
        frame[14] = 0x46;
        let peek = Peek::frame(&frame).unwrap();
        assert_eq!((peek.network, peek.transport, peek.protocol), (14, 38, Protocol::TCP));
        let tuple = peek.tuple(&frame).unwrap();
        assert_eq!(tuple.to_string(), "10.0.0.2:40000 > 198.51.100.7:80 tcp");
    }

    #[test]
    fn a_later_fragment_has_no_ports_and_so_no_tuple() {
        let mut frame = craft::tcp([10, 0, 0, 2], 40_000, [198, 51, 100, 7], 80);
        frame[21] = 1;
        let peek = Peek::frame(&frame).unwrap();
        assert!(peek.is_fragment && !peek.has_ports);
        assert_eq!(peek.tuple(&frame), None);
        frame[20..22].copy_from_slice(&[0x20, 0]);
        let first = Peek::frame(&frame).unwrap();
        assert!(first.is_fragment && first.has_ports);
    }

    #[test]
    fn an_icmp_error_quotes_a_packet_and_is_no_query() {
        let inner = craft::tcp([10, 0, 0, 2], 40_000, [198, 51, 100, 7], 80);
        let frame = craft::icmp_error([192, 0, 2, 9], [10, 0, 0, 2], 3, 1, &inner[14..42]);
        let peek = Peek::frame(&frame).unwrap();
        assert_eq!(peek.tuple(&frame), None);
        let quoted = peek.quoted(&frame).unwrap();
        assert_eq!(quoted.tuple(&frame).unwrap().to_string(), "10.0.0.2:40000 > 198.51.100.7:80 tcp");
        let echo = craft::icmp_echo([10, 0, 0, 2], [192, 0, 2, 9], 8, 77);
        let peek = Peek::frame(&echo).unwrap();
        assert_eq!(peek.quoted(&echo), None);
        assert_eq!(peek.tuple(&echo).map(|tuple| (tuple.source_port, tuple.destination_port)), Some((77, 0x0800)));
    }

    proptest! {
        #[test]
        fn no_frame_makes_it_panic(mut frame: Vec<u8>, make_ip: bool) {
            if make_ip && frame.len() > 14 {
                frame[12..14].copy_from_slice(&[8, 0]);
                frame[14] |= 0x40;
            }
            if let Some(peek) = Peek::frame(&frame) {
                peek.tuple(&frame);
                if let Some(quoted) = peek.quoted(&frame) {
                    quoted.tuple(&frame);
                }
            }
        }
    }
}
