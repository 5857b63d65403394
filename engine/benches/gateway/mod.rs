//! A gateway in memory, and traffic for it: what all benchmarks share.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::{fmt::Write, hint::black_box, net::Ipv4Addr};

use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant,
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind},
    netfilter::{Loading, RuleSet, Source},
    random::Random,
    wire::{MacAddr, checksum},
};

pub(crate) const LAN: DeviceId = DeviceId(0);
pub(crate) const WAN: DeviceId = DeviceId(1);
pub(crate) const ROUTER: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 1, 1]), MacAddr([2, 0, 0, 0, 2, 1])];
pub(crate) const HOST: MacAddr = MacAddr([2, 0, 0, 0, 9, 9]);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Frames of a batch, as a NAPI poll hands them over.
pub(crate) const BATCH: usize = 64;

/// What a gateway does with its packets.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Rules of FORWARD, the one that accepts included.
    pub(crate) rules: usize,
    /// The rule of POSTROUTING; none: no nat table.
    pub(crate) nat: Option<&'a str>,
}

pub(crate) const MASQUERADE: Option<&str> = Some("-o wan -j MASQUERADE");
pub(crate) const SNAT: Option<&str> = Some("-o wan -j SNAT --to-source 203.0.113.1-203.0.113.250");

/// The rules of a gateway, as text.
pub(crate) fn rules(setup: Setup<'_>) -> String {
    let mut text = String::new();
    if let Some(nat) = setup.nat {
        let _ = write!(text, "*nat\n-A POSTROUTING {nat}\nCOMMIT\n");
    }
    if setup.rules > 0 {
        text.push_str("*filter\n:FORWARD DROP [0:0]\n");
        for rule in 0..setup.rules - 1 {
            let (second, third, port) = (168 + rule / 250 % 80, rule % 250, 1000 + rule % 60_000);
            let _ = writeln!(text, "-A FORWARD -s 192.{second}.{third}.0/24 -p tcp -m tcp --dport {port} -j DROP");
        }
        text.push_str("-A FORWARD -j ACCEPT\nCOMMIT\n");
    }
    text
}

pub(crate) fn parsed(text: &str) -> RuleSet {
    RuleSet::parse(&[Source { name: "bench.v4", text }], &Loading::default()).expect("right rules")
}

/// A router with those rules between two networks.
pub(crate) fn router(setup: Setup<'_>) -> Engine {
    let mut engine = Engine::new(7);
    let mut give = |command| engine.handle_command(Instant::ZERO, command).expect("a right command");
    for (index, (name, address)) in [("lan", Ipv4Addr::new(10, 0, 0, 1)), ("wan", PUBLIC)].into_iter().enumerate() {
        give(Command::AddDevice(Device {
            name: name.into(),
            mac: ROUTER[index],
            mtu_bytes: 1500,
            addresses: vec![InterfaceAddress { address: address.into(), prefix: if index == 0 { 8 } else { 24 } }],
            any_destination: false,
            arp: false,
            ..Device::default()
        }));
    }
    give(Command::AddRoute(Route::new(
        Ipv4Addr::UNSPECIFIED.into(),
        0,
        RouteKind::Unicast { device: WAN, via: Some(Ipv4Addr::new(203, 0, 113, 254).into()) },
    )));
    give(Command::SetSysctl("net.netfilter.nf_conntrack_max".into(), 1 << 20));
    give(Command::ReplaceRules(Box::new(parsed(&rules(setup)))));
    engine
}

/// A gateway with flows, and packets of those flows in random order, half of them answers.
pub(crate) struct Traffic {
    pub(crate) engine: Engine,
    frames: Vec<(DeviceId, Vec<u8>)>,
    at: usize,
}

impl Traffic {
    pub(crate) fn new(flows: u32, setup: Setup<'_>) -> Self {
        let mut engine = router(setup);
        let mut frames = Vec::with_capacity(2 * flows as usize);
        for first in (0..flows).step_by(BATCH) {
            let requests: Vec<Vec<u8>> = (first..flows.min(first + BATCH as u32)).map(request).collect();
            let sent = transmitted(&mut engine, LAN, &requests);
            assert_eq!(sent.len(), requests.len(), "every request leaves");
            let answers: Vec<Vec<u8>> = sent.iter().map(|request| answer(request)).collect();
            assert_eq!(transmitted(&mut engine, WAN, &answers).len(), answers.len(), "every answer comes back");
            frames.extend(requests.into_iter().map(|frame| (LAN, frame)));
            frames.extend(answers.into_iter().map(|frame| (WAN, frame)));
        }
        let mut random = Random::new(1);
        for last in (1..frames.len()).rev() {
            frames.swap(last, random.below(last as u32 + 1) as usize);
        }
        Self { engine, frames, at: 0 }
    }

    /// Takes one batch through.
    pub(crate) fn step(&mut self) -> usize {
        if self.at + BATCH > self.frames.len() {
            self.at = 0;
        }
        let batch: [Frame<'_>; BATCH] = std::array::from_fn(|index| {
            let (device, bytes) = &self.frames[self.at + index];
            Frame::new(*device, bytes)
        });
        self.at += BATCH;
        self.engine.handle_frames(Instant::from_secs(10), &batch);
        drain(&mut self.engine)
    }
}

