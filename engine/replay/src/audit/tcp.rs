//! RFC 5382: TCP.

use towpath_engine::wire::Protocol;

use super::{
    Experiment, Judged, Requirement,
    bench::{Bench, Carrier::Tcp, Side},
    flows,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 5382, number, level, asks }
}

#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("REQ-1",  "MUST",        "one source keeps one endpoint outside, whomever it talks to"),      Tcp, |bench| flows::mapping(bench, Tcp)),
    (asks("REQ-2",  "MUST",        "connections are opened by a handshake and by two SYNs that cross"), Tcp, opens_at_once),
    (asks("REQ-3",  "RECOMMENDED", "filtering depends on no more than the peer's address"),             Tcp, |bench| flows::filtering(bench, Tcp)),
    (asks("REQ-4",  "MUST NOT",    "a SYN from outside that nobody has asked for is answered within six seconds"),   Tcp, is_silent_for_six_seconds),
    (asks("REQ-5",  "MUST NOT",    "an idle connection is given up within two hours and four minutes"), Tcp, keeps_idle_connections),
    (asks("REQ-5",  "MUST NOT",    "a connection that opens is given up within four minutes"),          Tcp, keeps_opening_connections),
    (asks("REQ-5",  "MUST NOT",    "a connection that closes is given up within four minutes"),         Tcp, keeps_closing_connections),
    (asks("REQ-6",  "RECOMMENDED", "helpers that change TCP, but FTP's, are off by default"),           Tcp, reads_no_payload),
    (asks("REQ-7",  "MUST NOT",    "two hosts share an endpoint outside"),                              Tcp, |bench| flows::overloading(bench, Tcp)),
    (asks("REQ-8",  "MUST",        "hosts inside reach each other by their endpoints outside"),         Tcp, |bench| flows::hairpin(bench, Tcp)),
    (asks("REQ-9",  "SHOULD",      "\"destination unreachable\" is translated"),                        Tcp, |bench| flows::translates_errors(bench, Tcp)),
    (asks("REQ-10", "MUST NOT",    "an ICMP error ends a connection"),                                  Tcp, |bench| flows::outlives_errors(bench, Tcp)),
];

fn opens_at_once(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    if bench.connect(host, peer).is_none() {
        return Judged::fail("a handshake does not pass");
    }
    let host = host.with_port(5001);
    let Some(mapped) = bench.open(Tcp, host, peer) else {
        return Judged::fail("a host's SYN does not come out");
    };
    if bench.reach(&format!("{peer} > {mapped} S seq 9000 ack 0")) != Some(host) {
        return Judged::fail("the peer's SYN that crosses the host's does not arrive");
    }
    let out = bench.send(Side::Inside, &format!("{host} > {peer} SA seq 1000 ack 9001"));
    let passes = out.iter().any(|came| bench.is_outside(came) && came.source() == mapped);
    let back = bench.reach(&format!("{peer} > {mapped} SA seq 9000 ack 1001"));
    Judged::of(
        passes && back == Some(host),
        "a handshake passes, and so do two SYNs that cross and the answers to both",
        "when two SYNs cross, their answers do not pass",
    )
}

fn is_silent_for_six_seconds(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let Some(mapped) = bench.open(Tcp, host, peer) else {
        return Judged::fail("a host's SYN does not come out");
    };
    let stranger = bench.peer(Tcp, 2, 0).with_port(4321);
    let mut came = bench.send(Side::Outside, &format!("{stranger} > {mapped} S seq 1 ack 0"));
    if came.iter().any(|came| bench.is_inside(came)) {
        return Judged::of(true, "it is let in: filtering does not depend on the peer", "");
    }
    came.extend(bench.wait(6));
    let answer = came.iter().find(|came| bench.is_outside(came) && came.header.destination == stranger.address);
    match answer {
        None => Judged::of(true, "it is not answered", ""),
        Some(answer) => Judged::fail(format!("it is answered at once: {}", answer.words())),
    }
}

fn keeps_idle_connections(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let Some(mapped) = bench.connect(host, peer) else { return Judged::fail("a handshake does not pass") };
    bench.wait(2 * 3600 + 4 * 60 - 1);
    Judged::of(
        bench.reach(&format!("{peer} > {mapped} PA seq 9001 ack 1001 len 8")) == Some(host),
        "after 7439 idle seconds the peer's data arrives",
        "after 7439 idle seconds the peer's data does not arrive",
    )
}

/// The gateway sees both ends close; the last ACK may get lost.
fn keeps_closing_connections(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let Some(mapped) = bench.connect(host, peer) else { return Judged::fail("a handshake does not pass") };
    bench.send(Side::Inside, &format!("{host} > {peer} FA seq 1001 ack 9001"));
    bench.reach(&format!("{peer} > {mapped} FA seq 9001 ack 1002"));
    bench.send(Side::Inside, &format!("{host} > {peer} A seq 1002 ack 9002"));
    bench.wait(4 * 60 - 1);
    Judged::of(
        bench.reach(&format!("{peer} > {mapped} FA seq 9001 ack 1002")) == Some(host),
        "239 seconds after both ends have closed the peer's repeated FIN reaches the host",
        "239 seconds after both ends have closed the peer's repeated FIN does not reach the host",
    )
}

fn keeps_opening_connections(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let Some(mapped) = bench.open(Tcp, host, peer) else {
        return Judged::fail("a host's SYN does not come out");
    };
    bench.wait(4 * 60 - 1);
    Judged::of(
        bench.reach(&Tcp.answer(peer, mapped)) == Some(host),
        "239 seconds after its SYN the host gets the answer",
        "239 seconds after its SYN the host does not get the answer",
    )
}

fn reads_no_payload(bench: &mut Bench) -> Judged {
    let others: Vec<&str> = bench
        .engine()
        .helpers()
        .iter()
        .map(|helper| helper.manifest)
        .filter(|manifest| {
            manifest.attach.iter().any(|attach| attach.protocol == Protocol::TCP) && manifest.name != "ftp"
        })
        .map(|manifest| manifest.name.as_str())
        .collect();
    Judged::of(
        others.is_empty(),
        "no TCP helper is loaded, or only the one for FTP",
        format!("helpers for {} are loaded", others.join(", ")),
    )
}
