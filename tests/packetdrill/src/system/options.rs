//! Calls that set and ask for what a socket is like, in the numbers of Linux's headers (v6.18: `include/uapi/linux/tcp.h`, `in.h`,
//! `in6.h`; `include/uapi/asm-generic/socket.h`).

use std::time::Duration;

use towpath_engine::{
    socket::{Socket, SocketOption},
    tcp::FastOpenKeys,
};

use super::{
    Errno, Host, Outcome, Process, Returned, Unknown, info,
    process::{Mode, done, settled},
};

type Make = fn(i64) -> Option<SocketOption>;

/// Options by level and number, and what they are made of.
#[rustfmt::skip]
static OPTIONS: &[(i32, i32, Make)] = &[
    (SOCKET, 2, |value| Some(SocketOption::ReuseAddress(value != 0))),
    (SOCKET, 6, |value| Some(SocketOption::Broadcast(value != 0))),
    (SOCKET, SO_SNDBUF, |value| Some(SocketOption::SendBuffer(value.try_into().ok()?))),
    (SOCKET, SO_RCVBUF, |value| Some(SocketOption::ReceiveBuffer(value.try_into().ok()?))),
    (SOCKET, SO_KEEPALIVE, |value| Some(SocketOption::Keepalive(value != 0))),
    (SOCKET, SO_OOBINLINE, |value| Some(SocketOption::UrgentInline(value != 0))),
    (SOCKET, SO_RCVLOWAT, |value| Some(SocketOption::ReceiveLow(value.try_into().unwrap_or(i32::MAX as u32)))),
    (SOCKET, 15, |value| Some(SocketOption::ReusePort(value != 0))),
    (SOCKET, 36, |value| Some(SocketOption::Mark(value.try_into().ok()?))),
    (SOCKET, SO_MAX_PACING_RATE, |value| Some(SocketOption::MaxPacingRate(pacing_rate(value)?))),
    (IP, 1, |value| Some(SocketOption::Tos(value.try_into().ok()?))),
    (IP, 2, |value| Some(SocketOption::Hops(hops(value)?))),
    (IP, IP_RECVERR, |value| Some(SocketOption::ReceiveErrors(value != 0))),
    (IPV6, IPV6_RECVERR, |value| Some(SocketOption::ReceiveErrors(value != 0))),
    (IPV6, 16, |value| Some(SocketOption::Hops(hops(value)?))),
    (IPV6, 26, |value| Some(SocketOption::OnlyV6(value != 0))),
    (IPV6, 67, |value| Some(SocketOption::Tos(value.try_into().ok()?))),
    (TCP, TCP_NODELAY, |value| Some(SocketOption::NoDelay(value != 0))),
    (TCP, TCP_MAXSEG, |value| Some(SocketOption::MaxSegment(value.try_into().ok()?))),
    (TCP, TCP_CORK, |value| Some(SocketOption::Cork(value != 0))),
    (TCP, 4, |value| Some(SocketOption::KeepaliveIdle(seconds(value)?))),
    (TCP, 5, |value| Some(SocketOption::KeepaliveInterval(seconds(value)?))),
    (TCP, 6, |value| Some(SocketOption::KeepaliveProbes(value.try_into().ok()?))),
    (TCP, 7, |value| Some(SocketOption::SynRetries(value.try_into().ok()?))),
    (TCP, 8, |value| Some(SocketOption::Linger2(seconds(value)))),
    (TCP, TCP_DEFER_ACCEPT, |value| Some(SocketOption::DeferAccept(Duration::from_secs(value.try_into().unwrap_or(0))))),
    (TCP, 10, |value| Some(SocketOption::WindowClamp(value.try_into().ok()?))),
    (TCP, 12, |value| Some(SocketOption::QuickAck(value != 0))),
    (TCP, 18, |value| Some(SocketOption::UserTimeout(Duration::from_millis(value.try_into().ok()?)))),
    (TCP, TCP_RTO_MAX_MS, |value| Some(SocketOption::TimeoutMax(Duration::from_millis(value.try_into().ok()?)))),
    (TCP, TCP_FASTOPEN, |value| Some(SocketOption::FastOpen(value.try_into().ok()?))),
    (TCP, TCP_FASTOPEN_CONNECT, |value| Some(SocketOption::FastOpenConnect(switch(value)?))),
    (TCP, TCP_FASTOPEN_NO_COOKIE, |value| Some(SocketOption::FastOpenNoCookie(switch(value)?))),
    // A number without a sign there.
    (TCP, TCP_NOTSENT_LOWAT, |value| Some(SocketOption::NotSentLow(value as u32))),
];

const SOCKET: i32 = 1;
const IP: i32 = 0;
const IPV6: i32 = 41;
const TCP: i32 = 6;

