//! A running gateway as the control socket sees it.

use std::{collections::BTreeMap, net::IpAddr};

use towpath_engine::{
    Command, Condemned, DeviceId, Engine, Instant, Reply as EngineReply, Subscription,
    conntrack::{ExpectationId, Family, HelperId, Revision, helper::Helper},
    device::{Feature, FeatureList, FeatureOutcome, Features, Kind},
    netfilter::{ListOptions, RuleSet, SetListing, TableName, lists::recent::Recent},
    snapshot::{Refused, Successor},
};

use super::Place;
use crate::{
    af_packet::Ring,
    bonds,
    control::{Answers, Facts, Forgotten, Listing, Names, NewHelper, Reading, Reply, Switched, Topic, Waste, Writing},
    destinations, hardware,
    helpers::{Loaded, Made, Workshop},
    limits::CONTROL_PAGE_PLACES,
    napi::Napi,
    plugin::{Plugin, shipped},
    services, sets, sockets,
    stats::{DeviceReport, Report, by_name},
    sysctl,
    tracking::{self, Counted},
};

/// What may be seen of a running gateway.
pub(super) struct View<'a, R> {
    pub(super) engine: &'a mut Engine,
    pub(super) napi: &'a mut Napi<R>,
    pub(super) workshop: &'a Workshop,
    pub(super) services: services::Counters,
    pub(super) started: Instant,
    pub(super) now: Instant,
    /// What the engine is asked to tell.
    pub(super) subscription: Subscription,
    pub(super) notices_lost: u64,
}

