//! The helper plugins compiled in, behind the engine's trait: the very crates that the components are made of, without
//! a sandbox.
//!
//! The page runs them (a component costs microseconds a call there), and tests compare the components with them. On a
//! gateway the components run: they are what the manifest can be enforced on.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod ftp;

use alloc::{boxed::Box, vec, vec::Vec};

use towpath_engine::conntrack::helper::Helper;

pub use ftp::Ftp;

/// Every helper, in the order of their names.
#[must_use]
pub fn all() -> Vec<Box<dyn Helper>> {
    vec![Box::new(Ftp::default())]
}
