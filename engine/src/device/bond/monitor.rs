//! Which ports of a bond are up: `miimon`.
//!
//! ```text
//!            link down                downdelay over
//!     Up ──────────────────► Fail ─────────────────────► Down
//!      ▲ ◄────────────────────┘                            │
//!      │       link up                            link up  │
//!      └───────────────────────── Back ◄───────────────────┘
//!            updelay over          └─────────────────────► Down
//!                                        link down
//! ```
//!
//! Links are looked at every `miimon` since the bond was made, but only while that can change something: when a link has said
//! something else, a delay runs, or neighbours are to be told. What happens is what looking each time would give.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Bond, Happening, LinkState, Mode};
use crate::{device::Link, frame::DeviceId, time::Instant};

impl Bond {
    /// Links are to be looked at: at the next time of those that are `miimon` apart.
    pub(super) fn wake(&mut self, now: Instant) {
        let period = u64::from(self.options.miimon_ms) * NANOS_PER_MS;
        if period > 0 && self.miimon_due.is_none() {
            let looks = now.since(self.since).as_nanos() as u64 / period + 1;
            self.miimon_due = Some(self.since + Duration::from_nanos(looks.saturating_mul(period)));
        }
    }

    /// Looks at all links.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_mii_monitor()`.
    pub(super) fn look(&mut self, now: Instant, link: impl Fn(DeviceId) -> Link, tell: &mut Vec<Happening>) {
        self.miimon_due = None;
        self.notify_peers(tell);
        let moved = self.inspect(link, tell);
        if !moved.is_empty() {
            self.commit(now, &moved, tell);
        }
        let is_moving = |port: &super::Port| matches!(port.link, LinkState::Fail | LinkState::Back);
        if self.ports.iter().any(is_moving) || self.send_peer_notif > 0 {
            self.wake(now);
        }
    }

    /// Tells neighbours again where the bond is, if it is time and there is a way to them. It counts looks from the first time on.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_should_notify_peers()`, `bond_mii_monitor()`.
    pub(super) fn notify_peers(&mut self, tell: &mut Vec<Happening>) {
        if self.send_peer_notif > 0 {
            if self.has_way_out() && self.send_peer_notif.is_multiple_of(self.options.peer_notif_delay().max(1)) {
                tell.push(Happening::NotifyPeers);
            }
            self.send_peer_notif -= 1;
        }
    }

    /// Whether neighbours can be told anything.
    pub(super) const fn has_way_out(&self) -> bool {
        self.carrier && self.active.is_some()
    }

    /// Finds out which links are to be up or down from now on, and counts delays. Those that have moved are told by their places.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_miimon_inspect()`.
    fn inspect(&mut self, link: impl Fn(DeviceId) -> Link, tell: &mut Vec<Happening>) -> Vec<(usize, LinkState)> {
        let mut ignores_updelay = match self.options.mode {
            Mode::ActiveBackup => self.active.is_none(),
            Mode::Xor | Mode::Ieee8023ad | Mode::Tlb | Mode::Alb => {
                let is_kept = self.ad.as_ref().is_none_or(|ad| ad.active().is_some());
                is_kept && self.usable().next().is_none()
            }
            // No list is kept of ports that can send, so that nobody sees it empty. (That of broadcast bonds in Linux v6.18 is always
            // empty when it is asked; its stable versions have none again.)
            Mode::RoundRobin | Mode::Broadcast => false,
        };
        let mut moved = Vec::new();
        for place in 0..self.ports.len() {
            let said = link(self.ports[place].device);
            self.ports[place].said = said;
            if let Some(to) = self.inspect_one(place, said.carrier, &mut ignores_updelay, tell) {
                moved.push((place, to));
            }
        }
        moved
    }

    /// The same of one link.
    fn inspect_one(
        &mut self,
        place: usize,
        carrier: bool,
        ignores_updelay: &mut bool,
        tell: &mut Vec<Happening>,
    ) -> Option<LinkState> {
        let (updelay, downdelay) = (self.options.updelay(), self.options.downdelay());
        let miimon = self.options.miimon_ms;
        let is_active = self.active == Some(place as u16);
        let port = &mut self.ports[place];
        let device = port.device;
        if port.link == LinkState::Up && !carrier {
            (port.link, port.delay) = (LinkState::Fail, downdelay);
            if downdelay > 0 {
                tell.push(Happening::GoingDown { port: device, is_active, ms: downdelay * miimon });
            }
        } else if port.link == LinkState::Down && carrier {
            (port.link, port.delay) = (LinkState::Back, updelay);
            if updelay > 0 {
                let ms = if *ignores_updelay { 0 } else { updelay * miimon };
                tell.push(Happening::ComingUp { port: device, ms });
            }
        }
        if port.link == LinkState::Back && *ignores_updelay {
            port.delay = 0;
        }
        match (port.link, carrier) {
            (LinkState::Up | LinkState::Down, _) => None,
            (LinkState::Fail, true) => {
                tell.push(Happening::UpAgain { port: device, ms: (downdelay - port.delay) * miimon });
                Some(LinkState::Up)
            }
            (LinkState::Back, false) => {
                tell.push(Happening::DownAgain { port: device, ms: (updelay - port.delay) * miimon });
                port.link = LinkState::Down;
                Some(LinkState::Down)
            }
            (LinkState::Fail | LinkState::Back, _) if port.delay > 0 => {
                port.delay -= 1;
                None
            }
            (LinkState::Fail, false) => Some(LinkState::Down),
            (LinkState::Back, true) => {
                *ignores_updelay = false;
                Some(LinkState::Up)
            }
        }
    }

    /// Does what links that have moved mean.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_miimon_commit()`.
    fn commit(&mut self, now: Instant, moved: &[(usize, LinkState)], tell: &mut Vec<Happening>) {
        let mut selects = false;
        for &(place, to) in moved {
            let is_active = self.active == Some(place as u16);
            let is_primary = self.options.primary == Some(self.ports[place].device);
            let (mode, has_active) = (self.options.mode, self.active.is_some());
            let keeps_taking = self.options.all_slaves_active;
            let port = &mut self.ports[place];
            if to == LinkState::Up && mode.needs_speed() && !port.knows_speed() {
                port.link = LinkState::Down;
                tell.push(Happening::NoSpeed { port: port.device });
                continue;
            }
            port.link = to;
            port.has_been_up |= to == LinkState::Up;
            if to == LinkState::Up {
                tell.push(Happening::Up { port: port.device });
                // The mux machine lets it send.
                port.is_backup |= mode == Mode::Ieee8023ad;
                selects |= !has_active || is_primary;
            } else {
                port.failures = port.failures.saturating_add(1);
                tell.push(Happening::Down { port: port.device });
                if matches!(mode, Mode::ActiveBackup | Mode::Ieee8023ad) {
                    (port.is_backup, port.is_inactive) = (true, !keeps_taking);
                }
                selects |= is_active;
            }
            if let Some(mut machines) = self.machines(now, tell) {
                machines.link_changed(place, to == LinkState::Up);
            }
            self.alb_link_changed(place as u16, to == LinkState::Up, tell);
        }
        if selects {
            self.select_active(now, tell);
        }
        self.set_carrier();
    }
}

const NANOS_PER_MS: u64 = 1_000_000;
