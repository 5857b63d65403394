//! The helper plugins compiled in, behind the engine's trait: the very crates that the components are made of, without
//! a sandbox.
//!
//! The page runs them (a component costs microseconds a call there), and tests compare the components with them. On a
//! gateway the components run: they are what the manifest can be enforced on.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod adapter;

use alloc::{boxed::Box, vec, vec::Vec};

use towpath_engine::conntrack::helper::Helper;

pub use adapter::Native;

/// The FTP helper.
pub type Ftp = Native<towpath_helper_ftp::Ftp>;
/// The IRC helper.
pub type Irc = Native<towpath_helper_irc::Irc>;
/// The NetBIOS name service helper.
pub type NetbiosNs = Native<towpath_helper_netbios_ns::NetbiosNs>;
/// The TFTP helper.
pub type Tftp = Native<towpath_helper_tftp::Tftp>;

/// Every helper, in the order of their names.
#[must_use]
pub fn all() -> Vec<Box<dyn Helper>> {
    vec![Box::new(Ftp::default()), Box::new(Irc::default()), Box::new(NetbiosNs::default()), Box::new(Tftp::default())]
}
