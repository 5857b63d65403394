//! Which ports of a bond are up: `arp_interval`, which asks stations by them and hears what comes back.
//!
//! ```text
//!  arp_interval ─► look at when each port has asked and heard last ─► up, down ─► ask again
//!                                        ▲
//!  a frame comes in by a port ─► does it count? (`heard`: `arp_validate`)
//! ```
//!
//! | file | what | Linux v6.18, `drivers/net/bonding` |
//! |---|---|---|
//! | `heard` | what of what comes in shows that a link carries | `bond_main.c`, `bond_rcv_validate()` |
//! | `backup` | active-backup: the active port asks; without one, each in turn | `bond_main.c`, `bond_activebackup_arp_mon()` |
//! | `balanced` | the other modes: every port asks | `bond_main.c`, `bond_loadbalance_arp_mon()` |
//!
//! What is asked and from where is for `link/probes.rs` to say, which knows routes; only what has been asked there counts as asked.
//!
//! Where it is known to differ from the driver: time is not counted in jiffies; it looks for the first time an `arp_interval` after the
//! bond was made; that there is no route to a target that is waited for is not told in the log.

mod backup;
mod balanced;
mod heard;

pub(crate) use self::heard::Heard;

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Bond, Happening, LinkState, Mode, Options, Port};
use crate::{frame::DeviceId, limits::BOND_TARGETS_MAX, time::Instant};

/// What a bond that asks by its ports knows beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probing {
    /// When its ports have asked and heard, in their order.
    ports: Vec<Times>,
    /// Of active-backup without an active port, the one by which it is being asked (Linux: `current_arp_slave`).
    candidate: Option<u16>,
    /// When it looks next.
    due: Instant,
}

/// When a port has done what last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Times {
    /// It has asked (Linux: `last_tx`).
    asked: Instant,
    /// Something came that counts (Linux: `last_rx`).
    heard: Instant,
    /// The same of each target, those of both families side by side (Linux: `target_last_arp_rx`).
    answered: [Instant; BOND_TARGETS_MAX],
    /// It has come to be used, or to be tried (Linux: `last_link_up`).
    up: Option<Instant>,
}

impl Probing {
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_enslave()`.
    pub(super) fn new(now: Instant, options: &Options, ports: &[Port]) -> Option<Box<Self>> {
        let interval = options.arp_interval();
        let before = now - interval;
        let times = |port: &Port| Times {
            asked: before,
            heard: before,
            answered: [before; BOND_TARGETS_MAX],
            up: (port.link != LinkState::Down).then_some(now),
        };
        let new = || Self { ports: ports.iter().map(times).collect(), candidate: None, due: now + interval };
        (!interval.is_zero()).then(|| Box::new(new()))
    }

    /// Whether what a snapshot says of it can be, of a bond with so many ports; `latest` is the latest time that this knows of.
    pub(super) fn is_right(&self, latest: Instant, count: usize, options: &Options) -> bool {
        let is_past = |times: &Times| {
            let Times { asked, heard, answered, up } = times;
            [asked, heard].into_iter().chain(answered).chain(up).all(|time| *time <= latest)
        };
        self.ports.len() == count
            && self.ports.iter().all(is_past)
            && self.candidate.is_none_or(|place| usize::from(place) < count && options.mode == Mode::ActiveBackup)
            && self.due.since(latest) <= options.arp_interval()
    }
}

impl Options {
    /// From one question to the next; zero: nobody is asked.
    pub(super) const fn arp_interval(&self) -> Duration {
        Duration::from_millis(self.arp_interval_ms as u64)
    }
}

impl Bond {
    /// When it is to look at who has answered.
    pub(crate) fn probes_due(&self) -> Option<Instant> {
        self.probing.as_ref().map(|probing| probing.due)
    }

    /// Looks at who has answered, and asks again.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_arp_monitor()`.
    pub(super) fn probe(&mut self, now: Instant, tell: &mut Vec<Happening>) {
        match self.options.mode {
            Mode::ActiveBackup => self.probe_backup(now, tell),
            Mode::RoundRobin | Mode::Xor | Mode::Broadcast | Mode::Ieee8023ad | Mode::Tlb | Mode::Alb => {
                self.probe_balanced(now, tell);
            }
        }
        let interval = self.options.arp_interval();
        if let Some(probing) = &mut self.probing {
            probing.due = now + interval;
        }
    }

    /// Questions have left by a port (Linux: `slave_update_last_tx()`).
    pub(crate) fn has_asked(&mut self, now: Instant, port: DeviceId) {
        let place = self.place_of(port);
        if let Some(times) = place.and_then(|place| self.times_mut(place)) {
            times.asked = now;
        }
    }

    /// A port has come to be used, or to be tried.
    pub(super) fn note_up(&mut self, now: Instant, place: u16) {
        if let Some(times) = self.times_mut(place) {
            times.up = Some(now);
        }
    }

    fn times_mut(&mut self, place: u16) -> Option<&mut Times> {
        self.probing.as_mut()?.ports.get_mut(usize::from(place))
    }

    fn times(&self, place: u16) -> Option<&Times> {
        self.probing.as_ref()?.ports.get(usize::from(place))
    }

    /// Whether it is not longer ago than so many intervals and a half, by which fast links may be early or late.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_time_in_interval()`.
    fn is_within(&self, now: Instant, last: Instant, intervals: u32) -> bool {
        let interval = self.options.arp_interval();
        now <= last + interval * intervals + interval / 2
    }

    /// When a port has heard last what counts: of anybody, or with `arp_all_targets` of the IPv4 target that has been silent longest.
    ///
    /// Linux v6.18: `include/net/bonding.h`, `slave_last_rx()`.
    fn heard_last(&self, place: u16) -> Instant {
        let Some(times) = self.times(place) else { return Instant::ZERO };
        let targets = self.options.arp_ip_targets.len().clamp(1, BOND_TARGETS_MAX);
        match self.options.arp_all_targets {
            true => times.answered[..targets].iter().min().copied().unwrap_or(times.heard),
            false => times.heard,
        }
    }
}
