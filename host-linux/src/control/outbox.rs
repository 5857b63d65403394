//! Bytes that wait for a client to read them.

use std::io::{self, Write};

use serde::Serialize;

use super::codec;

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How many of them are written already.
    written: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether none wait.
    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a message behind the others.
    pub(super) fn push(&mut self, message: &impl Serialize) {
        let appended = codec::append(&mut self.bytes, message);
        debug_assert!(appended.is_ok(), "replies can be put as JSON");
    }

    /// Puts bytes behind the others.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes as much as `stream` takes now. Returns how much that was.
    pub(super) fn write_to(&mut self, mut stream: impl Write) -> io::Result<usize> {
        let before = self.len();
        while !self.is_empty() {
            match stream.write(&self.bytes[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let written = before - self.len();
        if self.is_empty() {
            self.bytes.clear();
            self.written = 0;
        } else if self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most three bytes a call and `room` altogether.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(3).min(self.room);
            if len == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= len;
            self.taken.extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_leave_in_order_however_little_the_stream_takes() {
        let mut outbox = Outbox::default();
        let mut stream = Narrow { taken: Vec::new(), room: 0 };
        for round in 0..10_u8 {
            outbox.push_bytes(&[round; 10]);
            stream.room = 7;
            assert_eq!(outbox.write_to(&mut stream).unwrap(), 7);
        }
        assert_eq!(outbox.len(), 30);
        stream.room = 100;
        outbox.write_to(&mut stream).unwrap();
        assert!(outbox.is_empty());
        let expected: Vec<u8> = (0..10).flat_map(|round| [round; 10]).collect();
        assert_eq!(stream.taken, expected);
    }
}
