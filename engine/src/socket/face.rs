//! The calls: a socket is borrowed from its engine for one or some of them.

use alloc::boxed::Box;
use core::{net::SocketAddr, time::Duration};

use super::{
    Family, Readiness, SocketError, SocketId, SocketOption,
    table::{Entry, Idle},
};
use crate::{
    engine::Engine,
    tcp::{
        FastOpenKeys, State, TcpInfo,
        congestion::BbrInfo,
        connection::Connection,
        settings::{Settings, time_of_answers},
    },
    time::Instant,
    wire::Protocol,
};

/// A socket, borrowed for calls at one time.
#[derive(Debug)]
pub struct Socket<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) now: Instant,
    pub(super) id: SocketId,
    pub(super) index: u32,
}

/// How bytes are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendFlags {
    /// More follows soon (`MSG_MORE`).
    pub more: bool,
    /// A record ends here: no segment goes beyond (`MSG_EOR`).
    pub end_of_record: bool,
    /// The last byte is urgent (`MSG_OOB`).
    pub urgent: bool,
    /// Whoever writes waits until the connection stands, and writes then: its handshake ends with those data.
    pub waits: bool,
}

/// What is set on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// Bytes of memory for what is not sent (`SO_SNDBUF`).
    pub send_buffer_bytes: u32,
    /// Bytes of memory for what is not read (`SO_RCVBUF`).
    pub receive_buffer_bytes: u32,
    /// `SO_RCVLOWAT`.
    pub receive_low: u32,
    /// `TCP_MAXSEG`: payload of a segment now.
    pub max_segment_bytes: u32,
    /// `TCP_NODELAY`.
    pub no_delay: bool,
    /// `TCP_CORK`.
    pub cork: bool,
    /// `SO_KEEPALIVE`.
    pub keepalive: bool,
    /// `SO_OOBINLINE`.
    pub urgent_inline: bool,
    /// `TCP_CONGESTION`.
    pub congestion: &'static str,
    /// `SO_MAX_PACING_RATE`, in bytes a second; all ones: no limit.
    pub max_pacing_rate: u64,
    /// `TCP_DEFER_ACCEPT`, rounded up.
    pub defer_accept: Duration,
    /// `TCP_RTO_MAX_MS`: no timeout is longer.
    pub timeout_max: Duration,
    /// `TCP_NOTSENT_LOWAT`, as far as it was set.
    pub not_sent_low: Option<u32>,
    /// `TCP_FASTOPEN`; that of a listener is none of its connections'.
    pub fast_open: u32,
    /// `TCP_FASTOPEN_CONNECT`.
    pub fast_open_connect: bool,
    /// `TCP_FASTOPEN_NO_COOKIE`.
    pub fast_open_no_cookie: bool,
    /// `TCP_FASTOPEN_KEY`, as far as it was set on this socket.
    pub fast_open_keys: Option<FastOpenKeys>,
}

impl Engine {
    /// Opens a stream socket.
    ///
    /// # Errors
    /// [`SocketError::TooMany`] when there are [`crate::limits::SOCKETS_MAX`] already.
    pub fn open_stream(&mut self, now: Instant, family: Family) -> Result<SocketId, SocketError> {
        self.note_time(now);
        let options = Settings::new(&self.around.sysctls);
        let idle = Entry::Idle(Box::new(Idle::new(family, None, options)));
        let index = self.sockets.insert(idle).ok_or(SocketError::TooMany)?;
        Ok(self.sockets.id(index))
    }

    /// Borrows a socket for calls at `now`.
    ///
    /// # Errors
    /// [`SocketError::NoSocket`] when it has been closed.
    pub fn socket(&mut self, now: Instant, id: SocketId) -> Result<Socket<'_>, SocketError> {
        let now = self.note_time(now);
        let index = self.sockets.index(id).ok_or(SocketError::NoSocket)?;
        Ok(Socket { engine: self, now, id, index })
    }

    /// The next socket that has become ready for something since its user was told last, and for what.
    pub fn poll_socket(&mut self) -> Option<(SocketId, Readiness)> {
        self.sockets.next_ready()
    }

    /// Sockets, handshakes and connections that are waited for.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }
}

