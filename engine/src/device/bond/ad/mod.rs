//! 802.3ad: link aggregation with LACP (IEEE 802.1AX-2020, clause 6.4), as Linux's driver has it.
//!
//! ```text
//!  LACPDU ─► receive ─► selection ─► mux ─► the port sends and takes frames, or not
//!  100 ms ─►    │   periodic ─► transmit ─► LACPDU
//!               └─► churn
//! ```
//!
//! Every port has these machines, and they go on together once in 100 ms, port by port; an LACPDU makes the receive machine go on at
//! once, and only that. Times are counted in such ticks, as in Linux, and so is what an LACPDU can cause: by the next tick.
//!
//! Ticks in which nothing but counters would change are not waited for, only the first that could be another. What comes out is what every
//! tick would have given.
//!
//! | file | machine | standard |
//! |---|---|---|
//! | `receive` | what is known of the other end | 6.4.12 |
//! | `periodic` | when to say something of its own accord | 6.4.13 |
//! | `selection` | which aggregator a port belongs to, and which one is used | 6.4.14 |
//! | `mux` | whether a port sends and takes frames | 6.4.15 |
//! | `transmit` | LACPDUs, of each port 300 ms apart at least; answers to markers | 6.4.16, 6.5.4 |
//! | `churn` | whether the two ends do not come to terms | 6.4.17 |
//!
//! Linux v6.18: `drivers/net/bonding/bond_3ad.c`. Where it is known to differ: of its options `coupled_control` is as if on and
//! `broadcast_neighbor` as if off; frames of slow protocols
//! that are no LACPDU and no marker, or not whole, are not counted, and nothing is summed up for the bond; a port whose speed is not known
//! is not looked at every `miimon`, each time with a line in the log, until it is.

mod churn;
mod mux;
mod periodic;
mod port;
mod receive;
mod selection;
#[cfg(test)]
mod tests;
mod transmit;

pub(super) use self::{
    port::{AdPort, Aggregator},
    transmit::is_taken,
};
pub use self::{
    port::{AdStats, ChurnState},
    selection::AdSelect,
};

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Happening, LinkState, Options, Port};
use crate::{time::Instant, wire::MacAddr};

/// What a bond in this mode knows beside its ports (Linux: `struct ad_bond_info`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ad {
    /// Its system.
    pub(super) system: MacAddr,
    /// That one's priority.
    pub(super) system_priority: u16,
    /// What is known of the bond's ports, in their order.
    pub(super) ports: Vec<AdPort>,
    /// As many as there are ports; their numbers are their places, from 1.
    pub(super) aggregators: Vec<Aggregator>,
    /// Ticks until an aggregator may be used (Linux: `agg_select_timer`).
    agg_select_timer: u16,
    /// When the last tick was that counters know of.
    ticked: Instant,
    /// When the next one is that could change something else; none until something comes in.
    due: Option<Instant>,
}

/// The machines at work, with all that they may change.
pub(super) struct Machines<'a> {
    pub(super) now: Instant,
    pub(super) ad: &'a mut Ad,
    /// The bond's ports.
    pub(super) ports: &'a mut [Port],
    pub(super) options: &'a Options,
    pub(super) tell: &'a mut Vec<Happening>,
}

impl Ad {
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `bond_3ad_initialize()`, `bond_3ad_bind_slave()`.
    pub(super) fn new(now: Instant, bond: MacAddr, options: &Options, ports: &[Port]) -> Self {
        let bind = |(number, port)| AdPort::new(number, port, options);
        let (system, system_priority) = Self::system_of(bond, options);
        Self {
            system,
            system_priority,
            ports: (1..).zip(ports).map(bind).collect(),
            aggregators: ports.iter().map(|_| Aggregator::default()).collect(),
            agg_select_timer: AGGREGATOR_SELECTION_TICKS,
            ticked: now,
            due: None,
        }
    }

