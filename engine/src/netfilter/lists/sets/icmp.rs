//! Types and codes of ICMP and ICMPv6 as sets name them (ipset 7.17: `lib/icmp.c`, `lib/icmpv6.c`): fewer than rules do, and none
//! without a code.

use alloc::{format, string::String};

use crate::{conntrack::Family, netfilter::save::values, wire::Protocol};

/// A type, a code and what they are called.
type Row = (u8, u8, &'static str);

/// Whose messages a protocol is; `None`: it is neither ICMP nor ICMPv6.
pub(super) fn family_of(protocol: Protocol) -> Option<Family> {
    match protocol {
        Protocol::ICMP => Some(Family::Ipv4),
        Protocol::ICMPV6 => Some(Family::Ipv6),
        _ => None,
    }
}

/// Reads a name or its beginning, of which the first in order counts, or `type/code`.
pub(super) fn parse(family: Family, text: &str) -> Option<u16> {
    let named = names(family).iter().find(|(_, _, name)| values::starts(name, text));
    let (kind, code) = match named {
        Some((kind, code, _)) => (*kind, *code),
        None => {
            let (kind, code) = text.split_once('/')?;
            let byte = |text| values::number(text).and_then(|number| u8::try_from(number).ok());
            (byte(kind)?, byte(code)?)
        }
    };
    Some(u16::from_be_bytes([kind, code]))
}

/// Writes a name, or `type/code`.
pub(super) fn print(family: Family, type_and_code: u16) -> String {
    let [kind, code] = type_and_code.to_be_bytes();
    let named = names(family).iter().find(|(of_kind, of_code, _)| (*of_kind, *of_code) == (kind, code));
    named.map_or_else(|| format!("{kind}/{code}"), |(_, _, name)| String::from(*name))
}

const fn names(family: Family) -> &'static [Row] {
    match family {
        Family::Ipv4 => &ICMP,
        Family::Ipv6 => &ICMPV6,
    }
}

#[rustfmt::skip]
static ICMP: [Row; 34] = [
    (0,  0,  "echo-reply"),
    (0,  0,  "pong"),
    (3,  0,  "network-unreachable"),
    (3,  1,  "host-unreachable"),
    (3,  2,  "protocol-unreachable"),
    (3,  3,  "port-unreachable"),
    (3,  4,  "fragmentation-needed"),
    (3,  5,  "source-route-failed"),
    (3,  6,  "network-unknown"),
    (3,  7,  "host-unknown"),
    (3,  9,  "network-prohibited"),
    (3,  10, "host-prohibited"),
    (3,  11, "TOS-network-unreachable"),
    (3,  12, "TOS-host-unreachable"),
    (3,  13, "communication-prohibited"),
    (3,  14, "host-precedence-violation"),
    (3,  15, "precedence-cutoff"),
    (4,  0,  "source-quench"),
    (5,  0,  "network-redirect"),
    (5,  1,  "host-redirect"),
    (5,  2,  "TOS-network-redirect"),
    (5,  3,  "TOS-host-redirect"),
    (8,  0,  "echo-request"),
    (8,  0,  "ping"),
    (9,  0,  "router-advertisement"),
    (10, 0,  "router-solicitation"),
    (11, 0,  "ttl-zero-during-transit"),
    (11, 1,  "ttl-zero-during-reassembly"),
    (12, 0,  "ip-header-bad"),
    (12, 1,  "required-option-missing"),
    (13, 0,  "timestamp-request"),
    (14, 0,  "timestamp-reply"),
    (17, 0,  "address-mask-request"),
    (18, 0,  "address-mask-reply"),
];

#[rustfmt::skip]
static ICMPV6: [Row; 21] = [
    (1,   0, "no-route"),
    (1,   1, "communication-prohibited"),
    (1,   3, "address-unreachable"),
    (1,   4, "port-unreachable"),
    (2,   0, "packet-too-big"),
    (3,   0, "ttl-zero-during-transit"),
    (3,   1, "ttl-zero-during-reassembly"),
    (4,   0, "bad-header"),
    (4,   1, "unknown-header-type"),
    (4,   2, "unknown-option"),
    (128, 0, "echo-request"),
    (128, 0, "ping"),
    (129, 0, "echo-reply"),
    (129, 0, "pong"),
    (133, 0, "router-solicitation"),
    (134, 0, "router-advertisement"),
    (135, 0, "neighbour-solicitation"),
    // As the tool misspells it, too.
    (135, 0, "neigbour-solicitation"),
    (136, 0, "neighbour-advertisement"),
    (136, 0, "neigbour-advertisement"),
    (137, 0, "redirect"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What ipset 7.17 takes for each, and prints.
    #[test]
    fn each_family_has_names_of_its_own_and_their_beginnings_do() {
        let read = |family, text| parse(family, text).map(|number| print(family, number));
        #[rustfmt::skip]
        let cases = [
            // text                       of ICMP                         of ICMPv6
            ("echo-request",              Some("echo-request"),            Some("echo-request")),
            ("ECHO-REQ",                  Some("echo-request"),            Some("echo-request")),
            ("ping",                      Some("echo-request"),            Some("echo-request")),
            ("p",                         Some("echo-reply"),              Some("port-unreachable")),
            ("tos",                       Some("TOS-network-unreachable"), None),
            ("ttl",                       Some("ttl-zero-during-transit"), Some("ttl-zero-during-transit")),
            ("redirect",                  None,                            Some("redirect")),
            ("neigh",                     None,                            Some("neighbour-solicitation")),
            ("neighbor-solicitation",     None,                            None),
            ("destination-unreachable",   None,                            None),
            ("any",                       None,                            None),
            ("8/0",                       Some("echo-request"),            Some("8/0")),
            ("0x80/0",                    Some("128/0"),                   Some("echo-request")),
            ("4/2",                       Some("4/2"),                     Some("unknown-option")),
            ("5/0",                       Some("network-redirect"),        Some("5/0")),
            ("128",                       None,                            None),
            ("128/300",                   None,                            None),
            ("",                          None,                            None),
        ];
        for (text, v4, v6) in cases {
            assert_eq!(read(Family::Ipv4, text).as_deref(), v4, "{text} of ICMP");
            assert_eq!(read(Family::Ipv6, text).as_deref(), v6, "{text} of ICMPv6");
        }
        assert_eq!(parse(Family::Ipv4, "echo-request"), Some(0x0800));
        assert_eq!(parse(Family::Ipv6, "echo-request"), Some(0x8000));
    }
}
