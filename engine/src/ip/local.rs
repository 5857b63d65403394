//! Packets for this host: echo requests and datagram services are answered here, everything else has nobody.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{
    ending::{DropReason, Dropped},
    offload::checksum,
    packet::{Addressed, Packet, Transport},
    sysctl::Sysctls,
    wire::{Ipv4Header, Protocol, checksum::Routines, icmp::IcmpType},
};

/// What this host offers to others.
#[derive(Clone, Debug, Default)]
pub struct Services {
    udp: Vec<UdpService>,
}

/// A datagram service of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpService {
    /// Its port, 1 to 65535.
    pub port: u16,
    /// What it does with a datagram.
    pub answer: ServiceAnswer,
}

/// What a datagram service does with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAnswer {
    /// Sends it back (RFC 862).
    Echo,
    /// Takes it and says nothing (RFC 863).
    Discard,
}

/// What becomes of a packet for this host.
#[derive(Debug)]
pub enum Delivery {
    /// Somebody has taken it.
    Taken(Packet),
    /// It has been turned around: this is the answer.
    Answered(Packet),
}

impl Services {
    /// Offers a service; one on the same port is replaced.
    pub fn offer(&mut self, service: UdpService) {
        self.udp.retain(|known| known.port != service.port);
        self.udp.push(service);
    }

    /// Gives a packet to whoever takes it. `id` is the identification for an answer that needs one.
    ///
    /// # Errors
    /// [`DropReason::TransportChecksum`], and [`DropReason::NoSocket`] or [`DropReason::NoProtocol`] when nobody
    /// takes it.
    pub fn deliver(
        &self,
        packet: Packet,
        sysctls: &Sysctls,
        routines: &Routines,
        id: impl FnOnce() -> u16,
    ) -> Result<Delivery, Dropped> {
        if !checksum::is_right(&packet, routines) {
            return Err(packet.drop_for(DropReason::TransportChecksum));
        }
        let ttl = sysctls.ip_default_ttl as u8;
        match (packet.protocol(), packet.transport()) {
            (Protocol::ICMP, Transport::Icmp) => {
                let is_echo = packet.icmp().is_some_and(|icmp| icmp.icmp_type() == IcmpType::ECHO_REQUEST);
                let for_all = packet.meta().addressed != Addressed::Host;
                if is_echo && !for_all && sysctls.icmp_echo_ignore_all == 0 {
                    return Ok(Delivery::Answered(echo_reply(packet, id(), ttl)));
                }
                Ok(Delivery::Taken(packet))
            }
            (Protocol::UDP, Transport::Udp) => self.deliver_udp(packet, routines, id, ttl),
            (Protocol::TCP | Protocol::UDP, Transport::Tcp | Transport::Other) => {
                Err(packet.drop_for(DropReason::NoSocket))
            }
            (_, Transport::Broken) => Err(packet.drop_for(DropReason::TransportMalformed)),
            (_, Transport::Tcp | Transport::Udp | Transport::Icmp | Transport::Other) => {
                Err(packet.drop_for(DropReason::NoProtocol))
            }
        }
    }

    fn deliver_udp(
        &self,
        packet: Packet,
        routines: &Routines,
        id: impl FnOnce() -> u16,
        ttl: u8,
    ) -> Result<Delivery, Dropped> {
        let port = packet.udp().map_or(0, |udp| udp.destination_port.get());
        match self.udp.iter().find(|service| service.port == port) {
            None => Err(packet.drop_for(DropReason::NoSocket)),
            Some(UdpService { answer: ServiceAnswer::Discard, .. }) => Ok(Delivery::Taken(packet)),
            Some(UdpService { answer: ServiceAnswer::Echo, .. }) => {
                let mut answer = turned_around(packet, id(), Ipv4Header::DONT_FRAGMENT, 0, ttl);
                if let Some(udp) = answer.udp_mut() {
                    core::mem::swap(&mut udp.source_port, &mut udp.destination_port);
                    udp.checksum = [0xff, 0xff];
                }
                checksum::fill(&mut answer, routines);
                Ok(Delivery::Answered(answer))
            }
        }
    }
}

/// The reply to an echo request (RFC 792).
fn echo_reply(packet: Packet, id: u16, ttl: u8) -> Packet {
    let tos = packet.ipv4().map_or(0, |ip| ip.tos);
    let mut answer = turned_around(packet, id, 0, tos, ttl);
    if let Some(icmp) = answer.icmp_mut() {
        let before = [icmp.kind, icmp.code];
        icmp.kind = IcmpType::ECHO_REPLY.0;
        icmp.checksum = crate::wire::checksum::update(icmp.checksum, before, [icmp.kind, icmp.code]);
    }
    answer
}

/// The packet with its ends exchanged and a fresh header, as this host sends it; the transport header is as it was.
fn turned_around(mut packet: Packet, id: u16, flags: u16, tos: u8, ttl: u8) -> Packet {
    packet.scrub();
    packet.strip_link();
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
