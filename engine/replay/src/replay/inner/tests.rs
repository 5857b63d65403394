//! Small captures from behind a gateway that leads connections in.

use core::net::Ipv6Addr;

use serde_json::Value;
use towpath_engine::{DeviceId, Frame, Instant, conntrack::Family, wire::Protocol};

use super::super::{
    Detail, Replay, craft,
    tests::{GATEWAY, GATEWAY6, json, json_of, part, setup, setup6},
};
use crate::capture::{Capture, Forge, Order};

type End = ([u8; 4], u16);

const CALLER: End = ([198, 51, 100, 7], 4000);
const SERVER: End = ([10, 0, 0, 20], 80);
const CALLED: End = ([203, 0, 113, 1], 8080);
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;
const AS_CALLED: &str = "198.51.100.7:4000 > 203.0.113.1:8080 tcp";
const BEHIND: &str = "198.51.100.7:4000 > 10.0.0.20:80 tcp";

#[test]
fn what_a_caller_sent_is_replayed_as_it_was_before_the_gateway_led_it_in() {
    let mut replay = Replay::new(setup(GATEWAY, &forwarding(PORT_8080), Detail::Verdicts)).ok().unwrap();
    let lines = run(&mut replay, &craft::pcap(&handshake(CALLER, SERVER)));
    let told: Vec<_> = lines.iter().map(|line| [&line["dev"], &line["state"], &line["verdict"]]).collect();
    let line = |device: &'static str, state: &'static str| [device, state, "FORWARDED"].map(Value::from);
    let expected = [line("wan", "NEW"), line("lan", "ESTABLISHED"), line("wan", "ESTABLISHED")];
    assert_eq!(told, expected.each_ref().map(|line| line.each_ref()), "{lines:#?}");
    assert_eq!(lines[0]["pkt"], format!("{AS_CALLED} S seq 1000 ack 0"));
    assert_eq!(lines[0]["was"], format!("{BEHIND} S seq 1000 ack 0"));
    assert_eq!(lines[2]["was"], format!("{BEHIND} A seq 1001 ack 9001"));
    assert_eq!(lines[0]["out"][0]["pkt"], lines[0]["was"], "and is to the server what it was");
    assert_eq!(lines[1].get("was"), None);
    assert_eq!(lines[1]["out"][0]["pkt"], "203.0.113.1:8080 > 198.51.100.7:4000 tcp SA seq 9000 ack 1001");
    assert_eq!(replay.totals().readdressed, 2);
    let rules = replay.engine().rules().of(Family::Ipv4).save(true);
    assert!(rules.contains("[1:40] -A PREROUTING -i wan"), "trying has counted nothing: {rules}");
}

#[test]
fn to_ask_what_would_be_leaves_no_trace() {
    let mut replay = Replay::new(setup(GATEWAY, &forwarding(PORT_8080), Detail::Full)).ok().unwrap();
    let before = replay.save();
    let frame = craft::tcp(CALLER.0, CALLER.1, CALLED.0, CALLED.1);
    let engine = replay.engine_mut();
    let foretold = engine.foretell(Instant::from_secs(9), &Frame::new(DeviceId(1), &frame));
    assert_eq!(foretold.map(|tuple| tuple.to_string()).as_deref(), Some(BEHIND));
    assert!(engine.poll_event().is_none() && engine.poll_ending().is_none() && engine.take_trace().is_empty());
    assert_eq!(replay.save(), before);
}

