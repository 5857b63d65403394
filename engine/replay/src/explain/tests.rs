use towpath_engine::{
    DeviceId, Frame, Instant, Packet, netfilter::Source, offload::checksum, packet::Pool, wire::checksum::Routines,
};

use super::*;
use crate::{
    capture::Capture,
    config::Config,
    record::{Colour, Verdict},
    replay::{Detail, Replay, Setup, craft},
};

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 2], 40_000);
const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 80);
const GATEWAY: &str = "[[interface]]\nname='lan'\naddresses=['10.0.0.1/24']\n[[interface]]\nname='wan'\naddresses=['203.0.113.1/24']\n[[route]]\nto='default'\nvia='203.0.113.254'\n";

#[test]
fn the_rule_that_missed_by_one_condition_is_named_and_its_change_tried() {
    let rules =
        "-P FORWARD DROP\n-A FORWARD -i lan -p tcp -m tcp --dport 22 -j ACCEPT\n-A FORWARD -i wan -p udp -j ACCEPT\n";
    let frames = [craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b"")];
    assert_eq!(
        helping(rules, &frames),
        [
            "iptables -A FORWARD -s 10.0.0.2/32 -d 198.51.100.7/32 -i lan -o wan -p tcp -m tcp --dport 80 -j ACCEPT",
            "iptables -I FORWARD 1 -i lan -p tcp -m tcp --dport 80 -j ACCEPT",
        ]
    );
}

#[test]
fn no_rule_that_lets_in_nearly_everybody_is_proposed() {
    let rules = "-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
        -A FORWARD -p icmp -m limit --limit 1/hour -j ACCEPT\n-A FORWARD -i wan -p tcp -j ACCEPT\n\
        -A FORWARD -s 10.0.0.2/32 -p tcp -m conntrack --ctstate INVALID -j ACCEPT\n\
        -A FORWARD -s 10.0.0.2/32 -p tcp -m ttl --ttl-eq 9 -j ACCEPT\n";
    let frames = [craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b"")];
    assert_eq!(
        helping(rules, &frames),
        [
            "iptables -A FORWARD -s 10.0.0.2/32 -d 198.51.100.7/32 -i lan -o wan -p tcp -m tcp --dport 80 -j ACCEPT",
            "iptables -I FORWARD 5 -s 10.0.0.2/32 -p tcp -j ACCEPT",
        ]
    );
}

#[test]
fn a_rule_that_asks_for_another_end_or_port_is_proposed_with_that_of_the_packet() {
    let narrow =
        "iptables -A FORWARD -s 10.0.0.2/32 -d 198.51.100.7/32 -i lan -o wan -p tcp -m tcp --dport 80 -j ACCEPT";
    for (missed, proposed) in [
        ("-s 10.0.0.9/32 -p tcp -m tcp --dport 80", "-s 10.0.0.2/32 -p tcp -m tcp --dport 80"),
        ("-d 10.0.0.9/32 -p tcp", "-d 198.51.100.7/32 -p tcp"),
        ("-i wan -p tcp -m tcp --dport 80", "-i lan -p tcp -m tcp --dport 80"),
        ("-s 10.0.0.0/8 -o lan", "-s 10.0.0.0/8 -o wan"),
        ("-p tcp -m tcp --dport 8080:8090", "-p tcp -m tcp --dport 80"),
        ("-p tcp -m multiport --dports 22,443", "-p tcp -m multiport --dports 22,443,80"),
    ] {
        let rules = format!("-P FORWARD DROP\n-A FORWARD {missed} -j ACCEPT\n");
        let frames = [craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b"")];
        assert_eq!(
            helping(&rules, &frames),
            [narrow, &format!("iptables -I FORWARD 1 {proposed} -j ACCEPT")],
            "{missed}"
        );
    }
}

