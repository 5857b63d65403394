//! Datagrams set out (Linux v6.18: `net/ipv4/udp.c`, `udp_sendmsg()`; `net/ipv4/ping.c`, `ping_v4_sendmsg()`;
//! `net/ipv4/raw.c`, `raw_sendmsg()`).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zerocopy::IntoBytes;

use super::{Datagram, DatagramKind};
use crate::{
    device::LOOPBACK_MTU_BYTES,
    engine::Engine,
    frame::DeviceId,
    ip::{
        Fate,
        icmp_error::{Ends, Making, head},
        path_mtu::PathMtu,
    },
    offload::checksum,
    packet::{Head, Owner, Packet},
    settle::own_address,
    socket::{SocketError, options::Options, table::Entry},
    time::Instant,
    wire::{IcmpHeader, Icmpv6Type, Ipv4Header, Ipv6Header, Protocol, UdpHeader, icmp::IcmpType},
};

/// A datagram on its way out.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) source: SocketAddr,
    pub(super) to: SocketAddr,
    /// The protocol, and what follows the IP header before the payload.
    pub(super) kind: DatagramKind,
    pub(super) payload: &'a [u8],
    pub(super) options: &'a Options,
    /// The device of the link on which the destination means something.
    pub(super) bound: Option<DeviceId>,
}

impl Engine {
    /// Sends a datagram of a socket that has an address.
    pub(super) fn send_datagram(
        &mut self,
        now: Instant,
        index: u32,
        payload: &[u8],
        to: SocketAddr,
    ) -> Result<(), SocketError> {
        let Entry::Datagram(datagram) = self.sockets.entry(index) else { return Err(SocketError::NoSocket) };
        let (kind, options) = (datagram.kind, datagram.options);
        if payload.len() > payload_bytes_max(kind, to) {
            return Err(SocketError::MessageTooLong);
        }
        let to = of_this_host(to);
        if self.devices.is_broadcast(to.ip()) && !options.broadcast {
            return Err(SocketError::NotAllowed);
        }
        let source = self.source_of(datagram, to.ip())?;
        self.emit_datagram(now, &Outgoing { source, to, kind, payload, options: &options, bound: None })
    }

    /// From which address a socket sends to another.
    pub(super) fn source_of(&self, datagram: &Datagram, to: IpAddr) -> Result<SocketAddr, SocketError> {
        let port = datagram.local.map_or(0, |local| local.port());
        let bound = datagram.local.map(|local| local.ip()).filter(|own| !own.is_unspecified());
        let usual = own_address(&self.routes, &self.devices, to, None).ok_or(SocketError::NetworkUnreachable)?;
        let own = bound.or(datagram.source).unwrap_or(usual);
        if own.is_ipv4() == to.is_ipv4() {
            Ok(SocketAddr::new(own, port))
        } else {
            Err(SocketError::NetworkUnreachable)
        }
    }

    /// Makes a packet of a datagram and sends it.
    pub(super) fn emit_datagram(&mut self, now: Instant, out: &Outgoing<'_>) -> Result<(), SocketError> {
        let (from, to) = (out.source.ip(), out.to.ip());
        let mut making = Making::towards(to, &self.routes, &self.devices, &mut self.around);
        making.hops = out.options.hops.unwrap_or(making.hops);
        let (protocol, transport) = transport_of(out)?;
        let mut ip = head(Ends { source: from, destination: to }, protocol, making);
        let PathMtu { bytes: mtu_bytes, is_locked } = self.path_mtu(now, to, out.bound);
        match &mut ip {
            Head::V4(ip) => {
                ip.tos = out.options.tos;
                // Path MTU discovery is a wish: what is too large is cut (`net/ipv4/ip_output.c`, `__ip_make_skb()`).
                if Ipv4Header::LEN + transport.len() <= mtu_bytes as usize && !is_locked {
                    ip.flags_fragment = Ipv4Header::DONT_FRAGMENT.into();
                }
            }
            Head::V6(ip) => ip.set_class_label(out.options.tos, making.flow_label),
        }
        let bytes = ip.before(&transport);
        let mut made = Packet::from_network_bytes(&mut self.pool, &bytes).map_err(|_| SocketError::MessageTooLong)?;
        // Who sends whole messages of a protocol sums them himself, but for ICMPv6 (RFC 3542, section 3.1).
        if !matches!(out.kind, DatagramKind::Raw(_)) || protocol == Protocol::ICMPV6 {
            checksum::fill(&mut made, &self.around.routines);
        }
        let meta = made.meta_mut();
        (meta.owner, meta.mark, meta.bound) = (Some(Owner::ROOT), out.options.mark, out.bound);
        // `net/ipv4/ip_output.c`, `ip_sk_ignore_df()`.
        meta.ignores_df = true;
        self.originate(now, made);
        Ok(())
    }
}

