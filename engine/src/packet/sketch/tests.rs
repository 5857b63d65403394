use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use proptest::prelude::*;

use super::*;
use crate::{DeviceId, Frame, Packet, packet::Pool, packet::Summary};

const FROM: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const TO: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

#[rustfmt::skip]
static LINES: [&str; 36] = [
    "10.0.0.2:40000 > 198.51.100.7:80 tcp S seq 1000 ack 0",
    "10.0.0.2:40000 > 198.51.100.7:80 tcp S seq 1000 ack 0 win 64240 mss 1460 wscale 7 sackok ts 1/2",
    "10.0.0.2:40000 > 198.51.100.7:80 tcp A seq 1 ack 4294967295 sack 10-20,30-40",
    "10.0.0.2:40000 > 198.51.100.7:80 tcp FSRPAUEC seq 0 ack 0",
    "10.0.0.2:40000 > 198.51.100.7:80 tcp  seq 7 ack 8",
    "10.0.0.2:40000 > 198.51.100.7:80 tcp PA seq 1 ack 2 ttl 3 tos 0x10 ipid 5 df data \"GET / \\\"x\\\" \\\\\\r\\n\\x00\\xff\"",
    "10.0.0.2:40000 > 198.51.100.7:80 tcp PA seq 1 ack 2 len 1400",
    "10.0.0.2:53 > 198.51.100.7:53 udp",
    "10.0.0.2:53 > 198.51.100.7:53 udp data \"question\"",
    "10.0.0.2 > 198.51.100.7 icmp type 8 code 0 id 7 seq 0",
    "10.0.0.2 > 198.51.100.7 icmp type 0 code 0 id 7 seq 65535 len 3000",
    "10.0.0.2 > 198.51.100.7 icmp type 3 code 4 mtu 1400 [10.0.0.2:1 > 10.0.0.3:2 tcp seq 9]",
    "10.0.0.2 > 198.51.100.7 icmp type 11 code 0 [10.0.0.2 > 10.0.0.3 icmp type 8 code 0 id 1]",
    "10.0.0.2 > 198.51.100.7 icmp type 3 code 4 mtu 1400 [cut]",
    "10.0.0.2 > 198.51.100.7 udp fragment 1480 more len 1480",
    "10.0.0.2 > 198.51.100.7 udp fragment 2960 data \"end\"",
    "10.0.0.2 > 198.51.100.7 gre len 8",
    "2001:db8::2:40000 > 2001:db8:1::7:80 tcp S seq 1000 ack 0",
    "2001:db8::2:40000 > 2001:db8:1::7:80 tcp SA seq 1 ack 2 win 64240 mss 1440 wscale 7 sackok ts 1/2",
    "2001:db8::2:40000 > 2001:db8:1::7:80 tcp PA seq 1 ack 2 hoplimit 3 tc 0x10 flowlbl 0xabcde data \"GET / \\x00\"",
    "2001:db8::2:53 > 2001:db8:1::7:53 udp data \"question\"",
    "2001:db8::2:53 > 2001:db8:1::7:53 udp ipid 4294967295",
    "2001:db8:1:2:3:4:5:6:53 > ::ffff:10.0.0.1:53 udp",
    "2001:db8::2 > 2001:db8:1::7 icmpv6 type 128 code 0 id 7 seq 0",
    "2001:db8::2 > 2001:db8:1::7 icmpv6 type 129 code 0 id 7 seq 65535 len 3000",
    "2001:db8::2 > 2001:db8:1::7 icmpv6 type 2 code 0 mtu 70000 [2001:db8::3:1 > 2001:db8::4:2 tcp seq 9]",
    "2001:db8::2 > 2001:db8:1::7 icmpv6 type 1 code 4 [2001:db8::3:1 > 2001:db8::4:2 udp]",
    "2001:db8::2 > 2001:db8:1::7 icmpv6 type 3 code 0 [2001:db8::3 > 2001:db8::4 icmpv6 type 128 code 0 id 1]",
    "2001:db8::2 > 2001:db8:1::7 icmpv6 type 3 code 1 [cut]",
    "fe80::2 > fe80::1 icmpv6 type 136 code 0 hoplimit 255 len 24",
    "2001:db8::5:2 > 2001:db8::7:1 udp fragment 1480 more ipid 7 len 1480",
    "2001:db8::5:2 > 2001:db8::7:1 tcp fragment 2960 data \"end\"",
    "2001:db8::5:2 > 2001:db8::7:1 ipv6-icmp fragment 0 more len 8",
    "2001:db8::5:2 > 2001:db8::7:1 gre len 8",
    "arp who-has 10.0.0.1 tell 10.0.0.2",
    "arp 10.0.0.1 is-at 02:00:00:00:00:09",
];

