//! From text to [`Scenario`].

mod aggregate;
mod conversation;
mod event;
mod hardware;
mod load;
mod switch;
mod way;

use core::time::Duration;

use towpath_engine::{
    device::Feature,
    sysctl::{SysctlError, Sysctls, ValueForm},
};

use self::{
    aggregate::aggregates,
    conversation::conversation,
    event::Present,
    hardware::hardware,
    load::load,
    switch::{SWITCH, check_links, switch},
    way::{LINK_WAY, way},
};
use super::{
    sampling::SAMPLE_MIN,
    scenario::{Host, Link, Loss, Scenario, Way},
    words::Lapse,
};
use crate::{
    config::{DeviceName, Fault, METRICS, Mistake, Table, Value, document, features, metrics, word_of},
    limits::{
        LAB_CONNECTIONS_MAX, LAB_EVENTS_MAX, LAB_HOSTS_MAX, LAB_LINKS_MAX, LAB_LOADS_MAX, LAB_POINTS_MAX,
        LAB_SWITCHES_MAX,
    },
};

pub(super) fn read(file: &str, text: &str) -> Result<Scenario, Fault> {
    let document = document(text)?;
    let top = Table::open("the scenario", 0, document.get_ref(), TOP, &[])?;
    let until = lapse(top.need("until")?)?;
    let mut scenario = Scenario {
        file: file.to_owned(),
        title: top.find("title").map_or(Ok(""), Value::text)?.to_owned(),
        seed: top.find("seed").map_or(Ok(1), |value| value.number(0..=u64::MAX))?,
        until,
        sample: top.find("sample").map(lapse).transpose()?,
        measure: top.find("measure").map(span).transpose()?,
        hosts: Vec::new(),
        switches: Vec::new(),
        links: Vec::new(),
        connections: Vec::new(),
        loads: Vec::new(),
        events: Vec::new(),
    };
    if let Some(sample) = top.find("sample").filter(|_| scenario.sample.is_some_and(|sample| sample < SAMPLE_MIN)) {
        return Err(sample.expected("a time of at least 10us"));
    }
    if let (Some((_, to)), Some(measure)) = (scenario.measure, top.find("measure"))
        && let Some(end) = measure.list()?.get(1).filter(|_| to > until)
    {
        return Err(end.expected("no later than 'until'"));
    }
    nodes_and_links(top, &mut scenario)?;
    for value in at_most(top, "load", LAB_LOADS_MAX)? {
        let load = load(value, &scenario)?;
        scenario.loads.push(load);
    }
    // Without a load, a scenario without connections is none.
    if scenario.loads.is_empty() {
        top.need("connection")?;
    }
    for value in at_most(top, "connection", LAB_CONNECTIONS_MAX)? {
        let conversation = conversation(value, &scenario)?;
        scenario.connections.push(conversation);
    }
    if let Some(sample) = top.find("sample") {
        bounded_points(sample, &scenario)?;
    }
    let mut present = Present::of(&scenario);
    let events = top.list("event")?;
    if let Some(over) = events.get(LAB_EVENTS_MAX) {
        return Err(over.fault(Mistake::TooMany { what: "[[event]]", max: LAB_EVENTS_MAX }));
    }
    for value in events {
        let change = present.change(value, &scenario)?;
        scenario.events.push(change);
    }
    Ok(scenario)
}

