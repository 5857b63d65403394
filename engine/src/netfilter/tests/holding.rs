//! Endpoints outside that rules have given to somebody, before anybody calls.

use super::*;
use crate::netfilter::OuterEndpoint;

/// Whether rules of the nat table hold the gateway's port of TCP, to which callers come from outside and which 10.0.0.2 wants.
fn held(rules: &str, port: u16) -> bool {
    held_by(&mut lab(rules), port, WAN)
}

/// A lab with these rules, and with sets that they can ask.
fn lab(rules: &str) -> Lab {
    let sets = "create published hash:ip,port counters\nadd published 203.0.113.1,tcp:8443\ncreate hosts hash:ip\nadd hosts 203.0.113.1\n";
    let rules = format!("*nat\n:other - [0:0]\n{rules}\nCOMMIT");
    let sources = [Source { name: "sets", text: sets }, Source { name: "rules", text: &rules }];
    let mut rules = RuleSet::parse(&sources, &Loading::default()).unwrap_or_else(|error| panic!("{error}\n{rules}"));
    let mut lab = Lab::new("*nat\nCOMMIT");
    claim(lab.now, &mut rules, &mut lab.lists);
    lab.rules = rules;
    lab
}

fn held_by(lab: &mut Lab, port: u16, input: Option<DeviceId>) -> bool {
    let endpoint = OuterEndpoint {
        protocol: Protocol::TCP,
        address: [203, 0, 113, 1].into(),
        port,
        input,
        inside: [10, 0, 0, 2].into(),
    };
    lab.rules.holds(lab.now, &lab.devices, &mut lab.lists, &endpoint)
}

const TO: &str = "-j DNAT --to-destination 10.0.0.80";

#[test]
#[rustfmt::skip]
fn what_a_rule_names_a_port_for_is_held() {
    let cases = [
        (true,  "-A PREROUTING -p tcp --dport 8443 TO"),
        (true,  "-A PREROUTING -d 203.0.113.1 -i wan -p tcp --dport 8000:9000 TO:443"),
        (true,  "-A PREROUTING -p tcp --dport 8443 -j REDIRECT --to-ports 80"),
        (true,  "-A PREROUTING -p tcp --dport 8443 -j ACCEPT"),
        (true,  "-A PREROUTING -p tcp -m multiport --dports 25,8443 TO"),
        (true,  "-A PREROUTING -p tcp -m tcp --dport 8443 --syn TO"),
        (true,  "-A PREROUTING -p tcp -m set --match-set published dst,dst TO"),
        (true,  "-A PREROUTING -m addrtype --dst-type LOCAL -j other\n-A other -p tcp --dport 8443 TO"),
        (true,  "-A PREROUTING -p tcp --dport 8443 -j other\n-A other -m statistic --mode random --probability 0.5 TO"),
        (true,  "-A PREROUTING -p tcp --dport 8443 -g other\n-A other -m comment --comment all TO"),
        (true,  "-A PREROUTING -s 192.0.2.0/24 -j RETURN\n-A PREROUTING -p tcp --dport 8443 TO"),
        (true,  "-A PREROUTING -s 192.0.2.0/24 -p tcp --dport 8443 TO"),
        (true,  "-A PREROUTING -s 192.0.2.0/24 -j DNAT --to-destination 10.0.0.9\n-A PREROUTING -p tcp --dport 8443 TO"),
        // Only some callers come into the chain that lets them be, or leads them elsewhere.
        (true,  "-A PREROUTING -s 192.0.2.0/24 -j other\n-A PREROUTING -p tcp --dport 8443 TO\n-A other -j ACCEPT"),
        (true,  "-A PREROUTING -s 192.0.2.0/24 -g other\n-A PREROUTING -p tcp --dport 8443 TO\n-A other -j DNAT --to-destination 10.0.0.9"),
        (false, "-A PREROUTING -p tcp -j other\n-A PREROUTING -p tcp --dport 8443 TO\n-A other -j ACCEPT"),
        // Another port, protocol, address or device.
        (false, "-A PREROUTING -p tcp --dport 8444 TO"),
        (false, "-A PREROUTING -p udp --dport 8443 TO"),
        (false, "-A PREROUTING -d 203.0.113.2 -p tcp --dport 8443 TO"),
        (false, "-A PREROUTING ! -d 203.0.113.1 -p tcp --dport 8443 TO"),
        (false, "-A PREROUTING -i lan -p tcp --dport 8443 TO"),
        (false, "-A PREROUTING -p tcp -m multiport ! --dports 25,8443 TO"),
        (false, "-A PREROUTING -p tcp -m set ! --match-set published dst,dst TO"),
        (false, "-A PREROUTING -p tcp -m conntrack --ctstate ESTABLISHED -m tcp --dport 8443 TO"),
        // What is for all the rest holds nothing, and who is let be by a rule without a port comes to none that names one.
        (false, "-A PREROUTING -i wan TO"),
        (false, "-A PREROUTING -m set --match-set hosts dst TO"),
        (false, "-A PREROUTING -i wan -j ACCEPT\n-A PREROUTING -p tcp --dport 8443 TO"),
        (false, "-A PREROUTING -j RETURN\n-A PREROUTING -p tcp --dport 8443 TO"),
        (false, "-A PREROUTING -p tcp --dport 1:9000 -j other\n-A PREROUTING -j DNAT --to-destination 10.0.0.9"),
        // Calls that come to the same host as well.
        (false, "-A PREROUTING -p tcp --dport 8443 -j DNAT --to-destination 10.0.0.2:443"),
        (true,  "-A PREROUTING -p tcp --dport 8443 -j DNAT --to-destination 10.0.0.2-10.0.0.3"),
        // What only counts, and another hook.
        (false, "-A PREROUTING -p tcp --dport 8443 -j LOG"),
        (false, "-A OUTPUT -p tcp --dport 8443 TO"),
    ];
    for (expected, rules) in cases {
        assert_eq!(held(&rules.replace("TO", TO), 8443), expected, "{rules}");
    }
    assert!(held(&format!("-A PREROUTING -p tcp -m set --match-set published dst,dst {TO}"), 8443));
    assert!(!held(&format!("-A PREROUTING -p tcp -m set --match-set published dst,dst {TO}"), 8444), "it is not in the set");
}

#[test]
fn by_which_device_callers_come_need_not_be_known() {
    let mut lab = lab(&format!("-A PREROUTING -i wan -p tcp --dport 8443 {TO}"));
    assert!(held_by(&mut lab, 8443, None) && held_by(&mut lab, 8443, WAN) && !held_by(&mut lab, 8443, LAN));
}

#[test]
fn asking_leaves_no_trace() {
    let limited = format!("-A PREROUTING -p tcp -m limit --limit 1/hour --limit-burst 1 -m tcp --dport 8444 {TO}");
    let mut lab = lab(&format!("{limited}\n-A PREROUTING -p tcp -m set --match-set published dst,dst {TO}"));
    let before = (lab.rules.save(true), lab.rules.states(), lab.lists.clone());
    for _ in 0..5 {
        assert!(held_by(&mut lab, 8443, WAN));
    }
    assert_eq!((lab.rules.save(true), lab.rules.states(), lab.lists.clone()), before);
}
