//! `towpath test`: firewall tests.

mod find;
mod json;
mod junit;
mod suite;
mod text;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Result, anyhow};
use clap::Args;
use towpath_replay::cases::{Case, Coverage, Failure};

pub(crate) use self::suite::Loaded;
use super::{
    Answer,
    capture::GatewayFiles,
    outputs::{outputs, overwrite_nothing},
};

/// Run firewall tests: cases in TOML, each with packets and what must become of them. Time is virtual.
///
/// Exit code 0: every case has passed; 1: one has not; 2: a file or a gateway cannot be used.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Test files; of folders, all files below whose names end in .test.toml [default: the current folder].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only cases whose names contain this text, whatever its capitals. May be given more than once.
    #[arg(short = 'k', long, value_name = "TEXT")]
    only: Vec<String>,
    /// Say which cases there are, and run none.
    #[arg(long, conflicts_with_all = ["json", "junit", "coverage"])]
    list: bool,
    /// Say how often each rule was reached, and which ones no case has reached.
    #[arg(long)]
    coverage: bool,
    /// JSON, one object a line (towpath.test/1), instead of text.
    #[arg(long)]
    json: bool,
    /// Also write the results to a file as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    gateway: GatewayFiles,
}

/// What became of a file's cases.
pub(super) struct Results<'s> {
    pub(super) loaded: &'s Loaded,
    pub(super) cases: Vec<Resulted<'s>>,
}

/// What became of a case.
pub(super) struct Resulted<'s> {
    pub(super) case: &'s Case,
    pub(super) packets: u64,
    pub(super) failures: Vec<Failure>,
}

/// Where results are shown as they come.
trait Output {
    /// Nothing has been run yet.
    fn start(&mut self, out: &mut dyn Write) -> io::Result<()>;
    /// A file begins.
    fn file(&mut self, loaded: &Loaded, out: &mut dyn Write) -> io::Result<()>;
    /// A case has been run.
    fn case(&mut self, loaded: &Loaded, resulted: &Resulted<'_>, out: &mut dyn Write) -> io::Result<()>;
    /// All have been run.
    fn end(&mut self, counts: Counts, coverage: Option<&Coverage>, out: &mut dyn Write) -> io::Result<()>;
}

/// How many cases there were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
}

impl Test {
    pub(crate) fn main(self) -> Result<Answer> {
        let files = find::files(&self.paths)?;
        let loaded: Vec<Loaded> = files.iter().map(|file| Loaded::read(file, &self.gateway)).collect::<Result<_>>()?;
        let wanted = loaded.iter().any(|loaded| loaded.suite.cases.iter().any(|case| self.wants(case)));
        if !wanted {
            return Err(anyhow!("{}", if self.only.is_empty() { NO_CASES } else { NO_SUCH_CASE }));
        }
        if self.junit.is_some() {
            let named: Vec<_> = loaded.iter().flat_map(Loaded::files).collect();
            overwrite_nothing(&outputs([("--junit", self.junit.as_ref())]), files.iter().chain(&named))?;
        }
        let mut out = io::stdout().lock();
        if self.list {
            self.write_list(&loaded, &mut out)?;
            return Ok(Answer::Fine);
        }
        let mut shown: Box<dyn Output> = if self.json { Box::new(json::Json) } else { Box::new(text::Text) };
        shown.start(&mut out)?;
        let mut coverage = Coverage::default();
        let mut counts = Counts::default();
        let mut all = Vec::new();
        for loaded in &loaded {
            all.push(self.run_file(loaded, &mut *shown, &mut coverage, &mut counts, &mut out)?);
        }
        shown.end(counts, self.coverage.then_some(&coverage), &mut out)?;
        out.flush()?;
        if let Some(file) = &self.junit {
            let written = fs::write(file, junit::document(&all));
            written.map_err(|error| anyhow!("{}: {error}", file.display()))?;
        }
        Ok(if counts.failed == 0 { Answer::Fine } else { Answer::No })
    }

    fn run_file<'s>(
        &self,
        loaded: &'s Loaded,
        shown: &mut dyn Output,
        coverage: &mut Coverage,
        counts: &mut Counts,
        out: &mut dyn Write,
    ) -> Result<Results<'s>> {
        let mut results = Results { loaded, cases: Vec::new() };
        let wanted: Vec<&Case> = loaded.suite.cases.iter().filter(|case| self.wants(case)).collect();
        if !wanted.is_empty() {
            shown.file(loaded, out)?;
        }
        for case in wanted {
            let ran = loaded.run(case, None, None)?;
            coverage.add(&ran.rules);
            let resulted = Resulted { case, packets: ran.packets, failures: ran.failures };
            *(if resulted.failures.is_empty() { &mut counts.passed } else { &mut counts.failed }) += 1;
            shown.case(loaded, &resulted, out)?;
            results.cases.push(resulted);
        }
        Ok(results)
    }

    /// Whether a case is to be run.
    fn wants(&self, case: &Case) -> bool {
        let name = case.name.value.to_lowercase();
        self.only.is_empty() || self.only.iter().any(|text| name.contains(&text.to_lowercase()))
    }

    fn write_list(&self, loaded: &[Loaded], out: &mut impl Write) -> io::Result<()> {
        for loaded in loaded {
            for case in loaded.suite.cases.iter().filter(|case| self.wants(case)) {
                writeln!(out, "{}:{}: {}", loaded.suite.file, case.name.line, case.name.value)?;
            }
        }
        out.flush()
    }
}

const NO_CASES: &str = "the test files have no [[case]]";
const NO_SUCH_CASE: &str = "no case's name contains what --only says; --list shows all names";
