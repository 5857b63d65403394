//! Connection tracking alone: TCP with its windows, in batches of 32 as userspace switches have them.
//!
//! `cargo bench -p towpath-engine --bench conntrack` prints packets a second for established flows in random order, half
//! of the packets answers, without and with SNAT, and connections a second for first packets. Parsing is not measured.

mod gateway;

use std::time::Duration;

use criterion::{
    BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::{Measurement, WallTime},
};
use gateway::{LAN, segment, segment_between, server};
use towpath_engine::{
    Frame, Instant, Packet,
    conntrack::{Address, Conntrack, State, Template, Tracking},
    limits::CONNECTIONS_MAX,
    nat::{self, Manip, NatRange},
    packet::Pool,
    random::Random,
    surroundings::Surroundings,
    wire::checksum::Routines,
};

const BATCH: usize = 32;

/// Connections that are made in a table before it is a fresh one.
const CREATED: u32 = 500_000;

/// A connection table and what it needs.
struct Bench {
    /// What sources become.
    translated: Option<NatRange>,
    conntrack: Conntrack,
    around: Surroundings,
    pool: Pool,
}

impl Bench {
    /// With as many connections as Linux allows by default, or a million where those are too few.
    fn new(connections: u32, translated: Option<NatRange>) -> Self {
        let mut around = Surroundings::new(7, Routines::PORTABLE);
        let max = if connections <= CONNECTIONS_MAX { CONNECTIONS_MAX } else { 1 << 20 };
        around.sysctls.set("net.netfilter.nf_conntrack_max", max).expect("it is one");
        let mut conntrack = Conntrack::new(7);
        conntrack.make_room(&around.sysctls);
        Self { translated, conntrack, around, pool: Pool::new() }
    }

    /// Tracks a batch and says how long that took.
    fn track(&mut self, now: Instant, frames: &[&[u8]]) -> Duration {
        let parsed = frames.iter().map(|bytes| Packet::parse(&mut self.pool, &Frame::new(LAN, bytes)));
        let mut batch: Vec<Packet> = parsed.map(|packet| packet.expect("a right frame")).collect();
        let start = WallTime.start();
        self.conntrack.prefetch(&mut batch);
        batch.iter_mut().for_each(|packet| self.pass(now, packet));
        let spent = WallTime.end(start);
        batch.into_iter().for_each(|packet| packet.recycle(&mut self.pool));
        spent
    }

    fn pass(&mut self, now: Instant, packet: &mut Packet) {
        assert!(self.conntrack.track(now, packet, &Template::default(), &mut self.around).is_ok());
        if let Some(range) = self.translated {
            self.translate(now, packet, &range);
        }
        assert!(self.conntrack.confirm(now, packet, &mut self.around).is_ok());
    }

    fn translate(&mut self, now: Instant, packet: &mut Packet, range: &NatRange) {
        let Tracking::Tracked { connection: id, direction, state } = packet.meta().tracking else { return };
        if state == State::New {
            nat::keep(now, &mut self.conntrack, id, Manip::Destination, &mut self.around);
            nat::bind(now, &mut self.conntrack, id, Manip::Source, range, &mut self.around);
        }
        let connection = self.conntrack.connection(id).expect("it is tracked");
        nat::rewrite_both(connection, direction, packet).expect("a right header");
    }

    /// Opens a connection and gives a segment and its answer.
    fn open(&mut self, n: u32) -> [Vec<u8>; 2] {
        let now = Instant::from_secs(1);
        let request = segment(n, false, 0x02);
        let mut packet = Packet::parse(&mut self.pool, &Frame::new(LAN, &request)).expect("a right frame");
        self.pass(now, &mut packet);
        // As the server knows him.
        let client = (packet.ipv4().expect("it is one").source(), packet.tcp().expect("it is one").source_port.get());
        packet.recycle(&mut self.pool);
        let answer = |flags| segment_between(client, server(n), true, flags);
        self.track(now, &[&answer(0x12)]);
        self.track(now, &[&segment(n, false, 0x10)]);
        [segment(n, false, 0x10), answer(0x10)]
    }
}

/// A million flows to 250 servers need more than one address.
fn sixteen() -> NatRange {
    let addresses = Some((Address::v4([203, 0, 113, 16]), Address::v4([203, 0, 113, 31])));
    NatRange { addresses, ..NatRange::default() }
}

fn established(c: &mut Criterion) {
    let mut group = c.benchmark_group("conntrack/tcp");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (flows, translated) in [(1000, None), (100_000, None), (1_000_000, None), (1_000_000, Some(sixteen()))] {
        let name = format!("{flows} flows{}", if translated.is_some() { ", SNAT" } else { "" });
        let mut bench = Bench::new(flows, translated);
        let mut frames: Vec<Vec<u8>> = (0..flows).flat_map(|n| bench.open(n)).collect();
        let mut random = Random::new(1);
        for last in (1..frames.len()).rev() {
            frames.swap(last, random.below(last as u32 + 1) as usize);
        }
        let mut at = 0;
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    at = if at + BATCH > frames.len() { 0 } else { at };
                    let batch: [&[u8]; BATCH] = std::array::from_fn(|index| frames[at + index].as_slice());
                    spent += bench.track(Instant::from_secs(2), &batch);
                    at += BATCH;
                }
                spent
            });
        });
    }
    group.finish();
}

fn create(c: &mut Criterion) {
    let mut group = c.benchmark_group("conntrack/create");
    group.throughput(Throughput::Elements(BATCH as u64));
    let (mut bench, mut next) = (Bench::new(CREATED, None), 0);
    group.bench_function("tcp", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                if next >= CREATED {
                    (bench, next) = (Bench::new(CREATED, None), 0);
                }
                let frames: Vec<Vec<u8>> = (next..next + BATCH as u32).map(|n| segment(n, false, 0x02)).collect();
                let batch: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
                next += BATCH as u32;
                spent += bench.track(Instant::from_secs(1), &batch);
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, established, create);
criterion_main!(benches);
