//! What a user can set on a socket, under the names of `setsockopt`.

use alloc::string::String;
use core::time::Duration;

use super::SocketError;
use crate::{
    limits::{BUFFER_BYTES_MAX, FAST_OPEN_QUEUE_MAX},
    sysctl::Sysctls,
    tcp::{
        FastOpenKeys, congestion,
        settings::{FastOpenSettings, Settings, answers_in},
        window::INITIAL_PART,
    },
};

/// One option and its value. Names are those of Linux, in words; `None` gives the tunable's value back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// `SO_REUSEADDR`: an address in TIME_WAIT may be bound.
    ReuseAddress(bool),
    /// `SO_REUSEPORT`: several sockets share an address, if all say so.
    ReusePort(bool),
    /// `IPV6_V6ONLY`: a socket of IPv6 takes no IPv4.
    OnlyV6(bool),
    /// `SO_KEEPALIVE`.
    Keepalive(bool),
    /// `SO_LINGER`; zero resets the connection when it is closed.
    Linger(Option<Duration>),
    /// `SO_RCVBUF`, in bytes; twice as much is taken, half of it for bookkeeping.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF`, likewise.
    SendBuffer(u32),
    /// `SO_RCVLOWAT`: a stream is readable when so many bytes have come, or no more fit; half of what its receive buffer may be is the most,
    /// 0 counts as 1. The buffer grows to hold them, unless it was chosen. Datagrams do not heed it (Linux v6.18: `net/ipv4/tcp.c`,
    /// `tcp_set_rcvlowat()`).
    ReceiveLow(u32),
    /// `SO_OOBINLINE`: urgent bytes are read in their turn.
    UrgentInline(bool),
    /// `SO_BROADCAST`: datagrams may go to everybody on a link.
    Broadcast(bool),
    /// `SO_MAX_PACING_RATE`, in bytes a second; all ones: no limit.
    MaxPacingRate(u64),
    /// `SO_MARK`.
    Mark(u32),
    /// `IP_TOS`, `IPV6_TCLASS`.
    Tos(u8),
    /// `IP_TTL`, `IPV6_UNICAST_HOPS`.
    Hops(Option<u8>),
    /// `IP_RECVERR`, `IPV6_RECVERR`. Streams are told at once what the network says of the other end, and not only when they are given up;
    /// datagram sockets are told whether they are connected or not, and keep each error to be read
    /// ([`Socket::receive_error`](super::Socket::receive_error)); what is not read when it is set to false is gone.
    ReceiveErrors(bool),
    /// `TCP_NODELAY`.
    NoDelay(bool),
    /// `TCP_CORK`.
    Cork(bool),
    /// `TCP_MAXSEG`, 88 to 32767; 0 gives it back.
    MaxSegment(u16),
    /// `TCP_QUICKACK`.
    QuickAck(bool),
    /// `TCP_KEEPIDLE`, 1 to 32767 seconds.
    KeepaliveIdle(Duration),
    /// `TCP_KEEPINTVL`, 1 to 32767 seconds.
    KeepaliveInterval(Duration),
    /// `TCP_KEEPCNT`, 1 to 127.
    KeepaliveProbes(u32),
    /// `TCP_SYNCNT`, 1 to 127.
    SynRetries(u32),
    /// `TCP_DEFER_ACCEPT`, in seconds: a listener's connections wait for data that long before they can be accepted, rounded up to what
    /// answers to their SYN take; who connects holds the acknowledgement of the answer back for what he writes. Zero: no more (Linux v6.18:
    /// `net/ipv4/tcp_minisocks.c`, `tcp_check_req()`).
    DeferAccept(Duration),
    /// `TCP_USER_TIMEOUT`; zero gives it back.
    UserTimeout(Duration),
    /// `TCP_RTO_MAX_MS`, 1 to 120 seconds: no timeout of a retransmission, or of a probe of a closed window, is longer; the time after which a
    /// connection is given up is reckoned with it (Linux v6.18: `net/ipv4/tcp.c`, `do_tcp_setsockopt()`).
    TimeoutMax(Duration),
    /// `TCP_LINGER2`: how long FIN_WAIT2 lasts once nobody holds the connection, 120 seconds at most.
    Linger2(Option<Duration>),
    /// `TCP_NOTSENT_LOWAT`, in bytes.
    NotSentLow(u32),
    /// `TCP_WINDOW_CLAMP`, in bytes; 0 gives it back.
    WindowClamp(u32),
    /// `TCP_CONGESTION`: the algorithm of that name, if `net.ipv4.tcp_allowed_congestion_control` holds it.
    Congestion(String),
    /// `TCP_FASTOPEN`: so many connections of a listener may be in use before their handshakes are done, and `net.core.somaxconn` at
    /// most. Only before it is connected.
    FastOpen(u32),
    /// `TCP_FASTOPEN_CONNECT`: the first data go with the SYN, if they may. Only before it is connected.
    FastOpenConnect(bool),
    /// `TCP_FASTOPEN_NO_COOKIE`: without a cookie. Only before it is connected.
    FastOpenNoCookie(bool),
    /// `TCP_FASTOPEN_KEY`: a listener's own keys of cookies.
    FastOpenKeys(FastOpenKeys),
}

