//! Each test is a small set of rules and the remarks about it, in short.

use alloc::{format, string::String, vec, vec::Vec};

use super::*;
use crate::{
    conntrack::{Family, HelperId, calling::KnownHelper},
    device::{Device, Devices},
    netfilter::{Loading, Source},
    wire::{MacAddr, Protocol},
};

#[test]
fn a_rule_is_shadowed_by_an_earlier_one_that_takes_all_it_asks_for() {
    #[rustfmt::skip]
    let pairs = [
        ("-s 10.0.0.0/8 -j DROP",                    "-s 10.1.0.0/16 -j ACCEPT"),
        ("-p tcp -j DROP",                           "-p tcp --dport 22 -j ACCEPT"),
        ("-p tcp --dport 20:25 -j DROP",             "-p tcp --dport 22 --syn -j ACCEPT"),
        ("-p tcp -m multiport --dports 22,80 -j DROP", "-p tcp --dport 80 -j ACCEPT"),
        ("-p tcp --dport 1:100 -j DROP",             "-p tcp -m multiport --dports 22,80 -j ACCEPT"),
        ("-i l+ -j DROP",                            "-i lan -j ACCEPT"),
        ("-m state --state NEW,INVALID -j DROP",     "-m conntrack --ctstate INVALID -p udp -j ACCEPT"),
        ("! -s 10.0.0.0/8 -j DROP",                  "-s 192.168.0.0/16 -j ACCEPT"),
        ("! -s 10.0.0.0/8 -j DROP",                  "! -s 10.0.0.0/7 -j ACCEPT"),
        ("-p udp -m comment --comment x -j DROP",    "-p udp -j ACCEPT"),
        ("-p tcp -j REJECT",                         "-p tcp -j LOG"),
        ("-s 10.1.0.0/16 -j DROP",                   "-m iprange --src-range 10.1.0.5-10.1.0.9 -j ACCEPT"),
        ("-m iprange --dst-range 10.1.0.0-10.1.9.9 -j DROP", "-d 10.1.8.0/24 -j ACCEPT"),
        ("-m iprange ! --src-range 10.1.0.5-10.1.0.9 -j DROP", "-m iprange --src-range 10.1.0.1-10.1.0.4 -j ACCEPT"),
        ("-m length --length 0:100 -j DROP",         "-m length --length 50 -j ACCEPT"),
        ("-m ttl --ttl-lt 10 -j DROP",               "-m ttl --ttl-eq 5 -j ACCEPT"),
        ("-m ttl ! --ttl-eq 5 -j DROP",              "-m ttl --ttl-gt 5 -j ACCEPT"),
        ("-p icmp --icmp-type 3 -j DROP",            "-p icmp --icmp-type 3/4 -j ACCEPT"),
        ("-p icmp ! --icmp-type 8 -j DROP",          "-p icmp --icmp-type 3/4 -j ACCEPT"),
        ("-p tcp -g sink",                           "-p tcp -j ACCEPT"),
        ("-p dccp --dport 20:25 -j DROP",            "-p dccp --dport 22 --dccp-types DATA -j ACCEPT"),
        ("-p dccp -m dccp ! --dccp-types DATA -j DROP", "-p dccp -m dccp --dccp-types ACK,SYNC -j ACCEPT"),
        ("-p dccp -m multiport --dports 22,80 -j DROP", "-p dccp --dport 80 -j ACCEPT"),
        ("-p sctp --dport 20:25 -j DROP",            "-p sctp --dport 22 --chunk-types any DATA -j ACCEPT"),
        ("-p sctp ! --sport 9 -j DROP",              "-p sctp -m multiport --sports 1,8 -j ACCEPT"),
        ("-p tcp --tcp-flags SYN SYN -j DROP",       "-p tcp --syn --dport 22 -j ACCEPT"),
        ("-p tcp ! --tcp-flags SYN,ACK SYN -j DROP", "-p tcp --tcp-flags ACK ACK -j ACCEPT"),
        ("-p tcp ! --syn -j DROP",                   "-p tcp ! --tcp-flags SYN SYN -j ACCEPT"),
        ("-p tcp ! --dport 22 -j DROP",              "-p tcp --dport 80 -j ACCEPT"),
        ("-p udp ! --dport 22 -j DROP",              "-p udp ! --dport 20:25 -j ACCEPT"),
        ("-p tcp -m multiport ! --dports 22,80 -j DROP", "-p tcp --dport 23:79 -j ACCEPT"),
        ("-p tcp -m multiport ! --ports 22,80 -j DROP", "-p tcp --sport 1024:65535 --dport 81 -j ACCEPT"),
        ("-m tos --tos 0x20/0xe0 -j DROP",           "-m dscp --dscp-class AF13 -j ACCEPT"),
        ("-m dscp --dscp 0x08 -j DROP",              "-m tos --tos 0x20/0xff -j ACCEPT"),
        ("-m dscp ! --dscp 0x08 -j DROP",            "-m tos --tos 0x80/0x80 -j ACCEPT"),
        ("-m mark --mark 0x1/0x1 -j DROP",           "-m mark --mark 0x3/0xff -j ACCEPT"),
        ("-m mark ! --mark 0x2 -j DROP",             "-m mark --mark 0x1/0x1 -j ACCEPT"),
        ("-m connmark ! --mark 0x1/0x3 -j DROP",     "-m connmark ! --mark 0x1/0x1 -j ACCEPT"),
        ("-p ah -m ah --ahspi 1:9 -j DROP",          "-p ah -m ah --ahspi 5 -j ACCEPT"),
        ("-p esp -m esp ! --espspi 5 -j DROP",       "-p esp -m esp --espspi 6:9 -j ACCEPT"),
        ("-p tcp -m tcpmss --mss 500:1500 -j DROP",  "-p tcp -m tcpmss --mss 1400 -j ACCEPT"),
        ("-p tcp -m tcpmss ! --mss 900 -j DROP",     "-p tcp -m tcpmss ! --mss 500:1500 -j ACCEPT"),
        ("-p tcp -j sink",                           "-p tcp -j ACCEPT"),
    ];
    for (earlier, later) in pairs {
        let rules = format!(
            "-N sink\n-A sink -p tcp -j ACCEPT\n-A sink -j DROP\n-A FORWARD {earlier}\n-A FORWARD {later}\n-A FORWARD -i lan -j sink\n"
        );
        assert!(short(&rules).contains(&"5 shadowed by 4".into()), "{earlier} / {later}: {:?}", short(&rules));
    }
}

