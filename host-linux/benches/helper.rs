//! What a call of a helper costs: its crate, the same as a component, and a payload without a command.
//!
//! `cargo xtask plugins && cargo bench --package towpath --bench helper`

#![allow(missing_docs, reason = "criterion's macros make items without documentation")]

use std::{hint::black_box, net::IpAddr};

use criterion::{Criterion, criterion_group, criterion_main};
use towpath::plugin::Runtime;
use towpath_engine::{
    conntrack::{
        helper::{Helper, HelperContext, HelperEndpoint, Site},
        tuple::Direction,
    },
    wire::ipv4::Protocol,
};
use towpath_helpers_native::Ftp;

fn helper(criterion: &mut Criterion) {
    let runtime = Runtime::new(None).expect("wasmtime works here");
    let mut component = runtime.load_shipped("ftp").expect("`cargo xtask plugins` comes first");
    calls(criterion, "component", &mut component);
    calls(criterion, "native", &mut Ftp::default());

    let bytes = towpath::plugin::shipped::COMPONENTS.iter().find(|shipped| shipped.name == "ftp");
    let bytes = bytes.expect("`cargo xtask plugins` comes first").component;
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("compile", |bencher| bencher.iter(|| runtime.load_bytes(bytes).is_ok()));
    let folder = tempfile::tempdir().expect("a folder");
    let cache = towpath::plugin::Cache::open(&folder.path().join("cache")).expect("a cache");
    let cached = Runtime::new(Some(cache)).expect("wasmtime works here");
    group.bench_function("from the cache", |bencher| bencher.iter(|| cached.load_bytes(bytes).is_ok()));
    group.finish();
}

fn calls(criterion: &mut Criterion, kind: &str, helper: &mut dyn Helper) {
    let context = context();
    let mut group = criterion.benchmark_group(kind);
    for length in [64, 1400] {
        let mut payload = b"STOR ".to_vec();
        payload.resize(length, b'x');
        group.bench_function(format!("inspect {length} bytes, no match"), |bencher| {
            bencher.iter(|| helper.inspect(black_box(&context), &[], black_box(&payload)));
        });
    }
    group.bench_function("inspect PORT", |bencher| {
        bencher.iter(|| helper.inspect(black_box(&context), &[], black_box(b"PORT 10,0,0,5,200,10\r\n")));
    });
    let site = Site { offset: 5, length: 15, token: 0 };
    let translated = HelperEndpoint { address: IpAddr::from([203, 0, 113, 1]), port: 51210 };
    group.bench_function("render PORT", |bencher| {
        bencher.iter(|| helper.render(black_box(&context), &[], site, black_box(translated)));
    });
    group.finish();
}

fn context() -> HelperContext {
    let endpoint = |octets: [u8; 4], port| HelperEndpoint { address: IpAddr::from(octets), port };
    HelperContext {
        protocol: Protocol::TCP,
        direction: Direction::Original,
        source: endpoint([10, 0, 0, 5], 40000),
        destination: endpoint([198, 51, 100, 21], 21),
        broadcast_prefix: None,
    }
}

criterion_group!(benches, helper);
criterion_main!(benches);
