use alloc::{string::String, vec, vec::Vec};

use super::*;
use crate::{
    conntrack::{ConnId, Tracking, Tuple, Zone},
    device::{Device, InterfaceAddress},
    nat::{
        fixture,
        lab::{GATEWAY, Lab, only},
    },
    packet::Packet,
    random::Draw,
    wire::{MacAddr, Protocol, TcpFlags},
};

const A: [u8; 4] = [192, 168, 1, 10];
const B: [u8; 4] = [192, 168, 1, 20];
const SERVER: [u8; 4] = [198, 51, 100, 7];
const OTHER: [u8; 4] = [198, 51, 100, 8];

fn udp(source: [u8; 4], port: u16, destination: [u8; 4]) -> Packet {
    fixture::udp(source, port, destination, 53, b"x")
}

/// Takes a packet through, and says what came out.
fn out(lab: &mut Lab, packet: Packet) -> String {
    fixture::summary(&lab.pass(packet).expect("it passes"))
}

fn draws(lab: &mut Lab, ports: &[u32]) {
    lab.around.random.set_script(Some(ports.iter().map(|&port| (Draw::Port, port)).collect()));
}

#[test]
fn a_port_is_kept_where_nobody_has_it_also_a_low_one() {
    let mut lab = Lab::new();
    draws(&mut lab, &[]);
    for port in [5000, 700, 53, 1] {
        assert_eq!(out(&mut lab, udp(A, port, SERVER)), alloc::format!("203.0.113.1:{port} > 198.51.100.7:53 udp"));
    }
    assert!(lab.around.random.missing().is_empty());
}

#[test]
fn a_clash_is_one_of_the_whole_reply_tuple_and_is_settled_by_lot_in_the_ports_class() {
    let mut lab = Lab::new();
    for port in [5000, 700, 300] {
        lab.pass(udp(A, port, SERVER)).expect("it passes");
    }
    // Taken, of another class, of the right one: for each of the three.
    draws(&mut lab, &[5000, 19_308, 700, 520, 916, 300, 442]);
    assert_eq!(out(&mut lab, udp(B, 5000, SERVER)), "203.0.113.1:19308 > 198.51.100.7:53 udp");
    assert_eq!(out(&mut lab, udp(B, 700, SERVER)), "203.0.113.1:916 > 198.51.100.7:53 udp");
    assert_eq!(out(&mut lab, udp(B, 300, SERVER)), "203.0.113.1:442 > 198.51.100.7:53 udp");
    let tcp = fixture::tcp(B, 5000, SERVER, 53, &[], b"");
    assert!(out(&mut lab, tcp).starts_with("203.0.113.1:5000 > 198.51.100.7:53 tcp"));
    assert!(lab.around.random.missing().is_empty());
}

#[test]
fn a_source_that_has_a_mapping_keeps_it_to_everybody() {
    let mut lab = Lab::new();
    lab.pass(udp(A, 5000, SERVER)).expect("it passes");
    draws(&mut lab, &[19_308]);
    lab.pass(udp(B, 5000, SERVER)).expect("it passes");
    assert_eq!(out(&mut lab, udp(B, 5000, OTHER)), "203.0.113.1:19308 > 198.51.100.8:53 udp");
    assert_eq!(out(&mut lab, udp(A, 5000, OTHER)), "203.0.113.1:5000 > 198.51.100.8:53 udp");
    assert!(lab.around.random.missing().is_empty());
    // The mapping is forgotten with the last connection that has it.
    let now = lab.now;
    let (conntrack, _, around) = lab.parts();
    conntrack.flush(now, around);
    assert_eq!(out(&mut lab, udp(B, 5000, OTHER)), "203.0.113.1:5000 > 198.51.100.8:53 udp");
}

#[test]
fn a_mapping_outside_of_the_range_is_not_used() {
    let mut lab = Lab::new();
    lab.pass(udp(A, 5000, SERVER)).expect("it passes");
    lab.source = only([203, 0, 113, 9]);
    assert_eq!(out(&mut lab, udp(A, 5000, OTHER)), "203.0.113.9:5000 > 198.51.100.8:53 udp");
}

#[test]
fn an_identifier_that_clashes_is_drawn_among_all() {
    let mut lab = Lab::new();
    let ping = |source| fixture::icmp(source, SERVER, 8, 0, [3, 132, 0, 1], b"x");
    assert_eq!(out(&mut lab, ping(A)), "203.0.113.1 > 198.51.100.7 icmp type 8 code 0 id 900");
    draws(&mut lab, &[900, 44]);
    assert_eq!(out(&mut lab, ping(B)), "203.0.113.1 > 198.51.100.7 icmp type 8 code 0 id 44");
}

