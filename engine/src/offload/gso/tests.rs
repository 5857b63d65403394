use alloc::{vec, vec::Vec};
use core::ops::Range;

use proptest::prelude::*;
use zerocopy::{FromZeros, IntoBytes};

use super::*;
use crate::{
    frame::{DeviceId, Frame},
    wire::{EtherType, Ipv4Header, Ipv6Header, Protocol, TcpHeader, UdpHeader, checksum::Routines},
};

/// What a super-packet is made of.
#[derive(Clone, Debug)]
struct Case {
    kind: GsoKind,
    size: u16,
    fixed_id: bool,
    options: usize,
    payload: Vec<u8>,
    flags: TcpFlags,
    is_partial: bool,
}

/// The frame of a super-packet, as a sender with all offloads hands it over.
fn frame_of(case: &Case) -> Vec<u8> {
    let transport = match case.kind {
        GsoKind::Udp => {
            let len = ((UdpHeader::LEN + case.payload.len()) as u16).into();
            Vec::from(UdpHeader { len, checksum: [1, 1], ..UdpHeader::new_zeroed() }.as_bytes())
        }
        GsoKind::Tcp4 | GsoKind::Tcp4Ecn | GsoKind::Tcp6 | GsoKind::Tcp6Ecn | GsoKind::Lro => {
            let header = TcpHeader {
                seq: 0xffff_f000.into(),
                data_offset: ((TcpHeader::LEN / 4 + case.options) as u8) << 4,
                flags: case.flags,
                ..TcpHeader::new_zeroed()
            };
            [header.as_bytes(), &vec![1; case.options * 4]].concat()
        }
    };
    let transport = [transport, case.payload.clone()].concat();
    let protocol = if case.kind == GsoKind::Udp { Protocol::UDP } else { Protocol::TCP };
    let (ether_type, network) = match case.kind {
        GsoKind::Tcp6 | GsoKind::Tcp6Ecn => {
            let mut ip = Ipv6Header::new_zeroed();
            ip.version_class_label = 0x6000_0000.into();
            (ip.next_header, ip.hop_limit) = (protocol.0, 64);
            (ip.source, ip.destination) = ([0xfd; 16], [0xfe; 16]);
            (EtherType::IPV6, crate::packet::Head::from(ip).before(&transport))
        }
        GsoKind::Tcp4 | GsoKind::Tcp4Ecn | GsoKind::Lro | GsoKind::Udp => {
            let mut ip = Ipv4Header::new_zeroed();
            (ip.protocol, ip.ttl, ip.id) = (protocol.0, 64, 0xfffe.into());
            (ip.source, ip.destination) = ([10, 0, 0, 1], [10, 0, 0, 2]);
            (EtherType::IPV4, crate::packet::Head::from(ip).before(&transport))
        }
    };
    [&[2; 12][..], &ether_type.0.to_be_bytes(), &network].concat()
}

fn super_packet(pool: &mut Pool, case: &Case) -> Packet {
    let gso = Some(Gso { kind: case.kind, size: case.size, segments: 0, fixed_id: case.fixed_id });
    let frame = frame_of(case);
    let mut packet =
        Packet::parse(pool, &Frame { gso, ..Frame::new(DeviceId(0), &frame) }).expect("a right super-packet");
    checksum::fill(&mut packet, &Routines::PORTABLE);
    if case.is_partial {
        checksum::leave_to_device(&mut packet);
    }
    packet
}

fn segments(pool: &mut Pool, whole: &Packet) -> Vec<Packet> {
    let mut segments = Segments::of(whole).expect("it is to be cut");
    core::iter::from_fn(|| segments.next(pool)).collect()
}

