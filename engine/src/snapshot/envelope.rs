//! What stands around a snapshot's content, and how the content is put as bytes. The only file that knows bincode.
//!
//! ```text
//!  0          8          12             20            28
//!  | TOWPATH0 | version  | content bytes | checksum   | content: bincode 2, lengths and numbers as short as they go |
//! ```
//! All numbers lowest byte first. The checksum is [`Digest`] of the content.

use alloc::vec::Vec;

use bincode::config::{self, Config};
use serde::{Serialize, de::DeserializeOwned};

use super::{SnapshotError, VERSION};
use crate::{digest::Digest, limits::SNAPSHOT_BYTES_MAX};

/// Puts a value into an envelope.
pub(super) fn seal(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::from([0; HEADER_LEN]);
    let written = bincode::serde::encode_into_writer(value, Appending(&mut bytes), config::standard());
    assert!(written.is_ok(), "a snapshot holds nothing that bincode cannot write: {written:?}");
    let (header, content) = bytes.split_at_mut(HEADER_LEN);
    let fields: [&[u8]; 4] =
        [MAGIC, &VERSION.to_le_bytes(), &(content.len() as u64).to_le_bytes(), &Digest::of(content).to_le_bytes()];
    let mut at = 0;
    for field in fields {
        header[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    bytes
}

/// Takes a value out of its envelope.
///
/// # Errors
/// When the envelope is not whole, is of another version, or does not hold such a value.
pub(super) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(SnapshotError::NoSnapshot)?;
    if magic != MAGIC {
        return Err(SnapshotError::NoSnapshot);
    }
    let cut = |promised: u64| SnapshotError::Length { promised, found: bytes.len() as u64 };
    let (version, rest) = rest.split_first_chunk().ok_or(cut(HEADER_LEN as u64))?;
    match u32::from_le_bytes(*version) {
        VERSION => {}
        other => return Err(SnapshotError::Version(other)),
    }
    let (len, rest) = rest.split_first_chunk().ok_or(cut(HEADER_LEN as u64))?;
    let (checksum, content) = rest.split_first_chunk().ok_or(cut(HEADER_LEN as u64))?;
    let len = u64::from_le_bytes(*len);
    if len > SNAPSHOT_BYTES_MAX as u64 {
        return Err(SnapshotError::TooLong(len));
    }
    if len != content.len() as u64 {
        return Err(cut(HEADER_LEN as u64 + len));
    }
    if Digest::of(content) != u64::from_le_bytes(*checksum) {
        return Err(SnapshotError::Damaged);
    }
    decode(content)
}

/// Decodes under the smallest limit that the content needs: before bincode reads a string it makes room for it, and the limit
/// bounds what a wrong length can ask for to a few times the content.
fn decode<T: DeserializeOwned>(content: &[u8]) -> Result<T, SnapshotError> {
    let config = config::standard();
    match content.len() {
        0..=0xffff => decode_with(content, config.with_limit::<0x1_0000>()),
        0x1_0000..=0xf_ffff => decode_with(content, config.with_limit::<0x10_0000>()),
        0x10_0000..=0xff_ffff => decode_with(content, config.with_limit::<0x100_0000>()),
        0x100_0000..=0xfff_ffff => decode_with(content, config.with_limit::<0x1000_0000>()),
        _ => decode_with(content, config.with_limit::<SNAPSHOT_BYTES_MAX>()),
    }
}

fn decode_with<T: DeserializeOwned>(content: &[u8], config: impl Config) -> Result<T, SnapshotError> {
    match bincode::serde::decode_from_slice(content, config) {
        Ok((value, len)) if len == content.len() => Ok(value),
        Ok(_) | Err(_) => Err(SnapshotError::Malformed),
    }
}

/// Puts what bincode writes behind what is there.
struct Appending<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

const MAGIC: &[u8; 8] = b"TOWPATH0";
/// Bytes before the content.
pub(super) const HEADER_LEN: usize = 28;

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec};

    use super::*;

    #[test]
    fn what_was_sealed_comes_out_again() {
        let value = (7_u64, String::from("lan"), vec![1_u16, 2, 3]);
        assert_eq!(open(&seal(&value)), Ok(value));
    }

    #[test]
    fn every_kind_of_damage_has_its_own_name() {
        let sealed = seal(&(7_u64, String::from("lan")));
        let opened = |bytes: &[u8]| open::<(u64, String)>(bytes).unwrap_err();
        let with = |at: usize, value: u8| {
            let mut bytes = sealed.clone();
            bytes[at] = value;
            bytes
        };
        assert_eq!(opened(b""), SnapshotError::NoSnapshot);
        assert_eq!(opened(&with(0, b'X')), SnapshotError::NoSnapshot);
        assert_eq!(opened(&with(8, VERSION as u8 + 1)), SnapshotError::Version(VERSION + 1));
        assert_eq!(opened(&with(8, 0)), SnapshotError::Version(0));
        assert_eq!(opened(&with(19, 0xff)), SnapshotError::TooLong(0xff00_0000_0000_0005));
        let length = |found| SnapshotError::Length { promised: 33, found };
        assert_eq!(opened(&sealed[..32]), length(32));
        assert_eq!(opened(&[&sealed[..], &[0]].concat()), length(34));
        assert_eq!(opened(&sealed[..20]), SnapshotError::Length { promised: 28, found: 20 });
        assert_eq!(opened(&with(30, 0)), SnapshotError::Damaged);
        assert_eq!(opened(&seal(&7_u64)), SnapshotError::Malformed);
        assert_eq!(opened(&seal(&(7_u64, String::from("lan"), 1_u8))), SnapshotError::Malformed);
    }

    #[test]
    fn a_length_without_bytes_behind_it_makes_no_room() {
        // A string of 2^40 bytes.
        let sealed = seal(&(253_u8, 1_u64 << 40));
        assert_eq!(open::<String>(&sealed), Err(SnapshotError::Malformed));
    }
}
