//! Neighbours in a snapshot, without the packets that wait for them.

use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Key, Neighbour, Neighbours, PROBES, Reachability};
use crate::{
    device::Devices,
    frame::DeviceId,
    snapshot::{Part, SnapshotError},
    time::Instant,
    timer::Deadlines,
    wire::MacAddr,
};

/// What is known about stations on the links.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NeighboursRecord {
    entries: Vec<NeighbourRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct NeighbourRecord {
    device: DeviceId,
    address: IpAddr,
    mac: MacAddr,
    state: StateRecord,
    deadline: Instant,
    used: Instant,
}

#[derive(Debug, Serialize, Deserialize)]
enum StateRecord {
    Permanent,
    Incomplete(u8),
    Reachable,
    Stale,
    Probing(u8),
}

impl NeighboursRecord {
    pub(crate) fn of(neighbours: &Neighbours) -> Self {
        let Neighbours { entries, deadlines: _, owners: _ } = neighbours;
        Self { entries: entries.iter().map(NeighbourRecord::of).collect() }
    }

    pub(crate) fn restore(self, devices: &Devices) -> Result<Neighbours, SnapshotError> {
        let entries: Vec<Neighbour> = self.entries.into_iter().map(NeighbourRecord::restore).collect();
        let is_sorted = entries.is_sorted_by(|one, next| one.key < next.key);
        let asked = |entry: &Neighbour| match entry.state {
            Reachability::Incomplete { asked } | Reachability::Probing { asked } => asked,
            Reachability::Permanent | Reachability::Reachable | Reachability::Stale => 0,
        };
        let is_right = |entry: &Neighbour| devices.find(entry.key.device).is_some() && asked(entry) <= PROBES;
        Part::Neighbours.check(is_sorted && entries.iter().all(is_right))?;
        let mut deadlines = Deadlines::default();
        entries.iter().for_each(|entry| deadlines.add(entry.deadline, entry.key));
        Ok(Neighbours { entries, deadlines, ..Neighbours::default() })
    }
}

impl NeighbourRecord {
    fn of(neighbour: &Neighbour) -> Self {
        let Neighbour { key: Key { device, address }, mac, state, deadline, used, waiting: _ } = *neighbour;
        let state = match state {
            Reachability::Permanent => StateRecord::Permanent,
            Reachability::Incomplete { asked } => StateRecord::Incomplete(asked),
            Reachability::Reachable => StateRecord::Reachable,
            Reachability::Stale => StateRecord::Stale,
            Reachability::Probing { asked } => StateRecord::Probing(asked),
        };
        Self { device, address, mac, state, deadline, used }
    }

    fn restore(self) -> Neighbour {
        let Self { device, address, mac, state, deadline, used } = self;
        let state = match state {
            StateRecord::Permanent => Reachability::Permanent,
            StateRecord::Incomplete(asked) => Reachability::Incomplete { asked },
            StateRecord::Reachable => Reachability::Reachable,
            StateRecord::Stale => Reachability::Stale,
            StateRecord::Probing(asked) => Reachability::Probing { asked },
        };
        Neighbour::new(Key { device, address }, mac, state, deadline, used)
    }
}