impl SocketOption {
    /// Whether it is one that says how a connection begins.
    pub(crate) const fn is_of_beginning(&self) -> bool {
        matches!(self, Self::FastOpen(_) | Self::FastOpenConnect(_) | Self::FastOpenNoCookie(_))
    }

    /// Whether it is one of TCP's.
    pub(super) const fn is_of_streams(&self) -> bool {
        match self {
            Self::ReuseAddress(_)
            | Self::ReusePort(_)
            | Self::OnlyV6(_)
            | Self::Keepalive(_)
            | Self::Linger(_)
            | Self::ReceiveBuffer(_)
            | Self::SendBuffer(_)
            | Self::ReceiveLow(_)
            | Self::UrgentInline(_)
            | Self::Broadcast(_)
            | Self::MaxPacingRate(_)
            | Self::Mark(_)
            | Self::Tos(_)
            | Self::Hops(_)
            | Self::ReceiveErrors(_) => false,
            Self::NoDelay(_)
            | Self::Cork(_)
            | Self::MaxSegment(_)
            | Self::QuickAck(_)
            | Self::KeepaliveIdle(_)
            | Self::KeepaliveInterval(_)
            | Self::KeepaliveProbes(_)
            | Self::SynRetries(_)
            | Self::DeferAccept(_)
            | Self::UserTimeout(_)
            | Self::TimeoutMax(_)
            | Self::Linger2(_)
            | Self::NotSentLow(_)
            | Self::WindowClamp(_)
            | Self::Congestion(_)
            | Self::FastOpen(_)
            | Self::FastOpenConnect(_)
            | Self::FastOpenNoCookie(_)
            | Self::FastOpenKeys(_) => true,
        }
    }
}

/// What a stream socket's options are before it is connected.
pub(crate) type Options = Settings;

impl Settings {
    /// As a new socket has them.
    pub(crate) const fn new(sysctls: &Sysctls) -> Self {
        Self {
            reuse_address: false,
            reuse_port: false,
            only_v6: false,
            urgent_inline: false,
            hears_errors: false,
            broadcast: false,
            no_delay: false,
            cork: false,
            mss_max: None,
            keepalive: false,
            keepalive_idle: None,
            keepalive_interval: None,
            keepalive_probes: None,
            user_timeout: None,
            linger2: None,
            timeout_max: Duration::from_millis(sysctls.tcp_rto_max_ms as u64),
            syn_retries: None,
            deferred_answers: 0,
            not_sent_low: if sysctls.tcp_notsent_lowat == u32::MAX { None } else { Some(sysctls.tcp_notsent_lowat) },
            linger: None,
            send_buffer: (sysctls.tcp_wmem[1], false),
            receive_buffer: (sysctls.tcp_rmem[1], false),
            receive_low: 1,
            window_clamp: None,
            tos: 0,
            hops: None,
            mark: 0,
            algorithm: (sysctls.congestion_control(), false),
            pacing_rate_max: (u64::MAX, false),
            fast_open: FastOpenSettings { queue: 0, defers_connect: false, needs_no_cookie: false, keys: None },
        }
    }

    /// As a new datagram socket has them.
    pub(crate) const fn of_datagrams(sysctls: &Sysctls) -> Self {
        Self {
            send_buffer: (sysctls.wmem_default, false),
            receive_buffer: (sysctls.rmem_default, false),
            ..Self::new(sysctls)
        }
    }

    /// Sets an option of a stream socket that has no connection.
    pub(super) fn set_of_stream(&mut self, option: &SocketOption, sysctls: &Sysctls) -> Result<(), SocketError> {
        self.set(option, sysctls)?;
        if matches!(option, SocketOption::ReceiveLow(_)) {
            self.fit_receive_low(INITIAL_PART, sysctls);
        }
        Ok(())
    }

