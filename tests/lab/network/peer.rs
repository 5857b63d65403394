//! A host and a scripted peer: segments in the one notation, with sequence numbers counted from each side's SYN.

use std::{net::SocketAddr, time::Duration};

use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant,
    device::{Device, InterfaceAddress},
    packet::{Packet, Pool},
    socket::{Family, Socket, SocketId},
    wire::{MacAddr, SackBlocks, tcp_options::TcpOptions},
};

use crate::frame;

/// An engine whose only device, `lan`, has the address 10.0.0.1, takes every frame, and asks nobody for Ethernet addresses.
///
/// # Panics
/// When an engine does not take its device.
#[must_use]
pub fn host(now: Instant, seed: u64) -> Engine {
    let mut engine = Engine::new(seed);
    let address = InterfaceAddress { address: [10, 0, 0, 1].into(), prefix: 24 };
    let device = Device {
        name: "lan".into(),
        mac: MacAddr([2, 0, 0, 0, 1, 1]),
        mtu_bytes: 1500,
        addresses: vec![address],
        any_destination: true,
        arp: false,
        ..Device::default()
    };
    engine.handle_command(now, Command::AddDevice(device)).expect("a device");
    engine
}

/// An engine with one socket, and what its peer has seen.
pub struct Peer {
    /// The engine.
    pub engine: Engine,
    /// The socket under test.
    pub socket: SocketId,
    now: Instant,
    /// The first sequence number of the engine, and what timestamps it has told last.
    initial: u32,
    timestamp: u32,
    port: u16,
    /// How long the handshake's last segment takes to come.
    round_trip: Duration,
}

impl Peer {
    /// A host that has done nothing yet.
    ///
    /// # Panics
    /// When an engine does not take its device.
    #[must_use]
    pub fn new() -> Self {
        let now = super::START;
        let mut engine = host(now, 7);
        let socket = engine.open_stream(now, Family::Ipv4).expect("a socket");
        Self { engine, socket, now, initial: 0, timestamp: 0, port: 80, round_trip: Duration::ZERO }
    }

    /// With a tunable set.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn sysctl(mut self, name: &str, values: &[u32]) -> Self {
        let command = Command::SetSysctls(name.into(), values.to_vec());
        self.engine.handle_command(self.now, command).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// With a peer that is so far away.
    #[must_use]
    pub const fn round_trip(mut self, millis: u64) -> Self {
        self.round_trip = Duration::from_millis(millis);
        self
    }

    /// A connection that the peer has asked for, with these options of its SYN (`"mss 1000 sackok"`); its segments have 1000
    /// bytes unless it says otherwise.
    ///
    /// # Panics
    /// When the handshake goes otherwise.
    #[must_use]
    pub fn accepted(mut self, options: &str) -> Self {
        let listener = self.socket;
        self.call().bind(SocketAddr::from(([10, 0, 0, 1], 80))).expect("the port is free");
        self.call().listen(8).expect("it may listen");
        self.gets(&format!("S seq 0 win 60000 {options}"));
        let answer = self.says();
        assert!(answer.len() == 1 && answer[0].starts_with("SA seq 0 ack 1"), "{answer:?}");
        self.now = self.now + self.round_trip;
        self.gets("A seq 1 ack 1 win 60000");
        assert_eq!(self.says(), [""; 0]);
        let now = self.now;
        self.socket = self.engine.socket(now, listener).expect("it listens").accept().expect("somebody waits");
        self
    }

    /// A connection that the peer has asked for in the same way, but whose SYN has brought 300 bytes, and whose handshake is not done.
    ///
    /// # Panics
    /// When it is not taken so.
    #[must_use]
    pub fn accepted_fast(mut self, options: &str) -> Self {
        self = self.sysctl("net.ipv4.tcp_fastopen", &[0x603]);
        let listener = self.socket;
        self.call().bind(SocketAddr::from(([10, 0, 0, 1], 80))).expect("the port is free");
        self.call().listen(8).expect("it may listen");
        self.gets(&format!("S seq 0 win 60000 {options} len 300"));
        let answer = self.says();
        assert!(answer.len() == 1 && answer[0].starts_with("SA seq 0 ack 301"), "{answer:?}");
        let now = self.now;
        self.socket = self.engine.socket(now, listener).expect("it listens").accept().expect("somebody waits");
        self
    }

