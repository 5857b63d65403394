//! The poll loop's heart: devices are polled in turn with a weight, all together with a budget, until they are empty
//! (Linux v6.18: `net/core/dev.c`, `net_rx_action()`, `napi_poll()`).
//!
//! ```text
//!   wake-up ─► poll each device, `weight` frames at a time ─► all empty?  ─ yes ─► re-arm: sleep until a ring signals
//!                 ▲                                              │ no
//!                 └──────────── budget and time left? ── yes ────┘
//!                                     │ no: squeezed
//!                                     └─► look after signals, control socket and timers, then poll on
//! ```
//!
//! A mapped ring needs no arming by itself: its file is readable while a frame waits. What the kernel calls an interrupt
//! is here a return from sleep because a ring has become readable. What a round may spend, and what is counted, is the engine's:
//! [`towpath_engine::device::napi`] models the rest of it where there is no machine.

use std::io;

use towpath_engine::{
    DeviceId, DropReason, Engine, Event, Instant, Transmit,
    device::napi::{self, Squeeze},
};

pub use towpath_engine::device::napi::{Budget, PollCounters};

use crate::{
    af_packet::{Counters, Drops, Received, Ring},
    clock::Clock,
    limits::{SEND_QUEUE_BYTES_MAX, SEND_QUEUE_FRAMES_MAX},
};

/// How a round of polls ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundEnd {
    /// All rings are empty: sleep until one signals.
    Idle,
    /// The budget or the time is spent, and frames wait: go on without sleeping.
    Squeezed,
}

/// All devices of a gateway, and whose turn it is.
#[derive(Debug)]
pub struct Napi<R> {
    ports: Vec<Port<R>>,
    /// The place in `ports` of a device, by its number.
    port_of: Vec<Option<usize>>,
    /// The place of the machine itself.
    host: Option<usize>,
    budget: Budget,
    counters: PollCounters,
    /// Who is polled first in the next round.
    turn: usize,
    /// Frames for devices that have no ring.
    strays: Drops,
}

/// A device and the frames that wait to leave by it.
#[derive(Debug)]
struct Port<R> {
    ring: R,
    /// Waits for the device to take frames again (Linux: a queueing discipline with `txqueuelen` packets).
    queue: Vec<Transmit>,
    /// Bytes of what waits.
    queue_bytes: usize,
    drops: Drops,
}

impl<R: Ring> Napi<R> {
    /// Polls these rings.
    #[must_use]
    pub fn new(rings: impl IntoIterator<Item = R>, budget: Budget) -> Self {
        let new_port = |ring| Port { ring, queue: Vec::new(), queue_bytes: 0, drops: Drops::default() };
        let ports: Vec<_> = rings.into_iter().map(new_port).collect();
        let (mut port_of, mut host) = (Vec::new(), None);
        for (place, port) in ports.iter().enumerate() {
            if port.ring.device() == DeviceId::LOOPBACK {
                host = Some(place);
                continue;
            }
            let device = usize::from(port.ring.device().0);
            port_of.resize(port_of.len().max(device + 1), None);
            port_of[device] = Some(place);
        }
        Self { ports, port_of, host, budget, counters: PollCounters::default(), turn: 0, strays: Drops::default() }
    }

    /// The rings with whether frames wait to leave by them, to sleep on: until they are readable, and writable where
    /// frames wait. One that is gone for good is none of them: its file would wake whoever sleeps on it for ever.
    pub fn rings(&self) -> impl Iterator<Item = (&R, bool)> {
        self.ports.iter().filter(|port| !port.ring.is_gone()).map(|port| (&port.ring, !port.queue.is_empty()))
    }

    /// Says that the gateway slept and `rings` of them have become readable.
    pub const fn note_interrupts(&mut self, rings: usize) {
        self.counters.interrupts += rings as u64;
    }

    /// Polls until all rings are empty or the budget is spent. What the engine hands out leaves after each poll; events
    /// go to `watch`.
    pub fn poll(
        &mut self,
        clock: &mut impl Clock,
        engine: &mut Engine,
        watch: &mut impl FnMut(Instant, Event),
    ) -> RoundEnd {
        let mut round = napi::Round::begin(clock.now(), &self.budget);
        let mut empty_in_a_row = 0;
        while empty_in_a_row < self.ports.len() {
            let now = clock.now();
            if let Some(squeeze) = round.squeeze(now) {
                return self.squeeze(squeeze);
            }
            let Received { frames, is_drained } = self.poll_one(now, engine);
            round.spend(frames);
            empty_in_a_row = if is_drained { empty_in_a_row + 1 } else { 0 };
            if frames > 0 {
                self.counters.note_poll(frames);
                self.drain(engine, watch);
            }
        }
        RoundEnd::Idle
    }

