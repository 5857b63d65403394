//! A running gateway: the engine between its devices, the control socket and the signals, in one thread and one loop.

use std::{collections::BTreeMap, io, time::Duration};

use arrayvec::ArrayVec;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use towpath_engine::{
    Command, DeviceId, Engine, Instant, Subscription,
    conntrack::{Entry, ExpectationEntry, ExpectationId, Family, HelperId, Statistics, helper::Helper},
    device::Feature,
    limits::DEVICES_MAX,
    netfilter::{ListOptions, RuleSet, TableName},
    snapshot::SnapshotError,
};

use crate::{
    af_packet::Ring,
    bonds,
    clock::Clock,
    control::{Answers, Names, NewHelper, Reply, Server, Topic},
    helpers::{Loaded, Made, Workshop},
    limits::{CONTROL_CLIENTS_MAX, CONTROL_PAGE_PLACES},
    links::Links,
    napi::{Budget, Napi, Round},
    notice::Notice,
    notices::Notices,
    plugin::Plugin,
    services::{self, Services},
    signals::Signals,
    sockets,
    stats::{DeviceReport, Report, by_name},
    sysctl, told,
    worker::Doing,
};

/// A gateway that is ready to run.
#[derive(Debug)]
pub struct Host<R, K> {
    engine: Engine,
    napi: Napi<R>,
    server: Option<Server<Place>>,
    workshop: Workshop,
    services: Services,
    /// Those that bonds look at.
    links: Option<Links>,
    signals: Signals,
    clock: K,
    started: Instant,
    has_watchers: bool,
}

/// A place in a listing: a slot of the connection table, or an expectation's number.
pub type Place = u64;

/// Why the loop has woken up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wakeup {
    signal: bool,
    control: bool,
    links: bool,
    /// Rings that have become readable.
    rings: usize,
    device_error: bool,
}

impl<R: Ring, K: Clock> Host<R, K> {
    /// A gateway whose engine has the devices of these rings. `server` answers those who ask, if anybody may; `workshop` makes
    /// the helpers that they bring, and its worker is the server's, too.
    #[must_use]
    pub fn new(
        engine: Engine,
        rings: Vec<R>,
        budget: Budget,
        server: Option<Server<Place>>,
        workshop: Workshop,
        signals: Signals,
        mut clock: K,
    ) -> Self {
        let started = clock.now();
        let napi = Napi::new(rings, budget);
        Self {
            engine,
            napi,
            server,
            workshop,
            services: Services::default(),
            links: None,
            signals,
            clock,
            started,
            has_watchers: false,
        }
    }

    /// With services that use the engine's sockets.
    #[must_use]
    pub fn offering(self, services: Services) -> Self {
        Self { services, ..self }
    }

    /// With links that bonds look at.
    #[must_use]
    pub fn watching(self, links: Option<Links>) -> Self {
        Self { links, ..self }
    }

    /// Runs until a signal asks it to stop; then tells what was counted, and gives the engine back. What is for the operator goes to
    /// `notices`.
    ///
    /// # Errors
    /// When the kernel refuses to let it sleep.
    pub fn run(mut self, mut notices: Notices) -> io::Result<(Report, Engine)> {
        self.subscribe(false);
        let names: Vec<String> = self.engine.devices().iter().map(|(_, device)| device.name.clone()).collect();
        let mut round = Round::Idle;
        self.look_at_links();
        loop {
            let wakeup = self.sleep(round)?;
            if wakeup.signal && self.signals.take_stop() {
                let report = self.report(notices.lost());
                notices.finish(&self.engine, self.clock.now());
                return Ok((report, self.engine));
            }
            if wakeup.device_error {
                for (device, name, error) in self.napi.take_errors() {
                    notices.tell(Notice::Device(name.unwrap_or_else(|| device_name(&self.engine, device)), error));
                }
            }
            if round == Round::Idle {
                self.napi.note_interrupts(wakeup.rings);
            }
            if wakeup.links {
                self.look_at_links();
            }
            let now = self.clock.now();
            self.serve(now, wakeup.control, notices.lost());
            if self.engine.poll_timeout().is_some_and(|(when, _)| when <= now) {
                self.engine.handle_timeout(now);
            }
            let Self { engine, napi, server, clock, services, .. } = &mut self;
            let mut troubles = Vec::new();
            let mut watch = |when, event| told::tell(server.as_mut(), &names, when, event, &mut notices, &mut troubles);
            napi.drain(engine, &mut watch);
            round = napi.poll(clock, engine, &mut watch);
            services.serve(engine, clock, |engine| napi.drain(engine, &mut watch));
            napi.drain(engine, &mut watch);
            if services.has_more() {
                round = Round::Squeezed;
            }
            for (when, trouble) in troubles {
                notices.tell_of_helper(engine, when, trouble);
            }
        }
    }

