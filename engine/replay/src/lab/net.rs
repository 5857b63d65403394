//! Engines and switches joined by lanes, in virtual time.
//!
//! Hosts are numbered as the scenario has them, switches behind them, and their devices and ports as links name them.

use core::{cell::Cell, time::Duration};
use std::{collections::BTreeMap, rc::Rc};

use towpath_engine::{
    CommandError, DeviceId, Engine, Event, Frame, Instant,
    device::{
        napi::{Footprint, Hardware},
        rss::Toeplitz,
    },
};

use super::{
    bond::Bonds,
    lane::{Carried, Lane, Lost, Outcome},
    reception::{Arrival, hardware},
    scenario::{Scenario, Way},
    switch::Switch,
    topology::{Step, Topology},
    watch::{Eye, Leaving},
};
use crate::limits::{LAB_BYTES_MAX, LAB_FRAME_OVERHEAD_BYTES};

/// Hosts, and what is on its way between them.
pub(super) struct Net<'w> {
    /// The time.
    pub(super) now: Instant,
    /// The hosts.
    pub(super) engines: Vec<Engine>,
    /// The switches.
    pub(super) switches: Vec<Switch>,
    /// What is known of bonds of hosts, and of groups of switches.
    pub(super) bonds: Bonds,
    /// Who is where.
    pub(super) topology: Topology,
    /// Their NICs and CPUs, of those that are not without a cost.
    pub(super) hardware: Vec<Option<Hardware<Arrival>>>,
    pub(super) toeplitz: Toeplitz,
    /// What frames take in rings.
    pub(super) in_rings: Rc<Cell<u64>>,
    /// The links' directions: those of link N are 2 N and 2 N + 1.
    pub(super) lanes: Vec<Lane>,
    /// Who looks at each frame.
    pub(super) eye: Option<Eye<'w>>,
    /// Where each lane leads, by host or switch, and device.
    pub(super) leads_to: Vec<(usize, DeviceId)>,
    /// The lane of each one's devices.
    pub(super) lanes_of: Vec<Vec<usize>>,
    on_way: BTreeMap<(Instant, u64), OnWay>,
    /// What all frames take that are on their way or wait, and the most that they may.
    held_bytes: u64,
    pub(super) held_bytes_max: u64,
    order: u64,
    pub(super) outcomes: Vec<Outcome>,
    /// Buffers of frames that have arrived.
    spare: Vec<Vec<u8>>,
}

enum OnWay {
    Sent(usize),
    Arrives { lane: usize, age: u32, frame: Carried },
}

