//! Sets of addresses, networks, ports and the like, which rules ask about and change (ipset; Linux v6.18:
//! `net/netfilter/ipset/`).
//!
//! | file | what |
//! |---|---|
//! | `kind.rs` | what elements of each kind of set consist of: a table |
//! | `key.rs` | an element, as text in and out |
//! | `icmp.rs` | names of types and codes in elements: tables |
//! | `elements.rs` | the elements of one set |
//! | `set.rs` | one set |
//! | `probe.rs` | what a packet shows to sets |
//! | `read.rs` | the text that `ipset save` writes |
//! | `create.rs` | of it, what makes sets |
//! | `listing.rs` | the texts that `ipset list` writes |
//!
//! Sets are ordered maps and not hashes: what they say does not depend on chance, and a listing is in order.

mod create;
mod elements;
mod icmp;
mod key;
mod kind;
mod listing;
pub(in crate::netfilter) mod probe;
pub(in crate::netfilter) mod read;
mod set;
#[cfg(test)]
mod tests;

pub use listing::SetListing;
pub(in crate::netfilter) use set::{Compare, Demand};

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::Named;
use crate::{
    conntrack::Family,
    limits::SETS_MAX,
    netfilter::{
        error::{Fault, Flaw, Noun},
        save::{
            options::{Given, Item},
            text::Word,
        },
    },
    time::Instant,
};
use kind::{Part, Storage};
use probe::Probe;
use set::{Element, Found, Set};

/// All sets, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sets(Named<Set>);

/// A set as rules may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSet {
    /// Its name.
    pub name: String,
    /// Whose rules may name it; `None`: those of both, since it holds no addresses itself.
    pub family: Option<Family>,
}

/// A set as a rule names it, and from which end of a packet each part of an element is taken.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Selected {
    name: String,
    /// True: from the source. One to six.
    from_source: Vec<bool>,
    /// Where the set was found last.
    hint: usize,
}

/// How a packet's element is added.
#[derive(Clone, Copy, Debug)]
pub(in crate::netfilter) struct Addition {
    pub(in crate::netfilter) now: Instant,
    pub(in crate::netfilter) exist: bool,
    pub(in crate::netfilter) timeout: Option<u32>,
}

impl Selected {
    /// Reads the two values of an option: a set's name, and `src,dst…`.
    pub(in crate::netfilter) fn parse(item: &Item, given: &Given<'_>) -> Result<Self, Flaw> {
        let (name, ends) = (item.value(), item.second());
        let known = || given.sets.iter().map(|set| set.name.as_str());
        // Linux v6.18: `net/netfilter/ipset/ip_set_core.c`, `find_set_and_id()`; the tool, iptables 1.8.9: `get_set_byid()`.
        match given.sets.iter().find(|set| set.name == name.text) {
            Some(set) if set.suits(given.family) => {}
            Some(_) => return Err(name.bad(needed_by(given.family))),
            None => {
                let mut fault = Fault::unknown(Noun::Set, &name.text, known());
                if let Fault::Unknown { known: listed, .. } = &mut fault {
                    *listed = known().map(ToOwned::to_owned).collect();
                }
                return Err(fault.at(name.column));
            }
        }
        let from_source = parse_ends(ends)?;
        Ok(Self { name: name.text.clone(), from_source, hint: 0 })
    }

    /// The set's name.
    pub(in crate::netfilter) fn name(&self) -> &str {
        &self.name
    }
}

impl KnownSet {
    fn suits(&self, rules: Family) -> bool {
        self.family.is_none_or(|family| family == rules)
    }
}

/// What a set has to be for rules of a family, and one of the other is not.
pub(in crate::netfilter) const fn needed_by(rules: Family) -> &'static str {
    match rules {
        Family::Ipv4 => "a set that rules of iptables may name: its family is inet6",
        Family::Ipv6 => "a set that rules of ip6tables may name: its family is inet",
    }
}

fn parse_ends(word: &Word) -> Result<Vec<bool>, Flaw> {
    let end = |text: &str| match text {
        "src" => Some(true),
        "dst" => Some(false),
        _ => None,
    };
    let found: Option<Vec<bool>> = word.text.split(',').map(end).collect();
    let wants = "one to six of `src` and `dst`, separated by commas";
    found.filter(|ends| ends.len() <= ENDS_MAX).ok_or_else(|| word.bad(wants))
}

