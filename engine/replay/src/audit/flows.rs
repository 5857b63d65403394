//! Experiments that are the same for UDP, TCP and ICMP queries.

use super::{
    Judged, Tried,
    bench::{Bench, Carrier, Endpoint, Side},
};

/// One source that talks to several peers keeps one endpoint outside: by itself, and when another host has taken its port
/// with one of the peers.
pub(super) fn mapping(bench: &mut Bench, carrier: Carrier) -> Tried {
    let mut calm = Vec::new();
    for (peer, port) in [(0, 0), (0, 1), (1, 0)] {
        calm.push(bench.open(carrier, bench.host(0, 5000), bench.peer(carrier, peer, port))?);
    }
    if let Err(why) = one(&calm) {
        return Ok(Judged::fail(why));
    }
    let calm = calm[0];
    bench.open(carrier, bench.host(1, 5003), bench.peer(carrier, 1, 0))?;
    let mut contended = Vec::new();
    for peer in [0, 1, 2] {
        contended.push(bench.open(carrier, bench.host(0, 5003), bench.peer(carrier, peer, 0))?);
    }
    Ok(match one(&contended) {
        Ok(endpoint) => Judged::pass(format!(
            "the source is {calm} to every peer, and {endpoint} where another host uses its port, too"
        )),
        Err(why) => Judged::fail(format!(
            "{calm} to every peer, but {why} when another host uses the same port with one of them"
        )),
    })
}

/// The one endpoint that all are; or what they are instead.
fn one(endpoints: &[Endpoint]) -> Result<Endpoint, String> {
    match endpoints {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(*first),
        _ => {
            let words: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
            Err(format!("the source is {}", words.join(", then ")))
        }
    }
}

/// Two hosts never share an endpoint outside: not towards one peer, where answers could not be told apart, and not towards several.
pub(super) fn overloading(bench: &mut Bench, carrier: Carrier) -> Tried {
    let mut open = |host, port, peer| bench.open(carrier, bench.host(host, port), bench.peer(carrier, peer, 0));
    let (first, second) = (open(0, 5000, 0)?, open(1, 5000, 1)?);
    let (third, fourth) = (open(0, 5004, 0)?, open(1, 5004, 0)?);
    if third == fourth {
        return Ok(Judged::fail(format!("two hosts with one port are both {third} to one and the same peer")));
    }
    Ok(match first == second {
        false => Judged::pass(format!(
            "two hosts with one port are {first} and {second} to two peers, {third} and {fourth} to one"
        )),
        true => Judged::allowed(
            format!(
                "two hosts with one port are both {first} to peers with two addresses, and {third} and {fourth} to one"
            ),
            "3",
        ),
    })
}

/// Who may answer to a mapping: a peer whom nobody has asked, another port of one that was asked, or only who was asked.
pub(super) fn filtering(bench: &mut Bench, carrier: Carrier) -> Tried {
    let asked = bench.peer(carrier, 0, 0);
    let mapped = bench.open(carrier, bench.host(0, 5000), asked)?;
    let stranger = bench.peer(carrier, 2, 0).with_port(4321);
    let same_address = asked.with_port(4322);
    let home = Some(bench.host(0, 5000));
    if bench.reach(&carrier.opening(stranger, mapped)) == home {
        return Ok(Judged::pass("filtering is endpoint-independent: a peer whom nobody has asked gets in"));
    }
    if bench.reach(&carrier.opening(same_address, mapped)) == home {
        return Ok(Judged::pass("filtering is address-dependent: another port of a peer that was asked gets in"));
    }
    Ok(match bench.reach(&carrier.answer(asked, mapped)) == home {
        true => Judged::fail("filtering is address- and port-dependent: only the endpoint that was asked gets in"),
        false => Judged::fail("not even the endpoint that was asked gets in"),
    })
}

/// A host reaches another one inside by its endpoint outside, and appears there with its own.
pub(super) fn hairpin(bench: &mut Bench, carrier: Carrier) -> Tried {
    let called = bench.open(carrier, bench.host(0, 5000), bench.peer(carrier, 0, 0))?;
    let caller = bench.host(1, 5001);
    let outside = bench.open(carrier, caller, bench.peer(carrier, 0, 0))?;
    let came = bench.send(Side::Inside, &carrier.opening(caller, called));
    Ok(match came.iter().find(|came| bench.is_inside(came) && came.destination() == bench.host(0, 5000)) {
        None => Judged::fail(format!(
            "what a host inside sends to {called} does not reach the host that is {called} outside"
        )),
        Some(came) => Judged::of(
            came.source() == outside,
            format!("it arrives, from {outside}"),
            format!("it arrives from {}, not from the caller's endpoint outside, {outside}", came.source()),
        ),
    })
}

/// Errors of several kinds about a flow, from a hop on its way: the flow goes on.
pub(super) fn outlives_errors(bench: &mut Bench, carrier: Carrier) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(carrier, 0, 0));
    let mapped = bench.open(carrier, host, peer)?;
    send_errors(bench, carrier, mapped, peer);
    Ok(Judged::of(
        bench.reach(&carrier.answer(peer, mapped)) == Some(host),
        format!("the peer's answer still arrives after errors of {} kinds", ERRORS.len()),
        "after errors the peer's answer does not arrive",
    ))
}

/// Errors of several kinds about a flow, from a hop on its way.
pub(super) fn send_errors(bench: &mut Bench, carrier: Carrier, mapped: Endpoint, peer: Endpoint) {
    let hop = bench.peer(carrier, 2, 0).address;
    for (kind, code) in ERRORS {
        let quoted = carrier.quoted(mapped, peer);
        bench.reach(&format!("{hop} > {} icmp type {kind} code {code} [{quoted}]", mapped.address));
    }
}

/// Types and codes of errors: five about what cannot be reached, time exceeded, parameter problem, source quench.
pub(super) const ERRORS: [(u8, u8); 8] = [(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (12, 0), (4, 0)];

/// A flow whose port changes outside: another host has it already.
pub(super) fn open_changed(bench: &mut Bench, carrier: Carrier) -> Result<[Endpoint; 3], super::Untested> {
    let (host, peer) = (bench.host(0, 5000), bench.peer(carrier, 0, 0));
    bench.open(carrier, bench.host(1, 5000), peer)?;
    Ok([host, peer, bench.open(carrier, host, peer)?])
}

/// An error from a hop outside reaches the host it is about as it was sent, and quotes what the host has sent.
pub(super) fn translates_errors(bench: &mut Bench, carrier: Carrier) -> Tried {
    let [host, peer, mapped] = open_changed(bench, carrier)?;
    let hop = bench.peer(carrier, 2, 0).address;
    let came = bench.send(
        Side::Outside,
        &format!("{hop} > {} icmp type 3 code 1 [{}]", mapped.address, carrier.quoted(mapped, peer)),
    );
    let Some(came) = came.iter().find(|came| bench.is_inside(came) && came.header.destination == host.address) else {
        return Ok(Judged::fail("an error from a hop does not reach the host it is about"));
    };
    let Some((kind, [source, destination])) = came.error() else {
        return Ok(Judged::fail("what reaches the host is no ICMP error"));
    };
    let is_whole = kind == (3, 1) && came.header.source == hop && (carrier == Carrier::Icmp || destination == peer);
    Ok(Judged::of(
        is_whole && source == host,
        format!("an error about {mapped} arrives from {hop} with type and code as sent, and quotes {host}"),
        format!(
            "an error about {mapped} arrives as type {} code {} from {}, and quotes {source} > {destination} instead of {host}",
            kind.0, kind.1, came.header.source
        ),
    ))
}
