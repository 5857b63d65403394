//! The closed loop: a capture's packets through a gateway.
//!
//! ```text
//!  captured packet ─► seen translated? ─► whose side? ─► finished by a card? ─► engine ─► record
//!                     `translation`       `side`,        `offload`
//!                                          `itself`
//! ```
//!
//! A capture holds what crossed *its* network, not what crosses the gateway's. So for each packet it is found out where
//! the gateway would meet it, if at all, and what it would look like there; `inner` finds out what came to a gateway that has led it
//! in by DNAT before it was captured. Time is the capture's: before a packet,
//! everything happens that was due.
//!
//! What a machine has sent to itself passes no gateway between two networks. It is replayed as what programs of the gateway's own machine
//! say to each other: OUTPUT, POSTROUTING, `lo`, PREROUTING, INPUT ([`Engine::set_hearing_host`](towpath_engine::Engine::set_hearing_host)).
//!
//! VLAN tags are taken off: the gateway's interfaces are told apart by addresses, directions and names.
//!
//! What few packets need is `#[inline(never)]` here, so that it lies not between what all of them need.

mod ahead;
#[cfg(test)]
pub(crate) mod craft;
mod datagrams;
mod gateway;
mod inner;
mod itself;
mod offload;
mod peek;
mod readdress;
mod setup;
mod side;
mod state;
#[cfg(test)]
mod tests;
mod translation;
mod transparent;

pub use self::{
    gateway::{Replay, Totals},
    offload::ChecksumTrust,
    setup::{Detail, Setup, SetupError, furnish, replace_rules},
};
pub(crate) use self::{offload::fill, peek::Peek};
