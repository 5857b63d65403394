use alloc::{vec, vec::Vec};

use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::*;
use crate::{
    conntrack::Address,
    nat::fixture,
    offload::checksum::is_right,
    packet::{Gso, GsoKind},
    wire::{IcmpHeader, Protocol, UdpHeader, checksum::Routines, crc32c::crc32c},
};

/// A connection whose source is masqueraded and whose destination is forwarded, as DNAT does.
fn both_ways(protocol: Protocol) -> Connection {
    let mut connection = fixture::connection(fixture::tuple(protocol));
    connection.reply.destination = Address::v4([203, 0, 113, 1]);
    connection.reply.destination_port = 19_308;
    connection.reply.source = Address::v4([10, 9, 8, 7]);
    connection.reply.source_port = 8080;
    connection.status.insert(Status::NAT);
    connection
}

#[test]
fn a_packet_is_rewritten_at_both_ends_and_its_answer_back() {
    let connection = both_ways(Protocol::UDP);
    let mut there = fixture::udp([192, 168, 1, 10], 5000, [198, 51, 100, 7], 53, b"who");
    rewrite(&connection, Direction::Original, Manip::Destination, &mut there).expect("it can be rewritten");
    rewrite(&connection, Direction::Original, Manip::Source, &mut there).expect("it can be rewritten");
    assert_eq!(fixture::summary(&there), "203.0.113.1:19308 > 10.9.8.7:8080 udp");
    assert!(is_right(&there, &Routines::PORTABLE));

    let mut back = fixture::udp([10, 9, 8, 7], 8080, [203, 0, 113, 1], 19_308, b"you");
    rewrite(&connection, Direction::Reply, Manip::Destination, &mut back).expect("it can be rewritten");
    assert_eq!(fixture::summary(&back), "10.9.8.7:8080 > 192.168.1.10:5000 udp");
    rewrite(&connection, Direction::Reply, Manip::Source, &mut back).expect("it can be rewritten");
    assert_eq!(fixture::summary(&back), "198.51.100.7:53 > 192.168.1.10:5000 udp");
    assert!(is_right(&back, &Routines::PORTABLE));
}

#[test]
fn a_connection_that_is_not_translated_keeps_every_byte() {
    let connection = fixture::connection(fixture::tuple(Protocol::TCP));
    let mut packet = fixture::tcp([192, 168, 1, 10], 5000, [198, 51, 100, 7], 53, &[], b"data");
    let before = Vec::from(packet.network_bytes());
    for (direction, manip) in [(Direction::Original, Manip::Source), (Direction::Reply, Manip::Destination)] {
        rewrite(&connection, direction, manip, &mut packet).expect("it can be rewritten");
    }
    assert_eq!(packet.network_bytes(), before);
}

#[test]
fn a_udp_packet_without_checksum_stays_without() {
    let mut packet = fixture::udp([192, 168, 1, 10], 5000, [198, 51, 100, 7], 53, b"who");
    packet.udp_mut().expect("it is UDP").checksum = [0, 0];
    rewrite(&both_ways(Protocol::UDP), Direction::Original, Manip::Source, &mut packet).expect("it can be rewritten");
    assert_eq!(fixture::summary(&packet), "203.0.113.1:19308 > 198.51.100.7:53 udp");
    assert_eq!(packet.udp().map(|udp| udp.checksum), Some([0, 0]));
}

#[test]
fn a_query_gets_its_identifier_and_an_answer_gets_it_back() {
    let mut connection = fixture::connection(fixture::ping([192, 168, 1, 20], [198, 51, 100, 7], 77));
    connection.reply.destination = Address::v4([203, 0, 113, 1]);
    connection.reply.source_port = 52_763;
    connection.status.insert(Status::SRC_NAT);
    let mut query = fixture::icmp([192, 168, 1, 20], [198, 51, 100, 7], 8, 0, [0, 77, 0, 1], b"echo");
    rewrite(&connection, Direction::Original, Manip::Source, &mut query).expect("it can be rewritten");
    assert_eq!(fixture::summary(&query), "203.0.113.1 > 198.51.100.7 icmp type 8 code 0 id 52763");
    assert!(is_right(&query, &Routines::PORTABLE));
    let mut answer = fixture::icmp([198, 51, 100, 7], [203, 0, 113, 1], 0, 0, [0xce, 0x1b, 0, 1], b"echo");
    rewrite(&connection, Direction::Reply, Manip::Destination, &mut answer).expect("it can be rewritten");
    assert_eq!(fixture::summary(&answer), "198.51.100.7 > 192.168.1.20 icmp type 0 code 0 id 77");
    assert!(is_right(&answer, &Routines::PORTABLE));
}

