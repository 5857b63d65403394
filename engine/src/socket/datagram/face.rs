//! The calls of datagram sockets.

use alloc::boxed::Box;
use core::net::SocketAddr;

use super::{Datagram, DatagramKind, RAW, deliver::payload_of, send::of_this_host};
use crate::{
    engine::Engine,
    packet::Packet,
    socket::{Family, Readiness, Socket, SocketError, SocketId, begin::unspecified, options::Options, table::Entry},
    time::Instant,
};

/// What a datagram socket has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of the datagram; more than were read when there was no room for all, which are lost then.
    pub len: usize,
    /// Who has sent it. Of what has no ports, the port is 0.
    pub from: SocketAddr,
}

impl Engine {
    /// Opens a datagram socket.
    ///
    /// # Errors
    /// [`SocketError::TooMany`] when there are [`crate::limits::SOCKETS_MAX`] already.
    pub fn open_datagram(&mut self, now: Instant, family: Family, kind: DatagramKind) -> Result<SocketId, SocketError> {
        self.note_time(now);
        let mut datagram = Datagram::new(family, kind, Options::of_datagrams(&self.around.sysctls));
        if let DatagramKind::Raw(protocol) = kind {
            // It receives from the beginning.
            datagram.local = Some(SocketAddr::new(unspecified(family), 0));
            let index = self.sockets.insert(Entry::Datagram(Box::new(datagram))).ok_or(SocketError::TooMany)?;
            self.sockets.bind(RAW, protocol.0.into(), index);
            return Ok(self.sockets.id(index));
        }
        let index = self.sockets.insert(Entry::Datagram(Box::new(datagram))).ok_or(SocketError::TooMany)?;
        Ok(self.sockets.id(index))
    }
}

