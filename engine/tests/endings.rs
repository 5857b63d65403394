//! How packets that are held end: twice, under one number.

mod traffic;

use core::{net::Ipv4Addr, time::Duration};

use towpath_engine::{
    Checksum, Command, DeviceId, DropReason, End, Engine, Frame, Gso, GsoKind, Instant, Outcome, Subscription, TimerId,
    device::{Device, Feature, InterfaceAddress},
    ending::Holder,
    ip::{Route, RouteKind, RouteMetrics},
    wire::{MacAddr, checksum},
};
use traffic::{Header, LAN, frame, pass, router};

/// A network where Ethernet addresses have to be asked for.
const ASKED: DeviceId = DeviceId(2);
const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 3, 1];
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 3, 9];

#[test]
fn a_packet_that_waits_for_its_neighbour_ends_again_when_that_answers() {
    let mut engine = observed();
    pass(&mut engine, Instant::from_secs(1), LAN, &datagram());
    assert_eq!(endings(&mut engine), [(1, Outcome::Ended(End::Held(Holder::Neighbour)))]);
    pass(&mut engine, Instant::from_secs(1), ASKED, &arp_reply());
    let expected = [(1, Outcome::Ended(End::Transmitted(ASKED))), (2, Outcome::Ended(End::Consumed))];
    assert_eq!(endings(&mut engine), expected);
}

#[test]
fn a_packet_whose_neighbour_never_answers_is_dropped_under_its_number() {
    let mut engine = observed();
    pass(&mut engine, Instant::from_secs(1), LAN, &datagram());
    endings(&mut engine);
    while let Some((when, _)) = engine.poll_timeout() {
        engine.handle_timeout(when);
    }
    assert_eq!(endings(&mut engine), [(1, Outcome::Dropped(DropReason::NeighbourFailed))]);
}

#[test]
fn a_super_packet_whose_segments_leave_in_fragments_ends_once_more_when_all_have_left() {
    let mut engine = observed();
    let kind = RouteKind::Unicast { device: ASKED, via: None };
    let destination = Ipv4Addr::new(172, 16, 0, 0).into();
    let narrow = Route { metrics: RouteMetrics::of_mtu(Some(600)), ..Route::new(destination, 28, kind) };
    engine.handle_command(Instant::ZERO, Command::AddRoute(narrow)).expect("a right route");
    let mut bytes = datagram();
    bytes.resize(14 + 20 + 8 + 3000, 0);
    let len = (bytes.len() - 14) as u16;
    bytes[16..18].copy_from_slice(&len.to_be_bytes());
    bytes[38..40].copy_from_slice(&(len - 20).to_be_bytes());
    bytes[24..26].fill(0);
    let sum = !checksum::sum(&bytes[14..34]);
    bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    let gso = Some(Gso { kind: GsoKind::Udp, size: 1000, segments: 0, fixed_id: false });
    let frame = Frame { checksum: Checksum::Partial { start: 34, offset: 6 }, gso, ..Frame::new(LAN, &bytes) };
    engine.handle_frames(Instant::from_secs(1), &[frame]);
    assert_eq!(endings(&mut engine), [(1, Outcome::Ended(End::Held(Holder::Neighbour)))]);
    let sent = pass(&mut engine, Instant::from_secs(1), ASKED, &arp_reply());
    assert_eq!(sent.len(), 1 + 6, "the question, and two fragments of each segment");
    let expected = [(1, Outcome::Ended(End::Transmitted(ASKED))), (2, Outcome::Ended(End::Consumed))];
    assert_eq!(endings(&mut engine), expected);
}

#[test]
fn a_fragment_ends_again_as_a_part_of_the_datagram_that_another_one_completes() {
    let mut engine = observed();
    for part in fragments() {
        pass(&mut engine, Instant::from_secs(1), LAN, &part);
    }
    let held = Outcome::Ended(End::Held(Holder::Defrag));
    let joined = Outcome::Ended(End::Joined);
    let waits = Outcome::Ended(End::Held(Holder::Neighbour));
    assert_eq!(endings(&mut engine), [(1, held), (1, joined), (2, waits)]);
}

