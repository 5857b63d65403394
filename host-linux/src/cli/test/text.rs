//! Results for people.

use std::io::{self, Write};

use towpath_replay::cases::Coverage;

use super::{Counts, Loaded, Output, Resulted};

/// Writes results for people.
pub(super) struct Text;

impl Output for Text {
    fn start(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn file(&mut self, loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", loaded.suite.file)
    }

    fn case(&mut self, loaded: &Loaded, resulted: &Resulted<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Resulted { case, failures, .. } = resulted;
        let name = &case.name.value;
        let Some(first) = failures.first() else { return writeln!(out, "  ok      {name}") };
        writeln!(out, "  FAILED  {name}")?;
        for failure in failures {
            let packet = failure.packet.map(|packet| format!(" of packet {packet}")).unwrap_or_default();
            let what = if failure.what == "play" { "the play".to_owned() } else { failure.what.to_owned() + &packet };
            writeln!(out, "    {}:{}:{}: {what}", loaded.suite.file, failure.line, failure.column)?;
            writeln!(out, "      expected  {}", or_nothing(&failure.expected))?;
            writeln!(out, "      got       {}", or_nothing(&failure.got))?;
        }
        writeln!(out, "    look further: {}", loaded.explaining(case, first))
    }

    fn end(&mut self, counts: Counts, coverage: Option<&Coverage>, out: &mut dyn Write) -> io::Result<()> {
        if let Some(coverage) = coverage {
            write_coverage(coverage, out)?;
        }
        let Counts { passed, failed } = counts;
        match (passed + failed, failed) {
            (1, 0) => writeln!(out, "1 case: passed"),
            (1, _) => writeln!(out, "1 case: failed"),
            (all, 0) => writeln!(out, "{all} cases: all passed"),
            (all, _) => writeln!(out, "{all} cases: {passed} passed, {failed} failed"),
        }
    }
}

fn or_nothing(text: &str) -> &str {
    match text.trim() {
        "" => "nothing",
        text => text,
    }
}

fn write_coverage(coverage: &Coverage, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "   cases  packets  rule")?;
    for rule in coverage.rules() {
        let (file, line, table, text) = (&rule.file, rule.line, rule.table, &rule.rule);
        writeln!(out, "{:>8} {:>8}  {file}:{line}: {table} {text}", rule.cases, rule.packets)?;
    }
    let (reached, all) = coverage.counts();
    writeln!(out, "{reached} of {all} rules reached")?;
    for rule in coverage.never() {
        writeln!(out, "{}:{}: no case reaches this rule: {}", rule.file, rule.line, rule.rule)?;
    }
    Ok(())
}
