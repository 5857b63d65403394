//! A run: the scenario's connections and events over its net.

use core::{net::SocketAddr, time::Duration};
use std::collections::BTreeMap;

use towpath_engine::{
    CommandError, Instant,
    socket::{Family, SocketError, SocketId},
};

use super::{
    bond::{BondReport, DropsReport},
    hardware::{self, HardwareReport},
    lane::Tally,
    load::{Generator, LoadReport},
    net::{Net, START},
    sampling::Sampling,
    scenario::{Changed, End, Scenario},
    series::{EndReport, Point, Wait},
    switch::SwitchTally,
    talk::{Matter, Talk},
    watch::{Eye, Watch},
};

/// What became of a scenario.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it was over.
    pub ended: Duration,
    /// The connections, in the scenario's order.
    pub connections: Vec<ConnectionReport>,
    /// The links' directions: those of link N are 2 N and 2 N + 1.
    pub lanes: Vec<LaneReport>,
    /// The loads, in the scenario's order.
    pub loads: Vec<LoadReport>,
    /// The bonds of hosts and the groups of switches, in their order.
    pub bonds: Vec<BondReport>,
    /// What hosts that have bonds have dropped, and why, in the scenario's order.
    pub drops: Vec<DropsReport>,
    /// What switches have done, in the scenario's order.
    pub switches: Vec<SwitchTally>,
    /// What the hardware of those hosts has counted that have some, in the scenario's order.
    pub hardware: Vec<HardwareReport>,
}

/// What became of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionReport {
    /// When it was asked for.
    pub begun: Option<Duration>,
    /// When it stood at the end that connects.
    pub connected: Option<Duration>,
    /// When both ends had closed it, or it has failed at once.
    pub finished: Option<Duration>,
    /// Bytes that were read of what each end has sent.
    pub read: [u64; 2],
    /// Bytes that each end has written.
    pub written: [u64; 2],
    /// What was measured.
    pub measured: Measured,
    /// What each end has failed with.
    pub errors: [Option<SocketError>; 2],
    /// What was read was not what was written: a fault of the engine.
    pub is_damaged: bool,
    /// The ends.
    pub ends: [EndReport; 2],
}

/// What was read in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// How long.
    pub time: Duration,
    /// Bytes of what each end has sent.
    pub bytes: [u64; 2],
}

impl ConnectionReport {
    /// Bits a second that were read of what an end has sent, in the time that was measured.
    #[must_use]
    pub fn goodput_bps(&self, end: End) -> u64 {
        let bits = u128::from(self.measured.bytes[end as usize]) * 8 * 1_000_000_000;
        bits.checked_div(self.measured.time.as_nanos()).unwrap_or_default() as u64
    }
}

/// What became of a link's direction.
#[derive(Clone, Debug, Default)]
pub struct LaneReport {
    /// What has gone over it.
    pub tally: Tally,
    /// What has waited, over time.
    pub waits: Vec<Wait>,
}

/// What is to be done at a time.
#[derive(Clone, Copy, Debug)]
enum Task {
    Begin(usize),
    Pause(usize),
    Stop(usize),
    Deaf(usize, bool),
    Event(usize),
    Load(usize),
    Measure,
    Sample,
}

/// Plays a scenario, and lets `watch` look at each frame.
///
/// # Errors
/// What an engine does not take of it.
pub fn run(scenario: &Scenario, watch: Option<&mut dyn Watch>) -> Result<Report, CommandError> {
    run_telling(scenario, watch, &mut |_| {})
}

/// The same, and tells how much of the scenario's time has passed, at each instant at which something happens.
///
/// # Errors
/// What an engine does not take of it.
pub fn run_telling(
    scenario: &Scenario,
    watch: Option<&mut dyn Watch>,
    tell: &mut dyn FnMut(Duration),
) -> Result<Report, CommandError> {
    let mut run = Run::new(scenario, watch)?;
    run.play(tell);
    Ok(run.report())
}

struct Run<'s, 'w> {
    scenario: &'s Scenario,
    net: Net<'w>,
    talks: Vec<Talk>,
    matter: Matter,
    listeners: BTreeMap<(usize, u16), SocketId>,
    /// Whose socket it is.
    owners: BTreeMap<(usize, SocketId), (usize, End)>,
    agenda: BTreeMap<(Instant, u64), Task>,
    order: u64,
    sampling: Sampling,
    /// When connections and queues were looked at last.
    sampled: Option<Instant>,
    /// Bytes read of each connection when measuring began, and how many have been until it ended.
    measured_from: Vec<[u64; 2]>,
    measured: Vec<[u64; 2]>,
    measures: bool,
    ends: Vec<[EndReport; 2]>,
    lanes: Vec<LaneReport>,
    loads: Vec<Generator>,
}

