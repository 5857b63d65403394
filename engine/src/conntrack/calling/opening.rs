//! How a connection begins: by that a helper knows whether it speaks its protocol at all.
//!
//! Why the first word: whoever makes somebody's program speak to a helper's port (NAT slipstreaming, CVE-2020-16022) chooses what stands
//! behind it and on later lines; what the program says first is its own protocol. The first line itself is shown to no helper, since a page
//! may choose that word as well: what opens a connection announces nothing.

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

/// Holds the bytes with which a stream begins against a manifest's openings: its first word has to be one of them. A word ends with a
/// blank or with its line.
pub(super) fn judge(openings: &[Vec<u8>], bytes: &[u8]) -> Beginning {
    if openings.is_empty() {
        return Beginning::Known;
    }
    let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let word = &bytes[..end.unwrap_or(bytes.len())];
    let is_known = |opening: &Vec<u8>| match end {
        Some(_) => opening.eq_ignore_ascii_case(word),
        None => opening.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)),
    };
    match (openings.iter().any(is_known), end) {
        (true, Some(_)) => Beginning::Known,
        (true, None) => Beginning::Short,
        (false, _) => Beginning::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_with_a_word_of_the_openings_in_either_case_or_is_foreign() {
        let openings = [b"USER".to_vec(), b"FEAT".to_vec(), b"FE".to_vec()];
        for (bytes, beginning) in [
            (&b"USER anonymous\r\n"[..], Beginning::Known),
            (b"user x", Beginning::Known),
            (b"FEAT\r\n", Beginning::Known),
            (b"fe\n", Beginning::Known),
            (b"FE", Beginning::Short),
            (b"feat", Beginning::Short),
            (b"us", Beginning::Short),
            (b"", Beginning::Short),
            (b"USERS x\r\n", Beginning::Foreign),
            (b"USER:", Beginning::Foreign),
            (b"FEA\r\n", Beginning::Foreign),
            (b"POST / HTTP/1.1\r\n", Beginning::Foreign),
            (b"\r\nUSER x\r\n", Beginning::Foreign),
            (b" USER x\r\n", Beginning::Foreign),
        ] {
            assert_eq!(judge(&openings, bytes), beginning, "{}", bytes.escape_ascii());
            assert_eq!(judge(&[], bytes), Beginning::Known, "{}", bytes.escape_ascii());
        }
    }
}