    /// Sleeps until something happens or is due; after a squeezed round it only looks.
    fn sleep(&mut self, round: Round) -> io::Result<Wakeup> {
        let timeout = match round {
            Round::Squeezed => Some(Duration::ZERO),
            Round::Idle => {
                let now = self.clock.now();
                self.deadline().map(|deadline| deadline.since(now))
            }
        };
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut files = ArrayVec::<PollFd<'_>, FILES_MAX>::new();
        let events = |wants_room| if wants_room { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        files.push(PollFd::new(&self.signals, PollFlags::IN));
        files.extend(self.links.iter().map(|links| PollFd::new(links, PollFlags::IN)));
        let rings_from = files.len();
        files.extend(
            self.napi.rings().map(|(ring, wants_room)| PollFd::from_borrowed_fd(ring.as_fd(), events(wants_room))),
        );
        let control_from = files.len();
        files.push(PollFd::new(self.workshop.worker(), PollFlags::IN));
        let control = self.server.iter().flat_map(Server::files);
        files.extend(control.map(|(file, events)| PollFd::from_borrowed_fd(file, events)));
        let control_to = files.len();
        // That it wakes the loop is enough.
        files.extend(self.services.file().map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN)));
        match poll(&mut files, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let (others, control) = files[..control_to].split_at(control_from);
        let (others, rings) = others.split_at(rings_from);
        let (signals, links) = others.split_at(1);
        let is_ready = |file: &PollFd<'_>| !file.revents().is_empty();
        Ok(Wakeup {
            signal: signals.iter().any(is_ready),
            control: control.iter().any(is_ready),
            links: links.iter().any(is_ready),
            rings: rings.iter().filter(|file| file.revents().contains(PollFlags::IN)).count(),
            device_error: rings.iter().any(|file| file.revents().contains(PollFlags::ERR)),
        })
    }

    /// Tells the engine what is new of links.
    fn look_at_links(&mut self) {
        let now = self.clock.now();
        for (device, link) in self.links.iter_mut().flat_map(Links::take) {
            let answer = self.engine.handle_command(now, Command::SetLink(device, link));
            debug_assert!(answer.is_ok(), "{answer:?}");
        }
    }

    /// When the next thing is due.
    fn deadline(&self) -> Option<Instant> {
        let engine = self.engine.poll_timeout().map(|(when, _)| when);
        let control = self.server.as_ref().and_then(Server::deadline);
        [engine, control, self.services.deadline()].into_iter().flatten().min()
    }

    /// Answers those at the control socket, when one of them has moved or is overdue.
    fn serve(&mut self, now: Instant, has_moved: bool, notices_lost: u64) {
        let Self { engine, napi, server, workshop, services, started, has_watchers, .. } = self;
        let Some(server) = server else { return };
        if !has_moved && server.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let subscription = subscription(*has_watchers);
        workshop.worker().hush();
        let (started, services) = (*started, services.counters());
        server.serve(now, &mut View { engine, napi, workshop, services, started, now, subscription, notices_lost });
        let has_watchers = server.has_watchers();
        if has_watchers != self.has_watchers {
            self.has_watchers = has_watchers;
            self.subscribe(has_watchers);
        }
    }

    /// Asks the engine for the events that somebody wants; LOG lines and helpers' failures go to the operator always.
    fn subscribe(&mut self, conntrack: bool) {
        let now = self.clock.now();
        let answer = self.engine.handle_command(now, Command::Subscribe(subscription(conntrack)));
        debug_assert!(answer.is_ok(), "{answer:?}");
    }

    fn report(&mut self, notices_lost: u64) -> Report {
        let now = self.clock.now();
        let Self { engine, napi, server, workshop, services, started, .. } = self;
        let services = services.counters();
        let control = server.as_ref().map(|server| server.counters().into()).unwrap_or_default();
        let (started, subscription) = (*started, Subscription::default());
        let mut view = View { engine, napi, workshop, services, started, now, subscription, notices_lost };
        Report { control, ..view.report() }
    }
}

/// LOG lines and helpers' failures, and what happens to connections if somebody watches.
fn subscription(conntrack: bool) -> Subscription {
    Subscription { conntrack, log: true, helper: true, ..Subscription::default() }
}

/// Signals, links, all devices, the machine itself, the worker, the control socket with its clients, and who reads for services.
const FILES_MAX: usize = 1 + 1 + DEVICES_MAX + 1 + 1 + 1 + CONTROL_CLIENTS_MAX + 1;

/// What may be seen of a running gateway.
struct View<'a, R> {
    engine: &'a mut Engine,
    napi: &'a mut Napi<R>,
    workshop: &'a Workshop,
    services: services::Counters,
    started: Instant,
    now: Instant,
    /// What the engine is asked to tell.
    subscription: Subscription,
    notices_lost: u64,
}

