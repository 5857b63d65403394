//! What is charged for memory: who holds how much of what he may. A charge belongs to what it was made for and ends with it,
//! wherever that is; nobody has to remember it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Packet, Pool};

/// How much memory one owner may hold in what waits, and how much that is. A clone is the same budget.
///
/// Each owner has a budget of his own (what passes through, this host itself, a socket), so that one that is spent takes
/// nothing from the others. Whoever lets something wait asks [`Self::has_room`] first, and charges it then: a charge is
/// counted whether there is room or not.
///
/// It is shared, and changed without a lock, because a packet may end elsewhere: the host drops what it was handed.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes_max: usize,
    bytes: Arc<AtomicUsize>,
}

impl Budget {
    /// A budget of so many bytes, of which nothing is spent.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: Arc::default() }
    }

    /// What is charged to it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether so many bytes more can be charged to it.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.bytes().saturating_add(bytes) <= self.bytes_max
    }

    /// Charges bytes to it, until what this gives goes.
    #[must_use]
    pub fn charge(&self, bytes: usize) -> Charge {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Charge { budget: self.clone(), bytes }
    }
}

/// A part of a budget, which gets it back when this goes.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Packet {
    /// Charges the memory that it holds to a budget, and no longer to the one before. Returns how much that is.
    pub fn charge_to(&mut self, budget: &Budget) -> usize {
        let bytes = self.memory_bytes();
        self.0.charge = Some(budget.charge(bytes));
        bytes
    }

    /// Ends its charge, if it has one. Returns how much that was.
    pub fn discharge(&mut self) -> usize {
        self.0.charge.take().map_or(0, |charge| charge.bytes)
    }

    /// Gives its buffers back for reuse.
    #[inline]
    pub fn recycle(self, pool: &mut Pool) {
        pool.give_back(self.0);
    }
}
