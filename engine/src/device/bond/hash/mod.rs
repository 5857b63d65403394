//! By what a bond chooses the port of a packet: `xmit_hash_policy`.
//!
//! | policy | what is hashed |
//! |---|---|
//! | `layer2` | both stations' Ethernet addresses and the packet's type |
//! | `layer2+3` | the same, and both IP addresses |
//! | `layer3+4` | IP addresses and ports, or the identifier of an ICMP question; fragments have no ports. Not in accord with 802.3ad, which wants a conversation to stay in order |
//! | `encap2+3`, `encap3+4` | the same of the packet in a tunnel (IPIP, 6in4, GRE but for PPTP's) |
//! | `vlan+srcmac` | the VLAN and the source's Ethernet address |
//!
//! An ICMP error goes the way of the packet that it tells of, but for the `encap` policies. Packets that are no IP are hashed as `layer2`;
//! to the `encap` policies, ARP is IP without addresses.
//!
//! Words are read as a little-endian machine does that runs Linux, so that a packet leaves by the port by which it would leave
//! there. A hash that a device has made (`skb->l4_hash`) is not used instead, as Linux may under `encap3+4`.
//!
//! Linux v6.18: `drivers/net/bonding/bond_main.c`, `__bond_xmit_hash()`, `bond_flow_dissect()`, `bond_ip_hash()`,
//! `bond_vlan_srcmac_hash()`; `net/core/flow_dissector.c`, `skb_flow_get_ports()`, `skb_flow_get_icmp_tci()`.

use core::fmt;

use serde::{Deserialize, Serialize};
use zerocopy::FromBytes;

use crate::{
    packet::Packet,
    wire::{EtherType, EthernetHeader, Ipv4Header, Ipv6Header, Protocol, icmp::IcmpType},
};

/// By what the port of a packet is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HashPolicy {
    /// Stations.
    #[default]
    Layer2,
    /// Addresses and ports.
    Layer34,
    /// Stations and addresses.
    Layer23,
    /// Stations and addresses, inside of tunnels.
    Encap23,
    /// Addresses and ports, inside of tunnels.
    Encap34,
    /// VLAN and source station.
    VlanSourceMac,
}

impl HashPolicy {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Layer2, Self::Layer34, Self::Layer23, Self::Encap23, Self::Encap34, Self::VlanSourceMac];

    /// Its name, as `/proc/net/bonding` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Layer2 => "layer2",
            Self::Layer34 => "layer3+4",
            Self::Layer23 => "layer2+3",
            Self::Encap23 => "encap2+3",
            Self::Encap34 => "encap3+4",
            Self::VlanSourceMac => "vlan+srcmac",
        }
    }

    /// Its number, which stands behind the name there.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The policy of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// The hash of a packet that has its Ethernet header.
    #[must_use]
    pub fn hash(self, packet: &Packet) -> u32 {
        let bytes = packet.linear();
        let Ok((ethernet, _)) = EthernetHeader::ref_from_prefix(bytes) else { return 0 };
        if self == Self::VlanSourceMac {
            return hash_of_source(ethernet, packet.meta().vlan.map(|tag| tag.tci));
        }
        let stations = hash_of_stations(ethernet);
        let network = bytes.get(EthernetHeader::LEN..).unwrap_or_default();
        let flow = match self {
            Self::Layer2 | Self::VlanSourceMac => None,
            Self::Layer23 | Self::Layer34 => Flow::outer(ethernet.ether_type.get(), network),
            Self::Encap23 | Self::Encap34 => Flow::inner(ethernet.ether_type.get(), network),
        };
        match (self, flow) {
            (_, None) => stations,
            (Self::Layer34 | Self::Encap34, Some(flow)) => fold(flow.ports ^ flow.addresses) >> 1,
            (_, Some(flow)) => fold(stations ^ flow.addresses),
        }
    }
}

