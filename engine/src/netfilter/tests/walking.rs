//! The way through chains: jumps, returns, policies, counters, broken packets.

use super::*;

const SYN: u8 = 0x02;

#[test]
fn the_first_rule_that_matches_decides_and_the_policy_when_none_does() {
    let mut lab = Lab::new(
        "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p tcp --dport 80 -j ACCEPT\n-A FORWARD -p tcp --dport 80 -j DROP\nCOMMIT",
    );
    let (mut web, mut mail) = (lab.packet(&tcp(80, SYN)), lab.packet(&tcp(25, SYN)));
    assert_eq!(lab.forward(&mut web), Verdict::Accept);
    assert_eq!(lab.matched(), ["-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT"]);
    assert_eq!(lab.forward(&mut mail), Verdict::DropByPolicy);
    assert_eq!(lab.matched(), ["policy"]);
}

#[test]
fn a_chain_that_ends_or_returns_comes_back_behind_the_jump() {
    let mut lab = Lab::new(
        "*filter\n:one - [0:0]\n:two - [0:0]\n\
         -A FORWARD -j one\n-A FORWARD -s 10.0.0.2\n-A FORWARD -p udp -j DROP\n\
         -A one -j two\n-A one -d 198.51.100.7\n-A one -j RETURN\n-A one -j DROP\n\
         -A two -p icmp -j DROP\nCOMMIT",
    );
    let mut packet = lab.packet(&tcp(80, SYN));
    assert_eq!(lab.forward(&mut packet), Verdict::Accept);
    assert_eq!(
        lab.matched(),
        [
            "-A FORWARD -j one",
            "-A one -j two",
            "-A one -d 198.51.100.7/32",
            "-A one -j RETURN",
            "-A FORWARD -s 10.0.0.2/32",
            "policy"
        ]
    );
}

#[test]
fn goto_does_not_come_back_to_the_chain_it_left() {
    let mut lab = Lab::new(
        "*filter\n:FORWARD DROP [0:0]\n:one - [0:0]\n:two - [0:0]\n\
         -A FORWARD -j one\n-A FORWARD -j ACCEPT\n-A one -g two\n-A one -j DROP\n-A two -p icmp -j DROP\nCOMMIT",
    );
    let mut packet = lab.packet(&tcp(80, SYN));
    assert_eq!(lab.forward(&mut packet), Verdict::Accept);
    assert_eq!(lab.matched(), ["-A FORWARD -j one", "-A one -g two", "-A FORWARD -j ACCEPT"]);
    let mut lab = Lab::new(
        "*filter\n:FORWARD DROP [0:0]\n:two - [0:0]\n-A FORWARD -g two\n-A FORWARD -j ACCEPT\n-A two -p icmp -j ACCEPT\nCOMMIT",
    );
    assert_eq!(lab.forward(&mut packet), Verdict::DropByPolicy);
}

#[test]
fn return_in_a_built_in_chain_takes_its_policy() {
    let mut lab = Lab::new("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j RETURN\n-A FORWARD -j ACCEPT\nCOMMIT");
    let mut packet = lab.packet(&tcp(80, SYN));
    assert_eq!(lab.forward(&mut packet), Verdict::DropByPolicy);
}

#[test]
fn rules_and_policies_count_packets_and_network_bytes() {
    let text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [5:500]\n:OUTPUT ACCEPT [0:0]\n:one - [0:0]\n\
                [1:100] -A FORWARD -j one\n[0:0] -A one -p udp\n[0:0] -A one -p tcp -j ACCEPT\nCOMMIT\n";
    let mut lab = Lab::new(text);
    assert_eq!(lab.rules.save(true), text);
    for sample in [udp(53, 100), udp(53, 0), tcp(80, SYN)] {
        let mut packet = lab.packet(&sample);
        lab.forward(&mut packet);
    }
    let saved = lab.rules.save(true);
    for line in [
        ":FORWARD ACCEPT [7:656]",
        "[4:296] -A FORWARD -j one",
        "[2:156] -A one -p udp",
        "[1:40] -A one -p tcp -j ACCEPT",
        ":one - [0:0]",
    ] {
        assert!(saved.lines().any(|found| found == line), "{line} in:\n{saved}");
    }
}

#[test]
fn a_segment_too_short_for_its_header_is_dropped_by_a_rule_that_asks_for_ports() {
    let mut lab = Lab::new("-A FORWARD -p udp --dport 53\n-A FORWARD -p tcp --dport 80\n-A FORWARD -j ACCEPT");
    let mut short = tcp(80, SYN);
    short.transport.truncate(19);
    let mut packet = lab.packet(&short);
    let Verdict::Unreadable(rule) = lab.forward(&mut packet) else { panic!("not dropped") };
    assert_eq!(lab.text(rule), "-A FORWARD -p tcp -m tcp --dport 80");
    let mut whole = lab.packet(&tcp(81, SYN));
    assert_eq!(lab.forward(&mut whole), Verdict::Accept);
}

