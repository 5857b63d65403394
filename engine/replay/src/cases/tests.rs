use towpath_engine::netfilter::Source;

use super::{Case, Failure, Suite, run};
use crate::{
    config::Config,
    replay::{Replay, Setup},
};

const GATEWAY: &str = "
[[interface]]
name = 'lan'
addresses = ['10.0.0.1/24']
[[interface]]
name = 'wan'
addresses = ['203.0.113.1/24']
[[route]]
to = 'default'
via = '203.0.113.254'
";
const RULES: &str = "*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i lan -p tcp --dport 80 -j ACCEPT
-A FORWARD -p udp -j REJECT
COMMIT
";

const GATEWAY_V6: &str = "
[[interface]]
name = 'lan'
addresses = ['fd00:1::1/64']
[[interface]]
name = 'wan'
addresses = ['2001:db8:1::1/64']
[[route]]
to = 'default'
via = '2001:db8:1::fe'
";
const RULES_V6: &str = "*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i lan -p tcp --dport 443 -j ACCEPT
-A FORWARD -i lan -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT
-A FORWARD -p udp -j REJECT
COMMIT
";

fn suite(cases: &str) -> Suite {
    Suite::read("x.test.toml", &format!("gateway = 'gateway.toml'\n{cases}")).unwrap_or_else(|error| panic!("{error}"))
}

/// What is not as the first case says, each with its line, key, and what was got.
fn failures(cases: &str) -> Vec<(u32, &'static str, String)> {
    let config = Config::read("gateway.toml", GATEWAY).unwrap();
    let rules = vec![Source { name: "rules.v4", text: RULES }];
    failures_on(Setup { config: Some(config), rules, ..Setup::default() }, cases)
}

/// The same on a gateway that speaks IPv6.
fn failures_v6(cases: &str) -> Vec<(u32, &'static str, String)> {
    let config = Config::read("gateway.toml", GATEWAY_V6).unwrap();
    let rules_v6 = vec![Source { name: "rules.v6", text: RULES_V6 }];
    failures_on(Setup { config: Some(config), rules_v6, ..Setup::default() }, cases)
}

fn failures_on(setup: Setup<'_>, cases: &str) -> Vec<(u32, &'static str, String)> {
    let suite = suite(cases);
    let case: &Case = &suite.cases[0];
    let setup = Setup { sysctls: case.sysctls.clone(), ..setup };
    let replay = Replay::new(setup).map_err(|error| error.to_string()).unwrap();
    let ran = run(case, replay, None, None).unwrap_or_else(|error| panic!("{error}"));
    ran.failures.into_iter().map(|Failure { line, what, got, .. }| (line, what, got)).collect()
}

fn mistake(text: &str) -> String {
    Suite::read("x.test.toml", text).expect_err(text).to_string()
}

#[test]
fn a_case_that_is_so_has_no_failures() {
    let case = "[[case]]
name = 'web'
packet = 'lan < 10.0.0.2:40000 > 198.51.100.7:80 S'
verdict = 'forwarded'
state = 'new'
direction = 'original'
rule = 'rules.v4:7'
nat = 'MASQUERADE'
out = 'wan > 203.0.113.1:40000 > 198.51.100.7:80 S'
told = '[NEW] tcp'
connection = 'SYN_SENT [UNREPLIED] src=10.0.0.2'
timeout = '120s'
connections = 'dport=80'
no_connections = 'dport=443'
verdicts = { FORWARDED = 1 }
";
    assert_eq!(failures(case), []);
}