#[test]
fn what_a_set_lacks_is_proposed_before_any_rule() {
    for (kind, ends, element) in [
        ("hash:ip", "src", "10.0.0.2"),
        ("hash:net", "dst", "198.51.100.7"),
        ("hash:ip,port", "src,dst", "10.0.0.2,tcp:80"),
        ("hash:net,iface", "dst,src", "198.51.100.7,lan"),
    ] {
        let sets = format!("create friends {kind}\n");
        let rules = format!(
            "-P FORWARD DROP\n-A FORWARD -p tcp -m set --match-set friends {ends} -m tcp --dport 80 -j ACCEPT\n"
        );
        let with_sets = || Setup {
            rules: vec![Source { name: "test.ipset", text: &sets }, Source { name: "test.v4", text: &rules }],
            ..setup("")
        };
        let frames = [craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b"")];
        let helping = helping_in(&with_sets, &frames);
        assert_eq!(helping.first(), Some(&format!("ipset add friends {element}")));
        assert_eq!(helping.len(), 2, "{helping:?}");
    }
}

#[test]
fn an_answer_that_comes_too_late_passes_when_its_connection_is_remembered_longer() {
    let rules = "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n";
    let question = craft::udp(CLIENT, (SERVER.0, 53), b"who?");
    let answer = craft::udp((SERVER.0, 53), ([203, 0, 113, 1], CLIENT.1), b"they");
    let file = craft::pcap(&[(0, question), (40_000_000_000, answer)]);
    let proposals = replayed(setup(rules), &file, |record| changes(record, &["ftp"]));
    let verdict_with = |change: &Change| {
        let mut changed = setup(rules);
        change.make(&mut changed);
        replayed(changed, &file, |record| record.verdict())
    };
    let tried = proposals.iter().filter(|proposal| verdict_with(&proposal.change) == Verdict::Forwarded);
    let helping: Vec<String> = tried.map(|proposal| proposal.change.to_string()).collect();
    assert_eq!(helping, ["net.netfilter.nf_conntrack_udp_timeout = 300"]);
    assert_eq!(proposals.last().unwrap().change, Change::Helper("ftp"));
}

#[test]
fn a_rule_for_the_flow_goes_before_the_rule_that_drops_it_and_names_the_translated_destination() {
    let rules = "*nat\n-A PREROUTING -d 10.0.0.1 -j DNAT --to-destination 198.51.100.9\nCOMMIT\n*filter\n-A FORWARD -i wan -j DROP\n-A FORWARD -d 198.51.100.9 -j DROP\nCOMMIT\n";
    let frames = [craft::segment(CLIENT, ([10, 0, 0, 1], 80), SYN, (1000, 0), &[], b"")];
    assert_eq!(
        helping(rules, &frames),
        ["iptables -I FORWARD 2 -s 10.0.0.2/32 -d 198.51.100.9/32 -i lan -o wan -p tcp -m tcp --dport 80 -j ACCEPT"]
    );
}

#[test]
fn a_segment_outside_the_window_passes_when_tracking_is_liberal() {
    let rules = "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n";
    let mut frames = handshake();
    frames.push(craft::segment(SERVER, CLIENT, 0x18, (9_900_000, 1001), &[], b"far out"));
    let told = explained(rules, &frames);
    assert!(told.contains("conntrack  INVALID: outside the window: it starts at 9900000, "), "{told}");
    assert!(told.contains("\nverdict      DROPPED_FORWARD FilterRule: A rule said DROP.\n"), "{told}");
    assert!(
        told.contains("\nrule         test.v4:1 filter -A FORWARD -m conntrack --ctstate INVALID -j DROP\n"),
        "{told}"
    );
    let helping = helping(rules, &frames);
    assert_eq!(helping.first().map(String::as_str), Some("net.netfilter.nf_conntrack_tcp_be_liberal = 1"));
}

#[test]
fn what_no_setting_changes_is_said_as_a_hint() {
    let mut frame = craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b"");
    frame[22] = 1;
    frame[24..26].fill(0);
    assert_eq!(proposals("", &[frame])[0].change, Change::Hint("a TTL of at least 2".into()));
}