#[test]
fn a_range_of_ports_keeps_what_is_inside_draws_the_rest_and_fails_late_when_it_is_full() {
    let mut lab = Lab::new();
    lab.source.ports = Some((30_000, 30_002));
    draws(&mut lab, &[30_001, 30_002, 30_000]);
    assert_eq!(out(&mut lab, udp(A, 30_000, OTHER)), "203.0.113.1:30000 > 198.51.100.8:53 udp");
    let host = |last| [192, 168, 1, last];
    for (last, port) in [(100, 30_001), (101, 30_002), (102, 30_000)] {
        assert_eq!(
            out(&mut lab, udp(host(last), 7000, SERVER)),
            alloc::format!("203.0.113.1:{port} > 198.51.100.7:53 udp")
        );
    }
    assert_eq!(lab.pass(udp(host(103), 7000, SERVER)).err(), Some(DropReason::NatExhausted));
    assert!(lab.around.random.missing().is_empty());
}

#[test]
fn a_random_translation_does_not_keep_a_free_port() {
    for (random, random_fully) in [(true, false), (false, true)] {
        let mut lab = Lab::new();
        lab.source = NatRange { random, random_fully, ..lab.source };
        draws(&mut lab, &[58_328, 58_329]);
        assert_eq!(out(&mut lab, udp(A, 7000, SERVER)), "203.0.113.1:58328 > 198.51.100.7:53 udp");
        assert_eq!(out(&mut lab, udp(A, 7000, OTHER)), "203.0.113.1:58329 > 198.51.100.8:53 udp");
    }
}

/// Opens a connection from 192.168.1.110:7100 and closes it, so that it stands in TIME_WAIT.
fn closed(lab: &mut Lab) {
    let client = |flags, seq: u32, ack: u32| segment([192, 168, 1, 110], 7100, SERVER, 53, flags, seq, ack);
    let server = |flags, seq: u32, ack: u32| segment(SERVER, 53, GATEWAY, 31_000, flags, seq, ack);
    let (ack, fin) = (TcpFlags::ACK, TcpFlags::ACK.union(TcpFlags::FIN));
    for packet in [
        client(TcpFlags::SYN, 1000, 0),
        server(TcpFlags::SYN.union(ack), 9000, 1001),
        client(ack, 1001, 9001),
        client(fin, 1001, 9001),
        server(fin, 9001, 1002),
        client(ack, 1002, 9002),
    ] {
        lab.pass(packet).expect("it passes");
    }
}

fn segment(
    source: [u8; 4],
    source_port: u16,
    destination: [u8; 4],
    destination_port: u16,
    flags: TcpFlags,
    seq: u32,
    ack: u32,
) -> Packet {
    let mut packet = fixture::tcp(source, source_port, destination, destination_port, &[], b"");
    let tcp = packet.tcp_mut().expect("it is TCP");
    (tcp.flags, tcp.seq, tcp.ack) = (flags, seq.into(), ack.into());
    fixture::remade(&packet)
}

#[test]
fn a_closed_connection_gives_way_only_to_higher_sequence_numbers() {
    let mut lab = Lab::new();
    lab.source.ports = Some((31_000, 31_000));
    draws(&mut lab, &[31_000, 31_000]);
    closed(&mut lab);
    let syn = |last, seq| segment([192, 168, 1, last], 7100, SERVER, 53, TcpFlags::SYN, seq, 0);
    assert_eq!(lab.pass(syn(111, 10)).err(), Some(DropReason::NatExhausted));
    let taken = lab.pass(syn(112, 5_000_000)).expect("it takes the port over");
    assert!(fixture::summary(&taken).starts_with("203.0.113.1:31000 > "));
    assert_eq!(lab.conntrack.entries(lab.now).len(), 1);
}

#[test]
fn the_gateways_own_connection_and_one_to_it_hold_their_ports() {
    let mut lab = Lab::new();
    lab.pass(fixture::udp(GATEWAY, 6000, SERVER, 53, b"own")).expect("it passes");
    let in_source = core::mem::replace(&mut lab.source, only(SERVER));
    lab.pass(fixture::udp(SERVER, 53, GATEWAY, 6001, b"unasked")).expect("it passes");
    lab.source = in_source;
    draws(&mut lab, &[6000, 53_241, 6001, 8167]);
    assert_eq!(out(&mut lab, udp(A, 6000, SERVER)), "203.0.113.1:53241 > 198.51.100.7:53 udp");
    assert_eq!(out(&mut lab, udp(A, 6001, SERVER)), "203.0.113.1:8167 > 198.51.100.7:53 udp");
}

