//! Memory for what is long at the control socket: rules, components, snapshots, listings of rules. All of it together has one bound.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::limits::CONTROL_LONG_BYTES_MAX;

/// How much of the memory is claimed. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

/// A part of it, claimed until this is dropped: wherever the bytes go, it goes with them.
#[derive(Debug)]
pub(super) struct Claim {
    budget: Budget,
    bytes: usize,
}

/// Bytes that are paid for.
pub(super) struct Held {
    bytes: Vec<u8>,
    _claim: Claim,
}

/// There is no room for so many bytes beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full(pub(super) usize);

impl Budget {
    /// Claims room for so many bytes.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn claim(&self, bytes: usize) -> Result<Claim, Full> {
        let take = |claimed: usize| claimed.checked_add(bytes).filter(|claimed| *claimed <= CONTROL_LONG_BYTES_MAX);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(Claim { budget: self.clone(), bytes }),
            Err(_) => Err(Full(bytes)),
        }
    }

    /// Claims room for bytes that are there already; they are lost when there is none.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn hold(&self, bytes: Vec<u8>) -> Result<Held, Full> {
        self.claim(bytes.len()).map(|claim| claim.of(bytes))
    }

    /// How much is claimed.
    pub(super) fn claimed(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Claim {
    /// The bytes that it was made for.
    pub(super) const fn of(self, bytes: Vec<u8>) -> Held {
        Held { bytes, _claim: self }
    }
}

impl Held {
    /// The bytes. That the field is private keeps closures from capturing it without the claim.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({} bytes)", self.bytes.len())
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no room for {} bytes beside what other clients send and get; try again", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_is_bounded_and_free_again_when_the_bytes_are_gone() {
        let budget = Budget::default();
        let claim = budget.claim(CONTROL_LONG_BYTES_MAX - 3).unwrap();
        let held = budget.hold(vec![1, 2, 3]).unwrap();
        assert_eq!(budget.claim(1).map(drop), Err(Full(1)));
        assert_eq!(budget.claim(usize::MAX).map(drop), Err(Full(usize::MAX)));
        drop(held);
        assert_eq!(budget.claimed(), CONTROL_LONG_BYTES_MAX - 3);
        assert!(budget.claim(4).is_err() && budget.claim(3).is_ok());
        drop(claim.of(Vec::new()));
        assert_eq!(budget.claimed(), 0);
    }
}
