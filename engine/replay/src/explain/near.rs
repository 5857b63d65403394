//! Rules that accept, and that a packet has missed by one condition.

use towpath_engine::{
    conntrack::Family,
    netfilter::{RuleInfo, TableName},
    trace::Step,
};

use super::{
    change::{self, Change, Proposal},
    flow::Flow,
};
use crate::record::Record;

/// What would have made such rules match.
#[derive(Default)]
pub(super) struct NearMisses {
    /// Whether one of them accepts what is RELATED.
    pub(super) lets_related_in: bool,
    /// The packet's element in the set that was asked for.
    pub(super) members: Vec<Proposal>,
    /// The rule with what the packet has in place of what it asks for.
    pub(super) altered: Vec<Proposal>,
    /// The rule without the condition.
    pub(super) without: Vec<Proposal>,
}

/// A rule that accepts, and the condition that a packet does not meet.
struct Miss<'a> {
    family: Family,
    rule: &'a RuleInfo,
    condition: &'a str,
    /// What the packet has instead, as the end of a sentence that starts with "the packet".
    found: &'a str,
}

/// The rules that the packet of a record has missed where it was dropped.
pub(super) fn misses(record: &Record<'_>) -> NearMisses {
    let rules = record.engine.rules();
    let mut near = NearMisses::default();
    let Some(flow) = Flow::of(record) else { return near };
    for step in change::last_hook(record.path) {
        let Step::Missed(TableName::Filter, id, part, found) = step else { continue };
        let Some(rule) = rules.find(*id).filter(|rule| rule.text.ends_with(" -j ACCEPT")) else { continue };
        let Some(condition) = rules.part(*id, *part) else { continue };
        near.lets_related_in |= condition.starts_with("-m conntrack --ctstate") && condition.contains("RELATED");
        let miss = Miss { family: id.family(), rule: &rule, condition: &condition, found };
        if let Some(member) = miss.member(record, &flow) {
            near.members.push(member);
        } else if let Some(altered) = miss.altered(&flow) {
            near.altered.push(altered);
        } else if let Some(without) = miss.without() {
            near.without.push(without);
        }
    }
    near
}

impl Miss<'_> {
    /// The packet's element in the set that the condition asks for.
    fn member(&self, record: &Record<'_>, flow: &Flow<'_>) -> Option<Proposal> {
        let mut asked = self.condition.strip_prefix("-m set --match-set ")?.split(' ');
        let (set, ends) = (asked.next()?, asked.next()?);
        let element = flow.element(record.engine.sets().kind(set)?, ends)?;
        Some(Proposal {
            change: Change::Member(format!("add {set} {element}")),
            why: format!("{} would accept it then: the packet {}", self.place(), self.found),
        })
    }

    /// The rule with what the packet has in place of what the condition asks for.
    fn altered(&self, flow: &Flow<'_>) -> Option<Proposal> {
        let instead = flow.in_place_of(self.condition)?;
        self.rule_with(&format!(" {instead}"), &format!("with `{instead}` in place of `{}`", self.condition))
    }

    /// The rule without the condition, unless that is what connections are told apart by, or what the other conditions hang on.
    fn without(&self) -> Option<Proposal> {
        let is_basic = ["-p ", "-m conntrack ", "-m state "].iter().any(|basic| self.condition.starts_with(basic));
        if is_basic {
            return None;
        }
        self.rule_with("", &format!("but without `{}`", self.condition))
    }

    /// The rule with other words for the condition, if it still asks for an address, a port or a set then: what asks for less lets
    /// in more than anybody means.
    fn rule_with(&self, words: &str, how: &str) -> Option<Proposal> {
        let text = self.rule.text.replacen(&format!(" {}", self.condition), words, 1);
        let conditions = text.get("-A ".len() + self.rule.chain.len()..)?;
        let is_narrow = NARROW.iter().any(|option| conditions.contains(option));
        is_narrow.then(|| Proposal {
            change: Change::Rule(self.family, format!("-I {} {}{conditions}", self.rule.chain, self.rule.position)),
            why: format!("as {}, {how}: the packet {}", self.place(), self.found),
        })
    }

    fn place(&self) -> String {
        format!("{}:{}", self.rule.file, self.rule.line)
    }
}

/// Options that ask for somebody or something in particular.
const NARROW: [&str; 8] =
    [" -s ", " -d ", " --dport ", " --dports ", " --ports ", " --match-set ", " --src-range ", " --dst-range "];
