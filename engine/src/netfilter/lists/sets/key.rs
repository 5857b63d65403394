//! An element of a set: what it consists of, as text in and out.

use alloc::{format, string::String, vec::Vec};
use core::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

use super::{
    icmp,
    kind::{Kind, Part},
    read::is_one_word,
};
use crate::{
    conntrack::{Address, Family},
    limits::SET_EXPANSION_MAX,
    netfilter::{
        ends::{address_bits, masked, prefix_mask},
        save::{names, values},
    },
    wire::Protocol,
};

/// An element. Parts that its kind does not have are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) family: Family,
    pub(super) nets: [Net; 2],
    pub(super) protocol: u8,
    pub(super) port: u16,
    pub(super) interface: String,
    /// The interface is a port of a bridge.
    pub(super) physical: bool,
    pub(super) mac: [u8; 6],
    pub(super) mark: u32,
}

/// An address and how many of its bits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Net {
    pub(super) address: Address,
    pub(super) prefix: u8,
}

impl Net {
    /// One address.
    pub(super) const fn whole(address: Address, family: Family) -> Self {
        Self { address, prefix: address_bits(family) }
    }

    /// The network of that prefix that it lies in.
    pub(super) fn within(self, prefix: u8) -> Self {
        Self { address: masked(self.address, prefix_mask(prefix)), prefix }
    }
}

/// Reads an element, or all that a range in it stands for: at most [`SET_EXPANSION_MAX`].
pub(super) fn parse(kind: Kind, family: Family, text: &str) -> Option<Vec<Key>> {
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() != kind.parts().len() {
        return None;
    }
    let mut keys = alloc::vec![Key { family, ..Key::default() }];
    let mut nets = 0;
    for (part, text) in kind.parts().iter().zip(parts) {
        let choices: Vec<Key> = match part {
            Part::Address => each(addresses(text, family)?, |key, net| key.nets[nets] = net),
            Part::Network => each(networks(text, family, kind.takes_all_addresses())?, |key, net| key.nets[nets] = net),
            Part::Port => {
                each(ports(text, family)?, |key, (protocol, port)| (key.protocol, key.port) = (protocol, port))
            }
            Part::BarePort => {
                let (protocol, text) = without_protocol(text);
                each(bare_ports(text, protocol)?, |key, port| key.port = port)
            }
            Part::Interface => {
                let (name, physical) = match text.strip_prefix("physdev:") {
                    Some(name) => (name, true),
                    None => (text, false),
                };
                let name = Some(name).filter(|name| (1..=15).contains(&name.len()) && is_one_word(name))?;
                let one = Key { interface: name.into(), physical, ..Key::default() };
                alloc::vec![one]
            }
            Part::Mac => alloc::vec![Key { mac: mac(text)?, ..Key::default() }],
            Part::Mark => {
                let mark = values::number(text).and_then(|mark| u32::try_from(mark).ok())?;
                alloc::vec![Key { mark, ..Key::default() }]
            }
        };
        if keys.len().saturating_mul(choices.len()) > SET_EXPANSION_MAX {
            return None;
        }
        keys = keys.iter().flat_map(|key| choices.iter().map(|choice| key.merged(choice, *part, nets))).collect();
        nets += usize::from(matches!(part, Part::Address | Part::Network));
    }
    Some(keys)
}

fn each<T>(values: Vec<T>, put: impl Fn(&mut Key, T)) -> Vec<Key> {
    let make = |value| {
        let mut key = Key::default();
        put(&mut key, value);
        key
    };
    values.into_iter().map(make).collect()
}

impl Key {
    fn merged(&self, other: &Self, part: Part, net: usize) -> Self {
        let mut key = self.clone();
        match part {
            Part::Address | Part::Network => key.nets[net] = other.nets[net],
            Part::Port | Part::BarePort => (key.protocol, key.port) = (other.protocol, other.port),
            Part::Interface => (key.interface, key.physical) = (other.interface.clone(), other.physical),
            Part::Mac => key.mac = other.mac,
            Part::Mark => key.mark = other.mark,
        }
        key
    }