    /// The socket, for calls.
    ///
    /// # Panics
    /// When it has been closed.
    pub fn call(&mut self) -> Socket<'_> {
        self.engine.socket(self.now, self.socket).expect("it is open")
    }

    /// Begins a connection to the peer's port 99, and takes its SYN.
    ///
    /// # Panics
    /// When there is no way.
    pub fn connects(&mut self) -> Vec<String> {
        self.call().connect(SocketAddr::from(([10, 0, 0, 2], 99))).expect("there is a way");
        self.says()
    }

    /// A segment comes from the peer. `ack` counts from the engine's SYN; timestamps are echoed by `ts VALUE/E`.
    pub fn gets(&mut self, segment: &str) {
        let mut words = Vec::new();
        let mut given = segment.split_whitespace();
        while let Some(word) = given.next() {
            words.push(word.to_owned());
            match word {
                "ack" => {
                    let number: u32 = given.next().and_then(|number| number.parse().ok()).expect("a number");
                    words.push(number.wrapping_add(self.initial).to_string());
                }
                "ts" => {
                    let echo = self.timestamp.to_string();
                    words.push(given.next().expect("timestamps").replace('E', &echo));
                }
                "sack" => {
                    let blocks = given.next().expect("blocks").split(',');
                    let moved = blocks.map(|block| {
                        let (start, end) = block.split_once('-').expect("two ends");
                        let [start, end] = [start, end].map(|end| end.parse::<u32>().expect("a number"));
                        format!("{}-{}", start.wrapping_add(self.initial), end.wrapping_add(self.initial))
                    });
                    words.push(moved.collect::<Vec<_>>().join(","));
                }
                _ => {}
            }
        }
        let source = if self.port == 80 { 2000 } else { 99 };
        let line = format!("10.0.0.2:{source} > 10.0.0.1:{} {}", self.port, words.join(" "));
        let bytes = frame("lan", &line);
        self.engine.handle_frames(self.now, &[Frame::new(DeviceId(0), &bytes)]);
    }

    /// The same from another port of the peer's, with nothing counted from anywhere.
    pub fn gets_from(&mut self, port: u16, segment: &str) {
        let bytes = frame("lan", &format!("10.0.0.2:{port} > 10.0.0.1:{} {segment}", self.port));
        self.engine.handle_frames(self.now, &[Frame::new(DeviceId(0), &bytes)]);
    }

    /// A router says that a segment of this host with that sequence number is too large for a link.
    pub fn is_told_too_big(&mut self, mtu_bytes: u16, seq: u32) {
        self.is_told(4, mtu_bytes, seq);
    }

    /// A router says that a segment of this host with that sequence number cannot be delivered, with a code of RFC 792.
    pub fn is_told_unreachable(&mut self, code: u8, seq: u32) {
        self.is_told(code, 0, seq);
    }

    fn is_told(&mut self, code: u8, mtu_bytes: u16, seq: u32) {
        let to = if self.port == 80 { 2000 } else { 99 };
        let quoted = format!("10.0.0.1:{} > 10.0.0.2:{to} A seq {}", self.port, seq.wrapping_add(self.initial));
        let mtu = if mtu_bytes > 0 { format!("mtu {mtu_bytes} ") } else { String::new() };
        let bytes = frame("lan", &format!("10.0.0.9 > 10.0.0.1 icmp type 3 code {code} {mtu}[{quoted}]"));
        self.engine.handle_frames(self.now, &[Frame::new(DeviceId(0), &bytes)]);
    }

    /// The engine's first sequence number, for who makes segments himself.
    #[must_use]
    pub const fn initial(&self) -> u32 {
        self.initial
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// What the engine has sent since it was asked last, a line a packet: flags, sequence numbers, and what else there is.
    pub fn says(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(transmit) = self.engine.poll_transmit() {
            let mut bytes = transmit.head().to_vec();
            transmit.fragments().for_each(|part| bytes.extend_from_slice(part));
            let frame = Frame { checksum: transmit.checksum(), gso: transmit.gso(), ..Frame::new(DeviceId(0), &bytes) };
            let packet = Packet::parse(&mut Pool::new(), &frame).expect("what is sent is right");
            lines.push(self.line(&packet));
            self.engine.recycle(transmit);
        }
        lines
    }

    fn line(&mut self, packet: &Packet) -> String {
        let tcp = packet.tcp().expect("all is TCP");
        let flags = tcp.flags.to_string();
        if flags.contains('S') {
            self.initial = tcp.seq.get();
            self.port = tcp.source_port.get();
        }
        let mut line = format!("{flags} seq {}", tcp.seq.get().wrapping_sub(self.initial));
        if flags.contains('A') {
            line += &format!(" ack {}", tcp.ack.get());
        }
        for option in packet.tcp_options() {
            match option.kind {
                TcpOptions::TIMESTAMPS => {
                    self.timestamp =
                        u32::from_be_bytes([option.data[0], option.data[1], option.data[2], option.data[3]]);
                }
                TcpOptions::SACK => {
                    let blocks = SackBlocks::parse(option.data);
                    let blocks: Vec<_> =
                        blocks.as_slice().iter().map(|(start, end)| format!("{}-{}", start.0, end.0)).collect();
                    line += &format!(" sack {}", blocks.join(","));
                }
                _ => {}
            }
        }
        match packet.payload_len() {
            0 => line,
            len => line + &format!(" len {len}"),
        }
    }

    /// The window of the last segment would be; lets time go by, and tells what was sent and when, in milliseconds from now.
    pub fn waits(&mut self, time: Duration) -> Vec<(u64, String)> {
        let (start, end) = (self.now, self.now + time);
        let mut lines = Vec::new();
        while let Some((when, _)) = self.engine.poll_timeout().filter(|(when, _)| *when <= end) {
            self.now = self.now.max(when);
            self.engine.handle_timeout(self.now);
            let millis = self.now.since(start).as_millis() as u64;
            lines.extend(self.says().into_iter().map(|line| (millis, line)));
        }
        self.now = end;
        lines
    }

    /// The same when nobody cares what is sent.
    pub fn passes(&mut self, millis: u64) {
        self.waits(Duration::from_millis(millis));
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self::new()
    }
}
