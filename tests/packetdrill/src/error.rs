//! What is wrong with a script, and where.

use core::fmt;

/// A script cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Line, from 1 on.
    pub line: usize,
    /// Column in characters, from 1 on.
    pub column: usize,
    /// What should have stood there.
    pub expected: &'static str,
    /// What stands there: a word or a character; nothing at the end of the script.
    pub found: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, expected, found } = self;
        write!(f, "{line}:{column}: expected {expected}, ")?;
        if found.is_empty() { f.write_str("the script ends here") } else { write!(f, "not `{found}`") }
    }
}

impl core::error::Error for ScriptError {}
