//! What is known of a port and of an aggregator.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use zerocopy::byteorder::big_endian::U16;

use super::{
    churn::CHURN_DETECTION_TICKS,
    mux::{AGGREGATE_WAIT_TICKS, MuxState},
    periodic::{PeriodicState, SLOW_TICKS},
    receive::{LONG_TIMEOUT_TICKS, ReceiveState},
    transmit::TX_TICKS,
};
use crate::{
    device::bond::{LinkState, Options, Port},
    wire::{
        MacAddr,
        lacp::{PortInfo, PortState},
    },
};

/// A port of a bond in 802.3ad mode (Linux: `struct port`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdPort {
    /// From 1.
    pub(in super::super) number: u16,
    /// `Actor_Oper_Port_Key`: what the operator has said, how fast the link is, and whether it is full duplex.
    pub(in super::super) key: u16,
    /// The operator's part of it.
    user_key: u16,
    /// `Actor_Port_Priority`.
    pub(super) priority: u16,
    /// `Actor_Oper_Port_State`.
    pub(in super::super) state: PortState,
    /// `Partner_Oper_*`: what is known of the other end.
    pub(in super::super) partner: PortInfo,
    /// The aggregator that it belongs to.
    aggregator: Option<u16>,
    /// Its link is used.
    pub(super) is_enabled: bool,
    /// `BEGIN`.
    pub(super) begin: bool,
    /// `LACP_Enabled`: it takes part in the protocol.
    pub(super) lacp_enabled: bool,
    /// `Selected`: its aggregator is the right one.
    pub(super) selected: bool,
    /// `Ready_N`: it has waited long enough for others to join.
    pub(super) ready_n: bool,
    /// `Ready`: all of its aggregator have.
    pub(super) ready: bool,
    /// The other end knows of this one what is so.
    pub(super) matched: bool,
    /// The churn machines are to begin again.
    pub(super) churned: bool,
    /// `NTT`: there is something to be said.
    pub(super) ntt: bool,
    pub(super) receive: ReceiveState,
    pub(super) periodic: PeriodicState,
    pub(super) mux: MuxState,
    /// Whether this end does not come to terms, and whether the other does not.
    pub(in super::super) churn: [ChurnState; 2],
    /// How often each did not.
    pub(in super::super) churn_counts: [u32; 2],
    pub(super) timers: Timers,
    /// What has been counted.
    pub(in super::super) stats: AdStats,
}

/// Ticks that are left; 0: the timer does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timers {
    pub(super) current_while: u16,
    pub(super) periodic: u16,
    pub(super) wait_while: u16,
    pub(super) tx: u16,
    pub(super) churn: [u16; 2],
}

/// Counts a tick; whether it was the timer's last.
pub(super) const fn runs_out(timer: &mut u16) -> bool {
    if *timer == 0 {
        return false;
    }
    *timer -= 1;
    *timer == 0
}

/// Whether two ends come to terms (IEEE 802.1AX-2020, 6.4.17).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChurnState {
    /// It is being watched.
    #[default]
    Monitor,
    /// They did not.
    Churn,
    /// They did.
    NoChurn,
}

impl ChurnState {
    /// As `/proc/net/bonding` calls it (Linux: `bond_3ad_churn_desc()`).
    pub(in super::super) const fn description(self) -> &'static str {
        match self {
            Self::Monitor => "monitoring",
            Self::Churn => "churned",
            Self::NoChurn => "none",
        }
    }
}

/// What a port in 802.3ad mode has counted (Linux: `struct bond_3ad_stats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdStats {
    /// LACPDUs that have come.
    pub lacpdu_rx: u64,
    /// LACPDUs that were sent.
    pub lacpdu_tx: u64,
    /// Markers that have come.
    pub marker_rx: u64,
    /// Answers to them.
    pub marker_resp_tx: u64,
    /// Answers to markers, none of which was sent here.
    pub marker_resp_rx: u64,
    /// Markers of a kind that is not known.
    pub marker_unknown_rx: u64,
}

