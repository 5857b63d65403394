//! The RTSP helper: lets media reach a player, and what the player reports of it reach the server.
//!
//! ```text
//! player 192.168.1.10:40000 ──SETUP, Transport: RTP/AVP;client_port=4588-4589──► server 198.51.100.7:554    the master
//! player 192.168.1.10:40000 ◄──200 OK, Transport: …;server_port=6256-6257── server 198.51.100.7:554
//! player 192.168.1.10:4588, 4589 ◄──RTP, RTCP── server 198.51.100.7:any            expected from the request
//! player 192.168.1.10:any ──RTP, RTCP──► server 198.51.100.7:6256, 6257            expected from the answer
//! ```
//!
//! [`transport`] is the parser (RFC 2326, section 12.39); [`Rtsp`] says the same to the kit. `README.md` tells what is not read.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod transport;

use alloc::{string::ToString, vec::Vec};

use towpath_helper_kit::{
    Anchor, AttachPoint, Context, Direction, Endpoint, ExpectClass, FailurePolicy, Framing, Inspection, Manifest,
    Opener, Pattern, Plugin, Protocol, Site, Trigger, Verdict, Wish, foreign,
};
use transport::{Line, Port};

/// The port of RTSP servers (RFC 2326, section 9.2).
pub const PORT: u16 = 554;

/// The word with which a player's first line begins: a method (RFC 2326, section 6.1; RFC 7826, section 7.1).
const OPENINGS: [&[u8]; 12] = [
    b"ANNOUNCE",
    b"DESCRIBE",
    b"GET_PARAMETER",
    b"OPTIONS",
    b"PAUSE",
    b"PLAY",
    b"PLAY_NOTIFY",
    b"RECORD",
    b"REDIRECT",
    b"SETUP",
    b"SET_PARAMETER",
    b"TEARDOWN",
];

/// How many ports one line may name: eight ways with a pair each. What comes behind them is not expected.
pub const PORTS_MAX: usize = 16;

/// How long media may take to come: a player that has set all streams up asks for them next.
pub const EXPECT_SECONDS: u32 = 300;

/// Fuel for one call: many times what the worst line takes.
pub const FUEL_PER_CALL: u64 = 8_000_000;

/// The RTSP helper; keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Rtsp;

impl Plugin for Rtsp {
    fn manifest() -> Manifest {
        Manifest {
            name: "rtsp".into(),
            attach: Vec::from([AttachPoint { protocol: Protocol::Tcp, ports: PORT..=PORT }]),
            framing: Framing::Lines,
            triggers: Vec::from([
                Trigger { bytes: transport::HEADER.to_vec(), anchor: Anchor::LineStart },
                foreign::trigger(),
            ]),
            openings: OPENINGS.iter().map(|method| method.to_vec()).collect(),
            classes: Vec::from([ExpectClass {
                name: "media".into(),
                protocol: Protocol::Udp,
                direction: None,
                opener: Opener::Peer,
                ports: 1024..=u16::MAX,
                loose: false,
                permanent: false,
                ends_master: false,
                expected_max: 32,
                timeout_seconds: EXPECT_SECONDS,
            }]),
            // From one digit to five.
            rewrite_bytes_max: 4,
            state_bytes_max: 0,
            fuel_per_call: FUEL_PER_CALL,
            memory_bytes_max: 512 * 1024,
            on_failure: FailurePolicy::Drop,
        }
    }

    fn inspect(context: &Context, _state: &[u8], payload: &[u8]) -> Option<Inspection> {
        if foreign::speaks(context, payload) {
            return Some(Inspection::of(Verdict::Foreign));
        }
        let ways = match transport::read(payload) {
            Line::Other => return None,
            Line::Incomplete => return Some(Inspection::of(Verdict::Incomplete)),
            Line::Transport(ways) => ways,
        };
        // Each side speaks for itself: what the other one's ports are, it merely repeats.
        let own: &[u8] = match context.direction {
            Direction::Original => b"client_port",
            Direction::Reply => b"server_port",
        };
        let wishes: Vec<_> = ways.ports(own).take(PORTS_MAX).map(|port| wish(context, port)).collect();
        (!wishes.is_empty()).then(|| Inspection { wishes, ..Inspection::default() })
    }

    fn render(_context: &Context, _state: &[u8], _site: Site, translated: Endpoint) -> Vec<u8> {
        translated.port.to_string().into_bytes()
    }
}

/// Datagrams from the side that reads the line to the side that wrote it, from any port.
fn wish(context: &Context, Port { number, place }: Port) -> Wish {
    Wish {
        class: 0,
        protocol: Protocol::Udp,
        source: Pattern::host(context.destination.address),
        destination: Pattern::endpoint(context.source.address, number),
        direction: context.direction.opposite(),
        permanent: false,
        // A payload is at most 64 KB.
        site: Some(Site { offset: place.start as u32, length: place.len() as u32, token: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(direction: Direction, line: &str) -> Vec<u16> {
        let player = Endpoint { address: "2001:db8::a".parse().unwrap(), port: 40_000 };
        let server = Endpoint { address: "2001:db8:2::7".parse().unwrap(), port: PORT };
        let (source, destination) = match direction {
            Direction::Original => (player, server),
            Direction::Reply => (server, player),
        };
        let context = Context { protocol: Protocol::Tcp, direction, source, destination, broadcast_prefix: None };
        let found = Rtsp::inspect(&context, &[], line.as_bytes()).unwrap_or_default();
        for wish in &found.wishes {
            assert_eq!(wish.source, Pattern::host(destination.address));
            assert_eq!(wish.destination.address, Some(source.address));
            assert_eq!(wish.direction, direction.opposite());
        }
        found.wishes.iter().filter_map(|wish| wish.destination.port).collect()
    }

    #[test]
    fn each_side_speaks_for_its_own_ports() {
        let line = "Transport: RTP/AVP;unicast;client_port=4588-4589;server_port=6256-6257\r\n";
        assert_eq!(ports(Direction::Original, line), [4588, 4589]);
        assert_eq!(ports(Direction::Reply, line), [6256, 6257]);
        assert!(ports(Direction::Original, "Transport: RTP/AVP/TCP;interleaved=0-1\r\n").is_empty());
    }

    #[test]
    fn a_line_that_offers_without_end_is_read_up_to_its_bound() {
        let ways = "RTP/AVP;client_port=5000-5001,".repeat(100);
        assert_eq!(ports(Direction::Original, &std::format!("Transport: {ways}\r\n")).len(), PORTS_MAX);
    }
}
