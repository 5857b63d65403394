//! Sockets are no part of a snapshot: an engine that goes on from one keeps those that it has.

use std::time::Duration;

use lab::network::{Link, Network};
use towpath_engine::{
    Command, CommandError, Engine,
    snapshot::{Restoring, SnapshotError},
    socket::{DatagramKind, Family, ServiceAnswer, SocketError, UdpService},
    tcp::State,
};

#[test]
fn connections_and_listeners_go_on_when_their_engines_go_on_from_snapshots() {
    let mut network = Network::new(1, Link::default());
    let saved = network.engines.each_ref().map(Engine::save);
    let mut streams = network.connected(80);
    network.run(Duration::from_millis(100));
    streams.write(&mut network, 0, 5000);
    network.run(Duration::from_millis(100));
    for (engine, saved) in network.engines.iter_mut().zip(&saved) {
        engine.reload(saved, false).expect("a right snapshot");
    }
    streams.write(&mut network, 0, 10_000);
    streams.write(&mut network, 1, 7000);
    network.run(Duration::from_secs(1));
    streams.read(&mut network, 0);
    streams.read(&mut network, 1);
    assert_eq!(streams.model.read, [10_000, 7000]);
    let now = network.now();
    let other = network.engines[0].open_stream(now, Family::Ipv4).expect("a socket");
    let mut socket = network.engines[0].socket(now, other).expect("it is open");
    socket.connect("10.0.0.2:80".parse().expect("an address")).expect("there is a way");
    network.run(Duration::from_secs(1));
    let now = network.now();
    let state = network.engines[0].socket(now, other).expect("it is open").state();
    assert_eq!(state, State::Established, "the listener is there still");
}

#[test]
fn services_are_those_of_the_snapshot_unless_a_port_of_theirs_is_taken() {
    let mut network = Network::new(1, Link::default());
    let (now, engine) = (network.now(), &mut network.engines[0]);
    let offer = |port| Command::OfferUdp(UdpService { port, answer: ServiceAnswer::Echo });
    engine.handle_command(now, offer(7)).expect("it is free");
    let with_service = engine.save();
    *engine = Engine::restore(&Network::new(1, Link::default()).engines[0].save(), Restoring::default())
        .expect("a right one");
    let socket = engine.open_datagram(now, Family::Ipv4, DatagramKind::Udp).expect("a socket");
    engine
        .socket(now, socket)
        .expect("it is open")
        .bind("10.0.0.1:8".parse().expect("an address"))
        .expect("it is free");
    engine.reload(&with_service, false).expect("nobody has the port");
    assert!(engine.socket(now, socket).is_ok(), "it is open still");
    let other = engine.open_datagram(now, Family::Ipv4, DatagramKind::Udp).expect("a socket");
    let mut other = engine.socket(now, other).expect("it is open");
    assert_eq!(other.bind("10.0.0.1:7".parse().expect("an address")), Err(SocketError::AddressInUse));
    other.bind("10.0.0.1:9".parse().expect("an address")).expect("it is free");
    let mut taken = Network::new(1, Link::default());
    taken.engines[0].handle_command(now, offer(9)).expect("it is free");
    let refused = engine.reload(&taken.engines[0].save(), false);
    let in_use = CommandError::Service(9, SocketError::AddressInUse);
    assert_eq!(refused, Err(SnapshotError::Command(Box::new(in_use))));
    assert!(engine.socket(now, socket).is_ok(), "nothing has changed");
}
