//! What rules do with sets.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use super::Reader;
use crate::netfilter::{RuleInfo, RuleSet};

/// That a rule names a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUse {
    /// The set's name.
    pub set: String,
    /// What the rule does with it.
    pub how: SetUsage,
    /// The rule.
    pub rule: RuleInfo,
}

/// What a rule does with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUsage {
    /// It matches what is in it.
    Asks,
    /// It matches what is not in it.
    AsksNot,
    /// It puts something into it.
    Adds,
    /// It takes something out.
    Removes,
}

impl RuleSet {
    /// What rules do with sets, in order, whether packets get to them or not.
    #[must_use]
    pub fn set_uses(&self) -> Vec<SetUse> {
        let reader = Reader::new(self);
        let mut found = Vec::new();
        for (table, chain, index, rule) in reader.all_rules() {
            for (set, how) in rule.sets() {
                let info = reader.info(table.name, chain, index);
                found.extend(info.map(|rule| SetUse { set: set.to_owned(), how, rule }));
            }
        }
        found
    }
}
