//! The system under test as a program sees it: system calls with Linux's numbers, on an engine.
//!
//! ```text
//!  runner (a script's words) ──┐
//!                              ├──► process ──► sockets ──► host ──► engine
//!  C library (a program's) ────┘
//! ```
//!
//! Calls never wait. What would have to wait is [`Returned::Waits`]; who calls lets time go on and tries again with the same
//! [`Progress`].
//!
//! | file | what |
//! |---|---|
//! | `host` | the engine, the time, packets in and out |
//! | `process`, `errno` | descriptors, and what calls come to |
//! | `connection`, `data`, `fast_open`, `options`, `waiting` | the calls |
//! | `info` | `TCP_INFO`: names and bytes |
//! | [`shell`], `route` | the commands that scripts give to a shell; `ip route` of them |

mod connection;
mod data;
mod errno;
mod fast_open;
mod host;
pub(crate) mod info;
mod options;
mod process;
mod route;
pub mod shell;
mod waiting;

pub use connection::{AF_INET, AF_INET6};
pub use data::{FAST_OPEN, Sending};
pub use errno::Errno;
pub use host::{Host, Sent};
pub use process::{Outcome, Process, Progress, Returned, Unknown};
pub use waiting::{EpollEvent, Polled};