#[test]
fn the_options_header_that_is_wrong_is_named_and_more_options_are_taken_when_that_helps() {
    let gateway = "[[interface]]\nname='lan'\naddresses=['2001:db8:1::1/64']\n[[interface]]\nname='wan'\naddresses=['2001:db8:2::1/64']\n";
    let setup = || Setup {
        config: Some(Config::read("test.toml", gateway).unwrap()),
        detail: Detail::Full,
        ..Setup::default()
    };
    let with = |options: &[u8]| {
        let mut frame = syn_over_ipv6();
        frame.splice(54..54, [&[6, (options.len() / 8) as u8], options].concat());
        frame[19] += options.len() as u8 + 2;
        frame[20] = 0;
        [frame]
    };
    let told = last(setup(), &with(&[0x9e, 4, 1, 2, 3, 4]), |record| {
        Explanation::new(record, Instant::ZERO, Colour::Off).to_string()
    });
    let said = "\n  options    hop-by-hop: its option 0x9e at byte 42 is not known and asks to drop the packet then and tell its sender\n  dropped    IpOptionUnknown: ";
    assert!(told.contains(said), "{told}");
    let nine = [[0x1e, 0].repeat(9), vec![1, 2, 0, 0]].concat();
    assert_eq!(helping_in(&setup, &with(&nine)), ["net.ipv6.max_hbh_opts_number = 2048"]);
}

#[test]
fn packets_of_ipv6_pass_by_rules_and_tunables_of_ipv6() {
    let gateway = "[[interface]]\nname='lan'\naddresses=['2001:db8:1::1/64']\n[[interface]]\nname='wan'\naddresses=['2001:db8:2::1/64']\n";
    let dropping = vec![Source { name: "test.v6", text: "-P FORWARD DROP\n" }];
    let setup = |rules_v6: &[Source<'static>], forwarding| Setup {
        config: Some(Config::read("test.toml", gateway).unwrap()),
        rules_v6: rules_v6.to_vec(),
        sysctls: vec![("net.ipv6.conf.all.forwarding".to_owned(), forwarding)],
        detail: Detail::Full,
        ..Setup::default()
    };
    let frames = [syn_over_ipv6()];
    assert_eq!(
        helping_in(&|| setup(&dropping, 1), &frames),
        [
            "ip6tables -A FORWARD -s 2001:db8:1::2/128 -d 2001:db8:2::2/128 -i lan -o wan -p tcp -m tcp --dport 80 -j ACCEPT"
        ]
    );
    assert_eq!(helping_in(&|| setup(&[], 0), &frames), ["net.ipv6.conf.all.forwarding = 1"]);
}

/// From 2001:db8:1::2 to port 80 of 2001:db8:2::2.
fn syn_over_ipv6() -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64]);
    for network in [1, 2] {
        let address: std::net::Ipv6Addr = format!("2001:db8:{network}::2").parse().unwrap();
        frame.extend(address.octets());
    }
    frame.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, SYN, 1, 0, 0, 0, 0, 0]);
    let mut packet = Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), &frame)).unwrap();
    checksum::fill(&mut packet, &Routines::PORTABLE);
    packet.linear().to_vec()
}

#[test]
fn whom_an_endpoint_outside_stands_for_is_told_and_who_may_send_there() {
    let rules = "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n-P INPUT DROP\nCOMMIT\n";
    let filtering = |filtering: &str| {
        let gateway = format!("{GATEWAY}[nat]\nmapping='endpoint-independent'\nfiltering='{filtering}'\n");
        Setup { config: Some(Config::read("test.toml", &gateway).unwrap()), ..setup(rules) }
    };
    let outside = ([203, 0, 113, 1], CLIENT.1);
    let frames = [
        craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b""),
        craft::segment(([198, 51, 100, 9], 80), outside, SYN, (9000, 0), &[], b""),
    ];
    let told = |setup| last(setup, &frames, |record| Explanation::new(record, Instant::ZERO, Colour::Off).to_string());
    let open = told(filtering("endpoint-independent"));
    assert!(
        open.contains("  let in     to 10.0.0.2:40000, whose endpoint outside this is (towpath.nat.filtering)\n"),
        "{open}"
    );
    let shut = told(filtering("address-dependent"));
    assert!(
        shut.contains("  kept out   of 10.0.0.2:40000, whose endpoint outside this is: it has sent nothing there"),
        "{shut}"
    );
    assert_eq!(helping_in(&|| filtering("address-dependent"), &frames), ["towpath.nat.filtering = 2"]);
}

