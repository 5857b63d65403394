//! The forwarding path takes no memory.

mod traffic;

use std::net::Ipv4Addr;

use towpath_engine::{DeviceId, Engine, Frame, Instant};
use traffic::{Header, LAN, WAN, frame, pass, router};

const FLOWS: u16 = 256;

#[test]
fn packets_of_established_flows_allocate_nothing() {
    let mut rules = String::from("*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n");
    for port in 0..50 {
        rules.push_str(&format!("-A FORWARD -p udp --dport {} -j DROP\n", 1000 + port));
    }
    rules.push_str("-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n-A FORWARD -i lan -j ACCEPT\nCOMMIT\n");
    let mut engine = router(&rules);
    let frames: Vec<(DeviceId, Vec<u8>)> = (0..FLOWS).flat_map(|flow| open(&mut engine, flow)).collect();
    // What is kept for later packets is kept now.
    forward(&mut engine, &frames);
    let counted = allocation_counter::measure(|| forward(&mut engine, &frames));
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0));
}

/// Opens a flow, and gives a request and an answer of it.
fn open(engine: &mut Engine, flow: u16) -> [(DeviceId, Vec<u8>); 2] {
    let (client, server) = (Ipv4Addr::new(10, 0, 2, (flow % 200) as u8), Ipv4Addr::new(198, 51, 100, 7));
    let flags = flow.is_multiple_of(2).then_some(0x02);
    let header = Header { source: client, destination: server, ports: (2000 + flow, 80), flags, ttl: 64, tos: 0 };
    let sent = pass(engine, Instant::from_secs(1), LAN, &frame(LAN, &header));
    let [(_, sent)] = sent.as_slice() else { panic!("the first packet of flow {flow} leaves") };
    let port = u16::from_be_bytes([sent[34], sent[35]]);
    let public = Ipv4Addr::new(203, 0, 113, 1);
    let answer = |flags| {
        let header = Header { source: server, destination: public, ports: (80, port), flags, ttl: 60, tos: 0 };
        frame(WAN, &header)
    };
    let answered = pass(engine, Instant::from_secs(1), WAN, &answer(flags.map(|_| 0x12)));
    assert_eq!(answered.len(), 1, "the answer of flow {flow} comes back");
    let request = frame(LAN, &Header { flags: flags.map(|_| 0x10), ..header });
    [(LAN, request), (WAN, answer(flags.map(|_| 0x10)))]
}

fn forward(engine: &mut Engine, frames: &[(DeviceId, Vec<u8>)]) {
    let mut left = 0;
    for batch in frames.chunks_exact(64) {
        let batch: [Frame<'_>; 64] = std::array::from_fn(|index| Frame::new(batch[index].0, &batch[index].1));
        engine.handle_frames(Instant::from_secs(2), &batch);
        while let Some(transmit) = engine.poll_transmit() {
            engine.recycle(transmit);
            left += 1;
        }
    }
    assert_eq!(left, frames.len());
}
