//! RFC 7857: what it asks of translators in addition. Where it loosens a requirement of the other three (sections 2.1, 3 and 8),
//! that one's experiment says so.

use super::{
    Experiment, Judged, Requirement, Tried, Untested,
    bench::{Bench, Pair, Side},
    carrier::{
        Carrier::{self, Tcp, Udp},
        Endpoint,
    },
    flows, listed, tcp,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 7857, number, level, asks }
}

/// By the sections, which have no numbers of requirements.
#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("section 2.1", "RECOMMENDED", "a connection that opens or closes is kept for four minutes by default"), Tcp, keeps_transitory_connections),
    (asks("section 2.2", "MUST",       "a RST of a connection is translated"),                                  Tcp, translates_resets),
    (asks("section 2.2", "SHOULD",     "a connection is remembered for four minutes after a RST"),              Tcp, remembers_reset_connections),
    (asks("section 4",   "SHOULD",     "all ports of a host have one address outside for TCP, too"),            Tcp, |bench| flows::pairs_addresses(bench, Tcp)),
    (asks("section 5",   "SHOULD",     "a mapping of one protocol is none of another"),                         Udp, maps_protocols_apart),
    (asks("section 6",   "SHOULD",     "filtering that lets strangers in does so for the mapping's protocol alone"), Tcp, filters_protocols_apart),
    (asks("section 7",   "SHOULD NOT", "what filtering or rules do not let in refreshes a mapping of UDP"),     Udp, |bench| strangers_refresh_nothing(bench, Udp)),
    (asks("section 7",   "SHOULD NOT", "what filtering or rules do not let in refreshes a mapping of TCP"),     Tcp, |bench| strangers_refresh_nothing(bench, Tcp)),
    (asks("section 7.1", "SHOULD NOT", "a host's error about a packet from outside refreshes a mapping"),       Udp, errors_refresh_nothing),
    (asks("section 7.1", "SHOULD NOT", "a host's RST in answer to a packet from outside refreshes a mapping"),  Tcp, resets_refresh_nothing),
    (asks("section 9",   "SHOULD",     "a port that has to change is no easy guess"),                           Udp, hides_ports),
    (asks("section 10",  "SHOULD",     "two hosts' packets never share addresses and identification"),          Udp, keeps_identifications_apart),
];

fn keeps_transitory_connections(bench: &mut Bench) -> Tried {
    let secs = tcp::TRANSITORY_SECS;
    if let Some(why) = tcp::opening_for(bench, secs)? {
        return Ok(Judged::fail(why));
    }
    Ok(match tcp::closing_for(bench, secs)? {
        None => Judged::pass(format!(
            "{secs} seconds after a SYN, answered or not, and after both ends' FINs the peer's packet reaches the host"
        )),
        Some(why) => Judged::fail(why),
    })
}

fn translates_resets(bench: &mut Bench) -> Tried {
    let pair = bench.connect_two()?;
    Ok(Judged::of(
        bench.pass_both_ways(&pair, "RA seq 9001 ack 1001", "RA seq 1001 ack 9001"),
        "the peer's RST reaches the host, and the host's leaves translated",
        "a RST does not pass, or not translated",
    ))
}

/// One connection that the peer has reset, and one that the host has: the RST may have got lost behind the translator, so that the peer
/// sends one (again).
fn remembers_reset_connections(bench: &mut Bench) -> Tried {
    let Pair { hosts, mapped, peer } = bench.connect_two()?;
    bench.reach(&format!("{peer} > {} R seq 9001 ack 0", mapped[0]));
    bench.send(Side::Inside, &format!("{} > {peer} R seq 1001 ack 0", hosts[1]));
    bench.wait(tcp::TRANSITORY_SECS);
    for (index, whose) in ["the peer's", "the host's"].into_iter().enumerate() {
        if bench.reach(&format!("{peer} > {} R seq 9001 ack 0", mapped[index])) != Some(hosts[index]) {
            let secs = tcp::TRANSITORY_SECS;
            return Ok(Judged::fail(format!("{secs} seconds after {whose} RST the peer's does not reach the host")));
        }
    }
    Ok(Judged::pass(format!("{} seconds after a RST of either end the peer's reaches the host", tcp::TRANSITORY_SECS)))
}

