//! What a helper costs: its calls, as a component and as its crate; a new instance; packets of a flow that it reads along.
//!
//! `cargo xtask plugins && cargo bench --package towpath --bench helper`

#![allow(missing_docs, reason = "criterion's macros make items without documentation")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::{
    hint::black_box,
    net::IpAddr,
    time::{Duration, Instant as Clock},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use towpath::plugin::Runtime;
use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant,
    conntrack::{
        helper::{Helper, HelperContext, HelperEndpoint, Site},
        tuple::Direction,
    },
    device::{Device, InterfaceAddress},
    packet::Sketch,
    wire::{MacAddr, ipv4::Protocol},
};
use towpath_helpers_native::Ftp;

fn helper(criterion: &mut Criterion) {
    let runtime = Runtime::new(None).expect("wasmtime works here");
    let mut component = runtime.load_shipped("ftp").expect("`cargo xtask plugins` comes first");
    calls(criterion, "component", &mut component);
    calls(criterion, "native", &mut Ftp::default());
    instance(criterion, &runtime);
    let mut group = criterion.benchmark_group("a segment of 64 bytes");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, helper) in [("no helper", None), ("a helper, and no command in it", Some(runtime.load_shipped("ftp")))] {
        let helper = helper.map(|loaded| loaded.expect("it is shipped"));
        let mut flow = Flow::new(helper.map(|helper| Box::new(helper) as Box<dyn Helper>));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| flow.step()).sum());
        });
    }
    group.finish();

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

/// An instance is made anew when the memory that it may have changes.
fn instance(criterion: &mut Criterion, runtime: &Runtime) {
    let mut plugin = Some(runtime.load_shipped("ftp").expect("it is shipped"));
    criterion.bench_function("a new instance", |bencher| {
        bencher.iter(|| {
            let held = plugin.take().expect("it is put back");
            let mut manifest = held.manifest().clone();
            manifest.memory_bytes_max ^= 1;
            plugin = held.held_to(manifest).ok();
        });
    });
}

/// A connection to an FTP server through a router, whose client sends lines that are no commands of concern.
struct Flow {
    engine: Engine,
    sent: u32,
}

impl Flow {
    fn new(helper: Option<Box<dyn Helper>>) -> Self {
        let mut engine = Engine::new(1);
        let mut give = |command| engine.handle_command(Instant::ZERO, command).expect("a right command");
        for (name, address) in [("lan", [10, 0, 0, 1]), ("wan", [198, 51, 100, 1])] {
            give(Command::AddDevice(Device {
                name: name.into(),
                mtu_bytes: 1500,
                addresses: vec![InterfaceAddress { address: address.into(), prefix: 24 }],
                any_destination: true,
                arp: false,
                ..Device::default()
            }));
        }
        if let Some(helper) = helper {
            give(Command::LoadHelper(helper));
            give(Command::AttachHelpersByPort(true));
        }
        let mut flow = Self { engine, sent: 0 };
        for (device, line) in [(0, "S seq 100"), (1, "SA seq 500 ack 101"), (0, "A seq 101 ack 501")] {
            flow.take(&[(device, flow.segment(device, line))]);
        }
        flow
    }

    /// How long a batch takes; its acknowledgement is not counted.
    fn step(&mut self) -> Duration {
        let line = "STOR name-of-a-file-that-makes-a-line-of-64-bytes-with-its-end\\r\\n";
        let first = 101_u32.wrapping_add(self.sent);
        let numbers = (0..BATCH as u32).map(|index| first.wrapping_add(64 * index));
        let batch: Vec<_> =
            numbers.map(|seq| (0, self.segment(0, &format!("PA seq {seq} ack 501 data \"{line}\"")))).collect();
        let taken = self.take(&batch);
        self.sent = self.sent.wrapping_add(64 * BATCH as u32);
        self.take(&[(1, self.segment(1, &format!("A seq 501 ack {}", 101_u32.wrapping_add(self.sent))))]);
        taken
    }

    fn segment(&self, device: u16, rest: &str) -> Vec<u8> {
        let ends = ["10.0.0.2:40000 > 198.51.100.7:21", "198.51.100.7:21 > 10.0.0.2:40000"][usize::from(device)];
        let sketch: Sketch = format!("{ends} {rest}").parse().expect("a right line");
        sketch.frame(MacAddr([2; 6]), MacAddr([2; 6]))
    }

    fn take(&mut self, frames: &[(u16, Vec<u8>)]) -> Duration {
        let frames: Vec<_> = frames.iter().map(|(device, bytes)| Frame::new(DeviceId(*device), bytes)).collect();
        let start = Clock::now();
        self.engine.handle_frames(Instant::from_secs(1), &frames);
        let mut left = 0;
        while let Some(transmit) = self.engine.poll_transmit() {
            black_box(transmit.head());
            self.engine.recycle(transmit);
            left += 1;
        }
        let taken = start.elapsed();
        assert_eq!(left, frames.len(), "all go on");
        taken
    }
}

/// Segments that are handed over together.
const BATCH: usize = 64;

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
