//! RFC 5382: TCP.

use towpath_engine::wire::Protocol;

use super::{
    Experiment, Judged, Requirement, Tried, Untested,
    bench::{Bench, Came, Carrier::Tcp, Endpoint, Side},
    flows,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 5382, number, level, asks }
}

#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("REQ-1",  "MUST",        "one source keeps one endpoint outside, whomever it talks to"),      Tcp, |bench| flows::mapping(bench, Tcp)),
    (asks("REQ-2",  "MUST",        "connections are opened by a handshake and by two SYNs that cross"), Tcp, opens_at_once),
    (asks("REQ-2",  "MUST",        "one end may go on sending when the other has closed"),              Tcp, lets_half_closed_send),
    (asks("REQ-3",  "RECOMMENDED", "filtering depends on no more than the peer's address"),             Tcp, |bench| flows::filtering(bench, Tcp)),
    (asks("REQ-4",  "MUST NOT",    "a SYN from outside that nobody has asked for is answered within six seconds"),   Tcp, is_silent_for_six_seconds),
    (asks("REQ-4",  "SHOULD",      "such a SYN is answered with \"port unreachable\" then"),             Tcp, answers_after_six_seconds),
    (asks("REQ-5",  "MUST NOT",    "an idle connection is given up within two hours and four minutes"), Tcp, keeps_idle_connections),
    (asks("REQ-5",  "MUST NOT",    "so is one that one end has closed"),                                Tcp, keeps_half_closed_connections),
    (asks("REQ-5",  "MUST NOT",    "a connection that opens is given up within four minutes"),          Tcp, keeps_opening_connections),
    (asks("REQ-5",  "MUST NOT",    "a connection that closes is given up within four minutes"),         Tcp, keeps_closing_connections),
    (asks("REQ-6",  "RECOMMENDED", "helpers that change TCP, but FTP's, are off by default"),           Tcp, reads_no_payload),
    (asks("REQ-7",  "MUST NOT",    "two hosts share an endpoint outside"),                              Tcp, |bench| flows::overloading(bench, Tcp)),
    (asks("REQ-8",  "MUST",        "hosts inside reach each other by their endpoints outside"),         Tcp, |bench| flows::hairpin(bench, Tcp)),
    (asks("REQ-9",  "SHOULD",      "\"destination unreachable\" is translated"),                        Tcp, |bench| flows::translates_errors(bench, Tcp)),
    (asks("REQ-10", "MUST NOT",    "an ICMP error ends a connection"),                                  Tcp, outlives_errors),
];

fn opens_at_once(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    if bench.connect(host, peer).is_err() {
        return Ok(Judged::fail("a handshake does not pass"));
    }
    let host = host.with_port(5001);
    let mapped = bench.open(Tcp, host, peer)?;
    if bench.reach(&format!("{peer} > {mapped} S seq 9000 ack 0")) != Some(host) {
        return Ok(Judged::fail("the peer's SYN that crosses the host's does not arrive"));
    }
    let out = bench.send(Side::Inside, &format!("{host} > {peer} SA seq 1000 ack 9001"));
    let passes = out.iter().any(|came| bench.is_outside(came) && came.source() == mapped);
    let back = bench.reach(&format!("{peer} > {mapped} SA seq 9000 ack 1001"));
    Ok(Judged::of(
        passes && back == Some(host),
        "a handshake passes, and so do two SYNs that cross and the answers to both",
        "when two SYNs cross, their answers do not pass",
    ))
}

/// What has come out so far towards somebody outside, in words, with the kind of error that it is.
fn answered(bench: &Bench, stranger: Endpoint, came: &[Came]) -> Option<(String, Option<(u8, u8)>)> {
    let answer = came.iter().find(|came| bench.is_outside(came) && came.header.destination == stranger.address)?;
    Some((answer.words(), answer.error().map(|(kind, _)| kind)))
}

fn is_silent_for_six_seconds(bench: &mut Bench) -> Tried {
    let (mapped, stranger) = stranger(bench)?;
    let mut came = bench.send(Side::Outside, &format!("{stranger} > {mapped} S seq 1 ack 0"));
    if came.iter().any(|came| bench.is_inside(came)) {
        return Ok(Judged::pass("it is let in: filtering does not depend on the peer"));
    }
    came.extend(bench.wait(5));
    Ok(match answered(bench, stranger, &came) {
        None => Judged::pass("it is not answered"),
        Some((words, _)) => Judged::fail(format!("it is answered within five seconds: {words}")),
    })
}