impl<R: Ring> Answers for View<'_, R> {
    type Cursor = Place;
    type Successor = Successor;

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
            fast_open: engine.fast_open_counters(),
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

    fn tracking(&mut self) -> Counted {
        Counted::of(self.engine)
    }

    fn newest(&mut self, topic: Topic) -> u64 {
        match topic {
            Topic::Connections => self.engine.conntrack().newest_serial(),
            Topic::Expectations => self.engine.conntrack().expectations().iter().last().map_or(0, |last| last.id.0),
            Topic::Log | Topic::Sockets => 0,
        }
    }

    fn forget(&mut self, topic: Topic, condemned: &Condemned, after: Option<Place>) -> Forgotten<Place> {
        let from = after.map_or(0, |last| last + 1);
        match topic {
            Topic::Connections => self.forget_connections(condemned, from),
            Topic::Expectations => self.forget_expectations(condemned, from),
            Topic::Log | Topic::Sockets => (0, None),
        }
    }

    fn revise(&mut self, revision: &Revision, which: &Condemned, after: Option<Place>) -> Forgotten<Place> {
        let Ok(from) = u32::try_from(after.map_or(0, |last| last + 1)) else { return (0, None) };
        match self.engine.handle_command(self.now, Command::RevisePart(from, which.clone(), *revision)) {
            Ok(EngineReply::RevisedPart(count, next)) => (count as u64, next.map(|next| u64::from(next) - 1)),
            other => unreachable!("{other:?}"),
        }
    }

    fn save(&mut self) -> Writing {
        let snapshot = self.engine.snapshot();
        Box::new(move || snapshot.seal())
    }

    fn reader(&mut self) -> Reading<Result<Successor, String>> {
        let succession = self.engine.succession(false);
        Box::new(move |bytes| succession.read(bytes).map_err(|error| error.to_string()))
    }

    fn load(&mut self, successor: Successor) -> Result<Waste, (String, Waste)> {
        let former = self
            .engine
            .give_way(successor)
            .map_err(|Refused { why, successor }| -> (String, Waste) { (why.to_string(), successor) })?;
        let answer = self.engine.handle_command(self.now, Command::Subscribe(self.subscription));
        debug_assert!(answer.is_ok(), "{answer:?}");
        Ok(Box::new(former))
    }

    fn page(&mut self, listing: Listing, after: Option<Place>, tell: &mut dyn FnMut(&Reply)) -> Option<Place> {
        let from = after.map_or(0, |last| last + 1);
        match listing.topic {
            Topic::Connections => tracking::connections(self.engine, self.now, from, listing.forgets_counted, tell),
            Topic::Expectations => tracking::expectations(self.engine, self.now, from, tell),
            Topic::Log => None,
            Topic::Sockets => sockets::page(self.engine, self.now, from, tell),
        }
    }

    fn save_rules(&mut self, family: Family, counters: bool) -> Writing {
        let rules = self.engine.rules().of(family).counted();
        Box::new(move || rules.save(counters).into_bytes())
    }

    fn list_rules(&mut self, family: Family, table: TableName, options: ListOptions) -> Writing {
        let rules = self.engine.rules().of(family).counted();
        Box::new(move || rules.list(table, options).into_bytes())
    }

    fn show_sets(&mut self, name: Option<&str>, how: SetListing) -> Writing {
        let (sets, now, name) = (self.engine.sets().clone(), self.now, name.map(str::to_owned));
        let uses = sets::uses([Family::Ipv4, Family::Ipv6].map(|family| self.engine.rules().of(family)));
        Box::new(move || {
            let uses = |set: &str| uses.get(set).copied().unwrap_or_default();
            sets.show(now, name.as_deref(), how, &uses).unwrap_or_default().into_bytes()
        })
    }

    fn recent(&mut self, name: Option<&str>) -> Result<String, String> {
        let lists = &self.engine.lists().recent;
        match name {
            Some(name) => lists
                .find(name)
                .map(Recent::show)
                .ok_or_else(|| format!("no rule has a list '{name}' of what is recent")),
            None => Ok(lists.iter().flat_map(|(name, _)| [name, "\n"]).collect()),
        }
    }

    fn names(&mut self) -> Names {
        let helpers = self.engine.helpers().known();
        let sets = self.engine.sets().known().collect();
        let standing = [Family::Ipv4, Family::Ipv6].map(|family| self.engine.rules().of(family).standing());
        Names { helpers, sets, timeouts: self.engine.conntrack().timeout_policies().clone(), standing }
    }

    fn tunables(&mut self) -> String {
        sysctl::list(self.engine.sysctls(), self.engine.devices())
    }

    fn set_tunable(&mut self, name: &str, values: &[u32]) -> Result<(), String> {
        self.command(Command::SetSysctls(name.to_owned(), values.to_vec()))
    }

    fn features(&mut self, device: &str) -> Result<String, String> {
        let id = self.device(device)?;
        let (features, kind) = self.features_of(id);
        Ok(format!("Features for {device}:\n{}", FeatureList::of(features, kind)))
    }

    fn hardware(&mut self, facts: Facts, device: &str) -> Result<String, String> {
        let id = self.device(device)?;
        let found = self.napi.hardware(id);
        let (slots, counters) = found.ok_or_else(|| format!("{device} has no rings of its own"))?;
        hardware::text(facts, device, slots, &counters)
    }

    fn bonds(&mut self, name: Option<&str>) -> Result<String, String> {
        bonds::text(self.engine.devices(), name)
    }

    fn destinations(&mut self, network: Option<(IpAddr, u8)>) -> String {
        destinations::text(self.engine, self.now, network)
    }

    fn forget_destinations(&mut self, network: Option<(IpAddr, u8)>) -> u64 {
        destinations::forget(self.engine, self.now, network)
    }

    fn set_features(&mut self, device: &str, features: &[(String, bool)]) -> Result<Switched, String> {
        let id = self.device(device)?;
        let known = |(name, on): &(String, bool)| match Feature::by_name(name) {
            Some(feature) if feature.is_of_driver() => {
                Err(format!("{name} is how a driver is made: nobody may ask for it"))
            }
            Some(feature) => Ok((feature, *on)),
            None => {
                Err(format!("{device} has no feature '{name}'; `towpath ethtool -k {device}` lists those that it has"))
            }
        };
        let features = features.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        let (before, kind) = self.features_of(id);
        // Of what is asked for twice, on counts, as in what ethtool asks the kernel.
        for on in [false, true] {
            let can = features.iter().filter(|(feature, asked)| *asked == on && feature.is_for(kind));
            can.map(|(feature, _)| *feature)
                .try_for_each(|feature| self.command(Command::SetFeature(id, feature, on)))?;
        }
        let outcome = FeatureOutcome::of(before, self.features_of(id).0, &features);
        Ok(Switched { text: outcome.to_string(), is_refused: outcome.is_refused() })
    }

    fn helpers(&mut self) -> Vec<Loaded> {
        let mut expected = BTreeMap::<HelperId, u64>::new();
        for waiting in self.engine.conntrack().expectations().iter() {
            *expected.entry(waiting.helper).or_default() += 1;
        }
        let of = |id| expected.get(&id).copied().unwrap_or_default();
        let helpers = self.engine.helpers();
        helpers.iter().map(|helper| Loaded::of(&helper, of(helper.id), helpers.barred(helper.id, self.now))).collect()
    }

    fn is_shipped(&mut self, helper: &NewHelper, component: &[u8]) -> Result<bool, String> {
        let Some(name) = shipped::name_of(component) else { return Ok(false) };
        self.by_ports(helper, name).map(|_| true)
    }

    fn maker(&mut self, name: &str) -> Reading<Made> {
        self.workshop.maker(name)
    }

    fn load_helper(&mut self, helper: &NewHelper, made: Plugin) -> Result<Loaded, String> {
        let name = made.manifest().name.clone();
        let by_ports = self.by_ports(helper, &name)?;
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
        // One that was just loaded has failed for nobody.
        loaded
            .map(|loaded| Loaded::of(&loaded, self.expected_by(loaded.id), 0))
            .ok_or_else(|| format!("{name} is gone"))
    }

    fn unload_helper(&mut self, name: &str) -> Result<u64, String> {
        let id = self.engine.helpers().by_name(name).ok_or_else(|| format!("no helper '{name}' is loaded"))?;
        let expected = self.expected_by(id);
        self.command(Command::UnloadHelper(id))?;
        Ok(expected)
    }

    fn replace_rules(&mut self, rules: RuleSet) -> Waste {
        Box::new(self.engine.replace_rules(self.now, rules))
    }

    fn zero_rules(&mut self, family: Family, table: Option<TableName>) {
        let answer = self.engine.handle_command(self.now, Command::ZeroRules(family, table));
        debug_assert!(answer.is_ok(), "{answer:?}");
    }
}

