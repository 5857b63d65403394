//! From text to [`Load`]: datagrams at constant rates.

use core::time::Duration;

use super::{host_of, lapse};
use crate::{
    config::{Fault, Mistake, Value},
    lab::{
        load::{FRAME_BYTES_MIN, Load},
        scenario::Scenario,
    },
    limits::{LAB_LOAD_PACKETS_MAX, LAB_RATES_MAX},
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
    let least = |key, default, range| table.find(key).map_or(Ok(default), |value| value.number(range));
    Ok(Load {
        name,
        ends: [from, to],
        rates,
        packets: least("packets", 5000, 1..=LAB_LOAD_PACKETS_MAX)?,
        frame_bytes: least("frame", 60, FRAME_BYTES_MIN..=1514)? as usize,
        flows: least("flows", 1, 1..=10_000)? as u16,
        at: table.find("at").map_or(Ok(Duration::ZERO), lapse)?,
        pause: table.find("pause").map_or(Ok(Duration::from_millis(10)), lapse)?,
    })
}

const LOAD: &[&str] = &["name", "from", "to", "rates", "packets", "frame", "flows", "at", "pause"];
