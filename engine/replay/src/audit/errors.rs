//! Experiments with ICMP errors about flows, the same for UDP, TCP and ICMP queries.

use super::{
    Judged, Tried, Untested,
    bench::{Bench, Side, name_gateway},
    carrier::{Carrier, Endpoint},
    flows,
};

/// Errors of every kind about a flow, from a hop on its way, and one of its host about what the peer has sent. Gives how many.
pub(super) fn send_all(bench: &mut Bench, carrier: Carrier, home: Endpoint, mapped: Endpoint, peer: Endpoint) -> usize {
    let hop = bench.peer(carrier, 2, 0).address;
    let quoted = carrier.quoted(mapped, peer);
    for (kind, code) in KINDS {
        let error = format!("{hop} > {} icmp type {kind} code {code} [{quoted}]", mapped.address);
        match kind {
            REDIRECT => {
                let how = format!("to go by {hop}");
                drop(bench.send_changed(&error, &how, |bytes| name_gateway(bytes, hop)));
            }
            _ => drop(bench.send(Side::Outside, &error)),
        }
    }
    let about_answer = carrier.quoted_answer(peer, home);
    bench.send(Side::Inside, &format!("{} > {} icmp type 3 code 3 [{about_answer}]", home.address, peer.address));
    KINDS.len() + 1
}

/// An error from a hop outside, of each kind that says "destination unreachable", reaches the host it is about as it was sent, and quotes
/// what the host has sent.
pub(super) fn translates_unreachable(bench: &mut Bench, carrier: Carrier) -> Tried {
    let flow = flows::open_changed(bench, carrier)?;
    Ok(translates(bench, carrier, flow, &UNREACHABLE).map_or_else(Judged::fail, |()| {
        let [host, _, mapped] = flow;
        Judged::pass(format!(
            "errors of {} codes about {mapped} arrive as they were sent, and quote {host}",
            UNREACHABLE.len()
        ))
    }))
}

/// Whether errors of such kinds reach a flow's host, translated; what is not so.
pub(super) fn translates(
    bench: &mut Bench,
    carrier: Carrier,
    flow: [Endpoint; 3],
    kinds: &[(u8, u8)],
) -> Result<(), String> {
    let [host, peer, mapped] = flow;
    let hop = bench.peer(carrier, 2, 0).address;
    for &(kind, code) in kinds {
        let mtu = if (kind, code) == TOO_BIG { format!(" mtu {SMALLER_MTU}") } else { String::new() };
        let quoted = carrier.quoted(mapped, peer);
        let error = format!("{hop} > {} icmp type {kind} code {code}{mtu} [{quoted}]", mapped.address);
        let came = bench.send(Side::Outside, &error);
        let Some(came) = came.iter().find(|came| bench.is_inside(came) && came.header.destination == host.address)
        else {
            return Err(format!("an error of type {kind} code {code} from a hop does not reach the host it is about"));
        };
        let Some((found, [source, destination])) = came.error() else {
            return Err("what reaches the host is no ICMP error".to_owned());
        };
        // What an ICMP query quotes of its destination is its own identifier.
        let is_to_peer = match carrier {
            Carrier::Icmp => destination.address == peer.address,
            Carrier::Udp | Carrier::Tcp => destination == peer,
        };
        if found != (kind, code) || came.header.source != hop || !is_to_peer || source != host {
            return Err(format!(
                "an error of type {kind} code {code} about {mapped} arrives as type {} code {} from {}, and quotes {source} > {destination} instead of {host} > {peer}",
                found.0, found.1, came.header.source
            ));
        }
        if (kind, code) == TOO_BIG && came.mtu() != Some(SMALLER_MTU) {
            return Err(format!("an error that names an MTU of {SMALLER_MTU} arrives with another one, or with none"));
        }
    }
    Ok(())
}

/// One and the same error about a flow reaches the host from its peer, from a hop on the way and from an address that the flow has
/// nothing to do with. Where not even the peer's arrives, it is not the source that decides.
pub(super) fn passes_from_everywhere(bench: &mut Bench, carrier: Carrier) -> Tried {
    let (host, peer) = (bench.host(0, 5000), bench.peer(carrier, 0, 0));
    let mapped = bench.open(carrier, host, peer)?;
    let arrives_from = |bench: &mut Bench, from: Endpoint| {
        let quoted = carrier.quoted(mapped, peer);
        let error = format!("{} > {} icmp type 3 code 1 [{quoted}]", from.address, mapped.address);
        let came = bench.send(Side::Outside, &error);
        came.iter().any(|came| bench.is_inside(came) && came.header.destination == host.address)
    };
    if !arrives_from(bench, peer) {
        return Err(Untested("not even an error of the flow's own peer arrives".to_owned()));
    }
    let others = [1, 2].map(|index| bench.peer(carrier, index, 0));
    for other in others {
        if !arrives_from(bench, other) {
            let why =
                format!("an error from the flow's peer arrives, and the same one from {} does not", other.address);
            return Ok(Judged::fail(why));
        }
    }
    Ok(Judged::pass(format!(
        "an error from the flow's peer arrives, and so it does from {} and {}",
        others[0].address, others[1].address
    )))
}

/// "Fragmentation needed" is told with the MTU of the link that was too narrow.
pub(super) const TOO_BIG: (u8, u8) = (3, 4);

/// An MTU that no link of the gateway has, most likely.
const SMALLER_MTU: u32 = 1392;

/// Codes of "destination unreachable" that are in use: of networks, hosts, protocols and ports, of what does not fit, and of what is
/// forbidden.
const UNREACHABLE: [(u8, u8); 6] = [(3, 0), (3, 1), (3, 2), (3, 3), TOO_BIG, (3, 13)];

/// The type of a redirect.
const REDIRECT: u8 = 5;

/// Types and codes of all errors (RFC 792, RFC 1812 section 5.2.7): what cannot be reached, source quench, redirect, time exceeded,
/// parameter problem.
#[rustfmt::skip]
const KINDS: [(u8, u8); 25] = [
    (3, 0), (3, 1), (3, 2), (3, 3), TOO_BIG, (3, 5), (3, 6), (3, 7), (3, 8), (3, 9), (3, 10), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15),
    (4, 0),
    (REDIRECT, 0), (REDIRECT, 1), (REDIRECT, 2), (REDIRECT, 3),
    (11, 0), (11, 1),
    (12, 0), (12, 1),
];
