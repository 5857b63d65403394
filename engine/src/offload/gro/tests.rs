use alloc::{collections::BTreeMap, vec, vec::Vec};

use proptest::prelude::*;
use zerocopy::{FromZeros, IntoBytes};

use super::*;
use crate::{
    frame::DeviceId,
    limits::{GRO_BYTES_MAX, GRO_DATAGRAMS_MAX},
    offload::{checksum, gso::Segments},
    packet::{Gso, GsoKind, Head, VlanTag},
    wire::{EtherType, Ipv4Header, Ipv6Header, Protocol, TcpFlags, TcpHeader, UdpHeader},
};

/// A sender's stream, which it cuts by itself.
#[derive(Clone, Debug)]
struct Stream {
    is_v6: bool,
    is_udp: bool,
    port: u16,
    size: usize,
    fixed_id: bool,
    flags: TcpFlags,
}

impl Stream {
    /// The frame of segment `index`, of `len` payload bytes, with a right checksum.
    fn frame(&self, index: usize, len: usize, flags: TcpFlags) -> Vec<u8> {
        let at = index * self.size;
        let transport = if self.is_udp {
            let len = ((UdpHeader::LEN + len) as u16).into();
            let header = UdpHeader { source_port: self.port.into(), len, checksum: [1, 1], ..UdpHeader::new_zeroed() };
            Vec::from(header.as_bytes())
        } else {
            let header = TcpHeader {
                source_port: self.port.into(),
                seq: (0xffff_f000_u32.wrapping_add(at as u32)).into(),
                data_offset: 5 << 4,
                flags,
                ..TcpHeader::new_zeroed()
            };
            Vec::from(header.as_bytes())
        };
        let payload: Vec<u8> = (at..at + len).map(|byte| (byte / 3) as u8).collect();
        let transport = [transport, payload].concat();
        let protocol = if self.is_udp { Protocol::UDP } else { Protocol::TCP };
        let (ether_type, network) = if self.is_v6 {
            let mut ip = Ipv6Header::new_zeroed();
            ip.version_class_label = 0x6000_0000.into();
            (ip.next_header, ip.hop_limit) = (protocol.0, 64);
            (ip.source, ip.destination) = ([0xfd; 16], [0xfe; 16]);
            (EtherType::IPV6, Head::from(ip).before(&transport))
        } else {
            let mut ip = Ipv4Header::new_zeroed();
            let id = if self.fixed_id { 7 } else { 0xfffe_u16.wrapping_add(index as u16) };
            (ip.protocol, ip.ttl, ip.id) = (protocol.0, 64, id.into());
            (ip.source, ip.destination) = ([10, 0, 0, 1], [10, 0, 0, 2]);
            (EtherType::IPV4, Head::from(ip).before(&transport))
        };
        let bytes = [&[2; 12][..], &ether_type.0.to_be_bytes(), &network].concat();
        let mut packet = parsed(&Frame::new(DeviceId(0), &bytes));
        checksum::fill(&mut packet, &Routines::PORTABLE);
        all_of(&packet)
    }
}

/// Merges frames as one poll does.
fn merge(frames: &[Vec<u8>], merges_udp: bool) -> Vec<Packet> {
    merge_or_list(frames, merges_udp, false)
}

/// The same, or keeps them as they come.
fn merge_or_list(frames: &[Vec<u8>], merges_udp: bool, lists: bool) -> Vec<Packet> {
    let frames: Vec<_> = frames.iter().map(|bytes| Frame::new(DeviceId(0), bytes)).collect();
    merge_all(&frames, merges_udp, lists)
}

