//! System calls: `+0 read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)`.

use core::time::Duration;

use super::Reader;
use crate::{
    ScriptError,
    cursor::{Cursor, is_of_word},
    script::{Call, Value},
};

impl Reader<'_> {
    pub(super) fn call(&self, cursor: &mut Cursor<'_>, end: Option<Duration>) -> Result<Call, ScriptError> {
        let name = cursor.word("a packet (< or >), a system call, `shell` or %{ assertion }%")?.to_owned();
        cursor.expect("(", "( and what the call is given")?;
        let arguments = self.values(cursor, ")")?;
        cursor.expect("=", "= and what the call returns")?;
        let result = self.value(cursor)?;
        let has_error =
            cursor.rest().starts_with('E') && cursor.rest()[1..].starts_with(|c: char| c.is_ascii_uppercase());
        let errno = if has_error { Some(cursor.word("the name of an error")?.to_owned()) } else { None };
        // A remark such as (Resource temporarily unavailable) or (flags O_RDWR).
        if cursor.take("(") {
            cursor.until(")", ") behind the remark")?;
        }
        Ok(Call { end, name, arguments, result, errno })
    }

    /// Reads values with commas between, up to `end`.
    fn values(&self, cursor: &mut Cursor<'_>, end: &'static str) -> Result<Vec<Value>, ScriptError> {
        let mut values = Vec::new();
        if cursor.take(end) {
            return Ok(values);
        }
        loop {
            values.push(self.value(cursor)?);
            if cursor.take(end) {
                return Ok(values);
            }
            cursor.expect(",", "a comma, or the end of what the call is given")?;
        }
    }

    fn value(&self, cursor: &mut Cursor<'_>) -> Result<Value, ScriptError> {
        if cursor.take("...") {
            return Ok(Value::Any);
        }
        match cursor.peek() {
            Some('[') => {
                cursor.take("[");
                Ok(Value::List(self.values(cursor, "]")?))
            }
            Some('{') => {
                cursor.take("{");
                Ok(Value::Struct(self.values(cursor, "}")?))
            }
            Some('"') => {
                cursor.take("\"");
                Ok(Value::Text(cursor.until("\"", "\", the end of the text")?.to_owned()))
            }
            Some(c) if c.is_ascii_digit() || c == '-' => number(cursor),
            Some(c) if is_of_word(c) => self.named(cursor),
            Some(_) | None => Err(cursor.error("a value")),
        }
    }

    /// Reads what begins with a name: constants, a field, or something that is applied.
    fn named(&self, cursor: &mut Cursor<'_>) -> Result<Value, ScriptError> {
        let name = cursor.word("a name")?;
        if let Some(defined) = self.defined(name) {
            return self.value(&mut Cursor::new(defined));
        }
        let arguments = if cursor.take("(") { Some(self.values(cursor, ")")?) } else { None };
        if !cursor.rest().starts_with("==") && cursor.take("=") {
            let value = Box::new(self.value(cursor)?);
            return Ok(Value::Field(name.to_owned(), arguments.unwrap_or_default(), value));
        }
        if let Some(arguments) = arguments {
            return Ok(Value::Applied(name.to_owned(), arguments));
        }
        let mut words = vec![name.to_owned()];
        while cursor.take("|") {
            words.push(cursor.word("another constant behind |")?.to_owned());
        }
        Ok(Value::Words(words))
    }
}

/// Reads a number, decimal or hexadecimal.
fn number(cursor: &mut Cursor<'_>) -> Result<Value, ScriptError> {
    let mut at = *cursor;
    let text = cursor.take_while(|c| is_of_word(c) || c == '-');
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let number = match digits.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    number.map(|number| Value::Number(sign * number)).map_err(|_| at.error("a number"))
}
