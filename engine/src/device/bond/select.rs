//! Which port of a bond is the active one.

use alloc::vec::Vec;

use super::{Bond, FailOverMac, Happening, LinkState, Mode, Port, PrimaryReselect};
use crate::time::Instant;

impl Bond {
    /// Chooses the active port anew.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_select_active_slave()`.
    pub(super) fn select_active(&mut self, now: Instant, tell: &mut Vec<Happening>) {
        let best = self.find_best();
        if best == self.active {
            return;
        }
        self.change_active(now, best, tell);
        let before = self.carrier;
        self.set_carrier();
        // With LACP it is told whether it has changed or not, as in Linux (`bond_3ad_set_carrier()`).
        if before != self.carrier || self.ad.is_some() {
            tell.push(if self.carrier { Happening::CarrierUp } else { Happening::CarrierDown });
        }
    }

    /// The port that ought to be the active one: the primary or the present one, else the first that is up, else of those that are
    /// coming up the one that has waited longest.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_find_best_slave()`.
    fn find_best(&mut self) -> Option<u16> {
        if let Some(place) = self.choose_primary_or_current() {
            return Some(place);
        }
        let all = || (0u16..).zip(&self.ports);
        let coming = || {
            let is_coming = |(_, port): &(u16, &Port)| port.link == LinkState::Back && port.said.carrier;
            let soonest = all().filter(is_coming).min_by_key(|(_, port)| port.delay);
            soonest.filter(|(_, port)| port.delay < self.options.updelay())
        };
        all().find(|(_, port)| port.link == LinkState::Up).or_else(coming).map(|(place, _)| place)
    }

    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_choose_primary_or_current()`.
    fn choose_primary_or_current(&mut self) -> Option<u16> {
        let port = |place: u16| self.ports.get(usize::from(place));
        let is_up = |place: &u16| port(*place).is_some_and(|port| port.link == LinkState::Up);
        let primary = self.options.primary.and_then(|device| self.place_of(device)).filter(is_up);
        let current = self.active.filter(is_up);
        if primary.is_some() && core::mem::take(&mut self.force_primary) {
            return primary;
        }
        let (Some(first), Some(now)) = (primary, current) else { return primary.or(current) };
        Some(match self.options.primary_reselect {
            PrimaryReselect::Always => first,
            PrimaryReselect::Better if port(first).map(Port::quality) > port(now).map(Port::quality) => first,
            PrimaryReselect::Better | PrimaryReselect::Failure => now,
        })
    }

    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_change_active_slave()`.
    fn change_active(&mut self, now: Instant, to: Option<u16>, tell: &mut Vec<Happening>) {
        let from = core::mem::replace(&mut self.active, to);
        let updelay = self.options.updelay();
        let (mode, miimon) = (self.options.mode, self.options.miimon_ms);
        if let Some(place) = to {
            self.note_up(now, place);
        }
        let mut is_early = false;
        if let Some(port) = to.and_then(|place| self.ports.get_mut(usize::from(place))) {
            let device = port.device;
            let happening = match port.link {
                LinkState::Back => Happening::ActiveEarly { port: device, ms: (updelay - port.delay) * miimon },
                LinkState::Up | LinkState::Fail | LinkState::Down => Happening::Active { port: device },
            };
            is_early = port.link == LinkState::Back;
            if is_early {
                (port.link, port.delay, port.has_been_up) = (LinkState::Up, 0, true);
            }
            if mode.uses_primary() {
                tell.push(happening);
            }
            if let Some((place, mut machines)) = to.filter(|_| is_early).zip(self.machines(now, tell)) {
                machines.link_changed(usize::from(place), true);
            }
        }
        if let Some(place) = to.filter(|_| is_early) {
            self.alb_link_changed(place, true, tell);
        }
        if mode.balances_adaptively() {
            self.alb_active_changed(from, to, tell);
            self.swap_inactive(from, to);
        }
        if mode == Mode::ActiveBackup {
            self.fail_over(now, (from, to), tell);
        }
    }

    /// What comes in by the active port is taken, and by the one that it was no more. Both go on sending.
    ///
    /// Linux v6.18: `include/net/bonding.h`, `bond_set_slave_inactive_flags()`.
    fn swap_inactive(&mut self, from: Option<u16>, to: Option<u16>) {
        let keeps_taking = self.options.all_slaves_active;
        if let Some(port) = from.and_then(|place| self.ports.get_mut(usize::from(place))) {
            port.is_inactive |= !keeps_taking;
        }
        if let Some(port) = to.and_then(|place| self.ports.get_mut(usize::from(place))) {
            (port.is_backup, port.is_inactive) = (false, false);
        }
    }

    /// Active-backup: another port sends and receives, and neighbours are told.
    fn fail_over(&mut self, now: Instant, (from, to): (Option<u16>, Option<u16>), tell: &mut Vec<Happening>) {
        let keeps_taking = self.options.all_slaves_active;
        if let Some(port) = from.and_then(|place| self.ports.get_mut(usize::from(place))) {
            (port.is_backup, port.is_inactive) = (true, !keeps_taking);
        }
        let Some(place) = to else { return };
        if let Some(port) = self.ports.get_mut(usize::from(place)) {
            (port.is_backup, port.is_inactive) = (false, false);
        }
        self.fail_over_mac(usize::from(place), from.map(usize::from));
        self.send_peer_notif = self.options.peer_notifs();
        if self.has_way_out() {
            self.notify_peers(tell);
        }
        if self.send_peer_notif > 0 {
            self.wake(now);
        }
    }

    /// Moves Ethernet addresses to where they are to be.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_do_fail_over_mac()`, `bond_get_old_active()`.
    fn fail_over_mac(&mut self, to: usize, from: Option<usize>) {
        match self.options.fail_over_mac {
            FailOverMac::None => {}
            FailOverMac::Active => self.mac = self.ports[to].mac,
            FailOverMac::Follow => {
                let bond = self.mac;
                let bears = |(place, port): (usize, &Port)| place != to && port.mac == bond;
                let from = from.or_else(|| self.ports.iter().enumerate().position(bears));
                let own = core::mem::replace(&mut self.ports[to].mac, bond);
                if let Some(from) = from {
                    self.ports[to].mac = core::mem::replace(&mut self.ports[from].mac, own);
                }
            }
        }
    }
}

impl Port {
    /// How good its link is, for `primary_reselect`: the faster one, else that of fuller duplex. What is not known counts as the best,
    /// as the numbers do that stand for it in Linux (`SPEED_UNKNOWN`, `DUPLEX_UNKNOWN`).
    fn quality(&self) -> (u32, u8) {
        (self.said.speed_mbps.unwrap_or(u32::MAX), self.said.full_duplex.map_or(u8::MAX, u8::from))
    }
}
