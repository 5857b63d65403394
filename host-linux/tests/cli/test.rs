//! `towpath test`: what it says of cases, and how it ends.

use std::fs;

use crate::program::{MASQUERADE, Place, router};

/// The router of the captures with cases for it.
fn tested(cases: &str) -> Place {
    let place = router(MASQUERADE);
    fs::write(place.path("router.test.toml"), format!("gateway = 'gateway.toml'\n{cases}")).expect("a file");
    place
}

const FTP: &str = "[[case]]
name = \"an FTP client's connection is translated\"
packet = 'inside 10.0.1.10:40000 > 198.51.100.10:21 S'
verdict = 'forwarded'
nat = 'rules.v4:2'
";
const WEB: &str = "[[case]]
name = 'the web is reached'
packet = 'inside 10.0.1.10:40000 > 198.51.100.10:80 S'
verdict = 'forwarded'
";
const PLAY: &str = "[[case]]
name = 'a ping is answered'
play = '''
    0.000  inside  <  10.0.1.10 > 198.51.100.10 icmp type 8 code 0 id 7 seq 1
    0.000  outside >  10.0.1.10 > 198.51.100.10 icmp type 8 code 0 id 7 seq 1
'''
";

#[test]
fn cases_that_pass_are_named_and_the_answer_is_yes() {
    let told = tested(FTP).towpath("test router.test.toml").fine();
    assert_eq!(told, "router.test.toml\n  ok      an FTP client's connection is translated\n1 case: passed\n");
}

#[test]
fn a_case_that_fails_says_where_what_was_expected_what_came_and_how_to_look_further() {
    let place = tested(&format!("{FTP}{WEB}{PLAY}"));
    let said = place.towpath("test");
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let outside = outside_address(&place);
    assert_eq!(
        said.out,
        format!(
            "router.test.toml
  ok      an FTP client's connection is translated
  FAILED  the web is reached
    router.test.toml:10:11: verdict of packet 1
      expected  FORWARDED
      got       DROPPED_FORWARD FilterPolicy, by the policy of FORWARD (DROP)
    look further: towpath explain router.test.toml --case 'the web is reached' -n 1
  FAILED  a ping is answered
    router.test.toml:15:1: the play
      expected  0.000  outside >  10.0.1.10 > 198.51.100.10 icmp type 8 code 0 id 7 seq 1
      got       0.000  outside >  {outside} > 198.51.100.10 icmp type 8 code 0 id 7 seq 1
    look further: towpath explain router.test.toml --case 'a ping is answered' -n 1
3 cases: 1 passed, 2 failed
"
        )
    );
}

/// The router's address on its outside.
fn outside_address(place: &Place) -> String {
    let config = fs::read_to_string(place.path("gateway.toml")).expect("the configuration");
    let (_, outside) = config.split_once("\"outside\"").expect("an interface outside");
    let (_, address) = outside.split_once("addresses = [\"").expect("its addresses");
    address.split_once('/').expect("a prefix").0.to_owned()
}

#[test]
fn a_failed_case_is_explained_with_what_would_let_it_pass() {
    let told = tested(WEB).towpath("explain router.test.toml --case web").fine();
    assert!(told.starts_with("packet 1 at 0.000000 s, came in by inside\n"), "{told}");
    assert!(told.contains("  policy     filter FORWARD DROP\n"), "{told}");
    assert!(told.contains("\nFORWARDED with: iptables -A FORWARD -s 10.0.1.10/32 -d 198.51.100.10/32 "), "{told}");
}

#[test]
fn the_rules_that_no_case_reaches_are_named_with_file_and_line() {
    let told = tested(FTP).towpath("test --coverage").fine();
    assert!(
        told.contains(
            "       1        1  rules.v4:8: filter -A FORWARD -i inside -p tcp -m tcp --dport 21 -j ACCEPT\n"
        ),
        "{told}"
    );
    assert!(told.contains("2 of 5 rules reached\n"), "{told}");
    assert!(told.contains("rules.v4:9: no case reaches this rule: -A FORWARD -i inside -p icmp -j ACCEPT\n"), "{told}");
    assert_eq!(told.matches("no case reaches this rule").count(), 3);
}

#[test]
fn names_choose_cases_and_are_listed() {
    let place = tested(&format!("{FTP}{WEB}"));
    assert_eq!(
        place.towpath("test --list").fine(),
        "router.test.toml:3: an FTP client's connection is translated\nrouter.test.toml:8: the web is reached\n"
    );
    assert!(place.towpath("test -k ftp").fine().ends_with("1 case: passed\n"));
    let said = place.towpath("test -k nothing").wrong();
    assert_eq!(said, "towpath: no case's name contains what --only says; --list shows all names");
}