#[test]
fn each_thing_that_is_otherwise_is_a_failure_with_its_line() {
    let case = "[[case]]
name = 'web'
packet = 'lan 10.0.0.2:40000 > 198.51.100.7:80 S'
verdict = 'rejected'
reason = 'FilterReject'
state = 'ESTABLISHED'
direction = 'REPLY'
rule = 'rules.v4:8'
nat = '-j SNAT'
out = 'lan 203.0.113.1:40000 > 198.51.100.7:80 S'
told = '[DESTROY]'
connection = 'ESTABLISHED'
timeout = '5d'
connections = 'dport=443'
no_connections = 'dport=80'
expectations = 'dport=20'
verdicts = { LOCAL_IN = 1 }
";
    let found = failures(case);
    let expected: Vec<(u32, &str)> = (5..19)
        .zip([
            "verdict",
            "reason",
            "state",
            "direction",
            "rule",
            "nat",
            "out",
            "told",
            "connection",
            "timeout",
            "connections",
            "no_connections",
            "expectations",
            "verdicts",
        ])
        .collect();
    assert_eq!(found.iter().map(|(line, what, _)| (*line, *what)).collect::<Vec<_>>(), expected);
    assert_eq!(found[0].2, "FORWARDED, by rules.v4:7 (-A FORWARD -i lan -p tcp -m tcp --dport 80 -j ACCEPT)");
    assert_eq!(found[6].2, "wan 203.0.113.1:40000 > 198.51.100.7:80 tcp S seq 0 ack 0");
    assert_eq!(found[9].2, "120s");
}

#[test]
fn dropped_and_rejected_are_two_things_and_both_are_blocked() {
    let case = |packet: &str, verdict: &str| {
        failures(&format!(
            "[[case]]\nname = 'x'\npacket = 'lan 10.0.0.2:40000 > 198.51.100.7:53 {packet}'\nverdict = '{verdict}'\n"
        ))
        .is_empty()
    };
    assert!(case("udp", "rejected") && case("udp", "blocked") && !case("udp", "dropped"));
    assert!(case("S", "dropped") && case("S", "blocked") && !case("S", "rejected"));
    assert!(case("S", "DROPPED_FORWARD") && !case("S", "DROPPED_INPUT"));
}

#[test]
fn nothing_may_come_out_where_the_case_says_so() {
    let case = |out: &str| {
        let head = "[[case]]\nname = 'x'\npacket = 'lan 10.0.0.2:4000 > 198.51.100.7:53 udp'";
        failures(&format!("{head}\nverdict = 'rejected'\nout = {out}\n"))
    };
    let found = case("[]");
    assert_eq!((found.len(), found[0].1), (1, "out"));
    assert!(found[0].2.starts_with("lan 10.0.0.1 > 10.0.0.2 icmp type 3 code 3 ["), "{found:?}");
    assert_eq!(case("['lan 10.0.0.1 > 10.0.0.2 icmp type 3 code 3 [10.0.0.2:4000 > 198.51.100.7:53 udp]']"), []);
}

#[test]
fn five_days_pass_at_once_and_a_connection_is_forgotten_when_they_have() {
    let case = |wait: &str, verdict: &str| {
        failures(&format!(
            "[[case]]
name = 'x'
before = ['lan 10.0.0.2:4000 > 198.51.100.7:80 S seq 1', 'wan 198.51.100.7:80 > 203.0.113.1:4000 SA seq 9 ack 2', 'lan 10.0.0.2:4000 > 198.51.100.7:80 A seq 2 ack 10']
wait = '{wait}'
packet = 'wan 198.51.100.7:80 > 203.0.113.1:4000 A seq 10 ack 2'
verdict = '{verdict}'
"
        ))
    };
    assert_eq!(case("431999s", "forwarded"), []);
    assert_eq!(case("432001s", "blocked").len(), 1, "without its connection it is for the gateway itself");
    assert_eq!(case("432001s", "delivered"), []);
}

#[test]
fn a_tunable_is_set_for_its_case() {
    let case = "[[case]]
name = 'x'
packet = 'lan 10.0.0.2:40000 > 198.51.100.7:80 S'
sysctl = { 'net.netfilter.nf_conntrack_tcp_timeout_syn_sent' = 7 }
timeout = '7s'
";
    assert_eq!(failures(case), []);
}

