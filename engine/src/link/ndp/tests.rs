use alloc::{string::String, vec::Vec};

use super::*;
use crate::{
    command::Command,
    device::{Device, InterfaceAddress},
    frame::Frame,
    packet::Pool,
    wire::{checksum::Routines, ipv6::group_mac},
};

const LAN: DeviceId = DeviceId(0);
const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
const OURS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const OURS_ON_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const THEIR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 2]);
const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 3]);
const THEIRS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
const ROUTER: u8 = NeighbourMessage::ROUTER;
const SOLICITED: u8 = NeighbourMessage::SOLICITED;
const OVERRIDE: u8 = NeighbourMessage::OVERRIDE;

fn gateway() -> Engine {
    let mut engine = Engine::new(1);
    let addresses = [OURS, OURS_ON_LINK].map(|own| InterfaceAddress { address: own.into(), prefix: 64 });
    let device = Device {
        name: String::from("lan"),
        mac: OUR_MAC,
        mtu_bytes: 1500,
        addresses: addresses.into(),
        arp: true,
        any_destination: false,
        ..Device::default()
    };
    engine.handle_command(Instant::ZERO, Command::AddDevice(device)).expect("a right device");
    engine
}

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

/// A neighbour's message on its way from somebody to somebody.
fn comes(engine: &mut Engine, secs: u64, [from, to]: [Ipv6Addr; 2], message: &[u8]) {
    let ends = Ends { source: from.into(), destination: to.into() };
    let making = Making { hops: NeighbourMessage::HOP_LIMIT, id: 0, flow_label: 0 };
    let ip = head(ends, Protocol::ICMPV6, making);
    let mut packet = Packet::compose(&mut Pool::new(), &Draft { ip, transport: message });
    checksum::fill(&mut packet, &Routines::PORTABLE);
    let mac = if to.is_multicast() { group_mac(to) } else { OUR_MAC };
    packet.set_ethernet(mac, THEIR_MAC, crate::wire::EtherType::IPV6);
    engine.handle_frames(at(secs), &[Frame::new(LAN, packet.linear())]);
}

/// This host has something to say to its neighbour.
fn speaks(engine: &mut Engine, secs: u64) {
    let ends = Ends { source: OURS.into(), destination: THEIRS.into() };
    let ip = head(ends, Protocol::NO_NEXT, Making { hops: 64, id: 0, flow_label: 0 });
    let packet = Packet::compose(&mut Pool::new(), &Draft { ip, transport: &[] });
    let bytes = packet.network_bytes().to_vec();
    engine.handle_command(at(secs), Command::SendPacket(bytes)).expect("a right packet");
}

/// What leaves: to whom, and what a neighbour's message says; nothing of other packets.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    mac: MacAddr,
    ends: [Ipv6Addr; 2],
    says: Option<(Icmpv6Type, u8, Ipv6Addr, NeighbourOptions)>,
}

fn left(engine: &mut Engine) -> Vec<Left> {
    let mut all = Vec::new();
    while let Some(transmit) = engine.poll_transmit() {
        let packet = &transmit.packet;
        let (ethernet, ip) = (packet.ethernet().expect("a frame"), packet.ipv6().expect("IPv6"));
        assert_eq!(ethernet.source, OUR_MAC);
        let says = hear(packet, LAN).map(|heard| {
            assert!(checksum::is_right(packet, &Routines::PORTABLE));
            assert_eq!(ip.hop_limit, 255);
            (Icmpv6Type(heard.message.kind), heard.message.flags, heard.message.target(), heard.options)
        });
        all.push(Left { mac: ethernet.destination, ends: [ip.source(), ip.destination()], says });
        engine.recycle(transmit);
    }
    all
}

fn advertised(mac: MacAddr, [from, to]: [Ipv6Addr; 2], flags: u8, target: Option<MacAddr>) -> Left {
    let options = NeighbourOptions { source: None, target };
    Left { mac, ends: [from, to], says: Some((Icmpv6Type::NEIGHBOUR_ADVERTISEMENT, flags, from, options)) }
}

fn solicited(mac: MacAddr, to: Ipv6Addr) -> Left {
    let options = NeighbourOptions { source: Some(OUR_MAC), target: None };
    let says = Some((Icmpv6Type::NEIGHBOUR_SOLICITATION, 0, THEIRS, options));
    Left { mac, ends: [OURS_ON_LINK, to], says }
}

fn spoken(mac: MacAddr) -> Left {
    Left { mac, ends: [OURS, THEIRS], says: None }
}

/// Makes the neighbour known, by its answer at the first second.
fn acquainted() -> Engine {
    let mut engine = gateway();
    speaks(&mut engine, 0);
    let group = solicited_node(THEIRS);
    assert_eq!(
        left(&mut engine),
        [solicited(group_mac(group), group)],
        "everybody is asked, of the link's own address"
    );
    let answer = NeighbourMessage::advertisement(THEIRS, SOLICITED | OVERRIDE, THEIR_MAC);
    comes(&mut engine, 0, [THEIRS, OURS_ON_LINK], &answer);
    assert_eq!(left(&mut engine), [spoken(THEIR_MAC)], "what has waited leaves");
    engine
}

