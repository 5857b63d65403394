//! Which tuple a packet belongs to.

use zerocopy::FromBytes;

use super::tuple::{Address, Family, Tuple};
use crate::{
    packet::{Network, Packet},
    wire::{
        IcmpHeader, Ipv4Header, Ipv6Header, Protocol,
        ipv6::{self, Chain, ChainEnd},
    },
};

impl Tuple {
    /// The tuple of a packet, in the direction in which it travels; `None` when it ends before what makes one up, is a
    /// fragment that is not the first, or is no IP at all.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `nf_ct_get_tuple()`.
    #[must_use]
    #[inline(always)]
    pub fn of(packet: &Packet) -> Option<Self> {
        Self::of_plain(packet).or_else(|| Self::of_other(packet))
    }

    /// The same of TCP or UDP over IPv4, as most packets are; `None` of others.
    #[inline(always)]
    pub(super) fn of_plain(packet: &Packet) -> Option<Self> {
        Some(Self::between(packet.ipv4()?, packet.ports()?))
    }

    /// The same of any packet.
    #[inline(never)]
    pub(super) fn of_other(packet: &Packet) -> Option<Self> {
        match packet.network() {
            Network::Ipv4 => Self::of_ipv4(packet.ipv4()?, packet.transport_bytes()),
            Network::Ipv6 => Self::of_packet_ipv6(packet),
            Network::Other | Network::Arp => None,
        }
    }

    fn of_packet_ipv6(packet: &Packet) -> Option<Self> {
        // Behind a broken chain, or one that says that nothing follows, there is no flow.
        if packet.fragment_offset() > 0 || ipv6::is_extension(packet.protocol()) {
            return None;
        }
        Self::of_ipv6(packet.ipv6()?, packet.protocol(), packet.transport_bytes())
    }

    /// The tuple of the packet that an ICMP error of that family quotes: `bytes` start with its IP header and may end
    /// early.
    #[must_use]
    pub fn quoted(family: Family, bytes: &[u8]) -> Option<Self> {
        match family {
            Family::Ipv4 => {
                let (ip, _) = Ipv4Header::ref_from_prefix(bytes).ok()?;
                Self::of_ipv4(ip, bytes.get(ip.header_len()..)?)
            }
            Family::Ipv6 => {
                let (ip, rest) = Ipv6Header::ref_from_prefix(bytes).ok()?;
                let chain = Chain::walk(ip.next_header(), rest);
                let is_whole = chain.end == ChainEnd::Upper;
                is_whole.then(|| Self::of_ipv6(ip, chain.protocol, &rest[chain.len..]))?
            }
        }
    }

    /// The tuple under which the connection that a packet is about stands: of an ICMP error, that of answers to the packet
    /// that it quotes.
    #[must_use]
    pub fn about(packet: &Packet) -> Option<Self> {
        let is_error = match (packet.icmp(), packet.icmpv6()) {
            (Some(icmp), _) => icmp.icmp_type().inverse().is_none(),
            (None, Some(icmp)) => icmp.icmp_type().inverse().is_none(),
            (None, None) => false,
        };
        if !is_error {
            return Self::of(packet);
        }
        Self::quoted(packet.family()?, packet.transport_bytes().get(IcmpHeader::LEN..)?)?.inverted()
    }

    fn of_ipv4(ip: &Ipv4Header, transport: &[u8]) -> Option<Self> {
        if ip.fragment_offset() > 0 {
            return None;
        }
        Some(Self::between(ip, ends(ip.protocol(), transport)?))
    }

    #[inline(always)]
    const fn between(ip: &Ipv4Header, [source_port, destination_port]: [u16; 2]) -> Self {
        Self {
            source: Address::v4(ip.source),
            destination: Address::v4(ip.destination),
            source_port,
            destination_port,
            protocol: ip.protocol,
            family: Family::Ipv4,
        }
    }

