//! Which rules cases have reached.

use std::collections::BTreeMap;

use serde::Serialize;
use towpath_engine::netfilter::RuleInfo;

/// Which rules cases have reached, by their files and lines.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    rules: BTreeMap<Place, Covered>,
}

/// File, line, then table, chain and position: a line with several addresses gives several rules.
type Place = (String, u32, &'static str, String, u32);

/// A rule and how often it matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Its file.
    pub file: String,
    /// Its line there, from 1.
    pub line: u32,
    /// Its table.
    pub table: &'static str,
    /// The rule as `iptables-save` prints it.
    pub rule: String,
    /// Cases in which it matched.
    pub cases: u64,
    /// Packets that it matched, in all cases.
    pub packets: u64,
}

impl Coverage {
    /// Adds what a case's rules have counted.
    pub fn add(&mut self, rules: &[RuleInfo]) {
        for rule in rules {
            let table = rule.table.name();
            let place = (rule.file.clone(), rule.line, table, rule.chain.clone(), rule.position);
            let covered = self.rules.entry(place).or_insert_with(|| Covered {
                file: rule.file.clone(),
                line: rule.line,
                table,
                rule: rule.text.clone(),
                cases: 0,
                packets: 0,
            });
            covered.cases += u64::from(rule.counter.packets > 0);
            covered.packets += rule.counter.packets;
        }
    }

    /// All rules, by file and line.
    pub fn rules(&self) -> impl Iterator<Item = &Covered> {
        self.rules.values()
    }

    /// Those that no case has reached.
    pub fn never(&self) -> impl Iterator<Item = &Covered> {
        self.rules().filter(|rule| rule.packets == 0)
    }

    /// How many of them have been reached, and how many there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.rules.len() - self.never().count(), self.rules.len())
    }
}