fn merge_frames(frames: &[Frame<'_>], merges_udp: bool) -> Vec<Packet> {
    merge_all(frames, merges_udp, false)
}

fn merge_all(frames: &[Frame<'_>], merges_udp: bool, lists: bool) -> Vec<Packet> {
    let (mut gro, mut pool, mut leaving) = (Gro::default(), Pool::new(), Leaving::new());
    for (number, frame) in (1..).zip(frames) {
        let arrival = Arrival {
            frame,
            number,
            hash: 0,
            merging: Merging { udp: merges_udp, lists, ..Merging::GRO },
            may_wait: true,
        };
        gro.receive(Instant::ZERO, &arrival, &mut pool, &Routines::PORTABLE, &mut leaving);
    }
    let held = gro.numbers().count();
    assert_eq!(held, gro.len());
    gro.flush(Instant::ZERO, false, &mut leaving);
    assert!(gro.is_empty() && gro.bytes() == 0);
    leaving.into_iter().map(|packet| packet.and_then(Packet::found).expect("they are right")).collect()
}

/// The frames that a device which cuts makes of a packet.
fn cut(packet: &Packet) -> Vec<Vec<u8>> {
    let mut pool = Pool::new();
    let Some(mut segments) = Segments::of(packet) else { return vec![all_of(packet)] };
    let parts = core::iter::from_fn(|| segments.next(&mut pool));
    let mut sent = Vec::new();
    for mut part in parts {
        checksum::complete(&mut part, &Routines::PORTABLE);
        sent.push(all_of(&part));
    }
    sent
}

fn parsed(frame: &Frame<'_>) -> Packet {
    Packet::parse(&mut Pool::new(), frame).expect("it is right")
}

fn all_of(packet: &Packet) -> Vec<u8> {
    packet.linear().iter().copied().chain(packet.fragments().flatten().copied()).collect()
}

fn streams() -> impl Strategy<Value = Vec<Stream>> {
    let stream = (any::<bool>(), any::<bool>(), prop_oneof![1_usize..40, 1000_usize..2500], any::<bool>(), 0..4_usize);
    let flags = [TcpFlags::ACK, TcpFlags(0x50), TcpFlags(0x90), TcpFlags(0x12)];
    prop::collection::vec(stream, 1..4).prop_map(move |all| {
        let stream = |(index, (is_v6, is_udp, size, fixed_id, flag)): (usize, _)| Stream {
            is_v6,
            is_udp,
            port: index as u16,
            size,
            // Datagrams of one identification are numbered anew.
            fixed_id: fixed_id && !is_udp,
            flags: flags[flag],
        };
        all.into_iter().enumerate().map(stream).collect()
    })
}

/// Which stream sends next, how short its segment is, and with which flags beside its usual ones.
fn turns() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
    let odd = prop_oneof![4 => Just(0_u8), 1 => any::<u8>()];
    let short = prop_oneof![8 => Just(0_usize), 1 => 0..2500_usize];
    prop::collection::vec((0..3_usize, short, odd), 1..64)
}

proptest! {
    #[test]
    fn what_is_merged_is_cut_into_the_same_frames_again_each_stream_in_order(
        streams in streams(), turns in turns(), merges_udp: bool, lists: bool,
    ) {
        // Lists are numbered anew as well.
        let stream = |stream: Stream| Stream { fixed_id: stream.fixed_id && !lists, ..stream };
        let streams: Vec<_> = streams.into_iter().map(stream).collect();
        let (mut frames, mut sent) = (Vec::new(), vec![0; streams.len()]);
        for (turn, short, odd) in turns {
            let which = turn % streams.len();
            let stream = &streams[which];
            let flags = TcpFlags(stream.flags.0 ^ odd);
            // An empty datagram is none to merging, and overtakes what is held.
            frames.push(stream.frame(sent[which], stream.size.saturating_sub(short).max(usize::from(stream.is_udp)), flags));
            sent[which] += 1;
        }
        let packets = merge_or_list(&frames, merges_udp, lists);
        prop_assert!(packets.len() <= frames.len());
        let mut again = BTreeMap::<_, Vec<_>>::new();
        let key = |frame: &[u8]| {
            let transport = if frame[12] == 8 { 34 } else { 54 };
            frame[transport..transport + 2].to_vec()
        };
        for frame in packets.iter().flat_map(cut) {
            again.entry(key(&frame)).or_default().push(frame);
        }
        let mut before = BTreeMap::<_, Vec<_>>::new();
        for frame in frames {
            before.entry(key(&frame)).or_default().push(frame);
        }
        prop_assert_eq!(again, before);
    }

    #[test]
    fn no_bytes_make_it_panic(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..8), at in 0..60_usize, large in any::<bool>()) {
        let right = stream().frame(0, 20, TcpFlags::ACK);
        let (mut gro, mut pool, mut leaving) = (Gro::default(), Pool::new(), Leaving::new());
        for bytes in &frames {
            // Half right, half by chance.
            let at = at.min(bytes.len());
            let bytes = [&right[..at], &bytes[at..]].concat();
            for bytes in [&bytes, &right] {
                let frame = Frame::new(DeviceId(0), bytes);
                let arrival = Arrival { frame: &frame, number: 1, hash: 0, merging: Merging { udp: true, large, ..Merging::GRO }, may_wait: true };
                gro.receive(Instant::ZERO, &arrival, &mut pool, &Routines::PORTABLE, &mut leaving);
            }
        }
        gro.flush(Instant::ZERO, false, &mut leaving);
        prop_assert_eq!(leaving.iter().flatten().count() + leaving.iter().filter(|left| left.is_err()).count(), leaving.len());
    }
}

