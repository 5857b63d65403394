//! What rules ask of a packet most often, read once for each walk through a table.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    held::OuterEndpoint,
    interfaces::{Interfaces, Row},
};
use crate::{
    conntrack::{Family, State, TemplateId, Tracking},
    netfilter::view::View,
    packet::{Ip, Packet},
    wire::{Ipv6Header, Protocol, TcpHeader, UdpHeader, ipv6},
};

/// A packet's facts.
#[derive(Clone, Copy, Debug)]
pub(in crate::netfilter) struct Facts {
    /// Of IPv6 the second of four words: a site and its networks differ there.
    pub(super) source: u32,
    pub(super) destination: u32,
    /// Source and destination of IPv6; zero of IPv4.
    pub(super) wide: [u128; 2],
    pub(in crate::netfilter) family: Family,
    pub(in crate::netfilter) protocol: Protocol,
    /// In units of 8 bytes; not zero of a later fragment.
    pub(in crate::netfilter) fragment_offset: u16,
    pub(in crate::netfilter) ports: Ports,
    pub(in crate::netfilter) source_port: u16,
    pub(in crate::netfilter) destination_port: u16,
    pub(in crate::netfilter) state: StateSet,
    pub(super) input: Row,
    pub(super) output: Row,
}

/// Whether a packet's ports can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) enum Ports {
    /// TCP or UDP with its whole fixed header.
    Here,
    /// Another protocol, or a fragment that is not the first.
    None,
    /// TCP or UDP whose fixed header is cut short, or a TCP fragment that would overwrite flags. A rule that asks for
    /// its ports drops it (Linux v6.18: `net/netfilter/xt_tcpudp.c`, `tcp_mt()`, `udp_mt()`: `hotdrop`).
    Evil,
    /// IPv6 whose extension headers do not lead to a protocol: one of them is cut short, or stands behind that of a later fragment. A
    /// rule that asks for a protocol drops it (Linux v6.18: `net/ipv6/netfilter/ip6_tables.c`, `ip6_packet_match()`;
    /// `net/ipv6/exthdrs_core.c`, `ipv6_find_hdr()`).
    Unreached,
}

/// A set of the words that `--ctstate` knows, but for SNAT and DNAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::netfilter) struct StateSet(pub(in crate::netfilter) u8);

impl StateSet {
    pub(in crate::netfilter) const INVALID: Self = Self(1 << 0);
    pub(in crate::netfilter) const NEW: Self = Self(1 << 1);
    pub(in crate::netfilter) const RELATED: Self = Self(1 << 2);
    pub(in crate::netfilter) const ESTABLISHED: Self = Self(1 << 3);
    pub(in crate::netfilter) const UNTRACKED: Self = Self(1 << 4);
    pub(in crate::netfilter) const ALL: Self = Self(0x1f);
    /// Those of packets that belong to a connection.
    pub(in crate::netfilter) const TRACKED: Self = Self(Self::NEW.0 | Self::RELATED.0 | Self::ESTABLISHED.0);

    pub(in crate::netfilter) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// All of both.
    pub(in crate::netfilter) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The others.
    pub(in crate::netfilter) const fn inverted(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }

    /// A state; without one that before tracking has been asked.
    pub(in crate::netfilter) const fn of_state(state: Option<State>) -> Self {
        match state {
            None => Self::INVALID,
            Some(State::New) => Self::NEW,
            Some(State::Established) => Self::ESTABLISHED,
            Some(State::Related) => Self::RELATED,
        }
    }

    /// The state of a packet. Before tracking has been asked it is INVALID, with a template NEW (Linux v6.18:
    /// `net/netfilter/xt_conntrack.c`, `conntrack_mt()`).
    pub(in crate::netfilter) const fn of(tracking: Tracking) -> Self {
        match tracking {
            Tracking::Unseen | Tracking::Invalid | Tracking::Template(TemplateId::CLOSED) => Self::INVALID,
            Tracking::Template(_) | Tracking::Tracked { state: State::New, .. } => Self::NEW,
            Tracking::Untracked => Self::UNTRACKED,
            Tracking::Tracked { state: State::Established, .. } => Self::ESTABLISHED,
            Tracking::Tracked { state: State::Related, .. } => Self::RELATED,
        }
    }
}