impl Socket<'_> {
    /// Its handle.
    #[must_use]
    pub const fn id(&self) -> SocketId {
        self.id
    }

    /// What it can be used for now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        match self.entry() {
            Entry::Connection(connection) => connection.readiness(self.engine.sockets.memory.is_under_pressure()),
            Entry::Datagram(datagram) => datagram.readiness(),
            Entry::Listener(listener) if !listener.accepted.is_empty() => Readiness::READABLE,
            Entry::Idle(idle) => idle.readiness(),
            Entry::Listener(_) | Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => Readiness::default(),
        }
    }

    /// The state of a stream socket.
    #[must_use]
    pub fn state(&self) -> State {
        match self.entry() {
            Entry::Connection(connection) => connection.state,
            Entry::Listener(_) => State::Listen,
            Entry::Idle(_) | Entry::Free | Entry::Request(_) | Entry::TimeWait(_) | Entry::Datagram(_) => State::Closed,
        }
    }

    /// Its own address, as far as it has one.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        match self.entry() {
            Entry::Connection(connection) => Some(connection.ends.local),
            Entry::Listener(listener) => Some(listener.local),
            Entry::Idle(idle) => idle.local,
            Entry::Datagram(datagram) => {
                let local = datagram.local?;
                Some(datagram.source.map_or(local, |source| SocketAddr::new(source, local.port())))
            }
            Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => None,
        }
    }

    /// The other end's address of a stream's connection, also of one that has ended: `accept` tells it.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        match self.entry() {
            Entry::Connection(connection) => Some(connection.peer()),
            Entry::Listener(_)
            | Entry::Idle(_)
            | Entry::Datagram(_)
            | Entry::Free
            | Entry::Request(_)
            | Entry::TimeWait(_) => None,
        }
    }

    /// The other end's address.
    ///
    /// # Errors
    /// [`SocketError::NotConnected`].
    pub fn peer(&self) -> Result<SocketAddr, SocketError> {
        match self.entry() {
            Entry::Connection(connection) if connection.state != State::Closed => Ok(connection.peer()),
            Entry::Datagram(datagram) => datagram.remote.ok_or(SocketError::NotConnected),
            Entry::Connection(_)
            | Entry::Listener(_)
            | Entry::Idle(_)
            | Entry::Free
            | Entry::Request(_)
            | Entry::TimeWait(_) => Err(SocketError::NotConnected),
        }
    }

    /// `TCP_INFO`; all zero but the state of what is no connection.
    ///
    /// # Errors
    /// [`SocketError::NotConnected`].
    pub fn info(&mut self) -> Result<TcpInfo, SocketError> {
        let now = self.now;
        self.with_connection(|connection, _| connection.info(now))
    }

    /// `TCP_CC_INFO` of BBR; `None` when it has another algorithm.
    ///
    /// # Errors
    /// [`SocketError::NotConnected`].
    pub fn model_info(&mut self) -> Result<Option<BbrInfo>, SocketError> {
        self.with_connection(|connection, _| connection.model_info())
    }

    /// The error that waits to be asked for (`SO_ERROR`); it is asked for once.
    pub fn take_error(&mut self) -> Option<SocketError> {
        match self.engine.sockets.entry_mut(self.index) {
            Some(Entry::Connection(connection)) => connection.error.take().or_else(|| connection.soft_error.take()),
            Some(Entry::Datagram(datagram)) => datagram.error.take(),
            Some(Entry::Idle(idle)) => idle.take_error(),
            Some(Entry::Listener(_) | Entry::Free | Entry::Request(_) | Entry::TimeWait(_)) | None => None,
        }
    }

    /// What is set on it.
    #[must_use]
    pub fn settings(&self) -> SocketSettings {
        let (settings, mss) = match self.entry() {
            Entry::Connection(connection) => (Some(connection.settings), connection.segment_bytes()),
            Entry::Listener(listener) => (Some(listener.settings), wanted_segment_bytes(&listener.settings)),
            Entry::Idle(idle) => (Some(idle.options), wanted_segment_bytes(&idle.options)),
            Entry::Datagram(datagram) => (Some(datagram.options), DEFAULT_SEGMENT_BYTES),
            Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => (None, DEFAULT_SEGMENT_BYTES),
        };
        let settings = settings.unwrap_or_else(|| Settings::new(&self.engine.around.sysctls));
        SocketSettings {
            send_buffer_bytes: settings.send_buffer.0,
            receive_buffer_bytes: settings.receive_buffer.0,
            receive_low: settings.receive_low,
            max_segment_bytes: mss,
            no_delay: settings.no_delay,
            cork: settings.cork,
            keepalive: settings.keepalive,
            urgent_inline: settings.urgent_inline,
            congestion: settings.algorithm.0,
            max_pacing_rate: settings.pacing_rate_max.0,
            defer_accept: time_of_answers(settings.deferred_answers),
            timeout_max: settings.timeout_max,
            not_sent_low: settings.not_sent_low,
            fast_open: settings.fast_open.queue,
            fast_open_connect: settings.fast_open.defers_connect,
            fast_open_no_cookie: settings.fast_open.needs_no_cookie,
            fast_open_keys: settings.fast_open.keys,
        }
    }

    /// Sets an option.
    ///
    /// # Errors
    /// [`SocketError::Invalid`] when its value lies outside its range, [`SocketError::NoEntry`] when there is no algorithm of
    /// that name, [`SocketError::NotPermitted`] when it is not allowed to sockets.
    pub fn set(&mut self, option: &SocketOption) -> Result<(), SocketError> {
        let (sockets, sysctls) = (&mut self.engine.sockets, &self.engine.around.sysctls);
        match sockets.entry_mut(self.index) {
            Some(Entry::Idle(idle)) => idle.options.set_of_stream(option, sysctls),
            // It will never connect.
            Some(Entry::Listener(_)) if matches!(option, SocketOption::FastOpenConnect(_)) && sysctls.opens_fast() => {
                Err(SocketError::Invalid)
            }
            Some(Entry::Listener(listener)) => listener.settings.set_of_stream(option, sysctls),
            Some(Entry::Datagram(_)) if option.is_of_streams() => Err(SocketError::NoOption),
            Some(Entry::Datagram(datagram)) => {
                if matches!(option, SocketOption::ReceiveErrors(false)) {
                    datagram.forget_errors(&mut self.engine.pool);
                }
                datagram.options.set(option, sysctls)
            }
            Some(Entry::Connection(_)) => {
                self.with_connection(|connection, work| connection.set_option(work, option))?
            }
            Some(Entry::Free | Entry::Request(_) | Entry::TimeWait(_)) | None => Err(SocketError::NoSocket),
        }
    }

    /// Sends bytes: as many as there is room for; tells how many.
    ///
    /// # Errors
    /// [`SocketError::WouldBlock`] when there is no room at all, or the connection does not stand yet; [`SocketError::BrokenPipe`] when
    /// nothing more can be sent; the error of a connection that has ended.
    pub fn send(&mut self, bytes: &[u8]) -> Result<usize, SocketError> {
        self.send_with(bytes, SendFlags::default())
    }

    /// The same, with flags.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_with(&mut self, bytes: &[u8], flags: SendFlags) -> Result<usize, SocketError> {
        if self.datagram().is_some() {
            if flags.urgent {
                return Err(SocketError::NotSupported);
            }
            return self.send_connected(bytes);
        }
        if self.is_deferred() {
            return self.send_deferred(bytes, flags);
        }
        self.left_error()?;
        self.with_connection(|connection, work| connection.write(work, bytes, flags))
            .unwrap_or(Err(SocketError::BrokenPipe))
    }

    /// Reads bytes: as many as have come and fit; 0 when nothing more will come.
    ///
    /// # Errors
    /// [`SocketError::WouldBlock`] when nothing has come; [`SocketError::NotConnected`]; the error of a connection that has ended.
    pub fn receive(&mut self, to: &mut [u8]) -> Result<usize, SocketError> {
        if self.datagram().is_some() {
            let most = to.len();
            return self.receive_from(to).map(|received| received.len.min(most));
        }
        self.left_error()?;
        self.with_connection(|connection, work| connection.read(work, to, false))?
    }

    /// The same, but the bytes stay unread (`MSG_PEEK`).
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn peek(&mut self, to: &mut [u8]) -> Result<usize, SocketError> {
        if self.datagram().is_some() {
            return self.peek_datagram(to);
        }
        self.left_error()?;
        self.with_connection(|connection, work| connection.read(work, to, true))?
    }

    /// Bytes that have come and are not read, up to an urgent one (`SIOCINQ`).
    #[must_use]
    pub fn unread(&self) -> usize {
        match self.entry() {
            Entry::Connection(connection) => connection.readable(),
            Entry::Datagram(_) => self.next_datagram_bytes(),
            Entry::Idle(_) | Entry::Listener(_) | Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => 0,
        }
    }

    /// Bytes that were written and are not acknowledged (`SIOCOUTQ`).
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        match self.entry() {
            Entry::Connection(connection) => connection.unacknowledged(),
            Entry::Idle(_)
            | Entry::Listener(_)
            | Entry::Free
            | Entry::Request(_)
            | Entry::TimeWait(_)
            | Entry::Datagram(_) => 0,
        }
    }

    /// Ends one direction of a connection, or both. What comes afterwards is not read; what was written is still sent. A
    /// listener takes no connections any more, and a connection that does not stand yet is given up as by [`Self::disconnect`].
    ///
    /// # Errors
    /// [`SocketError::NotConnected`].
    pub fn shut(&mut self, reading: bool, writing: bool) -> Result<(), SocketError> {
        if let Entry::Listener(_) = self.entry()
            && reading
        {
            return self.stop_listening();
        }
        if self.datagram().is_some() {
            return self.shut_datagram(reading, writing);
        }
        if self.state() == State::SynSent {
            return self.disconnect();
        }
        self.with_connection(|connection, work| {
            if connection.state == State::Closed {
                return Err(SocketError::NotConnected);
            }
            if writing {
                connection.shut_sending(work);
            }
            if reading {
                connection.shut_reading();
            }
            Ok(())
        })?
    }

    pub(super) fn stop_listening(&mut self) -> Result<(), SocketError> {
        let (index, now) = (self.index, self.now);
        let Entry::Listener(listener) = self.engine.sockets.replace(index, Entry::Free) else {
            return Err(SocketError::NotConnected);
        };
        let family = if listener.local.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
        let idle = Idle::new(family, Some(listener.local), listener.settings);
        self.engine.sockets.replace(index, Entry::Idle(Box::new(idle)));
        self.engine.abandon(now, &listener);
        self.engine.end_call(now);
        Ok(())
    }

    /// Gives the socket up. A connection is ended in order: what was written is sent, and the other end's FIN waited for; with bytes
    /// that nobody has read, or `SO_LINGER` of zero, it is reset. Its handle finds nothing any more.
    pub fn close(self) {
        let (engine, now, index) = (self.engine, self.now, self.index);
        match engine.sockets.replace(index, Entry::Free) {
            Entry::Connection(mut connection) => {
                connection.close(&mut engine.work(now));
                engine.put_back(now, index, connection);
            }
            Entry::Listener(listener) => {
                engine.sockets.unbind(Protocol::TCP, listener.local.port(), index);
                engine.sockets.remove(index);
                engine.abandon(now, &listener);
            }
            Entry::Idle(idle) => {
                if let Some(local) = idle.local {
                    engine.sockets.unbind(Protocol::TCP, local.port(), index);
                }
                engine.sockets.remove(index);
            }
            Entry::Datagram(mut datagram) => {
                if let Some((protocol, port)) = datagram.place() {
                    engine.sockets.unbind(protocol, port, index);
                }
                datagram.release(&mut engine.pool);
                engine.sockets.remove(index);
            }
            Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => {}
        }
        engine.end_call(now);
    }

    pub(super) fn entry(&self) -> &Entry {
        self.engine.sockets.entry(self.index)
    }

    pub(super) fn with_connection<R>(
        &mut self,
        call: impl FnOnce(&mut Connection, &mut crate::tcp::work::Work<'_>) -> R,
    ) -> Result<R, SocketError> {
        let (engine, now) = (&mut *self.engine, self.now);
        if !matches!(engine.sockets.entry(self.index), Entry::Connection(_)) {
            return Err(SocketError::NotConnected);
        }
        let Entry::Connection(mut connection) = engine.sockets.replace(self.index, Entry::Free) else {
            return Err(SocketError::NotConnected);
        };
        let result = call(&mut connection, &mut engine.work(now));
        engine.put_back(now, self.index, connection);
        engine.end_call(now);
        Ok(result)
    }
}

/// `TCP_MAXSEG` of what is no connection: what was set, if something was (Linux v6.18: `net/ipv4/tcp.c`,
/// `do_tcp_getsockopt()`).
fn wanted_segment_bytes(options: &super::options::Options) -> u32 {
    options.mss_max.map_or(DEFAULT_SEGMENT_BYTES, u32::from)
}

/// `TCP_MAXSEG` of what is no connection, when nothing was set.
const DEFAULT_SEGMENT_BYTES: u32 = 536;
