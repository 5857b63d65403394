//! Writes other addresses and ports, and moved acknowledgements, into a captured frame, with its checksums.
//!
//! Nothing is verified: a checksum that was wrong stays as wrong as it was (RFC 1624), and what the capture has cut
//! off is left alone. SCTP's checksum is worked out anew (RFC 9260, appendix A) where all that it covers is there and it was right;
//! in fragments it is not, and the gateway is told to believe it.

use core::ops::Range;

use towpath_engine::{
    Checksum,
    conntrack::{Address, Family, Tuple},
    nat::SequenceAdjustment,
    wire::{
        Protocol, SeqNum,
        checksum::{add, sum, update, update_udp},
        crc32c::crc32c,
    },
};

use super::peek::Peek;

/// Makes the packet at `peek` one of `tuple` instead of `was`. Both have the same family and protocol. Of a later fragment only
/// the addresses are changed.
pub(super) fn readdress(frame: &mut [u8], peek: &Peek, tuple: &Tuple, checksum: Checksum) {
    let partial = matches!(checksum, Checksum::Partial { .. });
    let sctp = (peek.protocol == Protocol::SCTP).then(|| whole_sctp(frame, peek)).flatten();
    match peek.family() {
        Family::Ipv4 => {
            let [before, after] = replace(frame, peek.network + 12, ends::<4, 8>(tuple));
            mend(frame, peek.network + 10, before, after);
            readdress_transport(frame, peek, tuple, partial, (before, after));
        }
        Family::Ipv6 => {
            let [before, after] = replace(frame, peek.network + 8, ends::<16, 32>(tuple));
            readdress_transport(frame, peek, tuple, partial, (before, after));
        }
    }
    if let Some(packet) = sctp.and_then(|range| frame.get_mut(range)) {
        let checksum = sctp_checksum(packet);
        packet[8..12].copy_from_slice(&checksum);
    }
}

/// Mends what comes behind the IP header: the ports, and a checksum that counts the addresses.
fn readdress_transport<const N: usize>(
    frame: &mut [u8],
    peek: &Peek,
    tuple: &Tuple,
    partial: bool,
    (before, after): ([u8; N], [u8; N]),
) {
    if !peek.has_ports {
        return;
    }
    let Some(layout) = LAYOUTS.iter().find(|layout| layout.protocol == peek.protocol) else { return };
    let place = layout.checksum.map(|at| peek.transport + at);
    let is_udp = peek.protocol == Protocol::UDP;
    if let Some(place) = place.filter(|_| layout.counts_addresses) {
        mend_transport(frame, place, is_udp, partial, before, after);
    }
    let changed = match layout.ports {
        Ports::Both => {
            let ports = u32::from(tuple.source_port) << 16 | u32::from(tuple.destination_port);
            let [before, after] = replace(frame, peek.transport, ports.to_be_bytes());
            (before, after)
        }
        Ports::Identifier => {
            let [before, after] = replace(frame, peek.transport + 4, tuple.source_port.to_be_bytes());
            ([0, 0, before[0], before[1]], [0, 0, after[0], after[1]])
        }
    };
    if let Some(place) = place.filter(|_| !partial) {
        mend_transport(frame, place, is_udp, false, changed.0, changed.1);
    }
}

/// What of a transport header depends on a connection's ends.
struct Layout {
    protocol: Protocol,
    ports: Ports,
    /// Where the Internet checksum stands, if there is one.
    checksum: Option<usize>,
    /// It counts the addresses.
    counts_addresses: bool,
}

enum Ports {
    /// Source and destination port, at the start.
    Both,
    /// An identifier behind type, code and checksum, which stay.
    Identifier,
}

#[rustfmt::skip]
static LAYOUTS: [Layout; 6] = [
    Layout { protocol: Protocol::TCP,     ports: Ports::Both,       checksum: Some(16), counts_addresses: true },
    Layout { protocol: Protocol::UDP,     ports: Ports::Both,       checksum: Some(6),  counts_addresses: true },
    Layout { protocol: Protocol::UDPLITE, ports: Ports::Both,       checksum: Some(6),  counts_addresses: true },
    Layout { protocol: Protocol::SCTP,    ports: Ports::Both,       checksum: None,     counts_addresses: false },
    Layout { protocol: Protocol::ICMP,    ports: Ports::Identifier, checksum: Some(2),  counts_addresses: false },
    Layout { protocol: Protocol::ICMPV6,  ports: Ports::Identifier, checksum: Some(2),  counts_addresses: true },
];

