//! How connections end: in order, half, at once, and by force (RFC 9293, section 3.6).

use std::time::Duration;

use lab::network::{Link, Network, Streams};
use towpath_engine::{
    socket::{SocketError, SocketOption},
    tcp::State,
};

fn connected(link: Link) -> (Network, Streams) {
    let mut network = Network::new(1, link);
    let streams = network.connected(80);
    network.run(Duration::from_millis(100));
    (network, streams)
}

fn state(network: &mut Network, streams: &Streams, side: usize) -> State {
    let now = network.now();
    network.engines[side].socket(now, streams.ids[side]).expect("it is open").state()
}

#[test]
fn a_half_closed_connection_goes_on_in_the_other_direction() {
    let (mut network, mut streams) = connected(Link::default());
    streams.write(&mut network, 0, 5000);
    streams.end(&mut network, 0);
    network.run(Duration::from_millis(100));
    streams.read(&mut network, 0);
    assert!(streams.model.ended[0]);
    assert_eq!(
        (state(&mut network, &streams, 0), state(&mut network, &streams, 1)),
        (State::FinWait2, State::CloseWait)
    );
    streams.write(&mut network, 1, 50_000);
    network.run(Duration::from_millis(500));
    streams.read(&mut network, 1);
    assert_eq!(streams.model.read[1], 50_000);
    streams.end(&mut network, 1);
    network.run(Duration::from_millis(100));
    streams.read(&mut network, 1);
    assert!(streams.model.ended[1]);
    assert_eq!((state(&mut network, &streams, 0), state(&mut network, &streams, 1)), (State::Closed, State::Closed));
}

#[test]
fn both_ends_may_close_at_once() {
    let (mut network, mut streams) = connected(Link::default());
    streams.end(&mut network, 0);
    streams.end(&mut network, 1);
    assert_eq!(
        (state(&mut network, &streams, 0), state(&mut network, &streams, 1)),
        (State::FinWait1, State::FinWait1)
    );
    network.run(Duration::from_millis(100));
    for side in 0..2 {
        streams.read(&mut network, 1 - side);
        assert_eq!(state(&mut network, &streams, side), State::Closed);
        streams.close(&mut network, side);
    }
    // Listener, and what is left of the connection on both sides.
    assert_eq!((network.engines[0].sockets(), network.engines[1].sockets()), (1, 2));
}

#[test]
fn what_is_left_of_a_connection_is_forgotten_after_a_minute() {
    let (mut network, mut streams) = connected(Link::default());
    streams.close(&mut network, 0);
    network.run(Duration::from_millis(100));
    streams.read(&mut network, 0);
    streams.close(&mut network, 1);
    network.run(Duration::from_secs(59));
    assert_eq!((network.engines[0].sockets(), network.engines[1].sockets()), (1, 1));
    network.run(Duration::from_secs(2));
    assert_eq!(network.engines[0].sockets(), 0);
}

#[test]
fn written_bytes_arrive_after_their_socket_was_given_up() {
    for seed in 0..5 {
        let mut network = Network::new(seed, Link { loss_permille: 100, ..Link::default() });
        let mut streams = network.connected(80);
        streams.write(&mut network, 0, 30_000);
        assert_eq!(streams.model.written[0], 30_000);
        streams.close(&mut network, 0);
        for _ in 0..600 {
            network.run(Duration::from_millis(100));
            streams.read(&mut network, 0);
        }
        assert!(streams.model.ended[0], "seed {seed}");
        streams.close(&mut network, 1);
        network.run(Duration::from_secs(300));
        assert_eq!((network.engines[0].sockets(), network.engines[1].sockets()), (0, 1), "seed {seed}");
    }
}

#[test]
fn a_socket_with_unread_bytes_or_without_patience_resets_its_peer() {
    for linger in [None, Some(Duration::ZERO)] {
        let (mut network, mut streams) = connected(Link::default());
        let now = network.now();
        if linger.is_some() {
            network.engines[1].socket(now, streams.ids[1]).unwrap().set(&SocketOption::Linger(linger)).unwrap();
        } else {
            streams.write(&mut network, 0, 1000);
            network.run(Duration::from_millis(100));
        }
        streams.close(&mut network, 1);
        network.run(Duration::from_millis(100));
        let now = network.now();
        let mut socket = network.engines[0].socket(now, streams.ids[0]).unwrap();
        assert_eq!(socket.receive(&mut [0; 10]), Err(SocketError::ConnectionReset));
        assert_eq!(socket.receive(&mut [0; 10]), Ok(0));
        assert_eq!(socket.send(b"more"), Err(SocketError::BrokenPipe));
        socket.close();
        assert_eq!((network.engines[0].sockets(), network.engines[1].sockets()), (0, 1));
    }
}

#[test]
fn nobody_listening_is_told_at_once_and_nobody_there_after_a_while() {
    let mut network = Network::new(1, Link::default());
    let id = network.connect(81);
    network.run(Duration::from_millis(100));
    let now = network.now();
    let mut socket = network.engines[0].socket(now, id).unwrap();
    assert_eq!(socket.take_error(), Some(SocketError::ConnectionRefused));
    network.link.loss_permille = 1000;
    let id = network.connect(80);
    let began = network.now();
    let error = loop {
        assert!(network.step(began + Duration::from_secs(1000)), "a timer stands");
        let now = network.now();
        if let Some(error) = network.engines[0].socket(now, id).unwrap().take_error() {
            break error;
        }
    };
    assert_eq!(error, SocketError::TimedOut);
    // Four linear timeouts, six that double, and the last wait (Linux: 4 + 1 + 2 + … + 64).
    assert_eq!(network.now().since(began).as_secs(), 131);
}
