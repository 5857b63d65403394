//! RFC 7857: what it asks of translators in addition. Where it loosens a requirement of the other three (sections 2.1, 3 and 8),
//! that one's experiment says so.

use super::{
    Experiment, Judged, Requirement, Tried, Untested,
    bench::{
        Bench,
        Carrier::{Tcp, Udp},
        Side,
    },
    listed, tcp,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 7857, number, level, asks }
}

/// By the sections, which have no numbers of requirements.
#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("section 2.1", "RECOMMENDED", "a connection that opens is kept for four minutes by default"),         Tcp, keeps_opening_connections),
    (asks("section 2.2", "MUST",       "a RST of a connection is translated"),                                  Tcp, translates_resets),
    (asks("section 2.2", "SHOULD",     "a connection is remembered for four minutes after a RST"),              Tcp, remembers_reset_connections),
    (asks("section 7.1", "SHOULD NOT", "a host's error about a packet from outside refreshes a mapping"),       Udp, errors_refresh_nothing),
    (asks("section 9",   "SHOULD",     "a port that has to change is no easy guess"),                           Udp, hides_ports),
    (asks("section 10",  "SHOULD",     "two hosts' packets never share addresses and identification"),          Udp, keeps_identifications_apart),
];

fn keeps_opening_connections(bench: &mut Bench) -> Tried {
    let secs = tcp::TRANSITORY_SECS;
    Ok(match tcp::opening_for(bench, secs)? {
        None => Judged::pass(format!("{secs} seconds after a SYN, answered or not, the host gets the answer")),
        Some(why) => Judged::fail(why),
    })
}

fn translates_resets(bench: &mut Bench) -> Tried {
    let (hosts, peer) = ([5000, 5001].map(|port| bench.host(0, port)), bench.peer(Tcp, 0, 0));
    let mapped = [bench.connect(hosts[0], peer)?, bench.connect(hosts[1], peer)?];
    let arrives = bench.reach(&format!("{peer} > {} RA seq 9001 ack 1001", mapped[0])) == Some(hosts[0]);
    let out = bench.send(Side::Inside, &format!("{} > {peer} RA seq 1001 ack 9001", hosts[1]));
    let leaves = out.iter().any(|came| bench.is_outside(came) && came.source() == mapped[1]);
    Ok(Judged::of(
        arrives && leaves,
        "the peer's RST reaches the host, and the host's leaves translated",
        "a RST does not pass, or not translated",
    ))
}

fn remembers_reset_connections(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let mapped = bench.connect(host, peer)?;
    bench.reach(&format!("{peer} > {mapped} R seq 9001 ack 0"));
    bench.wait(4 * 60 - 1);
    Ok(Judged::of(
        !bench.seconds_left().is_empty(),
        "239 seconds after the peer's RST the mapping is there",
        "239 seconds after the peer's RST the mapping is gone",
    ))
}

/// A host that has closed its port answers each packet from outside with an error: that keeps nothing alive. The RFC says the same of a
/// host's RST.
fn errors_refresh_nothing(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let mapped = bench.open(Udp, host, peer)?;
    bench.reach(&Udp.answer(peer, mapped));
    bench.wait(10);
    let before = bench.seconds_left();
    let error = format!("{} > {} icmp type 3 code 3 [{}]", host.address, peer.address, Udp.quoted(peer, host));
    bench.send(Side::Inside, &error);
    let after = bench.seconds_left();
    let is_as_before = !before.is_empty() && after == before;
    let (before, after) = (listed(&before), listed(&after));
    Ok(Judged::of(
        is_as_before,
        format!("the mapping lasts {after} more seconds, before and after the host's error"),
        format!("the mapping lasts {before} more seconds before the host's error, and {after} after it"),
    ))
}

/// Two hosts use the same eight ports, one after the other, so that one host's have to change. It is an easy guess when they follow
/// each other in equal steps.
fn hides_ports(bench: &mut Bench) -> Tried {
    let peer = bench.peer(Udp, 0, 0);
    let mut changed = Vec::new();
    for port in 5000..5008 {
        bench.open(Udp, bench.host(1, port), peer)?;
        let mapped = bench.open(Udp, bench.host(0, port), peer)?.port;
        if mapped != port {
            changed.push(mapped);
        }
    }
    if changed.len() < 4 {
        return Err(Untested(format!("only {} of eight ports that two hosts use had to change", changed.len())));
    }
    let mut steps = changed.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let first = steps.next();
    let is_even = steps.all(|step| Some(step) == first);
    let words = listed(&changed);
    Ok(Judged::of(
        !is_even,
        format!("ports that had to change have become {words}"),
        format!("ports that had to change have become {words}, in equal steps"),
    ))
}

/// RFC 6864, section 5.3.1: as if all of them were the translator's own packets. Only those that may be cut (without DF), or
/// are parts, need identifications of their own.
fn keeps_identifications_apart(bench: &mut Bench) -> Tried {
    let peer = bench.peer(Udp, 0, 0);
    let mut seen = Vec::new();
    for host in [bench.host(0, 5000), bench.host(1, 5001)] {
        bench.open(Udp, host, peer)?;
        let came = bench.send(Side::Inside, &format!("{} ipid 77", Udp.opening(host, peer)));
        let out = came.iter().find(|came| bench.is_outside(came));
        let missing = || Untested(format!("what {host} sends with an identification does not come out"));
        seen.push(out.map(|came| (came.header.source, came.header.id)).ok_or_else(missing)?);
    }
    Ok(Judged::of(
        seen[0] != seen[1],
        "what two hosts send with one identification leaves with two, or from two addresses",
        "what two hosts send with one identification to one peer leaves from one address, with that one",
    ))
}
