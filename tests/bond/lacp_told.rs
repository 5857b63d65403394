//! 802.3ad: what is told of it, in texts and on the wire.

use std::{fs, process::Command as Process};

use lab::skip;
use towpath_engine::{device::bond::Options, wire::lacp::Lacpdu};

use crate::lacp::{Pair, balanced, fast, lacp};

#[test]
fn a_bond_is_printed_as_linux_prints_it() {
    let options = Options { ad_user_port_key: 1, ad_actor_sys_prio: 100, ..balanced() };
    let mut pair = Pair::new([options, fast()], &[0, 1]);
    pair.pass(15_000);
    let text = pair.hosts[0].text();
    let expected = "\
Bonding Mode: IEEE 802.3ad Dynamic link aggregation
Transmit Hash Policy: layer3+4 (1)
MII Status: up
MII Polling Interval (ms): 100
Up Delay (ms): 0
Down Delay (ms): 0
Peer Notification Delay (ms): 0

802.3ad info
LACP active: on
LACP rate: fast
Min links: 0
Aggregator selection policy (ad_select): stable
System priority: 100
System MAC address: 02:00:00:00:00:10
Active Aggregator Info:
\tAggregator ID: 1
\tNumber of ports: 2
\tActor Key: 79
\tPartner Key: 15
\tPartner Mac Address: 02:00:00:00:00:20

Slave Interface: p0
MII Status: up
Speed: 10000 Mbps
Duplex: full
Link Failure Count: 0
Permanent HW addr: 02:00:00:00:00:10
Slave queue ID: 0
Aggregator ID: 1
Actor Churn State: monitoring
Partner Churn State: monitoring
Actor Churned Count: 0
Partner Churned Count: 0
details actor lacp pdu:
    system priority: 100
    system mac address: 02:00:00:00:00:10
    port key: 79
    port priority: 255
    port number: 1
    port state: 63
details partner lacp pdu:
    system priority: 65535
    system mac address: 02:00:00:00:00:20
    oper key: 15
    port priority: 255
    port number: 1
    port state: 63
";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn tshark_reads_what_is_sent_as_it_was_meant() {
    let mut pair = Pair::new([fast(), lacp()], &[0, 1]);
    pair.pass(15_000);
    let folder = std::env::temp_dir().join(format!("towpath-lacp-{}", std::process::id()));
    let mut capture = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    for (_, port, when, lacpdu) in &pair.said {
        let frame = [&[1, 0x80, 0xc2, 0, 0, 2, 2, 0, 0, 0, 0, *port as u8, 0x88, 9][..], &lacpdu.emit()].concat();
        let len = frame.len() as u32;
        capture.extend([when.as_secs() as u32, 0, len, len].map(u32::to_le_bytes).concat());
        capture.extend(frame);
    }
    fs::write(&folder, capture).expect("a file can be written");
    let fields = [
        "lacp.actor.sysid",
        "lacp.actor.key",
        "lacp.actor.port",
        "lacp.actor.state",
        "lacp.partner.sysid",
        "_ws.malformed",
    ];
    let asked = fields.iter().flat_map(|field| ["-e", field]);
    let told = Process::new("tshark").arg("-r").arg(&folder).args(["-T", "fields"]).args(asked).output();
    fs::remove_file(&folder).expect("it is there");
    let Ok(told) = told.inspect_err(|_| skip("there is no tshark")) else { return };
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let expected = pair.said.iter().map(|(_, _, _, Lacpdu { actor, partner, .. })| {
        let (key, port, state) = (actor.key.get(), actor.port.get(), actor.state.0);
        format!("{}\t{key}\t{port}\t0x{state:02x}\t{}\t", actor.system, partner.system)
    });
    assert_eq!(told.lines().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(pair.said.len() > 30, "{}", pair.said.len());
}
