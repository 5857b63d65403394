//! Whole captures, made up byte by byte, read to their end.

use std::io::{self, Cursor, Read, Write};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use towpath_engine::Instant;

use super::{forge::Forge, order::Order, *};
use crate::limits::{INTERFACES_MAX, WINDOW_BYTES};

const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

#[test]
fn both_byte_orders_and_both_resolutions_of_pcap_give_the_same_packets() {
    for order in [Order::Little, Order::Big] {
        for (magic, fraction) in [(MICROS, 250_000), (NANOS, 250_000_000)] {
            let mut forge = Forge::pcap(order, magic, 4, 1);
            forge.record(7, fraction, 100, b"first").record(8, 0, 6, b"second");
            let (packets, end) = read(&forge.bytes);
            assert_eq!(end, None);
            assert_eq!(packets.len(), 2);
            assert_eq!(packets[0].time, Instant::from_nanos(7_250_000_000));
            assert_eq!(packets[0].frame, Ok(b"first".to_vec()));
            assert_eq!((packets[0].number, packets[0].wire_len, packets[0].offset), (1, 100, 24));
            assert_eq!((packets[1].number, packets[1].wire_len, packets[1].offset), (2, 6, 45));
        }
    }
}

#[test]
fn a_record_of_the_modified_format_tells_device_and_direction() {
    for order in [Order::Little, Order::Big] {
        let mut forge = Forge::pcap(order, MODIFIED, 4, 1);
        forge.words(&[1, 0, 3, 3, 5]).shorts(&[0x0800]).raw(&[4, 0, 1, 2, 3]);
        forge.words(&[1, 0, 1, 1, 6]).shorts(&[0x0800]).raw(&[0, 0, 9]);
        let (packets, end) = read(&forge.bytes);
        assert_eq!(end, None);
        assert_eq!(packets[0].frame, Ok(vec![1, 2, 3]));
        assert_eq!((packets[0].ifindex, packets[0].direction), (5, Some(PacketDirection::Outbound)));
        assert_eq!((packets[1].ifindex, packets[1].direction), (6, Some(PacketDirection::Inbound)));
    }
}

#[test]
fn old_versions_have_their_two_lengths_the_other_way_round() {
    for (minor, first, second) in [(2, 90, 3), (3, 90, 3), (3, 3, 90), (4, 3, 90)] {
        let mut forge = Forge::pcap(Order::Little, MICROS, minor, 1);
        forge.words(&[1, 0, first, second]).raw(b"abc");
        let (packets, end) = read(&forge.bytes);
        assert_eq!(end, None, "2.{minor}");
        assert_eq!((packets[0].wire_len, &packets[0].frame), (90, &Ok(b"abc".to_vec())));
    }
}

#[test]
fn a_check_sequence_is_cut_off_frame_and_length() {
    // Bit 26: there is one; bits 28 to 31: of two double bytes.
    let mut forge = Forge::pcap(Order::Little, MICROS, 4, 1 | 1 << 26 | 2 << 28);
    forge.record(1, 0, 8, b"framefcs").record(1, 0, 10, b"framesnapp").record(1, 0, 10, b"framesna");
    let frames: Vec<_> = read(&forge.bytes).0.into_iter().map(|packet| (packet.frame, packet.wire_len)).collect();
    assert_eq!(frames[0], (Ok(b"fram".to_vec()), 4));
    assert_eq!(frames[1], (Ok(b"frames".to_vec()), 6));
    assert_eq!(frames[2], (Ok(b"frames".to_vec()), 6));

    let mut forge = Forge::pcapng(Order::Big);
    forge.interface(1, 0, &[(13, &[2])]);
    forge.packet(0, 0, 6, b"abcdef", &[]);
    forge.packet(0, 0, 6, b"abcdef", &[(2, &[0, 0, 0, 4 << 5])]);
    let frames: Vec<_> = read(&forge.bytes).0.into_iter().map(|packet| packet.frame).collect();
    assert_eq!(frames, [Ok(b"abcd".to_vec()), Ok(b"ab".to_vec())]);
}

