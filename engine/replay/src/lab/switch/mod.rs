//! A switch: a learning bridge whose ports may be grouped into one.
//!
//! ```text
//!  frame ─► port ─► for this link alone? ─► group that takes it? ─► learn the source ─► where is the destination?
//!             │           │ LACP                  ✗ blocked                               known: its port, or its group by a hash
//!             │           ▼                                                               at the very port: filtered
//!             │     an engine's bond                                                      not known, or for many: all others
//! ```
//!
//! | file | what | standard |
//! |---|---|---|
//! | `stations` | where which station was heard last | IEEE 802.1Q-2022, 8.8 |
//! | `control` | LACP at its side, and which ports of a group are used | IEEE 802.1AX-2020, 6.4 |
//!
//! It is plain: frames go on in the instant in which they have come whole; what waits, waits at the link that it leaves by. There is no spanning
//! tree, and a scenario in which switches are linked in a ring is refused. It knows no VLANs, no pause frames and no multicast groups.
//!
//! Why its groups are bonds of an engine: the other end of a bond is to be what runs LACP on real wires, and not a second version of it.

mod control;
mod stations;

use towpath_engine::{CommandError, DeviceId, Instant, device::Link, wire::MacAddr};

use self::{control::Control, stations::Stations};
use super::{
    lane::{Carried, Lost},
    scenario::{Scenario, Switch as Plan},
};

/// What a switch has done with frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchTally {
    /// Frames that have gone to one port or group.
    pub forwarded: u64,
    /// Frames that have gone to all others, as it was not known where their station is, or they were for many.
    pub flooded: u64,
    /// Frames whose station is where they came from.
    pub filtered: u64,
    /// Frames for the other end of a link alone: of LACP, and what no bridge sends on.
    pub link_local: u64,
    /// Frames that came by a port by which its group takes nothing.
    pub blocked: u64,
    /// Frames that had no port to leave by.
    pub no_port: u64,
    /// Stations that found no room in its memory.
    pub unlearned: u64,
    /// The most stations that it has remembered at once.
    pub stations_max: usize,
}

/// A switch.
pub(super) struct Switch {
    pub(super) control: Control,
    stations: Stations,
    /// Whether each port has a carrier, and which group it belongs to.
    ports: Vec<(bool, Option<usize>)>,
    pub(super) tally: SwitchTally,
}

/// Where a station is: at a port of its own, or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Port(usize),
    Group(usize),
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It goes on by these ports.
    To(Vec<usize>),
    /// It was for the switch, or goes no further as is right.
    Kept,
    /// It is lost.
    Lost(Lost),
}

impl Switch {
    /// A switch whose ports' links say that.
    pub(super) fn new(scenario: &Scenario, node: usize, plan: &Plan, links: &[Link]) -> Result<Self, CommandError> {
        let group_of = |link: usize| plan.groups.iter().position(|group| group.links.contains(&link));
        let ports = scenario.links_of(node).zip(links).map(|(link, said)| (said.carrier, group_of(link))).collect();
        Ok(Self {
            control: Control::new(scenario, node, plan, links)?,
            stations: Stations::new(plan.ageing, plan.stations_max),
            ports,
            tally: SwitchTally::default(),
        })
    }

    /// A frame has come by a port.
    pub(super) fn take(&mut self, now: Instant, port: usize, frame: &Carried) -> Taken {
        let (Some(destination), Some(source)) = (mac_at(&frame.bytes, 0), mac_at(&frame.bytes, 6)) else {
            return Taken::Kept;
        };
        let group = self.ports[port].1;
        if is_link_local(destination) {
            self.tally.link_local += 1;
            if group.is_some() {
                self.control.hear(now, port, &frame.bytes);
            }
            return Taken::Kept;
        }
        if group.is_some_and(|group| !self.control.takes_by(group, port)) {
            self.tally.blocked += 1;
            return Taken::Lost(Lost::Blocked);
        }
        let from = group.map_or(Place::Port(port), Place::Group);
        if !source.is_group() {
            self.tally.unlearned += u64::from(!self.stations.hear(now, source, from));
            self.tally.stations_max = self.tally.stations_max.max(self.stations.len());
        }
        let known = if destination.is_group() { None } else { self.stations.find(now, destination) };
        let ports: Vec<usize> = match known {
            Some(place) if place == from => {
                self.tally.filtered += 1;
                return Taken::Kept;
            }
            Some(place) => self.port_of(place, frame).into_iter().collect(),
            None => self.others(from).into_iter().filter_map(|place| self.port_of(place, frame)).collect(),
        };
        let count = match (ports.is_empty(), known) {
            (true, _) => &mut self.tally.no_port,
            (false, Some(_)) => &mut self.tally.forwarded,
            (false, None) => &mut self.tally.flooded,
        };
        *count += 1;
        if ports.is_empty() { Taken::Lost(Lost::NoPort) } else { Taken::To(ports) }
    }

    /// The link of a port says something else.
    pub(super) fn link_says(&mut self, now: Instant, port: usize, link: Link) {
        let (carrier, group) = &mut self.ports[port];
        let is_lost = *carrier && !link.carrier;
        *carrier = link.carrier;
        let group = *group;
        self.control.link_says(now, DeviceId(port as u16), link);
        // Whoever was there is looked for everywhere.
        match group {
            None if is_lost => self.stations.forget(Place::Port(port)),
            Some(group) if self.control.in_use(group).next().is_none() => self.stations.forget(Place::Group(group)),
            Some(_) | None => {}
        }
    }

    /// The port by which a frame leaves to a place, if any carries.
    fn port_of(&mut self, place: Place, frame: &Carried) -> Option<usize> {
        match place {
            Place::Port(port) => Some(port).filter(|port| self.ports[*port].0),
            Place::Group(group) => self.control.choose(group, frame),
        }
    }

    /// All places but one.
    fn others(&self, from: Place) -> Vec<Place> {
        let alone = self.ports.iter().enumerate().filter(|(_, (_, group))| group.is_none());
        let groups = (0..self.control.group_count()).map(Place::Group);
        alone.map(|(port, _)| Place::Port(port)).chain(groups).filter(|place| *place != from).collect()
    }
}

fn mac_at(bytes: &[u8], at: usize) -> Option<MacAddr> {
    Some(MacAddr(bytes.get(at..at + 6)?.try_into().ok()?))
}

/// Whether it is one of the addresses that no bridge sends on (IEEE 802.1Q-2022, table 8-1).
pub(super) fn is_link_local(mac: MacAddr) -> bool {
    matches!(mac.0, [0x01, 0x80, 0xc2, 0, 0, last] if last < 0x10)
}

#[cfg(test)]
mod tests;
