//! Calls that send and receive.

use std::net::SocketAddr;

use towpath_engine::socket::{Readiness, SendFlags, Socket, SocketError};

use super::{
    Errno, Host, Outcome, Process, Progress, Returned, Unknown,
    process::{Beginning, Mode, OpenSocket, settled},
};

/// How something is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sending {
    /// `MSG_*`.
    pub flags: i32,
    /// To whom, of what begins a connection.
    pub to: Option<SocketAddr>,
}

impl Process {
    /// `write`, `send` and the like.
    ///
    /// # Errors
    /// A flag that is not known.
    pub fn send(
        &mut self,
        host: &mut Host,
        descriptor: i32,
        bytes: &[u8],
        how: Sending,
        progress: &mut Progress,
    ) -> Outcome {
        known(how.flags, URGENT | MORE | END_OF_RECORD | DONT_WAIT | NO_SIGNAL | FAST_OPEN)?;
        settled(self.try_to_send(host, descriptor, bytes, how, progress))
    }

    fn try_to_send(
        &mut self,
        host: &mut Host,
        descriptor: i32,
        bytes: &[u8],
        how: Sending,
        progress: &mut Progress,
    ) -> Result<Returned, Errno> {
        let with = how.on(self.open(descriptor)?);
        if let Some(returned) = self.open_fast(host, descriptor, bytes, (how, with), progress)? {
            return Ok(returned);
        }
        let is_sent = progress.beginning == Beginning::Stands && progress.done == bytes.len();
        if is_sent {
            return Ok(Returned::Value(progress.done as i64));
        }
        let (mut socket, _) = self.borrow(host, descriptor)?;
        // Linux wakes who waits to write when a third of the buffer is free, not for each byte (v6.18: `net/core/stream.c`,
        // `sk_stream_write_space()`).
        let awake = Readiness::WRITABLE | Readiness::ERROR | Readiness::HUNG_UP;
        if progress.done > 0 && (socket.readiness() & awake).is_empty() {
            return Ok(Returned::Waits);
        }
        match socket.send_with(bytes.get(progress.done..).unwrap_or_default(), with) {
            Ok(sent) => {
                progress.done += sent;
                let is_done = progress.done == bytes.len() || !with.waits;
                Ok(if is_done { Returned::Value(progress.done as i64) } else { Returned::Waits })
            }
            Err(SocketError::WouldBlock) if with.waits => Ok(Returned::Waits),
            // What went before is told first.
            Err(_) if progress.done > 0 => Ok(Returned::Value(progress.done as i64)),
            Err(error) => Err(error.into()),
        }
    }

    /// `read`, `recv` and the like. Who waits is given what there is at once, and goes on waiting until that are as many bytes as
    /// `SO_RCVLOWAT` says, nothing more will come, or an urgent byte is next (Linux v6.18: `net/ipv4/tcp.c`, `tcp_recvmsg_locked()`;
    /// `include/net/sock.h`, `sock_rcvlowat()`).
    ///
    /// # Errors
    /// A flag that is not known.
    pub fn receive(
        &mut self,
        host: &mut Host,
        descriptor: i32,
        to: &mut [u8],
        flags: i32,
        progress: &mut Progress,
    ) -> Outcome {
        known(flags, URGENT | PEEK | DONT_WAIT | NO_SIGNAL)?;
        let (mut socket, open) = match self.borrow(host, descriptor) {
            Ok(found) => found,
            Err(errno) => return Ok(Returned::Error(errno)),
        };
        if flags & URGENT != 0 {
            return Ok(urgent(&mut socket, to, flags));
        }
        let waits = waits(open, flags);
        let least = if waits { to.len().min(socket.settings().receive_low as usize) } else { 0 };
        Ok(if flags & PEEK != 0 {
            peek(&mut socket, to, least, waits)
        } else {
            take(&mut socket, to, least, waits, progress)
        })
    }

    /// Sending what a pointer that leads nowhere points to: `EFAULT`, once there is something that could be sent on. A SYN goes without
    /// data then.
    ///
    /// # Errors
    /// A flag that is not known.
    pub fn send_from_nowhere(
        &mut self,
        host: &mut Host,
        descriptor: i32,
        how: Sending,
        progress: &mut Progress,
    ) -> Outcome {
        known(how.flags, URGENT | MORE | END_OF_RECORD | DONT_WAIT | NO_SIGNAL | FAST_OPEN)?;
        settled(self.try_to_send_from_nowhere(host, descriptor, how, progress))
    }