#[test]
fn a_frame_that_joins_an_earlier_one_ends_at_once_and_that_one_when_both_have_left() {
    let mut engine = observed();
    let timeout = Duration::from_millis(1);
    for command in [
        Command::SetFeature(LAN, Feature::GRO, true),
        Command::SetFeature(LAN, Feature::UDP_GRO_FORWARDING, true),
        Command::SetGroFlushTimeout(LAN, timeout),
    ] {
        engine.handle_command(Instant::ZERO, command).expect("a right command");
    }
    let [held, joined] = [End::Held(Holder::Gro), End::Joined].map(Outcome::Ended);
    let waits = Outcome::Ended(End::Held(Holder::Neighbour));
    let bytes = datagram();
    let frame = Frame::new(LAN, &bytes);
    engine.handle_frames(Instant::from_secs(1), &[frame, frame, Frame::new(LAN, &bytes[..9])]);
    let broken = (3, Outcome::Dropped(DropReason::LinkTruncated));
    assert_eq!(endings(&mut engine), [(2, joined), (1, held), broken]);
    assert_eq!((engine.waiting_packets(), engine.stats().gro_joined), (1, 1));
    assert_eq!(engine.poll_timeout().map(|(when, _)| when), Some(Instant::from_secs(1) + timeout));
    engine.handle_timeout(Instant::from_secs(1) + timeout);
    assert_eq!(endings(&mut engine), [(1, waits)]);
    engine.handle_frames(Instant::from_secs(2), &[frame]);
    assert_eq!(endings(&mut engine), [(4, held)]);
    engine.handle_command(Instant::from_secs(2), Command::SetFeature(LAN, Feature::GRO, false)).expect("it is there");
    assert_eq!(endings(&mut engine), [(4, waits)], "a device that merges no more keeps nothing");
    assert_ne!(engine.poll_timeout().map(|(_, timer)| timer), Some(TimerId::Gro));
}

#[test]
fn fragments_that_wait_in_vain_end_again_when_their_time_is_over() {
    let mut engine = observed();
    let [first, _] = fragments();
    pass(&mut engine, Instant::from_secs(1), LAN, &first);
    engine.handle_timeout(Instant::from_secs(1) + Duration::from_secs(60));
    let held = Outcome::Ended(End::Held(Holder::Defrag));
    assert_eq!(endings(&mut engine), [(1, held), (1, Outcome::Dropped(DropReason::FragmentTimeout))]);
}

#[test]
fn numbers_go_on_behind_a_snapshot() {
    let mut engine = observed();
    pass(&mut engine, Instant::from_secs(1), ASKED, &arp_reply());
    let mut restored = Engine::restore(&engine.save(), Default::default()).expect("it is whole");
    pass(&mut restored, Instant::from_secs(1), ASKED, &arp_reply());
    assert_eq!(endings(&mut restored), [(2, Outcome::Ended(End::Consumed))]);
}

fn observed() -> Engine {
    let mut engine = router("");
    let device = Device {
        name: "asked".into(),
        mac: MacAddr(OWN_MAC),
        mtu_bytes: 1500,
        addresses: vec![InterfaceAddress { address: Ipv4Addr::new(172, 16, 0, 1).into(), prefix: 24 }],
        any_destination: false,
        arp: true,
        ..Device::default()
    };
    let endings = Subscription { endings: true, ..Subscription::default() };
    for command in [Command::AddDevice(device), Command::Subscribe(endings)] {
        engine.handle_command(Instant::ZERO, command).expect("a right command");
    }
    engine
}

fn endings(engine: &mut Engine) -> Vec<(u64, Outcome)> {
    core::iter::from_fn(|| engine.poll_ending()).map(|ending| (ending.frame, ending.outcome)).collect()
}

/// A datagram to a host whose Ethernet address nobody knows.
fn datagram() -> Vec<u8> {
    let ends = (Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(172, 16, 0, 9));
    let header = Header { source: ends.0, destination: ends.1, ports: (5000, 5001), flags: None, ttl: 64, tos: 0 };
    frame(LAN, &header)
}

/// The same in two parts: the first has the UDP header and eight bytes.
fn fragments() -> [Vec<u8>; 2] {
    let whole = datagram();
    let part = |range: core::ops::Range<usize>, field: u16| {
        let mut part = whole[..34].to_vec();
        part.extend_from_slice(&whole[34..][range]);
        let len = (part.len() - 14) as u16;
        part[16..18].copy_from_slice(&len.to_be_bytes());
        part[20..22].copy_from_slice(&field.to_be_bytes());
        part[24..26].fill(0);
        let sum = !checksum::sum(&part[14..34]);
        part[24..26].copy_from_slice(&sum.to_be_bytes());
        part
    };
    [part(0..16, 0x2000), part(16..whole.len() - 34, 2)]
}

/// The host says where it is.
fn arp_reply() -> Vec<u8> {
    let mut reply = [&OWN_MAC[..], &HOST_MAC, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &HOST_MAC, &[172, 16, 0, 9]].concat();
    reply.extend_from_slice(&[&OWN_MAC[..], &[172, 16, 0, 1]].concat());
    reply
}