    /// When [`Machines::tick`] is to be called.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The aggregator that is used.
    pub(super) fn active(&self) -> Option<usize> {
        self.aggregators.iter().position(|aggregator| aggregator.is_active)
    }

    /// Whether a port belongs to the aggregator that is used.
    pub(super) fn is_in_active(&self, place: usize) -> bool {
        self.aggregator_of(place).is_some_and(|aggregator| aggregator.is_active)
    }

    /// The aggregator that a port belongs to.
    pub(super) fn aggregator_of(&self, place: usize) -> Option<&Aggregator> {
        self.aggregators.get(self.ports.get(place)?.aggregator()?)
    }

    /// Whether what a snapshot says of it can be, of a bond with so many ports and this Ethernet address. `latest`: the latest time that
    /// the snapshot knows of.
    pub(super) fn is_right(&self, latest: Instant, count: usize, bond: MacAddr, options: &Options) -> bool {
        let is_member = |place: usize, aggregator: &Aggregator| {
            aggregator.members.iter().filter(|member| usize::from(**member) == place).count()
        };
        let belongs = |(place, port): (usize, &AdPort)| {
            let lists: usize = self.aggregators.iter().map(|aggregator| is_member(place, aggregator)).sum();
            match port.aggregator() {
                None => lists == 0,
                Some(own) => lists == 1 && self.aggregators.get(own).is_some_and(|own| is_member(place, own) == 1),
            }
        };
        let are_places = |aggregator: &Aggregator| aggregator.members.iter().all(|member| usize::from(*member) < count);
        let is_port_right = |(place, port): (usize, &AdPort)| {
            usize::from(port.number) == place + 1 && port.has_right_keys(options) && port.has_right_timers()
        };
        // Nothing runs longer than LACPDUs that are asked for slowly are waited for.
        let wakes = self.ticked..=self.ticked + TICK * u32::from(receive::LONG_TIMEOUT_TICKS);
        self.ports.len() == count
            && self.aggregators.len() == count
            && self.aggregators.iter().all(are_places)
            && self.aggregators.iter().filter(|aggregator| aggregator.is_active).count() <= 1
            && self.ports.iter().enumerate().all(belongs)
            && self.ports.iter().enumerate().all(is_port_right)
            && (self.system, self.system_priority) == Self::system_of(bond, options)
            && self.agg_select_timer <= AGGREGATOR_SELECTION_TICKS
            && self.ticked <= latest
            && self.due.map_or(!self.clone().is_timed(), |due| wakes.contains(&due))
    }

    /// Its system and that one's priority.
    fn system_of(bond: MacAddr, options: &Options) -> (MacAddr, u16) {
        (options.ad_actor_system.filter(|mac| *mac != MacAddr::UNSPECIFIED).unwrap_or(bond), options.ad_actor_sys_prio)
    }

    /// Whether any timer runs.
    fn is_timed(&mut self) -> bool {
        self.timers().any(|timer| *timer > 0)
    }

    /// Counts the ticks that have gone by and changed nothing else; the next one is to be the next that there is.
    fn catch_up(&mut self, now: Instant) {
        let before_due = self.due.map_or(now, |due| now.min(due - Duration::from_nanos(1)));
        let ticks = before_due.since(self.ticked).as_nanos() / TICK.as_nanos();
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        self.ticked = self.ticked + TICK.saturating_mul(ticks);
        self.count(u16::try_from(ticks).unwrap_or(u16::MAX));
        self.due = Some(self.ticked + TICK);
    }

    /// Counts ticks down.
    fn count(&mut self, ticks: u16) {
        for timer in self.timers() {
            *timer = timer.saturating_sub(ticks);
        }
    }

    fn timers(&mut self) -> impl Iterator<Item = &mut u16> {
        let ports = self.ports.iter_mut().flat_map(AdPort::timers);
        ports.chain([&mut self.agg_select_timer])
    }

