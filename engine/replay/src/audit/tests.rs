use towpath_engine::netfilter::Source;

use super::{Audit, AuditError, Outcome, audit};
use crate::{
    config::Config,
    replay::{Replay, Setup},
};

const GATEWAY: &str = "
[[interface]]
name = 'wan'
addresses = ['203.0.113.1/24']
[[interface]]
name = 'lan'
addresses = ['10.0.0.1/24']
[[route]]
to = 'default'
via = '203.0.113.254'
";
const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan -j MASQUERADE\n";
const HAIRPIN: &str = "-t nat -A POSTROUTING -s 10.0.0.0/24 -d 10.0.0.0/24 -j MASQUERADE\n";

fn audited(rules: &str, sysctls: &[(&str, u32)]) -> Result<Audit, AuditError> {
    audited_gateway(GATEWAY, rules, sysctls)
}

fn audited_gateway(gateway: &str, rules: &str, sysctls: &[(&str, u32)]) -> Result<Audit, AuditError> {
    audit(|| {
        let sysctls = sysctls.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let rules = vec![Source { name: "rules.v4", text: rules }];
        let config = Some(Config::read("gateway.toml", gateway).expect("the gateway is right"));
        let setup = Setup { config, rules, sysctls, ..Setup::default() };
        Ok::<_, AuditError>(Replay::new(setup).unwrap_or_else(|error| panic!("{error}")).into_engine())
    })
}

fn outcome(audit: &Audit, rfc: u16, number: &str) -> Outcome {
    let finding =
        audit.findings.iter().find(|finding| (finding.requirement.rfc, finding.requirement.number) == (rfc, number));
    finding.unwrap_or_else(|| panic!("RFC {rfc} {number} is audited")).outcome
}

/// What has come of all experiments about a requirement, each once.
fn outcomes(audit: &Audit, rfc: u16, number: &str) -> Vec<Outcome> {
    let about =
        audit.findings.iter().filter(|finding| (finding.requirement.rfc, finding.requirement.number) == (rfc, number));
    let mut outcomes: Vec<Outcome> = about.map(|finding| finding.outcome).collect();
    outcomes.dedup();
    outcomes
}

#[test]
fn what_no_datagram_is_too_large_for_is_not_tried_with_one() {
    for (mtu, is_tried) in [(65_507, true), (65_508, false), (65_535, false)] {
        let gateway = GATEWAY.replacen("name = 'wan'", &format!("name = 'wan'\nmtu = {mtu}"), 1);
        let audit = audited_gateway(&gateway, MASQUERADE, &[]).unwrap();
        for number in ["REQ-13", "REQ-13a"] {
            let outcome = outcome(&audit, 4787, number);
            assert_eq!(outcome != Outcome::Untested, is_tried, "{number} at {mtu}: {outcome:?}");
        }
    }
}

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
    let breaking: [Breaking; 5] = [
        (4787, "REQ-5", [("udp_timeout", 130), ("udp_timeout_stream", 100)]),
        (4787, "REQ-5", [("udp_timeout", 100), ("udp_timeout_stream", 130)]),
        (4787, "REQ-6", [("udp_timeout", 30), ("udp_timeout_stream", 10)]),
        (5382, "REQ-5", [("tcp_timeout_time_wait", long), ("tcp_timeout_close_wait", long)]),
        (5382, "REQ-5", [("tcp_timeout_time_wait", long), ("tcp_timeout_last_ack", long)]),
    ];
    for (rfc, number, tunables) in breaking {
        let names = tunables.map(|(name, _)| format!("net.netfilter.nf_conntrack_{name}"));
        let tunables = [0, 1].map(|at| (names[at].as_str(), tunables[at].1));
        let found = audited(MASQUERADE, &tunables).expect("it translates");
        assert!(outcomes(&found, rfc, number).contains(&Outcome::Fail), "RFC {rfc} {number} with {tunables:?}");
    }
}

#[test]
fn errors_of_no_mapping_leave_where_nobody_drops_what_is_invalid() {
    let dropping = format!("{MASQUERADE}-A FORWARD -m conntrack --ctstate INVALID -j DROP\n");
    let [open, strict] = [MASQUERADE, &dropping].map(|rules| audited(rules, &[]).expect("it translates"));
    assert_eq!(outcomes(&open, 5508, "REQ-5"), [Outcome::Fail, Outcome::Pass]);
    assert_eq!(outcomes(&strict, 5508, "REQ-5"), [Outcome::Pass]);
}

