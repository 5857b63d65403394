//! Memory of all stream sockets together, and how many of them nobody holds any more (`net.ipv4.tcp_mem`,
//! `net.ipv4.tcp_max_orphans`).
//!
//! ```text
//!  bytes held   0 ────────── low ────────── pressure ────────── high ──────────►
//!               pressure ends here          begins here         nothing new is queued
//! ```
//!
//! Under pressure windows and buffers do not grow, and whoever holds more than his part gets no more. Beyond `high` a socket gets
//! what keeps it alive: the segment that fills an empty receive queue, as much to send as `tcp_wmem` says first, and what fills its
//! send buffer, which shrinks to what it holds, so that its writer waits.
//!
//! What a connection holds it knows itself; the total is corrected by the difference each time when a connection is put back into
//! its place. So a change costs the same however many connections there are, and nothing has to be given back piece by piece.
//!
//! Linux v6.18: `net/core/sock.c`, `__sk_mem_raise_allocated()`; `net/ipv4/tcp_input.c`, `tcp_try_rmem_schedule()`,
//! `tcp_prune_queue()`; `net/ipv4/tcp.c`, `tcp_check_oom()`; `net/ipv4/tcp_timer.c`, `tcp_out_of_resources()`. Linux counts whole
//! pages a socket, and takes an orphan in FIN_WAIT2 for what is left of a connection; here bytes are counted, and that orphan, which
//! is a whole connection still, is one.

use core::time::Duration;

use super::{connection::Connection, states::State, work::Work};
use crate::{sysctl::Sysctls, time::Instant};

/// What all stream sockets hold together, and what has come of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpMemory {
    /// Bytes of memory: what is not read, what has come before its turn, what is not acknowledged.
    pub bytes: u64,
    /// Connections, those included that nobody holds any more.
    pub connections: u64,
    /// Connections that nobody holds any more and that have not ended (`orphan` in `/proc/net/sockstat`).
    pub orphans: u64,
    /// Whether growth is stopped.
    pub is_under_pressure: bool,
    /// What is counted.
    pub counters: TcpMemoryCounters,
}

/// What Linux counts in `/proc/net/netstat`, under its names in words. All counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpMemoryCounters {
    /// `TCPMemoryPressures`: how often pressure has begun.
    pub pressures: u64,
    /// `TCPMemoryPressuresChrono`: how long it has lasted, of those that are over, in milliseconds.
    pub pressure_millis: u64,
    /// `TCPAbortOnMemory`: connections that nobody held, reset because there were too many of them or too little memory.
    pub aborts: u64,
    /// `PruneCalled`: how often a socket had no room for a segment.
    pub prunes: u64,
    /// `RcvPruned`: how often that has not helped.
    pub receive_pruned: u64,
    /// `OfoPruned`: how often segments out of order were given up for it.
    pub out_of_order_pruned: u64,
    /// `TCPRcvQDrop`: segments in order that found no room.
    pub receive_drops: u64,
    /// `TCPOFODrop`: segments out of order that found none.
    pub out_of_order_drops: u64,
}

/// The running total.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bytes: u64,
    connections: u64,
    orphans: u64,
    pressure_since: Option<Instant>,
    pub(super) counters: TcpMemoryCounters,
}

/// What of a connection is in the total.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    bytes: u64,
    is_counted: bool,
    is_orphan: bool,
}

/// What memory is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A segment that has come.
    Receive,
    /// Bytes that a user writes.
    Send,
}

impl Memory {
    /// What can be asked.
    pub(crate) const fn told(&self) -> TcpMemory {
        TcpMemory {
            bytes: self.bytes,
            connections: self.connections,
            orphans: self.orphans,
            is_under_pressure: self.is_under_pressure(),
            counters: self.counters,
        }
    }

    pub(crate) const fn is_under_pressure(&self) -> bool {
        self.pressure_since.is_some()
    }

    /// Counts a connection as it is now, after something has happened to it.
    pub(crate) fn settle(&mut self, now: Instant, sysctls: &Sysctls, connection: &mut Connection) {
        let bytes = connection.memory();
        let is_orphan = connection.is_orphan && connection.state != State::Closed;
        let account = &mut connection.account;
        self.bytes = self.bytes - account.bytes + bytes;
        self.connections += u64::from(!account.is_counted);
        self.orphans = self.orphans - u64::from(account.is_orphan) + u64::from(is_orphan);
        *account = Account { bytes, is_counted: true, is_orphan };
        self.ease(now, sysctls, self.bytes);
    }

    /// A connection has ended, and gives back what it holds.
    pub(crate) fn leave(&mut self, now: Instant, sysctls: &Sysctls, connection: &mut Connection) {
        let account = core::mem::take(&mut connection.account);
        self.bytes -= account.bytes;
        self.connections -= u64::from(account.is_counted);
        self.orphans -= u64::from(account.is_orphan);
        self.ease(now, sysctls, self.bytes);
    }

