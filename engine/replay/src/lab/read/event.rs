//! From text to [`Change`]: what is another from a time on.

use core::time::Duration;

use towpath_engine::device::napi::NicOptions;

use super::{EVENT, aggregate::link_of, host_of, lapse, way::way};
use crate::{
    config::{Fault, Mistake, Table, Value},
    lab::scenario::{Change, Changed, Scenario, Way},
};

/// How all is that events change, by the time of the last one that was read.
pub(super) struct Present {
    last: Duration,
    ways: Vec<[Way; 2]>,
    /// The sizes of hosts' rings.
    rings: Vec<Option<(u16, u16)>>,
}

impl Present {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let sizes = |nic: &NicOptions| (nic.rx_ring, nic.tx_ring);
        let rings = scenario.hosts.iter().map(|host| host.hardware.as_ref()?.nics.first().map(sizes));
        Self {
            last: Duration::ZERO,
            ways: scenario.links.iter().map(|link| link.ways.clone()).collect(),
            rings: rings.collect(),
        }
    }

    /// Reads the next one.
    pub(super) fn change(&mut self, value: Value<'_>, scenario: &Scenario) -> Result<Change, Fault> {
        let table = value.table("[[event]]", EVENT, &[])?;
        let at_value = table.need("at")?;
        let at = lapse(at_value)?;
        if at < self.last {
            return Err(at_value.expected("no earlier than that of the [[event]] before"));
        }
        self.last = at;
        let what = match table.find("host") {
            Some(host) => self.rings(&table, host, scenario)?,
            None => self.link(&table, scenario)?,
        };
        Ok(Change { at, what })
    }

    fn link(&mut self, table: &Table<'_>, scenario: &Scenario) -> Result<Changed, Fault> {
        if let Some(rings) = table.find("rings") {
            return Err(rings.fault(Mistake::Missing { key: "host", table: table.name }));
        }
        let link = link_of(table.need("link")?, scenario)?;
        let concerned = match table.find("direction") {
            None => [true, true],
            Some(direction) => match direction.text()? {
                "both" => [true, true],
                "there" => [true, false],
                "back" => [false, true],
                _ => return Err(direction.expected("\"there\", \"back\" or \"both\"")),
            },
        };
        let mut ways = [None, None];
        for (at, _) in concerned.into_iter().enumerate().filter(|(_, is_concerned)| *is_concerned) {
            way(table, &mut self.ways[link][at])?;
            ways[at] = Some(self.ways[link][at].clone());
        }
        Ok(Changed::Link { link, ways })
    }

    fn rings(&mut self, table: &Table<'_>, host_value: Value<'_>, scenario: &Scenario) -> Result<Changed, Fault> {
        if let Some(other) = EVENT.iter().filter(|key| !RINGS_EVENT.contains(key)).find_map(|key| table.find(key)) {
            return Err(other.fault(Mistake::Beside { key: other.key, other: "host" }));
        }
        let host = host_of(host_value, scenario)?;
        let Some(((rx, tx), options)) = self.rings[host].as_mut().zip(scenario.hosts[host].hardware.as_ref()) else {
            return Err(host_value.expected("a host with 'hardware'"));
        };
        let value = table.need("rings")?;
        let sizes = value.table("'rings'", RINGS, &[])?;
        for (key, size) in [("rx", &mut *rx), ("tx", &mut *tx)] {
            if let Some(value) = sizes.find(key) {
                *size = value.number(0..=u16::MAX.into())? as u16;
            }
        }
        let mut options = options.clone();
        options.nics.iter_mut().for_each(|nic| (nic.rx_ring, nic.tx_ring) = (*rx, *tx));
        options.check().map_err(|error| value.fault(Mistake::Hardware(error)))?;
        Ok(Changed::Rings { host, rx: *rx, tx: *tx })
    }
}

const RINGS_EVENT: &[&str] = &["at", "host", "rings"];
const RINGS: &[&str] = &["rx", "tx"];
