//! A large capture made in memory, and the gateway that it is replayed through.
//!
//! TCP connections from a private network to one server, many at a time: handshake, requests and answers that are
//! acknowledged, FINs. As a client's network sees it, so that every answer has to be re-addressed.

use towpath_engine::{
    netfilter::Source,
    wire::{
        Protocol,
        checksum::{add, pseudo_header_v4, sum},
    },
};
use towpath_replay::{
    config::Config,
    replay::{Detail, Setup},
};

/// The gateway.
pub(crate) const CONFIG: &str = "\
[[interface]]
name = 'lan'
addresses = ['10.0.0.1/8']
[[interface]]
name = 'wan'
addresses = ['203.0.113.1/24']
[[route]]
to = 'default'
via = '203.0.113.254'
[rules]
v4 = 'rules.v4'
";
/// Connections that are open at the same time.
const OPEN: u32 = 4096;
/// Packets of a connection.
const PACKETS_EACH: u32 = 32;
/// Rules in front of the one that lets pass.
const RULES: usize = 1000;
const SERVER: [u8; 4] = [198, 51, 100, 7];
/// What a client asks with, in bytes.
const REQUEST: u32 = 100;
/// What an Ethernet frame holds of an answer, in bytes.
const FULL: u32 = 1460;

/// What the connections carry.
#[derive(Clone, Copy)]
pub(crate) enum Traffic {
    /// Requests, and answers of as many bytes: 110 bytes are a frame on average.
    Questions,
    /// One request and a file, of which every second full frame is acknowledged: 877 bytes are a frame on average.
    Downloads,
}

/// A classic pcap with `packets` packets.
pub(crate) fn capture(packets: u32, traffic: Traffic) -> Vec<u8> {
    let mut file = [0xa1b2_3c4du32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    file.reserve(packets as usize * 160);
    for number in 0..packets {
        // A generation of connections, all of which take a step before any takes the next one.
        let (generation, place) = (number / (OPEN * PACKETS_EACH), number % (OPEN * PACKETS_EACH));
        let (step, connection) = (place / OPEN, generation * OPEN + place % OPEN);
        let frame = segment(connection, step, traffic);
        let nanos = u64::from(number) * 10_000;
        let head =
            [(nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000) as u32, frame.len() as u32, frame.len() as u32];
        file.extend(head.into_iter().flat_map(u32::to_le_bytes));
        file.extend_from_slice(&frame);
    }
    file
}

/// Rules that a packet of an established connection does not meet, 1000 that a new one has to pass, MASQUERADE.
pub(crate) fn rules() -> String {
    let mut text = String::from("*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n");
    for number in 0..RULES {
        let (high, low) = (number / 256, number % 256);
        text += &format!("-A FORWARD -s 172.16.{high}.{low}/32 -p tcp -m tcp --dport {} -j DROP\n", 1000 + number);
    }
    text + "-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\nCOMMIT\n"
}

/// The gateway, with `rules`.
pub(crate) fn setup(rules: &str) -> Setup<'_> {
    Setup {
        config: Some(Config::read("gateway.toml", CONFIG).expect("the configuration is right")),
        rules: vec![Source { name: "rules.v4", text: rules }],
        detail: Detail::Verdicts,
        ..Setup::default()
    }
}

/// Step `step` of a connection: after the handshake what it carries, at last both close.
fn segment(connection: u32, step: u32, traffic: Traffic) -> Vec<u8> {
    let [_, a, b, c] = (0x10000 + connection / 16).to_be_bytes();
    let client = ([10, a, b, c], 40_000 + (connection % 16) as u16);
    let server = (SERVER, 80);
    // How many steps since the first request and since the first answer.
    let [requests, answers] = [3, 4].map(|first| step.min(30).saturating_sub(first));
    let (asked, answered) = match traffic {
        Traffic::Questions => (1001 + REQUEST * requests.div_ceil(3), 9001 + REQUEST * answers.div_ceil(3)),
        // Two of three answer.
        Traffic::Downloads => (1001 + REQUEST * requests.min(1), 9001 + FULL * (answers - answers / 3)),
    };
    let from_client = |flags, bytes| tcp(client, server, flags, (asked, answered), &vec![b'x'; bytes as usize]);
    let from_server = |flags, bytes| tcp(server, client, flags, (answered, asked), &vec![b'x'; bytes as usize]);
    match (step, traffic) {
        (0, _) => tcp(client, server, SYN, (1000, 0), b""),
        (1, _) => tcp(server, client, SYN | ACK, (9000, 1001), b""),
        (2, _) => from_client(ACK, 0),
        (3, _) => from_client(PSH | ACK, REQUEST),
        (30, _) => from_client(FIN | ACK, 0),
        (31, _) => tcp(server, client, FIN | ACK, (answered, asked + 1), b""),
        (_, Traffic::Questions) => match step % 3 {
            0 => from_client(PSH | ACK, REQUEST),
            1 => from_server(PSH | ACK, REQUEST),
            _ => from_client(ACK, 0),
        },
        (_, Traffic::Downloads) => match step % 3 {
            0 => from_client(ACK, 0),
            _ => from_server(ACK, FULL),
        },
    }
}

fn tcp(
    (source, source_port): ([u8; 4], u16),
    (destination, destination_port): ([u8; 4], u16),
    flags: u8,
    (seq, ack): (u32, u32),
    payload: &[u8],
) -> Vec<u8> {
    let mut transport = [source_port.to_be_bytes(), destination_port.to_be_bytes()].concat();
    transport.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    transport.extend([5 << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    transport.extend_from_slice(payload);
    let pseudo = pseudo_header_v4(source.into(), destination.into(), Protocol::TCP, transport.len() as u16);
    let checksum = (!add(pseudo, sum(&transport))).to_be_bytes();
    transport[16..18].copy_from_slice(&checksum);
    let [high, low] = (20 + transport.len() as u16).to_be_bytes();
    let mut header = [0x45, 0, high, low, 0, 1, 0x40, 0, 64, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[12..16].copy_from_slice(&source);
    header[16..20].copy_from_slice(&destination);
    let checksum = (!sum(&header)).to_be_bytes();
    header[10..12].copy_from_slice(&checksum);
    [&[2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 8, 0][..], &header, &transport].concat()
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
