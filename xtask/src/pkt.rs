//! `cargo xtask pkt`: plays packet scripts on the engine, in virtual time.

use std::{env, ffi::OsString, process::Command};

use anyhow::Result;

use crate::run::become_command;

/// Becomes the player of scripts, whose code says whether one has failed; returns only when that is not possible.
pub(crate) fn play(arguments: &[OsString]) -> Result<std::convert::Infallible> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "packet-scripts", "--bin", "packet-scripts", "--"]).args(arguments);
    Err(become_command(&mut command))
}
