//! Translation of connections that FORWARD lets none begin of.

use alloc::{vec, vec::Vec};

use super::{Reader, Remark, built_in, is_drop, may_match, takes_all};
use crate::netfilter::{
    Hook, TableName,
    program::facts::StateSet,
    rule::{Jump, Rule},
    table::Table,
    targets::Target,
};

/// The first rule that gives connections another source, where FORWARD accepts no new one.
pub(super) fn remark(reader: &Reader<'_>) -> Option<Remark> {
    let nat = reader.table(TableName::Nat)?;
    let (chain, translations) = built_in(nat, Hook::Postrouting)?;
    let is_source = |rule: &Rule| matches!(rule.jump, Jump::Target(Target::Snat(_) | Target::Masquerade(_)));
    let index = translations.rules.iter().position(is_source)?;
    let filter = reader.table(TableName::Filter)?;
    let (forward, rules) = built_in(filter, Hook::Forward)?;
    let drops_rest = !rules.policy?.accept || rules.rules.iter().any(|rule| is_drop(rule) && takes_all(rule));
    if !drops_rest || accepts_new(filter, forward) {
        return None;
    }
    Some(Remark::NothingForwarded { translation: reader.info(nat.name, chain, index)? })
}

/// Whether a rule that a chain leads to may accept a packet that begins a connection.
fn accepts_new(table: &Table, chain: usize) -> bool {
    let mut is_known = vec![false; table.chains.len()];
    is_known[chain] = true;
    let mut waiting: Vec<usize> = vec![chain];
    while let Some(chain) = waiting.pop() {
        for rule in table.chains[chain].rules.iter().filter(|rule| may_match(rule, StateSet::NEW)) {
            if rule.jump == Jump::Accept {
                return true;
            }
            let next = rule.jump.chain().and_then(|name| table.find(name));
            if let Some(next) = next.filter(|next| !core::mem::replace(&mut is_known[*next], true)) {
                waiting.push(next);
            }
        }
    }
    false
}
