//! Connections, expectations and their events as JSON, with the names and words of `kernel-oracle/1`
//! (`tests/kernel/oracle/README.md`), so that ours and the kernel's can be laid side by side.

mod connection;
mod event;
mod expectation;
mod tuple;

pub use connection::{Adjustment, Connection};
pub use event::ConntrackEvent;
pub use expectation::{Expectation, ExpectedNat, Mask};
pub use tuple::Tuple;
