//! Hosts as engines: their devices, bonds and routes.

use towpath_engine::{
    Command, CommandError, DeviceId, Subscription,
    device::{Device, Feature, Features, InterfaceAddress, Kind},
    ip::{Route, RouteKind},
    wire::MacAddr,
};

use super::{
    net::{Net, START},
    scenario::{Aggregate, Scenario},
    topology::address,
};
use crate::config::{DeviceName, Word};

impl Net<'_> {
    /// Gives a host its devices, tunables and routes.
    pub(super) fn furnish(&mut self, scenario: &Scenario, host: usize) -> Result<(), CommandError> {
        let plan = &scenario.hosts[host];
        let links: Vec<usize> = scenario.links_of(host).collect();
        for (place, link) in links.iter().enumerate() {
            let id = DeviceId(place as u16);
            let device = self.device_of_link(scenario, (host, id), *link);
            self.add_device(host, id, device, &plan.features)?;
            // One knob in Linux: it puts off the interrupt, and for as long the device keeps what it may merge.
            if let Some(nic) = plan.hardware.as_ref().and_then(|hardware| hardware.nics.first()) {
                let kept = Command::SetGroFlushTimeout(id, nic.gro_flush_timeout);
                self.engines[host].handle_command(START, kept)?;
            }
        }
        for (bond, aggregate) in plan.bonds.iter().enumerate() {
            let id = DeviceId((links.len() + bond) as u16);
            let mtu = aggregate.links.iter().map(|link| scenario.links[*link].mtu_bytes).min();
            let device = Device {
                name: aggregate.name.clone(),
                mtu_bytes: mtu.unwrap_or(1500),
                addresses: self.addresses(host, id),
                kind: Kind::Bond,
                ..Device::default()
            };
            self.add_device(host, id, device, &plan.features)?;
            self.bond_ports(scenario, host, id, aggregate)?;
        }
        for (name, values) in &plan.sysctls {
            self.engines[host].handle_command(START, Command::SetSysctls(name.clone(), values.clone()))?;
        }
        self.add_routes(host)?;
        let routes: Vec<Route> = self.engines[host].routes().all().copied().collect();
        for route in routes {
            let route = Route { metrics: plan.metrics, ..route };
            self.engines[host].handle_command(START, Command::ReplaceRoute(route))?;
        }
        Ok(())
    }

    fn device_of_link(&self, scenario: &Scenario, (host, id): (usize, DeviceId), link: usize) -> Device {
        let plan = &scenario.links[link];
        let end = plan.ends.iter().position(|end| *end == host).unwrap_or_default();
        let is_port = scenario.hosts[host].bonds.iter().any(|bond| bond.links.contains(&link));
        let network = self.topology.interfaces[host].iter().find(|own| own.link == Some(link)).map(|own| own.network);
        // On a link between two hosts each knows to whom it speaks.
        let is_shared = is_port || network.is_some_and(|network| self.topology.networks[&network].is_shared);
        Device {
            name: if is_port { port_name(scenario, link) } else { format!("link{link}") },
            mac: mac(link, end),
            mtu_bytes: plan.mtu_bytes,
            addresses: self.addresses(host, id),
            any_destination: !is_shared,
            arp: is_shared,
            link: self.link_at(link, end),
            ..Device::default()
        }
    }

    /// The addresses of a host's device.
    fn addresses(&self, host: usize, device: DeviceId) -> Vec<InterfaceAddress> {
        let own = self.topology.interfaces[host].iter().find(|own| own.device == device);
        let of = |own: &super::topology::Interface| {
            [(false, 24), (true, 64)]
                .map(|(is_v6, prefix)| InterfaceAddress { address: address(own.network, own.station, is_v6), prefix })
        };
        own.map_or_else(Vec::new, |own| of(own).to_vec())
    }

    fn add_device(
        &mut self,
        host: usize,
        id: DeviceId,
        device: Device,
        features: &[(Feature, bool)],
    ) -> Result<(), CommandError> {
        let engine = &mut self.engines[host];
        let kind = device.kind;
        // What is on a link is what a wire carries: whole packets with their checksums.
        engine.handle_command(START, Command::AddDevice(Device { features: Features::WIRE, ..device }))?;
        // What a bond cannot is its ports' affair.
        for (feature, is_on) in features.iter().filter(|(feature, _)| kind == Kind::Physical || feature.is_for(kind)) {
            engine.handle_command(START, Command::SetFeature(id, *feature, *is_on))?;
        }
        Ok(())
    }

    /// Makes devices the ports of a bond.
    fn bond_ports(
        &mut self,
        scenario: &Scenario,
        host: usize,
        id: DeviceId,
        aggregate: &Aggregate,
    ) -> Result<(), CommandError> {
        let ports = aggregate.links.iter().filter_map(|link| scenario.device_of(host, *link)).collect();
        let engine = &mut self.engines[host];
        engine.handle_command(START, Command::Subscribe(Subscription { log: true, ..Subscription::default() }))?;
        engine.handle_command(START, Command::SetBond(id, Box::new(aggregate.options.clone()), ports))?;
        Ok(())
    }

    /// Ways to all networks that a host is not in, over the fewest others.
    fn add_routes(&mut self, host: usize) -> Result<(), CommandError> {
        let steps = self.topology.first_steps(host);
        for (number, network) in &self.topology.networks {
            if network.members.iter().any(|(member, _)| *member == host) {
                continue;
            }
            let Some(first) = network.members.iter().find_map(|(member, _)| steps[*member]) else { continue };
            let own = &self.topology.interfaces[host][first.interface];
            for (is_v6, prefix) in [(false, 24), (true, 64)] {
                let destination = InterfaceAddress { address: address(*number, 0, is_v6), prefix }.network();
                let via = Some(address(own.network, first.station, is_v6));
                let kind = RouteKind::Unicast { device: own.device, via };
                let route = Route::new(destination, prefix, kind);
                self.engines[host].handle_command(START, Command::AddRoute(route))?;
            }
        }
        Ok(())
    }
}

/// The Ethernet address at the end of a link.
pub(super) fn mac(link: usize, end: usize) -> MacAddr {
    MacAddr([2, 0, 0, link as u8, 0, 1 + end as u8])
}

/// What the log of a bond calls a port: as its link is named, if a device can be called so and no other is.
pub(super) fn port_name(scenario: &Scenario, link: usize) -> String {
    let is_others =
        |name: &str| name == "lo" || name.strip_prefix("link").is_some_and(|rest| rest.parse::<u8>().is_ok());
    let own = DeviceName::read(&scenario.links[link].name).filter(|DeviceName(name)| !is_others(name));
    own.map_or_else(|| format!("link{link}"), |DeviceName(name)| name)
}
