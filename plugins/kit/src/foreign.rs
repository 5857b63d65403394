//! Clients of other protocols that somebody has made speak to a port of the helper's (NAT slipstreaming, CVE-2020-16022).
//!
//! A page chooses the body of what its visitor's browser sends, and to which port; who writes a mail, its text. A helper that reads lines
//! finds in there whatever commands the author likes, and opens the ports of whoever sends it to him. But such a client says first what
//! it speaks, and nobody can make it leave that out: each request of HTTP has a line `Host:` before its body (RFC 9112, section 3.2), and
//! a mail follows `EHLO` or `HELO` (RFC 5321, section 3.1). Of what is no text the engine takes the helper away by itself.

use alloc::vec::Vec;

use crate::{Anchor, Context, Direction, Trigger};

/// How those lines begin.
const LINES: [&[u8]; 3] = [b"Host:", b"EHLO ", b"HELO "];

/// The triggers by which a helper is shown those lines.
pub fn triggers() -> impl Iterator<Item = Trigger> {
    LINES.iter().map(|bytes| Trigger { bytes: Vec::from(*bytes), anchor: Anchor::LineStart })
}

/// Whether a payload is such a line, of the side that has opened the connection. A helper of whose protocol no line begins so answers
/// [`Verdict::Foreign`](crate::Verdict::Foreign).
#[must_use]
pub fn speaks(context: &Context, payload: &[u8]) -> bool {
    let begins = |line: &&[u8]| payload.get(..line.len()).is_some_and(|start| start.eq_ignore_ascii_case(line));
    context.direction == Direction::Original && LINES.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, Protocol};

    #[test]
    fn clients_of_other_protocols_are_known_by_the_line_that_they_cannot_leave_out() {
        let client = Endpoint { address: [10, 0, 0, 2].into(), port: 40_000 };
        let server = Endpoint { address: [198, 51, 100, 7].into(), port: 21 };
        let context = |direction| Context {
            protocol: Protocol::Tcp,
            direction,
            source: client,
            destination: server,
            broadcast_prefix: None,
        };
        let to_server = context(Direction::Original);
        assert!(speaks(&to_server, b"Host: evil.example:21\r\n"));
        assert!(speaks(&to_server, b"hOST:x\n"));
        assert!(speaks(&to_server, b"EHLO office.example\r\n"));
        assert!(speaks(&to_server, b"helo office\r\n"));
        // RFC 7151's command, one of RFC 959, and a line that is cut.
        assert!(!speaks(&to_server, b"HOST ftp.example\r\n"));
        assert!(!speaks(&to_server, b"HELP\r\n"));
        assert!(!speaks(&to_server, b"Host"));
        assert!(!speaks(&context(Direction::Reply), b"Host: evil.example:21\r\n"));
    }
}
