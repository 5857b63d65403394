//! The record of a whole engine.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{Part, SnapshotError, envelope};
use crate::{
    command::Command,
    conntrack::{
        self, Family,
        calling::{HelpersRecord, Offer},
        snapshot::{ConntrackRecord, Known},
    },
    device::{Device, Features, MTUS_BYTES, bond::Bond},
    engine::Engine,
    event::Subscription,
    frame::DeviceId,
    ip::{PathMtus, Route, Routes, icmp_limit::CreditRecord, neighbour::snapshot::NeighboursRecord},
    limits::{CONNECTIONS_MAX, COUNT_MAX, PATH_MTUS_MAX},
    netfilter::{
        Lists,
        snapshot::{RulesRecord, TakenRules},
    },
    packet::Touched,
    random::Random,
    rate_limit::RateLimit,
    socket::{Sockets, SocketsRecord, UdpService},
    stats::Stats,
    surroundings::Surroundings,
    sysctl::Sysctls,
    time::Instant,
    trace::TraceLevel,
    wire::checksum::Routines,
};

/// Everything that makes an engine go on as it does.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EngineRecord {
    latest: Instant,
    frames: u64,
    devices: Vec<Device>,
    bonds: Vec<Bond>,
    routes: Vec<Route>,
    neighbours: NeighboursRecord,
    services: Vec<UdpService>,
    icmp_credit: CreditRecord,
    path_mtus: PathMtus,
    /// By name, so that another order of them is another order of a list.
    sysctls: Vec<(String, Vec<u32>)>,
    helpers: HelpersRecord,
    helpers_by_port: bool,
    /// Of IPv4 and of IPv6.
    rules: [RulesRecord; 2],
    /// What they remember under a name.
    lists: Lists,
    conntrack: ConntrackRecord,
    random: Random,
    sockets: SocketsRecord,
    subscription: Subscription,
    events_lost: u64,
    touched: Touched,
    warnings: RateLimit,
    trace_level: u8,
    stats: StatsRecord,
}

/// All that a snapshot of an engine says, as it was at a moment: bytes are made of it, and may be made elsewhere ([`Self::seal`]).
#[derive(Debug)]
pub struct Snapshot {
    /// Without rules.
    record: EngineRecord,
    rules: [TakenRules; 2],
}

impl Snapshot {
    pub(super) fn of(engine: &Engine) -> Self {
        let rules = FAMILIES.map(|family| TakenRules::of(engine.rules.of(family)));
        Self { record: EngineRecord::without_rules(engine), rules }
    }

    /// The snapshot.
    #[must_use]
    pub fn seal(self) -> Vec<u8> {
        let Self { record, rules } = self;
        envelope::seal(&EngineRecord { rules: rules.map(TakenRules::written), ..record })
    }
}

impl EngineRecord {
    fn without_rules(engine: &Engine) -> Self {
        let Engine {
            devices,
            routes,
            neighbours,
            sockets,
            datagram_budget: _,
            icmp_limit,
            path_mtus,
            // They come beside it.
            rules: _,
            lists,
            conntrack,
            helpers,
            helpers_by_port,
            around,
            stats,
            frames,
            latest,
            // Packets and what waits to be fetched.
            transmits: _,
            endings: _,
            looped: _,
            looped_budget: _,
            answered_for: _,
            copies: _,
            defrag: _,
            waiting: _,
            receivers: _,
            following: _,
            // Of the packet that was handled last.
            noted: _,
            // Room that is used again.
            pool,
            batch: _,
            // For tests.
            repeats: _,
            repeated: _,
            // What the machine's programs are to be served is for who runs the engine to say again.
            serves_host: _,
            hears_host: _,
        } = engine;
        let Surroundings { sysctls, random, events, trace, routines: _ } = around;
        Self {
            latest: *latest,
            frames: *frames,
            devices: devices.iter().map(|(_, device)| device.clone()).collect(),
            bonds: devices.bonds().cloned().collect(),
            routes: routes.all().copied().collect(),
            neighbours: NeighboursRecord::of(neighbours),
            services: engine.services(),
            icmp_credit: CreditRecord::of(icmp_limit),
            path_mtus: path_mtus.clone(),
            sysctls: save_sysctls(sysctls),
            helpers: helpers.save(),
            helpers_by_port: *helpers_by_port,
            rules: Default::default(),
            lists: lists.clone(),
            conntrack: ConntrackRecord::of(conntrack),
            random: random.clone(),
            sockets: sockets.record(),
            subscription: events.wanted(),
            events_lost: events.lost(),
            touched: pool.touched(),
            warnings: events.warnings(),
            trace_level: TRACE_LEVELS.iter().position(|level| *level == trace.level()).unwrap_or(0) as u8,
            stats: StatsRecord::of(stats),
        }
    }

