//! How large packets may be, found out by sending some that are larger than is known to be right (RFC 4821): for ways on which nobody says
//! what is too large, or on which nobody hears it.
//!
//! ```text
//!     low                probe                  high
//!  ────┼──────────────────┼──────────────────────┼────►  bytes of a packet
//!      │ segments are of  │ acknowledged: low is here now
//!      │ this size        │ lost, and nothing else: high is below it now
//!      ▼
//!   halved for each timeout behind the first few: what is in flight may have been too large (a black hole)
//! ```
//!
//! `tcp_mtu_probing` 1 begins with the first timeout that lets one suspect a black hole, 2 with the connection. The search ends where less
//! than `tcp_probe_threshold` is left of it, and begins anew after `tcp_probe_interval`.
//!
//! Linux v6.18: `net/ipv4/tcp_output.c`, `tcp_mtup_init()`, `tcp_mtu_probe()`, `tcp_mtu_check_reprobe()`; `net/ipv4/tcp_input.c`,
//! `tcp_mtup_probe_success()`, `tcp_mtup_probe_failed()`; `net/ipv4/tcp_timer.c`, `tcp_mtu_probing()`.

use core::time::Duration;

use super::{
    congestion::Trouble,
    connection::{Connection, Sent},
    work::Work,
};
use crate::{
    time::Instant,
    wire::{Ipv4Header, Ipv6Header, SeqNum, TcpFlags, TcpHeader},
};

/// What is known of the way's largest packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MtuSearch {
    is_on: bool,
    /// Bytes of a packet that is taken to come through.
    low: u32,
    /// Bytes of the largest packet that may come through.
    high: u32,
    /// The probe that is in flight.
    probe: Option<Probe>,
    /// When it was begun last.
    since: Instant,
}

/// A segment that is larger than is known to be right.
#[derive(Clone, Copy, Debug)]
struct Probe {
    /// Of its packet.
    bytes: u32,
    start: SeqNum,
    end: SeqNum,
}

/// What has become of a probe that might be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probed {
    /// It is sent.
    Sent,
    /// It would be, if what waits for it were not sent before.
    Waits,
    /// None is to be sent.
    Not,
}

impl Connection {
    /// Bytes of a packet whose segment carries so many, with the options that all have.
    fn packet_of(&self, payload: u32) -> u32 {
        payload + self.agreed.options_bytes() + self.headers()
    }

    /// What the segment carries of a packet of so many bytes.
    fn payload_of_packet(&self, bytes: u32) -> u32 {
        let segment = bytes.saturating_sub(self.headers()).min(self.sender.mss_clamp);
        segment.saturating_sub(self.agreed.options_bytes())
    }

    fn headers(&self) -> u32 {
        let ip = if self.ends.remote.is_ipv4() { Ipv4Header::LEN } else { Ipv6Header::LEN };
        (ip + TcpHeader::LEN) as u32
    }

    /// Gets ready when a connection stands. Who was connected to sends segments as large as the way's until the other end's window has
    /// grown, or a probe has come.
    pub(super) fn begin_mtu_search(&mut self, work: &Work<'_>, has_connected: bool) {
        self.mtu_search = MtuSearch {
            is_on: work.sysctls.tcp_mtu_probing > 1,
            low: self.packet_of(work.sysctls.tcp_base_mss),
            high: self.sender.mss_clamp + self.headers(),
            probe: None,
            since: work.now,
        };
        if has_connected {
            self.settle_mss();
        }
    }

    /// What a segment may carry of `payload` as far as the search has come. The way takes no packet of more than its MTU.
    pub(super) fn bound_by_search(&mut self, payload: u32) -> u32 {
        self.mtu_search.high = self.mtu_search.high.min(self.sender.path_mtu_bytes);
        if self.mtu_search.is_on { payload.min(self.payload_of_packet(self.mtu_search.low)) } else { payload }
    }

    /// Nothing has been acknowledged for some timeouts: packets may be too large for a way on which nobody says so.
    pub(super) fn suspect_black_hole(&mut self, work: &Work<'_>) {
        let sysctls = work.sysctls;
        if sysctls.tcp_mtu_probing == 0 {
            return;
        }
        if self.mtu_search.is_on {
            let half = self.payload_of_packet(self.mtu_search.low) >> 1;
            let least = sysctls.tcp_mtu_probe_floor.max(sysctls.tcp_min_snd_mss);
            self.mtu_search.low = self.packet_of(half.min(sysctls.tcp_base_mss).max(least));
        } else {
            (self.mtu_search.is_on, self.mtu_search.since) = (true, work.now);
        }
        self.settle_mss();
    }

