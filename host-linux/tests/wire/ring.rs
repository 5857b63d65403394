//! What AF_PACKET knows about frames crosses the rings in both directions.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Command,
    thread,
};

use towpath::af_packet::{PacketDevice, Ring, RingOptions};
use towpath_engine::{Checksum, DeviceId, DropReason, Frame, Gso, GsoKind, VlanTag};

use crate::{
    link::{Seen, Station, has_frames, next_frame, wait_for_frames},
    namespace::{in_namespace, ip, quieten},
    needs::lacks_programs,
    skip::skip,
};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
const TAGS: [VlanTag; 2] = [VlanTag { tpid: 0x8100, tci: 0xb123 }, VlanTag { tpid: 0x88a8, tci: 100 }];

/// Ethernet and IPv4: where the transport header starts.
const TRANSPORT_AT: u16 = 34;

#[test]
fn a_datagram_arrives_with_its_checksum_unfilled() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        client.udp(4000).send_to(b"hello", (NOBODY, 9)).unwrap();
        let seen = next_frame(&mut device, is_udp);
        assert_eq!(seen.checksum, Checksum::Partial { start: TRANSPORT_AT, offset: 6 });
        assert_eq!((seen.gso, seen.vlan), (None, None));
        assert_eq!(seen.wire_len as usize, seen.bytes.len());
        assert_eq!(&seen.bytes[42..], b"hello");
    });
}

#[test]
fn a_datagram_that_leaves_with_its_checksum_unfilled_is_taken_by_a_socket() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let socket = client.udp(4000);
        // Back to where it came from: both addresses and both ports swapped leave every sum as it is.
        socket.send_to(b"hello", (NOBODY, 4000)).unwrap();
        let seen = next_frame(&mut device, is_udp);
        let mut bytes = seen.bytes.clone();
        swap(&mut bytes, 0, 6, 6);
        swap(&mut bytes, 26, 30, 4);
        send(&mut device, &[&Seen { bytes, ..seen }]);
        let mut payload = [0; 16];
        let (len, from) = socket.recv_from(&mut payload).unwrap();
        assert_eq!((&payload[..len], from), (&b"hello"[..], (NOBODY, 4000).into()));
    });
}

#[test]
fn a_tag_beside_the_frame_leaves_inside_it_and_arrives_beside_it() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        for tag in TAGS {
            let sent = Seen { vlan: Some(tag), ..udp_frame(b"tagged") };
            send(&mut far, &[&sent]);
            assert_eq!(next_frame(&mut device, is_udp), sent);
        }
    });
}

#[test]
fn an_unfilled_checksum_stays_where_it_is_when_a_tag_is_inserted() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        let checksum = Checksum::Partial { start: TRANSPORT_AT, offset: 6 };
        let sent = Seen { checksum, vlan: Some(TAGS[0]), ..udp_frame(b"tagged") };
        send(&mut far, &[&sent]);
        assert_eq!(next_frame(&mut device, is_udp), sent);
    });
}

#[test]
fn a_super_packet_crosses_with_its_segment_size_with_and_without_a_tag() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        for (kind, offset) in [(GsoKind::Tcp4, 16), (GsoKind::Tcp4Ecn, 16), (GsoKind::Udp, 6)] {
            for vlan in [None, Some(TAGS[0])] {
                let protocol = if kind == GsoKind::Udp { UDP } else { TCP };
                let sent = Seen {
                    checksum: Checksum::Partial { start: TRANSPORT_AT, offset },
                    gso: Some(Gso { kind, size: 1400, segments: 0, fixed_id: false }),
                    vlan,
                    ..ip_frame(protocol, 40_000)
                };
                send(&mut far, &[&sent]);
                assert_eq!(next_frame(&mut device, |seen| seen.bytes.len() > 20_000), sent, "{kind:?}");
            }
        }
    });
}

