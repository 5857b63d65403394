//! Mapping, sharing, filtering and hairpins: what depends on who talks to whom.

use super::*;

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
    use Outcome::{Fail, Pass};
    let rules = format!("{MASQUERADE}{STATEFUL}");
    let of = |mapping, filtering| {
        let tunables = [("towpath.nat.mapping", mapping), ("towpath.nat.filtering", filtering)];
        about_peers(&audited(&rules, &tunables).expect("it translates"))
    };
    assert_eq!(of(0, 0), [Fail; 10]);
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

/// Endpoint-independent mapping and filtering.
const FULL_CONE: [(&str, u32); 2] = [("towpath.nat.mapping", 1), ("towpath.nat.filtering", 2)];

/// An audit of these rules before a masquerade of the rest.
fn of_rules(rules: &str, tunables: &[(&str, u32)]) -> Audit {
    audited(&format!("{rules}{MASQUERADE}"), tunables).expect("it translates")
}

#[test]
fn hosts_may_share_an_endpoint_towards_two_addresses_and_not_towards_two_ports() {
    let shared =
        |rules| [(4787, "REQ-3"), (5382, "REQ-7")].map(|(rfc, number)| outcome(&of_rules(rules, &[]), rfc, number));
    assert_eq!(shared(""), [Outcome::Fail; 2], "as Linux does");
    // Towards the first peer a second host has ports of its own.
    let apart =
        "-t nat -A POSTROUTING -o wan -s 10.0.0.12 -d 198.51.100.7 -p udp -j SNAT --to-source 203.0.113.1:20000-30000
-t nat -A POSTROUTING -o wan -s 10.0.0.12 -d 198.51.100.7 -p tcp -j SNAT --to-source 203.0.113.1:20000-30000\n";
    assert_eq!(shared(apart), [Outcome::Allowed; 2]);
}

#[test]
fn a_third_host_with_a_port_is_translated_and_filtered_as_the_first() {
    let of = |rules: &str, tunables| outcome(&of_rules(rules, tunables), 4787, "REQ-11");
    let apart = "-t nat -A POSTROUTING -o wan -s 10.0.0.11 -j SNAT --to-source 203.0.113.2\n";
    let third = "-t nat -A POSTROUTING -o wan -s 10.0.0.13 -d 198.51.100.8 -j SNAT --to-source 203.0.113.3
-t nat -A POSTROUTING -o wan -s 10.0.0.13 -j SNAT --to-source 203.0.113.4\n";
    let alike = "-t nat -A POSTROUTING -o wan -s 10.0.0.13 -j SNAT --to-source 203.0.113.4\n";
    assert_eq!(of(&format!("{apart}{alike}"), &[]), Outcome::Pass);
    assert_eq!(of(&format!("{apart}{third}"), &[]), Outcome::Fail, "it has two addresses");
    assert_eq!(of("", &FULL_CONE), Outcome::Pass);
    let strict = "-A FORWARD -i wan -d 10.0.0.13 -m conntrack --ctstate RELATED -j DROP\n";
    assert_eq!(of(strict, &FULL_CONE), Outcome::Fail, "no stranger gets in to it");
}

/// A hairpin as people write it for Linux: the caller has another endpoint inside than it has outside, which is REQ-1's matter.
const HAIRPINNED: &str = "-t nat -A PREROUTING -i lan -d 203.0.113.1 -j DNAT --to-destination 10.0.0.11
-t nat -A POSTROUTING -o lan -p udp -j SNAT --to-source 203.0.113.1:20000-30000
-t nat -A POSTROUTING -o lan -p tcp -j SNAT --to-source 203.0.113.1:20000-30000\n";

#[test]
fn hosts_inside_meet_by_endpoints_outside_whichever_those_are_and_answer() {
    use Outcome::{Fail, Pass};
    let of = |rules: &str| {
        let audit = of_rules(rules, &[]);
        [(4787, "REQ-9"), (5382, "REQ-8"), (5508, "REQ-7")].map(|(rfc, number)| outcome(&audit, rfc, number))
    };
    assert_eq!(of(HAIRPINNED), [Pass; 3]);
    let from_inside = HAIRPINNED.replace("203.0.113.1:", "10.0.0.1:");
    assert_eq!(of(&from_inside), [Fail, Fail, Pass], "the caller is shown with an address inside");
    let unanswered = "-A FORWARD -i lan -o lan -s 10.0.0.11 ! -p icmp -j DROP\n";
    assert_eq!(of(&format!("{HAIRPINNED}{unanswered}")), [Fail, Fail, Pass]);
    let unopened = "-A FORWARD -i lan -o lan -p tcp --tcp-flags SYN,ACK ACK -j DROP\n";
    assert_eq!(of(&format!("{HAIRPINNED}{unopened}")), [Pass, Fail, Pass]);
}

#[test]
fn what_is_asked_of_filtering_that_lets_strangers_in_is_asked_only_there() {
    use Outcome::{Fail, Pass, Untested};
    let of = |rules: &str, tunables| {
        let audit = of_rules(rules, tunables);
        let [opens, sixth, seventh] = [(5382, "REQ-2"), (7857, "section 6"), (7857, "section 7")];
        [opens, sixth, seventh].map(|(rfc, number)| outcomes(&audit, rfc, number))
    };
    assert_eq!(of("", &[]), [vec![Pass, Untested, Pass], vec![Untested], vec![Pass]]);
    assert_eq!(of("", &FULL_CONE), [vec![Pass], vec![Pass], vec![Untested]]);
    let unanswered = "-A FORWARD -i lan -d 192.0.2.9 -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP\n";
    assert_eq!(of(unanswered, &FULL_CONE)[0], [Pass, Fail, Pass]);
    let other = "-t nat -A PREROUTING -i wan -p udp --dport 5000 -j DNAT --to-destination 10.0.0.11\n";
    assert_eq!(of(other, &FULL_CONE)[1], [Fail]);
    // A rule keeps out whom filtering would let in.
    let strict = "-A FORWARD -i wan -m conntrack --ctstate RELATED ! -p icmp -j DROP\n";
    assert_eq!(of(strict, &FULL_CONE), [vec![Pass, Untested, Pass], vec![Untested], vec![Pass]]);
}
