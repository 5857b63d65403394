//! Rules in the form in which packets walk them: flat, chain behind chain, one cache line a rule.
//!
//! The rules of each chain lie in order, a built-in chain ends with an entry for its policy, a user chain with one that
//! returns, so that a walk is an index that goes up or jumps. A rule's index is its [`RuleId`]. What most rules ask for
//! stands in the [`Selector`](selector::Selector) itself; only what is left is a match that has to be run.
//!
//! In a long chain a [`Classifier`](classify::Classifier) leaves out rules whose addresses, protocol or ports a packet
//! cannot have; an established flow asks no rule at all (see [`super::walk`]). `held.rs` asks where nobody calls yet,
//! `foretold.rs` where a packet is thought of.

mod classify;
pub(super) mod compile;
pub(super) mod facts;
mod foretold;
pub(super) mod held;
mod interfaces;
mod run;
mod selector;

use alloc::vec::Vec;

use super::{Hook, MatchState, RuleId, TableName, matches::Match, targets::Target};
use crate::{
    conntrack::{Counter, Family, Template},
    device::Devices,
};
use classify::Classifier;
use interfaces::Interfaces;
use selector::{Ends, Selector};

/// All tables, flat.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    family: Family,
    selectors: Vec<Selector>,
    /// What each entry asks of IPv6 addresses; empty for IPv4, whose addresses selectors hold.
    ends: Vec<Ends>,
    /// What each entry has counted, but for recorded walks.
    pub(super) counters: Vec<Counter>,
    /// Where each entry comes from; of a policy or a chain's end the rule's index is the number of rules.
    places: Vec<Place>,
    matches: Vec<Match>,
    targets: Vec<Target>,
    /// The first entry and the policy's of each table's chain at each hook.
    entries: [[Option<Entry>; Hook::ALL.len()]; TableName::ALL.len()],
    pub(super) templates: Vec<Template>,
    classifier: Classifier,
    interfaces: Interfaces,
    /// Entries to come back to; at most one a user chain.
    stack: Vec<u32>,
}

/// Where a built-in chain starts and where its policy stands.
#[derive(Clone, Copy, Debug)]
struct Entry {
    first: u32,
    policy: u32,
}

/// Where an entry of the program was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) table: TableName,
    /// Index of the chain in its table.
    pub(super) chain: u32,
    /// Index of the rule in its chain.
    pub(super) rule: u32,
}

impl Program {
    /// Learns how these devices fit the rules' names. True: they are not the devices of the last time.
    pub(super) fn bind(&mut self, devices: &Devices) -> bool {
        self.interfaces.bind(devices)
    }

    /// What matches remember of the packets before, by their places in the program.
    pub(super) fn states(&self) -> Vec<(u32, MatchState)> {
        let states = (0..).zip(&self.matches).filter_map(|(index, condition)| Some((index, condition.state()?)));
        states.collect()
    }

    /// Takes what [`Self::states`] gave of a program made of the same rules.
    pub(super) fn set_states(&mut self, states: Vec<(u32, MatchState)>) {
        for (index, state) in states {
            if let Some(condition) = self.matches.get_mut(index as usize) {
                condition.set_state(state);
            }
        }
    }

    /// Asks every rule of every chain from now on, so that a test can compare.
    #[cfg(test)]
    pub(super) fn forget_classifier(&mut self) {
        self.classifier = Classifier::default();
    }

    /// Bytes that classifiers take.
    pub(super) fn classifier_bytes(&self) -> usize {
        self.classifier.bytes()
    }

    /// Whether the table has a chain at that hook.
    pub(super) const fn has_chain(&self, table: TableName, hook: Hook) -> bool {
        self.entries[table as usize][hook as usize].is_some()
    }

    /// Where an entry was written.
    pub(super) fn place(&self, rule: RuleId) -> Option<Place> {
        self.places.get(rule.index()).copied()
    }

    /// Forgets what the entries of a table have counted, or those of all.
    pub(super) fn zero(&mut self, table: Option<TableName>) {
        for (counter, place) in self.counters.iter_mut().zip(&self.places) {
            if table.is_none_or(|table| table == place.table) {
                *counter = Counter::default();
            }
        }
    }

    /// All entries with their places.
    pub(super) fn places(&self) -> impl Iterator<Item = (RuleId, Place)> {
        let family = self.family;
        (0..).map(move |index| RuleId::new(family, index)).zip(self.places.iter().copied())
    }
}
