//! RFC 5508: ICMP.

use towpath_engine::wire::Ipv4Header;

use super::{
    Experiment, Judged, Requirement, Tried, Untested,
    bench::{Bench, Side, change_quoted},
    came::Came,
    carrier::{
        Carrier::{self, Icmp, Tcp, Udp},
        Endpoint,
    },
    errors, flows, listed, sizes,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 5508, number, level, asks }
}

#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("REQ-1",  "MUST",        "queries from inside, and their answers, pass"),                     Icmp, passes_queries),
    (asks("REQ-1a", "SHOULD",      "a query's identifier outside does not depend on who is asked"),     Icmp, |bench| flows::mapping(bench, Icmp)),
    (asks("REQ-2",  "MUST NOT",    "a query is forgotten within 60 seconds"),                           Icmp, keeps_queries),
    (asks("REQ-3",  "SHOULD",      "an error with a wrong checksum is dropped"),                        Udp, drops_wrong_checksums),
    (asks("REQ-3a", "SHOULD",      "an error that quotes a header with a wrong checksum is dropped"),   Udp, drops_wrong_quotes),
    (asks("REQ-3b", "MUST",        "what an error quotes is found behind IP options"),                  Udp, looks_behind_options),
    (asks("REQ-3c", "SHOULD NOT",  "the quoted transport header's checksum is verified"),               Udp, verifies_no_quoted_transport),
    (asks("REQ-4",  "SHOULD",      "errors from outside about no mapping are dropped"),                 Udp, drops_strange_errors),
    (asks("REQ-4",  "MUST",        "errors from outside reach the host, and quote what it has sent"),   Udp, |bench| translates_errors(bench, true)),
    (asks("REQ-4",  "MUST",        "so do errors about its queries"),                                   Icmp, understands),
    (asks("REQ-5",  "SHOULD",      "errors from inside about no mapping are dropped"),                  Udp, drops_strange_errors_from_inside),
    (asks("REQ-5",  "MUST",        "errors from inside leave translated, and quote what was sent"),     Udp, |bench| translates_errors(bench, false)),
    (asks("REQ-6",  "MUST NOT",    "an error about a query refreshes or ends it"),                      Icmp, neither_refreshes_nor_ends),
    (asks("REQ-7",  "MUST",        "errors between hosts inside that met outside are translated"),      Udp, hairpins_errors),
    (asks("REQ-10a", "MUST",       "a host is told the next link's MTU when what may not be cut does not fit"),       Udp, sizes::names_next_mtu),
    (asks("REQ-10a", "MUST",       "\"packet too big\" from outside reaches the host, with the MTU that it names"),    Udp, forwards_too_big),
    (asks("REQ-10a", "MUST",       "a host is told when its packet's hops are used up here"),                         Udp, tells_time_exceeded),
];

fn passes_queries(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Icmp, 0, 0));
    let mapped = bench.open(Icmp, host, peer)?;
    Ok(Judged::of(
        bench.reach(&Icmp.answer(peer, mapped)) == Some(host),
        format!("an echo request leaves from {}, and its answer arrives", mapped.address),
        "the answer to an echo request does not arrive",
    ))
}

fn keeps_queries(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Icmp, 0, 0));
    let mapped = bench.open(Icmp, host, peer)?;
    bench.wait(59);
    Ok(Judged::of(
        bench.reach(&Icmp.answer(peer, mapped)) == Some(host),
        "59 seconds after the request its answer arrives",
        "59 seconds after the request its answer does not arrive",
    ))
}

/// The error that a hop outside sends about a host's packet, and for whom it is.
fn error_from_outside(bench: &mut Bench) -> Result<String, Untested> {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let mapped = bench.open(Udp, host, peer)?;
    let hop = bench.peer(Udp, 2, 0).address;
    Ok(format!("{hop} > {} icmp type 3 code 1 [{}]", mapped.address, Udp.quoted(mapped, peer)))
}

