//! What offloads are worth: a megabyte of one flow through the forwarding path, with MASQUERADE and 50 rules, with and without them.
//!
//! `cargo bench -p towpath-engine --bench offloads` says for TCP and UDP how many packets pass the path for a megabyte of payload, and
//! how long that takes: its time for an iteration is that for a megabyte. Frames are handed over in polls of 64.

mod gateway;

use std::{
    hint::black_box,
    io::{self, Write},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gateway::{BATCH, HOST, LAN, MASQUERADE, ROUTER, Setup, WAN, drain, router};
use towpath_engine::{
    Checksum, Command, DeviceId, Engine, Frame, Gso, GsoKind, Instant,
    device::Feature,
    packet::Sketch,
    wire::checksum::{add, sum},
};

/// Payload of a full frame: 1460 bytes, of UDP as well.
const FULL: usize = 1460;
/// Full frames, which hold a megabyte: 1,000,100 bytes.
const FRAMES: usize = 685;
/// Full frames that a packet of 64 KB stands for.
const MERGED: usize = 44;

/// What the devices do.
struct Offloads {
    name: &'static str,
    /// Features of the device by which frames come in.
    lan: &'static [&'static str],
    /// Features of the one by which they leave; it has no others that send.
    wan: &'static [&'static str],
    /// Whether packets of 64 KB come in, as from a virtual machine.
    is_merged: bool,
}

#[rustfmt::skip]
static OFFLOADS: [Offloads; 4] = [
    Offloads { name: "none",                                       lan: &[],    wan: &[],    is_merged: false },
    Offloads { name: "merged, and cut by software (GRO, GSO)",     lan: MERGES, wan: &[],    is_merged: false },
    Offloads { name: "merged, and cut by the device (GRO, TSO or USO)",  lan: MERGES, wan: CUTS,   is_merged: false },
    Offloads { name: "64 KB from device to device (vnet header)",  lan: &[],    wan: CUTS,   is_merged: true },
];

const MERGES: &[&str] = &["gro", "rx-udp-gro-forwarding"];
const CUTS: &[&str] = &["tx", "tso", "tx-udp-segmentation"];
const SENDS: [&str; 3] = ["tx-udp-segmentation", "tso", "tx"];

/// A flow: how it begins, what its packets of payload say, and how packets of 64 KB of it are cut.
struct Flow {
    name: &'static str,
    /// By which device, what.
    begins: &'static [(DeviceId, &'static str)],
    goes_on: fn(number: usize, bytes: usize) -> String,
    kind: GsoKind,
    /// Where the checksum stands in the transport header.
    checksum: u16,
}

static FLOWS: [Flow; 2] = [
    Flow {
        name: "tcp",
        begins: &[
            (LAN, "10.0.0.2:40000 > 198.51.100.7:80 S seq 0 win 65535 wscale 10"),
            (WAN, "198.51.100.7:80 > 203.0.113.1:40000 SA seq 0 ack 1 win 65535 wscale 10"),
            (LAN, "10.0.0.2:40000 > 198.51.100.7:80 A seq 1 ack 1 win 65535"),
            // Only behind a SYN windows are scaled: now a megabyte fits, over and over.
            (WAN, "198.51.100.7:80 > 203.0.113.1:40000 A seq 1 ack 1 win 65535"),
        ],
        goes_on: |number, bytes| {
            let seq = 1 + number * FULL;
            format!("10.0.0.2:40000 > 198.51.100.7:80 A seq {seq} ack 1 win 65535 len {bytes} df ipid {number}")
        },
        kind: GsoKind::Tcp4,
        checksum: 16,
    },
    Flow {
        name: "udp",
        begins: &[
            (LAN, "10.0.0.2:40000 > 198.51.100.7:443 udp len 1"),
            (WAN, "198.51.100.7:443 > 203.0.113.1:40000 udp len 1"),
        ],
        goes_on: |number, bytes| format!("10.0.0.2:40000 > 198.51.100.7:443 udp len {bytes} df ipid {number}"),
        kind: GsoKind::Udp,
        checksum: 6,
    },
];

