//! `cargo xtask kernel-fuzz`: random rules and packets, put to the kernel and to the engine. Needs root, as the kernel
//! oracle does.

use std::{env, path::PathBuf, process::Command};

use anyhow::Result;

use crate::run::run;

/// For how long, and from which seed on.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For how long cases are drawn.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The first case's seed; the next ones follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where cases that differ are kept, one folder each.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Runs it; an error when anything differs.
pub(crate) fn fuzz(arguments: &Arguments) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "tests", "--bin", "kernel-fuzz", "--"]);
    command.args(["--seconds", &arguments.seconds.to_string(), "--seed", &arguments.seed.to_string()]);
    if let Some(keep) = &arguments.keep {
        command.arg("--keep").arg(keep);
    }
    run(&mut command)
}