#[test]
fn a_merged_packet_stays_below_64_kilobytes_and_64_datagrams() {
    let tcp = stream();
    let tcp = Stream { size: 1448, ..tcp };
    let frames: Vec<_> = (0..60).map(|index| tcp.frame(index, 1448, TcpFlags::ACK)).collect();
    let packets = merge(&frames, false);
    assert_eq!(packets.iter().map(Packet::payload_len).collect::<Vec<_>>(), [45 * 1448, 15 * 1448]);
    assert!(packets[0].network_len() < GRO_BYTES_MAX && packets[0].network_len() + 1448 >= GRO_BYTES_MAX);
    let udp = Stream { is_udp: true, ..tcp };
    let udp = Stream { size: 10, ..udp };
    let frames: Vec<_> = (0..70).map(|index| udp.frame(index, 10, TcpFlags::default())).collect();
    let counts: Vec<_> = merge(&frames, true).iter().map(|packet| packet.payload_len() / 10).collect();
    assert_eq!(counts, [usize::from(GRO_DATAGRAMS_MAX), 6]);
    assert_eq!(merge(&frames, false).len(), 70, "unless it is asked for");
}

#[test]
fn of_nine_flows_in_one_part_the_first_goes_on() {
    let mut frames = Vec::new();
    for round in 0..2 {
        for port in 0..9 {
            frames.push(Stream { port, ..stream() }.frame(round, 20, TcpFlags::ACK));
        }
    }
    let ports = |packets: &[Packet]| {
        let port = |packet: &Packet| packet.tcp().map_or(0, |tcp| tcp.source_port.get());
        packets.iter().map(|packet| (port(packet), packet.payload_len() / 20)).collect::<Vec<_>>()
    };
    // Each one that comes takes the place of the next one that would have been continued.
    let told = ports(&merge(&frames, false));
    assert_eq!(told.len(), 18);
    assert!(told.iter().all(|(_, segments)| *segments == 1));
    let eight: Vec<_> =
        frames.iter().enumerate().filter(|(index, _)| index % 9 != 8).map(|(_, frame)| frame.clone()).collect();
    assert_eq!(ports(&merge(&eight, false)), Vec::from_iter((0..8).map(|port| (port, 2))));
}

#[test]
fn frames_of_different_stations_tags_and_hashes_are_never_merged() {
    let frames: Vec<_> = (0..2).map(|index| stream().frame(index, 20, TcpFlags::ACK)).collect();
    let plain: Vec<_> = frames.iter().map(|bytes| Frame::new(DeviceId(0), bytes)).collect();
    assert_eq!(merge_frames(&plain, false).len(), 1);
    let mut other = frames[1].clone();
    other[7] ^= 1;
    assert_eq!(merge_frames(&[plain[0], Frame::new(DeviceId(0), &other)], false).len(), 2);
    let tag = |tci| Some(VlanTag { tpid: 0x8100, tci });
    let tagged = |first, second| [Frame { vlan: first, ..plain[0] }, Frame { vlan: second, ..plain[1] }];
    assert_eq!(merge_tagged(&tagged(tag(5), tag(5))), 1);
    assert_eq!(merge_tagged(&tagged(tag(5), tag(6))), 2);
    assert_eq!(merge_tagged(&tagged(tag(5), tag(0x2005))), 2, "of another priority");
    assert_eq!(merge_tagged(&tagged(None, tag(5))), 2);
    let between: Vec<_> = [5, 5, 6].map(|id| with_tag(&frames[usize::from(id == 6)], id)).into();
    let second = with_tag(&frames[1], 5);
    assert_eq!(merge_tagged(&[Frame::new(DeviceId(0), &between[0]), Frame::new(DeviceId(0), &second)]), 1);
    assert_eq!(merge_tagged(&[Frame::new(DeviceId(0), &between[0]), Frame::new(DeviceId(0), &between[2])]), 2);
    let (mut gro, mut pool, mut leaving) = (Gro::default(), Pool::new(), Leaving::new());
    for (hash, frame) in [(8, &plain[0]), (16, &plain[1])] {
        let arrival = Arrival { frame, number: 1, hash, merging: Merging::GRO, may_wait: true };
        gro.receive(Instant::ZERO, &arrival, &mut pool, &Routines::PORTABLE, &mut leaving);
    }
    assert_eq!(gro.len(), 2, "they lie in the same part");
}