#[test]
fn sections_interfaces_and_clocks_of_pcapng_are_kept_apart() {
    let mut forge = Forge::pcapng(Order::Little);
    forge.interface(1, 0, &[(2, b"lan"), (3, b"inside"), (6, &[2, 0, 0, 0, 0, 9]), (9, &[9])]);
    forge.interface(1, 0, &[(2, b"wan"), (9, &[0x80 | 10])]);
    forge.packet(1, 3 << 10, 4, b"wan!", &[(2, &[2, 0, 0, 0]), (1, b"went out")]);
    forge.block(0x1234, b"nobody knows").block(4, &[0; 8]).block(5, &[0; 12]);
    forge.packet(0, 4_000_000_001, 9, b"lan", &[(2, &[1, 0, 0, 0])]);
    forge.section(Order::Big);
    forge.interface(101, 0, &[(14, &(-100i64).to_be_bytes())]);
    forge.packet(0, 105_000_000, 20, &[0x45; 20], &[]);

    let mut capture = Capture::from_bytes(&forge.bytes).unwrap();
    let batch = capture.next_batch(10).unwrap();
    let names: Vec<_> = batch.interfaces().iter().map(|interface| interface.name.as_deref()).collect();
    assert_eq!(names, [Some("lan"), Some("wan"), None]);
    assert_eq!(batch.interfaces()[0].description.as_deref(), Some("inside"));
    assert_eq!(batch.interfaces()[0].mac, Some([2, 0, 0, 0, 0, 9]));

    let packets: Vec<_> = batch.packets().collect();
    assert_eq!(packets[0].interface, InterfaceId(1));
    assert_eq!(packets[0].time, Instant::from_secs(3));
    assert_eq!(packets[0].direction, Some(PacketDirection::Outbound));
    assert_eq!(packets[0].comment, Some(&b"went out"[..]));
    assert_eq!(packets[1].time, Instant::from_nanos(4_000_000_001));
    assert_eq!((packets[1].content, packets[1].wire_len), (Content::Ethernet(b"lan"), 9));
    assert_eq!((packets[1].direction, packets[1].comment), (Some(PacketDirection::Inbound), None));
    assert_eq!((packets[2].interface, packets[2].time), (InterfaceId(2), Instant::from_secs(5)));
    let Content::Ethernet(made_up) = packets[2].content else { panic!("raw IP is readable") };
    assert_eq!((made_up.len(), packets[2].wire_len), (34, 34));
    assert!(capture.next_batch(10).unwrap().is_empty());
}

#[test]
fn simple_and_obsolete_packets_are_read() {
    let mut forge = Forge::pcapng(Order::Little);
    forge.interface(1, 4, &[]);
    forge.packet(0, 2_000_000, 2, b"ab", &[]);
    forge.block(3, b"\x06\0\0\0cut!");
    forge.block(2, b"\0\0\x07\0\0\0\0\0\x40\x42\x0f\0\x03\0\0\0\x05\0\0\0old");
    let (packets, end) = read(&forge.bytes);
    assert_eq!(end, None);
    assert_eq!((&packets[1].frame, packets[1].wire_len), (&Ok(b"cut!".to_vec()), 6));
    assert_eq!(packets[1].time, Instant::from_secs(2), "without a time of its own, the one before");
    assert_eq!((&packets[2].frame, packets[2].wire_len), (&Ok(b"old".to_vec()), 5));
    assert_eq!(packets[2].time, Instant::from_secs(1));
}

#[test]
fn damaged_options_and_odd_names_cost_nothing_but_themselves() {
    let mut forge = Forge::pcapng(Order::Little);
    forge.interface(1, 0, &[(9, &[6, 6]), (2, b"\xff\xfelan\0"), (200, b"?")]);
    forge.packet(0, 1_000_000, 1, b"a", &[]);
    // An option that claims more than the block has, behind a good one.
    let mut body = vec![0; 20];
    body.extend_from_slice(b"\x02\0\x04\0\x01\0\0\0\x01\0\xff\xffx\0\0\0");
    forge.block(6, &body);
    let (packets, end) = read(&forge.bytes);
    assert_eq!(end, None);
    assert_eq!(packets[0].time, Instant::from_secs(1));
    assert_eq!(packets[1].direction, Some(PacketDirection::Inbound));
    assert_eq!(
        Capture::from_bytes(&forge.bytes).unwrap().next_batch(1).unwrap().interfaces()[0].name.as_deref(),
        Some("\u{fffd}\u{fffd}lan")
    );
}

