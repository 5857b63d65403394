//! From packets; and whether one packet is what was said of it.

use alloc::{boxed::Box, vec, vec::Vec};
use core::net::Ipv4Addr;

use zerocopy::FromBytes;

use super::{ArpSketch, IcmpSketch, Ipv4Sketch, Kind, OptionsSketch, Payload, Ports, Sketch, TcpSketch};
use crate::{
    packet::{Network, Packet, Transport},
    wire::{
        ArpPacket, IcmpHeader, Ipv4Header, Protocol, TcpFlags, TcpHeader, UdpHeader, icmp::IcmpType,
        tcp_options::TcpOptions,
    },
};

impl Sketch {
    /// All that the notation can tell of a packet; `None` where it has no words, as for IPv6 (see [`Summary`](crate::packet::Summary) for
    /// what is printed then).
    #[must_use]
    pub fn of(packet: &Packet) -> Option<Self> {
        match packet.network() {
            Network::Ipv4 => {
                let mut bytes =
                    vec![0; packet.network_bytes().len() + packet.fragments().map(<[u8]>::len).sum::<usize>()];
                packet.copy_network(&mut bytes);
                bytes.truncate(packet.network_len());
                ipv4(&bytes, packet.transport() == Transport::Broken, true).map(Self::Ipv4)
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
            Network::Ipv6 | Network::Other => None,
        }
    }

    /// Whether a packet is what is written here: see the table of this module for what counts.
    #[must_use]
    pub fn holds_for(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::Arp(told), Self::Arp(seen)) => told == seen,
            (Self::Ipv4(told), Self::Ipv4(seen)) => told.holds_for(seen, false),
            (Self::Arp(_), Self::Ipv4(_)) | (Self::Ipv4(_), Self::Arp(_)) => false,
        }
    }

    /// The same without the facts that `beside` does not write either, unless they always count.
    #[must_use]
    pub fn told_as(self, beside: Option<&Self>) -> Self {
        match (self, beside) {
            (Self::Ipv4(seen), Some(Self::Ipv4(told))) => Self::Ipv4(seen.told_as(Some(told))),
            (Self::Ipv4(seen), Some(Self::Arp(_)) | None) => Self::Ipv4(seen.told_as(None)),
            (arp @ Self::Arp(_), _) => arp,
        }
    }
}

impl Ipv4Sketch {
    fn holds_for(&self, seen: &Self, quoted: bool) -> bool {
        let payload = match (&self.payload, &seen.payload) {
            (Payload::Bytes(told), Payload::Bytes(seen)) => told == seen,
            (told, seen) => told.len() == seen.len(),
        };
        (self.source, self.destination) == (seen.source, seen.destination)
            && self.kind.holds_for(&seen.kind)
            && (quoted || payload)
            && (self.ttl.is_none() || self.ttl == seen.ttl)
            && (self.tos.is_none() || self.tos == seen.tos)
            && (self.id.is_none() || self.id == seen.id)
            && (self.dont_fragment.is_none() || self.dont_fragment == seen.dont_fragment)
    }

    fn told_as(mut self, told: Option<&Self>) -> Self {
        self.ttl = self.ttl.filter(|_| told.is_some_and(|told| told.ttl.is_some()));
        self.tos = self.tos.filter(|_| told.is_some_and(|told| told.tos.is_some()));
        self.id = self.id.filter(|_| told.is_some_and(|told| told.id.is_some()));
        self.dont_fragment = self.dont_fragment.filter(|_| told.is_some_and(|told| told.dont_fragment.is_some()));
        let told_kind = told.map(|told| &told.kind);
        match (&mut self.kind, told_kind) {
            (Kind::Tcp(seen), told) => {
                let told = if let Some(Kind::Tcp(told)) = told { Some(told) } else { None };
                seen.window = seen.window.filter(|_| told.is_some_and(|told| told.window.is_some()));
                if told.is_none_or(|told| told.options == OptionsSketch::default()) {
                    seen.options = OptionsSketch::default();
                }
            }
            (Kind::Icmp(seen), told) => {
                let told = if let Some(Kind::Icmp(told)) = told { Some(told) } else { None };
                seen.mtu = seen.mtu.filter(|_| told.is_some_and(|told| told.mtu.is_some()));
                let inner = told.and_then(|told| told.about.as_deref());
                seen.about = seen.about.take().map(|about| Box::new(about.told_as(inner)));
            }
            (Kind::Udp(_) | Kind::Fragment { .. } | Kind::Other(_), _) => {}
        }
        if told.is_some_and(|told| matches!(told.payload, Payload::Length(len) if len > 0)) {
            self.payload = Payload::Length(self.payload.len());
        }
        self
    }
}