impl<R> View<'_, R> {
    /// Whether a helper of that name is attached by ports when it is loaded.
    ///
    /// # Errors
    /// When it cannot replace one, or does not say that it does.
    fn by_ports(&self, helper: &NewHelper, name: &str) -> Result<bool, String> {
        let former = self.engine.helpers().iter().find(|former| former.manifest.name == name);
        match (helper.replaces, former) {
            (true, Some(former)) => Ok(!former.manifest.attach.is_empty()),
            (false, None) => Ok(helper.by_ports),
            (true, None) => Err(format!("{}: no helper '{name}' is loaded that it could replace", helper.name)),
            (false, Some(_)) => {
                Err(format!("{}: a helper '{name}' is loaded already; reload replaces it", helper.name))
            }
        }
    }

    /// The device of that name.
    fn device(&self, name: &str) -> Result<DeviceId, String> {
        let found = self.engine.devices().by_name(name).filter(|id| *id != DeviceId::LOOPBACK);
        found.ok_or_else(|| format!("there is no device '{name}'"))
    }

    /// What a device does, and what it is.
    fn features_of(&self, id: DeviceId) -> (Features, Kind) {
        self.engine.devices().find(id).map(|device| (device.features, device.kind)).unwrap_or_default()
    }

    fn command(&mut self, command: Command) -> Result<(), String> {
        self.engine.handle_command(self.now, command).map(drop).map_err(|error| error.to_string())
    }

    /// How many connections a helper expects.
    fn expected_by(&self, helper: HelperId) -> u64 {
        self.engine.conntrack().expectations().iter().filter(|waiting| waiting.helper == helper).count() as u64
    }

    fn forget_connections(&mut self, condemned: &Condemned, from: Place) -> Forgotten<Place> {
        let Ok(from) = u32::try_from(from) else { return (0, None) };
        match self.engine.handle_command(self.now, Command::ForgetPart(from, condemned.clone())) {
            Ok(EngineReply::ForgottenPart(count, next)) => (count as u64, next.map(|next| u64::from(next) - 1)),
            other => unreachable!("{other:?}"),
        }
    }

    fn forget_expectations(&mut self, condemned: &Condemned, from: Place) -> Forgotten<Place> {
        let waiting = self.engine.conntrack().expectations().from(ExpectationId(from)).map(|waiting| waiting.id);
        let mut page: Vec<ExpectationId> = waiting.take(CONTROL_PAGE_PLACES as usize + 1).collect();
        let has_more = page.len() > CONTROL_PAGE_PLACES as usize;
        page.truncate(CONTROL_PAGE_PLACES as usize);
        let last = page.last().filter(|_| has_more).map(|last| last.0);
        let named = page.into_iter().filter(|id| condemned.holds(id.0)).collect();
        match self.engine.handle_command(self.now, Command::ForgetExpectations(Some(named))) {
            Ok(EngineReply::Forgotten(count)) => (count as u64, last),
            other => unreachable!("{other:?}"),
        }
    }
}

pub(super) fn device_name(engine: &Engine, device: DeviceId) -> String {
    engine.devices().find(device).map_or_else(|| device.0.to_string(), |device| device.name.clone())
}
