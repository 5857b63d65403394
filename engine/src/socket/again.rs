//! Stream sockets that are used again: what a connection leaves behind when it is given up, or has failed, and the next one begins with.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};

use super::{
    Family, Readiness, Socket, SocketError,
    options::Options,
    table::{Entry, Idle},
};
use crate::{tcp::connection::Connection, wire::SeqNum};

/// What a stream socket was before it was connected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(super) family: Family,
    /// The address that it was bound to.
    pub(super) bound: Option<SocketAddr>,
    /// The connection was begun here, not accepted.
    pub(super) is_begun: bool,
}

/// What is left on a socket of a connection that it had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remains {
    /// The error that waits to be asked for.
    pub(super) error: Option<SocketError>,
    peer: IpAddr,
    had_timestamps: bool,
    /// Behind all sequence numbers that may be known of.
    next: SeqNum,
}

impl Idle {
    /// A stream socket that has done nothing yet.
    pub(super) const fn new(family: Family, local: Option<SocketAddr>, options: Options) -> Self {
        Self { family, local, options, remains: None }
    }

    /// One whose connection is given up.
    fn after(connection: &Connection) -> Self {
        let peer = connection.peer();
        let origin = connection.origin.unwrap_or_else(|| Origin::accepted(connection.ends.local));
        let (had_timestamps, next) = (connection.has_timestamps(), connection.next_initial());
        let remains = Remains { error: connection.error, peer: peer.ip(), had_timestamps, next };
        Self { remains: Some(remains), ..Self::new(origin.family, origin.bound, connection.settings) }
    }

    /// What it can be used for.
    pub(super) fn readiness(&self) -> Readiness {
        let has_error = self.remains.is_some_and(|left| left.error.is_some());
        Readiness::WRITABLE | Readiness::HUNG_UP | if has_error { Readiness::ERROR } else { Readiness::default() }
    }

    /// The error that is left of an earlier connection, once.
    pub(super) fn take_error(&mut self) -> Option<SocketError> {
        self.remains.as_mut()?.error.take()
    }

    /// The first sequence number towards a host, if it follows from an earlier connection. It does not where another host's timestamps
    /// are known (Linux v6.18: `net/ipv4/tcp_ipv4.c`, `tcp_v4_connect()`).
    pub(super) fn initial_towards(&self, remote: IpAddr) -> Option<SeqNum> {
        self.remains.filter(|left| !left.had_timestamps || left.peer == remote).map(|left| left.next)
    }
}

impl Socket<'_> {
    /// Gives up what a socket is connected to (`connect` to an address of `AF_UNSPEC`): it may be connected again, and keeps its options
    /// and the address that it was bound to. A stream's connection is reset if the other end knows of it, and what has come and was not
    /// read is gone; a listener listens no longer (Linux v6.18: `net/ipv4/tcp.c`, `tcp_disconnect()`).
    ///
    /// # Errors
    /// [`SocketError::NoSocket`] when there is none any more; each that there is can do it, connected or not.
    pub fn disconnect(&mut self) -> Result<(), SocketError> {
        match self.entry() {
            Entry::Connection(_) => {
                self.forget_connection();
                Ok(())
            }
            Entry::Listener(_) => self.stop_listening(),
            Entry::Idle(_) => Ok(()),
            Entry::Datagram(_) => self.disconnect_datagram(),
            Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => Err(SocketError::NoSocket),
        }
    }

    /// What becomes of a `connect` on a socket whose connection has ended: one that was begun here tells why, once, and may be tried again
    /// (Linux v6.18: `net/ipv4/af_inet.c`, `__inet_stream_connect()`).
    pub(super) fn fails_to_connect(&mut self) -> SocketError {
        let Some(Entry::Connection(connection)) = self.engine.sockets.entry_mut(self.index) else {
            return SocketError::Invalid;
        };
        if !connection.origin.is_some_and(|origin| origin.is_begun) {
            return SocketError::IsConnected;
        }
        let error = connection.error.take().unwrap_or(SocketError::ConnectionAborted);
        self.forget_connection();
        error
    }

    fn forget_connection(&mut self) {
        let (engine, now, index) = (&mut *self.engine, self.now, self.index);
        let Entry::Connection(mut connection) = engine.sockets.replace(index, Entry::Free) else { return };
        connection.disconnect(&mut engine.work(now));
        engine.put_back(now, index, connection);
        if let Entry::Connection(mut connection) = engine.sockets.replace(index, Entry::Free) {
            engine.sockets.memory.leave(now, &engine.around.sysctls, &mut connection);
            engine.sockets.arm(now, index, None);
            let idle = Idle::after(&connection);
            connection.release(&mut engine.pool);
            engine.sockets.replace(index, Entry::Idle(Box::new(idle)));
        }
        engine.end_call(now);
    }

    /// Tells the error that is left of an earlier connection, once.
    pub(super) fn left_error(&mut self) -> Result<(), SocketError> {
        match self.engine.sockets.entry_mut(self.index) {
            Some(Entry::Idle(idle)) => idle.take_error().map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }
}

impl Origin {
    /// Of a socket whose connection was accepted: it was bound to nothing of its own.
    pub(super) const fn accepted(listener: SocketAddr) -> Self {
        let family = if listener.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
        Self { family, bound: None, is_begun: false }
    }
}
