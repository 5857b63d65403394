//! The engine's interface: `handle_*` in, `poll_*` out.

use alloc::{collections::VecDeque, vec::Vec};
use core::net::IpAddr;

use crate::{
    command::{Command, CommandError, Reply},
    conntrack::{
        ConnId, Conntrack, Tuple,
        calling::{
            Helpers,
            stream::{Passing, Waiting},
        },
    },
    device::{Devices, Receivers, Refusal, TransmitQueue},
    ending::{Dropped, End, Ending, Outcome},
    event::Event,
    frame::{Frame, Transmit},
    ip::{Defrag, Fate, Neighbours, PathMtus, Routes, icmp_limit::IcmpLimit},
    limits::{BATCH_FRAMES_MAX, DATAGRAM_QUEUES_BYTES_MAX, LOOPBACK_QUEUE_BYTES_MAX},
    netfilter::{Copied, Lists, RuleSets, Sets},
    noted::Noted,
    packet::{Budget, Packet, Pool, Queue},
    random::Random,
    socket::Sockets,
    stats::Stats,
    surroundings::Surroundings,
    sysctl::Sysctls,
    tcp::TcpMemory,
    time::Instant,
    trace::Step,
    wire::checksum::Routines,
};

/// The Linux packet path, without any I/O of its own.
///
/// The loop: *handle one thing, drain the queues, sleep until [`Engine::poll_timeout`] or input*.
///
/// ```
/// use towpath_engine::{Engine, Instant};
///
/// let mut engine = Engine::new(42);
/// let now = Instant::from_secs(0);
/// engine.handle_frames(now, &[]);
/// while let Some(transmit) = engine.poll_transmit() {
///     // hand it to a device, then give its buffers back
///     engine.recycle(transmit);
/// }
/// while let Some((_when, _event)) = engine.poll_event() {}
/// assert_eq!(engine.poll_timeout(), None);
/// ```
///
/// Same seed and same inputs give the same outputs, byte for byte, on every machine. A `now` earlier than the latest
/// one seen counts as the latest. Everything that waits is bounded (`limits.rs`): a frame that finds the transmit queue
/// full is dropped with a reason, an event that finds the event queue full is lost and counted.
#[derive(Debug)]
pub struct Engine {
    pub(crate) devices: Devices,
    pub(crate) routes: Routes,
    pub(crate) neighbours: Neighbours,
    pub(crate) defrag: Defrag,
    pub(crate) sockets: Sockets,
    /// What datagrams may hold that nobody has read.
    pub(crate) datagram_budget: Budget,
    pub(crate) icmp_limit: IcmpLimit,
    /// How large packets to hosts may be, where routers have told.
    pub(crate) path_mtus: PathMtus,
    pub(crate) rules: RuleSets,
    /// What rules remember under a name, those of IPv4 and those of IPv6.
    pub(crate) lists: Lists,
    /// Copies that rules have made and that have not left yet.
    pub(crate) copies: Vec<Copied>,
    pub(crate) conntrack: Conntrack,
    pub(crate) helpers: Helpers,
    /// Segments that wait for the rest of a line which a helper is to see whole.
    pub(crate) waiting: Waiting,
    /// Those whose wait is over and that go on behind the packet at hand.
    pub(crate) following: VecDeque<Passing>,
    /// What devices hold to be merged.
    pub(crate) receivers: Receivers,
    /// Whether helpers are attached by the ports of their manifests.
    pub(crate) helpers_by_port: bool,
    /// The machine's own programs send and receive by `lo`.
    pub(crate) serves_host: bool,
    /// What they say to each other comes by `lo`.
    pub(crate) hears_host: bool,
    /// What every room is lent.
    pub(crate) around: Surroundings,
    pub(crate) pool: Pool,
    pub(crate) stats: Stats,
    pub(crate) transmits: TransmitQueue,
    pub(crate) endings: VecDeque<Ending>,
    /// What this host has sent to itself.
    pub(crate) looped: Queue,
    /// What that may hold.
    pub(crate) looped_budget: Budget,
    /// Connections of packets that went no further, while what answers them is on its way over `lo` and belongs to them.
    pub(crate) answered_for: Vec<ConnId>,
    /// What is noted about the packet at hand.
    pub(crate) noted: Noted,
    /// Packets of the batch that is being handled, kept for its room.
    pub(crate) batch: Vec<Packet>,
    /// How many frames, and packets to send, have come so far.
    pub(crate) frames: u64,
    /// The latest time seen.
    pub(crate) latest: Instant,
    /// Whether packets may take the short way of `repeat.rs`.
    pub(crate) repeats: bool,
    /// How many have taken it.
    pub(crate) repeated: u64,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerId {
    /// A connection or expectation may run out.
    Conntrack,
    /// A neighbour has to be asked, or given up.
    Neighbour,
    /// Fragments are given up.
    Defrag,
    /// A helper's line has to do without its rest.
    Line,
    /// A helper that was unloaded has not left all of its connections yet.
    Leaving,
    /// A bond has to look at its ports, or to tell its neighbours something.
    Bond,
    /// LACP goes on, or a bond asks stations whether its links carry: it does so again and again, for ever.
    BondBeat,
    /// What a device holds to be merged has waited long enough.
    Gro,
    /// A socket has something to send, or gives something up.
    Socket,
}

impl Engine {
    /// An engine without devices, routes or rules, that draws from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_routines(seed, Routines::PORTABLE)
    }