#[test]
fn frames_longer_than_a_slot_keep_their_place_among_the_others() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        let gso = Some(Gso { kind: GsoKind::Tcp4, size: 1400, segments: 0, fixed_id: false });
        let checksum = Checksum::Partial { start: TRANSPORT_AT, offset: 16 };
        let sent: Vec<_> = (0..60_u16)
            .map(|number| match number % 3 {
                0 => Seen { gso, checksum, ..ip_frame(TCP, 10_000 + number) },
                _ => udp_frame(&[number as u8; 30]),
            })
            .collect();
        send(&mut far, &sent.iter().collect::<Vec<_>>());
        let seen: Vec<_> = sent.iter().map(|_| next_frame(&mut device, |_| true)).collect();
        assert_eq!(seen, sent);
    });
}

#[test]
fn more_frames_than_a_ring_has_slots_leave_in_order_with_what_belongs_to_each() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        let checksum = Checksum::Partial { start: TRANSPORT_AT, offset: 6 };
        let sent: Vec<_> = (0..2000_u16)
            .map(|number| Seen {
                checksum: if number % 2 == 0 { checksum } else { Checksum::None },
                vlan: (number % 3 == 0).then_some(TAGS[0]),
                ..udp_frame(&number.to_be_bytes().repeat(1 + usize::from(number) % 700))
            })
            .collect();
        for frames in sent.chunks(300) {
            send(&mut far, &frames.iter().collect::<Vec<_>>());
            for frame in frames {
                assert_eq!(next_frame(&mut device, |_| true), *frame);
            }
        }
        let counters = far.counters();
        assert_eq!((counters.sent_frames, counters.send_drops.total()), (2000, 0));
    });
}

#[test]
fn a_tcp_transfer_through_the_rings_goes_in_super_packets_and_arrives_whole() {
    in_namespace(|| {
        quieten();
        let (client, server) = (Station::new("ga", CLIENT), Station::new("gb", SERVER));
        let mut devices = [client.open(0), server.open(1)];
        let listener = server.namespace.within(|| TcpListener::bind((SERVER, 5000)).unwrap());
        let transfer = thread::spawn(move || client.namespace.within(|| upload(&pattern())));
        let sink = thread::spawn(move || {
            let mut received = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
            received
        });
        let (mut super_packets, mut unfilled) = (0, 0);
        while !sink.is_finished() {
            if !wait_for_frames(&[&devices[0], &devices[1]]) {
                break;
            }
            for from in 0..2 {
                let (one, other) = devices.split_at_mut(1);
                let (from, to) = if from == 0 { (&mut one[0], &mut other[0]) } else { (&mut other[0], &mut one[0]) };
                from.receive(64, |frames| {
                    super_packets +=
                        frames.iter().filter(|frame| frame.gso.is_some() && frame.bytes.len() > 1514).count();
                    unfilled +=
                        frames.iter().filter(|frame| matches!(frame.checksum, Checksum::Partial { .. })).count();
                    send_frames(to, frames);
                });
            }
        }
        transfer.join().unwrap();
        assert!(sink.join().unwrap() == pattern(), "what arrived is not what was sent");
        assert!(super_packets > 10, "{super_packets} super-packets");
        assert!(unfilled >= super_packets, "{unfilled} unfilled checksums");
    });
}

#[test]
fn what_a_gateway_sends_does_not_come_back_to_it() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        // Two sockets on one device: neither sees what the other sends either.
        let other = client.open(7);
        send(&mut device, &[&udp_frame(b"out")]);
        next_frame(&mut far, is_udp);
        assert!(!has_frames(&[&device, &other]));
    });
}

#[test]
fn what_a_device_does_not_take_is_dropped_by_name_and_the_rest_leaves() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        // The second has room in a slot.
        let too_long = [3000, 1501].map(|len| ip_frame(UDP, len));
        send(&mut device, &[&udp_frame(b"1"), &too_long[0], &too_long[1], &udp_frame(b"2")]);
        assert_eq!(next_frame(&mut far, is_udp), udp_frame(b"1"));
        assert_eq!(next_frame(&mut far, is_udp), udp_frame(b"2"));
        ip("link set ga down");
        send(&mut device, &[&udp_frame(b"3")]);
        let counters = device.counters();
        let drops: Vec<_> = counters.send_drops.iter().collect();
        assert_eq!(drops, [(DropReason::DeviceDown, 1), (DropReason::TransmitRefused, 2)]);
        assert_eq!((counters.sent_frames, counters.sent_bytes), (2, 2 * 43));
    });
}