impl<R: Ring> Answers for View<'_, R> {
    type Cursor = Place;

    fn report(&mut self) -> Report {
        let Self { engine, napi, services, started, now, notices_lost, .. } = self;
        Report {
            uptime_ns: u64::try_from(now.since(*started).as_nanos()).unwrap_or(u64::MAX),
            engine: (&engine.stats()).into(),
            poll: napi.counters().into(),
            devices: napi
                .device_counters()
                .map(|(device, name, counters)| {
                    DeviceReport::new(device.0, name.unwrap_or_else(|| device_name(engine, device)), &counters)
                })
                .collect(),
            strays: by_name(napi.strays().iter()),
            notices_lost: *notices_lost,
            tcp: engine.tcp_memory().into(),
            services: (*services).into(),
            ..Report::default()
        }
    }

    fn count(&mut self, topic: Topic) -> u64 {
        let conntrack = self.engine.conntrack();
        match topic {
            Topic::Connections => conntrack.len().into(),
            Topic::Expectations => conntrack.expectations().len() as u64,
            Topic::Log => 0,
            Topic::Sockets => self.engine.sockets() as u64,
        }
    }

    fn tracking(&mut self) -> Statistics {
        self.engine.conntrack().statistics()
    }

    fn forget(&mut self, topic: Topic, numbers: Option<Vec<u64>>) -> u64 {
        let before = self.count(topic);
        let command = match (topic, numbers) {
            (Topic::Connections, Some(numbers)) => Command::ForgetConnections(numbers),
            (Topic::Connections, None) => Command::FlushConntrack,
            (Topic::Expectations, numbers) => {
                Command::ForgetExpectations(numbers.map(|numbers| numbers.into_iter().map(ExpectationId).collect()))
            }
            (Topic::Log | Topic::Sockets, _) => return 0,
        };
        let answer = self.engine.handle_command(self.now, command);
        debug_assert!(answer.is_ok(), "{answer:?}");
        before - self.count(topic)
    }

    fn save(&mut self) -> Vec<u8> {
        self.engine.save()
    }

    fn load(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        self.engine.reload(snapshot, false)?;
        let answer = self.engine.handle_command(self.now, Command::Subscribe(self.subscription));
        debug_assert!(answer.is_ok(), "{answer:?}");
        Ok(())
    }

    fn page(&mut self, topic: Topic, after: Option<Place>, tell: &mut dyn FnMut(&Reply)) -> Option<Place> {
        let from = after.map_or(0, |last| last + 1);
        match topic {
            Topic::Connections => self.page_of_connections(from, tell),
            Topic::Expectations => self.page_of_expectations(from, tell),
            Topic::Log => None,
            Topic::Sockets => sockets::page(self.engine, self.now, from, tell),
        }
    }

    fn save_rules(&mut self, family: Family, counters: bool) -> String {
        self.engine.rules().of(family).save(counters)
    }

    fn list_rules(&mut self, family: Family, table: TableName, options: ListOptions) -> String {
        self.engine.rules().of(family).list(table, options)
    }

    fn names(&mut self) -> Names {
        let helpers = self.engine.helpers().iter().map(|helper| (helper.manifest.name.clone(), helper.id)).collect();
        let sets = self.engine.set_names().map(str::to_owned).collect();
        Names { helpers, sets, timeouts: self.engine.conntrack().timeout_policies().clone() }
    }

    fn tunables(&mut self) -> String {
        sysctl::list(self.engine.sysctls())
    }

    fn set_tunable(&mut self, name: &str, values: &[u32]) -> Result<(), String> {
        self.command(Command::SetSysctls(name.to_owned(), values.to_vec()))
    }

    fn features(&mut self, device: &str) -> Result<String, String> {
        let id = self.device(device)?;
        let features = self.engine.devices().find(id).map(|device| device.features).unwrap_or_default();
        Ok(format!("Features for {device}:\n{features}"))
    }

    fn bonds(&mut self, name: Option<&str>) -> Result<String, String> {
        bonds::text(self.engine.devices(), name)
    }

    fn set_features(&mut self, device: &str, features: &[(String, bool)]) -> Result<(), String> {
        let id = self.device(device)?;
        let known = |(name, on): &(String, bool)| match Feature::by_name(name) {
            Some(feature) => Ok((feature, *on)),
            None => {
                Err(format!("{device} has no feature '{name}'; `towpath ethtool -k {device}` lists those that it has"))
            }
        };
        let features = features.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        features.into_iter().try_for_each(|(feature, on)| self.command(Command::SetFeature(id, feature, on)))
    }

    fn helpers(&mut self) -> Vec<Loaded> {
        let mut expected = BTreeMap::<HelperId, u64>::new();
        for waiting in self.engine.conntrack().expectations().iter() {
            *expected.entry(waiting.helper).or_default() += 1;
        }
        let of = |id| expected.get(&id).copied().unwrap_or_default();
        self.engine.helpers().iter().map(|helper| Loaded::of(&helper, of(helper.id))).collect()
    }

    fn make_helper(&mut self, name: &str, component: Vec<u8>) -> Result<Doing<Made>, String> {
        self.workshop.make(name.to_owned(), component).map_err(|error| format!("{name}: {error}"))
    }

    fn load_helper(&mut self, helper: &NewHelper, made: Plugin) -> Result<Loaded, String> {
        let helpers = self.engine.helpers();
        let name = made.manifest().name.clone();
        let former = helpers.iter().find(|former| former.manifest.name == name);
        let by_ports = match (helper.replaces, former) {
            (true, Some(former)) => !former.manifest.attach.is_empty(),
            (false, None) => helper.by_ports,
            (true, None) => return Err(format!("{}: no helper '{name}' is loaded that it could replace", helper.name)),
            (false, Some(_)) => {
                return Err(format!("{}: a helper '{name}' is loaded already; reload replaces it", helper.name));
            }
        };
        let mut manifest = made.manifest().clone();
        if !by_ports {
            manifest.attach.clear();
        }
        let held = made.held_to(manifest).map_err(|problem| format!("{}: {problem}", helper.name))?;
        self.command(Command::LoadHelper(Box::new(held)))?;
        if by_ports {
            // Helpers that are attached by rules alone have no ports.
            self.command(Command::AttachHelpersByPort(true))?;
        }
        let loaded = self.engine.helpers().iter().find(|loaded| loaded.manifest.name == name);
        loaded.map(|loaded| Loaded::of(&loaded, self.expected_by(loaded.id))).ok_or_else(|| format!("{name} is gone"))
    }

    fn unload_helper(&mut self, name: &str) -> Result<u64, String> {
        let id = self.engine.helpers().by_name(name).ok_or_else(|| format!("no helper '{name}' is loaded"))?;
        let expected = self.expected_by(id);
        self.command(Command::UnloadHelper(id))?;
        Ok(expected)
    }

    fn replace_rules(&mut self, rules: RuleSet) {
        let answer = self.engine.handle_command(self.now, Command::ReplaceRules(Box::new(rules)));
        debug_assert!(answer.is_ok(), "{answer:?}");
    }

    fn zero_rules(&mut self, family: Family, table: Option<TableName>) {
        let answer = self.engine.handle_command(self.now, Command::ZeroRules(family, table));
        debug_assert!(answer.is_ok(), "{answer:?}");
    }
}