/// REQ-4a: where the policy of the gateway forbids an answer, there must be none.
fn answers_after_six_seconds(bench: &mut Bench) -> Tried {
    let (mapped, stranger) = stranger(bench)?;
    let early = bench.send(Side::Outside, &format!("{stranger} > {mapped} S seq 1 ack 0"));
    if early.iter().any(|came| bench.is_inside(came)) {
        return Err(Untested("it is let in: filtering does not depend on the peer".to_owned()));
    }
    if let Some((words, _)) = answered(bench, stranger, &early) {
        return Ok(Judged::fail(format!("it is answered at once: {words}")));
    }
    let late = bench.wait(60);
    match answered(bench, stranger, &late) {
        None => Err(Untested("it is never answered, as REQ-4a asks where the gateway's policy forbids it".to_owned())),
        Some((words, kind)) => Ok(Judged::of(
            kind == Some((3, 3)),
            "it is answered with \"port unreachable\"",
            format!("it is answered with {words}"),
        )),
    }
}

/// A mapping, and somebody outside whom its host has asked nothing.
fn stranger(bench: &mut Bench) -> Result<(Endpoint, Endpoint), Untested> {
    let mapped = bench.open(Tcp, bench.host(0, 5000), bench.peer(Tcp, 0, 0))?;
    Ok((mapped, bench.peer(Tcp, 2, 0).with_port(4321)))
}

fn keeps_idle_connections(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let mapped = bench.connect(host, peer)?;
    bench.wait(IDLE_SECS);
    Ok(Judged::of(
        bench.reach(&format!("{peer} > {mapped} PA seq 9001 ack 1001 len 8")) == Some(host),
        format!("after {IDLE_SECS} idle seconds the peer's data arrives"),
        format!("after {IDLE_SECS} idle seconds the peer's data does not arrive"),
    ))
}

/// A connection that the host has closed, and another that the peer has closed: each with the other end's acknowledgement. Gives
/// what they are outside.
fn half_closed(bench: &mut Bench, hosts: [Endpoint; 2], peer: Endpoint) -> Result<[Endpoint; 2], Untested> {
    let mapped = [bench.connect(hosts[0], peer)?, bench.connect(hosts[1], peer)?];
    bench.send(Side::Inside, &format!("{} > {peer} FA seq 1001 ack 9001", hosts[0]));
    bench.reach(&format!("{peer} > {} A seq 9001 ack 1002", mapped[0]));
    bench.reach(&format!("{peer} > {} FA seq 9001 ack 1001", mapped[1]));
    bench.send(Side::Inside, &format!("{} > {peer} A seq 1001 ack 9002", hosts[1]));
    Ok(mapped)
}

fn lets_half_closed_send(bench: &mut Bench) -> Tried {
    let (hosts, peer) = ([5000, 5001].map(|port| bench.host(0, port)), bench.peer(Tcp, 0, 0));
    let mapped = half_closed(bench, hosts, peer)?;
    let arrives = bench.reach(&format!("{peer} > {} PA seq 9001 ack 1002 len 8", mapped[0])) == Some(hosts[0]);
    let out = bench.send(Side::Inside, &format!("{} > {peer} PA seq 1001 ack 9002 len 8", hosts[1]));
    let leaves = out.iter().any(|came| bench.is_outside(came) && came.source() == mapped[1]);
    Ok(Judged::of(
        arrives && leaves,
        "what the peer sends after the host's FIN arrives, and what the host sends after the peer's leaves",
        "after one end's FIN what the other one sends does not pass",
    ))
}

