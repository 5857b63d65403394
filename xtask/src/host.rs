//! Builds for this machine, with the cargo that runs us.

use std::{env, process::Command};

use crate::places;

/// `cargo SUBCOMMAND` with the same compiler, flags and target folder that built this program, so that what is built
/// already is used. The caller adds the rest.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).arg("--target-dir").arg(places::target()).current_dir(places::root());
    command
}

/// The same for all packages. The demo's programs and the tests are chosen from this one set: which features a library is
/// built with depends on the set, and wasmtime shall be built once.
pub(crate) fn workspace(subcommand: &str) -> Command {
    let mut command = cargo(subcommand);
    command.arg("--workspace");
    command
}

/// Cargo's word for colour on this terminal, for output that goes through a pipe of ours.
pub(crate) fn color(is_terminal: bool) -> &'static str {
    if is_terminal { "--color=always" } else { "--color=never" }
}