#[test]
#[rustfmt::skip]
fn the_rules_say_what_was_called() {
    let cases = [
        // The port is the same, and nothing says which address; or the rule says it.
        ("-A PREROUTING -i wan -p tcp --dport 80 -j DNAT --to-destination 10.0.0.20",                   "203.0.113.1:80"),
        ("-A PREROUTING -i wan -p tcp -j DNAT --to-destination 10.0.0.20",                              "203.0.113.1:80"),
        ("-A PREROUTING -j DNAT --to-destination 10.0.0.20",                                            "203.0.113.1:80"),
        ("-A PREROUTING -d 203.0.113.5 -j DNAT --to-destination 10.0.0.20",                             "203.0.113.5:80"),
        ("-A PREROUTING -d 203.0.113.5/32 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.20:80",   "203.0.113.5:8080"),
        // One of several ports, which each lead to its own, or to that one.
        ("-A PREROUTING -p tcp --dport 8070:8089 -j DNAT --to-destination 10.0.0.20:70-89/8070",        "203.0.113.1:8080"),
        ("-A PREROUTING -p tcp -m multiport --dports 80,443 -j DNAT --to-destination 10.0.0.20",        "203.0.113.1:80"),
        ("-A PREROUTING -p tcp --dport 79:81 -j DNAT --to-destination 10.0.0.20:79-81",                 "203.0.113.1:80"),
        // Chains, and what the rules before them say.
        ("-A PREROUTING -m addrtype --dst-type LOCAL -j web\n-A web ! -i lan -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.20:80", "203.0.113.1:8080"),
        ("-A PREROUTING -d 203.0.113.5 -p tcp --dport 8080 -g web\n-A web -p tcp -j DNAT --to-destination 10.0.0.20:80", "203.0.113.5:8080"),
        ("-A PREROUTING -p tcp --dport 8080 -j LOG\n-A PREROUTING -p tcp --dport 8080 -m comment --comment web -j DNAT --to-destination 10.0.0.20:80", "203.0.113.1:8080"),
        // Of two rules that lead there the first, and of those that ask for the same only the one that is asked.
        ("-A PREROUTING -p tcp --dport 81 -j DNAT --to-destination 10.0.0.20:80\n-A PREROUTING -p tcp --dport 82 -j DNAT --to-destination 10.0.0.20:80", "203.0.113.1:81"),
        ("-A PREROUTING -p tcp --dport 81 -j DNAT --to-destination 10.0.0.9:80\n-A PREROUTING -p tcp --dport 81:82 -j DNAT --to-destination 10.0.0.20:80\n-A PREROUTING -p tcp --dport 83 -j DNAT --to-destination 10.0.0.20:80", "203.0.113.1:83"),
        ("-A PREROUTING -s 192.0.2.0/24 -p tcp --dport 81 -j DNAT --to-destination 10.0.0.20:80\n-A PREROUTING -p tcp --dport 82 -j DNAT --to-destination 10.0.0.20:80", "203.0.113.1:82"),
        // An address of several, which depends on both ends only.
        ("-A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.19-10.0.0.20:80",           "203.0.113.1:8080"),
    ];
    for (rules, called) in cases {
        let lines = json(GATEWAY, &forwarding(rules), &syn(), Detail::Verdicts);
        assert_eq!(lines[0]["pkt"], format!("198.51.100.7:4000 > {called} tcp S seq 1000 ack 0"), "{rules}");
        assert_eq!((&lines[0]["verdict"], &lines[0]["was"]), (&"FORWARDED".into(), &lines[0]["out"][0]["pkt"]), "{rules}");
    }
}

