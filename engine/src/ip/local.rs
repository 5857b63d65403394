//! Packets for this host: echo requests and datagram services are answered here, everything else has nobody.

use alloc::{vec, vec::Vec};
use core::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

use crate::{
    conntrack::udplite,
    ending::{DropReason, Dropped},
    offload::checksum,
    packet::{Addressed, Owner, Packet, Pool, Transport},
    sysctl::Sysctls,
    wire::{
        Ipv4Header, Protocol, UdpHeader,
        checksum::{Routines, sum},
        icmp::IcmpType,
    },
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

    /// Gives a packet to whoever takes it.
    ///
    /// # Errors
    /// [`DropReason::TransportChecksum`], and [`DropReason::NoSocket`] or [`DropReason::NoProtocol`] when nobody
    /// takes it.
    pub fn deliver(&self, packet: Packet, sysctls: &Sysctls, routines: &Routines) -> Result<Delivery<'_>, Dropped> {
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
                Ok(Delivery::Taken(packet))
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
            (Protocol::TCP | Protocol::UDP, Transport::Tcp | Transport::Other) => {
                Err(packet.drop_for(DropReason::NoSocket))
            }
            (_, Transport::Tcp | Transport::Udp | Transport::Icmp | Transport::Other) => {
                Err(packet.drop_for(DropReason::NoProtocol))
            }
        }
    }
}

/// A service's answer to a datagram, from `source`: the address of the way back, which need not be the one that was asked,
/// since a socket that is bound to no address answers as if it had never been asked (Linux v6.18: `net/ipv4/udp.c`,
/// `udp_sendmsg()`).
#[must_use]
pub fn datagram_reply(
    pool: &mut Pool,
    asked: &Packet,
    answer: &ServiceAnswer,
    source: Ipv4Addr,
    (id, ttl): (u16, u8),
    routines: &Routines,
) -> Option<Packet> {
    let (ip, udp) = (asked.ipv4()?, asked.udp()?);
    let mut bytes = vec![0; asked.network_len()];
    let present = asked.copy_network(&mut bytes);
    let payload = match answer {
        // The datagram ends where UDP says.
        ServiceAnswer::Echo => bytes[..present]
            .get(ip.header_len() + UdpHeader::LEN..present.min(ip.header_len() + usize::from(udp.len.get())))?,
        ServiceAnswer::Text(text) => &text[..text.len().min(TEXT_BYTES_MAX)],
        ServiceAnswer::Discard => return None,
    };
    let len = (UdpHeader::LEN + payload.len()) as u16;
    let header = UdpHeader {
        source_port: udp.destination_port,
        destination_port: udp.source_port,
        len: len.into(),
        checksum: [0xff, 0xff],
    };
    let mut ip = Ipv4Header {
        version_ihl: 0x45,
        tos: 0,
        total_len: (Ipv4Header::LEN as u16 + len).into(),
        id: id.into(),
        flags_fragment: Ipv4Header::DONT_FRAGMENT.into(),
        ttl,
        protocol: Protocol::UDP.0,
        checksum: [0; 2],
        source: source.octets(),
        destination: ip.source,
    };
    ip.checksum = (!sum(ip.as_bytes())).to_be_bytes();
    let bytes = [ip.as_bytes(), header.as_bytes(), payload].concat();
    let mut made = Packet::from_network_bytes(pool, &bytes).ok()?;
    checksum::fill(&mut made, routines);
    made.meta_mut().owner = Some(Owner::ROOT);
    Some(made)
}

/// The reply to an echo request (RFC 792). Its checksum is computed anew, as Linux does: updated incrementally, that of a
/// message of zeros would come out as the other zero. Only that of a message which a capture has cut has to be updated.
#[must_use]
pub fn echo_reply(packet: Packet, id: u16, ttl: u8, routines: &Routines) -> Packet {
    let tos = packet.ipv4().map_or(0, |ip| ip.tos);
    let mut answer = turned_around(packet, id, 0, tos, ttl);
    if let Some(icmp) = answer.icmp_mut() {
        let before = [icmp.kind, icmp.code];
        icmp.kind = IcmpType::ECHO_REPLY.0;
        icmp.checksum = crate::wire::checksum::update(icmp.checksum, before, [icmp.kind, icmp.code]);
    }
    if answer.meta().cut_bytes == 0 {
        checksum::fill(&mut answer, routines);
    }
    answer
}

/// The packet with its ends exchanged and a fresh header without options, as this host sends it; the transport header is
/// as it was.
fn turned_around(mut packet: Packet, id: u16, flags: u16, tos: u8, ttl: u8) -> Packet {
    packet.scrub();
    packet.strip_link();
    packet.strip_options();
    if let Some(ip) = packet.ipv4_mut() {
        core::mem::swap(&mut ip.source, &mut ip.destination);
        ip.id.set(id);
        ip.flags_fragment.set(flags);
        ip.tos = tos;
        ip.ttl = ttl;
    }
    packet.fill_ip_checksum();
    packet
}

/// What a datagram holds that fits an Ethernet frame.
const TEXT_BYTES_MAX: usize = 1472;
