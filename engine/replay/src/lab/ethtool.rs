//! What ethtool(8) would show of a host's NICs.

use core::fmt::Write;

use towpath_engine::device::{
    FeatureList, Kind, ethtool,
    napi::{NicOptions, QueueCounters},
};

use super::{Host, Report, Scenario};

/// What `ethtool -g`, `-c`, `-l`, `-S` and `-k` show of each NIC of a host when a run is over, by the names of its links; `None`: it has no
/// `hardware`.
#[must_use]
pub fn ethtool(scenario: &Scenario, report: &Report, host: usize) -> Option<String> {
    let plan = scenario.hosts.get(host)?;
    let nic = plan.hardware.as_ref()?.nics.first()?;
    let found = report.hardware.iter().find(|found| found.host == host)?;
    let features = FeatureList::of(Host::features_of(&plan.features), Kind::Physical);
    let mut out = String::new();
    for (place, link) in scenario.links_of(host).enumerate() {
        let name = &scenario.links[link].name;
        let queues: Vec<QueueCounters> =
            found.queues.iter().filter(|queue| queue.link == link).map(|queue| queue.counters).collect();
        let (rx_ring, tx_ring) = found.rings.get(place).copied().unwrap_or((nic.rx_ring, nic.tx_ring));
        let nic = NicOptions { rx_ring, tx_ring, ..nic.clone() };
        // Writing to a text does not fail.
        _ = write!(out, "{}Features for {name}:\n{features}\n", ethtool::nic(name, &nic, &queues));
    }
    Some(out)
}