    /// Writes it as `ipset save` does.
    pub(super) fn print(&self, kind: Kind, out: &mut String) {
        let mut nets = self.nets.iter();
        for (index, part) in kind.parts().iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            // Writing to a String cannot fail.
            let _ = match part {
                Part::Address | Part::Network => match nets.next() {
                    Some(net) if net.prefix == address_bits(self.family) => {
                        write!(out, "{}", net.address.to_ip(self.family))
                    }
                    Some(net) => write!(out, "{}/{}", net.address.to_ip(self.family), net.prefix),
                    None => Ok(()),
                },
                Part::Port => write!(out, "{}", self.port_text()),
                Part::BarePort => write!(out, "{}", self.port),
                Part::Interface => write!(out, "{}{}", if self.physical { "physdev:" } else { "" }, self.interface),
                Part::Mac => {
                    let [a, b, c, d, e, f] = self.mac;
                    write!(out, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}")
                }
                Part::Mark => write!(out, "{:#010x}", self.mark),
            };
        }
    }

    fn port_text(&self) -> String {
        let name = names::protocol_name(self.protocol).map_or_else(|| format!("{}", self.protocol), String::from);
        match icmp::family_of(Protocol(self.protocol)) {
            Some(of) => format!("{name}:{}", icmp::print(of, self.port)),
            None => format!("{name}:{}", self.port),
        }
    }
}

/// `A`, `A/prefix` (all of them) or `A-B`.
fn addresses(text: &str, family: Family) -> Option<Vec<Net>> {
    if let Some((first, last)) = ends(text) {
        return numbered(first?, last?);
    }
    match split(text, '/') {
        Some((address, prefix)) if family == Family::Ipv4 => {
            let mask =
                prefix_of(prefix, family).map(|prefix| u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0))?;
            let first = values::ipv4(bare(address))?.to_bits() & mask;
            numbered(first, first | !mask)
        }
        Some((address, prefix)) => (prefix_of(prefix, family)? == address_bits(family))
            .then(|| address_of(address, family))?
            .map(|net| alloc::vec![net]),
        None => address_of(text, family).map(|net| alloc::vec![net]),
    }
}

/// The ends of a range `A-B`, the lower one first, as far as they are addresses; `None`: it is no range.
fn ends(text: &str) -> Option<(Option<u32>, Option<u32>)> {
    let (one, other) = split(text, '-')?;
    let [one, other] = [one, other].map(|text| values::ipv4(bare(text)).map(Ipv4Addr::to_bits));
    Some((one.min(other), one.max(other)))
}

/// What stands before and behind a letter that is not in brackets.
fn split(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut inside = false;
    let at = text.find(|letter| {
        inside = letter == '[' || inside && letter != ']';
        letter == separator && !inside
    })?;
    Some((&text[..at], &text[at + separator.len_utf8()..]))
}

