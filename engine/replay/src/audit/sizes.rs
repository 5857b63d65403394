//! Datagrams that do not fit, and fragments.

use towpath_engine::packet::sketch::{Kind, Payload};

use super::{
    Judged, Tried, Untested,
    bench::{Bench, Side},
    came::Came,
    carrier::{Carrier::Udp, Endpoint},
    errors::TOO_BIG,
    flows,
};

/// What is said of a datagram of so many bytes of data that must not be cut and does not fit outside.
struct TooBig {
    data_bytes: u32,
    /// The largest packet that fits.
    mtu: u32,
    /// The host was told; and, where the error names it, with which MTU.
    told: Option<Option<u32>>,
    /// It has left all the same.
    passed: bool,
}

fn try_too_big(bench: &mut Bench) -> Result<TooBig, Untested> {
    let (host, peer) = (bench.host(0, 5000), bench.peer(Udp, 0, 0));
    bench.open(Udp, host, peer)?;
    let (data_bytes, mtu) = too_large_outside(bench, peer)?;
    let came = bench.send(Side::Inside, &format!("{host} > {peer} udp len {data_bytes} df"));
    let error = came.iter().find(|came| is_told(bench, came, host));
    Ok(TooBig { data_bytes, mtu, told: error.map(Came::mtu), passed: came.iter().any(|came| bench.is_outside(came)) })
}

fn is_told(bench: &Bench, came: &Came, host: Endpoint) -> bool {
    bench.is_inside(came)
        && came.header.destination == host.address
        && came.error().is_some_and(|(kind, _)| kind == TOO_BIG)
}

/// RFC 4787 asks for the error of RFC 792, which names no MTU.
pub(super) fn tells_too_big(bench: &mut Bench) -> Tried {
    let TooBig { data_bytes, told, .. } = try_too_big(bench)?;
    let what = format!("a datagram of {data_bytes} bytes of data that must not be cut");
    Ok(Judged::of(
        told.is_some(),
        format!("{what} is answered with an error"),
        format!("{what} is not answered with an error"),
    ))
}

/// RFC 5508, section 7.1.1: the packet is dropped, and the error names the MTU of the next link.
pub(super) fn names_next_mtu(bench: &mut Bench) -> Tried {
    try_too_big(bench).map(TooBig::judged)
}

impl TooBig {
    fn judged(self) -> Judged {
        let Self { data_bytes, mtu, told, passed } = self;
        let what = format!("a datagram of {data_bytes} bytes of data that must not be cut");
        match told {
            _ if passed => Judged::fail(format!("{what} leaves all the same")),
            None => Judged::fail(format!("{what} is not answered with an error")),
            Some(None | Some(0)) => Judged::fail(format!("{what} is answered with an error that names no MTU")),
            Some(Some(named)) => Judged::of(
                named == mtu,
                format!("{what} is answered with an error that names the next link's MTU, {mtu}, and does not leave"),
                format!(
                    "{what} is answered with an error that names an MTU of {named}; that of the next link is {mtu}"
                ),
            ),
        }
    }
}

/// Bytes of data that make a datagram larger than the way to a peer takes, and how much that takes of a whole packet, which is as many.
fn too_large_outside(bench: &Bench, peer: Endpoint) -> Result<(u32, u32), Untested> {
    const HEADERS: u32 = 20 + 8;
    let mtu = bench.mtu_towards(peer).ok_or_else(|| Untested(format!("no route leads to {}", peer.address)))?;
    if mtu + HEADERS > u16::MAX.into() {
        return Err(Untested(format!("the link outside takes any datagram, as its MTU is {mtu}")));
    }
    Ok((mtu, mtu))
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    offset_bytes: usize,
    bytes: usize,
    /// More follow.
    more: bool,
}

impl Part {
    fn of(came: &Came) -> Option<Self> {
        match came.packet.kind {
            Kind::Fragment { offset, more, .. } => {
                Some(Self { offset_bytes: offset.into(), bytes: came.packet.payload.len(), more })
            }
            Kind::Udp(_) | Kind::Tcp(_) | Kind::Icmp(_) | Kind::Other(_) => None,
        }
    }
}

/// A datagram that is larger than the way outside takes, from a host whose port changes: what it is outside, how many bytes it has with
/// its UDP header, and what has come out.
fn try_cutting(bench: &mut Bench) -> Result<(Endpoint, usize, Vec<Came>), Untested> {
    let [host, peer, mapped] = flows::open_changed(bench, Udp)?;
    let (data_bytes, _) = too_large_outside(bench, peer)?;
    let mut came = bench.send(Side::Inside, &format!("{host} > {peer} udp len {data_bytes}"));
    came.retain(|came| bench.is_outside(came));
    Ok((mapped, data_bytes as usize + HEADER_BYTES, came))
}

