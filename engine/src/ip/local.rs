//! Packets for this host: who they are for. Requests for an echo or the time are answered here.

use core::net::IpAddr;

use zerocopy::IntoBytes;

use super::{
    icmp_error::{self, Ends, Making},
    options::since_midnight,
};
use crate::{
    conntrack::{Tracking, udplite},
    ending::{DropReason, Dropped},
    frame::DeviceId,
    offload::checksum,
    packet::{Checksum, Draft, Head, IpMut, Packet, Pool, Transport},
    sysctl::Sysctls,
    time::Instant,
    wire::{
        IcmpHeader, Icmpv6Type, Protocol,
        checksum::{Routines, add},
        icmp::IcmpType,
        ndp::NeighbourMessage,
    },
};

/// What becomes of a packet for this host.
#[derive(Debug)]
pub enum Delivery {
    /// Somebody has taken it.
    Taken(Packet),
    /// It asks this host for something.
    Query(Query, Packet),
    /// It answers an echo request.
    EchoReply(Packet),
    /// It is a datagram of UDP.
    Datagram(Packet),
    /// It is an ICMP error, perhaps about what a socket has sent.
    Error(Packet),
    /// It is a segment of TCP.
    Segment(Packet),
    /// It is a neighbour's solicitation or advertisement (RFC 4861) that no router has forwarded.
    Neighbour(Packet),
}

/// What a message of ICMP asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// An echo.
    Echo,
    /// The time; it says its own (RFC 792, "Timestamp Message").
    Time,
}

impl Delivery {
    /// Looks who a packet is for, whose extension headers have been read ([`super::extensions`]).
    ///
    /// # Errors
    /// [`DropReason::TransportChecksum`], [`DropReason::TransportMalformed`], and [`DropReason::NoSocket`] or
    /// [`DropReason::NoProtocol`] when nobody can take it.
    pub fn of(packet: Packet, sysctls: &Sysctls, routines: &Routines) -> Result<Self, Dropped> {
        if !checksum::is_right(&packet, routines) && !is_undone(&packet, sysctls, routines) {
            return Err(packet.drop_for(DropReason::TransportChecksum));
        }
        match (packet.protocol(), packet.transport()) {
            (Protocol::ICMP, Transport::Icmp) => Ok(deliver_icmp(packet, sysctls)),
            (Protocol::ICMPV6, Transport::Icmpv6) => Ok(deliver_icmpv6(packet, sysctls)),
            (Protocol::UDP, Transport::Udp) if is_unsummed_v6(&packet) || is_off_its_sum(&packet, sysctls) => {
                Err(packet.drop_for(DropReason::TransportChecksum))
            }
            (Protocol::UDP, Transport::Udp) => Ok(Self::Datagram(packet)),
            (Protocol::UDPLITE, _) if udplite::is_right(&packet, routines) => {
                Err(packet.drop_for(DropReason::NoSocket))
            }
            (Protocol::UDPLITE, _) => Err(packet.drop_for(DropReason::TransportChecksum)),
            (_, Transport::Broken) => Err(packet.drop_for(DropReason::TransportMalformed)),
            (Protocol::TCP, Transport::Tcp) => Ok(Self::Segment(packet)),
            (Protocol::TCP | Protocol::UDP, Transport::Tcp | Transport::Other) => {
                Err(packet.drop_for(DropReason::NoSocket))
            }
            // Nothing follows, and nothing is wrong with that (RFC 8200, section 4.7).
            (Protocol::NO_NEXT, _) if packet.ipv6().is_some() => Ok(Self::Taken(packet)),
            // Linux listens to both, and has nobody to tell who routes for no groups (Linux v6.18: `net/ipv4/igmp.c`,
            // `igmp_rcv()`; `net/ipv4/ipmr.c`, `pim_rcv()`; `net/ipv6/ip6mr.c`, `pim6_rcv()`).
            (Protocol::PIM, _) => Ok(Self::Taken(packet)),
            (Protocol::IGMP, _) if packet.ipv4().is_some() => Ok(Self::Taken(packet)),
            (_, Transport::Tcp | Transport::Udp | Transport::Icmp | Transport::Icmpv6 | Transport::Other) => {
                Err(packet.drop_for(DropReason::NoProtocol))
            }
        }
    }
}

/// Linux v6.18: `net/ipv4/icmp.c`, `icmp_rcv()`. Who does not answer pings tells the time.
fn deliver_icmp(packet: Packet, sysctls: &Sysctls) -> Delivery {
    let Some(icmp) = packet.icmp() else { return Delivery::Taken(packet) };
    match icmp.icmp_type() {
        IcmpType::ECHO_REQUEST if sysctls.icmp_echo_ignore_all == 0 => Delivery::Query(Query::Echo, packet),
        IcmpType::TIMESTAMP if own_time(&packet).is_some() => Delivery::Query(Query::Time, packet),
        IcmpType::ECHO_REPLY => Delivery::EchoReply(packet),
        kind if kind.is_error() => Delivery::Error(packet),
        _ => Delivery::Taken(packet),
    }
}

