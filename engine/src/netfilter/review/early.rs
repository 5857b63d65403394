//! Rules that ask for a connection's state before connection tracking has looked at the packet.
//!
//! Raw comes before connection tracking (Linux v6.18: `include/uapi/linux/netfilter_ipv4.h`, `NF_IP_PRI_RAW`). A packet has no
//! connection there, and that is what INVALID asks for: such a rule takes every packet, and one that asks for another state none.

use alloc::vec::Vec;

use super::{Reader, Remark};
use crate::netfilter::{TableName, matches::Fold, program::facts::StateSet, rule::Rule};

/// The rules of the raw table that ask for a state other than UNTRACKED, which NOTRACK gives there.
pub(super) fn remarks(reader: &Reader<'_>) -> Vec<Remark> {
    let rules = reader.all_rules().filter(|(table, ..)| table.name == TableName::Raw);
    let told = rules.filter_map(|(table, chain, index, rule)| {
        let takes_all = takes_all(rule)?;
        Some(Remark::StateBeforeTracking { rule: reader.info(table.name, chain, index)?, takes_all })
    });
    told.collect()
}

/// Whether the states that a rule asks for are those of every packet; `None`: it asks for none, or for one that it may find.
fn takes_all(rule: &Rule) -> Option<bool> {
    let asked = rule.matches.iter().find_map(|asked| match asked.fold() {
        Fold::States(states) => Some(states),
        Fold::No | Fold::Nothing | Fold::Ports(..) => None,
    })?;
    match asked.intersects(StateSet::INVALID) {
        true => Some(true),
        false => (!asked.intersects(StateSet::UNTRACKED)).then_some(false),
    }
}
