//! RFC 4787: UDP, unicast.

use towpath_engine::packet::sketch::Kind;

use super::{
    Experiment, Judged, Requirement,
    bench::{Bench, Carrier::Udp, Side},
    flows, listed,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 4787, number, level, asks }
}

/// REQ-7 is about how a translator gets its own address, and REQ-14a about floods of fragments; REQ-9 is asked together with its
/// part a, what a host appears as.
#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("REQ-1",   "MUST",        "one source keeps one endpoint outside, whomever it talks to"),   Udp, |bench| flows::mapping(bench, Udp)),
    (asks("REQ-2",   "RECOMMENDED", "all ports of a host have one address outside"),                  Udp, pairs_addresses),
    (asks("REQ-3",   "MUST NOT",    "two hosts share an endpoint outside"),                           Udp, |bench| flows::overloading(bench, Udp)),
    (asks("REQ-3a",  "RECOMMENDED", "ports below 1024 stay below, others above"),                     Udp, keeps_classes),
    (asks("REQ-4",   "RECOMMENDED", "even ports stay even, odd ports odd"),                           Udp, keeps_parity),
    (asks("REQ-5",   "MUST NOT",    "a mapping ends within two minutes"),                             Udp, |bench| lives(bench, 2)),
    (asks("REQ-5c",  "RECOMMENDED", "a mapping lives for five minutes or more"),                      Udp, |bench| lives(bench, 5)),
    (asks("REQ-6",   "MUST",        "what a host sends keeps its mapping alive"),                     Udp, is_refreshed_from_inside),
    (asks("REQ-8",   "RECOMMENDED", "filtering depends on no more than the peer's address"),          Udp, |bench| flows::filtering(bench, Udp)),
    (asks("REQ-9",   "MUST",        "hosts inside reach each other by their endpoints outside"),      Udp, |bench| flows::hairpin(bench, Udp)),
    (asks("REQ-10",  "SHOULD",      "helpers that read payloads of UDP are off"),                     Udp, reads_no_payload),
    (asks("REQ-11",  "MUST",        "translation behaves the same at all times"),                     Udp, is_deterministic),
    (asks("REQ-12",  "MUST NOT",    "an ICMP error ends a mapping"),                                  Udp, |bench| flows::outlives_errors(bench, Udp)),
    (asks("REQ-12a", "SHOULD NOT",  "ICMP errors are filtered by who has sent them"),                 Udp, |bench| flows::translates_errors(bench, Udp)),
    (asks("REQ-12b", "RECOMMENDED", "\"destination unreachable\" is translated"),                     Udp, |bench| flows::translates_errors(bench, Udp)),
    (asks("REQ-13",  "MUST",        "a host is told when its packet does not fit the link outside"),  Udp, tells_too_big),
    (asks("REQ-13a", "MUST",        "a packet that may be cut and does not fit leaves in fragments"), Udp, cuts),
    (asks("REQ-14",  "MUST",        "fragments are taken in order, and translated"),                  Udp, |bench| takes_fragments(bench, [0, 1])),
    (asks("REQ-14",  "MUST",        "fragments are taken out of order, and translated"),              Udp, |bench| takes_fragments(bench, [1, 0])),
];

fn pairs_addresses(bench: &mut Bench) -> Judged {
    let mut addresses: Vec<_> = (0..6)
        .filter_map(|n| bench.open(Udp, bench.host(0, 5000 + n), bench.peer(Udp, usize::from(n % 3), 0)))
        .map(|endpoint| endpoint.address)
        .collect();
    let flows = addresses.len();
    addresses.sort_unstable();
    addresses.dedup();
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    Judged::of(
        flows == 6 && addresses.len() == 1,
        format!("six ports of a host are all {}", words.join(", ")),
        format!("{flows} of six flows of a host came out, from {}", words.join(", ")),
    )
}

fn keeps_classes(bench: &mut Bench) -> Judged {
    for port in [100, 600, 1000, 5000, 60000] {
        for host in 0..3 {
            let Some(mapped) = bench.open(Udp, bench.host(host, port), bench.peer(Udp, 0, 0)) else {
                return Judged::fail("a host's packet does not come out");
            };
            if (mapped.port < 1024) != (port < 1024) {
                return Judged::fail(format!("port {port} became {}", mapped.port));
            }
        }
    }
    Judged::of(true, "three hosts with ports 100, 600, 1000, 5000 and 60000 each stay on their side of 1024", "")
}

fn keeps_parity(bench: &mut Bench) -> Judged {
    for port in 5000..5010 {
        for host in 0..3 {
            let Some(mapped) = bench.open(Udp, bench.host(host, port), bench.peer(Udp, 0, 0)) else {
                return Judged::fail("a host's packet does not come out");
            };
            if mapped.port % 2 != port % 2 {
                return Judged::fail(format!("port {port} became {} where another host has it already", mapped.port));
            }
        }
    }
    Judged::of(true, "ten ports of three hosts each stay even or odd", "")
}

/// An answer arrives just before so many minutes are over. Ports below 1024 may have timeouts of their own (REQ-5a).
fn lives(bench: &mut Bench, minutes: u64) -> Judged {
    let ports = [0, 1].map(|port| bench.peer(Udp, 0, port));
    let Some(peer) = ports.into_iter().find(|peer| peer.port >= 1024) else {
        return Judged::untested("the gateway lets UDP out to ports below 1024 only, which may have shorter timeouts");
    };
    let secs = minutes * 60 - 1;
    let Some(mapped) = bench.open(Udp, bench.host(0, 5000), peer) else {
        return Judged::fail("a host's packet does not come out");
    };
    bench.wait(secs);
    Judged::of(
        bench.reach(&Udp.answer(peer, mapped)) == Some(bench.host(0, 5000)),
        format!("an answer arrives {secs} seconds after the only packet"),
        format!("an answer does not arrive {secs} seconds after the only packet"),
    )
}

