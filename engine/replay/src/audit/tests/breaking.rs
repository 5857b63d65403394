//! Rules and tunables that a requirement fails with.

use towpath_helpers_native::all;

use super::*;

/// Who was told of another router is not heard from outside any more.
const REDIRECTED: &str =
    "-t mangle -A PREROUTING -i wan -p icmp --icmp-type redirect -m recent --name told --set --rdest
-t mangle -A PREROUTING -i wan ! -p icmp -m recent --name told --rcheck --rdest -j DROP";

/// A peer that a host has sent an error to is not heard any more.
const REFUSED: &str = "-t mangle -A PREROUTING -i lan -p icmp --icmp-type 3 -m recent --name told --set --rdest
-t mangle -A PREROUTING -i wan ! -p icmp -m recent --name told --rcheck -j DROP";

/// A host has one endpoint for whatever it sends.
const ONE_ENDPOINT: &str = "-t nat -I POSTROUTING -s 10.0.0.11 -o wan -p tcp -j SNAT --to-source 203.0.113.1:20003
-t nat -I POSTROUTING -s 10.0.0.11 -o wan -p udp -j SNAT --to-source 203.0.113.1:20003";

/// Rules that make a requirement fail which Linux meets as it comes.
#[test]
fn a_gateway_that_breaks_a_requirement_is_found_out() {
    let breaking = [
        (4787, "REQ-12b", "-A FORWARD -i wan -p icmp --icmp-type 3 -j DROP"),
        (4787, "REQ-13a", "-A FORWARD -i lan -m length --length 1500: -j DROP"),
        (5508, "REQ-3b", "-A FORWARD -i wan -p icmp -m length --length 60: -j DROP"),
        (5382, "REQ-2", "-A FORWARD -i wan -p tcp --tcp-flags PSH PSH -j DROP"),
        (5382, "REQ-10", "-A FORWARD -i wan -p tcp --tcp-flags PSH PSH -j DROP"),
        (5508, "REQ-3c", "-A FORWARD -i wan -p icmp --icmp-type 3 -j DROP"),
        (5508, "REQ-10a", "-A OUTPUT -p icmp --icmp-type 11 -j DROP"),
        (4787, "REQ-2", "-t nat -I POSTROUTING -o wan -p udp -j SNAT --to-source 203.0.113.1-203.0.113.6"),
        (7857, "section 4", "-t nat -I POSTROUTING -o wan -p tcp -j SNAT --to-source 203.0.113.1-203.0.113.6"),
        (4787, "REQ-12a", "-A FORWARD -i wan -p icmp -s 192.0.2.9 -j DROP"),
        (4787, "REQ-12b", "-A FORWARD -i wan -p icmp --icmp-type fragmentation-needed -j DROP"),
        (5382, "REQ-9", "-A FORWARD -i wan -p icmp --icmp-type fragmentation-needed -j DROP"),
        (5508, "REQ-10a", "-A FORWARD -i wan -p icmp --icmp-type fragmentation-needed -j DROP"),
        (5508, "REQ-4", "-A FORWARD -i wan -p icmp --icmp-type time-exceeded -j DROP"),
        (5508, "REQ-5", "-A FORWARD -i lan -s 10.0.0.13 -p icmp -j DROP"),
        (4787, "REQ-13", "-A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP"),
        (5508, "REQ-10a", "-A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP"),
        (4787, "REQ-12", REDIRECTED),
        (5382, "REQ-10", REDIRECTED),
        (4787, "REQ-12", REFUSED),
        (5382, "REQ-10", REFUSED),
        (7857, "section 5", ONE_ENDPOINT),
        (7857, "section 9", "-t nat -I POSTROUTING -o wan -p udp -j MASQUERADE --to-ports 20000-20200"),
        (7857, "section 2.2", "-A FORWARD -i wan -p tcp --tcp-flags RST RST -j DROP"),
        (7857, "section 2.2", "-A FORWARD -i lan -p tcp --tcp-flags RST RST -j DROP"),
    ];
    let linux = audited(MASQUERADE, &[]).expect("it translates");
    for (rfc, number, rule) in breaking {
        let found = audited(&format!("{MASQUERADE}{rule}\n"), &[]).expect("it translates");
        let of = |audit: &Audit| {
            let about = audit.findings.iter().filter(|finding| finding.requirement.rfc == rfc);
            let about = about.filter(|finding| finding.requirement.number == number);
            about.filter(|finding| finding.outcome == Outcome::Fail).count()
        };
        assert!(of(&found) > of(&linux), "RFC {rfc} {number} with {rule}");
    }
}

