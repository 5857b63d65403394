use super::*;
use crate::netfilter::Standing;

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
