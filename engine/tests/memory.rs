//! What a million flows take, and what one takes that a helper reads.

mod traffic;
#[path = "../benches/gateway/waiting.rs"]
mod waiting;

use std::net::Ipv4Addr;

use allocation_counter::measure;
use towpath_engine::{Command, Engine, Instant, limits::HELPED_BYTES_MAX};
use traffic::{Header, LAN, WAN, frame, pass, router};
use waiting::Waiting;

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

/// Beside what all of them take; what is remembered of some has a bound for all together (`REMEMBERED_BYTES_MAX`).
#[test]
fn a_flow_that_a_helper_reads_takes_at_most_256_bytes_more() {
    let taken = [false, true].map(|is_read| {
        let mut engine = router("");
        let mut give = |command| engine.handle_command(Instant::ZERO, command).expect("a right command");
        give(Command::SetSysctl("net.netfilter.nf_conntrack_max".into(), HELPED_FLOWS));
        if is_read {
            give(Command::LoadHelper(Box::new(Waiting::on(21))));
            give(Command::AttachHelpersByPort(true));
        }
        let counted = measure(|| (0..HELPED_FLOWS).for_each(|flow| talk(&mut engine, flow)));
        assert_eq!(engine.conntrack().len(), HELPED_FLOWS);
        let helped = (0..engine.conntrack().slots()).filter_map(|slot| engine.conntrack().in_slot(slot));
        let helped = helped.filter(|(_, connection)| connection.helper().is_some()).count();
        assert_eq!(helped, if is_read { HELPED_FLOWS as usize } else { 0 });
        counted.bytes_current
    });
    let each = (taken[1] - taken[0]) / i64::from(HELPED_FLOWS);
    assert!(each > 0 && each <= HELPED_BYTES_MAX as i64, "{each} bytes a flow");
}

/// A handshake, and then data that end no line, of both ends.
fn talk(engine: &mut Engine, flow: u32) {
    let [_, a, b, c] = flow.to_be_bytes();
    let (host, server) = (Ipv4Addr::new(10, 1 + a, b, c), Ipv4Addr::new(198, 51, 100, 7));
    for (is_answer, flags) in [(false, 0x02), (true, 0x12), (false, 0x10), (true, 0x18), (false, 0x18)] {
        let (device, source, destination, ports) = match is_answer {
            false => (LAN, host, server, (40_000, 21)),
            true => (WAN, server, host, (21, 40_000)),
        };
        let header = Header { source, destination, ports, flags: Some(flags), ttl: 64, tos: 0 };
        pass(engine, Instant::from_secs(1), device, &frame(device, &header));
    }
}

const HELPED_FLOWS: u32 = 10_000;

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
