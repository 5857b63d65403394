//! `-m socket`: whether a socket of this host would take the packet (Linux v6.18: `net/netfilter/xt_socket.c`,
//! `socket_match()`; `net/ipv4/netfilter/nf_socket_ipv4.c`, `nf_sk_lookup_slow_v4()`).
//!
//! Those that listen on every address, as local services do, are found by `--nowildcard` only; none is transparent.

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
    socket::{Taken, quoted_by},
    tcp::Ends,
    wire::Protocol,
};

/// Which sockets count.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Socket {
    transparent: bool,
    /// Sockets that listen on every address count too.
    no_wildcard: bool,
    /// The packet gets the mark of the socket (`SO_MARK`), but for what is only a request, or a rest, of a connection.
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
        let found = taken(view).filter(|taken| !self.transparent && (self.no_wildcard || !taken.is_wildcard));
        if let Some(mark) = found.and_then(|taken| taken.mark).filter(|_| self.restore_mark) {
            view.packet.meta_mut().mark = mark;
        }
        Answer::from(found.is_some())
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match (taken(view), self.no_wildcard) {
            (None, _) => "is for no socket of this host".into(),
            (Some(Taken { is_wildcard: true, .. }), false) => "is for a socket that listens on every address".into(),
            (Some(_), _) => "is for a socket that is not transparent".into(),
        }
    }
}

/// Who on this host takes the packet, or has sent what an ICMP error is about.
fn taken(view: &View<'_>) -> Option<Taken> {
    let (protocol, mut ends) = quoted_by(view.packet).or_else(|| ends_of(view.packet))?;
    if let Some(local) = translated_back(view) {
        ends.local = local;
    }
    view.sockets.taken(protocol, &ends)
}

fn ends_of(packet: &Packet) -> Option<(Protocol, Ends)> {
    let protocol = packet.protocol();
    let (PortBytes::Here(source, destination), Some(ip)) = (ports(packet), packet.ip()) else { return None };
    let (local, remote) = (SocketAddr::new(ip.destination(), destination), SocketAddr::new(ip.source(), source));
    matches!(protocol, Protocol::TCP | Protocol::UDP).then_some((protocol, Ends { local, remote }))
}

/// A reply to a connection whose source is translated will be for the original source.
fn translated_back(view: &View<'_>) -> Option<SocketAddr> {
    match (view.connection(), view.packet.meta().tracking) {
        (Some((connection, Direction::Reply)), Tracking::Tracked { .. })
            if connection.status.contains(Status::SRC_NAT_DONE) =>
        {
            Some(SocketAddr::new(connection.original.source_ip(), connection.original.source_port))
        }
        _ => None,
    }
}
