//! Calls that send and receive. Only how much goes is told; the bytes themselves are zeros.

use std::net::SocketAddr;

use super::{
    Attempt, Host, PORT, Program, Returned,
    constants::{field, number},
};
use crate::{runner::verdict::Stop, script::Value, system::Sending};

/// `write`, `writev`, `send`, `sendto`, `sendmsg`.
pub(super) fn send(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (bytes, flags) = asked(attempt)?;
    let descriptor = attempt.number(0)?;
    let remote = SocketAddr::new(program.settings.remote, PORT);
    let how = Sending { flags, to: addressed(attempt).then_some(remote) };
    let is_nowhere = attempt.points_nowhere(1) && bytes > 0;
    program.beginning(host, descriptor, |process, host| {
        if is_nowhere {
            process.send_from_nowhere(host, descriptor, how, attempt.progress)
        } else {
            process.send(host, descriptor, &vec![0; bytes], how, attempt.progress)
        }
    })
}

/// `read`, `readv`, `recv`, `recvfrom`, `recvmsg`.
pub(super) fn receive(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (bytes, flags) = asked(attempt)?;
    if attempt.points_nowhere(1) && bytes > 0 {
        return Ok(program.process.receive_to_nowhere(host, attempt.number(0)?, flags)?);
    }
    let descriptor = attempt.number(0)?;
    Ok(program.process.receive(host, descriptor, &mut vec![0; bytes], flags, attempt.progress)?)
}

/// Whether a call says to whom it sends. Scripts leave open who that is.
fn addressed(attempt: &Attempt<'_>) -> bool {
    let address = match attempt.call.name.as_str() {
        "sendmsg" => attempt.call.arguments.get(1).and_then(|message| field(message, "msg_name")),
        "sendto" => attempt.call.arguments.get(4),
        _ => None,
    };
    address.is_some_and(|address| *address == Value::Any)
}

/// How many bytes a call is about, and its flags.
fn asked(attempt: &Attempt<'_>) -> Result<(usize, i32), Stop> {
    let (bytes, flags) = match attempt.call.name.as_str() {
        "read" | "write" => (attempt.wide(2)?, 0),
        "readv" | "writev" => (lengths(attempt.argument(1)?)?, 0),
        "sendmsg" | "recvmsg" => {
            let message = attempt.argument(1)?;
            if field(message, "msg_control").is_some() {
                return Err(Stop::Unsupported("control messages".to_owned()));
            }
            let parts = field(message, "msg_iov").ok_or_else(|| Stop::unknown("the form of", &attempt.call.name))?;
            (lengths(parts)?, attempt.number(2)?)
        }
        _ => (attempt.wide(2)?, attempt.number(3)?),
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

/// The most that a call may be about: 64 MB.
const BYTES_MAX: usize = 1 << 26;