    /// The same, with checksum routines that are better than the portable ones. They must give the same results.
    #[must_use]
    pub fn with_routines(seed: u64, routines: Routines) -> Self {
        let mut around = Surroundings::new(seed, routines);
        Self {
            devices: Devices::default(),
            routes: Routes::default(),
            neighbours: Neighbours::default(),
            defrag: Defrag::default(),
            sockets: Sockets::new(seed),
            datagram_budget: Budget::new(DATAGRAM_QUEUES_BYTES_MAX),
            icmp_limit: IcmpLimit::default(),
            path_mtus: PathMtus::default(),
            rules: RuleSets::default(),
            lists: Lists::default(),
            copies: Vec::new(),
            conntrack: Conntrack::new(around.random.next_u64()),
            helpers: Helpers::default(),
            waiting: Waiting::default(),
            following: VecDeque::new(),
            receivers: Receivers::default(),
            helpers_by_port: false,
            serves_host: false,
            hears_host: false,
            around,
            pool: Pool::new(),
            stats: Stats::default(),
            transmits: TransmitQueue::default(),
            endings: VecDeque::new(),
            looped: Queue::default(),
            looped_budget: Budget::new(LOOPBACK_QUEUE_BYTES_MAX),
            answered_for: Vec::new(),
            noted: Noted::default(),
            batch: Vec::new(),
            frames: 0,
            latest: Instant::ZERO,
            repeats: true,
            repeated: 0,
        }
    }

