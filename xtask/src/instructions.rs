//! `cargo xtask instructions`: how many machine instructions a packet takes, piece of work by piece of work.
//!
//! Valgrind counts, so that the figures are the same on a busy machine as on a quiet one. Each piece runs twice, for few
//! packets and for many; what making ready takes is in both and falls out.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{host, run, say};

/// Counts all pieces of work and prints a line for each.
///
/// # Errors
/// When valgrind is not there, or the benchmark cannot be built or run.
#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
pub(crate) fn count() -> Result<()> {
    if run::find("valgrind").is_none() {
        bail!("valgrind is not installed; it counts the instructions");
    }
    say("building the benchmark");
    run::run(bench().arg("--no-run"))?;
    println!("| work | instructions a packet |\n|---|---|");
    for name in names()? {
        let (few, many) = (collected(&name, FEW)?, collected(&name, MANY)?);
        println!("| {name} | {} |", many.saturating_sub(few) / u64::from(MANY - FEW));
    }
    Ok(())
}

fn bench() -> Command {
    let mut command = host::cargo("bench");
    command.args(["--quiet", "--package", "towpath-engine", "--bench", "instructions"]);
    command
}

fn names() -> Result<Vec<String>> {
    let printed = stderr(bench().args(["--", "--list"]))?;
    Ok(printed.lines().map(str::to_owned).collect())
}

/// The instructions of one run, as callgrind sums them up.
fn collected(name: &str, packets: u32) -> Result<u64> {
    let packets = packets.to_string();
    let mut command = bench();
    command.args(["--config", RUNNER, "--", name, &packets]);
    let printed = stderr(&mut command)?;
    let line = printed.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = line.with_context(|| format!("callgrind printed no sum for '{name}':\n{printed}"))?;
    count.trim().parse().with_context(|| format!("callgrind's sum for '{name}' is no number: {count}"))
}

fn stderr(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context("cannot run cargo bench")?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("cargo bench failed ({})\n{printed}", output.status);
    }
    Ok(printed)
}

/// Cargo runs the benchmark under callgrind, which keeps no profile.
const RUNNER: &str = "target.'cfg(all())'.runner = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null']";

/// Both are whole batches.
const FEW: u32 = 6400;
const MANY: u32 = 32_000;