/// Reads hosts, switches and links, and then what of the first two names links.
fn nodes_and_links(top: Table<'_>, scenario: &mut Scenario) -> Result<(), Fault> {
    let hosts = bounded(top, "host", LAB_HOSTS_MAX)?;
    for value in &hosts {
        let host = host(value.table("[[host]]", HOST, &[])?, scenario)?;
        scenario.hosts.push(host);
    }
    let switches = at_most(top, "switch", LAB_SWITCHES_MAX)?;
    for value in &switches {
        let switch = switch(value.table("[[switch]]", SWITCH, &[])?, scenario)?;
        scenario.switches.push(switch);
    }
    let links = bounded(top, "link", LAB_LINKS_MAX)?;
    for value in &links {
        let link = link(*value, scenario)?;
        scenario.links.push(link);
    }
    for (host, value) in hosts.iter().enumerate() {
        scenario.hosts[host].bonds = aggregates(value.table("[[host]]", HOST, &[])?, "bond", host, scenario)?;
    }
    for (switch, value) in switches.iter().enumerate() {
        let table = value.table("[[switch]]", SWITCH, &[])?;
        scenario.switches[switch].groups = aggregates(table, "group", hosts.len() + switch, scenario)?;
    }
    check_links(&links, scenario)
}

fn bounded<'t>(top: Table<'t>, key: &'static str, max: usize) -> Result<Vec<Value<'t>>, Fault> {
    top.need(key)?;
    at_most(top, key, max)
}

fn at_most<'t>(top: Table<'t>, key: &'static str, max: usize) -> Result<Vec<Value<'t>>, Fault> {
    let values = top.list(key)?;
    match values.get(max) {
        Some(over) => Err(over.fault(Mistake::TooMany { what: key, max })),
        None => Ok(values),
    }
}

/// What is taken down at each sample, and how often, has a bound together.
fn bounded_points(sample: Value<'_>, scenario: &Scenario) -> Result<(), Fault> {
    let series = 2 * (scenario.connections.len() + scenario.links.len()).max(1) as u64;
    let samples = LAB_POINTS_MAX / series;
    // One at the beginning, one at the end.
    let least = scenario.until.as_nanos().div_ceil(u128::from(samples) - 2);
    if scenario.sample.is_none_or(|sample| sample.as_nanos() >= least) {
        return Ok(());
    }
    let least = Duration::from_nanos(least as u64);
    Err(sample.fault(Mistake::TooOften { key: sample.key, least, series, found: sample.shown() }))
}

/// A time, which may be zero.
pub(super) fn lapse(value: Value<'_>) -> Result<Duration, Fault> {
    value.word().map(|Lapse(lapse)| lapse)
}

/// A list of two times, the earlier one first.
pub(super) fn span(value: Value<'_>) -> Result<(Duration, Duration), Fault> {
    let times = value.list()?.into_iter().map(lapse).collect::<Result<Vec<_>, _>>()?;
    match times[..] {
        [from, until] if from < until => Ok((from, until)),
        _ => Err(value.expected("a list of two times, the earlier one first")),
    }
}

fn host(table: Table<'_>, scenario: &Scenario) -> Result<Host, Fault> {
    let name_value = table.need("name")?;
    let DeviceName(name) = name_value.word()?;
    if scenario.hosts.iter().any(|known| known.name == name) {
        return Err(name_value.fault(Mistake::Twice { what: "[[host]]", name }));
    }
    let mut sysctls = Vec::new();
    if let Some(value) = table.find("sysctl") {
        value.leaves("", &mut |name, value| {
            sysctls.push(sysctl(name, value)?);
            Ok(())
        })?;
    }
    let mut features = table.find("features").map_or(Ok(Vec::new()), features)?;
    let route = table.find("route").map(|route| metrics(route.table("[host.route]", METRICS, &[])?)).transpose()?;
    // Who has work done by its device gives it frames in pieces, unless told otherwise.
    let has = |features: &[(Feature, bool)], feature| Host::features_of(features).has(feature);
    if !features.iter().any(|(feature, _)| Feature::SCATTER_GATHER.covers(*feature)) {
        let sums = has(&features, Feature::CHECKSUMMING);
        features.push((Feature::SCATTER_GATHER, sums));
    }
    let gathers = has(&features, Feature::SCATTER_GATHER);
    let hardware = table.find("hardware").map(|value| hardware(value, gathers)).transpose()?;
    Ok(Host { name, sysctls, features, hardware, bonds: Vec::new(), metrics: route.unwrap_or_default() })
}

