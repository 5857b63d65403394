use towpath_engine::netfilter::Source;

use super::{Aspect, Diff};
use crate::{
    capture::Capture,
    config::Config,
    replay::{Detail, Replay, Setup, craft},
};

const GATEWAY: &str = "
[[interface]]
name = 'lan'
addresses = ['10.0.0.1/24']
[[interface]]
name = 'wan'
addresses = ['203.0.113.1/24', '203.0.113.2/24']
[[route]]
to = 'default'
via = '203.0.113.254'
";

fn gateway(rules: &str, sysctls: &[(&str, u32)]) -> Replay {
    let config = Some(Config::read("gateway.toml", GATEWAY).unwrap());
    let sysctls = sysctls.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let rules = vec![Source { name: "rules.v4", text: rules }];
    let setup = Setup { config, rules, sysctls, detail: Detail::Path, ..Setup::default() };
    Replay::new(setup).map_err(|error| error.to_string()).unwrap()
}

/// Three connections to port 80 and one to port 22, two packets each.
fn capture() -> Vec<u8> {
    let (client, server) = ([10, 0, 0, 2], [198, 51, 100, 7]);
    let flows = [(4000, 80), (4001, 80), (4002, 80), (4003, 22)];
    let mut frames = Vec::new();
    for (index, (from, to)) in (0u64..).zip(flows) {
        frames.push((index * 1_000_000, craft::tcp(client, from, server, to)));
        frames.push((index * 1_000_000 + 1, craft::segment((server, to), (client, from), 0x12, (9, 1001), &[], &[])));
    }
    craft::pcap(&frames)
}

fn diff(old: &mut Replay, new: &mut Replay) -> Diff {
    let mut diff = Diff::default();
    let bytes = capture();
    diff.capture("x.pcap", [old, new], &mut Capture::from_bytes(&bytes).unwrap()).unwrap();
    diff
}

#[test]
fn the_same_gateway_differs_in_nothing_wherever_its_rules_stand() {
    let rules = "-A FORWARD -p tcp --dport 80 -j ACCEPT\n";
    let commented =
        "-A FORWARD -p tcp -m comment --comment \"a \\\"web\\\" server\" --dport 80 -m comment --comment x -j ACCEPT\n";
    for moved in [format!("# moved\n\n{rules}"), commented.to_owned()] {
        let found = diff(&mut gateway(rules, &[]), &mut gateway(&moved, &[]));
        assert!(found.groups().is_empty(), "{moved}");
    }
    let diff = diff(&mut gateway(rules, &[]), &mut gateway(&format!("# moved\n\n{rules}"), &[]));
    let counts = diff.counts();
    assert_eq!((counts.captures, counts.packets, counts.flows, counts.flows_that_differ), (1, 8, 4, 0));
}

#[test]
fn flows_too_many_to_be_told_apart_are_compared_packet_by_packet_and_said_to_be_there() {
    let bytes = capture();
    let mut diff = Diff { flows_max: 2, ..Diff::default() };
    let (mut old, mut new) = (gateway("", &[]), gateway("-A FORWARD -p tcp --dport 22 -j DROP\n", &[]));
    diff.capture("x.pcap", [&mut old, &mut new], &mut Capture::from_bytes(&bytes).unwrap()).unwrap();
    let counts = diff.counts();
    assert_eq!((counts.flows, counts.flows_that_differ, counts.packets_beyond), (2, 0, 4));
    let groups = diff.groups();
    assert!(!groups.is_empty() && groups.iter().all(|group| group.flows == 0 && group.packets > 0), "{groups:?}");
}

