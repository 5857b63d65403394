//! What is answered to packets that cannot go on: ICMP errors and TCP resets.
//!
//! Sources: RFC 1122, 3.2.2; RFC 1812, 4.3; Linux v6.18: `net/ipv4/icmp.c`, `__icmp_send()`;
//! `net/ipv4/netfilter/nf_reject_ipv4.c`.

use core::net::Ipv4Addr;

use zerocopy::IntoBytes;

use crate::{
    ending::DropReason,
    netfilter::RejectWith,
    offload::checksum,
    packet::{Addressed, Draft, Packet, Pool},
    wire::{
        IcmpHeader, Ipv4Header, Protocol, TcpFlags, TcpHeader,
        checksum::{Routines, sum},
        icmp::IcmpType,
    },
};

/// An ICMP error: its type, its code and what stands in the header's second half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// The type.
    pub kind: IcmpType,
    /// The code.
    pub code: u8,
    /// The next link's MTU, for "fragmentation needed" (RFC 1191).
    pub mtu_bytes: u16,
}

impl IcmpError {
    const fn new(kind: IcmpType, code: u8) -> Self {
        Self { kind, code, mtu_bytes: 0 }
    }

    /// "Fragmentation needed and DF set" with the MTU that would do.
    #[must_use]
    pub const fn too_big(mtu_bytes: u16) -> Self {
        Self { mtu_bytes, ..Self::new(IcmpType::UNREACHABLE, 4) }
    }

    /// "Fragment reassembly time exceeded".
    pub const FRAGMENTS_MISSING: Self = Self::new(IcmpType::TIME_EXCEEDED, 1);

    /// What a sender is told whose packet ended for `reason`; `None` where it is told nothing.
    #[must_use]
    pub fn for_reason(reason: DropReason) -> Option<Self> {
        ANSWERS.iter().find(|(answered, _)| *answered == reason).map(|(_, error)| *error)
    }

    /// What a REJECT rule tells the sender; `None` for a TCP reset.
    #[must_use]
    pub const fn for_reject(with: RejectWith) -> Option<Self> {
        let code = match with {
            RejectWith::NetUnreachable => 0,
            RejectWith::HostUnreachable => 1,
            RejectWith::ProtocolUnreachable => 2,
            RejectWith::PortUnreachable => 3,
            RejectWith::NetProhibited => 9,
            RejectWith::HostProhibited => 10,
            RejectWith::AdminProhibited => 13,
            RejectWith::TcpReset => return None,
        };
        Some(Self::new(IcmpType::UNREACHABLE, code))
    }
}

#[rustfmt::skip]
static ANSWERS: [(DropReason, IcmpError); 8] = [
    // ended for                        told
    (DropReason::TtlExpired,            IcmpError::new(IcmpType::TIME_EXCEEDED, 0)),
    (DropReason::NoRoute,               IcmpError::new(IcmpType::UNREACHABLE, 0)),
    (DropReason::RouteUnreachable,      IcmpError::new(IcmpType::UNREACHABLE, 1)),
    (DropReason::RouteProhibits,        IcmpError::new(IcmpType::UNREACHABLE, 13)),
    (DropReason::NeighbourFailed,       IcmpError::new(IcmpType::UNREACHABLE, 1)),
    (DropReason::ForwardingOff,         IcmpError::new(IcmpType::UNREACHABLE, 1)),
    (DropReason::NoProtocol,            IcmpError::new(IcmpType::UNREACHABLE, 2)),
    (DropReason::NoSocket,              IcmpError::new(IcmpType::UNREACHABLE, 3)),
];

/// Whether a packet may be answered with an ICMP error at all: never one that was for everybody, a later fragment, or
/// an ICMP error itself (RFC 1122, 3.2.2).
#[must_use]
pub fn may_answer(packet: &Packet) -> bool {
    let Some(ip) = packet.ipv4() else { return false };
    let for_one = packet.meta().addressed == Addressed::Host && is_one_host(ip.destination());
    let from_one = is_one_host(ip.source());
    let about_error =
        packet.protocol() == Protocol::ICMP && packet.icmp().is_none_or(|icmp| !HARMLESS_TYPES.contains(&icmp.kind));
    for_one && from_one && ip.fragment_offset() == 0 && !about_error
}

