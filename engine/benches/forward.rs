//! The whole forwarding path in memory: parse, conntrack, NAT, rules, TTL, checksums, neighbour, transmit.
//!
//! `cargo bench -p towpath-engine --bench forward` prints packets a second for 64-byte UDP in batches of 64, as a NAPI
//! poll hands them over. Flows come in random order; half of the packets are answers.

mod gateway;

use std::time::Duration;

use criterion::{
    BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::{Measurement, WallTime},
};
use gateway::{BATCH, LAN, MASQUERADE, SNAT, Setup, Traffic, drain, request, router};
use towpath_engine::{Frame, Instant};

/// Flows, rules of FORWARD, the rule of POSTROUTING and its name.
#[rustfmt::skip]
static ESTABLISHED: [(u32, usize, Option<&str>, &str); 9] = [
    (   10_000,      0, None,       "plain"),
    (   10_000,      0, MASQUERADE, "masquerade"),
    (   10_000,     10, MASQUERADE, "masquerade"),
    (   10_000,     50, MASQUERADE, "masquerade"),
    (   10_000,   1000, MASQUERADE, "masquerade"),
    (   10_000, 10_000, MASQUERADE, "masquerade"),
    (1_000_000,      0, None,       "plain"),
    (1_000_000,     50, MASQUERADE, "masquerade"),
    (1_000_000,     50, SNAT,       "snat"),
];

fn forward(c: &mut Criterion) {
    let mut group = c.benchmark_group("forward");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (flows, rules, nat, name) in ESTABLISHED {
        let mut traffic = Traffic::new(flows, Setup { rules, nat });
        group.bench_function(BenchmarkId::from_parameter(format!("{name}, {flows} flows, {rules} rules")), |b| {
            b.iter(|| traffic.step());
        });
    }
    group.finish();
}

/// First packets only: each one makes a connection.
fn create(c: &mut Criterion) {
    let mut group = c.benchmark_group("create");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (rules, nat, name) in [(0, None, "plain"), (50, MASQUERADE, "masquerade"), (10_000, MASQUERADE, "masquerade")] {
        let setup = Setup { rules, nat };
        let (mut engine, mut next) = (router(setup), 0);
        group.bench_function(BenchmarkId::from_parameter(format!("{name}, {rules} rules")), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    if next >= FLOWS_BEFORE_ANEW {
                        (engine, next) = (router(setup), 0);
                    }
                    let bytes: Vec<Vec<u8>> = (next..next + BATCH as u32).map(request).collect();
                    let frames: Vec<Frame<'_>> = bytes.iter().map(|bytes| Frame::new(LAN, bytes)).collect();
                    next += BATCH as u32;
                    let start = WallTime.start();
                    engine.handle_frames(Instant::from_secs(1), &frames);
                    assert_eq!(drain(&mut engine), BATCH);
                    spent += WallTime.end(start);
                }
                spent
            });
        });
    }
    group.finish();
}

const FLOWS_BEFORE_ANEW: u32 = 500_000;

criterion_group!(benches, forward, create);
criterion_main!(benches);
