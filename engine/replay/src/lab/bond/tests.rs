//! Scenarios with bonds and switches are read, and small ones played.

use core::time::Duration;

use towpath_engine::{
    DeviceId,
    device::bond::{HashPolicy, Mode},
};

use crate::lab::{Diagram, Report, Scenario, run, table, topology::Topology, write_json};

const HOSTS: &str = "[[host]]\nname = \"a\"\n{a}\n[[host]]\nname = \"b\"\n{b}\n[[switch]]\nname = \"s\"\n{s}\n[[switch]]\nname = \"t\"\n{t}\n";

/// Hosts `a` and `b`, switches `s` and `t`; links by their ends.
fn text(said: [&str; 4], links: &[[&str; 3]], more: &str) -> String {
    let [a, b, s, t] = said;
    let hosts = HOSTS.replace("{a}", a).replace("{b}", b).replace("{s}", s).replace("{t}", t);
    let link = |[name, one, other]: &[&str; 3]| {
        format!("[[link]]\nname = \"{name}\"\nbetween = [\"{one}\", \"{other}\"]\ndelay = \"1ms\"\n")
    };
    let links: String = links.iter().map(link).collect();
    format!(
        "until = \"20s\"\n{hosts}{links}[[connection]]\nfrom = \"a\"\nto = \"b\"\nat = \"5s\"\nsend = 1000\nanswer = 1000\n{more}\n"
    )
}

fn mistake(said: [&str; 4], links: &[[&str; 3]]) -> String {
    Scenario::read("s.toml", &text(said, links, "")).map(drop).expect_err("it has a mistake").to_string()
}

fn read(said: [&str; 4], links: &[[&str; 3]], more: &str) -> Scenario {
    Scenario::read("s.toml", &text(said, links, more)).unwrap_or_else(|error| panic!("{error}"))
}

fn played(scenario: &Scenario) -> Report {
    run(scenario, None).unwrap_or_else(|error| panic!("{error}"))
}

const PAIR: [[&str; 3]; 3] = [["l0", "a", "s"], ["l1", "s", "a"], ["l2", "s", "b"]];
const BOND: &str = "[[host.bond]]\nname = \"bond0\"\nports = [\"l0\", \"l1\"]\nmode = \"active-backup\"\nmiimon = 50\nprimary = \"l1\"";
const LACP: &str = "mode = \"802.3ad\"\nlacp_rate = \"fast\"\nxmit_hash_policy = \"layer3+4\"";

#[test]
fn a_bond_is_said_as_a_gateway_says_it_and_names_links() {
    let scenario = read([BOND, "", "", ""], &PAIR, "");
    let [bond] = &scenario.hosts[0].bonds[..] else { panic!("a bond: {scenario:?}") };
    assert_eq!((bond.name.as_str(), &bond.links[..]), ("bond0", &[0, 1][..]));
    assert_eq!((bond.options.mode, bond.options.miimon_ms), (Mode::ActiveBackup, 50));
    assert_eq!(bond.options.primary, Some(DeviceId(1)));
    let group = format!("[[switch.group]]\nname = \"g\"\nports = [\"l1\"]\n{LACP}");
    let scenario = read([BOND, "", &group, ""], &PAIR, "");
    let options = &scenario.switches[0].groups[0].options;
    assert_eq!((options.lacp_fast, options.xmit_hash_policy), (true, HashPolicy::Layer34));
    assert_eq!(options.miimon_ms, 100, "Linux's, where it must have one");
}

