//! Captures of both sides of a Linux router: what the replay sends is what Linux sent, byte for byte.
//!
//! Each packet that came to the router is fed in, each one that the router sent is in the capture too and is held
//! against what came out here. Ethernet headers are left out; so is what Linux drew by lot (the IP id of packets that it
//! made itself).
#![expect(clippy::unwrap_used, reason = "in a test, also in its helpers")]

use std::{fs, net::Ipv4Addr};

use towpath_engine::{DeviceId, netfilter::Source};
use towpath_replay::{
    capture::Capture,
    config::Config,
    record::{Fate, NotFed, Record, Verdict, bytes_out},
    replay::{Detail, Replay, Setup},
};

#[test]
fn http_through_masquerade_leaves_as_it_left_linux() {
    let sent = sent("http-nat.pcapng", "masquerade.v4");
    assert_eq!(sent.ours, sent.linux);
    assert_eq!(sent.count(), 39);
}

#[test]
fn dns_through_masquerade_leaves_as_it_left_linux() {
    let sent = sent("dns-nat.pcapng", "masquerade.v4");
    assert_eq!(sent.ours, sent.linux);
    assert_eq!(sent.count(), 6);
}

#[test]
fn echoes_and_errors_through_masquerade_leave_as_they_left_linux() {
    for (file, count) in [("ping-nat.pcapng", 6), ("traceroute-nat.pcapng", 5), ("pmtu-nat.pcapng", 53)] {
        let sent = sent(file, "masquerade.v4");
        assert_eq!(sent.ours, sent.linux, "{file}");
        assert_eq!(sent.count(), count, "{file}");
    }
}

#[test]
fn what_nobody_has_asked_for_is_dropped_as_linux_dropped_it() {
    let sent = sent("unasked.pcapng", "masquerade.v4");
    assert_eq!(sent.ours, sent.linux);
    assert!(sent.dropped > 0);
}

#[test]
fn a_capture_with_directions_needs_nothing_to_be_said_about_its_interfaces() {
    for file in ["directions.pcapng", "any-sll.pcap", "any-sll2.pcap"] {
        let sent = sent(file, "masquerade.v4");
        assert_eq!(sent.ours, sent.linux, "{file}");
        assert_eq!(sent.count(), 18, "{file}");
    }
}

#[test]
fn ftp_through_masquerade_is_rewritten_as_linux_rewrote_it() {
    for notation in ["port", "eprt", "pasv", "epsv"] {
        let sent = sent(&format!("ftp-{notation}-nat.pcapng"), "masquerade.v4");
        assert_eq!(sent.ours, sent.linux, "{notation}");
        assert!(sent.count() > 50, "{notation}: {}", sent.count());
    }
}

#[test]
fn ftp_to_a_server_behind_dnat_is_rewritten_as_linux_rewrote_it() {
    let sent = sent("ftp-dnat.pcapng", "dnat-ftp.v4");
    assert_eq!(sent.ours, sent.linux);
    assert!(sent.count() > 150, "{}", sent.count());
}

#[test]
fn a_capture_of_the_clients_network_alone_gives_what_linux_sent_on_both_sides() {
    for notation in ["port", "eprt", "pasv", "epsv"] {
        let both = sent(&format!("ftp-{notation}-nat.pcapng"), "masquerade.v4");
        let inside = sent(&format!("ftp-{notation}-inside.pcap"), "masquerade.v4");
        assert_eq!(inside.ours[1], both.linux[1], "{notation}: to the server");
        assert_eq!(inside.ours[0].len(), both.linux[0].len(), "{notation}");
        for (ours, linux) in inside.ours[0].iter().zip(&both.linux[0]) {
            assert_eq!(without_ttl(ours), without_ttl(linux), "{notation}: to the client");
        }
        assert_eq!(inside.dropped, 0, "{notation}");
    }
}

/// A packet without its TTL and header checksum: what was captured behind the router has passed it once already.
fn without_ttl(packet: &str) -> String {
    format!("{}{}{}", &packet[..16], &packet[18..20], &packet[24..])
}

/// What left by each device, in order.
struct Sent {
    ours: [Vec<String>; 2],
    linux: [Vec<String>; 2],
    dropped: usize,
}

impl Sent {
    fn count(&self) -> usize {
        self.linux.iter().map(Vec::len).sum()
    }
}

fn sent(file: &str, rules: &str) -> Sent {
    let bytes = fs::read(captures(file)).unwrap();
    let text = fs::read_to_string(captures(&format!("rules/{rules}"))).unwrap();
    // There is no helper for TFTP yet.
    let text: String = text.lines().filter(|line| !line.contains("tftp")).map(|line| format!("{line}\n")).collect();
    let router = fs::read_to_string(captures("rules/router.toml")).unwrap();
    let setup = Setup {
        config: Some(Config::read("router.toml", &router).unwrap()),
        rules: vec![Source { name: rules, text: &text }],
        helpers: towpath_helpers_native::all(),
        detail: Detail::Verdicts,
        ..Setup::default()
    };
    let mut replay = Replay::new(setup).map_err(|error| error.to_string()).unwrap();
    let mut sent = Sent { ours: Default::default(), linux: Default::default(), dropped: 0 };
    let mut room = Vec::new();
    replay
        .run(&mut Capture::from_bytes(&bytes).unwrap(), |record| {
            note(record, &mut sent, &mut room);
            true
        })
        .unwrap();
    sent
}

fn note(record: &Record<'_>, sent: &mut Sent, room: &mut Vec<u8>) {
    for transmit in record.out {
        bytes_out(transmit, room);
        if let Some(packet) = packet(room) {
            sent.ours[usize::from(transmit.device.0)].push(packet);
        }
    }
    match record.fate {
        Fate::NotFed(NotFed::OwnOutput) => {
            if let Some(packet) = packet(record.captured) {
                sent.linux[usize::from(leaves_by(record.captured).0)].push(packet);
            }
        }
        Fate::NotFed(other) => panic!("packet {}: {other:?}", record.number),
        Fate::Fed(..) => {
            let passed = matches!(record.verdict(), Verdict::Forwarded | Verdict::LocalIn | Verdict::NoHook);
            sent.dropped += usize::from(!passed);
        }
    }
}

/// The IPv4 packet of a frame in hex, without padding, and without the id when the router has made it.
fn packet(frame: &[u8]) -> Option<String> {
    let [_, _, high, low, ..] = *frame.get(14..).filter(|_| frame[12..14] == [8, 0])? else { return None };
    let mut packet = frame[14..14 + usize::from(u16::from_be_bytes([high, low]))].to_vec();
    if ROUTERS.contains(&Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]))
        && packet[9] == 1
        && packet[20] != 8
    {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    Some(packet.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is sent to the inside network leaves by `inside`.
fn leaves_by(frame: &[u8]) -> DeviceId {
    DeviceId(u16::from(frame[30..33] != [192, 168, 1]))
}

fn captures(name: &str) -> String {
    format!("{}/../../captures/{name}", env!("CARGO_MANIFEST_DIR"))
}

const ROUTERS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(203, 0, 113, 1)];