    /// What decides what a tick does: everything but how far timers have come.
    fn without_timers(&self) -> Self {
        let mut plain = self.clone();
        plain.timers().for_each(|timer| *timer = u16::from(*timer > 0));
        (plain.ticked, plain.due) = (Instant::ZERO, None);
        plain
    }
}

impl Machines<'_> {
    /// Lets all machines go on for the next tick.
    pub(super) fn tick(&mut self) {
        self.ad.catch_up(self.now);
        // Late ticks are not made up for, as they are not in Linux.
        let due = self.ad.ticked + TICK;
        self.ad.ticked = if self.now.since(due) < TICK { due } else { self.now };
        self.go_on();
    }

    /// Lets all machines go on; the first time, they begin.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `bond_3ad_state_machine_handler()`.
    pub(super) fn go_on(&mut self) {
        let before = (self.ad.without_timers(), self.flags());
        if self.ad.agg_select_timer > 0 {
            self.ad.agg_select_timer -= 1;
            if self.ad.agg_select_timer == 0 {
                self.select_aggregator();
            }
        }
        for place in 0..self.ad.ports.len() {
            self.receive(place, None);
            self.periodic(place);
            self.select_port(place);
            self.mux(place);
            self.transmit(place);
            self.ad.ports[place].churn();
            self.ad.ports[place].begin = false;
        }
        let is_quiet = before == (self.ad.without_timers(), self.flags());
        let soonest = self.ad.timers().filter(|timer| **timer > 0).min().map(|timer| u32::from(*timer));
        let ticks = if is_quiet { soonest } else { Some(1) };
        self.ad.due = ticks.map(|ticks| self.ad.ticked + TICK * ticks);
    }

    /// What machines have made of the bond's ports.
    fn flags(&self) -> Vec<(bool, bool)> {
        self.ports.iter().map(|port| (port.is_backup, port.is_inactive)).collect()
    }

    /// Something has come in: counters are to be right, and the next tick is to be waited for.
    pub(super) fn wake(&mut self) {
        self.ad.catch_up(self.now);
    }

    /// A port's link is used from now on, or no more.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `bond_3ad_handle_link_change()`.
    pub(super) fn link_changed(&mut self, place: usize, is_up: bool) {
        self.wake();
        self.ad.ports[place].is_enabled = is_up;
        self.update_keys(place, is_up);
        self.select_aggregator();
    }

    /// A port's link says another speed or duplex.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `bond_3ad_adapter_speed_duplex_changed()`.
    pub(super) fn speed_changed(&mut self, place: usize) {
        self.wake();
        self.update_keys(place, true);
    }

    fn update_keys(&mut self, place: usize, is_up: bool) {
        let (port, own) = (&self.ports[place], &mut self.ad.ports[place]);
        if own.update_keys(is_up.then_some(port)) {
            self.tell.push(Happening::SpeedZero { port: port.device, number: own.number });
        }
    }

    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `__enable_port()`.
    fn enable(&mut self, place: usize) {
        let port = &mut self.ports[place];
        if port.link == LinkState::Up && port.said.carrier {
            (port.is_backup, port.is_inactive) = (false, false);
        }
    }

    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `__disable_port()`.
    fn disable(&mut self, place: usize) {
        let port = &mut self.ports[place];
        (port.is_backup, port.is_inactive) = (true, !self.options.all_slaves_active);
    }
}

/// From one tick to the next (Linux: `AD_TIMER_INTERVAL`).
const TICK: Duration = Duration::from_millis(100);
const TICKS_PER_SEC: u16 = 10;
/// Until an aggregator may be used, from when a bond that has ports goes up (Linux v6.18: `drivers/net/bonding/bond_main.c`,
/// `bond_open()`). One that is up before it has ports waits 8 s (`AD_AGGREGATOR_SELECTION_TIMER`).
const AGGREGATOR_SELECTION_TICKS: u16 = 1;
