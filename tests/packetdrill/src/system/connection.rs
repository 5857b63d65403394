//! Calls that open, connect and close sockets.

use std::net::{IpAddr, SocketAddr};

use towpath_engine::{
    socket::{Family, SocketError, SocketOption},
    tcp::State,
};

use super::{
    Errno, Host, Outcome, Process, Progress, Returned, Unknown,
    process::{File, Mode, OpenSocket, done, settled},
};

impl Process {
    /// `socket`, with the number that its descriptor is to have.
    ///
    /// # Errors
    /// Sockets that are no streams.
    pub fn socket(&mut self, host: &mut Host, descriptor: i32, domain: i32, kind: i32) -> Outcome {
        const STREAM: i32 = 1;
        if kind & 0xf != STREAM {
            return Err(Unknown("sockets that are no streams are not known".to_owned()));
        }
        let family = match domain {
            AF_INET => Family::Ipv4,
            AF_INET6 => Family::Ipv6,
            _ => return Ok(Returned::Error(SocketError::WrongFamily.into())),
        };
        let id = match host.engine.open_stream(host.now, family) {
            Ok(id) => id,
            Err(error) => return Ok(Returned::Error(error.into())),
        };
        if let (true, Ok(mut socket)) = (self.paces, host.engine.socket(host.now, id)) {
            // A limit that limits nothing: the rate is the connection's own.
            let set = socket.set(&SocketOption::MaxPacingRate(u64::MAX - 1));
            set.map_err(|error| Unknown(error.to_string()))?;
        }
        let mode = if kind & NONBLOCK != 0 { Mode::Not } else { Mode::Waits };
        self.files.insert(
            descriptor,
            File::Socket(OpenSocket { id, family, mode, is_connecting: false, is_connected: false }),
        );
        Ok(Returned::Value(descriptor.into()))
    }

    /// `bind`.
    ///
    /// # Errors
    /// None.
    pub fn bind(&mut self, host: &mut Host, descriptor: i32, local: SocketAddr) -> Outcome {
        settled(self.borrow(host, descriptor).map(|(mut socket, _)| done(socket.bind(local))))
    }

    /// `listen`; a backlog below zero is as large as can be.
    ///
    /// # Errors
    /// None.
    pub fn listen(&mut self, host: &mut Host, descriptor: i32, backlog: i32) -> Outcome {
        let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
        settled(self.borrow(host, descriptor).map(|(mut socket, _)| done(socket.listen(backlog))))
    }

    /// `accept`, with the number that the descriptor of the connection is to have.
    ///
    /// # Errors
    /// None.
    pub fn accept(&mut self, host: &mut Host, descriptor: i32, accepted: i32) -> Outcome {
        let (mut socket, open) = match self.borrow(host, descriptor) {
            Ok(found) => found,
            Err(errno) => return Ok(Returned::Error(errno)),
        };
        Ok(match socket.accept() {
            Ok(id) => {
                let open =
                    OpenSocket { id, family: open.family, mode: Mode::Waits, is_connecting: false, is_connected: true };
                self.files.insert(accepted, File::Socket(open));
                Returned::Value(accepted.into())
            }
            Err(SocketError::WouldBlock) if open.mode == Mode::Waits => Returned::Waits,
            Err(error) => Returned::Error(error.into()),
        })
    }

    /// The address of the other end, as sockets of its family have it: one of IPv4 is mapped into IPv6 there. A connection that has ended
    /// has one still.
    ///
    /// # Errors
    /// The descriptor is that of no connection.
    pub fn peer(&self, host: &mut Host, descriptor: i32) -> Result<SocketAddr, Errno> {
        let (socket, open) = self.borrow(host, descriptor)?;
        let peer = socket.remote().ok_or(SocketError::NotConnected)?;
        Ok(match (open.family, peer.ip()) {
            (Family::Ipv6, IpAddr::V4(v4)) => SocketAddr::new(v4.to_ipv6_mapped().into(), peer.port()),
            (Family::Ipv4 | Family::Ipv6, _) => peer,
        })
    }

