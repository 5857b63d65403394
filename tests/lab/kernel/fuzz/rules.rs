//! Random rule sets out of what both the kernel and the engine know.

use super::{
    case::{Case, RuleLine},
    dice::Dice,
    memory,
};

const SERVERS: [&str; 3] = ["198.51.100.7", "198.51.100.8", "198.51.100.9"];
const HOSTS: [&str; 2] = ["192.168.1.10", "192.168.1.20"];
const PORTS: [&str; 6] = ["53", "80", "7", "9", "1024:5100", "5000"];

/// Draws tables, chains, policies and rules.
pub(super) fn draw(dice: &mut Dice, case: &mut Case) {
    for table in ["raw", "mangle", "nat", "filter"] {
        if table == "filter" || dice.one_in(2) {
            case.tables.push(table);
            draw_table(dice, case, table);
        }
    }
    if dice.one_in(6) {
        case.policies.push(("filter", "FORWARD"));
        accept_most(case);
    }
}

/// A dropping policy alone would leave nothing to look at.
fn accept_most(case: &mut Case) {
    let rule = String::from("-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT");
    case.rules.push(RuleLine { table: "filter", rule });
}

fn draw_table(dice: &mut Dice, case: &mut Case, table: &'static str) {
    if dice.one_in(3) {
        case.chains.push((table, String::from("own")));
        for _ in 0..dice.between(1, 3) {
            let target = if dice.one_in(4) { String::from("-j RETURN") } else { target(dice, table, "own") };
            add(dice, case, table, "own", &target);
        }
    }
    let chains: &[&str] = match table {
        "raw" => &["PREROUTING", "PREROUTING", "OUTPUT"],
        "mangle" => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        "nat" => &["PREROUTING", "POSTROUTING", "POSTROUTING", "OUTPUT", "INPUT"],
        _ => &["INPUT", "FORWARD", "FORWARD", "FORWARD", "OUTPUT"],
    };
    for _ in 0..dice.between(1, 5) {
        let chain = dice.pick(chains);
        let has_own = case.chains.iter().any(|(of, _)| *of == table);
        let target = match has_own && dice.one_in(4) {
            true => String::from(dice.pick(&["-j own", "-j own", "-g own"])),
            false => target(dice, table, chain),
        };
        add(dice, case, table, chain, &target);
    }
}

fn add(dice: &mut Dice, case: &mut Case, table: &'static str, chain: &str, target: &str) {
    let needs_ports = target.contains(':') || target.contains("--to-ports");
    let protocol = match target {
        _ if target.contains("tcp-reset") || target.contains("ftcp") || target.contains("TCPMSS") => "tcp",
        _ if target.contains("fudp") => "udp",
        _ if target.contains("rest") => "99",
        _ if needs_ports => dice.pick(&["tcp", "udp"]),
        _ => dice.pick(&["tcp", "udp", "icmp", "", "", "47", "132"]),
    };
    let mut rule = format!("-A {chain}");
    if dice.one_in(4) {
        rule += &format!(" {}-s {}", not(dice), dice.pick(&[HOSTS[0], SERVERS[0], "192.168.1.0/24", "203.0.113.0/24"]));
    }
    if dice.one_in(4) {
        rule += &format!(" {}-d {}", not(dice), dice.pick(&[SERVERS[0], SERVERS[1], "203.0.113.1", "198.51.100.0/28"]));
    }
    rule += &interface(dice, chain);
    if !protocol.is_empty() {
        rule += &format!(" -p {protocol}");
        rule += &match target {
            _ if target.contains("TCPMSS") => String::from(" -m tcp --tcp-flags SYN,RST SYN"),
            _ => protocol_match(dice, protocol),
        };
    }
    for _ in 0..2 {
        if dice.one_in(4) {
            rule += &general_match(dice, table);
        }
        if dice.one_in(8) {
            rule += &remembering(dice, table);
        }
    }
    rule += &format!(" {target}");
    case.rules.push(RuleLine { table, rule });
}

fn not(dice: &mut Dice) -> &'static str {
    if dice.one_in(4) { "! " } else { "" }
}

fn interface(dice: &mut Dice, chain: &str) -> String {
    let name = dice.pick(&["inside", "outside", "in+"]);
    match chain {
        _ if !dice.one_in(3) => String::new(),
        "PREROUTING" | "INPUT" | "FORWARD" => format!(" {}-i {name}", not(dice)),
        "POSTROUTING" | "OUTPUT" => format!(" {}-o {name}", not(dice)),
        _ => String::new(),
    }
}

