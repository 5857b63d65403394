//! Calls that send before there is a connection (`MSG_FASTOPEN`), or begin the one whose SYN has waited for data.

use towpath_engine::{
    socket::{SendFlags, Socket, SocketError},
    tcp::State,
};

use super::{
    Errno, Host, Process, Progress, Returned,
    data::{FAST_OPEN, Sending},
    process::Beginning,
};

impl Process {
    /// What a call that sends comes to as far as it begins a connection, or waits for one that it has begun. `None`: it does not, or that
    /// stands, and the rest is to be sent.
    pub(super) fn open_fast(
        &mut self,
        host: &mut Host,
        descriptor: i32,
        bytes: &[u8],
        (how, with): (Sending, SendFlags),
        progress: &mut Progress,
    ) -> Result<Option<Returned>, Errno> {
        let (mut socket, open) = self.borrow(host, descriptor)?;
        match progress.beginning {
            Beginning::Waits => return Ok(until_it_stands(progress, &mut socket)),
            Beginning::Stands => return Ok(None),
            Beginning::Not if how.flags & FAST_OPEN != 0 || socket.is_deferred() => {}
            Beginning::Not => return Ok(None),
        }
        // Without an address only a connection can be meant that is begun.
        let remote = how.to.or_else(|| socket.peer().ok()).ok_or(Errno::INVALID)?;
        let sent = socket.send_fast(remote, bytes, with);
        let is_opening = matches!(socket.state(), State::SynSent | State::SynReceived);
        self.set_connecting(descriptor, is_opening && !with.waits);
        Ok(match sent {
            Ok(_) | Err(SocketError::InProgress | SocketError::WouldBlock) if with.waits => {
                progress.done = sent.unwrap_or(0);
                progress.beginning = if is_opening { Beginning::Waits } else { Beginning::Stands };
                is_opening.then_some(Returned::Waits)
            }
            Ok(sent) => Some(Returned::Value(sent as i64)),
            // Whoever has begun it otherwise has not heard that it stands, and hears so by being let on (Linux v6.18:
            // `net/ipv4/af_inet.c`, `__inet_stream_connect()`).
            Err(SocketError::IsConnected) if open.is_connecting => None,
            Err(error) => Some(Returned::Error(error.into())),
        })
    }

    /// Whether the socket of a descriptor has begun a connection.
    #[must_use]
    pub fn has_begun(&self, host: &mut Host, descriptor: i32) -> bool {
        self.borrow(host, descriptor).is_ok_and(|(socket, _)| socket.state() != State::Closed)
    }
}

/// What a call comes to while the connection that it has begun does not stand.
fn until_it_stands(progress: &mut Progress, socket: &mut Socket<'_>) -> Option<Returned> {
    match socket.state() {
        State::SynSent | State::SynReceived => Some(Returned::Waits),
        State::Closed => {
            let error = socket.take_error().unwrap_or(SocketError::ConnectionAborted);
            Some(Returned::Error(error.into()))
        }
        State::Listen
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait => {
            progress.beginning = Beginning::Stands;
            None
        }
    }
}