#[test]
fn a_rule_that_may_still_match_is_not_called_shadowed() {
    #[rustfmt::skip]
    let pairs = [
        ("-s 10.1.0.0/16 -j DROP",                   "-s 10.0.0.0/8 -j ACCEPT"),
        ("-p tcp --dport 22 -j DROP",                "-p tcp --dport 20:25 -j ACCEPT"),
        ("-p tcp --syn -j DROP",                     "-p tcp -j ACCEPT"),
        ("-p tcp -m multiport --dports 22,80 -j DROP", "-p tcp --dport 22:80 -j ACCEPT"),
        ("-p tcp -m multiport ! --dports 80 -j DROP", "-p tcp --dport 80 -j ACCEPT"),
        ("-i lan -j DROP",                           "-i l+ -j ACCEPT"),
        ("-m state --state INVALID -j DROP",         "-m state --state NEW,INVALID -j ACCEPT"),
        ("! -s 10.0.0.0/8 -j DROP",                  "-s 10.1.0.0/16 -j ACCEPT"),
        ("-p udp -m limit --limit 1/s -j DROP",      "-p udp -m limit --limit 1/s -j ACCEPT"),
        ("-m statistic --mode nth --every 2 --packet 0 -j DROP", "-m statistic --mode nth --every 2 --packet 0 -j ACCEPT"),
        ("-p tcp -j LOG",                            "-p tcp -j ACCEPT"),
        ("-s 10.1.0.0/24 -j DROP",                   "-m iprange --src-range 10.1.0.5-10.1.1.9 -j ACCEPT"),
        ("-s 10.1.0.0/24 -j DROP",                   "-m iprange ! --src-range 10.1.0.5-10.1.0.9 -j ACCEPT"),
        ("-m iprange --dst-range 10.1.0.0-10.1.9.9 -j DROP", "-d 10.1.8.0/22 -j ACCEPT"),
        ("-m length --length 50 -j DROP",            "-m length --length 0:100 -j ACCEPT"),
        ("-m ttl --ttl-lt 10 -j DROP",               "-m ttl --ttl-gt 5 -j ACCEPT"),
        ("-p icmp --icmp-type 3/4 -j DROP",          "-p icmp --icmp-type 3 -j ACCEPT"),
        ("-p icmp ! --icmp-type 3/4 -j DROP",        "-p icmp --icmp-type 3 -j ACCEPT"),
        ("-p tcp",                                   "-p tcp -j ACCEPT"),
        ("-p dccp --dport 22 --dccp-types DATA -j DROP", "-p dccp --dport 22 -j ACCEPT"),
        ("-p dccp -m dccp ! --dccp-types DATA -j DROP", "-p dccp -m dccp --dccp-types DATA,SYNC -j ACCEPT"),
        ("-p sctp --dport 22 --chunk-types any DATA -j DROP", "-p sctp --dport 22 -j ACCEPT"),
        ("-p sctp --dport 22 -j DROP",               "-p sctp ! --dport 23 -j ACCEPT"),
        ("-p tcp --syn -j DROP",                     "-p tcp --tcp-flags SYN SYN -j ACCEPT"),
        ("-p tcp ! --syn -j DROP",                   "-p tcp --tcp-flags SYN SYN -j ACCEPT"),
        ("-p tcp ! --dport 22 -j DROP",              "-p tcp --dport 20:25 -j ACCEPT"),
        ("-p tcp -m multiport ! --ports 22,80 -j DROP", "-p tcp --dport 81 -j ACCEPT"),
        ("-p tcp --dport 22 --tcp-option 3 -j DROP", "-p tcp --dport 22 -j ACCEPT"),
        ("-m dscp --dscp 0x08 -j DROP",              "-m tos --tos 0x20/0xf0 -j ACCEPT"),
        ("-m tos --tos 0x21/0xff -j DROP",           "-m dscp --dscp 0x08 -j ACCEPT"),
        ("-m mark --mark 0x3/0xff -j DROP",          "-m mark --mark 0x1/0x1 -j ACCEPT"),
        ("-m mark ! --mark 0x3/0x3 -j DROP",         "-m mark --mark 0x1/0x1 -j ACCEPT"),
        ("-m connmark ! --mark 0x1/0x1 -j DROP",     "-m connmark ! --mark 0x1/0x3 -j ACCEPT"),
        ("-p ah -m ah --ahspi 5 -j DROP",            "-p ah -m ah --ahspi 1:9 -j ACCEPT"),
        ("-p tcp -m tcpmss --mss 500:1500 -j DROP",  "-p tcp -m tcpmss ! --mss 400 -j ACCEPT"),
        ("-p tcp -j open",                           "-p tcp -j ACCEPT"),
    ];
    for (earlier, later) in pairs {
        let rules = format!(
            "-N open\n-A open -p tcp -j ACCEPT\n-A open -s 10.9.9.9 -j RETURN\n-A FORWARD {earlier}\n-A FORWARD {later}\n-A FORWARD -i lan -j open\n"
        );
        assert!(!short(&rules).contains(&"5 shadowed by 4".into()), "{earlier} / {later}");
    }
}

