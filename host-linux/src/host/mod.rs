//! A running gateway: the engine between its devices, the control socket and the signals, in one thread and one loop.
//!
//! | file | what |
//! |---|---|
//! | `follow` | what becomes of devices, taken over into the engine |
//! | `view` | what may be seen and changed of it at the control socket |
//! | `told` | what happens in it, for those who watch and for the operator |

mod follow;
mod told;
mod view;

use std::{io, time::Duration};

use arrayvec::ArrayVec;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use towpath_engine::{Command, Engine, Instant, Subscription, limits::DEVICES_MAX, snapshot::Successor};

use crate::{
    af_packet::Ring,
    clock::Clock,
    control::{Answers, Server},
    helpers::Workshop,
    limits::CONTROL_CLIENTS_MAX,
    links::Links,
    napi::{Budget, Napi, RoundEnd},
    notice::Notice,
    notices::Notices,
    services::Services,
    signals::Signals,
    stats::Report,
    withholder::Withholder,
};
use follow::Follower;
use told::tell;
use view::{View, device_name};

/// A gateway that is ready to run.
#[derive(Debug)]
pub struct Host<R, K> {
    engine: Engine,
    napi: Napi<R>,
    server: Option<Server<Place, Successor>>,
    workshop: Workshop,
    services: Services,
    links: Option<Links>,
    withholder: Option<Withholder>,
    follower: Follower,
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
    withholder: bool,
    /// Rings that have become readable.
    rings: usize,
    device_error: bool,
}

impl<R: Ring, K: Clock> Host<R, K> {
    /// A gateway whose engine has the devices of these rings. `server` answers those who ask, if anybody may; `workshop` makes
    /// the helpers that they bring.
    #[must_use]
    pub fn new(
        engine: Engine,
        rings: Vec<R>,
        budget: Budget,
        server: Option<Server<Place, Successor>>,
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
            withholder: None,
            follower: Follower::default(),
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

    /// With links that are looked at while it runs.
    #[must_use]
    pub fn watching(self, links: Option<Links>) -> Self {
        Self { links, ..self }
    }

    /// With a process that withholds packets of its devices from the machine, as long as it runs.
    #[must_use]
    pub fn withholding(self, withholder: Option<Withholder>) -> Self {
        Self { withholder, ..self }
    }

    /// Runs until a signal asks it to stop; then tells what was counted, and gives the engine back. What is for the operator goes to
    /// `notices`.
    ///
    /// # Errors
    /// When the kernel refuses to let it sleep.
    pub fn run(mut self, mut notices: Notices) -> io::Result<(Report, Engine)> {
        self.subscribe(false);
        let names: Vec<String> = self.engine.devices().iter().map(|(_, device)| device.name.clone()).collect();
        let mut round = RoundEnd::Idle;
        let now = self.clock.now();
        self.look_at_links(now, &mut notices);
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
            if round == RoundEnd::Idle {
                self.napi.note_interrupts(wakeup.rings);
            }
            let now = self.clock.now();
            if wakeup.links || self.follower.deadline().is_some_and(|due| due <= now) {
                self.look_at_links(now, &mut notices);
            }
            if wakeup.withholder {
                follow::follow_withholder(&self.engine, &mut self.withholder, &mut notices);
            }
            self.serve(now, wakeup.control, notices.lost());
            if self.engine.poll_timeout().is_some_and(|(when, _)| when <= now) {
                self.engine.handle_timeout(now);
            }
            let Self { engine, napi, server, clock, services, .. } = &mut self;
            let mut troubles = Vec::new();
            let mut watch = |when, event| tell(server.as_mut(), &names, when, event, &mut notices, &mut troubles);
            napi.drain(engine, &mut watch);
            round = napi.poll(clock, engine, &mut watch);
            services.serve(engine, clock, |engine| napi.drain(engine, &mut watch));
            napi.drain(engine, &mut watch);
            if services.has_more() {
                round = RoundEnd::Squeezed;
            }
            for (when, trouble) in troubles {
                notices.tell_of_helper(engine, when, trouble);
            }
        }
    }

    /// Sleeps until something happens or is due; after a squeezed round it only looks.
    fn sleep(&mut self, round: RoundEnd) -> io::Result<Wakeup> {
        let timeout = match round {
            RoundEnd::Squeezed => Some(Duration::ZERO),
            RoundEnd::Idle => {
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
        files.extend(self.withholder.iter().map(|withholder| PollFd::new(withholder, PollFlags::IN)));
        let rings_from = files.len();
        files.extend(
            self.napi.rings().map(|(ring, wants_room)| PollFd::from_borrowed_fd(ring.as_fd(), events(wants_room))),
        );
        let control_from = files.len();
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
        let (signals, others) = others.split_at(1);
        let (links, withholder) = others.split_at(self.links.iter().len());
        let is_ready = |file: &PollFd<'_>| !file.revents().is_empty();
        Ok(Wakeup {
            signal: signals.iter().any(is_ready),
            control: control.iter().any(is_ready),
            links: links.iter().any(is_ready),
            withholder: withholder.iter().any(is_ready),
            rings: rings.iter().filter(|file| file.revents().contains(PollFlags::IN)).count(),
            device_error: rings.iter().any(|file| file.revents().contains(PollFlags::ERR)),
        })
    }

    /// Tells the engine and the operator what is new of links.
    fn look_at_links(&mut self, now: Instant, notices: &mut Notices) {
        let Self { engine, napi, links, follower, .. } = self;
        follower.try_again(now, engine, napi, notices);
        for news in links.iter_mut().flat_map(Links::take) {
            follower.follow(now, engine, napi, news, notices);
        }
    }

    /// When the next thing is due.
    fn deadline(&self) -> Option<Instant> {
        let engine = self.engine.poll_timeout().map(|(when, _)| when);
        let control = self.server.as_ref().and_then(Server::deadline);
        [engine, control, self.services.deadline(), self.follower.deadline()].into_iter().flatten().min()
    }

    /// Answers those at the control socket, when one of them has moved or is overdue.
    fn serve(&mut self, now: Instant, has_moved: bool, notices_lost: u64) {
        let Self { engine, napi, server, workshop, services, started, has_watchers, .. } = self;
        let Some(server) = server else { return };
        if !has_moved && server.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let subscription = subscription(*has_watchers);
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

/// Signals, links, who withholds packets, all devices, the machine itself, the worker, the control socket with its clients, and who reads for services.
const FILES_MAX: usize = 1 + 1 + 1 + DEVICES_MAX + 1 + 1 + 1 + CONTROL_CLIENTS_MAX + 1;