#[test]
fn of_a_protocol_without_ports_only_the_address_changes() {
    let mut connection =
        fixture::connection(Tuple { source_port: 0, destination_port: 0, ..fixture::tuple(Protocol::GRE) });
    connection.reply.destination = Address::v4([203, 0, 113, 1]);
    connection.status.insert(Status::SRC_NAT);
    let mut packet = fixture::packet(Protocol::GRE, [192, 168, 1, 10], [198, 51, 100, 7], &[0, 0, 8, 0, 1, 2, 3, 4]);
    rewrite(&connection, Direction::Original, Manip::Source, &mut packet).expect("it can be rewritten");
    assert_eq!(packet.ipv4().map(|ip| ip.source), Some([203, 0, 113, 1]));
    assert_eq!(packet.transport_bytes(), [0, 0, 8, 0, 1, 2, 3, 4]);
    assert_eq!(crate::wire::checksum::sum(packet.network_header()), 0xffff);
}

type Gre = (&'static [u8], Result<(), DropReason>, &'static [u8]);

#[test]
#[rustfmt::skip]
fn gre_is_translated_by_its_version() {
    let connection = both_ways(Protocol::GRE);
    let cases: [Gre; 5] = [
        // as it comes                          what becomes of it                   as it goes, to port 8080 = 0x1f90
        (&[0, 0x00, 8, 0, 1, 2, 3, 4],          Ok(()),                              &[0, 0x00, 8, 0, 1, 2, 3, 4]),
        (&[0, 0x01, 0x88, 0x0b, 0, 4, 0, 53],   Ok(()),                              &[0, 0x01, 0x88, 0x0b, 0, 4, 0x1f, 0x90]),
        (&[0, 0x81, 0x88, 0x0b, 0, 4, 0, 53],   Ok(()),                              &[0, 0x81, 0x88, 0x0b, 0, 4, 0x1f, 0x90]),
        (&[0, 0x02, 8, 0, 1, 2, 3, 4],          Err(DropReason::NatUntranslatable),  &[0, 0x02, 8, 0, 1, 2, 3, 4]),
        (&[0, 0x00, 8, 0, 1, 2, 3],             Err(DropReason::NatUntranslatable),  &[0, 0x00, 8, 0, 1, 2, 3]),
    ];
    for (before, result, after) in cases {
        let mut packet = fixture::packet(Protocol::GRE, [192, 168, 1, 10], [198, 51, 100, 7], before);
        assert_eq!(rewrite(&connection, Direction::Original, Manip::Destination, &mut packet), result, "{before:?}");
        assert_eq!(packet.transport_bytes(), after);
        let address = if result.is_ok() { [10, 9, 8, 7] } else { [198, 51, 100, 7] };
        assert_eq!(packet.ipv4().map(|ip| ip.destination), Some(address));
    }
}

#[test]
fn sctp_gets_a_new_crc_and_udp_lite_a_mended_checksum_that_is_never_none() {
    let mut sctp = alloc::vec![0x13, 0x88, 0, 53, 1, 2, 3, 4, 0, 0, 0, 0, 9, 9, 9];
    let mut packet = fixture::packet(Protocol::SCTP, [192, 168, 1, 10], [198, 51, 100, 7], &sctp);
    rewrite(&both_ways(Protocol::SCTP), Direction::Original, Manip::Source, &mut packet).expect("it can be rewritten");
    sctp[..2].copy_from_slice(&19_308_u16.to_be_bytes());
    let crc = crc32c([&sctp[..]]).to_le_bytes();
    sctp[8..12].copy_from_slice(&crc);
    assert_eq!(packet.transport_bytes(), sctp);

    let lite = [0x13, 0x88, 0, 53, 0, 8, 0, 0, 1, 2];
    let mut packet = fixture::packet(Protocol::UDPLITE, [192, 168, 1, 10], [198, 51, 100, 7], &lite);
    rewrite(&both_ways(Protocol::UDPLITE), Direction::Original, Manip::Source, &mut packet)
        .expect("it can be rewritten");
    let bytes = packet.transport_bytes();
    assert_eq!(bytes[..2], 19_308_u16.to_be_bytes());
    assert_ne!(bytes[6..8], [0, 0]);
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let mut packet = fixture::udp([192, 168, 1, 10], 5000, [198, 51, 100, 7], 53, b"who");
    let udp = packet.udp_mut().expect("it is UDP");
    udp.checksum = (u16::from_be_bytes(udp.checksum) ^ 0x0101).to_be_bytes();
    rewrite(&both_ways(Protocol::UDP), Direction::Original, Manip::Source, &mut packet).expect("it can be rewritten");
    assert!(!is_right(&packet, &Routines::PORTABLE));
}

