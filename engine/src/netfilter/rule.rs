//! A rule as it was written: what it asks for and what it does.

use alloc::{string::String, vec::Vec};

use super::{header::Header, matches::Match, review::SetUsage, targets::Target};
use crate::conntrack::Counter;

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) origin: Origin,
    pub(super) header: Header,
    /// In the order in which they were named.
    pub(super) matches: Vec<Match>,
    pub(super) jump: Jump,
    /// What it had counted before it was loaded.
    pub(super) counter: Counter,
}

/// Where a rule was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Number of the text.
    pub(super) file: u32,
    /// From 1.
    pub(super) line: u32,
    /// Where its target stands, or the rule when it has none; from 1.
    pub(super) column: u32,
}

/// What a rule does when it matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Jump {
    /// It only counts.
    Nothing,
    Accept,
    Drop,
    Return,
    /// Walks a chain and comes back.
    Chain(String),
    /// Walks a chain and returns to the one before this one.
    Goto(String),
    /// Something with a file in `targets/`.
    Target(Target),
}

impl Jump {
    /// The user chain it leads to.
    pub(super) fn chain(&self) -> Option<&str> {
        match self {
            Self::Chain(name) | Self::Goto(name) => Some(name),
            Self::Nothing | Self::Accept | Self::Drop | Self::Return | Self::Target(_) => None,
        }
    }

    fn print(&self, out: &mut String) {
        match self {
            Self::Nothing => {}
            Self::Accept => out.push_str(" -j ACCEPT"),
            Self::Drop => out.push_str(" -j DROP"),
            Self::Return => out.push_str(" -j RETURN"),
            Self::Chain(name) => {
                out.push_str(" -j ");
                out.push_str(name);
            }
            Self::Goto(name) => {
                out.push_str(" -g ");
                out.push_str(name);
            }
            Self::Target(target) => {
                out.push_str(" -j ");
                out.push_str(target.name());
                target.print(out);
            }
        }
    }
}

impl Rule {
    /// Whether no packet gets behind it: it asks for nothing and ends the chain.
    pub(super) fn is_end(&self) -> bool {
        matches!(self.jump, Jump::Accept | Jump::Drop | Jump::Return)
            && self.matches.is_empty()
            && self.header == Header::default()
    }

    /// The sets that it names, and what it does with each.
    pub(super) fn sets(&self) -> impl Iterator<Item = (&str, SetUsage)> {
        let asked = self.matches.iter().filter_map(|condition| {
            let Match::Set(asked) = condition else { return None };
            Some(asked.named())
        });
        let changed =
            if let Jump::Target(Target::SetTarget(target)) = &self.jump { target.named() } else { [None, None] };
        asked.chain(changed.into_iter().flatten())
    }

    /// Writes what follows `-A CHAIN`, with a blank before each part.
    pub(super) fn print(&self, out: &mut String) {
        self.header.print(out);
        for condition in &self.matches {
            condition.print_named(out);
        }
        self.jump.print(out);
    }

    /// Writes one of its conditions with a blank before it: first the header's fields, then the matches.
    pub(super) fn print_part(&self, part: usize, out: &mut String) {
        let fields = self.header.fields();
        match (fields.get(part), part.checked_sub(fields.len())) {
            (Some(&field), _) => self.header.print_field(field, out),
            (None, Some(index)) => {
                if let Some(condition) = self.matches.get(index) {
                    condition.print_named(out);
                }
            }
            (None, None) => {}
        }
    }
}
