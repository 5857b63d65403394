//! Two sockets that may be ends of a connection, and what their users know.

use towpath_engine::{
    socket::{SocketError, SocketId},
    tcp::State,
};

use crate::network::{Model, Network};

/// One end of one of some pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    /// Which pair, round and round.
    pub(super) pair: usize,
    /// Which engine's end.
    pub(super) end: usize,
}

impl Side {
    /// As a byte says; its highest bits say something else.
    pub(super) fn of(byte: u8) -> Self {
        Self { pair: usize::from(byte >> 1 & 3), end: usize::from(byte & 1) }
    }
}

/// Two sockets, of engine 0 and of engine 1, as far as there are any.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) ids: [Option<SocketId>; 2],
    pub(super) model: Model,
    /// The one that engine 0 has begun it from.
    pub(super) port: Option<u16>,
    /// Something else than the connection between both may have reached one of them: nothing is known of what comes.
    pub(super) is_strange: bool,
    /// A side's user has been told an error, or does not want to read.
    pub(super) is_over: [bool; 2],
}

impl Pair {
    /// Bytes have been read, or nothing more comes.
    pub(super) fn takes(&mut self, end: usize, read: Result<&[u8], SocketError>, is_known: bool) {
        let is_known = is_known && !self.is_strange;
        match read {
            Ok([]) if is_known && !self.is_over[end] => self.model.takes_end(1 - end),
            Ok(bytes) if is_known => self.model.takes(1 - end, bytes),
            Ok(_) | Err(SocketError::WouldBlock) => {}
            Err(_) => self.is_over[end] = true,
        }
    }

    /// Whether something that was written will still be read, as far as is known: both are connected.
    pub(super) fn is_awaited(&self, network: &mut Network) -> bool {
        let [Some(one), Some(other)] = self.ids else { return false };
        let now = network.now();
        let [first, second] = &mut network.engines;
        let states = [first.socket(now, one), second.socket(now, other)];
        let is_connected = states.into_iter().all(|socket| socket.expect("it is open").state() != State::Closed);
        is_connected && !self.is_strange && self.is_over == [false; 2] && self.model.read != self.model.written
    }
}