    /// `connect`.
    ///
    /// # Errors
    /// None.
    pub fn connect(
        &mut self,
        host: &mut Host,
        descriptor: i32,
        remote: SocketAddr,
        progress: &mut Progress,
    ) -> Outcome {
        let (mut socket, open) = match self.borrow(host, descriptor) {
            Ok(found) => found,
            Err(errno) => return Ok(Returned::Error(errno)),
        };
        if open.is_connected {
            return Ok(Returned::Error(SocketError::IsConnected.into()));
        }
        if progress.done == 0 && !open.is_connecting {
            if let Err(error) = socket.connect(remote) {
                return Ok(Returned::Error(error.into()));
            }
            if socket.is_deferred() {
                return Ok(Returned::Value(0));
            }
            progress.done = 1;
            self.set_connecting(descriptor, true);
            let begun = Returned::Error(SocketError::InProgress.into());
            return Ok(if open.mode == Mode::Waits { Returned::Waits } else { begun });
        }
        let is_first = progress.done > 0;
        progress.done = 1;
        let returned = match socket.state() {
            State::SynSent | State::SynReceived if open.mode == Mode::Waits || is_first => return Ok(Returned::Waits),
            State::SynSent | State::SynReceived => return Ok(Returned::Error(SocketError::Already.into())),
            // Why it has failed, and the socket may be connected again.
            State::Closed => done(socket.connect(remote)),
            State::Listen
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => Returned::Value(0),
        };
        // What it has come to is told once (Linux v6.18: `net/ipv4/af_inet.c`, `__inet_stream_connect()`).
        self.set_connecting(descriptor, false);
        self.set_connected(descriptor, returned == Returned::Value(0));
        Ok(returned)
    }

    /// `connect` to an address of `AF_UNSPEC`.
    ///
    /// # Errors
    /// None.
    pub fn disconnect(&mut self, host: &mut Host, descriptor: i32) -> Outcome {
        let returned = self.borrow(host, descriptor).map(|(mut socket, _)| done(socket.disconnect()));
        self.set_connecting(descriptor, false);
        self.set_connected(descriptor, false);
        settled(returned)
    }

    fn set_connected(&mut self, descriptor: i32, is_connected: bool) {
        if let Some(open) = self.open_mut(descriptor) {
            open.is_connected = is_connected;
        }
    }

    pub(super) fn set_connecting(&mut self, descriptor: i32, is_connecting: bool) {
        if let Some(open) = self.open_mut(descriptor) {
            open.is_connecting = is_connecting;
        }
    }

    /// `shutdown`.
    ///
    /// # Errors
    /// None.
    pub fn shutdown(&mut self, host: &mut Host, descriptor: i32, how: i32) -> Outcome {
        let (reading, writing) = match how {
            0 => (true, false),
            1 => (false, true),
            2 => (true, true),
            _ => return Ok(Returned::Error(Errno::INVALID)),
        };
        let shut = self.borrow(host, descriptor).map(|(mut socket, _)| {
            let is_given_up = socket.state() == State::SynSent;
            (done(socket.shut(reading, writing)), is_given_up)
        });
        if let Ok((_, true)) = shut {
            self.set_connecting(descriptor, false);
        }
        settled(shut.map(|(returned, _)| returned))
    }

    /// `close`.
    ///
    /// # Errors
    /// None.
    pub fn close(&mut self, host: &mut Host, descriptor: i32) -> Outcome {
        match self.files.remove(&descriptor) {
            Some(File::Socket(open)) => match host.engine.socket(host.now, open.id) {
                Ok(socket) => socket.close(),
                Err(error) => return Ok(Returned::Error(error.into())),
            },
            Some(File::Epoll(_)) => {}
            None => return Ok(Returned::Error(Errno::BAD_DESCRIPTOR)),
        }
        for file in self.files.values_mut() {
            if let File::Epoll(watches) = file {
                watches.remove(&descriptor);
            }
        }
        Ok(Returned::Value(0))
    }
}

/// The domain of IPv4.
pub const AF_INET: i32 = 2;
/// The domain of IPv6.
pub const AF_INET6: i32 = 10;
const NONBLOCK: i32 = 0x800;