/// Where an SCTP packet lies that is all there and has a right checksum.
fn whole_sctp(frame: &[u8], peek: &Peek) -> Option<Range<usize>> {
    let range = peek.transport..peek.network + peek.total_len;
    let packet = frame.get(range.clone()).filter(|packet| packet.len() >= 12 && !peek.is_fragment())?;
    (packet[8..12] == sctp_checksum(packet)).then_some(range)
}

fn sctp_checksum(packet: &[u8]) -> [u8; 4] {
    crc32c([&packet[..8], &[0; 4], &packet[12..]]).to_le_bytes()
}

/// Makes the packet that an ICMP error quotes one of `tuple`, with the checksums in the quote and around it, and sends
/// the error itself from and to the addresses of `outer`.
pub(super) fn readdress_error(frame: &mut [u8], peek: &Peek, quoted: &Peek, tuple: &Tuple, outer: &Tuple) {
    let message = peek.transport;
    // The quote ends with the frame, or a little earlier; an odd byte does not change.
    let quote = quoted.network..frame.len().min(peek.network + peek.total_len.max(20));
    let before = sum(frame.get(quote.clone()).unwrap_or_default());
    readdress(frame, quoted, tuple, Checksum::None);
    let after = sum(frame.get(quote).unwrap_or_default());
    mend(frame, message + 2, before.to_be_bytes(), after.to_be_bytes());
    match peek.family() {
        Family::Ipv4 => {
            let [before, after] = replace(frame, peek.network + 12, ends::<4, 8>(outer));
            mend(frame, peek.network + 10, before, after);
        }
        Family::Ipv6 => {
            let [before, after] = replace(frame, peek.network + 8, ends::<16, 32>(outer));
            mend(frame, message + 2, before, after);
        }
    }
}

/// Moves the acknowledgement and SACK blocks of the TCP segment at `peek` to what its sender would have seen, had the
/// other direction's numbers been moved on the way to it.
pub(super) fn move_acknowledgements(frame: &mut [u8], peek: &Peek, other_way: &SequenceAdjustment, checksum: Checksum) {
    let partial = matches!(checksum, Checksum::Partial { .. });
    let Some(header) = frame.get(peek.transport..).and_then(|segment| segment.first_chunk::<20>()) else { return };
    let header_len = usize::from(header[12] >> 4) * 4;
    if peek.protocol != Protocol::TCP || !peek.has_ports || header[13] & ACK == 0 {
        return;
    }
    // The acknowledgement itself and two edges of up to four blocks, all that 40 bytes of options can hold.
    let mut places = [peek.transport + 8; 9];
    let options = frame.get(peek.transport + 20..peek.transport + header_len).unwrap_or_default();
    let found = sack_edges(options).zip(places.iter_mut().skip(1)).map(|(at, place)| *place = peek.transport + 20 + at);
    let count = 1 + found.count();
    for place in places.into_iter().take(count) {
        let Some(number) = frame.get(place..).and_then(|bytes| bytes.first_chunk::<4>()) else { continue };
        let moved = other_way.moved(SeqNum(u32::from_be_bytes(*number)));
        let [before, after] = replace(frame, place, moved.0.to_be_bytes());
        if !partial {
            mend(frame, peek.transport + 16, before, after);
        }
    }
}

/// Where the edges of SACK blocks stand among TCP options.
fn sack_edges(options: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    let blocks = core::iter::from_fn(move || {
        loop {
            let (start, length) = match options.get(at..)? {
                [] | [0, ..] => return None,
                [1, ..] => {
                    at += 1;
                    continue;
                }
                [kind, length, ..] if *length >= 2 && at + usize::from(*length) <= options.len() => {
                    let start = at + 2;
                    at += usize::from(*length);
                    if *kind != SACK {
                        continue;
                    }
                    (start, usize::from(*length) - 2)
                }
                [_, ..] => return None,
            };
            return Some((start, length));
        }
    });
    blocks.flat_map(|(start, length)| (0..length / 8 * 2).map(move |edge| start + edge * 4))
}