/// A match that remembers. Those that look at connections are asked behind connection tracking only.
fn remembering(dice: &mut Dice, table: &str) -> String {
    let text = memory::remembering(dice);
    if table == "raw" && text.contains("connbytes") { String::new() } else { text }
}

fn protocol_match(dice: &mut Dice, protocol: &str) -> String {
    match (protocol, dice.below(5)) {
        ("tcp" | "udp", 0) => format!(" -m {protocol} {}--dport {}", not(dice), dice.pick(&PORTS)),
        ("tcp" | "udp", 1) => format!(" -m {protocol} {}--sport {}", not(dice), dice.pick(&PORTS)),
        ("tcp" | "udp", 2) => {
            let option = dice.pick(&["--dports", "--sports", "--ports"]);
            format!(" -m multiport {option} {}", dice.pick(&["53,80", "1024:5001,9", "80,7,5000:5100"]))
        }
        ("tcp", 3) => format!(
            " -m tcp {}--tcp-flags {}",
            not(dice),
            dice.pick(&["SYN,ACK SYN", "FIN,SYN,RST,ACK SYN", "RST RST", "ALL NONE", "ACK,PSH ACK,PSH"])
        ),
        ("tcp", 4) => format!(" -m tcp {}--tcp-option {}", not(dice), dice.pick(&["2", "3", "5", "8"])),
        ("132", 0) => {
            let chunks = dice.pick(&["any INIT,DATA", "all INIT", "only DATA", "any ABORT,SHUTDOWN"]);
            format!(" -m sctp {}--chunk-types {chunks}", not(dice))
        }
        ("132", 1) => format!(" -m sctp --dport {}", dice.pick(&PORTS)),
        ("icmp", 0 | 1) => {
            format!(" -m icmp {}--icmp-type {}", not(dice), dice.pick(&["8", "0", "3", "3/3", "11", "any"]))
        }
        _ => String::new(),
    }
}

fn general_match(dice: &mut Dice, table: &str) -> String {
    // The raw table is asked before connection tracking.
    let kinds = if table == "raw" { 9 } else { 18 };
    match dice.below(kinds) {
        0 => {
            format!(" -m length {}--length {}", not(dice), dice.pick(&["0:40", "41:100", "1000:65535", "28", "60:60"]))
        }
        1 => format!(" -m ttl {}", dice.pick(&["--ttl-eq 64", "--ttl-lt 64", "--ttl-gt 63", "! --ttl-eq 63"])),
        2 => format!(" -m mark {}--mark {}", not(dice), dice.pick(&["0x0", "0x1", "0x2/0x3", "0x5"])),
        3 => format!(" -m tos {}--tos {}", not(dice), dice.pick(&["0x10/0x3f", "0x08/0xff", "0x00/0xff"])),
        4 => format!(" -m statistic --mode nth --every {} --packet 0", dice.between(2, 3)),
        5 => format!(" -m dscp {}--dscp {}", not(dice), dice.pick(&["0x00", "0x02", "0x2e"])),
        6 => format!(" -m iprange {}--src-range 192.168.1.10-192.168.1.15", not(dice)),
        7 => format!(" -m addrtype {}--dst-type {}", not(dice), dice.pick(&["LOCAL", "UNICAST"])),
        8 => format!(" -m pkttype {}--pkt-type {}", not(dice), dice.pick(&["unicast", "broadcast"])),
        9 => format!(" -m conntrack {}--ctorigsrc {}", not(dice), dice.pick(&HOSTS)),
        10 => format!(" -m conntrack {}--ctorigdst {}", not(dice), dice.pick(&SERVERS)),
        11 => format!(" -m conntrack {}--ctreplsrc {}", not(dice), dice.pick(&["192.168.1.20", "198.51.100.8"])),
        12 => format!(" -m conntrack {}--ctrepldst {}", not(dice), dice.pick(&["203.0.113.1", "203.0.113.9"])),
        13 => format!(
            " -m conntrack {}--ctstate {}",
            not(dice),
            dice.pick(&[
                "NEW",
                "ESTABLISHED",
                "RELATED,ESTABLISHED",
                "INVALID",
                "UNTRACKED",
                "NEW,INVALID",
                "SNAT",
                "DNAT"
            ])
        ),
        14 => format!(" -m conntrack --ctdir {}", dice.pick(&["ORIGINAL", "REPLY"])),
        15 => format!(
            " -m conntrack {}--ctstatus {}",
            not(dice),
            dice.pick(&["CONFIRMED", "SEEN_REPLY", "ASSURED", "NONE", "SEEN_REPLY,CONFIRMED"])
        ),
        16 => format!(" -m connmark {}--mark {}", not(dice), dice.pick(&["0x0", "0x7", "0x1/0x1"])),
        _ => format!(" -m conntrack --ctproto {}", dice.pick(&["6", "17", "1"])),
    }
}

