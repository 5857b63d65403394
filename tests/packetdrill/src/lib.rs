//! Packet scripts in the language of packetdrill: system calls, packets that come in, packets that must go out, and
//! assertions about the connection in between, each with its time.
//!
//! The language is that of packetdrill of 2026-03-11 as its documentation and its scripts show it; nothing of that program is in
//! here. What is read: options, shell lines, TCP and ICMP packets, system calls with any arguments, assertions.
//!
//! | file | what |
//! |---|---|
//! | [`script`] | a script as data |
//! | `cursor`, `parser/` | how it is read, with the place of what is wrong |
//! | [`assertion`] | what stands between `%{` and `}%`, and whether it holds |
//! | [`system`] | system calls on an engine, and the commands of a shell |
//! | [`runner`] | plays a script on it |
//! | [`files`] | where scripts lie |
//! | [`original`] | lets the original packetdrill play a script |

pub mod assertion;
mod cursor;
mod error;
pub mod files;
pub mod original;
mod parser;
pub mod runner;
pub mod script;
pub mod system;

pub use error::ScriptError;
pub use parser::{Definitions, parse};
