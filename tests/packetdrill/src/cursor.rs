//! A place in a script that is being read.

use crate::ScriptError;

/// A place in a text. Whatever is read leaves out blanks, and comments, before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'s> {
    text: &'s str,
    at: usize,
    has_comments: bool,
}

impl<'s> Cursor<'s> {
    pub(crate) const fn new(text: &'s str) -> Self {
        Self { text, at: 0, has_comments: true }
    }

    /// In a text where `//` divides.
    pub(crate) const fn without_comments(text: &'s str) -> Self {
        Self { text, at: 0, has_comments: false }
    }

    /// What lies ahead, behind blanks and comments.
    pub(crate) fn rest(&mut self) -> &'s str {
        loop {
            let rest = &self.text[self.at..];
            let blank = rest.len() - rest.trim_start().len();
            let skipped = if blank > 0 {
                blank
            } else if !self.has_comments {
                return rest;
            } else if rest.starts_with("//") {
                rest.find('\n').map_or(rest.len(), |end| end + 1)
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                return rest;
            };
            self.at += skipped;
        }
    }

    pub(crate) fn is_at_end(&mut self) -> bool {
        self.rest().is_empty()
    }

    pub(crate) fn peek(&mut self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads exactly that, if it lies ahead.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let is_ahead = self.rest().starts_with(word);
        if is_ahead {
            self.at += word.len();
        }
        is_ahead
    }

    /// Reads that word, if it lies ahead and does not go on.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let is_ahead = self.rest().strip_prefix(word).is_some_and(|behind| !behind.starts_with(is_of_word));
        is_ahead && self.take(word)
    }

    pub(crate) fn expect(&mut self, word: &str, expected: &'static str) -> Result<(), ScriptError> {
        if self.take(word) { Ok(()) } else { Err(self.error(expected)) }
    }

    /// Reads as many characters as are wanted; there may be none.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let len = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// Reads a word of letters, digits and underlines.
    pub(crate) fn word(&mut self, expected: &'static str) -> Result<&'s str, ScriptError> {
        match self.peek() {
            Some(c) if is_of_word(c) => Ok(self.take_while(is_of_word)),
            Some(_) | None => Err(self.error(expected)),
        }
    }

    /// Reads a number of digits only.
    pub(crate) fn number<N: core::str::FromStr>(&mut self, expected: &'static str) -> Result<N, ScriptError> {
        let mut ahead = *self;
        let number = ahead.take_while(|c| c.is_ascii_digit()).parse().map_err(|_| self.error(expected))?;
        *self = ahead;
        Ok(number)
    }

    /// Reads up to `end`, which is read too; a backslash keeps the character behind it from being the end.
    pub(crate) fn until(&mut self, end: &str, expected: &'static str) -> Result<&'s str, ScriptError> {
        let rest = &self.text[self.at..];
        let mut escaped = false;
        for (index, c) in rest.char_indices() {
            if !escaped && rest[index..].starts_with(end) {
                self.at += index + end.len();
                return Ok(&rest[..index]);
            }
            escaped = !escaped && c == '\\';
        }
        self.at = self.text.len();
        Err(self.error(expected))
    }

    /// The line ahead, from 1 on.
    pub(crate) fn line(&mut self) -> usize {
        self.rest();
        1 + self.text[..self.at].matches('\n').count()
    }

    /// That something else should stand here.
    pub(crate) fn error(&mut self, expected: &'static str) -> ScriptError {
        let rest = self.rest();
        let len = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
        let found = if len > 0 { &rest[..len] } else { &rest[..rest.chars().next().map_or(0, char::len_utf8)] };
        let start = self.text[..self.at].rfind('\n').map_or(0, |end| end + 1);
        let column = 1 + self.text[start..self.at].chars().count();
        ScriptError { line: self.line(), column, expected, found: found.to_owned() }
    }
}

pub(crate) fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