/// A datagram that does not fit leaves in parts that are all of it, translated.
pub(super) fn cuts(bench: &mut Bench) -> Tried {
    let (mapped, bytes, came) = try_cutting(bench)?;
    let parts: Vec<Part> = came.iter().filter_map(Part::of).collect();
    let is_translated = came.iter().all(|part| part.header.source == mapped.address)
        && came.iter().find_map(first_ports).is_some_and(|[source, _]| source == mapped.port);
    if let Err(why) = are_whole(&parts, bytes) {
        return Ok(Judged::fail(format!("of a datagram of {bytes} bytes that does not fit, {why}")));
    }
    Ok(Judged::of(
        is_translated,
        format!("a datagram of {bytes} bytes that does not fit leaves in {} parts, translated", parts.len()),
        format!("a datagram of {bytes} bytes that does not fit leaves in parts that are not all from {mapped}"),
    ))
}

/// The first part first, and the others behind it.
pub(super) fn cuts_in_order(bench: &mut Bench) -> Tried {
    let (_, bytes, came) = try_cutting(bench)?;
    let parts: Vec<Part> = came.iter().filter_map(Part::of).collect();
    if are_whole(&parts, bytes).is_err() {
        return Err(Untested("what does not fit does not leave in parts that are all of it".to_owned()));
    }
    Ok(judged_order(&parts))
}

fn judged_order(parts: &[Part]) -> Judged {
    let offsets: Vec<usize> = parts.iter().map(|part| part.offset_bytes).collect();
    let words = super::listed(&offsets);
    Judged::of(
        offsets.is_sorted(),
        format!("parts of a datagram leave in order: they begin at {words}"),
        format!("parts of a datagram leave out of order: they begin at {words}"),
    )
}

/// Whether parts make up a datagram of so many bytes, in whatever order they come; what is not so.
fn are_whole(parts: &[Part], bytes: usize) -> Result<(), String> {
    if parts.len() < 2 {
        return Err("no parts leave".to_owned());
    }
    let mut sorted = parts.to_vec();
    sorted.sort_unstable_by_key(|part| part.offset_bytes);
    let mut end = 0;
    for (index, part) in sorted.iter().enumerate() {
        if part.offset_bytes != end {
            return Err(format!("a part begins at {} where those before it end at {end}", part.offset_bytes));
        }
        if part.more != (index + 1 < sorted.len()) {
            return Err(format!("the part that begins at {end} says wrongly whether it is the last one"));
        }
        end += part.bytes;
    }
    if end != bytes { Err(format!("{end} bytes leave")) } else { Ok(()) }
}

/// From which port to which a datagram goes: of a whole one, or of the part that has its header.
fn first_ports(came: &Came) -> Option<[u16; 2]> {
    match (&came.packet.kind, &came.packet.payload) {
        (Kind::Udp(ports), _) => Some([ports.source, ports.destination]),
        (Kind::Fragment { offset: 0, .. }, Payload::Bytes(bytes)) => {
            let port = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
            Some([port(0)?, port(2)?])
        }
        (Kind::Fragment { .. } | Kind::Tcp(_) | Kind::Icmp(_) | Kind::Other(_), _) => None,
    }
}

/// Two fragments of a datagram from a peer, in that order, to a host whose port changes outside.
pub(super) fn takes_fragments(bench: &mut Bench, order: [usize; 2]) -> Tried {
    let [host, peer, mapped] = flows::open_changed(bench, Udp)?;
    let bytes = |port: u16| port.to_be_bytes().map(|byte| format!("\\x{byte:02x}")).concat();
    // A header without a checksum and 8 bytes of data in the first, 8 in the second.
    let first = format!("{}{}\\x00\\x18\\x00\\x00firstpar", bytes(peer.port), bytes(mapped.port));
    let parts = [
        format!("{} > {} udp fragment 0 more data \"{first}\" ipid 77", peer.address, mapped.address),
        format!("{} > {} udp fragment 16 data \"secondpa\" ipid 77", peer.address, mapped.address),
    ];
    let mut came: Vec<_> = order.iter().flat_map(|&index| bench.send(Side::Outside, &parts[index])).collect();
    came.retain(|came| bench.is_inside(came) && came.header.destination == host.address);
    Ok(judged_arrival(&came, peer, host))
}

