//! Messages on a stream: the length in four bytes, the lowest first, then that many bytes of JSON.

use std::{fmt, io};

use serde::{Serialize, de::DeserializeOwned};

/// Bytes before a message.
pub(super) const LENGTH_BYTES: usize = 4;

/// A message that cannot be taken.
#[derive(Debug)]
pub enum CodecError {
    /// It is longer than the second number of bytes.
    TooLong(usize, usize),
    /// It is no JSON of the form that was expected.
    Malformed(serde_json::Error),
}

/// Appends a message to `stream`. One that cannot be put as JSON is not appended; none of ours is such.
pub(super) fn append(stream: &mut Vec<u8>, message: &impl Serialize) -> Result<(), CodecError> {
    let start = stream.len();
    stream.extend([0; LENGTH_BYTES]);
    if let Err(error) = serde_json::to_writer(&mut *stream, message) {
        stream.truncate(start);
        return Err(CodecError::Malformed(error));
    }
    let len = stream.len() - start - LENGTH_BYTES;
    let Ok(len_on_wire) = u32::try_from(len) else {
        stream.truncate(start);
        return Err(CodecError::TooLong(len, u32::MAX as usize));
    };
    stream[start..start + LENGTH_BYTES].copy_from_slice(&len_on_wire.to_le_bytes());
    Ok(())
}

/// The bytes of the first message of `stream`, once they are all there.
///
/// # Errors
/// [`CodecError::TooLong`] as soon as its length is known to exceed `bytes_max`.
pub(super) fn first(stream: &[u8], bytes_max: usize) -> Result<Option<&[u8]>, CodecError> {
    let Some((length, rest)) = stream.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let len = u32::from_le_bytes(*length) as usize;
    if len > bytes_max {
        return Err(CodecError::TooLong(len, bytes_max));
    }
    Ok(rest.get(..len))
}

/// Reads a message.
///
/// # Errors
/// [`CodecError::Malformed`].
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    serde_json::from_slice(bytes).map_err(CodecError::Malformed)
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len, most) => write!(f, "a message of {len} bytes is longer than {most}"),
            Self::Malformed(error) => write!(f, "a message that is not understood: {error}"),
        }
    }
}

impl std::error::Error for CodecError {}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::control::message::{Hello, Reply, Request, VERSION};

    #[test]
    fn a_message_is_there_only_when_its_last_byte_is() {
        let hello = Hello { version: VERSION, request: Request::Stats };
        let mut stream = Vec::new();
        append(&mut stream, &hello).unwrap();
        for len in 0..stream.len() {
            assert!(first(&stream[..len], 1000).unwrap().is_none(), "{len} of {} bytes", stream.len());
        }
        assert_eq!(decode::<Hello>(first(&stream, 1000).unwrap().unwrap()).unwrap(), hello);
    }

    #[test]
    fn a_message_longer_than_allowed_is_refused_by_its_length_alone() {
        let stream = 1001_u32.to_le_bytes();
        assert!(matches!(first(&stream, 1000), Err(CodecError::TooLong(1001, 1000))));
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in(lines in prop::collection::vec(".*", 0..8)) {
            let replies: Vec<_> = lines.into_iter().map(Reply::Refused).collect();
            let mut stream = Vec::new();
            for reply in &replies {
                append(&mut stream, reply).unwrap();
            }
            let (mut rest, mut read) = (&stream[..], Vec::new());
            while let Some(bytes) = first(rest, usize::MAX).unwrap() {
                read.push(decode::<Reply>(bytes).unwrap());
                rest = &rest[LENGTH_BYTES + bytes.len()..];
            }
            prop_assert_eq!(read, replies);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            if let Ok(Some(message)) = first(&bytes, 100) {
                let _ = decode::<Hello>(message);
            }
        }
    }
}
