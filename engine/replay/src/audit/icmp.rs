//! RFC 5508: ICMP.

use towpath_engine::{packet::sketch::Kind, wire::Ipv4Header};

use super::{
    Experiment, Judged, Requirement,
    bench::{
        Bench,
        Carrier::{Icmp, Udp},
        Side,
    },
    flows, listed,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 5508, number, level, asks }
}

/// REQ-8 is about what a host is told when there is no room for it; REQ-9 about what an operator may choose, REQ-11 about messages
/// that are neither queries nor errors.
#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("REQ-1",  "MUST",        "queries from inside, and their answers, pass"),                     Icmp, passes_queries),
    (asks("REQ-1a", "SHOULD",      "a query's identifier outside does not depend on who is asked"),     Icmp, |bench| flows::mapping(bench, Icmp)),
    (asks("REQ-2",  "MUST NOT",    "a query is forgotten within 60 seconds"),                           Icmp, keeps_queries),
    (asks("REQ-3",  "SHOULD",      "an error with a wrong checksum is dropped"),                        Udp, drops_wrong_checksums),
    (asks("REQ-3b", "MUST",        "what an error quotes is found behind IP options"),                  Udp, looks_behind_options),
    (asks("REQ-4",  "SHOULD",      "errors from outside about no mapping are dropped"),                 Udp, drops_strange_errors),
    (asks("REQ-4",  "MUST",        "errors from outside reach the host, and quote what it has sent"),   Udp, |bench| flows::translates_errors(bench, Udp)),
    (asks("REQ-5",  "MUST",        "errors from inside leave translated"),                              Udp, translates_errors_from_inside),
    (asks("REQ-6",  "MUST NOT",    "an error about a query refreshes or ends it"),                      Icmp, neither_refreshes_nor_ends),
    (asks("REQ-7",  "MUST",        "errors between hosts inside that met outside are translated"),      Udp, hairpins_errors),
    (asks("REQ-10a", "MUST",       "\"destination unreachable\", \"time exceeded\" and echoes are translated"), Icmp, understands),
];

fn passes_queries(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Icmp, 0, 0));
    let Some(mapped) = bench.open(Icmp, host, peer) else { return Judged::fail("an echo request does not come out") };
    Judged::of(
        bench.reach(&Icmp.answer(peer, mapped)) == Some(host),
        format!("an echo request leaves from {}, and its answer arrives", mapped.address),
        "the answer to an echo request does not arrive",
    )
}

fn keeps_queries(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Icmp, 0, 0));
    let Some(mapped) = bench.open(Icmp, host, peer) else { return Judged::fail("an echo request does not come out") };
    bench.wait(59);
    Judged::of(
        bench.reach(&Icmp.answer(peer, mapped)) == Some(host),
        "59 seconds after the request its answer arrives",
        "59 seconds after the request its answer does not arrive",
    )
}

/// The error that a hop outside sends about a host's packet.
fn error_from_outside(bench: &mut Bench) -> Option<String> {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let mapped = bench.open(Udp, host, peer)?;
    let hop = bench.peer(Udp, 2, 0).address;
    Some(format!("{hop} > {} icmp type 3 code 1 [{}]", mapped.address, Udp.quoted(mapped, peer)))
}

fn drops_wrong_checksums(bench: &mut Bench) -> Judged {
    let Some(error) = error_from_outside(bench) else { return Judged::fail("a host's packet does not come out") };
    let came = bench.send_changed(&error, "its ICMP checksum changed", |bytes| bytes[Ipv4Header::LEN + 2] ^= 1);
    Judged::of(
        came.is_empty(),
        "an error with a wrong ICMP checksum goes nowhere",
        "an error with a wrong ICMP checksum goes on",
    )
}

fn looks_behind_options(bench: &mut Bench) -> Judged {
    let Some(error) = error_from_outside(bench) else { return Judged::fail("a host's packet does not come out") };
    let came = bench.send_quoting_options(Side::Outside, &error);
    let host = bench.host(0, 5000).address;
    Judged::of(
        came.iter().any(|came| bench.is_inside(came) && came.header.destination == host),
        "an error that quotes a header with options reaches the host",
        "an error that quotes a header with options does not reach the host",
    )
}