#[test]
fn a_play_that_goes_otherwise_fails_at_its_lines() {
    let case = "[[case]]
name = 'x'
play = '''
    0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  S
    0.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  S
    0.500  lan <  10.0.0.2:40000 > 198.51.100.7:81  S
    0.500  wan >  203.0.113.1:40000 > 198.51.100.7:81  S
    0.500  lan =  ESTABLISHED
'''
";
    assert_eq!(
        failures(case),
        [
            (6, "play", "0.000  wan >  203.0.113.1:40000 > 198.51.100.7:80 tcp S seq 0 ack 0".to_owned()),
            (8, "play", "0.500  lan x  FilterPolicy".to_owned()),
            (9, "play", "0.500  lan =  DROPPED NEW ORIGINAL DROPPED_FORWARD policy".to_owned()),
        ]
    );
}

#[test]
fn a_packet_of_ipv6_is_translated_or_refused_as_rules_say() {
    let web = "[[case]]
name = 'web'
packet = 'lan fd00:1::10:40000 > 2001:db8:2::7:443 S'
verdict = 'forwarded'
rule = 'rules.v6:7'
nat = 'MASQUERADE'
out = 'wan 2001:db8:1::1:40000 > 2001:db8:2::7:443 S hoplimit 63'
connection = 'SYN_SENT [UNREPLIED] src=fd00:1::10'
";
    assert_eq!(failures_v6(web), []);
    let refusal = "lan fd00:1::1 > fd00:1::10 icmpv6 type 1 code 4 [fd00:1::10:5000 > 2001:db8:2::7:53 udp]";
    let names = |out: &str| {
        let packet = "lan [fd00:1::10]:5000 > [2001:db8:2::7]:53 udp len 10";
        format!("[[case]]\nname = 'names'\npacket = '{packet}'\nverdict = 'rejected'\nout = '{out}'\n")
    };
    assert_eq!(failures_v6(&names(refusal)), []);
    let found = failures_v6(&names(&refusal.replace("code 4", "code 3")));
    assert_eq!(found, [(6, "out", refusal.to_owned())]);
}

#[test]
fn a_play_of_ipv6_tells_how_an_error_finds_its_way_back_through_the_translation() {
    let case = "[[case]]
name = 'x'
play = '''
    0.000  lan <  fd00:1::10:40000 > 2001:db8:2::7:443       S  seq 1000
    0.000  wan >  2001:db8:1::1:40000 > 2001:db8:2::7:443    S  seq 1000
    0.010  wan <  2001:db8:2::7:443 > 2001:db8:1::1:40000    SA seq 9000 ack 1001
    0.010  lan >  2001:db8:2::7:443 > fd00:1::10:40000       SA seq 9000 ack 1001
    0.010  wan =  ESTABLISHED REPLY src=2001:db8:2::7
    0.020  wan <  2001:db8:9::9 > 2001:db8:1::1  icmpv6 type 2 code 0 mtu 1280 [2001:db8:1::1:40000 > 2001:db8:2::7:443 tcp seq 1001]
    0.020  lan >  2001:db8:9::9 > fd00:1::10     icmpv6 type 2 code 0 mtu 1280 [fd00:1::10:40000 > 2001:db8:2::7:443 tcp seq 1001]
    0.020  wan =  RELATED
    0.030  lan <  fd00:1::10 > 2001:db8:2::7     icmpv6 type 128 code 0 id 7 seq 1
    0.030  wan >  2001:db8:1::1 > 2001:db8:2::7  icmpv6 type 128 code 0 id 7 seq 1
    0.040  wan <  2001:db8:2::7 > 2001:db8:1::1  icmpv6 type 129 code 0 id 7 seq 1
    0.040  lan >  2001:db8:2::7 > fd00:1::10     icmpv6 type 129 code 0 id 7 seq 1
    0.050  wan <  2001:db8:2::7:4444 > fd00:1::10:22  S  seq 1
    0.050  wan x  FilterPolicy
'''
";
    assert_eq!(failures_v6(case), []);
    let found = failures_v6(&case.replace("mtu 1280 [fd00", "mtu 1281 [fd00"));
    assert_eq!(found.len(), 1, "{found:?}");
    let seen = "lan >  2001:db8:9::9 > fd00:1::10 icmpv6 type 2 code 0 mtu 1280 [fd00:1::10:40000 > 2001:db8:2::7:443 tcp seq 1001]";
    assert!(found[0].2.ends_with(seen), "{found:?}");
}

