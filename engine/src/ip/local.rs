//! Packets for this host: echo requests and datagram services are answered here, neighbours' messages go to the link,
//! everything else has nobody.

use alloc::{vec, vec::Vec};
use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

use super::{
    defrag::Flaw,
    icmp_error::{Ends, Making, head},
};
use crate::{
    conntrack::udplite,
    ending::{DropReason, Dropped},
    frame::DeviceId,
    offload::checksum,
    packet::{Addressed, Checksum, Head, IpMut, Owner, Packet, Pool, Transport},
    sysctl::Sysctls,
    wire::{Icmpv6Type, Ipv4Header, Protocol, UdpHeader, checksum::Routines, icmp::IcmpType, ndp::NeighbourMessage},
};

/// What this host offers to others.
#[derive(Clone, Debug, Default)]
pub struct Services {
    udp: Vec<UdpService>,
}

/// A datagram service of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpService {
    /// Its port, 1 to 65535.
    pub port: u16,
    /// What it does with a datagram.
    pub answer: ServiceAnswer,
}

/// What a datagram service does with a datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAnswer {
    /// Sends it back (RFC 862).
    Echo,
    /// Takes it and says nothing (RFC 863).
    Discard,
    /// Sends this, always; at most 1472 bytes are sent.
    Text(Vec<u8>),
}

/// What becomes of a packet for this host.
#[derive(Debug)]
pub enum Delivery<'a> {
    /// Somebody has taken it.
    Taken(Packet),
    /// It asks for an echo.
    Echo(Packet),
    /// A service has taken it, and answers.
    Datagram(Packet, &'a ServiceAnswer),
    /// It is an ICMP error, perhaps about what a socket has sent.
    Error(Packet),
    /// It is a segment of TCP.
    Segment(Packet),
    /// It is a neighbour's solicitation or advertisement (RFC 4861) that no router has forwarded.
    Neighbour(Packet),
}

impl Services {
    /// Offers a service; one on the same port is replaced.
    pub fn offer(&mut self, service: UdpService) {
        self.udp.retain(|known| known.port != service.port);
        self.udp.push(service);
    }

    /// Whether somebody listens on a port, on every address of this host.
    #[must_use]
    pub fn has_socket(&self, protocol: Protocol, port: u16) -> bool {
        protocol == Protocol::UDP && self.udp.iter().any(|service| service.port == port)
    }

    /// All of them, in the order in which they were offered.
    pub(crate) fn all(&self) -> &[UdpService] {
        &self.udp
    }

    /// Gives a packet to whoever takes it.
    ///
    /// # Errors
    /// [`DropReason::TransportChecksum`], [`DropReason::IpSourceRoute`], [`DropReason::FragmentHeadersMissing`],
    /// [`DropReason::FragmentLengthWrong`], and [`DropReason::NoSocket`] or [`DropReason::NoProtocol`] when nobody
    /// takes it.
    pub fn deliver(&self, packet: Packet, sysctls: &Sysctls, routines: &Routines) -> Result<Delivery<'_>, Dropped> {
        if packet.has_route_left() {
            return Err(packet.drop_for(DropReason::IpSourceRoute));
        }
        match Flaw::of(&packet) {
            None => {}
            Some(Flaw::HeadersMissing) => return Err(packet.drop_for(DropReason::FragmentHeadersMissing)),
            Some(Flaw::Malformed) => return Err(packet.drop_for(DropReason::FragmentLengthWrong)),
        }
        if !checksum::is_right(&packet, routines) {
            return Err(packet.drop_for(DropReason::TransportChecksum));
        }
        match (packet.protocol(), packet.transport()) {
            (Protocol::ICMP, Transport::Icmp) => {
                let is_echo = packet.icmp().is_some_and(|icmp| icmp.icmp_type() == IcmpType::ECHO_REQUEST);
                let for_all = packet.meta().addressed != Addressed::Host;
                if is_echo && !for_all && sysctls.icmp_echo_ignore_all == 0 {
                    return Ok(Delivery::Echo(packet));
                }
                let is_error = packet.icmp().is_some_and(|icmp| icmp.icmp_type().is_error());
                Ok(if is_error && !for_all { Delivery::Error(packet) } else { Delivery::Taken(packet) })
            }
            (Protocol::ICMPV6, Transport::Icmpv6) => Ok(deliver_icmpv6(packet, sysctls)),
            (Protocol::UDP, Transport::Udp) if is_unsummed_v6(&packet) || is_off_its_sum(&packet, sysctls) => {
                Err(packet.drop_for(DropReason::TransportChecksum))
            }
            (Protocol::UDP, Transport::Udp) => {
                let port = packet.udp().map_or(0, |udp| udp.destination_port.get());
                match self.udp.iter().find(|service| service.port == port) {
                    None => Err(packet.drop_for(DropReason::NoSocket)),
                    Some(UdpService { answer: ServiceAnswer::Discard, .. }) => Ok(Delivery::Taken(packet)),
                    Some(UdpService { answer, .. }) => Ok(Delivery::Datagram(packet, answer)),
                }
            }
            (Protocol::UDPLITE, _) if udplite::is_right(&packet, routines) => {
                Err(packet.drop_for(DropReason::NoSocket))
            }
            (Protocol::UDPLITE, _) => Err(packet.drop_for(DropReason::TransportChecksum)),
            (_, Transport::Broken) => Err(packet.drop_for(DropReason::TransportMalformed)),
            (Protocol::TCP, Transport::Tcp) => Ok(Delivery::Segment(packet)),
            (Protocol::TCP | Protocol::UDP, Transport::Tcp | Transport::Other) => {
                Err(packet.drop_for(DropReason::NoSocket))
            }
            // Nothing follows, and nothing is wrong with that (RFC 8200, section 4.7).
            (Protocol::NO_NEXT, _) => Ok(Delivery::Taken(packet)),
            (_, Transport::Tcp | Transport::Udp | Transport::Icmp | Transport::Icmpv6 | Transport::Other) => {
                Err(packet.drop_for(DropReason::NoProtocol))
            }
        }
    }
}