    /// Takes a batch of frames, as one poll of a device hands them over; a batch of one is a frame.
    ///
    /// All are parsed and their connections' cache lines touched before the first one goes its way, so that cache
    /// misses overlap. What comes out is what single frames would have given, but for devices that merge what they receive
    /// ([`crate::offload::gro`]).
    pub fn handle_frames(&mut self, now: Instant, frames: &[Frame<'_>]) {
        let now = self.note_time(now);
        if self.receivers.is_on() {
            return frames.chunks(BATCH_FRAMES_MAX).for_each(|frames| self.merge_frames(now, frames));
        }
        if let [alone] = frames {
            return self.handle_alone(now, alone);
        }
        for frames in frames.chunks(BATCH_FRAMES_MAX) {
            let mut batch = core::mem::take(&mut self.batch);
            let mut malformed = Vec::new();
            touch(frames);
            for frame in frames {
                match self.take_frame(frame) {
                    Ok(packet) => batch.push(packet),
                    // With the number of right ones before it.
                    Err(dropped) => malformed.push((batch.len(), dropped)),
                }
            }
            self.conntrack.prefetch(&mut batch);
            let mut malformed = malformed.into_iter();
            let mut next = malformed.next();
            for (index, mut packet) in batch.drain(..).enumerate() {
                while let Some((_, dropped)) = next.take_if(|(before, _)| *before <= index) {
                    self.begin_walk();
                    self.end_walk(now, Err(dropped));
                    next = malformed.next();
                }
                packet.meta_mut().frame = self.begin_walk();
                let result = self.receive(now, packet);
                self.end_walk(now, result);
            }
            for (_, dropped) in next.into_iter().chain(malformed) {
                self.begin_walk();
                self.end_walk(now, Err(dropped));
            }
            self.batch = batch;
        }
    }

    /// Takes a frame that comes alone: there is nothing to look ahead for.
    #[inline(always)]
    fn handle_alone(&mut self, now: Instant, frame: &Frame<'_>) {
        let taken = self.take_frame(frame);
        self.walk_alone(now, taken);
    }

    /// Leads the packet of a frame its way, for which nothing is looked ahead.
    #[inline(never)]
    pub(crate) fn walk_alone(&mut self, now: Instant, taken: Result<Packet, Dropped>) {
        let number = self.begin_walk();
        let result = taken.and_then(|mut packet| {
            packet.meta_mut().frame = number;
            self.receive(now, packet)
        });
        self.end_walk(now, result);
    }

    /// A frame's packet, if its device takes it.
    #[inline(always)]
    fn take_frame(&mut self, frame: &Frame<'_>) -> Result<Packet, Dropped> {
        self.stats.received += 1;
        self.stats.received_bytes += u64::from(frame.wire_len);
        let packet = Packet::take(&mut self.pool, frame)?;
        let mut packet = self.accept(packet)?;
        if let Some(said) = frame.flow {
            self.conntrack.note_said(&mut packet, said);
        }
        Ok(packet)
    }

    /// A packet whose layers are found, if its device takes it.
    #[inline(always)]
    pub(crate) fn accept(&mut self, mut packet: Packet) -> Result<Packet, Dropped> {
        match self.devices.accept(&mut packet) {
            Ok(()) => packet.found(),
            Err(Refusal::Dropped(reason)) => Err(packet.drop_for(reason)),
            Err(Refusal::PortOf(bond)) => self.accept_bonded(packet, bond),
        }
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// When it cannot be carried out; nothing has changed then.
    pub fn handle_command(&mut self, now: Instant, command: Command) -> Result<Reply, CommandError> {
        let now = self.note_time(now);
        self.carry_out(now, command)
    }

    /// Does what is due. Called early or twice it does nothing, but for a helper that was unloaded: each call lets it leave some more of
    /// its connections.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.note_time(now);
        self.handle_merged_overdue(now);
        self.handle_bonds_overdue(now);
        self.handle_neighbours_overdue(now);
        self.handle_fragments_overdue(now);
        self.handle_lines_overdue(now);
        self.handle_sockets_overdue(now);
        self.drain_loopback(now);
        self.let_helpers_leave();
        self.conntrack.handle_timeout(now, &mut self.around);
    }

    /// The next frame that leaves.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let (transmit, bytes) = self.transmits.pop()?;
        self.stats.transmitted += 1;
        self.stats.transmitted_bytes += bytes as u64;
        transmit.packet.add_up(&mut self.pool);
        Some(transmit)
    }

    /// The oldest event, and when it happened.
    pub fn poll_event(&mut self) -> Option<(Instant, Event)> {
        self.around.events.pop()
    }

    /// How the next packet ended: one for each frame, and one more whenever a packet goes on that was held, for those who
    /// subscribed to endings.
    pub fn poll_ending(&mut self) -> Option<Ending> {
        self.endings.pop_front()
    }

    /// What the datagram was to connection tracking, before any translation, which the frame has completed that was handed over
    /// last: [`Tuple::about`]. `None`: it has completed none. Of other packets their own bytes say it.
    #[must_use]
    pub const fn completed_datagram(&self) -> Option<Tuple> {
        self.noted.datagram
    }

