//! What the replay has to know of a frame before the engine sees it: where its IP packet is and whose it is.
//!
//! Why not the engine's own parser: a [`towpath_engine::Packet`] is a copy that the engine makes when a frame is
//! handed over, and what is decided here comes before that. Which tuple a packet belongs to, the engine's own reading says.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use towpath_engine::{
    conntrack::{Address, Family, Tuple},
    wire::{
        EtherType, Icmpv6Type, Ipv6Header, Protocol,
        icmp::IcmpType,
        ipv6::{Chain, ChainEnd, FragmentHeader},
    },
};

/// Where an IP packet and its transport header lie in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peek {
    /// First byte of the IP header.
    pub(crate) network: usize,
    /// First byte behind it and its extension headers.
    pub(crate) transport: usize,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: Protocol,
    /// Length of the IP packet, as it says itself.
    pub(crate) total_len: usize,
    /// The first 8 bytes behind the header belong to it: no later fragment, and not cut.
    pub(crate) has_ports: bool,
    /// The identification that it shares with the other fragments of a datagram, if it is one.
    pub(crate) fragment: Option<u32>,
}

impl Peek {
    /// What a frame's headers say, and the tuple that it is looked for by.
    ///
    /// Nobody keeps what they say from one time to the next: to copy it would cost more than to read it again.
    #[inline(always)]
    pub(super) fn read(frame: &[u8]) -> (Option<Self>, Option<Tuple>) {
        match frame.first_chunk().and_then(Self::plain) {
            Some((peek, tuple)) => (Some(peek), Some(tuple)),
            None => Self::read_closer(frame),
        }
    }

    /// The same of one that [`Self::plain`] does not read.
    #[inline(never)]
    pub(super) fn read_closer(frame: &[u8]) -> (Option<Self>, Option<Tuple>) {
        let peek = Self::frame(frame);
        let tuple = peek.as_ref().and_then(|peek| peek.tuple(frame));
        (peek, tuple)
    }

    /// Finds the IP packet of an Ethernet frame without tags.
    #[inline(always)]
    pub(crate) fn frame(frame: &[u8]) -> Option<Self> {
        let kind = EtherType(u16::from_be_bytes(*frame.get(12..ETHERNET_BYTES)?.first_chunk()?));
        let version = frame.get(ETHERNET_BYTES)? >> 4;
        match (kind, version) {
            (EtherType::IPV4, 4) => Self::ipv4(frame, ETHERNET_BYTES),
            (EtherType::IPV6, 6) => Self::ipv6(frame, ETHERNET_BYTES),
            _ => None,
        }
    }

    /// What [`Self::frame`] and [`Self::tuple`] say of TCP or UDP over IPv4 without options, in one piece, as most packets are; `None`
    /// of others. Nothing of it lies in memory on the way, where narrow stores that are read wide would stall.
    #[inline(always)]
    pub(crate) fn plain(headers: &PlainHeaders) -> Option<(Self, Tuple)> {
        let word = |at: usize| u16::from_be_bytes([headers[at], headers[at + 1]]);
        let octets = |at: usize| [headers[at], headers[at + 1], headers[at + 2], headers[at + 3]];
        let protocol = Protocol(headers[23]);
        let is_plain = word(12) == EtherType::IPV4.0
            && headers[14] == 0x45
            && matches!(protocol, Protocol::TCP | Protocol::UDP)
            && word(20) & 0x3fff == 0;
        if !is_plain {
            return None;
        }
        let (source, destination) = (octets(26), octets(30));
        let peek = Self {
            network: ETHERNET_BYTES,
            transport: PLAIN_TRANSPORT,
            source: IpAddr::V4(Ipv4Addr::from_octets(source)),
            destination: IpAddr::V4(Ipv4Addr::from_octets(destination)),
            protocol,
            total_len: word(16).into(),
            has_ports: true,
            fragment: None,
        };
        let tuple = Tuple {
            source: Address::v4(source),
            destination: Address::v4(destination),
            source_port: word(PLAIN_TRANSPORT),
            destination_port: word(PLAIN_TRANSPORT + 2),
            protocol: protocol.0,
            family: Family::Ipv4,
        };
        Some((peek, tuple))
    }

    /// Finds the IP packet that starts at `network`.
    pub(crate) fn packet(bytes: &[u8], network: usize) -> Option<Self> {
        match bytes.get(network)? >> 4 {
            4 => Self::ipv4(bytes, network),
            6 => Self::ipv6(bytes, network),
            _ => None,
        }
    }

    #[inline(always)]
    fn ipv4(bytes: &[u8], network: usize) -> Option<Self> {
        let header = bytes.get(network..)?.first_chunk::<20>()?;
        let header_len = usize::from(header[0] & 0xf) * 4;
        if header_len < header.len() {
            return None;
        }
        let transport = network + header_len;
        let fragment = u16::from_be_bytes([header[6], header[7]]);
        Some(Self {
            network,
            transport,
            source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
            destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
            protocol: Protocol(header[9]),
            total_len: usize::from(u16::from_be_bytes([header[2], header[3]])),
            has_ports: fragment & 0x1fff == 0 && bytes.len() >= transport + 8,
            fragment: (fragment & 0x3fff != 0).then(|| u16::from_be_bytes([header[4], header[5]]).into()),
        })
    }