#[test]
fn flows_that_a_rule_now_drops_are_one_group_with_the_rule() {
    let diff = diff(&mut gateway("", &[]), &mut gateway("-A FORWARD -p tcp --dport 80 -j DROP\n", &[]));
    let groups = diff.groups();
    assert_eq!(groups.len(), 1);
    let group = groups[0];
    assert_eq!((group.flows, diff.counts().flows_that_differ), (3, 3));
    assert!(group.aspects.contains(&Aspect::Verdict));
    assert_eq!(group.before.to_string(), "no rule");
    assert_eq!(group.after.to_string(), "rules.v4:1 -A FORWARD -p tcp -m tcp --dport 80 -j DROP");
    assert_eq!((group.example.capture.as_str(), group.example.packet), ("x.pcap", 1));
    assert!(group.example.text.starts_with("10.0.0.2:4000 > 198.51.100.7:80 tcp S"), "{}", group.example.text);
}

#[test]
fn another_rule_to_the_same_effect_is_told_too() {
    let old = "-A FORWARD -p tcp -j ACCEPT\n";
    let diff =
        diff(&mut gateway(old, &[]), &mut gateway(&format!("-A FORWARD -p tcp --dport 22 -j ACCEPT\n{old}"), &[]));
    let groups = diff.groups();
    assert_eq!((groups.len(), groups[0].flows), (1, 1));
    assert_eq!(groups[0].aspects, [Aspect::Rule]);
}

#[test]
fn another_translation_names_the_rules_of_the_nat_table() {
    let rule = |address: &str| format!("*nat\n-A POSTROUTING -o wan -j SNAT --to-source {address}\nCOMMIT\n");
    let diff = diff(&mut gateway(&rule("203.0.113.1"), &[]), &mut gateway(&rule("203.0.113.2"), &[]));
    let groups = diff.groups();
    assert_eq!((groups.len(), groups[0].flows), (1, 4));
    assert_eq!(groups[0].aspects, [Aspect::Translation]);
    assert!(groups[0].after.to_string().ends_with("--to-source 203.0.113.2"), "{}", groups[0].after);
    assert_eq!(
        groups[0].example.before.to_string(),
        "FORWARDED NEW, translated to 203.0.113.1:4000 > 198.51.100.7:80 tcp, 120 s"
    );
}

#[test]
fn announced_connections_are_translated_by_the_rule_of_those_that_have_announced_them() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../captures/ftp-pasv-inside.pcap");
    let bytes = std::fs::read(file).unwrap();
    let office = GATEWAY.replace("10.0.0.1", "192.168.1.1");
    let gateway = |address: &str| {
        let text = format!(
            "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n\
             *nat\n-A POSTROUTING -o wan -j SNAT --to-source {address}\nCOMMIT\n"
        );
        let rules = vec![Source { name: "rules.v4", text: &text }];
        let (config, helpers) = (Some(Config::read("gateway.toml", &office).unwrap()), towpath_helpers_native::all());
        let setup = Setup { config, rules, helpers, detail: Detail::Path, ..Setup::default() };
        Replay::new(setup).map_err(|error| error.to_string()).unwrap()
    };
    let (mut old, mut new) = (gateway("203.0.113.1"), gateway("203.0.113.2"));
    let mut diff = Diff::default();
    diff.capture("x.pcap", [&mut old, &mut new], &mut Capture::from_bytes(&bytes).unwrap()).unwrap();
    let groups = diff.groups();
    let told: Vec<_> = groups.iter().map(|group| (group.flows, group.before.to_string())).collect();
    let rule = "rules.v4:5 -A POSTROUTING -o wan -j SNAT --to-source 203.0.113.1".to_owned();
    assert_eq!(told, [(diff.counts().flows_that_differ, rule)]);
    assert!(diff.counts().flows_that_differ > 2 && groups[0].after.to_string().ends_with("203.0.113.2"));
}

#[test]
fn another_timeout_is_a_difference() {
    let timeout = ("net.netfilter.nf_conntrack_tcp_timeout_syn_sent", 7);
    let diff = diff(&mut gateway("", &[]), &mut gateway("", &[timeout]));
    let groups = diff.groups();
    assert_eq!((groups.len(), groups[0].flows), (1, 4));
    assert_eq!(groups[0].aspects, [Aspect::Timeout]);
}