#[test]
#[rustfmt::skip]
fn what_is_not_certain_stays_as_it_was_captured() {
    let to = "-j DNAT --to-destination 10.0.0.20:80";
    for rules in [
        "",
        // To another port, protocol or host, from another side or host.
        "-A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.20:81",
        "-A PREROUTING -p udp --dport 8080 TO",
        "-A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.21:80",
        "-A PREROUTING -i lan -p tcp --dport 8080 TO",
        "-A PREROUTING -s 192.0.2.0/24 -p tcp --dport 8080 TO",
        // One of several ports, nobody knows which.
        "-A PREROUTING -p tcp -m multiport --dports 8080,8081 TO",
        "-A PREROUTING -p tcp --dport 80:81 TO",
        // Others have their say before.
        "-A PREROUTING -i wan -j ACCEPT\n-A PREROUTING -p tcp --dport 8080 TO",
        "-A PREROUTING -s 198.51.100.7 -j DNAT --to-destination 10.0.0.9\n-A PREROUTING -p tcp --dport 8080 TO",
        "-A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 80\n-A PREROUTING -p tcp --dport 8080 TO",
        "COMMIT\n*raw\n-A PREROUTING -p tcp --dport 8080 -j DROP\nCOMMIT\n*nat\n-A PREROUTING -p tcp --dport 8080 TO",
        "COMMIT\n*raw\n-A PREROUTING -p tcp --dport 8080 -j CT --notrack\nCOMMIT\n*nat\n-A PREROUTING -p tcp --dport 8080 TO",
        "COMMIT\n*mangle\n-A PREROUTING -i wan -j DROP\nCOMMIT\n*nat\n-A PREROUTING -p tcp --dport 8080 TO",
        // Chance, marks, and what is remembered.
        "-A PREROUTING -p tcp --dport 8080 -m statistic --mode random --probability 0.5 TO",
        "-A PREROUTING -p tcp --dport 8080 -m mark --mark 1 TO",
        "-A PREROUTING -p tcp --dport 8080 -m limit --limit 1/s TO",
        "-A PREROUTING -p tcp --dport 8080 -m recent --name seen --rcheck -j RETURN\n-A PREROUTING -p tcp --dport 8080 TO",
        "-A PREROUTING -p tcp --dport 8080 TO --random",
    ] {
        assert_untouched(GATEWAY, &rules.replace("TO", to), &syn());
    }
}

#[test]
fn who_may_have_called_the_host_itself_is_left_alone() {
    let rules = forwarding(PORT_8080);
    // From a private network outside, from inside, by a way that is not there, and to the gateway's own port.
    let outside = GATEWAY.replace("name='wan'", "name='wan'\nnetworks=['172.16.0.0/12']");
    let calls = |from: [u8; 4], to: End| vec![(0, craft::tcp(from, 4000, to.0, to.1))];
    assert_untouched(&outside, PORT_8080, &calls([172, 16, 0, 9], SERVER));
    assert_untouched(GATEWAY, PORT_8080, &calls([10, 0, 0, 2], SERVER));
    assert_untouched(GATEWAY, PORT_8080, &calls(CALLER.0, CALLED));
    let (inside, _) = GATEWAY.split_once("[[route]]").unwrap();
    let lines = json(inside, &rules, &syn(), Detail::Verdicts);
    assert_eq!((&lines[0]["reason"], lines[0].get("was")), (&"NoInterface".into(), None));
    // Where the gateway's hosts have public addresses, only the configuration can say where the capture was taken.
    let public = GATEWAY.replace("10.0.0.1/24", "192.0.2.1/24");
    let to = ([192, 0, 2, 20], 80);
    let rule = PORT_8080.replace("10.0.0.20", "192.0.2.20");
    assert_untouched(&public, &rule, &calls(CALLER.0, to));
    let said = |device: &str| {
        let capture = format!("name='{device}'\ncapture=0");
        public.replace(&format!("name='{device}'"), &capture) + "[capture]\ntaken_at='elsewhere'\n"
    };
    assert_untouched(&said("wan"), &rule, &calls(CALLER.0, to));
    let lines = json(&said("lan"), &forwarding(&rule), &calls(CALLER.0, to), Detail::Verdicts);
    assert_eq!(lines[0]["pkt"], format!("{AS_CALLED} S seq 1000 ack 0"));
}

