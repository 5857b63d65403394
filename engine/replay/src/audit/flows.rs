//! Experiments that are the same for UDP, TCP and ICMP queries.

use towpath_engine::packet::sketch::Kind;

use super::{
    Judged,
    bench::{Bench, Carrier, Endpoint, Side},
};

/// One source that talks to several peers keeps one endpoint outside: by itself, and when another host has taken its port
/// with one of the peers.
pub(super) fn mapping(bench: &mut Bench, carrier: Carrier) -> Judged {
    let calm = endpoints(bench, carrier, 0, 5000, &[(0, 0), (0, 1), (1, 0)]);
    let calm = match one(&calm) {
        Ok(endpoint) => endpoint,
        Err(why) => return Judged::fail(why),
    };
    if bench.open(carrier, bench.host(1, 5003), bench.peer(carrier, 1, 0)).is_none() {
        return Judged::fail("a second host's packet does not come out");
    }
    let contended = endpoints(bench, carrier, 0, 5003, &[(0, 0), (1, 0), (2, 0)]);
    match one(&contended) {
        Ok(endpoint) => Judged::of(
            true,
            format!("the source is {calm} to every peer, and {endpoint} where another host uses its port, too"),
            "",
        ),
        Err(why) => Judged::fail(format!(
            "{calm} to every peer, but {why} when another host uses the same port with one of them"
        )),
    }
}

/// What a source is outside, towards each of some peers.
fn endpoints(
    bench: &mut Bench,
    carrier: Carrier,
    host: usize,
    port: u16,
    peers: &[(usize, usize)],
) -> Vec<Option<Endpoint>> {
    peers.iter().map(|&(peer, to)| bench.open(carrier, bench.host(host, port), bench.peer(carrier, peer, to))).collect()
}

/// The one endpoint that all are; or what they are instead.
fn one(endpoints: &[Option<Endpoint>]) -> Result<Endpoint, String> {
    match endpoints {
        [Some(first), rest @ ..] if rest.iter().all(|other| *other == Some(*first)) => Ok(*first),
        _ => {
            let words = endpoints
                .iter()
                .map(|found| found.map_or_else(|| "nothing".to_owned(), |endpoint| endpoint.to_string()));
            Err(format!("the source is {}", words.collect::<Vec<_>>().join(", then ")))
        }
    }
}

/// Two hosts never share an endpoint outside, whomever they talk to.
pub(super) fn overloading(bench: &mut Bench, carrier: Carrier) -> Judged {
    let first = bench.open(carrier, bench.host(0, 5000), bench.peer(carrier, 0, 0));
    let second = bench.open(carrier, bench.host(1, 5000), bench.peer(carrier, 1, 0));
    match (first, second) {
        (Some(first), Some(second)) => Judged::of(
            first != second,
            format!("two hosts with one port are {first} and {second}"),
            format!("two hosts with one port are both {first}: only their peers tell them apart"),
        ),
        _ => Judged::fail("a host's packet does not come out"),
    }
}

/// Who may answer to a mapping: a peer whom nobody has asked, another port of one that was asked, or only who was asked.
pub(super) fn filtering(bench: &mut Bench, carrier: Carrier) -> Judged {
    let asked = bench.peer(carrier, 0, 0);
    let Some(mapped) = bench.open(carrier, bench.host(0, 5000), asked) else {
        return Judged::fail("a host's packet does not come out");
    };
    let stranger = bench.peer(carrier, 2, 0).with_port(4321);
    let same_address = asked.with_port(4322);
    let home = Some(bench.host(0, 5000));
    if bench.reach(&carrier.opening(stranger, mapped)) == home {
        return Judged::of(true, "filtering is endpoint-independent: a peer whom nobody has asked gets in", "");
    }
    if bench.reach(&carrier.opening(same_address, mapped)) == home {
        return Judged::of(true, "filtering is address-dependent: another port of a peer that was asked gets in", "");
    }
    match bench.reach(&carrier.answer(asked, mapped)) == home {
        true => Judged::fail("filtering is address- and port-dependent: only the endpoint that was asked gets in"),
        false => Judged::fail("not even the endpoint that was asked gets in"),
    }
}

/// A host reaches another one inside by its endpoint outside, and appears there with its own.
pub(super) fn hairpin(bench: &mut Bench, carrier: Carrier) -> Judged {
    let Some(called) = bench.open(carrier, bench.host(0, 5000), bench.peer(carrier, 0, 0)) else {
        return Judged::fail("a host's packet does not come out");
    };
    let caller = bench.host(1, 5001);
    let Some(outside) = bench.open(carrier, caller, bench.peer(carrier, 0, 0)) else {
        return Judged::fail("a host's packet does not come out");
    };
    let came = bench.send(Side::Inside, &carrier.opening(caller, called));
    match came.iter().find(|came| bench.is_inside(came) && came.destination() == bench.host(0, 5000)) {
        None => Judged::fail(format!(
            "what a host inside sends to {called} does not reach the host that is {called} outside"
        )),
        Some(came) => Judged::of(
            came.source() == outside,
            format!("it arrives, from {outside}"),
            format!("it arrives from {}, not from the caller's endpoint outside, {outside}", came.source()),
        ),
    }
}

/// Every kind of error about a flow, from a hop on its way: the flow goes on.
pub(super) fn outlives_errors(bench: &mut Bench, carrier: Carrier) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(carrier, 0, 0));
    let Some(mapped) = bench.open(carrier, host, peer) else {
        return Judged::fail("a host's packet does not come out");
    };
    send_errors(bench, carrier, mapped, peer);
    Judged::of(
        bench.reach(&carrier.answer(peer, mapped)) == Some(host),
        "the peer's answer still arrives after errors of six kinds",
        "after errors the peer's answer does not arrive",
    )
}

/// Errors of six kinds about a flow, from a hop on its way.
pub(super) fn send_errors(bench: &mut Bench, carrier: Carrier, mapped: Endpoint, peer: Endpoint) {
    let hop = bench.peer(carrier, 2, 0).address;
    for (kind, code) in [(3, 0), (3, 1), (3, 3), (3, 13), (11, 0), (12, 0)] {
        let quoted = carrier.quoted(mapped, peer);
        bench.reach(&format!("{hop} > {} icmp type {kind} code {code} [{quoted}]", mapped.address));
    }
}

/// An error from a hop outside reaches the host it is about, and quotes what the host has sent.
pub(super) fn translates_errors(bench: &mut Bench, carrier: Carrier) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(carrier, 0, 0));
    let Some(mapped) = bench.open(carrier, host, peer) else {
        return Judged::fail("a host's packet does not come out");
    };
    let hop = bench.peer(carrier, 2, 0).address;
    let came = bench.send(
        Side::Outside,
        &format!("{hop} > {} icmp type 3 code 1 [{}]", mapped.address, carrier.quoted(mapped, peer)),
    );
    let Some(came) = came.iter().find(|came| bench.is_inside(came) && came.header.destination == host.address) else {
        return Judged::fail("an error from a hop does not reach the host it is about");
    };
    let Kind::Icmp(icmp) = &came.packet.kind else {
        return Judged::fail("what reaches the host is no ICMP message");
    };
    let quoted = icmp.about.as_ref().map(|about| about.header.source());
    let unchanged = (icmp.kind, icmp.code) == (3, 1) && came.header.source == hop;
    Judged::of(
        unchanged && quoted == Some(host.address.into()),
        format!("the error arrives from {hop} with type and code as sent, and quotes {}", host.address),
        format!(
            "the error arrives as type {} code {} from {} and quotes {quoted:?}",
            icmp.kind, icmp.code, came.header.source
        ),
    )
}
