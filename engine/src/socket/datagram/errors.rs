//! ICMP errors about datagrams (RFC 1122, section 4.1.3.3; Linux v6.18: `net/ipv4/udp.c`, `__udp4_lib_err()`;
//! `net/ipv4/ping.c`, `ping_err()`).
//!
//! A socket that is connected to the one whose packet is quoted is told what will not pass; others could not know which of their packets
//! it is about. One that has asked for it (`IP_RECVERR`) is told of all, and keeps them in a queue beside that of what it receives, with what
//! they say and about what (ip(7)).

use core::net::{IpAddr, SocketAddr};

use super::{Datagram, RAW};
use crate::{
    engine::Engine,
    frame::DeviceId,
    ip::path_mtu::PathMtu,
    packet::{Budget, Packet, Pool},
    socket::{Readiness, Socket, SocketError, table::Entry, unreachable::heard},
    tcp::Ends,
    time::Instant,
    wire::Protocol,
};

/// An ICMP error about what a socket has sent (Linux: `struct sock_extended_err`, and the addresses beside it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedError {
    /// What a call would have failed with.
    pub error: SocketError,
    /// It came by ICMPv6, not by ICMP.
    pub is_v6: bool,
    /// Type and code of the message.
    pub kind: u8,
    /// See [`Self::kind`].
    pub code: u8,
    /// The MTU of [`SocketError::MessageTooLong`]; of ICMPv6, and of a parameter problem, what the message has in that place; else 0.
    pub info: u32,
    /// Who has sent it.
    pub offender: IpAddr,
    /// To whom it was sent what the error is about. The port is 0 but for UDP sockets.
    pub to: SocketAddr,
    /// Bytes of that as far as it was quoted; more than were read when there was no room for all, which are lost then.
    pub len: usize,
}

impl Engine {
    /// Takes note of how small packets have to be that a socket has sent, if one has (Linux v6.18: `ipv4_sk_update_pmtu()`,
    /// `ip6_sk_update_pmtu()`).
    pub(in crate::socket) fn note_path_mtu(&mut self, now: Instant, protocol: Protocol, ends: &Ends, told_bytes: u32) {
        let places = [(protocol, ends.local.port()), (RAW, protocol.0.into())];
        if places.iter().any(|place| self.sockets.that_fits_best(*place, ends).is_some()) {
            self.note_mtu_towards(now, ends.remote.ip(), None, told_bytes);
        }
    }

    /// Takes note of how small packets to a host have to be, and gives what is known of that from now on.
    pub(in crate::socket) fn note_mtu_towards(
        &mut self,
        now: Instant,
        host: IpAddr,
        bound: Option<DeviceId>,
        told_bytes: u32,
    ) -> PathMtu {
        let before = self.path_mtu(now, host, bound);
        // Routers cut its packets: nobody needs to know more (Linux v6.18: `ip_mtu_locked()`).
        if before.is_locked {
            return before;
        }
        self.path_mtus.note(now, host, (told_bytes, before.bytes), &self.around.sysctls);
        self.path_mtu(now, host, bound)
    }

    /// Tells those whose packet is quoted: who is connected, if trying again would be of no use, and who wants to know of all.
    pub(in crate::socket) fn deliver_datagram_error(
        &mut self,
        packet: &Packet,
        about: (Protocol, &Ends),
        told: (SocketError, bool),
    ) {
        let ((protocol, ends), (error, is_hard)) = (about, told);
        let place = (RAW, u16::from(protocol.0));
        let (local, remote) = (SocketAddr::new(ends.local.ip(), place.1), SocketAddr::new(ends.remote.ip(), 0));
        let of_protocol = self.sockets.all_that_fit(place, &Ends { local, remote });
        let of_port = self.sockets.that_fits_best((protocol, ends.local.port()), ends);
        for index in of_protocol.into_iter().chain(of_port) {
            let Some(Entry::Datagram(datagram)) = self.sockets.entry_mut(index) else { continue };
            let keeps = datagram.options.hears_errors;
            let is_told = keeps || is_hard && datagram.remote.is_some();
            if !is_told {
                continue;
            }
            if keeps {
                datagram.keep_error(&mut self.pool, packet, &self.datagram_budget);
            }
            datagram.error = Some(error);
            datagram.woken |= Readiness::ERROR;
            self.sockets.note_ready(index);
        }
    }
}

impl Datagram {
    /// Puts a copy of an ICMP error behind those that are not read yet, if there is room (Linux v6.18: `net/core/skbuff.c`,
    /// `sock_queue_err_skb()`).
    fn keep_error(&mut self, pool: &mut Pool, packet: &Packet, budget: &Budget) {
        let room = (self.options.receive_buffer.0 as usize).saturating_sub(self.held_bytes());
        if packet.network_len() >= room {
            return;
        }
        let mut bytes = alloc::vec![0; packet.network_len()];
        let present = packet.copy_network(&mut bytes);
        bytes.truncate(present);
        let Ok(copy) = Packet::from_network_bytes(pool, &bytes) else { return };
        let memory = copy.memory_bytes();
        if memory >= room || !budget.has_room(memory) {
            return copy.recycle(pool);
        }
        self.errors.push(copy, budget);
    }
}

impl Socket<'_> {
    /// Reads the next of the errors that a datagram socket keeps (`recvmsg` with `MSG_ERRQUEUE`), and as much as fits of what was sent, as far
    /// as the error has brought it back. The error that waits to be asked for is that of the next one then, of which the socket is told anew,
    /// or none (Linux v6.18: `net/core/skbuff.c`, `sock_dequeue_err_skb()`).
    ///
    /// # Errors
    /// [`SocketError::WouldBlock`] when there is none, as always of streams.
    pub fn receive_error(&mut self, to: &mut [u8]) -> Result<QueuedError, SocketError> {
        let engine = &mut *self.engine;
        let Some(Entry::Datagram(datagram)) = engine.sockets.entry_mut(self.index) else {
            return Err(SocketError::WouldBlock);
        };
        let packet = datagram.errors.next().ok_or(SocketError::WouldBlock)?;
        datagram.error =
            datagram.errors.first().and_then(|next| heard(next, datagram.kind)).map(|(next, _)| next.error);
        let has_more = !datagram.errors.is_empty();
        if has_more {
            datagram.woken |= Readiness::ERROR;
        }
        let read = heard(&packet, datagram.kind).map(|(mut error, payload)| {
            let copied = payload.len().min(to.len());
            to[..copied].copy_from_slice(&payload[..copied]);
            error.len = payload.len();
            error
        });
        packet.recycle(&mut engine.pool);
        if has_more {
            engine.sockets.note_ready(self.index);
        }
        read.ok_or(SocketError::WouldBlock)
    }
}