#[test]
fn what_finds_a_devices_queue_full_is_offered_to_it_once_and_dropped_by_name() {
    in_namespace(|| {
        let test = "ring::what_finds_a_devices_queue_full_is_offered_to_it_once_and_dropped_by_name";
        if lacks_programs(test, &["tc"]) {
            return;
        }
        let (client, _) = client_and_device();
        let tc = |words: &str| Command::new("tc").args(words.split(' ')).output().unwrap();
        let made = tc("qdisc add dev ga root tbf rate 1mbit burst 2k limit 4000");
        let said = String::from_utf8_lossy(&made.stderr);
        if said.contains("qdisc kind is unknown") {
            return skip(test, "no token bucket filter in the kernel");
        }
        assert!(made.status.success(), "{said}");
        let options = RingOptions { qdisc_bypass: false, ..RingOptions::default() };
        let mut device = PacketDevice::open("ga", DeviceId(0), options).unwrap();
        send(&mut device, &vec![&udp_frame(&[7; 800]); 100]);
        let counters = device.counters();
        let drops: Vec<_> = counters.send_drops.iter().collect();
        let [(DropReason::TransmitQueueFull, dropped)] = drops[..] else { panic!("{drops:?}") };
        assert_eq!(counters.sent_frames + dropped, 100);
        let told = String::from_utf8(tc("-s qdisc show dev ga").stdout).unwrap();
        assert!(told.contains(&format!("(dropped {dropped}, ")), "{dropped}: {told}");
        drop(client);
    });
}

#[test]
fn a_device_that_went_down_says_so_once_and_works_again_when_it_is_up() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        assert!(device.take_error().is_none());
        ip("link set ga down");
        assert_eq!(device.take_error().unwrap().raw_os_error(), Some(libc::ENETDOWN));
        assert!(device.take_error().is_none());
        ip("link set ga up");
        let mut far = client.packet_device();
        send(&mut device, &[&udp_frame(b"again")]);
        assert_eq!(next_frame(&mut far, is_udp), udp_frame(b"again"));
    });
}

#[test]
fn what_is_for_a_device_that_is_down_is_all_dropped_by_name_and_what_comes_when_it_is_up_leaves() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        ip("link set ga down");
        send(&mut device, &vec![&udp_frame(b"lost"); 1000]);
        let lost = |device: &mut PacketDevice| device.counters().send_drops.iter().collect::<Vec<_>>();
        assert_eq!(lost(&mut device), [(DropReason::DeviceDown, 1000)]);
        ip("link set ga up");
        ip("link set ga down");
        ip("link set ga up");
        let mut far = client.packet_device();
        send(&mut device, &[&udp_frame(b"again"); 10]);
        assert_eq!(next_frame(&mut far, is_udp), udp_frame(b"again"));
        let [(DropReason::DeviceDown, lost)] = lost(&mut device)[..] else { panic!("no other reason") };
        assert!(lost <= 1001, "{lost}: its sockets say only once that it was down");
        assert_eq!(device.counters().sent_frames + lost, 1010);
    });
}

#[test]
fn what_a_full_ring_loses_is_counted() {
    in_namespace(|| {
        let (client, _) = client_and_device();
        let options = RingOptions { slots: 128, ..RingOptions::default() };
        let mut device = PacketDevice::open("ga", DeviceId(0), options).unwrap();
        let mut far = client.packet_device();
        let frame = udp_frame(b"one of many");
        let frames = vec![&frame; 2000];
        send(&mut far, &frames);
        let mut received = 0;
        loop {
            assert!(wait_for_frames(&[&device]), "{received} frames came");
            received += device.receive(64, |_| {}).frames as u64;
            let lost = device.counters().receive_drops.total();
            if received + lost == 2000 {
                assert!(lost > 0 && received >= 128, "{lost} lost, {received} received");
                let reasons: Vec<_> = device.counters().receive_drops.iter().map(|(reason, _)| reason).collect();
                return assert_eq!(reasons, [DropReason::ReceiveRingFull]);
            }
        }
    });
}