/// Linux v6.18: `net/ipv6/icmp.c`, `icmpv6_rcv()`. Routers are neither asked nor listened to, redirects are not followed
/// and groups have no members here but this host.
fn deliver_icmpv6(packet: Packet, sysctls: &Sysctls) -> Delivery {
    let Some(icmp) = packet.icmpv6() else { return Delivery::Taken(packet) };
    match icmp.icmp_type() {
        Icmpv6Type::ECHO_REQUEST => {
            let for_group = packet.ipv6().is_some_and(|ip| ip.destination().is_multicast());
            let ignored =
                sysctls.icmpv6_echo_ignore_all != 0 || (for_group && sysctls.icmpv6_echo_ignore_multicast != 0);
            if ignored { Delivery::Taken(packet) } else { Delivery::Query(Query::Echo, packet) }
        }
        Icmpv6Type::NEIGHBOUR_SOLICITATION | Icmpv6Type::NEIGHBOUR_ADVERTISEMENT => {
            let from_link = packet.ipv6().is_some_and(|ip| ip.hop_limit == NeighbourMessage::HOP_LIMIT);
            if from_link && icmp.code == 0 { Delivery::Neighbour(packet) } else { Delivery::Taken(packet) }
        }
        Icmpv6Type::ECHO_REPLY => Delivery::EchoReply(packet),
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
    has_drifted(packet, sysctls)
        && packet.meta().tracking.connection().is_some()
        && packet.transport_len() > SUMMED_ANEW_MAX
}

/// Whether a packet that is damaged counts as whole: by the same sum, when the damage is what rules have changed since.
fn is_undone(packet: &Packet, sysctls: &Sysctls, routines: &Routines) -> bool {
    packet.ipv6().is_some()
        && packet.meta().tracking == Tracking::Invalid
        && has_drifted(packet, sysctls)
        && add(checksum::netfilter_sum(packet, routines), !packet.meta().drift) == 0xffff
}

/// Whether rules have changed the header of a packet over the whole of which connection tracking has summed.
fn has_drifted(packet: &Packet, sysctls: &Sysctls) -> bool {
    let meta = packet.meta();
    let has_come_in = meta.device.is_some_and(|device| device != DeviceId::LOOPBACK);
    let is_summed = sysctls.conntrack_checksum != 0 && has_come_in && meta.checksum == Checksum::None;
    is_summed && !matches!(meta.drift, 0 | 0xffff)
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

/// The time at which its sender has sent a request for the time; `None` when it does not say, or a capture has cut it.
fn own_time(asked: &Packet) -> Option<[u8; TIME_LEN]> {
    let mut sent = [0; TIME_LEN];
    let is_said = asked.payload_len() >= TIME_LEN && asked.copy_payload(0, &mut sent) == TIME_LEN;
    is_said.then_some(sent)
}

/// The reply to a request for the time at `now`, between `ends` (RFC 792): that of the request is its sender's word, that of its
/// arrival and that of the reply are one. Whatever stands behind the sender's is not sent back.
///
/// Linux v6.18: `net/ipv4/icmp.c`, `icmp_timestamp()`.
#[must_use]
pub fn time_reply(pool: &mut Pool, now: Instant, asked: &Packet, ends: Ends, making: Making) -> Packet {
    let rest = asked.icmp().map_or([0; 4], |icmp| icmp.rest);
    let header = IcmpHeader { kind: IcmpType::TIMESTAMP_REPLY.0, code: 0, checksum: [0; 2], rest };
    let mut message = [0; IcmpHeader::LEN + 3 * TIME_LEN];
    message[..IcmpHeader::LEN].copy_from_slice(header.as_bytes());
    let times = [own_time(asked).unwrap_or_default(), since_midnight(now), since_midnight(now)];
    message[IcmpHeader::LEN..].copy_from_slice(times.as_flattened());
    let checksum = !crate::wire::checksum::sum(&message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut head = icmp_error::head(ends, Protocol::ICMP, making);
    if let (Head::V4(head), Some(ip)) = (&mut head, asked.ip()) {
        head.tos = ip.tos();
    }
    Packet::compose(pool, &Draft { ip: head, transport: &message })
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
        (Some(IpMut::V4(ip)), Ends { source: IpAddr::V4(source), destination: IpAddr::V4(destination) }) => {
            (ip.source, ip.destination) = (source.octets(), destination.octets());
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
        (Some(_) | None, _) => {}
    }
    packet.fill_ip_checksum();
    packet
}

/// Bytes of a time.
const TIME_LEN: usize = 4;
/// Up to how many bytes UDP sums a datagram anew (Linux: `CHECKSUM_BREAK`).
const SUMMED_ANEW_MAX: usize = 76;

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_reply_tells_the_time_of_its_making_in_milliseconds_since_midnight() {
        let mut pool = Pool::new();
        let [host, own] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
        let making = Making { hops: 64, id: 9, flow_label: 0 };
        let ends = Ends { source: host, destination: own };
        let asked = |pool: &mut Pool, transport| {
            Packet::compose(pool, &Draft { ip: icmp_error::head(ends, Protocol::ICMP, making), transport })
        };
        let whole = asked(&mut pool, &[13, 3, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4, 5, 6]);
        let now = Instant::from_secs(3 * 86_400 + 600);
        let reply = time_reply(&mut pool, now, &whole, Ends { source: own, destination: host }, making);
        let [a, b, c, d] = 600_000_u32.to_be_bytes();
        let message = [14, 0, 0x9e, 0x5f, 0, 7, 0, 1, 1, 2, 3, 4, a, b, c, d, a, b, c, d];
        assert_eq!((reply.transport_bytes(), reply.network_len()), (message.as_slice(), 40));
        let timeless = asked(&mut pool, &[13, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3]);
        assert_eq!((own_time(&whole), own_time(&timeless)), (Some([1, 2, 3, 4]), None));
    }
}