impl Options {
    /// The priority of the port with this number, from 1.
    fn priority_of_port(&self, number: u16) -> u16 {
        let said = usize::from(number).checked_sub(1).and_then(|place| self.actor_port_prios.get(place));
        said.copied().unwrap_or(Self::ACTOR_PORT_PRIO)
    }
}

impl AdPort {
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_initialize_port()`, `bond_3ad_bind_slave()`.
    pub(super) fn new(number: u16, port: &Port, options: &Options) -> Self {
        let mut state = PortState::AGGREGATION;
        state.set(PortState::ACTIVITY, options.lacp_active);
        state.set(PortState::TIMEOUT, options.lacp_fast);
        let mut new = Self {
            number,
            key: 0,
            user_key: options.ad_user_port_key << USER_KEY_SHIFT,
            priority: options.priority_of_port(number),
            state,
            partner: PARTNER_ADMIN,
            aggregator: None,
            is_enabled: true,
            begin: true,
            lacp_enabled: true,
            selected: false,
            ready_n: false,
            ready: false,
            matched: false,
            churned: false,
            ntt: false,
            receive: ReceiveState::Dummy,
            periodic: PeriodicState::None,
            mux: MuxState::Dummy,
            churn: [ChurnState::Monitor; 2],
            churn_counts: [0; 2],
            timers: Timers { tx: TX_TICKS, ..Timers::default() },
            stats: AdStats::default(),
        };
        let _ = new.update_keys(Some(port));
        new
    }

    /// Timers that ticks count. That of the receive machine stands still while the link is not used, that of the mux machine when it
    /// does not wait.
    pub(super) fn timers(&mut self) -> impl Iterator<Item = &mut u16> {
        let Timers { current_while, periodic, wait_while, tx, churn: [actor, partner] } = &mut self.timers;
        let current_while = self.is_enabled.then_some(current_while);
        let wait_while = (self.mux == MuxState::Waiting).then_some(wait_while);
        [current_while, wait_while, Some(periodic), Some(tx), Some(actor), Some(partner)].into_iter().flatten()
    }

    /// Whether a snapshot's keys can be those of a bond with these options.
    pub(super) fn has_right_keys(&self, options: &Options) -> bool {
        let speeds = SPEED_NUMBER_MIN..SPEED_NUMBER_MIN + SPEEDS_MBPS.len() as u16;
        let speed = (self.key & SPEED_KEY_MASK) >> 1;
        self.user_key == options.ad_user_port_key << USER_KEY_SHIFT
            && self.priority == options.priority_of_port(self.number)
            && self.key & !(SPEED_KEY_MASK | 1) == self.user_key
            && (speed == 0 || speeds.contains(&speed))
    }

    /// Whether a snapshot's timers can be.
    pub(super) fn has_right_timers(&self) -> bool {
        let Timers { current_while, periodic, wait_while, tx, churn: [actor, partner] } = self.timers;
        current_while <= LONG_TIMEOUT_TICKS
            && periodic < SLOW_TICKS
            && wait_while <= AGGREGATE_WAIT_TICKS
            && tx <= TX_TICKS
            && actor.max(partner) <= CHURN_DETECTION_TICKS
    }

    /// The place of its aggregator.
    pub(in super::super) fn aggregator(&self) -> Option<usize> {
        self.aggregator.map(usize::from)
    }

    pub(super) const fn set_aggregator(&mut self, place: Option<u16>) {
        self.aggregator = place;
    }

    /// Makes its key of what its link says; of nothing, while that is down. A port that is not full duplex takes no part in the protocol,
    /// and one that has another speed begins again. Whether its link says of a sudden that it has no speed.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_update_actor_keys()`.
    pub(super) fn update_keys(&mut self, port: Option<&Port>) -> bool {
        let before = self.key;
        let speed = port.map_or(0, speed_number);
        let duplex = port.is_some_and(is_full_duplex);
        self.key = self.user_key | speed << 1 | u16::from(duplex);
        if self.key == before {
            return false;
        }
        self.lacp_enabled = duplex;
        if duplex && speed != 0 && speed != (before & SPEED_KEY_MASK) >> 1 {
            self.begin = true;
        }
        port.is_some() && speed == 0
    }

