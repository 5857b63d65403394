//! Small captures, packet by packet through a gateway.

use towpath_engine::{VlanTag, conntrack::Family, netfilter::Source};

use super::{Detail, Replay, Setup, craft, replace_rules};
use crate::{
    capture::Capture,
    config::Config,
    limits::BOND_FRAMES_MAX,
    record::{Fate, JsonRecords, NotFed, Record, Seen, TextRecords},
    tags,
};

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 2], 40_000);
const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 80);
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;
const MASQUERADE: &str = "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n:FORWARD DROP\n-A FORWARD -i lan -j ACCEPT\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n";
pub(super) const GATEWAY: &str = "[[interface]]\nname='lan'\naddresses=['10.0.0.1/24']\n[[interface]]\nname='wan'\naddresses=['203.0.113.1/24']\n[[route]]\nto='default'\nvia='203.0.113.254'\n";
pub(super) const GATEWAY6: &str = "[[interface]]\nname='lan'\naddresses=['fd00:1::1/64']\n[[interface]]\nname='wan'\naddresses=['2001:db8:1::1/64']\n[[route]]\nto='::/0'\nvia='2001:db8:1::254'\n";

#[test]
fn answers_captured_at_the_client_come_back_through_masquerade() {
    let handshake = handshake(0);
    let lines = json(GATEWAY, MASQUERADE, &handshake, Detail::Verdicts);
    let told: Vec<_> =
        lines.iter().map(|line| (&line["dev"], &line["pkt"], &line["state"], &line["verdict"])).collect();
    assert_eq!(told[0].0, "lan");
    assert_eq!(
        (told[1].0, told[1].1),
        (&"wan".into(), &"198.51.100.7:80 > 203.0.113.1:40000 tcp SA seq 9000 ack 1001".into())
    );
    assert_eq!(lines[1]["was"], "198.51.100.7:80 > 10.0.0.2:40000 tcp SA seq 9000 ack 1001");
    assert_eq!(lines[1]["out"][0]["pkt"], lines[1]["was"], "and is to the client what it was");
    assert!(told.iter().all(|told| told.3 == "FORWARDED"), "{told:?}");
    assert_eq!(
        told.iter().map(|told| told.2.as_str().unwrap()).collect::<Vec<_>>(),
        ["NEW", "ESTABLISHED", "ESTABLISHED"]
    );
}

#[test]
fn tagged_packets_belong_to_the_vlan_that_the_configuration_names() {
    let gateway = GATEWAY.replace("addresses=['10.0.0.1/24']", "")
        + "[[vlan]]\nparent='lan'\nid=10\nprotocol='802.1ad'\n[[vlan]]\nparent='lan.10'\nid=5\naddresses=['10.0.0.1/24']\n";
    let rules = MASQUERADE.replace("-i lan", "-i lan.10.5");
    let tagged = handshake(0).into_iter().map(|(time, mut frame)| {
        for (tpid, tci) in [(0x8100, 5), (0x88a8, 10)] {
            tags::insert(&mut frame, VlanTag { tpid, tci });
        }
        (time, frame)
    });
    let tagged: Vec<_> = tagged.collect();
    let lines = json(&gateway, &rules, &tagged, Detail::Verdicts);
    assert!(lines.iter().all(|line| line["verdict"] == "FORWARDED"), "{lines:?}");
    assert_eq!((&lines[0]["dev"], &lines[1]["dev"]), (&"lan".into(), &"wan".into()));
    let out = "198.51.100.7:80 > 10.0.0.2:40000 tcp SA seq 9000 ack 1001 | in svlan 10 vlan 5";
    assert_eq!(lines[1]["out"][0]["pkt"], out);
    assert_eq!(lines[1]["was"], out);
    let lines = json(&gateway.replace("id=5", "id=6\nname='lan.10.5'"), &rules, &tagged, Detail::Verdicts);
    assert_eq!(lines[0]["reason"], "VlanUnknown");
}

