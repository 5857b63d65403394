//! Netfilter: hooks, tables, rules.

pub mod hooks;
pub mod view;

pub use hooks::{Hook, Stage, TableName};
pub use view::{RejectWith, RuleId, Verdict, View};

use crate::conntrack::{Template, TemplateId};

/// The rules of all tables.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {}

impl RuleSet {
    /// Walks the built-in chain of `table` at the view's hook.
    pub fn evaluate(&mut self, table: TableName, view: &mut View<'_>) -> Verdict {
        Verdict::Accept
    }

    /// Whether the table has been named in the rules at all; the nat table changes connections by its mere presence.
    #[must_use]
    pub fn has_table(&self, table: TableName) -> bool {
        false
    }

    /// What a `-j CT` rule said.
    #[must_use]
    pub fn template(&self, id: TemplateId) -> Template {
        Template::default()
    }
}
