//! Segments that a socket does not take, and why.

use std::time::Duration;

use lab::{frame, network::host};
use towpath_engine::{
    Command, DeviceId, DropReason as Why, Engine, Frame, Instant,
    limits::LOOPBACK_QUEUE_MAX,
    packet::{Packet, Pool},
    socket::{Family, SocketId, SocketOption},
};

/// A host with a socket that listens on port 80 of 10.0.0.1.
pub(crate) struct Host {
    engine: Engine,
    listener: SocketId,
}

const NOW: Instant = Instant::from_secs(100);

impl Host {
    pub(crate) fn new(backlog: u32) -> Self {
        let mut engine = host(NOW, 1);
        let listener = engine.open_stream(NOW, Family::Ipv4).expect("a socket");
        let mut socket = engine.socket(NOW, listener).expect("it is there");
        socket.set(&SocketOption::ReceiveBuffer(0)).expect("the least there is");
        socket.bind("10.0.0.1:80".parse().expect("an address")).expect("the port is free");
        socket.listen(backlog).expect("it may listen");
        Self { engine, listener }
    }

    /// A segment goes in; the sequence number of what comes out last.
    pub(crate) fn take(&mut self, port: u16, segment: &str) -> u32 {
        let bytes = frame("lan", &format!("10.0.0.2:{port} > 10.0.0.1:80 {segment}"));
        self.engine.handle_frames(NOW, &[Frame::new(DeviceId(0), &bytes)]);
        let mut last = 0;
        while let Some(transmit) = self.engine.poll_transmit() {
            let packet =
                Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), transmit.head())).expect("it is right");
            last = packet.tcp().map_or(0, |tcp| tcp.seq.get());
        }
        last
    }

    fn drops(&self) -> Vec<Why> {
        self.engine.stats().all_drops().flat_map(|(why, count)| (0..count).map(move |_| why)).collect()
    }
}

/// What a segment of a connection that stands is dropped for; `{ack}` is what acknowledges all.
pub(crate) fn dropped(segment: &str) -> Vec<Why> {
    let mut host = Host::new(1);
    let ack = host.take(1000, "S seq 1 win 1000 ts 50/0").wrapping_add(1);
    host.take(1000, &format!("A seq 2 ack {ack} win 1000 ts 50/0"));
    host.engine.socket(NOW, host.listener).expect("it listens").accept().expect("it stands");
    assert_eq!(host.drops(), []);
    host.take(1000, &segment.replace("{ack}", &ack.to_string()).replace("{beyond}", &ack.wrapping_add(1).to_string()));
    host.drops()
}

/// Data for a connection whose user has shut both directions.
pub(crate) fn unread() -> Vec<Why> {
    let mut host = Host::new(1);
    let ack = host.take(1000, "S seq 1 win 1000").wrapping_add(1);
    host.take(1000, &format!("A seq 2 ack {ack} win 1000"));
    let connection = host.engine.socket(NOW, host.listener).expect("it listens").accept().expect("it stands");
    host.engine.socket(NOW, connection).expect("it is open").shut(true, true).expect("it stands");
    host.take(1000, &format!("A seq 2 ack {ack} win 1000 len 1"));
    host.drops()
}

/// More requests than may wait.
pub(crate) fn crowded() -> Vec<Why> {
    let mut host = Host::new(1);
    let no_cookies = Command::SetSysctl("net.ipv4.tcp_syncookies".into(), 0);
    host.engine.handle_command(NOW, no_cookies).expect("it is a tunable");
    (0..3).for_each(|port| _ = host.take(1000 + port, "S seq 1 win 1000"));
    host.drops()
}

/// Segments out of order, of one byte each, until their memory is more than the socket has.
pub(crate) fn overfull() -> Vec<Why> {
    let mut host = Host::new(1);
    let ack = host.take(1000, "S seq 1 win 1000").wrapping_add(1);
    host.take(1000, &format!("A seq 2 ack {ack} win 1000"));
    for at in 0..4 {
        host.take(1000, &format!("A seq {} ack {ack} win 1000 len 1", 10 + 2 * at));
    }
    host.drops()
}

/// A second segment that nobody has read the first one before, when streams may hold nothing together.
pub(crate) fn short_of_memory() -> Vec<Why> {
    let mut host = Host::new(1);
    host.engine
        .handle_command(NOW, Command::SetSysctls("net.ipv4.tcp_mem".into(), vec![0; 3]))
        .expect("it is a tunable");
    let ack = host.take(1000, "S seq 1 win 1000").wrapping_add(1);
    host.take(1000, &format!("A seq 2 ack {ack} win 1000"));
    host.take(1000, &format!("A seq 3 ack {ack} win 1000 len 1"));
    host.drops()
}

/// More acknowledgements of this host to itself, all of which are due at once, than may wait on `lo`.
pub(crate) fn unanswered() -> Vec<Why> {
    let mut host = Host::new(1);
    let own = "10.0.0.1:80".parse().expect("an address");
    for _ in 0..=LOOPBACK_QUEUE_MAX {
        let client = host.engine.open_stream(NOW, Family::Ipv4).expect("a socket");
        host.engine.socket(NOW, client).expect("it is open").connect(own).expect("there is a way");
        let server = host.engine.socket(NOW, host.listener).expect("it listens").accept().expect("it stands");
        host.engine
            .socket(NOW, server)
            .expect("it is open")
            .set(&SocketOption::QuickAck(false))
            .expect("it may be set");
        host.engine.socket(NOW, client).expect("it is open").send(b"x").expect("there is room");
    }
    assert_eq!(host.drops(), []);
    host.engine.handle_timeout(NOW + Duration::from_millis(200));
    host.drops()
}