#[test]
fn a_mark_that_changes_on_the_way_is_asked_again() {
    let rules = "*mangle\n-A FORWARD -m mark --mark 1 -j ACCEPT\n-A FORWARD -j MARK --set-mark 1\n-A FORWARD -m mark --mark 1 -j DROP\nCOMMIT\n";
    assert_eq!(short(rules), [""; 0]);
    let without = "*mangle\n-A FORWARD -m mark --mark 1 -j ACCEPT\n-A FORWARD -m mark --mark 1 -j DROP\nCOMMIT\n";
    assert_eq!(short(without), ["3 shadowed by 2"]);
}

#[test]
fn rules_behind_one_that_takes_everything_are_told_once() {
    let rules = "-A INPUT -p tcp -j ACCEPT\n-A INPUT -j DROP\n-A INPUT -p udp -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n";
    assert!(short(rules).contains(&"3 and 1 more unreachable behind 2".into()), "{:?}", short(rules));
}

#[test]
fn a_chain_to_which_nothing_leads_is_told_even_when_another_such_leads_to_it() {
    let rules = "-N a\n-N b\n-N c\n-A a -j b\n-A b -j ACCEPT\n-A FORWARD -j c\n";
    assert_eq!(short(rules), ["chain a unused", "chain b unused"]);
}

