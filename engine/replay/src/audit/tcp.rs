//! RFC 5382: TCP.

use core::time::Duration;

use super::{
    Experiment, Judged, Requirement, Tried, Untested,
    bench::{Bench, Pair, Side},
    came::Came,
    carrier::{Carrier::Tcp, Endpoint},
    errors, flows, helpers,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 5382, number, level, asks }
}

#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("REQ-1",  "MUST",        "one source keeps one endpoint outside, whomever it talks to"),      Tcp, |bench| flows::mapping(bench, Tcp)),
    (asks("REQ-2",  "MUST",        "connections are opened by a handshake and by two SYNs that cross"), Tcp, opens_at_once),
    (asks("REQ-2",  "MUST",        "so are those from outside that filtering lets in"),                 Tcp, opens_from_outside),
    (asks("REQ-2",  "MUST",        "one end may go on sending when the other has closed"),              Tcp, lets_half_closed_send),
    (asks("REQ-3",  "RECOMMENDED", "filtering depends on no more than the peer's address"),             Tcp, |bench| flows::filtering(bench, Tcp)),
    (asks("REQ-4",  "MUST NOT",    "a SYN from outside that nobody has asked for is answered within six seconds"),   Tcp, is_silent_for_six_seconds),
    (asks("REQ-4",  "MUST",        "such a SYN is dropped silently where the host opens that connection within six seconds"), Tcp, is_silenced_by_the_host),
    (asks("REQ-4",  "SHOULD",      "such a SYN is answered with \"port unreachable\" then"),             Tcp, answers_after_six_seconds),
    (asks("REQ-5",  "MUST NOT",    "an idle connection is given up within two hours and four minutes"), Tcp, keeps_idle_connections),
    (asks("REQ-5",  "MUST NOT",    "so is one that one end has closed"),                                Tcp, keeps_half_closed_connections),
    (asks("REQ-5",  "MUST NOT",    "a connection that opens is given up within four minutes"),          Tcp, keeps_opening_connections),
    (asks("REQ-5",  "MUST NOT",    "a connection that closes is given up within four minutes"),         Tcp, keeps_closing_connections),
    (asks("REQ-6",  "RECOMMENDED", "helpers that change TCP, but FTP's, are off by default"),           Tcp, |bench| helpers::are_off(bench, Tcp, Some("ftp"))),
    (asks("REQ-7",  "MUST NOT",    "two hosts share an endpoint outside"),                              Tcp, |bench| flows::overloading(bench, Tcp)),
    (asks("REQ-8",  "MUST",        "hosts inside reach each other by their endpoints outside"),         Tcp, |bench| flows::hairpin(bench, Tcp)),
    (asks("REQ-9",  "SHOULD",      "\"destination unreachable\" is translated"),                        Tcp, |bench| errors::translates_unreachable(bench, Tcp)),
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

/// A stranger opens a connection to a mapping, where filtering lets it in.
fn opens_from_outside(bench: &mut Bench) -> Tried {
    let (mapped, stranger) = stranger(bench)?;
    let host = bench.host(0, 5000);
    if bench.reach(&format!("{stranger} > {mapped} S seq 1 ack 0")) != Some(host) {
        return Err(Untested("filtering lets in only whom the host has asked".to_owned()));
    }
    let out = bench.send(Side::Inside, &format!("{host} > {stranger} SA seq 7000 ack 2"));
    let answers = out.iter().any(|came| bench.is_outside(came) && came.ends() == [mapped, stranger]);
    let opens = bench.reach(&format!("{stranger} > {mapped} A seq 2 ack 7001")) == Some(host);
    let sends = bench.reach(&format!("{stranger} > {mapped} PA seq 2 ack 7001 len 8")) == Some(host);
    Ok(Judged::of(
        answers && opens && sends,
        format!("a handshake of a stranger passes, and the host answers as {mapped}"),
        "a stranger's SYN arrives, and what follows it does not pass",
    ))
}

/// What has come out so far towards somebody outside, in words, with the kind of error that it is.
fn answered(bench: &Bench, stranger: Endpoint, came: &[Came]) -> Option<(String, Option<(u8, u8)>)> {
    let answer = came.iter().find(|came| bench.is_outside(came) && came.header.destination == stranger.address)?;
    Some((answer.words(), answer.error().map(|(kind, _)| kind)))
}

/// A stranger's SYN to a mapping, which nobody has asked for; gives what has come out.
///
/// # Errors
/// When it is let in.
fn send_unsolicited(bench: &mut Bench, mapped: Endpoint, stranger: Endpoint) -> Result<Vec<Came>, Untested> {
    let came = bench.send(Side::Outside, &format!("{stranger} > {mapped} S seq 1 ack 0"));
    match came.iter().any(|came| bench.is_inside(came)) {
        true => Err(Untested("it is let in: filtering does not depend on the peer".to_owned())),
        false => Ok(came),
    }
}

