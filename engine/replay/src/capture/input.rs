//! Where a capture's bytes come from: a stream, of which a window is held.
//!
//! A slice is read like that, too. What is copied into the window comes one byte after the other, which memory is quick at, and the
//! window stays in the cache; read in place, each record of a large capture would be a cache miss, and the next one's place is not
//! known before it is there.

use std::{
    io::{self, Chain, Cursor, Read},
    mem,
};

use flate2::read::MultiGzDecoder;

use super::background::{Background, Chunk, HEADROOM_BYTES, Stream};
use crate::limits::WINDOW_BYTES;

/// A capture's bytes with a position in them.
///
/// Positions handed out stay good until the next [`Input::refill`], which moves what is left.
pub(super) struct Input<'a> {
    supply: Supply<'a>,
    window: Window,
    /// Whether the bytes are the content of a gzip file.
    compressed: bool,
}

/// Who reads the stream.
enum Supply<'a> {
    /// Whoever asks for more.
    Here(Box<dyn Read + 'a>),
    /// A thread of its own.
    There(Background),
}

/// A part of a stream.
#[derive(Default)]
struct Window {
    /// What is behind the first `filled` bytes is room.
    bytes: Vec<u8>,
    filled: usize,
    /// First byte that is not used up, as an index into `bytes`.
    position: usize,
    /// The same in the whole stream.
    offset: u64,
}

impl<'a> Input<'a> {
    /// Reads a slice, or its content when it is a gzip file.
    pub(super) fn from_bytes(bytes: &'a [u8]) -> Self {
        Self::here(bytes, bytes.starts_with(&GZIP_MAGIC))
    }

    /// Reads a stream, or its content when it is a gzip file.
    ///
    /// # Errors
    /// What `reader` says.
    pub(super) fn from_reader(reader: impl Read + 'a) -> io::Result<Self> {
        let (whole, compressed) = begun(reader)?;
        Ok(Self::here(whole, compressed))
    }

    /// The same in the background, where there can be a thread for it.
    ///
    /// # Errors
    /// What `reader` says.
    pub(super) fn in_background(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (whole, compressed) = begun(reader)?;
        let stream: Stream = if compressed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        let supply = Background::start(stream).map_or_else(|stream| Supply::Here(stream), Supply::There);
        Ok(Self { supply, window: Window::default(), compressed })
    }

    fn here(whole: impl Read + 'a, compressed: bool) -> Self {
        let reader: Box<dyn Read + 'a> =
            if compressed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        Self { supply: Supply::Here(reader), window: Window::default(), compressed }
    }

    /// All bytes at hand, also those used up since the last refill.
    pub(super) fn buffer(&self) -> &[u8] {
        self.window.buffer()
    }

    /// The bytes at hand that are not used up.
    pub(super) fn rest(&self) -> &[u8] {
        self.window.rest()
    }

    /// Index of the first byte of [`Input::rest`] in [`Input::buffer`].
    pub(super) fn position(&self) -> usize {
        self.window.position
    }

    /// Index of the first byte of [`Input::rest`] in the whole capture (after decompression).
    pub(super) fn offset(&self) -> u64 {
        self.window.offset
    }

    /// Whether the bytes are the content of a gzip file.
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Uses up `count` bytes; no more than are at hand.
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.rest().len());
        self.window.position += count;
        self.window.offset = self.window.offset.saturating_add(count as u64);
    }

    /// Fetches bytes until `needed` are at hand or the capture ends, and says whether they are.
    ///
    /// # Errors
    /// What the stream says; the bytes that came before the error stay at hand.
    pub(super) fn refill(&mut self, needed: usize) -> io::Result<bool> {
        match &mut self.supply {
            Supply::Here(reader) => self.window.refill_from(reader, needed),
            Supply::There(background) => {
                while self.window.rest().len() < needed {
                    let Some(chunk) = background.next()? else { return Ok(false) };
                    self.window.go_on_in(chunk).into_iter().for_each(|room| background.give_back(room));
                }
                Ok(true)
            }
        }
    }
}

