//! Rules in a snapshot: their text with counters, where each was written, and what matches remember.

use alloc::{string::String, sync::Arc, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    Counted, KnownSet, Lists, Loading, MatchState, RuleSet, Source,
    rule::{Origin, Rule},
    save::Tables,
};
use crate::{
    conntrack::{Family, HelperId, TimeoutPolicies, calling::KnownHelper},
    snapshot::{Part, SnapshotError},
    wire::Protocol,
};

/// All rules.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct RulesRecord {
    text: String,
    /// Names of the texts they came from.
    files: Vec<String>,
    /// File, line and column of each rule, in the order of the text.
    origins: Vec<(u32, u32, u32)>,
    /// What matches remember, by their index.
    states: Vec<(u32, MatchState)>,
    generation: u32,
}

/// The same before it is written down, which takes long for many rules.
#[derive(Debug)]
pub(crate) struct TakenRules {
    counted: Counted,
    states: Vec<(u32, MatchState)>,
    generation: u32,
}

impl TakenRules {
    pub(crate) fn of(rules: &RuleSet) -> Self {
        Self { counted: rules.counted(), states: rules.states(), generation: rules.generation }
    }

    pub(crate) fn written(self) -> RulesRecord {
        let Self { counted, states, generation } = self;
        let tables = counted.tables();
        let rules = tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
        let origin = |rule: &Rule| {
            let Origin { file, line, column } = rule.origin;
            (file, line, column)
        };
        RulesRecord {
            text: counted.keep(true),
            files: tables.files.clone(),
            origins: rules.map(origin).collect(),
            states,
            generation,
        }
    }
}

impl RulesRecord {
    /// `helpers` are the names of the helpers, by number; a number without helper has the empty one. `lists` hold the sets that
    /// the rules name.
    pub(crate) fn restore(
        self,
        family: Family,
        helpers: &[&str],
        timeouts: &TimeoutPolicies,
        lists: &Lists,
    ) -> Result<RuleSet, SnapshotError> {
        let numbered = helpers.iter().zip((0..).map(HelperId)).filter(|(name, _)| !name.is_empty());
        // What they read was looked at when the rules were written.
        let known = |(name, id): (&&str, HelperId)| KnownHelper {
            name: (*name).into(),
            id,
            protocols: Vec::from([Protocol::TCP, Protocol::UDP]),
        };
        let helpers: Vec<KnownHelper> = numbered.map(known).collect();
        // What an engine has it takes back: since its rules were read, others may have brought a set of that name and another family.
        let sets: Vec<KnownSet> = lists.sets.known().map(|known| KnownSet { family: None, ..known }).collect();
        let source = Source { name: "snapshot", text: &self.text };
        let timeouts = Some(timeouts);
        let loading =
            Loading { family, counters: true, helpers: &helpers, sets: &sets, timeouts, ..Loading::default() };
        let mut rules = RuleSet::parse(&[source], &loading)?;
        let tables = Arc::make_mut(&mut rules.tables);
        Part::Rules.check(place(tables, &self.origins, self.files.len()))?;
        tables.files = self.files;
        let states = self.states.len();
        rules.set_states(self.states);
        Part::Rules.check(rules.states().len() == states)?;
        rules.generation = self.generation;
        Ok(rules)
    }
}

/// Says where each rule was written; false when there are not as many places as rules, or not as many files.
fn place(tables: &mut Tables, origins: &[(u32, u32, u32)], files: usize) -> bool {
    let mut origins = origins.iter();
    let tables = tables.tables.iter_mut().flatten();
    for rule in tables.flat_map(|table| &mut table.chains).flat_map(|chain| &mut chain.rules) {
        match origins.next() {
            Some(&(file, line, column)) if (file as usize) < files => rule.origin = Origin { file, line, column },
            Some(_) | None => return false,
        }
    }
    origins.next().is_none()
}