fn is_silent_for_six_seconds(bench: &mut Bench) -> Tried {
    let (mapped, stranger) = stranger(bench)?;
    let Ok(mut came) = send_unsolicited(bench, mapped, stranger) else {
        return Ok(Judged::pass("it is let in: filtering does not depend on the peer"));
    };
    came.extend(bench.wait_for(JUST_UNDER_SIX_SECONDS));
    Ok(match answered(bench, stranger, &came) {
        None => Judged::pass("it is not answered"),
        Some((words, _)) => Judged::fail(format!("it is answered within six seconds: {words}")),
    })
}

/// The host opens the connection that the stranger has asked for too early, two seconds later: by a port that the rules let out.
fn is_silenced_by_the_host(bench: &mut Bench) -> Tried {
    let (mapped, stranger) = (stranger(bench)?.0, bench.peer(Tcp, 2, 0));
    let mut came = send_unsolicited(bench, mapped, stranger)?;
    came.extend(bench.wait(2));
    if let Some((words, _)) = answered(bench, stranger, &came) {
        return Ok(Judged::fail(format!("it is answered before the host could open the connection: {words}")));
    }
    let opened = bench.open(Tcp, bench.host(0, 5000), stranger)?;
    if opened != mapped {
        return Err(Untested(format!("the host is {mapped} to its first peer, and {opened} to the stranger")));
    }
    let late = bench.wait(60);
    Ok(match answered(bench, stranger, &late) {
        None => Judged::pass("it is not answered when the host opens the connection two seconds later"),
        Some((words, _)) => {
            Judged::fail(format!("it is answered although the host has opened the connection: {words}"))
        }
    })
}

/// REQ-4a: where the policy of the gateway forbids an answer, there must be none.
fn answers_after_six_seconds(bench: &mut Bench) -> Tried {
    let (mapped, stranger) = stranger(bench)?;
    let mut early = send_unsolicited(bench, mapped, stranger)?;
    early.extend(bench.wait_for(JUST_UNDER_SIX_SECONDS));
    let early = answered(bench, stranger, &early);
    let late = bench.wait(54);
    judged_answer(early, answered(bench, stranger, &late))
}