impl fmt::Display for HashPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What of a flow is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow {
    /// Both addresses.
    addresses: u32,
    /// Both ports, or what an ICMP question is known by.
    ports: u32,
}

impl Flow {
    /// The packet's own; of an ICMP error that of the packet which it tells of.
    fn outer(ether_type: u16, bytes: &[u8]) -> Option<Self> {
        let head = Head::read(ether_type, bytes)?;
        let Some((protocol, transport)) = head.transport else { return Some(head.flow(0)) };
        let (Protocol::ICMP | Protocol::ICMPV6) = protocol else { return Some(head.flow(ports(protocol, transport))) };
        match icmp(protocol, transport) {
            Icmp::Error(inner) => match Head::read(ether_type, inner) {
                Some(told) => {
                    let of = |(protocol, transport)| ports(protocol, transport);
                    Some(told.flow(told.transport.map_or(0, of)))
                }
                None => None,
            },
            Icmp::Question(known_by) => Some(head.flow(known_by)),
            Icmp::Other => Some(head.flow(0)),
        }
    }

    /// The innermost one that tunnels lead to, as far as headers are looked at.
    fn inner(ether_type: u16, bytes: &[u8]) -> Option<Self> {
        if EtherType(ether_type) == EtherType::ARP {
            return Some(Self::default());
        }
        let mut head = Head::read(ether_type, bytes)?;
        for _ in 0..HEADERS_MAX {
            let Some((protocol, transport)) = head.transport else { break };
            let inside = match protocol {
                IPIP => Some((EtherType::IPV4.0, transport)),
                IPV6_IN_IP => Some((EtherType::IPV6.0, transport)),
                Protocol::GRE => gre(transport),
                HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS if head.is_ipv6 => {
                    head.transport = behind_options(transport);
                    continue;
                }
                Protocol::ICMP | Protocol::ICMPV6 => match icmp(protocol, transport) {
                    Icmp::Question(known_by) => return Some(head.flow(known_by)),
                    Icmp::Error(_) | Icmp::Other => None,
                },
                _ => return Some(head.flow(ports(protocol, transport))),
            };
            let Some((ether_type, bytes)) = inside else { break };
            head = Head::read(ether_type, bytes)?;
        }
        Some(head.flow(0))
    }
}

/// An IP header and what follows it.
struct Head<'a> {
    is_ipv6: bool,
    addresses: u32,
    /// The upper layer; none of a fragment.
    transport: Option<(Protocol, &'a [u8])>,
}

impl<'a> Head<'a> {
    fn read(ether_type: u16, bytes: &'a [u8]) -> Option<Self> {
        match EtherType(ether_type) {
            EtherType::IPV4 => {
                let (ip, _) = Ipv4Header::ref_from_prefix(bytes).ok()?;
                let rest = bytes.get(ip.header_len()..).unwrap_or_default();
                let transport = (!ip.is_fragment()).then_some((ip.protocol(), rest));
                Some(Self { is_ipv6: false, addresses: word(ip.source) ^ word(ip.destination), transport })
            }
            EtherType::IPV6 => {
                let (ip, rest) = Ipv6Header::ref_from_prefix(bytes).ok()?;
                let words =
                    |address: &[u8; 16]| address.as_chunks::<4>().0.iter().fold(0, |sum, part| sum ^ word(*part));
                let addresses = words(&ip.source) ^ words(&ip.destination);
                Some(Self { is_ipv6: true, addresses, transport: Some((ip.next_header(), rest)) })
            }
            _ => None,
        }
    }

    const fn flow(&self, ports: u32) -> Flow {
        Flow { addresses: self.addresses, ports }
    }
}

/// What an ICMP message is to hashing.
enum Icmp<'a> {
    /// It tells of this packet.
    Error(&'a [u8]),
    /// It, and its answer, are known by this: type, code and identifier.
    Question(u32),
    /// None of both.
    Other,
}