#[test]
fn mistakes_are_told_with_their_place() {
    let bond = |more: &str| format!("[[host.bond]]\nname = \"bond0\"\n{more}");
    let group = |more: &str| format!("[[switch.group]]\nname = \"g\"\n{more}");
    let ports = "'ports' must be a list of 1 to 32 [[link]]s that end here, each in one bond or group only, not";
    for (said, links, expected) in [
        ([&bond("ports = [\"l0\", \"l2\"]")[..], "", "", ""], &PAIR[..], format!("s.toml:6:16: {ports} \"l2\"")),
        ([&bond("ports = []"), "", "", ""], &PAIR, format!("s.toml:6:9: {ports} a list")),
        (
            [&bond("ports = [\"l0\"]\nmac = \"02:00:00:00:00:01\""), "", "", ""],
            &PAIR,
            "s.toml:7:7: 'mac' must be left out in a scenario, not \"02:00:00:00:00:01\"".into(),
        ),
        (
            [&bond("ports = [\"l0\", \"l1\"]\nmode = \"balance\""), "", "", ""],
            &PAIR,
            "s.toml:7:8: 'mode' must be \"balance-rr\", \"active-backup\", \"balance-xor\", \"broadcast\", \"802.3ad\", \"balance-tlb\" or \"balance-alb\", not \"balance\"".into(),
        ),
        (
            ["", "", &group("ports = [\"l0\"]\nmode = \"active-backup\""), ""],
            &PAIR,
            "s.toml:13:8: 'mode' must be \"802.3ad\" or \"balance-xor\", for one without LACP, not \"active-backup\"".into(),
        ),
        (
            ["", "", "", ""],
            &[["l0", "a", "s"], ["l1", "s", "t"], ["l2", "t", "s"], ["l3", "b", "t"]],
            "s.toml:22:1: 'link' must be one that makes no ring of switches, as they have no spanning tree; several links between two are one group at both, not a table".into(),
        ),
        (
            [BOND, "", "", ""],
            &[["l0", "a", "b"], ["l1", "a", "b"]],
            "s.toml:23:1: 'link' must be one by which a host is in no network that it is in by another one: all of them are ports of a bond, not a table".into(),
        ),
        (["", "", "", ""], &[["l0", "a", "c"]], "s.toml:16:17: there is no [[host]] named 'c'".into()),
    ] {
        assert_eq!(mistake(said, links), expected);
    }
}

#[test]
fn several_links_between_two_switches_are_one_group_at_both() {
    let links = [["l0", "a", "s"], ["l1", "s", "t"], ["l2", "t", "s"], ["l3", "b", "t"]];
    let group = format!("[[switch.group]]\nname = \"g\"\nports = [\"l1\", \"l2\"]\n{LACP}");
    assert!(mistake(["", "", &group, ""], &links).contains("no ring of switches"), "at one only");
    let report = played(&read(["", "", &group, &group], &links, ""));
    assert_eq!(report.connections[0].read, [1000, 1000]);
    assert_eq!(report.bonds[0].used_at(Duration::from_secs(5)).map(|(_, links)| links.len()), Some(2), "{report:?}");
}

#[test]
fn links_that_meet_are_one_network_and_others_are_their_own() {
    let links =
        [["l0", "a", "b"], ["l1", "a", "s"], ["l2", "a", "b"], ["l3", "a", "t"], ["l4", "b", "s"], ["l5", "b", "t"]];
    let bond = |ports: &str| format!("[[host.bond]]\nname = \"bond0\"\nports = [{ports}]");
    let [a, b] = ["\"l3\", \"l1\"", "\"l4\", \"l5\""].map(bond);
    let topology = Topology::new(&read([&a, &b, "", ""], &links, ""));
    let of = |host: usize| -> Vec<_> {
        topology.interfaces[host].iter().map(|own| (own.network, own.station, own.device.0)).collect()
    };
    // Bonds are behind the four devices of links, and join what their links lead to.
    assert_eq!(of(0), [(0, 1, 0), (1, 1, 4), (2, 1, 2)]);
    assert_eq!(of(1), [(0, 2, 0), (2, 2, 1), (1, 2, 4)]);
    let shared: Vec<bool> = topology.networks.values().map(|network| network.is_shared).collect();
    assert_eq!(shared, [false, true, false]);
}

