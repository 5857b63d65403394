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
use towpath_helper_kit::check;

pub use adapter::Native;

/// Makes of the table of helpers all that there is one of for each.
macro_rules! helpers {
    ($($(#[$doc:meta])* $name:ident = $plugin:path, $folder:literal;)+) => {
        $($(#[$doc])* pub type $name = Native<$plugin>;)+

        /// Every helper, in the order of their names.
        #[must_use]
        pub fn all() -> Vec<Box<dyn Helper>> {
            vec![$(Box::new($name::default())),+]
        }

        /// What shows each helper any bytes and panics when it breaks the contract, by the name of the helper's folder.
        pub const CHECKS: &[(&str, fn(&[u8]))] = &[$(($folder, check::any_bytes::<$plugin>)),+];
    };
}

helpers! {
    /// The FTP helper.
    Ftp = towpath_helper_ftp::Ftp, "ftp";
    /// The IRC helper.
    Irc = towpath_helper_irc::Irc, "irc";
    /// The NetBIOS name service helper.
    NetbiosNs = towpath_helper_netbios_ns::NetbiosNs, "netbios-ns";
    /// The TFTP helper.
    Tftp = towpath_helper_tftp::Tftp, "tftp";
}
