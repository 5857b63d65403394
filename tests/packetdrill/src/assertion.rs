//! Assertions: `assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd`.
//!
//! Scripts write them in Python; what they use of it is read here: `assert` with comparisons, also chained, `and`, `or` and `not`,
//! whole numbers with `| & + - * // %`, names, assignments (`=`, `+=`, `-=`), and `print`, which does nothing. What stands behind
//! the comma of `assert`, the message, is not read: an assertion that fails names what it compared.

use std::{collections::BTreeMap, fmt};

use crate::{ScriptError, cursor::Cursor};

/// Names that assertions have given values to; they last for the whole script.
pub type Names = BTreeMap<String, i64>;

/// Why code did not run to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssertionError {
    /// It cannot be read. Line and column are within the code.
    Unreadable(ScriptError),
    /// It names something that is not known.
    UnknownName(String),
    /// A division by zero, or a number beyond 64 bits.
    Arithmetic,
    /// An assertion does not hold.
    Failed {
        /// As it is written.
        assertion: String,
        /// The names in it, with their values.
        values: Vec<(String, i64)>,
    },
}

impl fmt::Display for AssertionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "the assertion cannot be read: {error}"),
            Self::UnknownName(name) => write!(f, "`{name}` is not known"),
            Self::Arithmetic => f.write_str("a number is out of range, or divided by zero"),
            Self::Failed { assertion, values } => {
                write!(f, "`{assertion}` does not hold:")?;
                values.iter().try_for_each(|(name, value)| write!(f, " {name} is {value}"))
            }
        }
    }
}

impl core::error::Error for AssertionError {}

/// Runs code: all its assertions must hold. `known` gives the values of names that the code has not given values to itself.
///
/// # Errors
/// The first thing that is wrong.
pub fn run(code: &str, names: &mut Names, known: &dyn Fn(&str) -> Option<i64>) -> Result<(), AssertionError> {
    // A line that ends with a backslash goes on in the next one, also when that is empty.
    let joined = format!("{code}\n").replace("\\\n", " ");
    for statement in statements(&joined) {
        let mut evaluation = Evaluation { cursor: Cursor::without_comments(statement), names, known, seen: Vec::new() };
        evaluation.statement(statement)?;
    }
    Ok(())
}

/// The statements of code: a line each, or several with semicolons between.
fn statements(code: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    let mut statements = Vec::new();
    let mut quote = None;
    for (at, c) in code.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ';' | '\n') => {
                statements.push(&code[start..at]);
                start = at + 1;
            }
            (None | Some(_), _) => {}
        }
    }
    statements.push(&code[start..]);
    statements.into_iter().map(str::trim).filter(|statement| !statement.is_empty() && !statement.starts_with('#'))
}

/// A statement that is read and evaluated in one go.
struct Evaluation<'e, 's> {
    cursor: Cursor<'s>,
    names: &'e mut Names,
    known: &'e dyn Fn(&str) -> Option<i64>,
    seen: Vec<(String, i64)>,
}

impl Evaluation<'_, '_> {
    fn statement(&mut self, text: &str) -> Result<(), AssertionError> {
        if self.cursor.take_word("assert") {
            let holds = self.either()? != 0;
            // Behind a comma is the message.
            if !self.cursor.is_at_end() && self.cursor.peek() != Some(',') {
                return Err(self.unreadable("a comma and a message, or the assertion's end"));
            }
            let assertion = text.split_once(',').map_or(text, |(assertion, _)| assertion).trim().to_owned();
            let values = core::mem::take(&mut self.seen);
            return if holds { Ok(()) } else { Err(AssertionError::Failed { assertion, values }) };
        }
        if self.cursor.take_word("print") {
            return Ok(());
        }
        let name =
            self.cursor.word("assert, print, or a name that is given a value").map_err(AssertionError::Unreadable)?;
        let before = self.names.get(name).copied();
        let change: fn(i64, i64) -> Option<i64> = if self.cursor.take("+=") {
            i64::checked_add
        } else if self.cursor.take("-=") {
            i64::checked_sub
        } else if self.cursor.take("=") {
            |_, value| Some(value)
        } else {
            return Err(self.unreadable("=, += or -="));
        };
        let value = self.either()?;
        self.expect_end()?;
        let value = change(before.unwrap_or(0), value).ok_or(AssertionError::Arithmetic)?;
        self.names.insert(name.to_owned(), value);
        Ok(())
    }

    fn expect_end(&mut self) -> Result<(), AssertionError> {
        if self.cursor.is_at_end() { Ok(()) } else { Err(self.unreadable("the statement's end")) }
    }

    /// `a or b`
    fn either(&mut self) -> Result<i64, AssertionError> {
        let mut value = self.both()?;
        while self.cursor.take_word("or") {
            let other = self.both()?;
            value = if value != 0 { value } else { other };
        }
        Ok(value)
    }

    /// `a and b`
    fn both(&mut self) -> Result<i64, AssertionError> {
        let mut value = self.negation()?;
        while self.cursor.take_word("and") {
            let other = self.negation()?;
            value = if value == 0 { value } else { other };
        }
        Ok(value)
    }

    /// `not a`
    fn negation(&mut self) -> Result<i64, AssertionError> {
        if self.cursor.take_word("not") { Ok(i64::from(self.negation()? == 0)) } else { self.comparison() }
    }

    /// `a <= b < c`: each two neighbours are compared.
    fn comparison(&mut self) -> Result<i64, AssertionError> {
        let mut left = self.sum(0)?;
        let mut holds = None;
        while let Some((_, compare)) = COMPARISONS.iter().find(|(sign, _)| self.cursor.take(sign)) {
            let right = self.sum(0)?;
            holds = Some(holds.unwrap_or(true) && compare(left, right));
            left = right;
        }
        Ok(holds.map_or(left, i64::from))
    }

