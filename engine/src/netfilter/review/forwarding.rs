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

/// The first rule that gives connections another source, where FORWARD accepts none that begins or is expected.
pub(super) fn remark(reader: &Reader<'_>) -> Option<Remark> {
    let nat = reader.table(TableName::Nat)?;
    let (chain, translations) = built_in(nat, Hook::Postrouting)?;
    let is_source = |rule: &Rule| matches!(rule.jump, Jump::Target(Target::Snat(_) | Target::Masquerade(_)));
    let index = translations.rules.iter().position(is_source)?;
    let filter = reader.table(TableName::Filter)?;
    let (forward, rules) = built_in(filter, Hook::Forward)?;
    let accepts_rest = rules.policy?.accept;
    // What returns from the built-in chain is what its policy says, and what a goto leads away comes back to that.
    let may_return = |rule: &Rule| matches!(rule.jump, Jump::Return | Jump::Goto(_)) && may_match(rule, BEGINNING);
    let returns = accepts_rest && rules.rules.iter().any(may_return);
    let drops_rest = !accepts_rest || rules.rules.iter().any(|rule| is_drop(rule) && takes_all(rule));
    if !drops_rest || returns || accepts_new(filter, forward) {
        return None;
    }
    Some(Remark::NothingForwarded { translation: reader.info(nat.name, chain, index)? })
}

/// The states of packets that the nat table is asked about.
const BEGINNING: StateSet = StateSet::NEW.or(StateSet::RELATED);

/// Whether a rule that a chain leads to may accept a packet that begins a connection.
fn accepts_new(table: &Table, chain: usize) -> bool {
    let mut is_known = vec![false; table.chains.len()];
    is_known[chain] = true;
    let mut waiting: Vec<usize> = vec![chain];
    while let Some(chain) = waiting.pop() {
        for rule in table.chains[chain].rules.iter().filter(|rule| may_match(rule, BEGINNING)) {
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