#[test]
fn a_capture_from_outside_stays_as_it_is() {
    let mut frames = handshake(CALLER, CALLED);
    // Somebody who tries to get around the rule: what came before shows that this is the gateway's outer side.
    frames.push((5_000_000, craft::tcp(CALLER.0, 4001, SERVER.0, SERVER.1)));
    let rules = forwarding(PORT_8080);
    let lines = json(GATEWAY, &rules, &frames, Detail::Verdicts);
    let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["FORWARDED", "FORWARDED", "FORWARDED", "DROPPED_FORWARD"]);
    // The answer comes from the host inside, as ever.
    assert_eq!(lines[1]["pkt"], "10.0.0.20:80 > 198.51.100.7:4000 tcp SA seq 9000 ack 1001");
    frames.remove(1);
    assert_untouched(GATEWAY, PORT_8080, &frames);
    // The same where the packet says itself that it is on its way to the gateway.
    let wan = GATEWAY.replace("name='wan'", "name='wan'\nmac='02:00:00:00:00:bb'");
    assert_untouched(&wan, PORT_8080, &syn());
}

#[test]
fn of_both_sides_in_one_capture_nothing_is_fed_in_twice() {
    let (outside, inside) = (handshake(CALLER, CALLED), handshake(CALLER, SERVER));
    // As the gateway's two sides see the handshake: (1) the caller's packets outside and then inside, the server's the other way.
    let order =
        [(1, &outside[0]), (0, &inside[0]), (0, &inside[1]), (1, &outside[1]), (1, &outside[2]), (0, &inside[2])];
    let expected = ["FORWARDED", "NOT_INJECTED", "FORWARDED", "NOT_INJECTED", "FORWARDED", "NOT_INJECTED"];
    let mut named = Forge::pcapng(Order::Little);
    for name in [b"lan", b"wan"] {
        named.interface(1, 65_535, &[(2, name)]);
    }
    for (at, (interface, (_, frame))) in (0..).zip(order) {
        named.packet(interface, at, frame.len() as u32, frame, &[]);
    }
    let nameless: Vec<_> = (0..).zip(order).map(|(at, (_, (_, frame)))| (at, frame.clone())).collect();
    let rules = forwarding(PORT_8080);
    for file in [named.bytes, craft::pcap(&nameless)] {
        let mut replay = Replay::new(setup(GATEWAY, &rules, Detail::Verdicts)).ok().unwrap();
        let lines = run(&mut replay, &file);
        let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, expected);
        assert_eq!((replay.totals().own_output, replay.totals().readdressed), (3, 0));
    }
}

#[test]
fn a_caller_inside_gets_the_answers_of_a_host_inside_as_ever() {
    let rules = "-A PREROUTING -d 203.0.113.1 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.20:80\n-A POSTROUTING -o lan -j MASQUERADE";
    let lines = json(GATEWAY, &forwarding(rules), &handshake(([10, 0, 0, 2], 4000), CALLED), Detail::Verdicts);
    let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["FORWARDED"; 3]);
    assert_eq!(lines[1]["pkt"], "10.0.0.20:80 > 10.0.0.1:4000 tcp SA seq 9000 ack 1001");
}

#[test]
fn parts_of_a_datagram_are_led_in_as_its_first_one() {
    let whole = craft::udp(CALLER, (SERVER.0, 53), &[7; 64]);
    let rule = "-A PREROUTING -i wan -p udp --dport 5353 -j DNAT --to-destination 10.0.0.20:53";
    let frames = [(0, part(&whole, 0..40, 0x2000)), (1, part(&whole, 40..72, 5))];
    let lines = json(GATEWAY, &forwarding(rule), &frames, Detail::Verdicts);
    assert_eq!((&lines[1]["state"], &lines[1]["verdict"]), (&"NEW".into(), &"FORWARDED".into()), "{lines:#?}");
    assert!(lines.iter().all(|line| line["was"].is_string()), "{lines:#?}");
}

#[test]
fn pings_of_a_host_that_has_a_whole_address_are_led_in() {
    let rule = "-A PREROUTING -d 203.0.113.5 -j DNAT --to-destination 10.0.0.20";
    let frames = [(0, craft::icmp_echo(CALLER.0, SERVER.0, 8, 77)), (1, craft::icmp_echo(SERVER.0, CALLER.0, 0, 77))];
    let lines = json(GATEWAY, &forwarding(rule), &frames, Detail::Verdicts);
    assert!(lines[0]["pkt"].as_str().unwrap().starts_with("198.51.100.7 > 203.0.113.5 icmp"), "{lines:#?}");
    assert_eq!((&lines[1]["state"], lines[1].get("was")), (&"ESTABLISHED".into(), None), "{lines:#?}");
}

