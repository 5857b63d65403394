//! Bonds: several ports that are one device to everything above them, as Linux's bonding driver makes them.
//!
//! ```text
//!                    ┌─► port   up
//!  packet ─► bond ───┼─► port   up          which: `transmit`, by mode
//!                    └─x port   down        whether it is up: `monitor`, `probe`
//!
//!  frame ─► port ─► does the bond take anything by this port? (`receive`) ─► as if it had come in by the bond
//! ```
//!
//! A bond is a [`Device`](super::Device) of kind [`Kind::Bond`](super::Kind::Bond). Which ports it has, and what is known of them, stands in
//! [`Bond`]. It knows neither packets' ways nor other devices: what its ports' links say it is told, and what is to be done beside it
//! comes back as `Happening`s, which `link/bonded.rs` carries out.
//!
//! | file | what | Linux v6.18, `drivers/net/bonding` |
//! |---|---|---|
//! | [`options`] | what an operator says, under the names of Linux's options | `bond_options.c` |
//! | `check` | which of them a bond cannot have | `bond_options.c` |
//! | [`mode`] | the modes | `include/uapi/linux/if_bonding.h` |
//! | [`hash`] | `xmit_hash_policy` | `bond_main.c`, `bond_xmit_hash()` |
//! | `transmit` | by which port a packet leaves | `bond_main.c`, `bond_start_xmit()` |
//! | `receive` | what is taken by which port | `bond_main.c`, `bond_handle_frame()` |
//! | `monitor` | which links are up: `miimon` | `bond_main.c`, `bond_mii_monitor()` |
//! | `probe` | which links are up: `arp_interval` | `bond_main.c`, `bond_arp_monitor()` |
//! | `select` | which port is the active one | `bond_main.c`, `bond_select_active_slave()` |
//! | [`ad`] | 802.3ad: LACP | `bond_3ad.c` |
//! | `alb` | balance-tlb and balance-alb | `bond_alb.c` |
//! | `happening` | what is to be done, and how the kernel's log tells it | |
//! | `text` | a bond as `/proc/net/bonding` prints it | `bond_procfs.c` |
//!
//! What the driver calls a slave is a port here, as in its newer texts and in IEEE 802.1AX.
//!
//! Where it is known to differ from the driver: ports are added all at once, and links are looked at for the first time a `miimon`
//! after that; that a port is added, and that a delay is not a multiple of `miimon`, is not told in the log; a VLAN with the bond's
//! Ethernet address has inherited it, whoever gave it; ports have neither a priority of their own (`prio`) nor queues (`queue_id`), and
//! no report of groups is sent again when another port takes over (`resend_igmp`), as this host is in none that it has to report; a
//! broadcast bond waits out `updelay`, as with the driver's stable versions, where v6.18 itself has one link come up at once each time
//! it looks.

pub mod ad;
mod alb;
mod check;
mod happening;
pub mod hash;
pub mod mode;
mod monitor;
pub mod options;
mod probe;
mod receive;
mod select;
mod text;
mod transmit;

pub(crate) use self::{
    alb::Sending,
    happening::Happening,
    probe::Heard,
    receive::{Reception, is_slow},
    transmit::Chosen,
};
pub use self::{
    check::OptionsError,
    hash::HashPolicy,
    mode::Mode,
    options::{ArpValidate, FailOverMac, Options, PrimaryReselect},
};

use alloc::{boxed::Box, vec::Vec};

use serde::{Deserialize, Serialize};

use self::{
    ad::{Ad, Machines},
    alb::Alb,
    probe::Probing,
};
use super::Link;
use crate::{
    frame::DeviceId,
    time::Instant,
    wire::{MacAddr, lacp::PortInfo},
};

