//! Checksum routines: `cargo bench -p towpath-checksum --bench checksum` prints bytes a second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use towpath_engine::wire::checksum::Routines;

fn sums(c: &mut Criterion) {
    let all = [("portable", Routines::PORTABLE), ("this machine's", towpath_checksum::routines())];
    for len in [20, 64, 1460, 65_536] {
        let bytes: Vec<u8> = (0..len).map(|index| (index * 7) as u8).collect();
        let mut copy = vec![0; len];
        let mut group = c.benchmark_group(format!("checksum/{len} bytes"));
        group.throughput(Throughput::Bytes(len as u64));
        for (name, routines) in all {
            group.bench_function(BenchmarkId::new("sum", name), |b| b.iter(|| (routines.sum)(black_box(&bytes))));
            group.bench_function(BenchmarkId::new("copy and sum", name), |b| {
                b.iter(|| (routines.copy_and_sum)(black_box(&mut copy), black_box(&bytes)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, sums);
criterion_main!(benches);