#[test]
fn every_mode_carries_a_connection_over_a_switch_that_is_set_for_it() {
    for mode in Mode::ALL {
        let bond = format!(
            "[[host.bond]]\nname = \"bond0\"\nports = [\"l0\", \"l1\"]\nmode = \"{}\"\nmiimon = 100",
            mode.name()
        );
        let of_group = match mode {
            Mode::Ieee8023ad => Some("802.3ad"),
            Mode::RoundRobin | Mode::Xor | Mode::Broadcast => Some("balance-xor"),
            Mode::ActiveBackup | Mode::Tlb | Mode::Alb => None,
        };
        let group =
            of_group.map(|mode| format!("[[switch.group]]\nname = \"g\"\nports = [\"l0\", \"l1\"]\nmode = \"{mode}\""));
        for family in ["ipv4", "ipv6"] {
            let more = format!("family = \"{family}\"");
            let scenario = read([&bond, "", group.as_deref().unwrap_or_default(), ""], &PAIR, &more);
            let report = played(&scenario);
            assert_eq!(report.connections[0].read, [1000, 1000], "{} {family}: {report:?}", mode.name());
        }
    }
}

#[test]
fn table_json_and_diagram_tell_what_became_of_bonds_and_switches() {
    let event = "rounds = 100\npause = \"100ms\"\n[[event]]\nat = \"6020ms\"\nlink = \"l1\"\nup = false";
    let scenario = read([BOND, "", "", ""], &PAIR, event);
    let mut diagram = Diagram::new(&scenario, 0, (Duration::ZERO, Duration::MAX), 100);
    let report = run(&scenario, Some(&mut diagram)).expect("a run");
    assert_eq!(report.bonds[0].uses, [(Duration::ZERO, vec![1]), (Duration::from_millis(6050), vec![0])]);
    let text = table(&scenario, &report);
    for expected in [
        "\na, bond0 (active-backup)\n     0.000000 s  (slave l1): making interface the new active one\n     0.000000 s  uses l1\n",
        "\n     6.050000 s  (slave l1): link status definitely down, disabling slave\n",
        "\n     6.050000 s  uses l0\n",
        "\na > s (l0) ",
        "\ns > a (l1) ",
        "\nswitch ",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    let mut json = Vec::new();
    write_json(&mut json, &scenario, &report, false).expect("a vector takes all");
    let json = String::from_utf8(json).expect("text");
    for expected in [
        "{\"bond\":\"bond0\",\"of\":\"a\",\"mode\":\"active-backup\",\"uses\":[{\"ts\":0,\"links\":[\"l1\"]},{\"ts\":6050000000,\"links\":[\"l0\"]}]",
        "\"line\":\"bond0: (slave l0): making interface the new active one\"",
        "{\"switch\":\"s\",\"forwarded\":",
        "Currently Active Slave: l0\\n",
    ] {
        assert!(json.contains(expected), "{expected:?} in {json}");
    }
    let drawn = diagram.draw();
    for expected in [
        "   6.020000  ·· link l1 is down (there)\n   6.020000  ·· link l1 is down (back)\n",
        "   6.050000  ·· a, bond0 uses l0\n",
        "lost: down\n",
    ] {
        assert!(drawn.contains(expected), "{expected:?} in {drawn}");
    }
}

#[test]
fn what_comes_by_a_port_that_is_not_in_use_is_told_by_that_name() {
    let event = "[[event]]\nat = \"6020ms\"\nlink = \"l1\"\nup = false";
    let mut scenario = read([BOND, "", "", ""], &PAIR, event);
    scenario.connections[0].answer = 5_000_000;
    scenario.links[2].ways.iter_mut().for_each(|way| way.rate_bps = Some(20_000_000));
    let mut diagram = Diagram::new(&scenario, 0, (Duration::from_millis(5900), Duration::from_millis(6100)), 1000);
    let report = run(&scenario, Some(&mut diagram)).expect("a run");
    assert_eq!(report.connections[0].read, [1000, 5_000_000]);
    assert!(diagram.draw().contains("lost: inactive\n"), "{}", diagram.draw());
    assert!(
        report.drops[0].drops.iter().any(|(why, count)| why.name() == "BondPortInactive" && *count > 0),
        "{report:?}"
    );
}
