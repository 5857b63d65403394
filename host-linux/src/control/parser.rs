//! Rules are read beside the packet path: a million of them take seconds, in which no packet would move.

use towpath_engine::{
    conntrack::{Family, TimeoutPolicies, calling::KnownHelper},
    netfilter::{KnownSet, Loading, RuleSet, Source, Standing},
};

use super::message::NewRules;

/// What rules may name that a gateway has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Its helpers.
    pub helpers: Vec<KnownHelper>,
    /// Its sets, which both families share.
    pub sets: Vec<KnownSet>,
    /// Its timeout policies.
    pub timeouts: TimeoutPolicies,
    /// Its tables of either family, `iptables`' first: those that no text names stay.
    pub standing: [Standing; 2],
}

/// Reads rules.
///
/// # Errors
/// Why they are not taken, with the place.
pub(super) fn parse(rules: &NewRules, bytes: &[u8], names: &Names) -> Result<RuleSet, String> {
    let mut sources = Vec::with_capacity(rules.texts.len());
    let mut rest = bytes;
    for (name, len) in &rules.texts {
        let len = usize::try_from(*len).unwrap_or(usize::MAX).min(rest.len());
        let (text, others) = rest.split_at(len);
        rest = others;
        let text = core::str::from_utf8(text).map_err(|_| format!("{name} is not UTF-8 text"))?;
        sources.push(Source { name, text });
    }
    let (family, counters, timeouts) = (rules.family, rules.counters, Some(&names.timeouts));
    let [v4, v6] = &names.standing;
    let (beside, across) = if family == Family::Ipv4 { (v4, v6) } else { (v6, v4) };
    let (beside, across) = (Some(beside), Some(across));
    let Names { helpers, sets, .. } = names;
    let loading = Loading { family, counters, sets, helpers, timeouts, beside, across, only_shown: false };
    RuleSet::parse(&sources, &loading).map_err(|error| error.to_string())
}