#[test]
fn an_error_about_a_masqueraded_packet_comes_back_through_masquerade() {
    let query = craft::udp(CLIENT, (SERVER.0, 53), b"query");
    let error = craft::icmp_error([192, 0, 2, 9], CLIENT.0, 3, 3, &query[14..]);
    let lines = json(GATEWAY, MASQUERADE, &[(0, query), (1, error)], Detail::Verdicts);
    assert_eq!(lines[1]["state"], "RELATED");
    assert_eq!(lines[1]["pkt"], "192.0.2.9 > 203.0.113.1 icmp type 3 code 3 [203.0.113.1:40000 > 198.51.100.7:53 udp]");
    assert_eq!(
        lines[1]["out"][0]["pkt"],
        "192.0.2.9 > 10.0.0.2 icmp type 3 code 3 [10.0.0.2:40000 > 198.51.100.7:53 udp]"
    );
}

#[test]
fn answers_over_ipv6_come_back_through_masquerade() {
    let capture = |name: &str| std::fs::read(format!("{}/../../captures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for (name, translated) in [("ping-ipv6.pcap", "2001:db8:1::1"), ("ftp-ipv6.pcap", "2001:db8:1::1")] {
        let (lines, error) = json_of(setup6(GATEWAY6, MASQUERADE), &capture(name));
        assert_eq!(error, None);
        // What hosts of the link say to each other is not for the gateway, and no helper announces data from port 20.
        let is_other = |line: &serde_json::Value| {
            ["fe80::", ":20 "].iter().any(|part| line["pkt"].as_str().unwrap().contains(part))
        };
        let ours: Vec<_> = lines.iter().filter(|line| line["state"].is_string() && !is_other(line)).collect();
        assert!(ours.len() > 5, "{name}");
        let bad = |line: &&&serde_json::Value| line["state"] == "INVALID" || line["unknown"] == true;
        assert!(!ours.iter().any(|line| bad(&line)), "{name}: {:#?}", ours.iter().find(|line| bad(line)));
        let back = ours.iter().filter(|line| line["was"].is_string()).count();
        assert!(back * 3 > ours.len(), "{name}: {back} of {}", ours.len());
        let told =
            |line: &&serde_json::Value| line["was"].is_string() && line["pkt"].as_str().unwrap().contains(translated);
        assert!(ours.iter().copied().any(|line| told(&line)), "{name}");
    }
}

#[test]
fn an_icmpv6_error_about_a_masqueraded_packet_comes_back_through_masquerade() {
    let address = |net: u16, host: u16| core::net::Ipv6Addr::new(0xfd00, net, 0, 0, 0, 0, 0, host);
    let query = craft::frame6(
        (address(1, 2), address(7, 9)),
        towpath_engine::wire::Protocol::UDP,
        6,
        [&[0x9c, 0x40, 0, 53, 0, 13, 0, 0][..], b"query"].concat(),
    );
    let quote = [&[1, 4, 0, 0, 0, 0, 0, 0][..], &query[14..]].concat();
    let error = craft::frame6((address(7, 1), address(1, 2)), towpath_engine::wire::Protocol::ICMPV6, 2, quote);
    let (lines, _) = json_of(
        setup6(&GATEWAY6.replace("fd00:1::1/64", "fd00:1::1/64','fd00:1::5/64"), MASQUERADE),
        &craft::pcap(&[(0, query), (1, error)]),
    );
    assert_eq!((&lines[1]["state"], &lines[1]["verdict"]), (&"RELATED".into(), &"FORWARDED".into()), "{lines:#?}");
    assert_eq!(lines[1]["was"], lines[1]["out"][0]["pkt"], "to the client it is what it was");
}

#[test]
fn answers_to_connections_in_zones_come_back_through_masquerade() {
    for zones in [
        "-A PREROUTING -i lan -j CT --zone 5\n-A PREROUTING -i wan -j CT --zone 5\n",
        "-A PREROUTING -i lan -j CT --zone-orig 5\n",
    ] {
        let rules = format!("*raw\n{zones}COMMIT\n{MASQUERADE}");
        let lines = json(GATEWAY, &rules, &handshake(0), Detail::Verdicts);
        let states: Vec<_> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["NEW", "ESTABLISHED", "ESTABLISHED"], "{zones}");
        assert_eq!(lines[1]["pkt"], "198.51.100.7:80 > 203.0.113.1:40000 tcp SA seq 9000 ack 1001");
    }
}

