//! The engine behind the interface that packetdrill offers to stacks that are no kernel's: `packetdrill --so_filename=LIBRARY`. So that
//! program, which nobody here has written, judges what the engine does, beside the runner of `packet-scripts`.
//!
//! ```text
//!  packetdrill ── table of functions ──► abi ──► instance ──► system (packet-scripts) ──► engine
//!      │                                  ▲
//!      └── getsockopt, system, … (libc) ──┘  with LD_PRELOAD
//! ```
//!
//! Time is virtual: packetdrill asks for it, and waits, by the table. A script takes no longer than its events. What packetdrill
//! does behind the table's back it asks of libc, and finds here instead when the library is preloaded: `TCP_INFO` for assertions, and
//! the commands of a script's shell lines, which set up this host and not the one that it runs on. Memory need not be locked and
//! priorities not raised where no time passes, so that nobody has to be root.
//!
//! The interface is a set of facts (which functions, in which order, with which arguments), read from packetdrill of 2026-03-11. None
//! of its text is here.
//!
//! | file | what |
//! |---|---|
//! | `abi/` | the table, and pointers that become slices: the only unsafe code |
//! | `instance` | the calls, and threads that wait |
//! | `flags` | `--so_flags` |
//! | `address` | socket addresses as bytes |

mod abi;
mod address;
mod flags;
mod instance;
