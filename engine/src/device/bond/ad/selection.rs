//! Selection: which aggregator a port belongs to, and which one is used (IEEE 802.1AX-2020, 6.4.14).

use alloc::vec::Vec;
use core::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{
    Machines,
    port::{AdPort, Aggregator, speed_mbps},
};
use crate::{
    device::bond::Happening,
    wire::{MacAddr, lacp::PortState},
};

/// By what the aggregator is chosen that is used (`ad_select`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdSelect {
    /// The one with the most bandwidth, and then no other while that works.
    #[default]
    Stable,
    /// The one with the most bandwidth.
    Bandwidth,
    /// The one with the most ports.
    Count,
    /// The one whose ports' priorities are the greatest together.
    ActorPortPrio,
}

impl AdSelect {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Stable, Self::Bandwidth, Self::Count, Self::ActorPortPrio];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Bandwidth => "bandwidth",
            Self::Count => "count",
            Self::ActorPortPrio => "actor_port_prio",
        }
    }
}

impl Machines<'_> {
    /// Finds the aggregator of a port that is not selected: the one of those that lead to the same system with the same keys, or an
    /// empty one.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_port_selection_logic()`.
    pub(super) fn select_port(&mut self, place: usize) {
        if self.ad.ports[place].selected {
            return;
        }
        self.detach(place);
        let port = &self.ad.ports[place];
        let found = self.ad.aggregators.iter().position(|aggregator| aggregator.suits(port));
        let Some(chosen) = found.or_else(|| self.ad.aggregators.iter().position(|known| known.members.is_empty()))
        else {
            // There are as many as ports, so that one of them is empty.
            return;
        };
        let aggregator = &mut self.ad.aggregators[chosen];
        if found.is_none() {
            aggregator.begin(port);
        }
        aggregator.members.insert(0, place as u16);
        let port = &mut self.ad.ports[place];
        port.set_aggregator(Some(chosen as u16));
        port.selected = true;
        self.set_ready(place);
        self.select_aggregator();
        if !self.ad.aggregators[chosen].is_active {
            self.ad.ports[place].state.set(PortState::SYNCHRONIZATION, false);
        }
    }

    fn detach(&mut self, place: usize) {
        let Some(former) = self.ad.ports[place].aggregator() else { return };
        self.ad.ports[place].set_aggregator(None);
        let former = &mut self.ad.aggregators[former];
        former.members.retain(|member| usize::from(*member) != place);
        if former.members.is_empty() {
            *former = Aggregator::default();
        }
    }

    /// Lets all ports of a port's aggregator go on together, when all have waited.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `__set_agg_ports_ready()`.
    pub(super) fn set_ready(&mut self, place: usize) {
        let members: Vec<u16> = self.ad.aggregator_of(place).map(|own| own.members.clone()).unwrap_or_default();
        let are_ready = members.iter().all(|member| self.ad.ports[usize::from(*member)].ready_n);
        for member in members {
            self.ad.ports[usize::from(member)].ready = are_ready;
        }
    }

    /// Chooses the aggregator that is used.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_agg_selection_logic()`.
    pub(super) fn select_aggregator(&mut self) {
        let active = self.ad.active();
        let mut best = active.filter(|place| self.has_carrier(*place));
        for place in 0..self.ad.aggregators.len() {
            if self.active_ports(place) > 0 && self.has_carrier(place) && self.is_better(place, best) {
                best = Some(place);
            }
        }
        self.ad.aggregators.iter_mut().for_each(|aggregator| aggregator.is_active = false);
        let chosen = match (active, best) {
            (Some(active), Some(best)) if self.options.ad_select == AdSelect::Stable && self.stays(active, best) => {
                Some(active)
            }
            (_, best) => best,
        };
        if let Some(chosen) = chosen {
            self.ad.aggregators[chosen].is_active = true;
            if Some(chosen) != active {
                self.activate(chosen, active);
            }
            if !self.ad.aggregators[chosen].has_partner() {
                // Nobody answers: its ports are used as if there were no protocol.
                for member in self.ad.aggregators[chosen].members.clone() {
                    self.enable(usize::from(member));
                }
            }
        }
    }

    fn activate(&mut self, chosen: usize, former: Option<usize>) {
        if self.ad.aggregators[chosen].is_individual {
            self.tell.push(Happening::NoResponse);
        }
        for member in former.map(|former| self.ad.aggregators[former].members.clone()).unwrap_or_default() {
            self.disable(usize::from(member));
        }
    }

    /// Whether an aggregator is better than the best of those before.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_agg_selection_test()`.
    fn is_better(&self, place: usize, best: Option<usize>) -> bool {
        let Some(best) = best else { return true };
        let aggregator = |place: usize| &self.ad.aggregators[place];
        let rank = |place: usize| (!aggregator(place).is_individual, aggregator(place).has_partner());
        let priority = || match self.options.ad_select {
            AdSelect::ActorPortPrio => self.priority(place).cmp(&self.priority(best)),
            AdSelect::Count | AdSelect::Stable | AdSelect::Bandwidth => Ordering::Equal,
        };
        let count = || match self.options.ad_select {
            AdSelect::Count | AdSelect::ActorPortPrio => self.active_ports(place).cmp(&self.active_ports(best)),
            AdSelect::Stable | AdSelect::Bandwidth => Ordering::Equal,
        };
        let bandwidth = || self.bandwidth(place).cmp(&self.bandwidth(best));
        rank(place).cmp(&rank(best)).then_with(priority).then_with(count).then_with(bandwidth) == Ordering::Greater
    }

    /// Whether the aggregator that was used stays so though another one is better: it has a link that is used, and an answer or as little
    /// of one as the other.
    fn stays(&self, active: usize, best: usize) -> bool {
        let (active, best, ports) =
            (&self.ad.aggregators[active], &self.ad.aggregators[best], self.active_ports(active));
        ports > 0 && (active.has_partner() || !best.has_partner()) && (active.actor_key != 0 || best.actor_key == 0)
    }

    /// How many of an aggregator's ports have a link that is used (Linux: `__agg_active_ports()`).
    pub(super) fn active_ports(&self, place: usize) -> usize {
        self.ad.active_ports(place)
    }

    /// The priorities of an aggregator's ports that have a link that is used, together (Linux: `__agg_ports_priority()`).
    fn priority(&self, place: usize) -> u32 {
        let members = self.ad.aggregators[place].members.iter().map(|member| &self.ad.ports[usize::from(*member)]);
        members.filter(|port| port.is_enabled).map(|port| u32::from(port.priority)).sum()
    }

    /// Mbit/s of all ports of an aggregator, each of them as fast as the one that has joined last (Linux: `__get_agg_bandwidth()`).
    fn bandwidth(&self, place: usize) -> u64 {
        let last = self.ad.aggregators[place].members.first();
        let speed = last.map_or(0, |member| speed_mbps(&self.ports[usize::from(*member)]));
        u64::from(speed) * self.active_ports(place) as u64
    }

    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `agg_device_up()`.
    fn has_carrier(&self, place: usize) -> bool {
        self.ad.aggregators[place].members.iter().any(|member| self.ports[usize::from(*member)].said.carrier)
    }
}

impl super::Ad {
    /// How many of an aggregator's ports have a link that is used.
    pub(in super::super) fn active_ports(&self, place: usize) -> usize {
        let members = self.aggregators.get(place).map_or(&[][..], |aggregator| &aggregator.members);
        members.iter().filter(|member| self.ports[usize::from(**member)].is_enabled).count()
    }
}

impl Aggregator {
    /// Whether a port can join its ports.
    fn suits(&self, port: &AdPort) -> bool {
        !self.members.is_empty()
            && !self.is_individual
            && self.has_partner()
            && self.actor_key == port.key
            && self.leads_to() == (port.partner.system, port.partner.system_priority.get(), port.partner.key.get())
    }

    fn leads_to(&self) -> (MacAddr, u16, u16) {
        (self.partner_system, self.partner_system_priority, self.partner_key)
    }

    /// Is a port's that is the first of it.
    fn begin(&mut self, port: &AdPort) {
        self.is_individual = port.key & 1 == 0;
        self.actor_key = port.key;
        self.partner_system = port.partner.system;
        self.partner_system_priority = port.partner.system_priority.get();
        self.partner_key = port.partner.key.get();
    }
}