#[test]
fn fragments_match_no_ports_and_one_that_overwrites_flags_is_dropped() {
    let mut lab = Lab::new(
        "-A FORWARD -p tcp --dport 0:65535 -j DROP\n-A FORWARD -p tcp -m tcp -j DROP\n-A FORWARD -f -j ACCEPT",
    );
    let mut later = lab.packet(&tcp(80, SYN).fragment(2));
    assert_eq!(lab.forward(&mut later), Verdict::Accept);
    assert_eq!(lab.matched(), ["-A FORWARD -f -j ACCEPT"]);
    let mut evil = lab.packet(&tcp(80, SYN).fragment(1));
    assert!(matches!(lab.forward(&mut evil), Verdict::Unreadable(_)));
    assert!(lab.matched().is_empty(), "the rule that drops it has not matched");
}

#[test]
fn a_miss_names_the_condition_and_what_the_packet_is() {
    let mut lab = Lab::new(
        "-A FORWARD -p udp -j DROP\n-A FORWARD ! -s 10.0.0.0/8 -j DROP\n-A FORWARD -d 1.2.3.4 -j DROP\n\
         -A FORWARD -i wan -j DROP\n-A FORWARD -o l+ -j DROP\n-A FORWARD -f -j DROP\n\
         -A FORWARD -p tcp -m comment --comment x --dport 443 -j DROP\n\
         -A FORWARD -m state --state NEW -j DROP\n-A FORWARD -p tcp ! --syn -j DROP",
    );
    let mut packet = lab.packet(&tcp(80, SYN));
    packet.meta_mut().tracking = crate::conntrack::Tracking::Invalid;
    lab.forward(&mut packet);
    assert_eq!(
        lab.missed(),
        [
            "-p udp: packet is tcp",
            "! -s 10.0.0.0/8: packet comes from 10.0.0.2",
            "-d 1.2.3.4/32: packet goes to 198.51.100.7",
            "-i wan: packet came in by lan",
            "-o l+: packet goes out by wan",
            "-f: packet is whole or a first fragment",
            "-m tcp --dport 443: packet has ports 40000 > 80",
            "-m state --state NEW: packet is INVALID",
            "-m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN: packet has flags S",
        ]
    );
}

#[test]
fn a_table_that_was_not_named_accepts_and_says_that_it_is_not_there() {
    let mut lab = Lab::new("-P INPUT DROP");
    let mut packet = lab.packet(&tcp(80, SYN));
    assert_eq!(lab.ask(TableName::Mangle, Hook::Forward, &mut packet), Verdict::Accept);
    assert!(lab.rules.has_table(TableName::Filter) && !lab.rules.has_table(TableName::Mangle));
    assert_eq!(lab.ask(TableName::Filter, Hook::Input, &mut packet), Verdict::DropByPolicy);
}

#[test]
fn notrack_and_ct_let_later_rules_see_what_they_did() {
    use crate::conntrack::Tracking;
    let mut lab = Lab::new(
        "-t raw -A PREROUTING -p udp -j NOTRACK\n-t raw -A PREROUTING -m conntrack --ctstate UNTRACKED -j ACCEPT\n\
         -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp\n-t raw -A PREROUTING -p tcp -j CT --zone 3",
    );
    let mut dns = lab.packet(&udp(53, 0));
    let verdict = lab.ask(TableName::Raw, Hook::Prerouting, &mut dns);
    assert!(matches!(verdict, Verdict::Untracked(_)));
    assert_eq!(dns.meta().tracking, Tracking::Untracked);
    assert_eq!(lab.matched().len(), 2);
    let mut control = lab.packet(&tcp(21, SYN));
    let Verdict::Template(id, rule) = lab.ask(TableName::Raw, Hook::Prerouting, &mut control) else {
        panic!("no template")
    };
    assert_eq!(lab.text(rule), "-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp");
    assert_eq!(lab.rules.template(id).helper, Some(HelperId(0)), "the first rule that speaks is heard");
    let mut web = lab.packet(&tcp(80, SYN));
    let Verdict::Template(id, _) = lab.ask(TableName::Raw, Hook::Prerouting, &mut web) else { panic!("no template") };
    assert_eq!((lab.rules.template(id).helper, lab.rules.template(id).zone.of(0).id), (None, 3));
}
