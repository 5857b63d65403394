//! Modes that send by several ports: each of them asks, and is used while it is answered.

use alloc::vec::Vec;

use super::super::{Bond, Happening, LinkState};
use crate::time::Instant;

impl Bond {
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_loadbalance_arp_mon()`.
    pub(super) fn probe_balanced(&mut self, now: Instant, tell: &mut Vec<Happening>) {
        let (mut has_moved, mut selects) = (false, false);
        let active = self.active;
        for place in 0..self.ports.len() as u16 {
            if let Some(to) = self.judge_balanced(now, place) {
                has_moved = true;
                let port = &mut self.ports[usize::from(place)];
                let device = port.device;
                let (happening, is_first) = match (to, active) {
                    (LinkState::Up, None) => (Happening::Answered { port: device }, true),
                    (LinkState::Up, Some(_)) => (Happening::NowUp { port: device }, false),
                    (_, active) => (Happening::NowDown { port: device }, active == Some(place)),
                };
                tell.push(happening);
                port.link = to;
                port.has_been_up |= to == LinkState::Up;
                port.failures = port.failures.saturating_add(u32::from(to == LinkState::Down));
                selects |= is_first;
            }
            let port = &self.ports[usize::from(place)];
            // Each has to ask: a switch that sends by turns answers by the others, too.
            if port.said.carrier {
                tell.push(Happening::Probe { port: port.device });
            }
        }
        if has_moved {
            self.ports.iter_mut().for_each(|port| port.is_backup = port.link == LinkState::Down);
        }
        if selects {
            self.select_active(now, tell);
        }
    }

    /// What a port is to be from now on, if that is something else.
    fn judge_balanced(&self, now: Instant, place: u16) -> Option<LinkState> {
        let (port, times) = (&self.ports[usize::from(place)], self.times(place)?);
        let both_within =
            |intervals| self.is_within(now, times.asked, intervals) && self.is_within(now, times.heard, intervals);
        match port.link {
            LinkState::Up => (!both_within(u32::from(self.options.arp_missed_max))).then_some(LinkState::Down),
            LinkState::Fail | LinkState::Down | LinkState::Back => both_within(1).then_some(LinkState::Up),
        }
    }
}