/// What becomes of such an error whose bytes were changed, from the IPv4 header on: whether it reaches the host, and whether it goes
/// anywhere.
fn changed(bench: &mut Bench, how: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<(bool, bool), Untested> {
    let error = error_from_outside(bench)?;
    let came = bench.send_changed(&error, how, change);
    let host = bench.host(0, 5000).address;
    let reaches = came.iter().any(|came| bench.is_inside(came) && came.header.destination == host);
    Ok((reaches, !came.is_empty()))
}

fn drops_wrong_checksums(bench: &mut Bench) -> Tried {
    let (_, goes_on) = changed(bench, "its ICMP checksum changed", |bytes| bytes[Ipv4Header::LEN + 2] ^= 1)?;
    Ok(Judged::of(
        !goes_on,
        "an error with a wrong ICMP checksum goes nowhere",
        "an error with a wrong ICMP checksum goes on",
    ))
}

fn drops_wrong_quotes(bench: &mut Bench) -> Tried {
    let how = "the checksum of the IPv4 header that it quotes changed";
    let (_, goes_on) = changed(bench, how, |bytes| change_quoted(bytes, IPV4_CHECKSUM_AT))?;
    Ok(Judged::of(
        !goes_on,
        "an error that quotes an IPv4 header with a wrong checksum goes nowhere",
        "an error that quotes an IPv4 header with a wrong checksum goes on",
    ))
}

fn verifies_no_quoted_transport(bench: &mut Bench) -> Tried {
    let how = "the checksum of the UDP header that it quotes changed";
    let (reaches, _) = changed(bench, how, |bytes| change_quoted(bytes, Ipv4Header::LEN + UDP_CHECKSUM_AT))?;
    Ok(Judged::of(
        reaches,
        "an error that quotes a UDP header with a wrong checksum reaches the host",
        "an error that quotes a UDP header with a wrong checksum does not reach the host",
    ))
}

fn looks_behind_options(bench: &mut Bench) -> Tried {
    let error = error_from_outside(bench)?;
    let came = bench.send_quoting_options(Side::Outside, &error);
    let host = bench.host(0, 5000).address;
    Ok(Judged::of(
        came.iter().any(|came| bench.is_inside(came) && came.header.destination == host),
        "an error that quotes a header with options reaches the host",
        "an error that quotes a header with options does not reach the host",
    ))
}

fn drops_strange_errors(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let mapped = bench.open(Udp, host, peer)?;
    let hop = bench.peer(Udp, 2, 0).address;
    let strange = Udp.quoted(mapped.with_port(mapped.port ^ 1), peer);
    let came = bench.send(Side::Outside, &format!("{hop} > {} icmp type 3 code 1 [{strange}]", mapped.address));
    Ok(Judged::of(
        came.is_empty(),
        "an error about a flow that nobody has goes nowhere",
        "an error about a flow that nobody has goes on",
    ))
}

/// Linux finds no flow either, calls the error INVALID and forwards it, with the host's own address.
fn drops_strange_errors_from_inside(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    bench.open(Udp, host, peer)?;
    let strange = Udp.quoted(peer, host.with_port(host.port ^ 1));
    let error = format!("{} > {} icmp type 3 code 3 [{strange}]", host.address, peer.address);
    let came = bench.send(Side::Inside, &error);
    Ok(match came.iter().find(|came| bench.is_outside(came)) {
        None => Judged::pass("a host's error about a flow that nobody has does not leave"),
        Some(came) => {
            Judged::fail(format!("a host's error about a flow that nobody has leaves, from {}", came.header.source))
        }
    })
}

fn neither_refreshes_nor_ends(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Icmp, 0, 0));
    let mapped = bench.open(Icmp, host, peer)?;
    bench.wait(10);
    let before = bench.seconds_left();
    let sent = errors::send_all(bench, Icmp, host, mapped, peer);
    let after = bench.seconds_left();
    if before != after {
        let (before, after) = (listed(&before), listed(&after));
        let why = format!("the query is remembered for {after} seconds more after errors, {before} before");
        return Ok(Judged::fail(why));
    }
    Ok(Judged::of(
        bench.reach(&Icmp.answer(peer, mapped)) == Some(host),
        format!(
            "after {sent} errors about it and about its answer the query is remembered as long as before, and its answer arrives"
        ),
        format!("after {sent} errors the answer does not arrive"),
    ))
}

/// Errors from outside, or from inside, about UDP and TCP: TCP only where the gateway lets it out.
fn translates_errors(bench: &mut Bench, from_outside: bool) -> Tried {
    let about = |bench: &mut Bench, carrier| match from_outside {
        true => errors::translates_unreachable(bench, carrier),
        false => translates_errors_from_inside(bench, carrier),
    };
    let of_udp = about(bench, Udp)?;
    if of_udp.outcome != super::Outcome::Pass || !bench.lets_out(Tcp) {
        return Ok(of_udp);
    }
    about(bench, Tcp)
}

/// The flow's host sends one, and then another node inside, which has no mapping of its own: that one's leaves from an address of the
/// translator's, too.
fn translates_errors_from_inside(bench: &mut Bench, carrier: Carrier) -> Tried {
    let [host, peer, mapped] = flows::open_changed(bench, carrier)?;
    bench.reach(&carrier.answer(peer, mapped));
    for (who, from) in [("the host", host), ("another node inside", bench.host(2, 0))] {
        let error = format!("{} > {} icmp type 3 code 3 [{}]", from.address, peer.address, carrier.quoted(peer, host));
        let came = bench.send(Side::Inside, &error);
        let Some(came) = came.iter().find(|came| bench.is_outside(came)) else {
            return Ok(Judged::fail(format!("an error of {who} about an answer does not come out")));
        };
        let Some((kind, [source, destination])) = came.error() else {
            return Ok(Judged::fail("what comes out is no ICMP error"));
        };
        let is_whole = kind == (3, 3) && came.header.source == mapped.address && source == peer;
        if !is_whole || destination != mapped {
            return Ok(Judged::fail(format!(
                "an error of {who} leaves as type {} code {} from {}, and quotes {source} > {destination} instead of {mapped}",
                kind.0, kind.1, came.header.source
            )));
        }
    }
    Ok(Judged::pass(format!(
        "errors of the host and of another node inside leave from {} with type and code as sent, and quote {mapped}",
        mapped.address
    )))
}

