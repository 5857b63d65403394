//! Frames that have come to a host with hardware of its own, and wait in its rings.

use core::cell::Cell;
use std::rc::Rc;

use towpath_engine::{
    CommandError, DeviceId, Frame,
    device::napi::{Batch, Hardware, Options},
};

use super::{
    lane::{Carried, Lost},
    net::{Net, START, cost},
    scenario::Scenario,
};

/// A frame in a ring. As long as it is there, its bytes count among those that the scenario holds.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) lane: usize,
    pub(super) frame: Carried,
    held: Rc<Cell<u64>>,
    cost: u64,
}

impl Arrival {
    pub(super) fn new(lane: usize, frame: Carried, held: &Rc<Cell<u64>>) -> Self {
        let cost = cost(&frame);
        held.set(held.get() + cost);
        Self { lane, frame, held: Rc::clone(held), cost }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.held.set(self.held.get() - self.cost);
    }
}

/// The hardware of each host that has some: a NIC for each of its links.
pub(super) fn hardware(scenario: &Scenario) -> Vec<Option<Hardware<Arrival>>> {
    let ends = |host: usize| scenario.links.iter().flat_map(|link| link.ends).filter(move |end| *end == host).count();
    let of_host = |(host, plan): (usize, &super::scenario::Host)| {
        let options = plan.hardware.as_ref()?;
        let nics = options.nics.first().map_or_else(Vec::new, |nic| vec![nic.clone(); ends(host)]);
        let hardware = Hardware::new(&Options { nics, ..options.clone() });
        Some(hardware.unwrap_or_else(|error| unreachable!("options that were read cannot be used: {error}")))
    };
    scenario.hosts.iter().enumerate().map(of_host).collect()
}

impl Net<'_> {
    /// A frame comes to the ring of a host's NIC.
    pub(super) fn take_in(&mut self, host: usize, device: DeviceId, lane: usize, frame: Carried) {
        let Some(hardware) = &mut self.hardware[host] else { return };
        let (hash, len) = (self.toeplitz.hash_of(&frame.bytes), frame.bytes.len());
        let arrival = Arrival::new(lane, frame, &self.in_rings);
        let taken = hardware.handle_frame(self.now, device.0.into(), (hash, len), arrival);
        if let (Err(arrival), Some(eye)) = (taken, &mut self.eye) {
            eye.loses(self.now.since(START), lane, &arrival.frame.bytes, Lost::Ring);
        }
        self.take_batches(host);
    }

    /// Hands a host's engine what polls have taken.
    pub(super) fn take_batches(&mut self, host: usize) {
        while let Some(dropped) = self.hardware[host].as_mut().and_then(Hardware::poll_dropped) {
            let arrival = dropped.received.frame;
            if let Some(eye) = &mut self.eye {
                eye.loses(dropped.at.since(START), arrival.lane, &arrival.frame.bytes, Lost::Backlog);
            }
        }
        while let Some(batch) = self.hardware[host].as_mut().and_then(Hardware::poll_batch) {
            let frames: Vec<Frame<'_>> = batch
                .frames
                .iter()
                .map(|received| {
                    let Carried { bytes, checksum, gso, .. } = &received.frame.frame;
                    let device = DeviceId(received.nic as u16);
                    Frame { queue: received.queue, checksum: *checksum, gso: *gso, ..Frame::new(device, bytes) }
                })
                .collect();
            for (received, frame) in batch.frames.iter().zip(&frames) {
                let why = self.is_inactive(host, frame);
                let Some(eye) = &mut self.eye else { break };
                match why {
                    None => eye.arrives(batch.at.since(START), received.frame.lane, frame.bytes),
                    Some(why) => eye.loses(batch.at.since(START), received.frame.lane, frame.bytes, why),
                }
            }
            self.engines[host].handle_frames(batch.at, &frames);
            drop(frames);
            self.reuse_all(batch);
            self.collect(host);
        }
    }

    fn reuse_all(&mut self, batch: Batch<Arrival>) {
        for mut received in batch.frames {
            self.reuse(core::mem::take(&mut received.frame.frame.bytes));
        }
    }

    /// Lets the hardware of hosts do what it does now.
    pub(super) fn run_hardware(&mut self) {
        for host in 0..self.hardware.len() {
            let Some(hardware) = &mut self.hardware[host] else { continue };
            hardware.handle_timeout(self.now);
            if hardware.has_news() {
                self.take_batches(host);
                self.feed_woken(host);
            }
        }
    }

    /// A host takes datagrams to that port, and says nothing.
    pub(super) fn discard(&mut self, host: usize, port: u16) -> Result<(), CommandError> {
        use towpath_engine::{
            Command,
            socket::{ServiceAnswer, UdpService},
        };
        let service = UdpService { port, answer: ServiceAnswer::Discard };
        self.engines[host].handle_command(START, Command::OfferUdp(service)).map(|_| ())
    }
}