/// A tunable and its values.
fn sysctl(name: String, value: Value<'_>) -> Result<(String, Vec<u32>), Fault> {
    let mut values = Vec::new();
    match ValueForm::of(&name) {
        ValueForm::Numbers | ValueForm::Keys => {
            for each in value.list()? {
                values.push(each.number(0..=u32::MAX.into())? as u32);
            }
        }
        form @ (ValueForm::Algorithm | ValueForm::Algorithms) => values.push(word_of(&name, form, value)?),
    }
    match Sysctls::default().set_list(&name, &values) {
        Ok(()) => Ok((name, values)),
        Err(SysctlError::ReadOnly) => Err(value.fault(Mistake::ReadOnlySysctl(name))),
        Err(SysctlError::Unknown) => Err(value.fault(Mistake::NoSysctl(name))),
        Err(SysctlError::OutOfRange { min, max }) => {
            let found = value.shown();
            Err(value.fault(Mistake::Range { key: name, min: min.into(), max: max.into(), found }))
        }
    }
}

/// The number of a host that is named.
pub(super) fn host_of(value: Value<'_>, scenario: &Scenario) -> Result<usize, Fault> {
    let name = value.text()?;
    let known = scenario.hosts.iter().position(|host| host.name == name);
    known.ok_or_else(|| value.fault(Mistake::NoSuch { what: "[[host]]", name: name.to_owned() }))
}

/// The number of a host or switch that is named.
fn node_of(value: Value<'_>, scenario: &Scenario) -> Result<usize, Fault> {
    let name = value.text()?;
    let switch = scenario.switches.iter().position(|switch| switch.name == name);
    match switch {
        Some(switch) => Ok(scenario.hosts.len() + switch),
        None => host_of(value, scenario),
    }
}

fn link(value: Value<'_>, scenario: &Scenario) -> Result<Link, Fault> {
    let table = value.table("[[link]]", LINK, &[])?;
    let between = table.need("between")?;
    let ends = between.list()?.into_iter().map(|end| node_of(end, scenario)).collect::<Result<Vec<_>, _>>()?;
    let &[first, second] = &ends[..] else {
        return Err(between.expected("a list of the names of two hosts or switches"));
    };
    if first == second {
        return Err(between.expected("a list of the names of two hosts or switches"));
    }
    let name = match table.find("name") {
        Some(value) => value.text()?.to_owned(),
        None => format!("{}-{}", scenario.name_of(first), scenario.name_of(second)),
    };
    if scenario.links.iter().any(|known| known.name == name) {
        return Err(value.fault(Mistake::Twice { what: "[[link]]", name }));
    }
    let mut there = Way::default();
    way(&table, &mut there)?;
    let mut back = there.clone();
    // Frames that are named, or counted, are those of one direction.
    back.loss = Loss::None;
    if matches!(there.loss, Loss::Random(_) | Loss::Burst { .. }) {
        back.loss = there.loss.clone();
    }
    if let Some(other) = table.find("back") {
        way(&other.table("[link.back]", LINK_WAY, &[])?, &mut back)?;
    }
    let mtu = table.find("mtu").map_or(Ok(1500), |value| value.number(576..=9000))?;
    Ok(Link { name, ends: [first, second], mtu_bytes: mtu as u32, ways: [there, back] })
}

const TOP: &[&str] =
    &["title", "seed", "until", "sample", "measure", "host", "switch", "link", "connection", "load", "event"];
const HOST: &[&str] = &["name", "sysctl", "features", "hardware", "bond", "route"];
const LINK: &[&str] = &[
    "name",
    "between",
    "mtu",
    "back",
    "up",
    "silent",
    "rate",
    "delay",
    "jitter",
    "loss",
    "duplicate",
    "reorder",
    "queue",
];
const EVENT: &[&str] = &[
    "at",
    "host",
    "rings",
    "link",
    "direction",
    "up",
    "silent",
    "rate",
    "delay",
    "jitter",
    "loss",
    "duplicate",
    "reorder",
    "queue",
];
