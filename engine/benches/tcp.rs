//! TCP in memory: two engines joined by rings, a stream from one to the other, beside two stacks of smoltcp.
//!
//! `cargo bench -p towpath-engine --bench tcp` prints bytes a second of payload, sockets written and read included; a full segment of an
//! MTU of 1500 carries 1460 with smoltcp and 1448 with timestamps. Both hand frames over as they are. Here a
//! frame crosses path, connection tracking and hooks at both ends, which smoltcp does not have, and receivers merge frames, as Linux's do
//! (`generic-receive-offload`), so that they are crossed once for many of them.

mod pair;
#[path = "peers/smoltcp.rs"]
mod peer;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pair::{BUFFER, Offload, PIECE, Pair};

/// What one round carries.
const BYTES: usize = 1 << 20;

#[rustfmt::skip]
static STREAMS: [(&str, Offload); 3] = [
    ("checksums",                 Offload { checksums: false, segmentation: false }),
    ("no checksums",              Offload { checksums: true,  segmentation: false }),
    ("no checksums, super-packets", Offload { checksums: true, segmentation: true }),
];

fn streams(c: &mut Criterion) {
    let mut group = c.benchmark_group("tcp");
    group.throughput(Throughput::Bytes(BYTES as u64));
    let mut piece = vec![7; PIECE];
    for (name, offload) in STREAMS {
        let mut pair = Pair::new(offload);
        let ids = pair.connected();
        group.bench_function(BenchmarkId::new("towpath", name), |b| {
            b.iter(|| pair.transfer(ids, BYTES, &mut piece));
        });
    }
    for (name, mtu, checksums) in
        [("checksums", 1500, true), ("no checksums", 1500, false), ("no checksums, MTU 65535", 65_535, false)]
    {
        let mut pair = peer::Pair::new(mtu, checksums, BUFFER as usize);
        group.bench_function(BenchmarkId::new("smoltcp", name), |b| {
            b.iter(|| pair.transfer(BYTES, &mut piece));
        });
    }
    group.finish();
}

criterion_group!(benches, streams);
criterion_main!(benches);
