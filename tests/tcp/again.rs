//! Stream sockets that are connected again (Linux v6.18: `net/ipv4/af_inet.c`, `__inet_stream_connect()`; `net/ipv4/tcp.c`,
//! `tcp_disconnect()`).

use std::net::SocketAddr;

use lab::network::{Link, Network, Peer};
use towpath_engine::{
    socket::{Family, Readiness, SocketError, SocketOption},
    tcp::State,
};

fn there() -> SocketAddr {
    ([10, 0, 0, 2], 99).into()
}

#[test]
fn who_was_refused_hears_why_once_and_may_try_again() {
    let mut peer = Peer::new();
    peer.call().set(&SocketOption::NoDelay(true)).unwrap();
    assert_eq!(peer.connects(), ["S seq 0"]);
    let first = peer.call().local().unwrap();
    peer.gets("RA seq 0 ack 1");
    assert_eq!(peer.call().connect(there()), Err(SocketError::ConnectionRefused));
    assert_eq!((peer.call().state(), peer.call().local()), (State::Closed, None));
    assert_eq!(peer.connects().len(), 1);
    assert_ne!(peer.call().local().unwrap(), first, "it is another port");
    let now = peer.now();
    let other = peer.engine.open_stream(now, Family::Ipv4).unwrap();
    assert_eq!(peer.engine.socket(now, other).unwrap().bind(first), Ok(()), "the port was given back");
    assert!(peer.call().settings().no_delay);
    peer.gets("RA seq 0 ack 1");
    assert_eq!(peer.call().take_error(), Some(SocketError::ConnectionRefused));
    assert_eq!(peer.call().connect(there()), Err(SocketError::ConnectionAborted), "what is told is told");
    assert_eq!(peer.connects().len(), 1);
}

#[test]
fn the_next_connection_is_numbered_behind_all_that_may_have_been_sent() {
    let mut peer = Peer::new();
    peer.call().bind(([10, 0, 0, 1], 7777).into()).unwrap();
    peer.connects();
    let before = peer.initial();
    peer.gets("SA seq 0 ack 1 win 60000 mss 1000");
    peer.says();
    assert_eq!(peer.call().send(&[1; 100]), Ok(100));
    peer.says();
    peer.call().disconnect().unwrap();
    assert_eq!(peer.says(), ["RA seq 101 ack 1"]);
    let ready = peer.call().readiness();
    assert!(ready.has(Readiness::ERROR | Readiness::HUNG_UP) && !ready.has(Readiness::READABLE), "{ready:?}");
    assert_eq!(peer.call().receive(&mut [0; 10]), Err(SocketError::ConnectionReset));
    assert_eq!(peer.call().receive(&mut [0; 10]), Err(SocketError::NotConnected));
    assert_eq!(peer.call().local(), Some(([10, 0, 0, 1], 7777).into()), "it stays bound");
    // The window that was told, and two more.
    assert_eq!(peer.connects(), ["S seq 0"]);
    assert_eq!(peer.initial().wrapping_sub(before), 101 + 60_000 + 2);
}

#[test]
fn what_is_given_up_is_given_back() {
    let mut network = Network::new(1, Link::default());
    let mut streams = network.connected(80);
    streams.write(&mut network, 0, 50_000);
    network.run(std::time::Duration::from_millis(100));
    for side in 0..2 {
        let now = network.now();
        network.engines[side].socket(now, streams.ids[side]).unwrap().disconnect().unwrap();
        let memory = network.engines[side].tcp_memory();
        assert_eq!((memory.bytes, memory.connections), (0, 0));
        network.engines[side].socket(now, streams.ids[side]).unwrap().close();
    }
    network.run(std::time::Duration::from_millis(100));
    assert_eq!((network.engines[0].sockets(), network.engines[1].sockets()), (0, 1), "only the listener stays");
}

#[test]
fn a_connection_that_was_accepted_is_not_begun_again_before_it_is_given_up() {
    let mut network = Network::new(1, Link::default());
    let streams = network.connected(80);
    let now = network.now();
    network.engines[0].socket(now, streams.ids[0]).unwrap().close();
    network.run(std::time::Duration::from_millis(100));
    let now = network.now();
    let mut socket = network.engines[1].socket(now, streams.ids[1]).unwrap();
    assert_eq!(socket.connect(lab::network::address(0)), Err(SocketError::IsConnected));
    socket.disconnect().unwrap();
    assert_eq!(socket.connect(lab::network::address(0)), Ok(()));
}
