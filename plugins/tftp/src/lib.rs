//! The TFTP helper: lets the server answer a request from a port of its own.
//!
//! ```text
//! client 10.0.0.5:2000 ──RRQ or WRQ──► server 198.51.100.69:69        the master
//! client 10.0.0.5:2000 ◄──DATA, ACK or ERROR── server 198.51.100.69:any   expected
//! ```
//!
//! A request is recognised by its first two bytes (RFC 1350, section 5). It names no endpoint, so nothing is rewritten.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use towpath_helper_kit::{
    AttachPoint, Context, Direction, Endpoint, ExpectClass, FailurePolicy, Framing, Inspection, Manifest, Opener,
    Pattern, Plugin, Protocol, Site, Verdict, Wish,
};

/// The server's port that requests go to (RFC 1350, section 4).
pub const PORT: u16 = 69;

/// How long the answer may take. Linux v6.18: net/netfilter/nf_conntrack_tftp.c, `tftp_exp_policy`.
pub const EXPECT_SECONDS: u32 = 300;

/// Whether a payload is a read or write request (RFC 1350, section 5): opcode 1 or 2.
#[must_use]
pub const fn is_request(payload: &[u8]) -> bool {
    matches!(payload, [0, 1 | 2, ..])
}

/// Whether no client of TFTP sends such a payload: it is cut off in its opcode, or that is none (RFC 1350, section 5; RFC 2347). One
/// without a byte says nothing of what comes behind it.
#[must_use]
pub const fn is_foreign(payload: &[u8]) -> bool {
    !matches!(payload, [] | [0, 1..=6, ..])
}

/// The TFTP helper; keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Tftp;

impl Plugin for Tftp {
    fn manifest() -> Manifest {
        Manifest {
            name: "tftp".into(),
            attach: Vec::from([AttachPoint { protocol: Protocol::Udp, ports: PORT..=PORT }]),
            framing: Framing::Packet,
            triggers: Vec::new(),
            openings: Vec::new(),
            classes: Vec::from([ExpectClass {
                name: "transfer".into(),
                protocol: Protocol::Udp,
                direction: Some(Direction::Reply),
                opener: Opener::Peer,
                ports: 0..=u16::MAX,
                loose: false,
                permanent: false,
                ends_master: false,
                expected_max: 1,
                timeout_seconds: EXPECT_SECONDS,
            }]),
            rewrite_bytes_max: 0,
            state_bytes_max: 0,
            fuel_per_call: 20_000,
            memory_bytes_max: 512 * 1024,
            on_failure: FailurePolicy::Drop,
        }
    }

    fn inspect(context: &Context, _state: &[u8], payload: &[u8]) -> Option<Inspection> {
        // What a server sends is no request, whatever it begins with.
        if context.direction != Direction::Original {
            return None;
        }
        if !is_request(payload) {
            return is_foreign(payload).then(|| Inspection::of(Verdict::Foreign));
        }
        Some(Inspection::wish(Wish {
            class: 0,
            protocol: Protocol::Udp,
            source: Pattern::host(context.destination.address),
            destination: Pattern::endpoint(context.source.address, context.source.port),
            direction: Direction::Reply,
            permanent: false,
            site: None,
        }))
    }

    fn render(_context: &Context, _state: &[u8], _site: Site, _translated: Endpoint) -> Vec<u8> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(direction: Direction) -> Context {
        let client = Endpoint { address: "2001:db8::5".parse().unwrap(), port: 2000 };
        let server = Endpoint { address: "2001:db8:1::69".parse().unwrap(), port: PORT };
        let (source, destination) = match direction {
            Direction::Original => (client, server),
            Direction::Reply => (server, client),
        };
        Context { protocol: Protocol::Udp, direction, source, destination, broadcast_prefix: None }
    }

    #[test]
    fn a_request_lets_the_server_answer_from_any_port() {
        for request in [&b"\0\x01file\0octet\0"[..], b"\0\x02file\0netascii\0", b"\0\x01", b"\0\x02\xff\xff"] {
            let told = context(Direction::Original);
            let found = Tftp::inspect(&told, &[], request).unwrap();
            let [wish] = found.wishes[..] else { panic!("{found:?}") };
            assert_eq!(wish.source, Pattern::host(told.destination.address));
            assert_eq!(wish.destination, Pattern::endpoint(told.source.address, 2000));
            assert_eq!((wish.direction, wish.site, found.state), (Direction::Reply, None, None));
        }
    }

    #[test]
    fn what_else_a_client_sends_is_nothing() {
        let payloads =
            [&b""[..], b"\0\x03\0\x01data", b"\0\x04\0\x01", b"\0\x05\0\x01no\0", b"\0\x06blksize\x001024\0"];
        for payload in payloads {
            assert_eq!(Tftp::inspect(&context(Direction::Original), &[], payload), None, "{payload:?}");
        }
    }

    #[test]
    fn what_no_client_of_tftp_sends_ends_the_helpers_part_in_the_flow() {
        for payload in [&b"\0"[..], b"\x01", b"\0\0file", b"\0\x07", b"\x01\0f", b"GET /"] {
            let found = Tftp::inspect(&context(Direction::Original), &[], payload);
            assert_eq!(found, Some(Inspection::of(Verdict::Foreign)), "{payload:?}");
            assert_eq!(Tftp::inspect(&context(Direction::Reply), &[], payload), None, "{payload:?}");
        }
    }

    #[test]
    fn a_server_requests_nothing() {
        assert_eq!(Tftp::inspect(&context(Direction::Reply), &[], b"\0\x01file\0octet\0"), None);
    }
}