/// How many packets leave, before their tags are off.
fn merge_tagged(frames: &[Frame<'_>]) -> usize {
    let (mut gro, mut pool, mut leaving) = (Gro::default(), Pool::new(), Leaving::new());
    for frame in frames {
        let arrival = Arrival { frame, number: 1, hash: 0, merging: Merging::GRO, may_wait: true };
        gro.receive(Instant::ZERO, &arrival, &mut pool, &Routines::PORTABLE, &mut leaving);
    }
    gro.len()
}

fn with_tag(frame: &[u8], id: u8) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, id], &frame[12..]].concat()
}

#[test]
fn super_packets_of_one_size_are_merged_and_the_shorter_one_ends_it() {
    let tcp = Stream { size: 100, ..stream() };
    let whole: Vec<_> = [(0, 300), (3, 200), (5, 150)].map(|(index, len)| tcp.frame(index, len, TcpFlags::ACK)).into();
    let gso = Some(Gso { kind: GsoKind::Tcp4, size: 100, segments: 0, fixed_id: false });
    let mut frames: Vec<_> = whole.iter().map(|bytes| Frame { gso, ..Frame::new(DeviceId(0), bytes) }).collect();
    let told = |packets: Vec<Packet>| {
        packets
            .iter()
            .map(|packet| (packet.payload_len(), packet.meta().gso.map(|gso| gso.segments)))
            .collect::<Vec<_>>()
    };
    // Their identifications count segments; `frame` counts frames of them.
    assert_eq!(told(merge_frames(&frames, false)), [(650, Some(7))]);
    frames[1].gso = Some(Gso { kind: GsoKind::Tcp4, size: 99, segments: 0, fixed_id: false });
    assert_eq!(merge_frames(&frames, false).len(), 3);
}

#[test]
fn payloads_that_join_another_lie_behind_it_in_few_pieces_that_never_move() {
    let tcp = Stream { size: 1448, ..stream() };
    let frames: Vec<_> = (0..20).map(|index| tcp.frame(index, 1448, TcpFlags::ACK)).collect();
    let packets = merge(&frames, false);
    assert_eq!(packets.len(), 1);
    // Each further piece has room for half as much as there is.
    let segments = packets[0].fragments().map(|part| part.len() / 1448).collect::<Vec<_>>();
    assert_eq!(segments, [1, 1, 1, 2, 2, 4, 5, 3]);
    assert_eq!(packets[0].touched().copies, 0);
}

#[test]
fn what_has_come_within_a_clock_tick_is_not_old() {
    let frame = stream().frame(0, 20, TcpFlags::ACK);
    let frame = Frame::new(DeviceId(0), &frame);
    let (mut gro, mut pool, mut leaving) = (Gro::default(), Pool::new(), Leaving::new());
    let arrival = Arrival { frame: &frame, number: 1, hash: 0, merging: Merging::GRO, may_wait: true };
    gro.receive(Instant::from_nanos(8_000_000), &arrival, &mut pool, &Routines::PORTABLE, &mut leaving);
    gro.flush(Instant::from_nanos(11_999_999), true, &mut leaving);
    assert_eq!((gro.len(), leaving.len()), (1, 0));
    gro.flush(Instant::from_nanos(12_000_000), true, &mut leaving);
    assert_eq!((gro.len(), leaving.len()), (0, 1));
}

#[test]
fn frames_that_are_kept_as_they_came_have_the_checksums_that_they_came_with() {
    for is_udp in [false, true] {
        let stream = Stream { size: 100, is_udp, ..stream() };
        let mut frames: Vec<_> = (0..5).map(|index| stream.frame(index, 100, TcpFlags::ACK)).collect();
        // What the device has said it verified is what it is, right or wrong.
        frames[2][60] ^= 0x55;
        let trusted = |bytes| Frame { checksum: Checksum::Unnecessary, ..Frame::new(DeviceId(0), bytes) };
        let packets = merge_all(&frames.iter().map(|bytes| trusted(bytes)).collect::<Vec<_>>(), false, true);
        assert_eq!(packets.len(), 1);
        assert!(packets[0].is_list() && packets[0].meta().checksum == Checksum::Unnecessary);
        assert_eq!(cut(&packets[0]), frames);
        let copy = packets[0].copy(&mut Pool::new());
        assert_eq!(cut(&copy), frames);
        assert!(
            packets[0].memory_bytes()
                > merge_all(&frames[..1].iter().map(|bytes| trusted(bytes)).collect::<Vec<_>>(), false, true)[0]
                    .memory_bytes()
        );
    }
}