/// An answer within six seconds, and one after them, in words and with their kinds.
fn judged_answer(early: Option<(String, Option<(u8, u8)>)>, late: Option<(String, Option<(u8, u8)>)>) -> Tried {
    match (early, late) {
        (Some((words, _)), _) => Ok(Judged::fail(format!("it is answered too early: {words}"))),
        (None, None) => {
            Err(Untested("it is never answered, as REQ-4a asks where the gateway's policy forbids it".to_owned()))
        }
        (None, Some((words, kind))) => Ok(Judged::of(
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

/// A connection that the host has closed, and another that the peer has closed: each with the other end's acknowledgement.
fn half_closed(bench: &mut Bench) -> Result<Pair, Untested> {
    let pair = bench.connect_two()?;
    let Pair { hosts, mapped, peer } = &pair;
    bench.send(Side::Inside, &format!("{} > {peer} FA seq 1001 ack 9001", hosts[0]));
    bench.reach(&format!("{peer} > {} A seq 9001 ack 1002", mapped[0]));
    bench.reach(&format!("{peer} > {} FA seq 9001 ack 1001", mapped[1]));
    bench.send(Side::Inside, &format!("{} > {peer} A seq 1001 ack 9002", hosts[1]));
    Ok(pair)
}

fn lets_half_closed_send(bench: &mut Bench) -> Tried {
    let pair = half_closed(bench)?;
    Ok(Judged::of(
        bench.pass_both_ways(&pair, "PA seq 9001 ack 1002 len 8", "PA seq 1001 ack 9002 len 8"),
        "what the peer sends after the host's FIN arrives, and what the host sends after the peer's leaves",
        "after one end's FIN what the other one sends does not pass",
    ))
}

/// Both ends are heard until both have closed (RFC 5382, section 5): a FIN of one of them ends nothing. What is asked is whether the
/// peer still reaches the host; a packet of the host's might begin a mapping anew.
fn keeps_half_closed_connections(bench: &mut Bench) -> Tried {
    let Pair { hosts, mapped, peer } = half_closed(bench)?;
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

fn keeps_closing_connections(bench: &mut Bench) -> Tried {
    Ok(match closing_for(bench, TRANSITORY_SECS)? {
        None => Judged::pass(format!(
            "{TRANSITORY_SECS} seconds after both ends' FINs the peer's last packet reaches the host, whoever has closed first"
        )),
        Some(why) => Judged::fail(why),
    })
}

/// Whether the peer still reaches a host so many seconds after both ends have closed and the last ACK has got lost; what is not so. What
/// is behind that ACK (TIME_WAIT), RFC 5382 leaves open.
pub(super) fn closing_for(bench: &mut Bench, secs: u64) -> Result<Option<String>, Untested> {
    let peer = bench.peer(Tcp, 0, 0);
    let mut closing = Vec::new();
    for (port, closes) in (5010..).zip(&CLOSES) {
        let host = bench.host(0, port);
        let mapped = bench.connect(host, peer)?;
        for (side, segment) in closes.fins {
            match side {
                Side::Inside => bench.send(side, &format!("{host} > {peer} {segment}")),
                Side::Outside => bench.send(side, &format!("{peer} > {mapped} {segment}")),
            };
        }
        closing.push((host, mapped, closes));
    }
    bench.wait(secs);
    for (host, mapped, closes) in closing {
        if bench.reach(&format!("{peer} > {mapped} {}", closes.last)) != Some(host) {
            let why = format!("{secs} seconds after {} the peer's last packet does not reach the host", closes.name);
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// How a connection closes.
struct Closes {
    name: &'static str,
    /// The FINs of both ends.
    fins: [(Side, &'static str); 2],
    /// What the peer sends after them, or once more.
    last: &'static str,
}

#[rustfmt::skip]
const CLOSES: [Closes; 3] = [
    Closes {
        name: "the host's FIN and then the peer's",
        fins: [(Side::Inside, "FA seq 1001 ack 9001"), (Side::Outside, "FA seq 9001 ack 1002")],
        last: "FA seq 9001 ack 1002",
    },
    Closes {
        name: "the peer's FIN and then the host's",
        fins: [(Side::Outside, "FA seq 9001 ack 1001"), (Side::Inside, "FA seq 1001 ack 9002")],
        last: "A seq 9002 ack 1002",
    },
    Closes {
        name: "two FINs that cross",
        fins: [(Side::Inside, "FA seq 1001 ack 9001"), (Side::Outside, "FA seq 9001 ack 1001")],
        last: "FA seq 9001 ack 1001",
    },
];

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
    let (hosts, peer) = ([5000, 5001].map(|port| bench.host(0, port)), bench.peer(Tcp, 0, 0));
    let opening = bench.open(Tcp, hosts[0], peer)?;
    let open = bench.connect(hosts[1], peer)?;
    errors::send_all(bench, Tcp, hosts[0], opening, peer);
    let sent = errors::send_all(bench, Tcp, hosts[1], open, peer);
    if bench.reach(&Tcp.answer(peer, opening)) != Some(hosts[0]) {
        return Ok(Judged::fail(format!("after {sent} errors the answer to a SYN does not arrive")));
    }
    Ok(Judged::of(
        bench.reach(&format!("{peer} > {open} PA seq 9001 ack 1001 len 8")) == Some(hosts[1]),
        format!(
            "after {sent} errors about each the answer to a SYN arrives, and so does the peer's data of an open connection"
        ),
        format!("after {sent} errors the peer's data does not arrive"),
    ))
}

/// The last moment at which REQ-4 forbids an answer.
const JUST_UNDER_SIX_SECONDS: Duration = Duration::from_millis(5999);

/// One second less than two hours and four minutes.
const IDLE_SECS: u64 = 2 * 3600 + 4 * 60 - 1;

/// One second less than four minutes.
pub(super) const TRANSITORY_SECS: u64 = 4 * 60 - 1;

#[cfg(test)]
mod tests {
    use super::{super::Outcome, *};

    #[test]
    fn an_answer_to_a_syn_comes_after_six_seconds_and_is_the_right_one() {
        let said = |kind| Some(("an answer".to_owned(), kind));
        let outcome = |early, late| judged_answer(early, late).map(|judged| judged.outcome).ok();
        assert_eq!(outcome(None, said(Some((3, 3)))), Some(Outcome::Pass));
        assert_eq!(outcome(None, said(Some((3, 1)))), Some(Outcome::Fail));
        assert_eq!(outcome(None, said(None)), Some(Outcome::Fail), "a reset");
        assert_eq!(outcome(said(Some((3, 3))), None), Some(Outcome::Fail), "too early");
        assert_eq!(outcome(said(Some((3, 3))), said(Some((3, 3)))), Some(Outcome::Fail), "too early, and once more");
        assert_eq!(outcome(None, None), None, "a policy may forbid it");
    }
}
