//! What a million flows take.

mod traffic;

use std::net::Ipv4Addr;

use towpath_engine::{Command, Engine, Instant};
use traffic::{Header, LAN, frame, pass, router};

const FLOWS: u32 = 1_000_000;

#[test]
fn a_million_flows_take_at_most_256_bytes_each() {
    let engine = filled("");
    let bytes = engine.conntrack().bytes();
    assert!(bytes <= 256 * FLOWS as usize, "{} bytes a flow", bytes / FLOWS as usize);
}

#[test]
fn a_million_translated_flows_take_at_most_300_megabytes() {
    let engine = filled("*nat\n-A POSTROUTING -o wan -j SNAT --to-source 203.0.113.1-203.0.113.100\nCOMMIT\n");
    let bytes = engine.conntrack().bytes();
    assert!(bytes <= 300_000_000, "{bytes} bytes in all");
}

/// A router that tracks a million flows, of as many sources, and has room for no more.
fn filled(rules: &str) -> Engine {
    let mut engine = router(rules);
    let max = Command::SetSysctl("net.netfilter.nf_conntrack_max".into(), FLOWS);
    engine.handle_command(Instant::ZERO, max).expect("it is a tunable");
    for flow in 0..FLOWS {
        let [_, a, b, c] = flow.to_be_bytes();
        let (source, destination) = (Ipv4Addr::new(10, 1 + a, b, c), Ipv4Addr::new(198, 51, 100, c));
        let ports = (1024 + (flow % 60_000) as u16, 53);
        let header = Header { source, destination, ports, flags: None, ttl: 64, tos: 0 };
        assert_eq!(pass(&mut engine, Instant::from_secs(1), LAN, &frame(LAN, &header)).len(), 1, "flow {flow}");
    }
    assert_eq!(engine.conntrack().len(), FLOWS);
    engine
}