    /// The engine of this record, but for its helpers, and what has been counted of those. What a command can set is set
    /// by commands, whose checks hold here too. `offered` are the helpers that it will get.
    pub(super) fn restore(
        self,
        routines: Routines,
        offered: &[Offer],
        other_helpers: bool,
    ) -> Result<(Engine, HelpersRecord), SnapshotError> {
        let names = self.helpers.check(self.latest, offered, other_helpers)?;
        let mut engine = Engine::with_routines(0, routines);
        let features: Vec<Features> = self.devices.iter().map(|device| device.features).collect();
        let mtus_bytes: Vec<u32> = self.devices.iter().map(|device| device.mtu_bytes).collect();
        let commands = self.devices.into_iter().map(|device| Command::AddDevice(as_when_it_became_a_port(device)));
        let sysctls = self.sysctls.into_iter().map(|(name, values)| Command::SetSysctls(name, values));
        for command in commands.chain(sysctls) {
            engine.carry_out(Instant::ZERO, command)?;
        }
        for bond in self.bonds {
            let ports: Vec<DeviceId> = bond.ports().collect();
            let id = bond.device();
            // Whether there can be one such. What happens to it when it is new has happened to this one.
            engine.make_bond(Instant::ZERO, id, bond.options().clone(), &ports)?;
            Part::Bonds.check(bond.is_right(self.latest))?;
            engine.devices.take_ports(bond);
            // What it says of their addresses is so already.
            let _ = engine.devices.take_macs_of_bond(id);
        }
        for (id, mtu_bytes) in (0..).map(DeviceId).zip(mtus_bytes) {
            engine.carry_out(Instant::ZERO, Command::SetMtu(id, mtu_bytes))?;
        }
        // What those commands would have switched off was switched on behind them.
        engine.devices.take_features(&features);
        engine.receivers.adapt(engine.devices.iter().map(|(_, device)| device));
        let is_known = |route: &Route| route.device().is_none_or(|device| engine.devices.find(device).is_some());
        Part::Routes.check(self.routes.iter().all(is_known))?;
        engine.routes = Routes::restore(&self.routes).ok_or(SnapshotError::Inconsistent(Part::Routes))?;
        engine.neighbours = self.neighbours.restore(&engine.devices)?;
        engine.icmp_limit = self.icmp_credit.restore()?;
        Part::PathMtus.check(self.path_mtus.len() <= PATH_MTUS_MAX)?;
        engine.path_mtus = self.path_mtus;
        engine.helpers_by_port = self.helpers_by_port;
        let room_max = conntrack::room(&engine.around.sysctls).max(CONNECTIONS_MAX);
        engine.conntrack = self.conntrack.restore(&Known { latest: self.latest, room_max, helpers: &names })?;
        Part::Rules.check(self.lists.is_sound())?;
        engine.lists = self.lists;
        for (family, rules) in FAMILIES.into_iter().zip(self.rules) {
            let policies = engine.conntrack.timeout_policies();
            *engine.rules.of_mut(family) = rules.restore(family, &names, policies, &engine.lists)?;
        }
        engine.conntrack.map_anew(engine.around.sysctls.keeps_mappings());
        engine.around.random = self.random;
        engine.sockets = Sockets::restore(self.sockets).ok_or(SnapshotError::Inconsistent(Part::Destinations))?;
        for service in self.services {
            engine.carry_out(Instant::ZERO, Command::OfferUdp(service))?;
        }
        Part::Counters.check(self.events_lost < COUNT_MAX && self.frames < COUNT_MAX)?;
        Part::Counters.check(self.warnings.is_sound(self.latest))?;
        engine.around.events.resume(self.subscription, self.events_lost, self.warnings);
        let level = TRACE_LEVELS.get(usize::from(self.trace_level));
        engine.around.trace.set_level(*level.ok_or(SnapshotError::Inconsistent(Part::Trace))?);
        engine.stats = self.stats.restore()?;
        engine.pool.count(self.touched);
        (engine.frames, engine.latest) = (self.frames, self.latest);
        Ok((engine, self.helpers))
    }
}

/// A port took what its bond does when it became one, and may have shrunk since.
fn as_when_it_became_a_port(device: Device) -> Device {
    let mtu_bytes = if device.master.is_some() { *MTUS_BYTES.end() } else { device.mtu_bytes };
    Device { mtu_bytes, ..device }
}

fn save_sysctls(sysctls: &Sysctls) -> Vec<(String, Vec<u32>)> {
    let names = Sysctls::NAMES.iter().chain(Sysctls::LISTS);
    let key = (!sysctls.tcp_fastopen_key.is_empty()).then_some(&Sysctls::FAST_OPEN_KEY);
    names.chain(key).filter_map(|name| Some((String::from(*name), sysctls.find_list(name)?.to_vec()))).collect()
}

/// In the order of a record.
const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

/// By their numbers in a record.
const TRACE_LEVELS: [TraceLevel; 3] = [TraceLevel::Off, TraceLevel::Path, TraceLevel::Full];

/// What an engine has counted.
#[derive(Debug, Serialize, Deserialize)]
struct StatsRecord {
    totals: [u64; 10],
    /// By the reasons' names; those that have dropped nothing are left out.
    drops: Vec<(String, u64)>,
}

impl StatsRecord {
    fn of(stats: &Stats) -> Self {
        let drops = stats.all_drops().map(|(reason, count)| (String::from(reason.name()), count)).collect();
        Self { totals: stats.totals(), drops }
    }

    fn restore(self) -> Result<Stats, SnapshotError> {
        let counts = self.totals.iter().chain(self.drops.iter().map(|(_, count)| count));
        Part::Counters.check(counts.into_iter().all(|count| *count < COUNT_MAX))?;
        Stats::restore(self.totals, &self.drops).ok_or(SnapshotError::Inconsistent(Part::Counters))
    }
}
