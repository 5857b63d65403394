//! Rules that are right as such, and seldom what somebody meant.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Reader, Remark,
    answers::{accepting, is_closed, reachable},
    built_in,
    cover::are_disjoint,
    is_drop, may_match,
};
use crate::{
    device::Devices,
    netfilter::{
        Hook, TableName,
        header::{Header, Network, Not},
        matches::{Fold, Match},
        program::facts::StateSet,
        rule::{Jump, Rule},
        table::Chain,
        targets::Target,
    },
};

pub(super) fn remarks(reader: &Reader<'_>, devices: &Devices) -> Vec<Remark> {
    let everywhere = masquerades_everywhere(reader);
    let limits = limits_without_drop(reader);
    let falling = falling_ranges(reader);
    let foreign = foreign_sources(reader, devices);
    let unforwarded = not_forwarded(reader, devices);
    everywhere.into_iter().chain(limits).chain(falling).chain(foreign).chain(unforwarded).collect()
}

/// MASQUERADE or SNAT in POSTROUTING itself that asks for nothing: it also translates what goes back inside, and what this host
/// sends to its own networks. In a user chain the way there may have asked.
fn masquerades_everywhere(reader: &Reader<'_>) -> Vec<Remark> {
    let found = reader.table(TableName::Nat).and_then(|table| built_in(table, Hook::Postrouting));
    let Some((at, chain)) = found else { return Vec::new() };
    let asks_nothing = |rule: &Rule| {
        let Header { source, destination, output, .. } = &rule.header;
        let is_open = source.is_none() && destination.is_none() && output.is_none();
        is_open && rule.matches.iter().all(|asked| asked.fold() == Fold::Nothing)
    };
    let rules = chain.rules.iter().enumerate();
    let translates = |rule: &Rule| matches!(rule.jump, Jump::Target(Target::Masquerade(_) | Target::Snat(_)));
    let found = rules.filter(|(_, rule)| translates(rule) && asks_nothing(rule));
    let info = found.filter_map(|(index, _)| reader.info(TableName::Nat, at, index));
    info.map(|rule| Remark::MasqueradesEverywhere { rule }).collect()
}

/// Rules of built-in chains that accept so many packets a time, while nothing behind them drops the rest.
fn limits_without_drop(reader: &Reader<'_>) -> Vec<Remark> {
    let Some(table) = reader.table(TableName::Filter) else { return Vec::new() };
    let mut remarks = Vec::new();
    for (at, chain) in table.chains.iter().enumerate().filter(|(_, chain)| chain.policy.is_some()) {
        for (index, rule) in chain.rules.iter().enumerate() {
            let is_limited = rule.matches.iter().any(is_limit);
            if rule.jump == Jump::Accept && is_limited && !may_drop(chain, index + 1) {
                let info = reader.info(TableName::Filter, at, index);
                remarks.extend(info.map(|rule| Remark::LimitWithoutDrop { rule }));
            }
        }
    }
    remarks
}

/// Whether a match holds for so many packets a time, and for none beyond.
const fn is_limit(asked: &Match) -> bool {
    matches!(asked, Match::Limit(_)) || matches!(asked, Match::Hashlimit(limit) if !limit.is_above())
}

/// Whether anything from a rule on may drop packets: its chain's policy, a rule, or a chain that it leads to.
fn may_drop(chain: &Chain, from: usize) -> bool {
    let by_rule = |rule: &Rule| is_drop(rule) || rule.jump.chain().is_some();
    chain.policy.is_none_or(|policy| !policy.accept) || chain.rules.iter().skip(from).any(by_rule)
}

