//! `-j SNAT`, `DNAT`, `MASQUERADE`, `REDIRECT`: translations of a connection. They differ in where they stand and in
//! the name of the option; the translation itself is the nat room's.

use alloc::{format, string::String};
use core::net::IpAddr;

use super::{Next, Targeting};
use crate::{
    conntrack::{Address, Family},
    ip::prefix,
    nat::NatRange,
    netfilter::{
        Hook, RuleId, TableName, Verdict, View,
        error::{Fault, Flaw},
        save::{
            options::{Given, Item, Opt, Spec},
            text::Word,
            values,
        },
    },
    wire::Protocol,
};

macro_rules! translation {
    ($(#[doc = $doc:literal])+ $kind:ident, $name:literal, $hooks:expr, $option:literal, $options:expr, $parse:ident, $verdict:ident) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub(in crate::netfilter) struct $kind(NatRange, Family);

        impl Targeting for $kind {
            const SPEC: &'static Spec = &Spec { name: $name, options: $options };
            const TABLES: &'static [TableName] = &[TableName::Nat];
            const HOOKS: &'static [Hook] = $hooks;

            fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
                Ok(Self($parse(given, $option)?, given.family))
            }

            fn print(&self, out: &mut String) {
                print_range(&self.0, $option, self.1, out);
            }

            fn apply(&mut self, rule: RuleId, _: &mut View<'_>) -> Next {
                Next::Done(Verdict::$verdict(self.0, rule))
            }

            fn is_repeatable(&self) -> bool {
                // Asked about first packets only, whose walks are not recorded.
                false
            }
        }
    };
}

translation! {
    /// Another source.
    Snat, "SNAT", &[Hook::Input, Hook::Postrouting], "to-source",
    &[Opt::value(&["to-source"]), Opt::flag(&["random"]), Opt::flag(&["random-fully"]), Opt::flag(&["persistent"])],
    parse_endpoint, Translate
}

impl Snat {
    /// What the source becomes, and of which family that is.
    pub(in crate::netfilter) const fn range(&self) -> (&NatRange, Family) {
        (&self.0, self.1)
    }
}

translation! {
    /// Another destination.
    Dnat, "DNAT", &[Hook::Prerouting, Hook::Output], "to-destination",
    &[Opt::value(&["to-destination"]), Opt::flag(&["random"]), Opt::flag(&["persistent"])],
    parse_endpoint, Translate
}

impl Dnat {
    /// What the destination becomes, and of which family that is.
    pub(in crate::netfilter) const fn range(&self) -> (&NatRange, Family) {
        (&self.0, self.1)
    }
}

translation! {
    /// The source becomes the address of the device that the packet leaves by.
    Masquerade, "MASQUERADE", &[Hook::Postrouting], "to-ports",
    &[Opt::value(&["to-ports"]), Opt::flag(&["random"]), Opt::flag(&["random-fully"])],
    parse_own, Masquerade
}

translation! {
    /// The destination becomes the address of the device that the packet came in by.
    Redirect, "REDIRECT", &[Hook::Prerouting, Hook::Output], "to-ports",
    &[Opt::value(&["to-ports"]), Opt::flag(&["random"])],
    parse_own, Redirect
}

/// Another network, in which each address keeps its place (Linux v6.18: `net/netfilter/xt_NETMAP.c`, `netmap_tg4()`,
/// `netmap_tg6()`).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Netmap {
    /// Zero where the mask is.
    network: IpAddr,
    /// Length of its prefix.
    prefix: u8,
}

impl Targeting for Netmap {
    const SPEC: &'static Spec = &Spec { name: "NETMAP", options: &[Opt::value(&["to"])] };
    const TABLES: &'static [TableName] = &[TableName::Nat];
    const HOOKS: &'static [Hook] = &[Hook::Prerouting, Hook::Input, Hook::Output, Hook::Postrouting];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let word = given.need("to", "`--to NETWORK`")?.value();
        let (address, mask) = match word.text.split_once('/') {
            Some((address, mask)) => (address, values::mask(mask, given.family)),
            None => (word.text.as_str(), Some(values::whole_mask(given.family))),
        };
        let found = values::host(address, given.family).zip(mask.and_then(values::prefix_of));
        let (address, prefix) = found.ok_or_else(|| word.bad("a network such as 10.0.0.0/24 or 2001:db8::/64"))?;
        Ok(Self { network: prefix::network(address, prefix), prefix })
    }

    fn print(&self, out: &mut String) {
        out.push_str(&format!(" --to {}/{}", self.network, self.prefix));
    }

    fn apply(&mut self, rule: RuleId, view: &mut View<'_>) -> Next {
        let Some(ip) = view.packet.ip() else { return Next::Rule };
        let old = match view.hook {
            Hook::Prerouting | Hook::Output => ip.destination(),
            Hook::Input | Hook::Forward | Hook::Postrouting => ip.source(),
        };
        let Some(address) = prefix::moved(old, self.network, self.prefix).map(Address::from) else { return Next::Rule };
        let range = NatRange { addresses: Some((address, address)), ..NatRange::default() };
        Next::Done(Verdict::Translate(range, rule))
    }

    fn is_repeatable(&self) -> bool {
        // Asked about first packets only, whose walks are not recorded.
        false
    }
}