#[test]
fn a_device_that_is_not_there_is_told_once() {
    let rules = "-A FORWARD -i eth7 -j ACCEPT\n-A FORWARD -i eth7 -p tcp -j ACCEPT\n-A FORWARD -o ppp+ -j ACCEPT\n-A FORWARD -i wa+ -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n";
    assert_eq!(short(rules), ["2 shadowed by 1", "1 names eth7", "3 names ppp+"]);
}

#[test]
fn what_is_accepted_without_its_answers_is_told() {
    let open = "-P FORWARD DROP\n-A FORWARD -i lan -o wan -j ACCEPT\n";
    assert_eq!(short(open), ["2: answers dropped in Forward"]);
    for answered in [
        "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n",
        "-A FORWARD -i wan -o lan -j ACCEPT\n",
        "-N x\n-A x -i wan -j ACCEPT\n-A FORWARD -j x\n",
    ] {
        assert_eq!(short(&format!("{open}{answered}")), [""; 0], "{answered}");
    }
    let one_way = "-P FORWARD DROP\n-A FORWARD -i lan -j ACCEPT\n";
    assert_eq!(short(one_way), ["2: answers dropped in Forward"], "they come in elsewhere");
    assert_eq!(short(&format!("{one_way}-A FORWARD -o lan -j ACCEPT\n")), [""; 0]);
    assert_eq!(short(&format!("{one_way}-A FORWARD -i wan -j ACCEPT\n")), [""; 0]);
    let too_late = "-A FORWARD -j DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n";
    assert!(short(&format!("{one_way}{too_late}")).contains(&"2: answers dropped in Forward".into()));
    let related_only = "-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT\n";
    assert_eq!(short(&format!("{open}{related_only}")), ["2: answers dropped in Forward"]);
}

#[test]
fn a_host_whose_input_is_closed_gets_no_answers_to_what_it_sends() {
    let closed = "-P INPUT DROP\n-A INPUT -i lan -m state --state NEW -j ACCEPT\n";
    assert_eq!(short(closed), ["policy: answers dropped in Input"]);
    assert_eq!(short(&format!("{closed}-A INPUT -m state --state ESTABLISHED -j ACCEPT\n")), [""; 0]);
}

#[test]
fn invalid_packets_that_would_leave_untranslated_are_told() {
    let nat = "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n";
    let filter = |rules: &str| format!("{nat}*filter\n{rules}COMMIT\n");
    assert_eq!(short(nat), ["policy: not translated by 2"]);
    assert_eq!(short(&filter("-A FORWARD -i lan -j ACCEPT\n")), ["5: not translated by 2"]);
    for safe in [
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n-A FORWARD -i lan -j ACCEPT\n",
        ":FORWARD DROP\n-A FORWARD -o lan -j ACCEPT\n-A FORWARD -i lan -m state --state NEW,ESTABLISHED -j ACCEPT\n",
        "-N bad\n-A bad -m state --state INVALID -j DROP\n-A FORWARD -j bad\n",
        ":FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,DNAT -j ACCEPT\n",
        ":FORWARD DROP\n-A FORWARD -m conntrack --ctstatus ASSURED -j ACCEPT\n-A FORWARD -m connmark --mark 0 -j ACCEPT\n",
    ] {
        assert_eq!(short(&filter(safe)), [""; 0], "{safe}");
    }
    let early = "*mangle\n-A PREROUTING -m state --state INVALID -j DROP\nCOMMIT\n";
    assert_eq!(short(&format!("{nat}{early}")), [""; 0]);
}

