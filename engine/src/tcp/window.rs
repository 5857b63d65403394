//! The window that is told to the other end: no more than there is memory for, never less than was promised, and not in
//! small steps (RFC 9293, section 3.8.6.2; Linux v6.18: `net/ipv4/tcp_output.c`, `__tcp_select_window()`,
//! `tcp_select_window()`; `net/ipv4/tcp_input.c`, `tcp_grow_window()`, `tcp_rcv_space_adjust()`).

use core::time::Duration;

use super::{connection::Connection, segment::WINDOW_SCALE_MAX, settings::Settings, way::Way, work::Work};
use crate::{limits::BUFFER_BYTES_MAX, socket::Readiness, sysctl::Sysctls, time::Instant, wire::SeqNum};

/// How the receive buffer grows with what is read a round trip.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tuning {
    /// Since when, from which byte on, and what was read the round trip before.
    since: Instant,
    from: SeqNum,
    space: u32,
    /// The round-trip time as a receiver sees it, by timestamps, times 8; and the timestamp seen last.
    rtt_8: u64,
    measured: Option<(SeqNum, Instant)>,
}

/// What a receive buffer means for windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialWindow {
    pub(super) window: u32,
    pub(super) clamp: u32,
    pub(super) scale: u8,
}

/// The receive buffer that a window is chosen for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer {
    /// Its bytes, and whether a user has fixed them (`SO_RCVBUF`).
    pub(super) memory: (u32, bool),
    /// The most that a user wants told (`TCP_WINDOW_CLAMP`).
    pub(super) clamp: Option<u32>,
    /// What whole segments bring: windows are multiples of it.
    pub(super) segment_bytes: u32,
    /// How many of them are told of at first, at most, if the route says so.
    pub(super) initial_segments: Option<u32>,
}

impl Settings {
    /// Bounds what is worth telling of by half the buffer, and lets the buffer grow to hold it, as long as no user has chosen one. `part` of
    /// its memory is payload (Linux v6.18: `tcp_set_rcvlowat()`).
    pub(crate) fn fit_receive_low(&mut self, part: u32, sysctls: &Sysctls) {
        let (memory, is_fixed) = self.receive_buffer;
        let most = if is_fixed { memory } else { sysctls.tcp_rmem[2].min(BUFFER_BYTES_MAX) };
        self.receive_low = self.receive_low.min(most / 2).max(1);
        if !is_fixed {
            self.receive_buffer.0 = memory.max(memory_for(self.receive_low, part).min(BUFFER_BYTES_MAX));
        }
    }

    /// The receive buffer of a connection whose segments bring that much.
    pub(super) const fn buffer(&self, segment_bytes: u32, way: &Way) -> Buffer {
        let initial_segments = way.metrics.initrwnd;
        Buffer { memory: self.receive_buffer, clamp: self.window_clamp, segment_bytes, initial_segments }
    }
}

impl InitialWindow {
    /// The window of a SYN and by how many bits later ones are shifted, if they are (Linux v6.18: `net/ipv4/tcp_output.c`,
    /// `tcp_select_initial_window()`, `tcp_connect_init()`; `net/ipv4/tcp_minisocks.c`, `tcp_openreq_init_rwin()`).
    pub(super) fn of(buffer: Buffer, scales: bool, sysctls: &Sysctls) -> Self {
        let (memory, is_fixed) = buffer.memory;
        let full = payload_of(memory, INITIAL_PART);
        let most = u32::from(u16::MAX) << WINDOW_SCALE_MAX;
        let clamp = buffer.clamp.unwrap_or(most).min(if is_fixed { full } else { most });
        let mut space = full.min(clamp);
        if space > buffer.segment_bytes && buffer.segment_bytes > 0 {
            space -= space % buffer.segment_bytes;
        }
        let most = if sysctls.tcp_workaround_signed_windows != 0 { i16::MAX as u32 } else { u32::from(u16::MAX) };
        let said = buffer.initial_segments.map(|segments| segments.saturating_mul(buffer.segment_bytes));
        let window = space.min(most).min(said.unwrap_or(u32::MAX));
        let mut scale = 0;
        if scales {
            // A window may grow to what sockets may get.
            let most = space.max(sysctls.tcp_rmem[2]).max(sysctls.rmem_max).min(clamp).max(1);
            scale = (most.ilog2() as u8).saturating_sub(15).min(WINDOW_SCALE_MAX);
        }
        Self { window, clamp: clamp.min(u32::from(u16::MAX) << scale), scale }
    }
}