#[test]
fn what_is_kept_may_still_lose_its_port_to_another() {
    let mut lab = Lab::new();
    lab.pass(fixture::udp(GATEWAY, 5000, SERVER, 53, b"own")).expect("it passes");
    lab.pass(udp(A, 7000, SERVER)).expect("it passes");
    let packet = udp(GATEWAY, 7000, SERVER);
    let id = started(&mut lab, packet);
    draws(&mut lab, &[1024]);
    let now = lab.now;
    let (conntrack, _, around) = lab.parts();
    keep(now, conntrack, id, Manip::Destination, around);
    keep(now, conntrack, id, Manip::Source, around);
    let connection = lab.conntrack.connection(id).expect("it is there");
    assert_eq!((connection.reply.destination, connection.reply.destination_port), (Address::v4(GATEWAY), 1024));
    assert!(connection.status.contains(Status::SRC_NAT) && !connection.status.contains(Status::DST_NAT));
}

/// Tracks a first packet only.
fn started(lab: &mut Lab, mut packet: Packet) -> ConnId {
    lab.track(&mut packet);
    packet.meta().tracking.connection().expect("it starts a connection")
}

fn gateway() -> (Devices, DeviceId, DeviceId) {
    let mut devices = Devices::default();
    let mut add = |name: &str, addresses: &[([u8; 4], u8)]| {
        let address = |&(address, prefix): &([u8; 4], u8)| InterfaceAddress { address: address.into(), prefix };
        devices.add(Device {
            name: name.into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu_bytes: 1500,
            addresses: addresses.iter().map(address).collect(),
            any_destination: false,
            arp: true,
            ..Device::default()
        })
    };
    let wan = add("wan", &[([203, 0, 113, 1], 24), ([198, 18, 0, 1], 24)]);
    let bare = add("bare", &[]);
    (devices, wan, bare)
}

#[test]
fn masquerading_takes_the_address_that_is_near_the_next_hop() {
    let (devices, wan, _) = gateway();
    for (next_hop, address) in [([203, 0, 113, 254], GATEWAY), ([198, 18, 0, 9], [198, 18, 0, 1])] {
        let mut lab = Lab::new();
        let id = started(&mut lab, udp(A, 5000, SERVER));
        let way = Way { devices: &devices, output: wan, next_hop: next_hop.into() };
        let now = lab.now;
        let (conntrack, _, around) = lab.parts();
        assert_eq!(masquerade(now, conntrack, id, &NatRange::default(), way, around), Ok(()));
        let connection = lab.conntrack.connection(id).expect("it is there");
        assert_eq!(connection.reply.destination, Address::v4(address));
    }
}

#[test]
fn a_masqueraded_connection_belongs_to_the_device_whose_address_it_has() {
    let (devices, wan, bare) = gateway();
    let mut lab = Lab::new();
    let id = started(&mut lab, udp(A, 5000, SERVER));
    let way = Way { devices: &devices, output: wan, next_hop: SERVER.into() };
    let now = lab.now;
    let (conntrack, _, around) = lab.parts();
    masquerade(now, conntrack, id, &NatRange::default(), way, around).expect("it has an address");
    let connection = conntrack.connection(id).expect("it is there");
    let lost = |direction, output| has_lost_its_device(connection, direction, devices.find(output));
    assert!(!lost(Direction::Original, wan));
    assert!(lost(Direction::Original, bare));
    assert!(!lost(Direction::Reply, bare));
    let plain = fixture::connection(fixture::tuple(Protocol::UDP));
    assert!(!has_lost_its_device(&plain, Direction::Original, None));
}

#[test]
fn masquerading_without_an_address_drops_and_leaves_a_packet_without_source_alone() {
    let (way, now) =
        (Way { devices: &Devices::default(), output: DeviceId(0), next_hop: SERVER.into() }, Instant::from_secs(1000));
    let mut lab = Lab::new();
    let id = started(&mut lab, udp(A, 5000, SERVER));
    let (conntrack, _, around) = lab.parts();
    let refused = masquerade(now, conntrack, id, &NatRange::default(), way, around);
    assert_eq!(refused, Err(DropReason::NatNoAddress));
    let id = started(&mut lab, udp([0; 4], 68, SERVER));
    let (conntrack, _, around) = lab.parts();
    assert_eq!(masquerade(now, conntrack, id, &NatRange::default(), way, around), Ok(()));
    let connection = lab.conntrack.connection(id).expect("it is there");
    assert_eq!(connection.reply.destination, Address::default());
    assert!(connection.status.contains(Status::SRC_NAT_DONE) && !connection.status.contains(Status::SRC_NAT));
}