/// Another host has the port by UDP: a translator whose mappings are for all protocols at once may not give it away for TCP, and shows
/// the host as one and the same other endpoint for both.
fn maps_protocols_apart(bench: &mut Bench) -> Tried {
    if !bench.lets_out(Tcp) {
        return Err(Untested("the gateway lets no TCP out".to_owned()));
    }
    let host = bench.host(0, 5003);
    bench.open(Udp, bench.host(1, 5003), bench.peer(Udp, 0, 0))?;
    let of_tcp = bench.open(Tcp, host, bench.peer(Tcp, 0, 0))?;
    let of_udp = bench.open(Udp, host, bench.peer(Udp, 0, 0))?;
    Ok(Judged::of(
        of_tcp != of_udp,
        format!("a port that another host uses for UDP is {of_tcp} for TCP and {of_udp} for UDP"),
        format!("a port that another host uses for UDP is {of_tcp} for both TCP and UDP"),
    ))
}

/// Asked where filtering lets in whoever comes; where it does not, whoever has not been asked stays outside in any case.
fn filters_protocols_apart(bench: &mut Bench) -> Tried {
    let mut tried = Vec::new();
    for (port, carrier, other) in [(5000, Tcp, Udp), (5010, Udp, Tcp)] {
        if !bench.lets_out(carrier) {
            continue;
        }
        let (home, stranger) = (bench.host(0, port), bench.peer(carrier, 2, 0).with_port(4321));
        let mapped = bench.open(carrier, home, bench.peer(carrier, 0, 0))?;
        if bench.reach(&carrier.opening(stranger, mapped)) != Some(home) {
            continue;
        }
        if let Some(reached) = bench.reach(&other.opening(stranger, mapped)) {
            let (of, other) = (carrier.name(), other.name());
            return Ok(Judged::fail(format!("a stranger's {other} to a mapping of {of} reaches {reached}")));
        }
        tried.push(carrier.name());
    }
    match tried.is_empty() {
        true => Err(Untested("filtering lets in only whom a host has asked".to_owned())),
        false => Ok(Judged::pass(format!("to a mapping of {} only that protocol is let in", listed(&tried)))),
    }
}

/// A stranger, and another port of the peer: whoever of them is let in makes a session of its own, and is nothing to this.
fn strangers_refresh_nothing(bench: &mut Bench, carrier: Carrier) -> Tried {
    let (home, peer) = (bench.host(0, 5000), bench.peer(carrier, 0, 0));
    let mapped = bench.open(carrier, home, peer)?;
    bench.wait(10);
    let before = bench.seconds_left();
    for stranger in [bench.peer(carrier, 2, 0).with_port(4321), peer.with_port(4322)] {
        if bench.reach(&carrier.opening(stranger, mapped)).is_some() {
            return Err(Untested(format!("what {stranger} sends is let in, and makes a session")));
        }
    }
    judged_refreshing(&before, &bench.seconds_left(), "packets that are not let in")
}

/// A host that has closed its port answers each packet from outside with an error: that keeps nothing alive.
fn errors_refresh_nothing(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let mapped = bench.open(Udp, host, peer)?;
    bench.reach(&Udp.answer(peer, mapped));
    bench.wait(10);
    let before = bench.seconds_left();
    let error = format!("{} > {} icmp type 3 code 3 [{}]", host.address, peer.address, Udp.quoted(peer, host));
    bench.send(Side::Inside, &error);
    judged_refreshing(&before, &bench.seconds_left(), "the host's error")
}

/// The same of a host that knows nothing of a connection any more.
fn resets_refresh_nothing(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let mapped = bench.connect(host, peer)?;
    bench.wait(10);
    bench.reach(&format!("{peer} > {mapped} PA seq 9001 ack 1001 len 8"));
    bench.wait(10);
    let before = bench.seconds_left();
    bench.send(Side::Inside, &format!("{host} > {peer} R seq 1001 ack 0"));
    judged_refreshing(&before, &bench.seconds_left(), "the host's RST")
}

