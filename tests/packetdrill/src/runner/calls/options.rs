//! Calls that set and ask for what a socket is like.

use super::{
    Attempt, Host, Program, Returned,
    constants::{field, number},
};
use crate::{runner::verdict::Stop, script::Value};

pub(super) fn setsockopt(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let mut value = bytes(attempt.argument(3)?)?;
    if let Value::Text(_) = attempt.argument(3)? {
        // A program's string may be said to be longer than it is written.
        value.resize(usize::try_from(attempt.number(4)?).unwrap_or(0).min(TEXT_BYTES_MAX), 0);
    }
    Ok(program.process.set_option(host, attempt.number(0)?, attempt.number(1)?, attempt.number(2)?, &value)?)
}

/// A value as a program has it in memory.
fn bytes(value: &Value) -> Result<Vec<u8>, Stop> {
    Ok(match value {
        Value::Text(text) => unescaped(text)?,
        Value::Struct(_) => {
            let part = |name| field(value, name).ok_or_else(|| Stop::unknown("the value without", name)).and_then(word);
            [part("onoff")?, part("linger")?].concat()
        }
        Value::List(values) => match values.first() {
            Some(first) => word(first)?.to_vec(),
            None => Vec::new(),
        },
        other @ (Value::Any | Value::Number(_) | Value::Words(_) | Value::Applied(..) | Value::Field(..)) => {
            word(other)?.to_vec()
        }
    })
}

/// The bytes of a string, of which some are written as `\x` and two hexadecimal digits.
fn unescaped(text: &str) -> Result<Vec<u8>, Stop> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        let byte = u8::from_str_radix(digits, 16).map_err(|_| Stop::unknown("the string", text))?;
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Ok(bytes)
}

fn word(value: &Value) -> Result<[u8; 4], Stop> {
    Ok((number(value)? as u32).to_ne_bytes())
}

pub(super) fn getsockopt(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let expected = single(attempt.argument(3)?)?;
    let found = program.process.option(host, attempt.number(0)?, attempt.number(1)?, attempt.number(2)?)?;
    let found = match found {
        Ok(bytes) => bytes.first_chunk().map(|word| i64::from(i32::from_ne_bytes(*word))),
        Err(errno) => return Ok(Returned::Error(errno)),
    };
    compared("the value of the option", expected, found)
}

pub(super) fn ioctl(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let expected = single(attempt.argument(2)?)?;
    match program.process.ioctl(host, attempt.number(0)?, attempt.wide(1)? as u64)? {
        Ok(found) => compared("the number of bytes", expected, Some(found.into())),
        Err(errno) => Ok(Returned::Error(errno)),
    }
}

pub(super) fn fcntl(program: &mut Program, _: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let flags = if attempt.call.arguments.len() > 2 { attempt.number(2)? } else { 0 };
    Ok(program.process.fcntl(attempt.number(0)?, attempt.number(1)?, flags)?)
}

/// A call that is done, if what it has told is what is written. Numbers there are of 32 bits, with or without a sign.
fn compared(what: &'static str, expected: Option<i64>, found: Option<i64>) -> Result<Returned, Stop> {
    match (expected, found) {
        (Some(expected), Some(found)) if expected as u32 == found as u32 => Ok(Returned::Value(0)),
        (Some(expected), Some(found)) => Err(Stop::differs(what, expected, found)),
        (Some(expected), None) => Err(Stop::differs(what, expected, "nothing")),
        (None, _) => Ok(Returned::Value(0)),
    }
}

/// The one number of `[1460]`; `None` for `[...]` and `...`.
fn single(value: &Value) -> Result<Option<i64>, Stop> {
    let value = if let Value::List(values) = value { values.first().unwrap_or(value) } else { value };
    if *value == Value::Any { Ok(None) } else { number(value).map(Some) }
}

/// The most that is given to an option as a string.
const TEXT_BYTES_MAX: usize = 256;
