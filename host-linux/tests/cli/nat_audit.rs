use crate::program::{MASQUERADE, router, towpath};

#[test]
fn json_is_a_head_and_then_an_object_a_requirement_with_what_was_sent() {
    let said = router(MASQUERADE).towpath("nat-audit -c gateway.toml --rfc 5382 --json");
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines[0]["schema"], "towpath.nat-audit/1");
    let first = &lines[1];
    assert_eq!(
        (&first["rfc"], &first["requirement"], &first["level"]),
        (&5382.into(), &"REQ-1".into(), &"MUST".into())
    );
    assert!(first["steps"][0]["sent"].is_string() && first["why"].is_string(), "{first}");
}

#[test]
fn there_has_to_be_something_that_translates() {
    assert_eq!(
        towpath("nat-audit").wrong(),
        "towpath: name what to audit: -c gateway.toml, and -r rules.v4 for other rules than its own"
    );
    let alone = router(MASQUERADE).towpath("nat-audit -r rules.v4").wrong();
    assert_eq!(
        alone,
        "towpath: rules alone say of no interface which hosts are behind it: name the gateway's configuration, too, with -c"
    );
    let wrong = router("-A FORWARD -j ACCEPT\n").towpath("nat-audit -c gateway.toml").wrong();
    assert!(wrong.starts_with("towpath: nothing is translated"), "{wrong}");
    let wrong = router(MASQUERADE).towpath("nat-audit -c gateway.toml --rfc 793").wrong();
    assert_eq!(wrong, "towpath: RFC 793 is not audited; 4787, 5382, 5508 and 7857 are");
}

#[test]
fn the_last_line_counts_what_a_translator_must_meet_and_does_not() {
    let said = router(MASQUERADE).towpath("nat-audit -c gateway.toml");
    let failed = |level: &str| {
        let lines = said.out.lines().filter(|line| line.starts_with("FAIL"));
        lines.filter(|line| line.contains(level)).count()
    };
    let (all, absolute) = (failed(""), failed("(MUST"));
    assert!(all > absolute && absolute > 0, "{}", said.out);
    let counted = format!("{all} not met ({absolute} of them a MUST or MUST NOT)");
    assert!(said.out.lines().last().is_some_and(|line| line.contains(&counted)), "{}", said.out);
}

#[test]
fn time_that_goes_by_is_told_to_the_fraction() {
    let gateway = router(MASQUERADE);
    let said = gateway.towpath("nat-audit -c gateway.toml --rfc 5382 -v");
    assert!(said.out.lines().any(|line| line.trim() == "5.999 seconds go by"), "{}", said.out);
    let json = gateway.towpath("nat-audit -c gateway.toml --rfc 5382 --json");
    assert!(json.out.contains("\"waited\":5.999,") && json.out.contains("\"waited\":54,"), "{}", json.out);
}