/// Linux v6.18: `net/ipv6/icmp.c`, `icmpv6_rcv()`. Routers are neither asked nor listened to, redirects are not followed
/// and groups have no members here but this host.
fn deliver_icmpv6<'a>(packet: Packet, sysctls: &Sysctls) -> Delivery<'a> {
    let Some(icmp) = packet.icmpv6() else { return Delivery::Taken(packet) };
    match icmp.icmp_type() {
        Icmpv6Type::ECHO_REQUEST => {
            let for_group = packet.ipv6().is_some_and(|ip| ip.destination().is_multicast());
            let ignored =
                sysctls.icmpv6_echo_ignore_all != 0 || (for_group && sysctls.icmpv6_echo_ignore_multicast != 0);
            if ignored { Delivery::Taken(packet) } else { Delivery::Echo(packet) }
        }
        Icmpv6Type::NEIGHBOUR_SOLICITATION | Icmpv6Type::NEIGHBOUR_ADVERTISEMENT => {
            let from_link = packet.ipv6().is_some_and(|ip| ip.hop_limit == NeighbourMessage::HOP_LIMIT);
            if from_link && icmp.code == 0 { Delivery::Neighbour(packet) } else { Delivery::Taken(packet) }
        }
        kind if kind.is_error() => Delivery::Error(packet),
        _ => Delivery::Taken(packet),
    }
}

/// Over IPv6 the checksum of UDP is no matter of choice (RFC 8200, section 8.1).
fn is_unsummed_v6(packet: &Packet) -> bool {
    packet.ipv6().is_some() && packet.udp().is_some_and(|udp| udp.checksum == [0, 0])
}

/// Whether a datagram counts as broken though nothing is wrong with it: connection tracking has verified it by a sum over the
/// whole packet, rules have changed the IPv6 header since, and UDP, which takes the header off that sum, believes it.
/// Short datagrams are summed anew, and IPv4's header sums up to nothing whatever it says.
///
/// Linux v6.18: `net/core/skbuff.c`, `__skb_checksum_complete()`; `net/ipv6/ip6_checksum.c`, `udp6_csum_init()`.
fn is_off_its_sum(packet: &Packet, sysctls: &Sysctls) -> bool {
    let meta = packet.meta();
    let has_come_in = meta.device.is_some_and(|device| device != DeviceId::LOOPBACK);
    let is_summed = sysctls.conntrack_checksum != 0 && has_come_in && meta.tracking.connection().is_some();
    is_summed
        && meta.checksum == Checksum::None
        && !matches!(meta.drift, 0 | 0xffff)
        && packet.transport_len() > SUMMED_ANEW_MAX
}

