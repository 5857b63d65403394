//! Options of matches and targets: how they are declared, collected and looked up.

use alloc::{string::String, vec::Vec};

use super::text::Word;
use crate::{
    conntrack::{Family, TimeoutPolicies, calling::KnownHelper},
    netfilter::{
        error::{Fault, Flaw},
        header::Header,
        lists::sets::KnownSet,
        matches::Match,
    },
};

/// A match or target by name, with its options.
#[derive(Debug)]
pub(in crate::netfilter) struct Spec {
    /// Its name after `-m` or `-j`.
    pub(in crate::netfilter) name: &'static str,
    /// All its options.
    pub(in crate::netfilter) options: &'static [Opt],
}

/// An option.
#[derive(Debug)]
pub(in crate::netfilter) struct Opt {
    /// Its names without the dashes; the first one is what code asks for.
    names: &'static [&'static str],
    /// How many values follow.
    values: u8,
    /// Whether `!` may stand before it.
    invert: bool,
}

impl Opt {
    /// An option with one value.
    pub(in crate::netfilter) const fn value(names: &'static [&'static str]) -> Self {
        Self { names, values: 1, invert: false }
    }

    /// An option without value.
    pub(in crate::netfilter) const fn flag(names: &'static [&'static str]) -> Self {
        Self { names, values: 0, invert: false }
    }

    /// The same option with two values.
    pub(in crate::netfilter) const fn pair(self) -> Self {
        Self { values: 2, ..self }
    }

    /// The same option, and `!` may stand before it.
    pub(in crate::netfilter) const fn inverting(self) -> Self {
        Self { invert: true, ..self }
    }

    /// All its names.
    pub(super) const fn names(&self) -> &'static [&'static str] {
        self.names
    }

    /// How many values follow.
    pub(super) const fn value_count(&self) -> u8 {
        self.values
    }

    /// Whether `!` may stand before it.
    pub(super) const fn may_invert(&self) -> bool {
        self.invert
    }
}

/// An option as it was given.
#[derive(Clone, Debug)]
pub(in crate::netfilter) struct Item {
    option: &'static Opt,
    /// Whether a `!` stands before it.
    pub(in crate::netfilter) inverted: bool,
    /// As many as the option takes.
    values: Vec<Word>,
    /// Where the option stands.
    pub(in crate::netfilter) column: u32,
}

impl Item {
    /// Whether it is this option of its match or target.
    pub(super) fn is(&self, option: &Opt) -> bool {
        self.option.names[0] == option.names[0]
    }

    pub(super) const fn new(option: &'static Opt, inverted: bool, values: Vec<Word>, column: u32) -> Self {
        Self { option, inverted, values, column }
    }

    /// The option as code asks for it.
    pub(in crate::netfilter) const fn id(&self) -> &'static str {
        self.option.names[0]
    }

    /// Its first value.
    ///
    /// # Panics
    /// When the option takes none: a mistake in its declaration.
    pub(in crate::netfilter) fn value(&self) -> &Word {
        &self.values[0]
    }

    /// Its second value.
    ///
    /// # Panics
    /// When the option does not take two: a mistake in its declaration.
    pub(in crate::netfilter) fn second(&self) -> &Word {
        &self.values[1]
    }

    /// The option as it is named in errors.
    pub(in crate::netfilter) fn name(&self) -> String {
        alloc::format!("--{}", self.id())
    }
}

/// What was given to one match or target, and what it stands in.
#[derive(Debug)]
pub(in crate::netfilter) struct Given<'a> {
    /// Its name as declared.
    pub(in crate::netfilter) name: &'static str,
    /// Where the name stands.
    pub(in crate::netfilter) column: u32,
    pub(in crate::netfilter) items: &'a [Item],
    /// The rest of the rule, as far as it is known by all.
    pub(in crate::netfilter) header: &'a Header,
    /// The rule's matches, as far as they are made: for a target all of them.
    pub(in crate::netfilter) matches: &'a [Match],
    /// The sets that are there.
    pub(in crate::netfilter) sets: &'a [KnownSet],
    /// The family of the packets that the rule is asked about.
    pub(in crate::netfilter) family: Family,
    /// The helpers that are loaded.
    pub(in crate::netfilter) helpers: &'a [KnownHelper],
    /// The timeout policies that are there.
    pub(in crate::netfilter) timeouts: Option<&'a TimeoutPolicies>,
    /// Whether helpers and policies that are not there may be named as well.
    pub(in crate::netfilter) only_shown: bool,
}

impl<'a> Given<'a> {
    /// The option, when it was given. It is given once at most, which collecting has seen to.
    pub(in crate::netfilter) fn find(&self, name: &str) -> Option<&'a Item> {
        self.items.iter().find(|item| item.id() == name)
    }

    /// Whether the option was given.
    pub(in crate::netfilter) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The option.
    ///
    /// # Errors
    /// When it was not given.
    pub(in crate::netfilter) fn need(&self, name: &str, needed: &'static str) -> Result<&'a Item, Flaw> {
        self.find(name).ok_or_else(|| self.needs(needed))
    }

    /// Sees to it that at least one option was given.
    ///
    /// # Errors
    /// When none was.
    pub(in crate::netfilter) fn need_any(&self, needed: &'static str) -> Result<(), Flaw> {
        if self.items.is_empty() { Err(self.needs(needed)) } else { Ok(()) }
    }

    /// Sees to it that of these options one at most was given.
    ///
    /// # Errors
    /// At the second one.
    pub(in crate::netfilter) fn exclusive(&self, names: &[&str]) -> Result<(), Flaw> {
        let mut among = self.items.iter().filter(|item| names.contains(&item.id()));
        match (among.next(), among.next()) {
            (Some(_), Some(second)) => Err(Fault::Twice { option: second.name() }.at(second.column)),
            (Some(_) | None, None) | (None, Some(_)) => Ok(()),
        }
    }

    /// That the match or target needs something.
    pub(in crate::netfilter) fn needs(&self, needed: &'static str) -> Flaw {
        Fault::Needs { what: self.name.into(), needed }.at(self.column)
    }
}