#[test]
fn a_packet_that_connections_of_two_zones_would_answer_is_marked() {
    let rules = format!(
        "*raw\n-A PREROUTING -i lan -m ttl --ttl-eq 64 -j CT --zone-orig 5\n-A PREROUTING -i lan -m ttl --ttl-lt 64 -j CT --zone-orig 6\nCOMMIT\n{MASQUERADE}"
    );
    let mut frames = handshake(0);
    let mut other = frames[0].1.clone();
    // The same from another host of the same address: one hop further away.
    (other[22], other[24]) = (63, other[24].wrapping_add(1));
    frames.insert(1, (1, other));
    let lines = json(GATEWAY, &rules, &frames, Detail::Verdicts);
    let verdicts = [0, 1].map(|n: usize| lines[n]["verdict"].as_str().unwrap().to_owned());
    assert_eq!(verdicts, ["FORWARDED", "FORWARDED"]);
    assert_eq!(lines[2]["unknown"], true);
}

#[test]
fn an_answer_in_fragments_comes_together_behind_masquerade() {
    let whole = craft::udp((SERVER.0, 53), CLIENT, &[7; 64]);
    let query = craft::udp(CLIENT, (SERVER.0, 53), b"query");
    let (first, last) = (part(&whole, 0..40, 0x2000), part(&whole, 40..72, 5));
    let frames = [(0, query.clone()), (1, first.clone()), (2, last.clone())];
    let lines = json(GATEWAY, MASQUERADE, &frames, Detail::Verdicts);
    assert_eq!((&lines[2]["state"], &lines[2]["verdict"]), (&"ESTABLISHED".into(), &"FORWARDED".into()), "{lines:#?}");
    let lines = json(GATEWAY, MASQUERADE, &[(0, query), (1, last), (2, first)], Detail::Verdicts);
    assert_eq!(lines[1]["unknown"], true, "nobody knows yet whose it is");
}

/// A fragment of a frame that holds those bytes behind its IPv4 header.
pub(super) fn part(whole: &[u8], range: core::ops::Range<usize>, fragment: u16) -> Vec<u8> {
    let mut part = [&whole[..34], &whole[34..][range]].concat();
    let total_len = (part.len() - 14) as u16;
    part[16..18].copy_from_slice(&total_len.to_be_bytes());
    part[20..22].copy_from_slice(&fragment.to_be_bytes());
    part[24..26].fill(0);
    let checksum = (!towpath_engine::wire::checksum::sum(&part[14..34])).to_be_bytes();
    part[24..26].copy_from_slice(&checksum);
    part
}

/// An INIT and its answer.
fn association() -> [Vec<u8>; 2] {
    let (there, back) = ((CLIENT.0, 5000), (SERVER.0, 36412));
    let init = [&[1, 0, 0, 20][..], &[0, 0, 0, 1], &[0, 0, 0x80, 0], &[0, 1, 0, 1], &[0, 0, 0, 1]].concat();
    let init_ack = [&[2, 0, 0, 20][..], &[0, 0, 0, 2], &[0, 0, 0x80, 0], &[0, 1, 0, 1], &[0, 0, 0, 1]].concat();
    [craft::sctp(there, back, 0, &init), craft::sctp(back, there, 1, &init_ack)]
}

#[test]
fn an_sctp_packet_in_fragments_comes_back_through_another_port() {
    let rules = "*nat\n-A POSTROUTING -o wan -p sctp -j MASQUERADE --to-ports 6000\nCOMMIT\n";
    let [init, init_ack] = association();
    let frames = [(0, init), (1, part(&init_ack, 0..24, 0x2000)), (2, part(&init_ack, 24..32, 3))];
    let lines = json(GATEWAY, rules, &frames, Detail::Verdicts);
    assert_eq!((&lines[2]["state"], &lines[2]["verdict"]), (&"ESTABLISHED".into(), &"FORWARDED".into()), "{lines:#?}");
    let mut wrong = init_ack;
    wrong[14 + 20 + 8] ^= 1;
    let lines = json(GATEWAY, rules, &[frames[0].clone(), (1, wrong)], Detail::Verdicts);
    assert_eq!(lines[1]["state"], "INVALID", "in one piece it is verified");
}