/// A word without the brackets that it may stand in.
fn bare(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

fn numbered(first: u32, last: u32) -> Option<Vec<Net>> {
    let count = usize::try_from(last.checked_sub(first)?).ok()?;
    let net = |bits: u32| Net::whole(Address::v4(Ipv4Addr::from_bits(bits).octets()), Family::Ipv4);
    (count < SET_EXPANSION_MAX).then(|| (first..=last).map(net).collect())
}

/// `A`, `A/prefix`, or the networks that `A-B` consists of; all addresses only where `all` says so, and never as a range.
fn networks(text: &str, family: Family, all: bool) -> Option<Vec<Net>> {
    if let Some((first, last)) = ends(text) {
        let (first, last) = (first?, last?);
        return ((first, last) != (0, u32::MAX)).then(|| cover(first, last));
    }
    let (address, prefix) = match split(text, '/') {
        Some((address, prefix)) => (address, prefix_of(prefix, family)?),
        None => (text, address_bits(family)),
    };
    (prefix > 0 || all).then_some(())?;
    Some(alloc::vec![address_of(address, family)?.within(prefix)])
}

/// The fewest networks that a range consists of, in order.
fn cover(first: u32, last: u32) -> Vec<Net> {
    let mut nets = Vec::new();
    let mut next = Some(first);
    while let Some(start) = next.filter(|start| *start <= last) {
        let mut size = start.trailing_zeros().min(32);
        while size > 0 && u64::from(start) + (1 << size) - 1 > u64::from(last) {
            size -= 1;
        }
        nets.push(Net { address: Address::v4(Ipv4Addr::from_bits(start).octets()), prefix: 32 - size as u8 });
        next = u32::try_from(u64::from(start) + (1 << size)).ok();
    }
    nets
}

fn address_of(text: &str, family: Family) -> Option<Net> {
    let address: IpAddr = match family {
        Family::Ipv4 => values::ipv4(bare(text))?.into(),
        Family::Ipv6 => bare(text).parse::<Ipv6Addr>().ok()?.into(),
    };
    Some(Net::whole(Address::from(address), family))
}

fn prefix_of(text: &str, family: Family) -> Option<u8> {
    values::number(text).and_then(|prefix| u8::try_from(prefix).ok()).filter(|prefix| *prefix <= address_bits(family))
}

/// `[protocol:]port[-port]`, or `icmp:type/code` and `icmp:name` (for IPv6 `icmpv6:…`); without a protocol TCP.
fn ports(text: &str, family: Family) -> Option<Vec<(u8, u16)>> {
    let (protocol, text) = text.split_once(':').unwrap_or(("tcp", text));
    let protocol = match values::number(protocol) {
        Some(number) => u8::try_from(number).ok()?,
        None => names::protocol(&protocol.to_ascii_lowercase())?,
    };
    // Zero stands for no protocol.
    (protocol > 0).then_some(())?;
    if let Some(of) = icmp::family_of(Protocol(protocol)) {
        let type_and_code = (of == family).then(|| icmp::parse(of, text)).flatten()?;
        return Some(alloc::vec![(protocol, type_and_code)]);
    }
    match Protocol(protocol) {
        Protocol::TCP | Protocol::UDP | Protocol::SCTP | Protocol(136) => {
            Some(bare_ports(text, Protocol(protocol))?.into_iter().map(|port| (protocol, port)).collect())
        }
        // Other protocols have no ports.
        _ => (text == "0").then(|| alloc::vec![(protocol, 0)]),
    }
}

/// The ports of an element that keeps no protocol: the tool takes one there, whose services are named, and forgets it.
fn without_protocol(text: &str) -> (Protocol, &str) {
    let udp = text.strip_prefix("udp:").map(|text| (Protocol::UDP, text));
    udp.unwrap_or((Protocol::TCP, text.strip_prefix("tcp:").unwrap_or(text)))
}

/// `port` or `port-port`, the lower one first or last, with the names of the protocol's services.
fn bare_ports(text: &str, protocol: Protocol) -> Option<Vec<u16>> {
    let port = |text| values::port(bare(text), Some(protocol));
    let found = match split(text, '-') {
        Some((one, other)) => port(one).zip(port(other)),
        None => port(text).map(|port| (port, port)),
    };
    found.map(|(one, other)| (one.min(other)..=one.max(other)).collect())
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        // `from_str_radix` takes a sign.
        let is_digits = |part: &&str| part.bytes().all(|digit| digit.is_ascii_hexdigit());
        let part = parts.next().filter(|part| (1..=2).contains(&part.len())).filter(is_digits)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(kind: &str, text: &str) -> Option<Vec<String>> {
        texts_of(Family::Ipv4, kind, text)
    }

    fn texts_of(family: Family, kind: &str, text: &str) -> Option<Vec<String>> {
        let kind = Kind::find(kind).expect("known");
        let keys = parse(kind, family, text)?;
        let print = |key: &Key| {
            let mut out = String::new();
            key.print(kind, &mut out);
            out
        };
        Some(keys.iter().map(print).collect())
    }

    #[test]
    fn ranges_stand_for_all_that_they_hold() {
        let all = |texts: &[&str]| Some(texts.iter().map(|text| String::from(*text)).collect::<Vec<_>>());
        assert_eq!(texts("hash:ip", "10.0.0.0/31"), all(&["10.0.0.0", "10.0.0.1"]));
        assert_eq!(texts("hash:net", "1.2.3.4-1.2.3.9"), all(&["1.2.3.4/30", "1.2.3.8/31"]));
        assert_eq!(texts("hash:ip", "10.0.0.3-10.0.0.2"), all(&["10.0.0.2", "10.0.0.3"]));
        assert_eq!(texts("hash:ip,port", "1.2.3.4,udp:6-5"), all(&["1.2.3.4,udp:5", "1.2.3.4,udp:6"]));
        assert_eq!(texts("hash:ip,port", "1.2.3.4,udp:5-6"), all(&["1.2.3.4,udp:5", "1.2.3.4,udp:6"]));
        assert_eq!(texts("hash:ip,port,net", "1.2.3.4,80,5.6.7.8/16"), all(&["1.2.3.4,tcp:80,5.6.0.0/16"]));
        assert_eq!(texts("hash:ip", "10.0.0.0/1"), None);
        assert_eq!(texts("hash:ip,port", "1.2.3.4"), None);
    }

    /// As ipset 7.17 takes and refuses them.
    #[test]
    fn all_addresses_are_a_network_of_few_kinds_and_no_range_and_zero_is_no_protocol() {
        for text in ["0.0.0.0/0", "0.0.0.0-255.255.255.255"] {
            assert_eq!(texts("hash:net", text), None, "{text}");
        }
        assert_eq!(texts("hash:ip,port,net", "1.1.1.1,80,0.0.0.0/0"), None);
        assert!(texts("hash:net,iface", "0.0.0.0/0,eth0").is_some());
        assert_eq!(texts("hash:net,iface", "0.0.0.0-255.255.255.255,eth0"), None);
        assert!(texts("hash:net,port,net", "0.0.0.0/0,80,0.0.0.0/0").is_some());
        assert_eq!(texts_of(Family::Ipv6, "hash:net", "::/0"), None);
        assert_eq!(texts("hash:ip,port", "1.1.1.1,0:0"), None);
        assert!(texts("hash:ip,port", "1.1.1.1,tcp:0").is_some());
    }

    /// As ipset 7.17 takes and refuses them.
    #[test]
    fn addresses_may_be_octal_and_of_fewer_numbers() {
        for (text, address) in [
            ("010.1.1.1", "8.1.1.1"),
            ("1.1", "1.0.0.1"),
            ("1.1.1", "1.1.0.1"),
            ("256", "0.0.1.0"),
            ("1.256", "1.0.1.0"),
            ("167772161", "10.0.0.1"),
            ("0", "0.0.0.0"),
        ] {
            assert_eq!(texts("hash:ip", text), Some(alloc::vec![String::from(address)]), "{text}");
        }
        assert_eq!(texts("hash:net", "1.1/16"), Some(alloc::vec![String::from("1.0.0.0/16")]));
        assert_eq!(texts("hash:ip", "1.1-1.3").map(|all| all.len()), Some(3));
        for text in
            ["0x0a.1.1.1", "08.1.1.1", "1.1.1.0x10", "1.1.1.256", "256.1", "1.1.1.1.1", "1..1", "+1.1", "4294967296"]
        {
            assert_eq!(texts("hash:ip", text), None, "{text}");
        }
    }

    /// As ipset 7.17 takes and refuses them.
    #[test]
    fn services_are_those_of_the_protocol() {
        for text in ["udp:tftp", "finger", "sctp:amqp", "tcp:ftp-telnet"] {
            assert!(texts("hash:ip,port", &format!("1.2.3.4,{text}")).is_some(), "{text}");
        }
        for text in ["tftp", "tcp:tftp", "udp:finger", "sctp:finger", "udplite:finger"] {
            assert_eq!(texts("hash:ip,port", &format!("1.2.3.4,{text}")), None, "{text}");
        }
        assert!(texts("bitmap:port", "udp:tftp").is_some() && texts("bitmap:port", "tftp").is_none());
    }

    /// As ipset 7.17 takes and refuses them.
    #[test]
    fn brackets_hold_addresses_and_names_together() {
        let one = |text: &str| Some(alloc::vec![String::from(text)]);
        assert_eq!(texts_of(Family::Ipv6, "hash:ip,port", "[::1],udp:5"), one("::1,udp:5"));
        assert_eq!(texts_of(Family::Ipv6, "hash:net", "[2001:db8::]/32"), one("2001:db8::/32"));
        assert_eq!(texts("hash:ip", "[1.2.3.4]"), one("1.2.3.4"));
        assert_eq!(texts("hash:net", "[10.0.0.0]-[10.0.0.255]"), one("10.0.0.0/24"));
        assert_eq!(texts("hash:ip,port", "1.1.1.1,tcp:[ftp-data]"), one("1.1.1.1,tcp:20"));
        for text in ["1.1.1.1,tcp:ftp-data", "1.1.1.1,[tcp]:5", "[1.1.1.1,80", "1.1.1.1],80"] {
            assert_eq!(texts("hash:ip,port", text), None, "{text}");
        }
        assert_eq!(texts("hash:ip", "[10.0.1.0/31]"), None);
    }

    #[test]
    fn numbers_have_no_sign_and_a_protocol_stands_once() {
        for (kind, text) in [
            ("hash:net", "10.0.0.0/+8"),
            ("hash:net", "10.0.0.0/08"),
            ("hash:ip", "10.0.0.0/+31"),
            ("hash:mac", "+1:02:03:04:05:06"),
            ("hash:ip,port", "1.1.1.1,tcp:udp:80"),
            ("hash:ip,port", "1.1.1.1,udp:udp:80"),
            ("bitmap:port", "tcp:udp:80"),
        ] {
            assert_eq!(texts(kind, text), None, "{text}");
        }
        let one = |text: &str| Some(alloc::vec![String::from(text)]);
        assert_eq!(texts("hash:net", "10.0.0.0/010"), one("10.0.0.0/8"), "octal, as ipset 7.17 reads it");
        assert_eq!(texts("hash:mac", "1:02:03:04:05:06"), one("01:02:03:04:05:06"));
        assert_eq!(texts("bitmap:port", "udp:80"), one("80"));
    }

    #[test]
    fn names_of_interfaces_are_one_word_as_they_stand() {
        for name in ["eth 0", "eth\t0", "eth\"0", "eth\u{1}0", "eth0\u{a0}"] {
            assert_eq!(texts("hash:net,iface", &format!("10.0.0.0/8,{name}")), None, "{name:?}");
            assert_eq!(texts("hash:net,iface", &format!("10.0.0.0/8,physdev:{name}")), None, "{name:?}");
        }
        assert!(texts("hash:net,iface", "10.0.0.0/8,e'0").is_some());
    }

    #[test]
    fn icmp_types_have_names() {
        let one = |text: &str| Some(alloc::vec![String::from(text)]);
        assert_eq!(texts("hash:ip,port", "1.2.3.4,icmp:8/0"), one("1.2.3.4,icmp:echo-request"));
        assert_eq!(texts("hash:ip,port", "1.2.3.4,icmp:host-unreachable"), one("1.2.3.4,icmp:host-unreachable"));
        assert_eq!(texts("hash:ip,port", "1.2.3.4,vrrp:0"), one("1.2.3.4,vrrp:0"));
        assert_eq!(texts("hash:ip,port", "1.2.3.4,icmpv6:echo-request"), None, "sets of IPv4 know no ICMPv6");
        let of_v6 = |text: &str| texts_of(Family::Ipv6, "hash:ip,port", text);
        assert_eq!(of_v6("2001:db8::7,icmpv6:echo-request"), one("2001:db8::7,ipv6-icmp:echo-request"));
        assert_eq!(of_v6("2001:db8::7,58:128/0"), one("2001:db8::7,ipv6-icmp:echo-request"));
        assert_eq!(of_v6("2001:db8::7,icmpv6:8/0"), one("2001:db8::7,ipv6-icmp:8/0"));
        assert_eq!(of_v6("2001:db8::7,icmp:echo-request"), None, "nor those of IPv6 ICMP");
    }
}
