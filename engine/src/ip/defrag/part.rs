//! What one fragment says of its datagram, in either family.

use core::net::Ipv6Addr;

use crate::{
    packet::{Ip, Network, Packet, Transport},
    wire::{
        Icmpv6Header, Ipv4Header, Ipv6Header, Protocol, TcpHeader, UdpHeader,
        ipv6::{Chain, ChainEnd, FragmentAt, FragmentHeader},
    },
};

/// A fragment's place, and what else counts of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where its data starts, from its network header.
    pub(super) data_at: usize,
    /// Where IPv6 names its fragment header, from its network header; 0 of IPv4.
    pub(super) named_at: usize,
    /// Where its data goes in the datagram, and where it ends there.
    pub(super) offset: u32,
    pub(super) end: u32,
    /// Whether others follow.
    pub(super) more: bool,
    /// Whether it must not be cut (IPv4).
    pub(super) dont_fragment: bool,
    /// Type of service, or traffic class.
    pub(super) tos: u8,
    /// Its length as a packet.
    pub(super) whole: u32,
    /// What it has in common with the other parts.
    pub(super) id: u32,
}

/// What IPv6 says of a packet, seen from reassembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It is a fragment, the only one perhaps (RFC 6946).
    Part(Part),
    /// It is none, or one that whoever it is for has to judge: the first one that does not hold all headers (RFC 8200,
    /// section 4.5), or one in a packet of no stated length.
    Other,
    /// Its fragment header is not all there.
    Broken,
}

impl Part {
    /// What an IPv4 fragment says; only the last one may end within a unit of 8 bytes.
    pub(super) fn of_v4(packet: &Packet) -> Option<Self> {
        let ip = packet.ipv4()?;
        let more = ip.flags_fragment.get() & Ipv4Header::MORE_FRAGMENTS != 0;
        let offset = ip.fragment_offset() as u32;
        let end = offset + packet.transport_len() as u32;
        let end = if more { end & !7 } else { end };
        let data_at = ip.header_len();
        Some(Self {
            data_at,
            named_at: 0,
            offset,
            end,
            more,
            dont_fragment: ip.dont_fragment(),
            tos: ip.tos,
            whole: end - offset + data_at as u32,
            id: ip.id.get().into(),
        })
    }

    /// Bytes of the headers that the datagram begins with: all that stands before the data but a fragment header.
    pub(super) const fn header_len(&self) -> usize {
        if self.named_at > 0 { self.data_at - FragmentHeader::LEN } else { self.data_at }
    }

    /// Whether it cannot end where it does: within a unit of 8 bytes, though others follow.
    pub(super) const fn is_uneven(&self) -> bool {
        self.more && !self.end.is_multiple_of(8)
    }

    /// Whether no packet can be so long.
    pub(super) const fn is_too_far(&self) -> bool {
        self.end > u16::MAX as u32
    }
}

impl Sight {
    /// Linux v6.18: `net/ipv6/netfilter/nf_conntrack_reasm.c`, `nf_ct_frag6_gather()`.
    pub(super) fn of(packet: &Packet) -> Self {
        let (Some(ip), Some(bytes)) = (packet.ipv6(), packet.network_bytes().get(Ipv6Header::LEN..)) else {
            return Self::Other;
        };
        if ip.payload_len.get() == 0 {
            return Self::Other;
        }
        let Some(at) = FragmentAt::find(ip.next_header(), bytes) else { return Self::Other };
        let from_header = bytes.get(at.offset..).unwrap_or_default();
        if lacks_headers(packet.network_len() - Ipv6Header::LEN - at.offset, from_header) {
            return Self::Other;
        }
        let Some(header) = FragmentHeader::read(from_header) else { return Self::Broken };
        let data_at = Ipv6Header::LEN + at.offset + FragmentHeader::LEN;
        let offset = header.offset() as u32;
        Self::Part(Part {
            data_at,
            named_at: at.named_at,
            offset,
            end: offset + (packet.network_len() - data_at) as u32,
            more: header.more(),
            dont_fragment: false,
            tos: ip.traffic_class(),
            whole: packet.network_len() as u32,
            id: header.id.get(),
        })
    }
}

/// Whether a first fragment of `len` bytes from its fragment header on, of which `bytes` are at hand, ends inside the upper
/// layer's header, or inside that fragment header. One whose extension headers break off is not found out (Linux v6.18: `net/ipv6/reassembly.c`,
/// `ipv6frag_thdr_truncated()`).
fn lacks_headers(len: usize, bytes: &[u8]) -> bool {
    let chain = Chain::walk(Protocol::FRAGMENT, bytes);
    let needed = match chain.protocol {
        Protocol::TCP => TcpHeader::LEN,
        Protocol::UDP => UdpHeader::LEN,
        Protocol::ICMPV6 => Icmpv6Header::LEN,
        _ => 1,
    };
    chain.end == ChainEnd::Upper && chain.len + needed > len
}

/// Whether reassembly has to look at a packet.
pub(super) fn concerns(packet: &Packet) -> bool {
    match packet.network() {
        Network::Ipv4 => packet.ipv4().is_some_and(Ipv4Header::is_fragment),
        Network::Ipv6 => names_fragment(packet),
        Network::Arp | Network::Other => false,
    }
}

/// Whether an IPv6 packet has a fragment header, be it broken.
pub(super) fn names_fragment(packet: &Packet) -> bool {
    let is_broken = || packet.transport() == Transport::Broken && packet.protocol() == Protocol::FRAGMENT;
    packet.fragment_word().is_some() || is_broken()
}

/// What is wrong with a fragment that has come to this host though reassembly has let it pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is the first one and does not hold all headers.
    HeadersMissing,
    /// Its length cannot be right, or its fragment header is not all there; and which byte of the packet its sender is pointed to.
    Malformed(usize),
}

impl Flaw {
    /// Finds it in a packet whose fragment header stands `at` bytes behind the start of the IPv6 header; `None` when that header does no
    /// harm: the packet is no part of another.
    ///
    /// Linux v6.18: `net/ipv6/reassembly.c`, `ipv6_frag_rcv()`.
    #[must_use]
    pub fn of(packet: &Packet, at: usize) -> Option<Self> {
        match packet.network_bytes().get(at..).and_then(FragmentHeader::read) {
            Some(header) if !header.more() && header.offset() == 0 => None,
            Some(header) if header.offset() == 0 && Sight::of(packet) == Sight::Other => Some(Self::HeadersMissing),
            Some(_) => Some(Self::Malformed(LENGTH_AT)),
            None => Some(Self::Malformed(at)),
        }
    }
}

/// Whose fragments those of a packet are not mixed with: of addresses that mean something on a link only, those of another
/// link.
pub(super) fn is_of_link(packet: &Packet) -> bool {
    let on_link = |address: Ipv6Addr| address.is_multicast() || address.is_unicast_link_local();
    matches!(packet.ip(), Some(Ip::V6(ip)) if on_link(ip.destination()))
}

/// Where the payload's length stands in an IPv6 header.
const LENGTH_AT: usize = 4;
