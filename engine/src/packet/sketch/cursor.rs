//! The words of a line, one after the other.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

/// Why a line could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// Where in the line, in characters from 1.
    pub column: usize,
    /// What would have been right there.
    pub expected: &'static str,
    /// What stands there; empty at the end of the line.
    pub found: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, expected, found } = self;
        match found.as_str() {
            "" => write!(f, "column {column}: the line ends where {expected} should stand"),
            found => write!(f, "column {column}: expected {expected}, found '{found}'"),
        }
    }
}

impl core::error::Error for TextError {}

/// A line, and how far it has been read.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    /// The next word, without taking it; empty at the end. Brackets are words of their own.
    pub(super) fn peek(&self) -> &'a str {
        let rest = self.line[self.at..].trim_start();
        let end = match rest.chars().next() {
            Some('[' | ']' | '"') => 1,
            Some(_) | None => {
                rest.find(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"')).unwrap_or(rest.len())
            }
        };
        &rest[..end]
    }

    /// Takes the next word.
    pub(super) fn next(&mut self) -> &'a str {
        let word = self.peek();
        self.at = self.start() + word.len();
        word
    }

    /// Takes the next word if it is this one.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let is_next = self.peek() == word;
        if is_next {
            self.next();
        }
        is_next
    }

    /// Takes a word that must come.
    pub(super) fn expect(&mut self, word: &'static str) -> Result<(), TextError> {
        if self.takes(word) { Ok(()) } else { Err(self.error(word)) }
    }

    /// Takes a word that must be a number, an address and the like.
    pub(super) fn value<T: FromStr>(&mut self, expected: &'static str) -> Result<T, TextError> {
        let value = self.peek().parse().map_err(|_| self.error(expected))?;
        self.next();
        Ok(value)
    }

    /// Takes a number that may be hexadecimal, with `0x`.
    pub(super) fn number(&mut self, most: u32, expected: &'static str) -> Result<u32, TextError> {
        let word = self.peek();
        let number = match word.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => word.parse(),
        };
        match number {
            Ok(number) if number <= most => {
                self.next();
                Ok(number)
            }
            Ok(_) | Err(_) => Err(self.error(expected)),
        }
    }

    /// Takes the bytes that stand between quotation marks.
    pub(super) fn quoted_bytes(&mut self) -> Result<Vec<u8>, TextError> {
        self.expect("\"")?;
        let mut bytes = Vec::new();
        loop {
            let rest = &self.line[self.at..];
            let Some(c) = rest.chars().next() else { return Err(self.error("a closing quotation mark")) };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(bytes),
                '\\' => bytes.push(self.escaped()?),
                c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn escaped(&mut self) -> Result<u8, TextError> {
        let rest = &self.line[self.at..];
        let (byte, len) = match rest.as_bytes() {
            [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (u8::from_str_radix(&rest[1..3], 16).unwrap_or_default(), 3)
            }
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'0', ..] => (0, 1),
            [c @ (b'\\' | b'"'), ..] => (*c, 1),
            _ => return Err(self.error("one of \\r \\n \\t \\0 \\\\ \\\" \\xNN")),
        };
        self.at += len;
        Ok(byte)
    }

    /// Says what should stand here.
    pub(super) fn error(&self, expected: &'static str) -> TextError {
        let column = self.line[..self.start()].chars().count() + 1;
        TextError { column, expected, found: self.peek().into() }
    }

    /// Where the next word starts.
    fn start(&self) -> usize {
        let rest = &self.line[self.at..];
        self.at + (rest.len() - rest.trim_start().len())
    }
}