#[test]
fn masquerading_as_linux_does_it_shares_ports_and_forgets_early() {
    let audit = audited(MASQUERADE, &[]).expect("it translates");
    assert_eq!((audit.inside.as_str(), audit.outside.as_str()), ("lan", "wan"));
    let of = |outcome| {
        let found = audit.findings.iter().filter(|finding| finding.outcome == outcome);
        found.map(|finding| (finding.requirement.rfc, finding.requirement.number)).collect::<Vec<(u16, &str)>>()
    };
    assert_eq!(
        of(Outcome::Fail),
        [
            (4787, "REQ-1"), // a port that is free towards one peer is taken towards another
            (4787, "REQ-5"), // 30 seconds without an answer, or with one
            (4787, "REQ-5c"),
            (4787, "REQ-8"),
            (4787, "REQ-9"), // the gateway takes it for itself
            (4787, "REQ-11"),
            (5382, "REQ-1"),
            (5382, "REQ-3"),
            (5382, "REQ-4"), // a reset
            (5382, "REQ-4"), // instead of an error
            (5382, "REQ-5"), // a connection that one end has closed is remembered for one minute
            (5382, "REQ-5"), // and one that both have closed for 30 seconds
            (5382, "REQ-8"),
            (5508, "REQ-1a"),
            (5508, "REQ-2"),  // 30 seconds
            (5508, "REQ-3a"), // the quoted header's checksum is not looked at
            (5508, "REQ-5"),  // INVALID, and forwarded as it is
            (5508, "REQ-7"),
            (7857, "section 2.1"), // a SYN is remembered for two minutes, its answer for one
            (7857, "section 2.2"), // a RST is remembered for 10 seconds
            (7857, "section 10"),
        ]
    );
    assert_eq!(of(Outcome::Allowed), [(4787, "REQ-3"), (4787, "REQ-4"), (5382, "REQ-5"), (5382, "REQ-7")]);
    assert_eq!(of(Outcome::Untested), []);
}

#[test]
fn each_outcome_follows_the_tunable_or_rule_that_it_is_about() {
    let quiet = format!("{MASQUERADE}-A INPUT -i wan -m conntrack --ctstate NEW -j DROP\n");
    let patient = [
        ("net.netfilter.nf_conntrack_udp_timeout", 130),
        ("net.netfilter.nf_conntrack_icmp_timeout", 60),
        ("net.netfilter.nf_conntrack_tcp_timeout_syn_sent", 240),
        ("net.netfilter.nf_conntrack_tcp_timeout_syn_recv", 240),
        ("net.netfilter.nf_conntrack_tcp_timeout_close_wait", 7440),
        ("net.netfilter.nf_conntrack_tcp_timeout_last_ack", 240),
        ("net.netfilter.nf_conntrack_tcp_timeout_close", 240),
    ];
    let audit = audited(&quiet, &patient).expect("it translates");
    let met = [(4787, "REQ-5"), (5382, "REQ-5"), (5508, "REQ-2"), (7857, "section 2.1"), (7857, "section 2.2")];
    for (rfc, number) in met {
        assert_eq!(outcomes(&audit, rfc, number), [Outcome::Pass], "RFC {rfc} {number}");
    }
    assert_eq!(outcomes(&audit, 5382, "REQ-4"), [Outcome::Pass, Outcome::Untested], "and it is never answered");
    assert_eq!(outcomes(&audit, 4787, "REQ-5c"), [Outcome::Fail]);
    let names = ["net.netfilter.nf_conntrack_udp_timeout", "net.netfilter.nf_conntrack_udp_timeout_stream"];
    let longer = audited(MASQUERADE, &names.map(|name| (name, 300))).expect("it translates");
    assert_eq!(outcomes(&longer, 4787, "REQ-5c"), [Outcome::Pass]);
    let hasty =
        audited(MASQUERADE, &[("net.netfilter.nf_conntrack_tcp_timeout_established", 3600)]).expect("it translates");
    assert_eq!(outcome(&hasty, 5382, "REQ-5"), Outcome::Fail);
}

#[test]
fn what_rules_do_not_let_out_is_not_tested_and_other_ports_are_tried() {
    let rules = format!(
        "{MASQUERADE}-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A FORWARD -i lan -p tcp --dport 443 -j ACCEPT\n"
    );
    let audit = audited(&rules, &[]).expect("it translates");
    assert_eq!(outcome(&audit, 4787, "REQ-1"), Outcome::Untested);
    assert_eq!(outcome(&audit, 5508, "REQ-1"), Outcome::Untested);
    assert_eq!(outcome(&audit, 5382, "REQ-2"), Outcome::Pass);
    let alone = audited(&format!("{MASQUERADE}-A FORWARD -s 10.0.0.12 -j DROP\n"), &[]).expect("it translates");
    assert_eq!(outcome(&alone, 4787, "REQ-1"), Outcome::Untested, "it takes a second host");
    assert_eq!(outcome(&alone, 4787, "REQ-2"), Outcome::Pass);
    let handshake =
        audit.findings.iter().find(|finding| finding.requirement.number == "REQ-2" && finding.requirement.rfc == 5382);
    let first = handshake.and_then(|finding| finding.steps.first()?.sent.clone());
    assert_eq!(first.as_deref(), Some("lan < 10.0.0.11:5000 > 198.51.100.7:443 S seq 1000 ack 0"));
}

