//! The control socket: how a running gateway is asked and told.
//!
//! A Unix stream socket with mode 0600. A client connects, says one [`Hello`] with the version it speaks and its request,
//! and reads replies until [`Reply::Done`]. Messages are JSON behind their length (`codec`): a listing is streamed line by
//! line, in pages between which the packet path has its turn, and every memory is bounded. A client that does not
//! read is cut off, and learns how many lines it has lost.
//!
//! Why not bincode: whatever talks to a gateway from another language needs no more than a JSON parser.

mod client;
mod codec;
mod listener;
mod message;
mod outbox;
mod parser;
mod peer;
mod server;

use std::{env, path::PathBuf};

pub use client::{Client, ClientError, Happened, Told};
pub use codec::CodecError;
pub use listener::{ListenError, Listener};
pub use message::{Hello, Logged, NewHelper, NewRules, Reply, Request, Topic, VERSION};
pub use parser::Names;
pub use server::{Answers, Counters, Server};

/// Where a gateway listens unless told otherwise: `towpath.sock` in `$XDG_RUNTIME_DIR`, else in `/run`.
#[must_use]
pub fn default_path() -> PathBuf {
    let folder = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    PathBuf::from(folder.unwrap_or_else(|| "/run".into())).join("towpath.sock")
}

#[cfg(test)]
mod tests;
