//! Which links are one network, who is in it by which address, and by which way hosts reach other networks.
//!
//! A link between two hosts is a network. So are all links of a bond, and all that meet at a switch, with what hangs on these in turn. A
//! network has the number of its first link: network N is `10.0.N.0/24` and `fd00:0:0:N::/64`. Who is in it have the numbers from 1 on in the
//! order in which links name them; a bond stands where its first link does.

use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};

use towpath_engine::DeviceId;

use super::scenario::Scenario;

/// Networks and who is in them.
#[derive(Debug)]
pub(super) struct Topology {
    /// Of each host, in the order of their first links.
    pub(super) interfaces: Vec<Vec<Interface>>,
    /// By their numbers.
    pub(super) networks: BTreeMap<usize, Network>,
}

/// What a host is in a network by.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    /// The network's number.
    pub(super) network: usize,
    /// Its own number there.
    pub(super) station: u16,
    /// The host's device: its link's, or a bond, which stand behind those of links.
    pub(super) device: DeviceId,
    /// The link of an interface that is no bond.
    pub(super) link: Option<usize>,
}

/// Links that are one network.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    /// Hosts, and the places of their interfaces.
    pub(super) members: Vec<(usize, usize)>,
    /// It is more than a link between two hosts, so that stations have to be asked for their Ethernet addresses.
    pub(super) is_shared: bool,
}

/// The first step of a way: by which interface of one's own, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The place of the interface.
    pub(super) interface: usize,
    /// The number of the next host in that network.
    pub(super) station: u16,
}

impl Topology {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let numbers = numbers(scenario);
        let mut topology = Self { interfaces: vec![Vec::new(); scenario.hosts.len()], networks: BTreeMap::new() };
        for (link, plan) in scenario.links.iter().enumerate() {
            let number = numbers[link];
            let network = topology.networks.entry(number).or_default();
            network.is_shared |= number != link || plan.ends.iter().any(|end| *end >= scenario.hosts.len());
            for node in plan.ends.into_iter().filter(|node| *node < scenario.hosts.len()) {
                let bonds = &scenario.hosts[node].bonds;
                let bond = bonds.iter().position(|bond| bond.links.contains(&link));
                network.is_shared |= bond.is_some();
                let device = match bond {
                    Some(bond) if bonds[bond].links.iter().min() != Some(&link) => continue,
                    Some(bond) => DeviceId((scenario.links_of(node).count() + bond) as u16),
                    None => match scenario.device_of(node, link) {
                        Some(device) => device,
                        None => continue,
                    },
                };
                let station = 1 + network.members.len() as u16;
                network.members.push((node, topology.interfaces[node].len()));
                let link = bond.is_none().then_some(link);
                topology.interfaces[node].push(Interface { network: number, station, device, link });
            }
        }
        topology
    }

    /// The address of a host's first interface; `None` of a host without links.
    pub(super) fn address_of(&self, host: usize, is_v6: bool) -> Option<IpAddr> {
        let first = self.interfaces[host].first()?;
        Some(address(first.network, first.station, is_v6))
    }

    /// By which step a host reaches each other one, over the fewest networks: breadth first.
    pub(super) fn first_steps(&self, host: usize) -> Vec<Option<Step>> {
        let mut steps: Vec<Option<Step>> = vec![None; self.interfaces.len()];
        let mut waiting = VecDeque::from([host]);
        while let Some(from) = waiting.pop_front() {
            for (interface, own) in self.interfaces[from].iter().enumerate() {
                for &(far, place) in &self.networks[&own.network].members {
                    if far == from || far == host || steps[far].is_some() {
                        continue;
                    }
                    let first = Step { interface, station: self.interfaces[far][place].station };
                    steps[far] = if from == host { Some(first) } else { steps[from] };
                    waiting.push_back(far);
                }
            }
        }
        steps
    }
}

/// The number of each link's network.
pub(super) fn numbers(scenario: &Scenario) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..scenario.links.len()).collect();
    let mut join = |links: &[usize]| {
        for pair in links.windows(2) {
            let [one, other] = [numbers[pair[0]], numbers[pair[1]]];
            numbers.iter_mut().filter(|number| **number == one.max(other)).for_each(|number| *number = one.min(other));
        }
    };
    let hosts = scenario.hosts.len();
    for switch in hosts..hosts + scenario.switches.len() {
        join(&scenario.links_of(switch).collect::<Vec<_>>());
    }
    scenario.hosts.iter().flat_map(|host| &host.bonds).for_each(|bond| join(&bond.links));
    numbers
}

/// The address of a station in a network.
pub(super) fn address(network: usize, station: u16, is_v6: bool) -> IpAddr {
    let network = network as u16;
    if is_v6 {
        IpAddr::from([0xfd00, 0, 0, network, 0, 0, 0, station])
    } else {
        IpAddr::from([10, 0, network as u8, station as u8])
    }
}
