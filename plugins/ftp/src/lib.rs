//! The FTP helper: reads where an FTP data connection will go, and writes it anew under NAT.
//!
//! FTP names the endpoint of each data connection in its control connection, in one of four notations:
//!
//! ```text
//! notation  who writes it        example                              names
//! PORT      client, RFC 959      PORT 10,0,0,5,200,10                 the client
//! EPRT      client, RFC 2428     EPRT |1|10.0.0.5|51210|              the client
//! 227       server, RFC 959      227 Entering (10,0,0,21,195,80)      the server
//! 229       server, RFC 2428     229 Entering (|||50000|)             the server, by its port alone
//! ```
//!
//! This crate is the parser and the writer, without I/O, state or allocation while reading: [`inspect`] and [`render`].
//! [`Ftp`] holds replies against what the client has asked for, and says the same to the kit, from which `component` makes a WebAssembly
//! component and `plugins/native` an engine helper without a sandbox.
//! What is accepted, and what is written, is what Linux accepts and writes; `README.md` tells the odd cases.
//!
//! Room: [`command`] (which line, which notation), `asked` (which replies are waited for), `number` (number lists, ports), `address` (IPv6
//! text), [`render`] (writing), [`manifest`] (what the helper asks to be allowed).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod asked;
pub mod command;
pub mod manifest;
mod number;
mod plugin;
mod render;

pub use command::{Announcement, Notation, Outcome, Sender, inspect};
pub use plugin::Ftp;
pub use render::render;
