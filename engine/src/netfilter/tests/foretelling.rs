//! What tables would answer about packets that have not come, and where DNAT leads.

use super::*;
use crate::conntrack::{State, TemplateId, Tracking};

/// What PREROUTING of the nat table would answer about a packet to port 8443 of the gateway that comes by `lan`, after it has been seen
/// that asking left no trace, and that the packet then fares so.
fn foretold(rules: &str) -> Option<Verdict> {
    let sets = "create published hash:ip,port counters\nadd published 203.0.113.1,tcp:8443\n";
    let rules = format!("*nat\n:other - [0:0]\n{rules}\nCOMMIT");
    let sources = [Source { name: "sets", text: sets }, Source { name: "rules", text: &rules }];
    let mut read = RuleSet::parse(&sources, &Loading::default()).unwrap_or_else(|error| panic!("{error}\n{rules}"));
    let mut lab = Lab::new("*nat\nCOMMIT");
    claim(lab.now, &mut read, &mut lab.lists);
    lab.rules = read;
    let before = (lab.rules.save(true), lab.rules.states(), lab.lists.clone());
    let mut packet = lab.packet(&tcp(8443, 0x02).to([203, 0, 113, 1]));
    // As that of a packet that connection tracking has seen.
    packet.meta_mut().tracking = Tracking::Template(TemplateId(0));
    let mut view = View {
        now: lab.now,
        hook: Hook::Prerouting,
        packet: &mut packet,
        input: LAN,
        output: None,
        devices: &lab.devices,
        routes: &lab.routes,
        sockets: &lab.sockets,
        conntrack: &mut lab.conntrack,
        lists: &mut lab.lists,
        around: &mut lab.around,
        pool: &mut lab.pool,
        copies: &mut lab.copies,
        walk: &mut lab.walk,
    };
    let foretold = lab.rules.foretell(TableName::Nat, Some(State::New), &mut view);
    assert_eq!((lab.rules.save(true), lab.rules.states(), lab.lists.clone()), before, "{rules}");
    assert!(lab.around.trace.take().is_empty() && lab.copies.is_empty());
    if let Some(foretold) = foretold {
        assert_eq!(lab.ask(TableName::Nat, Hook::Prerouting, &mut packet), foretold, "{rules}");
    }
    foretold
}

#[test]
#[rustfmt::skip]
fn what_is_foretold_comes_true() {
    let cases = [
        (true,  "-A PREROUTING -i lan -d 203.0.113.1 -p tcp --dport 8443 TO"),
        (true,  "-A PREROUTING -s 10.0.0.0/24 -p tcp -m multiport --dports 25,8443 TO"),
        (true,  "-A PREROUTING -p tcp -m tcp --dport 8443 --syn TO"),
        (true,  "-A PREROUTING -m iprange --src-range 10.0.0.1-10.0.0.9 TO"),
        (true,  "-A PREROUTING -m set --match-set published dst,dst TO"),
        (true,  "-A PREROUTING -m addrtype --dst-type LOCAL -j other\n-A other -p tcp --dport 8443 TO"),
        (true,  "-A PREROUTING -j other\n-A PREROUTING TO\n-A other -s 10.0.0.2 -j RETURN\n-A other -j ACCEPT"),
        (true,  "-A PREROUTING -j other\n-A PREROUTING TO\n-A other -s 10.0.0.3 -j ACCEPT"),
        (true,  "-A PREROUTING -m conntrack --ctstate NEW TO"),
        // What only says something, how often it may.
        (true,  "-A PREROUTING -m limit --limit 1/s -j LOG\n-A PREROUTING -j MARK --set-mark 1\n-A PREROUTING TO"),
        (true,  "-A PREROUTING -p udp -m limit --limit 1/s -j ACCEPT\n-A PREROUTING TO"),
        // A chance, a mark, what is remembered; what is dropped, and what changes a set.
        (false, "-A PREROUTING -m statistic --mode nth --every 2 --packet 0 TO"),
        (false, "-A PREROUTING -m mark --mark 0 TO"),
        (false, "-A PREROUTING -m recent --name seen --set -j ACCEPT\n-A PREROUTING TO"),
        (false, "-A PREROUTING -m limit --limit 1/s -j other\n-A PREROUTING TO"),
        (false, "-A PREROUTING -m ttl --ttl-gt 3 -j RETURN\n-A PREROUTING TO"),
        (false, "-A PREROUTING -j SET --add-set published src,dst\n-A PREROUTING TO"),
    ];
    for (is_certain, rules) in cases {
        let rules = rules.replace("TO", "-j DNAT --to-destination 10.0.0.80");
        let is_led = |verdict| matches!(verdict, Verdict::Translate(..));
        assert_eq!(foretold(&rules).map(is_led), is_certain.then_some(true), "{rules}");
    }
    for rules in ["-A PREROUTING -p udp -j DNAT --to-destination 10.0.0.80", "-A PREROUTING -g other", "-A PREROUTING -j ACCEPT", ""] {
        assert_eq!(foretold(rules), Some(Verdict::Accept), "{rules}");
    }
}