/// The part of memory that is payload while nothing is known, in 1/256 (Linux v6.18: `include/net/tcp.h`,
/// `TCP_DEFAULT_SCALING_RATIO`).
pub(crate) const INITIAL_PART: u32 = 128;

pub(super) const fn payload_of(memory: u32, part: u32) -> u32 {
    (memory as u64 * part as u64 / 256) as u32
}

/// The memory that so much payload needs (Linux v6.18: `tcp_space_from_win()`).
const fn memory_for(payload: u32, part: u32) -> u32 {
    let bytes = payload as u64 * 256 / if part == 0 { 1 } else { part as u64 };
    if bytes > u32::MAX as u64 { u32::MAX } else { bytes as u32 }
}

impl Connection {
    /// Takes what is worth telling its user of from now on, and tells him if it is there.
    pub(super) fn settle_receive_low(&mut self, work: &Work<'_>) {
        let before = self.settings.receive_buffer.0;
        self.settings.fit_receive_low(self.receiver.payload_part, work.sysctls);
        if self.settings.receive_buffer.0 > before {
            self.receiver.window_clamp = self.receiver.window_clamp.max(self.settings.receive_low);
        }
        self.wake_reader(work);
    }

    /// Tells of no larger windows from now on.
    pub(super) fn clamp_window(&mut self, bytes: u32) {
        self.receiver.window_clamp = self.receiver.window_clamp.min(bytes);
        self.receiver.window_soft_max = self.receiver.window_soft_max.min(bytes);
    }

    /// Tells the user that he can read, if it is worth it.
    pub(super) fn wake_reader(&mut self, work: &Work<'_>) {
        // An urgent byte alone wakes him, though he cannot read it in its turn.
        if self.is_enough(self.unread() as u32, work.memory.is_under_pressure()) {
            self.wake(Readiness::READABLE);
        }
    }

    /// Whether something can be read in its turn, and is as much as the user waits for.
    pub(super) fn is_worth_reading(&self, is_under_pressure: bool) -> bool {
        self.is_enough(self.come_in_turn(), is_under_pressure)
    }

    /// Whether as much has come as the user waits for, or no more can: the buffer is nearly full, or all are, or the window is smaller than
    /// a segment (Linux v6.18: `include/net/tcp.h`, `tcp_epollin_ready()`).
    fn is_enough(&self, come: u32, is_under_pressure: bool) -> bool {
        if come == 0 || come >= self.settings.receive_low {
            return come > 0;
        }
        let buffer = self.settings.receive_buffer.0;
        let is_nearly_full = self.memory_used() > buffer - (buffer >> 3);
        is_nearly_full || is_under_pressure || self.window_left() <= self.receiver.mss_seen
    }

    /// What of the window that was told is left.
    pub(super) fn window_left(&self) -> u32 {
        let right = self.receiver.told + self.receiver.window;
        if right.before(self.receiver.next) { 0 } else { right - self.receiver.next }
    }

    fn memory_used(&self) -> u32 {
        (self.receiver.queue.memory() + self.receiver.out_of_order.memory()) as u32
    }

    /// Payload that there is room for.
    fn room(&self) -> u32 {
        let free = self.settings.receive_buffer.0.saturating_sub(self.memory_used());
        payload_of(free, self.receiver.payload_part)
    }

