//! From text to [`Switch`], and whether switches can be linked as they are.

use core::time::Duration;

use super::lapse;
use crate::{
    config::{DeviceName, Fault, Mistake, Table, Value},
    lab::{
        scenario::{Link, Scenario, Switch},
        topology::numbers,
    },
    limits::LAB_STATIONS_MAX,
};

pub(super) const SWITCH: &[&str] = &["name", "ageing", "stations", "group"];

/// A switch; its groups are read when links have been.
pub(super) fn switch(table: Table<'_>, scenario: &Scenario) -> Result<Switch, Fault> {
    let name_value = table.need("name")?;
    let DeviceName(name) = name_value.word()?;
    let hosts = scenario.hosts.iter().map(|host| &host.name);
    if hosts.chain(scenario.switches.iter().map(|switch| &switch.name)).any(|known| *known == name) {
        return Err(name_value.fault(Mistake::Twice { what: "[[host]] or [[switch]]", name }));
    }
    let stations = table.find("stations").map_or(Ok(LAB_STATIONS_MAX), |value| value.number(1..=LAB_STATIONS_MAX))?;
    Ok(Switch {
        name,
        ageing: table.find("ageing").map_or(Ok(AGEING), lapse)?,
        stations_max: stations as usize,
        groups: Vec::new(),
    })
}

/// Whether links make a ring of switches, do not carry the same packets everywhere in a network, or lead a host into one twice. `values` are the links' tables.
pub(super) fn check_links(values: &[Value<'_>], scenario: &Scenario) -> Result<(), Fault> {
    let hosts = scenario.hosts.len();
    let mut trees: Vec<usize> = (0..hosts + scenario.switches.len()).collect();
    let mut joined: Vec<[(usize, Option<usize>); 2]> = Vec::new();
    let numbers = numbers(scenario);
    for (link, (plan, value)) in scenario.links.iter().zip(values).enumerate() {
        if numbers[link] != link && scenario.links[numbers[link]].mtu_bytes != plan.mtu_bytes {
            return Err(value.expected("a link with the same 'mtu' as the others that meet at its switches and bonds"));
        }
        if plan.ends.iter().any(|node| is_there_before(scenario, &numbers, *node, link)) {
            return Err(value.expected(
                "one by which a host is in no network that it is in by another one: all of them are ports of a bond",
            ));
        }
        if plan.ends.iter().any(|end| *end < hosts) {
            continue;
        }
        let ends = ends_of(scenario, link, plan);
        let [first, second] = plan.ends.map(|end| trees[end]);
        if first != second {
            trees.iter_mut().filter(|tree| **tree == second).for_each(|tree| *tree = first);
            joined.push(ends);
        } else if !joined.contains(&ends) || ends.iter().any(|(_, group)| group.is_none()) {
            return Err(value.expected(NO_RING));
        }
    }
    Ok(())
}

/// Whether a host is in a link's network by one before it already, and not by the same bond.
fn is_there_before(scenario: &Scenario, numbers: &[usize], node: usize, link: usize) -> bool {
    let bond = |link: usize| scenario.hosts[node].bonds.iter().position(|bond| bond.links.contains(&link));
    let is_other =
        |before: usize| numbers[before] == numbers[link] && (bond(link).is_none() || bond(before) != bond(link));
    node < scenario.hosts.len() && scenario.links_of(node).take_while(|before| *before < link).any(is_other)
}

/// The switches at a link's ends, in the order of their numbers, and the groups that it belongs to there.
fn ends_of(scenario: &Scenario, link: usize, plan: &Link) -> [(usize, Option<usize>); 2] {
    let group = |node: usize| scenario.aggregates_of(node).iter().position(|group| group.links.contains(&link));
    let mut ends = plan.ends.map(|node| (node, group(node)));
    ends.sort_unstable();
    ends
}

/// How long a station that says nothing is remembered (IEEE 802.1Q-2022, table 8-6).
const AGEING: Duration = Duration::from_secs(300);
const NO_RING: &str = "one that makes no ring of switches, as they have no spanning tree; several links between two are one group at both";
