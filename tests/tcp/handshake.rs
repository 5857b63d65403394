//! How connections begin (RFC 9293, section 3.5), and what must not begin or end one (RFC 5961).

use std::time::Duration;

use lab::network::Peer;
use towpath_engine::{
    socket::{Readiness, SocketError},
    tcp::State,
};

const NONE: [&str; 0] = [];

#[test]
fn a_syn_is_sent_again_each_second_at_first_and_then_after_ever_longer() {
    let mut peer = Peer::new();
    assert_eq!(peer.connects(), ["S seq 0"]);
    let sent: Vec<u64> = peer.waits(Duration::from_secs(30)).into_iter().map(|(when, _)| when).collect();
    assert_eq!(sent, [1000, 2000, 3000, 4000, 5000, 7000, 11_000, 19_000]);
}

#[test]
fn an_answered_syn_makes_a_connection_and_is_acknowledged() {
    let mut peer = Peer::new();
    peer.connects();
    assert_eq!(peer.call().connect(([10, 0, 0, 2], 99).into()), Err(SocketError::Already));
    peer.gets("SA seq 0 ack 1 win 60000 mss 1000");
    assert_eq!(peer.says(), ["A seq 1 ack 1"]);
    assert_eq!(peer.call().state(), State::Established);
    assert!(peer.call().readiness().has(Readiness::WRITABLE));
    assert_eq!(peer.engine.poll_socket(), Some((peer.socket, Readiness::WRITABLE)));
    assert_eq!(peer.engine.poll_socket(), None, "it is told once");
}

#[test]
fn two_syns_that_cross_make_one_connection() {
    let mut peer = Peer::new();
    peer.connects();
    peer.gets("S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    assert_eq!(peer.call().state(), State::SynReceived);
    peer.gets("SA seq 0 ack 1 win 60000 mss 1000");
    assert_eq!(peer.call().state(), State::Established);
}

#[test]
fn the_number_of_a_syn_does_not_acknowledge_it() {
    let mut peer = Peer::new();
    peer.connects();
    peer.gets("S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    peer.gets("A seq 1 ack 0 win 60000");
    assert_eq!(peer.says(), ["R seq 0"]);
    assert_eq!(peer.call().state(), State::SynReceived);
    peer.gets("A seq 1 ack 1 win 60000");
    assert_eq!(peer.call().state(), State::Established);
}

#[test]
fn an_answer_to_an_earlier_syn_is_reset_and_harms_nothing() {
    let mut peer = Peer::new();
    peer.connects();
    peer.gets("SA seq 0 ack 77 win 60000");
    assert_eq!(peer.says(), ["R seq 77"]);
    assert_eq!(peer.call().state(), State::SynSent);
    peer.gets("RA seq 0 ack 77");
    assert_eq!(peer.call().state(), State::SynSent);
    peer.gets("RA seq 0 ack 1");
    assert_eq!(peer.call().take_error(), Some(SocketError::ConnectionRefused));
}

#[test]
fn the_answer_to_a_syn_is_sent_again_until_it_is_acknowledged() {
    let mut peer = Peer::new();
    peer.call().bind(([10, 0, 0, 1], 80).into()).unwrap();
    peer.call().listen(1).unwrap();
    peer.gets("S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    let sent: Vec<u64> = peer.waits(Duration::from_secs(100)).into_iter().map(|(when, _)| when).collect();
    assert_eq!(sent, [1000, 3000, 7000, 15_000, 31_000]);
    assert_eq!(peer.engine.sockets(), 1, "the request is given up");
}

#[test]
fn a_reset_must_be_exact_and_one_that_is_near_is_asked_to_be() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.gets("R seq 500");
    assert_eq!(peer.says(), ["A seq 1 ack 1"]);
    peer.gets("R seq 600");
    assert_eq!(peer.says(), NONE, "not too often");
    assert_eq!(peer.call().state(), State::Established);
    peer.gets("R seq 1");
    assert_eq!(peer.call().state(), State::Closed);
    assert_eq!(peer.call().take_error(), Some(SocketError::ConnectionReset));
}

#[test]
fn a_syn_on_a_connection_is_challenged() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.gets("S seq 500 win 60000");
    assert_eq!(peer.says(), ["A seq 1 ack 1"]);
    assert_eq!(peer.call().state(), State::Established);
}

#[test]
fn a_listener_takes_no_more_requests_than_its_backlog() {
    let mut peer = Peer::new();
    peer.call().bind(([10, 0, 0, 1], 80).into()).unwrap();
    peer.call().listen(0).unwrap();
    peer.gets("S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says().len(), 1);
    peer.gets("A seq 1 ack 1 win 60000");
    assert!(peer.call().readiness().has(Readiness::READABLE));
    assert!(peer.call().accept().is_ok());
    assert_eq!(peer.call().accept(), Err(SocketError::WouldBlock));
}

#[test]
fn two_sockets_share_a_port_only_when_both_say_so() {
    use towpath_engine::socket::{Family, SocketOption};
    let mut peer = Peer::new();
    let at = ([10, 0, 0, 1], 80).into();
    let now = lab::network::START;
    peer.call().set(&SocketOption::ReusePort(true)).unwrap();
    peer.call().bind(at).unwrap();
    peer.call().listen(1).unwrap();
    let other = peer.engine.open_stream(now, Family::Ipv4).unwrap();
    let mut socket = peer.engine.socket(now, other).unwrap();
    assert_eq!(socket.bind(at), Err(SocketError::AddressInUse));
    socket.set(&SocketOption::ReusePort(true)).unwrap();
    assert_eq!(socket.bind(at), Ok(()));
    assert_eq!(socket.listen(1), Ok(()));
}