/// Writes `NAME src,dst`; a name that rules would take for an option or a `!` stands in quotes.
impl fmt::Display for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.starts_with('-') || self.name == "!" {
            true => write!(f, "\"{}\"", self.name)?,
            false => f.write_str(&self.name)?,
        }
        for (index, source) in self.from_source.iter().enumerate() {
            let separator = if index == 0 { ' ' } else { ',' };
            write!(f, "{separator}{}", if *source { "src" } else { "dst" })?;
        }
        Ok(())
    }
}

impl Sets {
    /// Names of all sets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name)
    }

    /// All sets, as rules may name them.
    pub fn known(&self) -> impl Iterator<Item = KnownSet> {
        self.0.iter().map(|(name, set)| KnownSet { name: name.to_owned(), family: set.family() })
    }

    /// Whether rules of that family may name the set; also where there is no such set.
    pub(in crate::netfilter) fn suits(&self, name: &str, rules: Family) -> bool {
        self.0.find(name).and_then(Set::family).is_none_or(|family| family == rules)
    }

    /// The kind of a set, as `ipset create` names it: `hash:ip,port`.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&'static str> {
        self.0.find(name).map(|set| set.kind.name())
    }

    /// The sets of a list, in its order; none of another set.
    pub fn members(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.find(name).into_iter().flat_map(|set| &set.members).map(|(name, _)| name.as_str())
    }

    /// Whether a list holds the set.
    fn is_held(&self, name: &str) -> bool {
        self.0.iter().flat_map(|(_, set)| &set.members).any(|(member, _)| member == name)
    }

    /// Whether nothing is in a set, nor in the sets of a list; also where there is no such set.
    #[must_use]
    pub fn is_empty(&self, name: &str) -> bool {
        let is_bare = |name: &str| self.0.find(name).is_none_or(|set| set.elements.len() == 0);
        is_bare(name) && self.members(name).all(is_bare)
    }

    /// Whether all keep the bounds and promises that whoever uses them relies on.
    pub(in crate::netfilter) fn is_sound(&self) -> bool {
        self.0.iter().count() <= SETS_MAX && self.0.iter().all(|(_, set)| set.is_sound())
    }

    /// Writes all sets as `ipset -sorted save` does, lists of sets last.
    #[must_use]
    pub fn save(&self, now: Instant) -> String {
        let mut out = String::new();
        for lists in [false, true] {
            let wanted = |set: &Set| (set.kind.storage() == Storage::List) == lists;
            for (name, set) in self.0.iter().filter(|(_, set)| wanted(set)) {
                set.print(name, now, &mut out);
            }
        }
        out
    }

    /// Whether a packet is in a set.
    pub(in crate::netfilter) fn test(
        &mut self,
        now: Instant,
        selected: &mut Selected,
        probe: &Probe<'_>,
        demand: &Demand,
    ) -> bool {
        let Selected { name, from_source, hint } = selected;
        let found = self.find(now, name, hint, from_source, probe, demand);
        match (found, demand.exceptions) {
            (Found::No, _) => false,
            (Found::Yes, exceptions) => !exceptions || !self.has_networks(name),
            (Found::Exception, exceptions) => exceptions,
        }
    }

    /// Whether what a packet shows the set depends on who sends it; of a list of sets nobody knows.
    pub(in crate::netfilter) fn asks_who(&self, selected: &Selected) -> bool {
        let Some(set) = self.0.find(&selected.name) else { return false };
        let parts = set.kind.parts();
        let is_of_sender = |(part, from_source): (&Part, &bool)| matches!(part, Part::Mac | Part::Mark) || *from_source;
        set.kind.storage() == Storage::List || parts.iter().zip(&selected.from_source).any(is_of_sender)
    }

    /// Whether it is the port that a packet goes to that the set is asked for; of a list of sets it may be.
    pub(in crate::netfilter) fn names_port_of_destination(&self, selected: &Selected) -> bool {
        let Some(set) = self.0.find(&selected.name) else { return false };
        let parts = set.kind.parts();
        let is_port = |(part, from_source): (&Part, &bool)| matches!(part, Part::Port | Part::BarePort) && !from_source;
        set.kind.storage() == Storage::List || parts.iter().zip(&selected.from_source).any(is_port)
    }

    fn has_networks(&self, name: &str) -> bool {
        self.0.find(name).is_some_and(|set| set.kind.has(Part::Network))
    }

    fn find(
        &mut self,
        now: Instant,
        name: &str,
        hint: &mut usize,
        from_source: &[bool],
        probe: &Probe<'_>,
        demand: &Demand,
    ) -> Found {
        let Some(set) = self.0.find_mut(name, hint) else { return Found::No };
        if set.kind.storage() == Storage::List {
            return if self.is_in_member(now, name, from_source, probe, demand) { Found::Yes } else { Found::No };
        }
        let parts = set.kind.parts().len();
        let key = (from_source.len() >= parts).then(|| probe.key(set.kind, from_source)).flatten();
        key.map_or(Found::No, |key| set.test(now, &key, probe.bytes, demand))
    }

    /// Asks the sets of a list, in its order (Linux v6.18: `net/netfilter/ipset/ip_set_list_set.c`, `list_set_ktest()`).
    fn is_in_member(
        &mut self,
        now: Instant,
        list: &str,
        from_source: &[bool],
        probe: &Probe<'_>,
        demand: &Demand,
    ) -> bool {
        let inner = Demand { count: demand.count && demand.count_members, packets: None, bytes: None, ..*demand };
        let mut index = 0;
        while let Some(member) = self.0.find(list).and_then(|set| set.members.get(index)).map(|(name, _)| name.clone())
        {
            let mut selected = Selected { name: member, from_source: from_source.to_vec(), hint: 0 };
            let is_list = self.0.find(&selected.name).is_none_or(|set| set.kind.storage() == Storage::List);
            if !is_list
                && self.test(now, &mut selected, probe, &inner)
                && let Some(set) = self.0.find_mut(list, &mut 0)
            {
                let counters = set.options.counters;
                if set.members.get_mut(index).is_some_and(|(_, own)| own.holds(now, counters, probe.bytes, demand)) {
                    return true;
                }
            }
            index += 1;
        }
        false
    }

    /// Adds what a packet shows; to a list, to its first set that takes it.
    pub(in crate::netfilter) fn add(&mut self, selected: &mut Selected, probe: &Probe<'_>, addition: Addition) -> bool {
        for mut target in self.targets(selected) {
            let Selected { name, from_source, hint } = &mut target;
            let Some(set) = self.0.find_mut(name, hint) else { continue };
            let Some(key) = probe.key_in(set, from_source) else { continue };
            let expires = set.expiry(addition.now, addition.timeout);
            let element = Element { expires, ..Element::default() };
            if set.add(addition.now, key, element, addition.exist) {
                return true;
            }
        }
        false
    }

    /// Takes out what a packet shows.
    pub(in crate::netfilter) fn remove(&mut self, selected: &mut Selected, probe: &Probe<'_>) -> bool {
        for mut target in self.targets(selected) {
            let Selected { name, from_source, hint } = &mut target;
            let Some(set) = self.0.find_mut(name, hint) else { continue };
            let Some(key) = probe.key_in(set, from_source) else { continue };
            if set.remove(key) {
                return true;
            }
        }
        false
    }

    /// The set itself, or the sets of a list.
    fn targets(&self, selected: &Selected) -> Vec<Selected> {
        let of = |name: &str| Selected { name: name.to_owned(), hint: 0, ..selected.clone() };
        match self.0.find(&selected.name) {
            Some(set) if set.kind.storage() == Storage::List => set.members.iter().map(|(name, _)| of(name)).collect(),
            Some(_) | None => alloc::vec![selected.clone()],
        }
    }

    /// Lives that were counted from [`Instant::ZERO`] begin now.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.0.values_mut().for_each(|set| set.start(now));
    }

    /// Puts the sets of rules in force: each takes the place of the one of its name, which is given back, and lives begin now.
    pub(in crate::netfilter) fn take(&mut self, now: Instant, mut new: Self) -> Self {
        let mut former = Self::default();
        for (name, mut set) in new.0.drain() {
            set.start(now);
            match self.0.find_mut(&name, &mut 0) {
                Some(known) => former.0.push(name, core::mem::replace(known, set)),
                None => self.0.push(name, set),
            }
        }
        former
    }
}

/// Linux: `IPSET_DIM_MAX`.
const ENDS_MAX: usize = 6;
