//! `cargo xtask test`: every test there is, on this machine and for WebAssembly; what was skipped, by name.

mod skips;
mod tally;

use std::{
    io::{BufRead, BufReader, IsTerminal, Write},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};
use clap::Args;

use self::{skips::Skips, tally::Tally};
use crate::{host, plugins, say};

/// What to test, and how strictly.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Fail when a test was skipped
    #[arg(long)]
    no_skips: bool,
    /// Run only tests whose names contain this
    filter: Option<String>,
}

impl Test {
    /// Builds what the tests need and runs them.
    ///
    /// # Errors
    /// When something cannot be built or started.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        plugins::build()?;
        let skips = Skips::begin()?;
        say("testing (the first time most of it is building wasmtime, some minutes)");
        let mut tests = host::workspace("test")?;
        tests.args(["--no-fail-fast", host::color(std::io::stdout().is_terminal())]);
        tests.args(&self.filter).env(skips::VARIABLE, skips.file());
        let (passed, tally) = counted(&mut tests)?;
        self.judge(passed, &tally, &skips.end()?)
    }

    fn judge(&self, passed: bool, tally: &Tally, skipped: &[String]) -> Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        if !skipped.is_empty() {
            writeln!(out, "skipped {}:", skipped.len())?;
            skipped.iter().try_for_each(|skip| writeln!(out, "  {skip}"))?;
        }
        if tally.passed + tally.failed == 0 {
            say("no test has this in its name");
        }
        // A skipped test counts as passed where it is run.
        let skips = skipped.len() as u64;
        writeln!(
            out,
            "{} passed, {} failed, {} skipped",
            tally.passed.saturating_sub(skips),
            tally.failed,
            skips + tally.ignored
        )?;
        let fine = passed && tally.passed > 0 && (skipped.is_empty() || !self.no_skips);
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Runs `cargo test`, shows what it prints, and counts.
fn counted(command: &mut Command) -> Result<(bool, Tally)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run cargo test")?;
    let mut tally = Tally::default();
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(child.stdout.take().context("cargo test has no output")?).split(b'\n') {
        let line = line.context("cannot read what cargo test prints")?;
        tally.note(&String::from_utf8_lossy(&line));
        out.write_all(&line).and_then(|()| out.write_all(b"\n")).context("cannot write")?;
    }
    let status = child.wait().context("cannot wait for cargo test")?;
    Ok((status.success(), tally))
}