#[test]
fn a_list_whose_ends_are_translated_leaves_with_right_checksums_and_the_same_ends_everywhere() {
    for (is_v6, is_udp) in [(false, false), (false, true), (true, false), (true, true)] {
        let stream = Stream { size: 100, is_udp, is_v6, ..stream() };
        let frames: Vec<_> = (0..5).map(|index| stream.frame(index, 100, TcpFlags::ACK)).collect();
        let mut packets = merge_or_list(&frames, false, true);
        let [whole] = &mut packets[..] else { panic!("one list") };
        translate(whole);
        for (index, frame) in cut(whole).into_iter().enumerate() {
            let packet = parsed(&Frame::new(DeviceId(0), &frame));
            assert!(checksum::is_right(&packet, &Routines::PORTABLE), "{index} of {stream:?}");
            assert_eq!(packet.transport_bytes()[..2], [9, 9], "{index} of {stream:?}");
            assert_eq!(packet.network_header()[packet.network_header_len() - 1], 77, "{index} of {stream:?}");
            assert_eq!(packet.payload_len(), 100);
        }
    }
}

/// Another source port and another last byte of the destination, as translation does it.
fn translate(packet: &mut Packet) {
    let field = if packet.tcp().is_some() { 16 } else { 6 };
    let len = packet.network_header_len();
    let last = usize::from(packet.network_header()[len - 1]);
    let mut bytes = [packet.transport_bytes()[field], packet.transport_bytes()[field + 1]];
    let port = [packet.transport_bytes()[0], packet.transport_bytes()[1]];
    bytes = crate::wire::checksum::update(bytes, port, [9, 9]);
    let word = [packet.network_header()[len - 2], last as u8];
    bytes = crate::wire::checksum::update(bytes, word, [word[0], 77]);
    packet.transport_bytes_mut()[field..field + 2].copy_from_slice(&bytes);
    packet.transport_bytes_mut()[..2].copy_from_slice(&[9, 9]);
    if let Some(ip) = packet.ipv4_mut() {
        ip.destination[3] = 77;
    } else if let Some(ip) = packet.ipv6_mut() {
        ip.destination[15] = 77;
    }
    packet.fill_ip_checksum();
}

#[test]
fn a_list_whose_payload_is_rewritten_is_an_ordinary_super_packet() {
    let frames: Vec<_> = (0..3).map(|index| stream().frame(index, 20, TcpFlags::ACK)).collect();
    let mut packets = merge_or_list(&frames, false, true);
    let [whole] = &mut packets[..] else { panic!("one list") };
    whole.splice_payload(5..7, b"xy").expect("it fits");
    checksum::fill(whole, &Routines::PORTABLE);
    assert!(!whole.is_list() && checksum::is_partial(whole));
    let again = cut(whole);
    assert_eq!(again.len(), 3);
    assert_eq!(again[1..], frames[1..]);
    assert_eq!(again[0][59..61], *b"xy");
    for frame in again {
        assert!(checksum::is_right(&parsed(&Frame::new(DeviceId(0), &frame)), &Routines::PORTABLE));
    }
}

#[test]
fn a_list_takes_64_frames_and_no_segment_of_other_flags() {
    let frames: Vec<_> = (0..70).map(|index| stream().frame(index, 20, TcpFlags::ACK)).collect();
    let counts = |frames: &[Vec<u8>]| {
        let packets = merge_or_list(frames, false, true);
        packets.iter().map(|packet| packet.payload_len() / 20).collect::<Vec<_>>()
    };
    assert_eq!(counts(&frames), [usize::from(GRO_DATAGRAMS_MAX), 6]);
    let pushed = stream().frame(1, 20, TcpFlags::ACK.union(TcpFlags::PSH));
    assert_eq!(counts(&[frames[0].clone(), pushed]), [1, 1]);
}

/// Plain TCP over IPv4.
fn stream() -> Stream {
    Stream { is_v6: false, is_udp: false, port: 1, size: 20, fixed_id: false, flags: TcpFlags::ACK }
}