fn target(dice: &mut Dice, table: &str, chain: &str) -> String {
    let text = match table {
        "mangle" | "filter" if dice.one_in(12) => memory::recording(dice),
        "raw" => dice.pick(&[
            "-j NOTRACK",
            "-j CT --notrack",
            "-j CT --zone 5",
            "-j CT --zone 7",
            "-j CT --zone-orig 5",
            "-j CT --zone-reply 5",
            "-j CT --zone-orig 7",
            "-j CT --zone mark",
            "-j CT --zone-orig mark",
            "-j MARK --set-xmark 0x5/0xffffffff",
            "-j CT --timeout ftcp",
            "-j CT --timeout fudp",
            "-j CT --timeout rest --zone 5",
            "-j ACCEPT",
            "-j DROP",
        ]),
        "mangle" => dice.pick(&[
            "-j MARK --set-xmark 0x1/0xffffffff",
            "-j MARK --set-xmark 0x2/0x3",
            "-j CONNMARK --set-xmark 0x7/0xffffffff",
            "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
            "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff",
            "-j TOS --set-tos 0x10/0xff",
            "-j DSCP --set-dscp 0x2e",
            "-j TCPMSS --set-mss 1000",
            "-j TTL --ttl-set 9",
            "-j TTL --ttl-inc 1",
            "-j TTL --ttl-dec 1",
            "-j DROP",
            "-j ACCEPT",
        ]),
        "nat" => return nat_target(dice, chain),
        _ => dice.pick(&[
            "-j ACCEPT",
            "-j ACCEPT",
            "-j DROP",
            "-j REJECT --reject-with icmp-port-unreachable",
            "-j REJECT --reject-with icmp-host-prohibited",
            "-j REJECT --reject-with icmp-net-unreachable",
            "-j REJECT --reject-with tcp-reset",
            "-j REJECT --reject-with icmp-admin-prohibited",
            "",
        ]),
    };
    let fits = !(text.contains("TTL") && table != "mangle");
    String::from(if fits { text } else { "-j ACCEPT" })
}

fn nat_target(dice: &mut Dice, chain: &str) -> String {
    let text = match chain {
        // Answers of services that are led to services would be answered without end.
        "OUTPUT" => dice.pick(&[
            "-j DNAT --to-destination 192.168.1.20",
            "-j DNAT --to-destination 192.168.1.20:80",
            "-j DNAT --to-destination 198.51.100.8",
            "-j DNAT --to-destination 192.168.1.10-192.168.1.20",
            "-j DNAT --to-destination 198.51.100.8-198.51.100.9 --persistent",
            "-j DNAT --to-destination :81",
            "-j ACCEPT",
        ]),
        "PREROUTING" => dice.pick(&[
            "-j DNAT --to-destination 192.168.1.20",
            "-j DNAT --to-destination 192.168.1.20:80",
            "-j DNAT --to-destination 198.51.100.8",
            "-j DNAT --to-destination 192.168.1.20:5000-5003",
            "-j DNAT --to-destination 192.168.1.10-192.168.1.20",
            "-j REDIRECT",
            "-j REDIRECT --to-ports 53",
            "-j DNAT --to-destination :81",
            "-j ACCEPT",
            "-j DNAT --to-destination 198.51.100.8-198.51.100.9 --persistent",
            "-j DNAT --to-destination 203.0.113.1",
            "-j DNAT --to-destination 192.168.1.20:5000-5003 --random",
            "-j NETMAP --to 192.168.1.0/24",
        ]),
        "POSTROUTING" => dice.pick(&[
            "-j MASQUERADE",
            "-j MASQUERADE",
            "-j MASQUERADE",
            "-j MASQUERADE --to-ports 5000-5002",
            "-j MASQUERADE --random",
            "-j SNAT --to-source 203.0.113.9",
            "-j SNAT --to-source 203.0.113.9-203.0.113.12",
            "-j ACCEPT",
            "-j SNAT --to-source 203.0.113.9:6000-6001",
            "-j SNAT --to-source 203.0.113.9-203.0.113.12 --persistent",
            "-j SNAT --to-source 203.0.113.1 --random-fully",
            "-j MASQUERADE --random-fully",
            "-j SNAT --to-source 203.0.113.1",
            "-j SNAT --to-source 203.0.113.9-203.0.113.12 --random",
            "-j NETMAP --to 203.0.113.0/24",
        ]),
        "INPUT" => dice.pick(&["-j SNAT --to-source 192.168.1.77", "-j ACCEPT"]),
        _ => "-j ACCEPT",
    };
    String::from(text)
}