/// The payload, wherever it lies.
fn payload(packet: &Packet) -> Vec<u8> {
    let headers = packet.transport_len() - packet.payload_len();
    let mut bytes = Vec::from(&packet.transport_bytes()[headers..]);
    packet.fragments().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn cases() -> impl Strategy<Value = Case> {
    let kinds = [GsoKind::Tcp4, GsoKind::Tcp4Ecn, GsoKind::Tcp6, GsoKind::Tcp6Ecn, GsoKind::Udp];
    let len = prop_oneof![2_usize..400, 1700_usize..2100, 3000_usize..12_000];
    (0..5_usize, len, any::<u16>(), any::<bool>(), 0..=10_usize, any::<u8>(), any::<bool>()).prop_map(
        move |(kind, len, size, fixed_id, options, flags, is_partial)| Case {
            kind: kinds[kind],
            size: 1 + size % (len - 1) as u16,
            fixed_id,
            options,
            payload: (0..len).map(|index| (index / 7) as u8).collect(),
            flags: TcpFlags(flags),
            is_partial,
        },
    )
}

proptest! {
    #[test]
    fn segments_hold_the_whole_in_order_and_each_of_them_is_right(case in cases()) {
        let mut pool = Pool::new();
        let whole = super_packet(&mut pool, &case);
        let mut stream = Vec::new();
        let parts = segments(&mut pool, &whole);
        for (index, segment) in parts.iter().enumerate() {
            let is_last = index + 1 == parts.len();
            prop_assert!(payload(segment).len() == usize::from(case.size) || is_last);
            prop_assert_eq!(segment.meta().gso, None);
            if let (Some(tcp), Some(first)) = (segment.tcp(), whole.tcp()) {
                prop_assert_eq!(tcp.seq.get(), first.seq.get().wrapping_add(stream.len() as u32));
                let kept = if is_last { TcpFlags(0xff) } else { TcpFlags(0xff).without(TcpFlags(0x09)) };
                let kept = if index == 0 { kept } else { kept.without(TcpFlags::CWR) };
                prop_assert_eq!(tcp.flags, TcpFlags(case.flags.0 & kept.0));
            }
            if let Some(ip) = segment.ipv4() {
                let step = if case.fixed_id { 0 } else { index as u16 };
                prop_assert_eq!(ip.id.get(), 0xfffe_u16.wrapping_add(step));
            }
            stream.extend(payload(segment));
            // As another station would see it.
            let mut sent = segment.copy(&mut pool);
            prop_assert!(checksum::is_partial(&sent));
            checksum::complete(&mut sent, &Routines::PORTABLE);
            let bytes = sent.linear().iter().copied().chain(sent.fragments().flatten().copied()).collect::<Vec<_>>();
            let seen = Packet::parse(&mut pool, &Frame::new(DeviceId(0), &bytes)).expect("a right packet");
            prop_assert!(checksum::is_right(&seen, &Routines::PORTABLE));
            prop_assert_eq!(seen.len(), bytes.len());
        }
        prop_assert_eq!(stream, case.payload);
    }
}

#[test]
fn segments_share_the_payload_of_the_whole() {
    let (mut pool, size) = (Pool::new(), 1448);
    let case = Case {
        kind: GsoKind::Tcp4,
        size,
        fixed_id: false,
        options: 3,
        payload: vec![7; 60_000],
        flags: TcpFlags::ACK,
        is_partial: true,
    };
    let whole = super_packet(&mut pool, &case);
    let memory: Vec<Range<*const u8>> = whole.fragments().map(<[u8]>::as_ptr_range).collect();
    let parts = segments(&mut pool, &whole);
    let copied: usize = parts.iter().map(|part| part.linear().len() - 66).sum();
    assert!(copied < crate::limits::HEADER_BYTES_MAX, "{copied} bytes of 60000 lie in blocks");
    for fragment in parts.iter().flat_map(Packet::fragments) {
        assert!(memory.iter().any(|whole| whole.contains(&fragment.as_ptr())));
    }
    let buffer = memory[0].start;
    whole.recycle(&mut pool);
    parts.into_iter().for_each(|part| part.recycle(&mut pool));
    let next = super_packet(&mut pool, &case);
    assert_eq!(next.fragments().next().map(<[u8]>::as_ptr), Some(buffer), "the last one gives the buffer back");
}

#[test]
fn a_super_packet_that_a_capture_has_cut_promises_as_much_as_before() {
    let case = Case {
        kind: GsoKind::Tcp4,
        size: 1000,
        fixed_id: false,
        options: 0,
        payload: vec![7; 3500],
        flags: TcpFlags::ACK,
        is_partial: false,
    };
    let frame = frame_of(&case);
    let mut pool = Pool::new();
    let gso = Some(Gso { kind: case.kind, size: case.size, segments: 0, fixed_id: false });
    let cut = Frame { gso, wire_len: frame.len() as u32, ..Frame::new(DeviceId(0), &frame[..1554]) };
    let whole = Packet::parse(&mut pool, &cut).expect("its headers are there");
    let parts = segments(&mut pool, &whole);
    let told: Vec<_> =
        parts.iter().map(|part| (part.payload_len(), part.meta().cut_bytes, payload(part).len())).collect();
    assert_eq!(told, [(1000, 0, 1000), (1000, 500, 500), (1000, 1000, 0), (500, 500, 0)]);
}

#[test]
fn what_cannot_be_a_super_packet_is_refused_and_a_single_segment_is_none() {
    let case = Case {
        kind: GsoKind::Tcp4,
        size: 100,
        fixed_id: false,
        options: 0,
        payload: vec![7; 500],
        flags: TcpFlags::ACK,
        is_partial: false,
    };
    let (frame, mut pool) = (frame_of(&case), Pool::new());
    let mut parsed = |kind, size| {
        let gso = Some(Gso { kind, size, segments: 0, fixed_id: false });
        let parsed = Packet::parse(&mut pool, &Frame { gso, ..Frame::new(DeviceId(0), &frame) });
        parsed.map(|packet| packet.meta().gso.is_some()).map_err(|dropped| dropped.reason)
    };
    assert_eq!(parsed(GsoKind::Tcp4, 499), Ok(true));
    assert_eq!(parsed(GsoKind::Tcp4, 500), Ok(false));
    for (kind, size) in [(GsoKind::Tcp4, 0), (GsoKind::Tcp6, 100), (GsoKind::Udp, 100)] {
        assert_eq!(parsed(kind, size), Err(crate::DropReason::OffloadUnknown));
    }
}