/// Reads `[address[-address]][:port[-port]]` and the flags. Around IPv6 addresses before a port stand brackets.
fn parse_endpoint(given: &Given<'_>, option: &str) -> Result<NatRange, Flaw> {
    let item = given.need(option, "where to: `--to-source` or `--to-destination` with an address or a port")?;
    let word = item.value();
    let (addresses, ports) = split(&word.text, given.family).ok_or_else(|| word.bad(ENDPOINT))?;
    let mut range = parse_flags(given);
    if let Some(ports) = ports {
        need_ports(given, item)?;
        let (ports, base) = parse_ports(ports, word)?;
        if base.is_some() && option != "to-destination" {
            return Err(word.bad(ENDPOINT));
        }
        (range.ports, range.base) = (Some(ports), base);
    }
    if ports.is_none() || !addresses.is_empty() {
        range.addresses = Some(parse_addresses(addresses, given.family).ok_or_else(|| word.bad(ENDPOINT))?);
    }
    Ok(range)
}

/// Reads `--to-ports` and the flags.
fn parse_own(given: &Given<'_>, option: &str) -> Result<NatRange, Flaw> {
    let mut range = parse_flags(given);
    if let Some(item) = given.find(option) {
        need_ports(given, item)?;
        match parse_ports(&item.value().text, item.value())? {
            (ports, None) => range.ports = Some(ports),
            (_, Some(_)) => return Err(item.value().bad(ENDPOINT)),
        }
    }
    Ok(range)
}

fn parse_flags(given: &Given<'_>) -> NatRange {
    NatRange {
        addresses: None,
        ports: None,
        base: None,
        random: given.has("random"),
        random_fully: given.has("random-fully"),
        persistent: given.has("persistent"),
    }
}

/// Addresses and ports of an endpoint (iptables 1.8.9: `extensions/libxt_NAT.c`, `parse_to()`): of one that holds
/// several colons and no brackets, all is an address.
fn split(text: &str, family: Family) -> Option<(&str, Option<&str>)> {
    if let Some(inner) = text.strip_prefix('[').filter(|_| family == Family::Ipv6) {
        let (addresses, rest) = inner.split_once(']')?;
        return match rest {
            "" => Some((addresses, None)),
            ports => Some((addresses, Some(ports.strip_prefix(':')?))),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if family == Family::Ipv6 && rest.contains(':') => Some((text, None)),
        Some((addresses, ports)) => Some((addresses, Some(ports))),
        None => Some((text, None)),
    }
}

fn parse_addresses(text: &str, family: Family) -> Option<(Address, Address)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (values::address(first, family)?, values::address(last, family)?);
    // One that falls holds all addresses but those between, as in Linux.
    Some((Address::from(first), Address::from(last)))
}

/// Reads `port`, `port-port`, rising, or `port-port/base`, which only DNAT understands. A service's name can only stand alone or for
/// the base, as in the tool: it may hold a dash itself.
fn parse_ports(text: &str, word: &Word) -> Result<((u16, u16), Option<u16>), Flaw> {
    let number = |text| values::number(text).and_then(|port| u16::try_from(port).ok());
    let range = text.split_once('-').and_then(|(first, last)| Some((number(first)?, last)));
    let found = match range {
        Some((first, rest)) => {
            let (last, base) = rest.split_once('/').map_or((rest, None), |(last, base)| (last, Some(base)));
            let port = |base| values::port(base, None).filter(|base| *base != 0);
            let base = base.map(|base| port(base).ok_or_else(|| word.bad(ENDPOINT))).transpose()?;
            number(last).map(|last| ((first, last), base))
        }
        None => values::port(text, None).map(|port| ((port, port), None)),
    };
    found.filter(|((first, last), _)| first <= last).ok_or_else(|| word.bad(ENDPOINT))
}

/// Ports exist in some protocols only (iptables 1.8.9: `extensions/libxt_NAT.c`, `__NAT_parse()`).
fn need_ports(given: &Given<'_>, item: &Item) -> Result<(), Flaw> {
    match given.header.protocol {
        Some(protocol) if WITH_PORTS.contains(&protocol.what) => Ok(()),
        Some(_) | None => {
            let needed = "`-p` with tcp, udp, sctp, dccp or icmp to change ports";
            Err(Fault::Needs { what: item.name(), needed }.at(item.column))
        }
    }
}

fn print_range(range: &NatRange, option: &str, family: Family, out: &mut String) {
    let with_address = matches!(option, "to-source" | "to-destination");
    if range.addresses.is_some() || range.ports.is_some() {
        out.push_str(&format!(" --{option} "));
    }
    if let Some((first, last)) = range.addresses {
        let brackets = family == Family::Ipv6 && range.ports.is_some();
        let (open, close) = if brackets { ("[", "]") } else { ("", "") };
        out.push_str(&format!("{open}{}", first.to_ip(family)));
        if first != last {
            out.push_str(&format!("-{}", last.to_ip(family)));
        }
        out.push_str(close);
    }
    if let Some((first, last)) = range.ports {
        let colon = if with_address { ":" } else { "" };
        out.push_str(&format!("{colon}{first}"));
        if first != last {
            out.push_str(&format!("-{last}"));
        }
        if let Some(base) = range.base {
            out.push_str(&format!("/{base}"));
        }
    }
    for (flag, set) in
        [("random", range.random), ("random-fully", range.random_fully), ("persistent", range.persistent)]
    {
        if set {
            out.push_str(&format!(" --{flag}"));
        }
    }
}

const ENDPOINT: &str =
    "`address[-address][:port[-port]]`, IPv6 in brackets before a port, or for `--to-ports` `port[-port]`; ports rise";

const WITH_PORTS: [Protocol; 5] = [Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol(33), Protocol::ICMP];