/// Which endpoint the caller has there, RFC 4787's REQ-9 asks: what is quoted is what has arrived.
fn hairpins_errors(bench: &mut Bench) -> Tried {
    let (called, caller) = (bench.host(0, 5000), bench.host(1, 5001));
    let called_outside = bench.open(Udp, called, bench.peer(Udp, 0, 0))?;
    let came = bench.send(Side::Inside, &Udp.opening(caller, called_outside));
    let Some(arrived) = came.iter().find(|came| bench.is_inside(came) && came.destination() == called) else {
        return Ok(Judged::fail("hosts inside do not reach each other by their endpoints outside at all"));
    };
    let [from, to] = arrived.ends();
    let error = format!("{} > {} icmp type 3 code 3 [{}]", called.address, from.address, Udp.quoted(from, to));
    let came = bench.send(Side::Inside, &error);
    let Some(came) = came.iter().find(|came| bench.is_inside(came) && came.header.destination == caller.address) else {
        return Ok(Judged::fail("the called host's error does not reach the caller"));
    };
    Ok(judged_hairpin(came, caller, called_outside))
}

/// RFC 5508, section 5: all of REQ-5 holds for the called host's error as well, so that it comes from the called host's address outside.
fn judged_hairpin(came: &Came, caller: Endpoint, called_outside: Endpoint) -> Judged {
    let Some((kind, quoted)) = came.error() else { return Judged::fail("what reaches the caller is no ICMP error") };
    let source = came.header.source;
    if kind != (3, 3) || source != called_outside.address {
        let why = format!(
            "the called host's error reaches the caller as type {} code {} from {source}, not from {}",
            kind.0, kind.1, called_outside.address
        );
        return Judged::fail(why);
    }
    Judged::of(
        quoted == [caller, called_outside],
        format!("the called host's error reaches the caller from {source}, and quotes {caller} > {called_outside}"),
        "the called host's error reaches the caller, and does not quote what that has sent",
    )
}

fn understands(bench: &mut Bench) -> Tried {
    let flow = flows::open_changed(bench, Icmp)?;
    Ok(match errors::translates(bench, Icmp, flow, &[(3, 1), (3, 3), (11, 0)]) {
        Ok(()) => {
            Judged::pass("\"destination unreachable\" and \"time exceeded\" about an echo request reach the host")
        }
        Err(why) => Judged::fail(why),
    })
}

/// RFC 5508, section 7.1.2, about whatever the gateway lets out.
fn forwards_too_big(bench: &mut Bench) -> Tried {
    let mut told = Vec::new();
    for carrier in Carrier::ALL {
        if bench.lets_out(carrier) {
            let flow = flows::open_changed(bench, carrier)?;
            if let Err(why) = errors::translates(bench, carrier, flow, &[errors::TOO_BIG]) {
                return Ok(Judged::fail(format!("of {}, {why}", carrier.name())));
            }
            told.push(carrier.name());
        }
    }
    Ok(Judged::pass(format!("\"packet too big\" about {} reaches the host, with its MTU", listed(&told))))
}

fn tells_time_exceeded(bench: &mut Bench) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    bench.open(Udp, host, peer)?;
    let came = bench.send(Side::Inside, &format!("{} ttl 1", Udp.opening(host, peer)));
    let is_told = |came: &&Came| {
        bench.is_inside(came)
            && came.header.destination == host.address
            && came.error().is_some_and(|(kind, ends)| kind == (11, 0) && ends == [host, peer])
    };
    Ok(Judged::of(
        came.iter().any(|came| is_told(&came)) && !came.iter().any(|came| bench.is_outside(came)),
        "a packet whose hops are used up here is answered with \"time exceeded\"",
        "a packet whose hops are used up here is not answered with \"time exceeded\"",
    ))
}

/// RFC 791, section 3.1.
const IPV4_CHECKSUM_AT: usize = 10;
/// RFC 768.
const UDP_CHECKSUM_AT: usize = 6;

#[cfg(test)]
mod tests {
    use super::{super::Outcome, *};

    #[test]
    fn an_error_between_hosts_inside_comes_from_outside_as_it_was_sent_and_quotes_what_the_caller_has_sent() {
        let [caller, called] = [("10.0.0.12", 5001), ("203.0.113.1", 5000)]
            .map(|(address, port)| Endpoint { address: address.parse().expect("it is one"), port });
        let right = "203.0.113.1 > 10.0.0.12 icmp type 3 code 3 [10.0.0.12:5001 > 203.0.113.1:5000 udp]";
        let judged = |packet: &str| judged_hairpin(&Came::read("lan", packet), caller, called).outcome;
        assert_eq!(judged(right), Outcome::Pass);
        for (part, instead) in [
            ("203.0.113.1 > 10.0.0.12 ", "10.0.0.11 > 10.0.0.12 "),
            ("code 3", "code 1"),
            (":5000 udp", ":5001 udp"),
            ("10.0.0.12:5001", "203.0.113.1:5001"),
        ] {
            let wrong = right.replacen(part, instead, 1);
            assert_eq!(judged(&wrong), Outcome::Fail, "{wrong}");
        }
    }
}
