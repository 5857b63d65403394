//! Packets that are let through while no rule lets their answers through.
//!
//! In FORWARD both directions of a connection show the same two ends: a source is translated behind it, a destination
//! before it. So the answer to what a rule accepts comes in where that goes out, and from where that goes to.

use alloc::{vec, vec::Vec};

use super::{Reader, Remark, built_in, cover::are_disjoint, is_drop, may_match, takes_all};
use crate::{
    netfilter::{
        Hook, TableName,
        header::{Header, Interface, Not},
        program::facts::StateSet,
        rule::{Jump, Rule},
        table::{Chain, Table},
    },
    wire::Protocol,
};

/// Where packets pass and where their answers do.
const WAYS: [(Hook, Hook); 3] =
    [(Hook::Forward, Hook::Forward), (Hook::Input, Hook::Output), (Hook::Output, Hook::Input)];

/// What the filter table accepts without accepting the answers; for each chain the first such rule.
pub(super) fn remarks(reader: &Reader<'_>) -> Vec<Remark> {
    let Some(table) = reader.table(TableName::Filter) else { return Vec::new() };
    WAYS.iter().filter_map(|(hook, answers)| remark(reader, table, *hook, *answers)).collect()
}

fn remark(reader: &Reader<'_>, table: &Table, hook: Hook, answers: Hook) -> Option<Remark> {
    let ((_, chain), (_, back)) = (built_in(table, hook)?, built_in(table, answers)?);
    if !is_closed(back) {
        return None;
    }
    let let_back: Vec<&Rule> = accepting(table, answers)
        .into_iter()
        .map(|(_, _, rule)| rule)
        .filter(|rule| may_match(rule, StateSet::ESTABLISHED))
        .collect();
    let is_answered = |header: &Header| {
        let wanted = reversed(header);
        let_back.iter().any(|rule| !are_disjoint(&wanted, &rule.header))
    };
    let told = accepting(table, hook)
        .into_iter()
        .find(|(_, _, rule)| starts_connections(rule) && !is_answered(&rule.header))
        .map(|(chain, index, _)| reader.info(table.name, chain, index));
    match told {
        Some(rule) => Some(Remark::Unanswered { rule, hook, answers }),
        None if !is_closed(chain) && !is_answered(&Header::default()) => {
            Some(Remark::Unanswered { rule: None, hook, answers })
        }
        None => None,
    }
}

/// Whether what no rule accepts is dropped at the end.
pub(super) fn is_closed(chain: &Chain) -> bool {
    let ends_with_drop = chain.rules.iter().any(|rule| is_drop(rule) && takes_all(rule));
    ends_with_drop || chain.policy.is_some_and(|policy| !policy.accept)
}

/// The accepting rules of a built-in chain and of the chains it leads to, with chain and index.
pub(super) fn accepting(table: &Table, hook: Hook) -> Vec<(usize, usize, &Rule)> {
    let mut found = reachable(table, hook);
    found.retain(|(_, _, rule)| rule.jump == Jump::Accept);
    found
}

/// The rules of a built-in chain and of the chains it leads to, with chain and index, up to one of each that takes every packet.
pub(super) fn reachable(table: &Table, hook: Hook) -> Vec<(usize, usize, &Rule)> {
    let Some((first, _)) = built_in(table, hook) else { return Vec::new() };
    let mut found = Vec::new();
    let mut chains = vec![first];
    let mut is_seen = vec![false; table.chains.len()];
    let mut next = 0;
    while let Some(&at) = chains.get(next) {
        next += 1;
        for (index, rule) in table.chains[at].rules.iter().enumerate() {
            found.push((at, index, rule));
            if takes_all(rule) && (is_drop(rule) || rule.jump == Jump::Accept) {
                break;
            }
            if let Some(chain) = rule.jump.chain().and_then(|name| table.find(name))
                && !core::mem::replace(&mut is_seen[chain], true)
            {
                chains.push(chain);
            }
        }
    }
    found
}

/// Whether a rule is there for connections that begin, of a protocol whose packets are answered.
fn starts_connections(rule: &Rule) -> bool {
    let is_answered = rule.header.only_protocol().is_none_or(|protocol| matches!(protocol, Protocol::TCP));
    is_answered && may_match(rule, StateSet::NEW)
}

/// What the answers to a header's packets look like. What comes in by one device goes out by another one, but for the rare way
/// back out of the same: where a rule names one of both only, answers come in by another one, or go out by another one.
fn reversed(header: &Header) -> Header {
    Header {
        source: header.destination,
        destination: header.source,
        input: header.output.clone().or_else(|| other_than(header.input.as_ref())),
        output: header.input.clone().or_else(|| other_than(header.output.as_ref())),
        protocol: header.protocol,
        any_protocol: false,
        fragment: None,
    }
}

/// Any device but the one that is named.
fn other_than(device: Option<&Not<Interface>>) -> Option<Not<Interface>> {
    device.map(|Not { inverted, what }| Not { inverted: !inverted, what: what.clone() })
}