/// A bond's ports, and what is known of them (Linux: `struct bonding`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bond {
    /// The bond's own device.
    pub(crate) device: DeviceId,
    /// Its Ethernet address.
    pub(crate) mac: MacAddr,
    /// What the operator has said.
    options: Options,
    /// In the order in which they were added.
    pub(crate) ports: Vec<Port>,
    /// Which of `ports` is the active one (Linux: `curr_active_slave`).
    active: Option<u16>,
    /// The primary port has not been the active one yet, and takes over as soon as it can, whatever `primary_reselect` says.
    force_primary: bool,
    /// Whether the bond itself has a carrier.
    carrier: bool,
    /// Packets that were sent in turn (Linux: `rr_tx_counter`).
    turn: u32,
    /// What 802.3ad knows beside all that.
    ad: Option<Box<Ad>>,
    /// What balance-tlb and balance-alb know beside all that.
    alb: Option<Box<Alb>>,
    /// What it knows beside all that when it asks by its ports (`arp_interval`).
    probing: Option<Box<Probing>>,
    /// How often neighbours are still to be told where the bond is, times the looks from one to the next.
    send_peer_notif: u32,
    /// Links are looked at every `miimon` since then.
    since: Instant,
    /// When links are looked at next; none while nothing can have changed.
    miimon_due: Option<Instant>,
}

/// A port of a bond (Linux: `struct slave`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(crate) device: DeviceId,
    /// The Ethernet address that it had before (Linux: `perm_hwaddr`).
    pub(crate) permanent: MacAddr,
    /// The one that it has now.
    pub(crate) mac: MacAddr,
    pub(crate) link: LinkState,
    /// Looks until the link counts as what it says.
    delay: u32,
    /// Its link has been up (Linux: `last_link_up`).
    has_been_up: bool,
    /// Times that the link has gone down (Linux: `link_failure_count`).
    failures: u32,
    /// What its link said when it was asked last.
    said: Link,
    /// It sends nothing of its own accord (Linux: `BOND_STATE_BACKUP`).
    is_backup: bool,
    /// Nothing is taken that comes in by it (Linux: `inactive`).
    is_inactive: bool,
}

/// What a link is to its bond (Linux: `BOND_LINK_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LinkState {
    /// It carries.
    Up,
    /// It says that it is down, and counts as up until `downdelay` is over.
    Fail,
    /// It does not carry.
    Down,
    /// It says that it is up, and counts as down until `updelay` is over.
    Back,
}

/// A port as it is added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) device: DeviceId,
    pub(crate) mac: MacAddr,
    pub(crate) link: Link,
}

impl Bond {
    /// A bond over ports that are added all at once. It begins to look at their links, which it does the first time a `miimon` later.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_enslave()`.
    pub(crate) fn new(
        now: Instant,
        (device, mac): (DeviceId, MacAddr),
        options: Options,
        ports: &[Added],
        tell: &mut Vec<Happening>,
    ) -> Self {
        let ports: Vec<Port> = ports.iter().map(|added| Port::new(added, mac, &options)).collect();
        let is_ad = options.mode == Mode::Ieee8023ad;
        let mut bond = Self {
            device,
            mac,
            force_primary: options.primary.is_some(),
            ad: is_ad.then(|| Box::new(Ad::new(now, mac, &options, &ports))),
            alb: Alb::new(now, &options, ports.len()),
            probing: Probing::new(now, &options, &ports),
            options,
            ports,
            active: None,
            carrier: false,
            turn: 0,
            send_peer_notif: 0,
            since: now,
            miimon_due: None,
        };
        bond.set_carrier();
        if bond.options.mode.uses_primary() {
            bond.select_active(now, tell);
        } else if let Some(mut machines) = bond.machines(now, tell) {
            machines.go_on();
            bond.set_carrier();
        } else {
            // It means nothing but by which port IGMP leaves.
            bond.active = bond.ports.iter().position(|port| port.link == LinkState::Up).map(|at| at as u16);
        }
        if bond.ports.iter().any(|port| port.link == LinkState::Back) {
            bond.wake(now);
        }
        bond
    }

    /// The bond's own device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// What the operator has said.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Its ports, in the order in which they were added.
    pub fn ports(&self) -> impl Iterator<Item = DeviceId> {
        self.ports.iter().map(|port| port.device)
    }

    /// The active port, in modes that have one.
    #[must_use]
    pub fn active(&self) -> Option<DeviceId> {
        self.active_port().filter(|_| self.options.mode.uses_primary()).map(|port| port.device)
    }

    /// Whether it has a carrier: whether the link of any of its ports is up; with LACP, whether there is an aggregator that is used, and
    /// as many of its links are up as `min_links` says.
    #[must_use]
    pub const fn has_carrier(&self) -> bool {
        self.carrier
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        [self.looks_due(), self.beat_due()].into_iter().flatten().min()
    }

