//! Two engines joined by rings, and a stream from one to the other.
//!
//! They hand each other frames as two ends of a cable within one machine do: headers are copied, payloads are shared.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant, Transmit,
    device::{Device, Feature, Features, InterfaceAddress},
    socket::{Family, SocketError, SocketId, SocketOption},
    wire::MacAddr,
};

/// What each end may hold.
pub(crate) const BUFFER: u32 = 1 << 18;
/// What a program writes and reads at a time.
pub(crate) const PIECE: usize = 1 << 16;
/// Rounds of polling take so long in virtual time: nothing waits for it.
const TICK: Duration = Duration::from_micros(10);

const PORT: u16 = 80;

/// What devices do for their hosts.
#[derive(Clone, Copy)]
pub(crate) struct Offload {
    pub(crate) checksums: bool,
    pub(crate) segmentation: bool,
}

/// Two hosts that nothing but their rings lies between.
pub(crate) struct Pair {
    engines: [Engine; 2],
    now: Instant,
    /// Frames on their way from one end.
    ring: Vec<Transmit>,
}

fn address(index: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, 1 + index as u8).into()
}

fn host(index: usize, offload: Offload) -> Engine {
    let feature = |name| Feature::by_name(name).expect("a known name");
    let features = Features::default()
        .with(feature("tx-checksumming"), offload.checksums)
        .with(feature("tcp-segmentation-offload"), offload.segmentation)
        .with(Feature::GRO, !offload.segmentation);
    let device = Device {
        name: "eth0".into(),
        mac: MacAddr([2, 0, 0, 0, 0, 1 + index as u8]),
        addresses: vec![InterfaceAddress { address: address(index), prefix: 24 }],
        any_destination: true,
        arp: false,
        features,
        ..Device::default()
    };
    let mut engine = Engine::new(index as u64);
    engine.handle_command(Instant::ZERO, Command::AddDevice(device)).expect("one device");
    engine
}

impl Pair {
    pub(crate) fn new(offload: Offload) -> Self {
        let engines = [host(0, offload), host(1, offload)];
        Self { engines, now: Instant::from_secs(1), ring: Vec::new() }
    }

    /// Carries what each end has sent to the other, and lets their timers run out.
    fn pass(&mut self) {
        self.now = self.now + TICK;
        for from in 0..2 {
            let ring = &mut self.ring;
            ring.extend(core::iter::from_fn(|| self.engines[from].poll_transmit()));
            let frames: Vec<Frame<'_>> = ring.iter().map(|sent| sent.as_frame(DeviceId(0))).collect();
            self.engines[1 - from].handle_frames(self.now, &frames);
            drop(frames);
            ring.drain(..).for_each(|sent| self.engines[from].recycle(sent));
        }
        for engine in &mut self.engines {
            if engine.poll_timeout().is_some_and(|(when, _)| when <= self.now) {
                engine.handle_timeout(self.now);
            }
        }
    }

    fn listen(&mut self) -> SocketId {
        let id = self.engines[1].open_stream(self.now, Family::Ipv4).expect("a socket");
        let mut socket = self.engines[1].socket(self.now, id).expect("it is there");
        socket.bind(SocketAddr::new(address(1), PORT)).expect("the port is free");
        socket.listen(16).expect("it may listen");
        id
    }

    fn connect(&mut self) -> SocketId {
        let id = self.engines[0].open_stream(self.now, Family::Ipv4).expect("a socket");
        let mut socket = self.engines[0].socket(self.now, id).expect("it is there");
        socket.set(&SocketOption::SendBuffer(BUFFER)).expect("an option of streams");
        socket.connect(SocketAddr::new(address(1), PORT)).expect("there is a way");
        id
    }

    /// A connection's sockets, the first's first.
    pub(crate) fn connected(&mut self) -> [SocketId; 2] {
        let listener = self.listen();
        let client = self.connect();
        loop {
            self.pass();
            match self.engines[1].socket(self.now, listener).expect("it listens").accept() {
                Ok(server) => return [client, server],
                Err(SocketError::WouldBlock) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A stream of so many bytes from the first to the second.
    pub(crate) fn transfer(&mut self, [client, server]: [SocketId; 2], bytes: usize, piece: &mut [u8]) {
        let (mut written, mut read) = (0, 0);
        while read < bytes {
            while written < bytes {
                let mut socket = self.engines[0].socket(self.now, client).expect("it is open");
                match socket.send(&piece[..piece.len().min(bytes - written)]) {
                    Ok(count) => written += count,
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            self.pass();
            loop {
                match self.engines[1].socket(self.now, server).expect("it is open").receive(piece) {
                    Ok(0) | Err(SocketError::WouldBlock) => break,
                    Ok(count) => read += count,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}
