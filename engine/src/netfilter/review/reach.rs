//! Rules and chains that no packet gets to.

use alloc::{vec, vec::Vec};

use super::{
    Reader, Remark,
    cover::{complement, covers},
    name_of, takes_all,
};
use crate::{
    limits::REVIEW_RULES_BACK_MAX,
    netfilter::{
        rule::{Jump, Rule},
        table::{Chain, Table},
        targets::Target,
    },
};

/// What no packet of a table gets to.
pub(super) fn remarks(reader: &Reader<'_>, table: &Table) -> Vec<Remark> {
    let deciding = deciding(table);
    let packet_stays = !table.chains.iter().flat_map(|chain| &chain.rules).any(changes_packet);
    let mut remarks = unused(reader, table);
    for (at, chain) in table.chains.iter().enumerate() {
        remarks.extend(in_chain(reader, table, at, chain, &deciding, packet_stays));
    }
    remarks
}

fn in_chain(
    reader: &Reader<'_>,
    table: &Table,
    at: usize,
    chain: &Chain,
    deciding: &[bool],
    packet_stays: bool,
) -> Vec<Remark> {
    let mut remarks = Vec::new();
    // Earlier rules behind which no packet goes that they match.
    let mut ends: Vec<usize> = Vec::new();
    for (index, rule) in chain.rules.iter().enumerate() {
        let recent = ends.iter().rev().take(REVIEW_RULES_BACK_MAX);
        let shadow = recent.copied().find(|earlier| covers(&chain.rules[*earlier], rule, packet_stays));
        if let Some(earlier) = shadow {
            let is_all = takes_all(&chain.rules[earlier]);
            if let Some((rule, by)) = reader.info(table.name, at, index).zip(reader.info(table.name, at, earlier)) {
                let count = chain.rules.len() - index;
                remarks.push(if is_all {
                    Remark::Unreachable { rule, count, by }
                } else {
                    Remark::Shadowed { rule, by }
                });
            }
            if is_all {
                break;
            }
            continue;
        }
        if !is_end(table, rule, deciding) {
            continue;
        }
        let recent = ends.iter().rev().take(REVIEW_RULES_BACK_MAX);
        let other = recent.copied().find(|earlier| complement(&chain.rules[*earlier], rule));
        let info = |index| reader.info(table.name, at, index);
        if let Some(((first, second), rule)) = other.and_then(|other| info(other).zip(info(index)).zip(info(index + 1)))
        {
            remarks.push(Remark::NothingLeft { rule, count: chain.rules.len() - index - 1, by: [first, second] });
            break;
        }
        ends.push(index);
    }
    remarks
}

/// Whether a packet that matches the rule never gets to the next one.
fn is_end(table: &Table, rule: &Rule, deciding: &[bool]) -> bool {
    match &rule.jump {
        Jump::Accept | Jump::Drop | Jump::Return | Jump::Goto(_) => true,
        Jump::Chain(name) => table.find(name).is_some_and(|chain| deciding[chain]),
        Jump::Target(target) => is_final(target),
        Jump::Nothing => false,
    }
}

/// Whether the target ends the walk of its table.
fn is_final(target: &Target) -> bool {
    matches!(
        target,
        Target::Reject(_)
            | Target::Snat(_)
            | Target::Dnat(_)
            | Target::Masquerade(_)
            | Target::Redirect(_)
            | Target::Netmap(_)
    )
}

/// Whether a rule lets the packet go on with other bytes, marks or states, so that what it was before says nothing.
fn changes_packet(rule: &Rule) -> bool {
    match &rule.jump {
        Jump::Target(Target::Log(_) | Target::Nflog(_) | Target::Audit(_)) => false,
        Jump::Target(target) => !is_final(target),
        Jump::Nothing | Jump::Accept | Jump::Drop | Jump::Return | Jump::Chain(_) | Jump::Goto(_) => false,
    }
}

/// For each chain, whether every packet that enters it ends there: none comes back to the chain before.
fn deciding(table: &Table) -> Vec<bool> {
    let mut deciding = vec![false; table.chains.len()];
    // What a chain decides depends on the chains it leads to. Each round finds more of them; none that it finds is wrong.
    for _ in 0..ROUNDS_MAX {
        let next: Vec<bool> = table.chains.iter().map(|chain| decides(table, chain, &deciding)).collect();
        if next == deciding {
            break;
        }
        deciding = next;
    }
    deciding
}

/// How many chains deep a decision is looked for.
const ROUNDS_MAX: usize = 32;

fn decides(table: &Table, chain: &Chain, deciding: &[bool]) -> bool {
    let leads_to_decision = |name: &str| table.find(name).is_some_and(|chain| deciding[chain]);
    for rule in &chain.rules {
        match &rule.jump {
            Jump::Return => return false,
            Jump::Goto(name) if !leads_to_decision(name) => return false,
            Jump::Accept | Jump::Drop | Jump::Goto(_) if takes_all(rule) => return true,
            Jump::Chain(name) if takes_all(rule) && leads_to_decision(name) => return true,
            Jump::Target(target) if takes_all(rule) && is_final(target) => return true,
            Jump::Accept | Jump::Drop | Jump::Goto(_) | Jump::Chain(_) | Jump::Target(_) | Jump::Nothing => {}
        }
    }
    false
}

/// User chains to which no built-in chain leads.
fn unused(reader: &Reader<'_>, table: &Table) -> Vec<Remark> {
    let mut is_used: Vec<bool> = table.chains.iter().map(|chain| chain.policy.is_some()).collect();
    let mut waiting: Vec<usize> = (0..is_used.len()).filter(|chain| is_used[*chain]).collect();
    while let Some(chain) = waiting.pop() {
        let next = table.chains[chain].rules.iter().filter_map(|rule| table.find(rule.jump.chain()?));
        for chain in next {
            if !core::mem::replace(&mut is_used[chain], true) {
                waiting.push(chain);
            }
        }
    }
    let unused = table.chains.iter().enumerate().filter(|(at, _)| !is_used[*at]);
    unused
        .map(|(at, chain)| Remark::Unused {
            table: table.name,
            chain: name_of(chain),
            rule: reader.info(table.name, at, 0).filter(|_| !chain.rules.is_empty()),
        })
        .collect()
}
