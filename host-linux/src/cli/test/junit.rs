//! Results as JUnit XML, as build servers read it.

use core::fmt::{self, Write};

use towpath_replay::cases::Failure;

use super::{Resulted, Results};

/// The whole document. It has no times: time is virtual.
pub(super) fn document(all: &[Results<'_>]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = write_suites(&mut text, all);
    text
}

fn write_suites(out: &mut String, all: &[Results<'_>]) -> fmt::Result {
    let total: usize = all.iter().map(|results| results.cases.len()).sum();
    let failed: usize = all.iter().map(failures).sum();
    writeln!(out, "<testsuites name=\"towpath test\" tests=\"{total}\" failures=\"{failed}\" errors=\"0\">")?;
    for results in all {
        let (file, tests) = (escaped(&results.loaded.suite.file), results.cases.len());
        writeln!(
            out,
            "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{}\" errors=\"0\">",
            failures(results)
        )?;
        for resulted in &results.cases {
            write_case(out, results, resulted)?;
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    Ok(())
}

fn write_case(out: &mut String, results: &Results<'_>, resulted: &Resulted<'_>) -> fmt::Result {
    let file = &results.loaded.suite.file;
    let name = &resulted.case.name;
    let class = escaped(file.strip_suffix(".test.toml").unwrap_or(file));
    let (case, file_name, line) = (escaped(&name.value), escaped(file), name.line);
    write!(out, "    <testcase classname=\"{class}\" name=\"{case}\" file=\"{file_name}\" line=\"{line}\"")?;
    let Some(first) = resulted.failures.first() else { return writeln!(out, "/>") };
    writeln!(out, ">")?;
    write!(out, "      <failure type=\"{}\" message=\"{}\">", first.what, escaped(&sentence(first)))?;
    for failure in &resulted.failures {
        let Failure { line, column, what, .. } = failure;
        out.push_str(&escaped(&format!("{file}:{line}:{column}: {what}: {}\n", sentence(failure))));
    }
    out.push_str(&escaped(&results.loaded.explaining(resulted.case, first)));
    writeln!(out, "</failure>\n    </testcase>")
}

fn failures(results: &Results<'_>) -> usize {
    results.cases.iter().filter(|resulted| !resulted.failures.is_empty()).count()
}

fn sentence(failure: &Failure) -> String {
    let or_nothing = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.trim().to_owned() };
    format!("expected {}, got {}", or_nothing(&failure.expected), or_nothing(&failure.got))
}

/// A text as XML has it; what XML 1.0 cannot have, such as control characters, as `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_xml_takes_for_its_own_is_escaped() {
        assert_eq!(escaped("a < b & \"c\" > d\u{1}\u{ffff}\n"), "a &lt; b &amp; &quot;c&quot; &gt; d??\n");
    }
}