    /// The window that may be told now.
    pub(super) fn window_to_tell(&mut self, work: &Work<'_>) -> u32 {
        let allowed = payload_of(self.settings.receive_buffer.0, self.receiver.payload_part);
        let full = allowed.min(self.receiver.window_clamp);
        let mss = self.receiver.mss_seen.min(full);
        let scale = self.agreed.receive_scale;
        let mut free = self.room();
        if mss == 0 {
            return 0;
        }
        if self.may_shrink(work) {
            return self.shrinkable_window(work, full, allowed, mss);
        }
        if free < full / 2 {
            self.receiver.acks.quick = 0;
            self.hold_window(work);
            free = free >> scale << scale;
            // Close it before there is room for nothing, so that it does not open in small steps.
            if free < allowed >> 4 || free < mss {
                return 0;
            }
        }
        free = free.min(self.receiver.window_soft_max);
        if scale > 0 {
            return free.div_ceil(1 << scale) << scale;
        }
        let told = self.receiver.window;
        if told <= free.saturating_sub(mss) || told > free {
            free - free % mss
        } else if mss == full && free > told + full / 2 {
            free
        } else {
            told
        }
    }

    /// Whether a window may be told that is smaller than the one before.
    const fn may_shrink(&self, work: &Work<'_>) -> bool {
        work.sysctls.tcp_shrink_window != 0 && self.agreed.receive_scale > 0
    }

    /// The window that may be told now where it may shrink: what there is room for, in full steps of the scale.
    fn shrinkable_window(&mut self, work: &Work<'_>, full: u32, allowed: u32, mss: u32) -> u32 {
        let scale = self.agreed.receive_scale;
        let free = self.room() >> scale << scale;
        if free < full / 2 {
            self.receiver.acks.quick = 0;
            self.hold_window(work);
            if free < allowed >> 4 || free < mss || free < 1 << scale {
                return 0;
            }
        }
        let most = self.receiver.window_soft_max;
        // It is no limit of memory, and is rounded up.
        if free > most { most.div_ceil(1 << scale) << scale } else { free }
    }

    /// Takes the window for the segment that is sent now; gives what stands in the header.
    pub(super) fn tell_window(&mut self, work: &Work<'_>) -> u16 {
        if core::mem::take(&mut self.receiver.acks.is_out_of_memory) {
            (self.receiver.window, self.receiver.told) = (0, self.receiver.next);
            self.counters.zero_windows_sent += 1;
            return 0;
        }
        let (left, scale) = (self.window_left(), self.agreed.receive_scale);
        let mut window = self.window_to_tell(work);
        if window < left && !self.may_shrink(work) {
            // What was promised stays promised (RFC 9293, section 3.8.6).
            window = left.div_ceil(1 << scale) << scale;
        }
        self.receiver.window = window;
        self.receiver.told = self.receiver.next;
        let most = if scale == 0 && work.sysctls.tcp_workaround_signed_windows != 0 {
            i16::MAX as u32
        } else {
            u32::from(u16::MAX) << scale
        };
        self.receiver.window = self.receiver.window.min(most);
        if self.receiver.window == 0 {
            self.counters.zero_windows_sent += 1;
        }
        (self.receiver.window >> scale) as u16
    }

    /// Data have come: larger windows may be told, as far as memory holds out.
    pub(super) fn grow_window(&mut self, work: &Work<'_>, len: u32, memory: u32) {
        if len == 0 || memory == 0 {
            return;
        }
        // How much of the memory is payload shows in full segments.
        if len >= self.receiver.mss_seen && !self.settings.receive_buffer.1 {
            let part = (u64::from(len) * 256 / u64::from(memory)).clamp(1, 255) as u32;
            let before = self.receiver.payload_part;
            self.receiver.payload_part = part;
            if part < before {
                let allowed = payload_of(self.settings.receive_buffer.0, part);
                self.receiver.window_clamp = self.receiver.window_clamp.min(allowed.max(self.receiver.window));
            } else if self.settings.window_clamp.is_none() {
                self.receiver.window_clamp =
                    self.receiver.window_clamp.max(payload_of(self.settings.receive_buffer.0, part));
            }
        }
        let room = self.receiver.window_clamp.min(self.room());
        let missing = room.saturating_sub(self.receiver.window_soft_max);
        if missing == 0 {
            return;
        }
        if work.memory.is_under_pressure() {
            return self.hold_window(work);
        }
        if len < GROWING_BYTES_MIN {
            return;
        }
        let step = if payload_of(memory, self.receiver.payload_part) <= len {
            2 * self.receiver.mss_told
        } else {
            // Small segments waste memory: the window grows by what they really bring.
            len
        };
        self.receiver.window_soft_max += step.min(missing);
    }

