//! A stream that a thread of its own reads, and unpacks, while what has been read is looked at.
//!
//! ```text
//!  stream ─► the thread ─► filled chunks ─► window
//!               ▲                             │
//!               └── some rooms at a time ◄────┘
//! ```
//!
//! A chunk becomes the window as it is, with what is left of the window before it in front. So it is copied once, from the stream,
//! unless the rest of a record that is longer than the room stands there.
//! What is read is the same as without a thread, byte for byte; only when it is read differs. To wake a thread takes as long as to
//! replay twenty packets: so rooms go back several at a time.

use std::{
    io::{self, Read},
    mem,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use crate::limits::{CHUNKS_AHEAD, WINDOW_BYTES};

/// Room in front of a chunk's bytes, for what is left of the window before: the longest packet of most captures, and more.
pub(super) const HEADROOM_BYTES: usize = 128 << 10;

/// A stream that another thread reads.
pub(super) struct Background {
    filled: Receiver<io::Result<Chunk>>,
    empty: Sender<Vec<Room>>,
    /// Those that have not gone back yet.
    kept: Vec<Room>,
    has_ended: bool,
}

/// Bytes of a stream, from [`HEADROOM_BYTES`] on.
pub(super) struct Chunk {
    pub(super) room: Room,
    pub(super) count: usize,
}

/// Room for a chunk.
type Room = Vec<u8>;

/// A stream that may be given to another thread.
pub(super) type Stream = Box<dyn Read + Send>;

impl Background {
    /// Has a thread read `stream`.
    ///
    /// # Errors
    /// The stream, when there can be no thread, as in a WebAssembly module.
    pub(super) fn start(stream: Stream) -> Result<Self, Stream> {
        let (fill, filled) = channel();
        let (give_back, empty) = channel();
        let (hand_over, handed) = channel::<Stream>();
        let read = move || handed.iter().for_each(|stream| read_to_end(stream, &fill, &empty));
        match thread::Builder::new().name("capture".into()).spawn(read) {
            Ok(_) => hand_over.send(stream).map_err(|refused| refused.0)?,
            Err(_) => return Err(stream),
        }
        Ok(Self { filled, empty: give_back, kept: Vec::new(), has_ended: false })
    }

    /// What comes next, as much as was there to be read; waits until something is. `None` is the end.
    ///
    /// # Errors
    /// What the stream says, in its place.
    pub(super) fn next(&mut self) -> io::Result<Option<Chunk>> {
        if self.has_ended {
            return Ok(None);
        }
        let chunk = self.filled.recv().unwrap_or_else(|_| Err(io::Error::other("whoever reads it has panicked")));
        self.has_ended = chunk.as_ref().map_or(true, |chunk| chunk.count == 0);
        chunk.map(|chunk| (chunk.count > 0).then_some(chunk))
    }

    /// Gives back a chunk's room that is not used any more, however much it has grown; each once.
    pub(super) fn give_back(&mut self, mut room: Room) {
        room.resize(HEADROOM_BYTES + WINDOW_BYTES, 0);
        room.shrink_to_fit();
        self.kept.push(room);
        if self.kept.len() >= CHUNKS_AHEAD / 2 {
            // Nobody takes them once the stream has ended.
            let _ = self.empty.send(mem::take(&mut self.kept));
        }
    }
}

/// Reads chunks until the stream ends or fails, or nobody wants them any more.
fn read_to_end(mut stream: Stream, fill: &Sender<io::Result<Chunk>>, empty: &Receiver<Vec<Room>>) {
    let mut rooms: Vec<Room> = Vec::new();
    for number in 0.. {
        let room = if number < CHUNKS_AHEAD { Some(vec![0; HEADROOM_BYTES + WINDOW_BYTES]) } else { rooms.pop() };
        let room = room.or_else(|| {
            rooms = empty.recv().ok()?;
            rooms.pop()
        });
        let Some(mut room) = room else { return };
        let read = loop {
            match stream.read(room.get_mut(HEADROOM_BYTES..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let is_more = read.as_ref().is_ok_and(|count| *count > 0);
        if fill.send(read.map(|count| Chunk { room, count })).is_err() || !is_more {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it has, and then fails in its own way.
    struct Failing(Vec<io::Result<&'static [u8]>>);

    impl Read for Failing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let given = if self.0.is_empty() { panic!("nothing is left") } else { self.0.remove(0)? };
            into[..given.len()].copy_from_slice(given);
            Ok(given.len())
        }
    }

    fn read(answers: Vec<io::Result<&'static [u8]>>) -> Vec<Result<Option<Vec<u8>>, String>> {
        let mut stream = Background::start(Box::new(Failing(answers))).unwrap_or_else(|_| panic!("there are threads"));
        let bytes = |chunk: Chunk| chunk.room[HEADROOM_BYTES..][..chunk.count].to_vec();
        (0..4).map(|_| stream.next().map(|chunk| chunk.map(bytes)).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn what_was_read_comes_before_the_error_and_behind_it_nothing() {
        let interrupted = || Err(io::ErrorKind::Interrupted.into());
        let answers = vec![Ok(&b"tow"[..]), interrupted(), Ok(b"path"), Err(io::Error::other("the disk is gone"))];
        let expected =
            [Ok(Some(b"tow".to_vec())), Ok(Some(b"path".to_vec())), Err("the disk is gone".to_owned()), Ok(None)];
        assert_eq!(read(answers), expected);
    }

    #[test]
    fn a_stream_that_panics_is_an_error_and_no_end() {
        let expected = [Ok(Some(b"tow".to_vec())), Err("whoever reads it has panicked".to_owned()), Ok(None), Ok(None)];
        assert_eq!(read(vec![Ok(b"tow")]), expected);
    }

    #[test]
    fn a_stream_that_nobody_wants_any_more_is_not_read_on() {
        let (told, ended) = channel();
        struct Endless(Sender<()>);
        impl Read for Endless {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                Ok(into.len())
            }
        }
        impl Drop for Endless {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let mut stream = Background::start(Box::new(Endless(told))).unwrap_or_else(|_| panic!("there are threads"));
        assert!(stream.next().is_ok_and(|chunk| chunk.is_some()));
        drop(stream);
        assert_eq!(ended.recv(), Ok(()), "the stream is dropped by the thread, which has ended");
    }
}