#[test]
fn an_sctp_association_comes_back_through_masquerade() {
    let frames = association().map(|packet| (0, packet));
    let lines = json(GATEWAY, MASQUERADE, &frames, Detail::Verdicts);
    assert_eq!(lines[0]["state"], "NEW");
    assert_eq!((&lines[1]["state"], &lines[1]["verdict"]), (&"ESTABLISHED".into(), &"FORWARDED".into()), "{lines:#?}");
}

#[test]
fn the_middle_of_a_connection_whose_start_is_missing_is_marked() {
    let middle = craft::segment(SERVER, CLIENT, ACK, (5, 6), &[], b"data");
    let lines = json(GATEWAY, MASQUERADE, &[(0, middle.clone())], Detail::Verdicts);
    assert_eq!(lines[0]["unknown"], true);
    let lines = json(GATEWAY, "", &[(0, middle)], Detail::Verdicts);
    assert!(lines[0].get("unknown").is_none(), "nothing is translated, and so it is what the gateway sees");
}

#[test]
fn the_gateways_own_services_answer_whom_its_rules_let_in() {
    let config = format!(
        "{GATEWAY}[[service]]\nkind='echo'\nprotocol='udp'\n[[service]]\nkind='text'\nprotocol='udp'\nport=13\ntext='noon'\n"
    );
    let rules = "*filter\n:INPUT DROP\n-A INPUT -i lan -p udp -m udp --dport 7 -j ACCEPT\n-A INPUT -i lan -p udp -m udp --dport 13 -j ACCEPT\nCOMMIT\n";
    let gateway = [10, 0, 0, 1];
    let ask = |from, port| craft::udp(from, (gateway, port), b"what time is it");
    let frames = [(0, ask(CLIENT, 7)), (1, ask(CLIENT, 13)), (2, ask(SERVER, 13)), (3, ask(CLIENT, 9))];
    let lines = json(&config, rules, &frames, Detail::Verdicts);
    let told: Vec<_> = lines.iter().map(|line| (line["verdict"].as_str().unwrap(), &line["out"][0]["pkt"])).collect();
    assert_eq!(told[0], ("LOCAL_IN", &"10.0.0.1:7 > 10.0.0.2:40000 udp".into()));
    assert_eq!(told[1], ("LOCAL_IN", &"10.0.0.1:13 > 10.0.0.2:40000 udp".into()));
    // Headers of 42 bytes, and what was asked or the text.
    assert_eq!([&lines[0]["out"][0]["len"], &lines[1]["out"][0]["len"]], [57, 46]);
    assert_eq!((told[2].0, told[3].0), ("DROPPED_INPUT", "DROPPED_INPUT"));
}

#[test]
fn what_the_gateway_has_sent_itself_is_not_fed_in() {
    let own = craft::tcp([203, 0, 113, 1], 40_000, SERVER.0, 80);
    let lines = json(GATEWAY, MASQUERADE, &[(0, own)], Detail::Verdicts);
    assert_eq!((&lines[0]["verdict"], &lines[0]["reason"]), (&"NOT_INJECTED".into(), &"OwnOutput".into()));
    assert_eq!(lines[0]["dev"], serde_json::Value::Null);
}

#[test]
fn what_ran_out_between_two_packets_is_told_with_its_own_time() {
    let query = |port| craft::udp(CLIENT, (SERVER.0, port), b"query");
    let lines = json("", "", &[(0, query(53)), (40_000_000_000, query(54))], Detail::Events);
    let events = lines[1]["events"].as_array().unwrap();
    assert_eq!(events[0]["event"], "DESTROY");
    let when = events[0]["ts"].as_u64().unwrap();
    assert!((30_000_000_000..30_100_000_000).contains(&when), "{when}");
    assert_eq!((&events[1]["event"], events[1].get("ts")), (&"NEW".into(), None));
}

