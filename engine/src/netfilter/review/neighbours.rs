//! IPv6 hosts that hear no neighbours: without their solicitations and advertisements (RFC 4861) nobody reaches this host, nor this
//! host anybody. Linux sends and takes them through INPUT and OUTPUT as any other packet.

use alloc::vec::Vec;

use super::{
    Reader, Remark,
    answers::{accepting, is_closed},
    built_in,
    cover::are_disjoint,
    may_match,
};
use crate::{
    conntrack::Family,
    netfilter::{
        Hook, TableName,
        header::{Header, Interface, Not},
        matches::Match,
        program::facts::StateSet,
        rule::Rule,
    },
    wire::{Icmpv6Type, Protocol},
};

/// The chains that let no neighbour solicitation or no advertisement through.
pub(super) fn remarks(reader: &Reader<'_>) -> Vec<Remark> {
    let Some(table) = reader.table(TableName::Filter).filter(|_| reader.rules.family() == Family::Ipv6) else {
        return Vec::new();
    };
    let is_deaf = |hook: &Hook| {
        let is_heard = |kind| accepting(table, *hook).iter().any(|(_, _, rule)| takes(rule, kind));
        let is_closed = built_in(table, *hook).is_some_and(|(_, chain)| is_closed(chain));
        is_closed && !(is_heard(Icmpv6Type::NEIGHBOUR_SOLICITATION) && is_heard(Icmpv6Type::NEIGHBOUR_ADVERTISEMENT))
    };
    [Hook::Input, Hook::Output].into_iter().filter(is_deaf).map(|hook| Remark::NoNeighbours { hook }).collect()
}

/// Whether a rule may match such a message of a neighbour. Connection tracking takes them for untracked.
fn takes(rule: &Rule, kind: Icmpv6Type) -> bool {
    let protocol = Some(Not { inverted: false, what: Protocol::ICMPV6 });
    let is_of_type = |asked: &Match| !matches!(asked, Match::Icmp6(asked) if !asked.may_be(kind.0));
    let elsewhere = Some(Not { inverted: true, what: Interface::named("lo") });
    let wanted = Header { protocol, input: elsewhere.clone(), output: elsewhere, ..Header::default() };
    !are_disjoint(&wanted, &rule.header) && may_match(rule, StateSet::UNTRACKED) && rule.matches.iter().all(is_of_type)
}