impl Window {
    fn buffer(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    fn rest(&self) -> &[u8] {
        self.buffer().get(self.position..).unwrap_or_default()
    }

    /// Moves what is left to the front, and reads behind it until `needed` bytes are at hand or the stream ends.
    fn refill_from(&mut self, reader: &mut impl Read, needed: usize) -> io::Result<bool> {
        self.bytes.copy_within(self.position..self.filled, 0);
        self.filled -= self.position;
        self.position = 0;
        let size = needed.max(WINDOW_BYTES);
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
        while self.filled < needed {
            match reader.read(self.bytes.get_mut(self.filled..).unwrap_or_default()) {
                Ok(0) => return Ok(false),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Makes a chunk the window, behind what is left, and gives the room of the window before, if there was one. Where more is left than
    /// there is room in front of the chunk, the window grows, and the chunk's room is what is given.
    fn go_on_in(&mut self, chunk: Chunk) -> Option<Vec<u8>> {
        let Chunk { mut room, count } = chunk;
        let left = self.filled - self.position;
        if left <= HEADROOM_BYTES {
            let start = HEADROOM_BYTES - left;
            room[start..HEADROOM_BYTES].copy_from_slice(self.rest());
            (self.position, self.filled) = (start, HEADROOM_BYTES + count);
            return Some(mem::replace(&mut self.bytes, room)).filter(|before| !before.is_empty());
        }
        self.bytes.truncate(self.filled);
        self.bytes.drain(..self.position);
        self.bytes.extend_from_slice(&room[HEADROOM_BYTES..][..count]);
        (self.position, self.filled) = (0, self.bytes.len());
        Some(room)
    }
}

/// A stream behind what was read of it to see what it is.
type Begun<R> = Chain<Cursor<Vec<u8>>, R>;

/// The whole of a stream, and whether it is a gzip file.
fn begun<R: Read>(mut reader: R) -> io::Result<(Begun<R>, bool)> {
    let mut start = Vec::with_capacity(GZIP_MAGIC.len());
    reader.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    let compressed = start.starts_with(&GZIP_MAGIC);
    Ok((Cursor::new(start).chain(reader), compressed))
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// Gives one byte a call, and now and then an interruption, as a slow pipe does.
    struct Drip(Cursor<Vec<u8>>, bool);

    impl Read for Drip {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.0.read(into.get_mut(..1).unwrap_or_default())
        }
    }

    /// The same bytes in all ways.
    fn inputs(bytes: &[u8]) -> [Input<'_>; 3] {
        let stream = Cursor::new(bytes.to_vec());
        [Input::from_bytes(bytes), Input::from_reader(stream.clone()).unwrap(), Input::in_background(stream).unwrap()]
    }

    #[test]
    fn a_slow_stream_gives_the_same_bytes_and_offsets_as_a_slice() {
        let bytes: Vec<u8> = (0..200u8).collect();
        let drip = || Drip(Cursor::new(bytes.clone()), false);
        let mut slice = Input::from_bytes(&bytes);
        let mut streams = [Input::from_reader(drip()).unwrap(), Input::in_background(drip()).unwrap()];
        for step in [1usize, 7, 30, 2, 90, 70] {
            for input in streams.iter_mut().chain([&mut slice]) {
                assert!(input.refill(step).unwrap());
                let from = usize::try_from(input.offset()).unwrap();
                assert_eq!(input.rest()[..step], bytes[from..from + step]);
                input.consume(step);
            }
        }
        for input in streams.iter_mut().chain([&mut slice]) {
            assert!(!input.refill(1).unwrap());
            assert_eq!(input.offset(), 200);
        }
    }

    #[test]
    fn a_gzip_file_of_two_members_is_read_as_one_content() {
        let mut file = Vec::new();
        for part in [&b"tow"[..], b"path"] {
            let mut encoder = GzEncoder::new(&mut file, Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        }
        for mut input in inputs(&file) {
            assert!(input.refill(7).unwrap());
            assert_eq!(input.rest(), b"towpath");
            assert!(input.is_compressed());
        }
    }

    #[test]
    fn a_window_does_not_grow_with_the_stream_nor_with_the_slice() {
        let bytes = vec![7; 8 * WINDOW_BYTES];
        for (mut input, headroom) in inputs(&bytes).into_iter().zip([0, 0, HEADROOM_BYTES]) {
            while input.refill(1000).unwrap() {
                input.consume(1000);
                assert!(input.buffer().len() <= headroom + WINDOW_BYTES);
            }
            assert_eq!(input.offset() + input.rest().len() as u64, bytes.len() as u64);
        }
    }

    #[test]
    fn a_window_that_has_grown_for_a_long_record_is_an_ordinary_one_again_behind_it() {
        let bytes: Vec<u8> = (0..40 * WINDOW_BYTES).map(|at| at as u8).collect();
        let mut input = Input::in_background(Cursor::new(bytes.clone())).unwrap();
        let mut at = 0;
        for (step, size_max) in
            [(1000, 2), (10 * WINDOW_BYTES, 12), (1000, 12), (WINDOW_BYTES, 2), (20 * WINDOW_BYTES, 22)]
        {
            assert!(input.refill(step).unwrap());
            assert_eq!(input.rest()[..step], bytes[at..at + step]);
            assert!(input.buffer().len() <= size_max * WINDOW_BYTES, "{} bytes", input.buffer().len());
            input.consume(step);
            at += step;
        }
        while input.refill(1).unwrap() {
            assert_eq!(input.rest(), &bytes[at..at + input.rest().len()]);
            at += input.rest().len();
            input.consume(input.rest().len());
        }
        assert_eq!(at, bytes.len());
    }
}
