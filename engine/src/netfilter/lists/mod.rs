//! What rules remember under a name, beside the rules: it outlives them when new ones name it again, and rules that name
//! the same share it.
//!
//! | file | what remembers |
//! |---|---|
//! | `recent.rs` | `-m recent`: who was seen when |
//! | `hashlimit.rs` | `-m hashlimit`: a bucket for each group of packets |
//! | `sets/` | `-m set`, `-j SET`: sets of addresses and the like |
//!
//! Everything here is plain data that serde can write, and bounded by `limits.rs`.

pub mod hashlimit;
pub mod recent;
pub mod sets;

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{error::Flaw, save::text::Word};
use crate::limits::HASHLIMIT_ENTRIES_MAX;

/// What rules of both families remember under a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lists {
    /// Of `-m recent`, which both families share: an address stands in a list with its family (Linux v6.18:
    /// `net/netfilter/xt_recent.c`, `recent_table_lookup()`).
    pub recent: Named<recent::Recent>,
    /// Of `-m hashlimit`, IPv4 and IPv6: each family has its own (Linux v6.18: `net/netfilter/xt_hashlimit.c`, `htable_find_get()`).
    pub hashlimit: [Named<hashlimit::Buckets>; 2],
    /// Of `-m set` and `-j SET`, which both families share.
    pub sets: sets::Sets,
}

/// Things by name, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named<T>(Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// What has that name. `hint` is where it was found last, and is set to where it is now.
    pub(super) fn find_mut(&mut self, name: &str, hint: &mut usize) -> Option<&mut T> {
        if self.0.get(*hint).is_none_or(|(known, _)| known != name) {
            *hint = self.0.iter().position(|(known, _)| known == name)?;
        }
        self.0.get_mut(*hint).map(|(_, thing)| thing)
    }

    /// What has that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, thing)| thing)
    }

    /// Adds something under a name that is not there yet.
    pub(super) fn push(&mut self, name: String, thing: T) {
        self.0.push((name, thing));
    }

    /// Gives a thing another name, which is not there yet; it stays in its place.
    fn rename(&mut self, name: &str, new: &str) {
        for (known, _) in self.0.iter_mut().filter(|(known, _)| known == name) {
            *known = new.into();
        }
    }

    /// Gives each of two things the other's name and place.
    fn swap(&mut self, one: &str, other: &str) {
        let at = |name: &str| self.0.iter().position(|(known, _)| known == name);
        if let Some(places) = at(one).zip(at(other)).filter(|(one, other)| one != other)
            && let Ok([(_, one), (_, other)]) = self.0.get_disjoint_mut(places.into())
        {
            core::mem::swap(one, other);
        }
    }

    /// Takes all of them out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (String, T)> {
        self.0.drain(..)
    }

    /// Keeps those whose names are wanted.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| wanted(name));
    }

    /// All of them, to change.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, thing)| thing)
    }

    /// All of them with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, thing)| (name.as_str(), thing))
    }

    /// Keeps what `wanted` names, and makes what it names and is not there. Gives back what nobody names.
    fn claim(&mut self, wanted: &[(String, T)]) -> Self
    where
        T: Clone,
    {
        let is_wanted = |(name, _): &mut (String, T)| wanted.iter().any(|(known, _)| known == name);
        let unwanted = self.0.extract_if(.., |named| !is_wanted(named)).collect();
        for (name, thing) in wanted {
            if self.find(name).is_none() {
                self.0.push((name.clone(), thing.clone()));
            }
        }
        Self(unwanted)
    }
}

/// What the rules of a family remember, as they have it when nobody has remembered anything yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    pub(super) recent: Vec<(String, recent::Recent)>,
    pub(super) hashlimit: Vec<(String, hashlimit::Buckets)>,
}

impl Lists {
    /// Keeps and makes what rules name, those of IPv4 and those of IPv6, and gives back the rest, which is forgotten: what Linux
    /// does when rules come and go.
    pub(super) fn claim(&mut self, claims: [&Claims; 2]) -> Self {
        let recent = claims.map(|claims| &claims.recent[..]).concat();
        let unwanted = self.recent.claim(&recent);
        for (name, fresh) in &recent {
            if let Some(known) = self.recent.find_mut(name, &mut 0) {
                known.remember_hits(fresh.hits_max());
            }
        }
        let [tables, tables_v6] = &mut self.hashlimit;
        let [claims, claims_v6] = claims.map(|claims| &claims.hashlimit);
        let hashlimit = [tables.claim(claims), tables_v6.claim(claims_v6)];
        Self { recent: unwanted, hashlimit, sets: sets::Sets::default() }
    }
}

impl Lists {
    /// Whether they keep the bounds and promises that whoever uses them relies on: those of a snapshot may not.
    pub(crate) fn is_sound(&self) -> bool {
        self.recent.iter().all(|(_, list)| list.is_sound())
            && self
                .hashlimit
                .iter()
                .flat_map(Named::iter)
                .all(|(_, table)| table.len() <= HASHLIMIT_ENTRIES_MAX as usize)
            && self.sets.is_sound()
    }
}

/// A name that the kernel takes for a file in `/proc`: 1 to `max` bytes, no slash, neither `.` nor `..`.
pub(super) fn checked_name(word: &Word, max: usize) -> Result<String, Flaw> {
    let text = &word.text;
    let fits = (1..=max).contains(&text.len()) && !text.contains('/') && text != "." && text != "..";
    if fits { Ok(text.clone()) } else { Err(word.bad("a name of 1 to 199 bytes without a slash")) }
}
