//! RFC 4787: UDP, unicast.

use towpath_engine::packet::sketch::Kind;

use super::{
    Experiment, Judged, Requirement, Tried, Untested,
    bench::{Bench, Carrier::Udp, Endpoint, Side},
    flows, listed,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 4787, number, level, asks }
}

/// REQ-9 is asked together with its part a, what a host appears as, and so is REQ-8 of RFC 5382.
#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("REQ-1",   "MUST",        "one source keeps one endpoint outside, whomever it talks to"),   Udp, |bench| flows::mapping(bench, Udp)),
    (asks("REQ-2",   "RECOMMENDED", "all ports of a host have one address outside"),                  Udp, pairs_addresses),
    (asks("REQ-3",   "MUST NOT",    "two hosts share an endpoint outside"),                           Udp, |bench| flows::overloading(bench, Udp)),
    (asks("REQ-3a",  "RECOMMENDED", "ports below 1024 stay below, others above"),                     Udp, keeps_classes),
    (asks("REQ-4",   "RECOMMENDED", "even ports stay even, odd ports odd"),                           Udp, keeps_parity),
    (asks("REQ-5",   "MUST NOT",    "a mapping ends within two minutes, answered or not"),            Udp, |bench| lives(bench, 2)),
    (asks("REQ-5c",  "RECOMMENDED", "a mapping lives for five minutes or more by default"),           Udp, |bench| lives(bench, 5)),
    (asks("REQ-6",   "MUST",        "what a host sends keeps its mapping alive, answered or not"),    Udp, is_refreshed_from_inside),
    (asks("REQ-8",   "RECOMMENDED", "filtering depends on no more than the peer's address"),          Udp, |bench| flows::filtering(bench, Udp)),
    (asks("REQ-9",   "MUST",        "hosts inside reach each other by their endpoints outside"),      Udp, |bench| flows::hairpin(bench, Udp)),
    (asks("REQ-10",  "SHOULD",      "helpers that read payloads of UDP are off"),                     Udp, reads_no_payload),
    (asks("REQ-11",  "MUST",        "translation and filtering behave the same at all times"),        Udp, is_deterministic),
    (asks("REQ-12",  "MUST NOT",    "an ICMP error ends a mapping"),                                  Udp, |bench| flows::outlives_errors(bench, Udp)),
    (asks("REQ-12a", "SHOULD NOT",  "ICMP errors are filtered by who has sent them"),                 Udp, |bench| flows::translates_errors(bench, Udp)),
    (asks("REQ-12b", "RECOMMENDED", "\"destination unreachable\" is translated"),                     Udp, |bench| flows::translates_errors(bench, Udp)),
    (asks("REQ-13",  "MUST",        "a host is told when what may not be cut does not fit outside"),  Udp, tells_too_big),
    (asks("REQ-13a", "MUST",        "a packet that may be cut and does not fit leaves in fragments"), Udp, cuts),
    (asks("REQ-14",  "MUST",        "fragments are taken in order, and translated"),                  Udp, |bench| takes_fragments(bench, [0, 1])),
    (asks("REQ-14",  "MUST",        "fragments are taken out of order, and translated"),              Udp, |bench| takes_fragments(bench, [1, 0])),
];

fn pairs_addresses(bench: &mut Bench) -> Tried {
    let mut addresses = Vec::new();
    for n in 0..6 {
        addresses.push(bench.open(Udp, bench.host(0, 5000 + n), bench.peer(Udp, usize::from(n % 3), 0))?.address);
    }
    addresses.sort_unstable();
    addresses.dedup();
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    Ok(Judged::of(
        addresses.len() == 1,
        format!("six ports of a host are all {}", words.join(", ")),
        format!("six ports of a host are {}", words.join(", ")),
    ))
}

fn keeps_classes(bench: &mut Bench) -> Tried {
    for port in [100, 600, 1000, 5000, 60000] {
        for host in 0..3 {
            let mapped = bench.open(Udp, bench.host(host, port), bench.peer(Udp, 0, 0))?;
            if (mapped.port < 1024) != (port < 1024) {
                return Ok(Judged::fail(format!("port {port} became {}", mapped.port)));
            }
        }
    }
    Ok(Judged::pass("three hosts with ports 100, 600, 1000, 5000 and 60000 each stay on their side of 1024"))
}

fn keeps_parity(bench: &mut Bench) -> Tried {
    for port in 5000..5010 {
        for host in 0..3 {
            let mapped = bench.open(Udp, bench.host(host, port), bench.peer(Udp, 0, 0))?;
            if mapped.port % 2 != port % 2 {
                let why = format!("port {port} became {}", mapped.port);
                return Ok(Judged::allowed(why, "8"));
            }
        }
    }
    Ok(Judged::pass("ten ports of three hosts each stay even or odd"))
}

