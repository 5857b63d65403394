//! Helper plugins: WebAssembly components behind the engine's [`Helper`] trait.
//!
//! ```text
//!  component (bytes) ─► compiled (Cache) ─► checked: imports, exports, manifest ─► Plugin: Helper
//!                                                                                    │ inspect, render
//!                                                          one store, one instance ◄─┘ fuel, memory bound
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`runtime`] | [`Runtime`]: compiles and checks components |
//! | [`instance`] | [`Plugin`]: runs one, call by call |
//! | [`contract`] | `wit/helper.wit` in Rust, and to the engine's types and back |
//! | [`manifest`] | the bounds of a manifest |
//! | [`limiter`] | the bound of a helper's memory |
//! | [`effort`] | what compiling one may take |
//! | [`cache`] | compiled components on disk |
//! | [`shipped`] | the components inside this program |
//! | [`stretched`] | payloads that make a helper work |
//! | [`error`] | what can be wrong with a component |
//!
//! What takes long to compile is refused before. A component has no way out: it imports nothing, every call has fuel, and memory is bounded. After a failed call its
//! instance is thrown away, and the next call gets a new one; so a trap costs its own packet at most.
//!
//! # One instance, and why nothing leaks from connection to connection
//!
//! An instance keeps its memory from call to call, so what it answers could depend on what it has read on other connections:
//! an allocator's traces at best, a secret passed on at worst; and a gateway that is restored or that takes over starts
//! without that memory. A new instance for each call would end this, at ten times the cost of a call, on payloads that for the
//! most part hold nothing of concern. So the instance that is there is asked `concerns` only, and believed only when it says no.
//! What is of concern is inspected in a new instance, and counts as that one answers; it renders what it has found itself; and what
//! fails is asked of a new one again, and is a failure when it fails there, too. Every wish, byte, state and verdict of an inspection
//! is thus a function of the contract's arguments alone. A `no` is not: a helper that means ill can let what it has read decide
//! whether it says that the next payload is of concern, one bit each. One in 256 is asked of a new instance as well, and a helper
//! whose answers differ has failed.
//!
//! # What a call costs
//!
//! Entering WebAssembly, not what is done there: `concerns` is entered once for room for the payload and once to be asked. So
//! its answer is one number, an empty state is not handed over, and all arguments are plain numbers. A new instance is a few
//! allocations and 128 KB of zeros: its memory comes from the process's allocator ([`Runtime`] says how), because to map, protect and
//! unmap pages took five times as long. `cargo bench -p towpath --bench helper` measures it.
//!
//! Why fuel and not epochs: fuel is deterministic, so that a replay fails where the first run failed, and costs no more.
//! Why not the pooling allocator: an instance lives for many calls or for one payload, and a few allocations make it.
//!
//! [`Helper`]: towpath_engine::conntrack::helper::Helper

pub mod cache;
pub mod contract;
pub mod effort;
pub mod error;
pub mod instance;
pub mod limiter;
pub mod limits;
pub mod manifest;
pub mod runtime;
pub mod shipped;
pub mod stretched;

pub use cache::{Cache, CacheError};
pub use effort::{Effort, Excess, Kind};
pub use error::{PluginError, Problem};
pub use instance::Plugin;
pub use runtime::{Look, Runtime, hex};
