//! Deadlines of a few things.

use alloc::collections::BTreeSet;

use crate::time::Instant;

/// When things run out that have keys and are few. The owner remembers each one's deadline itself, so that it can be taken
/// out again, and bounds how many there are.
///
/// Why no wheel: a search of a dozen steps costs nothing here, and waking is exact however many there are. What was here
/// before makes no difference, so that nothing of it has to be saved.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines<K> {
    in_order: BTreeSet<(Instant, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { in_order: BTreeSet::new() }
    }
}

impl<K: Copy + Ord> Deadlines<K> {
    /// Lets a thing run out; never at [`Instant::FAR_FUTURE`].
    pub(crate) fn add(&mut self, deadline: Instant, key: K) {
        if deadline < Instant::FAR_FUTURE {
            self.in_order.insert((deadline, key));
        }
    }

    /// Takes a thing out that was to run out then.
    pub(crate) fn remove(&mut self, deadline: Instant, key: K) {
        self.in_order.remove(&(deadline, key));
    }

    /// Takes out what has run out, one at a time: the earliest first, of those that run out together the one with the least
    /// key.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<K> {
        let &(deadline, key) = self.in_order.first()?;
        (deadline <= now).then(|| {
            self.in_order.pop_first();
            key
        })
    }

    /// How many will run out.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.in_order.len()
    }

    /// The first deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.in_order.first().map(|&(deadline, _)| deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_by_deadline_and_then_by_key_and_the_rest_stays() {
        let mut deadlines = Deadlines::default();
        let at = Instant::from_secs;
        for (seconds, key) in [(3, 'c'), (2, 'b'), (3, 'a'), (2, 'd'), (9, 'z')] {
            deadlines.add(at(seconds), key);
        }
        deadlines.add(Instant::FAR_FUTURE, 'n');
        deadlines.remove(at(2), 'd');
        assert_eq!(deadlines.next(), Some(at(2)));
        let due: alloc::string::String = core::iter::from_fn(|| deadlines.take_due(at(3))).collect();
        assert_eq!((due.as_str(), deadlines.next()), ("bac", Some(at(9))));
        deadlines.remove(at(9), 'z');
        assert_eq!(deadlines.next(), None, "what never runs out is not there");
    }
}