const SO_ERROR: i32 = 4;
const SO_SNDBUF: i32 = 7;
const SO_RCVBUF: i32 = 8;
const SO_KEEPALIVE: i32 = 9;
const SO_OOBINLINE: i32 = 10;
const SO_LINGER: i32 = 13;
const SO_RCVLOWAT: i32 = 18;
const SO_MAX_PACING_RATE: i32 = 47;
const SO_MEMINFO: i32 = 55;
const IP_RECVERR: i32 = 11;
const IPV6_RECVERR: i32 = 25;
const IP_MTU_DISCOVER: i32 = 10;
const IPV6_MTU_DISCOVER: i32 = 23;
const TCP_NODELAY: i32 = 1;
const TCP_MAXSEG: i32 = 2;
const TCP_CORK: i32 = 3;
const TCP_DEFER_ACCEPT: i32 = 9;
const TCP_INFO: i32 = 11;
const TCP_CONGESTION: i32 = 13;
const TCP_NOTSENT_LOWAT: i32 = 25;
const TCP_CC_INFO: i32 = 26;
const TCP_FASTOPEN: i32 = 23;
const TCP_FASTOPEN_CONNECT: i32 = 30;
const TCP_FASTOPEN_KEY: i32 = 33;
const TCP_FASTOPEN_NO_COOKIE: i32 = 34;
const TCP_RTO_MAX_MS: i32 = 44;

fn seconds(value: i64) -> Option<Duration> {
    value.try_into().ok().map(Duration::from_secs)
}

/// What is on or off, and nothing else.
fn switch(value: i64) -> Option<bool> {
    [false, true].get(usize::try_from(value).ok()?).copied()
}

/// -1 gives the tunable's value back.
fn hops(value: i64) -> Option<Option<u8>> {
    if value == -1 { Some(None) } else { u8::try_from(value).ok().map(Some) }
}

/// All ones, in 32 bits or in 64, is no limit.
fn pacing_rate(value: i64) -> Option<u64> {
    if value == -1 || value == i64::from(u32::MAX) { Some(u64::MAX) } else { value.try_into().ok() }
}

impl Process {
    /// `setsockopt`: numbers are in the machine's order.
    ///
    /// # Errors
    /// An option that is not known.
    pub fn set_option(&mut self, host: &mut Host, descriptor: i32, level: i32, name: i32, value: &[u8]) -> Outcome {
        // All sockets here have IP_PMTUDISC_WANT. Another choice shows in the DF bit and behind ICMP errors only, and scripts
        // look at neither.
        if matches!((level, name), (IP, IP_MTU_DISCOVER) | (IPV6, IPV6_MTU_DISCOVER)) {
            return Ok(Returned::Value(0));
        }
        let option = match (level, name) {
            (TCP, TCP_CONGESTION) => {
                let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
                Some(SocketOption::Congestion(String::from_utf8_lossy(text).into_owned()))
            }
            (TCP, TCP_FASTOPEN_KEY) => FastOpenKeys::of_bytes(value).map(SocketOption::FastOpenKeys),
            (SOCKET, SO_LINGER) => match (number(value), value.get(4..).and_then(number)) {
                (Some(is_on), Some(wait)) => Some(SocketOption::Linger(if is_on != 0 { seconds(wait) } else { None })),
                _ => None,
            },
            _ => {
                let known = OPTIONS.iter().find(|(own_level, own, _)| (*own_level, *own) == (level, name));
                let (.., make) = known.ok_or_else(|| unknown(level, name))?;
                let value = match (level, name) {
                    (SOCKET, SO_MAX_PACING_RATE) => wide(value),
                    // One byte is enough there (Linux v6.18: `net/ipv4/ip_sockglue.c`, `do_ip_setsockopt()`).
                    (IP, _) if (1..4).contains(&value.len()) => value.first().map(|byte| i64::from(*byte)),
                    _ => number(value),
                };
                value.and_then(make)
            }
        };
        let Some(option) = option else { return Ok(Returned::Error(Errno::INVALID)) };
        settled(self.borrow(host, descriptor).map(|(mut socket, _)| done(socket.set(&option))))
    }

    /// `getsockopt`: the value's bytes, all of them, however many the caller has room for.
    ///
    /// # Errors
    /// An option that is not known, or the error of the call.
    pub fn option(
        &self,
        host: &mut Host,
        descriptor: i32,
        level: i32,
        name: i32,
    ) -> Result<Result<Vec<u8>, Errno>, Unknown> {
        match self.borrow(host, descriptor) {
            Ok((mut socket, _)) => value(&mut socket, level, name).map(Ok),
            Err(errno) => Ok(Err(errno)),
        }
    }

