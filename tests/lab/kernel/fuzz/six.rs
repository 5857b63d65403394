//! Rules of IPv4 as IPv6 writes them.

/// The rule for the other family: the same matches on the addresses of [`super::craft::address`], and what answers to those
/// of IPv4 alone.
pub(super) fn rule(v4: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in v4.split(' ') {
        let before = words.last().map(String::as_str);
        let made = match (before, word) {
            (Some("-p"), "icmp") => String::from("ipv6-icmp"),
            (Some("-m"), "icmp") => String::from("icmp6"),
            (Some("-m"), "ttl") => String::from("hl"),
            (Some("-j"), "TTL") => String::from("HL"),
            (Some("--ctproto"), "1") => String::from("58"),
            (Some("--icmpv6-type"), kind) => named(&ICMP_TYPES, kind),
            (Some("--reject-with"), with) => named(&REJECTS, with),
            (_, "--icmp-type") => String::from("--icmpv6-type"),
            (Some("--to-destination" | "--to-source"), to) => endpoint(to),
            (_, option) if option.starts_with("--ttl-") => option.replace("--ttl-", "--hl-"),
            (_, word) => addresses(word),
        };
        words.push(made);
    }
    words.join(" ")
}

/// A command that makes a set or a timeout policy, for the other family.
pub(super) fn command(v4: &str) -> String {
    let words = addresses(v4);
    let words = words.split(' ').map(|word| if word == "inet" { "inet6" } else { word });
    words.collect::<Vec<&str>>().join(" ")
}

fn named(table: &[(&str, &str)], v4: &str) -> String {
    String::from(table.iter().find(|(known, _)| *known == v4).map_or(v4, |(_, v6)| *v6))
}

/// An address or range with its ports: IPv6 puts it into brackets then.
fn endpoint(v4: &str) -> String {
    match v4.split_once(':') {
        Some(("", _)) | None => addresses(v4),
        Some((address, ports)) => format!("[{}]:{ports}", addresses(address)),
    }
}

fn addresses(v4: &str) -> String {
    ADDRESSES.iter().fold(String::from(v4), |text, (v4, v6)| text.replace(v4, v6))
}

/// Networks before addresses.
const ADDRESSES: [(&str, &str); 6] = [
    ("192.168.1.0/24", "fd00:1::/64"),
    ("203.0.113.0/24", "2001:db8:1::/64"),
    ("198.51.100.0/28", "2001:db8:2::/124"),
    ("192.168.1.", "fd00:1::"),
    ("203.0.113.", "2001:db8:1::"),
    ("198.51.100.", "2001:db8:2::"),
];

const ICMP_TYPES: [(&str, &str); 6] =
    [("8", "128"), ("0", "129"), ("3", "1"), ("3/3", "1/4"), ("11", "3"), ("any", "2")];

const REJECTS: [(&str, &str); 4] = [
    ("icmp-port-unreachable", "icmp6-port-unreachable"),
    ("icmp-host-prohibited", "icmp6-adm-prohibited"),
    ("icmp-net-unreachable", "icmp6-no-route"),
    ("icmp-admin-prohibited", "icmp6-policy-fail"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_the_same_in_the_other_family() {
        let pairs = [
            (
                "-A FORWARD ! -s 192.168.1.0/24 -p icmp -m icmp --icmp-type 3/3 -m ttl ! --ttl-eq 63 -j DROP",
                "-A FORWARD ! -s fd00:1::/64 -p ipv6-icmp -m icmp6 --icmpv6-type 1/4 -m hl ! --hl-eq 63 -j DROP",
            ),
            (
                "-A PREROUTING -j DNAT --to-destination 192.168.1.20:5000-5003",
                "-A PREROUTING -j DNAT --to-destination [fd00:1::20]:5000-5003",
            ),
            ("-A PREROUTING -j DNAT --to-destination :81", "-A PREROUTING -j DNAT --to-destination :81"),
            ("-A FORWARD -j REJECT --reject-with tcp-reset", "-A FORWARD -j REJECT --reject-with tcp-reset"),
            ("-A POSTROUTING -j TTL --ttl-inc 1", "-A POSTROUTING -j HL --hl-inc 1"),
        ];
        assert_eq!(
            command("ipset create a hash:ip family inet counters"),
            "ipset create a hash:ip family inet6 counters"
        );
        assert_eq!(command("ipset add a 198.51.100.7,tcp:80"), "ipset add a 2001:db8:2::7,tcp:80");
        assert_eq!(command("nfct add timeout a inet tcp close 7"), "nfct add timeout a inet6 tcp close 7");
        for (v4, v6) in pairs {
            assert_eq!(rule(v4), v6);
        }
    }
}
