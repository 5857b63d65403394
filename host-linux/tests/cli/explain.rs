use std::fs;

use crate::program::{MASQUERADE, Place, captures, router, towpath};

#[test]
fn a_dropped_packet_is_told_hook_by_hook_with_what_would_have_let_it_pass() {
    let told = router(MASQUERADE).towpath("explain @http-nat.pcapng -c gateway.toml -n 3").fine();
    for part in [
        "PREROUTING   192.168.1.10:",
        "  conntrack  NEW ORIGINAL: starts a connection\n",
        "  routed     out by outside\n",
        "  missed     rules.v4:8 filter -A FORWARD -i inside -p tcp -m tcp --dport 21 -j ACCEPT\n",
        "-m tcp --dport 21: the packet has ports 52222 > 80\n",
        "  policy     filter FORWARD DROP\n",
        "verdict      DROPPED_FORWARD FilterPolicy: ",
        "FORWARDED with: iptables -I FORWARD 3 -i inside -p tcp -m tcp --dport 80 -j ACCEPT\n    as rules.v4:8, with `-m tcp --dport 80` in place of `-m tcp --dport 21`: the packet",
        "FORWARDED with: iptables -A FORWARD -s 192.168.1.10/32 -d 198.51.100.7/32 -i inside -o outside -p tcp -m tcp --dport 80 -j ACCEPT\n",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
}

#[test]
fn a_data_connection_that_no_helper_has_announced_passes_with_the_helper_of_its_protocol() {
    let told = router(MASQUERADE).towpath("explain @ftp-port-inside.pcap -c gateway.toml -n 22").fine();
    let first = "\n\nFORWARDED with: [[helper]] name = \"ftp\"\n    it reads in another connection that this one is to come, which is RELATED then\nFORWARDED with: iptables ";
    assert!(told.contains(first), "{told}");
    assert!(!told.contains("tftp"), "{told}");
}

#[test]
fn a_packet_that_nothing_alone_lets_pass_is_said_to_be_one() {
    let rules = format!("*mangle\n-A FORWARD -p tcp --dport 80 -j DROP\nCOMMIT\n{MASQUERADE}");
    let told = router(&rules).towpath("explain @http-nat.pcapng -c gateway.toml -n 3").fine();
    assert!(told.ends_with("\n\nno single change that is known here lets it pass\n"), "{told}");
}

#[test]
fn a_packet_that_passes_is_told_with_its_translation() {
    let told = router(MASQUERADE).towpath("explain @ftp-pasv-nat.pcapng -c gateway.toml -n 3").fine();
    assert!(told.contains("  translated source: 192.168.1.10:"), "{told}");
    assert!(told.contains("\nverdict      FORWARDED\n"), "{told}");
    assert!(told.contains("\nsent         203.0.113.1:"), "{told}");
    assert!(!told.contains("with: "), "{told}");
}

#[test]
fn json_is_the_record_with_its_whole_path_and_the_changes_that_help() {
    let lines = router(MASQUERADE).towpath("explain @http-nat.pcapng -c gateway.toml -n 3 --json").json();
    assert_eq!(lines[0]["schema"], "towpath.record/1");
    assert!(lines[1]["path"].as_array().expect("a path").iter().any(|step| step["step"] == "missed"));
    assert_eq!(lines[2]["change"], "rule");
    assert_eq!(lines[2]["verdict"], "FORWARDED");
}

#[test]
fn a_packet_from_a_pipe_is_told_with_changes_that_were_not_tried() {
    let place = router(MASQUERADE);
    let told = place.towpath_from("http-nat.pcapng", "explain - -c gateway.toml -n 3").fine();
    assert!(told.contains("might pass with: iptables -I FORWARD 3"), "{told}");
}

#[test]
fn a_number_that_the_capture_does_not_reach_is_an_error() {
    assert_eq!(
        towpath("explain @http-short.pcap -n 19").wrong().split_once("http-short.pcap").expect("the file").1,
        ": there is no packet 19: the capture has 18, numbered from 1"
    );
}

#[test]
fn the_gateways_own_output_is_told_as_such() {
    let told = router(MASQUERADE).towpath("explain @ping-nat.pcapng -c gateway.toml -n 6").fine();
    assert!(told.contains("verdict      NOT_INJECTED OwnOutput: The gateway itself has sent it.\n"), "{told}");
}

#[test]
fn an_invalid_segment_is_told_with_the_bound_that_it_misses_and_by_how_much() {
    let place = Place::new(&[]);
    fs::copy(captures().join("../tests/kernel/examples/02-tcp-odd/in.pcap"), place.path("odd.pcap")).expect("a file");
    for (number, why) in [
        (10, "it starts at 25677, 16384 bytes beyond the upper bound 9293 (I: the receiver's window)"),
        (13, "it acknowledges 9002, 1 byte beyond the upper bound 9001 (III: never sent)"),
        (25, "RST with sequence number 9101 lies 100 bytes before 9201, which is acknowledged already"),
    ] {
        let told = place.towpath(&format!("explain odd.pcap -n {number}")).fine();
        let line = told.lines().find(|line| line.contains("conntrack  INVALID: ")).expect(&told);
        assert!(line.ends_with(why), "{line}");
    }
}

#[test]
fn a_packet_that_a_rule_drops_is_told_with_the_rules_file_and_line() {
    let place = router("*filter\n-A FORWARD -p udp -j ACCEPT\n-A FORWARD -p icmp -j DROP\nCOMMIT\n");
    let told = place.towpath("explain @ping.pcap -c gateway.toml -n 3").fine();
    assert!(told.contains("\nverdict      DROPPED_FORWARD FilterRule: "), "{told}");
    assert!(told.contains("\nrule         rules.v4:3 filter -A FORWARD -p icmp -j DROP\n"), "{told}");
}

#[test]
fn the_zone_and_the_timeout_policy_that_a_rule_has_given_are_told() {
    let config = fs::read_to_string(captures().join("rules/router.toml")).expect("the router");
    let policy = "[[timeout]]\nname = \"long\"\nprotocol = \"udp\"\nunreplied = \"900s\"\n";
    let rules = "-t raw -A PREROUTING -i inside -p udp -j CT --timeout long --zone-orig 5\n";
    let place =
        Place::new(&[("gateway.toml", &format!("{config}\n[rules]\nv4 = 'rules.v4'\n{policy}")), ("rules.v4", rules)]);
    let told = place.towpath("explain @dns.pcap -c gateway.toml -n 3").fine();
    assert!(
        told.contains("\n  zone       5 of the original direction\n  conntrack  NEW ORIGINAL: starts a connection"),
        "{told}"
    );
    assert!(told.contains("\ntimeouts     of policy long\n"), "{told}");
    let flows = place.towpath("replay @dns.pcap -c gateway.toml --until 3 --show flows").fine();
    assert!(flows.contains("  timeouts of policy long  in zone 5 of the original direction\n"), "{flows}");
    let record = place.towpath("replay @dns.pcap -c gateway.toml --until 3 --json").json();
    assert_eq!(record[3]["ct"]["timeout_policy"], "long");
}