#[test]
fn what_the_rules_do_at_all_is_found() {
    let rules = "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n*nat\n-A PREROUTING -p tcp -j REDIRECT --to-ports 80\nCOMMIT\n*filter\n-A FORWARD -m state --state RELATED -j ACCEPT\nCOMMIT\n";
    let review = review(rules);
    let line = |rule: Option<RuleInfo>| rule.map(|rule| rule.line);
    assert_eq!((line(review.helper), line(review.translation), line(review.related)), (Some(2), Some(5), Some(8)));
}

fn review(text: &str) -> Review {
    let helpers = [known("ftp", 0, Protocol::TCP)];
    let loading = Loading { helpers: &helpers, ..Loading::default() };
    let rules = RuleSet::parse(&[Source { name: "test", text }], &loading).expect(text);
    let mut devices = Devices::default();
    for name in ["lan", "wan"] {
        devices.add(Device {
            name: name.into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu_bytes: 1500,
            addresses: vec![],
            arp: false,
            any_destination: true,
            ..Device::default()
        });
    }
    rules.review(&devices)
}

/// The remarks, with lines for rules.
fn short(text: &str) -> Vec<String> {
    let line = |rule: &Option<RuleInfo>| rule.as_ref().map_or("policy".into(), |rule| format!("{}", rule.line));
    let told = |remark: &Remark| match remark {
        Remark::Shadowed { rule, by } => format!("{} shadowed by {}", rule.line, by.line),
        Remark::Unreachable { rule, count, by } => {
            format!("{} and {} more unreachable behind {}", rule.line, count - 1, by.line)
        }
        Remark::NothingLeft { rule, count, by: [one, other] } => {
            format!("{} and {} more: nothing left by {} and {}", rule.line, count - 1, one.line, other.line)
        }
        Remark::Unused { chain, .. } => format!("chain {chain} unused"),
        Remark::NoDevice { rule, device } => format!("{} names {device}", rule.line),
        Remark::Unanswered { rule, answers, .. } => format!("{}: answers dropped in {answers:?}", line(rule)),
        Remark::Untranslated { rule, translation } => {
            format!("{}: not translated by {}", line(rule), translation.line)
        }
        Remark::NothingForwarded { translation } => format!("{} translates what is not let through", translation.line),
        Remark::MasqueradesEverywhere { rule } => format!("{} masquerades everywhere", rule.line),
        Remark::FallingRange { rule } => format!("{} falls", rule.line),
        Remark::LimitWithoutDrop { rule } => format!("{} limits nothing", rule.line),
        Remark::StateBeforeTracking { rule, takes_all: true } => format!("{} takes all for INVALID", rule.line),
        Remark::StateBeforeTracking { rule, takes_all: false } => format!("{} asks too early", rule.line),
        Remark::NoNeighbours { hook } => format!("{hook:?} hears no neighbours"),
        Remark::ForeignSource { rule, address } => format!("{} gives {address}, which is elsewhere", rule.line),
        Remark::NotForwarded { rule, address } => format!("{} sends to {address}, which is not let through", rule.line),
    };
    review(text).remarks.iter().map(told).collect()
}

#[test]
fn what_returns_to_a_policy_that_accepts_is_forwarded_and_translated() {
    let told = |forward: &str| {
        short(&format!("-P FORWARD ACCEPT\n{forward}-A FORWARD -j DROP\n-t nat -A POSTROUTING -o wan -j MASQUERADE\n"))
    };
    let translates_nothing =
        |told: Vec<String>| told.iter().any(|told| told.ends_with("translates what is not let through"));
    assert!(translates_nothing(told("")));
    assert!(!translates_nothing(told("-A FORWARD -i lan -j RETURN\n")));
    assert!(!translates_nothing(told("-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT\n")));
    assert!(translates_nothing(told("-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n")));
}

