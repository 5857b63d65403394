//! What there is of sockets, for who looks at them from outside (`ss`, `/proc/net/tcp`; Linux v6.18: `net/ipv4/tcp_diag.c`,
//! `net/ipv4/udp_diag.c`).

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use alloc::{borrow::ToOwned, boxed::Box, string::String};

use serde::{Deserialize, Serialize};

use super::{
    Family, SocketId,
    datagram::{Datagram, DatagramKind},
    table::Entry,
};
use crate::{
    engine::Engine,
    tcp::{
        Ends, Resent, State, TcpInfo,
        congestion::{BbrInfo, Window},
        connection::Connection,
        listen::Listener,
    },
    time::Instant,
};

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketKind {
    /// A whole protocol, by its number.
    Raw(u8),
    /// Echo requests.
    Ping,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// A socket as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketEntry {
    /// What it speaks.
    pub kind: SocketKind,
    /// Its state; of a datagram socket that is connected, [`State::Established`].
    pub state: State,
    /// Its own address.
    pub local: SocketAddr,
    /// The other end's; the unspecified one and port 0 of its family when it has none.
    pub remote: SocketAddr,
    /// It is of both families.
    pub is_dual: bool,
    /// Bytes that wait to be read, a FIN counted; of a listener, connections that wait to be accepted; of a datagram socket, the memory
    /// that its packets take.
    pub receive_queue: u32,
    /// Bytes that were written and are not acknowledged, SYN and FIN counted; of a listener, how many connections may wait.
    pub send_queue: u32,
    /// The algorithm that says how much may be in flight; none of what is no connection of a user's.
    pub congestion: Option<String>,
    /// What BBR knows of the way.
    pub model: Option<BbrInfo>,
    /// The congestion window of what is no connection yet.
    pub window: u32,
    /// What is known of a connection.
    pub info: Option<Box<TcpInfo>>,
}

impl Engine {
    /// How many places for sockets there are, taken or free.
    #[must_use]
    pub const fn socket_places(&self) -> u32 {
        self.sockets.places()
    }

    /// What is at a place, if it has an address: what is not bound, and connections that have ended, are not shown.
    #[must_use]
    pub fn socket_at(&self, now: Instant, place: u32) -> Option<SocketEntry> {
        match self.sockets.entry(place) {
            Entry::Connection(connection) => connection_entry(now, connection),
            Entry::Listener(listener) => Some(listener_entry(listener)),
            Entry::Datagram(datagram) => datagram_entry(datagram),
            Entry::Request(request) => Some(ends_entry(State::SynReceived, &request.ends)),
            Entry::TimeWait(rest) => Some(ends_entry(State::TimeWait, &rest.ends)),
            Entry::Free | Entry::Idle(_) => None,
        }
    }

    /// What is known of a connection, and what it has sent again: all that [`Socket::info`](super::Socket::info) tells, without a call
    /// on the socket. `None` of what is no connection.
    #[must_use]
    pub fn watch_connection(&self, now: Instant, id: SocketId) -> Option<(TcpInfo, Resent)> {
        match self.sockets.entry(self.sockets.index(id)?) {
            Entry::Connection(connection) => Some((connection.info(now), connection.resent())),
            Entry::Free
            | Entry::Idle(_)
            | Entry::Listener(_)
            | Entry::Datagram(_)
            | Entry::Request(_)
            | Entry::TimeWait(_) => None,
        }
    }
}

fn connection_entry(now: Instant, connection: &Connection) -> Option<SocketEntry> {
    let info = connection.info(now);
    let (receive_queue, send_queue) = connection.queues();
    (connection.state != State::Closed).then(|| SocketEntry {
        receive_queue,
        send_queue,
        congestion: Some(connection.settings.algorithm.0.to_owned()),
        info: Some(Box::new(info)),
        model: connection.model_info(),
        ..ends_entry(connection.state, &connection.ends)
    })
}

fn ends_entry(state: State, ends: &Ends) -> SocketEntry {
    SocketEntry {
        kind: SocketKind::Tcp,
        state,
        local: ends.local,
        remote: ends.remote,
        is_dual: false,
        receive_queue: 0,
        send_queue: 0,
        congestion: None,
        model: None,
        window: 0,
        info: None,
    }
}

fn listener_entry(listener: &Listener) -> SocketEntry {
    let ends = Ends { local: listener.local, remote: nobody(listener.local.ip()) };
    SocketEntry {
        is_dual: is_dual(listener.local.ip(), listener.settings.only_v6),
        receive_queue: listener.accepted.len() as u32,
        send_queue: listener.backlog,
        congestion: Some(listener.settings.algorithm.0.to_owned()),
        window: Window::INITIAL_SEGMENTS,
        ..ends_entry(State::Listen, &ends)
    }
}

fn datagram_entry(datagram: &Datagram) -> Option<SocketEntry> {
    let kind = match datagram.kind {
        DatagramKind::Udp => SocketKind::Udp,
        DatagramKind::Ping => SocketKind::Ping,
        DatagramKind::Raw(protocol) => SocketKind::Raw(protocol.0),
    };
    let local = datagram.local.or_else(|| match (kind, datagram.family) {
        (SocketKind::Raw(_), Family::Ipv4) => Some(nobody(Ipv4Addr::UNSPECIFIED.into())),
        (SocketKind::Raw(_), Family::Ipv6) => Some(nobody(core::net::Ipv6Addr::UNSPECIFIED.into())),
        (SocketKind::Ping | SocketKind::Udp | SocketKind::Tcp, _) => None,
    })?;
    let local = datagram.source.map_or(local, |source| SocketAddr::new(source, local.port()));
    let remote = datagram.remote.unwrap_or_else(|| nobody(local.ip()));
    let state = if datagram.remote.is_some() { State::Established } else { State::Closed };
    Some(SocketEntry {
        kind,
        is_dual: datagram.remote.is_none() && is_dual(local.ip(), datagram.options.only_v6),
        receive_queue: u32::try_from(datagram.queue.bytes()).unwrap_or(u32::MAX),
        ..ends_entry(state, &Ends { local, remote })
    })
}

/// Nobody, of the family of an address.
const fn nobody(like: IpAddr) -> SocketAddr {
    match like {
        IpAddr::V4(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        IpAddr::V6(_) => SocketAddr::new(IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED), 0),
    }
}

const fn is_dual(local: IpAddr, only_v6: bool) -> bool {
    matches!(local, IpAddr::V6(v6) if v6.is_unspecified()) && !only_v6
}
