//! One packet: its bytes, the layers found in them, and what else is known about it.
//!
//! Why not one buffer of 64 KB: most packets are small, and a super-packet's payload is never looked at on the path;
//! it lies in shared fragments and moves by pointer.

mod behind;
mod buf;
mod charge;
mod edit;
mod grow;
mod ip;
mod list;
mod meta;
mod parse;
mod part;
mod pieces;
mod queue;
mod shared;
pub mod sketch;
mod tags;
mod text;
mod touched;
mod view;

pub use behind::Behind;
pub use buf::Pool;
pub use charge::{Budget, Charge};
pub use edit::{Draft, Head};
pub use ip::{Ip, IpMut};
pub use meta::{Addressed, Checksum, Gso, GsoKind, Meta, Owner, Standing, VlanTag};
pub use parse::{Network, Transport};
pub use pieces::Pieces;
pub use queue::Queue;
pub use shared::Shared;
pub use sketch::Sketch;
pub use text::Summary;
pub use touched::Touched;
pub(crate) use view::PlainEnds;

use alloc::boxed::Box;

use buf::Block;

use crate::ending::{DropReason, Dropped};

/// One packet (Linux: `struct sk_buff`). Whoever holds it owns it.
///
/// ```text
///   0          data                                      tail      capacity
///   |-headroom->|-- l2 --|-- l3 --|-- l4 --|-- payload --|-tailroom->|  then fragments, shared
/// ```
#[derive(Debug)]
pub struct Packet(Box<Block>);

impl Packet {
    /// Ends the packet's way.
    #[must_use]
    pub const fn drop_for(self, reason: DropReason) -> Dropped {
        Dropped { packet: self, reason }
    }

    /// What is known about it beside its bytes.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }

    /// What is known about it, to change.
    pub fn meta_mut(&mut self) -> &mut Meta {
        &mut self.0.meta
    }
}