/// Hands frames over and gives what leaves.
pub(crate) fn transmitted(engine: &mut Engine, device: DeviceId, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let batch: Vec<Frame<'_>> = frames.iter().map(|bytes| Frame::new(device, bytes)).collect();
    engine.handle_frames(Instant::from_secs(1), &batch);
    let mut sent = Vec::new();
    while let Some(transmit) = engine.poll_transmit() {
        sent.push(transmit.head().to_vec());
        engine.recycle(transmit);
    }
    sent
}

/// Takes what waits to leave, as a driver does.
pub(crate) fn drain(engine: &mut Engine) -> usize {
    let mut count = 0;
    while let Some(transmit) = engine.poll_transmit() {
        black_box(transmit.head());
        engine.recycle(transmit);
        count += 1;
    }
    count
}

/// The first packet of flow `n`: its own source address and port, one of 250 servers.
pub(crate) fn request(n: u32) -> Vec<u8> {
    let (source, destination) = ends(n);
    udp(ROUTER[0], source, destination)
}

fn ends(n: u32) -> ((Ipv4Addr, u16), (Ipv4Addr, u16)) {
    let [_, a, b, c] = (n / 16).to_be_bytes();
    let source = Ipv4Addr::new(10, a, b, c.max(2));
    let server = Ipv4Addr::new(198, 51, 100, (n % 250) as u8 + 1);
    ((source, 1024 + (n % 50_000) as u16), (server, 53))
}

/// A segment of TCP flow `n`, from its client or its server, without payload.
pub(crate) fn segment(n: u32, is_answer: bool, flags: u8) -> Vec<u8> {
    let (client, server) = ends(n);
    segment_between(client, server, is_answer, flags)
}

/// The address that server `n` has, and its port.
pub(crate) fn server(n: u32) -> (Ipv4Addr, u16) {
    ends(n).1
}

/// A segment between a client and a server, without payload.
pub(crate) fn segment_between(client: (Ipv4Addr, u16), server: (Ipv4Addr, u16), is_answer: bool, flags: u8) -> Vec<u8> {
    let (source, destination) = if is_answer { (server, client) } else { (client, server) };
    let (sequence, acknowledged) = if is_answer { (9001_u32, 1001_u32) } else { (1001, 9001) };
    let sequence = if flags & 0x02 == 0 { sequence } else { sequence - 1 };
    let acknowledged = if flags & 0x10 == 0 { 0 } else { acknowledged };
    let mut frame = ip(ROUTER[usize::from(is_answer)], (source.0, destination.0), 6, 20);
    frame[34..36].copy_from_slice(&source.1.to_be_bytes());
    frame[36..38].copy_from_slice(&destination.1.to_be_bytes());
    frame[38..42].copy_from_slice(&sequence.to_be_bytes());
    frame[42..46].copy_from_slice(&acknowledged.to_be_bytes());
    frame[46..50].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
    fill(&mut frame, 54, 50, 6);
    frame
}

/// The client's line of that number in TCP flow `n`: a segment of 64 bytes, which holds nothing that a helper waits for.
pub(crate) fn line(n: u32, number: u32) -> Vec<u8> {
    const LINE: &[u8; 64] = b"STOR name-of-a-file-that-makes-a-line-of-64-bytes-with-its-end\r\n";
    let mut frame = segment(n, false, 0x18);
    frame.truncate(54);
    frame.extend_from_slice(LINE);
    let sequence = 1001 + number * LINE.len() as u32;
    frame[17] += LINE.len() as u8;
    frame[24..26].fill(0);
    let sum = !checksum::sum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame[38..42].copy_from_slice(&sequence.to_be_bytes());
    frame[50..52].fill(0);
    let end = frame.len();
    fill(&mut frame, end, 50, 6);
    frame
}

/// The answer to a request that has left.
fn answer(request: &[u8]) -> Vec<u8> {
    let server = Ipv4Addr::new(request[30], request[31], request[32], request[33]);
    let public = Ipv4Addr::new(request[26], request[27], request[28], request[29]);
    let port = u16::from_be_bytes([request[34], request[35]]);
    udp(ROUTER[1], (server, 53), (public, port))
}

/// A UDP frame of 64 bytes with right checksums.
fn udp(to: MacAddr, source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut frame = ip(to, (source.0, destination.0), 17, 26);
    frame[34..36].copy_from_slice(&source.1.to_be_bytes());
    frame[36..38].copy_from_slice(&destination.1.to_be_bytes());
    frame[38..40].copy_from_slice(&[0, 26]);
    fill(&mut frame, 60, 40, 17);
    frame
}

/// A frame of 60 bytes with an IPv4 header.
fn ip(to: MacAddr, (source, destination): (Ipv4Addr, Ipv4Addr), protocol: u8, transport_len: u8) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[..6].copy_from_slice(&to.0);
    frame[6..12].copy_from_slice(&HOST.0);
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 20 + transport_len, 0, 0, 0, 0, 64, protocol]);
    frame[26..30].copy_from_slice(&source.octets());
    frame[30..34].copy_from_slice(&destination.octets());
    let sum = !checksum::sum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// Fills the transport checksum of a packet that ends at `end`.
fn fill(frame: &mut [u8], end: usize, field: usize, protocol: u16) {
    let pseudo = checksum::add(checksum::sum(&frame[26..34]), protocol + (end - 34) as u16);
    let sum = !checksum::add(pseudo, checksum::sum(&frame[34..end]));
    frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}
