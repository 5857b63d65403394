//! `-m socket`: whether a socket of this host would take the packet (Linux v6.18: `net/netfilter/xt_socket.c`,
//! `socket_match()`; `net/ipv4/netfilter/nf_socket_ipv4.c`, `nf_sk_lookup_slow_v4()`).
//!
//! Those that listen on every address, as local services do, are found by `--nowildcard` only; none is transparent or has a
//! mark of its own.

use alloc::string::String;
use core::net::SocketAddr;

use super::{Answer, Matching};
use crate::{
    conntrack::{Direction, Status, Tracking},
    netfilter::{
        Hook, View,
        ends::{PortBytes, ports},
        error::Flaw,
        program::facts::Facts,
        save::options::{Given, Opt, Spec},
        walk::Depends,
    },
    packet::Packet,
    tcp::Ends,
    wire::{IcmpHeader, Ipv4Header, Protocol, icmp::IcmpType},
};

/// Which sockets count.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Socket {
    transparent: bool,
    /// Sockets that listen on every address count too.
    no_wildcard: bool,
    /// The packet gets the socket's mark.
    restore_mark: bool,
}

impl Matching for Socket {
    const SPEC: &'static Spec = &Spec {
        name: "socket",
        options: &[Opt::flag(&["transparent"]), Opt::flag(&["nowildcard"]), Opt::flag(&["restore-skmark"])],
    };

    fn hooks(&self) -> &'static [Hook] {
        &[Hook::Prerouting, Hook::Input]
    }

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        Ok(Self {
            transparent: given.has("transparent"),
            no_wildcard: given.has("nowildcard"),
            restore_mark: given.has("restore-skmark"),
        })
    }

    fn print(&self, out: &mut String) {
        for (name, given) in
            [("transparent", self.transparent), ("nowildcard", self.no_wildcard), ("restore-skmark", self.restore_mark)]
        {
            if given {
                out.push_str(" --");
                out.push_str(name);
            }
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let fits = !self.transparent && taken(view).is_some_and(|is_wildcard| self.no_wildcard || !is_wildcard);
        if fits && self.restore_mark {
            view.packet.meta_mut().mark = 0;
        }
        Answer::from(fits)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match (taken(view), self.no_wildcard) {
            (None, _) => "is for no socket of this host".into(),
            (Some(true), false) => "is for a socket that listens on every address".into(),
            (Some(_), _) => "is for a socket that is not transparent".into(),
        }
    }
}

/// Whether somebody on this host takes the packet, or sent what an ICMP error is about; and whether he listens on every
/// address.
fn taken(view: &View<'_>) -> Option<bool> {
    let (protocol, port) = local_end(view.packet)?;
    let port = translated_back(view, port);
    // What it goes to after translation has been undone.
    let ends = Ends::of(view.packet).map(|ends| Ends { local: SocketAddr::new(ends.local.ip(), port), ..ends });
    match ends {
        Some(ends) => view.sockets.taken(protocol, &ends),
        None => view.sockets.listens_everywhere(protocol, port).then_some(true),
    }
}

/// The protocol and port of this host's end.
fn local_end(packet: &Packet) -> Option<(Protocol, u16)> {
    match packet.protocol() {
        protocol @ (Protocol::TCP | Protocol::UDP) => match ports(packet) {
            PortBytes::Here(_, destination) => Some((protocol, destination)),
            PortBytes::None | PortBytes::Cut => None,
        },
        Protocol::ICMP => {
            packet.icmp().filter(|icmp| IcmpType(icmp.kind).is_error())?;
            // The packet inside was sent from here.
            let inner = packet.transport_bytes().get(IcmpHeader::LEN..)?;
            let header_len = usize::from(*inner.first()? & 0x0f) * 4;
            let protocol = Protocol(*inner.get(PROTOCOL_AT)?);
            let &[high, low, ..] = inner.get(header_len.max(Ipv4Header::LEN)..)? else { return None };
            matches!(protocol, Protocol::TCP | Protocol::UDP).then_some((protocol, u16::from_be_bytes([high, low])))
        }
        _ => None,
    }
}

/// A reply to a connection whose source is translated will be for the original port.
fn translated_back(view: &View<'_>, port: u16) -> u16 {
    match (view.connection(), view.packet.meta().tracking) {
        (Some((connection, Direction::Reply)), Tracking::Tracked { .. })
            if connection.status.contains(Status::SRC_NAT_DONE) =>
        {
            connection.original.source_port
        }
        _ => port,
    }
}

/// Where an IPv4 header names its protocol.
const PROTOCOL_AT: usize = 9;