/// Rules that translate to ranges of addresses that fall, of which Linux chooses as if they went on at the least address behind the
/// greatest (Linux v6.18: `net/netfilter/nf_nat_core.c`, `find_best_ips_proto()`).
fn falling_ranges(reader: &Reader<'_>) -> Vec<Remark> {
    let falls = |rule: &Rule| {
        let Jump::Target(target) = &rule.jump else { return false };
        let range = if let Target::Snat(snat) = target { Some(snat.range()) } else { None };
        let range = if let Target::Dnat(dnat) = target { Some(dnat.range()) } else { range };
        range.and_then(|(range, _)| range.addresses).is_some_and(|(first, last)| first > last)
    };
    let found = reader.all_rules().filter(|(.., rule)| falls(rule));
    let info = found.filter_map(|(table, chain, index, _)| reader.info(table.name, chain, index));
    info.map(|rule| Remark::FallingRange { rule }).collect()
}

/// Rules that give connections a source which is no address of this host: answers find it only where somebody routes them here.
fn foreign_sources(reader: &Reader<'_>, devices: &Devices) -> Vec<Remark> {
    let Some(nat) = reader.table(TableName::Nat) else { return Vec::new() };
    // Of a host without addresses nothing is known.
    if devices.addresses().all(|own| own.address.is_loopback()) {
        return Vec::new();
    }
    let given = |rule: &Rule| {
        let Jump::Target(Target::Snat(snat)) = &rule.jump else { return None };
        let (range, family) = snat.range();
        range.addresses.map(|(first, _)| first.to_ip(family))
    };
    let found = reachable(nat, Hook::Postrouting).into_iter().filter_map(|(at, index, rule)| {
        let address = given(rule).filter(|address| !devices.is_local(*address))?;
        reader.info(nat.name, at, index).map(|rule| Remark::ForeignSource { rule, address })
    });
    found.collect()
}

/// Rules of the nat table that send connections to another host, while FORWARD lets none through to it.
fn not_forwarded(reader: &Reader<'_>, devices: &Devices) -> Vec<Remark> {
    let (Some(nat), Some(filter)) = (reader.table(TableName::Nat), reader.table(TableName::Filter)) else {
        return Vec::new();
    };
    if !built_in(filter, Hook::Forward).is_some_and(|(_, chain)| is_closed(chain)) {
        return Vec::new();
    }
    let mut let_through = accepting(filter, Hook::Forward);
    let_through.retain(|(_, _, rule)| may_match(rule, StateSet::NEW));
    let mut remarks = Vec::new();
    for (at, index, rule) in reachable(nat, Hook::Prerouting) {
        let Some((address, port)) = sent_to(rule).filter(|(address, _)| !devices.is_local(*address)) else { continue };
        let destination = Network::new(address, all_bits(address)).map(|what| Not { inverted: false, what });
        let arrives = Header { destination, output: None, ..rule.header.clone() };
        let is_let_through =
            |asked: &Rule| !are_disjoint(&arrives, &asked.header) && port.is_none_or(|port| may_have_port(asked, port));
        if !let_through.iter().any(|(_, _, asked)| is_let_through(asked)) {
            remarks.extend(reader.info(nat.name, at, index).map(|rule| Remark::NotForwarded { rule, address }));
        }
    }
    remarks
}

/// The mask of a single host of an address's family.
const fn all_bits(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::BROADCAST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    }
}

/// The one host that a rule sends connections to, and the one port, if it names one.
fn sent_to(rule: &Rule) -> Option<(IpAddr, Option<u16>)> {
    let Jump::Target(Target::Dnat(dnat)) = &rule.jump else { return None };
    let (range, family) = dnat.range();
    let (first, last) = range.addresses?;
    let port = range.ports.filter(|(first, last)| first == last && range.base.is_none()).map(|(port, _)| port);
    (first == last).then(|| (first.to_ip(family), port))
}

/// Whether a rule may match packets to a port, as far as its ports tell.
fn may_have_port(rule: &Rule, port: u16) -> bool {
    rule.matches.iter().all(|asked| match asked.fold() {
        Fold::Ports(_, (first, last)) => (first..=last).contains(&port),
        Fold::No | Fold::Nothing | Fold::States(_) => true,
    })
}
