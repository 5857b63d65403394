//! Every drop reason is produced by a play: here is one for each.
//!
//! Reasons that only the host on a wire can give are produced by its own tests; [`BY_THE_HOST`] says by which.

#[path = "tcp/drops.rs"]
mod tcp;

use std::{collections::BTreeSet, fs, net::Ipv6Addr, path::Path, time::Duration};

use lab::{Bonded, Scripted, frame, lab, lab_with_arp};
use towpath_engine::{
    Command, DeviceId, DropReason as Why, Engine, Frame, Instant,
    conntrack::helper::HelperMode,
    device::{
        Device, InterfaceAddress, Kind, Link,
        bond::{FailOverMac, Mode, Options},
    },
    ip::{Route, RouteKind},
    limits::{BLOCK_BYTES, FRAME_BYTES_MAX, NEIGHBOUR_QUEUE_BYTES_MAX, TRANSMIT_QUEUE_MAX},
    netfilter::{Loading, RuleSet, Source},
    wire::MacAddr,
};

type Play = fn() -> Vec<Why>;

#[rustfmt::skip]
static PRODUCED: &[(Why, Play)] = &[
    // Frames that are not right.
    (Why::FrameTooLong,         || given(&[0; FRAME_BYTES_MAX + 1])),
    (Why::LinkTruncated,        || given(&[0; 13])),
    (Why::LinkProtocolUnknown,  || changed(12, &[0x88, 0xcc])),
    (Why::LinkOtherHost,        || changed(5, &[0x99])),
    (Why::VlanUnknown,          || changed(12, &[0x81, 0x00, 0x00, 0x2a, 0x08, 0x00])),
    (Why::DeviceDown,           || by_device(9)),
    (Why::NeighbourForgotten,   forgotten),
    (Why::BondPortInactive,     || bonded(1, &[0, 1])),
    (Why::BondPortsDown,        || bonded(0, &[])),
    (Why::CaptureCut,           cut),
    (Why::ArpMalformed,         || altered(&frame("lan", "arp who-has 10.0.0.1 tell 10.0.0.2"), 14, &[0, 6])),
    (Why::IpTruncated,          || given(&frame("lan", UDP)[..40])),
    (Why::IpHeaderMalformed,    || changed(14, &[0x44])),
    (Why::IpChecksum,           || changed(24, &[0xaa, 0xaa])),
    (Why::IpLinkBroadcast,      || changed(0, &[0xff; 6])),
    // Fragments.
    (Why::FragmentMalformed,    || parts(&["0 more len 7"])),
    (Why::FragmentDuplicate,    || parts(&["0 more len 8", "0 more len 8"])),
    (Why::FragmentOverlap,      || parts(&["0 more len 16", "8 more len 16"])),
    (Why::FragmentMemory,       || lab("").sysctl("net.ipv4.ipfrag_high_thresh", 0).drops_of("lan", &part("0 more len 8"))),
    (Why::FragmentTooFar,       overtaken),
    (Why::FragmentTimeout,      unfinished),
    (Why::FragmentHeadersMissing, || over_ipv6("fd00::2", "fd00::1", &[44, 64], &[17, 0, 0, 1, 0, 0, 0, 7])),
    (Why::FragmentLengthWrong,  || over_ipv6("fd00::2", "fd00::1", &[44, 64], &[99, 0, 0, 9, 0, 0, 0, 7, 1])),
    // Addresses and routes.
    (Why::IpSourceInvalid,      || sent("", "127.0.0.1:1 > 198.51.100.7:9 udp")),
    (Why::IpSourceLocal,        || sent("", "10.0.0.1:1 > 198.51.100.7:9 udp")),
    (Why::IpReversePath,        || lab("").sysctl("net.ipv4.conf.lan.rp_filter", 1).drops_of("lan", &frame("lan", "198.51.100.8:1 > 198.51.100.7:9 udp"))),
    (Why::IpDestinationInvalid, || sent("", "10.0.0.2:1 > 127.0.0.1:9 udp")),
    (Why::IpSourceLinkLocal,    || over_ipv6("fe80::2", "2001:db8::9", &[59, 64], &[])),
    (Why::IpGroupUnknown,       || over_ipv6("fd00::2", "ff05::99", &[59, 64], &[])),
    (Why::IpSourceRoute,        || over_ipv6("fd00::2", "fd00::1", &[43, 64], &[59, 0, 4, 1, 0, 0, 0, 0])),
    (Why::IpOptionsMalformed,   || over_ipv6("fd00::2", "2001:db8::9", &[0, 64], &[59, 0, 1, 4, 0, 0, 1, 0])),
    (Why::IpOptionsTooMany,     || over_ipv6("fd00::2", "2001:db8::9", &[0, 64], &[[59, 2].as_slice(), &[0x1e, 0].repeat(9), &[1, 2, 0, 0]].concat())),
    (Why::IpOptionUnknown,      || over_ipv6("fd00::2", "fd00::1", &[60, 64], &[59, 0, 0x5e, 4, 0, 0, 0, 0])),
    (Why::IpJumboNeedless,      || over_ipv6("fd00::2", "2001:db8::9", &[0, 64], &[59, 0, 0xc2, 4, 0, 0, 0, 1])),
    (Why::TtlExpired,           || sent("", "10.0.0.2:1 > 198.51.100.7:9 udp ttl 1")),
    (Why::NoRoute,              || alone("")),
    (Why::RouteUnreachable,     || routed(RouteKind::Unreachable)),
    (Why::RouteProhibits,       || routed(RouteKind::Prohibit)),
    (Why::RouteIgnores,         || routed(RouteKind::Blackhole)),
    (Why::LroForwarded,         merged_by_its_device),
    (Why::ForwardingOff,        || lab("").sysctl("net.ipv4.ip_forward", 0).drops_of("lan", &frame("lan", UDP))),
    (Why::PacketTooBig,         || sent("", "10.0.0.2:1 > 198.51.100.7:9 udp df len 1473")),
    (Why::NeighbourFailed,      unanswered),
    (Why::NeighbourQueueFull,   crowded),
    // Rules.
    (Why::FilterRule,           || sent("-A FORWARD -j DROP", UDP)),
    (Why::MatchUnreadable,      || lab("-A FORWARD -p tcp --dport 80").drops_of("lan", &short_segment())),
    (Why::MatchFull,            crowded_table),
    (Why::FilterPolicy,         || sent("-P FORWARD DROP", UDP)),
    (Why::FilterReject,         || sent("-A FORWARD -j REJECT", UDP)),
    // Connections and their translation.
    (Why::ConntrackFull,        full),
    (Why::ConntrackClash,       clash),
    (Why::NatUntranslatable,    || masqueraded("wan", "203.0.113.254 > 203.0.113.1 icmp type 5 code 1 [203.0.113.1:1 > 198.51.100.7:9 udp]")),
    (Why::NatExhausted,         exhausted),
    (Why::NatNoAddress,         || alone("-t nat -A PREROUTING -j REDIRECT")),
    (Why::NatDeviceChanged,     rerouted),
    // Helpers.
    (Why::HelperIncomplete,     || helped(HelperMode::ServicePorts, "PART")),
    (Why::HelperMalformed,      || helped(HelperMode::Kernel, "WRONG")),
    (Why::HelperFailed,         || helped(HelperMode::ServicePorts, "TRAP")),
    (Why::ExpectationRefused,   || helped(HelperMode::ServicePorts, "TWICE")),
    (Why::RewriteTooLong,       || helped(HelperMode::Kernel, &format!("LONG {}", "x".repeat(65_450)))),
    // This host.
    (Why::NoSocket,             || sent("", "10.0.0.2:1 > 10.0.0.1:9 udp")),
    (Why::NoProtocol,           || sent("", "10.0.0.2 > 10.0.0.1 gre")),
    (Why::TransportMalformed,   || sent("", "10.0.0.2 > 10.0.0.1 tcp len 8")),
    (Why::TransportChecksum,    || altered(&frame("lan", "10.0.0.2:1 > 10.0.0.1:9 udp"), 40, &[0xaa, 0xaa])),
    // Its connections.
    (Why::TcpTimestampOld,      || tcp::dropped("A seq 2 ack {ack} win 1000 len 5 ts 49/0")),
    (Why::TcpOutsideWindow,     || tcp::dropped("A seq 2000000 ack {ack} win 1000 len 5 ts 50/0")),
    (Why::TcpAckImpossible,     || tcp::dropped("A seq 2 ack {beyond} win 1000 ts 50/0")),
    (Why::TcpFlagsWrong,        || tcp::dropped("S seq 2 win 1000 ts 50/0")),
    (Why::TcpDuplicate,         || tcp::dropped("A seq 1 ack {ack} win 1000 len 1 ts 50/0")),
    (Why::TcpNobodyReads,       tcp::unread),
    (Why::ListenFull,           tcp::crowded),
    (Why::SocketMemory,         tcp::overfull),
    (Why::TcpMemory,            tcp::short_of_memory),
    // What it sends.
    (Why::LoopbackQueueFull,    tcp::unanswered),
    (Why::TransmitQueueFull,    || by_batch(TRANSMIT_QUEUE_MAX + 1)),
];