#[test]
fn of_a_packet_behind_the_gateway_the_rule_is_told_that_has_led_it_there() {
    let rules = "*nat\n-A PREROUTING -i wan -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.20:80\nCOMMIT\n*filter\n-P FORWARD DROP\n-A FORWARD -d 10.0.0.20 -p tcp --dport 80 -m conntrack --ctstate DNAT -j ACCEPT\nCOMMIT\n";
    let frames = [craft::segment(SERVER, ([10, 0, 0, 20], 80), SYN, (1000, 0), &[], b"")];
    let told = explained(rules, &frames);
    for part in [
        "packet 1 at 0.000000 s, came in by wan\n",
        "captured     198.51.100.7:80 > 10.0.0.20:80 tcp S seq 1000 ack 0\n",
        "seen as      198.51.100.7:80 > 203.0.113.1:8080 tcp S seq 1000 ack 0, as the gateway translates its connection\n",
        "  matched    test.v4:2 nat -A PREROUTING -i wan -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.20:80\n",
        "  translated destination: 198.51.100.7:80 > 203.0.113.1:8080 tcp is now 198.51.100.7:80 > 10.0.0.20:80 tcp\n",
        "verdict      FORWARDED\n",
        "sent         198.51.100.7:80 > 10.0.0.20:80 tcp S seq 1000 ack 0, by lan\n",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
}

#[test]
fn a_packet_that_passes_needs_no_change() {
    assert_eq!(proposals("", &handshake()), []);
}

#[test]
fn every_part_of_the_way_is_told() {
    let rules =
        "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n-A FORWARD -s 10.9.0.0/16 -j DROP\nCOMMIT\n";
    let frames = [craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b"")];
    let told = explained(rules, &frames);
    for part in [
        "packet 1 at 0.000000 s, came in by lan\n",
        "captured     10.0.0.2:40000 > 198.51.100.7:80 tcp S seq 1000 ack 0\n",
        "PREROUTING   10.0.0.2:40000 > 198.51.100.7:80",
        "  conntrack  NEW ORIGINAL: starts a connection\n",
        "  routed     out by wan\n",
        "  missed     test.v4:5 filter -A FORWARD -s 10.9.0.0/16 -j DROP\n               -s 10.9.0.0/16: the packet comes from 10.0.0.2\n",
        "  policy     filter FORWARD ACCEPT\n",
        "  matched    test.v4:2 nat -A POSTROUTING -o wan -j MASQUERADE\n",
        "  translated source: 10.0.0.2:40000 > 198.51.100.7:80 tcp is now 203.0.113.1:40000 > 198.51.100.7:80 tcp\n",
        "verdict      FORWARDED\n",
        "connection   tcp      6 120 SYN_SENT src=10.0.0.2 dst=198.51.100.7 sport=40000 dport=80 ",
        "sent         203.0.113.1:40000 > 198.51.100.7:80 tcp S seq 1000 ack 0, by wan\n",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
}

const SYN: u8 = 0x02;

fn handshake() -> Vec<Vec<u8>> {
    vec![
        craft::segment(CLIENT, SERVER, SYN, (1000, 0), &[], b""),
        craft::segment(SERVER, CLIENT, 0x12, (9000, 1001), &[], b""),
        craft::segment(CLIENT, SERVER, 0x10, (1001, 9001), &[], b""),
    ]
}

#[test]
fn what_a_machine_has_sent_to_itself_passes_where_the_gateway_has_a_machine() {
    let frames = [craft::segment(([127, 0, 0, 1], 40_000), ([127, 0, 0, 1], 80), SYN, (1000, 0), &[], b"")];
    let told = explained("", &frames);
    assert!(
        told.contains("NOT_INJECTED NoHost: A machine has sent it to itself, and the gateway has no machine"),
        "{told}"
    );
    let proposals = proposals("", &frames);
    assert_eq!(
        proposals.iter().map(|proposal| proposal.change.to_string()).collect::<Vec<_>>(),
        ["[host] device = \"tp0\""]
    );
    let mut changed = setup("");
    proposals[0].change.make(&mut changed);
    assert_eq!(last(changed, &frames, |record| record.verdict()), Verdict::LocalIn);
}

#[test]
fn no_interface_is_proposed_for_the_address_that_a_machine_calls_itself() {
    assert_eq!(proposals("", &[craft::udp(([127, 0, 0, 1], 1), CLIENT, b"")]), []);
}

#[test]
fn rules_of_output_and_input_are_proposed_for_what_a_machine_sends_to_itself() {
    let itself = ([127, 0, 0, 1], 40_000);
    let frames = [craft::segment(itself, ([127, 0, 0, 1], 80), SYN, (1000, 0), &[], b"")];
    for (rules, change) in [
        ("-P OUTPUT DROP\n", "-A OUTPUT -s 127.0.0.1/32 -d 127.0.0.1/32 -o lo -p tcp -m tcp --dport 80 -j ACCEPT"),
        ("-P INPUT DROP\n", "-A INPUT -s 127.0.0.1/32 -d 127.0.0.1/32 -i lo -p tcp -m tcp --dport 80 -j ACCEPT"),
    ] {
        let unconfigured = || Setup { config: None, ..setup(rules) };
        let told =
            last(unconfigured(), &frames, |record| Explanation::new(record, Instant::ZERO, Colour::Off).to_string());
        assert!(told.starts_with("packet 1 at 0.000000 s, of a program of the machine itself\n"), "{told}");
        let proposals = last(unconfigured(), &frames, |record| changes(record, &[]));
        let proposal = proposals.first().expect("a proposal");
        assert_eq!(proposal.change.to_string(), format!("iptables {change}"));
        let mut changed = unconfigured();
        proposal.change.make(&mut changed);
        assert_eq!(last(changed, &frames, |record| record.verdict()), Verdict::LocalIn);
    }
}

fn setup(rules: &str) -> Setup<'_> {
    Setup {
        config: Some(Config::read("test.toml", GATEWAY).unwrap()),
        rules: vec![Source { name: "test.v4", text: rules }],
        detail: Detail::Full,
        ..Setup::default()
    }
}