fn drops_strange_errors(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let Some(mapped) = bench.open(Udp, host, peer) else { return Judged::fail("a host's packet does not come out") };
    let hop = bench.peer(Udp, 2, 0).address;
    let strange = Udp.quoted(mapped.with_port(mapped.port ^ 1), peer);
    let came = bench.send(Side::Outside, &format!("{hop} > {} icmp type 3 code 1 [{strange}]", mapped.address));
    Judged::of(
        came.is_empty(),
        "an error about a flow that nobody has goes nowhere",
        "an error about a flow that nobody has goes on",
    )
}

fn neither_refreshes_nor_ends(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Icmp, 0, 0));
    let Some(mapped) = bench.open(Icmp, host, peer) else { return Judged::fail("an echo request does not come out") };
    bench.wait(10);
    let before = bench.seconds_left();
    flows::send_errors(bench, Icmp, mapped, peer);
    let after = bench.seconds_left();
    if before != after {
        let (before, after) = (listed(&before), listed(&after));
        return Judged::fail(format!("the query is remembered for {after} seconds more after errors, {before} before"));
    }
    Judged::of(
        bench.reach(&Icmp.answer(peer, mapped)) == Some(host),
        "after errors of six kinds the query is remembered as long as before, and its answer arrives",
        "after errors the answer does not arrive",
    )
}

fn translates_errors_from_inside(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let Some(mapped) = bench.open(Udp, host, peer) else { return Judged::fail("a host's packet does not come out") };
    bench.reach(&Udp.answer(peer, mapped));
    let error = format!("{} > {} icmp type 3 code 3 [{}]", host.address, peer.address, Udp.quoted(peer, host));
    let came = bench.send(Side::Inside, &error);
    let Some(came) = came.iter().find(|came| bench.is_outside(came)) else {
        return Judged::fail("the host's \"port unreachable\" about an answer does not come out");
    };
    let quoted = match &came.packet.kind {
        Kind::Icmp(icmp) => icmp.about.as_ref().map(|about| about.header.destination()),
        Kind::Udp(_) | Kind::Tcp(_) | Kind::Fragment { .. } | Kind::Other(_) => None,
    };
    Judged::of(
        came.header.source == mapped.address && quoted == Some(mapped.address.into()),
        format!("the host's error leaves from {0} and quotes {0}", mapped.address),
        format!("the host's error leaves from {} and quotes {quoted:?}", came.header.source),
    )
}

fn hairpins_errors(bench: &mut Bench) -> Judged {
    let (called, caller) = (bench.host(0, 5000), bench.host(1, 5001));
    let (Some(called_outside), Some(caller_outside)) =
        (bench.open(Udp, called, bench.peer(Udp, 0, 0)), bench.open(Udp, caller, bench.peer(Udp, 0, 0)))
    else {
        return Judged::fail("a host's packet does not come out");
    };
    let came = bench.send(Side::Inside, &Udp.opening(caller, called_outside));
    if !came.iter().any(|came| bench.is_inside(came) && came.destination() == called) {
        return Judged::fail("hosts inside do not reach each other by their endpoints outside at all");
    }
    let error = format!(
        "{} > {} icmp type 3 code 3 [{}]",
        called.address,
        caller_outside.address,
        Udp.quoted(caller_outside, called)
    );
    let came = bench.send(Side::Inside, &error);
    Judged::of(
        came.iter().any(|came| bench.is_inside(came) && came.header.destination == caller.address),
        "the called host's error reaches the caller",
        "the called host's error does not reach the caller",
    )
}

fn understands(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Icmp, 0, 0));
    let Some(mapped) = bench.open(Icmp, host, peer) else { return Judged::fail("an echo request does not come out") };
    let hop = bench.peer(Icmp, 2, 0).address;
    for (kind, code, name) in [(3, 1, "destination unreachable"), (11, 0, "time exceeded")] {
        let came = bench.send(
            Side::Outside,
            &format!("{hop} > {} icmp type {kind} code {code} [{}]", mapped.address, Icmp.quoted(mapped, peer)),
        );
        if !came.iter().any(|came| bench.is_inside(came) && came.header.destination == host.address) {
            return Judged::fail(format!("\"{name}\" about an echo request does not reach the host"));
        }
    }
    Judged::of(true, "\"destination unreachable\" and \"time exceeded\" about an echo request reach the host", "")
}
