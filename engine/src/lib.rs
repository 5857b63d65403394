//! The Linux packet path as a sans-IO engine.
//!
//! ```text
//!  frames, now                                                       frames, events, next deadline
//!      │                                                                          ▲
//!      ▼                                                                          │
//!  packet::parse ─► PREROUTING ─► route ─┬─► FORWARD ──┬─► POSTROUTING ─► neighbour ─► transmit
//!                   raw conntrack        │  mangle     │   mangle nat
//!                   mangle nat           │  filter     │   helper confirm
//!                                        ▼             │
//!                                      INPUT ─► local ─► OUTPUT
//! ```
//!
//! | room | what lives there |
//! |---|---|
//! | `path`, `repeat` | the packet's way, hook by hook: read it first; the short way of packets that fare as others of their flow |
//! | `stages` | what each stage of a hook asks of its room |
//! | `link`, `reassembly`, `extensions`, `loopback` | neighbours and ports at both ends, fragments, extension headers, this host to itself |
//! | `waiting`, `merging` | segments that wait for the rest of a helper's line; frames that wait to be continued |
//! | `settle`, `noted`, `held` | what an ending means; what is noted of the packet at hand; packets that a stage keeps |
//! | `foretell` | where rules would lead a packet if it came |
//! | [`engine`], [`frame`] | the interface: `handle_*` in, `poll_*` out; what crosses it |
//! | [`command`], `operator` | what an operator asks, and how it is carried out |
//! | [`packet`] | one packet: bytes, layers, facts, notation |
//! | [`wire`] | headers and checksums |
//! | [`netfilter`] | hooks, tables, rules |
//! | [`conntrack`] | connections, expectations, the helper trait |
//! | [`nat`] | translations |
//! | [`ip`] | routes, neighbours, ICMP errors |
//! | [`socket`], [`tcp`] | what users of the engine hold; the TCP endpoint |
//! | [`device`], [`offload`] | ports and VLANs; what they do for the host, in software |
//! | [`ending`], [`event`], `rate_limit`, [`trace`], [`stats`] | how packets end and what is told about it |
//! | [`sysctl`], [`limits`] | tunables and bounds |
//! | [`snapshot`] | an engine as bytes |
//! | [`digest`], [`transcript`] | hashes of bytes, and of all that an engine gives |
//! | [`surroundings`] | what every room is lent |
//! | [`timer`] | what runs out when: deadlines, timers, the wheel |
//! | [`time`], `calendar`, [`random`], `sip` | what comes in from outside, and the keyed hash that draws are made with |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod calendar;
pub mod command;
pub mod conntrack;
pub mod device;
pub mod digest;
pub mod ending;
pub mod engine;
pub mod event;
mod extensions;
mod foretell;
pub mod frame;
mod held;
pub mod ip;
pub mod limits;
mod link;
mod loopback;
mod merging;
pub mod nat;
pub mod netfilter;
mod noted;
pub mod offload;
mod operator;
pub mod packet;
mod path;
pub mod random;
mod rate_limit;
mod reassembly;
mod repeat;
mod settle;
mod sip;
pub mod snapshot;
pub mod socket;
mod stages;
pub mod stats;
pub mod surroundings;
pub mod sysctl;
pub mod tcp;
pub mod time;
pub mod timer;
pub mod trace;
pub mod transcript;
mod waiting;
pub mod wire;

pub use command::{Command, CommandError, Condemned, Reply};
pub use ending::{DropReason, Dropped, End, Ending, Outcome};
pub use engine::{Engine, TimerId};
pub use event::{Change, Event, Subscription};
pub use frame::{DeviceId, Frame, Transmit};
pub use packet::{Checksum, Gso, GsoKind, Packet, VlanTag};
pub use time::Instant;