    /// When links are to be looked at.
    pub(crate) const fn looks_due(&self) -> Option<Instant> {
        self.miimon_due
    }

    /// When LACP's machines go on.
    pub(crate) fn lacp_due(&self) -> Option<Instant> {
        self.ad.as_ref().and_then(|ad| ad.due())
    }

    /// When it does next what it does again and again, for ever.
    pub(crate) fn beat_due(&self) -> Option<Instant> {
        [self.lacp_due(), self.probes_due(), self.alb_due()].into_iter().flatten().min()
    }

    fn alb_due(&self) -> Option<Instant> {
        self.alb.as_ref().and_then(|alb| alb.due())
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, link: impl Fn(DeviceId) -> Link, tell: &mut Vec<Happening>) {
        if self.miimon_due.is_some_and(|due| due <= now) {
            self.look(now, link, tell);
        }
        if self.lacp_due().is_some_and(|due| due <= now) {
            self.machines(now, tell).into_iter().for_each(|mut machines| machines.tick());
            self.set_carrier();
        }
        if self.probes_due().is_some_and(|due| due <= now) {
            self.probe(now, tell);
        }
        if self.alb_due().is_some_and(|due| due <= now) {
            self.tick_alb(now, tell);
        }
    }

    /// Whether frames of slow protocols are for it.
    pub(crate) const fn takes_slow(&self) -> bool {
        self.ad.is_some()
    }

    /// Takes what has come behind the Ethernet header of a frame of slow protocols; whether it is a marker that is to be answered.
    pub(crate) fn take_slow(&mut self, now: Instant, port: DeviceId, bytes: &[u8], tell: &mut Vec<Happening>) -> bool {
        let place = self.place_of(port);
        let (Some(place), Some(mut machines)) = (place, self.machines(now, tell)) else { return false };
        machines.take(usize::from(place), bytes)
    }

    /// What ports say with LACP when they leave the bond.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `bond_3ad_unbind_slave()`.
    pub(crate) fn farewells(&self) -> Vec<Happening> {
        let Some(ad) = &self.ad else { return Vec::new() };
        let said = |(port, own): (&Port, &ad::AdPort)| {
            let (actor, partner) = own.farewell(ad.system, ad.system_priority);
            Happening::Lacpdu { port: port.device, actor, partner }
        };
        self.ports.iter().zip(&ad.ports).map(said).collect()
    }

    /// The Ethernet address that a port had before.
    pub(crate) fn permanent_mac_of(&self, port: DeviceId) -> Option<MacAddr> {
        self.ports.iter().find(|known| known.device == port).map(|port| port.permanent)
    }

    /// What a port in 802.3ad mode says of itself in LACPDUs.
    #[must_use]
    pub fn port_info(&self, port: DeviceId) -> Option<PortInfo> {
        let (place, ad) = (self.place_of(port)?, self.ad.as_ref()?);
        Some(ad.ports.get(usize::from(place))?.actor(ad.system, ad.system_priority))
    }

    /// What a port in 802.3ad mode has counted.
    #[must_use]
    pub fn ad_stats(&self, port: DeviceId) -> Option<ad::AdStats> {
        let place = self.place_of(port)?;
        Some(self.ad.as_ref()?.ports.get(usize::from(place))?.stats)
    }

    /// The machines of 802.3ad.
    fn machines<'a>(&'a mut self, now: Instant, tell: &'a mut Vec<Happening>) -> Option<Machines<'a>> {
        let Self { ad, ports, options, .. } = self;
        Some(Machines { now, ad: ad.as_mut()?, ports, options, tell })
    }

    /// A link says something else than before. With LACP, one that does not say how fast it is fails at once.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_slave_netdev_event()`.
    pub(crate) fn link_says(&mut self, now: Instant, device: DeviceId, link: Link, tell: &mut Vec<Happening>) {
        let Some(place) = self.place_of(device).map(usize::from) else { return };
        let (is_ad, downdelay) = (self.ad.is_some(), self.options.downdelay());
        let port = &mut self.ports[place];
        port.said = link;
        if is_ad && !port.knows_speed() {
            port.link = if port.has_been_up { LinkState::Fail } else { LinkState::Down };
            port.delay = port.delay.min(downdelay);
        }
        self.wake(now);
        if let Some(mut machines) = self.machines(now, tell) {
            machines.speed_changed(place);
        }
    }