/// Both ends are heard until both have closed (RFC 5382, section 5): a FIN of one of them ends nothing. What is asked is whether the
/// peer still reaches the host; a packet of the host's might begin a mapping anew.
fn keeps_half_closed_connections(bench: &mut Bench) -> Tried {
    let (hosts, peer) = ([5000, 5001].map(|port| bench.host(0, port)), bench.peer(Tcp, 0, 0));
    let mapped = half_closed(bench, hosts, peer)?;
    bench.wait(IDLE_SECS);
    let data = bench.reach(&format!("{peer} > {} PA seq 9001 ack 1002 len 8", mapped[0])) == Some(hosts[0]);
    let acknowledgement = bench.reach(&format!("{peer} > {} A seq 9002 ack 1001", mapped[1])) == Some(hosts[1]);
    Ok(match (data, acknowledgement) {
        (true, true) => Judged::pass(format!("{IDLE_SECS} seconds after one end's FIN the peer is still heard")),
        (false, true) => {
            Judged::fail(format!("{IDLE_SECS} seconds after the host's FIN the peer's data does not arrive"))
        }
        (true, false) => Judged::fail(format!("{IDLE_SECS} seconds after the peer's FIN it is not heard any more")),
        (false, false) => {
            Judged::fail(format!("{IDLE_SECS} seconds after one end's FIN the peer is not heard any more"))
        }
    })
}

/// Both ends have closed, and the last ACK has got lost: what is behind it (TIME_WAIT), RFC 5382 leaves open.
fn keeps_closing_connections(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let mapped = bench.connect(host, peer)?;
    bench.send(Side::Inside, &format!("{host} > {peer} FA seq 1001 ack 9001"));
    bench.reach(&format!("{peer} > {mapped} FA seq 9001 ack 1002"));
    bench.wait(TRANSITORY_SECS);
    Ok(Judged::of(
        bench.reach(&format!("{peer} > {mapped} FA seq 9001 ack 1002")) == Some(host),
        format!("{TRANSITORY_SECS} seconds after both ends' FINs the peer's repeated one reaches the host"),
        format!("{TRANSITORY_SECS} seconds after both ends' FINs the peer's repeated one does not reach the host"),
    ))
}

fn keeps_opening_connections(bench: &mut Bench) -> Tried {
    Ok(match opening_for(bench, TRANSITORY_SECS)? {
        None => {
            Judged::pass(format!("{TRANSITORY_SECS} seconds after a SYN, answered or not, the host gets the answer"))
        }
        Some(why) => Judged::allowed(why, "2.1"),
    })
}

/// Whether a host gets the answer to its SYN so many seconds after it, and so many after that answer once more, which says that
/// its acknowledgement has got lost; what is not so.
pub(super) fn opening_for(bench: &mut Bench, secs: u64) -> Result<Option<String>, Untested> {
    let (hosts, peer) = ([5000, 5001].map(|port| bench.host(0, port)), bench.peer(Tcp, 0, 0));
    let mapped = [bench.open(Tcp, hosts[0], peer)?, bench.open(Tcp, hosts[1], peer)?];
    bench.reach(&Tcp.answer(peer, mapped[1]));
    bench.wait(secs);
    for (index, since) in ["its SYN", "the answer to its SYN"].into_iter().enumerate() {
        if bench.reach(&Tcp.answer(peer, mapped[index])) != Some(hosts[index]) {
            return Ok(Some(format!("{secs} seconds after {since} the host does not get an answer")));
        }
    }
    Ok(None)
}

/// Neither a connection that opens nor an open one.
fn outlives_errors(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5001), bench.peer(Tcp, 0, 0));
    let mapped = bench.connect(host, peer)?;
    flows::send_errors(bench, Tcp, mapped, peer);
    if bench.reach(&format!("{peer} > {mapped} PA seq 9001 ack 1001 len 8")) != Some(host) {
        return Ok(Judged::fail("after errors the peer's data does not arrive"));
    }
    flows::outlives_errors(bench, Tcp)
}

fn reads_no_payload(bench: &mut Bench) -> Tried {
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
    Ok(Judged::of(
        others.is_empty(),
        "no TCP helper is loaded, or only the one for FTP",
        format!("helpers for {} are loaded", others.join(", ")),
    ))
}

/// One second less than two hours and four minutes.
const IDLE_SECS: u64 = 2 * 3600 + 4 * 60 - 1;

/// One second less than four minutes.
pub(super) const TRANSITORY_SECS: u64 = 4 * 60 - 1;
