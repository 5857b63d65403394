//! RFC 7857: what it asks of translators in addition. Where it loosens a requirement of the other three (sections 2.1, 3 and 8),
//! the experiments of that one hold to what was asked before.

use super::{
    Experiment, Judged, Requirement,
    bench::{
        Bench,
        Carrier::{Tcp, Udp},
        Side,
    },
    listed,
};

const fn asks(number: &'static str, level: &'static str, asks: &'static str) -> Requirement {
    Requirement { rfc: 7857, number, level, asks }
}

/// By the sections, which have no numbers of requirements.
#[rustfmt::skip]
pub(super) static EXPERIMENTS: &[Experiment] = &[
    (asks("section 2.2", "MUST",       "a RST of a connection is translated"),                                  Tcp, translates_resets),
    (asks("section 2.2", "SHOULD",     "a connection is remembered for four minutes after a RST"),              Tcp, remembers_reset_connections),
    (asks("section 7.1", "SHOULD NOT", "a host's error about a packet from outside refreshes a mapping"),       Udp, errors_refresh_nothing),
];

fn translates_resets(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let Some(mapped) = bench.connect(host, peer) else { return Judged::fail("a handshake does not pass") };
    Judged::of(
        bench.reach(&format!("{peer} > {mapped} RA seq 9001 ack 1001")) == Some(host),
        "the peer's RST reaches the host",
        "the peer's RST does not reach the host",
    )
}

fn remembers_reset_connections(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Tcp, 0, 0));
    let Some(mapped) = bench.connect(host, peer) else { return Judged::fail("a handshake does not pass") };
    bench.reach(&format!("{peer} > {mapped} R seq 9001 ack 0"));
    bench.wait(4 * 60 - 1);
    Judged::of(
        !bench.seconds_left().is_empty(),
        "239 seconds after the peer's RST the mapping is there",
        "239 seconds after the peer's RST the mapping is gone",
    )
}

/// A host that has closed its port answers each packet from outside with an error: that keeps nothing alive.
fn errors_refresh_nothing(bench: &mut Bench) -> Judged {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    let Some(mapped) = bench.open(Udp, host, peer) else { return Judged::fail("a host's packet does not come out") };
    bench.reach(&Udp.answer(peer, mapped));
    bench.wait(10);
    let before = bench.seconds_left();
    let error = format!("{} > {} icmp type 3 code 3 [{}]", host.address, peer.address, Udp.quoted(peer, host));
    bench.send(Side::Inside, &error);
    let after = bench.seconds_left();
    let is_as_before = !before.is_empty() && after == before;
    let (before, after) = (listed(&before), listed(&after));
    Judged::of(
        is_as_before,
        format!("the mapping lasts {after} more seconds, before and after the host's error"),
        format!("the mapping lasts {before} more seconds before the host's error, and {after} after it"),
    )
}
