//! `towpath diff`: what another gateway would do otherwise.

use std::fs;

use crate::program::{MASQUERADE, Place, captures, router};

const SHUT: &str = "-P FORWARD DROP\n-A FORWARD -p icmp -j DROP\n";

#[test]
fn the_same_rules_differ_in_nothing() {
    let place = router(MASQUERADE);
    fs::write(place.path("moved.v4"), format!("# moved\n{MASQUERADE}")).expect("a file");
    let told = place
        .towpath("diff gateway.toml moved.v4 -c gateway.toml --captures @ping.pcap --captures @ping-nat.pcapng")
        .fine();
    assert!(told.starts_with("2 captures, ") && told.ends_with(" flows: nothing differs\n"), "{told}");
}

#[test]
fn flows_that_differ_are_told_with_their_cause_an_example_and_how_to_look_further() {
    let place = router(MASQUERADE);
    fs::write(place.path("shut.v4"), SHUT).expect("a file");
    let said = place.towpath("diff gateway.toml shut.v4 -c gateway.toml --captures @ping.pcap");
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let capture = captures().join("ping.pcap").display().to_string();
    assert_lines_begin(
        &said.out.replace(&capture, "ping.pcap"),
        &[
            "3 flows, 10 packets: FORWARDED before, DROPPED_FORWARD now",
            "  before   rules.v4:9 -A FORWARD -i inside -p icmp -j ACCEPT",
            "  now      shut.v4:2 -A FORWARD -p icmp -j DROP",
            "  example  ping.pcap packet 3: 192.168.1.10 > 198.51.100.7 icmp type 8 code 0 id ",
            "    before FORWARDED NEW, translated to ",
            "    now    DROPPED_FORWARD FilterRule NEW",
            "  look further: towpath explain ping.pcap -c gateway.toml -n 3",
            "                towpath explain ping.pcap -c gateway.toml -r shut.v4 -n 3",
            "1 capture, ",
        ],
    );
    assert!(said.out.ends_with(": 3 flows differ\n"), "{}", said.out);
}

#[test]
fn rules_for_interfaces_that_are_not_there_are_no_reason_to_say_that_nothing_differs() {
    let place = router(MASQUERADE);
    fs::write(place.path("open.v4"), "-A FORWARD -i lan -p icmp -j ACCEPT\n").expect("a file");
    fs::write(place.path("shut.v4"), "-A FORWARD -i lan -p icmp -j DROP\n").expect("a file");
    let said = place.towpath("diff open.v4 shut.v4 --captures @ping.pcap");
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.starts_with("towpath: open.v4:1: there is no interface 'lan', only inside "), "{}", said.err);
}

#[test]
fn rules_files_may_name_the_sets_of_the_gateway_whose_rules_they_are() {
    let place = router(MASQUERADE);
    let gateway = fs::read_to_string(place.path("gateway.toml")).expect("the gateway");
    fs::write(place.path("gateway.toml"), gateway.replace("[rules]\n", "[rules]\nsets = \"friends.ipset\"\n"))
        .expect("a file");
    fs::write(place.path("friends.ipset"), "create friends hash:net\nadd friends 192.168.1.0/24\n").expect("a file");
    for (name, verdict) in [("open.v4", "ACCEPT"), ("shut.v4", "DROP")] {
        fs::write(place.path(name), format!("-A FORWARD -m set --match-set friends src -j {verdict}\n"))
            .expect("a file");
    }
    let said = place.towpath("diff open.v4 shut.v4 -c gateway.toml --captures @ping.pcap");
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    assert!(said.out.contains("now      shut.v4:1 "), "{}", said.out);
    fs::write(place.path("nobody.ipset"), "create friends hash:net\n").expect("a file");
    let told = place.towpath("replay @ping.pcap -c gateway.toml -r nobody.ipset -r shut.v4 --show counts").fine();
    assert!(
        told.contains("FORWARDED") && !told.contains("DROPPED_FORWARD"),
        "a file with sets stands in place of them: {told}"
    );
}

/// Whether each line begins as it should.
fn assert_lines_begin(told: &str, starts: &[&str]) {
    for (line, start) in told.lines().zip(starts) {
        assert!(line.starts_with(start), "{line}\ninstead of {start}\nin {told}");
    }
    assert_eq!(told.lines().count(), starts.len(), "{told}");
}

#[test]
fn json_has_a_head_and_an_object_a_group() {
    let place = router(MASQUERADE);
    fs::write(place.path("shut.v4"), SHUT).expect("a file");
    let said = place.towpath("diff gateway.toml shut.v4 -c gateway.toml --captures @ping.pcap --json");
    assert_eq!(said.code, Some(1));
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!((&lines[0]["schema"], &lines[0]["flows_that_differ"]), (&"towpath.diff/1".into(), &3.into()));
    assert_eq!(lines[1]["before"]["cause"]["place"], "rules.v4:9");
    assert_eq!((&lines[1]["after"]["verdict"], &lines[1]["example"]["n"]), (&"DROPPED_FORWARD".into(), &3.into()));
}

#[test]
fn a_folder_of_captures_is_compared_and_a_damaged_one_up_to_its_damage() {
    let place = router(MASQUERADE);
    let said = place.towpath(&format!("diff gateway.toml gateway.toml --captures {}", captures().display()));
    assert_eq!(said.code, Some(0));
    assert!(said.out.ends_with(": nothing differs\n"), "{}", said.out);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(said.err.contains("http-cut.pcap: packet 12, byte ") && said.err.ends_with("; compared up to there\n"));
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    let place = router(MASQUERADE);
    assert_eq!(
        place.towpath("diff gateway.toml none.toml --captures @ping.pcap").wrong(),
        "towpath: none.toml: No such file or directory (os error 2)"
    );
    assert_eq!(
        place.towpath("diff gateway.toml gateway.toml --captures none.pcap").wrong(),
        "towpath: none.pcap: No such file or directory (os error 2)"
    );
    assert_eq!(
        place.towpath("diff gateway.toml gateway.toml --captures .").wrong(),
        "towpath: .: no file in it has a name that ends in .pcap, .pcapng, .cap"
    );
    let bad = Place::new(&[("old.v4", "-A FORWARD -j NOWHERE\n"), ("new.v4", "")]);
    assert!(bad.towpath("diff old.v4 new.v4 --captures @ping.pcap").wrong().starts_with("towpath: old.v4:1:15: "));
}
