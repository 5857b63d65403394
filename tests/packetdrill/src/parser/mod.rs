//! Reads scripts.

mod call;
mod packet;
mod tcp_options;

use core::time::Duration;

use crate::{
    ScriptError,
    cursor::Cursor,
    script::{Action, Event, Script, Time},
};

/// What words stand for (`--define NAME=VALUE`): the value is read in place of the word.
pub type Definitions = [(String, String)];

/// Reads a script.
///
/// # Errors
/// Where something else was expected.
pub fn parse(text: &str, definitions: &Definitions) -> Result<Script, ScriptError> {
    let mut cursor = Cursor::new(text);
    let mut script = Script::default();
    while cursor.take("--") {
        let name = cursor.word("the name of an option")?.to_owned();
        let value = cursor.take("=").then(|| cursor.take_while(|c| !c.is_whitespace()).to_owned());
        script.options.push((name, value));
    }
    let reader = Reader { definitions };
    while !cursor.is_at_end() {
        script.events.push(reader.event(&mut cursor)?);
    }
    Ok(script)
}

/// Reads the parts of a script.
pub(crate) struct Reader<'d> {
    definitions: &'d Definitions,
}

impl<'d> Reader<'d> {
    /// A definition of the word.
    fn defined(&self, word: &str) -> Option<&'d str> {
        self.definitions.iter().find(|(name, _)| name == word).map(|(_, value)| value.as_str())
    }

    fn event(&self, cursor: &mut Cursor<'_>) -> Result<Event, ScriptError> {
        let line = cursor.line();
        if cursor.take("`") {
            return Ok(Event { line, time: Time::None, action: Action::Shell(shell(cursor)?) });
        }
        let time = time(cursor)?;
        let action = match cursor.peek() {
            Some('<' | '>') => self.packet(cursor)?,
            Some('`') => {
                cursor.take("`");
                Action::Shell(shell(cursor)?)
            }
            Some('%') => {
                cursor.expect("%{", "an assertion: %{ … }%")?;
                Action::Code(cursor.until("}%", "}%, the assertion's end")?.trim().to_owned())
            }
            Some(_) | None => {
                // Counted from where the beginning is counted from, whichever that is.
                let end = if cursor.take("...") { Some(duration(cursor)?) } else { None };
                Action::Call(self.call(cursor, end)?)
            }
        };
        Ok(Event { line, time, action })
    }
}

fn shell(cursor: &mut Cursor<'_>) -> Result<String, ScriptError> {
    Ok(cursor.until("`", "`, the end of the shell's lines")?.trim().to_owned())
}

/// Reads when something happens.
fn time(cursor: &mut Cursor<'_>) -> Result<Time, ScriptError> {
    if cursor.take("*") {
        return Ok(Time::Any);
    }
    let is_relative = cursor.take("+");
    let from = duration(cursor)?;
    if !cursor.take("~") {
        return Ok(if is_relative { Time::After(from) } else { Time::At(from) });
    }
    if cursor.take("+") != is_relative {
        return Err(cursor.error("a second time of the same kind"));
    }
    let to = duration(cursor)?;
    Ok(if is_relative { Time::Within(from, to) } else { Time::Between(from, to) })
}

/// Reads seconds with up to nine decimals.
fn duration(cursor: &mut Cursor<'_>) -> Result<Duration, ScriptError> {
    const EXPECTED: &str = "a time in seconds, such as 0.01 or +.01";
    let mut ahead = *cursor;
    let whole = ahead.take_while(|c| c.is_ascii_digit());
    // `0...0.2` is a call that blocks, no fraction.
    let fraction =
        if !ahead.rest().starts_with("...") && ahead.take(".") { ahead.take_while(|c| c.is_ascii_digit()) } else { "" };
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 9 {
        return Err(cursor.error(EXPECTED));
    }
    let seconds = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| cursor.error(EXPECTED))? };
    let nanos = format!("{fraction:0<9}").parse().map_err(|_| cursor.error(EXPECTED))?;
    *cursor = ahead;
    Ok(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests;
