//! Bytes on their way from one socket to another, or back to the same.

use towpath_engine::{
    Engine, Instant,
    socket::{SocketError, SocketId},
    tcp::State,
};

use super::Turn;
use crate::limits::{PIPE_BYTES_MAX, PIPE_ROUNDS_OF_TURN_MAX};

/// Bytes that were read and not written yet.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    bytes: Vec<u8>,
    written: usize,
    /// Nothing more can be read, and the other side has been told.
    is_over: bool,
}

impl Pipe {
    /// Reads from one socket and writes to the other, until one of them has to wait. When all is read, the other is told that
    /// nothing more comes; that is [`Turn::Over`].
    pub(super) fn pump(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        from: SocketId,
        to: SocketId,
    ) -> Result<Turn, SocketError> {
        if self.is_over {
            return Ok(Turn::Over);
        }
        for _ in 0..PIPE_ROUNDS_OF_TURN_MAX {
            if self.written == self.bytes.len() && !self.fill(engine, now, from)? {
                return Ok(Turn::Waits);
            }
            if self.bytes.is_empty() {
                let mut to = engine.socket(now, to)?;
                if matches!(to.state(), State::SynSent | State::SynReceived) {
                    return Ok(Turn::Waits);
                }
                self.is_over = true;
                return to.shut(false, true).map(|()| Turn::Over);
            }
            match engine.socket(now, to)?.send(&self.bytes[self.written..]) {
                Ok(sent) => self.written += sent,
                Err(SocketError::WouldBlock) => return Ok(Turn::Waits),
                Err(error) => return Err(error),
            }
        }
        Ok(Turn::Again)
    }

    /// Reads what has come; no bytes are the end. False when nothing has.
    fn fill(&mut self, engine: &mut Engine, now: Instant, from: SocketId) -> Result<bool, SocketError> {
        self.bytes.resize(PIPE_BYTES_MAX, 0);
        self.written = 0;
        let received = engine.socket(now, from)?.receive(&mut self.bytes);
        self.bytes.truncate(received.unwrap_or(0));
        match received {
            Ok(_) => Ok(true),
            Err(SocketError::WouldBlock) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
