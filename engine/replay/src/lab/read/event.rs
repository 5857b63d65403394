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
        let mut ways = Box::new([None, None]);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: &str) -> Result<Vec<Changed>, String> {
        let text = format!(
            "until = \"1s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\nhardware = {{}}\n[[link]]\nbetween = [\"a\", \"b\"]\n[[load]]\nfrom = \"a\"\nto = \"b\"\nrates = [1]\n{events}"
        );
        let scenario = Scenario::read("s.toml", &text).map_err(|error| error.to_string())?;
        Ok(scenario.events.into_iter().map(|event| event.what).collect())
    }

    #[test]
    fn of_rings_what_is_not_said_stays_as_the_event_before_has_left_it() {
        let event = |rings| format!("[[event]]\nat = \"1ms\"\nhost = \"b\"\nrings = {{ {rings} }}\n");
        let found = read(&["rx = 64", "tx = 32", "rx = 8, tx = 9"].map(event).concat()).expect("they are right");
        let sizes = found.iter().map(|event| match event {
            Changed::Rings { host: 1, rx, tx } => (*rx, *tx),
            other @ (Changed::Rings { .. } | Changed::Link { .. }) => panic!("{other:?}"),
        });
        assert!(sizes.eq([(64, 512), (64, 32), (8, 9)]));
    }

    #[test]
    fn what_rings_cannot_be_is_told_with_its_place() {
        for (event, expected) in [
            ("host = \"b\"\nrings = { rx = 0 }", "s.toml:16:9: this hardware cannot be: rx ring must be 1 to 16384"),
            ("host = \"a\"\nrings = { rx = 1 }", "s.toml:15:8: 'host' must be a host with 'hardware', not \"a\""),
            ("host = \"b\"\nup = false", "s.toml:16:6: 'up' cannot stand beside 'host'"),
            ("host = \"b\"", "s.toml:13:1: [[event]] needs 'rings'"),
            ("rings = { rx = 1 }", "s.toml:15:9: [[event]] needs 'host'"),
        ] {
            let error = read(&format!("[[event]]\nat = \"0s\"\n{event}\n")).expect_err("it has a mistake");
            assert_eq!(error, expected);
        }
    }
}
