//! The TCP endpoint (RFC 9293 and its family), as Linux 6.18 has it; but in SYN-RECEIVED an acknowledgement of the initial sequence
//! number itself, which acknowledges nothing, is answered with a reset, as RFC 9293 has it and Linux does for all lower ones.
//!
//! ```text
//!   segment ─► validate ─► take_ack ─► take_step ─► take_data ─► push ─► acknowledge_data
//!               input        ack        states       input      output      delayed
//!                             │ scoreboard · rack · recovery · congestion
//!   deadline ─► timers ───────┘
//!   user ─────► open, socket/ ─► output ─► emit ─► the outbox
//! ```
//!
//! A connection knows nothing of the engine: it is lent what it needs (`work::Work`) and puts packets into an outbox,
//! which the path sends as it sends all of this host's packets: through OUTPUT and POSTROUTING, tracked and translated. What
//! is waited for is a field of `timers::Deadlines`; the sockets' table arms one timer for the earliest.
//!
//! | file | what |
//! |---|---|
//! | [`states`] | the state machine, pure |
//! | `connection`, `settings`, `work`, `way`, `segment`, `secrets` | what a connection is, what its user has set, what it is lent, how its packets go, what is sent; what nobody may guess |
//! | `open`, `listen`, `cookies`, `time_wait` | how connections begin, wait for each other, and what is left of them |
//! | `input`, `reassembly`, `room`, `sack`, `delayed`, `window` | what comes: order, room, repetitions, acknowledgements, the window that is told |
//! | [`fastopen`] | data that go with a SYN |
//! | [`destinations`] | what connections leave of their ways to those behind them |
//! | [`memory`] | what all connections may hold together |
//! | `ack`, `scoreboard`, `rack`, `recovery`, `undo`, `ecn`, [`rtt`] | what comes back: what is in flight, lost, to be sent again |
//! | `delivery`, `pacing`, `model` | how fast it gets there, how fast it leaves, and who decides it |
//! | `unsent`, `output`, `emit`, `timers`, `keepalive` | what is sent, and when |
//! | `mtu_search` | how large packets may be where nobody says it |
//! | `urgent` | what is read out of turn, and told of before |
//! | `user` | what its user does with a connection |
//! | [`congestion`] | how much may be in the network: Reno, CUBIC, BBR |
//! | `chronicle`, `resent`, [`info`] | what can be asked |
//!
//! Records of what is in flight are super-packets, not segments: as many segments as went out in one packet share one,
//! until SACK tells them apart. So the cost of an acknowledgement is per super-packet.

mod ack;
mod chronicle;
pub mod congestion;
pub(crate) mod connection;
pub(crate) mod cookies;
mod delayed;
mod delivery;
pub mod destinations;
mod ecn;
mod emit;
pub mod fastopen;
pub mod info;
mod input;
mod keepalive;
pub(crate) mod listen;
pub mod memory;
mod model;
mod mtu_search;
pub(crate) mod open;
mod output;
mod pacing;
mod rack;
mod reassembly;
mod recovery;
mod resent;
mod room;
pub mod rtt;
mod sack;
mod scoreboard;
pub(crate) mod secrets;
pub(crate) mod segment;
pub(crate) mod settings;
pub mod states;
pub(crate) mod time_wait;
mod timers;
mod undo;
mod unsent;
mod urgent;
mod user;
pub(crate) mod way;
pub(crate) mod window;
pub(crate) mod work;

pub use delivery::Sample;
pub use destinations::Destination;
pub use fastopen::{FastOpenCounters, FastOpenKeys};
pub use info::TcpInfo;
pub use memory::{TcpMemory, TcpMemoryCounters};
pub use resent::{ResendReason, Resent};
pub use segment::Ends;
pub use states::State;
