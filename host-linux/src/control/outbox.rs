//! Bytes that wait for a client to read them.

use std::io::{self, Write};

use serde::Serialize;

use super::{budget::Held, codec};
use crate::limits::CONTROL_TURN_BYTES_MAX;

/// A queue of bytes: short ones, at most once something long, and what is said behind that.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    first: Short,
    long: Option<Long>,
    last: Short,
}

/// Messages, one behind the other.
#[derive(Debug, Default)]
struct Short {
    bytes: Vec<u8>,
    /// How many of them are written already.
    written: usize,
}

/// Bytes that are neither copied nor moved.
#[derive(Debug)]
struct Long {
    held: Held,
    written: usize,
}

impl Outbox {
    /// Bytes that wait and are short.
    pub(super) const fn len(&self) -> usize {
        self.first.len() + self.last.len()
    }

    /// Whether none wait.
    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0 && self.long.is_none()
    }

    /// Whether it holds something long, which is not dropped in a moment.
    pub(super) const fn is_long(&self) -> bool {
        self.long.is_some()
    }

    /// The memory that short messages take.
    pub(super) const fn memory_bytes(&self) -> usize {
        self.first.bytes.capacity() + self.last.bytes.capacity()
    }

    /// Puts a message behind the others.
    pub(super) fn push(&mut self, message: &impl Serialize) {
        let appended = codec::append(&mut self.end().bytes, message);
        debug_assert!(appended.is_ok(), "replies can be put as JSON");
    }

    /// Puts bytes behind the others.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        let end = self.end();
        if end.bytes.len() + bytes.len() > end.bytes.capacity() {
            end.forget_written();
        }
        end.bytes.extend_from_slice(bytes);
    }

    /// Puts something long behind the others.
    pub(super) fn push_long(&mut self, held: Held) {
        debug_assert!(self.long.is_none(), "there is one at most");
        self.long = Some(Long { held, written: 0 });
    }

    const fn end(&mut self) -> &mut Short {
        if self.long.is_some() { &mut self.last } else { &mut self.first }
    }

    /// Writes as much as `stream` takes now, and at most [`CONTROL_TURN_BYTES_MAX`]. Gives how much that was, and what was long when
    /// all of it is written.
    pub(super) fn write_to(&mut self, mut stream: impl Write) -> io::Result<(usize, Option<Held>)> {
        let mut written = self.first.write_to(&mut stream, CONTROL_TURN_BYTES_MAX)?;
        let mut done = None;
        if self.first.len() == 0 {
            if let Some(long) = &mut self.long {
                let rest = &long.held.bytes()[long.written..];
                let taken = write(&mut stream, rest, CONTROL_TURN_BYTES_MAX.saturating_sub(written))?;
                (long.written, written) = (long.written + taken, written + taken);
                if long.written == long.held.bytes().len() {
                    done = self.long.take().map(|long| long.held);
                }
            }
            if self.long.is_none() {
                written += self.last.write_to(&mut stream, CONTROL_TURN_BYTES_MAX.saturating_sub(written))?;
            }
        }
        Ok((written, done))
    }
}

impl Short {
    const fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    fn write_to(&mut self, stream: &mut impl Write, most: usize) -> io::Result<usize> {
        let written = write(stream, &self.bytes[self.written..], most)?;
        self.written += written;
        if self.written > self.bytes.len() / 2 {
            self.forget_written();
        }
        Ok(written)
    }

    fn forget_written(&mut self) {
        self.bytes.drain(..self.written);
        self.written = 0;
    }
}

/// Writes as much as `stream` takes now, and about `most` at most. Returns how much that was.
fn write(stream: &mut impl Write, bytes: &[u8], most: usize) -> io::Result<usize> {
    let bytes = &bytes[..bytes.len().min(most)];
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => written += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::budget::Budget;

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
            if round == 6 {
                outbox.push_long(Budget::default().hold(vec![99; 20]).unwrap());
            }
            stream.room = 7;
            assert_eq!(outbox.write_to(&mut stream).unwrap().0, 7);
        }
        assert_eq!((outbox.len(), outbox.is_long()), (30, true));
        stream.room = 100;
        assert_eq!(outbox.write_to(&mut stream).unwrap().1.map(|held| held.bytes().len()), Some(20));
        assert!(outbox.is_empty());
        let first = (0..7).flat_map(|round| [round; 10]);
        let expected: Vec<u8> = first.chain([99; 20]).chain((7..10).flat_map(|round| [round; 10])).collect();
        assert_eq!(stream.taken, expected);
    }

    #[test]
    fn a_stream_that_takes_everything_gets_no_more_than_a_turn_allows() {
        let mut outbox = Outbox::default();
        let long = 3 * CONTROL_TURN_BYTES_MAX + 1;
        outbox.push_bytes(b"head");
        outbox.push_long(Budget::default().hold(vec![7; long]).unwrap());
        outbox.push_bytes(b"end");
        let mut taken = Vec::new();
        let mut turns = 0;
        while !outbox.is_empty() {
            let before = taken.len();
            outbox.write_to(&mut taken).unwrap();
            assert!(taken.len() - before <= CONTROL_TURN_BYTES_MAX);
            turns += 1;
        }
        assert_eq!((taken.len(), turns), (4 + long + 3, 4));
    }
}
