//! From packets.

use alloc::{boxed::Box, vec, vec::Vec};
use core::net::Ipv4Addr;

use zerocopy::FromBytes;

use super::{
    ArpSketch, HeaderSketch, IcmpSketch, IpSketch, Ipv4Sketch, Ipv6Sketch, Kind, OptionsSketch, Payload, Ports, Sketch,
    TcpSketch,
};
use crate::{
    conntrack::Family,
    packet::{Network, Packet, Transport},
    wire::{
        ArpPacket, IcmpHeader, Ipv4Header, Ipv6Header, Protocol, TcpFlags, TcpHeader, UdpHeader,
        ipv6::{Chain, FragmentHeader},
        tcp_options::TcpOptions,
    },
};

impl Sketch {
    /// All that the notation can tell of a packet; `None` where it has no words, as for protocols other than ARP and IP (see
    /// [`Summary`](crate::packet::Summary) for what is printed then).
    #[must_use]
    pub fn of(packet: &Packet) -> Option<Self> {
        match packet.network() {
            Network::Ipv4 | Network::Ipv6 => {
                let mut bytes =
                    vec![0; packet.network_bytes().len() + packet.fragments().map(<[u8]>::len).sum::<usize>()];
                packet.copy_network(&mut bytes);
                bytes.truncate(packet.network_len());
                let family = if packet.network() == Network::Ipv4 { Family::Ipv4 } else { Family::Ipv6 };
                ip(family, &bytes, packet.transport() == Transport::Broken, true).map(Self::Ip)
            }
            Network::Arp => {
                let arp = packet.arp()?;
                let (sender, target) = (Ipv4Addr::from(arp.sender_ip), Ipv4Addr::from(arp.target_ip));
                match arp.operation.get() {
                    ArpPacket::REQUEST => Some(Self::Arp(ArpSketch::Request { target, sender })),
                    ArpPacket::REPLY => Some(Self::Arp(ArpSketch::Reply { sender, mac: arp.sender_mac })),
                    _ => None,
                }
            }
            Network::Other => None,
        }
    }
}

/// What an IP packet's bytes say; `None` when its header is not whole. `is_outer`: the packet itself, and not what an
/// error quotes of one.
fn ip(family: Family, bytes: &[u8], broken: bool, is_outer: bool) -> Option<IpSketch> {
    let Headers { header, protocol, part, rest } = match family {
        Family::Ipv4 => Headers::v4(bytes)?,
        Family::Ipv6 => Headers::v6(bytes)?,
    };
    let (kind, payload) = match part {
        Some((offset, more)) => (Kind::Fragment { protocol, offset, more }, rest),
        None => {
            let found = if broken { None } else { transport(family, protocol, rest, is_outer) };
            found.unwrap_or((Kind::Other(protocol), rest))
        }
    };
    Some(IpSketch { header, kind, payload: Payload::Bytes(Vec::from(payload)) })
}

/// What an IP header says, with those that extend it.
struct Headers<'a> {
    header: HeaderSketch,
    protocol: Protocol,
    /// Of a part of a packet: where it starts, in bytes, and whether more follow.
    part: Option<(u16, bool)>,
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    fn v4(bytes: &'a [u8]) -> Option<Self> {
        let (ip, _) = Ipv4Header::ref_from_prefix(bytes).ok()?;
        let more = ip.flags_fragment.get() & Ipv4Header::MORE_FRAGMENTS != 0;
        let header = Ipv4Sketch {
            source: ip.source(),
            destination: ip.destination(),
            ttl: Some(ip.ttl),
            tos: Some(ip.tos),
            id: Some(ip.id.get()),
            dont_fragment: Some(ip.dont_fragment()),
        };
        Some(Self {
            header: HeaderSketch::V4(header),
            protocol: ip.protocol(),
            part: ip.is_fragment().then_some((ip.fragment_offset() as u16, more)),
            rest: bytes.get(ip.header_len()..)?,
        })
    }

    fn v6(bytes: &'a [u8]) -> Option<Self> {
        let (ip, rest) = Ipv6Header::ref_from_prefix(bytes).ok()?;
        let chain = Chain::walk(ip.next_header(), rest);
        let fragment = chain.fragment.and_then(|at| FragmentHeader::read(rest.get(at..)?));
        let header = Ipv6Sketch {
            source: ip.source(),
            destination: ip.destination(),
            hop_limit: Some(ip.hop_limit),
            traffic_class: Some(ip.traffic_class()),
            flow_label: Some(ip.flow_label()),
            id: fragment.map(|fragment| fragment.id.get()),
        };
        let part = fragment.map(|fragment| (fragment.offset() as u16, fragment.more()));
        Some(Self {
            header: HeaderSketch::V6(header),
            protocol: chain.protocol,
            part: part.filter(|&(offset, more)| offset > 0 || more),
            rest: rest.get(chain.len..)?,
        })
    }
}

