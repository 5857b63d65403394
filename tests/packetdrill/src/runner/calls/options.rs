//! Calls that set and ask for what a socket is like.

use std::time::Duration;

use towpath_engine::socket::{SocketError, SocketOption};

use super::{
    Attempt, File, Host, Mode, Program, Returned, Stop,
    constants::{field, number},
    done,
};
use crate::script::Value;

type Make = fn(i64) -> Option<SocketOption>;

/// Options by level and name, and what they are made of.
static OPTIONS: [(&str, &str, Make); 21] = [
    ("SOL_SOCKET", "SO_REUSEADDR", |value| Some(SocketOption::ReuseAddress(value != 0))),
    ("SOL_SOCKET", "SO_REUSEPORT", |value| Some(SocketOption::ReusePort(value != 0))),
    ("SOL_SOCKET", "SO_KEEPALIVE", |value| Some(SocketOption::Keepalive(value != 0))),
    ("SOL_SOCKET", "SO_SNDBUF", |value| Some(SocketOption::SendBuffer(value.try_into().ok()?))),
    ("SOL_SOCKET", "SO_RCVBUF", |value| Some(SocketOption::ReceiveBuffer(value.try_into().ok()?))),
    ("SOL_SOCKET", "SO_MAX_PACING_RATE", |value| Some(SocketOption::MaxPacingRate(value.try_into().ok()?))),
    ("SOL_SOCKET", "SO_MARK", |value| Some(SocketOption::Mark(value.try_into().ok()?))),
    ("SOL_IP", "IP_TOS", |value| Some(SocketOption::Tos(value.try_into().ok()?))),
    ("SOL_IP", "IP_TTL", |value| Some(SocketOption::Hops(u8::try_from(value).ok()))),
    ("SOL_TCP", "TCP_NODELAY", |value| Some(SocketOption::NoDelay(value != 0))),
    ("SOL_TCP", "TCP_CORK", |value| Some(SocketOption::Cork(value != 0))),
    ("SOL_TCP", "TCP_MAXSEG", |value| Some(SocketOption::MaxSegment(value.try_into().ok()?))),
    ("SOL_TCP", "TCP_QUICKACK", |value| Some(SocketOption::QuickAck(value != 0))),
    ("SOL_TCP", "TCP_KEEPIDLE", |value| Some(SocketOption::KeepaliveIdle(seconds(value)?))),
    ("SOL_TCP", "TCP_KEEPINTVL", |value| Some(SocketOption::KeepaliveInterval(seconds(value)?))),
    ("SOL_TCP", "TCP_KEEPCNT", |value| Some(SocketOption::KeepaliveProbes(value.try_into().ok()?))),
    ("SOL_TCP", "TCP_SYNCNT", |value| Some(SocketOption::SynRetries(value.try_into().ok()?))),
    ("SOL_TCP", "TCP_LINGER2", |value| Some(SocketOption::Linger2(seconds(value)))),
    ("SOL_TCP", "TCP_NOTSENT_LOWAT", |value| Some(SocketOption::NotSentLow(value.try_into().ok()?))),
    ("SOL_TCP", "TCP_WINDOW_CLAMP", |value| Some(SocketOption::WindowClamp(value.try_into().ok()?))),
    ("SOL_TCP", "TCP_USER_TIMEOUT", |value| {
        Some(SocketOption::UserTimeout(Duration::from_millis(value.try_into().ok()?)))
    }),
];

fn seconds(value: i64) -> Option<Duration> {
    value.try_into().ok().map(Duration::from_secs)
}

pub(super) fn setsockopt(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let name = name(attempt)?;
    let value = attempt.argument(3)?;
    // All sockets here have IP_PMTUDISC_WANT. Another choice shows in the DF bit and behind ICMP errors only, and scripts
    // look at neither.
    if name == ("SOL_IP", "IP_MTU_DISCOVER") {
        return Ok(Returned::Value(0));
    }
    let first = if let Value::List(values) = value { values.first() } else { Some(value) };
    let option = match (name, first) {
        (("SOL_TCP", "TCP_CONGESTION"), Some(Value::Text(name))) => Some(SocketOption::Congestion(name.clone())),
        (("SOL_SOCKET", "SO_LINGER"), _) => linger(value)?,
        (_, Some(first)) => made(name, number(first)?)?,
        (_, None) => return Err(Stop::unknown("the value", format_args!("{value:?}"))),
    };
    let Some(option) = option else { return Ok(Returned::Error(SocketError::Invalid.errno())) };
    Ok(done(program.socket(host, attempt)?.0.set(&option)))
}