    /// What it says of itself.
    pub(in super::super) fn actor(&self, system: MacAddr, system_priority: u16) -> PortInfo {
        PortInfo {
            system_priority: U16::new(system_priority),
            system,
            key: U16::new(self.key),
            port_priority: U16::new(self.priority),
            port: U16::new(self.number),
            state: self.state,
        }
    }

    /// What it says when it leaves: that it cannot be aggregated, and neither takes nor sends.
    pub(in super::super) fn farewell(&self, system: MacAddr, system_priority: u16) -> (PortInfo, PortInfo) {
        let mut actor = self.actor(system, system_priority);
        let passes = PortState::SYNCHRONIZATION | PortState::COLLECTING | PortState::DISTRIBUTING;
        actor.state.set(passes | PortState::AGGREGATION, false);
        (actor, self.partner)
    }

    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `__record_default()`.
    pub(super) const fn record_default(&mut self) {
        self.partner = PARTNER_ADMIN;
        self.state.set(PortState::DEFAULTED, true);
    }
}

/// Ports that can be one link (Linux: `struct aggregator`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aggregator {
    /// Its ports by their places in the bond, the one first that has joined last (Linux: `lag_ports`).
    pub(super) members: Vec<u16>,
    /// It is the one that is used.
    pub(super) is_active: bool,
    /// No other port may join it.
    pub(super) is_individual: bool,
    /// `Actor_Oper_Aggregator_Key`.
    pub(in super::super) actor_key: u16,
    /// The system at the other end; nobody's while it has not answered.
    pub(in super::super) partner_system: MacAddr,
    pub(super) partner_system_priority: u16,
    /// `Partner_Oper_Aggregator_Key`.
    pub(in super::super) partner_key: u16,
}

impl Aggregator {
    /// Whether the other end has answered.
    pub(super) fn has_partner(&self) -> bool {
        self.partner_system != MacAddr::UNSPECIFIED
    }
}

/// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `__get_link_speed()`.
fn speed_number(port: &Port) -> u16 {
    let speed = port.said.speed_mbps.filter(|_| port.link == LinkState::Up);
    SPEEDS_MBPS.iter().position(|known| Some(*known) == speed).map_or(0, |place| place as u16 + SPEED_NUMBER_MIN)
}

/// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `__get_duplex()`.
fn is_full_duplex(port: &Port) -> bool {
    port.link == LinkState::Up && port.said.full_duplex == Some(true)
}

/// How fast a port is for aggregators; 0 for a speed that has no number.
pub(super) fn speed_mbps(port: &Port) -> u32 {
    let place = speed_number(port).checked_sub(SPEED_NUMBER_MIN);
    place.and_then(|place| SPEEDS_MBPS.get(usize::from(place))).copied().unwrap_or(0)
}

/// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `enum ad_link_speed_type`, whose numbers are places here, from 2. Number 1, of 1 Mbit/s,
/// is given to no link (`__get_link_speed()`).
#[rustfmt::skip]
static SPEEDS_MBPS: [u32; 16] = [
    10, 100, 1000, 2500, 5000, 10_000, 14_000, 20_000, 25_000, 40_000, 50_000, 56_000, 100_000, 200_000, 400_000, 800_000,
];
const SPEED_NUMBER_MIN: u16 = 2;
/// A key: ten bits of the operator's, five of the speed, one of the duplex.
const USER_KEY_SHIFT: u16 = 6;
const SPEED_KEY_MASK: u16 = 0x3e;

/// `Partner_Admin_*`: what counts as known of the other end while it has not answered.
pub(super) const PARTNER_ADMIN: PortInfo = PortInfo {
    system_priority: U16::from_bytes([0xff, 0xff]),
    system: MacAddr::UNSPECIFIED,
    key: U16::from_bytes([0, 1]),
    port_priority: U16::from_bytes([0, 0xff]),
    port: U16::from_bytes([0, 1]),
    state: PortState::NONE,
};
