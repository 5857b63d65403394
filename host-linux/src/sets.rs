//! How often rules name sets, which ipset(8) tells with each.

use std::collections::BTreeMap;

use towpath_engine::netfilter::RuleSet;

/// How often rules name a set, by its name: a rule that asks, adds and removes names it three times.
#[must_use]
pub fn uses<'a>(rules: impl IntoIterator<Item = &'a RuleSet>) -> BTreeMap<String, usize> {
    let mut uses = BTreeMap::new();
    for named in rules.into_iter().flat_map(RuleSet::set_uses) {
        *uses.entry(named.set).or_default() += 1;
    }
    uses
}