fn read(line: &str) -> Sketch {
    line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn parse(frame: &[u8]) -> Packet {
    Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), frame)).expect("a sketch makes a right frame")
}

#[test]
fn what_is_written_reads_back_as_the_same_text() {
    for line in LINES {
        assert_eq!(read(line).to_string(), line);
    }
}

#[test]
fn the_frame_made_of_a_line_is_what_the_line_says() {
    for line in LINES {
        let told = read(line);
        let seen = Sketch::of(&parse(&told.frame(FROM, TO))).expect(line);
        assert!(told.holds_for(&seen), "{line}\n{seen}");
        assert_eq!(seen.clone().told_as(Some(&told)).to_string(), line, "seen as {seen}");
    }
}

#[test]
fn the_short_form_of_a_packet_reads_back_as_that_packet() {
    for line in LINES {
        let packet = parse(&read(line).frame(FROM, TO));
        let short = Summary(&packet).to_string();
        let told = read(&short);
        let mut seen = Sketch::of(&packet).expect(line);
        if let (Sketch::Ip(seen), Sketch::Ip(told)) = (&mut seen, &told) {
            // It tells neither payloads nor the sequence numbers of queries, nor whether fragments follow.
            seen.payload = told.payload.clone();
            match (&mut seen.kind, &told.kind) {
                (Kind::Icmp(seen), Kind::Icmp(told)) => seen.sequence = told.sequence,
                (Kind::Fragment { more: seen, .. }, Kind::Fragment { more: told, .. }) => *seen = *told,
                _ => {}
            }
        }
        assert!(told.holds_for(&seen), "{short}\n{seen}");
    }
}

#[test]
fn checksums_of_made_frames_are_right() {
    for line in LINES {
        let packet = parse(&read(line).frame(FROM, TO));
        // Of a part only the whole knows.
        let is_right = || crate::offload::checksum::is_right(&packet, &crate::wire::checksum::Routines::PORTABLE);
        assert!(packet.is_fragment() || is_right(), "{line}");
    }
}

#[test]
fn the_word_tcp_may_be_left_out_before_flags_and_zeros_need_not_be_written() {
    let long = read("10.0.0.2:1 > 10.0.0.3:2 tcp SA seq 5 ack 0");
    assert_eq!(read("10.0.0.2:1 > 10.0.0.3:2 SA seq 5"), long);
    assert_eq!(
        read("10.0.0.2 > 10.0.0.3 icmp type 8 code 0"),
        read("10.0.0.2 > 10.0.0.3 icmp type 8 code 0 id 0 seq 0")
    );
}

#[test]
fn every_fact_that_is_written_counts() {
    #[rustfmt::skip]
    let facts = [
        "seq 1 ack 2 win 3", "seq 2 ack 2", "seq 1 ack 3", "seq 1 ack 2 win 4", "seq 1 ack 2 mss 5", "seq 1 ack 2 ttl 6",
        "seq 1 ack 2 tos 7", "seq 1 ack 2 ipid 8", "seq 1 ack 2 df", "seq 1 ack 2 len 9", "seq 1 ack 2 data \"x\"",
        "seq 1 ack 2 sackok", "seq 1 ack 2 wscale 1", "seq 1 ack 2 ts 1/2", "seq 1 ack 2 sack 1-2",
    ];
    let line = |facts: &str| read(&alloc::format!("10.0.0.2:1 > 10.0.0.3:2 PA {facts}"));
    let seen = Sketch::of(&parse(&line(facts[0]).frame(FROM, TO))).expect("it can be told");
    assert!(line(facts[0]).holds_for(&seen));
    assert!(line("seq 1 ack 2").holds_for(&seen), "the window is not written");
    for other in &facts[1..] {
        assert!(!line(other).holds_for(&seen), "{other} does not hold for {seen}");
    }
    for other in [
        "10.0.0.2:1 > 10.0.0.3:3 PA seq 1 ack 2",
        "10.0.0.2:1 > 10.0.0.3:2 A seq 1 ack 2",
        "10.0.0.2:1 > 10.0.0.3:2 udp",
    ] {
        assert!(!read(other).holds_for(&seen), "{other}");
    }
}