/// Flows of a host that differ in how far they have come.
const STAGES: [(u16, &str); 3] = [(5000, "the only packet"), (5001, "one answer"), (5002, "a talk of three seconds")];

/// Opens one flow for each stage, to the peer; gives what they are outside. All of them have been quiet for no time then.
fn staged(bench: &mut Bench, peer: Endpoint) -> Result<[Endpoint; 3], Untested> {
    let talks = bench.host(0, STAGES[2].0);
    let talking = bench.open(Udp, talks, peer)?;
    bench.reach(&Udp.answer(peer, talking));
    bench.wait(3);
    bench.open(Udp, talks, peer)?;
    bench.reach(&Udp.answer(peer, talking));
    let answered = bench.open(Udp, bench.host(0, STAGES[1].0), peer)?;
    bench.reach(&Udp.answer(peer, answered));
    Ok([bench.open(Udp, bench.host(0, STAGES[0].0), peer)?, answered, talking])
}

/// Behind which stages an answer from the peer does not arrive any more.
fn lost(bench: &mut Bench, peer: Endpoint, flows: [Endpoint; 3]) -> Vec<&'static str> {
    let mut lost = Vec::new();
    for ((port, stage), mapped) in STAGES.into_iter().zip(flows) {
        if bench.reach(&Udp.answer(peer, mapped)) != Some(bench.host(0, port)) {
            lost.push(stage);
        }
    }
    lost
}

/// An answer arrives just before so many minutes are over. Ports below 1024 may have timeouts of their own (REQ-5a).
fn lives(bench: &mut Bench, minutes: u64) -> Tried {
    let ports = [0, 1].map(|port| bench.peer(Udp, 0, port));
    let Some(peer) = ports.into_iter().find(|peer| peer.port >= 1024) else {
        let why = "the gateway lets UDP out to ports below 1024 only, which may have shorter timeouts";
        return Err(Untested(why.to_owned()));
    };
    let secs = minutes * 60 - 1;
    let flows = staged(bench, peer)?;
    bench.wait(secs);
    let lost = lost(bench, peer, flows);
    Ok(Judged::of(
        lost.is_empty(),
        format!("an answer arrives {secs} seconds after the only packet, one answer or a talk of three seconds"),
        format!("an answer does not arrive {secs} seconds after {}", listed(&lost)),
    ))
}

fn is_refreshed_from_inside(bench: &mut Bench) -> Tried {
    let peer = bench.peer(Udp, 0, 0);
    let flows = staged(bench, peer)?;
    for _ in 0..12 {
        bench.wait(20);
        let before = bench.seconds_left();
        for ((port, stage), mapped) in STAGES.into_iter().zip(flows) {
            if bench.open(Udp, bench.host(0, port), peer).ok() != Some(mapped) {
                return Ok(Judged::fail(format!("a packet every 20 seconds does not keep the mapping after {stage}")));
            }
        }
        let after = bench.seconds_left();
        if before.len() != after.len() || before.iter().zip(&after).any(|(before, after)| before >= after) {
            let (before, after) = (listed(&before), listed(&after));
            return Ok(Judged::fail(format!(
                "mappings last {before} more seconds before packets of their hosts, and {after} after"
            )));
        }
    }
    let lost = lost(bench, peer, flows);
    Ok(Judged::of(
        lost.is_empty(),
        "a packet every 20 seconds keeps mappings for four minutes, unanswered ones and answered ones",
        format!("after four minutes of packets from inside an answer does not arrive after {}", listed(&lost)),
    ))
}

/// A read request of TFTP is the best known payload to be read.
fn reads_no_payload(bench: &mut Bench) -> Tried {
    let server = bench.peer(Udp, 0, 0).with_port(69);
    let came = bench
        .send(Side::Inside, &format!("{} > {server} udp data \"\\x00\\x01file\\x00octet\\x00\"", bench.host(0, 5000)));
    if came.is_empty() {
        return Err(Untested("the gateway lets no TFTP request out".to_owned()));
    }
    Ok(Judged::of(
        bench.engine().conntrack().expectations().iter().next().is_none(),
        "a TFTP request announces nothing to the gateway",
        "a TFTP request makes the gateway expect a connection: its TFTP helper is attached",
    ))
}

