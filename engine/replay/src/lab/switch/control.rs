//! A switch's groups: bonds of an engine that sees what is for the other end of a link alone, and nothing else.

use towpath_engine::{
    Command, CommandError, DeviceId, Engine, Frame, Instant, Packet, Subscription,
    device::{
        Device, Features, Kind, Link,
        bond::{Bond, HashPolicy},
    },
    packet::Pool,
    wire::MacAddr,
};

use crate::lab::{
    hosts::port_name,
    lane::Carried,
    net::{START, lot},
    scenario::{Scenario, Switch as Plan},
};

/// A switch's groups.
pub(in super::super) struct Control {
    pub(in super::super) engine: Engine,
    groups: Vec<(DeviceId, HashPolicy)>,
    /// Where frames are taken apart to be hashed.
    pool: Pool,
}

impl Control {
    pub(super) fn new(scenario: &Scenario, node: usize, plan: &Plan, links: &[Link]) -> Result<Self, CommandError> {
        let mut engine = Engine::new(lot(scenario.seed, 2, node));
        let mut give = |command| engine.handle_command(START, command).map(drop);
        give(Command::Subscribe(Subscription { log: true, ..Subscription::default() }))?;
        for (port, (link, said)) in scenario.links_of(node).zip(links).enumerate() {
            give(Command::AddDevice(Device {
                name: port_name(scenario, link),
                mac: mac(node, port),
                arp: false,
                link: *said,
                features: Features::WIRE,
                ..Device::default()
            }))?;
        }
        let mut groups = Vec::new();
        for group in &plan.groups {
            let device = DeviceId((links.len() + groups.len()) as u16);
            give(Command::AddDevice(Device {
                name: group.name.clone(),
                arp: false,
                kind: Kind::Bond,
                ..Device::default()
            }))?;
            let ports = group.links.iter().filter_map(|link| scenario.device_of(node, *link)).collect();
            give(Command::SetBond(device, Box::new(group.options.clone()), ports))?;
            groups.push((device, group.options.xmit_hash_policy));
        }
        Ok(Self { engine, groups, pool: Pool::default() })
    }

    pub(super) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// A frame for the other end of a link alone has come by a port.
    pub(super) fn hear(&mut self, now: Instant, port: usize, bytes: &[u8]) {
        self.engine.handle_frames(now, &[Frame::new(DeviceId(port as u16), bytes)]);
    }

    pub(super) fn link_says(&mut self, now: Instant, port: DeviceId, link: Link) {
        let said = self.engine.handle_command(now, Command::SetLink(port, link));
        assert!(said.is_ok(), "port {port:?} of a switch is no device: {said:?}");
    }

    /// Whether a group takes what comes by a port.
    pub(super) fn takes_by(&self, group: usize, port: usize) -> bool {
        self.bond(group).is_some_and(|bond| bond.takes_by(DeviceId(port as u16)))
    }

    /// The ports by which a group sends.
    pub(super) fn in_use(&self, group: usize) -> impl Iterator<Item = DeviceId> {
        self.bond(group).into_iter().flat_map(Bond::in_use)
    }

    /// The port by which a frame leaves a group.
    pub(super) fn choose(&mut self, group: usize, frame: &Carried) -> Option<usize> {
        let policy = self.groups.get(group)?.1;
        let count = self.in_use(group).count();
        let hash = match Packet::parse(&mut self.pool, &Frame::new(DeviceId(0), &frame.bytes)) {
            Ok(packet) => {
                let hash = policy.hash(&packet);
                packet.recycle(&mut self.pool);
                hash
            }
            // What cannot be read goes by the first.
            Err(dropped) => {
                dropped.packet.recycle(&mut self.pool);
                0
            }
        };
        let place = (hash as usize).checked_rem(count)?;
        self.in_use(group).nth(place).map(|port| usize::from(port.0))
    }

    fn bond(&self, group: usize) -> Option<&Bond> {
        self.engine.devices().bond(self.groups.get(group)?.0)
    }
}

/// The Ethernet address of a switch's port, which no host's device has.
fn mac(node: usize, port: usize) -> MacAddr {
    MacAddr([2, 0, 1, node as u8, 0, port as u8])
}