    fn of_ipv6(ip: &Ipv6Header, protocol: Protocol, transport: &[u8]) -> Option<Self> {
        let [source_port, destination_port] = ends(protocol, transport)?;
        Some(Self {
            source: Address(ip.source),
            destination: Address(ip.destination),
            source_port,
            destination_port,
            protocol: protocol.0,
            family: Family::Ipv6,
        })
    }
}

/// What tells flows between two addresses apart.
fn ends(protocol: Protocol, transport: &[u8]) -> Option<[u16; 2]> {
    match protocol {
        Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP => {
            let &[a, b, c, d] = transport.first_chunk()?;
            Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
        }
        // ICMPv6 has the same fields in the same places.
        Protocol::ICMP | Protocol::ICMPV6 => {
            let (icmp, _) = IcmpHeader::ref_from_prefix(transport).ok()?;
            Some([icmp.id(), u16::from_be_bytes([icmp.kind, icmp.code])])
        }
        Protocol::GRE => gre(transport),
        _ => Some([0, 0]),
    }
}

/// GRE has no ports, but version 1 (RFC 2637) carries a call identifier. Nothing here learns which one the other side has
/// chosen, so that both directions of a call are flows of their own.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto_gre.c`, `gre_pkt_to_tuple()`.
fn gre(transport: &[u8]) -> Option<[u16; 2]> {
    match *transport {
        [_, flags, kind_high, kind_low, _, _, call_high, call_low, ..] if flags & GRE_VERSION == GRE_VERSION_1 => {
            let is_ppp = u16::from_be_bytes([kind_high, kind_low]) == GRE_PROTOCOL_PPP;
            is_ppp.then(|| [0, u16::from_be_bytes([call_high, call_low])])
        }
        _ => Some([0, 0]),
    }
}

const GRE_VERSION: u8 = 0x07;
const GRE_VERSION_1: u8 = 1;
const GRE_PROTOCOL_PPP: u16 = 0x880b;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        frame::{DeviceId, Frame},
        packet::{Pool, Transport},
        wire::checksum,
    };

    /// An IPv4 packet in a frame, perhaps a fragment, perhaps with options, whose header's checksum is right.
    fn frame(protocol: u8, fragment: u16, options: usize, behind: &[u8]) -> Vec<u8> {
        let len = (20 + 4 * options + behind.len()) as u16;
        let mut header = Vec::from([0x45 + options as u8, 0]);
        header.extend(len.to_be_bytes());
        header.extend([0, 7]);
        header.extend(fragment.to_be_bytes());
        header.extend([64, protocol, 0, 0, 10, 0, 0, 2, 198, 51, 100, 7]);
        header.resize(20 + 4 * options, 1);
        let sum = (!checksum::sum(&header)).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        [&[2; 12][..], &[0x08, 0x00], &header, behind].concat()
    }

    proptest! {
        #[test]
        fn what_is_read_at_once_of_most_packets_is_what_is_read_of_any(
            protocol in prop_oneof![4 => Just(6_u8), 4 => Just(17), 1 => Just(1), 1 => Just(132), 1 => any::<u8>()],
            fragment in prop_oneof![4 => Just(0_u16), 1 => Just(0x4000), 1 => Just(0x2000), 1 => Just(0x2001)],
            options in 0_usize..3,
            behind in proptest::collection::vec(any::<u8>(), 0..48),
        ) {
            // A datagram's length, or where a segment's payload begins, that can be.
            let mut behind = behind;
            if let (17, [_, _, _, _, high, low, ..]) = (protocol, &mut behind[..]) {
                (*high, *low) = (0, 8);
            } else if let (6, Some(offset)) = (protocol, behind.get_mut(12)) {
                *offset = 0x50;
            }
            let mut pool = Pool::new();
            let parsed = Packet::parse(&mut pool, &Frame::new(DeviceId(0), &frame(protocol, fragment, options, &behind)));
            let packet = parsed.expect("a right header");
            let plain = Tuple::of_plain(&packet);
            prop_assert_eq!(plain.is_some(), matches!(packet.transport(), Transport::Tcp | Transport::Udp));
            if plain.is_some() {
                prop_assert_eq!(plain, Tuple::of_other(&packet));
            }
        }
    }
}