/// Both addresses as they stand in a header; each has `A` bytes, both have `B`.
fn ends<const A: usize, const B: usize>(tuple: &Tuple) -> [u8; B] {
    let Tuple { source: Address(source), destination: Address(destination), .. } = tuple;
    let mut both = [0; B];
    both[..A].copy_from_slice(&source[..A]);
    both[A..].copy_from_slice(&destination[..A]);
    both
}

/// Writes `new` at `at` and gives what was there and what is; zeros, and nothing written, when the frame is too short.
fn replace<const N: usize>(frame: &mut [u8], at: usize, new: [u8; N]) -> [[u8; N]; 2] {
    match frame.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut::<N>()) {
        Some(place) => [core::mem::replace(place, new), new],
        None => [[0; N]; 2],
    }
}

fn mend<const N: usize>(frame: &mut [u8], at: usize, before: [u8; N], after: [u8; N]) {
    if let Some(place) = frame.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut::<2>()) {
        *place = update(*place, before, after);
    }
}

/// Mends a transport checksum; one that waits to be filled holds the sum of the pseudo-header as it is.
fn mend_transport<const N: usize>(
    frame: &mut [u8],
    at: usize,
    is_udp: bool,
    partial: bool,
    before: [u8; N],
    after: [u8; N],
) {
    if let Some(place) = frame.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut::<2>()) {
        *place = match (partial, is_udp) {
            (true, _) => add(add(u16::from_be_bytes(*place), !sum(&before)), sum(&after)).to_be_bytes(),
            (false, true) => update_udp(*place, before, after),
            (false, false) => update(*place, before, after),
        };
    }
}

