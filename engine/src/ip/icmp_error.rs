//! What is answered to packets that cannot go on: ICMP and ICMPv6 errors and TCP resets.
//!
//! Sources: RFC 1122, 3.2.2; RFC 1812, 4.3; RFC 4443; Linux v6.18: `net/ipv4/icmp.c`, `__icmp_send()`;
//! `net/ipv6/icmp.c`, `icmp6_send()`; `net/ipv4/netfilter/nf_reject_ipv4.c`; `net/ipv6/netfilter/nf_reject_ipv6.c`.

use core::net::IpAddr;

use zerocopy::IntoBytes;

use super::{Fate, Routes};
use crate::{
    conntrack::Family,
    device::Devices,
    ending::DropReason,
    netfilter::RejectWith,
    offload::checksum,
    packet::{Addressed, Draft, Head, Ip, Packet, Pool, Transport},
    surroundings::Surroundings,
    wire::{
        IcmpHeader, Icmpv6Header, Icmpv6Type, Ipv4Header, Ipv6Header, Protocol, TcpFlags, TcpHeader,
        checksum::{Routines, pseudo_header_v6, sum},
        icmp::IcmpType,
        ipv6::Chain,
        ipv6_options::{OptionType, Unknown},
    },
};

/// An ICMP or ICMPv6 error: its type, its code and what stands in the header's second half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// The type, a number of the packet's family.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// The second half: an MTU, a pointer, or nothing.
    pub rest: [u8; 4],
}

impl IcmpError {
    const fn new(kind: u8, code: u8) -> Self {
        Self { kind, code, rest: [0; 4] }
    }

    /// "Fragmentation needed and DF set" or "packet too big", with the MTU that would do.
    #[must_use]
    pub fn too_big(family: Family, mtu_bytes: u32) -> Self {
        match family {
            Family::Ipv4 => {
                let [high, low] = u16::try_from(mtu_bytes).unwrap_or(u16::MAX).to_be_bytes();
                Self { rest: [0, 0, high, low], ..Self::new(IcmpType::UNREACHABLE.0, 4) }
            }
            Family::Ipv6 => Self { rest: mtu_bytes.to_be_bytes(), ..Self::new(Icmpv6Type::TOO_BIG.0, 0) },
        }
    }

    /// "Fragment reassembly time exceeded".
    #[must_use]
    pub const fn fragments_missing(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::new(IcmpType::TIME_EXCEEDED.0, 1),
            Family::Ipv6 => Self::new(Icmpv6Type::TIME_EXCEEDED.0, 1),
        }
    }

    /// What the sender of a packet is told that ended for `reason`; `None` where it is told nothing. `pointer` is the byte of it
    /// that was found wrong; 0: none.
    #[must_use]
    pub fn for_reason(reason: DropReason, about: &Packet, pointer: u32) -> Option<Self> {
        let (_, v4, v6) = ANSWERS.iter().find(|(answered, ..)| *answered == reason)?;
        match about.ip()? {
            // The pointer is a byte.
            Ip::V4(_) if reason == DropReason::IpOptionsMalformed => {
                v4.map(|error| Self { rest: [pointer as u8, 0, 0, 0], ..error })
            }
            Ip::V4(_) => *v4,
            Ip::V6(ip) if reason == DropReason::NoProtocol && pointer == 0 => {
                // The pointer tells where the unknown protocol is named.
                let chain = Chain::walk(ip.next_header(), about.network_header().get(Ipv6Header::LEN..)?);
                v6.map(|error| Self { rest: (chain.named_at as u32).to_be_bytes(), ..error })
            }
            // Whoever is pointed to nothing is told nothing.
            Ip::V6(_) if POINTED.contains(&reason) && pointer == 0 => None,
            Ip::V6(_) if POINTED.contains(&reason) => v6.map(|error| Self { rest: pointer.to_be_bytes(), ..error }),
            Ip::V6(_) => *v6,
        }
    }

    /// Whether it is about an unknown option of the packet that asks for its sender to be told whoever it was for (Linux v6.18:
    /// `net/ipv6/icmp.c`, `opt_unrec()`).
    fn is_wanted_by_option_of(self, packet: &Packet) -> bool {
        let [kind, code] = [Icmpv6Type::PARAMETER_PROBLEM.0, UNKNOWN_OPTION];
        let option = packet.network_bytes().get(u32::from_be_bytes(self.rest) as usize);
        (self.kind, self.code) == (kind, code)
            && option.is_some_and(|kind| OptionType(*kind).unknown() == Unknown::Tell)
    }

    /// What a REJECT rule tells the sender; `None` for a TCP reset.
    #[must_use]
    pub const fn for_reject(with: RejectWith, family: Family) -> Option<Self> {
        match (with, family) {
            (RejectWith::TcpReset, _) | (RejectWith::HeaderField(_), Family::Ipv4) => None,
            (RejectWith::HeaderField(at), Family::Ipv6) => {
                Some(Self { rest: [0, 0, 0, at], ..Self::new(Icmpv6Type::PARAMETER_PROBLEM.0, 0) })
            }
            (RejectWith::Unreachable(code), Family::Ipv4) => Some(Self::new(IcmpType::UNREACHABLE.0, code)),
            (RejectWith::Unreachable(code), Family::Ipv6) => Some(Self::new(Icmpv6Type::UNREACHABLE.0, code)),
        }
    }
}