impl<'s, 'w> Run<'s, 'w> {
    fn new(scenario: &'s Scenario, watch: Option<&'w mut dyn Watch>) -> Result<Self, CommandError> {
        let mut net = Net::new(scenario, watch.map(Eye::new))?;
        let loads = scenario.loads.iter().map(|plan| Generator::new(plan, &mut net)).collect::<Result<_, _>>()?;
        let count = scenario.connections.len();
        let mut run = Self {
            scenario,
            lanes: vec![LaneReport::default(); net.lanes.len()],
            net,
            talks: (0..count).map(|_| Talk::new()).collect(),
            matter: Matter::new(),
            listeners: BTreeMap::new(),
            owners: BTreeMap::new(),
            agenda: BTreeMap::new(),
            order: 0,
            sampling: Sampling::new(scenario.sample),
            sampled: None,
            measured_from: vec![[0; 2]; count],
            measured: vec![[0; 2]; count],
            measures: false,
            ends: vec![Default::default(); count],
            loads,
        };
        run.plan();
        Ok(run)
    }

    /// Writes down what is to be done when, and listens.
    fn plan(&mut self) {
        for (at, event) in self.scenario.events.iter().enumerate() {
            self.at(event.at, Task::Event(at));
        }
        for (at, plan) in self.scenario.connections.iter().enumerate() {
            self.at(plan.at, Task::Begin(at));
            if let Some(stop) = plan.stop {
                self.at(stop, Task::Stop(at));
            }
            if let Some((from, until)) = plan.deaf {
                self.at(from, Task::Deaf(at, true));
                self.at(until, Task::Deaf(at, false));
            }
            let place = (plan.ends[1], plan.port);
            if self.listeners.contains_key(&place) {
                continue;
            }
            match self.listen(place.0, place.1, at) {
                Ok(id) => {
                    self.listeners.insert(place, id);
                }
                Err(error) => self.talks[at].fail(End::To, error),
            }
        }
        for (at, plan) in self.scenario.loads.iter().enumerate() {
            self.at(plan.at, Task::Load(at));
        }
        for time in
            self.scenario.measure.map_or([None; 2], |(from, until)| [Some(from), Some(until)]).into_iter().flatten()
        {
            self.at(time, Task::Measure);
        }
        self.at(Duration::ZERO, Task::Sample);
    }

    fn listen(&mut self, host: usize, port: u16, talk: usize) -> Result<SocketId, SocketError> {
        let engine = &mut self.net.engines[host];
        let id = engine.open_stream(START, Family::Ipv6)?;
        let mut socket = engine.socket(START, id)?;
        // What is agreed in a handshake, such as the window's scale, has to be said before.
        for option in &self.scenario.connections[talk].options[1] {
            socket.set(option)?;
        }
        socket.bind(SocketAddr::from(([0_u16; 8], port)))?;
        socket.listen(BACKLOG)?;
        Ok(id)
    }

    fn at(&mut self, after: Duration, task: Task) {
        self.order += 1;
        self.agenda.insert((START + after, self.order), task);
    }

