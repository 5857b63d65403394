//! The IRC helper: reads where a DCC connection will go, and writes it anew under NAT.
//!
//! Two IRC clients that exchange a file or talk in private do it on a connection of their own, which one of them offers in a
//! message to the other (CTCP, DCC):
//!
//! ```text
//! PRIVMSG bob :\x01DCC SEND file.txt 3232235786 5000 1234\x01\r\n
//!              └ the offer's start   └ address  └ port: what is read, and rewritten
//! ```
//!
//! [`offer`] is the parser, [`render`] the writer: without I/O, state, or allocation while reading. [`Irc`] says the same to
//! the kit. `README.md` tells the odd cases.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod manifest;
mod offer;
mod plugin;
mod render;

pub use manifest::{EXPECT_SECONDS, EXPECTED_MAX, FUEL_PER_CALL, PORT, REWRITE_BYTES_MAX};
pub use offer::{Offer, offer};
pub use plugin::Irc;
pub use render::render;