#[test]
fn a_dropped_packet_names_its_rule_and_path() {
    let rules =
        "*filter\n:FORWARD ACCEPT\n-A FORWARD -p tcp -m tcp --dport 443 -j ACCEPT\n-A FORWARD -p tcp -j DROP\nCOMMIT\n";
    let lines = json(GATEWAY, rules, &handshake(0)[..1], Detail::Full);
    let line = &lines[0];
    assert_eq!((&line["verdict"], &line["reason"]), (&"DROPPED_FORWARD".into(), &"FilterRule".into()));
    assert_eq!((&line["rule"]["file"], &line["rule"]["line"]), (&"test.v4".into(), &4.into()));
    let steps: Vec<_> = line["path"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["hook", "conntrack", "routed", "hook", "missed", "matched", "dropped"]);
    assert_eq!(line["path"][4]["rule"]["line"], 3);
}

#[test]
fn without_a_configuration_private_addresses_are_inside_and_all_is_forwarded() {
    let lines = json("", "", &handshake(0), Detail::Verdicts);
    let ways: Vec<_> = lines.iter().map(|line| (line["dev"].as_str(), line["out"][0]["dev"].as_str())).collect();
    let (inside, outside) = (Some("inside"), Some("outside"));
    assert_eq!(ways, [(inside, outside), (outside, inside), (inside, outside)]);
    assert_eq!(lines[2]["ct"]["state"], "ESTABLISHED");
}

#[test]
fn without_a_configuration_unique_local_addresses_are_inside_and_other_ipv6_outside() {
    let inside: [u8; 16] = core::array::from_fn(|at| if at == 0 { 0xfd } else { at as u8 });
    let outside: [u8; 16] = core::array::from_fn(|at| if at == 0 { 0x20 } else { at as u8 });
    let frames = [(0, ipv6(inside, outside)), (1, ipv6(outside, inside))];
    let lines = json("", "", &frames, Detail::Verdicts);
    let ways: Vec<_> = lines.iter().map(|line| (line["dev"].as_str(), line["out"][0]["dev"].as_str())).collect();
    let (inside, outside) = (Some("inside"), Some("outside"));
    assert_eq!(ways, [(inside, outside), (outside, inside)]);
}

#[test]
fn a_tagged_frame_is_replayed_without_its_tag() {
    let mut frame = craft::tcp(CLIENT.0, CLIENT.1, SERVER.0, SERVER.1);
    frame.splice(12..12, [0x81, 0, 0, 42]);
    let lines = json("", "", &[(0, frame)], Detail::Verdicts);
    assert_eq!(lines[0]["verdict"], "FORWARDED");
}

#[test]
fn a_cut_packet_is_not_invalid_for_the_cut_alone() {
    let whole = craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], &[7; 500]);
    let mut file = craft::pcap(&[(0, whole)]);
    file.truncate(file.len() - 480);
    let captured = (file.len() - 24 - 16) as u32;
    file[32..36].copy_from_slice(&captured.to_le_bytes());
    let lines = json_of(setup("", "", Detail::Verdicts), &file).0;
    assert_eq!((&lines[0]["state"], &lines[0]["verdict"]), (&"NEW".into(), &"FORWARDED".into()));
}

#[test]
fn a_packet_from_nowhere_is_told_and_harms_nobody() {
    let config = "[[interface]]\nname='lan'\naddresses=['10.0.0.1/24']\n";
    let stray = craft::tcp(SERVER.0, SERVER.1, CLIENT.0, CLIENT.1);
    let lines = json(config, "", &[(0, stray)], Detail::Verdicts);
    assert_eq!(lines[0]["reason"], "NoInterface");
}

#[test]
fn everything_before_a_damage_is_replayed_and_then_the_damage_is_told() {
    let mut file = craft::pcap(&handshake(0));
    file.truncate(file.len() - 10);
    let (lines, error) = json_of(setup("", "", Detail::Verdicts), &file);
    assert_eq!(lines.len(), 2);
    assert_eq!(error.unwrap().packet, Some(3));
}

