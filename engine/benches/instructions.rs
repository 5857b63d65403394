//! Runs one piece of work a number of times, for `cargo xtask instructions` to count what that takes.
//!
//! `instructions NAME COUNT`; without arguments it does nothing, so that `cargo bench` passes over it.
#![expect(clippy::print_stderr, reason = "a command-line program")]

mod gateway;
mod pair;
#[path = "gateway/waiting.rs"]
mod waiting;

use std::{env, hint::black_box, process::ExitCode};

use gateway::{BATCH, LAN, MASQUERADE, Setup, Traffic, WAN, drain, line, request, router, segment, transmitted};
use pair::{Offload, PIECE, Pair};
use towpath_engine::{
    Command, Engine, Frame, Instant, Packet,
    conntrack::{Conntrack, Template, Tracking},
    packet::Pool,
    surroundings::Surroundings,
    wire::checksum::Routines,
};
use waiting::Waiting;

/// A piece of work for so many packets.
type Work = fn(usize);

#[rustfmt::skip]
static WORKS: [(&str, Work); 16] = [
    ("parse",                                parse),
    ("track TCP",                            track_tcp),
    ("forward",                              |count| forward(count, Setup { rules: 0, nat: None })),
    ("forward, 50 rules",                    |count| forward(count, Setup { rules: 50, nat: None })),
    ("forward, 10000 rules",                 |count| forward(count, Setup { rules: 10_000, nat: None })),
    ("forward, MASQUERADE",                  |count| forward(count, Setup { rules: 0, nat: MASQUERADE })),
    ("forward, MASQUERADE, 50 rules",        |count| forward(count, Setup { rules: 50, nat: MASQUERADE })),
    ("forward TCP",                          |count| forward_tcp(count)),
    ("forward lines",                        |count| forward_lines(count, false)),
    ("forward lines, read by a helper",      |count| forward_lines(count, true)),
    ("first packet",                         |count| create(count, Setup { rules: 0, nat: None })),
    ("first packet, MASQUERADE, 10 rules",   |count| create(count, Setup { rules: 10, nat: MASQUERADE })),
    ("first packet, MASQUERADE, 1000 rules", |count| create(count, Setup { rules: 1000, nat: MASQUERADE })),
    ("first packet, MASQUERADE, 10000 rules", |count| create(count, Setup { rules: 10_000, nat: MASQUERADE })),
    ("TCP from socket to socket",            |count| stream(count, Offload { checksums: false, segmentation: false })),
    ("TCP from socket to socket, no checksums", |count| stream(count, Offload { checksums: true, segmentation: false })),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [] => ExitCode::SUCCESS,
        [list] if list == "--list" => {
            WORKS.iter().for_each(|(name, _)| eprintln!("{name}"));
            ExitCode::SUCCESS
        }
        [name, count] => match (WORKS.iter().find(|(known, _)| known == name), count.parse()) {
            (Some((_, work)), Ok(count)) => {
                work(count);
                ExitCode::SUCCESS
            }
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: instructions NAME COUNT, or instructions --list");
    ExitCode::from(2)
}

fn parse(count: usize) {
    let (frame, mut pool) = (request(0), Pool::new());
    for _ in 0..count {
        let packet = Packet::parse(&mut pool, &Frame::new(LAN, black_box(&frame)));
        packet.expect("a right frame").recycle(&mut pool);
    }
}

/// Connection tracking alone, of acknowledgements of open connections, half of them answers.
fn track_tcp(count: usize) {
    let mut around = Surroundings::new(7, Routines::PORTABLE);
    let (mut conntrack, mut pool) = (Conntrack::new(7), Pool::new());
    let mut track = |now, batch: &mut [Packet]| {
        conntrack.prefetch(batch);
        for packet in batch {
            assert_eq!(conntrack.track(now, packet, &Template::default(), &mut around), Ok(None));
            assert_eq!(conntrack.confirm(now, packet, &mut around), Ok(()));
        }
    };
    let mut parsed = |n, is_answer, flags| {
        Packet::parse(&mut pool, &Frame::new(LAN, &segment(n, is_answer, flags))).expect("a right frame")
    };
    for (is_answer, flags) in [(false, 0x02), (true, 0x12), (false, 0x10)] {
        (0..1024).for_each(|n| track(Instant::from_secs(1), &mut [parsed(n, is_answer, flags)]));
    }
    let mut packets: Vec<Packet> = (0..1024).flat_map(|n| [parsed(n, false, 0x10), parsed(n, true, 0x10)]).collect();
    let batches = packets.len() / BATCH;
    for number in 0..count / BATCH {
        let batch = &mut packets[number % batches * BATCH..][..BATCH];
        for packet in &mut *batch {
            (packet.meta_mut().tracking, packet.meta_mut().flow) = (Tracking::Unseen, None);
        }
        track(Instant::from_secs(2), batch);
    }
}

fn forward(count: usize, setup: Setup<'_>) {
    let mut traffic = Traffic::new(1024, setup);
    for _ in 0..count / BATCH {
        assert_eq!(traffic.step(), BATCH);
    }
}

/// Acknowledgements of open connections.
fn forward_tcp(count: usize) {
    let mut engine = router(Setup { rules: 50, nat: None });
    open(&mut engine);
    let frames: Vec<Vec<u8>> = (0..FLOWS).map(|n| segment(n, false, 0x10)).collect();
    for batch in frames.chunks(BATCH).cycle().take(count / BATCH) {
        let batch: Vec<Frame<'_>> = batch.iter().map(|bytes| Frame::new(LAN, bytes)).collect();
        engine.handle_frames(Instant::from_secs(10), &batch);
        assert_eq!(drain(&mut engine), BATCH);
    }
}

/// Lines of 64 bytes in open connections, perhaps of such as a helper reads along, which waits for other ones.
fn forward_lines(count: usize, is_read: bool) {
    let mut engine = router(Setup { rules: 50, nat: None });
    if is_read {
        let mut give = |command| engine.handle_command(Instant::ZERO, command).expect("a right command");
        give(Command::LoadHelper(Box::new(Waiting::on(53))));
        give(Command::AttachHelpersByPort(true));
    }
    open(&mut engine);
    let frames: Vec<Vec<u8>> = (0..MANY_LINES).map(|index| line(index % FLOWS, index / FLOWS)).collect();
    for batch in frames[..count.min(frames.len())].chunks(BATCH) {
        let batch: Vec<Frame<'_>> = batch.iter().map(|bytes| Frame::new(LAN, bytes)).collect();
        engine.handle_frames(Instant::from_secs(10), &batch);
        assert_eq!(drain(&mut engine), BATCH);
    }
}

/// Opens all connections.
fn open(engine: &mut Engine) {
    for (is_answer, flags) in [(false, 0x02), (true, 0x12), (false, 0x10)] {
        let frames: Vec<Vec<u8>> = (0..FLOWS).map(|n| segment(n, is_answer, flags)).collect();
        let device = if is_answer { WAN } else { LAN };
        assert_eq!(transmitted(engine, device, &frames).len(), frames.len());
    }
}

fn create(count: usize, setup: Setup<'_>) {
    let mut engine = router(setup);
    let frames: Vec<Vec<u8>> = (0..MOST as u32).map(request).collect();
    for batch in frames[..count.min(MOST)].chunks(BATCH) {
        let batch: Vec<Frame<'_>> = batch.iter().map(|bytes| Frame::new(LAN, bytes)).collect();
        engine.handle_frames(Instant::from_secs(10), &batch);
        assert_eq!(drain(&mut engine), BATCH);
    }
}

/// So many full segments of a stream, with what both ends do for them.
fn stream(count: usize, offload: Offload) {
    let mut pair = Pair::new(offload);
    let ids = pair.connected();
    pair.transfer(ids, count * SEGMENT, &mut vec![7; PIECE]);
}

/// What a segment carries at an MTU of 1500, with timestamps.
const SEGMENT: usize = 1448;

const MOST: usize = 64 * 1024;

/// TCP connections.
const FLOWS: u32 = 256;

/// 128 in each of them: 8 KB, which its window takes.
const MANY_LINES: u32 = 128 * FLOWS;