impl<'w> Net<'w> {
    pub(super) fn new(scenario: &Scenario, eye: Option<Eye<'w>>) -> Result<Self, CommandError> {
        let mut net = Self {
            now: START,
            engines: (0..scenario.hosts.len()).map(|host| Engine::new(lot(scenario.seed, 0, host))).collect(),
            switches: Vec::new(),
            bonds: Bonds::new(scenario),
            topology: Topology::new(scenario),
            hardware: hardware(scenario),
            toeplitz: Toeplitz::default(),
            in_rings: Rc::default(),
            lanes: Vec::new(),
            eye,
            leads_to: Vec::new(),
            lanes_of: vec![Vec::new(); scenario.hosts.len() + scenario.switches.len()],
            on_way: BTreeMap::new(),
            held_bytes: 0,
            held_bytes_max: LAB_BYTES_MAX,
            order: 0,
            outcomes: Vec::new(),
            spare: Vec::new(),
        };
        for (link, plan) in scenario.links.iter().enumerate() {
            for end in 0..2 {
                let node = plan.ends[end];
                net.leads_to.push((node, DeviceId(net.lanes_of[node].len() as u16)));
                net.lanes_of[node].push(2 * link + end);
                let seed = lot(scenario.seed, 1, 2 * link + end);
                let rings = net.rings_of(node);
                net.lanes.push(Lane::new(plan.ways[end].clone(), plan.mtu_bytes, rings, seed));
            }
            // What leaves by one end arrives at the other.
            let last = net.leads_to.len() - 1;
            net.leads_to.swap(last - 1, last);
        }
        for host in 0..scenario.hosts.len() {
            net.furnish(scenario, host)?;
        }
        net.add_switches(scenario)?;
        (0..net.lanes_of.len()).for_each(|node| net.note_bonds(node));
        Ok(net)
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Instant> {
        let arrival = self.on_way.first_key_value().map(|((when, _), _)| *when);
        let deadlines = self.engines.iter().filter_map(|engine| engine.poll_timeout().map(|(when, _)| when));
        let due = |hardware: &Hardware<Arrival>| {
            if hardware.has_news() { Some(self.now) } else { hardware.poll_timeout() }
        };
        let hardware = self.hardware.iter().flatten().filter_map(due);
        let switches = self.switches.iter().filter_map(|switch| switch.control.engine.poll_timeout());
        deadlines.chain(arrival).chain(hardware).chain(switches.map(|(when, _)| when)).min()
    }

    /// Lets happen what does now.
    pub(super) fn handle_now(&mut self) {
        while let Some(entry) = self.on_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                OnWay::Sent(lane) => self.handle_sent(lane),
                OnWay::Arrives { lane, age, frame } => self.arrive(lane, age, frame),
            }
        }
        self.run_hardware();
        for host in 0..self.engines.len() {
            if self.engines[host].poll_timeout().is_some_and(|(when, _)| when <= self.now) {
                self.engines[host].handle_timeout(self.now);
                self.collect(host);
            }
        }
        self.run_switches();
    }

    fn arrive(&mut self, lane: usize, age: u32, frame: Carried) {
        let (host, device) = self.leads_to[lane];
        self.held_bytes -= cost(&frame);
        if !self.lanes[lane].arrive(age, frame.bytes.len()) {
            if let Some(eye) = &mut self.eye {
                eye.loses(self.now.since(START), lane, &frame.bytes, Lost::Down);
            }
            return self.reuse(frame.bytes);
        }
        if host >= self.engines.len() {
            return self.switch_frame(host, usize::from(device.0), lane, frame);
        }
        if self.hardware[host].is_some() {
            return self.take_in(host, device, lane, frame);
        }
        let Carried { bytes, checksum, gso, .. } = &frame;
        let shown = Frame { checksum: *checksum, gso: *gso, ..Frame::new(device, bytes) };
        match self.is_inactive(host, &shown) {
            None => self.eye_arrives(lane, bytes),
            Some(why) => {
                if let Some(eye) = &mut self.eye {
                    eye.loses(self.now.since(START), lane, bytes, why);
                }
            }
        }
        self.engines[host].handle_frames(self.now, &[shown]);
        self.collect(host);
        self.reuse(frame.bytes);
    }

    pub(super) fn eye_arrives(&mut self, lane: usize, bytes: &[u8]) {
        if let Some(eye) = &mut self.eye {
            eye.arrives(self.now.since(START), lane, bytes);
        }
    }

    /// Keeps a buffer for the next frame.
    pub(super) fn reuse(&mut self, bytes: Vec<u8>) {
        if self.spare.len() < SPARE_MAX && bytes.capacity() <= SPARE_BYTES_MAX {
            self.spare.push(bytes);
        }
    }

    /// Takes what a host has sent.
    pub(super) fn collect(&mut self, host: usize) {
        while let Some(transmit) = self.engines[host].poll_transmit() {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.clear();
            bytes.extend_from_slice(transmit.head());
            transmit.fragments().for_each(|part| bytes.extend_from_slice(part));
            let meta = transmit.packet.meta();
            let footprint = Footprint::of(transmit.head().len(), transmit.fragments().map(<[u8]>::len));
            let more_descriptors = footprint.descriptors - 1;
            let frame = Carried { bytes, checksum: meta.checksum, gso: meta.gso, more_descriptors };
            let lane = self.lanes_of[host].get(usize::from(transmit.device.0)).copied();
            self.engines[host].recycle(transmit);
            let Some(lane) = lane else { continue };
            self.send(host, lane, frame);
        }
        self.note_bonds(host);
    }

    /// Takes down what a host's bonds, or a switch's groups, have become, and what their log says.
    pub(super) fn note_bonds(&mut self, node: usize) {
        let hosts = self.engines.len();
        let engine = match self.engines.get_mut(node) {
            Some(host) => host,
            None => &mut self.switches[node - hosts].control.engine,
        };
        while let Some((when, event)) = engine.poll_event() {
            if let Event::Log { line, .. } = event {
                self.bonds.say(node, when.since(START), line);
            }
        }
        self.bonds.look(node, self.now.since(START), engine, &mut self.eye);
    }

    /// A host or switch sends a frame.
    pub(super) fn send(&mut self, node: usize, lane: usize, frame: Carried) {
        if let Some(eye) = &mut self.eye {
            let leaving = Leaving { lane, bytes: &frame.bytes, segments: frame.gso.map_or(1, |gso| gso.segments) };
            eye.leaves(self.now, self.now.since(START), leaving, self.engines.get_mut(node));
        }
        let mut outcomes = core::mem::take(&mut self.outcomes);
        self.held_bytes += cost(&frame);
        if self.held_bytes + self.in_rings.get() <= self.held_bytes_max {
            self.offer(lane, frame, &mut outcomes);
        } else {
            self.lanes[lane].refuse(frame, &mut outcomes);
        }
        self.settle(lane, outcomes);
    }

    /// The first step of a host to another one, if there is a way, and the lane by which that leads, if it is one and the same for all packets.
    pub(super) fn step_towards(&self, from: usize, to: usize) -> Option<(Step, Option<usize>)> {
        let step = self.topology.first_steps(from)[to]?;
        let own = &self.topology.interfaces[from][step.interface];
        let is_shared = self.topology.networks[&own.network].is_shared;
        let lane = self.lanes_of[from].get(usize::from(own.device.0)).copied();
        Some((step, lane.filter(|_| !is_shared)))
    }

    /// A link is another one from now on.
    pub(super) fn change_link(&mut self, link: usize, ways: &[Option<Way>; 2], name: &str) {
        for (end, way) in ways.iter().enumerate() {
            if let Some(way) = way {
                self.change(2 * link + end, way.clone(), name);
            }
        }
        self.relink(link);
    }

    fn change(&mut self, lane: usize, way: Way, name: &str) {
        let state = |way: &Way| if way.is_up { if way.is_silent { "silent" } else { "up" } } else { "down" };
        let (before, after) = (state(self.lanes[lane].way()), state(&way));
        if let Some(eye) = self.eye.as_mut().filter(|_| before != after) {
            let direction = if lane.is_multiple_of(2) { "there" } else { "back" };
            eye.happens(self.now.since(START), &format!("link {name} is {after} ({direction})"));
        }
        let mut outcomes = core::mem::take(&mut self.outcomes);
        let rings = self.lanes[lane].change(way, &mut outcomes);
        self.settle(lane, outcomes);
        self.note_sent(lane, rings);
    }

    pub(super) fn settle(&mut self, lane: usize, mut outcomes: Vec<Outcome>) {
        for outcome in outcomes.drain(..) {
            self.order += 1;
            match outcome {
                Outcome::SentAt(when) => {
                    self.on_way.insert((when, self.order), OnWay::Sent(lane));
                }
                Outcome::ArrivesAt(when, frame) => self.send_on(lane, when, frame),
                Outcome::RepeatedAt(when, frame) => {
                    self.held_bytes += cost(&frame);
                    self.send_on(lane, when, frame);
                }
                Outcome::Lost(why, frame) => {
                    self.held_bytes -= cost(&frame);
                    if let Some(eye) = &mut self.eye {
                        eye.loses(self.now.since(START), lane, &frame.bytes, why);
                    }
                }
            }
        }
        self.outcomes = outcomes;
    }

    fn send_on(&mut self, lane: usize, when: Instant, frame: Carried) {
        let age = self.lanes[lane].age;
        self.on_way.insert((when, self.order), OnWay::Arrives { lane, age, frame });
    }

    /// The time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.now.since(START)
    }
}

/// What a frame takes while it is on its way or waits.
pub(super) const fn cost(frame: &Carried) -> u64 {
    frame.bytes.len() as u64 + LAB_FRAME_OVERHEAD_BYTES
}

/// A seed for one of many, so that what one draws moves no other.
pub(super) fn lot(seed: u64, kind: u64, number: usize) -> u64 {
    let mixed = seed ^ (kind << 32 | number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    towpath_engine::random::Random::new(mixed).next_u64()
}

/// When a run starts: not zero, so that times that nobody has set stand out.
pub(super) const START: Instant = Instant::from_secs(1000);
const SPARE_MAX: usize = 4096;
const SPARE_BYTES_MAX: usize = 16_384;
