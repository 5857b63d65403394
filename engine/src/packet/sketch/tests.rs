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
static LINES: [&str; 19] = [
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
        if let (Sketch::Ipv4(seen), Sketch::Ipv4(told)) = (&mut seen, &told) {
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
        assert!(crate::offload::checksum::is_right(&packet, &crate::wire::checksum::Routines::PORTABLE), "{line}");
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
        ("", "column 1: the line ends where an IPv4 address, with a port or without should stand"),
        ("10.0.0.2", "column 9: the line ends where > should stand"),
        ("10.0.0.2:1 > 10.0.0.3:2 X", "column 25: expected a protocol, or TCP flags of the letters FSRPAUEC, found 'X'"),
        ("10.0.0.2:1 > 10.0.0.3:99999 S", "column 14: expected a port from 0 to 65535, found '10.0.0.3:99999'"),
        ("10.0.0.2:1 > 10.0.0.3:2 S seq x", "column 31: expected a sequence number, found 'x'"),
        ("10.0.0.2:1 > 10.0.0.3:2 udp seq 1", "column 29: expected a fact about such a packet, found 'seq'"),
        ("10.0.0.2:1 > 10.0.0.3:2 S ttl 256", "column 31: expected a TTL up to 255, found '256'"),
        ("10.0.0.2:1 > 10.0.0.3:2 udp data \"x", "column 36: the line ends where a closing quotation mark should stand"),
        ("10.0.0.2 > 10.0.0.3 udp fragment 7", "column 25: expected a multiple of 8 up to 65528, found 'fragment'"),
        ("10.0.0.2:1 > 10.0.0.3:2 gre", "column 25: expected 'tcp' or 'udp' between ports, found 'gre'"),
        ("arp who-has 10.0.0.1", "column 21: the line ends where tell should stand"),
        ("arp 10.0.0.1 is-at 1:2", "column 20: expected an Ethernet address, found '1:2'"),
    ];
    for (line, message) in wrong {
        let error = line.parse::<Sketch>().expect_err(line);
        assert_eq!(error.to_string(), message, "{line}");
    }
}

proptest! {
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

fn word() -> impl Strategy<Value = &'static str> {
    #[rustfmt::skip]
    let words = [
        "10.0.0.2", "10.0.0.3:80", "10.0.0.4:1 > 10.0.0.5:2", "10.0.0.4 > 10.0.0.5", ">", "tcp", "udp", "icmp type 3 code 4", "icmp type 8 code 0",
        "SA", "A", "seq 1", "ack 2", "len 40", "data \"a b\"", "[", "]", "fragment 8", "more", "mtu 9", "id 3", "ttl 0", "sack 1-2,3-4", "17", "arp",
    ];
    proptest::sample::select(Vec::from(words))
}
