//! Who decided about a packet.

use towpath_engine::{
    netfilter::{Hook, RuleInfo, TableName},
    trace::Step,
};

use super::Record;

/// Who decided about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A rule.
    Rule(Box<RuleInfo>),
    /// A built-in chain's policy.
    Policy {
        /// The chain's table.
        table: TableName,
        /// The chain's hook.
        hook: Hook,
        /// ACCEPT or DROP.
        accepts: bool,
    },
}

impl Record<'_> {
    /// Who decided: the rule that dropped the packet, or the last rule or policy of the filter table that it met before it
    /// left or was delivered. `None`: nobody was asked, or the packet's steps were not written down
    /// ([`Detail::Path`](crate::replay::Detail::Path)).
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        if let Some(rule) = self.rule() {
            return Some(Decision::Rule(Box::new(rule)));
        }
        let is_dropped = self.drop_reason().is_some();
        self.own_steps().rev().find_map(|step| {
            if let Step::Policy(table, hook, accepts) = *step {
                // A policy of another table decides only when it drops.
                let decides = if accepts { table == TableName::Filter && !is_dropped } else { is_dropped };
                return decides.then_some(Decision::Policy { table, hook, accepts });
            }
            let Step::Matched(TableName::Filter, id) = *step else { return None };
            let rule = self.engine.rules().find(id).filter(|_| !is_dropped)?;
            Some(Decision::Rule(Box::new(rule)))
        })
    }

    /// The rules of the nat table that matched, when it was asked for this packet and steps were written down.
    #[must_use]
    pub fn translating_rules(&self) -> Vec<RuleInfo> {
        let matched = self.own_steps().filter_map(|step| {
            if let Step::Matched(TableName::Nat, id) = step { self.engine.rules().find(*id) } else { None }
        });
        matched.collect()
    }

    /// The packet's own steps, without those of an answer that was made here.
    fn own_steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        let is_answer = |step: &Step| matches!(step, Step::Hook(Hook::Output, _));
        let was_fed = self.device().is_some_and(|device| device != "lo");
        let end = if was_fed { self.path.iter().position(is_answer) } else { None };
        self.path[..end.unwrap_or(self.path.len())].iter()
    }
}
