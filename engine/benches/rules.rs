//! Rules alone: what a chain costs a packet that all of its rules are to be held against.
//!
//! `cargo bench -p towpath-engine --bench rules` prints it for 0 to 10 000 rules, whose last one accepts.

mod gateway;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gateway::{LAN, Setup, WAN, parsed, request, router, rules};
use std::hint::black_box;
use towpath_engine::{
    Frame, Instant, Packet,
    conntrack::Conntrack,
    ip::Routes,
    netfilter::{Hook, Lists, TableName, Verdict, View, Walk},
    packet::Pool,
    socket::Sockets,
    surroundings::Surroundings,
    wire::checksum::Routines,
};

fn evaluate(c: &mut Criterion) {
    let mut group = c.benchmark_group("rules");
    group.throughput(Throughput::Elements(1));
    let router = router(Setup { rules: 0, nat: None });
    let mut conntrack = Conntrack::new(7);
    let mut around = Surroundings::new(7, Routines::PORTABLE);
    let (mut pool, mut copies, mut lists) = (Pool::new(), Vec::new(), Lists::default());
    let (routes, sockets) = (Routes::default(), Sockets::new(7));
    for count in [1, 10, 100, 1000, 10_000] {
        let mut rules = parsed(&rules(Setup { rules: count, nat: None }));
        let frames: Vec<Vec<u8>> = (0..256).map(|n| request(n * 997)).collect();
        let parsed = frames.iter().map(|bytes| Packet::parse(&mut pool, &Frame::new(LAN, bytes)));
        let mut packets: Vec<Packet> = parsed.map(|packet| packet.expect("a right frame")).collect();
        let mut walk = Walk::new();
        let mut at = 0;
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                at = (at + 1) % packets.len();
                let mut view = View {
                    now: Instant::ZERO,
                    hook: Hook::Forward,
                    packet: &mut packets[at],
                    input: Some(LAN),
                    output: Some(WAN),
                    devices: router.devices(),
                    routes: &routes,
                    sockets: &sockets,
                    conntrack: &mut conntrack,
                    lists: &mut lists,
                    pool: &mut pool,
                    copies: &mut copies,
                    around: &mut around,
                    walk: &mut walk,
                };
                assert_eq!(black_box(rules.evaluate(TableName::Filter, &mut view)), Verdict::Accept);
            });
        });
        packets.into_iter().for_each(|packet| packet.recycle(&mut pool));
    }
    group.finish();
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
