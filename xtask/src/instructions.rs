//! `cargo xtask instructions`: how many machine instructions a packet takes, piece of work by piece of work.
//!
//! Valgrind counts, so that the figures are the same on a busy machine as on a quiet one. Each piece runs twice, for few
//! packets and for many; what making ready takes is in both and falls out. A figure that is more than [`SLACK_PERCENT`] above
//! its bound is an error: they only go down, and whoever brings one down lowers its bound.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{host, run, say};

/// Counts all pieces of work and prints a line for each.
///
/// # Errors
/// When valgrind is not there, the benchmark cannot be built or run, or a piece of work takes more than it may.
#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
pub(crate) fn count() -> Result<()> {
    if run::find("valgrind").is_none() {
        bail!("valgrind is not installed; it counts the instructions");
    }
    say("building the benchmark");
    run::run(bench().arg("--no-run"))?;
    println!("| work | instructions a packet | bound |\n|---|---|---|");
    let mut above = Vec::new();
    for name in names()? {
        let (few, many) = (collected(&name, FEW)?, collected(&name, MANY)?);
        let count = many.saturating_sub(few) / u64::from(MANY - FEW);
        let bound = BOUNDS.iter().find(|(work, _)| *work == name);
        let (_, bound) = bound.with_context(|| format!("'{name}' has no bound in {}", file!()))?;
        println!("| {name} | {count} | {bound} |");
        if count > bound + bound * SLACK_PERCENT / 100 {
            above.push(format!("'{name}': {count} instructions a packet, {bound} are its bound"));
        }
    }
    if !above.is_empty() {
        bail!("the path has become slower:\n{}", above.join("\n"));
    }
    Ok(())
}

/// Instructions a packet, as counted when each was lowered last; another compiler or C library moves them a little.
#[rustfmt::skip]
static BOUNDS: [(&str, u64); 16] = [
    ("parse",                                 304),
    ("track TCP",                             653),
    ("forward",                              1542),
    ("forward, 50 rules",                    1588),
    ("forward, 10000 rules",                 1588),
    ("forward, MASQUERADE",                  1756),
    ("forward, MASQUERADE, 50 rules",        1802),
    ("forward TCP",                          1693),
    ("forward lines",                        1752),
    ("forward lines, read by a helper",      1904),
    ("first packet",                         3830),
    ("first packet, MASQUERADE, 10 rules",   8674),
    ("first packet, MASQUERADE, 1000 rules", 8682),
    ("first packet, MASQUERADE, 10000 rules", 8674),
    ("TCP from socket to socket",            7490),
    ("TCP from socket to socket, no checksums", 5963),
];

const SLACK_PERCENT: u64 = 5;

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