/// What has arrived of a datagram with 16 bytes of data: as parts, of which the first has the header among its data, or put together.
fn judged_arrival(came: &[Came], peer: Endpoint, host: Endpoint) -> Judged {
    const WHOLE: usize = HEADER_BYTES + 16;
    let header_bytes = |came: &Came| if matches!(came.packet.kind, Kind::Udp(_)) { HEADER_BYTES } else { 0 };
    let bytes: usize = came.iter().map(|came| came.packet.payload.len() + header_bytes(came)).sum();
    if bytes != WHOLE {
        return Judged::fail(format!("of the datagram's {WHOLE} bytes {bytes} reach the host"));
    }
    let ports = came.iter().find_map(first_ports);
    Judged::of(
        ports == Some([peer.port, host.port]),
        format!("all of the datagram reaches the host, for its port {}", host.port),
        format!("all of the datagram reaches the host, but not for its port {}", host.port),
    )
}

/// A UDP header.
const HEADER_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::{super::Outcome, *};

    /// A part, told by where it begins, its bytes and whether more follow.
    const fn part((offset_bytes, bytes, more): (usize, usize, bool)) -> Part {
        Part { offset_bytes, bytes, more }
    }

    #[test]
    fn parts_are_whole_without_holes_and_with_one_end_in_whatever_order() {
        #[rustfmt::skip]
        let cases = [
            (vec![(0, 1480, true), (1480, 28, false)],                  true),
            (vec![(1480, 28, false), (0, 1480, true)],                  true),
            (vec![(0, 1508, false)],                                    false), // not cut at all
            (vec![(0, 1480, true)],                                     false),
            (vec![(0, 1480, true), (1480, 28, true)],                   false), // no end
            (vec![(0, 1480, false), (1480, 28, false)],                 false), // two
            (vec![(0, 1472, true), (1480, 36, false)],                  false), // a hole
            (vec![(0, 1480, true), (1472, 36, false)],                  false), // an overlap
            (vec![(0, 1480, true), (1480, 20, false)],                  false), // the end is missing
        ];
        for (parts, expected) in cases {
            let parts: Vec<Part> = parts.into_iter().map(part).collect();
            assert_eq!(are_whole(&parts, 1508).is_ok(), expected, "{parts:?}");
        }
    }

    #[test]
    fn order_is_judged_by_where_parts_begin() {
        let parts = [(0, 1480, true), (1480, 28, false)].map(part);
        assert_eq!(judged_order(&parts).outcome, Outcome::Pass);
        assert_eq!(judged_order(&[parts[1], parts[0]]).outcome, Outcome::Fail);
    }

    #[test]
    fn the_mtu_that_is_named_is_the_next_links_and_nothing_leaves() {
        let judged = |told, passed| TooBig { data_bytes: 1500, mtu: 1500, told, passed }.judged().outcome;
        assert_eq!(judged(Some(Some(1500)), false), Outcome::Pass);
        for (told, passed) in [
            (Some(Some(1500)), true),
            (Some(Some(1400)), false),
            (Some(Some(0)), false),
            (Some(None), false),
            (None, false),
        ] {
            assert_eq!(judged(told, passed), Outcome::Fail, "{told:?} {passed}");
        }
    }

    #[test]
    fn fragments_arrive_for_the_hosts_own_port_or_not_at_all() {
        let (peer, host) = ("198.51.100.7", "10.0.0.11");
        let ends = [(peer, 6000), (host, 5000)]
            .map(|(address, port)| Endpoint { address: address.parse().expect("it is one"), port });
        let judged = |packets: &[String]| {
            let came: Vec<Came> = packets.iter().map(|packet| Came::read("lan", packet)).collect();
            judged_arrival(&came, ends[0], ends[1]).outcome
        };
        let parts = |port: &str| {
            [
                format!(
                    "{peer} > {host} udp fragment 0 more data \"\\x17\\x70{port}\\x00\\x18\\x00\\x00firstpar\" ipid 77"
                ),
                format!("{peer} > {host} udp fragment 16 data \"secondpa\" ipid 77"),
            ]
        };
        let [first, second] = parts("\\x13\\x88");
        assert_eq!(judged(&[first.clone(), second.clone()]), Outcome::Pass);
        assert_eq!(judged(&[second, first.clone()]), Outcome::Pass);
        assert_eq!(judged(&[format!("{peer}:6000 > {host}:5000 udp len 16")]), Outcome::Pass);
        assert_eq!(judged(&[first]), Outcome::Fail, "half of it");
        assert_eq!(judged(&parts("\\x13\\x89")), Outcome::Fail, "for another port");
        assert_eq!(judged(&[format!("{peer}:6000 > {host}:5001 udp len 16")]), Outcome::Fail, "for another port");
    }
}