    /// All sockets together hold much: the window is a few segments until they hold less (Linux v6.18: `tcp_adjust_rcv_ssthresh()`).
    pub(super) fn hold_window(&mut self, work: &Work<'_>) {
        if work.memory.is_under_pressure() {
            self.receiver.window_soft_max = self.receiver.window_soft_max.min(4 * self.receiver.mss_told);
        }
    }

    /// Measures a round trip by the time that a window takes to come (without timestamps), or by what they echo.
    pub(super) fn measure_receiver_rtt(&mut self, now: Instant, echoed: Option<Duration>) {
        let tuning = &mut self.receiver.tuning;
        if let Some(rtt) = echoed {
            tuning.sample(rtt, false);
            return;
        }
        match tuning.measured {
            Some((end, _)) if self.receiver.next.before(end) => return,
            Some((_, since)) => tuning.sample(now.since(since), true),
            None => {}
        }
        self.receiver.tuning.measured = Some((self.receiver.next + self.receiver.window, now));
    }

    /// The user has read: when it reads more a round trip than before, the buffer grows, so that the window never holds the
    /// other end up (dynamic right-sizing).
    pub(super) fn tune_buffer(&mut self, work: &Work<'_>) {
        let read_to = self.receiver.next - self.receiver.queue.len() as u32;
        let rtt = Duration::from_micros(self.receiver.tuning.rtt_8 >> 3);
        let tuning = &mut self.receiver.tuning;
        if rtt.is_zero() || work.now.since(tuning.since) < rtt {
            if tuning.since == Instant::ZERO {
                (tuning.since, tuning.from) = (work.now, read_to);
            }
            return;
        }
        let copied = read_to - tuning.from;
        let before = tuning.space;
        (tuning.since, tuning.from) = (work.now, read_to);
        if copied <= before {
            return;
        }
        self.receiver.tuning.space = copied;
        let is_fixed = work.sysctls.tcp_moderate_rcvbuf == 0 || self.settings.receive_buffer.1;
        if is_fixed || work.memory.is_under_pressure() {
            return;
        }
        // Twice what was read, for the sender may double its window, and some for what is lost meanwhile.
        let mut wanted = 2 * u64::from(copied) + 16 * u64::from(self.receiver.mss_told);
        let grown = wanted * u64::from(copied - before) / u64::from(before.max(1));
        wanted += 2 * grown.min(wanted);
        let buffer = wanted * 256 / u64::from(self.receiver.payload_part.max(1));
        let buffer = buffer.min(work.sysctls.tcp_rmem[2].min(BUFFER_BYTES_MAX).into()) as u32;
        if buffer > self.settings.receive_buffer.0 {
            self.settings.receive_buffer.0 = buffer;
            let most = u32::from(u16::MAX) << self.agreed.receive_scale;
            if self.settings.window_clamp.is_none() {
                self.receiver.window_clamp = payload_of(buffer, self.receiver.payload_part).min(most);
            }
        }
    }

    /// The round-trip time as the receiver sees it.
    pub(super) const fn receiver_rtt(&self) -> Duration {
        Duration::from_micros(self.receiver.tuning.rtt_8 >> 3)
    }

