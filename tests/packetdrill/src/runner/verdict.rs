//! What playing a script ends with.

use std::fmt;

use crate::system::{Unknown, shell::Failure};

/// How a script has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All was as it is written.
    Strict,
    /// All was as it is written but for PSH, or for times that are up to 25 ms off; this is the first difference.
    Relaxed(Difference),
    /// Something was not as it is written.
    Failed(Difference),
    /// The script asks for something that is not known here, so nothing is said about the endpoint.
    NotSupported(Unsupported),
}

/// Something that was not as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line of the script.
    pub line: usize,
    /// What differs.
    pub what: &'static str,
    /// What is written.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, what, expected, found } = self;
        write!(f, "line {line}: {what}: expected {expected}, found {found}")
    }
}

/// Something that a script asks for and that is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The line of the script.
    pub line: usize,
    /// What it asks for.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Why a script is not played to its end; the line is that of the event at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Differs { what: &'static str, expected: String, found: String },
    Unsupported(String),
}

impl Stop {
    pub(super) fn differs(what: &'static str, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::Differs { what, expected: expected.to_string(), found: found.to_string() }
    }

    /// Something that is not known here, as it is written in the script.
    pub(super) fn unknown(what: &str, name: impl fmt::Display) -> Self {
        Self::Unsupported(format!("{what} `{name}` is not known"))
    }
}

impl From<Unknown> for Stop {
    fn from(unknown: Unknown) -> Self {
        Self::Unsupported(unknown.0)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unknown(unknown) => unknown.into(),
            Failure::NotCounted(name, count) => {
                Self::differs("the counter", format_args!("{name} above {count}"), count)
            }
        }
    }
}