#[test]
fn json_has_a_head_an_object_a_case_the_rules_and_an_end() {
    let said = tested(&format!("{FTP}{WEB}")).towpath("test --json --coverage");
    assert_eq!(said.code, Some(1));
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines[0], serde_json::json!({ "schema": "towpath.test/1" }));
    assert_eq!(lines[1]["result"], "passed");
    assert_eq!((&lines[2]["line"], &lines[2]["packets"]), (&8.into(), &1.into()));
    assert_eq!(lines[2]["failures"][0]["what"], "verdict");
    assert_eq!(lines[2]["failures"][0]["explain"], "towpath explain router.test.toml --case 'the web is reached' -n 1");
    assert_eq!((&lines[3]["rule"]["line"], &lines[3]["rule"]["packets"]), (&2.into(), &1.into()));
    assert_eq!(lines.last(), Some(&serde_json::json!({ "passed": 1, "failed": 1 })));
}

#[test]
fn junit_has_a_test_case_a_case_and_says_why_one_has_failed() {
    let place = tested(&format!("{FTP}{WEB}"));
    assert_eq!(place.towpath("test --junit out.xml").code, Some(1));
    let text = fs::read_to_string(place.path("out.xml")).expect("the results");
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"towpath test\" tests=\"2\" failures=\"1\" errors=\"0\">\n"), "{text}");
    assert!(text.contains("    <testcase classname=\"router\" name=\"an FTP client's connection is translated\" file=\"router.test.toml\" line=\"3\"/>\n"), "{text}");
    assert!(
        text.contains("<failure type=\"verdict\" message=\"expected FORWARDED, got DROPPED_FORWARD FilterPolicy, "),
        "{text}"
    );
    assert!(text.ends_with("  </testsuite>\n</testsuites>\n"), "{text}");
}

#[test]
fn a_capture_can_be_a_case() {
    let place = tested("");
    let capture = crate::program::captures().join("ping-nat.pcapng");
    let case = |n: u64, verdict: &str| {
        format!(
            "gateway = 'gateway.toml'\n[[case]]\nname = 'ping'\ncapture = '{}'\n[[case.expect]]\nn = {n}\nverdict = '{verdict}'\n",
            capture.display()
        )
    };
    fs::write(place.path("router.test.toml"), case(3, "forwarded")).expect("a file");
    place.towpath("test").fine();
    fs::write(place.path("router.test.toml"), case(3, "dropped")).expect("a file");
    let said = place.towpath("test");
    assert_eq!(said.code, Some(1));
    let explain = format!("    look further: towpath explain {} -c gateway.toml -n 3\n", capture.display());
    assert!(said.out.contains(&explain), "{}", said.out);
}

#[test]
fn other_rules_can_be_tried_with_the_same_cases() {
    let place = tested(WEB);
    fs::write(place.path("open.v4"), "-P FORWARD ACCEPT\n").expect("a file");
    assert_eq!(place.towpath("test").code, Some(1));
    place.towpath("test -r open.v4").fine();
}

#[cfg(shipped_helpers)]
#[test]
fn the_example_passes() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let said = Place::new(&[]).towpath(&format!("test {}", examples.display()));
    assert!(said.fine().ends_with("10 cases: all passed\n"));
}

#[test]
fn what_is_wrong_is_told_in_one_line_with_its_place() {
    let place = tested("[[case]]\nname = 'x'\npacket = 'dmz 10.0.1.10 > 198.51.100.10 udp'\nverdict = 'dropped'\n");
    assert_eq!(
        place.towpath("test").wrong(),
        "towpath: router.test.toml:4:10: the gateway has no interface 'dmz', it has inside, outside"
    );
    assert_eq!(
        place.towpath("test none.test.toml").wrong(),
        "towpath: none.test.toml: No such file or directory (os error 2)"
    );
    assert_eq!(place.towpath("test --junit /nowhere/x.xml -k none").code, Some(2));
    fs::remove_file(place.path("router.test.toml")).expect("the file is there");
    assert_eq!(place.towpath("test").wrong(), "towpath: .: no file below it has a name that ends in .test.toml");
    fs::write(place.path("x.test.toml"), "gateway = 'none.toml'\n[[case]]\nname = 'x'\nplay = '0 - x NoRoute'\n")
        .expect("a file");
    assert_eq!(
        place.towpath("test").wrong(),
        "towpath: x.test.toml:1:11: none.toml: No such file or directory (os error 2)"
    );
    fs::write(place.path("x.test.toml"), "gateway = 'gateway.toml'\n[[case]]\nname = 'x'\ncapture = 'none.pcap'\n")
        .expect("a file");
    assert_eq!(
        place.towpath("test").wrong(),
        "towpath: x.test.toml:4:11: none.pcap: No such file or directory (os error 2)"
    );
}