#[test]
fn two_rules_that_together_take_every_packet_leave_nothing() {
    let behind = |one: &str, other: &str| {
        short(&format!("-A INPUT {one} -j DROP\n-A INPUT {other} -j DROP\n-A INPUT -j ACCEPT\n"))
    };
    assert_eq!(behind("-i lan", "! -i lan"), ["3 and 0 more: nothing left by 1 and 2"]);
    assert_eq!(behind("-i lan", "! -i wan"), [""; 0]);
}

#[test]
fn masquerading_whatever_leaves_is_remarked_and_with_a_device_or_a_source_it_is_not() {
    let drop = "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n";
    let remarked = |rule: &str| short(&format!("{drop}-t nat -A POSTROUTING {rule}\n"));
    assert_eq!(remarked("-j MASQUERADE"), ["2 masquerades everywhere"]);
    assert_eq!(remarked("-p tcp -m comment --comment x -j MASQUERADE"), ["2 masquerades everywhere"]);
    assert_eq!(remarked("-j SNAT --to-source 203.0.113.1"), ["2 masquerades everywhere"]);
    for rule in [
        "-o wan -j MASQUERADE",
        "-s 10.0.0.0/8 -j MASQUERADE",
        "-s 10.0.0.0/8 -j SNAT --to-source 203.0.113.1",
        "-m mark --mark 1 -j MASQUERADE",
        "! -d 10.0.0.0/8 -j MASQUERADE",
    ] {
        assert_eq!(remarked(rule), [""; 0], "{rule}");
    }
}

#[test]
fn a_range_of_addresses_that_falls_is_remarked() {
    let remarked = |range: &str| {
        let drop = "-A FORWARD -m conntrack --ctstate INVALID -j DROP";
        let dnat = format!("-t nat -A PREROUTING -i wan -j DNAT --to-destination {range}");
        short(&format!("{drop}\n{dnat}\n-t nat -A POSTROUTING -o wan -j SNAT --to-source {range}"))
    };
    assert_eq!(remarked("10.0.0.9-10.0.0.1"), ["2 falls", "3 falls"]);
    assert_eq!(remarked("10.0.0.1-10.0.0.9"), Vec::<String>::new());
}

#[test]
fn a_state_that_is_asked_for_before_connection_tracking_is_remarked() {
    let told = |state: &str| short(&format!("-t raw -A PREROUTING -m conntrack --ctstate {state} -j DROP\n"));
    assert_eq!(told("INVALID"), ["1 takes all for INVALID"]);
    assert_eq!(told("INVALID,NEW"), ["1 takes all for INVALID"]);
    assert_eq!(told("ESTABLISHED"), ["1 asks too early"]);
    assert_eq!(told("UNTRACKED"), [""; 0], "NOTRACK may stand before it");
    assert_eq!(short("-t mangle -A PREROUTING -m conntrack --ctstate INVALID -j DROP\n"), [""; 0]);
}

#[test]
fn a_host_that_hears_no_neighbours_is_remarked() {
    let told = |rules: &str| {
        let loading = Loading { family: Family::Ipv6, ..Loading::default() };
        let text = format!("-P INPUT DROP\n{rules}");
        let rules = RuleSet::parse(&[Source { name: "test", text: &text }], &loading).expect("they are right");
        let remarks = rules.review(&Devices::default()).remarks;
        remarks.iter().any(|remark| matches!(remark, Remark::NoNeighbours { hook: Hook::Input }))
    };
    let of_type = |kind: &str| format!("-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j ACCEPT\n");
    for rules in [
        String::new(),
        "-A INPUT -i lo -j ACCEPT\n".into(),
        "-A INPUT -m conntrack --ctstate ESTABLISHED,NEW -j ACCEPT\n".into(),
        "-A INPUT -p tcp -j ACCEPT\n".into(),
        of_type("neighbour-solicitation"),
        of_type("echo-request"),
        "-A INPUT -j DROP\n-A INPUT -p ipv6-icmp -j ACCEPT\n".into(),
    ] {
        assert!(told(&rules), "{rules}");
    }
    for rules in [
        "-A INPUT -p ipv6-icmp -j ACCEPT\n".into(),
        "-A INPUT -i lan -j ACCEPT\n".into(),
        "-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT\n".into(),
        format!("{}{}", of_type("neighbour-solicitation"), of_type("neighbour-advertisement")),
        "-P INPUT ACCEPT\n".into(),
    ] {
        assert!(!told(&rules), "{rules}");
    }
}