#[test]
fn a_link_type_without_support_is_told_for_each_packet_and_ends_nothing() {
    let mut forge = Forge::pcapng(Order::Little);
    forge.interface(253, 0, &[]).interface(1, 0, &[]).interface(276, 0, &[]);
    forge.packet(0, 0, 4, b"nope", &[]).packet(1, 0, 4, b"yes!", &[]).packet(2, 0, 40, b"short", &[]);
    let (packets, end) = read(&forge.bytes);
    assert_eq!(end, None);
    let frames: Vec<_> = packets.into_iter().map(|packet| packet.frame).collect();
    assert_eq!(
        frames,
        [
            Err("link type 253 (NETLINK) is not supported".into()),
            Ok(b"yes!".to_vec()),
            Err("shorter than the link header of type 276 (LINUX_SLL2)".into()),
        ]
    );
}

#[test]
fn everything_before_the_damage_is_read_then_the_damage_is_told_with_its_place() {
    let mut pcap = Forge::pcap(Order::Little, MICROS, 4, 1);
    pcap.record(1, 0, 3, b"abc");
    let good = pcap.bytes.len() as u64;
    let after = |tail: &[u8]| read(&[&pcap.bytes, tail].concat());

    let mut cut = Forge::pcap(Order::Little, MICROS, 4, 1);
    cut.record(1, 0, 100, &[7; 100]);
    let (packets, end) = after(&cut.bytes[24..24 + 50]);
    assert_eq!(packets.len(), 1);
    assert_eq!(end.as_ref().map(|error| (error.packet, error.offset)), Some((Some(2), good)));
    assert_eq!(
        end.unwrap().to_string(),
        "packet 2, byte 43: the capture is cut off: the record has 116 bytes, 50 are left"
    );
    let (packets, end) = after(&cut.bytes[24..24 + 9]);
    assert_eq!(packets.len(), 1);
    assert_eq!(end.unwrap().kind, CaptureErrorKind::Truncated { promised: 16, present: 9 });

    for (bytes, told) in [
        (
            &Forge::pcapng(Order::Little).bytes[..20],
            "the capture is cut off inside its header, which has 28 bytes: 20 are there",
        ),
        (&pcap.bytes[..9], "the capture is cut off inside its header, which has 24 bytes: 9 are there"),
    ] {
        let error = Capture::from_bytes(bytes).and_then(|mut capture| capture.next_batch(1).map(drop)).err();
        assert_eq!(error.map(|error| (error.packet, error.to_string())), Some((None, told.to_owned())));
    }

    let (packets, end) = after(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0, 0, 0]);
    assert_eq!(packets.len(), 1);
    assert_eq!(end.unwrap().kind, CaptureErrorKind::PacketLength(0x0110_0000));
}

#[test]
fn each_kind_of_damage_in_pcapng_has_its_name() {
    let bad = |forge: &Forge| read(&forge.bytes).1.map(|error| error.kind);
    let start = || {
        let mut forge = Forge::pcapng(Order::Little);
        forge.interface(1, 0, &[]);
        forge
    };
    assert_eq!(bad(start().packet(3, 0, 1, b"a", &[])), Some(CaptureErrorKind::UnknownInterface(3)));
    assert_eq!(bad(start().words(&[6, 13, 0])), Some(CaptureErrorKind::BlockLength(13)));
    assert_eq!(bad(start().words(&[6, 8, 0])), Some(CaptureErrorKind::BlockLength(8)));
    assert_eq!(bad(start().words(&[6, 0x7fff_fffc, 0])), Some(CaptureErrorKind::BlockLength(0x7fff_fffc)));
    assert_eq!(bad(start().words(&[6, 12, 16])), Some(CaptureErrorKind::BlockTrailer { head: 12, tail: 16 }));
    assert_eq!(bad(start().block(6, b"too short")), Some(CaptureErrorKind::BlockContent(6)));
    assert_eq!(
        bad(start().block(6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0])),
        Some(CaptureErrorKind::BlockContent(6))
    );
    assert_eq!(bad(start().block(1, b"abc")), Some(CaptureErrorKind::BlockContent(1)));
    assert_eq!(bad(start().words(&[0x0a0d_0d0a, 28, 5])), Some(CaptureErrorKind::SectionMagic(0x0500_0000)));
    let mut newer = start();
    newer.block(0x0a0d_0d0a, b"\x4d\x3c\x2b\x1a\x02\0\x01\0");
    assert_eq!(bad(&newer), Some(CaptureErrorKind::SectionVersion(2, 1)));
}

