//! Web browsers that a page has made speak to a port of the helper's protocol (NAT slipstreaming, CVE-2020-16022).
//!
//! A page chooses the body of what its visitor's browser sends, and to which port. A helper that reads lines finds in that body
//! whatever commands the page's author likes, and opens the visitor's own ports to him. But a browser says first that it speaks
//! HTTP: each request has a line `Host:` before its body (RFC 9112, section 3.2), which no page can leave out.

use alloc::vec::Vec;

use crate::{Anchor, Context, Direction, Trigger};

/// How that line begins.
const HOST: &[u8] = b"Host:";

/// The trigger by which a helper is shown that line.
#[must_use]
pub fn trigger() -> Trigger {
    Trigger { bytes: Vec::from(HOST), anchor: Anchor::LineStart }
}

/// Whether a payload is that line, of the side that has opened the connection. A helper of whose protocol no line begins so answers
/// [`Verdict::Foreign`](crate::Verdict::Foreign).
#[must_use]
pub fn speaks(context: &Context, payload: &[u8]) -> bool {
    let start = payload.get(..HOST.len());
    context.direction == Direction::Original && start.is_some_and(|start| start.eq_ignore_ascii_case(HOST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, Protocol};

    #[test]
    fn a_browser_is_known_by_the_line_that_names_the_host() {
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