#[test]
fn a_second_replay_gives_the_same_bytes() {
    let file = craft::pcap(&handshake(7));
    let once = || {
        let mut replay =
            Replay::new(setup(GATEWAY, MASQUERADE, Detail::Full)).map_err(|error| error.to_string()).unwrap();
        let mut records = JsonRecords::new(true);
        let mut text = records.head(replay.engine());
        replay
            .run(&mut Capture::from_bytes(&file).unwrap(), |record| {
                text += &records.line(record);
                true
            })
            .unwrap();
        text
    };
    let first = once();
    assert!(first.starts_with(
        r#"{"schema":"towpath.record/1","devices":["lan","wan"],"helpers":[]}{"n":1,"ts":7,"dev":"lan","#
    ));
    assert_eq!(first, once());
}

#[test]
fn a_replay_stops_where_its_caller_wants() {
    let file = craft::pcap(&handshake(0));
    let mut replay = Replay::new(setup("", "", Detail::Verdicts)).map_err(|error| error.to_string()).unwrap();
    replay.run(&mut Capture::from_bytes(&file).unwrap(), |record| record.number < 2).unwrap();
    assert_eq!(replay.totals().packets, 2);
}

#[test]
fn a_record_holds_so_many_frames_of_bonds_however_much_time_has_gone_by() {
    let of_bond = |interval| {
        let ports = "[[interface]]\nname='a'\n[[interface]]\nname='b'\n[[bond]]\nname='lan'\nports=['a','b']\n";
        let targets = "arp_ip_target=['10.0.0.6','10.0.0.7','10.0.0.8','10.0.0.9']\narp=true\n";
        format!("{ports}{targets}arp_interval={interval}\naddresses=['10.0.0.1/24']\n")
    };
    let frames = |secs: u64, interval: u32| {
        let between = secs * 1_000_000_000;
        let [(begin, first), _, (_, last)] = <[_; 3]>::try_from(handshake(1_000_000_000)).unwrap();
        let file = craft::pcap(&[(begin, first), (begin + between, last)]);
        let config = of_bond(interval);
        let mut replay = Replay::new(setup(&config, "", Detail::Verdicts)).map_err(|error| error.to_string()).unwrap();
        let mut count = 0;
        let each = |record: &Record<'_>| {
            count = record.out.len();
            true
        };
        replay.run(&mut Capture::from_bytes(&file).unwrap(), each).unwrap();
        count
    };
    // Two ports ask four targets; those of the time that is too much come out, and those of the end.
    assert_eq!(frames(1, 10), 8 * 100);
    assert_eq!(frames(3600, 10), BOND_FRAMES_MAX + 2 * 8);
}

#[test]
fn a_line_for_people_says_where_what_and_why() {
    let file = craft::pcap(&handshake(1_000_000));
    let rules = "*filter\n-A FORWARD -p tcp -j DROP\nCOMMIT\n";
    let mut replay = Replay::new(setup(GATEWAY, rules, Detail::Events)).map_err(|error| error.to_string()).unwrap();
    let mut text = TextRecords::default();
    let mut lines = Vec::new();
    replay
        .run(&mut Capture::from_bytes(&file).unwrap(), |record| {
            assert_ne!(record.fate, Fate::NotFed(NotFed::OwnOutput));
            assert_eq!(record.seen, Seen::AsCaptured);
            lines.push(text.line(record));
            true
        })
        .unwrap();
    assert_eq!(
        lines[0],
        "     1     0.000000  lan       10.0.0.2:40000 > 198.51.100.7:80 tcp S seq 1000 ack 0  NEW  DROPPED_FORWARD FilterRule test.v4:2"
    );
    assert!(lines[1].starts_with("     2     0.001000  wan  "), "{}", lines[1]);
}

/// Three segments, a millisecond apart.
fn handshake(start: u64) -> Vec<(u64, Vec<u8>)> {
    vec![
        (start, craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b"")),
        (start + 1_000_000, craft::segment(SERVER, CLIENT, SYN_ACK, (9000, 1001), &[], b"")),
        (start + 2_000_000, craft::segment(CLIENT, SERVER, ACK, (1001, 9001), &[], b"")),
    ]
}

pub(super) fn setup<'a>(config: &str, rules: &'a str, detail: Detail) -> Setup<'a> {
    Setup {
        config: (!config.is_empty()).then(|| Config::read("test.toml", config).unwrap()),
        rules: if rules.is_empty() { Vec::new() } else { vec![Source { name: "test.v4", text: rules }] },
        detail,
        ..Setup::default()
    }
}