/// The ICMP error about `about`, from `source`; the caller has asked [`may_answer`]. Its IP identification is `id`.
#[must_use]
pub fn icmp_error(pool: &mut Pool, about: &Packet, error: IcmpError, source: Ipv4Addr, id: u16, ttl: u8) -> Packet {
    let [high, low] = error.mtu_bytes.to_be_bytes();
    let header = IcmpHeader { kind: error.kind.0, code: error.code, checksum: [0; 2], rest: [0, 0, high, low] };
    let mut message = [0; IcmpHeader::LEN + QUOTED_BYTES_MAX];
    message[..IcmpHeader::LEN].copy_from_slice(header.as_bytes());
    let quoted = about.copy_network(&mut message[IcmpHeader::LEN..]);
    let message = &mut message[..IcmpHeader::LEN + quoted];
    let checksum = !sum(message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let (to, tos) = about.ipv4().map_or((Ipv4Addr::UNSPECIFIED, 0), |ip| (ip.source(), ip.tos));
    let ip = ip_header(Ends { source, destination: to }, Protocol::ICMP, ttl);
    let ip = Ipv4Header { tos: (tos & TOS_BITS) | INTERNETWORK_CONTROL, id: id.into(), ..ip };
    Packet::compose(pool, &Draft { ip, transport: message })
}

/// The reset that answers a TCP segment in the name of its receiver; `None` when it must not be answered: it is a reset or
/// a fragment. Whether its checksum is right, the caller has seen.
#[must_use]
pub fn tcp_reset(pool: &mut Pool, about: &Packet, routines: &Routines, ttl: u8) -> Option<Packet> {
    let (ip, tcp) = (about.ipv4()?, about.tcp()?);
    if ip.is_fragment() || tcp.flags.contains(TcpFlags::RST) {
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
    let header = ip_header(Ends { source: ip.destination(), destination: ip.source() }, Protocol::TCP, ttl);
    let header = Ipv4Header { flags_fragment: Ipv4Header::DONT_FRAGMENT.into(), ..header };
    let mut answer = Packet::compose(pool, &Draft { ip: header, transport: reset.as_bytes() });
    checksum::fill(&mut answer, routines);
    Some(answer)
}

/// Who talks to whom.
struct Ends {
    source: Ipv4Addr,
    destination: Ipv4Addr,
}

fn ip_header(ends: Ends, protocol: Protocol, ttl: u8) -> Ipv4Header {
    Ipv4Header {
        version_ihl: 0,
        tos: 0,
        total_len: 0.into(),
        id: 0.into(),
        flags_fragment: 0.into(),
        ttl,
        protocol: protocol.0,
        checksum: [0; 2],
        source: ends.source.octets(),
        destination: ends.destination.octets(),
    }
}

fn is_one_host(address: Ipv4Addr) -> bool {
    !address.is_multicast() && !address.is_broadcast() && !address.is_unspecified()
}

/// An error is at most 576 bytes long (RFC 1812, 4.3.2.3).
const QUOTED_BYTES_MAX: usize = 576 - Ipv4Header::LEN - IcmpHeader::LEN;
/// Precedence "internetwork control" (RFC 1812, 4.3.2.5).
const INTERNETWORK_CONTROL: u8 = 0xc0;
/// The type-of-service bits that an error takes over (Linux: `IPTOS_TOS_MASK`).
const TOS_BITS: u8 = 0x1e;
/// The types that are no errors; what is not known may be one (Linux: `icmp_pointers`).
const HARMLESS_TYPES: [u8; 8] = [0, 8, 13, 14, 15, 16, 17, 18];