#[test]
fn a_gateway_that_translates_nothing_is_not_audited() {
    assert_eq!(audited("-A FORWARD -j ACCEPT\n", &[]), Err(AuditError::NothingTranslated));
    assert_eq!(audited(&format!("{HAIRPIN}-P FORWARD DROP\n"), &[]), Err(AuditError::NothingTranslated));
}

#[test]
fn every_finding_says_why_and_what_was_sent() {
    for finding in audited(MASQUERADE, &[]).expect("it translates").findings {
        let name = format!("RFC {} {}", finding.requirement.rfc, finding.requirement.number);
        assert!(!finding.why.is_empty(), "{name}");
        let is_about_helpers = matches!((finding.requirement.rfc, finding.requirement.number), (5382, "REQ-6"));
        assert!(is_about_helpers || finding.steps.iter().any(|step| step.sent.is_some()), "{name}");
    }
}

#[test]
fn an_error_that_quotes_options_and_a_query_that_is_not_refreshed_are_really_tried() {
    let audit = audited(MASQUERADE, &[]).expect("it translates");
    let steps = |number: &str| {
        let of_icmp =
            |finding: &&super::Finding| finding.requirement.rfc == 5508 && finding.requirement.number == number;
        let finding = audit.findings.iter().find(of_icmp).expect("it is audited");
        assert_eq!(finding.outcome, Outcome::Pass, "{finding}");
        &finding.steps
    };
    let [.., strange] = &steps("REQ-4")[..] else { panic!("an error is sent") };
    let [.., quoting] = &steps("REQ-3b")[..] else { panic!("an error is sent") };
    assert!(strange.came.iter().all(|came| came.starts_with("x ")), "{strange:?}");
    assert!(quoting.came.iter().any(|came| came.starts_with("lan > ")), "{quoting:?}");
    let waited = steps("REQ-6").iter().position(|step| step.waited == Some(10));
    assert!(waited.is_some_and(|at| at + 10 < steps("REQ-6").len()), "eight errors, one from inside and an answer");
}

const STATEFUL: &str =
    "-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A FORWARD -i lan -j ACCEPT\n";

/// Outcomes of requirements about mapping and filtering: UDP's and TCP's REQ-1, sharing, filtering, hairpins, and UDP's REQ-11.
fn about_peers(audit: &Audit) -> Vec<Outcome> {
    let asked = [
        (4787, "REQ-1"),
        (5382, "REQ-1"),
        (4787, "REQ-3"),
        (5382, "REQ-7"),
        (4787, "REQ-11"),
        (4787, "REQ-8"),
        (5382, "REQ-3"),
        (4787, "REQ-9"),
        (5382, "REQ-8"),
        (5508, "REQ-7"),
    ];
    asked.iter().map(|(rfc, number)| outcome(audit, *rfc, number)).collect()
}

#[test]
fn endpoint_independent_mapping_keeps_hosts_apart_and_filtering_lets_everybody_in() {
    use Outcome::{Allowed, Fail, Pass};
    let rules = format!("{MASQUERADE}{STATEFUL}");
    let of = |mapping, filtering| {
        let tunables = [("towpath.nat.mapping", mapping), ("towpath.nat.filtering", filtering)];
        about_peers(&audited(&rules, &tunables).expect("it translates"))
    };
    assert_eq!(of(0, 0), [&[Fail; 2][..], &[Allowed; 2], &[Fail; 6]].concat());
    assert_eq!(of(1, 0), [[Pass; 5], [Fail; 5]].concat());
    assert_eq!(of(1, 2), [Pass; 10]);
    // By address, a host inside is let in only where it was sent to before.
    assert_eq!(of(1, 1), [&[Pass; 7][..], &[Fail; 3]].concat());
}

#[test]
fn drawn_ports_are_drawn_once_for_a_source_that_keeps_its_endpoint() {
    let rules = "-t nat -A POSTROUTING -o wan -j MASQUERADE --random-fully\n";
    let linux = audited(rules, &[]).expect("it translates");
    let kept = audited(rules, &[("towpath.nat.mapping", 1)]).expect("it translates");
    assert_eq!([&linux, &kept].map(|audit| outcome(audit, 4787, "REQ-1")), [Outcome::Fail, Outcome::Pass]);
}