/// Tunables that hold a flow for long in some of its states only.
#[test]
fn flows_are_tried_in_each_of_their_states() {
    let long = 7440;
    type Breaking = (u16, &'static str, [(&'static str, u32); 2]);
    let breaking: [Breaking; 6] = [
        (4787, "REQ-5", [("udp_timeout", 130), ("udp_timeout_stream", 100)]),
        (4787, "REQ-5", [("udp_timeout", 100), ("udp_timeout_stream", 130)]),
        (4787, "REQ-6", [("udp_timeout", 30), ("udp_timeout_stream", 10)]),
        (5382, "REQ-5", [("tcp_timeout_time_wait", long), ("tcp_timeout_close_wait", long)]),
        (5382, "REQ-5", [("tcp_timeout_time_wait", long), ("tcp_timeout_last_ack", long)]),
        // A host's RST begins a time that is longer than the connection had.
        (7857, "section 7.1", [("tcp_timeout_established", 7440), ("tcp_timeout_close", 500_000)]),
    ];
    for (rfc, number, tunables) in breaking {
        let names = tunables.map(|(name, _)| format!("net.netfilter.nf_conntrack_{name}"));
        let tunables = [0, 1].map(|at| (names[at].as_str(), tunables[at].1));
        let found = audited(MASQUERADE, &tunables).expect("it translates");
        assert!(outcomes(&found, rfc, number).contains(&Outcome::Fail), "RFC {rfc} {number} with {tunables:?}");
    }
}

/// Of a connection that closes, each order of its FINs counts.
#[test]
fn a_connection_that_closes_is_transitory_too() {
    let opening = [("syn_sent", 240), ("syn_recv", 240)];
    let closing = [("last_ack", 240)];
    let of = |rules: &str, times: &[(&str, u32)]| {
        let names: Vec<String> =
            times.iter().map(|(name, _)| format!("net.netfilter.nf_conntrack_tcp_timeout_{name}")).collect();
        let tunables: Vec<(&str, u32)> =
            names.iter().zip(times).map(|(name, (_, secs))| (name.as_str(), *secs)).collect();
        outcome(&audited(rules, &tunables).expect("it translates"), 7857, "section 2.1")
    };
    let both = [&opening[..], &closing].concat();
    assert_eq!(of(MASQUERADE, &opening), Outcome::Fail);
    assert_eq!(of(MASQUERADE, &closing), Outcome::Fail);
    assert_eq!(of(MASQUERADE, &both), Outcome::Pass);
    // What the peer sends last where it has closed first.
    let rule = "-A FORWARD -i wan -p tcp --tcp-flags SYN,FIN,RST,PSH,ACK ACK -j DROP\n";
    assert_eq!(of(&format!("{MASQUERADE}{rule}"), &both), Outcome::Fail);
}

/// A helper reads where it is attached: by its port, or by a rule. Loaded it only lies ready.
#[test]
fn helpers_count_where_they_are_attached() {
    use Outcome::{Fail, Pass};
    let of = |gateway: &str, rules: &str| {
        let audit = audited_with(gateway, &format!("{MASQUERADE}{rules}"), &[], all).expect("it translates");
        [(5382, "REQ-6"), (4787, "REQ-10")].map(|(rfc, number)| outcome(&audit, rfc, number))
    };
    assert_eq!(of(GATEWAY, ""), [Pass, Pass], "loaded");
    let rule = |protocol, helper| format!("-t raw -A PREROUTING -p {protocol} --dport 7000 -j CT --helper {helper}\n");
    assert_eq!(of(GATEWAY, &rule("tcp", "ftp")), [Pass, Pass], "FTP's is excepted");
    assert_eq!(of(GATEWAY, &rule("tcp", "irc")), [Fail, Pass]);
    assert_eq!(of(GATEWAY, &rule("udp", "tftp")), [Pass, Fail]);
    let by_port = ["ftp", "irc", "tftp"].map(|name| format!("[[helper]]\nname = '{name}'\n")).concat();
    assert_eq!(of(&format!("{GATEWAY}{by_port}"), ""), [Fail, Fail]);
}

/// A route may take less than the link that it leads over.
#[test]
fn the_mtu_that_a_host_is_told_is_the_routes() {
    let gateway = format!("{GATEWAY}mtu = 1300\n");
    let audit = audited_gateway(&gateway, MASQUERADE, &[]).expect("it translates");
    let about =
        |finding: &&crate::audit::Finding| finding.requirement.number == "REQ-10a" && finding.why.contains("1300");
    let finding = audit.findings.iter().find(about).expect("the MTU is named");
    assert_eq!(finding.outcome, Outcome::Pass, "{finding}");
    assert_eq!(outcomes(&audit, 4787, "REQ-13a"), [Outcome::Pass]);
}

/// Where nobody's errors come in, it is not the source that decides.
#[test]
fn a_gateway_that_drops_all_errors_does_not_filter_them_by_source() {
    let rules = format!("{MASQUERADE}-A FORWARD -i wan -p icmp --icmp-type 3 -j DROP\n");
    let audit = audited(&rules, &[]).expect("it translates");
    assert_eq!(outcome(&audit, 4787, "REQ-12a"), Outcome::Untested);
    assert_eq!(outcome(&audit, 4787, "REQ-12b"), Outcome::Fail);
}
