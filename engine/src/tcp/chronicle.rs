//! For how long a connection was busy, and what held it up: the other end's window or its own send buffer (Linux v6.18:
//! `net/ipv4/tcp_output.c`, `tcp_chrono_start()`, `tcp_chrono_stop()`).

use core::time::Duration;

use super::{connection::Connection, states::State};
use crate::time::Instant;

/// What a time is counted as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holdup {
    /// There is nothing to send.
    #[default]
    Idle,
    /// Data are in flight, or wait to be sent.
    Busy,
    /// The other end takes no more.
    Window,
    /// The user has more to write, and finds no room.
    Buffer,
}

/// How long each has lasted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chronicle {
    now: Holdup,
    since: Instant,
    /// Of what is over: busy, held up by the window, by the buffer.
    spent: [Duration; 3],
}

impl Chronicle {
    fn set(&mut self, now: Instant, holdup: Holdup) {
        if let Some(at) = (self.now as usize).checked_sub(1) {
            self.spent[at] += now.since(self.since);
        }
        (self.now, self.since) = (holdup, now);
    }

    /// All begin as `Busy`; of several hold-ups the greatest counts.
    fn start(&mut self, now: Instant, holdup: Holdup) {
        if holdup > self.now {
            self.set(now, holdup);
        }
    }

    fn stop(&mut self, now: Instant, holdup: Holdup, is_empty: bool) {
        if is_empty {
            self.set(now, Holdup::Idle);
        } else if holdup == self.now {
            self.set(now, Holdup::Busy);
        }
    }

    /// Busy in all, and what of it was held up by the window and by the buffer.
    pub(super) fn spent(&self, now: Instant) -> [Duration; 3] {
        let mut chronicle = *self;
        chronicle.set(now, self.now);
        let [busy, window, buffer] = chronicle.spent;
        [busy + window + buffer, window, buffer]
    }
}

impl Connection {
    fn has_nothing_to_send(&self) -> bool {
        self.sender.flight.is_empty() && !self.has_unsent()
    }

    /// Data were written.
    pub(super) fn chronicle_data(&mut self, now: Instant) {
        self.sender.chronicle.start(now, Holdup::Busy);
    }

    /// Data were acknowledged.
    pub(super) fn chronicle_acknowledged(&mut self, now: Instant) {
        if self.sender.flight.is_empty() {
            self.sender.chronicle.stop(now, Holdup::Busy, self.has_nothing_to_send());
        }
    }

    /// Segments were sent, or could not be: whether the other end's window was why.
    pub(super) fn chronicle_window(&mut self, now: Instant, is_limited: bool) {
        if is_limited {
            self.sender.chronicle.start(now, Holdup::Window);
        } else {
            self.sender.chronicle.stop(now, Holdup::Window, self.has_nothing_to_send());
        }
    }

    /// All was sent, the congestion window has room, and the user waits for room to write.
    pub(super) fn chronicle_no_room(&mut self, now: Instant) {
        let is_open = matches!(self.state, State::Established | State::CloseWait);
        if is_open && self.sender.wants_room && !self.has_unsent() {
            self.sender.chronicle.start(now, Holdup::Buffer);
        }
    }

    /// There is room to write again.
    pub(super) fn chronicle_room(&mut self, now: Instant) {
        self.sender.chronicle.stop(now, Holdup::Buffer, self.has_nothing_to_send());
    }
}