    fn try_to_send_from_nowhere(
        &mut self,
        host: &mut Host,
        descriptor: i32,
        how: Sending,
        progress: &mut Progress,
    ) -> Result<Returned, Errno> {
        let with = how.on(self.open(descriptor)?);
        if let Some(returned) = self.open_fast(host, descriptor, &[], (how, with), progress)? {
            return Ok(returned);
        }
        match self.borrow(host, descriptor)?.0.send(&[]) {
            Ok(_) => Err(Errno::BAD_ADDRESS),
            Err(SocketError::WouldBlock) if with.waits => Ok(Returned::Waits),
            Err(error) => Err(error.into()),
        }
    }

    /// Reading to where a pointer that leads nowhere points: `EFAULT`, once something has come.
    ///
    /// # Errors
    /// None.
    pub fn receive_to_nowhere(&self, host: &mut Host, descriptor: i32, flags: i32) -> Outcome {
        let (mut socket, open) = match self.borrow(host, descriptor) {
            Ok(found) => found,
            Err(errno) => return Ok(Returned::Error(errno)),
        };
        Ok(match socket.peek(&mut [0]) {
            Ok(0) => Returned::Value(0),
            Ok(_) => Returned::Error(Errno::BAD_ADDRESS),
            Err(SocketError::WouldBlock) if waits(open, flags) => Returned::Waits,
            Err(error) => Returned::Error(error.into()),
        })
    }
}

impl Sending {
    /// What the engine is told of it.
    fn on(self, open: OpenSocket) -> SendFlags {
        SendFlags {
            urgent: self.flags & URGENT != 0,
            more: self.flags & MORE != 0,
            end_of_record: self.flags & END_OF_RECORD != 0,
            waits: waits(open, self.flags),
        }
    }
}

fn known(flags: i32, all: i32) -> Result<(), Unknown> {
    let other = flags & !all;
    if other == 0 { Ok(()) } else { Err(Unknown::new("the flag", format_args!("{other:#x}"))) }
}

/// Reads without taking: what was seen stays, so that all of it is there in the end.
fn peek(socket: &mut Socket<'_>, to: &mut [u8], least: usize, waits: bool) -> Returned {
    if least > 1 && socket.unread() < least && !is_over(socket) {
        return Returned::Waits;
    }
    match socket.peek(to) {
        Ok(seen) => Returned::Value(seen as i64),
        Err(SocketError::WouldBlock) if waits => Returned::Waits,
        Err(error) => Returned::Error(error.into()),
    }
}

/// Reads on behind what earlier attempts have read.
fn take(socket: &mut Socket<'_>, to: &mut [u8], least: usize, waits: bool, progress: &mut Progress) -> Returned {
    // An error is told to who asks next.
    if progress.done > 0 && (socket.is_at_mark() || socket.unread() == 0 && is_over(socket)) {
        return Returned::Value(progress.done as i64);
    }
    match socket.receive(to.get_mut(progress.done..).unwrap_or_default()) {
        Ok(read) => {
            progress.done += read;
            let is_done = read == 0 || progress.done >= least || socket.is_at_mark() || is_over(socket);
            if is_done { Returned::Value(progress.done as i64) } else { Returned::Waits }
        }
        Err(SocketError::WouldBlock) if waits => Returned::Waits,
        Err(error) => Returned::Error(error.into()),
    }
}

/// Whether nothing more will come.
fn is_over(socket: &Socket<'_>) -> bool {
    let over = Readiness::PEER_CLOSED | Readiness::ERROR | Readiness::HUNG_UP;
    !(socket.readiness() & over).is_empty()
}

/// Reads the urgent byte. Who gives no room for it has read it all the same.
fn urgent(socket: &mut Socket<'_>, to: &mut [u8], flags: i32) -> Returned {
    let read = if flags & PEEK != 0 { socket.peek_urgent() } else { socket.receive_urgent() };
    match (read, to.first_mut()) {
        (Ok(Some(byte)), Some(to)) => {
            *to = byte;
            Returned::Value(1)
        }
        (Ok(_), _) => Returned::Value(0),
        (Err(error), _) => Returned::Error(error.into()),
    }
}

fn waits(open: OpenSocket, flags: i32) -> bool {
    open.mode == Mode::Waits && flags & DONT_WAIT == 0
}

const URGENT: i32 = 0x1;
const PEEK: i32 = 0x2;
const DONT_WAIT: i32 = 0x40;
const END_OF_RECORD: i32 = 0x80;
const NO_SIGNAL: i32 = 0x4000;
const MORE: i32 = 0x8000;
/// `MSG_FASTOPEN`: the data are to go with the SYN.
pub const FAST_OPEN: i32 = 0x2000_0000;
