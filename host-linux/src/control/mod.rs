//! The control socket: how a running gateway is asked and told.
//!
//! A Unix stream socket with mode 0600. A client connects, says one [`Hello`] with the version it speaks and its request,
//! and reads replies until [`Reply::Done`]. Messages are JSON behind their length (`codec`). A client that does not
//! read what it asked for is cut off. One that watches stays, loses what it has no room for, and is told in its place how much that
//! was (`watch`); those who ask have room of their own beside those who watch.
//!
//! What takes long does not stop the packet path:
//!
//! | what | how |
//! |---|---|
//! | listing and forgetting connections and expectations | in pages, between which the path has its turn |
//! | reading rules and components, printing rules | by a worker; what rules have counted is copied before, 2 ms for a million of them |
//! | dropping rules and what else is large | by the worker |
//! | going on from a snapshot | it is read by the worker; the path stops for the exchange, which takes no time |
//! | saving a snapshot | bytes are made by the worker; **the path stops while what they say is gathered**: 0.5 to 2 µs a connection; for one client at a time |
//! | counting rules anew, putting them in force | at once: 1 ms for a million rules; sets with timeouts that come along, 20 ns an element |
//!
//! Snapshots and rules that are to be written down are gathered one at a time: whoever asks while another's are being written
//! waits for its turn (`turn`), and packets pass between. A client keeps its place until what it began is done, whatever it says
//! meanwhile. What is short is bounded for each client, what is long for all together (`budget`).
//!
//! | file | what |
//! |---|---|
//! | `listener`, `codec`, `message` | the socket's place, messages as bytes, what they say |
//! | `server`, `peer` | the gateway's end, and one client of it |
//! | `task`, `request` | what a client is being given, and what begins that |
//! | `outbox`, `budget` | what waits for a client, and what all of them may hold |
//! | `watch` | what a watcher is told, and what it loses |
//! | `turn` | whose turn it is to have something gathered |
//! | `parser` | rules as they come |
//! | `client` | the other end |
//!
//! Why not bincode: whatever talks to a gateway from another language needs no more than a JSON parser.

mod budget;
mod client;
mod codec;
mod listener;
mod message;
mod outbox;
mod parser;
mod peer;
mod request;
mod server;
mod task;
mod turn;
mod watch;

use std::{env, path::PathBuf};

pub use client::{Client, ClientError, Happened, Heard, Told, Watched};
pub use codec::CodecError;
pub use listener::{ListenError, Listener};
pub use message::{Facts, Hello, Listing, Logged, NewHelper, NewRules, Reply, Request, Switched, Topic, VERSION};
pub use parser::Names;
pub use server::{Answers, Counters, Forgotten, Reading, Server, Waste, Writing};

/// Where a gateway listens unless told otherwise: `towpath.sock` in `$XDG_RUNTIME_DIR`, else in `/run`.
#[must_use]
pub fn default_path() -> PathBuf {
    let folder = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    PathBuf::from(folder.unwrap_or_else(|| "/run".into())).join("towpath.sock")
}

#[cfg(test)]
mod tests;