/// A service's answer to a datagram, between `ends`: its source is the address of the way back, which need not be the one
/// that was asked, since a socket that is bound to no address answers as if it had never been asked (Linux v6.18:
/// `net/ipv4/udp.c`, `udp_sendmsg()`). One that is larger than the way's MTU may be cut (`net/ipv4/ip_output.c`,
/// `__ip_make_skb()`).
#[must_use]
pub fn datagram_reply(
    pool: &mut Pool,
    asked: &Packet,
    answer: &ServiceAnswer,
    ends: Ends,
    making: Making,
    mtu_bytes: u32,
    routines: &Routines,
) -> Option<Packet> {
    let udp = asked.udp()?;
    let mut bytes = vec![0; asked.network_len()];
    let present = asked.copy_network(&mut bytes);
    let header_len = asked.network_header().len();
    let payload = match answer {
        // The datagram ends where UDP says.
        ServiceAnswer::Echo => {
            bytes[..present].get(header_len + UdpHeader::LEN..present.min(header_len + usize::from(udp.len.get())))?
        }
        ServiceAnswer::Text(text) => &text[..text.len().min(TEXT_BYTES_MAX)],
        ServiceAnswer::Discard => return None,
    };
    let header = UdpHeader {
        source_port: udp.destination_port,
        destination_port: udp.source_port,
        len: ((UdpHeader::LEN + payload.len()) as u16).into(),
        checksum: [0xff, 0xff],
    };
    let mut ip = head(ends, Protocol::UDP, making);
    if let (Head::V4(ip), true) = (&mut ip, Ipv4Header::LEN + usize::from(header.len.get()) <= mtu_bytes as usize) {
        ip.flags_fragment = Ipv4Header::DONT_FRAGMENT.into();
    }
    let bytes = ip.before(&[header.as_bytes(), payload].concat());
    let mut made = Packet::from_network_bytes(pool, &bytes).ok()?;
    checksum::fill(&mut made, routines);
    made.meta_mut().owner = Some(Owner::ROOT);
    // It is sent with path MTU discovery as a wish (`net/ipv4/ip_output.c`, `ip_sk_ignore_df()`).
    made.meta_mut().ignores_df = true;
    Some(made)
}

/// The reply to an echo request, between `ends` (RFC 792; RFC 4443, section 4.2). Its checksum is computed anew, as Linux
/// does: updated incrementally, that of a message of zeros would come out as the other zero. Only that of a message which a
/// capture has cut has to be updated.
#[must_use]
pub fn echo_reply(packet: Packet, ends: Ends, making: Making, routines: &Routines) -> Packet {
    let tos = packet.ip().map_or(0, |ip| ip.tos());
    let mut answer = turned_around(packet, ends, making, tos);
    if let Some(icmp) = answer.icmp_mut() {
        let before = [icmp.kind, icmp.code];
        icmp.kind = IcmpType::ECHO_REPLY.0;
        icmp.checksum = crate::wire::checksum::update(icmp.checksum, before, [icmp.kind, icmp.code]);
    }
    if let Some(icmp) = answer.icmpv6_mut() {
        let before = [icmp.kind, icmp.code];
        icmp.kind = Icmpv6Type::ECHO_REPLY.0;
        icmp.checksum = crate::wire::checksum::update(icmp.checksum, before, [icmp.kind, icmp.code]);
    }
    // What was answered may have gone to a group: more than the type has changed.
    if answer.meta().cut_bytes == 0 {
        checksum::fill(&mut answer, routines);
    }
    answer
}

/// The packet with a fresh header without options or extension headers, as this host sends it between `ends`; the
/// transport header is as it was.
fn turned_around(mut packet: Packet, ends: Ends, making: Making, tos: u8) -> Packet {
    let cut_bytes = packet.meta().cut_bytes;
    packet.scrub();
    packet.meta_mut().cut_bytes = cut_bytes;
    packet.strip_link();
    packet.strip_options();
    packet.strip_extensions();
    match (packet.ip_mut(), ends) {
        (Some(IpMut::V4(ip)), _) => {
            core::mem::swap(&mut ip.source, &mut ip.destination);
            ip.id.set(making.id);
            ip.flags_fragment.set(0);
            ip.tos = tos;
            ip.ttl = making.hops;
        }
        (Some(IpMut::V6(ip)), Ends { source: IpAddr::V6(source), destination: IpAddr::V6(destination) }) => {
            (ip.source, ip.destination) = (source.octets(), destination.octets());
            ip.set_class_label(tos, making.flow_label);
            ip.hop_limit = making.hops;
        }
        (Some(IpMut::V6(_)) | None, _) => {}
    }
    packet.fill_ip_checksum();
    packet
}

/// What a datagram holds that fits an Ethernet frame.
const TEXT_BYTES_MAX: usize = 1472;
/// Up to how many bytes UDP sums a datagram anew (Linux: `CHECKSUM_BREAK`).
const SUMMED_ANEW_MAX: usize = 76;
