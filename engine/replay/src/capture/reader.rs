//! Reads a capture from front to back.

use std::io::{self, Read};

use super::{
    Batch, CaptureError, CaptureErrorKind, Interface,
    batch::{Head, Place},
    input::Input,
    interface::Interfaces,
    pcap::Pcap,
    pcapng::Pcapng,
    record::{Record, Step},
};

/// A capture that is being read.
///
/// # Examples
/// ```
/// use towpath_replay::capture::{Capture, CaptureError};
///
/// fn bytes_on_the_wire(file: &[u8]) -> Result<u64, CaptureError> {
///     let mut capture = Capture::from_bytes(file)?;
///     let mut total = 0;
///     loop {
///         let batch = capture.next_batch(64)?;
///         if batch.is_empty() {
///             return Ok(total);
///         }
///         total += batch.packets().map(|packet| u64::from(packet.wire_len)).sum::<u64>();
///     }
/// }
/// assert!(bytes_on_the_wire(b"no capture").is_err());
/// ```
pub struct Capture<'a> {
    input: Input<'a>,
    format: Format,
    interfaces: Interfaces,
    /// Packets handed out so far.
    packets: u64,
    /// The last time stamp, for packets that have none.
    nanos: u64,
    /// What the next batch will say instead of packets.
    outcome: Option<Result<(), CaptureError>>,
    /// Parts of the current batch, kept for their memory.
    heads: Vec<Head>,
    made_up: Vec<u8>,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl<'a> Capture<'a> {
    /// Opens a capture that lies in memory. A window of it is held, as of one that comes from a stream.
    ///
    /// # Errors
    /// When the bytes are no capture.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, CaptureError> {
        Self::open(Input::from_bytes(bytes))
    }

    /// Opens a capture that comes from a stream. A window of it is held: 256 KiB, or the longest record.
    ///
    /// # Errors
    /// When the stream cannot be read or is no capture.
    pub fn from_reader(reader: impl Read + 'a) -> Result<Self, CaptureError> {
        Self::open(Input::from_reader(reader).map_err(unreadable)?)
    }

    /// Opens a capture that comes from a stream, which a thread of its own reads, and unpacks, ahead of what is asked for:
    /// [`CHUNKS_AHEAD`](crate::limits::CHUNKS_AHEAD) windows. Where there can be no thread, it is [`Self::from_reader`]. What is read is
    /// the same. The thread ends with the stream, or with the capture, as soon as `reader` has given what it was asked for last.
    ///
    /// # Errors
    /// When the stream cannot be read or is no capture.
    pub fn in_background(reader: impl Read + Send + 'static) -> Result<Self, CaptureError> {
        Self::open(Input::in_background(reader).map_err(unreadable)?)
    }

    fn open(mut input: Input<'a>) -> Result<Self, CaptureError> {
        let mut interfaces = Interfaces::default();
        let compressed = input.is_compressed();
        let error = |kind| CaptureError { packet: None, offset: 0, compressed, kind };
        input.refill(Pcap::HEADER_BYTES).map_err(|failure| error(CaptureErrorKind::Stream(failure.to_string())))?;
        let (format, header) = if let Some(pcapng) = Pcapng::open(input.rest()) {
            (Format::Pcapng(pcapng), 0)
        } else if let Some(pcap) = Pcap::open(input.rest(), &mut interfaces) {
            (Format::Pcap(pcap), Pcap::HEADER_BYTES)
        } else {
            return Err(error(no_capture(input.rest())));
        };
        input.consume(header);
        Ok(Self {
            input,
            format,
            interfaces,
            packets: 0,
            nanos: 0,
            outcome: None,
            heads: Vec::new(),
            made_up: Vec::new(),
        })
    }

    /// The interfaces described so far; pcapng may describe further ones later on.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        self.interfaces.all()
    }

    /// Reads the next packets: from 1 to `count_max` of them, as many as are at hand without waiting. An empty batch
    /// is the end.
    ///
    /// # Errors
    /// When the capture is damaged here; what stood before the damage has been handed out. Asking again gives the
    /// same error.
    pub fn next_batch(&mut self, count_max: usize) -> Result<Batch<'_>, CaptureError> {
        self.heads.clear();
        self.made_up.clear();
        while self.heads.len() < count_max && self.outcome.is_none() {
            match self.step() {
                Step::Packet(record) => self.take(&record),
                Step::Skip(length) => self.input.consume(length),
                // What is borrowed from the window is handed out before the window moves.
                Step::Need(_) if !self.heads.is_empty() => break,
                Step::Need(needed) => self.refill(needed),
                Step::Bad(kind) => self.outcome = Some(Err(self.error(kind))),
            }
        }
        if let (true, Some(Err(error))) = (self.heads.is_empty(), &self.outcome) {
            return Err(error.clone());
        }
        Ok(Batch {
            heads: &self.heads,
            window: self.input.buffer(),
            made_up: &self.made_up,
            interfaces: self.interfaces.all(),
        })
    }

    fn step(&mut self) -> Step {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.step(self.input.rest()),
            Format::Pcapng(pcapng) => pcapng.step(self.input.rest(), &mut self.interfaces),
        }
    }

    fn take(&mut self, record: &Record) {
        self.packets += 1;
        self.nanos = record.nanos.unwrap_or(self.nanos);
        let place = Place {
            number: self.packets,
            nanos: self.nanos,
            offset: self.input.offset(),
            position: self.input.position(),
        };
        let head = Head::new(record, place, self.input.buffer(), &self.interfaces, &mut self.made_up);
        self.heads.push(head);
        self.input.consume(record.length);
    }

    fn refill(&mut self, needed: usize) {
        let present = self.input.rest().len() as u64;
        match self.input.refill(needed) {
            Ok(true) => {}
            Ok(false) if self.input.rest().is_empty() => self.outcome = Some(Ok(())),
            Ok(false) => {
                let present = present.max(self.input.rest().len() as u64);
                let promised = needed as u64;
                self.outcome = Some(Err(match self.input.offset() {
                    // Only pcapng's header is a record like others.
                    0 => CaptureError {
                        packet: None,
                        ..self.error(CaptureErrorKind::TruncatedHeader { promised, present })
                    },
                    _ => self.error(CaptureErrorKind::Truncated { promised, present }),
                }));
            }
            Err(error) => self.outcome = Some(Err(self.error(CaptureErrorKind::Stream(error.to_string())))),
        }
    }

    fn error(&self, kind: CaptureErrorKind) -> CaptureError {
        CaptureError {
            packet: Some(self.packets + 1),
            offset: self.input.offset(),
            compressed: self.input.is_compressed(),
            kind,
        }
    }
}

