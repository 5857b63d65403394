//! Reads tables of TOML with a place for every mistake.

use core::ops::RangeInclusive;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Located, Mistake};

/// A mistake and where it is, in bytes from the start of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) mistake: Mistake,
}

/// Something written as text that has a form of its own.
pub(crate) trait Word: Sized {
    /// What the form is, with an example.
    const EXPECTED: &'static str;

    /// Reads it.
    fn read(text: &str) -> Option<Self>;
}

/// The text of a file as TOML.
pub(crate) fn document(text: &str) -> Result<Spanned<DeTable<'_>>, Fault> {
    DeTable::parse(text).map_err(|error| Fault {
        at: error.span().map_or(0, |span| span.start),
        mistake: Mistake::Syntax(error.message().replace('\n', ", ")),
    })
}

/// The text of a file, for the places of what is looked at again later.
pub(crate) struct Text<'t>(pub(crate) &'t str);

impl Text<'_> {
    /// Line and column of a byte.
    pub(crate) fn place(&self, at: usize) -> (u32, u32) {
        line_and_column(self.0, at)
    }

    pub(crate) fn locate<T>(&self, at: usize, value: T) -> Located<T> {
        let (line, column) = self.place(at);
        Located { value, line, column }
    }

    /// A text, and where it stands.
    pub(crate) fn name(&self, value: Value<'_>) -> Result<Located<String>, Fault> {
        Ok(self.locate(value.at(), value.text()?.to_owned()))
    }
}

/// A table whose keys are all known.
#[derive(Clone, Copy)]
pub(crate) struct Table<'t> {
    /// As messages name it.
    pub(crate) name: &'static str,
    /// Where it starts.
    pub(crate) at: usize,
    entries: &'t DeTable<'t>,
}

impl<'t> Table<'t> {
    /// Opens a table in which only `known` keys may stand; `later` ones are refused in other words.
    pub(crate) fn open(
        name: &'static str,
        at: usize,
        entries: &'t DeTable<'t>,
        known: &'static [&'static str],
        later: &[&str],
    ) -> Result<Self, Fault> {
        let unknown = entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        // Tables are sorted by key; the first mistake is the one furthest up.
        if let Some(key) = unknown.min_by_key(|key| key.span().start) {
            let text = key.get_ref().to_string();
            let mistake = match later.contains(&text.as_str()) {
                true => Mistake::NotYet(text),
                false => Mistake::UnknownKey { key: text, table: name, known },
            };
            return Err(Fault { at: key.span().start, mistake });
        }
        Ok(Self { name, at, entries })
    }

    /// A mistake of the whole table.
    pub(crate) fn fault(self, mistake: Mistake) -> Fault {
        Fault { at: self.at, mistake }
    }

    /// The value of a key.
    pub(crate) fn find(&self, key: &'static str) -> Option<Value<'t>> {
        self.entries.get(key).map(|value| Value { key, value })
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&self, key: &'static str) -> Result<Value<'t>, Fault> {
        self.find(key).ok_or(Fault { at: self.at, mistake: Mistake::Missing { key, table: self.name } })
    }

    /// The values of a key that is a list; none when it is not there.
    pub(crate) fn list(&self, key: &'static str) -> Result<Vec<Value<'t>>, Fault> {
        self.find(key).map_or(Ok(Vec::new()), Value::list)
    }
}

/// A value and the key it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t> {
    pub(crate) key: &'static str,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Value<'t> {
    /// Where it starts.
    pub(crate) fn at(self) -> usize {
        self.value.span().start
    }

    /// A mistake here.
    pub(crate) fn fault(self, mistake: Mistake) -> Fault {
        Fault { at: self.at(), mistake }
    }

    /// Says that something else was expected here.
    pub(crate) fn expected(self, expected: &'static str) -> Fault {
        self.fault(Mistake::Expected { key: self.key, expected, found: self.shown() })
    }

    /// The text itself, not empty.
    pub(crate) fn text(self) -> Result<&'t str, Fault> {
        match self.value.get_ref().as_str() {
            Some("") => Err(self.expected("text that is not empty")),
            Some(text) => Ok(text),
            None => Err(self.expected("text in quotes")),
        }
    }

    /// The text in its form.
    pub(crate) fn word<T: Word>(self) -> Result<T, Fault> {
        self.value.get_ref().as_str().and_then(T::read).ok_or_else(|| self.expected(T::EXPECTED))
    }

    pub(crate) fn boolean(self) -> Result<bool, Fault> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => Err(self.expected("true or false")),
        }
    }

    /// A whole number, when it is one.
    pub(crate) fn integer(self) -> Option<u64> {
        let number = self.value.get_ref().as_integer()?;
        u64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// The value as a message shows it.
    pub(crate) fn shown(self) -> String {
        found(self.value.get_ref())
    }

    /// A whole number within a range.
    pub(crate) fn number(self, range: RangeInclusive<u64>) -> Result<u64, Fault> {
        self.integer().filter(|number| range.contains(number)).ok_or_else(|| {
            let found = self.shown();
            self.fault(Mistake::Range { key: self.key.into(), min: *range.start(), max: *range.end(), found })
        })
    }

    /// Every element of a list; a single value stands for a list of one.
    pub(crate) fn list(self) -> Result<Vec<Self>, Fault> {
        match self.value.get_ref() {
            DeValue::Array(array) => Ok(array.iter().map(|value| Self { key: self.key, value }).collect()),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => Ok(vec![self]),
        }
    }

    /// Whether it is a table.
    pub(crate) fn is_table(self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    /// A table whose keys are all known.
    pub(crate) fn table(
        self,
        name: &'static str,
        known: &'static [&'static str],
        later: &[&str],
    ) -> Result<Table<'t>, Fault> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Table::open(name, self.at(), entries, known, later),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => Err(self.expected("a table")),
        }
    }

    /// Every leaf of a table of tables, with its dotted name: `a.b = 1` is the same as `[a]`, `b = 1`.
    pub(crate) fn leaves(
        self,
        prefix: &str,
        each: &mut dyn FnMut(String, Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let DeValue::Table(entries) = self.value.get_ref() else { return each(prefix.to_owned(), self) };
        for (key, value) in entries.iter() {
            let name =
                if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            Self { key: self.key, value }.leaves(&name, each)?;
        }
        Ok(())
    }
}

/// A value as a message shows it: short, on one line.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() > SHOWN_CHARS => {
            let start: String = text.chars().take(SHOWN_CHARS).collect();
            format!("{start:?}…")
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// Line and column of a byte, both from 1; columns count characters.
pub(crate) fn line_and_column(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

const SHOWN_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_start_at_one() {
        let text = "a\nbé x\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 2), (2, 1));
        assert_eq!(line_and_column(text, text.find('x').unwrap()), (2, 4));
        assert_eq!(line_and_column(text, 1000), (3, 1));
    }
}
