//! Requests for connections, and who they are for (Linux v6.18: `net/ipv4/tcp_minisocks.c`, `tcp_check_req()`).

use std::{net::SocketAddr, time::Duration};

use lab::network::Peer;
use towpath_engine::{
    Command,
    netfilter::{Loading, RuleSet, Source},
    socket::{Family, Readiness, SocketError, SocketId, SocketOption},
};

const NONE: [&str; 0] = [];

/// A host that listens on port 80, and has been asked for a connection.
fn asked(backlog: u32) -> Peer {
    let mut peer = Peer::new();
    peer.call().bind(([10, 0, 0, 1], 80).into()).expect("the port is free");
    peer.call().listen(backlog).expect("it may listen");
    peer.gets("S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    peer
}

#[test]
fn a_request_ends_with_its_listener_and_is_no_other_ones() {
    let mut peer = asked(4);
    let now = peer.now();
    peer.engine.socket(now, peer.socket).unwrap().close();
    let other = peer.engine.open_stream(now, Family::Ipv4).unwrap();
    peer.socket = other;
    peer.call().bind(SocketAddr::from(([10, 0, 0, 1], 22))).unwrap();
    peer.call().listen(4).unwrap();
    peer.gets("A seq 1 ack 1 win 60000");
    assert_eq!(peer.says(), ["R seq 1"]);
    assert_eq!(peer.call().accept(), Err(SocketError::WouldBlock));
    assert_eq!(peer.engine.sockets(), 1, "the request is forgotten");
}

#[test]
fn what_has_come_before_a_connection_was_accepted_is_news_to_who_accepts_it() {
    let mut peer = asked(4);
    peer.gets("A seq 1 ack 1 win 60000");
    peer.gets("PA seq 1 ack 1 win 60000 len 100");
    let listener = peer.socket;
    assert_eq!(peer.engine.poll_socket(), Some((listener, Readiness::READABLE)));
    assert_eq!(peer.engine.poll_socket(), None, "nobody knows the connection yet");
    let accepted = peer.call().accept().expect("it waits");
    let news = Readiness::READABLE | Readiness::WRITABLE;
    assert_eq!(peer.engine.poll_socket(), Some((accepted, news)));
    assert_eq!(peer.engine.poll_socket(), None);
}

#[test]
fn a_syn_that_comes_again_is_answered_not_too_often_and_does_not_end_the_request() {
    let mut peer = asked(4);
    for _ in 0..10 {
        peer.gets("S seq 0 win 60000 mss 1000");
    }
    assert_eq!(peer.says(), ["SA seq 0 ack 1"], "one of ten in half a second");
    for _ in 0..8 {
        peer.passes(600);
        peer.gets("S seq 0 win 60000 mss 1000");
        assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    }
    let sent: Vec<u64> = peer.waits(Duration::from_secs(100)).into_iter().map(|(when, _)| when).collect();
    assert_eq!(sent, [1000, 3000, 7000, 15_000, 31_000], "as if it had come once");
}

#[test]
fn a_syn_of_another_connection_ends_the_request_with_a_reset() {
    let mut peer = asked(4);
    peer.gets("S seq 100 win 60000 mss 1000");
    let said = peer.says();
    assert!(said.len() == 1 && said[0].starts_with("RA ") && said[0].ends_with(" ack 101"), "{said:?}");
    assert_eq!(peer.engine.sockets(), 1);
}

#[test]
fn what_cannot_be_right_is_answered_with_where_the_request_stands_not_too_often() {
    let mut peer = asked(4);
    for _ in 0..3 {
        peer.gets("A seq 900000 ack 1 win 60000");
    }
    assert_eq!(peer.says(), ["A seq 1 ack 1"]);
    peer.gets("A seq 1 ack 1 win 60000");
    assert_eq!(peer.says(), NONE);
    assert!(peer.call().accept().is_ok());
}

#[test]
fn a_listener_with_as_many_requests_as_may_wait_answers_with_a_cookie_which_is_as_good_as_a_place() {
    let mut peer = asked(1);
    peer.gets_from(3000, "S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    assert_eq!(peer.engine.sockets(), 3, "the listener and two requests");
    peer.gets_from(3001, "S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    assert_eq!(peer.engine.sockets(), 3, "nothing is remembered of the third");
    let ack = peer.initial().wrapping_add(1);
    peer.gets_from(3001, &format!("A seq 1 ack {ack} win 60000"));
    let accepted = peer.call().accept().expect("the third stands");
    let now = peer.now();
    assert_eq!(peer.engine.socket(now, accepted).unwrap().peer(), Ok(SocketAddr::from(([10, 0, 0, 2], 3001))));
}

#[test]
fn a_syn_that_takes_a_rests_place_needs_no_room_among_requests() {
    let mut peer = Peer::new().sysctl("net.ipv4.tcp_syncookies", &[0]);
    let listener = left(&mut peer);
    peer.socket = listener;
    (3000..3002).for_each(|port| peer.gets_from(port, "S seq 0 win 60000 mss 1000"));
    assert_eq!(peer.says().len(), 2, "the queue is full");
    peer.gets_from(3002, "S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), NONE, "there is room for nobody");
    peer.gets("S seq 1000 win 60000 mss 1000");
    assert_eq!(peer.says().len(), 1, "but for who has been here");
}

#[test]
fn a_syn_that_takes_a_rests_place_is_acknowledged_where_nobody_listens_any_more() {
    let mut peer = Peer::new();
    let listener = left(&mut peer);
    let now = peer.now();
    peer.engine.socket(now, listener).expect("it is open").close();
    peer.gets("S seq 1000 win 60000 mss 1000");
    assert_eq!(peer.says(), ["A seq 2 ack 2"]);
}

#[test]
fn without_cookies_a_quarter_of_the_requests_that_may_be_remembered_is_left_free() {
    let peer = Peer::new().sysctl("net.ipv4.tcp_syncookies", &[0]);
    let mut peer = peer.sysctl("net.ipv4.tcp_max_syn_backlog", &[9]);
    peer.call().bind(([10, 0, 0, 1], 80).into()).expect("the port is free");
    peer.call().listen(100).expect("it may listen");
    (3000..3020).for_each(|port| peer.gets_from(port, "S seq 0 win 60000 mss 1000"));
    assert_eq!(peer.says().len(), 8, "with seven remembered, two of nine are free, and one more may come");
    peer = peer.sysctl("net.ipv4.tcp_syncookies", &[1]);
    peer.gets_from(4000, "S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says().len(), 1, "with cookies nobody counts");
}

#[test]
fn connections_have_the_traffic_class_of_their_syn_where_that_is_reflected() {
    for (reflects, expected) in [(0, 0x10), (1, 0x28)] {
        let mut peer = Peer::new().sysctl("net.ipv4.tcp_reflect_tos", &[reflects]);
        peer.call().set(&SocketOption::Tos(0x10)).expect("it may be set");
        peer.call().bind(([10, 0, 0, 1], 80).into()).expect("the port is free");
        peer.call().listen(4).expect("it may listen");
        peer.gets_from(2000, "S seq 0 win 60000 mss 1000 tos 0x2a");
        let (tos, initial) = class_and_seq(&mut peer);
        assert_eq!(tos, expected, "the answer");
        peer.gets_from(2000, &format!("A seq 1 ack {} win 60000", initial.wrapping_add(1)));
        peer.socket = peer.call().accept().expect("it waits");
        peer.call().send(b"hello").expect("there is room");
        assert_eq!(class_and_seq(&mut peer).0, expected, "data");
    }
}

/// The traffic class and the sequence number of the packet that was sent.
fn class_and_seq(peer: &mut Peer) -> (u8, u32) {
    let sent = peer.engine.poll_transmit().expect("something was sent");
    let head = sent.head();
    (head[15], u32::from_be_bytes([head[38], head[39], head[40], head[41]]))
}

#[test]
fn connections_have_the_mark_of_their_syn_where_that_is_accepted_and_the_listener_has_none() {
    const RULES: &str =
        "*mangle\n-A PREROUTING -j MARK --set-mark 7\nCOMMIT\n*filter\n-A OUTPUT -m mark ! --mark 7 -j DROP\nCOMMIT\n";
    for (accepts, own, answers) in [(0, 0, 0), (1, 0, 1), (1, 5, 0)] {
        let mut peer = Peer::new().sysctl("net.ipv4.tcp_fwmark_accept", &[accepts]);
        let rules = RuleSet::parse(&[Source { name: "rules", text: RULES }], &Loading::default()).expect("right rules");
        let now = peer.now();
        peer.engine.handle_command(now, Command::ReplaceRules(Box::new(rules))).expect("rules are taken");
        peer.call().set(&SocketOption::Mark(own)).expect("it may be set");
        peer.call().bind(([10, 0, 0, 1], 80).into()).expect("the port is free");
        peer.call().listen(4).expect("it may listen");
        peer.gets("S seq 0 win 60000 mss 1000");
        assert_eq!(peer.says().len(), answers, "{accepts} {own}");
        if answers > 0 {
            peer.gets("A seq 1 ack 1 win 60000");
            peer.socket = peer.call().accept().expect("it waits");
            peer.call().send(b"hello").expect("there is room");
            assert_eq!(peer.says(), ["PA seq 1 ack 1 len 5"]);
        }
    }
}

#[test]
fn sockets_choose_among_the_congestion_controls_that_are_allowed_or_keep_what_they_have() {
    let mut peer = Peer::new()
        .sysctl("net.ipv4.tcp_congestion_control", &[1])
        .sysctl("net.ipv4.tcp_allowed_congestion_control", &[4])
        .accepted("mss 1000");
    assert_eq!(peer.call().settings().congestion, "reno");
    let mut chooses = |name: &str| peer.call().set(&SocketOption::Congestion(name.into()));
    assert_eq!(chooses("cubic"), Err(SocketError::NotPermitted));
    assert_eq!(chooses("vegas"), Err(SocketError::NoEntry));
    assert_eq!(chooses("reno"), Ok(()), "it has that");
    assert_eq!(chooses("bbr"), Ok(()));
    assert_eq!(chooses("reno"), Err(SocketError::NotPermitted), "it has another one now");
    assert_eq!(peer.call().settings().congestion, "bbr");
}

/// Leaves nothing of a connection but TIME_WAIT. Gives the socket that has taken it and listens still.
fn left(peer: &mut Peer) -> SocketId {
    peer.call().bind(([10, 0, 0, 1], 80).into()).expect("the port is free");
    peer.call().listen(1).expect("it may listen");
    let listener = peer.socket;
    peer.gets("S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    peer.gets("A seq 1 ack 1 win 60000");
    peer.socket = peer.call().accept().expect("it waits");
    peer.call().shut(false, true).expect("it is connected");
    assert_eq!(peer.says(), ["FA seq 1 ack 1"]);
    peer.gets("FA seq 1 ack 2 win 60000");
    assert_eq!(peer.says(), ["A seq 2 ack 2"]);
    listener
}