impl Socket<'_> {
    /// Sends a datagram to somebody; over a stream that is refused. A socket that has no port is given one.
    ///
    /// # Errors
    /// [`SocketError::MessageTooLong`], [`SocketError::NetworkUnreachable`], [`SocketError::WrongFamily`],
    /// [`SocketError::NotAllowed`] for a broadcast without `SO_BROADCAST`, [`SocketError::Invalid`] for port 0, or what is no echo
    /// request; an error that waits.
    pub fn send_to(&mut self, bytes: &[u8], to: SocketAddr) -> Result<usize, SocketError> {
        let Some(datagram) = self.datagram() else { return Err(SocketError::IsConnected) };
        let (kind, family, only_v6) = (datagram.kind, datagram.family, datagram.options.only_v6);
        if datagram.is_send_shut {
            return Err(SocketError::BrokenPipe);
        }
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        let to = self.of_family(family, to)?;
        if to.is_ipv4() && only_v6 {
            return Err(SocketError::NetworkUnreachable);
        }
        if kind == DatagramKind::Udp && to.port() == 0 {
            return Err(SocketError::Invalid);
        }
        self.have_port()?;
        let (now, index) = (self.now, self.index);
        self.engine.send_datagram(now, index, bytes, to)?;
        self.engine.end_call(now);
        Ok(bytes.len())
    }

    /// Reads the next datagram, as far as it fits.
    ///
    /// # Errors
    /// [`SocketError::WouldBlock`] when none has come; an error that waits; [`SocketError::NotSupported`] of what is no datagram
    /// socket.
    pub fn receive_from(&mut self, to: &mut [u8]) -> Result<Received, SocketError> {
        if let Some(error) = self.datagram().ok_or(SocketError::NotSupported)?.error {
            self.take_error();
            return Err(error);
        }
        let engine = &mut *self.engine;
        let Some(Entry::Datagram(datagram)) = engine.sockets.entry_mut(self.index) else {
            return Err(SocketError::NotSupported);
        };
        let Some(packet) = datagram.queue.next() else {
            let is_over = datagram.is_receive_shut;
            let nobody = SocketAddr::new(unspecified(datagram.family), 0);
            return if is_over { Ok(Received { len: 0, from: nobody }) } else { Err(SocketError::WouldBlock) };
        };
        let (bytes, from) = (message_of(datagram.kind, &packet), sender_of(&packet));
        packet.recycle(&mut engine.pool);
        let copied = bytes.len().min(to.len());
        to[..copied].copy_from_slice(&bytes[..copied]);
        let from = from.unwrap_or_else(|| SocketAddr::new(unspecified(Family::Ipv4), 0));
        Ok(Received { len: bytes.len(), from })
    }

    pub(in crate::socket) fn datagram(&self) -> Option<&Datagram> {
        self.entry().datagram()
    }

    fn datagram_mut(&mut self) -> Result<&mut Datagram, SocketError> {
        let entry = self.engine.sockets.entry_mut(self.index);
        entry.and_then(Entry::datagram_mut).ok_or(SocketError::NotSupported)
    }

    /// Binds a datagram socket to an address that is this host's own.
    pub(in crate::socket) fn bind_datagram(&mut self, mut local: SocketAddr) -> Result<(), SocketError> {
        let Some(datagram) = self.datagram() else { return Err(SocketError::NotSupported) };
        let (kind, family, options) = (datagram.kind, datagram.family, datagram.options);
        if let DatagramKind::Raw(_) = kind {
            self.datagram_mut()?.local = Some(SocketAddr::new(local.ip(), 0));
            return Ok(());
        }
        if datagram.local.is_some() {
            return Err(SocketError::Invalid);
        }
        let Some((protocol, _)) = Datagram::place_of(kind, family, 0) else { return Err(SocketError::Invalid) };
        let sockets = &mut self.engine.sockets;
        if local.port() == 0 {
            let port = sockets.free_port(protocol, local.ip(), &options, &self.engine.around.sysctls);
            local.set_port(port.ok_or(SocketError::AddressInUse)?);
        } else if !sockets.may_bind(protocol, local, &options) {
            return Err(SocketError::AddressInUse);
        }
        sockets.bind(protocol, local.port(), self.index);
        self.datagram_mut()?.local = Some(local);
        Ok(())
    }

    /// Gives it a port if it has none.
    fn have_port(&mut self) -> Result<(), SocketError> {
        match self.datagram() {
            Some(datagram) if datagram.local.is_none() => {
                let any = SocketAddr::new(unspecified(datagram.family), 0);
                self.bind_datagram(any)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Connects a datagram socket: from then on it sends to `remote`, and receives from nobody else.
    pub(in crate::socket) fn connect_datagram(&mut self, remote: SocketAddr) -> Result<(), SocketError> {
        let Some(datagram) = self.datagram() else { return Err(SocketError::NotSupported) };
        let may_broadcast = datagram.options.broadcast;
        let remote = of_this_host(self.of_family(datagram.family, remote)?);
        if self.engine.devices.is_broadcast(remote.ip()) && !may_broadcast {
            return Err(SocketError::NotAllowed);
        }
        self.have_port()?;
        let engine = &*self.engine;
        let Entry::Datagram(datagram) = engine.sockets.entry(self.index) else { return Err(SocketError::NotSupported) };
        // Another connection may have left an address behind that does not lead there.
        let unconnected = datagram.local.filter(|local| local.ip().is_unspecified()).is_some();
        let source = if unconnected {
            crate::settle::own_address(&engine.routes, &engine.devices, remote.ip(), None)
                .ok_or(SocketError::NetworkUnreachable)
                .map(Some)?
        } else {
            engine.source_of(datagram, remote.ip()).map(|_| None)?
        };
        let datagram = self.datagram_mut()?;
        (datagram.source, datagram.remote, datagram.error) = (source, Some(remote), None);
        Ok(())
    }

    /// Dissolves its connection.
    pub(in crate::socket) fn disconnect_datagram(&mut self) -> Result<(), SocketError> {
        let datagram = self.datagram_mut()?;
        (datagram.source, datagram.remote, datagram.error) = (None, None, None);
        Ok(())
    }

    /// Sends to whom a datagram socket is connected.
    pub(in crate::socket) fn send_connected(&mut self, bytes: &[u8]) -> Result<usize, SocketError> {
        let remote = self.datagram().and_then(|datagram| datagram.remote);
        self.send_to(bytes, remote.ok_or(SocketError::NoDestination)?)
    }

    /// Looks at the next datagram, which stays unread.
    pub(in crate::socket) fn peek_datagram(&mut self, to: &mut [u8]) -> Result<usize, SocketError> {
        let datagram = self.datagram_mut()?;
        if let Some(error) = datagram.error.take() {
            return Err(error);
        }
        let Some(packet) = datagram.queue.first() else { return Err(SocketError::WouldBlock) };
        let bytes = message_of(datagram.kind, packet);
        let copied = bytes.len().min(to.len());
        to[..copied].copy_from_slice(&bytes[..copied]);
        Ok(copied)
    }

    /// Bytes of the next datagram (`SIOCINQ`).
    pub(in crate::socket) fn next_datagram_bytes(&self) -> usize {
        let next = self.datagram().and_then(|datagram| datagram.queue.first().map(|first| (datagram.kind, first)));
        next.map_or(0, |(kind, packet)| message_of(kind, packet).len())
    }

    pub(in crate::socket) fn shut_datagram(&mut self, reading: bool, writing: bool) -> Result<(), SocketError> {
        let datagram = self.datagram_mut()?;
        datagram.is_receive_shut |= reading;
        datagram.is_send_shut |= writing;
        datagram.woken |= Readiness::READABLE;
        let is_connected = datagram.remote.is_some();
        let index = self.index;
        self.engine.sockets.note_ready(index);
        if is_connected { Ok(()) } else { Err(SocketError::NotConnected) }
    }
}

/// What a socket of a kind reads of a packet.
fn message_of(kind: DatagramKind, packet: &Packet) -> alloc::vec::Vec<u8> {
    if kind == DatagramKind::Udp {
        return payload_of(packet);
    }
    let mut bytes = alloc::vec![0; packet.network_len()];
    let present = packet.copy_network(&mut bytes);
    bytes.truncate(present);
    // Linux gives raw sockets of IPv4 the header too, and those of IPv6 not.
    let keeps_header = matches!(kind, DatagramKind::Raw(_)) && packet.ipv4().is_some();
    if keeps_header { bytes } else { bytes.split_off(packet.network_header_len().min(bytes.len())) }
}

fn sender_of(packet: &Packet) -> Option<SocketAddr> {
    Some(SocketAddr::new(packet.ip()?.source(), packet.udp().map_or(0, |udp| udp.source_port.get())))
}