const fn v4(kind: IcmpType, code: u8) -> Option<IcmpError> {
    Some(IcmpError::new(kind.0, code))
}

const fn v6(kind: Icmpv6Type, code: u8) -> Option<IcmpError> {
    Some(IcmpError::new(kind.0, code))
}

/// Linux has no ICMPv6 code of its own for a route that says "unreachable", and a host that does not forward is silent, whatever its
/// routes say (v6.18: `net/ipv4/route.c`, `ip_error()`; `net/ipv6/route.c`, `ip6_pkt_discard()`; `net/ipv6/ip6_output.c`,
/// `ip6_forward()`).
#[rustfmt::skip]
static ANSWERS: [(DropReason, Option<IcmpError>, Option<IcmpError>); 14] = [
    // ended for                        told over IPv4                      told over IPv6
    (DropReason::TtlExpired,            v4(IcmpType::TIME_EXCEEDED, 0),     v6(Icmpv6Type::TIME_EXCEEDED, 0)),
    (DropReason::NoRoute,               v4(IcmpType::UNREACHABLE, 0),       v6(Icmpv6Type::UNREACHABLE, 0)),
    (DropReason::RouteUnreachable,      v4(IcmpType::UNREACHABLE, 1),       v6(Icmpv6Type::UNREACHABLE, 0)),
    (DropReason::RouteProhibits,        v4(IcmpType::UNREACHABLE, 13),      v6(Icmpv6Type::UNREACHABLE, 1)),
    (DropReason::NeighbourFailed,       v4(IcmpType::UNREACHABLE, 1),       v6(Icmpv6Type::UNREACHABLE, 3)),
    (DropReason::IpSourceLinkLocal,     None,                               v6(Icmpv6Type::UNREACHABLE, 2)),
    (DropReason::IpOptionsMalformed,    v4(IcmpType::PARAMETER_PROBLEM, 0), None),
    (DropReason::IpOptionUnknown,       None,                               v6(Icmpv6Type::PARAMETER_PROBLEM, UNKNOWN_OPTION)),
    (DropReason::IpJumboNeedless,       None,                               v6(Icmpv6Type::PARAMETER_PROBLEM, 0)),
    (DropReason::IpSourceRoute,         None,                               v6(Icmpv6Type::PARAMETER_PROBLEM, 0)),
    (DropReason::FragmentHeadersMissing, None,                              v6(Icmpv6Type::PARAMETER_PROBLEM, 3)),
    (DropReason::FragmentLengthWrong,   None,                               v6(Icmpv6Type::PARAMETER_PROBLEM, 0)),
    (DropReason::NoProtocol,            v4(IcmpType::UNREACHABLE, 2),       v6(Icmpv6Type::PARAMETER_PROBLEM, 1)),
    (DropReason::NoSocket,              v4(IcmpType::UNREACHABLE, 3),       v6(Icmpv6Type::UNREACHABLE, 4)),
];

/// What points its receiver to a byte of his packet.
const POINTED: [DropReason; 5] = [
    DropReason::NoProtocol,
    DropReason::FragmentLengthWrong,
    DropReason::IpOptionUnknown,
    DropReason::IpJumboNeedless,
    DropReason::IpSourceRoute,
];