fn icmp(protocol: Protocol, bytes: &[u8]) -> Icmp<'_> {
    let Some((&[kind, code, _, _, high, low, ..], told)) = bytes.split_first_chunk::<8>() else { return Icmp::Other };
    let is_error = match protocol {
        Protocol::ICMP => IcmpType(kind).is_error(),
        _ => matches!(kind, 1..=4),
    };
    // Linux asks for both families at once.
    let has_id = matches!(kind, 0 | 8 | 13 | 14 | 128 | 129);
    match (is_error, has_id) {
        (true, _) => Icmp::Error(told),
        (false, true) => {
            // An identifier of 0 counts as 1, so that it is one.
            let id = u32::from(u16::from_be_bytes([high, low])).max(1);
            Icmp::Question(u32::from(kind) | u32::from(code) << 8 | id << 16)
        }
        (false, false) => Icmp::Other,
    }
}

/// Both ports; 0 of a protocol that has none. IPsec's index stands where ports would.
fn ports(protocol: Protocol, bytes: &[u8]) -> u32 {
    let at = match protocol {
        Protocol::TCP | Protocol::UDP | Protocol::DCCP | Protocol::ESP | Protocol::SCTP | Protocol::UDPLITE => 0,
        Protocol::AH => 4,
        _ => return 0,
    };
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |ports| word(*ports))
}

/// What GRE carries (RFC 2784, RFC 2890); `None` of other versions, and of what has a way of its own.
fn gre(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let &[flags, version, high, low] = bytes.first_chunk()?;
    if flags & GRE_ROUTING != 0 {
        return None;
    }
    let optional = (flags >> 7) + (flags >> 5 & 1) + (flags >> 4 & 1);
    let rest = bytes.get(4 + usize::from(optional) * 4..)?;
    let ether_type = u16::from_be_bytes([high, low]);
    match (version & 7, EtherType(ether_type)) {
        (0, TRANSPARENT_ETHERNET) => {
            let (ethernet, rest) = EthernetHeader::ref_from_prefix(rest).ok()?;
            Some((ethernet.ether_type.get(), rest))
        }
        (0, _) => Some((ether_type, rest)),
        (_, _) => None,
    }
}

/// What follows an extension header of IPv6 whose length it tells (RFC 8200, section 4.2).
fn behind_options(bytes: &[u8]) -> Option<(Protocol, &[u8])> {
    let &[next, units] = bytes.first_chunk()?;
    Some((Protocol(next), bytes.get((usize::from(units) + 1) * 8..)?))
}

fn hash_of_stations(ethernet: &EthernetHeader) -> u32 {
    let last = |mac: crate::wire::MacAddr| u32::from(mac.0[5]);
    last(ethernet.destination) ^ last(ethernet.source) ^ u32::from(ethernet.ether_type.get())
}

fn hash_of_source(ethernet: &EthernetHeader, tci: Option<u16>) -> u32 {
    let [a, b, c, d, e, f] = ethernet.source.0;
    u32::from(tci.unwrap_or(0)) ^ u32::from_be_bytes([0, a, b, c]) ^ u32::from_be_bytes([0, d, e, f])
}

const fn fold(hash: u32) -> u32 {
    let hash = hash ^ hash >> 16;
    hash ^ hash >> 8
}

const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes)
}

const IPIP: Protocol = Protocol(4);
const IPV6_IN_IP: Protocol = Protocol(41);
const TRANSPARENT_ETHERNET: EtherType = EtherType(0x6558);
const HOP_BY_HOP: Protocol = Protocol(0);
const ROUTING: Protocol = Protocol(43);
const DESTINATION_OPTIONS: Protocol = Protocol(60);
const GRE_ROUTING: u8 = 0x40;
/// Headers that are looked at (Linux: `MAX_FLOW_DISSECT_HDRS`).
const HEADERS_MAX: usize = 15;

#[cfg(test)]
mod tests;