impl Facts {
    /// Reads a packet; `None` when it is not of the family.
    pub(super) fn of(view: &View<'_>, family: Family, interfaces: &Interfaces) -> Option<Self> {
        let (source, destination, wide) = match (view.packet.ip()?, family) {
            (Ip::V4(ip), Family::Ipv4) => (ip.source().to_bits(), ip.destination().to_bits(), [0; 2]),
            (Ip::V6(ip), Family::Ipv6) => {
                let wide = [ip.source().to_bits(), ip.destination().to_bits()];
                (word(wide[0]), word(wide[1]), wide)
            }
            (Ip::V4(_), Family::Ipv6) | (Ip::V6(_), Family::Ipv4) => return None,
        };
        let protocol = view.packet.protocol();
        let fragment_offset = (view.packet.fragment_offset() / 8) as u16;
        let (ports, source_port, destination_port) = read_ports(view.packet, protocol, fragment_offset);
        Some(Self {
            source,
            destination,
            wide,
            family,
            protocol,
            fragment_offset,
            ports,
            source_port,
            destination_port,
            state: StateSet::of(view.packet.meta().tracking),
            input: interfaces.row(view.input),
            output: interfaces.row(view.output),
        })
    }

    /// Those of the first packet of somebody who calls an endpoint, as far as they are known. `None`: it is not of the family.
    pub(super) fn of_callers(endpoint: &OuterEndpoint, family: Family, interfaces: &Interfaces) -> Option<Self> {
        let (destination, wide) = match (endpoint.address, family) {
            (IpAddr::V4(address), Family::Ipv4) => (address.to_bits(), 0),
            (IpAddr::V6(address), Family::Ipv6) => (word(address.to_bits()), address.to_bits()),
            (IpAddr::V4(_), Family::Ipv6) | (IpAddr::V6(_), Family::Ipv4) => return None,
        };
        Some(Self {
            source: 0,
            destination,
            wide: [0, wide],
            family,
            protocol: endpoint.protocol,
            fragment_offset: 0,
            ports: Ports::Here,
            source_port: 0,
            destination_port: endpoint.port,
            state: StateSet::NEW,
            input: interfaces.row(endpoint.input),
            output: interfaces.row(None),
        })
    }

    /// From whom.
    pub(in crate::netfilter) fn source_ip(&self) -> IpAddr {
        match self.family {
            Family::Ipv4 => Ipv4Addr::from_bits(self.source).into(),
            Family::Ipv6 => Ipv6Addr::from_bits(self.wide[0]).into(),
        }
    }

    /// To whom.
    pub(in crate::netfilter) fn destination_ip(&self) -> IpAddr {
        match self.family {
            Family::Ipv4 => Ipv4Addr::from_bits(self.destination).into(),
            Family::Ipv6 => Ipv6Addr::from_bits(self.wide[1]).into(),
        }
    }
}

/// The word of an IPv6 address, or of its mask, that a selector looks at.
pub(super) const fn word(bits: u128) -> u32 {
    (bits >> 64) as u32
}

fn read_ports(packet: &Packet, protocol: Protocol, fragment_offset: u16) -> (Ports, u16, u16) {
    if packet.ipv6().is_some_and(|ip| is_protocol_unreached(packet, ip, protocol)) {
        return (Ports::Unreached, 0, 0);
    }
    let header_len = match protocol {
        Protocol::TCP => TcpHeader::LEN,
        Protocol::UDP => UdpHeader::LEN,
        _ => return (Ports::None, 0, 0),
    };
    match (fragment_offset, packet.transport_bytes()) {
        (0, bytes @ &[a, b, c, d, ..]) if bytes.len() >= header_len => {
            (Ports::Here, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        }
        (0, _) => (Ports::Evil, 0, 0),
        (1, _) if protocol == Protocol::TCP => (Ports::Evil, 0, 0),
        _ => (Ports::None, 0, 0),
    }
}

/// Whether an IPv6 packet's extension headers do not lead to its protocol; tracking, which needs less of a routing header, may have
/// found one all the same.
fn is_protocol_unreached(packet: &Packet, ip: &Ipv6Header, protocol: Protocol) -> bool {
    if ipv6::is_extension(protocol) && protocol != Protocol::NO_NEXT {
        return true;
    }
    packet.transport_bytes().is_empty()
        && ipv6::ends_inside_route(ip.next_header(), packet.network_bytes().get(Ipv6Header::LEN..).unwrap_or_default())
}