/// A gateway that has seen a flow begin.
fn gateway(flow: &Flow, offloads: &Offloads) -> Engine {
    let mut engine = router(Setup { rules: 50, nat: MASQUERADE });
    let on = |device, names: &'static [&'static str]| names.iter().map(move |name| (device, *name, true));
    let off = SENDS.map(|name| (WAN, name, false));
    for (device, name, is_on) in off.into_iter().chain(on(LAN, offloads.lan)).chain(on(WAN, offloads.wan)) {
        let feature = Feature::by_name(name).expect("a known feature");
        let command = Command::SetFeature(device, feature, is_on);
        engine.handle_command(Instant::ZERO, command).expect("it can be switched");
    }
    for (device, text) in flow.begins {
        let bytes = made(*device, text);
        engine.handle_frames(Instant::from_secs(1), &[Frame::new(*device, &bytes)]);
        assert_eq!(drain(&mut engine), 1, "{text}");
    }
    engine
}

/// A frame that comes to the gateway.
fn made(device: DeviceId, text: &str) -> Vec<u8> {
    let sketch: Sketch = text.parse().expect("a right line");
    sketch.frame(HOST, ROUTER[usize::from(device.0)])
}

/// A megabyte of a flow, as bytes of frames.
fn megabyte(flow: &Flow, is_merged: bool) -> Vec<Vec<u8>> {
    let step = if is_merged { MERGED } else { 1 };
    let starts = (0..FRAMES).step_by(step);
    starts.map(|at| made(LAN, &(flow.goes_on)(at, FULL * step.min(FRAMES - at)))).collect()
}

/// Leaves the checksum of a packet of 64 KB to whoever cuts it, with the sum of its pseudo-header in place.
fn whole<'b>(flow: &Flow, bytes: &'b mut [u8]) -> Frame<'b> {
    let len = (bytes.len() - 34) as u16;
    let pseudo = add(add(sum(&bytes[26..34]), u16::from(bytes[23])), len);
    let at = 34 + usize::from(flow.checksum);
    bytes[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
    Frame {
        checksum: Checksum::Partial { start: 34, offset: flow.checksum },
        gso: Some(Gso { kind: flow.kind, size: FULL as u16, segments: 0, fixed_id: false }),
        ..Frame::new(LAN, bytes)
    }
}

fn pass(engine: &mut Engine, frames: &[Frame<'_>]) -> usize {
    let polls = frames.chunks(BATCH).map(|poll| {
        engine.handle_frames(Instant::from_secs(2), poll);
        drain(engine)
    });
    polls.sum()
}

/// The same, and each packet that leaves is translated.
fn pass_translated(engine: &mut Engine, frames: &[Frame<'_>]) -> usize {
    let mut left = 0;
    for poll in frames.chunks(BATCH) {
        engine.handle_frames(Instant::from_secs(2), poll);
        while let Some(transmit) = engine.poll_transmit() {
            assert_eq!(transmit.head()[26..30], [203, 0, 113, 1], "the gateway's address");
            engine.recycle(transmit);
            left += 1;
        }
    }
    left
}

fn offloads(c: &mut Criterion) {
    let mut group = c.benchmark_group("offloads");
    group.throughput(Throughput::Bytes((FULL * FRAMES) as u64));
    for flow in &FLOWS {
        for offloads in &OFFLOADS {
            let mut bytes = megabyte(flow, offloads.is_merged);
            let frames: Vec<Frame<'_>> = match offloads.is_merged {
                true => bytes.iter_mut().map(|bytes| whole(flow, bytes)).collect(),
                false => bytes.iter().map(|bytes| Frame::new(LAN, bytes)).collect(),
            };
            let mut engine = gateway(flow, offloads);
            let before = engine.stats().forwarded;
            let left = pass_translated(&mut engine, &frames);
            assert_eq!(pass_translated(&mut engine, &frames), left, "once more, as it is measured");
            let passed = (engine.stats().forwarded - before) / 2;
            let said = writeln!(io::stdout(), "{}, {}: {passed} packets pass, {left} leave", flow.name, offloads.name);
            said.expect("somebody listens");
            group.bench_function(BenchmarkId::new(flow.name, offloads.name), |b| {
                b.iter(|| black_box(pass(&mut engine, &frames)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, offloads);
criterion_main!(benches);