    /// When [`Engine::handle_timeout`] has something to do, and what for; `None`: never, unless something comes in.
    /// Never earlier than the latest time seen: what is overdue is due now.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, TimerId)> {
        let mut first: Option<(Instant, TimerId)> = None;
        let mut consider = |when: Option<Instant>, timer| {
            if let Some(when) = when
                && first.is_none_or(|(soonest, _)| when < soonest)
            {
                first = Some((when, timer));
            }
        };
        consider(self.conntrack.next_timeout(), TimerId::Conntrack);
        consider(self.neighbours.next_timeout(), TimerId::Neighbour);
        consider(self.defrag.next_timeout(), TimerId::Defrag);
        consider(self.waiting.next_timeout(), TimerId::Line);
        consider(self.helpers.leaving().map(|_| self.latest), TimerId::Leaving);
        if self.devices.has_bonds() {
            consider(self.next_bond_timeout(), TimerId::Bond);
            consider(self.next_bond_beat(), TimerId::BondBeat);
        }
        if self.receivers.has_queues() {
            consider(self.receivers.next_timeout(), TimerId::Gro);
        }
        consider(self.sockets.next_timeout(), TimerId::Socket);
        first.map(|(when, timer)| (when.max(self.latest), timer))
    }

    /// Gives the buffers of a frame back that has left, so that the next one finds them.
    pub fn recycle(&mut self, transmit: Transmit) {
        transmit.packet.recycle_counted(&mut self.pool);
    }

    /// Whether the steps of packets are written down now.
    #[must_use]
    pub const fn is_tracing(&self) -> bool {
        self.around.trace.is_on()
    }

    /// What was written down since the last call, when [`Command::Trace`] asked for it.
    pub fn take_trace(&mut self) -> Vec<Step> {
        self.around.trace.take()
    }

    /// What has been counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        (stats.events_lost, stats.touched) = (self.around.events.lost(), self.pool.touched());
        stats
    }

    /// The devices.
    #[must_use]
    pub const fn devices(&self) -> &Devices {
        &self.devices
    }

    /// The rules in force.
    #[must_use]
    pub const fn rules(&self) -> &RuleSets {
        &self.rules
    }

    /// The sets that rules of either family may name, with what is in them.
    #[must_use]
    pub const fn sets(&self) -> &Sets {
        &self.lists.sets
    }

    /// The connections and expectations.
    #[must_use]
    pub const fn conntrack(&self) -> &Conntrack {
        &self.conntrack
    }

    /// The datagrams that are being put together.
    #[must_use]
    pub const fn defrag(&self) -> &Defrag {
        &self.defrag
    }

    /// What stream sockets hold together, and what has come of it.
    #[must_use]
    pub const fn tcp_memory(&self) -> TcpMemory {
        self.sockets.memory.told()
    }

    /// Bytes that are held for what waits here: for neighbours, for fragments, for lines, to be merged, for this host itself, to be
    /// fetched, to be read by users of sockets, and to be acknowledged to them. What is remembered of connections is [`Conntrack::remembered_bytes`].
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        let neighbours = self.neighbours.waiting_bytes();
        neighbours
            + self.defrag.bytes()
            + self.waiting.bytes()
            + self.receivers.bytes()
            + self.looped.bytes()
            + self.transmits.bytes()
            + self.datagram_budget.bytes()
            + self.tcp_memory().bytes as usize
    }

    /// The helpers that are loaded.
    #[must_use]
    pub const fn helpers(&self) -> &Helpers {
        &self.helpers
    }

    /// Whether helpers are attached to the ports that their manifests name, too, and not by rules alone.
    #[must_use]
    pub const fn attaches_helpers_by_port(&self) -> bool {
        self.helpers_by_port
    }

    /// How a packet of this host would reach `destination`, which is no address that is valid on one link only.
    #[must_use]
    pub fn fate_towards(&self, destination: IpAddr) -> Fate {
        self.routes.from_here(&self.devices, destination, None)
    }

    /// The tunables.
    #[must_use]
    pub const fn sysctls(&self) -> &Sysctls {
        &self.around.sysctls
    }

    /// The generator: what a script of draws has left open.
    #[must_use]
    pub const fn random(&self) -> &Random {
        &self.around.random
    }

    /// The latest time seen.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.latest
    }

    /// Starts the walk of the next frame's packet; gives its number.
    pub(crate) fn begin_walk(&mut self) -> u64 {
        self.frames += 1;
        self.noted.restart(self.frames);
        self.frames
    }

    /// Ends the walk of one packet.
    #[inline]
    pub(crate) fn end_walk(&mut self, now: Instant, result: Result<End, Dropped>) -> Outcome {
        let outcome = self.settle(now, result);
        self.note_ending(outcome);
        if !self.following.is_empty() {
            self.let_following_go(now);
        }
        if !self.looped.is_empty() {
            self.drain_loopback(now);
        }
        outcome
    }

    /// The time that counts: `now`, or the latest seen when that is later. As it begins, so do lives of what was set up before.
    pub(crate) fn note_time(&mut self, now: Instant) -> Instant {
        if now < self.latest {
            self.stats.time_stepped_back += 1;
        } else if self.latest == Instant::ZERO && self.frames == 0 {
            self.lists.sets.begin(now);
        }
        self.latest = self.latest.max(now);
        self.latest
    }
}

/// Reads where the headers of frames lie, so that misses overlap: a driver's ring is seldom near.
fn touch(frames: &[Frame<'_>]) {
    let ends = |bytes: &[u8]| bytes.first().copied().unwrap_or(0) ^ bytes.get(HEADERS_USUAL).copied().unwrap_or(0);
    core::hint::black_box(frames.iter().fold(0, |read, frame| read ^ ends(frame.bytes)));
}

/// Behind the headers of most packets.
const HEADERS_USUAL: usize = 53;
