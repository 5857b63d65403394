//! Connection tracking alone: TCP with its windows, in batches of 32 as userspace switches have them.
//!
//! `cargo bench -p towpath-engine --bench conntrack` prints packets a second for established flows in random order, half
//! of the packets answers, and connections a second for first packets. Parsing is not measured.

mod gateway;

use std::time::Duration;

use criterion::{
    BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::{Measurement, WallTime},
};
use gateway::{LAN, segment};
use towpath_engine::{
    Frame, Instant, Packet,
    conntrack::{Conntrack, Template},
    limits::CONNECTIONS_MAX,
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
    conntrack: Conntrack,
    around: Surroundings,
    pool: Pool,
}

impl Bench {
    /// With as many connections as Linux allows by default, or a million where those are too few.
    fn new(connections: u32) -> Self {
        let mut around = Surroundings::new(7, Routines::PORTABLE);
        let max = if connections <= CONNECTIONS_MAX { CONNECTIONS_MAX } else { 1 << 20 };
        around.sysctls.set("net.netfilter.nf_conntrack_max", max).expect("it is one");
        let mut conntrack = Conntrack::new(7);
        conntrack.make_room(&around.sysctls);
        Self { conntrack, around, pool: Pool::new() }
    }

    /// Tracks a batch and says how long that took.
    fn track(&mut self, now: Instant, frames: &[&[u8]]) -> Duration {
        let parsed = frames.iter().map(|bytes| Packet::parse(&mut self.pool, &Frame::new(LAN, bytes)));
        let mut batch: Vec<Packet> = parsed.map(|packet| packet.expect("a right frame")).collect();
        let start = WallTime.start();
        self.conntrack.prefetch(&mut batch);
        for packet in &mut batch {
            let tracked = self.conntrack.track(now, packet, &Template::default(), &mut self.around);
            assert!(tracked.is_ok() && self.conntrack.confirm(now, packet, &mut self.around).is_ok());
        }
        let spent = WallTime.end(start);
        batch.into_iter().for_each(|packet| packet.recycle(&mut self.pool));
        spent
    }
}

fn established(c: &mut Criterion) {
    let mut group = c.benchmark_group("conntrack/tcp");
    group.throughput(Throughput::Elements(BATCH as u64));
    for flows in [1000, 100_000, 1_000_000] {
        let mut bench = Bench::new(flows);
        for (is_answer, flags) in [(false, 0x02), (true, 0x12), (false, 0x10)] {
            for n in 0..flows {
                bench.track(Instant::from_secs(1), &[&segment(n, is_answer, flags)]);
            }
        }
        let mut frames: Vec<Vec<u8>> =
            (0..flows).flat_map(|n| [segment(n, false, 0x10), segment(n, true, 0x10)]).collect();
        let mut random = Random::new(1);
        for last in (1..frames.len()).rev() {
            frames.swap(last, random.below(last as u32 + 1) as usize);
        }
        let mut at = 0;
        group.bench_function(BenchmarkId::from_parameter(format!("{flows} flows")), |b| {
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
    let (mut bench, mut next) = (Bench::new(CREATED), 0);
    group.bench_function("tcp", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                if next >= CREATED {
                    (bench, next) = (Bench::new(CREATED), 0);
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
