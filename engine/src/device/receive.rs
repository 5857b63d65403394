//! Receive queues: what each holds to be merged, and when that goes on.
//!
//! One call of [`crate::Engine::handle_frames`] is one poll of each queue whose frames it brings (Linux: NAPI). What is held goes
//! on when the poll is done. A device with `gro_flush_timeout` keeps what has come within the same clock tick until that time
//! has passed without another poll; one whose poll has used up its weight keeps nothing.
//!
//! Linux v6.18: `net/core/dev.c`, `napi_complete_done()`, `__napi_poll()`, `napi_watchdog()`.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use super::{Device, Feature, Features, Kind, rss::Toeplitz};
use crate::{
    frame::{DeviceId, Frame},
    limits::{BATCH_FRAMES_MAX, GRO_HELD_MAX, RECEIVE_QUEUES_MAX},
    offload::gro::{self, Arrival, Arrived, Gro, Leaving, Merging},
    packet::Pool,
    tcp::Ends,
    time::Instant,
    wire::checksum::Routines,
};

/// The receive queues of all devices that merge.
#[derive(Debug, Default)]
pub(crate) struct Receivers {
    /// In the order of devices and queues: what goes on when all are asked must not depend on which was used first.
    queues: BTreeMap<(DeviceId, u16), ReceiveQueue>,
    /// Hashes flows as devices do.
    toeplitz: Option<Box<Toeplitz>>,
    /// Whether a device merges, or what it says of checksums does not count.
    is_on: bool,
    /// Packets that all of them hold.
    held: usize,
}

#[derive(Debug, Default)]
struct ReceiveQueue {
    gro: Gro,
    /// Frames of the poll that goes on.
    polled: usize,
    /// When what is held goes on without another poll.
    due: Option<Instant>,
}

impl Receivers {
    /// Takes note whether any of the devices merges, or has not verified what it says. A bond does not itself, whatever it wants: its
    /// ports do.
    pub(crate) fn adapt<'a>(&mut self, mut devices: impl Iterator<Item = &'a Device>) {
        let is_looked_at =
            |features: Features| features.merge_received() || !features.has(Feature::RECEIVE_CHECKSUMMING);
        self.is_on = devices.any(|device| device.kind != Kind::Bond && is_looked_at(device.features));
    }

    /// Whether frames must be led past here: a device merges, or what it says of checksums does not count.
    pub(crate) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Takes a frame of a device that merges.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        (frame, number): (&Frame<'_>, u64),
        (device, is_heard): (&Device, impl Fn(&Ends) -> bool),
        (pool, routines): (&mut Pool, &Routines),
        leaving: &mut Leaving,
    ) -> Arrived {
        let hash = match device.features.has(Feature::RECEIVE_HASHING) {
            true => self.toeplitz.get_or_insert_default().hash_of(frame.bytes),
            false => 0,
        };
        let (may_wait, before) = (self.held < GRO_HELD_MAX, self.held);
        let queue = self.queues.entry((frame.device, frame.queue % RECEIVE_QUEUES_MAX)).or_default();
        queue.polled += 1;
        let own_before = queue.gro.len();
        let features = device.features;
        let (is_merged_here, by_hardware) = (features.has(Feature::GRO), features.has(Feature::HARDWARE_GRO));
        // What a connection of this host is going to read is merged as ever; sockets of datagrams are not looked up, as in Linux where none
        // has `UDP_GRO`. What a device merges never becomes a list.
        let may_list = |ends: &Ends| !by_hardware && !is_heard(ends);
        let lists = is_merged_here
            && features.has(Feature::GRO_LIST)
            && gro::tcp_ends_of(frame).is_none_or(|ends| may_list(&ends));
        let merging = Merging {
            tcp: is_merged_here || by_hardware,
            large: features.has(Feature::LARGE_RECEIVE),
            udp: is_merged_here && features.has(Feature::UDP_GRO_FORWARDING),
            lists,
        };
        let arrival = Arrival { frame, number, hash, merging, may_wait };
        let arrived = queue.gro.receive(now, &arrival, pool, routines, leaving);
        self.held = before + queue.gro.len() - own_before;
        arrived
    }

    /// Ends the poll that goes on.
    pub(crate) fn complete<'a>(
        &mut self,
        now: Instant,
        device: impl Fn(DeviceId) -> Option<&'a Device>,
        leaving: &mut Leaving,
    ) {
        for (&(id, _), queue) in &mut self.queues {
            if queue.polled == 0 {
                continue;
            }
            let before = queue.gro.len();
            let timeout = device(id).map(|device| device.gro_flush_timeout);
            let timeout = timeout.filter(|timeout| !timeout.is_zero() && queue.polled < BATCH_FRAMES_MAX);
            queue.gro.flush(now, timeout.is_some(), leaving);
            queue.due = timeout.filter(|_| before > 0).map(|timeout| now + timeout);
            queue.polled = 0;
            self.held -= before - queue.gro.len();
        }
    }

    /// Lets go on whose time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant, leaving: &mut Leaving) {
        for queue in self.queues.values_mut().filter(|queue| queue.due.is_some_and(|due| due <= now)) {
            queue.due = None;
            self.held -= queue.gro.len();
            queue.gro.flush(now, false, leaving);
        }
    }

    /// Lets all go on that a device's queues hold.
    pub(crate) fn flush(&mut self, now: Instant, device: DeviceId, leaving: &mut Leaving) {
        for (_, queue) in self.queues.range_mut((device, 0)..=(device, u16::MAX)) {
            queue.due = None;
            self.held -= queue.gro.len();
            queue.gro.flush(now, false, leaving);
        }
    }

    /// Whether any queue has ever merged.
    pub(crate) fn has_queues(&self) -> bool {
        !self.queues.is_empty()
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.queues.values().filter_map(|queue| queue.due).min()
    }

    /// How many packets are held.
    pub(crate) const fn len(&self) -> usize {
        self.held
    }

    /// Memory of the packets that are held, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.queues.values().map(|queue| queue.gro.bytes()).sum()
    }

    /// The frames behind number `last` whose packets are held, in order.
    pub(crate) fn held_since(&self, last: u64) -> Vec<u64> {
        let all = self.queues.values().flat_map(|queue| queue.gro.numbers());
        let mut since: Vec<u64> = all.filter(|number| *number > last).collect();
        since.sort_unstable();
        since
    }
}