#[test]
fn what_a_play_does_not_write_fails_where_it_happened() {
    let case = "[[case]]\nname = 'x'\nplay = '''0.000 lan < 10.0.0.2:1 > 198.51.100.7:80 S'''\n";
    let found = failures(case);
    assert_eq!((found.len(), found[0].0, found[0].1), (1, 4, "play"));
    assert!(found[0].2.contains("wan >  203.0.113.1:1 > 198.51.100.7:80"), "{found:?}");
}

#[test]
fn a_number_beyond_the_last_packet_is_a_failure() {
    let case = "[[case]]\nname = 'x'\nplay = '0.000 lan < 10.0.0.2:1 > 198.51.100.7:81 S'\n[[case.expect]]\nn = 2\nverdict = 'forwarded'\n";
    let found = failures(case);
    assert_eq!(found.last(), Some(&(6, "n", "1 packets".to_owned())));
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_would_be_right() {
    #[rustfmt::skip]
    let wrong = [
        ("", "1:1: the test file needs 'gateway' or 'rules'"),
        ("gateway = 'g'\n[[cases]]\n", "2:3: the test file has no key 'cases'; did you mean 'case'?"),
        ("rules = 'r'\n[[case]]\n", "2:1: [[case]] needs 'name'"),
        ("rules = 'r'\n[[case]]\nname = 'x'\n", "2:1: [[case]] needs 'packet', 'play' or 'capture'"),
        ("rules = 'r'\n[[case]]\nname = 'x'\npacket = 'lan 10.0.0.2 > 10.0.0.1 udp'\n", "2:1: [[case]] needs 'verdict'"),
        ("rules = 'r'\n[[case]]\nname = 'x'\npacket = 'lan 10.0.0.2'\nverdict = 'dropped'\n", "4:10: the packet's column 9: the line ends where > should stand"),
        ("rules = 'r'\n[[case]]\nname = 'x'\npacket = 'lan 1.1.1.1 > 2.2.2.2 gre'\nverdict = 'lost'\n", "5:11: 'verdict' must be \"forwarded\""),
        ("rules = 'r'\n[[case]]\nname = 'x'\npacket = 'lan 1.1.1.1 > 2.2.2.2 gre'\nreason = 'Boredom'\n", "5:10: 'reason' must be a drop reason"),
        ("rules = 'r'\n[[case]]\nname = 'x'\nplay = 'a'\ncapture = 'b'\n", "5:11: 'capture' cannot stand beside 'play'"),
        ("rules = 'r'\n[[case]]\nname = 'x'\nplay = '''\n0.000 lan < 1.1.1.1 > 2.2.2.2 gre\n  0.1 lan ? x\n'''\n", "6:3: '?' is none of the signs < > x = !"),
        ("rules = 'r'\n[[case]]\nname = 'x'\nplay = '0 lan x NoRoute'\nverdict = 'dropped'\n", "5:11: 'verdict' stands beside 'packet' only"),
        ("rules = 'r'\n[[case]]\nname = 'x'\ncapture = 'a'\n[[case.expect]]\nverdict = 'dropped'\n", "5:1: [[case.expect]] needs 'n'"),
        ("rules = 'r'\n[[case]]\nname = 'x'\ncapture = 'a'\nverdicts = { GONE = 1 }\n", "5:21: 'verdicts' must be a table of verdicts"),
        ("rules = 'r'\n[[case]]\nname = 'x'\ncapture = 'a'\nsysctl = { 'net.ipv4.nothing' = 1 }\n", "5:33: there is no sysctl 'net.ipv4.nothing'"),
        ("rules = 'r'\n[[case]]\nname = 'x'\ncapture = 'a'\n[[case]]\nname = 'x'\ncapture = 'a'\n", "5:1: [[case]] 'x' is there already"),
        ("rules = 'r'\n[[case]]\nname = 'x'\ncapture = 'a'\nwait = '1h'\n", "5:8: 'wait' stands beside 'packet' only"),
        ("rules = \n", "1:9: "),
    ];
    for (text, message) in wrong {
        let told = mistake(text);
        assert!(told.starts_with(&format!("x.test.toml:{message}")), "{text}\n{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}