    /// Operators from that level on; those of one level from left to right.
    fn sum(&mut self, level: usize) -> Result<i64, AssertionError> {
        let Some(operators) = OPERATORS.get(level) else { return self.operand() };
        let mut value = self.sum(level + 1)?;
        while let Some((_, apply)) = operators.iter().find(|(sign, _)| self.cursor.take(sign)) {
            let other = self.sum(level + 1)?;
            value = apply(value, other).ok_or(AssertionError::Arithmetic)?;
        }
        Ok(value)
    }

    fn operand(&mut self) -> Result<i64, AssertionError> {
        if self.cursor.take("(") {
            let value = self.either()?;
            self.cursor.expect(")", ")").map_err(AssertionError::Unreadable)?;
            return Ok(value);
        }
        if self.cursor.take("-") {
            return self.operand()?.checked_neg().ok_or(AssertionError::Arithmetic);
        }
        let word = self.cursor.word("a number, a name or (").map_err(AssertionError::Unreadable)?;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let number = match word.strip_prefix("0x") {
                Some(digits) => i64::from_str_radix(digits, 16),
                None => word.parse(),
            };
            return number.map_err(|_| AssertionError::Arithmetic);
        }
        let value = self.names.get(word).copied().or_else(|| (self.known)(word));
        let value = value.ok_or_else(|| AssertionError::UnknownName(word.to_owned()))?;
        self.seen.push((word.to_owned(), value));
        Ok(value)
    }

    fn unreadable(&mut self, expected: &'static str) -> AssertionError {
        AssertionError::Unreadable(self.cursor.error(expected))
    }
}

type Compare = fn(i64, i64) -> bool;
type Apply = fn(i64, i64) -> Option<i64>;

/// Signs that begin as others do come after those.
static COMPARISONS: [(&str, Compare); 6] = [
    ("==", |a, b| a == b),
    ("!=", |a, b| a != b),
    ("<=", |a, b| a <= b),
    (">=", |a, b| a >= b),
    ("<", |a, b| a < b),
    (">", |a, b| a > b),
];

/// Those that bind least come first.
static OPERATORS: [&[(&str, Apply)]; 4] = [
    &[("|", |a, b| Some(a | b))],
    &[("&", |a, b| Some(a & b))],
    &[("+", i64::checked_add), ("-", i64::checked_sub)],
    &[("*", i64::checked_mul), ("//", i64::checked_div_euclid), ("%", i64::checked_rem_euclid)],
];

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(code: &str) -> Result<Names, AssertionError> {
        let mut names = Names::from([("cwnd".to_owned(), 10)]);
        let known = |name: &str| match name {
            "tcpi_snd_cwnd" => Some(10),
            "tcpi_options" => Some(0x27),
            "TCPI_OPT_SYN_DATA" => Some(32),
            "tcpi_rtt" => Some(30_000),
            _ => None,
        };
        run(code, &mut names, &known).map(|()| names)
    }

    #[test]
    fn what_scripts_assert_holds_or_not() {
        for code in [
            "assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
            "assert tcpi_snd_cwnd == 10, 'cwnd=%d; %s' % tcpi_snd_cwnd",
            "assert (tcpi_options & TCPI_OPT_SYN_DATA) != 0, tcpi_options",
            "assert 25000 <= tcpi_rtt <= 36000",
            "\nassert tcpi_rtt > 1\nassert tcpi_snd_cwnd == \\\n  10, tcpi_snd_cwnd\n",
            "assert not tcpi_snd_cwnd == 9 and (tcpi_rtt < 1 or 0x10 == 16)",
            "assert -1 + 2 * 3 == 5 and 7 // 2 == 3 and 7 % 4 == 3 and 1 | 6 & 3 == 3",
            "# nothing is asserted",
            "assert tcpi_snd_cwnd == 10; \\\n assert tcpi_rtt > 1;\\",
        ] {
            assert!(run_with(code).is_ok(), "{code}: {:?}", run_with(code));
        }
        let Err(error) = run_with("assert 1 == 1; assert tcpi_rtt <= tcpi_snd_cwnd, 'slow'") else {
            panic!("it holds")
        };
        assert_eq!(
            error.to_string(),
            "`assert tcpi_rtt <= tcpi_snd_cwnd` does not hold: tcpi_rtt is 30000 tcpi_snd_cwnd is 10"
        );
        assert!(matches!(run_with("assert 40000 <= tcpi_rtt <= 50000"), Err(AssertionError::Failed { .. })));
    }

    #[test]
    fn names_keep_their_values() {
        let names = run_with("print(tcpi_snd_cwnd); cwnd += 10; assert cwnd == 20, cwnd; other = cwnd - 1").unwrap();
        assert_eq!((names["cwnd"], names["other"]), (20, 19));
    }

    #[test]
    fn what_is_no_assertion_is_refused() {
        let message = |code| run_with(code).unwrap_err().to_string();
        assert_eq!(message("assert nothing == 1"), "`nothing` is not known");
        assert_eq!(message("assert 1 // 0"), "a number is out of range, or divided by zero");
        assert_eq!(message("assert (1"), "the assertion cannot be read: 1:10: expected ), the script ends here");
        assert_eq!(
            message("assert 1 = 1"),
            "the assertion cannot be read: 1:10: expected a comma and a message, or the assertion's end, not `=`"
        );
        assert!(message("import os").contains("expected =, += or -="));
        assert!(message("cwnd = 1 2").contains("expected the statement's end"));
    }
}
