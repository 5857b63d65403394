//! `cargo xtask demo`: from nothing to a file that went through the gateway.

use std::{convert::Infallible, ffi::OsString, process::Command};

use anyhow::Result;

use crate::{host, places, plugins, run, say};

/// Builds the plugins, the program and the demo's peers, and becomes the demo.
///
/// # Errors
/// When something cannot be built or started.
pub(crate) fn demo(arguments: &[OsString]) -> Result<Infallible> {
    plugins::build()?;
    say("building towpath and the demo (the first time most of it is wasmtime, some minutes)");
    run::run(host::workspace("build").args(["--bin", "towpath", "--bin", "towpath-demo"]))?;
    say("running towpath demo");
    let mut command = Command::new(places::program("towpath"));
    command.arg("demo").args(arguments);
    Err(run::become_command(&mut command))
}
