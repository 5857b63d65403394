//! Urgent data: calls.

use super::{Socket, SocketError, table::Entry};

impl Socket<'_> {
    /// Reads the urgent byte out of turn (`recv` with `MSG_OOB`); `None` when nothing more will come. It never waits.
    ///
    /// # Errors
    /// [`SocketError::Invalid`] when none was told of, it was read, or urgent bytes are read in their turn; [`SocketError::WouldBlock`] when
    /// it was told of and has not come; [`SocketError::NotConnected`] when the socket listens, or its connection has ended without the other
    /// end's FIN; [`SocketError::NotSupported`] of a datagram socket.
    pub fn receive_urgent(&mut self) -> Result<Option<u8>, SocketError> {
        self.urgent_byte(false)
    }

    /// The same, but it stays unread.
    ///
    /// # Errors
    /// As [`Self::receive_urgent`].
    pub fn peek_urgent(&mut self) -> Result<Option<u8>, SocketError> {
        self.urgent_byte(true)
    }

    fn urgent_byte(&mut self, keep: bool) -> Result<Option<u8>, SocketError> {
        match self.engine.sockets.entry_mut(self.index) {
            Some(Entry::Connection(connection)) => connection.read_urgent(keep),
            Some(Entry::Idle(_)) => Err(SocketError::Invalid),
            Some(Entry::Listener(_)) => Err(SocketError::NotConnected),
            Some(Entry::Datagram(_)) => Err(SocketError::NotSupported),
            Some(Entry::Free | Entry::Request(_) | Entry::TimeWait(_)) | None => Err(SocketError::NoSocket),
        }
    }

    /// Whether the urgent byte is the next one that is read, or passed by (`SIOCATMARK`).
    #[must_use]
    pub fn is_at_mark(&self) -> bool {
        matches!(self.entry(), Entry::Connection(connection) if connection.is_at_mark())
    }
}
