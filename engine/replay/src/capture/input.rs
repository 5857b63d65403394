//! Where a capture's bytes come from: a stream, of which a window is held.
//!
//! A slice is read like that, too. What is copied into the window comes one byte after the other, which memory is quick at, and the
//! window stays in the cache; read in place, each record of a large capture would be a cache miss, and the next one's place is not
//! known before it is there.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use crate::limits::WINDOW_BYTES;

/// A capture's bytes with a position in them.
///
/// Positions handed out stay good until the next [`Input::refill`], which moves what is left to the front.
pub(super) struct Input<'a> {
    reader: Box<dyn Read + 'a>,
    /// The window; what is behind the first `filled` bytes is room.
    window: Vec<u8>,
    filled: usize,
    /// First byte that is not used up, as an index into [`Input::buffer`].
    position: usize,
    /// Bytes that have left the buffer at its front.
    gone: u64,
    /// Whether the bytes are the content of a gzip file.
    compressed: bool,
}

impl<'a> Input<'a> {
    /// Reads a slice, or its content when it is a gzip file.
    pub(super) fn from_bytes(bytes: &'a [u8]) -> Self {
        Self::of(bytes, bytes.starts_with(&GZIP_MAGIC))
    }

    /// Reads a stream, or its content when it is a gzip file.
    ///
    /// # Errors
    /// What `reader` says.
    pub(super) fn from_reader(mut reader: impl Read + 'a) -> io::Result<Self> {
        let mut start = Vec::with_capacity(GZIP_MAGIC.len());
        reader.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
        let compressed = start.starts_with(&GZIP_MAGIC);
        Ok(Self::of(io::Cursor::new(start).chain(reader), compressed))
    }

    fn of(whole: impl Read + 'a, compressed: bool) -> Self {
        let reader: Box<dyn Read + 'a> =
            if compressed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        Self { reader, window: Vec::new(), filled: 0, position: 0, gone: 0, compressed }
    }

    /// All bytes at hand, also those used up since the last refill.
    pub(super) fn buffer(&self) -> &[u8] {
        self.window.get(..self.filled).unwrap_or_default()
    }

    /// The bytes at hand that are not used up.
    pub(super) fn rest(&self) -> &[u8] {
        self.buffer().get(self.position..).unwrap_or_default()
    }

    /// Index of the first byte of [`Input::rest`] in [`Input::buffer`].
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Index of the first byte of [`Input::rest`] in the whole capture (after decompression).
    pub(super) fn offset(&self) -> u64 {
        self.gone.saturating_add(self.position as u64)
    }

    /// Whether the bytes are the content of a gzip file.
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Uses up `count` bytes; no more than are at hand.
    pub(super) fn consume(&mut self, count: usize) {
        self.position = self.position.saturating_add(count).min(self.filled);
    }

    /// Fetches bytes until `needed` are at hand or the capture ends, and says whether they are.
    ///
    /// # Errors
    /// What the stream says; the bytes that came before the error stay at hand.
    pub(super) fn refill(&mut self, needed: usize) -> io::Result<bool> {
        self.window.copy_within(self.position..self.filled, 0);
        self.gone = self.gone.saturating_add(self.position as u64);
        self.filled -= self.position;
        self.position = 0;
        let size = needed.max(WINDOW_BYTES);
        if self.window.len() < size {
            self.window.resize(size, 0);
        }
        while self.filled < needed {
            match self.reader.read(self.window.get_mut(self.filled..).unwrap_or_default()) {
                Ok(0) => return Ok(false),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// Gives one byte a call, and now and then an interruption, as a slow pipe does.
    struct Drip<'a>(&'a [u8], bool);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let (Some(slot), Some((first, rest))) = (into.first_mut(), self.0.split_first()) else {
                return Ok(0);
            };
            *slot = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn a_slow_stream_gives_the_same_bytes_and_offsets_as_a_slice() {
        let bytes: Vec<u8> = (0..200u8).collect();
        let mut slice = Input::from_bytes(&bytes);
        let mut stream = Input::from_reader(Drip(&bytes, false)).unwrap();
        for step in [1usize, 7, 30, 2, 90, 70] {
            for input in [&mut slice, &mut stream] {
                assert!(input.refill(step).unwrap());
                let from = usize::try_from(input.offset()).unwrap();
                assert_eq!(input.rest()[..step], bytes[from..from + step]);
                input.consume(step);
            }
        }
        assert!(!slice.refill(1).unwrap());
        assert!(!stream.refill(1).unwrap());
        assert_eq!(stream.offset(), 200);
    }

    #[test]
    fn a_gzip_file_of_two_members_is_read_as_one_content() {
        let mut file = Vec::new();
        for part in [&b"tow"[..], b"path"] {
            let mut encoder = GzEncoder::new(&mut file, Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        }
        let mut slice = Input::from_bytes(&file);
        let mut stream = Input::from_reader(&file[..]).unwrap();
        for input in [&mut slice, &mut stream] {
            assert!(input.refill(7).unwrap());
            assert_eq!(input.rest(), b"towpath");
            assert!(input.is_compressed());
        }
    }

    #[test]
    fn a_window_does_not_grow_with_the_stream_nor_with_the_slice() {
        let bytes = vec![7; 8 * WINDOW_BYTES];
        for mut input in [Input::from_bytes(&bytes), Input::from_reader(&bytes[..]).unwrap()] {
            while input.refill(1000).unwrap() {
                input.consume(1000);
                assert!(input.buffer().len() <= WINDOW_BYTES);
            }
            assert_eq!(input.offset() + input.rest().len() as u64, bytes.len() as u64);
        }
    }
}