#[test]
fn where_rules_lead_is_told_with_what_they_and_those_before_them_ask_for() {
    let rules = parse(
        "*nat\n:other - [0:0]\n-A PREROUTING -d 203.0.113.1 -p tcp --dport 8000:8100 -j other\n-A PREROUTING ! -d 203.0.113.1 -j DNAT --to-destination 10.0.0.1-10.0.0.9\n-A OUTPUT -j DNAT --to-destination 10.0.0.80\n-A other -p tcp -m multiport --dports 8080,8443 -j DNAT --to-destination 10.0.0.80:80\n-A other -p tcp --dport 8050 -j DNAT --to-destination 10.0.0.80:50\n-A other -j DNAT --to-destination 10.0.0.80\nCOMMIT",
    );
    let leads = rules.unwrap().leads();
    let told: Vec<_> = leads.iter().map(|lead| (lead.called.is_some(), lead.ports, lead.addresses.1)).collect();
    let host = |last| core::net::IpAddr::from([10, 0, 0, last]);
    let called = |ports| (true, Some(ports), host(80));
    assert_eq!(told, [called((8080, 8100)), called((8050, 8050)), called((8000, 8100)), (false, None, host(9))]);
    let ports: Vec<_> = leads.iter().map(|lead| lead.port_called(80)).collect();
    assert_eq!(ports, [None, None, Some(80), Some(80)]);
    assert_eq!(leads[1].port_called(50), Some(8050));
    assert_eq!((leads[0].protocol, leads[3].protocol), (Some(Protocol::TCP), None));
}

#[test]
fn ports_that_are_shifted_are_shifted_back() {
    let lead = |to: &str| {
        let rules =
            format!("*nat\n-A PREROUTING -p tcp --dport 8000:8009 -j DNAT --to-destination 10.0.0.80:{to}\nCOMMIT");
        parse(&rules).unwrap().leads()[0]
    };
    let called = |to: &str, ports: [u16; 3]| ports.map(|port| lead(to).port_called(port));
    assert_eq!(called("70-79/8000", [70, 79, 80]), [Some(8000), Some(8009), None]);
    assert_eq!(called("8000-8020", [8000, 8009, 7999]), [Some(8000), Some(8009), None]);
    assert_eq!(called("8001-8009", [8001, 8009, 80]), [None; 3], "8000 may be led to any of them");
}

#[test]
fn chains_to_which_very_many_ways_lead_are_not_looked_at_for_ever() {
    let mut text = String::from("*nat\n");
    for chain in 0..40 {
        text += &format!(":c{chain} - [0:0]\n");
    }
    text += "-A PREROUTING -j c0\n";
    for chain in 0..39 {
        text += &format!("-A c{chain} -j c{}\n-A c{chain} -j c{}\n", chain + 1, chain + 1);
    }
    text += "-A c39 -j DNAT --to-destination 10.0.0.80\nCOMMIT";
    let leads = parse(&text).unwrap().leads();
    assert!(!leads.is_empty() && leads.len() <= crate::limits::LEADS_MAX);
}