/// Whether a packet may be answered with an ICMP error at all: never one that was for everybody, or an error itself, or,
/// of IPv4, a later fragment (RFC 1122, 3.2.2; RFC 4443, 2.4 (e)). "Packet too big" answers a packet for a group too, and so does
/// what is said of an option that asks for that.
#[must_use]
pub fn may_answer(packet: &Packet, error: IcmpError) -> bool {
    let for_one = packet.meta().addressed == Addressed::Host;
    // Its type is all that is asked of a message of ICMP, however short.
    let kind = packet.transport_bytes().first();
    match packet.ip() {
        Some(Ip::V4(ip)) => {
            let about_error =
                packet.protocol() == Protocol::ICMP && kind.is_none_or(|kind| !HARMLESS_TYPES.contains(kind));
            let ends = is_one_host(ip.source().into()) && is_one_host(ip.destination().into());
            for_one && ends && ip.fragment_offset() == 0 && !about_error
        }
        Some(Ip::V6(ip)) => {
            // A part that has none is not taken for an error (RFC 8200, section 4.5; Linux: `is_ineligible()`).
            let is_error = kind.map_or(!packet.is_fragment(), |kind| Icmpv6Type(*kind).is_error());
            let about_error =
                packet.transport() != Transport::Other && packet.protocol() == Protocol::ICMPV6 && is_error;
            let to_one = for_one && !ip.destination().is_multicast();
            let may_be_group = error.kind == Icmpv6Type::TOO_BIG.0 || error.is_wanted_by_option_of(packet);
            is_one_host(ip.source().into()) && (to_one || may_be_group) && !about_error
        }
        None => false,
    }
}

/// What a packet made here takes from around it.
#[derive(Clone, Copy, Debug)]
pub struct Making {
    /// Hops it may take.
    pub hops: u8,
    /// IPv4's identification.
    pub id: u16,
    /// IPv6's flow label.
    pub flow_label: u32,
}

impl Making {
    /// Draws what a packet to `to` needs. What this host sends to itself nobody else ever sees, and no script holds it.
    #[must_use]
    pub fn towards(to: IpAddr, routes: &Routes, devices: &Devices, around: &mut Surroundings) -> Self {
        let to_self = routes.from_here(devices, to, None) == Fate::Local;
        let (sysctls, random) = (&around.sysctls, &mut around.random);
        match (to, to_self) {
            (IpAddr::V4(_), to_self) => Self {
                hops: sysctls.ip_default_ttl as u8,
                id: if to_self { random.ip_id_to_self() } else { random.ip_id() },
                flow_label: 0,
            },
            (IpAddr::V6(_), to_self) => {
                let flow_label = match (sysctls.ipv6_auto_flowlabels, to_self) {
                    (0, _) => 0,
                    (_, true) => random.flow_label_to_self(),
                    (_, false) => random.flow_label(),
                };
                Self { hops: sysctls.ipv6_hop_limit as u8, id: 0, flow_label }
            }
        }
    }
}

/// What an ICMP error is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'p> {
    /// The packet.
    pub packet: &'p Packet,
    /// Bytes of options that the error gets, 0 to 40: it quotes so many less.
    pub options_bytes: usize,
}

/// The error about a packet, from `source`, an address of its family; the caller has asked [`may_answer`].
#[must_use]
pub fn icmp_error(pool: &mut Pool, about: About<'_>, error: IcmpError, source: IpAddr, making: Making) -> Packet {
    let header = IcmpHeader { kind: error.kind, code: error.code, checksum: [0; 2], rest: error.rest };
    let quoted_max = if source.is_ipv4() { QUOTED_BYTES_MAX - about.options_bytes } else { QUOTED_BYTES_MAX_V6 };
    let mut message = [0; IcmpHeader::LEN + QUOTED_BYTES_MAX_V6];
    message[..IcmpHeader::LEN].copy_from_slice(header.as_bytes());
    let quoted = about.packet.copy_network(&mut message[IcmpHeader::LEN..IcmpHeader::LEN + quoted_max]);
    let message = &mut message[..IcmpHeader::LEN + quoted];
    let (to, tos) = about.packet.ip().map_or((source, 0), |ip| (ip.source(), ip.tos()));
    let protocol = if source.is_ipv4() { Protocol::ICMP } else { Protocol::ICMPV6 };
    let mut ip = head(Ends { source, destination: to }, protocol, making);
    let pseudo = match (&mut ip, source, to) {
        (Head::V4(ip), ..) => {
            ip.tos = (tos & TOS_BITS) | INTERNETWORK_CONTROL;
            0
        }
        (Head::V6(_), IpAddr::V6(source), IpAddr::V6(to)) => {
            pseudo_header_v6(source, to, protocol, message.len() as u32)
        }
        (Head::V6(_), ..) => 0,
    };
    let checksum = !crate::wire::checksum::add(pseudo, sum(message));
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    Packet::compose(pool, &Draft { ip, transport: message })
}

