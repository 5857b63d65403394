//! The whole forwarding path in memory: parse, conntrack, MASQUERADE, 50 rules, TTL, checksums, neighbour, transmit.
//!
//! `cargo bench -p towpath-engine --bench forward` prints packets a second for 64-byte UDP in batches of 64, as a NAPI
//! poll hands them over. Flows come in random order; half of the packets are answers.

use std::{hint::black_box, net::Ipv4Addr};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant,
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind},
    netfilter::{Loading, RuleSet, Source},
    random::Random,
    wire::{MacAddr, checksum},
};

const LAN: DeviceId = DeviceId(0);
const WAN: DeviceId = DeviceId(1);
const ROUTER: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 1, 1]), MacAddr([2, 0, 0, 0, 2, 1])];
const HOST: MacAddr = MacAddr([2, 0, 0, 0, 9, 9]);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const BATCH: usize = 64;

fn forward(c: &mut Criterion) {
    let mut group = c.benchmark_group("forward/udp64/masquerade");
    for (flows, rules) in [(10_000, 0), (10_000, 50), (1_000_000, 50)] {
        let mut bench = Bench::new(flows, rules);
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{flows} flows, {rules} rules")), |b| {
            b.iter(|| bench.step());
        });
    }
    group.finish();
}

fn create(c: &mut Criterion) {
    let mut group = c.benchmark_group("create/udp64/masquerade");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.sample_size(20);
    group.bench_function("new flows", |b| {
        let mut engine = router(0);
        let mut next = 0;
        b.iter(|| {
            let frames: Vec<Vec<u8>> = (next..next + BATCH as u32).map(request).collect();
            next += BATCH as u32;
            if next % 200_000 < BATCH as u32 {
                engine = router(0);
            }
            handle(&mut engine, LAN, &frames)
        });
    });
    group.finish();
}

/// An engine with flows, and packets of those flows in random order.
struct Bench {
    engine: Engine,
    frames: Vec<(DeviceId, Vec<u8>)>,
    at: usize,
}

impl Bench {
    fn new(flows: u32, rules: usize) -> Self {
        let mut engine = router(rules);
        let mut frames = Vec::with_capacity(2 * flows as usize);
        for first in (0..flows).step_by(BATCH) {
            let requests: Vec<Vec<u8>> = (first..flows.min(first + BATCH as u32)).map(request).collect();
            let sent = transmitted(&mut engine, LAN, &requests);
            assert_eq!(sent.len(), requests.len(), "every request leaves");
            let answers: Vec<Vec<u8>> = sent.iter().map(|request| answer(request)).collect();
            assert_eq!(handle(&mut engine, WAN, &answers), answers.len(), "every answer comes back");
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
    fn step(&mut self) -> usize {
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

fn handle(engine: &mut Engine, device: DeviceId, frames: &[Vec<u8>]) -> usize {
    transmitted(engine, device, frames).len()
}

fn transmitted(engine: &mut Engine, device: DeviceId, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let batch: Vec<Frame<'_>> = frames.iter().map(|bytes| Frame::new(device, bytes)).collect();
    engine.handle_frames(Instant::from_secs(1), &batch);
    let mut sent = Vec::new();
    while let Some(transmit) = engine.poll_transmit() {
        sent.push(transmit.head().to_vec());
        engine.recycle(transmit);
    }
    sent
}

fn drain(engine: &mut Engine) -> usize {
    let mut count = 0;
    while let Some(transmit) = engine.poll_transmit() {
        black_box(transmit.head());
        engine.recycle(transmit);
        count += 1;
    }
    count
}

/// A router with MASQUERADE and that many rules before the one that accepts.
fn router(rules: usize) -> Engine {
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
        }));
    }
    give(Command::AddRoute(Route {
        destination: Ipv4Addr::UNSPECIFIED.into(),
        prefix: 0,
        kind: RouteKind::Unicast { device: WAN, via: Some(Ipv4Addr::new(203, 0, 113, 254).into()) },
        metric: 0,
        mtu_bytes: None,
    }));
    give(Command::SetSysctl("net.netfilter.nf_conntrack_max".into(), 4_000_000));
    let mut text = String::from("*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n");
    for rule in 0..rules.saturating_sub(1) {
        let (third, port) = (rule % 250, 1000 + rule);
        text.push_str(&format!("-A FORWARD -s 192.168.{third}.0/24 -p tcp -m tcp --dport {port} -j DROP\n"));
    }
    text.push_str("-A FORWARD -j ACCEPT\nCOMMIT\n");
    let source = Source { name: "bench.v4", text: &text };
    let parsed = RuleSet::parse(&[source], &Loading::default()).expect("right rules");
    give(Command::ReplaceRules(Box::new(parsed)));
    engine
}

/// The first packet of flow `n`: its own source address and port, one of 250 servers.
fn request(n: u32) -> Vec<u8> {
    let [_, a, b, c] = (n / 16).to_be_bytes();
    let source = Ipv4Addr::new(10, a, b, c.max(2));
    let server = Ipv4Addr::new(198, 51, 100, (n % 250) as u8 + 1);
    udp(ROUTER[0], (source, 1024 + (n % 50_000) as u16), (server, 53))
}

/// The answer to a request that has left.
fn answer(request: &[u8]) -> Vec<u8> {
    let server = Ipv4Addr::new(request[30], request[31], request[32], request[33]);
    let port = u16::from_be_bytes([request[34], request[35]]);
    udp(ROUTER[1], (server, 53), (PUBLIC, port))
}

/// A UDP frame of 64 bytes with right checksums.
fn udp(to: MacAddr, source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[..6].copy_from_slice(&to.0);
    frame[6..12].copy_from_slice(&HOST.0);
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14..26].copy_from_slice(&[0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame[26..30].copy_from_slice(&source.0.octets());
    frame[30..34].copy_from_slice(&destination.0.octets());
    frame[34..36].copy_from_slice(&source.1.to_be_bytes());
    frame[36..38].copy_from_slice(&destination.1.to_be_bytes());
    frame[38..40].copy_from_slice(&[0, 26]);
    let ip = !checksum::sum(&frame[14..34]);
    frame[24..26].copy_from_slice(&ip.to_be_bytes());
    let pseudo = checksum::add(checksum::sum(&frame[26..34]), 17 + 26);
    let transport = !checksum::add(pseudo, checksum::sum(&frame[34..60]));
    frame[40..42].copy_from_slice(&transport.to_be_bytes());
    frame
}

criterion_group!(benches, forward, create);
criterion_main!(benches);
