mod breaking;
mod peers;

use core::time::Duration;

use towpath_engine::{conntrack::helper::Helper, netfilter::Source};

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
    audited_with(gateway, rules, sysctls, Vec::new)
}

fn audited_with(
    gateway: &str,
    rules: &str,
    sysctls: &[(&str, u32)],
    helpers: fn() -> Vec<Box<dyn Helper>>,
) -> Result<Audit, AuditError> {
    audit(|| {
        let sysctls = sysctls.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let rules = vec![Source { name: "rules.v4", text: rules }];
        let config = Some(Config::read("gateway.toml", gateway).expect("the gateway is right"));
        let setup = Setup { config, rules, sysctls, helpers: helpers(), ..Setup::default() };
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
        assert_eq!(outcomes(&audit, 5508, "REQ-10a").contains(&Outcome::Untested), !is_tried, "at {mtu}");
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
            (4787, "REQ-3"), // shared towards two ports of one peer
            (4787, "REQ-5"), // 30 seconds without an answer, or with one
            (4787, "REQ-5c"),
            (4787, "REQ-8"),
            (4787, "REQ-9"), // the gateway takes it for itself
            (4787, "REQ-11"),
            (5382, "REQ-1"),
            (5382, "REQ-3"),
            (5382, "REQ-4"), // a reset
            (5382, "REQ-4"), // although the host opens that connection soon
            (5382, "REQ-4"), // instead of an error
            (5382, "REQ-5"), // a connection that one end has closed is remembered for one minute
            (5382, "REQ-5"), // and one that both have closed for 30 seconds
            (5382, "REQ-7"),
            (5382, "REQ-8"),
            (5508, "REQ-1a"),
            (5508, "REQ-2"),  // 30 seconds
            (5508, "REQ-3a"), // the quoted header's checksum is not looked at
            (5508, "REQ-5"),  // INVALID, and forwarded as it is
            (5508, "REQ-7"),
            (7857, "section 2.1"), // a SYN is remembered for two minutes, its answer for one, the last FIN for half of one
            (7857, "section 2.2"), // a RST is remembered for 10 seconds
            (7857, "section 10"),
        ]
    );
    assert_eq!(of(Outcome::Allowed), [(4787, "REQ-4"), (5382, "REQ-5")]);
    // Both ask for filtering that lets strangers in.
    assert_eq!(of(Outcome::Untested), [(5382, "REQ-2"), (7857, "section 6")]);
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
    let unsolicited = outcomes(&audit, 5382, "REQ-4");
    assert_eq!(unsolicited, [Outcome::Pass, Outcome::Untested], "it is silenced, and never answered");
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
        let is_about_helpers =
            matches!((finding.requirement.rfc, finding.requirement.number), (5382, "REQ-6") | (4787, "REQ-10"));
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
    let waited = steps("REQ-6").iter().position(|step| step.waited == Some(Duration::from_secs(10)));
    assert!(waited.is_some_and(|at| at + 27 < steps("REQ-6").len()), "25 errors, one from inside and an answer");
}
