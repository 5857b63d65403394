//! RFC 4787: UDP, unicast.

use super::{
    Experiment, Judged, Requirement, Tried, Untested,
    bench::Bench,
    carrier::{Carrier::Udp, Endpoint},
    errors, flows,
    flows::{LetsIn, lets_in},
    helpers, listed, sizes,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 4787, number, level, asks }
}

/// REQ-9 is asked together with its part a, what a host appears as, and so is REQ-8 of RFC 5382.
#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("REQ-1",   "MUST",        "one source keeps one endpoint outside, whomever it talks to"),   Udp, |bench| flows::mapping(bench, Udp)),
    (asks("REQ-2",   "RECOMMENDED", "all ports of a host have one address outside"),                  Udp, |bench| flows::pairs_addresses(bench, Udp)),
    (asks("REQ-3",   "MUST NOT",    "two hosts share an endpoint outside"),                           Udp, |bench| flows::overloading(bench, Udp)),
    (asks("REQ-3a",  "RECOMMENDED", "ports below 1024 stay below, others above"),                     Udp, keeps_classes),
    (asks("REQ-4",   "RECOMMENDED", "even ports stay even, odd ports odd"),                           Udp, keeps_parity),
    (asks("REQ-5",   "MUST NOT",    "a mapping ends within two minutes, answered or not"),            Udp, |bench| lives(bench, 2)),
    (asks("REQ-5c",  "RECOMMENDED", "a mapping lives for five minutes or more by default"),           Udp, |bench| lives(bench, 5)),
    (asks("REQ-6",   "MUST",        "what a host sends keeps its mapping alive, answered or not"),    Udp, is_refreshed_from_inside),
    (asks("REQ-8",   "RECOMMENDED", "filtering depends on no more than the peer's address"),          Udp, |bench| flows::filtering(bench, Udp)),
    (asks("REQ-9",   "MUST",        "hosts inside reach each other by their endpoints outside"),      Udp, |bench| flows::hairpin(bench, Udp)),
    (asks("REQ-10",  "SHOULD",      "helpers that read payloads of UDP are off"),                     Udp, |bench| helpers::are_off(bench, Udp, None)),
    (asks("REQ-11",  "MUST",        "translation and filtering behave the same at all times"),        Udp, is_deterministic),
    (asks("REQ-12",  "MUST NOT",    "an ICMP error ends a mapping"),                                  Udp, outlives_errors),
    (asks("REQ-12a", "SHOULD NOT",  "ICMP errors are filtered by who has sent them"),                 Udp, |bench| errors::passes_from_everywhere(bench, Udp)),
    (asks("REQ-12b", "RECOMMENDED", "\"destination unreachable\" is translated"),                     Udp, |bench| errors::translates_unreachable(bench, Udp)),
    (asks("REQ-13",  "MUST",        "a host is told when what may not be cut does not fit outside"),  Udp, sizes::tells_too_big),
    (asks("REQ-13a", "MUST",        "a packet that may be cut and does not fit leaves in fragments"), Udp, sizes::cuts),
    (asks("REQ-13a", "SHOULD",      "its fragments leave in order"),                                  Udp, sizes::cuts_in_order),
    (asks("REQ-14",  "MUST",        "fragments are taken in order, and translated"),                  Udp, |bench| sizes::takes_fragments(bench, [0, 1])),
    (asks("REQ-14",  "MUST",        "fragments are taken out of order, and translated"),              Udp, |bench| sizes::takes_fragments(bench, [1, 0])),
];

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

/// Three hosts that use one port, one after the other: each of them is translated and filtered as one that has its port to itself
/// (RFC 4787, section 8: behaviour after a first and after a second conflict).
fn is_deterministic(bench: &mut Bench) -> Tried {
    let behave = |bench: &mut Bench, host: Endpoint| -> Result<(bool, LetsIn), Untested> {
        let peers = [0, 1].map(|index| bench.peer(Udp, index, 0));
        let [first, second] = peers.map(|peer| bench.open(Udp, host, peer));
        let mapped = first?;
        Ok((mapped == second?, lets_in(bench, Udp, host, peers[0], mapped)))
    };
    let alone = behave(bench, bench.host(0, 5000))?;
    // The first one has the port towards one peer only.
    bench.open(Udp, bench.host(1, 5001), bench.peer(Udp, 1, 0))?;
    for (index, which) in [(0, "a second host"), (2, "a third host")] {
        let found = behave(bench, bench.host(index, 5001))?;
        if found.0 != alone.0 {
            let (depends, not) = if alone.0 { ("depends", "does not") } else { ("does not depend", "does") };
            return Ok(Judged::fail(format!(
                "the mapping of {which} with a port {depends} on the peer; that of a host alone {not}"
            )));
        }
        if found.1 != alone.1 {
            let why = format!(
                "filtering lets in {} to {which} with a port, and {} to a host alone",
                who(found.1),
                who(alone.1)
            );
            return Ok(Judged::fail(why));
        }
    }
    let depends = if alone.0 { "does not depend" } else { "depends" };
    let why = format!(
        "a mapping {depends} on the peer, and filtering lets in {}, for a host alone and for the second and third with one port",
        who(alone.1)
    );
    Ok(Judged::pass(why))
}

const fn who(lets_in: LetsIn) -> &'static str {
    match lets_in {
        LetsIn::Everybody => "everybody",
        LetsIn::TheAddress => "all ports of the peer",
        LetsIn::TheEndpoint => "the peer alone",
        LetsIn::Nobody => "nobody",
    }
}

/// Whatever stage a flow is in.
fn outlives_errors(bench: &mut Bench) -> Tried {
    let peer = bench.peer(Udp, 0, 0);
    let flows = staged(bench, peer)?;
    let mut sent = 0;
    for ((port, _), mapped) in STAGES.into_iter().zip(flows) {
        sent = errors::send_all(bench, Udp, bench.host(0, port), mapped, peer);
    }
    let lost = lost(bench, peer, flows);
    Ok(Judged::of(
        lost.is_empty(),
        format!(
            "answers still arrive after {sent} errors about each flow: the only packet, one answer, a talk of three seconds"
        ),
        format!("after {sent} errors an answer does not arrive after {}", listed(&lost)),
    ))
}
