//! Results as JSON, one object a line: `towpath.test/1`.
//!
//! | line | fields |
//! |---|---|
//! | first | `schema` |
//! | a case | `file`, `line`, `case` (its name), `result` (`passed` or `failed`), `packets`, `failures`: each with `line`, `column`, `packet` (null: none), `what` (the key, or `play`), `expected`, `got`, `explain` (a command line) |
//! | a rule, with `--coverage` | `rule`: `file`, `line`, `table`, `rule` (its text), `cases`, `packets` |
//! | last | `passed`, `failed`: numbers of cases |

use std::io::{self, Write};

use serde::Serialize;
use towpath_replay::cases::{Coverage, Covered};

use super::{Counts, Loaded, Output, Resulted};

/// Writes results as JSON.
pub(super) struct Json;

#[derive(Serialize)]
struct Head {
    schema: &'static str,
}

#[derive(Serialize)]
struct CaseLine<'r> {
    file: &'r str,
    line: u32,
    case: &'r str,
    result: &'static str,
    packets: u64,
    failures: Vec<FailureLine<'r>>,
}

#[derive(Serialize)]
struct FailureLine<'r> {
    line: u32,
    column: u32,
    packet: Option<u64>,
    what: &'static str,
    expected: &'r str,
    got: &'r str,
    explain: String,
}

#[derive(Serialize)]
struct RuleLine<'r> {
    rule: &'r Covered,
}

#[derive(Serialize)]
struct End {
    passed: usize,
    failed: usize,
}

impl Output for Json {
    fn start(&mut self, out: &mut dyn Write) -> io::Result<()> {
        write_line(&Head { schema: "towpath.test/1" }, out)
    }

    fn file(&mut self, _: &Loaded, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn case(&mut self, loaded: &Loaded, resulted: &Resulted<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Resulted { case, packets, failures } = resulted;
        let failures: Vec<_> = failures
            .iter()
            .map(|failure| FailureLine {
                line: failure.line,
                column: failure.column,
                packet: failure.packet,
                what: failure.what,
                expected: failure.expected.trim(),
                got: failure.got.trim(),
                explain: loaded.explaining(case, failure),
            })
            .collect();
        let result = if failures.is_empty() { "passed" } else { "failed" };
        let (file, name) = (&loaded.suite.file, &case.name);
        let line = CaseLine { file, line: name.line, case: &name.value, result, packets: *packets, failures };
        write_line(&line, out)
    }

    fn end(&mut self, counts: Counts, coverage: Option<&Coverage>, out: &mut dyn Write) -> io::Result<()> {
        for rule in coverage.iter().flat_map(|coverage| coverage.rules()) {
            write_line(&RuleLine { rule }, out)?;
        }
        write_line(&End { passed: counts.passed, failed: counts.failed }, out)
    }
}

fn write_line(line: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string(line)?)
}