    #[inline(never)]
    fn ipv6(bytes: &[u8], network: usize) -> Option<Self> {
        let packet = bytes.get(network..)?;
        let header = packet.first_chunk::<{ Ipv6Header::LEN }>()?;
        let address = |at: usize| header[at..].first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets));
        let behind = packet.get(Ipv6Header::LEN..).unwrap_or_default();
        let chain = Chain::walk(Protocol(header[6]), behind);
        let transport = network + Ipv6Header::LEN + chain.len;
        let fragment = chain.fragment.and_then(|at| FragmentHeader::read(behind.get(at..)?));
        Some(Self {
            network,
            transport,
            source: address(8)?.into(),
            destination: address(24)?.into(),
            protocol: chain.protocol,
            total_len: Ipv6Header::LEN + usize::from(u16::from_be_bytes([header[4], header[5]])),
            has_ports: chain.end == ChainEnd::Upper && bytes.len() >= transport + 8,
            fragment: fragment.map(|header| header.id.get()),
        })
    }

    /// The family of its addresses.
    pub(crate) const fn family(&self) -> Family {
        match self.source {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Whether it is a part of a datagram.
    pub(crate) const fn is_fragment(&self) -> bool {
        self.fragment.is_some()
    }

    /// Whether it is a part of an SCTP packet, whose checksum (a CRC) only the whole can tell.
    pub(crate) fn is_sctp_in_fragments(&self) -> bool {
        self.protocol == Protocol::SCTP && self.is_fragment()
    }

    /// Who talks to whom, as connection tracking will see it; `None` when that takes more than is here, or for an
    /// ICMP message that is neither query nor answer.
    pub(crate) fn tuple(&self, bytes: &[u8]) -> Option<Tuple> {
        let tuple = Tuple::quoted(self.family(), bytes.get(self.network..).filter(|_| self.has_ports)?)?;
        match self.protocol {
            Protocol::ICMP | Protocol::ICMPV6 => tuple.inverted().map(|_| tuple),
            _ => Some(tuple),
        }
    }

    /// The packet that an ICMP error quotes.
    pub(crate) fn quoted(&self, bytes: &[u8]) -> Option<Self> {
        let kind = *bytes.get(self.transport).filter(|_| self.has_ports)?;
        let is_error = match self.protocol {
            Protocol::ICMP => IcmpType(kind).is_error(),
            Protocol::ICMPV6 => Icmpv6Type(kind).is_error(),
            _ => false,
        };
        let quoted = is_error.then(|| Self::packet(bytes, self.transport + 8)).flatten();
        quoted.filter(|quoted| quoted.family() == self.family())
    }
}

/// Length of an Ethernet header.
pub(crate) const ETHERNET_BYTES: usize = 14;
/// Where the transport header stands behind IPv4 without options.
pub(super) const PLAIN_TRANSPORT: usize = ETHERNET_BYTES + 20;
/// The first bytes of a frame that holds IPv4 without options, in which all lies that [`Peek`] and [`Peek::tuple`] tell of it.
pub(super) type PlainHeaders = [u8; PLAIN_TRANSPORT + 8];

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
    fn of_segments_and_datagrams_without_options_all_is_read_at_once_and_of_fragments_and_queries_not() {
        let plain = |frame: &[u8]| frame.first_chunk().and_then(Peek::plain).map(|(_, tuple)| tuple.to_string());
        let mut frame = craft::tcp([10, 0, 0, 2], 40_000, [198, 51, 100, 7], 80);
        assert_eq!(plain(&frame).as_deref(), Some("10.0.0.2:40000 > 198.51.100.7:80 tcp"));
        frame[20] = 0x20;
        assert_eq!(plain(&frame), None);
        assert_eq!(plain(&craft::icmp_echo([10, 0, 0, 2], [192, 0, 2, 9], 8, 77)), None);
    }

    #[test]
    fn a_later_fragment_has_no_ports_and_so_no_tuple() {
        let mut frame = craft::tcp([10, 0, 0, 2], 40_000, [198, 51, 100, 7], 80);
        frame[21] = 1;
        let peek = Peek::frame(&frame).unwrap();
        assert!(peek.is_fragment() && !peek.has_ports);
        assert_eq!(peek.tuple(&frame), None);
        frame[20..22].copy_from_slice(&[0x20, 0]);
        let first = Peek::frame(&frame).unwrap();
        assert!(first.is_fragment() && first.has_ports);
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

    #[test]
    fn an_ipv6_packet_is_found_behind_extension_headers_and_in_fragments() {
        let plain = craft::udp6(1, (2, 53), (3, 4000), b"question");
        let peek = Peek::frame(&plain).unwrap();
        assert_eq!((peek.network, peek.transport, peek.protocol, peek.total_len), (14, 54, Protocol::UDP, 56));
        assert_eq!(peek.tuple(&plain).unwrap().to_string(), "fd00:1::2:53 > fd00:1::3:4000 udp");
        for (offset, has_ports) in [(0x0001, true), (0x0008, false)] {
            let mut part = plain.clone();
            part[20] = Protocol::FRAGMENT.0;
            let [high, low] = u16::to_be_bytes(offset);
            part.splice(54..54, [Protocol::UDP.0, 0, high, low, 0, 0, 0, 9]);
            let peek = Peek::frame(&part).unwrap();
            assert_eq!((peek.transport, peek.fragment, peek.has_ports), (62, Some(9), has_ports));
            assert_eq!(peek.tuple(&part).is_some(), has_ports);
        }
    }

    proptest! {
        #[test]
        fn no_frame_makes_it_panic(mut frame: Vec<u8>, version in 0u8..3) {
            if version > 0 && frame.len() > 14 {
                frame[12..14].copy_from_slice(if version == 1 { &[0x08, 0x00] } else { &[0x86, 0xdd] });
                frame[14] = frame[14] & 0x0f | if version == 1 { 0x40 } else { 0x60 };
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