    /// Sends what the engine has handed out, as far as the devices take it, and tells its events to `watch`.
    pub fn drain(&mut self, engine: &mut Engine, watch: &mut impl FnMut(Instant, Event)) {
        while let Some(transmit) = engine.poll_transmit() {
            self.enqueue(engine, transmit);
        }
        for port in &mut self.ports {
            port.flush(engine);
        }
        while let Some((when, event)) = engine.poll_event() {
            watch(when, event);
        }
    }

    /// The errors that wait at the devices' files, with the name of a device that the engine calls otherwise. Taking them clears them.
    pub fn take_errors(&mut self) -> impl Iterator<Item = (DeviceId, Option<String>, io::Error)> {
        self.ports.iter_mut().filter_map(|Port { ring, .. }| {
            let error = ring.take_error()?;
            Some((ring.device(), ring.name().map(str::to_owned), error))
        })
    }

    /// Goes on with a device that has taken the place of a former one; see [`Ring::rebind`].
    ///
    /// # Errors
    /// When that has gone, too.
    pub fn rebind(&mut self, device: DeviceId, index: u32, promiscuous: bool) -> io::Result<()> {
        let port = self.ports.iter_mut().find(|port| port.ring.device() == device);
        port.map_or(Ok(()), |port| port.ring.rebind(index, promiscuous))
    }

    /// Says what a device carries now; see [`Ring::set_mtu`].
    pub fn set_mtu(&mut self, device: DeviceId, mtu_bytes: u32) {
        if let Some(port) = self.ports.iter_mut().find(|port| port.ring.device() == device) {
            port.ring.set_mtu(mtu_bytes);
        }
    }

    /// What the loop has counted.
    #[must_use]
    pub const fn counters(&self) -> PollCounters {
        self.counters
    }

    /// What each device has counted, with the name of one that the engine calls otherwise.
    pub fn device_counters(&mut self) -> impl Iterator<Item = (DeviceId, Option<String>, Counters)> {
        self.ports.iter_mut().map(|port| {
            let counters = port.counters();
            (port.ring.device(), port.ring.name().map(str::to_owned), counters)
        })
    }

    /// The slots of a device's receive ring, and what it has counted; `None`: it has no ring of its own.
    pub fn hardware(&mut self, device: DeviceId) -> Option<(u32, Counters)> {
        let port = self.ports.iter_mut().find(|port| port.ring.device() == device)?;
        let slots = port.ring.slots()?;
        Some((slots, port.counters()))
    }

    /// Frames that the engine handed out for devices without a ring.
    #[must_use]
    pub const fn strays(&self) -> &Drops {
        &self.strays
    }

    const fn squeeze(&mut self, squeeze: Squeeze) -> RoundEnd {
        self.counters.note_squeeze(squeeze);
        RoundEnd::Squeezed
    }

    /// Polls the device whose turn it is.
    fn poll_one(&mut self, now: Instant, engine: &mut Engine) -> Received {
        let place = self.turn;
        self.turn = (self.turn + 1) % self.ports.len();
        self.ports[place].ring.receive(self.budget.weight, |frames| engine.handle_frames(now, frames))
    }

    fn enqueue(&mut self, engine: &mut Engine, transmit: Transmit) {
        let place = match transmit.device {
            DeviceId::LOOPBACK => &self.host,
            DeviceId(number) => self.port_of.get(usize::from(number)).unwrap_or(&None),
        };
        let Some(place) = place else {
            self.strays.add(DropReason::DeviceDown, 1);
            return engine.recycle(transmit);
        };
        let port = &mut self.ports[*place];
        let bytes = transmit.len();
        if port.is_full(bytes) {
            // The device may have taken nothing for a while, or this is more than one batch makes.
            port.flush(engine);
        }
        if port.is_full(bytes) {
            port.drops.add(DropReason::TransmitQueueFull, 1);
            return engine.recycle(transmit);
        }
        port.queue_bytes += bytes;
        port.queue.push(transmit);
    }
}

impl<R: Ring> Port<R> {
    /// Whether there is no room for one more frame of so many bytes.
    fn is_full(&self, bytes: usize) -> bool {
        self.queue.len() >= SEND_QUEUE_FRAMES_MAX || self.queue_bytes + bytes > SEND_QUEUE_BYTES_MAX
    }

    /// What the ring has counted, and what found no place before it.
    fn counters(&mut self) -> Counters {
        let mut counters = self.ring.counters().clone();
        for (reason, frames) in self.drops.iter() {
            counters.send_drops.add(reason, frames);
        }
        counters
    }

    fn flush(&mut self, engine: &mut Engine) {
        if self.queue.is_empty() {
            return;
        }
        let dealt_with = self.ring.send(&self.queue);
        for transmit in self.queue.drain(..dealt_with) {
            self.queue_bytes -= transmit.len();
            engine.recycle(transmit);
        }
    }
}

#[cfg(test)]
mod tests;