impl<R> View<'_, R> {
    /// The device of that name.
    fn device(&self, name: &str) -> Result<DeviceId, String> {
        let found = self.engine.devices().by_name(name).filter(|id| *id != DeviceId::LOOPBACK);
        found.ok_or_else(|| format!("there is no device '{name}'"))
    }

    fn command(&mut self, command: Command) -> Result<(), String> {
        self.engine.handle_command(self.now, command).map(drop).map_err(|error| error.to_string())
    }

    /// How many connections a helper expects.
    fn expected_by(&self, helper: HelperId) -> u64 {
        self.engine.conntrack().expectations().iter().filter(|waiting| waiting.helper == helper).count() as u64
    }

    fn page_of_connections(&self, from: Place, tell: &mut dyn FnMut(&Reply)) -> Option<Place> {
        let conntrack = self.engine.conntrack();
        let slots = u64::from(conntrack.slots());
        let to = slots.min(from + CONTROL_PAGE_PLACES);
        for slot in from..to {
            let id = u32::try_from(slot).ok().and_then(|slot| conntrack.in_slot(slot));
            if let Some(entry) = id.and_then(|(id, _)| conntrack.entry(self.now, id)) {
                // Linux lists a mark of 0 too. The table holds the connection; who else does would take a walk over all.
                let entry = Entry { mark: Some(entry.mark.unwrap_or(0)), uses: Some(1), ..entry };
                tell(&Reply::Connection(Box::new(entry)));
            }
        }
        (to < slots).then(|| to - 1)
    }

    fn page_of_expectations(&self, from: Place, tell: &mut dyn FnMut(&Reply)) -> Option<Place> {
        let mut waiting = self.engine.conntrack().expectations().from(ExpectationId(from)).peekable();
        let mut last = from;
        for expectation in waiting.by_ref().take(CONTROL_PAGE_PLACES as usize) {
            tell(&Reply::Expectation(Box::new(ExpectationEntry::of(self.now, expectation))));
            last = expectation.id.0;
        }
        waiting.peek().map(|_| last)
    }
}

fn device_name(engine: &Engine, device: DeviceId) -> String {
    engine.devices().find(device).map_or_else(|| device.0.to_string(), |device| device.name.clone())
}
