//! From text to [`Aggregate`]: bonds of hosts, and groups of switches.

use towpath_engine::device::bond::{Mode, Options};

use crate::{
    config::{BOND, BOND_LATER, DeviceName, Fault, Mistake, Table, Value, bond_options},
    lab::scenario::{Aggregate, Scenario},
    limits::LAB_BONDS_MAX,
};

/// The bonds of a host, or the groups of a switch: what its table has under `key`.
pub(super) fn aggregates(
    table: Table<'_>,
    key: &'static str,
    node: usize,
    scenario: &Scenario,
) -> Result<Vec<Aggregate>, Fault> {
    let values = table.list(key)?;
    if let Some(over) = values.get(LAB_BONDS_MAX) {
        return Err(over.fault(Mistake::TooMany { what: key, max: LAB_BONDS_MAX }));
    }
    let mut known: Vec<Aggregate> = Vec::new();
    for value in values {
        let is_of_host = node < scenario.hosts.len();
        let table = value.table(if is_of_host { "[[host.bond]]" } else { "[[switch.group]]" }, BOND, BOND_LATER)?;
        let aggregate = aggregate(table, node, scenario, &known)?;
        if !is_of_host {
            check_group(table, &aggregate.options)?;
        }
        known.push(aggregate);
    }
    Ok(known)
}

fn aggregate(table: Table<'_>, node: usize, scenario: &Scenario, known: &[Aggregate]) -> Result<Aggregate, Fault> {
    // What a lab gives itself.
    for key in ["addresses", "mac", "mtu", "arp", "networks"] {
        if let Some(value) = table.find(key) {
            return Err(value.expected("left out in a scenario"));
        }
    }
    let name_value = table.need("name")?;
    let DeviceName(name) = name_value.word()?;
    let is_taken = |name: &str| {
        known.iter().any(|known| known.name == name) || scenario.links.iter().any(|link| link.name == name)
    };
    if is_taken(&name) || name == "lo" || name.starts_with("link") {
        return Err(
            name_value.expected("a name that no other bond or group here and no [[link]] has, nor \"lo\" or \"link…\"")
        );
    }
    let links = links(table.need("ports")?, node, scenario, known)?;
    let device = |value: Value<'_>| {
        let link = link_of(value, scenario)?;
        scenario.device_of(node, link).ok_or_else(|| value.expected(PORTS))
    };
    let options = bond_options(table, &device)?;
    let ports: Vec<_> = links.iter().filter_map(|link| scenario.device_of(node, *link)).collect();
    match options.check(&ports) {
        Ok(()) => Ok(Aggregate { name, links, options }),
        Err(error) => Err(table.fault(Mistake::Bond(error))),
    }
}

fn links(value: Value<'_>, node: usize, scenario: &Scenario, known: &[Aggregate]) -> Result<Vec<usize>, Fault> {
    let mut links = Vec::new();
    for value in value.list()? {
        let link = link_of(value, scenario)?;
        let is_taken = links.contains(&link) || known.iter().any(|known| known.links.contains(&link));
        if is_taken || !scenario.links[link].ends.contains(&node) {
            return Err(value.expected(PORTS));
        }
        links.push(link);
    }
    match (1..=towpath_engine::limits::BOND_PORTS_MAX).contains(&links.len()) {
        true => Ok(links),
        false => Err(value.expected(PORTS)),
    }
}

/// The number of a link that is named.
pub(super) fn link_of(value: Value<'_>, scenario: &Scenario) -> Result<usize, Fault> {
    let name = value.text()?;
    let link = scenario.links.iter().position(|link| link.name == name);
    link.ok_or_else(|| value.fault(Mistake::NoSuch { what: "[[link]]", name: name.to_owned() }))
}

/// What a switch can do: LACP, or a group that is one without a word.
fn check_group(table: Table<'_>, options: &Options) -> Result<(), Fault> {
    let mode = table.need("mode")?;
    if !matches!(options.mode, Mode::Ieee8023ad | Mode::Xor) {
        return Err(mode.expected("\"802.3ad\" or \"balance-xor\", for one without LACP"));
    }
    match table.find("arp_interval").filter(|_| options.arp_interval_ms > 0) {
        Some(interval) => Err(interval.expected("left out of a switch's group: it has no addresses")),
        None => Ok(()),
    }
}

const PORTS: &str = "a list of 1 to 32 [[link]]s that end here, each in one bond or group only";