    /// Whether what a snapshot says of it can be; `latest` is the latest time that this knows of.
    pub(crate) fn is_right(&self, latest: Instant) -> bool {
        let ports: Vec<DeviceId> = self.ports().collect();
        let options = &self.options;
        let is_in_time = |port: &Port| match port.link {
            LinkState::Fail => port.delay <= options.downdelay(),
            LinkState::Back => port.delay <= options.updelay(),
            LinkState::Up | LinkState::Down => true,
        };
        let is_ad = options.mode == Mode::Ieee8023ad;
        let ad_is_right =
            self.ad.as_ref().map_or(!is_ad, |ad| is_ad && ad.is_right(latest, ports.len(), self.mac, options));
        options.check(&ports).is_ok()
            && self.active.is_none_or(|place| usize::from(place) < ports.len())
            && self.ports.iter().all(is_in_time)
            && self.send_peer_notif <= options.peer_notifs()
            && self.since <= latest
            && self.miimon_due.is_none_or(|due| options.miimon_ms > 0 && due.since(latest) <= options.miimon())
            && ad_is_right
            && self
                .alb
                .as_ref()
                .map_or(!options.mode.balances_adaptively(), |alb| alb.is_right(latest, ports.len(), options))
            && self.probing.as_ref().map_or(options.arp_interval_ms == 0, |probing| {
                options.arp_interval_ms > 0 && probing.is_right(latest, ports.len(), options)
            })
    }

    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_set_carrier()`; `bond_3ad.c`, `bond_3ad_set_carrier()`.
    fn set_carrier(&mut self) {
        self.carrier = match &self.ad {
            None => self.ports.iter().any(|port| port.link == LinkState::Up),
            Some(ad) => {
                ad.active().is_some_and(|active| ad.active_ports(active) >= usize::from(self.options.min_links))
            }
        };
    }

    fn active_port(&self) -> Option<&Port> {
        self.ports.get(usize::from(self.active?))
    }

    fn place_of(&self, device: DeviceId) -> Option<u16> {
        self.ports.iter().position(|port| port.device == device).map(|place| place as u16)
    }
}

impl Port {
    fn new(added: &Added, bond: MacAddr, options: &Options) -> Self {
        let Added { device, mac, link } = *added;
        let waits = options.updelay() > 0;
        let state = match link.carrier {
            // Who is not asked is taken to be up.
            _ if options.miimon_ms == 0 && options.arp_interval_ms == 0 => LinkState::Up,
            true if waits => LinkState::Back,
            true => LinkState::Up,
            false => LinkState::Down,
        };
        let is_active_backup = options.mode == Mode::ActiveBackup;
        let waits = is_active_backup || options.mode == Mode::Ieee8023ad;
        let is_adaptive = options.mode.balances_adaptively();
        let keeps_mac = is_adaptive || is_active_backup && options.fail_over_mac != FailOverMac::None;
        Self {
            device,
            permanent: mac,
            mac: if keeps_mac { mac } else { bond },
            link: state,
            delay: if state == LinkState::Back { options.updelay() } else { 0 },
            has_been_up: state != LinkState::Down,
            failures: 0,
            said: link,
            is_backup: waits,
            is_inactive: (waits || is_adaptive) && !options.all_slaves_active,
        }
    }

    /// Whether its link says how fast it is and whether both ends may send at once (Linux: `bond_update_speed_duplex()`).
    pub(crate) fn knows_speed(&self) -> bool {
        self.said.full_duplex.is_some() && self.said.speed_mbps.is_some_and(|speed| speed > 0)
    }

    /// Whether it may send: its link counts as up, has a carrier at this very moment, and nobody has told it to keep still.
    ///
    /// Linux v6.18: `include/net/bonding.h`, `bond_slave_can_tx()`.
    pub(crate) fn can_send(&self) -> bool {
        self.link == LinkState::Up && self.said.carrier && !self.is_backup
    }
}

#[cfg(test)]
mod tests;
