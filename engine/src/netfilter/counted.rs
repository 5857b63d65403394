//! Rules with what they had counted at a moment: to be written down elsewhere, while the set itself goes on.

use alloc::{string::String, sync::Arc, vec::Vec};

use super::{
    ListOptions, TableName,
    program::Place,
    save::{self, Form, Tables},
};
use crate::conntrack::Counter;

/// Rules and what they had counted at a moment.
#[derive(Clone, Debug)]
pub struct Counted {
    tables: Arc<Tables>,
    /// In the order of the rules, with one more behind each chain for its policy.
    counters: Vec<Counter>,
}

impl Counted {
    pub(super) const fn new(tables: Arc<Tables>, counters: Vec<Counter>) -> Self {
        Self { tables, counters }
    }

    /// The rules as `iptables-save` or `ip6tables-save` prints them, with each rule's counters as `iptables-save --counters` does.
    #[must_use]
    pub fn save(&self, counters: bool) -> String {
        save::print(&self.tables, Form { counters, whole: false }, self.by_place())
    }

    /// The same, and what those tools forget: from this, the same rules are read again.
    pub(crate) fn keep(&self, counters: bool) -> String {
        save::print(&self.tables, Form { counters, whole: true }, self.by_place())
    }

    /// A table as `iptables -L -n` lists it.
    #[must_use]
    pub fn list(&self, table: TableName, options: ListOptions) -> String {
        save::list(&self.tables, table, options, self.by_place())
    }

    /// The rules as written.
    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What the rule or policy at a place has counted.
    fn by_place(&self) -> impl Fn(Place) -> Counter {
        let mut starts: [Vec<usize>; TableName::ALL.len()] = Default::default();
        let mut next = 0;
        for table in self.tables.iter() {
            for chain in &table.chains {
                starts[table.name as usize].push(next);
                next += chain.rules.len() + 1;
            }
        }
        move |Place { table, chain, rule }| {
            let start = starts[table as usize].get(chain as usize);
            start.and_then(|start| self.counters.get(start + rule as usize)).copied().unwrap_or_default()
        }
    }
}