#[test]
fn a_limit_that_only_accepts_is_remarked_unless_something_behind_it_may_drop() {
    let limit = "-A INPUT -p icmp -m limit --limit 5/s -j ACCEPT\n";
    assert_eq!(short(limit), ["1 limits nothing"]);
    for behind in
        ["-A INPUT -p icmp -j DROP", "-P INPUT DROP\n-A OUTPUT -j ACCEPT", "-N x\n-A x -j DROP\n-A INPUT -j x"]
    {
        assert!(!short(&format!("{limit}{behind}\n")).contains(&"1 limits nothing".into()), "{behind}");
    }
    assert_eq!(short("-A INPUT -m limit --limit 5/s -j LOG\n"), [""; 0]);
    let each = |way: &str| {
        short(&format!(
            "-A INPUT -p icmp -m hashlimit --hashlimit-{way} 5/s --hashlimit-name x --hashlimit-mode srcip -j ACCEPT\n"
        ))
    };
    assert_eq!(each("upto"), ["1 limits nothing"]);
    assert_eq!(each("above"), [""; 0], "it accepts what is much");
}

#[test]
fn a_host_that_connections_are_sent_to_and_that_nothing_is_let_through_to_is_remarked() {
    let dnat = "-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-t nat -A PREROUTING -i wan -p tcp --dport 80 -j DNAT --to-destination 10.0.0.80:8080\n";
    let told = "3 sends to 10.0.0.80, which is not let through";
    let is_remarked = |rules: &str| short(&format!("{dnat}{rules}")).contains(&told.into());
    for rules in [
        "",
        "-A FORWARD -d 10.0.0.81 -j ACCEPT\n",
        "-A FORWARD -i lan -j ACCEPT\n",
        "-A FORWARD -p udp -j ACCEPT\n",
        "-A FORWARD -d 10.0.0.80 -p tcp --dport 80 -j ACCEPT\n",
    ] {
        assert!(is_remarked(rules), "{rules}");
    }
    for rules in [
        "-P FORWARD ACCEPT\n",
        "-A FORWARD -d 10.0.0.80 -p tcp --dport 8080 -j ACCEPT\n",
        "-A FORWARD -i wan -j ACCEPT\n",
        "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n",
        "-N x\n-A x -d 10.0.0.0/24 -p tcp -m multiport --dports 8080,8081 -j ACCEPT\n-A FORWARD -j x\n",
    ] {
        assert!(!is_remarked(rules), "{rules}");
    }
}

fn known(name: &str, id: u16, protocol: Protocol) -> KnownHelper {
    KnownHelper { name: name.into(), id: HelperId(id), protocols: Vec::from([protocol]) }
}

#[test]
fn rules_that_attach_helpers_are_told_with_their_protocol_whoever_calls_them() {
    let rules = "*raw\n:CALLED - [0:0]\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\n-A PREROUTING -j CT --notrack\n-A CALLED -p udp --dport 70 -j CT --helper tftp\nCOMMIT\n";
    let helpers = [known("ftp", 0, Protocol::TCP), known("tftp", 3, Protocol::UDP)];
    let loading = Loading { helpers: &helpers, ..Loading::default() };
    let rules = RuleSet::parse(&[Source { name: "rules.v4", text: rules }], &loading).expect("they are right");
    let told: Vec<_> = rules.attachments().iter().map(|by| (by.helper, by.protocol, by.rule.line)).collect();
    assert_eq!(told, [(HelperId(0), Protocol::TCP, 3), (HelperId(3), Protocol::UDP, 5)]);
}
