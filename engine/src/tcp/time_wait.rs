//! TIME_WAIT: what is left of a connection until nothing of it wanders through the network any more (RFC 9293, section
//! 3.10.7.4; RFC 6191; RFC 1337; Linux v6.18: `net/ipv4/tcp_minisocks.c`, `tcp_timewait_state_process()`).

use core::time::Duration;

use super::{
    connection::Connection,
    input::TIMESTAMP_STALE,
    segment::{Agreed, Ends, Segment},
    settings::Settings,
    states::State,
    way::Way,
    work::Work,
};
use crate::{
    sysctl::Sysctls,
    time::Instant,
    wire::{SeqNum, TcpFlags},
};

/// What is left of a connection.
#[derive(Clone, Debug)]
pub(crate) struct TimeWait {
    pub(crate) ends: Ends,
    agreed: Agreed,
    way: Way,
    settings: Settings,
    next: SeqNum,
    expected: SeqNum,
    window: u32,
    recent_timestamp: u32,
    recent_at: Instant,
    answered_at: Option<Instant>,
    /// When it is forgotten.
    pub(crate) until: Instant,
}

/// What a segment in TIME_WAIT is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// It is told where the connection stands.
    Acknowledged,
    /// A new connection may begin, with that sequence number.
    Begins(SeqNum),
    /// Nothing more is waited for.
    Forgotten,
}

impl TimeWait {
    /// What is left of a connection.
    pub(crate) fn of(now: Instant, connection: &Connection) -> Self {
        Self {
            ends: connection.ends,
            agreed: connection.agreed,
            way: connection.way,
            settings: connection.settings,
            next: connection.sender.next,
            expected: connection.expected(),
            window: connection.receiver.window,
            recent_timestamp: connection.receiver.recent_timestamp,
            recent_at: connection.receiver.recent_at,
            answered_at: None,
            until: now + LENGTH,
        }
    }

    /// Takes a segment.
    pub(crate) fn receive(&mut self, work: &mut Work<'_>, segment: &Segment) -> Left {
        let timestamps = segment.timestamps.filter(|_| self.agreed.timestamps);
        let is_older = timestamps.is_some_and(|timestamps| {
            (timestamps.value.wrapping_sub(self.recent_timestamp) as i32) < 0
                && work.now.since(self.recent_at) < TIMESTAMP_STALE
        });
        let is_empty = segment.seq == segment.end();
        let (is_reset, is_syn) = (segment.has(TcpFlags::RST), segment.has(TcpFlags::SYN));
        if !is_older && segment.seq == self.expected && (is_empty || is_reset) {
            if is_reset && work.sysctls.tcp_rfc1337 == 0 {
                return Left::Forgotten;
            }
            if !is_reset {
                self.until = work.now + LENGTH;
                if let Some(timestamps) = timestamps {
                    (self.recent_timestamp, self.recent_at) = (timestamps.value, work.now);
                }
            }
            return Left::Nothing;
        }
        let is_newer =
            timestamps.is_some_and(|timestamps| (timestamps.value.wrapping_sub(self.recent_timestamp) as i32) > 0);
        let is_new = is_syn && !is_reset && !segment.has(TcpFlags::ACK);
        if is_new && !is_older && (segment.seq.after(self.expected) || is_newer) {
            return Left::Begins(self.next + 65_537);
        }
        if is_reset {
            return Left::Nothing;
        }
        if is_older || segment.has(TcpFlags::ACK) {
            self.until = work.now + LENGTH;
        }
        let limit = Duration::from_millis(work.sysctls.tcp_invalid_ratelimit.into());
        if is_empty && self.answered_at.is_some_and(|at| work.now.since(at) < limit) {
            return Left::Nothing;
        }
        self.answered_at = Some(work.now);
        self.acknowledge(work);
        Left::Acknowledged
    }

    /// Says where the connection stands.
    pub(crate) fn acknowledge(&self, work: &mut Work<'_>) {
        let mut connection = Connection::new(work.now, self.ends, State::FinWait2, self.settings, self.way);
        connection.agreed = self.agreed;
        connection.prepare(work);
        connection.agreed = self.agreed;
        let sender = &mut connection.sender;
        (sender.una, sender.next, sender.end, sender.window) = (self.next, self.next, self.next, 1);
        let receiver = &mut connection.receiver;
        (receiver.next, receiver.told, receiver.window) = (self.expected, self.expected, self.window);
        receiver.window_soft_max = self.window;
        receiver.recent_timestamp = self.recent_timestamp;
        connection.send_ack(work);
    }

    /// Whether a connection of this host may begin from the same port to the same peer: the clock of its timestamps has moved
    /// on (RFC 6191; Linux v6.18: `net/ipv4/tcp_ipv4.c`, `tcp_twsk_unique()`).
    pub(crate) fn gives_way(&self, now: Instant, sysctls: &Sysctls) -> Option<SeqNum> {
        let allows = match sysctls.tcp_tw_reuse {
            0 => false,
            1 => true,
            _ => self.ends.remote.ip().is_loopback() || self.ends.local.ip().is_loopback(),
        };
        let delay = Duration::from_millis(sysctls.tcp_tw_reuse_delay.into());
        let has_moved = self.agreed.timestamps && now.since(self.recent_at) > delay;
        (allows && has_moved).then(|| self.next + 65_537)
    }
}

/// How long it lasts (Linux: `TCP_TIMEWAIT_LEN`).
pub(super) const LENGTH: Duration = Duration::from_secs(60);
