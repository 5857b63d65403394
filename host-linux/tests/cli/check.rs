use std::path::Path;

use crate::program::{MASQUERADE, Place, router, towpath};

#[test]
fn a_sound_gateway_gives_no_warning() {
    let told = router(MASQUERADE).towpath("check -c gateway.toml").fine();
    assert!(told.ends_with("2 interfaces, 5 rules, 0 helpers: 1 note\n"), "{told}");
    assert!(told.starts_with("rules.v4:7: note: no helper is attached"), "{told}");
}

#[test]
fn a_shadowed_rule_is_named_with_the_one_that_shadows_it_and_the_answer_is_no() {
    let rules = "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n-A FORWARD -p tcp -j ACCEPT\n-A FORWARD -p tcp -m tcp --dport 22 -j DROP\n";
    let said = router(rules).towpath("check -c gateway.toml");
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    assert_eq!(
        said.out,
        "rules.v4:3: warning: no packet matches: rules.v4:2 takes all that it asks for (`-A FORWARD -p tcp -j ACCEPT`)\n    -A FORWARD -p tcp -m tcp --dport 22 -j DROP\n2 interfaces, 3 rules, 0 helpers: 1 warning\n"
    );
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn a_helper_at_a_port_that_another_one_has_is_told() {
    let place = router("");
    let config = std::fs::read_to_string(place.path("gateway.toml")).expect("the configuration");
    let line = config.lines().count() + 6;
    let two =
        |ports: &str| format!("{config}\n[[helper]]\nname = 'ftp'\n\n[[helper]]\nname = 'irc'\nports = [{ports}]\n");
    std::fs::write(place.path("gateway.toml"), two("'20-6667'")).expect("a file");
    let said = place.towpath("check -c gateway.toml");
    let wanted = format!(
        "gateway.toml:{line}: warning: helper 'irc' is not attached to TCP port 21: 'ftp', which comes before it, is\n"
    );
    assert!(said.code == Some(1) && said.out.contains(&wanted), "{}", said.out);
    std::fs::write(place.path("gateway.toml"), two("6667")).expect("a file");
    assert!(!place.towpath("check -c gateway.toml").out.contains("is not attached"));
}

#[test]
fn json_is_a_head_and_then_an_object_a_finding() {
    let rules = "-A FORWARD -i eth9 -j ACCEPT\n";
    let said = router(rules).towpath("check -c gateway.toml --json");
    assert_eq!(said.code, Some(1));
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines[0]["schema"], "towpath.check/1");
    assert_eq!(lines[1]["kind"], "no-interface");
    assert_eq!((&lines[1]["file"], &lines[1]["line"]), (&"rules.v4".into(), &1.into()));
}

#[test]
fn rules_alone_can_be_checked_and_their_interfaces_are_taken_as_they_are() {
    let place = Place::new(&[("rules.v4", "-A FORWARD -i eth9 -j ACCEPT\n")]);
    assert_eq!(place.towpath("check -r rules.v4").fine().lines().count(), 1);
}

#[test]
fn there_has_to_be_something_to_check() {
    assert_eq!(towpath("check").wrong(), "towpath: name what to check: -c gateway.toml, -r rules.v4, or both");
}

#[test]
fn what_is_looked_for_is_listed_and_each_can_be_allowed() {
    let told = towpath("check --lints").fine();
    assert!(told.starts_with("answers-dropped (warning)\n    connections are let begin, "), "{told}");
    assert!(told.lines().count() >= 33, "{told}");
    let rules = "-A INPUT -p icmp -m limit --limit 5/sec -j ACCEPT\n";
    let place = router(rules);
    let said = place.towpath("check -c gateway.toml");
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.starts_with("rules.v4:1: warning: what exceeds this limit is accepted all the same"),
        "{}",
        said.out
    );
    place.towpath("check -c gateway.toml --allow limit-without-drop").fine();
    let said = place.towpath("check -c gateway.toml --allow limits").wrong();
    assert_eq!(said, "towpath: there is no lint 'limits'; towpath check --lints shows all");
}

/// What tools write is in use everywhere: a warning about it must be right.
#[test]
fn the_rules_that_tools_write_give_no_false_alarm() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/rules/real");
    for (tool, warnings) in [
        ("docker", &["docker.v4:28: warning: this rule forwards INVALID packets too"][..]),
        ("fail2ban", &[]),
        ("firewalld", &[]),
        ("istio", &[]),
        ("kube-proxy", &[]),
        ("libvirt", &[]),
        ("ufw", &[]),
    ] {
        let sets = rules.join(format!("{tool}.ipset"));
        let sets = if sets.exists() { format!("-r {}", sets.display()) } else { String::new() };
        let said = towpath(&format!("check {sets} -r {}", rules.join(format!("{tool}.v4")).display()));
        let told: Vec<&str> = said.out.lines().filter(|line| line.contains(": warning: ")).collect();
        assert_eq!(told.len(), warnings.len(), "{tool}: {}{}", said.out, said.err);
        assert!(told.iter().zip(warnings).all(|(told, warning)| told.contains(warning)), "{tool}: {told:?}");
    }
}
