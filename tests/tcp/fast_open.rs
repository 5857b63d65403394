//! Fast Open (RFC 7413), as far as packet scripts do not show it: many connections of one listener, cookies that last, and both ends
//! in one host.

use std::net::SocketAddr;

use lab::network::Peer;
use towpath_engine::{
    Command, Engine, Instant,
    snapshot::Restoring,
    socket::{Family, SendFlags, SocketError, SocketId, SocketOption},
    tcp::{FastOpenCounters, State},
};

const NOW: Instant = Instant::from_secs(1000);
const LISTENER: ([u8; 4], u16) = ([127, 0, 0, 1], 80);

/// A host that listens on port 80, and takes so many connections fast, without cookies.
fn listens(most: u32) -> Peer {
    let mut peer = Peer::new().sysctl("net.ipv4.tcp_fastopen", &[0x202]);
    peer.call().bind(([10, 0, 0, 1], 80).into()).expect("the port is free");
    peer.call().set(&SocketOption::FastOpen(most)).expect("a number");
    peer.call().listen(100).expect("it may listen");
    peer
}

/// Asks for a connection from another port; what the answer acknowledges.
fn asks(peer: &mut Peer, port: u16) -> Vec<String> {
    peer.gets_from(port, "S seq 0 win 60000 mss 1000 len 500");
    peer.says()
}

const TAKEN: [&str; 1] = ["SA seq 0 ack 501"];
const AS_ANY_OTHER: [&str; 1] = ["SA seq 0 ack 1"];

#[test]
fn a_listener_takes_so_many_fast_as_it_says_and_a_reset_in_use_keeps_its_place_for_a_minute() {
    let mut peer = listens(2);
    assert_eq!(asks(&mut peer, 3000), TAKEN);
    assert_eq!(asks(&mut peer, 3001), TAKEN);
    let first = peer.call().accept().expect("it waits");
    let second = peer.call().accept().expect("it waits");
    assert_eq!(asks(&mut peer, 3002), AS_ANY_OTHER);
    assert_eq!(peer.engine.fast_open_counters().listen_overflow, 1);
    // Closed by its user: its place is taken until the handshake is done.
    let now = peer.now();
    peer.engine.socket(now, second).expect("it is open").close();
    let reset = peer.says();
    assert!(
        reset.len() == 1 && reset[0].starts_with("RA") && reset[0].ends_with("ack 501"),
        "its data were not read: {reset:?}"
    );
    assert_eq!(asks(&mut peer, 3003), TAKEN);
    // Reset in use.
    peer.gets_from(3000, "R seq 501");
    assert_eq!(peer.engine.socket(now, first).expect("it is held").state(), State::Closed);
    assert_eq!(asks(&mut peer, 3004), AS_ANY_OTHER);
    peer.passes(59_000);
    assert_eq!(asks(&mut peer, 3005), AS_ANY_OTHER);
    peer.passes(1000);
    assert_eq!(asks(&mut peer, 3006), TAKEN);
}

#[test]
fn one_that_is_reset_before_it_was_accepted_keeps_no_place() {
    let mut peer = listens(1);
    assert_eq!(asks(&mut peer, 3000), TAKEN);
    peer.gets_from(3000, "R seq 501");
    assert_eq!(asks(&mut peer, 3001), TAKEN);
}

#[test]
fn connections_of_a_listener_that_is_closed_are_reset_unless_somebody_has_them() {
    let mut peer = listens(8);
    assert_eq!(asks(&mut peer, 3000), TAKEN);
    assert_eq!(asks(&mut peer, 3001), TAKEN);
    let held = peer.call().accept().expect("it waits");
    peer.call().close();
    assert_eq!(peer.says(), ["RA seq 1 ack 501"]);
    let now = peer.now();
    let mut socket = peer.engine.socket(now, held).expect("it is held");
    assert_eq!((socket.state(), socket.receive(&mut [0; 1000])), (State::SynReceived, Ok(500)));
    peer.engine.socket(now, held).expect("it is held").close();
    peer.passes(200_000);
    assert_eq!(peer.engine.sockets(), 0);
}

#[test]
fn a_handshake_that_is_never_done_ends_after_one_answer_more_than_others() {
    let mut peer = listens(1);
    assert_eq!(asks(&mut peer, 3000), TAKEN);
    let held = peer.call().accept().expect("it waits");
    let again = peer.waits(core::time::Duration::from_secs(200));
    let at: Vec<u64> = again.iter().map(|(millis, _)| millis / 1000).collect();
    assert_eq!(at, [1, 3, 7, 15, 31, 63], "{again:?}");
    let now = peer.now();
    let mut socket = peer.engine.socket(now, held).expect("it is held");
    assert_eq!((socket.state(), socket.take_error()), (State::Closed, Some(SocketError::TimedOut)));
    assert_eq!(asks(&mut peer, 3001), TAKEN, "its place is free");
}

/// A host that talks to itself, and its listener.
fn both() -> (Engine, SocketId) {
    let mut engine = Engine::new(7);
    let on = Command::SetSysctl("net.ipv4.tcp_fastopen".into(), 0x403);
    engine.handle_command(NOW, on).expect("a tunable");
    let listener = listen(&mut engine);
    (engine, listener)
}