/// What follows the IP header, and the payload behind it.
fn transport(family: Family, protocol: Protocol, bytes: &[u8], is_outer: bool) -> Option<(Kind, &[u8])> {
    match protocol {
        Protocol::TCP => match TcpHeader::ref_from_prefix(bytes) {
            Ok((tcp, _)) => {
                let options = bytes.get(TcpHeader::LEN..tcp.header_len()).unwrap_or_default();
                let sketch = TcpSketch {
                    ports: Ports { source: tcp.source_port.get(), destination: tcp.destination_port.get() },
                    flags: tcp.flags,
                    seq: Some(tcp.seq.get()),
                    ack: Some(tcp.ack.get()),
                    window: Some(tcp.window.get()),
                    options: OptionsSketch::of(TcpOptions::new(options)),
                };
                Some((Kind::Tcp(sketch), bytes.get(tcp.header_len()..).unwrap_or_default()))
            }
            Err(_) if !is_outer => quoted_tcp(bytes).map(|sketch| (Kind::Tcp(sketch), &[][..])),
            Err(_) => None,
        },
        Protocol::UDP => {
            let (udp, rest) = UdpHeader::ref_from_prefix(bytes).ok()?;
            let ports = Ports { source: udp.source_port.get(), destination: udp.destination_port.get() };
            Some((Kind::Udp(ports), rest))
        }
        Protocol::ICMP if family == Family::Ipv4 => icmp(family, bytes, is_outer),
        Protocol::ICMPV6 if family == Family::Ipv6 => icmp(family, bytes, is_outer),
        _ => None,
    }
}

/// An ICMP or ICMPv6 message, whose headers look the same.
fn icmp(family: Family, bytes: &[u8], is_outer: bool) -> Option<(Kind, &[u8])> {
    let (icmp, rest) = IcmpHeader::ref_from_prefix(bytes).ok()?;
    let (kind, code) = (icmp.kind, icmp.code);
    let mut sketch = IcmpSketch { family, kind, code, id: None, sequence: None, mtu: None, about: None };
    if sketch.is_query() {
        sketch.id = Some(icmp.id());
        sketch.sequence = Some(icmp.sequence());
    }
    if sketch.has_mtu() {
        sketch.mtu = Some(match family {
            Family::Ipv4 => icmp.sequence().into(),
            Family::Ipv6 => u32::from_be_bytes(icmp.rest),
        });
    }
    if sketch.is_error() && is_outer {
        sketch.about = ip(family, rest, false, false).map(Box::new);
    }
    let rest = if sketch.about.is_some() { &[][..] } else { rest };
    Some((Kind::Icmp(sketch), rest))
}

/// What 8 bytes of a TCP header say.
fn quoted_tcp(bytes: &[u8]) -> Option<TcpSketch> {
    let &[a, b, c, d, e, f, g, h] = bytes.first_chunk()?;
    Some(TcpSketch {
        ports: Ports { source: u16::from_be_bytes([a, b]), destination: u16::from_be_bytes([c, d]) },
        flags: TcpFlags::default(),
        seq: Some(u32::from_be_bytes([e, f, g, h])),
        ack: None,
        window: None,
        options: OptionsSketch::default(),
    })
}