#[test]
fn who_asks_everybody_is_told_the_address_and_who_asks_in_person_only_that_it_is_right() {
    let mut engine = gateway();
    for own in [OURS, OURS_ON_LINK] {
        let question = NeighbourMessage::solicitation(own, THEIR_MAC);
        comes(&mut engine, 0, [THEIRS, solicited_node(own)], &question);
        let flags = ROUTER | SOLICITED | OVERRIDE;
        assert_eq!(left(&mut engine), [advertised(THEIR_MAC, [own, THEIRS], flags, Some(OUR_MAC))]);
        comes(&mut engine, 0, [THEIRS, own], &question);
        assert_eq!(left(&mut engine), [advertised(THEIR_MAC, [own, THEIRS], ROUTER | SOLICITED, None)]);
    }
    let not_ours = NeighbourMessage::solicitation(THEIRS, THEIR_MAC);
    comes(&mut engine, 0, [THEIRS, OURS], &not_ours);
    assert_eq!(left(&mut engine), []);
}

#[test]
fn who_wants_to_take_an_address_of_ours_is_told_before_everybody() {
    let mut engine = gateway();
    let question = &NeighbourMessage::solicitation(OURS, THEIR_MAC)[..NeighbourMessage::LEN];
    comes(&mut engine, 0, [Ipv6Addr::UNSPECIFIED, solicited_node(OURS)], question);
    let answer = advertised(group_mac(ALL_NODES), [OURS, ALL_NODES], ROUTER | OVERRIDE, Some(OUR_MAC));
    assert_eq!(left(&mut engine), [answer]);
}

#[test]
fn who_asks_is_known_from_then_on() {
    let mut engine = gateway();
    comes(&mut engine, 0, [THEIRS, OURS], &NeighbourMessage::solicitation(OURS, THEIR_MAC));
    left(&mut engine);
    speaks(&mut engine, 1);
    assert_eq!(left(&mut engine), [spoken(THEIR_MAC)]);
}

#[test]
fn a_stale_neighbour_is_asked_in_person_and_need_not_repeat_its_address() {
    let mut engine = acquainted();
    engine.handle_timeout(at(31));
    speaks(&mut engine, 100);
    assert_eq!(left(&mut engine), [spoken(THEIR_MAC)], "what is stale is used");
    engine.handle_timeout(at(105));
    assert_eq!(left(&mut engine), [solicited(THEIR_MAC, THEIRS)]);
    let answer = &NeighbourMessage::advertisement(THEIRS, SOLICITED, THEIR_MAC)[..NeighbourMessage::LEN];
    comes(&mut engine, 105, [THEIRS, OURS_ON_LINK], answer);
    for secs in 106..=110 {
        engine.handle_timeout(at(secs));
    }
    speaks(&mut engine, 111);
    assert_eq!(left(&mut engine), [spoken(THEIR_MAC)], "it is reachable, and not asked again");
}

#[test]
fn a_neighbour_that_is_silent_in_person_is_looked_for_anew() {
    let mut engine = acquainted();
    engine.handle_timeout(at(31));
    speaks(&mut engine, 100);
    left(&mut engine);
    for secs in 105..=107 {
        engine.handle_timeout(at(secs));
        assert_eq!(left(&mut engine), [solicited(THEIR_MAC, THEIRS)]);
    }
    engine.handle_timeout(at(108));
    speaks(&mut engine, 109);
    let group = solicited_node(THEIRS);
    assert_eq!(left(&mut engine), [solicited(group_mac(group), group)]);
}

#[test]
fn only_an_advertisement_that_overrides_moves_a_neighbour() {
    let mut engine = acquainted();
    for (flags, mac) in [(SOLICITED, THEIR_MAC), (0, THEIR_MAC), (OVERRIDE, OTHER_MAC)] {
        let elsewhere = NeighbourMessage::advertisement(THEIRS, flags, OTHER_MAC);
        comes(&mut engine, 1, [THEIRS, OURS_ON_LINK], &elsewhere);
        speaks(&mut engine, 1);
        assert_eq!(left(&mut engine), [spoken(mac)], "{flags:#x}");
    }
}

#[test]
fn an_advertisement_makes_nobody_known() {
    let mut engine = gateway();
    comes(&mut engine, 0, [THEIRS, ALL_NODES], &NeighbourMessage::advertisement(THEIRS, OVERRIDE, THEIR_MAC));
    speaks(&mut engine, 1);
    let group = solicited_node(THEIRS);
    assert_eq!(left(&mut engine), [solicited(group_mac(group), group)]);
}