#[test]
fn a_redirected_connection_goes_to_the_first_address_of_the_device_it_came_in_by() {
    let (devices, wan, bare) = gateway();
    let range = NatRange { ports: Some((8080, 8080)), ..NatRange::default() };
    let cases = [
        (Some(wan), Ok(()), Address::v4(GATEWAY), 8080),
        (None, Ok(()), Address::v4([127, 0, 0, 1]), 8080),
        (Some(bare), Err(DropReason::NatNoAddress), Address::v4(SERVER), 53),
    ];
    for (input, result, address, port) in cases {
        let mut lab = Lab::new();
        let id = started(&mut lab, udp(A, 5000, SERVER));
        let now = lab.now;
        let (conntrack, _, around) = lab.parts();
        assert_eq!(redirect(now, conntrack, id, &range, &devices, input, around), result);
        let connection = lab.conntrack.connection(id).expect("it is there");
        assert_eq!((connection.reply.source, connection.reply.source_port), (address, port));
    }
}

#[test]
fn a_destination_keeps_its_port_without_a_range_even_where_that_is_taken() {
    let mut lab = Lab::new();
    draws(&mut lab, &[]);
    let target = [10, 0, 0, 9];
    lab.pass(fixture::udp(A, 5000, target, 53, b"direct")).expect("it passes");
    lab.source = only(A);
    let id = started(&mut lab, udp(A, 5000, SERVER));
    let now = lab.now;
    let (conntrack, _, around) = lab.parts();
    bind(now, conntrack, id, Manip::Destination, &only(target), around);
    let connection = lab.conntrack.connection(id).expect("it is there");
    assert_eq!((connection.reply.source, connection.reply.source_port), (Address::v4(target), 53));
    assert!(lab.around.random.missing().is_empty());
}

#[test]
fn a_destination_range_is_tried_from_its_first_port_on() {
    let mut lab = Lab::new();
    draws(&mut lab, &[]);
    lab.source = only(A);
    let range = NatRange { ports: Some((8080, 8082)), ..only([10, 0, 0, 9]) };
    let mut ports = Vec::new();
    for server in [SERVER, OTHER] {
        let mut packet = udp(A, 5000, server);
        lab.track(&mut packet);
        let (id, now) = (packet.meta().tracking.connection().expect("it starts"), lab.now);
        let (conntrack, _, around) = lab.parts();
        bind(now, conntrack, id, Manip::Destination, &range, around);
        keep(now, conntrack, id, Manip::Source, around);
        conntrack.confirm(now, &packet, around).expect("it is free");
        ports.push(conntrack.connection(id).expect("it is there").reply.source_port);
    }
    assert_eq!(ports, vec![8080, 8081]);
}

#[test]
fn what_is_settled_or_confirmed_stays() {
    let mut lab = Lab::new();
    let passed = lab.pass(udp(A, 5000, SERVER)).expect("it passes");
    let Tracking::Tracked { connection: id, .. } = passed.meta().tracking else { panic!("it is tracked") };
    let before = lab.conntrack.connection(id).expect("it is there").reply;
    let now = lab.now;
    let (conntrack, _, around) = lab.parts();
    bind(now, conntrack, id, Manip::Source, &only([9, 9, 9, 9]), around);
    let connection = conntrack.connection(id).expect("it is there");
    assert_eq!(connection.reply, before);
    for manip in [Manip::Source, Manip::Destination] {
        assert!(!needs_binding(connection, State::New, manip));
    }
    let fresh = fixture::connection(fixture::tuple(Protocol::UDP));
    assert!(needs_binding(&fresh, State::New, Manip::Source) && needs_binding(&fresh, State::Related, Manip::Source));
    assert!(!needs_binding(&fresh, State::Established, Manip::Source));
}

#[test]
fn a_connection_that_is_dropped_before_it_is_confirmed_leaves_no_mapping() {
    let mut lab = Lab::new();
    lab.source.ports = Some((30_000, 30_000));
    draws(&mut lab, &[30_000]);
    lab.pass(udp(A, 7000, SERVER)).expect("it passes");
    let mut packet = udp(B, 7000, SERVER);
    lab.track(&mut packet);
    let (id, now, range) = (packet.meta().tracking.connection().expect("it starts"), lab.now, lab.source);
    let (conntrack, _, around) = lab.parts();
    bind(now, conntrack, id, Manip::Source, &range, around);
    assert_eq!(conntrack.coming_from(Zone::DEFAULT, &fixture::tuple(Protocol::UDP)).count(), 0);
    let mine = Tuple { source: Address::v4(B), source_port: 7000, ..fixture::tuple(Protocol::UDP) };
    assert_eq!(conntrack.coming_from(Zone::DEFAULT, &mine).count(), 1);
    conntrack.release(now, id, around);
    assert_eq!(conntrack.coming_from(Zone::DEFAULT, &mine).count(), 0);
}