/// Reasons of the host, and the test file below `host-linux` that produces them.
#[rustfmt::skip]
static BY_THE_HOST: &[(Why, &str)] = &[
    (Why::ReceiveRingFull,  "tests/wire/ring.rs"),
    (Why::ReceiveMemory,    "tests/wire/ring.rs"),
    (Why::TransmitRefused,  "tests/wire/ring.rs"),
];

/// Reasons that nothing produces so far. It may only shrink.
#[rustfmt::skip]
static BY_NOBODY: &[Why] = &[
    Why::OffloadUnknown,    // no kernel at hand gives a header that is not known
];

#[test]
fn every_drop_reason_is_produced_by_somebody() {
    let told: Vec<Why> = PRODUCED
        .iter()
        .map(|(why, _)| *why)
        .chain(BY_THE_HOST.iter().map(|(why, _)| *why))
        .chain(BY_NOBODY.iter().copied())
        .collect();
    let different: BTreeSet<Why> = told.iter().copied().collect();
    assert_eq!(different.len(), told.len(), "a reason is told twice");
    let untold: Vec<_> = Why::ALL.iter().filter(|why| !different.contains(why)).collect();
    assert!(untold.is_empty(), "no play produces {untold:?}: add one");
}

#[test]
fn each_play_ends_packets_for_its_reason_and_no_other() {
    let played = PRODUCED.iter().map(|(why, play)| (why, play()));
    let wrong: Vec<_> = played.filter(|(why, got)| got.is_empty() || got.iter().any(|reason| reason != *why)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_hosts_tests_name_the_hosts_reasons() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-linux");
    for (why, file) in BY_THE_HOST {
        let text = fs::read_to_string(host.join(file)).expect(file);
        assert!(text.contains(&format!("DropReason::{}", why.name())), "{file} does not name {why:?}");
    }
}

const UDP: &str = "10.0.0.2:1 > 198.51.100.7:9 udp";
const NOW: Instant = Instant::from_secs(1);

/// A packet from inside.
fn sent(rules: &str, line: &str) -> Vec<Why> {
    lab(rules).drops_of("lan", &frame("lan", line))
}

/// Two segments of one poll that go through.
fn merged_by_its_device() -> Vec<Why> {
    let mut lab = lab("").merging("lan", Duration::from_millis(1)).feature("lan", "lro", true);
    let segments =
        ["A seq 1 len 9", "PA seq 10 len 9"].map(|line| frame("lan", &format!("10.0.0.2:1 > 198.51.100.7:9 {line}")));
    segments.iter().flat_map(|frame| lab.drops_of("lan", frame)).collect()
}

/// What its header calls TCP, though it ends before a header of that does.
fn short_segment() -> Vec<u8> {
    let mut frame = frame("lan", UDP);
    frame[23] = 6;
    // The protocol was 17: eleven less in the sum, eleven more in its complement.
    let sum = u16::from_be_bytes([frame[24], frame[25]]).checked_add(11).expect("a sum that carries nothing");
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// A frame from inside.
fn given(frame: &[u8]) -> Vec<Why> {
    lab("").drops_of("lan", frame)
}

/// A right frame from inside, with other bytes from `at` on.
fn changed(at: usize, bytes: &[u8]) -> Vec<Why> {
    altered(&frame("lan", UDP), at, bytes)
}

fn altered(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<Why> {
    let mut frame = frame.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    given(&frame)
}

fn part(text: &str) -> Vec<u8> {
    frame("lan", &format!("10.0.0.2 > 198.51.100.7 udp fragment {text}"))
}

fn parts(texts: &[&str]) -> Vec<Why> {
    let mut lab = lab("");
    texts.iter().flat_map(|text| lab.drops_of("lan", &part(text))).collect()
}

/// A part of a datagram, after so many of others that it can only be of a later one with the same number.
fn overtaken() -> Vec<Why> {
    let mut lab = lab("").sysctl("net.ipv4.ipfrag_max_dist", 1);
    let texts = ["0 more len 8 ipid 1", "0 more len 8 ipid 2", "0 more len 8 ipid 3", "8 more len 8 ipid 1"];
    texts.iter().flat_map(|text| lab.drops_of("lan", &part(text))).collect()
}

/// The rest of a datagram does not come.
fn unfinished() -> Vec<Why> {
    let mut lab = lab("");
    lab.drops_of("lan", &part("8 more len 8"));
    lab.drops_within(31)
}

/// A service that answers itself without end.
fn routed(kind: RouteKind) -> Vec<Why> {
    lab("").route("198.51.100.0/24", kind, None).drops_of("lan", &frame("lan", UDP))
}

/// An IPv6 packet to a gateway that is fd00::1 and has a way everywhere; `next` is its next header and hop limit.
fn over_ipv6(source: &str, destination: &str, next: &[u8; 2], payload: &[u8]) -> Vec<Why> {
    let mut lab = lab("");
    let ip = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    lab.command(Command::AddAddress(DeviceId(0), InterfaceAddress { address: ip("fd00::1").into(), prefix: 64 }));
    let kind = RouteKind::Unicast { device: DeviceId(1), via: None };
    let destination_all = Ipv6Addr::UNSPECIFIED.into();
    lab.command(Command::AddRoute(Route::new(destination_all, 0, kind)));
    let mut frame = frame("lan", UDP);
    frame.truncate(12);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, payload.len() as u8]);
    frame.extend(next);
    frame.extend([ip(source).octets(), ip(destination).octets()].concat());
    frame.extend(payload);
    lab.drops_of("lan", &frame)
}

/// The gateway's neighbour does not answer.
fn unanswered() -> Vec<Why> {
    let mut lab = lab_with_arp("");
    // The sender is known, so that the error about its packet does not wait as well.
    lab.drops_of("lan", &frame("lan", "arp who-has 10.0.0.1 tell 10.0.0.2"));
    lab.drops_of("lan", &frame("lan", UDP));
    lab.drops_within(4)
}

/// More packets wait for a neighbour than may.
fn crowded() -> Vec<Why> {
    let mut lab = lab_with_arp("");
    (0..=NEIGHBOUR_QUEUE_BYTES_MAX / BLOCK_BYTES).flat_map(|_| lab.drops_of("lan", &frame("lan", UDP))).collect()
}

/// Another connection, while the table is full of one that is established.
fn full() -> Vec<Why> {
    let mut lab = lab("").sysctl("net.netfilter.nf_conntrack_max", 1);
    lab.play(
        "
        0.000  lan <  10.0.0.3:1 > 198.51.100.7:9  udp
        0.000  wan >  10.0.0.3:1 > 198.51.100.7:9  udp
        3.000  wan <  198.51.100.7:9 > 10.0.0.3:1  udp
        3.000  lan >  198.51.100.7:9 > 10.0.0.3:1  udp
        6.000  lan <  10.0.0.3:1 > 198.51.100.7:9  udp
        6.000  wan >  10.0.0.3:1 > 198.51.100.7:9  udp
        ",
    );
    lab.drops_of("lan", &frame("lan", UDP))
}

/// Two connections that can only be translated to the same one.
fn clash() -> Vec<Why> {
    let mut lab = lab("-t nat -A POSTROUTING -p gre -j SNAT --to-source 203.0.113.9");
    let first = lab.drops_of("lan", &frame("lan", "10.0.0.3 > 198.51.100.7 gre len 8"));
    [first, lab.drops_of("lan", &frame("lan", "10.0.0.2 > 198.51.100.7 gre len 8"))].concat()
}

/// Two groups where one has room.
fn crowded_table() -> Vec<Why> {
    let rule = "-A FORWARD -p udp -m hashlimit --hashlimit-above 9/sec --hashlimit-mode srcip --hashlimit-htable-size 1 --hashlimit-htable-max 1 --hashlimit-name x -j DROP";
    let mut lab = lab(rule);
    let first = lab.drops_of("lan", &frame("lan", "10.0.0.3:1 > 198.51.100.7:9 udp"));
    [first, lab.drops_of("lan", &frame("lan", UDP))].concat()
}

/// Two flows for one port.
fn exhausted() -> Vec<Why> {
    let mut lab = lab("-t nat -A POSTROUTING -p udp -j SNAT --to-source 203.0.113.9:5000-5000");
    let first = lab.drops_of("lan", &frame("lan", "10.0.0.3:1 > 198.51.100.7:9 udp"));
    [first, lab.drops_of("lan", &frame("lan", UDP))].concat()
}

/// A packet after a masqueraded one.
fn masqueraded(device: &str, line: &str) -> Vec<Why> {
    let mut lab = lab("-t nat -A POSTROUTING -o wan -j MASQUERADE");
    let first = lab.drops_of("lan", &frame("lan", UDP));
    [first, lab.drops_of(device, &frame(device, line))].concat()
}

/// A masqueraded connection whose packets leave by another device now.
fn rerouted() -> Vec<Why> {
    let mut lab = lab("-t nat -A POSTROUTING -j MASQUERADE");
    let first = lab.drops_of("lan", &frame("lan", UDP));
    let kind = RouteKind::Unicast { device: DeviceId(0), via: None };
    let route = Route::new([198, 51, 100, 0].into(), 24, kind);
    lab.command(Command::AddRoute(route));
    [first, lab.drops_of("lan", &frame("lan", UDP))].concat()
}

/// A payload that the helper of [`Scripted`] reads.
fn helped(mode: HelperMode, payload: &str) -> Vec<Why> {
    let mut lab = lab("-t nat -A POSTROUTING -o wan -j MASQUERADE").helpers();
    lab.command(Command::LoadHelper(Box::new(Scripted::default())));
    lab.command(Command::SetHelperMode(mode));
    lab.play(
        r#"
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:7000     S  seq 100
        0.000  wan >  203.0.113.1:1 > 198.51.100.7:7000  S  seq 100
        0.000  lan =  helper=scripted
        0.010  wan <  198.51.100.7:7000 > 203.0.113.1:1  SA seq 500 ack 101
        0.010  lan >  198.51.100.7:7000 > 10.0.0.2:1     SA seq 500 ack 101
        # Linux reads a line only behind one that it has seen.
        0.020  lan <  10.0.0.2:1 > 198.51.100.7:7000     PA seq 101 ack 501 data "hello\n"
        0.020  wan >  203.0.113.1:1 > 198.51.100.7:7000  PA seq 101 ack 501 data "hello\n"
        "#,
    );
    let line = format!("10.0.0.2:1 > 198.51.100.7:7000 PA seq 107 ack 501 data \"{payload}\\n\"");
    lab.drops_of("lan", &frame("lan", &line))
}

/// A gateway with one device and neither address nor route.
fn bare(rules: &str) -> Engine {
    let mut engine = Engine::new(1);
    let mac = MacAddr([2, 0, 0, 0, 1, 1]);
    let device = Device {
        name: "lan".into(),
        mac,
        mtu_bytes: 1500,
        addresses: Vec::new(),
        any_destination: true,
        arp: false,
        ..Device::default()
    };
    let rules = RuleSet::parse(&[Source { name: "rules", text: rules }], &Loading::default()).expect("right rules");
    for command in [Command::AddDevice(device), Command::ReplaceRules(Box::new(rules))] {
        engine.handle_command(NOW, command).expect("a bare gateway");
    }
    engine
}

fn drops(engine: &Engine) -> Vec<Why> {
    engine.stats().all_drops().flat_map(|(why, count)| (0..count).map(move |_| why)).collect()
}

fn alone(rules: &str) -> Vec<Why> {
    let mut engine = bare(rules);
    engine.handle_frames(NOW, &[Frame::new(DeviceId(0), &frame("lan", UDP))]);
    drops(&engine)
}

/// A ping by a port of a bond whose ports with these numbers have a carrier.
fn bonded(by: u16, up: &[u16]) -> Vec<Why> {
    let options =
        Options { mode: Mode::ActiveBackup, miimon_ms: 100, all_slaves_active: up.is_empty(), ..Options::default() };
    let mut host = Bonded::new(options, &[0, 1]);
    for port in [0, 1] {
        host.link(port, up.contains(&port));
    }
    host.pass(100);
    let to = host.mac(Bonded::BOND.0);
    host.receive(by, &Bonded::ping(to, 1))
}

/// A packet waits for the address of its neighbour when the device that it is to leave by gets another one.
fn forgotten() -> Vec<Why> {
    let mut engine = Engine::new(1);
    let mut give = |command| engine.handle_command(NOW, command).expect("it can be carried out");
    let options = Options {
        mode: Mode::ActiveBackup,
        miimon_ms: 100,
        num_peer_notif: 0,
        fail_over_mac: FailOverMac::Active,
        ..Options::default()
    };
    let own = InterfaceAddress { address: [10, 0, 0, 1].into(), prefix: 24 };
    let port = |last| Device { name: format!("p{last}"), mac: MacAddr([2, 0, 0, 0, 0, last]), ..Device::default() };
    give(Command::AddDevice(port(0)));
    give(Command::AddDevice(port(1)));
    give(Command::AddDevice(Device { kind: Kind::Bond, addresses: vec![own], ..port(2) }));
    give(Command::SetBond(DeviceId(2), Box::new(options), vec![DeviceId(0), DeviceId(1)]));
    let udp = frame("lan", "10.0.0.1:1 > 10.0.0.9:9 udp");
    give(Command::SendPacket(udp[14..].to_vec()));
    give(Command::SetLink(DeviceId(0), Link::DOWN));
    engine.handle_timeout(NOW + Duration::from_millis(100));
    drops(&engine)
}

/// A frame by a device that does not exist.
fn by_device(number: u16) -> Vec<Why> {
    let mut engine = bare("");
    engine.handle_frames(NOW, &[Frame::new(DeviceId(number), &frame("lan", UDP))]);
    drops(&engine)
}

/// A frame of which the capture holds 30 bytes.
fn cut() -> Vec<Why> {
    let mut engine = bare("");
    let whole = frame("lan", UDP);
    let cut = Frame { wire_len: whole.len() as u32, ..Frame::new(DeviceId(0), &whole[..30]) };
    engine.handle_frames(NOW, &[cut]);
    drops(&engine)
}

/// So many frames before any is fetched.
fn by_batch(count: usize) -> Vec<Why> {
    let mut engine = bare("-t raw -A PREROUTING -j NOTRACK");
    let kind = RouteKind::Unicast { device: DeviceId(0), via: None };
    let route = Route::new([0; 4].into(), 0, kind);
    engine.handle_command(NOW, Command::AddRoute(route)).expect("a route");
    let bytes = frame("lan", UDP);
    engine.handle_frames(NOW, &vec![Frame::new(DeviceId(0), &bytes); count]);
    drops(&engine)
}
