//! Constants of the system's headers, and numbers made of them.

use crate::{runner::verdict::Stop, script::Value};

/// Their values on Linux, x86-64.
#[rustfmt::skip]
static CONSTANTS: &[(&str, i64)] = &[
    ("O_RDONLY", 0), ("O_RDWR", 2), ("O_NONBLOCK", 0x800),
    ("F_GETFL", 3), ("F_SETFL", 4),
    ("SOCK_STREAM", 1), ("SOCK_NONBLOCK", 0x800), ("SOCK_CLOEXEC", 0x8_0000), ("IPPROTO_TCP", 6),
    ("AF_INET", 2), ("AF_INET6", 10), ("PF_INET", 2), ("PF_INET6", 10),
    ("SHUT_RD", 0), ("SHUT_WR", 1), ("SHUT_RDWR", 2),
    ("MSG_OOB", 1), ("MSG_PEEK", 2), ("MSG_TRUNC", 0x20), ("MSG_DONTWAIT", 0x40), ("MSG_EOR", 0x80), ("MSG_WAITALL", 0x100),
    ("MSG_ERRQUEUE", 0x2000), ("MSG_NOSIGNAL", 0x4000), ("MSG_MORE", 0x8000), ("MSG_ZEROCOPY", 0x400_0000),
    ("MSG_FASTOPEN", 0x2000_0000),
    ("SIOCINQ", 0x541b), ("SIOCOUTQ", 0x5411), ("SIOCATMARK", 0x8905),
    ("POLLIN", 1), ("POLLPRI", 2), ("POLLOUT", 4), ("POLLERR", 8), ("POLLHUP", 0x10), ("POLLRDHUP", 0x2000),
    ("EPOLLIN", 1), ("EPOLLPRI", 2), ("EPOLLOUT", 4), ("EPOLLERR", 8), ("EPOLLHUP", 0x10), ("EPOLLRDHUP", 0x2000),
    ("EPOLLONESHOT", 1 << 30), ("EPOLLET", 1 << 31),
    ("EPOLL_CTL_ADD", 1), ("EPOLL_CTL_DEL", 2), ("EPOLL_CTL_MOD", 3),
    ("IP_PMTUDISC_DONT", 0), ("IP_PMTUDISC_WANT", 1), ("IP_PMTUDISC_DO", 2), ("IP_PMTUDISC_PROBE", 3),
    ("SOL_IP", 0), ("IPPROTO_IP", 0), ("SOL_SOCKET", 1), ("SOL_TCP", 6), ("SOL_IPV6", 41), ("IPPROTO_IPV6", 41),
    ("SO_REUSEADDR", 2), ("SO_ERROR", 4), ("SO_SNDBUF", 7), ("SO_RCVBUF", 8), ("SO_KEEPALIVE", 9), ("SO_OOBINLINE", 10), ("SO_LINGER", 13),
    ("SO_REUSEPORT", 15), ("SO_RCVLOWAT", 18), ("SO_MARK", 36), ("SO_MAX_PACING_RATE", 47),
    ("IP_TOS", 1), ("IP_TTL", 2), ("IP_MTU_DISCOVER", 10), ("IP_RECVERR", 11), ("IPV6_RECVERR", 25), ("IPV6_TCLASS", 67),
    ("TCP_NODELAY", 1), ("TCP_MAXSEG", 2), ("TCP_CORK", 3), ("TCP_KEEPIDLE", 4), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6),
    ("TCP_SYNCNT", 7), ("TCP_LINGER2", 8), ("TCP_DEFER_ACCEPT", 9), ("TCP_WINDOW_CLAMP", 10), ("TCP_QUICKACK", 12), ("TCP_CONGESTION", 13),
    ("TCP_USER_TIMEOUT", 18), ("TCP_FASTOPEN", 23), ("TCP_NOTSENT_LOWAT", 25), ("TCP_FASTOPEN_CONNECT", 30),
    ("TCP_FASTOPEN_KEY", 33), ("TCP_FASTOPEN_NO_COOKIE", 34), ("TCP_RTO_MAX_MS", 44),
];

/// The value as a number.
pub(super) fn number(value: &Value) -> Result<i64, Stop> {
    match value {
        Value::Number(number) => Ok(*number),
        Value::Words(words) => words.iter().try_fold(0, |bits, word| {
            let known = CONSTANTS.iter().find(|(name, _)| name == word);
            known.map(|(_, value)| bits | value).ok_or_else(|| Stop::unknown("the constant", word))
        }),
        other @ (Value::Any
        | Value::Text(_)
        | Value::Applied(..)
        | Value::Field(..)
        | Value::List(_)
        | Value::Struct(_)) => Err(Stop::unknown("the value", format_args!("{other:?}"))),
    }
}

/// The fields of a structure, by name.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let Value::Struct(fields) = value else { return None };
    fields.iter().find_map(|field| match field {
        Value::Field(own, _, value) if own == name => Some(&**value),
        Value::Field(..)
        | Value::Any
        | Value::Number(_)
        | Value::Text(_)
        | Value::Words(_)
        | Value::Applied(..)
        | Value::List(_)
        | Value::Struct(_) => None,
    })
}