/// Whether a mapping depends on the peer is asked of a port that nobody else has, and of one that another host has used with
/// one of the peers.
fn is_deterministic(bench: &mut Bench) -> Tried {
    let (alone, contended) = (bench.host(0, 5000), bench.host(0, 5001));
    bench.open(Udp, bench.host(1, 5001), bench.peer(Udp, 1, 0))?;
    let mut is_one = |host| {
        let [first, second] = [0, 1].map(|peer| bench.open(Udp, host, bench.peer(Udp, peer, 0)));
        Ok(first? == second?)
    };
    Ok(Judged::of(
        is_one(alone)? == is_one(contended)?,
        "whether a mapping depends on the peer is the same when another host has its port",
        "a mapping depends on the peer only when another host has its port",
    ))
}

fn tells_too_big(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    bench.open(Udp, host, peer)?;
    let mtu = too_large_outside(bench)?;
    let came = bench.send(Side::Inside, &format!("{host} > {peer} udp len {mtu} df"));
    let is_told = |came: &super::bench::Came| {
        let is_right = matches!(&came.packet.kind, Kind::Icmp(icmp)
            if (icmp.kind, icmp.code) == (3, 4) && icmp.mtu.is_some_and(|told| told > 0 && told <= mtu));
        is_right && came.header.destination == host.address
    };
    let told = came.iter().any(|came| bench.is_inside(came) && is_told(came));
    let passed = came.iter().any(|came| bench.is_outside(came));
    Ok(Judged::of(
        told && !passed,
        format!("a datagram of {mtu} bytes of data that must not be cut is answered with an error that names the MTU"),
        format!("a datagram of {mtu} bytes of data that must not be cut is not answered with an error"),
    ))
}

/// Bytes of data that make a datagram larger than the link outside takes: as many as that takes of a whole packet.
fn too_large_outside(bench: &Bench) -> Result<u32, Untested> {
    const HEADERS: u32 = 20 + 8;
    let mtu = bench.outside_mtu();
    if mtu + HEADERS > u16::MAX.into() {
        return Err(Untested(format!("the link outside takes any datagram, as its MTU is {mtu}")));
    }
    Ok(mtu)
}

/// A datagram that is larger than the link outside leaves in parts, the first one first (the RFC asks for that with a SHOULD).
fn cuts(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    bench.open(Udp, host, peer)?;
    let mtu = too_large_outside(bench)?;
    let came = bench.send(Side::Inside, &format!("{host} > {peer} udp len {mtu}"));
    let parts: Vec<_> = came.iter().filter(|came| bench.is_outside(came)).collect();
    let translated = parts.iter().all(|part| part.header.source != host.address);
    let offsets: Vec<u16> = parts.iter().map(|part| part.offset_bytes()).collect();
    Ok(Judged::of(
        parts.len() > 1 && translated && offsets.is_sorted(),
        format!("a datagram of {mtu} bytes of data leaves in {} parts, in order", parts.len()),
        format!(
            "a datagram of {mtu} bytes of data leaves as {} packets that begin at {}",
            parts.len(),
            listed(&offsets)
        ),
    ))
}

/// Two fragments of a datagram from a peer, in that order.
fn takes_fragments(bench: &mut Bench, order: [usize; 2]) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let mapped = bench.open(Udp, host, peer)?;
    let bytes = |port: u16| port.to_be_bytes().map(|byte| format!("\\x{byte:02x}")).concat();
    // A header without a checksum and 8 bytes of data in the first, 8 in the second.
    let first = format!("{}{}\\x00\\x18\\x00\\x00firstpar", bytes(peer.port), bytes(mapped.port));
    let parts = [
        format!("{} > {} udp fragment 0 more data \"{first}\" ipid 77", peer.address, mapped.address),
        format!("{} > {} udp fragment 16 data \"secondpa\" ipid 77", peer.address, mapped.address),
    ];
    let came: Vec<_> = order.iter().flat_map(|&index| bench.send(Side::Outside, &parts[index])).collect();
    let arrived = came.iter().filter(|came| bench.is_inside(came) && came.header.destination == host.address);
    // As parts, of which the first has the header among its data, or put together.
    let bytes: usize = arrived
        .map(|came| came.packet.payload.len() + if matches!(came.packet.kind, Kind::Udp(_)) { HEADER_BYTES } else { 0 })
        .sum();
    Ok(Judged::of(
        bytes == HEADER_BYTES + 16,
        "all of the datagram reaches the host",
        format!("of the datagram's {} bytes {bytes} reach the host", HEADER_BYTES + 16),
    ))
}

/// A UDP header.
const HEADER_BYTES: usize = 8;
