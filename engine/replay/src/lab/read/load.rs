//! From text to [`Load`]: datagrams at constant rates.

use core::time::Duration;

use super::{host_of, lapse};
use crate::{
    config::{Fault, Mistake, Table, Value},
    lab::{
        load::{FRAME_BYTES_MIN, Load},
        scenario::Scenario,
        topology::Topology,
    },
    limits::{LAB_ALL_PACKETS_MAX, LAB_LOAD_PACKETS_MAX, LAB_RATES_MAX},
};

pub(super) fn load(value: Value<'_>, scenario: &Scenario) -> Result<Load, Fault> {
    let table = value.table("[[load]]", LOAD, &[])?;
    let (from_value, to_value) = (table.need("from")?, table.need("to")?);
    let (from, to) = (host_of(from_value, scenario)?, host_of(to_value, scenario)?);
    if from == to {
        return Err(to_value.expected("another host than 'from'"));
    }
    if scenario.hosts[to].hardware.is_none() {
        return Err(to_value.expected("a host with 'hardware'"));
    }
    let number = scenario.loads.len() + 1;
    let name =
        table.find("name").map_or_else(|| Ok(format!("load {number}")), |value| value.text().map(str::to_owned))?;
    if scenario.loads.iter().any(|known| known.name == name) {
        return Err(value.fault(Mistake::Twice { what: "[[load]]", name }));
    }
    let rates_value = table.need("rates")?;
    let rates =
        rates_value.list()?.into_iter().map(|rate| rate.number(1..=100_000_000)).collect::<Result<Vec<_>, _>>()?;
    if !(1..=LAB_RATES_MAX).contains(&rates.len()) {
        return Err(rates_value.expected("a list of 1 to 100 rates"));
    }
    let packets = table.find("packets").map_or(Ok(PACKETS), |value| value.number(1..=LAB_LOAD_PACKETS_MAX))?;
    let others: u64 = scenario.loads.iter().map(|load| load.packets * load.rates.len() as u64).sum();
    if others + packets * rates.len() as u64 > LAB_ALL_PACKETS_MAX {
        return Err(rates_value.expected("so few, and 'packets' too, that all loads have 20000000 packets at most"));
    }
    let frame_bytes = frame_bytes(&table, scenario, (from, to))?;
    let least = |key, default, range| table.find(key).map_or(Ok(default), |value| value.number(range));
    Ok(Load {
        name,
        ends: [from, to],
        rates,
        packets,
        frame_bytes,
        flows: least("flows", 1, 1..=10_000)? as u16,
        at: table.find("at").map_or(Ok(Duration::ZERO), lapse)?,
        pause: table.find("pause").map_or(Ok(Duration::from_millis(10)), lapse)?,
    })
}

/// How long its frames are: no longer than the links of the first network on its way take them, and there is a way.
fn frame_bytes(table: &Table<'_>, scenario: &Scenario, (from, to): (usize, usize)) -> Result<usize, Fault> {
    let topology = Topology::new(scenario);
    let Some(step) = topology.first_steps(from)[to] else {
        return Err(table.need("to")?.expected("a host to which links lead from 'from'"));
    };
    let first = &scenario.links[topology.interfaces[from][step.interface].network];
    let most = u64::from(first.mtu_bytes) + ETHERNET_BYTES;
    Ok(table.find("frame").map_or(Ok(FRAME_BYTES), |value| value.number(FRAME_BYTES_MIN..=most))? as usize)
}

/// An Ethernet header.
const ETHERNET_BYTES: u64 = 14;
/// The least that Ethernet has.
const FRAME_BYTES: u64 = 60;
/// Packets at a rate, where nothing is said of them.
const PACKETS: u64 = 5000;
const LOAD: &[&str] = &["name", "from", "to", "rates", "packets", "frame", "flows", "at", "pause"];
