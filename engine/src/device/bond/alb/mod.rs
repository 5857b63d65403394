//! balance-tlb and balance-alb: each port sends under an Ethernet address of its own, so that no switch has to know of the bond.
//!
//! ```text
//!  packet ─► to whom? ─► the port that has the most room left, and keeps it (`transmit`)   both modes
//!  ARP that leaves ─► says to each station the address of another port (`peers`)           balance-alb
//!  100 ms ─► learning packets for switches · all flows are dealt anew · stations are told
//! ```
//!
//! The active port has the bond's address, the others their own, and they change when another one becomes the active one (`addresses`).
//! By the others nothing is taken, but in balance-alb what is for their own addresses.
//!
//! | file | what | Linux v6.18, `drivers/net/bonding/bond_alb.c` |
//! |---|---|---|
//! | `transmit` | by which port a packet leaves | `bond_xmit_tlb_slave_get()`, `bond_xmit_alb_slave_get()` |
//! | `peers` | of which port each station knows the address | `rlb_choose_channel()`, `rlb_arp_xmit()` |
//! | `peers_told` | when stations are told another one | `rlb_update_rx_clients()`, `rlb_rebalance()` |
//! | `addresses` | which port has which address | `bond_alb_handle_active_change()` |
//!
//! Where it is known to differ: the monitor runs for the first time 100 ms after the bond was made; the active port is not made
//! promiscuous for ten seconds when another one fails, as nothing here takes what is for that one's address; ports without a carrier send
//! no learning packets, which Linux's queues would throw away; two ports with the same address are refused where Linux may find
//! another one's that is free; with `updelay` and `tlb_dynamic_lb` a port waits
//! its delay as soon as another one can send, where Linux goes by those that could when a port was last added.

mod addresses;
mod peers;
mod peers_told;
mod transmit;

pub(crate) use self::transmit::Sending;

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use self::{peers::Peers, transmit::Flow};
use super::{Bond, Happening, Mode, Options};
use crate::time::Instant;

/// What a bond in one of these modes knows beside its ports (Linux: `struct alb_bond_info`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alb {
    /// By a hash of the destination (Linux: `tx_hashtbl`).
    flows: Vec<Flow>,
    /// Bytes a second that the flows of each port are thought to make (Linux: `tlb_info.load`).
    loads: Vec<u32>,
    /// Bytes of what went by the active port because it belongs to no flow (Linux: `unbalanced_load`).
    unbalanced: u32,
    /// Ticks since flows were dealt (Linux: `tx_rebalance_counter`).
    since_dealt: u16,
    /// Ticks since learning packets were sent (Linux: `lp_counter`).
    since_learned: u32,
    /// What it knows of stations, in balance-alb.
    peers: Option<Box<Peers>>,
    /// The next tick; none in balance-tlb whose flows are not dealt anew.
    due: Option<Instant>,
}

impl Alb {
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `bond_alb_initialize()`, `bond_alb_init_slave()`; `bond_main.c`, `bond_open()`.
    pub(super) fn new(now: Instant, options: &Options, count: usize) -> Option<Box<Self>> {
        let has_peers = options.mode == Mode::Alb;
        let new = || Self {
            flows: alloc::vec![Flow::default(); FLOWS],
            loads: alloc::vec![0; count],
            unbalanced: 0,
            since_dealt: DEAL_TICKS,
            since_learned: 0,
            peers: has_peers.then(|| Box::new(Peers::new())),
            due: (options.tlb_dynamic_lb || has_peers).then(|| now + TICK),
        };
        options.mode.balances_adaptively().then(|| Box::new(new()))
    }

    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether what a snapshot says of it can be, of a bond with so many ports; `latest` is the latest time that this knows of.
    pub(super) fn is_right(&self, latest: Instant, count: usize, options: &Options) -> bool {
        let has_peers = options.mode == Mode::Alb;
        let ticks = options.tlb_dynamic_lb || has_peers;
        options.mode.balances_adaptively()
            && self.flows.len() == FLOWS
            && self.flows.iter().all(|flow| flow.port.is_none_or(|place| usize::from(place) < count))
            && self.loads.len() == count
            && self.since_dealt <= DEAL_TICKS
            && self.since_learned < options.learning_ticks()
            && self.peers.is_some() == has_peers
            && self.peers.as_ref().is_none_or(|peers| peers.is_right(count))
            && self.due.is_some() == ticks
            && self.due.is_none_or(|due| due.since(latest) <= TICK)
    }
}

impl Options {
    const fn learning_ticks(&self) -> u32 {
        self.lp_interval_secs * TICKS_PER_SEC
    }
}

impl Bond {
    /// A tick goes by.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `bond_alb_monitor()`.
    pub(super) fn tick_alb(&mut self, now: Instant, tell: &mut Vec<Happening>) {
        let learning_ticks = self.options.learning_ticks();
        let Some(alb) = &mut self.alb else { return };
        alb.due = Some(now + TICK);
        alb.since_dealt = alb.since_dealt.saturating_add(1);
        alb.since_learned += 1;
        let learns = alb.since_learned >= learning_ticks;
        if learns {
            alb.since_learned = 0;
            for port in self.ports.iter().filter(|port| port.said.carrier) {
                tell.push(Happening::Learn { port: port.device, mac: port.mac });
            }
        }
        if alb.since_dealt >= DEAL_TICKS {
            alb.since_dealt = 0;
            self.deal_anew();
        }
        self.tick_peers(tell);
    }

    /// A port's link is used from now on, or no more.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `bond_alb_handle_link_change()`.
    pub(super) fn alb_link_changed(&mut self, place: u16, is_up: bool, tell: &mut Vec<Happening>) {
        let Some(alb) = &mut self.alb else { return };
        if is_up {
            alb.since_dealt = DEAL_TICKS;
            if let Some(peers) = &mut alb.peers {
                peers.is_unequal = true;
            }
        } else {
            alb.clear(place, false);
            self.leave_peers(place, tell);
        }
    }

    /// Whether a port can be told from one that does not carry (Linux: `bond_slave_can_tx()`), by its place.
    fn can_send(&self, place: u16) -> bool {
        self.ports.get(usize::from(place)).is_some_and(super::Port::can_send)
    }
}

/// From one tick to the next (Linux: `alb_delta_in_ticks`).
const TICK: Duration = Duration::from_millis(100);
const TICKS_PER_SEC: u32 = 10;
/// After so many seconds flows are dealt anew (Linux: `BOND_TLB_REBALANCE_INTERVAL`).
const DEAL_SECS: u32 = 10;
const DEAL_TICKS: u16 = (DEAL_SECS * TICKS_PER_SEC) as u16;
/// Flows that are told apart, as many as there are hashes of eight bits (Linux: `TLB_HASH_TABLE_SIZE`).
const FLOWS: usize = 256;
