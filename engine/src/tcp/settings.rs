//! What the user of a stream socket has set; [`crate::socket::SocketOption`] tells under which names.

use core::time::Duration;

use super::FastOpenKeys;

/// What the user of a socket has set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// An address in TIME_WAIT may be bound (`SO_REUSEADDR`); several sockets share it (`SO_REUSEPORT`).
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    /// A socket of IPv6 takes no IPv4.
    pub(crate) only_v6: bool,
    /// Urgent bytes are read in their turn (`SO_OOBINLINE`).
    pub(crate) urgent_inline: bool,
    /// What the network says of the other end is told at once (`IP_RECVERR`).
    pub(crate) hears_errors: bool,
    /// Datagrams may go to everybody on a link (`SO_BROADCAST`).
    pub(crate) broadcast: bool,
    /// Small segments are sent at once (`TCP_NODELAY`).
    pub(crate) no_delay: bool,
    /// Small segments wait, whatever is in flight (`TCP_CORK`).
    pub(crate) cork: bool,
    /// Payload bytes of a segment at most, in both directions (`TCP_MAXSEG`).
    pub(crate) mss_max: Option<u16>,
    /// Keepalive probes are sent (`SO_KEEPALIVE`).
    pub(crate) keepalive: bool,
    /// Silence before the first of them (`TCP_KEEPIDLE`), time between two (`TCP_KEEPINTVL`), and how many may go unanswered (`TCP_KEEPCNT`);
    /// `None`: as the tunables say.
    pub(crate) keepalive_idle: Option<Duration>,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_probes: Option<u32>,
    /// How long data may be unacknowledged (`TCP_USER_TIMEOUT`).
    pub(crate) user_timeout: Option<Duration>,
    /// How long FIN_WAIT2 lasts for an orphan (`TCP_LINGER2`).
    pub(crate) linger2: Option<Duration>,
    /// No timeout is longer (`TCP_RTO_MAX_MS`): what the tunable was when the socket was opened, if the user says nothing.
    pub(crate) timeout_max: Duration,
    /// How often a SYN is sent again (`TCP_SYNCNT`).
    pub(crate) syn_retries: Option<u32>,
    /// A listener takes no connection before it has brought data, for as long as so many answers of its SYN would take
    /// (`TCP_DEFER_ACCEPT`); 0: it takes it at once.
    pub(crate) deferred_answers: u8,
    /// Bytes that may be written ahead of what was sent (`TCP_NOTSENT_LOWAT`).
    pub(crate) not_sent_low: Option<u32>,
    /// What a close waits for (`SO_LINGER`): zero resets.
    pub(crate) linger: Option<Duration>,
    /// Bytes of memory for what is not sent or not acknowledged, and whether the user has chosen it.
    pub(crate) send_buffer: (u32, bool),
    /// Bytes of memory for what is not read, and whether the user has chosen it.
    pub(crate) receive_buffer: (u32, bool),
    /// So many bytes are worth telling the user of (`SO_RCVLOWAT`).
    pub(crate) receive_low: u32,
    /// The largest window ever told (`TCP_WINDOW_CLAMP`).
    pub(crate) window_clamp: Option<u32>,
    /// The byte behind the version, but for ECN (`IP_TOS`, `IPV6_TCLASS`); the hop limit (`IP_TTL`, `IPV6_UNICAST_HOPS`); the mark
    /// (`SO_MARK`).
    pub(crate) tos: u8,
    pub(crate) hops: Option<u8>,
    pub(crate) mark: u32,
    /// The name of its congestion control, and whether the user has chosen it.
    pub(crate) algorithm: (&'static str, bool),
    /// Bytes a second at most (`SO_MAX_PACING_RATE`), and whether the user has ever chosen a limit.
    pub(crate) pacing_rate_max: (u64, bool),
    pub(crate) fast_open: FastOpenSettings,
}

/// What the user of a socket has set of Fast Open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FastOpenSettings {
    /// Connections of a listener that may be in use before their handshakes are done (`TCP_FASTOPEN`).
    pub(crate) queue: u32,
    /// The first data go with the SYN (`TCP_FASTOPEN_CONNECT`).
    pub(crate) defers_connect: bool,
    /// Without a cookie (`TCP_FASTOPEN_NO_COOKIE`).
    pub(crate) needs_no_cookie: bool,
    /// A listener's own keys (`TCP_FASTOPEN_KEY`).
    pub(crate) keys: Option<FastOpenKeys>,
}

/// How many answers to a SYN take that long, the first of which waits a second for its acknowledgement and each next one twice as long (Linux
/// v6.18: `net/ipv4/tcp.c`, `secs_to_retrans()`).
pub(crate) fn answers_in(time: Duration) -> u8 {
    let (mut answers, mut wait, mut taken) = (0, FIRST_ANSWER, Duration::ZERO);
    while answers < u8::MAX && taken < time {
        (answers, taken) = (answers + 1, taken + wait);
        wait = (2 * wait).min(LAST_ANSWER);
    }
    answers
}

/// How long so many answers take (Linux v6.18: `retrans_to_secs()`).
pub(crate) fn time_of_answers(answers: u8) -> Duration {
    let mut wait = FIRST_ANSWER;
    let mut taken = Duration::ZERO;
    for _ in 0..answers {
        taken += wait;
        wait = (2 * wait).min(LAST_ANSWER);
    }
    taken
}

/// How long the first answer waits, and later ones at most (Linux: `TCP_TIMEOUT_INIT`, `TCP_RTO_MAX`).
const FIRST_ANSWER: Duration = Duration::from_secs(1);
pub(super) const LAST_ANSWER: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_deferring_are_those_of_whole_answers() {
        // What Linux 6.18 gives back of what was set.
        for (set, answers, told) in
            [(0, 0, 0), (1, 1, 1), (2, 2, 3), (3, 2, 3), (4, 3, 7), (10, 4, 15), (127, 7, 127), (128, 8, 247)]
        {
            assert_eq!(answers_in(Duration::from_secs(set)), answers, "{set}");
            assert_eq!(time_of_answers(answers), Duration::from_secs(told), "{set}");
        }
        assert_eq!(answers_in(Duration::from_secs(1 << 31)), u8::MAX);
        assert_eq!(time_of_answers(u8::MAX), Duration::from_secs(29_887));
    }
}
