//! `cargo xtask kernel-answer`: plays a scenario of the kernel oracle through the engine.

use std::{env, path::PathBuf, process::Command};

use anyhow::Result;

use crate::run::run;

/// Which scenario, and where the answer goes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A folder with `scenario.json` and `in.pcap`; the kernel's draws are taken from `draws.json` when it is there.
    folder: PathBuf,
    /// The file that the answer is written to, in the schema `kernel-oracle/1`.
    #[arg(long, value_name = "OUT")]
    json: PathBuf,
}

/// Writes the answer.
pub(crate) fn answer(arguments: &Arguments) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "tests", "--bin", "kernel-answer", "--"]);
    run(command.arg(&arguments.folder).arg("--json").arg(&arguments.json))
}