    /// Sends a probe if there is enough to be sent, so that its loss would be noticed.
    pub(super) fn probe_mtu(&mut self, work: &mut Work<'_>) -> Probed {
        let search = self.mtu_search;
        // Blocks that are told would leave it less room.
        let is_plain = self.payload_now() == self.sender.mss_bytes;
        let is_calm = self.trouble.now == Trouble::Open && self.window.segments >= PROBE_WINDOW_MIN && is_plain;
        if !search.is_on || search.probe.is_some() || !is_calm {
            return Probed::Not;
        }
        let middle = u32::midpoint(search.high, search.low);
        let len = self.payload_of_packet(middle);
        let is_found = search.high.saturating_sub(search.low) < work.sysctls.tcp_probe_threshold;
        if len > self.payload_of_packet(search.high) || is_found {
            self.search_anew(work);
            return Probed::Not;
        }
        let behind = self.trouble.reordering.saturating_add(1).saturating_mul(self.sender.mss_bytes);
        let needed = len.saturating_add(behind);
        if self.unsent() < needed || self.sender.window < needed {
            return Probed::Not;
        }
        let pipe = self.sender.in_flight.pipe();
        if (self.sender.next + needed).after(self.window_end()) || (pipe > 0 && pipe + 2 > self.window.segments) {
            return Probed::Waits;
        }
        if pipe + 2 > self.window.segments || !self.can_join(len) {
            return Probed::Not;
        }
        self.send_probe(work, len);
        Probed::Sent
    }

    /// Whether the first bytes that wait may be in one segment: no record ends among them.
    fn can_join(&self, len: u32) -> bool {
        let end = self.sender.next + len;
        self.sender.unsent.iter().take_while(|piece| piece.end.before(end)).all(|piece| !piece.ends_record)
    }

    fn send_probe(&mut self, work: &mut Work<'_>, len: u32) {
        let (start, end) = (self.sender.next, self.sender.next + len);
        self.grow_first_piece(len);
        let flags = if self.take_unsent(end) { TcpFlags::PSH } else { TcpFlags::default() };
        self.note_sending(work);
        self.sender.next = end;
        let stamp = self.stamp(work.now);
        self.sender.in_flight.out += 1;
        self.sender.flight.push_back(Sent::new(work.now, (start, end), flags, len, stamp));
        self.emit_probe(work, start, len, flags);
        self.arm_retransmission_if_idle(work);
        // It takes the place of a segment and more.
        self.window.set((self.window.segments - 1).max(1));
        self.mtu_search.probe = Some(Probe { bytes: self.packet_of(len), start, end });
    }

    /// Looks whether the probe has come. The window, which counts segments, holds as many bytes as before.
    pub(super) fn note_probe_come(&mut self) {
        let Some(probe) = self.mtu_search.probe.filter(|probe| !probe.end.after(self.sender.una)) else { return };
        let bytes = u64::from(self.window.segments) * u64::from(self.packet_of(self.sender.mss_bytes));
        self.window.threshold = self.current_threshold();
        self.window.set((bytes / u64::from(probe.bytes)).max(1) as u32);
        (self.mtu_search.low, self.mtu_search.probe) = (probe.bytes, None);
        self.settle_mss();
    }

    /// Something is lost. When the probe is the first of it, it was too large, which says nothing of the network's load: it is sent again,
    /// cut, and that is all.
    pub(super) fn forgive_lost_probe(&mut self, work: &mut Work<'_>) -> bool {
        let is_it = |probe: &Probe| probe.start == self.sender.una;
        let Some(probe) = self.mtu_search.probe.filter(is_it).filter(|_| self.trouble.now < Trouble::Reduced) else {
            return false;
        };
        (self.mtu_search.high, self.mtu_search.probe) = (probe.bytes - 1, None);
        self.window.set(self.window.segments.saturating_add(1));
        self.recut_and_resend(work);
        true
    }

    /// Whether a probe is in flight.
    pub(super) const fn is_probing_mtu(&self) -> bool {
        self.mtu_search.probe.is_some()
    }

    /// What is sent again is cut as segments are: nothing can be told of the probe any more.
    pub(super) const fn forget_probe(&mut self) {
        self.mtu_search.probe = None;
    }

    /// The way may have become another one since.
    fn search_anew(&mut self, work: &Work<'_>) {
        let interval = Duration::from_secs(work.sysctls.tcp_probe_interval.into());
        if work.now.since(self.mtu_search.since) < interval {
            return;
        }
        let (low, high) = (self.packet_of(self.sender.mss_bytes), self.sender.mss_clamp + self.headers());
        let high = high.min(self.sender.path_mtu_bytes);
        self.mtu_search = MtuSearch { is_on: true, low, high, probe: None, since: work.now };
    }
}

/// With fewer segments in the window a lost probe would be noticed too late.
const PROBE_WINDOW_MIN: u32 = 11;