    /// Sets an option.
    pub(crate) fn set(&mut self, option: &SocketOption, sysctls: &Sysctls) -> Result<(), SocketError> {
        let seconds = |value: Duration| {
            let is_right = (1..=32_767).contains(&value.as_secs());
            if is_right { Ok(Some(value)) } else { Err(SocketError::Invalid) }
        };
        match *option {
            SocketOption::ReuseAddress(on) => self.reuse_address = on,
            SocketOption::ReusePort(on) => self.reuse_port = on,
            SocketOption::OnlyV6(on) => self.only_v6 = on,
            SocketOption::Keepalive(on) => self.keepalive = on,
            SocketOption::Linger(wait) => self.linger = wait,
            SocketOption::ReceiveBuffer(bytes) => {
                let bytes = bytes.min(sysctls.rmem_max).saturating_mul(2).clamp(RECEIVE_BUFFER_MIN, BUFFER_BYTES_MAX);
                self.receive_buffer = (bytes, true);
            }
            SocketOption::SendBuffer(bytes) => {
                let bytes = bytes.min(sysctls.wmem_max).saturating_mul(2).clamp(SEND_BUFFER_MIN, BUFFER_BYTES_MAX);
                self.send_buffer = (bytes, true);
            }
            SocketOption::ReceiveLow(bytes) => self.receive_low = bytes.max(1),
            SocketOption::UrgentInline(on) => self.urgent_inline = on,
            SocketOption::ReceiveErrors(on) => self.hears_errors = on,
            SocketOption::Broadcast(on) => self.broadcast = on,
            SocketOption::MaxPacingRate(rate) => {
                self.pacing_rate_max = (rate, self.pacing_rate_max.1 || rate != u64::MAX);
            }
            SocketOption::Mark(mark) => self.mark = mark,
            SocketOption::Tos(tos) => self.tos = tos,
            SocketOption::Hops(Some(0)) => return Err(SocketError::Invalid),
            SocketOption::Hops(hops) => self.hops = hops,
            SocketOption::NoDelay(on) => self.no_delay = on,
            SocketOption::Cork(on) => self.cork = on,
            SocketOption::MaxSegment(0) => self.mss_max = None,
            SocketOption::MaxSegment(mss) => {
                if !(MSS_MIN..=MSS_MAX).contains(&mss) {
                    return Err(SocketError::Invalid);
                }
                self.mss_max = Some(mss);
            }
            // What it does at once is the connection's.
            SocketOption::QuickAck(_) => {}
            SocketOption::KeepaliveIdle(wait) => self.keepalive_idle = seconds(wait)?,
            SocketOption::KeepaliveInterval(wait) => self.keepalive_interval = seconds(wait)?,
            SocketOption::KeepaliveProbes(probes) => self.keepalive_probes = Some(small(probes)?),
            SocketOption::SynRetries(retries) => self.syn_retries = Some(small(retries)?),
            SocketOption::DeferAccept(time) => self.deferred_answers = answers_in(time),
            SocketOption::UserTimeout(wait) => self.user_timeout = Some(wait).filter(|wait| !wait.is_zero()),
            SocketOption::TimeoutMax(most) => {
                if !(TIMEOUT_MAX_LEAST..=TIMEOUT_MAX_MOST).contains(&most) {
                    return Err(SocketError::Invalid);
                }
                self.timeout_max = most;
            }
            SocketOption::Linger2(wait) => self.linger2 = wait.map(|wait| wait.min(LINGER2_MAX)),
            SocketOption::NotSentLow(bytes) => self.not_sent_low = Some(bytes),
            SocketOption::WindowClamp(0) => self.window_clamp = None,
            SocketOption::WindowClamp(bytes) => self.window_clamp = Some(bytes.max(RECEIVE_BUFFER_MIN / 2)),
            SocketOption::Congestion(ref name) => self.choose_algorithm(name, sysctls)?,
            SocketOption::FastOpen(most) => {
                self.fast_open.queue = most.min(sysctls.somaxconn).min(FAST_OPEN_QUEUE_MAX);
            }
            SocketOption::FastOpenConnect(_) if !sysctls.opens_fast() => return Err(SocketError::NotSupported),
            SocketOption::FastOpenConnect(on) => self.fast_open.defers_connect = on,
            SocketOption::FastOpenNoCookie(on) => self.fast_open.needs_no_cookie = on,
            SocketOption::FastOpenKeys(keys) => self.fast_open.keys = Some(keys),
        }
        Ok(())
    }

    /// Chooses a congestion control by its name. To ask for what it has is always allowed (Linux v6.18: `tcp_set_congestion_control()`).
    fn choose_algorithm(&mut self, name: &str, sysctls: &Sysctls) -> Result<(), SocketError> {
        let number = congestion::NAMES.into_iter().position(|known| known == name);
        let number = number.ok_or(SocketError::NoEntry)?;
        if self.algorithm.0 != name && !sysctls.allows_congestion_control(number) {
            return Err(SocketError::NotPermitted);
        }
        self.algorithm = (congestion::NAMES[number], true);
        Ok(())
    }
}

const fn small(value: u32) -> Result<u32, SocketError> {
    if value >= 1 && value <= 127 { Ok(value) } else { Err(SocketError::Invalid) }
}

/// Linux: `SOCK_MIN_RCVBUF`.
const RECEIVE_BUFFER_MIN: u32 = 2304;
/// Linux: `SOCK_MIN_SNDBUF`.
pub(crate) const SEND_BUFFER_MIN: u32 = 4608;
/// Linux: `TCP_MIN_MSS`, `MAX_TCP_WINDOW`.
const MSS_MIN: u16 = 88;
const MSS_MAX: u16 = 32_767;
/// Linux: `MSEC_PER_SEC`, `TCP_RTO_MAX_SEC`.
const TIMEOUT_MAX_LEAST: Duration = Duration::from_secs(1);
const TIMEOUT_MAX_MOST: Duration = Duration::from_secs(120);
/// Linux: `TCP_FIN_TIMEOUT_MAX`.
const LINGER2_MAX: Duration = Duration::from_secs(120);
