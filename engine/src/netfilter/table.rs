//! Tables and chains as they were written.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use super::{Hook, TableName, rule::Rule};
use crate::conntrack::Counter;

/// A table: built-in chains in the order of their hooks, then user chains in the order of their names, as the tool
/// keeps them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub(super) name: TableName,
    pub(super) chains: Vec<Chain>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) name: String,
    /// The policy, of a built-in chain.
    pub(super) policy: Option<Policy>,
    pub(super) rules: Vec<Rule>,
}

/// What happens at a built-in chain's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) hook: Hook,
    /// ACCEPT or DROP.
    pub(super) accept: bool,
    /// What it had counted before it was loaded.
    pub(super) counter: Counter,
}

impl Table {
    /// A table with empty built-in chains that accept.
    pub(super) fn new(name: TableName) -> Self {
        let builtin = |hook: &Hook| Chain {
            name: hook.chain().to_owned(),
            policy: Some(Policy { hook: *hook, accept: true, counter: Counter::default() }),
            rules: Vec::new(),
        };
        Self { name, chains: name.hooks().iter().map(builtin).collect() }
    }

    /// The chain of that name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let builtin = self.builtin_count();
        match self.chains[..builtin].iter().position(|chain| chain.name == name) {
            Some(index) => Some(index),
            None => self.user(name).ok(),
        }
    }

    /// Adds an empty user chain; the caller has seen that there is none of that name.
    pub(super) fn add(&mut self, name: &str) {
        if let Err(place) = self.user(name) {
            self.chains.insert(place, Chain { name: name.to_owned(), policy: None, rules: Vec::new() });
        }
    }

    /// Empties all chains, drops the user chains and keeps the policies, as `*table` does.
    pub(super) fn clear(&mut self) {
        self.chains.retain(|chain| chain.policy.is_some());
        for chain in &mut self.chains {
            chain.rules.clear();
        }
    }

    /// Whether a rule leads to the chain.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.chains.iter().flat_map(|chain| &chain.rules).any(|rule| rule.jump.chain() == Some(name))
    }

    /// Where the user chain of that name is, or belongs.
    fn user(&self, name: &str) -> Result<usize, usize> {
        let builtin = self.builtin_count();
        let found = self.chains[builtin..].binary_search_by(|chain| chain.name.as_str().cmp(name));
        found.map(|index| index + builtin).map_err(|index| index + builtin)
    }

    const fn builtin_count(&self) -> usize {
        self.name.hooks().len()
    }
}
