//! `cargo xtask test`: every test there is, on this machine and for WebAssembly; what was skipped, by name.

mod records;
mod skips;
mod tally;

use std::{
    io::{BufRead, BufReader, IsTerminal, Write},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};
use clap::Args;

use self::{skips::Skips, tally::Tally};
use crate::{c_helper, host, plugins, say, web};

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
        c_helper::build_example_if_possible()?;
        let records = records::build()?;
        let skips = Skips::begin()?;
        say("testing (the first time most of it is building wasmtime, some minutes)");
        let mut tests = host::workspace("test");
        tests.args(["--no-fail-fast", host::color(std::io::stdout().is_terminal())]);
        tests.args(&self.filter).env(skips::VARIABLE, skips.file()).env(records::VARIABLE, records);
        let mut tally = Tally::default();
        let mut passed = counted(&mut tests, &mut tally)?;
        let mut skipped = skips.end()?;
        // A test that skips itself counts as passed where it is run.
        tally.passed = tally.passed.saturating_sub(skipped.len() as u64);
        // The page's tests are few and long: a name that is asked for is looked for in the others only.
        if self.filter.is_none() {
            match web::tests()? {
                Ok(mut page) => passed &= counted(&mut page, &mut tally)?,
                Err(reason) => skipped.push(format!("the page in a browser: {reason}")),
            }
        }
        self.judge(passed, &tally, &skipped)
    }

    fn judge(&self, passed: bool, tally: &Tally, skipped: &[String]) -> Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        if !skipped.is_empty() {
            writeln!(out, "skipped {}:", skipped.len())?;
            skipped.iter().try_for_each(|skip| writeln!(out, "  {skip}"))?;
        }
        if passed && tally.passed + tally.failed + tally.ignored == 0 && skipped.is_empty() {
            say("no test has this in its name");
        }
        let skips = skipped.len() as u64 + tally.ignored;
        writeln!(out, "{} passed, {} failed, {skips} skipped", tally.passed, tally.failed)?;
        let fine = passed && tally.passed > 0 && (skips == 0 || !self.no_skips);
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Runs tests, shows what they print, and adds to the count: whether all is well.
fn counted(command: &mut Command, tally: &mut Tally) -> Result<bool> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run the tests")?;
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(child.stdout.take().context("the tests have no output")?).split(b'\n') {
        let line = line.context("cannot read what the tests print")?;
        tally.note(&String::from_utf8_lossy(&line));
        out.write_all(&line).and_then(|()| out.write_all(b"\n")).context("cannot write")?;
    }
    let status = child.wait().context("cannot wait for the tests")?;
    Ok(status.success())
}