const ACK: u8 = 0x10;
const SACK: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::craft;
    use proptest::prelude::*;

    const INSIDE: ([u8; 4], u16) = ([10, 0, 0, 2], 40_000);
    const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 80);
    const MASQUERADE: ([u8; 4], u16) = ([203, 0, 113, 1], 61_234);

    fn tuple(source: ([u8; 4], u16), destination: ([u8; 4], u16), protocol: Protocol) -> Tuple {
        Tuple {
            source: Address::v4(source.0),
            destination: Address::v4(destination.0),
            source_port: source.1,
            destination_port: destination.1,
            protocol: protocol.0,
            family: Family::Ipv4,
        }
    }

    #[test]
    fn a_readdressed_packet_is_the_packet_that_would_have_been_sent_there() {
        let changed = |mut frame: Vec<u8>, to: &Tuple| {
            let peek = Peek::frame(&frame).unwrap();
            readdress(&mut frame, &peek, to, Checksum::None);
            frame
        };
        let tcp = craft::segment(SERVER, INSIDE, 0x18, (7, 9), &[], b"odd");
        let expected = craft::segment(SERVER, MASQUERADE, 0x18, (7, 9), &[], b"odd");
        assert_eq!(changed(tcp, &tuple(SERVER, MASQUERADE, Protocol::TCP)), expected);
        let udp = craft::udp(SERVER, INSIDE, b"answer");
        assert_eq!(changed(udp, &tuple(SERVER, MASQUERADE, Protocol::UDP)), craft::udp(SERVER, MASQUERADE, b"answer"));
        let echo = craft::icmp_echo(SERVER.0, INSIDE.0, 0, 5);
        let to = Tuple { source_port: 99, ..tuple((SERVER.0, 0), (MASQUERADE.0, 0), Protocol::ICMP) };
        assert_eq!(changed(echo, &to), craft::icmp_echo(SERVER.0, MASQUERADE.0, 0, 99));
    }

    #[test]
    fn a_udp_packet_without_checksum_stays_without() {
        let mut frame = craft::udp(SERVER, INSIDE, b"x");
        frame[40..42].fill(0);
        let peek = Peek::frame(&frame).unwrap();
        readdress(&mut frame, &peek, &tuple(SERVER, MASQUERADE, Protocol::UDP), Checksum::None);
        assert_eq!(frame[40..42], [0, 0]);
    }

    #[test]
    fn a_checksum_that_waits_to_be_filled_keeps_the_sum_of_its_pseudo_header() {
        let unfilled = |to: ([u8; 4], u16)| {
            let mut frame = craft::segment(SERVER, to, 0x18, (7, 9), &[], b"data");
            let pseudo =
                towpath_engine::wire::checksum::pseudo_header_v4(SERVER.0.into(), to.0.into(), Protocol::TCP, 24);
            frame[50..52].copy_from_slice(&pseudo.to_be_bytes());
            frame
        };
        let mut frame = unfilled(INSIDE);
        let peek = Peek::frame(&frame).unwrap();
        let partial = Checksum::Partial { start: 34, offset: 16 };
        readdress(&mut frame, &peek, &tuple(SERVER, MASQUERADE, Protocol::TCP), partial);
        assert_eq!(frame, unfilled(MASQUERADE));
    }

    #[test]
    fn an_icmp_error_is_changed_inside_and_outside() {
        let sent = |from: ([u8; 4], u16)| craft::segment(from, SERVER, 0x18, (7, 9), &[], b"some data to quote");
        let router = [192, 0, 2, 9];
        let mut frame = craft::icmp_error(router, INSIDE.0, 3, 4, &sent(INSIDE)[14..]);
        let peek = Peek::frame(&frame).unwrap();
        let quoted = peek.quoted(&frame).unwrap();
        let outer = tuple((router, 0), (MASQUERADE.0, 0), Protocol::ICMP);
        readdress_error(&mut frame, &peek, &quoted, &tuple(MASQUERADE, SERVER, Protocol::TCP), &outer);
        assert_eq!(frame, craft::icmp_error(router, MASQUERADE.0, 3, 4, &sent(MASQUERADE)[14..]));
    }

    #[test]
    fn acknowledgements_and_sack_blocks_move_as_far_as_the_numbers_they_speak_of() {
        let adjustment = SequenceAdjustment { correction: SeqNum(1000), before: 0, after: 5 };
        let sack = |edges: [u32; 4]| [&[1, 1, 5, 18][..], &edges.map(u32::to_be_bytes).concat()].concat();
        let mut frame = craft::segment(SERVER, INSIDE, 0x10, (7, 1000), &sack([1001, 1002, 900, 2000]), b"");
        let peek = Peek::frame(&frame).unwrap();
        move_acknowledgements(&mut frame, &peek, &adjustment, Checksum::None);
        let expected = craft::segment(SERVER, INSIDE, 0x10, (7, 1000), &sack([1006, 1007, 900, 2005]), b"");
        assert_eq!(frame, expected);
        assert!(craft::is_sound(&frame));
    }

    proptest! {
        #[test]
        fn readdressing_there_and_back_changes_nothing(
            source: ([u8; 4], u16), to: ([u8; 4], u16), other: ([u8; 4], u16), seq: u32, payload: Vec<u8>,
        ) {
            let frame = craft::segment(source, to, 0x18, (seq, 1), &[], &payload);
            let mut changed = frame.clone();
            let peek = Peek::frame(&frame).unwrap();
            readdress(&mut changed, &peek, &tuple(other, source, Protocol::TCP), Checksum::None);
            prop_assert!(craft::is_sound(&changed));
            readdress(&mut changed, &peek, &tuple(source, to, Protocol::TCP), Checksum::None);
            prop_assert!(craft::is_sound(&changed));
        }

        #[test]
        fn no_cut_frame_makes_it_panic(cut in 0usize..90, payload: Vec<u8>) {
            let quoted = craft::segment(INSIDE, SERVER, 0x18, (1, 2), &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2], &payload);
            for mut frame in [quoted.clone(), craft::icmp_error([192, 0, 2, 9], INSIDE.0, 3, 4, &quoted[14..])] {
                frame.truncate(cut);
                let Some(peek) = Peek::frame(&frame) else { continue };
                let to = tuple(SERVER, MASQUERADE, Protocol::TCP);
                readdress(&mut frame, &peek, &to, Checksum::None);
                move_acknowledgements(&mut frame, &peek, &SequenceAdjustment::default(), Checksum::None);
                if let Some(quoted) = peek.quoted(&frame) {
                    readdress_error(&mut frame, &peek, &quoted, &to, &to);
                }
            }
        }
    }
}
