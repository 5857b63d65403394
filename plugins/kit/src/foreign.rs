//! Browsers that a page has made speak to a port of the helper's (NAT slipstreaming, CVE-2020-16022).
//!
//! A page chooses the body of what its visitor's browser sends, to which port, and the method, which is the first word. A helper that reads
//! lines finds in there whatever commands the author likes, and opens the ports of whoever sends it to him. Most such connections begin as
//! none of the helper's protocol does ([`Manifest::openings`](crate::Manifest::openings)); and each request of HTTP has a line `Host:` before
//! its body (RFC 9112, section 3.2), which no page can make a browser leave out.

use alloc::vec::Vec;

use crate::{Anchor, Context, Direction, Trigger};

/// How that line begins.
const LINE: &[u8] = b"Host:";

/// The trigger by which a helper is shown that line.
#[must_use]
pub fn trigger() -> Trigger {
    Trigger { bytes: Vec::from(LINE), anchor: Anchor::LineStart }
}

/// Whether a payload is such a line, of the side that has opened the connection. A helper of whose protocol no line begins so answers
/// [`Verdict::Foreign`](crate::Verdict::Foreign).
#[must_use]
pub fn speaks(context: &Context, payload: &[u8]) -> bool {
    let begins = payload.get(..LINE.len()).is_some_and(|start| start.eq_ignore_ascii_case(LINE));
    context.direction == Direction::Original && begins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, Protocol};

    #[test]
    fn a_browser_is_known_by_the_line_that_it_cannot_leave_out() {
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
        // RFC 7151's command, and a line that is cut.
        assert!(!speaks(&to_server, b"HOST ftp.example\r\n"));
        assert!(!speaks(&to_server, b"Host"));
        assert!(!speaks(&context(Direction::Reply), b"Host: evil.example:21\r\n"));
    }
}
