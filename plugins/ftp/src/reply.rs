//! Replies of several lines: what stands within one is text.
//!
//! A server's reply may have several lines (RFC 959, 4.2): the first one is `ddd-`, the last one begins with the same code and a blank, and
//! whatever stands between is text, which others may have chosen: STAT lists names of files. Linux takes each line for a reply.

use alloc::vec::Vec;

use crate::manifest::REPLY_CODE_BYTES;

/// The code of a reply of which not all lines have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code([u8; REPLY_CODE_BYTES]);

impl Code {
    /// The one that was remembered, if there is one.
    pub(crate) fn resume(state: &[u8]) -> Option<Self> {
        state.try_into().ok().map(Self)
    }

    /// What is to be remembered.
    pub(crate) fn save(open: Option<Self>) -> Vec<u8> {
        open.map_or_else(Vec::new, |Self(code)| Vec::from(code))
    }
}

/// The reply that is still open behind the lines of a payload, when `open` is so before it.
pub(crate) fn behind(open: Option<Code>, payload: &[u8]) -> Option<Code> {
    payload.split(|byte| *byte == b'\n').fold(open, |open, line| {
        let Some((code, [next, ..])) = line.split_first_chunk::<REPLY_CODE_BYTES>() else { return open };
        match open {
            // A server that leaves the blank out ends it all the same.
            Some(Code(opened)) => (opened != *code || !matches!(next, b' ' | b'\r')).then_some(Code(opened)),
            // The replies that name an endpoint have one line, and are read as Linux does.
            None => (*next == b'-' && code.iter().all(u8::is_ascii_digit) && !matches!(code, b"227" | b"229"))
                .then_some(Code(*code)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_open_until_its_code_comes_with_a_blank() {
        for (lines, open) in [
            ("213-Status follows:\r\n", Some("213")),
            ("213-Status follows:\r\n-rw- a\r\n227 x (198,51,100,7,24,235)\r\n", Some("213")),
            ("213-Status follows:\r\n213-more\r\n212 other\r\n2133 x\r\n", Some("213")),
            ("213-Status follows:\r\n213 End\r\n", None),
            ("213-Status follows:\r\n213\r\n", None),
            ("213-Status follows:\r\n213 End\r\n220-Hello\r\n", Some("220")),
            ("331 Password, please\r\n", None),
            (" 213-x\r\nabc-x\r\n21\r\n\r\n", None),
            ("227-Entering\r\n", None),
        ] {
            let found = behind(None, lines.as_bytes());
            assert_eq!(Code::save(found), open.unwrap_or_default().as_bytes(), "{lines}");
            // Line by line it is the same.
            let singly = lines
                .split_inclusive('\n')
                .fold(Vec::new(), |state, line| Code::save(behind(Code::resume(&state), line.as_bytes())));
            assert_eq!(singly, Code::save(found), "{lines}");
        }
    }
}
