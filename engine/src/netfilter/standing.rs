//! Tables that stay where new rules do not name them, as `iptables-restore` leaves them.
//!
//! ```text
//!  rules in force ─► Standing ─┐
//!                              ├─► RuleSet::parse ─► rules ─► RuleSet::replace: what kept tables have counted goes on
//!                      texts ──┘
//! ```

use alloc::sync::Arc;
use core::ops::Range;

use super::{
    Fault, RuleError, RuleSet, TableName,
    lists::sets::{Sets, needed_by},
    save::Tables,
};

/// The tables of rules in force, for new ones to be read beside ([`Loading::beside`](super::Loading::beside)). Costs nothing to make. Two
/// are equal when they are of the same rules, or have no table.
#[derive(Clone, Debug, Default)]
pub struct Standing(Arc<Tables>);

impl PartialEq for Standing {
    fn eq(&self, other: &Self) -> bool {
        let have_none = || [self, other].into_iter().all(|standing| standing.0.iter().next().is_none());
        Arc::ptr_eq(&self.0, &other.0) || have_none()
    }
}

impl Eq for Standing {}

impl Standing {
    pub(super) fn tables(&self) -> &Tables {
        &self.0
    }
}

/// Whether rules may go on naming sets when these take the place of those of their names, as Linux swaps sets of one family only
/// (Linux v6.18: `net/netfilter/ipset/ip_set_core.c`, `ip_set_swap()`).
///
/// # Errors
/// With the first rule that may not.
pub(super) fn check_sets(sets: &Sets, tables: &Tables) -> Result<(), RuleError> {
    if sets.names().next().is_none() {
        return Ok(());
    }
    for rule in tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules) {
        if let Some((name, _)) = rule.sets().find(|(name, _)| !sets.suits(name, tables.family)) {
            let fault = Fault::BadValue { value: name.into(), wants: needed_by(tables.family) };
            return Err(tables.error(rule.origin, fault));
        }
    }
    Ok(())
}

/// Tables of rules that were others' before.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    from: Standing,
    which: [bool; TableName::ALL.len()],
}

impl Kept {
    /// Takes over the tables that are not in `tables`.
    pub(super) fn into(tables: &mut Tables, standing: &Standing) -> Self {
        let which = tables.take_over(&standing.0);
        Self { from: standing.clone(), which }
    }
}

/// The places of a table's rules, policies included, and of their matches, among those of all tables.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    rules: Range<usize>,
    matches: Range<usize>,
}

impl Span {
    fn of(tables: &Tables, name: TableName) -> Self {
        let mut span = Self { rules: 0..0, matches: 0..0 };
        for table in tables.iter() {
            let chains = || table.chains.iter();
            let rules = chains().map(|chain| chain.rules.len() + 1).sum::<usize>();
            let matches = chains().flat_map(|chain| &chain.rules).map(|rule| rule.matches.len()).sum::<usize>();
            span.rules = span.rules.end..span.rules.end + rules;
            span.matches = span.matches.end..span.matches.end + matches;
            if table.name == name {
                return span;
            }
        }
        Self { rules: 0..0, matches: 0..0 }
    }
}

impl RuleSet {
    /// The tables as they stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing(Arc::clone(&self.tables))
    }

    /// Goes on counting, in tables that were those of `former`, from what they have counted there; matches remember what they did.
    pub(super) fn go_on_from(&mut self, former: &Self) {
        let Some(kept) = self.kept.take().filter(|kept| kept.from == former.standing()) else { return };
        let (counters, states) = (former.counters(), former.states());
        for table in TableName::ALL.into_iter().filter(|table| kept.which[*table as usize]) {
            let (own, theirs) = (Span::of(&self.tables, table), Span::of(&former.tables, table));
            self.program.counters[own.rules].copy_from_slice(&counters[theirs.rules]);
            let of_table = states.iter().filter(|(index, _)| theirs.matches.contains(&(*index as usize)));
            let moved = of_table.map(|(index, state)| {
                let index = *index as usize - theirs.matches.start + own.matches.start;
                (index as u32, state.clone())
            });
            self.set_states(moved.collect());
        }
    }
}
