//! How a connection begins: by that a helper knows whether it speaks its protocol at all.
//!
//! Why the first line: whoever makes somebody's program speak to a helper's port (NAT slipstreaming, CVE-2020-16022) chooses what stands
//! on later lines; what the program says first is its own protocol.

use alloc::vec::Vec;

/// What the beginning of a first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It is one that the helper knows.
    Known,
    /// It is none of those.
    Foreign,
    /// It still can be one.
    Short,
}

/// Holds the bytes with which a stream begins against a manifest's openings.
pub(super) fn judge(openings: &[Vec<u8>], bytes: &[u8]) -> Beginning {
    let begins = |opening: &Vec<u8>| {
        let compared = opening.len().min(bytes.len());
        opening[..compared].eq_ignore_ascii_case(&bytes[..compared]).then_some(compared == opening.len())
    };
    // Whether one of them stands there in full.
    match openings.iter().filter_map(begins).reduce(|one, other| one | other) {
        _ if openings.is_empty() => Beginning::Known,
        Some(true) => Beginning::Known,
        Some(false) => Beginning::Short,
        None => Beginning::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_with_an_opening_of_either_case_or_is_foreign() {
        let openings = [b"USER ".to_vec(), b"FEAT".to_vec(), b"FE".to_vec()];
        for (bytes, beginning) in [
            (&b"USER anonymous\r\n"[..], Beginning::Known),
            (b"user x", Beginning::Known),
            (b"FEAT\r\n", Beginning::Known),
            (b"FE", Beginning::Known),
            (b"us", Beginning::Short),
            (b"", Beginning::Short),
            (b"USERS\r\n", Beginning::Foreign),
            (b"USER\r\n", Beginning::Foreign),
            (b"POST / HTTP/1.1\r\n", Beginning::Foreign),
            (b"\r\nUSER x\r\n", Beginning::Foreign),
        ] {
            assert_eq!(judge(&openings, bytes), beginning, "{}", bytes.escape_ascii());
            assert_eq!(judge(&[], bytes), Beginning::Known, "{}", bytes.escape_ascii());
        }
    }
}
