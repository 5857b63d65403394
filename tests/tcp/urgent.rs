//! Urgent data: which byte is read out of turn, and what of the stream is left (RFC 6093; Linux v6.18: `net/ipv4/tcp.c`).

use std::time::Duration;

use lab::network::{Link, Network, Streams};
use proptest::prelude::*;
use towpath_engine::socket::{Readiness, SendFlags, Socket, SocketError, SocketOption};

/// A connection, over which the second end reads urgent bytes in their turn or not.
struct Talk {
    network: Network,
    streams: Streams,
}

impl Talk {
    fn new(is_in_turn: bool) -> Self {
        let mut network = Network::new(1, Link::default());
        let streams = network.connected(80);
        let mut talk = Self { network, streams };
        talk.reader().set(&SocketOption::UrgentInline(is_in_turn)).expect("it may be set");
        talk
    }

    fn socket(&mut self, side: usize) -> Socket<'_> {
        let now = self.network.now();
        self.network.engines[side].socket(now, self.streams.ids[side]).expect("it is open")
    }

    fn reader(&mut self) -> Socket<'_> {
        self.socket(1)
    }

    /// Writes bytes, and lets them arrive.
    fn say(&mut self, bytes: &[u8], urgent: bool) {
        let flags = SendFlags { urgent, ..SendFlags::default() };
        assert_eq!(self.socket(0).send_with(bytes, flags), Ok(bytes.len()));
        self.network.collect();
        self.network.run(Duration::from_millis(100));
    }

    fn read(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 100];
        let read = self.reader().receive(&mut bytes).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }
}

#[test]
fn the_last_byte_of_what_is_urgent_is_read_out_of_turn() {
    let mut talk = Talk::new(false);
    assert_eq!(talk.reader().receive_urgent(), Err(SocketError::Invalid));
    talk.say(b"plain", false);
    talk.say(b"stop!", true);
    talk.say(b"more", false);
    assert!(talk.reader().readiness().has(Readiness::URGENT));
    assert!(!talk.reader().is_at_mark());
    let mut peeked = [0; 20];
    assert_eq!(talk.reader().peek(&mut peeked), Ok(9));
    assert_eq!(peeked[..9], *b"plainstop");
    assert_eq!(talk.read(), b"plainstop");
    assert!(talk.reader().is_at_mark());
    assert_eq!(talk.reader().peek(&mut peeked), Ok(4), "what is read next is behind it");
    assert_eq!(peeked[..4], *b"more");
    assert_eq!(talk.reader().peek_urgent(), Ok(Some(b'!')));
    assert_eq!(talk.reader().receive_urgent(), Ok(Some(b'!')));
    assert_eq!(talk.reader().receive_urgent(), Err(SocketError::Invalid));
    assert!(!talk.reader().readiness().has(Readiness::URGENT));
    assert_eq!(talk.read(), b"more");
    assert!(!talk.reader().is_at_mark());
}

#[test]
fn where_it_is_read_in_its_turn_reading_stops_before_it() {
    let mut talk = Talk::new(true);
    talk.say(b"plain!", true);
    talk.say(b"more", false);
    assert_eq!(talk.reader().receive_urgent(), Err(SocketError::Invalid));
    assert_eq!(talk.read(), b"plain");
    assert!(talk.reader().is_at_mark());
    assert_eq!(talk.read(), b"!more");
}

#[test]
fn datagrams_know_nothing_urgent() {
    let mut network = Network::new(1, Link::default());
    let now = network.now();
    let engine = &mut network.engines[0];
    let id = engine.open_datagram(now, towpath_engine::socket::Family::Ipv4, towpath_engine::socket::DatagramKind::Udp);
    let id = id.expect("a socket");
    let flags = SendFlags { urgent: true, ..SendFlags::default() };
    assert_eq!(engine.socket(now, id).unwrap().send_with(b"!", flags), Err(SocketError::NotSupported));
    assert_eq!(engine.socket(now, id).unwrap().receive_urgent(), Err(SocketError::NotSupported));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_lost_but_urgent_bytes(
        parts in proptest::collection::vec((1_usize..20, any::<bool>(), any::<bool>()), 1..12), is_in_turn in any::<bool>(),
    ) {
        let mut talk = Talk::new(is_in_turn);
        let (mut plain, mut all, mut read) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (len, urgent, reads)) in parts.into_iter().enumerate() {
            let mut part = vec![at as u8; len];
            talk.say(&part, urgent);
            all.extend_from_slice(&part);
            // Whoever reads at once finds each urgent byte out of turn.
            if urgent && !is_in_turn {
                prop_assert_eq!(talk.reader().receive_urgent(), Ok(Some(at as u8)));
            }
            if urgent {
                part.pop();
            }
            plain.extend_from_slice(&part);
            let mut found = if reads { talk.read() } else { Vec::new() };
            while !found.is_empty() {
                read.extend_from_slice(&found);
                found = talk.read();
            }
        }
        for _ in 0..20 {
            read.extend(talk.read());
        }
        if is_in_turn {
            prop_assert_eq!(read, all);
        } else {
            // Those that newer ones came before were read as data, or passed by.
            prop_assert!(plain.len() <= read.len() && read.len() <= all.len());
            let mut rest = all.iter();
            prop_assert!(read.iter().all(|byte| rest.any(|known| known == byte)));
        }
    }
}