    /// `ioctl`: `SIOCINQ` and `SIOCOUTQ`, the number of bytes, and `SIOCATMARK`.
    ///
    /// # Errors
    /// A request that is not known, or the error of the call.
    pub fn ioctl(&self, host: &mut Host, descriptor: i32, request: u64) -> Result<Result<i32, Errno>, Unknown> {
        let socket = match self.borrow(host, descriptor) {
            Ok((socket, _)) => socket,
            Err(errno) => return Ok(Err(errno)),
        };
        let bytes = match request {
            0x541b => socket.unread(),
            0x5411 => socket.unacknowledged(),
            0x8905 => usize::from(socket.is_at_mark()),
            _ => return Err(Unknown::new("the request", format_args!("{request:#x}"))),
        };
        Ok(Ok(i32::try_from(bytes).unwrap_or(i32::MAX)))
    }

    /// `fcntl`: `F_GETFL` and `F_SETFL`.
    ///
    /// # Errors
    /// A command that is not known.
    pub fn fcntl(&mut self, descriptor: i32, command: i32, argument: i32) -> Outcome {
        const GET: i32 = 3;
        const SET: i32 = 4;
        const READ_WRITE: i64 = 2;
        const NONBLOCK: i32 = 0x800;
        let open = match self.open(descriptor) {
            Ok(open) => open,
            Err(errno) => return Ok(Returned::Error(errno)),
        };
        match command {
            GET => {
                let flags = if open.mode == Mode::Not { NONBLOCK } else { 0 };
                Ok(Returned::Value(READ_WRITE | i64::from(flags)))
            }
            SET => {
                if let Some(open) = self.open_mut(descriptor) {
                    open.mode = if argument & NONBLOCK != 0 { Mode::Not } else { Mode::Waits };
                }
                Ok(Returned::Value(0))
            }
            _ => Err(Unknown::new("the command of fcntl", command)),
        }
    }
}

fn value(socket: &mut Socket<'_>, level: i32, name: i32) -> Result<Vec<u8>, Unknown> {
    let settings = socket.settings();
    let flag = |on: bool| i64::from(on);
    let found = match (level, name) {
        (SOCKET, SO_ERROR) => socket.take_error().map_or(0, |error| error.number().into()),
        (SOCKET, SO_SNDBUF) => settings.send_buffer_bytes.into(),
        (SOCKET, SO_RCVBUF) => settings.receive_buffer_bytes.into(),
        (SOCKET, SO_RCVLOWAT) => settings.receive_low.into(),
        (SOCKET, SO_KEEPALIVE) => flag(settings.keepalive),
        (SOCKET, SO_OOBINLINE) => flag(settings.urgent_inline),
        (SOCKET, SO_MAX_PACING_RATE) => settings.max_pacing_rate.min(u32::MAX.into()) as i64,
        (SOCKET, SO_MEMINFO) => return Ok(info::memory(&settings)),
        (TCP, TCP_NODELAY) => flag(settings.no_delay),
        (TCP, TCP_CORK) => flag(settings.cork),
        (TCP, TCP_MAXSEG) => settings.max_segment_bytes.into(),
        // What was not set is told as 0 (Linux v6.18: `net/ipv4/tcp.c`, `do_tcp_getsockopt()`).
        (TCP, TCP_NOTSENT_LOWAT) => settings.not_sent_low.unwrap_or(0).into(),
        (TCP, TCP_DEFER_ACCEPT) => settings.defer_accept.as_secs() as i64,
        (TCP, TCP_RTO_MAX_MS) => settings.timeout_max.as_millis() as i64,
        (TCP, TCP_FASTOPEN) => settings.fast_open.into(),
        (TCP, TCP_FASTOPEN_CONNECT) => flag(settings.fast_open_connect),
        (TCP, TCP_FASTOPEN_NO_COOKIE) => flag(settings.fast_open_no_cookie),
        (TCP, TCP_FASTOPEN_KEY) => return Ok(settings.fast_open_keys.map(|keys| keys.bytes()).unwrap_or_default()),
        (TCP, TCP_INFO) => return Ok(info::bytes(socket.info().ok().as_ref(), socket.state())),
        (TCP, TCP_CC_INFO) => return Ok(info::model(socket.model_info().ok().flatten())),
        (TCP, TCP_CONGESTION) => {
            let mut name = settings.congestion.as_bytes().to_vec();
            name.resize(CONGESTION_NAME_BYTES, 0);
            return Ok(name);
        }
        _ => return Err(unknown(level, name)),
    };
    Ok((found as u32).to_ne_bytes().to_vec())
}

fn unknown(level: i32, name: i32) -> Unknown {
    Unknown::new("the option", format_args!("{name} of level {level}"))
}

/// The first four bytes as a number.
fn number(value: &[u8]) -> Option<i64> {
    value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes).into())
}

/// Eight bytes as a number, or the first four.
fn wide(value: &[u8]) -> Option<i64> {
    match value.first_chunk() {
        Some(bytes) => Some(i64::from_ne_bytes(*bytes)),
        None => value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes).into()),
    }
}

/// Linux: `TCP_CA_NAME_MAX`.
const CONGESTION_NAME_BYTES: usize = 16;