fn listen(engine: &mut Engine) -> SocketId {
    let listener = engine.open_stream(NOW, Family::Ipv4).expect("a socket");
    let mut socket = engine.socket(NOW, listener).expect("it is open");
    socket.bind(SocketAddr::from(LISTENER)).expect("the port is free");
    socket.listen(8).expect("it may listen");
    listener
}

/// Opens a connection with ten bytes.
fn opens(engine: &mut Engine) -> (SocketId, Result<usize, SocketError>) {
    opens_to(engine, LISTENER)
}

fn opens_to(engine: &mut Engine, to: ([u8; 4], u16)) -> (SocketId, Result<usize, SocketError>) {
    let socket = engine.open_stream(NOW, Family::Ipv4).expect("a socket");
    let mut borrowed = engine.socket(NOW, socket).expect("it is open");
    let sent = borrowed.send_fast(to.into(), &[7; 10], SendFlags::default());
    (socket, sent)
}

fn counters(engine: &Engine) -> FastOpenCounters {
    engine.fast_open_counters()
}

#[test]
fn a_cookie_is_asked_for_once_and_then_data_go_with_the_syn() {
    let (mut engine, listener) = both();
    let (_, sent) = opens(&mut engine);
    assert_eq!(sent, Ok(10), "it stands at once");
    assert_eq!(counters(&engine), FastOpenCounters { cookie_reqd: 1, ..FastOpenCounters::default() });
    let (client, sent) = opens(&mut engine);
    assert_eq!(sent, Ok(10));
    let expected = FastOpenCounters { cookie_reqd: 1, active: 1, passive: 1, ..FastOpenCounters::default() };
    assert_eq!(counters(&engine), expected);
    // The second connection's data came with its SYN.
    engine.socket(NOW, listener).expect("it listens").accept().expect("it waits");
    let server = engine.socket(NOW, listener).expect("it listens").accept().expect("it waits");
    let mut read = [0; 100];
    assert_eq!(engine.socket(NOW, server).expect("it is held").receive(&mut read), Ok(10));
    assert_eq!(read[..10], [7; 10]);
    for id in [client, server] {
        let info = engine.socket(NOW, id).expect("it is held").info().expect("a connection");
        assert_eq!((info.state, info.options & 32), (State::Established, 32));
    }
}

#[test]
fn cookies_last_when_an_engine_goes_on_from_a_snapshot() {
    let (mut engine, _) = both();
    assert_eq!(opens(&mut engine).1, Ok(10));
    let saved = engine.save();
    let mut twin = Engine::restore(&saved, Restoring::default()).expect("a snapshot");
    listen(&mut twin);
    assert_eq!(opens(&mut twin).1, Ok(10));
    assert_eq!((counters(&twin).passive, counters(&twin).active), (1, 1), "the client has it, and the server knows it");
    twin.handle_command(NOW, Command::ForgetDestinations(None)).expect("a command");
    assert_eq!(opens(&mut twin).1, Ok(10));
    assert_eq!((counters(&twin).cookie_reqd, counters(&twin).active), (1, 1), "it is asked for again");
    // Another engine has another key.
    let other = Command::SetSysctls("net.ipv4.tcp_fastopen_key".into(), vec![1, 2, 3, 4]);
    engine.handle_command(NOW, other).expect("a key");
    assert_eq!(opens(&mut engine).1, Ok(10));
    assert_eq!((counters(&engine).passive, counters(&engine).passive_fail), (0, 1));
    let kept = engine.save();
    let twin = Engine::restore(&kept, Restoring::default()).expect("a snapshot");
    assert_eq!(twin.sysctls().tcp_fastopen_key, [1, 2, 3, 4]);
    assert_eq!(twin.save(), kept);
}

#[test]
fn options_and_tunables_say_who_may() {
    let (mut engine, listener) = both();
    let (client, _) = opens(&mut engine);
    for option in [SocketOption::FastOpen(1), SocketOption::FastOpenConnect(true), SocketOption::FastOpenNoCookie(true)]
    {
        let set = engine.socket(NOW, client).expect("it is held").set(&option);
        assert_eq!(set, Err(SocketError::Invalid), "{option:?} of a connection");
    }
    let asked = engine.socket(NOW, client).expect("it is held").send_fast(LISTENER.into(), &[], SendFlags::default());
    assert_eq!(asked, Err(SocketError::IsConnected));
    let asked = engine.socket(NOW, listener).expect("it listens").send_fast(LISTENER.into(), &[], SendFlags::default());
    assert_eq!(asked, Err(SocketError::IsConnected));
    let (_, refused) = opens_to(&mut engine, ([127, 0, 0, 1], 81));
    assert_eq!(refused, Err(SocketError::ConnectionRefused));
    engine.handle_command(NOW, Command::SetSysctl("net.ipv4.tcp_fastopen".into(), 0x402)).expect("a tunable");
    assert_eq!(opens(&mut engine).1, Err(SocketError::NotSupported));
    let fresh = engine.open_stream(NOW, Family::Ipv4).expect("a socket");
    let set = engine.socket(NOW, fresh).expect("it is open").set(&SocketOption::FastOpenConnect(true));
    assert_eq!(set, Err(SocketError::NotSupported));
}