/// Not even the first bytes can be read.
fn unreadable(error: io::Error) -> CaptureError {
    CaptureError { packet: None, offset: 0, compressed: false, kind: CaptureErrorKind::Stream(error.to_string()) }
}

/// What a file that is no capture is.
fn no_capture(bytes: &[u8]) -> CaptureErrorKind {
    let Some(first) = bytes.first_chunk::<4>() else {
        return if bytes.is_empty() { CaptureErrorKind::Empty } else { cut_header(bytes) };
    };
    match first {
        [0x28, 0xb5, 0x2f, 0xfd] => CaptureErrorKind::Foreign("a file compressed with zstd"),
        [0x04, 0x22, 0x4d, 0x18] => CaptureErrorKind::Foreign("a file compressed with lz4"),
        [0xfd, b'7', b'z', b'X'] => CaptureErrorKind::Foreign("a file compressed with xz"),
        [b'B', b'Z', b'h', _] => CaptureErrorKind::Foreign("a file compressed with bzip2"),
        [b'P', b'K', 3, 4] => CaptureErrorKind::Foreign("a zip archive"),
        [b's', b'n', b'o', b'o'] => CaptureErrorKind::Foreign("a snoop capture"),
        [0x1f, 0x8b, ..] => CaptureErrorKind::Foreign("a gzip file inside a gzip file"),
        _ if CLASSIC_MAGICS.contains(first) => cut_header(bytes),
        _ => CaptureErrorKind::NotACapture(*first),
    }
}

fn cut_header(bytes: &[u8]) -> CaptureErrorKind {
    CaptureErrorKind::TruncatedHeader { promised: Pcap::HEADER_BYTES as u64, present: bytes.len() as u64 }
}

const CLASSIC_MAGICS: [[u8; 4]; 6] = [
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xcd, 0x34],
    [0x34, 0xcd, 0xb2, 0xa1],
];