fn is_refreshed_from_inside(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let Some(mapped) = bench.open(Udp, host, peer) else {
        return Judged::fail("a host's packet does not come out");
    };
    for _ in 0..12 {
        bench.wait(20);
        if bench.open(Udp, host, peer) != Some(mapped) {
            return Judged::fail("a packet every 20 seconds does not keep the mapping");
        }
    }
    Judged::of(
        bench.reach(&Udp.answer(peer, mapped)) == Some(host),
        "a packet every 20 seconds keeps the mapping for four minutes",
        "after four minutes of packets from inside the peer's answer does not arrive",
    )
}

/// A read request of TFTP is the best known payload to be read.
fn reads_no_payload(bench: &mut Bench) -> Judged {
    let server = bench.peer(Udp, 0, 0).with_port(69);
    let came = bench
        .send(Side::Inside, &format!("{} > {server} udp data \"\\x00\\x01file\\x00octet\\x00\"", bench.host(0, 5000)));
    if came.is_empty() {
        return Judged::untested("the gateway lets no TFTP request out");
    }
    Judged::of(
        bench.engine().conntrack().expectations().iter().next().is_none(),
        "a TFTP request announces nothing to the gateway",
        "a TFTP request makes the gateway expect a connection: its TFTP helper is attached",
    )
}

/// Whether a mapping depends on the peer is asked of a port that nobody else has, and of one that another host has used with
/// one of the peers.
fn is_deterministic(bench: &mut Bench) -> Judged {
    let (alone, contended) = (bench.host(0, 5000), bench.host(0, 5001));
    if bench.open(Udp, bench.host(1, 5001), bench.peer(Udp, 1, 0)).is_none() {
        return Judged::fail("a host's packet does not come out");
    }
    let mut is_one = |host| {
        let [first, second] = [0, 1].map(|peer| bench.open(Udp, host, bench.peer(Udp, peer, 0)));
        first.zip(second).map(|(first, second)| first == second)
    };
    match (is_one(alone), is_one(contended)) {
        (Some(alone), Some(contended)) => Judged::of(
            alone == contended,
            "whether a mapping depends on the peer is the same when another host has its port",
            "a mapping depends on the peer only when another host has its port",
        ),
        _ => Judged::fail("a host's packet does not come out"),
    }
}

fn tells_too_big(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let mtu = bench.outside_mtu();
    let came = bench.send(Side::Inside, &format!("{host} > {peer} udp len {mtu} df"));
    let told = came.iter().any(|came| bench.is_inside(came) && is_too_big(&came.packet.kind));
    let passed = came.iter().any(|came| bench.is_outside(came));
    Judged::of(
        told && !passed,
        format!("a datagram of {mtu} bytes of data that must not be cut is answered with an error that names the MTU"),
        format!("a datagram of {mtu} bytes of data that must not be cut is not answered with an error"),
    )
}

/// A datagram that is larger than the link outside leaves in parts, the first one first (the RFC asks for that with a SHOULD).
fn cuts(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let mtu = bench.outside_mtu();
    let came = bench.send(Side::Inside, &format!("{host} > {peer} udp len {mtu}"));
    let parts: Vec<_> = came.iter().filter(|came| bench.is_outside(came)).collect();
    let translated = parts.iter().all(|part| part.header.source != host.address);
    let offsets: Vec<u16> = parts.iter().map(|part| part.offset_bytes()).collect();
    Judged::of(
        parts.len() > 1 && translated && offsets.is_sorted(),
        format!("a datagram of {mtu} bytes of data leaves in {} parts, in order", parts.len()),
        format!(
            "a datagram of {mtu} bytes of data leaves as {} packets that begin at {}",
            parts.len(),
            listed(&offsets)
        ),
    )
}

/// Whether it is "fragmentation needed", with an MTU.
fn is_too_big(kind: &Kind) -> bool {
    matches!(kind, Kind::Icmp(icmp) if (icmp.kind, icmp.code) == (3, 4) && icmp.mtu.is_some_and(|mtu| mtu > 0))
}

/// Two fragments of a datagram from a peer, in that order.
fn takes_fragments(bench: &mut Bench, order: [usize; 2]) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let Some(mapped) = bench.open(Udp, host, peer) else {
        return Judged::fail("a host's packet does not come out");
    };
    let bytes = |port: u16| port.to_be_bytes().map(|byte| format!("\\x{byte:02x}")).concat();
    // A header without a checksum and 8 bytes of data in the first, 8 in the second.
    let first = format!("{}{}\\x00\\x18\\x00\\x00firstpar", bytes(peer.port), bytes(mapped.port));
    let parts = [
        format!("{} > {} udp fragment 0 more data \"{first}\" ipid 77", peer.address, mapped.address),
        format!("{} > {} udp fragment 16 data \"secondpa\" ipid 77", peer.address, mapped.address),
    ];
    let came: Vec<_> = order.iter().flat_map(|&index| bench.send(Side::Outside, &parts[index])).collect();
    let arrived = came.iter().filter(|came| bench.is_inside(came) && came.header.destination == host.address).count();
    Judged::of(arrived > 0, "both parts reach the host", "the parts do not reach the host")
}
