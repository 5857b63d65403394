//! A replay of a million packets with connection tracking, MASQUERADE and 1000 rules.
//!
//! `cargo bench -p towpath-replay --bench replay` prints packets a second: of reading alone, of the replay, and of the
//! replay with each packet's record as JSON, as text, and in a pcapng file; and of the replay of
//! downloads, whose frames are mostly full.
//!
//! `TOWPATH_WRITE=FOLDER cargo bench -p towpath-replay --bench replay` only writes both captures, the rules and the
//! configuration there, so that other programs can be timed on them; `TOWPATH_ONCE=PACKETS` replays once and says
//! nothing, for `valgrind --tool=callgrind`.

mod made;

use std::{env, fs, hint::black_box, io, path::Path};

use criterion::{Criterion, Throughput, criterion_group};
use towpath_replay::{
    capture::Capture,
    record::{Colour, JsonRecords, PcapngRecords, Record, TextRecords, Verdict},
    replay::{Detail, Replay, Setup},
};

use made::Traffic;

const PACKETS: u32 = 1_000_000;

fn replay(c: &mut Criterion) {
    let file = made::capture(PACKETS, Traffic::Questions);
    let rules = made::rules();
    assert_eq!(forwarded(&file, &rules), u64::from(PACKETS), "every packet passes");
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(PACKETS.into())).sample_size(10);
    group.bench_function("read", |b| b.iter(|| read(&file)));
    group.bench_function("verdicts", |b| b.iter(|| forwarded(&file, &rules)));
    group.bench_function("json", |b| {
        b.iter(|| {
            let mut json = JsonRecords::new(false);
            run(&file, Setup { detail: Detail::Events, ..made::setup(&rules) }, |record| {
                black_box(json.line(record));
            });
        });
    });
    group.bench_function("text", |b| {
        b.iter(|| {
            let mut text = TextRecords::new(Colour::Off);
            run(&file, Setup { detail: Detail::Events, ..made::setup(&rules) }, |record| {
                black_box(text.line(record));
            });
        });
    });
    group.bench_function("pcapng", |b| {
        b.iter(|| {
            let mut replay = Replay::new(made::setup(&rules)).expect("the gateway is right");
            let mut written = PcapngRecords::new(io::sink(), replay.engine()).expect("a sink takes everything");
            let mut capture = Capture::from_bytes(&file).expect("the capture is right");
            let ended = replay.run(&mut capture, |record| written.write(record).is_ok());
            ended.expect("the capture is whole");
        });
    });
    drop(file);
    let file = made::capture(PACKETS, Traffic::Downloads);
    group.bench_function("verdicts, downloads", |b| b.iter(|| forwarded(&file, &rules)));
    group.finish();
}

fn read(file: &[u8]) -> u64 {
    let mut capture = Capture::from_bytes(file).expect("the capture is right");
    let mut bytes = 0;
    loop {
        let batch = capture.next_batch(64).expect("the capture is whole");
        if batch.is_empty() {
            return bytes;
        }
        bytes += batch.packets().map(|packet| u64::from(packet.wire_len)).sum::<u64>();
    }
}

fn forwarded(file: &[u8], rules: &str) -> u64 {
    let mut count = 0;
    run(file, made::setup(rules), |record| count += u64::from(record.verdict() == Verdict::Forwarded));
    count
}

fn run(file: &[u8], setup: Setup<'_>, mut each: impl FnMut(&Record<'_>)) {
    let mut replay = Replay::new(setup).expect("the gateway is right");
    let mut capture = Capture::from_bytes(file).expect("the capture is right");
    let ended = replay.run(&mut capture, |record| {
        each(record);
        true
    });
    ended.expect("the capture is whole");
}

criterion_group!(benches, replay);

fn main() -> io::Result<()> {
    if let Some(folder) = env::var_os("TOWPATH_WRITE") {
        let folder = Path::new(&folder);
        fs::write(folder.join("million.pcap"), made::capture(PACKETS, Traffic::Questions))?;
        fs::write(folder.join("downloads.pcap"), made::capture(PACKETS, Traffic::Downloads))?;
        fs::write(folder.join("rules.v4"), made::rules())?;
        return fs::write(folder.join("gateway.toml"), made::CONFIG);
    }
    if let Some(packets) = env::var("TOWPATH_ONCE").ok().and_then(|packets| packets.parse().ok()) {
        let count = forwarded(&made::capture(packets, Traffic::Questions), &made::rules());
        assert_eq!(count, u64::from(packets), "every packet passes");
        return Ok(());
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    Ok(())
}