/// The same with rules for IPv6.
pub(super) fn setup6<'a>(config: &str, rules: &'a str) -> Setup<'a> {
    Setup { rules_v6: vec![Source { name: "test.v6", text: rules }], ..setup(config, "", Detail::Verdicts) }
}

pub(super) fn json(config: &str, rules: &str, frames: &[(u64, Vec<u8>)], detail: Detail) -> Vec<serde_json::Value> {
    let (lines, error) = json_of(setup(config, rules, detail), &craft::pcap(frames));
    assert_eq!(error, None);
    lines
}

pub(super) fn json_of(setup: Setup<'_>, file: &[u8]) -> (Vec<serde_json::Value>, Option<crate::capture::CaptureError>) {
    let mut replay = Replay::new(setup).map_err(|error| error.to_string()).unwrap();
    let mut records = JsonRecords::new(false);
    let mut lines = Vec::new();
    let result = replay.run(&mut Capture::from_bytes(file).unwrap(), |record| {
        lines.push(serde_json::from_str(&records.line(record)).unwrap());
        true
    });
    (lines, result.err())
}

/// An IPv6 packet without an extension header, of a protocol for experiments (RFC 3692).
fn ipv6(source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
    let addresses = [2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa];
    let header = [0x86, 0xdd, 0x60, 0, 0, 0, 0, 4, 253, 64];
    [&addresses[..], &header, &source, &destination, &[1, 2, 3, 4]].concat()
}

#[test]
fn rules_of_both_families_may_name_the_sets_that_stand_in_one_text_and_a_text_that_both_name_is_read_once() {
    let sets =
        Source { name: "all.ipset", text: "create ports bitmap:port range 1-100\ncreate hosts hash:ip family inet6\n" };
    let v4 = Source { name: "test.v4", text: "-A FORWARD -p udp -m set --match-set ports dst -j DROP\n" };
    let v6 = Source { name: "test.v6", text: "-A FORWARD -m set --match-set hosts src -j DROP\n" };
    for (rules, rules_v6) in [(vec![sets, v4], vec![v6]), (vec![v4], vec![sets, v6]), (vec![sets, v4], vec![sets, v6])]
    {
        let replay = Replay::new(Setup { rules, rules_v6, ..setup(GATEWAY, "", Detail::Verdicts) });
        let replay = replay.map_err(|error| error.to_string()).unwrap();
        assert_eq!(replay.engine().sets().names().collect::<Vec<_>>(), ["ports", "hosts"]);
    }
}

#[test]
fn a_set_of_the_other_family_is_refused_wherever_it_comes_from() {
    let sets = Source { name: "all.ipset", text: "create hosts hash:ip family inet6\n" };
    let rule = "-A FORWARD -m set ! --match-set hosts src -j DROP\n";
    let (v4, v6) = (Source { name: "test.v4", text: rule }, Source { name: "test.v6", text: rule });
    let why = "test.v4:1:33: `hosts` is not a set that rules of iptables may name: its family is inet6";
    for (rules, rules_v6) in [(vec![sets, v4], vec![]), (vec![v4], vec![sets, v6]), (vec![sets, v4], vec![v6])] {
        let replay = Replay::new(Setup { rules, rules_v6, ..setup(GATEWAY, "", Detail::Verdicts) });
        let error = replay.map(drop).map_err(|error| error.to_string()).unwrap_err();
        assert!(error.ends_with(why), "{error}");
    }
    let mut engine = Replay::new(Setup { rules_v6: vec![sets, v6], ..setup(GATEWAY, "", Detail::Verdicts) })
        .map_err(|error| error.to_string())
        .unwrap()
        .into_engine();
    let (of_v4, none) = (
        Source { name: "new.ipset", text: "create hosts hash:ip\n" },
        Source { name: "new.v4", text: "*raw\nCOMMIT\n" },
    );
    let error = replace_rules(&mut engine, [(Family::Ipv4, &[of_v4, none]), (Family::Ipv6, &[])]).unwrap_err();
    let stays = "test.v6:1:46: `hosts` is not a set that rules of ip6tables may name: its family is inet";
    assert!(error.to_string().ends_with(stays), "{error}");
}
