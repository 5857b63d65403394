//! Options of IPv4 and extension headers of IPv6 on the path. Of IPv4 they are read once it is known where a packet goes; of IPv6,
//! hop-by-hop options before everything else, the other headers where a packet is for this host.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use crate::{
    ending::{DropReason, Dropped},
    engine::Engine,
    ip::{
        Fate, NextHop,
        extensions::{self, Objection},
        options::{self, Read, Reader},
    },
    packet::Packet,
    settle::own_address,
    time::Instant,
    trace::Step,
    wire::Protocol,
};

impl Engine {
    /// Reads the hop-by-hop options of a packet that has arrived, before any rule or tracker sees it; of a fragment, its own.
    ///
    /// Linux v6.18: `net/ipv6/ip6_input.c`, `ip6_rcv_core()`.
    #[inline(always)]
    pub(crate) fn heed_hop_by_hop(&mut self, packet: Packet) -> Result<Packet, Dropped> {
        match packet.ipv6() {
            Some(ip) if ip.next_header() == Protocol::HOP_BY_HOP => self.read_hop_by_hop(packet),
            Some(_) | None => Ok(packet),
        }
    }

    #[cold]
    fn read_hop_by_hop(&mut self, packet: Packet) -> Result<Packet, Dropped> {
        match extensions::of_hop_by_hop(&packet, &self.around.sysctls) {
            Some(objection) => Err(self.object(packet, objection)),
            None => Ok(packet),
        }
    }

    /// Reads the extension headers of a packet that is for this host.
    ///
    /// Linux v6.18: `net/ipv6/ip6_input.c`, `ip6_protocol_deliver_rcu()`.
    pub(crate) fn heed_extensions(&mut self, packet: Packet) -> Result<Packet, Dropped> {
        match extensions::of_host(&packet, &self.around.sysctls) {
            Some(objection) => Err(self.object(packet, objection)),
            None => Ok(packet),
        }
    }

    fn object(&mut self, packet: Packet, objection: Objection) -> Dropped {
        self.noted.told = objection.pointer(&packet);
        if let Objection::Option(header, fault) = objection {
            self.around.trace.push(|| Step::Options(header, fault));
        }
        packet.drop_for(objection.reason())
    }

    /// Reads the options of an IPv4 packet whose fate is known, and writes down in them what is asked for.
    ///
    /// Linux v6.18: `net/ipv4/ip_input.c`, `ip_rcv_finish_core()`.
    #[inline(always)]
    pub(crate) fn heed_options(&mut self, now: Instant, packet: Packet, fate: Fate) -> Result<Packet, Dropped> {
        if packet.has_options() { self.read_options(now, packet, fate) } else { Ok(packet) }
    }

    #[cold]
    fn read_options(&mut self, now: Instant, mut packet: Packet, fate: Fate) -> Result<Packet, Dropped> {
        let Some(ip) = packet.ipv4() else { return Ok(packet) };
        let (source, destination) = (ip.source(), ip.destination());
        let own = match fate {
            // Who is not heard at all.
            Fate::Nowhere(reason) if !reason.is_of_routing() && reason != DropReason::ForwardingOff => {
                return Ok(packet);
            }
            Fate::Local if !self.devices.is_for_many(destination.into()) => destination,
            Fate::Local | Fate::Forward(_) | Fate::Nowhere(_) => self.own_towards(source),
        };
        let reader = Reader { now, own, is_own: &|address| self.is_no_other_host(address) };
        let mut read = Read::default();
        let objection = packet.options_mut().and_then(|header| reader.read(header, &mut read).err());
        // What its sender is told carries back what has been read before.
        packet.meta_mut().options = read;
        let Some(objection) = objection else { return Ok(packet) };
        if let options::Objection::Malformed(pointer) = objection {
            self.noted.told = pointer.into();
        }
        Err(packet.drop_for(objection.reason()))
    }

    /// Finishes the options of a packet that passes through and leaves by `hop`.
    ///
    /// Linux v6.18: `net/ipv4/ip_forward.c`, `ip_forward_finish()`.
    #[inline(always)]
    pub(crate) fn stamp_options(&self, packet: Packet, hop: NextHop) -> Packet {
        if packet.meta().options.is_any() { self.finish_options(packet, hop) } else { packet }
    }

    #[cold]
    fn finish_options(&self, mut packet: Packet, hop: NextHop) -> Packet {
        let read = packet.meta().options;
        let source = self.devices.source_address(hop.device, hop.neighbour);
        if let (Some(header), Some(IpAddr::V4(source))) = (packet.options_mut(), source) {
            read.stamp(header, source);
        }
        if read.has_changed() {
            packet.fill_ip_checksum();
        }
        packet
    }

    /// The options of what answers a packet, from `source`; `None` when they have no room for what the answer has to write down, and it is
    /// not sent.
    pub(crate) fn options_of_answer(&self, now: Instant, about: &Packet, source: IpAddr) -> Option<(Vec<u8>, Read)> {
        let (read, IpAddr::V4(source)) = (about.meta().options, source) else { return Some(Default::default()) };
        if read == Read::default() {
            return Some(Default::default());
        }
        let reader = Reader { now, own: source, is_own: &|address| self.is_no_other_host(address) };
        Some(reader.echo(about.network_header(), read)?.finish(source, now))
    }

    /// Whether an address is this host's, everybody's, a group's or nobody's (Linux: `inet_addr_type()` is not `RTN_UNICAST`).
    fn is_no_other_host(&self, address: Ipv4Addr) -> bool {
        let is_of_all = address.is_unspecified() || self.devices.is_for_many(address.into());
        is_of_all || address.is_loopback() || self.devices.is_local(address.into())
    }

    /// The address that this host calls itself by towards another one.
    fn own_towards(&self, other: Ipv4Addr) -> Ipv4Addr {
        match own_address(&self.routes, &self.devices, other.into(), None) {
            Some(IpAddr::V4(own)) => own,
            Some(IpAddr::V6(_)) | None => Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// Gives an answer its options, and what is known of them.
///
/// Linux v6.18: `net/ipv4/ip_options.c`, `ip_options_build()`.
pub(crate) fn put_options(answer: &mut Packet, options: &[u8], noted: Read) {
    if !options.is_empty() {
        answer.insert_options(options);
        answer.fill_ip_checksum();
        answer.meta_mut().options = noted;
    }
}
