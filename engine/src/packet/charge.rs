//! What packets are charged to: memory that somebody holds in them. A charge belongs to its packet and ends with it, wherever
//! that is; nobody has to remember it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Packet, Pool};

/// Bytes that packets are charged with. A clone is the same account.
///
/// It is shared, and changed without a lock, because a packet may end elsewhere: the host drops what it was handed.
#[derive(Clone, Debug, Default)]
pub struct Account(Arc<AtomicUsize>);

impl Account {
    /// What packets hold of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A packet's part of an account, which gets it back when this goes.
#[derive(Debug)]
pub(super) struct Charge {
    account: Account,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Packet {
    /// Charges the memory that it holds to an account, and no longer to the one before. Returns how much that is.
    pub fn charge_to(&mut self, account: &Account) -> usize {
        let bytes = self.memory_bytes();
        account.0.fetch_add(bytes, Ordering::Relaxed);
        self.0.charge = Some(Charge { account: account.clone(), bytes });
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