    /// What was read in the round trip that counts.
    pub(super) const fn receiver_space(&self) -> u32 {
        self.receiver.tuning.space
    }

    /// Payload of the segments that the other end may send: what it was told of, without options.
    pub(super) const fn own_mss(&self) -> u32 {
        self.receiver.mss_told.saturating_sub(self.agreed.options_bytes())
    }

    /// Begins to measure, with the window of the handshake. A part of the buffer is told of in no window: one of so many powers of two, and
    /// a segment (Linux v6.18: `tcp_init_buffer_space()`).
    pub(super) fn begin_tuning(&mut self, work: &Work<'_>) {
        let (mss, part) = (self.own_mss(), work.sysctls.tcp_app_win);
        let full = payload_of(self.settings.receive_buffer.0, self.receiver.payload_part);
        let receiver = &mut self.receiver;
        let clamp = &mut receiver.window_clamp;
        if *clamp >= full {
            let is_much = part > 0 && full > 4 * mss;
            *clamp = if is_much { (full - (full >> part)).max(4 * mss) } else { full };
        }
        if part > 0 && *clamp > 2 * mss && *clamp + mss > full {
            *clamp = full.saturating_sub(mss).max(2 * mss);
        }
        receiver.window_soft_max = receiver.window_soft_max.min(*clamp);
        let tuning = &mut receiver.tuning;
        (tuning.since, tuning.from) = (work.now, receiver.next);
        tuning.space = receiver.window_soft_max.min(receiver.window).min(10 * mss);
    }
}

impl Tuning {
    /// Without timestamps the least time counts, for a window may take longer than a round trip to come.
    fn sample(&mut self, rtt: Duration, is_window: bool) {
        let new = (rtt.as_micros() as u64).max(1);
        if self.rtt_8 == 0 {
            self.rtt_8 = new << 3;
        } else if !is_window {
            self.rtt_8 = self.rtt_8 - (self.rtt_8 >> 3) + new;
        } else if new << 3 < self.rtt_8 {
            self.rtt_8 = new << 3;
        }
    }
}

