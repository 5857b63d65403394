//! What labels of connections are called: the text of `/etc/xtables/connlabel.conf`.

use alloc::{boxed::Box, collections::BTreeMap};
use core::fmt;

/// A number that a label can have is below this: bits of [`Entry::labels`](super::Entry::labels).
const LABELS: u8 = 128;

/// Names of labels, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelNames(BTreeMap<u8, Box<str>>);

/// What is wrong with a line of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelNamesError {
    /// The line, from 1 on.
    pub line: usize,
    /// What stands there.
    pub text: Box<str>,
}

impl LabelNames {
    /// Reads a number from 0 to 127 and a name a line, which may hold spaces. Empty lines and those that start with `#` say nothing; where
    /// a number or a name comes again, the first one holds.
    ///
    /// # Errors
    /// When a line holds neither; libnetfilter_conntrack passes over it without a word.
    pub fn parse(text: &str) -> Result<Self, LabelNamesError> {
        let mut names = Self::default();
        for (line, words) in (1..).zip(text.lines()) {
            let words = words.trim();
            if words.is_empty() || words.starts_with('#') {
                continue;
            }
            let (number, name) = words.split_once([' ', '\t']).unwrap_or((words, ""));
            let number = number.parse().ok().filter(|&number| number < LABELS);
            let Some(number) = number.filter(|_| !name.trim().is_empty()) else {
                return Err(LabelNamesError { line, text: words.into() });
            };
            if names.number(name.trim()).is_none() {
                names.0.entry(number).or_insert_with(|| name.trim().into());
            }
        }
        Ok(names)
    }

    /// The label of that name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u8> {
        self.0.iter().find(|(_, known)| ***known == *name).map(|(number, _)| *number)
    }

    /// The names of those that are set, from the lowest number on; those without a name are left out.
    pub fn of(&self, labels: u128) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(number, _)| labels >> **number & 1 != 0).map(|(_, name)| &**name)
    }
}

impl fmt::Display for LabelNamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, text } = self;
        write!(f, "{line}:1: '{text}' is not a label's number from 0 to 127 and its name")
    }
}

impl core::error::Error for LabelNamesError {}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec::Vec};

    use super::*;

    #[test]
    fn names_stand_behind_their_numbers() {
        let names = LabelNames::parse("# labels\n0 eth0-in\n\n3\tssh out\n3 other\n4 eth0-in\n").unwrap();
        assert_eq!(names.of(0b11001).collect::<Vec<_>>(), ["eth0-in", "ssh out"]);
        assert_eq!((names.number("ssh out"), names.number("other")), (Some(3), None));
    }

    #[test]
    fn a_line_that_names_nothing_is_told_with_its_place() {
        for (text, wrong) in
            [("0 a\n128 b", "2:1: '128 b'"), ("x", "1:1: 'x'"), ("7", "1:1: '7'"), ("7 \t", "1:1: '7'")]
        {
            let error = LabelNames::parse(text).unwrap_err().to_string();
            assert_eq!(error, [wrong, " is not a label's number from 0 to 127 and its name"].concat());
        }
    }
}