/// For how long connections were remembered before something and after it, the oldest first; later ones are nothing to this. One that
/// is given up earlier is not refreshed.
fn judged_refreshing(before: &[u32], after: &[u32], what: &str) -> Tried {
    if before.is_empty() {
        return Err(Untested(format!("the mapping is gone before {what}")));
    }
    let is_longer = before.iter().zip(after).any(|(before, after)| after > before);
    let (told_before, told_after) = (listed(before), listed(&after[..after.len().min(before.len())]));
    Ok(Judged::of(
        !is_longer,
        format!("the mapping lasts {told_before} more seconds before {what}, and {told_after} after"),
        format!("the mapping is refreshed: it lasts {told_before} more seconds before {what}, and {told_after} after"),
    ))
}

/// Two hosts use the same eight ports, one after the other, so that one host's have to change.
fn hides_ports(bench: &mut Bench) -> Tried {
    let peer = bench.peer(Udp, 0, 0);
    let mut changed = Vec::new();
    for port in 5000..5008 {
        bench.open(Udp, bench.host(1, port), peer)?;
        let Endpoint { port: mapped, .. } = bench.open(Udp, bench.host(0, port), peer)?;
        if mapped != port {
            changed.push(mapped);
        }
    }
    if changed.len() < 4 {
        return Err(Untested(format!("only {} of eight ports that two hosts use had to change", changed.len())));
    }
    Ok(judged_guessing(&changed))
}

/// Ports are an easy guess when they follow each other in equal steps, or lie close together: of at least four that are drawn from all
/// of them, so many within 1024 are seen once in 60000 times.
fn judged_guessing(ports: &[u16]) -> Judged {
    const CLOSE: u16 = 1024;
    let mut steps = ports.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let first = steps.next();
    let are_even = steps.all(|step| Some(step) == first);
    let span = ports.iter().max().zip(ports.iter().min()).map_or(0, |(most, least)| most - least);
    let words = format!("ports that had to change have become {}", listed(ports));
    match (are_even, span < CLOSE) {
        (true, _) => Judged::fail(format!("{words}, in equal steps")),
        (false, true) => Judged::fail(format!("{words}, which lie close together")),
        (false, false) => Judged::pass(words),
    }
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

#[cfg(test)]
mod tests {
    use super::{super::Outcome, *};

    #[test]
    fn ports_are_hidden_by_neither_steps_nor_neighbourhood() {
        #[rustfmt::skip]
        let cases = [
            (&[40000, 40001, 40002, 40003][..],  Outcome::Fail),
            (&[1024, 17408, 33792, 50176],       Outcome::Fail), // far apart, in equal steps
            (&[65535, 1024, 2049, 3075],         Outcome::Pass),
            (&[40000, 40001, 40003, 40004],      Outcome::Fail), // by one and two in turn
            (&[2000, 2700, 2100, 2999],          Outcome::Fail),
            (&[51234, 1999, 30871, 44002],       Outcome::Pass),
        ];
        for (ports, expected) in cases {
            assert_eq!(judged_guessing(ports).outcome, expected, "{ports:?}");
        }
    }

    #[test]
    fn a_mapping_is_refreshed_when_it_lasts_longer_than_before() {
        #[rustfmt::skip]
        let cases = [
            (&[20][..], &[20][..],     Outcome::Pass),
            (&[20],     &[30],         Outcome::Fail),
            (&[20],     &[10],         Outcome::Pass), // given up earlier
            (&[20],     &[],           Outcome::Pass),
            (&[20],     &[20, 30],     Outcome::Pass), // another connection
            (&[20, 25], &[20, 30],     Outcome::Fail),
            (&[],       &[30],         Outcome::Untested), // there was none to begin with
        ];
        for (before, after, expected) in cases {
            let outcome = judged_refreshing(before, after, "it").map_or(Outcome::Untested, |judged| judged.outcome);
            assert_eq!(outcome, expected, "{before:?} {after:?}");
        }
    }
}