    /// Pressure ends when no more is held than `low`.
    fn ease(&mut self, now: Instant, sysctls: &Sysctls, bytes: u64) {
        let [low, ..] = bounds(sysctls);
        if bytes <= low
            && let Some(since) = self.pressure_since.take()
        {
            self.counters.pressure_millis += now.since(since).as_millis() as u64;
        }
    }

    fn press(&mut self, now: Instant) {
        if self.pressure_since.is_none() {
            self.pressure_since = Some(now);
            self.counters.pressures += 1;
        }
    }
}

impl Connection {
    /// The memory that it holds: what is not read, what has come before its turn, and what is not acknowledged.
    pub(crate) fn memory(&self) -> u64 {
        (self.receiver.queue.memory() + self.receiver.out_of_order.memory() + self.send_memory_held()) as u64
    }

    /// What all hold together, with this one as it is now.
    fn total(&self, work: &Work<'_>) -> u64 {
        work.memory.bytes - self.account.bytes + self.memory()
    }

    /// Whether all together may hold so many bytes more, which this connection wants.
    pub(super) fn may_hold(&self, work: &mut Work<'_>, more: usize, what_for: Use) -> bool {
        let total = self.total(work) + more as u64;
        let [low, pressure, high] = bounds(work.sysctls);
        if total <= low {
            work.memory.ease(work.now, work.sysctls, total);
            return true;
        }
        if total > pressure {
            work.memory.press(work.now);
        }
        if total > high {
            return false;
        }
        let (held, promised) = match what_for {
            Use::Receive => {
                (self.receiver.queue.memory() + self.receiver.out_of_order.memory(), work.sysctls.tcp_rmem[0])
            }
            Use::Send => (self.send_memory_held(), work.sysctls.tcp_wmem[0]),
        };
        if (held as u64) < u64::from(promised) || !work.memory.is_under_pressure() {
            return true;
        }
        // Who holds less than others may still hold more.
        high / work.memory.connections.max(1) > self.memory() + more as u64
    }

    /// Whether buffers may grow beyond what they are (Linux v6.18: `tcp_should_expand_sndbuf()`).
    pub(super) fn may_grow(&self, work: &Work<'_>) -> bool {
        let [low, ..] = bounds(work.sysctls);
        !work.memory.is_under_pressure() && self.total(work) < low
    }

    /// Writing found no memory: the buffer becomes as small as what it holds, so that there is a reason to wait (Linux v6.18:
    /// `sk_stream_moderate_sndbuf()`).
    pub(super) fn moderate_send_buffer(&mut self) {
        let (buffer, is_fixed) = self.settings.send_buffer;
        if !is_fixed {
            let half = (self.send_memory() / 2).min(buffer as usize) as u32;
            self.settings.send_buffer.0 = half.max(crate::socket::SEND_BUFFER_MIN);
        }
    }

    /// Nobody holds it any more: it is reset when there are too many of those, or too little memory is left for it. Tells whether it
    /// was.
    pub(super) fn yield_as_orphan(&mut self, work: &mut Work<'_>) -> bool {
        let is_over = self.must_yield(work, 0);
        if is_over {
            self.send_reset(work);
            self.yield_place(work);
        }
        is_over
    }

    /// The same when it waits in vain for its peer. Who has been silent for long is given up earlier; he is reset if he may still be
    /// there, or if he was going to be (`resets`).
    pub(super) fn yield_in_vain(&mut self, work: &mut Work<'_>, resets: bool) -> bool {
        let silence = work.now.since(self.sender.last_at);
        let longest = self.settings.timeout_max;
        let is_over = self.must_yield(work, u32::from(silence > 2 * longest || !resets));
        if is_over {
            let is_closed = self.sender.window == 0 && self.sender.in_flight.out == 0;
            if resets || silence <= RECENT || is_closed {
                self.send_reset(work);
            }
            self.yield_place(work);
        }
        is_over
    }

    fn must_yield(&self, work: &Work<'_>, doublings: u32) -> bool {
        let orphans = work.memory.orphans + u64::from(!self.account.is_orphan);
        let [.., high] = bounds(work.sysctls);
        let is_large = self.send_memory() > crate::socket::SEND_BUFFER_MIN as usize;
        orphans << doublings > u64::from(work.sysctls.tcp_max_orphans) || (is_large && self.total(work) > high)
    }

    fn yield_place(&mut self, work: &mut Work<'_>) {
        work.memory.counters.aborts += 1;
        self.finish(work.pool);
    }
}

/// `tcp_mem` in bytes: low, pressure, high.
fn bounds(sysctls: &Sysctls) -> [u64; 3] {
    sysctls.tcp_mem.map(|pages| u64::from(pages) * PAGE_BYTES)
}

/// What `tcp_mem` is counted in.
const PAGE_BYTES: u64 = 4096;
/// Who was sent something so lately is likely to be there (Linux: `TCP_TIMEWAIT_LEN`).
const RECENT: Duration = Duration::from_secs(60);