#[test]
fn interfaces_without_end_are_refused() {
    let mut forge = Forge::pcapng(Order::Little);
    for _ in 0..INTERFACES_MAX {
        forge.interface(1, 0, &[]);
    }
    forge.packet(INTERFACES_MAX as u32 - 1, 0, 1, b"a", &[]);
    assert_eq!(read(&forge.bytes).1, None);
    forge.interface(1, 0, &[]);
    let (packets, end) = read(&forge.bytes);
    assert_eq!(packets.len(), 1);
    assert_eq!(end.unwrap().kind, CaptureErrorKind::TooManyInterfaces);
}

#[test]
fn what_is_no_capture_is_named() {
    let name = |bytes: &[u8]| Capture::from_bytes(bytes).err().map(|error| error.to_string());
    assert_eq!(name(b""), Some("the file is empty".into()));
    assert_eq!(name(b"hello, world"), Some("neither pcap nor pcapng: the file starts with 68 65 6c 6c".into()));
    assert_eq!(name(b"PK\x03\x04"), Some("this is a zip archive; convert it to pcapng first".into()));
    assert_eq!(
        name(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]),
        Some("the capture is cut off inside its header, which has 24 bytes: 8 are there".into())
    );
    assert!(name(&gzip(b"")).is_some_and(|text| text.contains("empty")));
}

