//! Counts what the test programs report.

/// How many tests came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
}

impl Tally {
    /// Takes notice of a line; only those that end a test program's output matter: Rust's, and the TAP of Node.js.
    pub(super) fn note(&mut self, line: &str) {
        if let Some(count) = line.strip_prefix("# ") {
            self.note_tap(count);
        }
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        for part in counts.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(count), Some(word)) = (words.next().and_then(|count| count.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match word {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }

    fn note_tap(&mut self, line: &str) {
        let Some((word, count)) = line.split_once(' ') else { return };
        let Ok(count) = count.trim().parse::<u64>() else { return };
        match word {
            "pass" => self.passed += count,
            "fail" | "cancelled" => self.failed += count,
            "skipped" | "todo" => self.ignored += count,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn the_last_lines_of_test_programs_are_added_up() {
        let mut tally = Tally::default();
        tally.note("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        tally.note("test result: \u{1b}[31mFAILED\u{1b}[0m. 2 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out");
        tally.note("test a_test_result_of_7_passed ... ok");
        assert_eq!(tally, Tally { passed: 14, failed: 3, ignored: 1 });
    }

    #[test]
    fn the_last_lines_of_node_are_added_up() {
        let mut tally = Tally::default();
        for line in [
            "# tests 9",
            "# suites 0",
            "# pass 5",
            "# fail 1",
            "# cancelled 1",
            "# skipped 2",
            "# todo 0",
            "# duration_ms 7.1",
        ] {
            tally.note(line);
        }
        assert_eq!(tally, Tally { passed: 5, failed: 2, ignored: 2 });
    }
}