#[test]
fn a_line_that_is_wrong_says_where_and_what_should_stand_there() {
    #[rustfmt::skip]
    let wrong = [
        ("", "column 1: the line ends where an IP address, with a port or without should stand"),
        ("10.0.0.2", "column 9: the line ends where > should stand"),
        ("10.0.0.2:1 > 10.0.0.3:2 X", "column 25: expected a protocol, or TCP flags of the letters FSRPAUEC, found 'X'"),
        ("10.0.0.2:1 > 10.0.0.3:99999 S", "column 14: expected a port from 0 to 65535, found '10.0.0.3:99999'"),
        ("10.0.0.2:1 > 10.0.0.3:2 S seq x", "column 31: expected a sequence number, found 'x'"),
        ("10.0.0.2:1 > 10.0.0.3:2 udp seq 1", "column 29: expected a fact about such a packet, found 'seq'"),
        ("10.0.0.2:1 > 10.0.0.3:2 S ttl 256", "column 31: expected a TTL up to 255, found '256'"),
        ("10.0.0.2:1 > 10.0.0.3:2 udp data \"x", "column 36: the line ends where a closing quotation mark should stand"),
        ("10.0.0.2 > 10.0.0.3 udp fragment 7", "column 25: expected a multiple of 8 up to 65528, found 'fragment'"),
        ("10.0.0.2:1 > 10.0.0.3:2 gre", "column 25: expected 'tcp' or 'udp' between ports, found 'gre'"),
        ("10.0.0.2:1 > 10.0.0.3 udp", "column 14: expected a port here too, or none at all, found '10.0.0.3'"),
        ("10.0.0.2:1 > 2001:db8::3:4 S", "column 14: expected an address of the same family as the other, found '2001:db8::3:4'"),
        ("2001:db8::1:99999 > 2001:db8::2:2 S", "column 1: expected a port from 0 to 65535, found '2001:db8::1:99999'"),
        ("[2001:db8::1]:99999 > 2001:db8::2:2 S", "column 14: expected a port from 0 to 65535, found ':99999'"),
        ("2001:db8::1 > 2001:db8::2 S", "column 27: expected a protocol, found 'S'"),
        ("2001:db8::1:40000 > 2001:db8::2:40001 gre", "column 39: expected 'tcp' or 'udp' between ports, found 'gre'"),
        ("2001:db8::1:4 > 2001:db8::2:5 udp ttl 1", "column 35: expected 'hoplimit', which IPv6 has instead, found 'ttl'"),
        ("10.0.0.2 > 10.0.0.3 gre tc 1", "column 25: expected 'tos', which IPv4 has instead, found 'tc'"),
        ("fe80::1 > fe80::2 icmp type 8 code 0", "column 24: expected a fact about such a packet, found 'type'"),
        ("fe80::1 > fe80::2 icmpv6 type 1 code 0 [10.0.0.1 > 10.0.0.2 gre]", "column 41: expected a packet of the error's own family, found '10.0.0.1'"),
        ("arp who-has 10.0.0.1", "column 21: the line ends where tell should stand"),
        ("arp 10.0.0.1 is-at 1:2", "column 20: expected an Ethernet address, found '1:2'"),
    ];
    for (line, message) in wrong {
        let error = line.parse::<Sketch>().expect_err(line);
        assert_eq!(error.to_string(), message, "{line}");
    }
}

#[test]
fn ports_of_ipv6_stand_behind_the_last_colon_and_brackets_may_be_read() {
    let plain = read("2001:db8::2:443 > 2001:db8::5:80 udp");
    assert_eq!(read("[2001:db8::2]:443 > [2001:db8::5]:80 udp"), plain);
    assert_eq!(
        read("[2001:db8::9] > [2001:db8::2] icmpv6 type 1 code 4 [[2001:db8::2]:443 > [2001:db8::5]:80 S]"),
        read("2001:db8::9 > 2001:db8::2 icmpv6 type 1 code 4 [2001:db8::2:443 > 2001:db8::5:80 S]"),
    );
    // There is no other way to read these than with flags or without ports.
    assert_eq!(
        read("2001:db8::2:443 > 2001:db8::5:80 S").to_string(),
        "2001:db8::2:443 > 2001:db8::5:80 tcp S seq 0 ack 0"
    );
    assert_eq!(read("[2001:db8::2:443] > [2001:db8::5:80] udp").to_string(), "2001:db8::2:443 > 2001:db8::5:80 17");
}

#[test]
fn a_packet_for_a_group_of_ipv6_goes_to_the_group_and_others_to_the_station() {
    let to = |line: &str| read(line).frame(FROM, TO)[..6].to_vec();
    assert_eq!(to("fe80::1 > ff02::1:ff00:2 icmpv6 type 135 code 0 len 16"), [0x33, 0x33, 0xff, 0, 0, 2]);
    assert_eq!(to("fe80::1 > fe80::2 icmpv6 type 135 code 0 len 16"), TO.0);
}

