//! Active-backup: the active port asks, and the others hear the questions where a switch sends them on. While there is no active port,
//! each port is tried in turn for an interval.
//!
//! ```text
//!           silent for arp_missed_max            its turn to be tried
//!     Up ─────────────────────────────► Down ◄────┐ ─────────────► Back
//!      ▲   (another one: one more)        │       │                  │
//!      │                           heard  │       └───── Fail ◄──────┘ silent
//!      └──────────────────────────────────┴──────────────────────────┘ heard
//! ```

use alloc::vec::Vec;

use super::super::{Bond, Happening, LinkState};
use crate::time::Instant;

impl Bond {
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_activebackup_arp_mon()`.
    pub(super) fn probe_backup(&mut self, now: Instant, tell: &mut Vec<Happening>) {
        let notifies = self.send_peer_notif > 0 && self.has_way_out();
        let moved = self.judge_backup(now);
        if !moved.is_empty() {
            self.commit_backup(now, &moved, tell);
        }
        match self.active.and_then(|place| self.ports.get(usize::from(place))) {
            Some(active) => tell.push(Happening::Probe { port: active.device }),
            None => self.try_next(now, tell),
        }
        if notifies {
            self.send_peer_notif = self.send_peer_notif.saturating_sub(1);
            tell.push(Happening::NotifyPeers);
        }
    }

    /// Finds out what the ports are to be from now on, by their places.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_ab_arp_inspect()`.
    fn judge_backup(&self, now: Instant) -> Vec<(u16, LinkState)> {
        let missed = u32::from(self.options.arp_missed_max);
        let Some(probing) = &self.probing else { return Vec::new() };
        let judge = |place: u16| {
            let (port, times) = (&self.ports[usize::from(place)], &probing.ports[usize::from(place)]);
            let heard = self.heard_last(place);
            if port.link != LinkState::Up {
                return match port.link {
                    _ if self.is_within(now, heard, 1) => Some(LinkState::Up),
                    LinkState::Back => Some(LinkState::Fail),
                    LinkState::Up | LinkState::Fail | LinkState::Down => None,
                };
            }
            // Who has just come to be used has had no time to ask and hear.
            if times.up.is_some_and(|up| self.is_within(now, up, 2)) {
                return None;
            }
            let is_silent = match port.is_backup {
                true => probing.candidate.is_none() && !self.is_within(now, heard, missed + 1),
                false => !self.is_within(now, times.asked, missed) || !self.is_within(now, heard, missed),
            };
            is_silent.then_some(LinkState::Down)
        };
        (0..self.ports.len() as u16).filter_map(|place| Some((place, judge(place)?))).collect()
    }

    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_ab_arp_commit()`.
    fn commit_backup(&mut self, now: Instant, moved: &[(u16, LinkState)], tell: &mut Vec<Happening>) {
        let mut selects = false;
        for &(place, to) in moved {
            let port = &mut self.ports[usize::from(place)];
            let device = port.device;
            port.link = to;
            match to {
                LinkState::Up => {
                    port.has_been_up = true;
                    self.give_up_candidate();
                    tell.push(Happening::Answered { port: device });
                    selects |= self.active.is_none() || self.options.primary == Some(device);
                }
                LinkState::Down => {
                    port.failures = port.failures.saturating_add(1);
                    self.set_waiting(place);
                    tell.push(Happening::Down { port: device });
                    if self.active == Some(place) {
                        self.forget_candidate();
                        selects = true;
                    }
                }
                LinkState::Fail | LinkState::Back => {
                    self.set_waiting(place);
                    if self.active.is_some() {
                        self.forget_candidate();
                    }
                }
            }
        }
        if selects {
            self.select_active(now, tell);
        }
        self.set_carrier();
    }

    /// Nobody is the active port: the next one behind the last that was tried is.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_ab_arp_probe()`.
    fn try_next(&mut self, now: Instant, tell: &mut Vec<Happening>) {
        let last = self.probing.as_ref().and_then(|probing| probing.candidate).unwrap_or(0);
        for place in 0..self.ports.len() as u16 {
            let port = &mut self.ports[usize::from(place)];
            if !port.said.carrier && port.link == LinkState::Up {
                port.link = LinkState::Down;
                port.failures = port.failures.saturating_add(1);
                tell.push(Happening::BackupDown { port: port.device });
                self.set_waiting(place);
            }
        }
        let carries = |place: &u16| self.ports[usize::from(*place)].said.carrier;
        let behind = (last + 1..self.ports.len() as u16).find(carries);
        let Some(next) = behind.or_else(|| (0..=last).find(carries)) else { return };
        let port = &mut self.ports[usize::from(next)];
        port.link = LinkState::Back;
        (port.is_backup, port.is_inactive) = (false, false);
        tell.push(Happening::Probe { port: port.device });
        self.note_up(now, next);
        if let Some(probing) = &mut self.probing {
            probing.candidate = Some(next);
        }
    }

    /// The port that was tried is one of the others again.
    fn give_up_candidate(&mut self) {
        if let Some(place) = self.probing.as_mut().and_then(|probing| probing.candidate.take()) {
            self.set_waiting(place);
        }
    }

    fn forget_candidate(&mut self) {
        if let Some(probing) = &mut self.probing {
            probing.candidate = None;
        }
    }

    /// Linux v6.18: `include/net/bonding.h`, `bond_set_slave_inactive_flags()`.
    fn set_waiting(&mut self, place: u16) {
        let keeps_taking = self.options.all_slaves_active;
        if let Some(port) = self.ports.get_mut(usize::from(place)) {
            port.is_backup = true;
            port.is_inactive |= !keeps_taking;
        }
    }
}
