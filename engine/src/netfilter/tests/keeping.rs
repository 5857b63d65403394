use alloc::string::ToString;

use super::*;
use crate::{conntrack::Family, netfilter::Standing};

const FIRST: &str = "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n-A FORWARD -p udp -m udp --dport 9 -m limit --limit 1/hour --limit-burst 2 -j ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n";

fn beside(standing: &Standing, name: &str, text: &str) -> RuleSet {
    let loading = Loading { beside: Some(standing), ..Loading::default() };
    RuleSet::parse(&[Source { name, text }], &loading).unwrap_or_else(|error| panic!("{error}"))
}

/// The rules of a lab's table with what they have counted, without the other lines.
fn counted(lab: &Lab, table: &str) -> Vec<String> {
    let saved = lab.rules.save(true);
    let of_table = saved.split('*').find(|part| part.starts_with(table)).expect("the table");
    of_table.lines().filter(|line| line.contains("-A ")).map(String::from).collect()
}

#[test]
fn tables_that_no_text_names_stay_with_what_they_have_counted_and_remember() {
    let mut lab = Lab::new(FIRST);
    let mut packet = lab.packet(&udp(9, 0));
    assert_eq!(lab.forward(&mut packet), Verdict::Accept);
    let before = counted(&lab, "filter");
    assert!(before[0].starts_with("[1:"), "{before:?}");
    let new = beside(&lab.rules.standing(), "second.v4", "*raw\n-A PREROUTING -j NOTRACK\nCOMMIT\n*nat\nCOMMIT\n");
    lab.rules.replace(new);
    assert_eq!(counted(&lab, "filter"), before);
    assert!(counted(&lab, "nat").is_empty(), "a table that is named is what the text says");
    assert_eq!(counted(&lab, "raw").len(), 1);
    // Of two packets one has passed.
    let verdicts: Vec<_> = (0..2).map(|_| lab.forward(&mut packet)).collect();
    assert!(matches!(verdicts.as_slice(), [Verdict::Accept, Verdict::Drop(_)]), "{verdicts:?}");
}

#[test]
fn a_rule_that_stays_is_still_told_by_its_file_and_line_and_files_do_not_pile_up() {
    let mut lab = Lab::new(FIRST);
    let place = |lab: &Lab| {
        let rules = lab.rules.rules();
        let drop = rules.iter().find(|rule| rule.text.ends_with("-j DROP")).expect("the rule");
        (drop.file.clone(), drop.line)
    };
    let before = place(&lab);
    for _ in 0..3 {
        let new = beside(&lab.rules.standing(), "nat.v4", "*nat\n-A POSTROUTING -j ACCEPT\nCOMMIT\n");
        lab.rules.replace(new);
        assert_eq!(place(&lab), before);
        assert_eq!(lab.rules.tables().files.len(), 2);
    }
}

#[test]
fn rules_that_were_read_beside_others_than_those_in_force_count_from_their_own_text() {
    let mut lab = Lab::new(FIRST);
    let new = beside(&lab.rules.standing(), "nat.v4", "*nat\nCOMMIT\n");
    lab.rules.replace(
        RuleSet::parse(&[Source { name: "other.v4", text: FIRST }], &Loading::default()).expect("right rules"),
    );
    let mut packet = lab.packet(&udp(9, 0));
    lab.forward(&mut packet);
    lab.rules.replace(new);
    assert!(counted(&lab, "filter")[0].starts_with("[0:0]"));
}

const OF_BOTH: &str = "create s4 hash:net\ncreate s6 hash:net family inet6\ncreate few bitmap:ip range 10.0.0.0/24\n\
    create ports bitmap:port range 1-9\ncreate macs hash:mac\ncreate all list:set\nadd all s4\nadd all s6\n";

/// What the texts make, or what is said of them; `across` are the rules of the other family.
fn read(
    family: Family,
    texts: &[(&str, &str)],
    beside: Option<&Standing>,
    across: Option<&Standing>,
) -> Result<RuleSet, String> {
    let sources: Vec<Source<'_>> = texts.iter().map(|&(name, text)| Source { name, text }).collect();
    let loading = Loading { family, beside, across, ..Loading::default() };
    RuleSet::parse(&sources, &loading).map_err(|error| error.to_string())
}

/// As iptables and ip6tables 1.8.9 refuse them.
#[test]
fn a_rule_names_sets_of_its_family_and_those_that_hold_no_addresses() {
    let rules = |set: &str| {
        [
            format!("-A INPUT -m set ! --match-set {set} src -j DROP\n"),
            format!("-A INPUT -j SET --add-set {set} src\n"),
            format!("-A INPUT -j SET --del-set {set} src\n"),
        ]
    };
    let said = |family, rule: &str| read(family, &[("sets", OF_BOTH), ("rules", rule)], None, None).map(drop);
    for (set, wrong, why) in [
        ("s4", Family::Ipv6, "`s4` is not a set that rules of ip6tables may name: its family is inet"),
        ("few", Family::Ipv6, "`few` is not a set that rules of ip6tables may name: its family is inet"),
        ("s6", Family::Ipv4, "`s6` is not a set that rules of iptables may name: its family is inet6"),
    ] {
        let right = if wrong == Family::Ipv4 { Family::Ipv6 } else { Family::Ipv4 };
        for rule in rules(set) {
            let column = rule.find(set).expect("it is named") + 1;
            assert_eq!(said(wrong, &rule), Err(format!("rules:1:{column}: {why}")));
            assert_eq!(said(right, &rule), Ok(()));
        }
    }
    for rule in ["ports", "macs", "all"].into_iter().flat_map(rules) {
        assert_eq!([Family::Ipv4, Family::Ipv6].map(|family| said(family, &rule)), [Ok(()), Ok(())], "{rule}");
    }
}

#[test]
fn sets_of_new_rules_suit_the_rules_that_stay() {
    let asking = ("stays.v4", "*filter\n-A INPUT -p udp\n-A INPUT -m set --match-set s4 src -j DROP\nCOMMIT\n");
    let standing = read(Family::Ipv4, &[("sets", OF_BOTH), asking], None, None).expect("they are right").standing();
    let (same, other) =
        (("new.ipset", "create s4 hash:ip timeout 5\n"), ("new.ipset", "create s4 hash:net family inet6\n"));
    let new = ("new", "*raw\n-A PREROUTING -m set --match-set s4 src\nCOMMIT\n");
    let none = ("new", "*raw\nCOMMIT\n");
    let why = "stays.v4:3:39: `s4` is not a set that rules of iptables may name: its family is inet6";
    let said = |family, texts: &[_], beside, across| read(family, texts, beside, across).map(drop);
    assert_eq!(said(Family::Ipv4, &[same, new], Some(&standing), None), Ok(()));
    assert_eq!(said(Family::Ipv4, &[other, none], Some(&standing), None), Err(why.into()));
    assert_eq!(said(Family::Ipv6, &[same, none], None, Some(&standing)), Ok(()));
    assert_eq!(said(Family::Ipv6, &[other, new], None, Some(&standing)), Err(why.into()));
    let replaced = ("new", "*filter\nCOMMIT\n");
    assert_eq!(said(Family::Ipv4, &[other, replaced], Some(&standing), None), Ok(()), "nobody asks it any more");
}