    fn play(&mut self, tell: &mut dyn FnMut(Duration)) {
        let end = START + self.scenario.until;
        loop {
            let planned = self.agenda.first_key_value().map(|((when, _), _)| *when);
            let Some(next) = self.net.next().into_iter().chain(planned).min().filter(|next| *next <= end) else {
                self.net.now = end;
                break;
            };
            self.net.now = self.net.now.max(next);
            tell(self.net.elapsed());
            self.net.handle_now();
            self.serve();
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.net.now) {
                let task = entry.remove();
                self.perform(task);
                self.serve();
            }
            if self.is_over() {
                break;
            }
        }
        if self.sampled != Some(self.net.now) {
            self.sample();
        }
        tell(self.net.elapsed());
    }

    /// Whether all connections have been played, and nothing more is to happen but samples.
    fn is_over(&self) -> bool {
        self.talks.iter().all(|talk| talk.finished.is_some())
            && self.scenario.measure.is_none()
            && self.agenda.values().all(|task| matches!(task, Task::Sample | Task::Stop(_) | Task::Deaf(..)))
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Begin(talk) => self.begin(talk),
            Task::Pause(talk) => {
                self.talks[talk].is_pausing = false;
                self.act(talk, End::From);
            }
            Task::Stop(talk) => {
                self.talks[talk].is_stopped = true;
                self.act(talk, End::From);
            }
            Task::Deaf(talk, is_deaf) => {
                self.talks[talk].is_deaf = is_deaf;
                self.act(talk, End::To);
            }
            Task::Event(at) => match &self.scenario.events[at].what {
                Changed::Link { link, ways } => {
                    self.net.change_link(*link, ways, &self.scenario.links[*link].name);
                }
                Changed::Rings { host, rx, tx } => {
                    self.net.resize_rings(*host, (*rx, *tx), &self.scenario.hosts[*host].name);
                }
            },
            Task::Load(load) => {
                let next = self.loads[load].act(&mut self.net, &self.scenario.loads[load]);
                if let Some(next) = next {
                    self.at(next.since(START), Task::Load(load));
                }
            }
            Task::Measure => {
                let read: Vec<[u64; 2]> = self.talks.iter().map(|talk| talk.read).collect();
                if self.measures {
                    let spans = read.iter().zip(&self.measured_from);
                    self.measured = spans.map(|(now, from)| [now[0] - from[0], now[1] - from[1]]).collect();
                } else {
                    self.measured_from = read;
                }
                self.measures = !self.measures;
            }
            Task::Sample => {
                self.sample();
                if self.sampling.take() {
                    self.thin_samples();
                }
                self.at(self.sampling.next(self.net.elapsed()), Task::Sample);
            }
        }
    }

    fn begin(&mut self, talk: usize) {
        let plan = &self.scenario.connections[talk];
        let Some(to) = self.net.topology.address_of(plan.ends[1], plan.is_v6) else { return };
        let (host, now) = (plan.ends[0], self.net.now);
        let engine = &mut self.net.engines[host];
        self.talks[talk].begin(now, engine, plan, SocketAddr::new(to, plan.port));
        if let Some(id) = self.talks[talk].ids[0] {
            self.owners.insert((host, id), (talk, End::From));
            if let Ok(socket) = engine.socket(now, id)
                && let (Some(local), Ok(peer), Some(eye)) = (socket.local(), socket.peer(), &mut self.net.eye)
            {
                eye.knows(local, peer, id, (talk, End::From));
            }
        }
        self.net.collect(host);
    }

    /// Lets programs do what their sockets have become ready for.
    fn serve(&mut self) {
        for host in 0..self.net.engines.len() {
            while let Some((id, _)) = self.net.engines[host].poll_socket() {
                if let Some((talk, end)) = self.owners.get(&(host, id)).copied() {
                    self.act(talk, end);
                } else if let Some((&(_, port), _)) =
                    self.listeners.iter().find(|((at, _), listener)| *at == host && **listener == id)
                {
                    self.accept(host, port, id);
                }
            }
        }
    }

    fn accept(&mut self, host: usize, port: u16, listener: SocketId) {
        let now = self.net.now;
        loop {
            let engine = &mut self.net.engines[host];
            let Ok(Ok(id)) = engine.socket(now, listener).map(|mut socket| socket.accept()) else { return };
            let peer = engine.socket(now, id).ok().and_then(|socket| Some((socket.local()?, socket.peer().ok()?)));
            let Some((local, peer)) = peer else { continue };
            let Some(talk) = self.talk_of(host, port, peer) else { continue };
            if let Ok(mut socket) = self.net.engines[host].socket(now, id) {
                for option in &self.scenario.connections[talk].options[1] {
                    if let Err(error) = socket.set(option) {
                        self.talks[talk].fail(End::To, error);
                    }
                }
            }
            if let Some(eye) = &mut self.net.eye {
                eye.knows(local, peer, id, (talk, End::To));
            }
            self.owners.insert((host, id), (talk, End::To));
            self.talks[talk].ids[1] = Some(id);
            self.act(talk, End::To);
        }
    }

    /// The connection whose first end has that address.
    fn talk_of(&mut self, host: usize, port: u16, peer: SocketAddr) -> Option<usize> {
        let now = self.net.now;
        (0..self.talks.len()).rev().find(|at| {
            let plan = &self.scenario.connections[*at];
            let is_free = self.talks[*at].ids[1].is_none() && self.talks[*at].begun.is_some();
            let Some(id) = self.talks[*at].ids[0].filter(|_| plan.ends[1] == host && plan.port == port && is_free)
            else {
                return false;
            };
            self.net.engines[plan.ends[0]].socket(now, id).is_ok_and(|socket| socket.local() == Some(peer))
        })
    }

    fn act(&mut self, talk: usize, end: End) {
        let plan = &self.scenario.connections[talk];
        let (host, now) = (plan.ends[end as usize], self.net.now);
        let before = self.talks[talk].ids[end as usize];
        let later = self.talks[talk].act(now, &mut self.net.engines[host], plan, end, &mut self.matter);
        if let Some(pause) = later {
            let at = self.net.elapsed() + pause;
            self.at(at, Task::Pause(talk));
        }
        if let Some(id) = before.filter(|_| self.talks[talk].is_through(end)) {
            self.note(talk, end);
            self.talks[talk].close(now, &mut self.net.engines[host], end);
            self.owners.remove(&(host, id));
        }
        self.net.collect(host);
    }

    /// Takes down what is known of an end before it may be closed.
    fn note(&mut self, talk: usize, end: End) {
        let host = self.scenario.connections[talk].ends[end as usize];
        let Some(id) = self.talks[talk].ids[end as usize] else { return };
        if let Some((info, resent)) = self.net.engines[host].watch_connection(self.net.now, id) {
            let report = &mut self.ends[talk][end as usize];
            (report.last, report.resent) = (Some(info), resent);
        }
    }

    fn sample(&mut self) {
        let at = self.net.elapsed();
        self.sampled = Some(self.net.now);
        for talk in 0..self.talks.len() {
            for end in End::BOTH {
                if self.talks[talk].ids[end as usize].is_some() {
                    self.note(talk, end);
                    let report = &mut self.ends[talk][end as usize];
                    report.points.extend(report.last.as_ref().map(|info| Point::of(at, info)));
                }
            }
        }
        for (lane, report) in self.net.lanes.iter().zip(&mut self.lanes) {
            let (packets, bytes) = lane.queued();
            let lost = lane.tally.lost.iter().sum();
            report.waits.push(Wait { ts: at.as_nanos() as u64, packets: packets as u32, bytes, lost });
        }
    }

    /// Keeps what has been sampled at times that are still wanted.
    fn thin_samples(&mut self) {
        let sampling = &self.sampling;
        for report in self.ends.iter_mut().flatten() {
            report.points.retain(|point| sampling.keeps(point.ts));
        }
        for report in &mut self.lanes {
            report.waits.retain(|wait| sampling.keeps(wait.ts));
        }
    }

    fn report(mut self) -> Report {
        let since = |when: Option<Instant>| when.map(|when| when.since(START));
        let ended = self.net.elapsed();
        for (report, lane) in self.lanes.iter_mut().zip(&self.net.lanes) {
            report.tally = lane.tally;
        }
        let ends = core::mem::take(&mut self.ends);
        let connections = self.talks.iter().zip(ends).enumerate().map(|(at, (talk, ends))| {
            let begun = since(talk.begun);
            let measured = match self.scenario.measure {
                Some((from, until)) => Measured { time: until - from, bytes: self.measured[at] },
                // To the last byte, not to the last of TIME_WAIT.
                None => Measured {
                    time: since(talk.last_read).unwrap_or(ended).saturating_sub(begun.unwrap_or(ended)),
                    bytes: talk.read,
                },
            };
            ConnectionReport {
                begun,
                connected: since(talk.connected),
                finished: since(talk.finished),
                read: talk.read,
                written: talk.written,
                measured,
                errors: talk.errors,
                is_damaged: talk.is_damaged,
                ends,
            }
        });
        let loads = self.loads.into_iter().map(|load| load.report).collect();
        let hardware = hardware::counted(&self.net, self.scenario);
        let (bonds, drops) = (self.net.bond_reports(), self.net.drops(self.scenario));
        Report {
            ended,
            connections: connections.collect(),
            lanes: self.lanes,
            loads,
            bonds,
            drops,
            switches: self.net.switches.iter().map(|switch| switch.tally).collect(),
            hardware,
        }
    }
}

/// Connections that wait to be accepted: none waits for long here.
const BACKLOG: u32 = 1024;

#[cfg(test)]
mod tests;