#[test]
fn extension_headers_are_passed_over() {
    let mut frame = read("2001:db8::2:53 > 2001:db8:1::7:53 udp data \"question\"").frame(FROM, TO);
    let options = [core::mem::replace(&mut frame[20], 60), 0, 1, 4, 0, 0, 0, 0];
    frame[19] += 8;
    frame.splice(54..54, options);
    let seen = Sketch::of(&parse(&frame)).expect("it can be told").told_as(None);
    assert_eq!(seen.to_string(), "2001:db8::2:53 > 2001:db8:1::7:53 udp data \"question\"");
}

proptest! {
    #[test]
    fn what_is_printed_of_an_ipv6_packet_reads_as_that_packet(
        ends in (address(), address()), ports: (u16, u16), which in 0_u8..8, offset in 0_u16..8000, more: bool,
        facts in proptest::option::of((any::<u8>(), any::<u8>(), 0_u32..1 << 20)), id: Option<u32>, data: Vec<u8>,
    ) {
        let ports = Ports { source: ports.0, destination: ports.1 };
        let (seq, ack, window) = (Some(1), Some(2), None);
        let options = OptionsSketch { sack_permitted: true, ..OptionsSketch::default() };
        let (kind, code, sequence, mtu, about) = (128, 0, Some(2), None, None);
        let kind = match which {
            0 | 1 => Kind::Udp(ports),
            2 => Kind::Tcp(TcpSketch { ports, flags: TcpFlags::SYN, seq, ack, window, options }),
            3 => Kind::Icmp(IcmpSketch { family: Family::Ipv6, kind, code, id: Some(1), sequence, mtu, about }),
            4 => Kind::Fragment { protocol: Protocol::UDP, offset: offset * 8, more },
            5 => Kind::Other(Protocol::UDP),
            6 => Kind::Other(Protocol::TCP),
            _ => Kind::Other(Protocol::GRE),
        };
        let header = Ipv6Sketch {
            source: ends.0,
            destination: ends.1,
            hop_limit: facts.map(|facts| facts.0),
            traffic_class: facts.map(|facts| facts.1),
            flow_label: facts.map(|facts| facts.2),
            id,
        };
        let payload = if data.is_empty() { Payload::NONE } else { Payload::Bytes(data) };
        let sketch = Sketch::Ip(IpSketch { header: HeaderSketch::V6(header), kind, payload });
        prop_assert_eq!(sketch.to_string().parse(), Ok(sketch));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9a-z:.>\\[\\]\" \\\\]{0,60}") {
        let _ = text.parse::<Sketch>();
    }

    #[test]
    fn mixed_words_are_read_or_refused(words in proptest::collection::vec(word(), 0..16)) {
        let line: String = words.join(" ");
        if let Ok(sketch) = line.parse::<Sketch>() {
            let again: Sketch = sketch.to_string().parse().expect("what is written can be read");
            prop_assert_eq!(again.to_string(), sketch.to_string());
            let frame: Vec<u8> = sketch.frame(FROM, TO);
            let _ = Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), &frame));
        }
    }
}

/// Addresses of IPv6 with many zeros, so that what could be a port stands behind `::` often.
fn address() -> impl Strategy<Value = Ipv6Addr> {
    let group = prop_oneof![Just(0_u16), Just(0), any::<u16>(), 0_u16..100];
    proptest::array::uniform8(group).prop_map(Into::into)
}

fn word() -> impl Strategy<Value = &'static str> {
    #[rustfmt::skip]
    let words = [
        "10.0.0.2", "10.0.0.3:80", "10.0.0.4:1 > 10.0.0.5:2", "10.0.0.4 > 10.0.0.5", ">", "tcp", "udp", "icmp type 3 code 4", "icmp type 8 code 0",
        "SA", "A", "seq 1", "ack 2", "len 40", "data \"a b\"", "[", "]", "fragment 8", "more", "mtu 9", "id 3", "ttl 0", "sack 1-2,3-4", "17", "arp",
        "2001:db8::2", "2001:db8::3:80", "2001:db8::4:1 > 2001:db8::5:2", "2001:db8::4 > 2001:db8::5", "[2001:db8::6]:7", "icmpv6",
        "icmpv6 type 2 code 0", "icmpv6 type 128 code 0", "hoplimit 9", "tc 0x1", "flowlbl 7", "ipid 70000",
    ];
    proptest::sample::select(Vec::from(words))
}
