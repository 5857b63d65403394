//! What connections leave of their ways to others (`ip tcp_metrics`), as far as packet scripts do not show it: who is let in, snapshots.

use std::{net::IpAddr, time::Duration};

use lab::network::Peer;
use towpath_engine::{Engine, Instant, snapshot::Restoring, tcp::Destination};

/// A host that listens on port 80 and gives no cookies, with room for 8 requests.
fn listens() -> Peer {
    let mut peer = Peer::new()
        .sysctl("net.ipv4.tcp_syncookies", &[0])
        .sysctl("net.ipv4.tcp_max_syn_backlog", &[8])
        .sysctl("net.ipv4.tcp_timestamps", &[0]);
    peer.call().bind(([10, 0, 0, 1], 80).into()).expect("the port is free");
    peer.call().listen(100).expect("it may listen");
    peer
}

/// How many of 20 SYNs are answered.
fn answers(peer: &mut Peer) -> usize {
    (3000..3020)
        .filter(|port| {
            peer.gets_from(*port, "S seq 0 win 60000 mss 1000");
            !peer.says().is_empty()
        })
        .count()
}

/// A connection that the other end begins and this one ends first, after a round trip of so many milliseconds.
fn ends_well(peer: &mut Peer, millis: u64) {
    peer.gets("S seq 0 win 60000 mss 1000");
    assert_eq!(peer.says(), ["SA seq 0 ack 1"]);
    peer.passes(millis);
    peer.gets("A seq 1 ack 1 win 60000");
    let held = peer.call().accept().expect("it waits");
    let now = peer.now();
    peer.engine.socket(now, held).expect("it is held").close();
    assert_eq!(peer.says(), ["FA seq 1 ack 1"]);
    peer.passes(millis);
    peer.gets("FA seq 1 ack 2 win 60000");
    assert_eq!(peer.says(), ["A seq 2 ack 2"]);
}

fn known(engine: &Engine, now: Instant) -> Vec<Destination> {
    engine.destinations(now).collect()
}

#[test]
fn the_last_quarter_of_a_listener_is_for_who_has_been_there_before() {
    // As many as Linux 6.18.44 lets in of 20 from either.
    assert_eq!(answers(&mut listens()), 7);
    let mut peer = listens();
    ends_well(&mut peer, 20);
    assert_eq!(answers(&mut peer), 20);
    let mut peer = listens();
    ends_well(&mut peer, 20);
    peer.passes(3_600_001);
    assert_eq!(answers(&mut peer), 7, "after an hour nobody knows who that was");
}

#[test]
fn what_is_known_is_in_snapshots_and_goes_on_growing_old() {
    let mut peer = listens();
    ends_well(&mut peer, 20);
    let expected = Destination {
        address: IpAddr::from([10, 0, 0, 2]),
        source: IpAddr::from([10, 0, 0, 1]),
        age: Duration::ZERO,
        threshold: 0,
        window: 10,
        reordering: 0,
        rtt: Duration::from_millis(20),
        deviation: Duration::from_millis(20),
        fast_open_mss: None,
        cookie: None,
    };
    assert_eq!(known(&peer.engine, peer.now()), [expected]);
    peer.passes(5000);
    let aged = Destination { age: Duration::from_secs(5), ..expected };
    let saved = peer.engine.save();
    let twin = Engine::restore(&saved, Restoring::default()).expect("a snapshot");
    assert_eq!(known(&twin, peer.now()), [aged]);
    assert_eq!(twin.save(), saved);
}

#[test]
fn a_reset_leaves_nothing() {
    let mut peer = listens();
    peer.gets("S seq 0 win 60000 mss 1000");
    peer.says();
    peer.gets("A seq 1 ack 1 win 60000");
    peer.gets("R seq 1");
    assert_eq!(known(&peer.engine, peer.now()), []);
}

#[test]
fn one_that_ends_second_is_learned_from_when_its_end_is_acknowledged() {
    let mut peer = listens();
    peer.gets("S seq 0 win 60000 mss 1000");
    peer.says();
    peer.passes(20);
    peer.gets("A seq 1 ack 1 win 60000");
    let held = peer.call().accept().expect("it waits");
    peer.gets("FA seq 1 ack 1 win 60000");
    peer.says();
    let now = peer.now();
    peer.engine.socket(now, held).expect("it is held").close();
    assert_eq!(peer.says(), ["FA seq 1 ack 2"]);
    assert_eq!(known(&peer.engine, peer.now()), []);
    peer.passes(30);
    peer.gets("A seq 2 ack 2 win 60000");
    // The smoothed time of 20 and 30 ms.
    assert_eq!(known(&peer.engine, peer.now())[0].rtt, Duration::from_micros(21_250));
}
