//! What is told of sockets and of what has come: to rules, to who counts, and to a connection's user.

use lab::{
    frame,
    network::{Peer, host},
};
use towpath_engine::{
    Checksum, Command, DeviceId, Frame, Gso, GsoKind, Instant,
    netfilter::{Loading, RuleSet, Source},
    socket::{Family, SocketOption},
};

const NOW: Instant = Instant::from_secs(100);

#[test]
fn a_rule_gives_a_packet_the_mark_of_its_socket() {
    const RULES: &str = "*mangle
-A PREROUTING -m socket --restore-skmark -j ACCEPT
COMMIT
*raw
COMMIT
*filter
-A INPUT -m mark --mark 5 -j DROP
COMMIT
";
    let quoted = "10.0.0.2 > 10.0.0.1 icmp type 3 code 4 mtu 1400 [10.0.0.1:PORT > 10.0.0.2:1000 tcp seq 1]";
    for (packet, is_dropped) in [
        ("10.0.0.2:1000 > 10.0.0.1:80 S seq 1 win 1000", true),
        ("10.0.0.2:1000 > 10.0.0.1:81 S seq 1 win 1000", false),
        (&quoted.replace("PORT", "80"), true),
        (&quoted.replace("PORT", "81"), false),
    ] {
        let mut engine = host(NOW, 1);
        let rules = RuleSet::parse(&[Source { name: "rules", text: RULES }], &Loading::default()).expect("right rules");
        engine.handle_command(NOW, Command::ReplaceRules(Box::new(rules))).expect("rules are taken");
        let listener = engine.open_stream(NOW, Family::Ipv4).expect("a socket");
        let mut socket = engine.socket(NOW, listener).expect("it is there");
        socket.set(&SocketOption::Mark(5)).expect("it may be set");
        socket.bind("10.0.0.1:80".parse().expect("an address")).expect("the port is free");
        socket.listen(5).expect("it may listen");
        engine.handle_frames(NOW, &[Frame::new(DeviceId(0), &frame("lan", packet))]);
        let dropped = engine.stats().all_drops().any(|(reason, _)| reason.name() == "FilterRule");
        assert_eq!(dropped, is_dropped, "{packet}");
    }
}

#[test]
fn what_is_handed_to_the_machine_is_counted_once() {
    for packet in [
        "10.0.0.2:1000 > 10.0.0.1:5000 udp len 8",
        "10.0.0.2:1000 > 10.0.0.1:5000 S seq 1 win 1000",
        "10.0.0.2 > 10.0.0.1 icmp type 0 code 0 id 7 seq 1",
        "10.0.0.2 > 10.0.0.1 icmp type 13 code 0 len 12",
        "10.0.0.2 > 10.0.0.1 icmp type 3 code 3 [10.0.0.1:1 > 10.0.0.2:2 udp]",
    ] {
        let mut engine = host(NOW, 1);
        engine.handle_command(NOW, Command::ServeHost(true)).expect("it can");
        engine.handle_frames(NOW, &[Frame::new(DeviceId(0), &frame("lan", packet))]);
        assert_eq!(engine.stats().delivered, 1, "{packet}");
        assert_eq!(core::iter::from_fn(|| engine.poll_transmit()).count(), 1, "{packet}");
    }
}

#[test]
fn segments_that_have_come_as_one_packet_count_as_those_that_they_were() {
    let mut peer = Peer::new().accepted("mss 1460");
    let before = peer.call().info().expect("it is connected");
    let bytes = frame("lan", "10.0.0.2:2000 > 10.0.0.1:80 A seq 1 win 60000 len 14480");
    let gso = Gso { kind: GsoKind::Tcp4, size: 1448, segments: 10, fixed_id: false };
    let now = peer.now();
    let ack = peer.initial().wrapping_add(1).to_be_bytes();
    let mut bytes = bytes;
    bytes[14 + 20 + 8..14 + 20 + 12].copy_from_slice(&ack);
    let frame = Frame { checksum: Checksum::Unnecessary, gso: Some(gso), ..Frame::new(DeviceId(0), &bytes) };
    peer.engine.handle_frames(now, &[frame]);
    let after = peer.call().info().expect("it is connected");
    assert_eq!((after.rcv_mss, after.bytes_received), (1448, 14_480));
    assert_eq!((after.segs_in - before.segs_in, after.data_segs_in - before.data_segs_in), (10, 10));
}