fn made(name: (&str, &str), value: i64) -> Result<Option<SocketOption>, Stop> {
    let option = OPTIONS.iter().find(|(level, own, _)| (*level, *own) == name);
    let (.., make) = option.ok_or_else(|| Stop::unknown("the option", name.1))?;
    Ok(make(value))
}

fn linger(value: &Value) -> Result<Option<SocketOption>, Stop> {
    let part = |name| field(value, name).ok_or_else(|| Stop::unknown("the value without", name)).and_then(number);
    let wait = if part("onoff")? != 0 { seconds(part("linger")?) } else { None };
    Ok(Some(SocketOption::Linger(wait)))
}

/// Level and name, the level by one name each.
fn name<'c>(attempt: &Attempt<'c>) -> Result<(&'static str, &'c str), Stop> {
    let call = attempt.call;
    let (Some(Value::Words(level)), Some(Value::Words(name))) = (call.arguments.get(1), call.arguments.get(2)) else {
        return Err(Stop::unknown("the form of", &call.name));
    };
    let level = match level[0].as_str() {
        "SOL_SOCKET" => "SOL_SOCKET",
        "SOL_IP" | "IPPROTO_IP" => "SOL_IP",
        "SOL_TCP" | "IPPROTO_TCP" => "SOL_TCP",
        other => return Err(Stop::unknown("the level of options", other)),
    };
    Ok((level, &name[0]))
}

pub(super) fn getsockopt(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let name = name(attempt)?;
    let expected = single(attempt.argument(3)?)?;
    let (mut socket, _) = program.socket(host, attempt)?;
    let settings = socket.settings();
    let found: i64 = match name.1 {
        "SO_ERROR" => socket.take_error().map_or(0, |error| error.number().into()),
        "SO_SNDBUF" => settings.send_buffer_bytes.into(),
        "SO_RCVBUF" => settings.receive_buffer_bytes.into(),
        "SO_MAX_PACING_RATE" => settings.max_pacing_rate as i64,
        "SO_KEEPALIVE" => settings.keepalive.into(),
        "TCP_MAXSEG" => settings.max_segment_bytes.into(),
        "TCP_NODELAY" => settings.no_delay.into(),
        "TCP_CORK" => settings.cork.into(),
        // What was not set is told as 0 (Linux v6.18: `net/ipv4/tcp.c`, `do_tcp_getsockopt()`).
        "TCP_NOTSENT_LOWAT" => settings.not_sent_low.unwrap_or(0).into(),
        other => return Err(Stop::unknown("the option", other)),
    };
    match expected {
        Some(expected) if expected != found => Err(Stop::differs("the value of the option", expected, found)),
        Some(_) | None => Ok(Returned::Value(0)),
    }
}

pub(super) fn ioctl(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let request = attempt.number(1)?;
    let expected = single(attempt.argument(2)?)?;
    let (socket, _) = program.socket(host, attempt)?;
    let found = match request {
        0x541b => socket.unread() as i64,
        0x5411 => socket.unacknowledged() as i64,
        _ => return Err(Stop::unknown("the request", request)),
    };
    match expected {
        Some(expected) if expected != found => Err(Stop::differs("the number of bytes", expected, found)),
        Some(_) | None => Ok(Returned::Value(0)),
    }
}

pub(super) fn fcntl(program: &mut Program, _: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    const GET: i64 = 3;
    const SET: i64 = 4;
    const READ_WRITE: i64 = 2;
    const NONBLOCK: i64 = 0x800;
    let (descriptor, command) = (attempt.number(0)?, attempt.number(1)?);
    let flags = if command == SET { attempt.number(2)? } else { 0 };
    let Some(File::Socket(_, mode)) = program.files.get_mut(&descriptor) else {
        return Err(Stop::unknown("the socket", descriptor));
    };
    match command {
        GET => Ok(Returned::Value(READ_WRITE | if *mode == Mode::Not { NONBLOCK } else { 0 })),
        SET => {
            *mode = if flags & NONBLOCK != 0 { Mode::Not } else { Mode::Waits };
            Ok(Returned::Value(0))
        }
        _ => Err(Stop::unknown("the command of fcntl", command)),
    }
}

/// The one number of `[1460]`; `None` for `[...]` and `...`.
fn single(value: &Value) -> Result<Option<i64>, Stop> {
    let value = if let Value::List(values) = value { values.first().unwrap_or(value) } else { value };
    if *value == Value::Any { Ok(None) } else { number(value).map(Some) }
}