#[test]
fn callers_over_ipv6_are_led_in() {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let (caller, server) = ((address("2001:db8:9::7"), 4000_u16), (address("fd00:1::20"), 53_u16));
    let datagram = |from: (Ipv6Addr, u16), to: (Ipv6Addr, u16)| {
        let transport = [from.1, to.1, 12, 0].map(u16::to_be_bytes).concat();
        craft::frame6((from.0, to.0), Protocol::UDP, 6, [&transport[..], b"text"].concat())
    };
    let frames = craft::pcap(&[(0, datagram(caller, server)), (1, datagram(server, caller))]);
    for (rule, called) in [
        ("-A PREROUTING -i wan -p udp --dport 5353 -j DNAT --to-destination [fd00:1::20]:53", "2001:db8:1::1:5353"),
        ("-A PREROUTING -d 2001:db8:1::5 -p udp --dport 53 -j DNAT --to-destination fd00:1::20", "2001:db8:1::5:53"),
    ] {
        let (lines, _) = json_of(setup6(GATEWAY6, &forwarding(rule)), &frames);
        assert_eq!(lines[0]["pkt"], format!("2001:db8:9::7:4000 > {called} udp"));
        assert_eq!(lines[0]["was"], "2001:db8:9::7:4000 > fd00:1::20:53 udp");
        let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, ["FORWARDED", "FORWARDED"]);
        assert_eq!(lines[1]["out"][0]["pkt"], format!("{called} > 2001:db8:9::7:4000 udp"));
    }
}

const PORT_8080: &str = "-A PREROUTING -i wan -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.20:80";

/// A gateway that lets in what it leads in.
fn forwarding(rules: &str) -> String {
    let chain = if rules.contains("-A web") { ":web - [0:0]\n" } else { "" };
    format!(
        "*nat\n{chain}{rules}\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n:FORWARD DROP\n-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\nCOMMIT\n"
    )
}

fn syn() -> Vec<(u64, Vec<u8>)> {
    handshake(CALLER, SERVER).drain(..1).collect()
}

/// Three segments.
fn handshake(caller: End, server: End) -> Vec<(u64, Vec<u8>)> {
    vec![
        (0, craft::segment(caller, server, SYN, (1000, 0), &[], b"")),
        (1, craft::segment(server, caller, SYN_ACK, (9000, 1001), &[], b"")),
        (2, craft::segment(caller, server, ACK, (1001, 9001), &[], b"")),
    ]
}

fn run(replay: &mut Replay, file: &[u8]) -> Vec<Value> {
    let mut records = crate::record::JsonRecords::new(false);
    let mut lines = Vec::new();
    let each = |record: &crate::record::Record<'_>| {
        lines.push(serde_json::from_str(&records.line(record)).unwrap());
        true
    };
    replay.run(&mut Capture::from_bytes(file).unwrap(), each).unwrap();
    lines
}

/// Each frame is fed in as it was captured, byte for byte, or not at all.
fn assert_untouched(config: &str, rules: &str, frames: &[(u64, Vec<u8>)]) {
    let rules = forwarding(rules);
    let mut replay = Replay::new(setup(config, &rules, Detail::Verdicts)).map_err(|error| error.to_string()).unwrap();
    let each = |record: &crate::record::Record<'_>| {
        assert_eq!((record.frame, record.seen), (record.captured, crate::record::Seen::AsCaptured), "{rules}");
        true
    };
    replay.run(&mut Capture::from_bytes(&craft::pcap(frames)).unwrap(), each).unwrap();
    assert_eq!(replay.totals().packets, frames.len() as u64);
}