impl Engine {
    /// The largest packet that goes through to a host, as far as is known.
    pub(in crate::socket) fn path_mtu(&self, now: Instant, to: IpAddr, bound: Option<DeviceId>) -> PathMtu {
        let (link_bytes, is_locked) = match self.routes.from_here(&self.devices, to, bound) {
            Fate::Forward(hop) => (hop.mtu_bytes, to.is_ipv4() && self.routes.metrics_towards(to).is_mtu_locked),
            Fate::Local => (LOOPBACK_MTU_BYTES, false),
            Fate::Nowhere(_) => (Ipv6Header::MTU_MIN, false),
        };
        let of_link = PathMtu { bytes: link_bytes, is_locked };
        if is_locked {
            return of_link;
        }
        let known = self.path_mtus.towards(now, to).filter(|known| known.bytes <= link_bytes);
        known.unwrap_or(of_link)
    }
}

/// The protocol and the bytes behind the IP header.
fn transport_of(out: &Outgoing<'_>) -> Result<(Protocol, Vec<u8>), SocketError> {
    match out.kind {
        DatagramKind::Udp => {
            let header = UdpHeader {
                source_port: out.source.port().into(),
                destination_port: out.to.port().into(),
                len: ((UdpHeader::LEN + out.payload.len()) as u16).into(),
                checksum: [0xff, 0xff],
            };
            Ok((Protocol::UDP, [header.as_bytes(), out.payload].concat()))
        }
        DatagramKind::Ping => {
            let (protocol, kind) = match out.to.ip() {
                IpAddr::V4(_) => (Protocol::ICMP, IcmpType::ECHO_REQUEST.0),
                IpAddr::V6(_) => (Protocol::ICMPV6, Icmpv6Type::ECHO_REQUEST.0),
            };
            let is_request = out.payload.len() >= IcmpHeader::LEN && out.payload[..2] == [kind, 0];
            if !is_request {
                return Err(SocketError::Invalid);
            }
            let mut message = out.payload.to_vec();
            message[2..4].fill(0);
            message[4..6].copy_from_slice(&out.source.port().to_be_bytes());
            Ok((protocol, message))
        }
        DatagramKind::Raw(protocol) => Ok((protocol, out.payload.to_vec())),
    }
}

/// To nobody is to this host.
pub(super) const fn of_this_host(to: SocketAddr) -> SocketAddr {
    match to.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), to.port()),
        IpAddr::V6(v6) if v6.is_unspecified() => SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), to.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => to,
    }
}

/// The longest payload: an IP packet has 65535 bytes, among which IPv6 does not count its header.
const fn payload_bytes_max(kind: DatagramKind, to: SocketAddr) -> usize {
    let header = if to.is_ipv4() { Ipv4Header::LEN } else { 0 };
    let own = match kind {
        DatagramKind::Udp => UdpHeader::LEN,
        DatagramKind::Ping | DatagramKind::Raw(_) => 0,
    };
    u16::MAX as usize - header - own
}
