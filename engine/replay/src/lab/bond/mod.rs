//! Bonds of hosts and groups of switches: which links they use when, and what their log says.

mod json;
mod table;

pub(super) use self::{json::write_json, table::write_bonds};

use core::time::Duration;

use towpath_engine::{DeviceId, DropReason, Engine, device::bond::Bond};

use super::{
    net::Net,
    scenario::{Aggregate, Scenario},
    watch::Eye,
};
use crate::limits::LAB_BOND_LINES_MAX;

/// What became of a bond of a host, or of a group of a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondReport {
    /// The number of the host, or of the switch behind the hosts.
    pub node: usize,
    /// Its place among the bonds of that one.
    pub place: usize,
    /// Which links it used from when on, by their numbers.
    pub uses: Vec<(Duration, Vec<usize>)>,
    /// The lines of its log, as the kernel writes them.
    pub log: Vec<(Duration, String)>,
    /// Changes and lines that there was no room for.
    pub left_out: u64,
    /// What is known of it in the end, as `/proc/net/bonding` prints it.
    pub text: String,
}

/// What a host has dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropsReport {
    /// The number of the host.
    pub host: usize,
    /// How many packets for which reason.
    pub drops: Vec<(DropReason, u64)>,
}

impl BondReport {
    /// When it began to use the links that it uses at a time, and which.
    #[must_use]
    pub fn used_at(&self, at: Duration) -> Option<&(Duration, Vec<usize>)> {
        self.uses.iter().rev().find(|(from, _)| *from <= at)
    }
}

/// All bonds and groups.
#[derive(Debug)]
pub(super) struct Bonds(Vec<Watched>);

/// A bond that is watched.
#[derive(Debug)]
struct Watched {
    device: DeviceId,
    /// As a watch is told of it: whose it is, and its name.
    name: String,
    /// Its name in lines of the log.
    prefix: String,
    /// The links of the devices of that one, with their names.
    links: Vec<(usize, String)>,
    report: BondReport,
}

impl Bonds {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let nodes = 0..scenario.hosts.len() + scenario.switches.len();
        let of = |node| scenario.aggregates_of(node).iter().enumerate().map(move |(place, plan)| (node, place, plan));
        Self(nodes.flat_map(of).map(|(node, place, plan)| Watched::new(scenario, (node, place), plan)).collect())
    }

    /// An engine's log says something.
    pub(super) fn say(&mut self, node: usize, at: Duration, line: String) {
        let bond = self.0.iter_mut().find(|bond| bond.report.node == node && line.starts_with(&bond.prefix));
        let Some(Watched { report, .. }) = bond else { return };
        if report.log.len() < LAB_BOND_LINES_MAX {
            report.log.push((at, line));
        } else {
            report.left_out += 1;
        }
    }

    /// Looks which links the bonds of an engine use.
    pub(super) fn look(&mut self, node: usize, at: Duration, engine: &Engine, eye: &mut Option<Eye<'_>>) {
        for bond in self.0.iter_mut().filter(|bond| bond.report.node == node) {
            bond.look(at, engine, eye);
        }
    }

    pub(super) fn reports(self) -> Vec<BondReport> {
        self.0.into_iter().map(|bond| bond.report).collect()
    }
}

impl Watched {
    fn new(scenario: &Scenario, (node, place): (usize, usize), plan: &Aggregate) -> Self {
        let named = |link: usize| (link, scenario.links[link].name.clone());
        let links: Vec<(usize, String)> = scenario.links_of(node).map(named).collect();
        let (uses, log, text) = Default::default();
        Self {
            device: DeviceId((links.len() + place) as u16),
            name: format!("{}, {}", scenario.name_of(node), plan.name),
            prefix: format!("{}: ", plan.name),
            links,
            report: BondReport { node, place, uses, log, left_out: 0, text },
        }
    }

    fn look(&mut self, at: Duration, engine: &Engine, eye: &mut Option<Eye<'_>>) {
        let Self { device, name, links, report, .. } = self;
        let devices = engine.devices();
        let Some(bond) = devices.bond(*device) else { return };
        let used = || bond.in_use().filter_map(|port| links.get(usize::from(port.0)));
        let known = report.uses.last().map(|(_, links)| &links[..]);
        if known.is_some_and(|known| used().map(|(link, _)| link).eq(known)) {
            return;
        }
        if let Some(eye) = eye {
            let names: Vec<&str> = used().map(|(_, name)| name.as_str()).collect();
            eye.happens(
                at,
                &format!("{name} uses {}", if names.is_empty() { "nothing".into() } else { names.join(", ") }),
            );
        }
        if report.uses.len() < LAB_BOND_LINES_MAX {
            report.uses.push((at, used().map(|(link, _)| *link).collect()));
        } else {
            report.left_out += 1;
        }
    }

    /// Takes down what is known of it in the end.
    fn end(&mut self, engine: &Engine) {
        let devices = engine.devices();
        self.report.text = devices.bond(self.device).map_or_else(String::new, |bond: &Bond| bond.text(devices));
    }
}

impl Net<'_> {
    /// What became of bonds and groups.
    pub(super) fn bond_reports(&mut self) -> Vec<BondReport> {
        let hosts = self.engines.len();
        for bond in &mut self.bonds.0 {
            let node = bond.report.node;
            let of_host = self.engines.get(node);
            bond.end(of_host.unwrap_or_else(|| &self.switches[node - hosts].control.engine));
        }
        core::mem::replace(&mut self.bonds, Bonds(Vec::new())).reports()
    }

    /// What hosts that have bonds have dropped.
    pub(super) fn drops(&self, scenario: &Scenario) -> Vec<DropsReport> {
        let hosts = self.engines.iter().enumerate().filter(|(host, _)| !scenario.hosts[*host].bonds.is_empty());
        let counted =
            |(host, engine): (usize, &Engine)| DropsReport { host, drops: engine.stats().all_drops().collect() };
        hosts.map(counted).collect()
    }
}

#[cfg(test)]
mod tests;