/// Smaller segments do not make the window grow.
const GROWING_BYTES_MIN: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::open::mss_of_way;

    const TIMESTAMPS_BYTES: u32 = 12;

    /// What Linux 6.18 tells at both ends of a veth link, by its MTU and the last two of `tcp_rmem`: in a SYN, and as well in its answer
    /// where there are no timestamps; in an answer with timestamps; and by how many bits windows are shifted. `rmem_max` is 4 MB.
    #[rustfmt::skip]
    const TOLD: [(u32, u32, u32, u32, u32, u8); 28] = [
        // MTU      buffer        most     SYN  SYN-ACK bits
        (   576,   131_072,  6_291_456, 65_392, 65_500,  7),
        (   576,   131_072, 33_554_432, 65_392, 65_500, 10),
        (   576,    87_380,  6_291_456, 43_416, 43_492,  7),
        (   576,    16_384,  4_194_304,   8040,   7860,  7),
        (   576, 1_000_000,  6_291_456, 65_535, 65_535,  7),
        (   576,      4096,       4096,   1608,   1572,  7),
        (   576,    60_000,     60_000, 29_480, 29_868,  7),
        (  1500,   131_072,  6_291_456, 64_240, 65_160,  7),
        (  1500,   131_072, 33_554_432, 64_240, 65_160, 10),
        (  1500,    87_380,  6_291_456, 42_340, 43_440,  7),
        (  1500,    16_384,  4_194_304,   7300,   7240,  7),
        (  1500, 1_000_000,  6_291_456, 65_535, 65_535,  7),
        (  1500,      4096,       4096,   1460,   1448,  7),
        (  1500,    60_000,     60_000, 29_200, 28_960,  7),
        (  9000,   131_072,  6_291_456, 62_720, 62_636,  7),
        (  9000,   131_072, 33_554_432, 62_720, 62_636, 10),
        (  9000,    87_380,  6_291_456, 35_840, 35_792,  7),
        (  9000,    16_384,  4_194_304,   8192,   8192,  7),
        (  9000, 1_000_000,  6_291_456, 65_535, 65_535,  7),
        (  9000,      4096,       4096,   2048,   2048,  7),
        (  9000,    60_000,     60_000, 26_880, 26_844,  7),
        (65_535,   131_072,  6_291_456, 65_495, 65_483,  7),
        (65_535,   131_072, 33_554_432, 65_495, 65_483, 10),
        (65_535,    87_380,  6_291_456, 43_690, 43_690,  7),
        (65_535,    16_384,  4_194_304,   8192,   8192,  7),
        (65_535, 1_000_000,  6_291_456, 65_535, 65_535,  7),
        (65_535,      4096,       4096,   2048,   2048,  7),
        (65_535,    60_000,     60_000, 30_000, 30_000,  7),
    ];

    #[test]
    fn windows_of_handshakes_are_those_of_linux() {
        for (mtu, memory, most, syn, answer, scale) in TOLD {
            let sysctls = Sysctls { tcp_rmem: [4096, memory, most], ..Sysctls::default() };
            let mss = mss_of_way(mtu, true);
            for (segment_bytes, window) in [(mss, syn), (mss - TIMESTAMPS_BYTES, answer)] {
                let buffer = Buffer { memory: (memory, false), clamp: None, segment_bytes, initial_segments: None };
                let told = InitialWindow::of(buffer, true, &sysctls);
                assert_eq!((told.window, told.scale), (window, scale), "{mtu} {memory} {most} {segment_bytes}");
                let unscaled = InitialWindow::of(buffer, false, &sysctls);
                assert_eq!((unscaled.window, unscaled.scale, unscaled.clamp), (window, 0, 65_535));
            }
        }
    }

    /// The same at an MTU of 1500 where a user has chosen what is in twice the memory of `SO_RCVBUF`, or the clamp, or the MSS.
    #[test]
    fn windows_of_handshakes_are_those_of_linux_where_users_choose() {
        let sysctls = Sysctls { tcp_rmem: [4096, 131_072, 6_291_456], ..Sysctls::default() };
        for (memory, clamp, mss, syn, answer, scale) in [
            ((40_000, true), None, 1460, 18_980, 18_824, 0),
            ((200_000, true), None, 1460, 65_535, 65_535, 1),
            ((4_000_000, true), None, 1460, 65_535, 65_535, 5),
            ((131_072, false), None, 500, 65_500, 65_392, 7),
            ((131_072, false), Some(5000), 1460, 4380, 4344, 0),
            ((131_072, false), Some(300_000), 1460, 64_240, 65_160, 3),
            ((100_000, true), None, 1000, 50_000, 49_400, 0),
        ] {
            for (segment_bytes, window) in [(mss, syn), (mss - TIMESTAMPS_BYTES, answer)] {
                let told =
                    InitialWindow::of(Buffer { memory, clamp, segment_bytes, initial_segments: None }, true, &sysctls);
                assert_eq!((told.window, told.scale), (window, scale), "{memory:?} {clamp:?} {segment_bytes}");
            }
        }
        let (buffer, tunables) =
            (Buffer { memory: (131_072, false), clamp: None, segment_bytes: 1460, initial_segments: None }, sysctls);
        let sysctls = Sysctls { tcp_workaround_signed_windows: 1, tcp_adv_win_scale: 3, ..tunables };
        assert_eq!(InitialWindow::of(buffer, true, &sysctls).window, 32_767);
    }

    #[test]
    fn a_fixed_buffer_is_scaled_by_all_it_holds() {
        // Rounded down to whole segments it would need no scale.
        let buffer = Buffer { memory: (131_200, true), clamp: None, segment_bytes: 1460, initial_segments: None };
        let told = InitialWindow::of(buffer, true, &Sysctls::default());
        assert_eq!((told.window, told.scale, told.clamp), (64_240, 1, 65_600));
    }
}
