//! Calls that send and receive. Only how much goes is told; the bytes themselves are zeros.

use towpath_engine::socket::{Readiness, SendFlags, SocketError};

use super::{
    Attempt, Host, Mode, Program, Returned, Stop,
    constants::{field, number},
};
use crate::script::Value;

/// `write`, `writev`, `send`, `sendto`, `sendmsg`.
pub(super) fn send(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (bytes, flags) = asked(attempt)?;
    if flags & !(MORE | END_OF_RECORD | DONT_WAIT | NO_SIGNAL) != 0 {
        return Err(Stop::unknown("a flag of", &attempt.call.name));
    }
    let with = SendFlags { more: flags & MORE != 0, end_of_record: flags & END_OF_RECORD != 0 };
    let (mut socket, mode) = program.socket(host, attempt)?;
    // Linux wakes who waits to write when a third of the buffer is free, not for each byte (v6.18: `net/core/stream.c`,
    // `sk_stream_write_space()`).
    let awake = Readiness::WRITABLE | Readiness::ERROR | Readiness::HUNG_UP;
    if attempt.progress.done > 0 && (socket.readiness() & awake).is_empty() {
        return Ok(Returned::Waits);
    }
    let zeros = vec![0; bytes - attempt.progress.done];
    match socket.send_with(&zeros, with) {
        Ok(sent) => {
            attempt.progress.done += sent;
            let is_done = attempt.progress.done == bytes || mode == Mode::Not || flags & DONT_WAIT != 0;
            Ok(if is_done { Returned::Value(attempt.progress.done as i64) } else { Returned::Waits })
        }
        Err(SocketError::WouldBlock) if mode == Mode::Waits && flags & DONT_WAIT == 0 => Ok(Returned::Waits),
        // What went before is told first.
        Err(_) if attempt.progress.done > 0 => Ok(Returned::Value(attempt.progress.done as i64)),
        Err(error) => Ok(Returned::Error(error.errno())),
    }
}

/// `read`, `readv`, `recv`, `recvfrom`, `recvmsg`.
pub(super) fn receive(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (bytes, flags) = asked(attempt)?;
    if flags & !(PEEK | DONT_WAIT | NO_SIGNAL) != 0 {
        return Err(Stop::unknown("a flag of", &attempt.call.name));
    }
    let (mut socket, mode) = program.socket(host, attempt)?;
    let mut to = vec![0; bytes];
    let received = if flags & PEEK != 0 { socket.peek(&mut to) } else { socket.receive(&mut to) };
    Ok(match received {
        Ok(received) => Returned::Value(received as i64),
        Err(SocketError::WouldBlock) if mode == Mode::Waits && flags & DONT_WAIT == 0 => Returned::Waits,
        Err(error) => Returned::Error(error.errno()),
    })
}

/// How many bytes a call is about, and its flags.
fn asked(attempt: &Attempt<'_>) -> Result<(usize, i64), Stop> {
    let (bytes, flags) = match attempt.call.name.as_str() {
        "read" | "write" => (attempt.number(2)?, 0),
        "readv" | "writev" => (lengths(attempt.argument(1)?)?, 0),
        "sendmsg" | "recvmsg" => {
            let message = attempt.argument(1)?;
            if field(message, "msg_control").is_some() {
                return Err(Stop::Unsupported("control messages".to_owned()));
            }
            let parts = field(message, "msg_iov").ok_or_else(|| Stop::unknown("the form of", &attempt.call.name))?;
            (lengths(parts)?, attempt.number(2)?)
        }
        _ => (attempt.number(2)?, attempt.number(3)?),
    };
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= BYTES_MAX);
    Ok((bytes.ok_or_else(|| Stop::unknown("the length given to", &attempt.call.name))?, flags))
}

/// The sum of lengths in `[{..., 100}, {..., 200}]`.
fn lengths(parts: &Value) -> Result<i64, Stop> {
    let Value::List(parts) = parts else { return Err(Stop::unknown("the value", format_args!("{parts:?}"))) };
    parts.iter().try_fold(0, |sum: i64, part| {
        let Value::Struct(pair) = part else { return Err(Stop::unknown("the value", format_args!("{part:?}"))) };
        let len = pair.get(1).ok_or_else(|| Stop::unknown("the value", format_args!("{part:?}")))?;
        Ok(sum.saturating_add(number(len)?))
    })
}

const PEEK: i64 = 0x2;
const DONT_WAIT: i64 = 0x40;
const END_OF_RECORD: i64 = 0x80;
const NO_SIGNAL: i64 = 0x4000;
const MORE: i64 = 0x8000;

/// The most that a call may be about: 64 MB.
const BYTES_MAX: usize = 1 << 26;
