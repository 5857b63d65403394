//! Netfilter: hooks, tables, rules.
//!
//! | file or folder | what lives there |
//! |---|---|
//! | [`hooks`] | the five hooks, who is called at each, the tables |
//! | [`view`] | what a rule sees, what a table answers |
//! | [`ruleset`] | [`RuleSet`]: the room's front door |
//! | `counted.rs` | rules with what they had counted at a moment, to be written down elsewhere |
//! | `leads.rs` | where DNAT rules lead to, for the way back from there |
//! | `standing.rs` | tables that stay where new rules do not name them |
//! | `save/` | the rule language: text to tables and back |
//! | `lists/` | what rules remember under a name: recent, hashlimit, sets |
//! | `ends.rs` | addresses and hops of a packet of either family |
//! | `table.rs`, `rule.rs`, `header.rs` | rules as they were written |
//! | `matches/`, `targets/` | one file each |
//! | `program/` | rules in the form in which packets walk them |
//! | [`walk`] | how an established flow goes the same way without asking again |
//! | [`explain`], [`error`] | rules in words, and what is wrong with them |
//! | [`review`] | rules that no packet reaches, and what is most likely not meant |
//!
//! Why rules are kept twice, as written and flat: printing and explaining need the order and the words of the text,
//! walking needs cache lines.

mod counted;
mod ends;
pub mod error;
pub mod explain;
mod header;
pub mod hooks;
mod leads;
pub mod lists;
mod matches;
mod program;
pub mod review;
mod rule;
pub mod ruleset;
mod save;
pub(crate) mod snapshot;
mod standing;
mod table;
mod targets;
#[cfg(test)]
mod tests;
pub mod view;
pub mod walk;

use crate::conntrack::Family;

/// The names of all matches that rules of a family may ask (`-m NAME`).
pub fn match_names(family: Family) -> impl Iterator<Item = &'static str> {
    matches::names(family)
}

/// The names of all targets that rules of a family may name (`-j NAME`), the built-in verdicts included.
pub fn target_names(family: Family) -> impl Iterator<Item = &'static str> {
    targets::names(family)
}

pub use counted::Counted;
pub use error::{Fault, Noun, RuleError};
pub use explain::RuleInfo;
pub use hooks::{Hook, Stage, TableName};
pub use leads::Lead;
pub use lists::{
    Lists,
    sets::{KnownSet, SetListing, Sets},
};
pub use matches::{MatchState, Seen, Whose};
pub(crate) use program::held::OuterEndpoint;
pub use review::{Attachment, Remark, Review, SetUsage, SetUse};
pub use ruleset::{Former, RuleSet, RuleSets};
pub use save::{ListOptions, Loading, Source};
pub use standing::Standing;
pub use view::{Copied, RejectWith, RuleId, Verdict, View};
pub use walk::{Course, Walk, WalkId};
