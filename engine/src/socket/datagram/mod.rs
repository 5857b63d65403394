//! Datagram sockets: UDP, pings and whole protocols (RFC 768; RFC 8200, section 8.1; Linux v6.18: `net/ipv4/udp.c`,
//! `net/ipv4/ping.c`, `net/ipv4/raw.c`, and theirs of `net/ipv6/`).
//!
//! ```text
//!   user ── send_to ──► send ──► path: OUTPUT …
//!   user ◄── receive_from ── queue ◄── deliver ◄── path: INPUT
//!                            error ◄── errors  ◄── ICMP
//! ```
//!
//! A packet is for the socket that fits it best: one connected to its sender before one of its address before one of every
//! address. What goes to everybody on a link each socket gets that fits. Unread packets are bounded by the socket's receive
//! buffer and, of all sockets together, by [`DATAGRAM_QUEUES_BYTES_MAX`](crate::limits::DATAGRAM_QUEUES_BYTES_MAX).
//!
//! How small packets to a host have to be, routers tell (`ip/path_mtu`): a datagram that is larger leaves in fragments, the first one
//! that was too large is lost, as in Linux.
//!
//! A service of this host ([`UdpService`]) is a socket that nobody holds and that answers by itself.
//!
//! Not here: groups of multicast (a socket gets what is sent to a group only if this host takes it anyway), `IP_HDRINCL`
//! ([`Command::SendPacket`](crate::Command::SendPacket) sends whole packets), and what makes path MTU discovery more than a wish
//! (`IP_MTU_DISCOVER`).

mod deliver;
mod errors;
mod face;
mod send;
mod service;

pub use errors::QueuedError;
pub use face::Received;
pub use service::{ServiceAnswer, UdpService};

use core::net::{IpAddr, SocketAddr};

use super::{Family, Readiness, SocketError, options::Options};
use crate::{
    packet::{Budget, Packet, Pool, Queue},
    wire::Protocol,
};

/// What a datagram socket sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// Datagrams of UDP.
    Udp,
    /// Echo requests, and the replies to them: messages of ICMP with their headers. The port of an address is the identifier.
    Ping,
    /// Everything that a protocol has below the IP header; what is received over IPv4 begins with the IP header.
    Raw(Protocol),
}

/// A datagram socket.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(super) family: Family,
    pub(super) kind: DatagramKind,
    /// The address that it was bound to, or was given when it had to have one.
    pub(super) local: Option<SocketAddr>,
    /// This host's address towards the peer that it is connected to, when it was bound to none.
    pub(super) source: Option<IpAddr>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) options: Options,
    pub(super) queue: Queue,
    pub(super) error: Option<SocketError>,
    /// ICMP errors about what it has sent, until they are read (`IP_RECVERR`).
    pub(super) errors: Queue,
    pub(super) is_receive_shut: bool,
    pub(super) is_send_shut: bool,
    pub(crate) woken: Readiness,
    /// Set of what nobody holds: how it answers.
    pub(super) service: Option<ServiceAnswer>,
}

impl Datagram {
    pub(super) fn new(family: Family, kind: DatagramKind, options: Options) -> Self {
        Self {
            family,
            kind,
            local: None,
            source: None,
            remote: None,
            options,
            queue: Queue::default(),
            error: None,
            errors: Queue::default(),
            is_receive_shut: false,
            is_send_shut: false,
            woken: Readiness::default(),
            service: None,
        }
    }

    /// Whether somebody holds it.
    pub(super) const fn is_held(&self) -> bool {
        self.service.is_none()
    }

    /// Under which protocol and number it is found.
    pub(super) fn place(&self) -> Option<(Protocol, u16)> {
        Self::place_of(self.kind, self.family, self.local?.port())
    }

    /// Where sockets of a kind that are bound to a port are found.
    pub(super) const fn place_of(kind: DatagramKind, family: Family, port: u16) -> Option<(Protocol, u16)> {
        match (kind, family) {
            (DatagramKind::Udp, _) => Some((Protocol::UDP, port)),
            (DatagramKind::Ping, Family::Ipv4) => Some((Protocol::ICMP, port)),
            (DatagramKind::Ping, Family::Ipv6) => Some((Protocol::ICMPV6, port)),
            (DatagramKind::Raw(protocol), _) => Some((RAW, protocol.0 as u16)),
        }
    }

    /// What can be done with it now.
    pub(super) fn readiness(&self) -> Readiness {
        let mut ready = Readiness::WRITABLE;
        if !self.queue.is_empty() || self.is_receive_shut {
            ready |= Readiness::READABLE;
        }
        if self.is_receive_shut {
            ready |= Readiness::PEER_CLOSED;
        }
        if self.is_receive_shut && self.is_send_shut {
            ready |= Readiness::HUNG_UP;
        }
        if self.error.is_some() || !self.errors.is_empty() {
            ready |= Readiness::ERROR;
        }
        ready
    }

    /// How well it fits a packet between `own` and `peer`; 0 not at all.
    pub(super) fn fits(&self, own: SocketAddr, peer: SocketAddr) -> u8 {
        let Some(local) = self.local else { return 0 };
        let has_port = matches!(self.kind, DatagramKind::Udp | DatagramKind::Ping);
        if has_port && local.port() != own.port() {
            return 0;
        }
        let local = self.source.map_or(local, |source| SocketAddr::new(source, local.port()));
        let score = super::table::score(local, self.options.only_v6, own.ip());
        let is_to_others = match self.remote {
            Some(remote) if self.kind == DatagramKind::Udp => remote != peer,
            Some(remote) => remote.ip() != peer.ip(),
            None => return score,
        };
        if score == 0 || is_to_others { 0 } else { score + CONNECTED }
    }

    /// Puts a packet behind those that are not read yet. One finds room in any case, however small the buffer is (Linux
    /// v6.18: `net/ipv4/udp.c`, `__udp_enqueue_schedule_skb()`).
    pub(super) fn take(&mut self, packet: Packet, budget: &Budget) -> Result<(), Packet> {
        let memory = packet.memory_bytes();
        let held = self.held_bytes();
        let is_full = held > 0 && held + memory > self.options.receive_buffer.0 as usize;
        if is_full || !budget.has_room(memory) || self.is_receive_shut {
            return Err(packet);
        }
        self.queue.push(packet, budget);
        self.woken |= Readiness::READABLE;
        Ok(())
    }

    /// Gives the packets back that it holds.
    pub(super) fn release(&mut self, pool: &mut Pool) {
        for packet in self.queue.by_ref() {
            packet.recycle(pool);
        }
        self.forget_errors(pool);
    }

    /// Memory of all that nobody has read.
    fn held_bytes(&self) -> usize {
        self.queue.bytes() + self.errors.bytes()
    }

    /// Gives up the errors that nobody has read.
    pub(super) fn forget_errors(&mut self, pool: &mut Pool) {
        for packet in self.errors.by_ref() {
            packet.recycle(pool);
        }
    }
}

/// A socket that is connected to the sender fits better than any that is not.
const CONNECTED: u8 = 8;
/// Sockets of whole protocols are found under this one, which no packet has (RFC 5237: reserved).
const RAW: Protocol = Protocol(255);