/// Replays frames and gives what `tell` says about the last one.
fn last<T>(setup: Setup<'_>, frames: &[Vec<u8>], tell: impl Fn(&crate::record::Record<'_>) -> T) -> T {
    let file = craft::pcap(&frames.iter().map(|frame| (0, frame.clone())).collect::<Vec<_>>());
    replayed(setup, &file, tell)
}

/// The same with a capture.
fn replayed<T>(setup: Setup<'_>, file: &[u8], tell: impl Fn(&crate::record::Record<'_>) -> T) -> T {
    let mut replay = Replay::new(setup).map_err(|error| error.to_string()).unwrap();
    let mut told = None;
    replay
        .run(&mut Capture::from_bytes(file).unwrap(), |record| {
            told = Some(tell(record));
            true
        })
        .unwrap();
    told.unwrap()
}

fn explained(rules: &str, frames: &[Vec<u8>]) -> String {
    last(setup(rules), frames, |record| Explanation::new(record, Instant::ZERO, Colour::Off).to_string())
}

fn proposals(rules: &str, frames: &[Vec<u8>]) -> Vec<Proposal> {
    last(setup(rules), frames, |record| changes(record, &[]))
}

/// The changes that let the last frame pass when they are tried.
fn helping(rules: &str, frames: &[Vec<u8>]) -> Vec<String> {
    helping_in(&|| setup(rules), frames)
}

/// The same in another gateway.
fn helping_in<'a>(setup: &dyn Fn() -> Setup<'a>, frames: &[Vec<u8>]) -> Vec<String> {
    let helps = |proposal: &Proposal| {
        let mut changed = setup();
        proposal.change.make(&mut changed);
        proposal.change.can_be_made() && last(changed, frames, |record| record.verdict() == Verdict::Forwarded)
    };
    let proposals = last(setup(), frames, |record| changes(record, &[]));
    proposals.iter().filter(|proposal| helps(proposal)).map(|proposal| proposal.change.to_string()).collect()
}