#[test]
fn an_unfilled_checksum_of_a_super_packet_gets_the_new_pseudo_header_only() {
    let mut packet = fixture::tcp([192, 168, 1, 10], 5000, [198, 51, 100, 7], 53, &[], &vec![7; 1400]);
    packet.meta_mut().checksum = Checksum::Partial { start: 34, offset: 16 };
    packet.meta_mut().gso = Some(Gso { kind: GsoKind::Tcp4, size: 700, segments: 2, fixed_id: false });
    crate::offload::checksum::fill(&mut packet, &Routines::PORTABLE);
    rewrite(&both_ways(Protocol::TCP), Direction::Original, Manip::Source, &mut packet).expect("it can be rewritten");
    let unfilled = packet.tcp().map(|tcp| tcp.checksum);
    crate::offload::checksum::fill(&mut packet, &Routines::PORTABLE);
    assert_eq!(packet.tcp().map(|tcp| tcp.checksum), unfilled);
    packet.meta_mut().checksum = Checksum::None;
    crate::offload::checksum::fill(&mut packet, &Routines::PORTABLE);
    assert!(is_right(&packet, &Routines::PORTABLE));
}

#[test]
fn what_a_device_has_summed_is_forgotten_with_the_bytes_it_summed() {
    let mut packet = fixture::udp([192, 168, 1, 10], 5000, [198, 51, 100, 7], 53, b"who");
    packet.meta_mut().checksum = Checksum::Complete(0x1234);
    rewrite(&both_ways(Protocol::UDP), Direction::Original, Manip::Source, &mut packet).expect("it can be rewritten");
    assert_eq!(packet.meta().checksum, Checksum::None);
}

/// TCP, UDP or an echo request with some payload, from the fixture's client to its server.
fn any_packet() -> impl Strategy<Value = (Protocol, Packet)> {
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    let protocol = prop_oneof![Just(Protocol::TCP), Just(Protocol::UDP), Just(Protocol::ICMP)];
    (protocol, payload).prop_map(|(protocol, payload)| {
        let (client, server) = ([192, 168, 1, 10], [198, 51, 100, 7]);
        let packet = if protocol == Protocol::TCP {
            fixture::tcp(client, 5000, server, 53, &[1, 1, 4, 2], &payload)
        } else if protocol == Protocol::UDP {
            fixture::udp(client, 5000, server, 53, &payload)
        } else {
            fixture::icmp(client, server, 8, 0, [0x13, 0x88, 0, 1], &payload)
        };
        (protocol, packet)
    })
}

proptest! {
    #[test]
    fn rewriting_there_and_back_gives_the_first_bytes(
        (protocol, mut packet) in any_packet(), address: [u8; 4], port: u16, manip in manips(),
    ) {
        let there = translated(protocol, manip, address, port);
        let before = Vec::from(packet.network_bytes());
        // A computed 0 is written as 0xffff and mended to 0, which is the same sum.
        prop_assume!(protocol != Protocol::TCP || field(protocol, &packet) != 0xffff);
        rewrite(&there, Direction::Original, manip, &mut packet).expect("it can be rewritten");
        prop_assert!(is_right(&packet, &Routines::PORTABLE));
        // The mirror of the connection translates what the first has written to what it was.
        let mut back = there.clone();
        (back.original, back.reply) = (
            there.reply.inverted().expect("it has answers"),
            there.original.inverted().expect("it has answers"),
        );
        rewrite(&back, Direction::Original, manip, &mut packet).expect("it can be rewritten");
        prop_assert_eq!(packet.network_bytes(), before);
    }

    #[test]
    fn a_mended_checksum_equals_a_recomputed_one(
        (protocol, mut packet) in any_packet(), address: [u8; 4], port: u16, manip in manips(),
    ) {
        rewrite(&translated(protocol, manip, address, port), Direction::Original, manip, &mut packet).expect("it can be rewritten");
        let mended = field(protocol, &packet);
        crate::offload::checksum::fill(&mut packet, &Routines::PORTABLE);
        // 0 and 0xffff are the same sum; Linux computes the one and mends to the other.
        prop_assert_eq!(field(protocol, &packet) % 0xffff, mended % 0xffff);
        prop_assert_eq!(crate::wire::checksum::sum(packet.network_header()), 0xffff);
    }
}