/// Gives some bytes, and then an error, once.
struct Broken(Option<&'static [u8]>, bool);

impl Read for Broken {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.take() {
            Some(bytes) => {
                into[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
            None if core::mem::replace(&mut self.1, true) => Ok(0),
            None => Err(io::Error::other("the disk is gone")),
        }
    }
}

#[test]
fn a_stream_that_fails_inside_the_header_is_told_of_whatever_it_began_with() {
    for start in [&b"\x0a\x0d\x0d\x0a\x1c\0\0\0"[..], b"\xd4\xc3\xb2\xa1\x02\0", b"hello, world"] {
        // The first two bytes are read alone, to see whether they are those of a gzip file.
        let broken = || start[..2].chain(Broken(Some(&start[2..]), false));
        let expected = Some(CaptureErrorKind::Stream("the disk is gone".into()));
        assert_eq!(Capture::from_reader(broken()).err().map(|error| error.kind), expected);
        assert_eq!(Capture::in_background(broken()).err().map(|error| error.kind), expected);
    }
}

#[test]
fn a_cut_gzip_file_gives_the_packets_before_the_cut() {
    let mut forge = Forge::pcap(Order::Little, MICROS, 4, 1);
    for number in 0..5_000u32 {
        // Bytes that hardly compress, so that the cut falls in the middle.
        let data: Vec<u8> = (0..50u32).map(|byte| (number.wrapping_mul(2_654_435_761) >> (byte % 24)) as u8).collect();
        forge.record(number, 0, 50, &data);
    }
    let whole = gzip(&forge.bytes);
    assert_eq!(read(&whole).0.len(), 5_000);
    let (packets, end) = read(&whole[..whole.len() / 2]);
    assert!((1_000..4_000).contains(&packets.len()), "{}", packets.len());
    let error = end.unwrap();
    assert_eq!(error.packet, Some(packets.len() as u64 + 1));
    assert!(error.compressed && matches!(error.kind, CaptureErrorKind::Stream(_)), "{error}");
}

#[test]
fn a_stream_gives_what_a_slice_gives_also_when_a_record_outgrows_the_window() {
    let mut forge = Forge::pcapng(Order::Little);
    forge.interface(113, 0, &[]);
    for size in [30usize, 1_000, WINDOW_BYTES + 77, 40, 3 * WINDOW_BYTES, 16] {
        let mut data = vec![3; size];
        data[..16].copy_from_slice(&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 7, 0, 0, 8, 0]);
        forge.packet(0, size as u64, size as u32, &data, &[(1, b"a comment")]);
    }
    let slice = read(&forge.bytes);
    assert_eq!(slice.0.len(), 6);
    let stream = drain(Capture::from_reader(&forge.bytes[..]).unwrap(), 3);
    assert_eq!(stream, slice);
    let zipped = gzip(&forge.bytes);
    assert_eq!(drain(Capture::from_reader(&zipped[..]).unwrap(), 100), slice);
    for bytes in [forge.bytes, zipped] {
        assert_eq!(drain(Capture::in_background(Cursor::new(bytes)).unwrap(), 100), slice);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_behind_a_good_header_neither_panic_nor_hang(
        header in prop::sample::select(headers()),
        tail in prop::collection::vec(any::<u8>(), 0..400),
        count in 1usize..5,
    ) {
        let bytes = [header, tail].concat();
        let slice = drain(Capture::from_bytes(&bytes).unwrap(), count);
        prop_assert!(slice.0.len() * 12 <= bytes.len());
        prop_assert_eq!(&drain(Capture::from_reader(&bytes[..]).unwrap(), count), &slice);
        prop_assert_eq!(drain(Capture::in_background(Cursor::new(bytes)).unwrap(), count), slice);
    }

    #[test]
    fn arbitrary_bytes_are_a_capture_or_an_error(bytes: Vec<u8>) {
        if let Ok(capture) = Capture::from_bytes(&bytes) {
            drain(capture, 64);
        }
    }

    #[test]
    fn one_flipped_byte_neither_panics_nor_invents_packets(at in 0usize..400, to: u8, big: bool) {
        let mut forge = Forge::pcapng(if big { Order::Big } else { Order::Little });
        forge.interface(1, 0, &[(2, b"lan"), (9, &[9])]).interface(276, 0, &[]);
        for number in 0..4 {
            forge.packet(number % 2, 5, 60, &[9; 40], &[(1, b"comment"), (2, &[1, 0, 0, 0])]);
        }
        let at = at % forge.bytes.len();
        forge.bytes[at] = to;
        if let Ok(capture) = Capture::from_bytes(&forge.bytes) {
            prop_assert!(drain(capture, 2).0.len() <= 4);
        }
    }
}

/// A packet that owns what it holds.
#[derive(Debug, PartialEq)]
struct Owned {
    number: u64,
    time: Instant,
    ifindex: u32,
    frame: Result<Vec<u8>, String>,
    wire_len: u32,
    direction: Option<PacketDirection>,
    comment: Option<Vec<u8>>,
    offset: u64,
}

fn read(bytes: &[u8]) -> (Vec<Owned>, Option<CaptureError>) {
    drain(Capture::from_bytes(bytes).unwrap(), 64)
}

fn drain(mut capture: Capture<'_>, count: usize) -> (Vec<Owned>, Option<CaptureError>) {
    let mut packets = Vec::new();
    loop {
        match capture.next_batch(count) {
            Ok(batch) if batch.is_empty() => return (packets, None),
            Ok(batch) => packets.extend(batch.packets().map(owned)),
            Err(error) => {
                assert_eq!(capture.next_batch(count).err().as_ref(), Some(&error), "the same answer again");
                return (packets, Some(error));
            }
        }
    }
}

fn owned(packet: CapturedPacket<'_>) -> Owned {
    Owned {
        number: packet.number,
        time: packet.time,
        ifindex: packet.ifindex,
        frame: match packet.content {
            Content::Ethernet(bytes) => Ok(bytes.to_vec()),
            Content::Unreadable(why) => Err(why.to_string()),
        },
        wire_len: packet.wire_len,
        direction: packet.direction,
        comment: packet.comment.map(<[u8]>::to_vec),
        offset: packet.offset,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn headers() -> Vec<Vec<u8>> {
    let mut headers = Vec::new();
    for order in [Order::Little, Order::Big] {
        for magic in [MICROS, NANOS, MODIFIED] {
            headers.push(Forge::pcap(order, magic, 4, 113).bytes);
        }
        let mut forge = Forge::pcapng(order);
        forge.interface(1, 0, &[]);
        headers.push(forge.bytes);
    }
    headers
}
