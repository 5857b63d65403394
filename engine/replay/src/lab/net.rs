//! Engines joined by lanes, in virtual time.
//!
//! Hosts are numbered as the scenario has them, and their devices as links name them. Link N has the networks `10.0.N.0/24` and
//! `fd00:0:0:N::/64`; its first end has the address that ends in 1, its second the one that ends in 2. Routes lead the shortest way.

use core::{cell::Cell, net::IpAddr, time::Duration};
use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use towpath_engine::{
    Command, CommandError, DeviceId, Engine, Frame, Instant,
    device::{Device, Feature, InterfaceAddress, napi::Hardware, rss::Toeplitz},
    ip::{Route, RouteKind},
    wire::MacAddr,
};

use super::{
    lane::{Carried, Lane, Lost, Outcome},
    reception::{Arrival, hardware},
    scenario::{Scenario, Way},
    watch::{Eye, Leaving},
};
use crate::limits::{LAB_BYTES_MAX, LAB_FRAME_OVERHEAD_BYTES};

/// Hosts, and what is on its way between them.
pub(super) struct Net<'w> {
    /// The time.
    pub(super) now: Instant,
    /// The hosts.
    pub(super) engines: Vec<Engine>,
    /// Their NICs and CPUs, of those that are not without a cost.
    pub(super) hardware: Vec<Option<Hardware<Arrival>>>,
    pub(super) toeplitz: Toeplitz,
    /// What frames take in rings.
    pub(super) in_rings: Rc<Cell<u64>>,
    /// The links' directions: those of link N are 2 N and 2 N + 1.
    pub(super) lanes: Vec<Lane>,
    /// Who looks at each frame.
    pub(super) eye: Option<Eye<'w>>,
    /// Where each lane leads, by host and device.
    leads_to: Vec<(usize, DeviceId)>,
    /// The lane of each host's devices.
    lanes_of: Vec<Vec<usize>>,
    on_way: BTreeMap<(Instant, u64), OnWay>,
    /// What all frames take that are on their way or wait, and the most that they may.
    held_bytes: u64,
    pub(super) held_bytes_max: u64,
    order: u64,
    outcomes: Vec<Outcome>,
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
            hardware: hardware(scenario),
            toeplitz: Toeplitz::default(),
            in_rings: Rc::default(),
            lanes: Vec::new(),
            eye,
            leads_to: Vec::new(),
            lanes_of: vec![Vec::new(); scenario.hosts.len()],
            on_way: BTreeMap::new(),
            held_bytes: 0,
            held_bytes_max: LAB_BYTES_MAX,
            order: 0,
            outcomes: Vec::new(),
            spare: Vec::new(),
        };
        for (link, plan) in scenario.links.iter().enumerate() {
            for end in 0..2 {
                let host = plan.ends[end];
                let device = DeviceId(net.lanes_of[host].len() as u16);
                net.add_device(host, link, end, plan.mtu_bytes, &scenario.hosts[host].features)?;
                net.lanes_of[host].push(2 * link + end);
                net.lanes.push(Lane::new(
                    plan.ways[end].clone(),
                    plan.mtu_bytes,
                    lot(scenario.seed, 1, 2 * link + end),
                ));
                net.leads_to.push((host, device));
            }
            // What leaves by one end arrives at the other.
            let last = net.leads_to.len() - 1;
            net.leads_to.swap(last - 1, last);
        }
        for (host, plan) in scenario.hosts.iter().enumerate() {
            for (name, values) in &plan.sysctls {
                net.engines[host].handle_command(START, Command::SetSysctls(name.clone(), values.clone()))?;
            }
            net.add_routes(scenario, host)?;
        }
        Ok(net)
    }

    fn add_device(
        &mut self,
        host: usize,
        link: usize,
        end: usize,
        mtu_bytes: u32,
        features: &[(Feature, bool)],
    ) -> Result<(), CommandError> {
        let id = DeviceId(self.lanes_of[host].len() as u16);
        let engine = &mut self.engines[host];
        let own = [(false, 24), (true, 64)]
            .map(|(is_v6, prefix)| InterfaceAddress { address: address(link, end, is_v6), prefix });
        let device = Device {
            name: format!("link{link}"),
            mac: MacAddr([2, 0, 0, link as u8, 0, 1 + end as u8]),
            mtu_bytes,
            addresses: own.to_vec(),
            any_destination: true,
            arp: false,
            ..Device::default()
        };
        engine.handle_command(START, Command::AddDevice(device))?;
        // What is on a link is what a wire carries: whole packets with their checksums.
        for feature in Feature::ALL {
            engine.handle_command(START, Command::SetFeature(id, feature, false))?;
        }
        for (feature, is_on) in features {
            engine.handle_command(START, Command::SetFeature(id, *feature, *is_on))?;
        }
        Ok(())
    }

    /// Ways to all networks that a host is not in, over the fewest links.
    fn add_routes(&mut self, scenario: &Scenario, host: usize) -> Result<(), CommandError> {
        let first_link = first_links(scenario, host);
        for (link, plan) in scenario.links.iter().enumerate().filter(|(_, plan)| !plan.ends.contains(&host)) {
            let Some(first) = plan.ends.iter().find_map(|end| first_link[*end]) else { continue };
            let near = usize::from(scenario.links[first].ends[1] == host);
            let device = self.lanes_of[host].iter().position(|lane| *lane == 2 * first + near);
            let Some(device) = device else { continue };
            for (is_v6, prefix) in [(false, 24), (true, 64)] {
                let network = InterfaceAddress { address: address(link, 0, is_v6), prefix }.network();
                let via = Some(address(first, 1 - near, is_v6));
                let kind = RouteKind::Unicast { device: DeviceId(device as u16), via };
                let route = Route { destination: network, prefix, kind, metric: 0, mtu_bytes: None };
                self.engines[host].handle_command(START, Command::AddRoute(route))?;
            }
        }
        Ok(())
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Instant> {
        let arrival = self.on_way.first_key_value().map(|((when, _), _)| *when);
        let deadlines = self.engines.iter().filter_map(|engine| engine.poll_timeout().map(|(when, _)| when));
        let hardware = self.hardware.iter().flatten().filter_map(Hardware::poll_timeout);
        deadlines.chain(arrival).chain(hardware).min()
    }

    /// Lets happen what does now.
    pub(super) fn handle_now(&mut self) {
        while let Some(entry) = self.on_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                OnWay::Sent(lane) => {
                    let mut outcomes = core::mem::take(&mut self.outcomes);
                    self.lanes[lane].handle_sent(self.now, &mut outcomes);
                    self.settle(lane, outcomes);
                }
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
    }

    fn arrive(&mut self, lane: usize, age: u32, frame: Carried) {
        let (host, device) = self.leads_to[lane];
        self.held_bytes -= cost(&frame);
        if self.lanes[lane].arrive(age, frame.bytes.len()) {
            if self.hardware[host].is_some() {
                return self.take_in(host, device, lane, frame);
            }
            if let Some(eye) = &mut self.eye {
                eye.arrives(self.now.since(START), lane, &frame.bytes);
            }
            let Carried { bytes, checksum, gso } = &frame;
            let frame = Frame { checksum: *checksum, gso: *gso, ..Frame::new(device, bytes) };
            self.engines[host].handle_frames(self.now, &[frame]);
            self.collect(host);
        } else if let Some(eye) = &mut self.eye {
            eye.loses(self.now.since(START), lane, &frame.bytes, Lost::Down);
        }
        self.reuse(frame.bytes);
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
            let frame = Carried { bytes, checksum: meta.checksum, gso: meta.gso };
            let lane = self.lanes_of[host].get(usize::from(transmit.device.0)).copied();
            self.engines[host].recycle(transmit);
            let Some(lane) = lane else { continue };
            self.send(host, lane, frame);
        }
        while self.engines[host].poll_event().is_some() {}
    }

    /// A host sends a frame.
    pub(super) fn send(&mut self, host: usize, lane: usize, frame: Carried) {
        if let Some(eye) = &mut self.eye {
            let leaving = Leaving { lane, bytes: &frame.bytes, segments: frame.gso.map_or(1, |gso| gso.segments) };
            eye.leaves(self.now, self.now.since(START), leaving, &mut self.engines[host]);
        }
        let mut outcomes = core::mem::take(&mut self.outcomes);
        self.held_bytes += cost(&frame);
        if self.held_bytes + self.in_rings.get() <= self.held_bytes_max {
            self.lanes[lane].offer(self.now, frame, &mut outcomes);
        } else {
            self.lanes[lane].refuse(frame, &mut outcomes);
        }
        self.settle(lane, outcomes);
    }

    /// The lane by which a host sends to another one, if there is a way.
    pub(super) fn lane_towards(&self, scenario: &Scenario, from: usize, to: usize) -> Option<usize> {
        let link = first_links(scenario, from)[to]?;
        Some(2 * link + usize::from(scenario.links[link].ends[1] == from))
    }

    /// A link is another one from now on.
    pub(super) fn change(&mut self, lane: usize, way: Way) {
        let mut outcomes = core::mem::take(&mut self.outcomes);
        self.lanes[lane].change(way, &mut outcomes);
        self.settle(lane, outcomes);
    }

    fn settle(&mut self, lane: usize, mut outcomes: Vec<Outcome>) {
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

/// By which link a host sends to each other one, over the fewest links: breadth first.
fn first_links(scenario: &Scenario, host: usize) -> Vec<Option<usize>> {
    let mut first_link: Vec<Option<usize>> = vec![None; scenario.hosts.len()];
    let mut waiting = VecDeque::from([host]);
    while let Some(from) = waiting.pop_front() {
        for (link, plan) in scenario.links.iter().enumerate() {
            for (near, far) in [(plan.ends[0], plan.ends[1]), (plan.ends[1], plan.ends[0])] {
                if near != from || far == host || first_link[far].is_some() {
                    continue;
                }
                first_link[far] = if from == host { Some(link) } else { first_link[from] };
                waiting.push_back(far);
            }
        }
    }
    first_link
}

/// What a frame takes while it is on its way or waits.
pub(super) const fn cost(frame: &Carried) -> u64 {
    frame.bytes.len() as u64 + LAB_FRAME_OVERHEAD_BYTES
}

/// The address of a link's end.
pub(super) fn address(link: usize, end: usize, is_v6: bool) -> IpAddr {
    let (link, end) = (link as u16, 1 + end as u16);
    if is_v6 { IpAddr::from([0xfd00, 0, 0, link, 0, 0, 0, end]) } else { IpAddr::from([10, 0, link as u8, end as u8]) }
}

/// The address of a host's first device; `None` of a host without links.
pub(super) fn address_of(scenario: &Scenario, host: usize, is_v6: bool) -> Option<IpAddr> {
    let (link, plan) = scenario.links.iter().enumerate().find(|(_, plan)| plan.ends.contains(&host))?;
    Some(address(link, usize::from(plan.ends[1] == host), is_v6))
}

/// A seed for one of many, so that what one draws moves no other.
fn lot(seed: u64, kind: u64, number: usize) -> u64 {
    let mixed = seed ^ (kind << 32 | number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    towpath_engine::random::Random::new(mixed).next_u64()
}

/// When a run starts: not zero, so that times that nobody has set stand out.
pub(super) const START: Instant = Instant::from_secs(1000);
const SPARE_MAX: usize = 4096;
const SPARE_BYTES_MAX: usize = 16_384;