/// The reset that answers a TCP segment in the name of its receiver; `None` when it must not be answered: it is a reset, a
/// fragment, or not between two hosts. Whether its checksum is right, the caller has seen.
#[must_use]
pub fn tcp_reset(pool: &mut Pool, about: &Packet, routines: &Routines, making: Making) -> Option<Packet> {
    let (ip, tcp) = (about.ip()?, about.tcp()?);
    let between_hosts = ip.family() == Family::Ipv4 || (is_one_host(ip.source()) && is_one_host(ip.destination()));
    if about.is_fragment() || tcp.flags.contains(TcpFlags::RST) || !between_hosts {
        return None;
    }
    let mut reset = TcpHeader {
        source_port: tcp.destination_port,
        destination_port: tcp.source_port,
        seq: 0.into(),
        ack: 0.into(),
        data_offset: 5 << 4,
        flags: TcpFlags::RST,
        window: 0.into(),
        checksum: [0; 2],
        urgent: 0.into(),
    };
    if tcp.flags.contains(TcpFlags::ACK) {
        reset.seq = tcp.ack;
    } else {
        let control = u32::from(tcp.flags.contains(TcpFlags::SYN)) + u32::from(tcp.flags.contains(TcpFlags::FIN));
        reset.ack.set((tcp.seq() + control + about.payload_len() as u32).0);
        reset.flags = TcpFlags::RST.union(TcpFlags::ACK);
    }
    let mut header = head(Ends { source: ip.destination(), destination: ip.source() }, Protocol::TCP, making);
    if let Head::V4(ip) = &mut header {
        ip.flags_fragment = Ipv4Header::DONT_FRAGMENT.into();
    }
    let mut answer = Packet::compose(pool, &Draft { ip: header, transport: reset.as_bytes() });
    checksum::fill(&mut answer, routines);
    Some(answer)
}

/// Who talks to whom, in one family.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// From whom.
    pub source: IpAddr,
    /// To whom, of the same family.
    pub destination: IpAddr,
}

/// The IP header of a packet made here.
///
/// # Panics
/// When the ends are of two families, which no caller makes of one packet's addresses.
#[must_use]
pub fn head(ends: Ends, protocol: Protocol, making: Making) -> Head {
    match (ends.source, ends.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Head::V4(Ipv4Header {
            version_ihl: 0,
            tos: 0,
            total_len: 0.into(),
            id: making.id.into(),
            flags_fragment: 0.into(),
            ttl: making.hops,
            protocol: protocol.0,
            checksum: [0; 2],
            source: source.octets(),
            destination: destination.octets(),
        }),
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut ip = Ipv6Header {
                version_class_label: 0.into(),
                payload_len: 0.into(),
                next_header: protocol.0,
                hop_limit: making.hops,
                source: source.octets(),
                destination: destination.octets(),
            };
            ip.set_class_label(0, making.flow_label);
            Head::V6(ip)
        }
        (source, destination) => unreachable!("{source} and {destination} are ends of one packet"),
    }
}

fn is_one_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_multicast() && !is_broadcast && !address.is_unspecified()
}

/// An error is at most 576 bytes long (RFC 1812, 4.3.2.3).
const QUOTED_BYTES_MAX: usize = 576 - Ipv4Header::LEN - IcmpHeader::LEN;
/// Over IPv6 it is as long as every link can carry (RFC 4443, 2.4 (c)).
const QUOTED_BYTES_MAX_V6: usize = Ipv6Header::MTU_MIN as usize - Ipv6Header::LEN - Icmpv6Header::LEN;
/// A parameter problem's code for an option that is not known (RFC 4443, section 3.4).
const UNKNOWN_OPTION: u8 = 2;
/// Precedence "internetwork control" (RFC 1812, 4.3.2.5).
const INTERNETWORK_CONTROL: u8 = 0xc0;
/// The type-of-service bits that an error takes over (Linux: `IPTOS_TOS_MASK`).
const TOS_BITS: u8 = 0x1e;
/// The types that are no errors; what is not known may be one (Linux: `icmp_pointers`).
const HARMLESS_TYPES: [u8; 8] = [0, 8, 13, 14, 15, 16, 17, 18];