impl Kind {
    fn holds_for(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::Tcp(told), Self::Tcp(seen)) => {
                // A quote may end before the flags.
                let flags = told.flags == seen.flags || (told.ack.is_none() && told.flags == TcpFlags::default());
                told.ports == seen.ports
                    && flags
                    && (told.seq.is_none() || told.seq == seen.seq)
                    && (told.ack.is_none() || told.ack == seen.ack)
                    && (told.window.is_none() || told.window == seen.window)
                    && told.options.hold(&seen.options)
            }
            (Self::Icmp(told), Self::Icmp(seen)) => {
                (told.kind, told.code) == (seen.kind, seen.code)
                    && (told.id.is_none() || told.id == seen.id)
                    && (told.sequence.is_none() || told.sequence == seen.sequence)
                    && (told.mtu.is_none() || told.mtu == seen.mtu)
                    && match (&told.about, &seen.about) {
                        (Some(told), Some(seen)) => told.holds_for(seen, true),
                        (None, None) => true,
                        (Some(_), None) | (None, Some(_)) => false,
                    }
            }
            (told, seen) => told == seen,
        }
    }
}

/// What an IPv4 packet's bytes say; `None` when its header is not whole. `is_outer`: the packet itself, and not what an
/// error quotes of one.
fn ipv4(bytes: &[u8], broken: bool, is_outer: bool) -> Option<Ipv4Sketch> {
    let (ip, _) = Ipv4Header::ref_from_prefix(bytes).ok()?;
    let rest = bytes.get(ip.header_len()..)?;
    let (kind, payload) = if ip.is_fragment() {
        let more = ip.flags_fragment.get() & Ipv4Header::MORE_FRAGMENTS != 0;
        (Kind::Fragment { protocol: ip.protocol(), offset: ip.fragment_offset() as u16, more }, rest)
    } else {
        let found = if broken { None } else { transport(ip.protocol(), rest, is_outer) };
        found.unwrap_or((Kind::Other(ip.protocol()), rest))
    };
    Some(Ipv4Sketch {
        source: ip.source(),
        destination: ip.destination(),
        kind,
        payload: Payload::Bytes(Vec::from(payload)),
        ttl: Some(ip.ttl),
        tos: Some(ip.tos),
        id: Some(ip.id.get()),
        dont_fragment: Some(ip.dont_fragment()),
    })
}

/// What follows the IP header, and the payload behind it.
fn transport(protocol: Protocol, bytes: &[u8], is_outer: bool) -> Option<(Kind, &[u8])> {
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
        Protocol::ICMP => {
            let (icmp, rest) = IcmpHeader::ref_from_prefix(bytes).ok()?;
            let is_query = icmp.icmp_type().inverse().is_some();
            let is_error = icmp.icmp_type().is_error();
            let about = if is_error && is_outer { ipv4(rest, false, false) } else { None };
            let sketch = IcmpSketch {
                kind: icmp.kind,
                code: icmp.code,
                id: is_query.then(|| icmp.id()),
                sequence: is_query.then(|| icmp.sequence()),
                mtu: (icmp.icmp_type() == IcmpType::UNREACHABLE).then(|| icmp.sequence()),
                about: about.map(Box::new),
            };
            let rest = if sketch.about.is_some() { &[][..] } else { rest };
            Some((Kind::Icmp(sketch), rest))
        }
        _ => None,
    }
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
