//! The elements of one set, found by what they hold and by when they are forgotten.

use alloc::collections::{BTreeMap, BTreeSet, btree_map};

use serde::{Deserialize, Serialize, Serializer};

use super::{key::Key, set::Element};
use crate::{limits::SET_EXPIRED_MAX, time::Instant};

/// Elements by what they hold. In a snapshot they are a plain map.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<Key, Element>")]
pub(super) struct Elements {
    by_key: BTreeMap<Key, Element>,
    /// Those that are forgotten some time, the earliest first: each stands here exactly when it does above.
    by_expiry: BTreeSet<(Instant, Key)>,
}

impl From<BTreeMap<Key, Element>> for Elements {
    fn from(by_key: BTreeMap<Key, Element>) -> Self {
        let by_expiry = by_key.iter().filter_map(|(key, element)| Some((element.expires?, key.clone()))).collect();
        Self { by_key, by_expiry }
    }
}

impl Serialize for Elements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_key.serialize(serializer)
    }
}

impl Elements {
    /// Bytes that an element takes beside what it is, when it is forgotten some time.
    pub(super) const BYTES_OF_EXPIRY: usize = size_of::<(Instant, Key)>();

    pub(super) const fn new() -> Self {
        Self { by_key: BTreeMap::new(), by_expiry: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Element> {
        self.by_key.get(key)
    }

    /// Asks an element whether it holds; it may count that.
    pub(super) fn ask<T>(&mut self, key: &Key, ask: impl FnOnce(&mut Element) -> T) -> Option<T> {
        let element = self.by_key.get_mut(key)?;
        let expires = element.expires;
        let answer = ask(element);
        debug_assert_eq!(element.expires, expires, "an element's life is changed by adding it anew");
        Some(answer)
    }

    /// Adds an element, in place of the one that holds the same; true: there was none.
    pub(super) fn insert(&mut self, key: Key, element: Element) -> bool {
        let is_new = !self.remove(&key);
        self.by_expiry.extend(element.expires.map(|expires| (expires, key.clone())));
        self.by_key.insert(key, element);
        is_new
    }

    /// Takes an element out; false: it is not there.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some(element) = self.by_key.remove(key) else { return false };
        if let Some(expires) = element.expires {
            self.by_expiry.remove(&(expires, key.clone()));
        }
        true
    }

    /// The first one in order.
    pub(super) fn first(&self) -> Option<&Key> {
        self.by_key.keys().next()
    }

    /// Some of those whose time is over, the longest first: at most [`SET_EXPIRED_MAX`].
    pub(super) fn expired(&self, now: Instant) -> impl Iterator<Item = &Key> {
        let over = self.by_expiry.iter().take_while(move |(expires, _)| *expires <= now);
        over.map(|(_, key)| key).take(SET_EXPIRED_MAX)
    }

    /// All, in order.
    pub(super) fn iter(&self) -> btree_map::Iter<'_, Key, Element> {
        self.by_key.iter()
    }

    /// Lets each be forgotten at another time.
    pub(super) fn shift(&mut self, expiry: impl Fn(Instant) -> Instant) {
        let mut shifted = core::mem::take(&mut self.by_key);
        for element in shifted.values_mut() {
            element.expires = element.expires.map(&expiry);
        }
        *self = Self::from(shifted);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const NOW: Instant = Instant::from_secs(100);

    fn marked(mark: u32) -> Key {
        Key { mark, ..Key::default() }
    }

    fn until(secs: Option<u64>) -> Element {
        Element { expires: secs.map(Instant::from_secs), ..Element::default() }
    }

    fn expired(elements: &Elements) -> Vec<u32> {
        elements.expired(NOW).map(|key| key.mark).collect()
    }

    #[test]
    fn only_elements_whose_time_is_over_are_looked_at_to_make_room_and_never_many() {
        let mut elements = Elements::new();
        for mark in 0..1000 {
            elements.insert(marked(mark), until(Some(u64::from(mark) + 98)));
        }
        elements.insert(marked(5000), until(None));
        assert_eq!(expired(&elements), [0, 1, 2]);
        for mark in 0..1000 {
            elements.insert(marked(mark), until(Some(1000 - u64::from(mark))));
        }
        let latest: Vec<u32> = (0..SET_EXPIRED_MAX as u32).map(|back| 999 - back).collect();
        assert_eq!(expired(&elements), latest, "those that came before are known by their new time alone");
    }

    #[test]
    fn an_element_that_is_gone_or_lives_on_is_not_forgotten() {
        let mut elements = Elements::new();
        for mark in 0..3 {
            elements.insert(marked(mark), until(Some(50)));
        }
        elements.remove(&marked(0));
        assert!(!elements.insert(marked(1), until(None)));
        assert_eq!(expired(&elements), [2]);
        elements.shift(|expires| expires + core::time::Duration::from_secs(51));
        assert!(expired(&elements).is_empty());
    }
}
