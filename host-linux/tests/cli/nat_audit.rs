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
    assert_eq!(towpath("nat-audit").wrong(), "towpath: name what to audit: -c gateway.toml, -r rules.v4, or both");
    let wrong = router("-A FORWARD -j ACCEPT\n").towpath("nat-audit -c gateway.toml").wrong();
    assert!(wrong.starts_with("towpath: nothing is translated"), "{wrong}");
    let wrong = router(MASQUERADE).towpath("nat-audit -c gateway.toml --rfc 793").wrong();
    assert_eq!(wrong, "towpath: RFC 793 is not audited; 4787, 5382, 5508 and 7857 are");
}