#[test]
fn super_packets_beyond_the_sockets_memory_are_lost_by_name_and_the_others_arrive_whole() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        let sent = Seen {
            checksum: Checksum::Partial { start: TRANSPORT_AT, offset: 16 },
            gso: Some(Gso { kind: GsoKind::Tcp4, size: 1400, segments: 0, fixed_id: false }),
            ..ip_frame(TCP, 60_000)
        };
        // 60 MB: several times what any of the system's limits grants.
        send(&mut far, &vec![&sent; 1000]);
        let mut whole = 0;
        loop {
            device.receive(64, |frames| {
                assert!(frames.iter().all(|frame| frame.bytes == sent.bytes && frame.gso == sent.gso));
                whole += frames.len() as u64;
            });
            let lost: Vec<_> = device.counters().receive_drops.iter().collect();
            match lost[..] {
                [] => {}
                [(DropReason::ReceiveMemory, lost)] if whole + lost < 1000 => {}
                [(DropReason::ReceiveMemory, lost)] => {
                    return assert!(whole > 5 && lost > 5, "{whole} arrived, {lost} lost");
                }
                [..] => panic!("{lost:?}"),
            }
            assert!(wait_for_frames(&[&device]), "{whole} arrived, lost {lost:?}");
        }
    });
}

pub(crate) fn client_and_device() -> (Station, PacketDevice) {
    quieten();
    let client = Station::new("ga", CLIENT);
    client.knows(NOBODY, "02:00:00:00:00:77");
    let device = client.open(0);
    (client, device)
}

fn is_udp(seen: &Seen) -> bool {
    seen.bytes[12..14] == [8, 0] && seen.bytes[23] == UDP
}

pub(crate) fn send(device: &mut PacketDevice, frames: &[&Seen]) {
    let frames: Vec<_> = frames
        .iter()
        .map(|seen| Frame {
            checksum: seen.checksum,
            gso: seen.gso,
            vlan: seen.vlan,
            ..Frame::new(DeviceId(0), &seen.bytes)
        })
        .collect();
    send_frames(device, &frames);
}

/// Sends all of them; a veth link takes what there is memory for.
fn send_frames(device: &mut PacketDevice, frames: &[Frame<'_>]) {
    let mut sent = 0;
    while sent < frames.len() {
        sent += device.send(&frames[sent..]);
    }
}

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

fn udp_frame(payload: &[u8]) -> Seen {
    let mut frame = ip_frame(UDP, 20 + 8 + payload.len() as u16);
    frame.bytes[42..].copy_from_slice(payload);
    frame
}

/// An Ethernet frame with an IPv4 packet of `len` bytes that nobody takes, of a transport header with sensible lengths.
pub(crate) fn ip_frame(protocol: u8, len: u16) -> Seen {
    let mut bytes = vec![0; 14 + usize::from(len)];
    bytes[..14].copy_from_slice(&[2, 0, 0, 0, 0, 0x77, 2, 0, 0, 0, 0, 1, 8, 0]);
    bytes[14] = 0x45;
    bytes[16..18].copy_from_slice(&len.to_be_bytes());
    bytes[22..24].copy_from_slice(&[64, protocol]);
    bytes[26..30].copy_from_slice(&CLIENT.octets());
    bytes[30..34].copy_from_slice(&NOBODY.octets());
    match protocol {
        TCP => bytes[46] = 0x50,
        _ => bytes[38..40].copy_from_slice(&(len - 20).to_be_bytes()),
    }
    let wire_len = bytes.len() as u32;
    Seen { bytes, wire_len, checksum: Checksum::None, gso: None, vlan: None }
}

fn swap(bytes: &mut [u8], one: usize, other: usize, len: usize) {
    for at in 0..len {
        bytes.swap(one + at, other + at);
    }
}

/// Eight megabytes that do not repeat soon.
fn pattern() -> Vec<u8> {
    (0..2_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn upload(bytes: &[u8]) {
    TcpStream::connect((SERVER, 5000)).unwrap().write_all(bytes).unwrap();
}