/// The transport checksum.
fn field(protocol: Protocol, packet: &Packet) -> u16 {
    let at = [(Protocol::TCP, 16), (Protocol::UDP, 6), (Protocol::ICMP, 2)];
    let at = at.into_iter().find(|(of, _)| *of == protocol).map_or(0, |(_, at)| at);
    u16::from_be_bytes([packet.transport_bytes()[at], packet.transport_bytes()[at + 1]])
}

fn manips() -> impl Strategy<Value = Manip> {
    prop_oneof![Just(Manip::Source), Just(Manip::Destination)]
}

fn translated(protocol: Protocol, manip: Manip, address: [u8; 4], port: u16) -> Connection {
    let mut tuple = fixture::tuple(protocol);
    if protocol == Protocol::ICMP {
        tuple = fixture::ping([192, 168, 1, 10], [198, 51, 100, 7], 5000);
    }
    let mut connection = fixture::connection(tuple);
    let mut target = tuple;
    match manip {
        Manip::Source => (target.source, target.source_port) = (Address::v4(address), port),
        Manip::Destination if protocol == Protocol::ICMP => target.destination = Address::v4(address),
        Manip::Destination => (target.destination, target.destination_port) = (Address::v4(address), port),
    }
    connection.reply = target.inverted().expect("it has answers");
    connection.status.insert(match manip {
        Manip::Source => Status::SRC_NAT,
        Manip::Destination => Status::DST_NAT,
    });
    connection
}

#[test]
fn header_views_of_the_fixture_are_right() {
    let packet = fixture::udp([192, 168, 1, 10], 5000, [198, 51, 100, 7], 53, b"who");
    assert_eq!(packet.udp().map(|udp| udp.as_bytes().len()), Some(UdpHeader::LEN));
    assert!(is_right(&packet, &Routines::PORTABLE));
    let packet = fixture::icmp([192, 168, 1, 10], [198, 51, 100, 7], 8, 0, [0, 1, 0, 1], b"x");
    assert_eq!(packet.icmp().map(IcmpHeader::id), Some(1));
    assert!(is_right(&packet, &Routines::PORTABLE));
}

/// Words among which the ends of the ones' complement, where sums are equal that are not the same, are frequent.
fn word() -> impl Strategy<Value = [u8; 2]> {
    prop_oneof![Just([0, 0]), Just([0xff, 0xff]), any::<[u8; 2]>()]
}

proptest! {
    #[test]
    fn plain_packets_become_what_all_others_become(
        addresses: [[[u8; 2]; 2]; 4],
        words in proptest::collection::vec(word(), 14),
        keeps: [bool; 8],
        is_tcp: bool,
        is_source: bool,
    ) {
        // Some addresses are made of such words, too.
        let address = |index: usize| {
            let [low, high] = if keeps[index] { [words[6 + index], words[10 + index]] } else { addresses[index] };
            [low, high].concat().try_into().expect("four bytes")
        };
        let port = |index: usize| u16::from_be_bytes(words[index]);
        let protocol = if is_tcp { Protocol::TCP } else { Protocol::UDP };
        let answer = Tuple {
            source: Address::v4(address(0)),
            destination: Address::v4(address(1)),
            source_port: port(0),
            destination_port: port(1),
            protocol: protocol.0,
            ..Tuple::default()
        };
        let [mut plain, mut other] = [(); 2].map(|()| {
            let mut packet = match is_tcp {
                true => fixture::tcp(address(2), port(2), address(3), port(3), &[], b"data"),
                false => fixture::udp(address(2), port(2), address(3), port(3), b"data"),
            };
            if let Some(ip) = packet.ipv4_mut().filter(|_| keeps[4]) {
                ip.checksum = words[4];
            }
            if let Some(tcp) = packet.tcp_mut().filter(|_| keeps[5]) {
                tcp.checksum = words[5];
            }
            if let Some(udp) = packet.udp_mut().filter(|_| keeps[5]) {
                udp.checksum = words[5];
            }
            packet
        });
        let manip = if is_source { Manip::Source } else { Manip::Destination };
        prop_assert!(plain::rewrite(&answer, manip, &mut plain));
        let target = answer.inverted().expect("it has answers");
        rewrite_to(&target, manip, &mut other).expect("it can be rewritten");
        prop_assert_eq!(plain.network_bytes(), other.network_bytes());
    }
}
