//! A gateway as bytes: [`Engine::save`] and [`Engine::restore`].
//!
//! A restored engine goes on as the saved one would have: the same inputs give the same outputs, byte for byte, down to
//! which port is drawn next and when a timer wants to be looked at. For that a snapshot holds
//!
//! - devices, routes, neighbours, services, tunables;
//! - rules as text with their counters, where they were written, and what their matches remember (the credit of
//!   `limit`, the count of `statistic`);
//! - connections with all that their protocols and helpers know of them, expectations, the order in which all of
//!   them are found and run out;
//! - the keys of the hashes, the generator, credit for ICMP errors, counters, subscriptions, the latest time;
//! - names and hashes of helpers, but not their code: whoever restores brings the helpers.
//!
//! It does not hold packets: neither those that wait for [`Engine::poll_transmit`], for a neighbour's address or for other
//! fragments, nor events and endings that nobody has fetched. Drain the queues first; [`Engine::waiting_packets`] counts the rest, which
//! is lost as if a link had lost it.
//!
//! Records are made for the snapshot and taken apart field by field when it is written, so that the compiler asks whoever
//! adds state to a room what becomes of it here; only plain values (addresses, tuples, counters) are those that
//! rooms work with. [`VERSION`] changes with every change of the records. A snapshot is input from outside: everything that
//! another part relies on is checked before it is used, and a wrong one is refused with its reason.
//!
//! | file | what |
//! |---|---|
//! | `envelope` | version, length, checksum, bincode |
//! | `record` | the record of a whole engine |
//! | [`error`] | why one is refused |
//! | `conntrack/snapshot`, `netfilter/snapshot`, `ip/neighbour/snapshot` | rooms that keep their state to themselves |

mod envelope;
pub mod error;
mod record;
#[cfg(test)]
mod tests;

pub use error::{Part, SnapshotError};

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use crate::{conntrack::helper::Helper, engine::Engine, wire::checksum::Routines};

/// The version of snapshots that are written, and the only one that is read.
pub const VERSION: u32 = 1;

/// What a snapshot does not hold and an engine needs.
pub struct Restoring {
    /// Checksum routines that give the results of the portable ones.
    pub routines: Routines,
    /// Helpers. Those of the snapshot are found by name; others are loaded behind them.
    pub helpers: Vec<Box<dyn Helper>>,
    /// Takes a helper of the right name even if its component is another one than the snapshot was made with; what it
    /// remembered of connections is handed to the new one.
    pub other_helpers: bool,
}

impl Default for Restoring {
    /// Portable routines, no helpers.
    fn default() -> Self {
        Self { routines: Routines::PORTABLE, helpers: Vec::new(), other_helpers: false }
    }
}

impl fmt::Debug for Restoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.helpers.iter().map(|helper| helper.manifest().name.as_str()).collect();
        f.debug_struct("Restoring").field("helpers", &names).field("other_helpers", &self.other_helpers).finish()
    }
}

impl Engine {
    /// Everything that makes the engine go on as it does, as bytes.
    ///
    /// ```
    /// use towpath_engine::{Engine, snapshot::Restoring};
    ///
    /// let engine = Engine::new(42);
    /// let bytes = engine.save();
    /// let twin = Engine::restore(&bytes, Restoring::default()).unwrap();
    /// assert_eq!(twin.save(), bytes);
    /// ```
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        envelope::seal(&record::EngineRecord::of(self))
    }

    /// The engine that [`Self::save`] wrote down.
    ///
    /// # Errors
    /// When the snapshot is damaged, cut, of another version, contradicts itself, or needs a helper that was not given.
    pub fn restore(bytes: &[u8], restoring: Restoring) -> Result<Self, SnapshotError> {
        envelope::open::<record::EngineRecord>(bytes)?.restore(restoring)
    }

    /// How many packets wait inside, for [`Self::poll_transmit`], for a neighbour's address or for other fragments: a
    /// snapshot does not hold them.
    #[must_use]
    pub fn waiting_packets(&self) -> usize {
        self.transmits.len() + self.looped.len() + self.neighbours.waiting() + self.defrag.waiting()
    }
}
