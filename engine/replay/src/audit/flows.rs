//! Experiments that are the same for UDP, TCP and ICMP queries.

use super::{
    Judged, Tried,
    bench::{Bench, Side},
    carrier::{Carrier, Endpoint},
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
///
/// RFC 7857 lets them share one in section 3 "as long as their destinations are different", and in section 13 only where packets go to
/// distinct destination addresses: so two ports of one address are not enough.
pub(super) fn overloading(bench: &mut Bench, carrier: Carrier) -> Tried {
    let peers = [bench.peer(carrier, 0, 0), bench.peer(carrier, 0, 1), bench.peer(carrier, 1, 0)];
    let mut both = |port, first, second| {
        let [one, other] = [(0, first), (1, second)].map(|(host, peer)| (bench.host(host, port), peer));
        Ok([bench.open(carrier, one.0, one.1)?, bench.open(carrier, other.0, other.1)?])
    };
    let [first, second] = both(5000, peers[0], peers[2])?;
    let [third, fourth] = both(5004, peers[0], peers[0])?;
    if third == fourth {
        return Ok(Judged::fail(format!("two hosts with one port are both {third} to one and the same peer")));
    }
    if peers[0] != peers[1] {
        let [fifth, sixth] = both(5008, peers[0], peers[1])?;
        if fifth == sixth {
            let why = format!("two hosts with one port are both {fifth} to two ports of one peer, which answers both");
            return Ok(Judged::fail(why));
        }
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

/// Whom filtering lets in to a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LetsIn {
    /// A peer whom nobody has asked.
    Everybody,
    /// Other ports of a peer that was asked.
    TheAddress,
    /// Only who was asked.
    TheEndpoint,
    /// Not even who was asked.
    Nobody,
}

/// Whom filtering lets in to the mapping of a host that has asked one peer.
pub(super) fn lets_in(
    bench: &mut Bench,
    carrier: Carrier,
    home: Endpoint,
    asked: Endpoint,
    mapped: Endpoint,
) -> LetsIn {
    let stranger = bench.peer(carrier, 2, 0).with_port(4321);
    if bench.reach(&carrier.opening(stranger, mapped)) == Some(home) {
        return LetsIn::Everybody;
    }
    if bench.reach(&carrier.opening(asked.with_port(4322), mapped)) == Some(home) {
        return LetsIn::TheAddress;
    }
    match bench.reach(&carrier.answer(asked, mapped)) == Some(home) {
        true => LetsIn::TheEndpoint,
        false => LetsIn::Nobody,
    }
}

/// Who may answer to a mapping: a peer whom nobody has asked, another port of one that was asked, or only who was asked.
pub(super) fn filtering(bench: &mut Bench, carrier: Carrier) -> Tried {
    let (home, asked) = (bench.host(0, 5000), bench.peer(carrier, 0, 0));
    let mapped = bench.open(carrier, home, asked)?;
    Ok(match lets_in(bench, carrier, home, asked, mapped) {
        LetsIn::Everybody => Judged::pass("filtering is endpoint-independent: a peer whom nobody has asked gets in"),
        LetsIn::TheAddress => {
            Judged::pass("filtering is address-dependent: another port of a peer that was asked gets in")
        }
        LetsIn::TheEndpoint => {
            Judged::fail("filtering is address- and port-dependent: only the endpoint that was asked gets in")
        }
        LetsIn::Nobody => Judged::fail("not even the endpoint that was asked gets in"),
    })
}

/// All ports of a host have one address outside.
pub(super) fn pairs_addresses(bench: &mut Bench, carrier: Carrier) -> Tried {
    let mut addresses = Vec::new();
    for n in 0..6 {
        let peer = bench.peer(carrier, usize::from(n % 3), 0);
        addresses.push(bench.open(carrier, bench.host(0, 5000 + n), peer)?.address);
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

/// A host reaches another one inside by its endpoint outside, appears there with one outside itself, and gets the answer.
///
/// Which one that is, RFC 4787's REQ-9a does not say beyond REQ-1: a translator whose mappings depend on the peer may show another
/// endpoint than it shows to others.
pub(super) fn hairpin(bench: &mut Bench, carrier: Carrier) -> Tried {
    let home = bench.host(0, 5000);
    let called = bench.open(carrier, home, bench.peer(carrier, 0, 0))?;
    let caller = bench.host(1, 5001);
    let outside = bench.open(carrier, caller, bench.peer(carrier, 0, 0))?;
    let came = bench.send(Side::Inside, &carrier.opening(caller, called));
    let Some(came) = came.iter().find(|came| bench.is_inside(came) && came.destination() == home) else {
        let why = format!("what a host inside sends to {called} does not reach the host that is {called} outside");
        return Ok(Judged::fail(why));
    };
    let shown = came.source();
    if shown.address != outside.address {
        let why = format!("it arrives from {shown}, not from an endpoint of the caller's address outside, {outside}");
        return Ok(Judged::fail(why));
    }
    let back = bench.send(Side::Inside, &carrier.answer(home, shown));
    if !back.iter().any(|came| bench.is_inside(came) && came.ends() == [called, caller]) {
        return Ok(Judged::fail(format!("it arrives, from {shown}, and the answer does not come back from {called}")));
    }
    if carrier == Carrier::Tcp {
        let third = bench.send(Side::Inside, &format!("{caller} > {called} A seq 1001 ack 9001"));
        if !third.iter().any(|came| bench.is_inside(came) && came.ends() == [shown, home]) {
            return Ok(Judged::fail("the third packet of a handshake between hosts inside does not arrive"));
        }
    }
    Ok(Judged::pass(format!("it arrives, from {shown}, and the answer comes back from {called}")))
}

/// A flow whose port changes outside: another host has it already.
pub(super) fn open_changed(bench: &mut Bench, carrier: Carrier) -> Result<[Endpoint; 3], super::Untested> {
    let (host, peer) = (bench.host(0, 5000), bench.peer(carrier, 0, 0));
    bench.open(carrier, bench.host(1, 5000), peer)?;
    Ok([host, peer, bench.open(carrier, host, peer)?])
}
