//! INVALID packets on a translating gateway.
//!
//! They belong to no connection, and so nothing is translated: forwarded, they leave with their private source (Linux
//! v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_inet_fn()` lets packets without a connection pass).

use alloc::{vec, vec::Vec};

use super::{Reader, Remark, built_in, cover::are_disjoint, is_drop, may_match};
use crate::netfilter::{
    Hook, TableName,
    header::Header,
    matches::Fold,
    program::facts::StateSet,
    rule::{Jump, Rule},
    table::Table,
    targets::Target,
};

/// What becomes of INVALID packets in a chain.
#[derive(Clone, Copy)]
enum Fate {
    /// All are dropped.
    Dropped,
    /// Some are accepted, by this rule of this chain.
    Accepted(usize, usize),
    /// They come out at the end.
    Pass,
}

/// The first rule, or the policy, that forwards INVALID packets which a rule of the nat table would translate.
pub(super) fn remark(reader: &Reader<'_>) -> Option<Remark> {
    let nat = reader.table(TableName::Nat)?;
    let (chain, translations) = built_in(nat, Hook::Postrouting)?;
    let is_source = |rule: &Rule| matches!(rule.jump, Jump::Target(Target::Snat(_) | Target::Masquerade(_)));
    let (index, translation) = translations.rules.iter().enumerate().find(|(_, rule)| is_source(rule))?;
    let translated = &translation.header;
    let translation = reader.info(nat.name, chain, index)?;
    let dropped_before = [Hook::Prerouting, Hook::Forward].into_iter().any(|hook| {
        let mangle = reader.table(TableName::Mangle);
        mangle.is_some_and(|table| matches!(fate_at(table, hook, translated), Some(Fate::Dropped)))
    });
    if dropped_before {
        return None;
    }
    let Some(filter) = reader.table(TableName::Filter) else {
        return Some(Remark::Untranslated { rule: None, translation });
    };
    match fate_at(filter, Hook::Forward, translated)? {
        Fate::Dropped => None,
        Fate::Accepted(chain, index) => {
            Some(Remark::Untranslated { rule: reader.info(filter.name, chain, index), translation })
        }
        Fate::Pass => {
            let accepts = built_in(filter, Hook::Forward)?.1.policy?.accept;
            accepts.then_some(Remark::Untranslated { rule: None, translation })
        }
    }
}

fn fate_at(table: &Table, hook: Hook, translated: &Header) -> Option<Fate> {
    let (chain, _) = built_in(table, hook)?;
    Some(Walk { table, translated, known: vec![None; table.chains.len()] }.fate(chain, 0))
}

/// A walk of INVALID packets through a table's chains.
struct Walk<'r> {
    table: &'r Table,
    /// What the rule asks for that would translate them.
    translated: &'r Header,
    /// What has been found out about each chain.
    known: Vec<Option<Fate>>,
}

impl Walk<'_> {
    fn fate(&mut self, chain: usize, depth: usize) -> Fate {
        if let Some(known) = self.known[chain] {
            return known;
        }
        let fate = self.find_fate(chain, depth);
        self.known[chain] = Some(fate);
        fate
    }

    fn find_fate(&mut self, chain: usize, depth: usize) -> Fate {
        let table = self.table;
        for (index, rule) in table.chains[chain].rules.iter().enumerate() {
            if !may_match(rule, StateSet::INVALID) || are_disjoint(&rule.header, self.translated) {
                continue;
            }
            let takes_all = takes_all_invalid(rule);
            match &rule.jump {
                Jump::Accept => return Fate::Accepted(chain, index),
                Jump::Return if takes_all => return Fate::Pass,
                Jump::Chain(name) | Jump::Goto(name) if depth < DEPTH_MAX => {
                    let Some(next) = table.find(name) else { continue };
                    match self.fate(next, depth + 1) {
                        Fate::Accepted(chain, index) => return Fate::Accepted(chain, index),
                        Fate::Dropped if takes_all => return Fate::Dropped,
                        Fate::Pass if takes_all && matches!(rule.jump, Jump::Goto(_)) => return Fate::Pass,
                        Fate::Dropped | Fate::Pass => {}
                    }
                }
                Jump::Drop | Jump::Target(_) if is_drop(rule) && takes_all => return Fate::Dropped,
                Jump::Nothing | Jump::Drop | Jump::Return | Jump::Chain(_) | Jump::Goto(_) | Jump::Target(_) => {}
            }
        }
        Fate::Pass
    }
}

/// How deep chains are followed; what lies deeper is taken to let pass.
const DEPTH_MAX: usize = 64;

/// Whether a rule matches every INVALID packet.
fn takes_all_invalid(rule: &Rule) -> bool {
    rule.header == Header::default()
        && rule.matches.iter().all(|asked| match asked.fold() {
            Fold::Nothing => true,
            Fold::States(states) => states.intersects(StateSet::INVALID),
            Fold::No | Fold::Ports(..) => false,
        })
}
