//! Neighbours: the Ethernet addresses of stations on the link, asked for by ARP (RFC 826) or, of IPv6, by neighbour
//! solicitations (RFC 4861). Both families share states and times.
//!
//! ```text
//!             request ×3, 1 s apart                    unused for 30 s
//!  (none) ──► Incomplete ──────────► failed   Reachable ─────────────► Stale
//!                 │ answer                      ▲  ▲                     │ used
//!                 └─────────────────────────────┘  │ answer              ▼ 5 s
//!                                                  └──────────────── Probing ×3 ──► failed
//! ```
//! The states and times are those of Linux v6.18 (`net/core/neighbour.c`), without its random spread.

pub(crate) mod snapshot;

use alloc::vec::Vec;
use core::{net::IpAddr, time::Duration};

use crate::{
    ending::{DropReason, Dropped},
    frame::DeviceId,
    limits::{NEIGHBOUR_OWN_BYTES_MAX, NEIGHBOUR_QUEUE_BYTES_MAX, NEIGHBOUR_QUEUES_BYTES_MAX, NEIGHBOURS_MAX},
    packet::{Budget, Packet, Queue},
    time::Instant,
    timer::Deadlines,
    wire::MacAddr,
};

/// What is known about stations on the links, and the packets that wait for them.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// Sorted by device and address.
    entries: Vec<Neighbour>,
    deadlines: Deadlines<Key>,
    owners: Owners,
}

/// Which neighbours of a device are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// All, as it has got another address itself (Linux v6.18: `net/core/neighbour.c`, `neigh_changeaddr()`).
    All,
    /// Those that were learned, as its link is not what it was (`neigh_carrier_down()`). So it is here too when the device is down, where
    /// Linux forgets those as well that were set for good (`neigh_ifdown()`): nobody is there to set them again.
    Learned,
}

/// What may wait for all of them: of packets that pass through, and of this host's own.
#[derive(Debug)]
struct Owners {
    passing: Budget,
    own: Budget,
}

impl Default for Owners {
    fn default() -> Self {
        Self { passing: Budget::new(NEIGHBOUR_QUEUES_BYTES_MAX), own: Budget::new(NEIGHBOUR_OWN_BYTES_MAX) }
    }
}

impl Owners {
    fn of(&self, packet: &Packet) -> &Budget {
        if packet.meta().device.is_some() { &self.passing } else { &self.own }
    }
}

#[derive(Debug)]
struct Neighbour {
    key: Key,
    mac: MacAddr,
    state: Reachability,
    /// When the state changes if nothing happens; never, for a permanent one.
    deadline: Instant,
    used: Instant,
    waiting: Queue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    device: DeviceId,
    address: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reachability {
    Permanent,
    Incomplete {
        asked: u8,
    },
    Reachable,
    Stale,
    /// Used while stale; asked in person from the deadline on.
    Probing {
        asked: u8,
    },
}

/// What became of a packet that was handed over.
#[derive(Debug)]
pub enum Resolved {
    /// Its neighbour's address is known.
    Known(Packet, MacAddr),
    /// It waits.
    Waits {
        /// The neighbour has to be asked now.
        ask: bool,
        /// Packets that have waited longer and had to make room.
        displaced: Vec<Packet>,
    },
}

/// What has to be done because time has passed.
#[derive(Debug)]
pub enum Overdue {
    /// Ask for an address: everybody, or the station in person.
    Ask(DeviceId, IpAddr, Option<MacAddr>),
    /// The neighbour did not answer; this packet waited for it.
    Failed(Packet),
}

impl Neighbours {
    /// Sets an address that never changes, and gives the packets that have waited for it. `None`: there is no room for
    /// another neighbour.
    #[must_use]
    pub fn set_permanent(&mut self, device: DeviceId, address: IpAddr, mac: MacAddr) -> Option<Queue> {
        let key = Key { device, address };
        let entry = Neighbour::new(key, mac, Reachability::Permanent, Instant::FAR_FUTURE, Instant::ZERO);
        if let Ok(index) = self.find(key) {
            let before = core::mem::replace(&mut self.entries[index], entry);
            self.deadlines.remove(before.deadline, key);
            return Some(before.waiting);
        }
        if self.entries.len() >= NEIGHBOURS_MAX && !self.forget_oldest() {
            return None;
        }
        self.enter(entry);
        Some(Queue::default())
    }

    /// The address set for good for a neighbour.
    #[must_use]
    pub fn permanent(&self, device: DeviceId, address: IpAddr) -> Option<MacAddr> {
        let entry = &self.entries[self.find(Key { device, address }).ok()?];
        (entry.state == Reachability::Permanent).then_some(entry.mac)
    }

    /// The address that is known for a neighbour now, if any.
    #[must_use]
    pub fn known(&self, device: DeviceId, address: IpAddr) -> Option<MacAddr> {
        let entry = &self.entries[self.find(Key { device, address }).ok()?];
        (!matches!(entry.state, Reachability::Incomplete { .. })).then_some(entry.mac)
    }

    /// Finds the neighbour's address for a packet, or keeps the packet until it is known.
    ///
    /// # Errors
    /// [`DropReason::NeighbourQueueFull`] when too many neighbours wait, or the packets for all of them hold too much memory:
    /// those that pass through [`NEIGHBOUR_QUEUES_BYTES_MAX`], this host's own [`NEIGHBOUR_OWN_BYTES_MAX`]. Where those for this
    /// one do ([`NEIGHBOUR_QUEUE_BYTES_MAX`]), the oldest ones have to
    /// make room (Linux v6.18: `net/core/neighbour.c`, `__neigh_event_send()`).
    pub fn resolve(
        &mut self,
        now: Instant,
        device: DeviceId,
        address: IpAddr,
        packet: Packet,
    ) -> Result<Resolved, Dropped> {
        let key = Key { device, address };
        let index = match self.find(key) {
            Ok(index) => index,
            // Nobody is asked for a packet that cannot wait.
            Err(_) if !self.owners.of(&packet).has_room(packet.memory_bytes()) => {
                return Err(packet.drop_for(DropReason::NeighbourQueueFull));
            }
            Err(_) if self.entries.len() >= NEIGHBOURS_MAX && !self.forget_oldest() => {
                return Err(packet.drop_for(DropReason::NeighbourQueueFull));
            }
            Err(_) => {
                let state = Reachability::Incomplete { asked: 1 };
                let entry = Neighbour::new(key, MacAddr::UNSPECIFIED, state, now + RETRANSMIT, now);
                let index = self.enter(entry);
                let displaced = self.wait(index, packet)?;
                return Ok(Resolved::Waits { ask: true, displaced });
            }
        };
        let entry = &mut self.entries[index];
        entry.used = now;
        match entry.state {
            Reachability::Incomplete { .. } => {
                let displaced = self.wait(index, packet)?;
                Ok(Resolved::Waits { ask: false, displaced })
            }
            Reachability::Stale => {
                entry.state = Reachability::Probing { asked: 0 };
                let mac = entry.mac;
                self.set_deadline(index, now + FIRST_PROBE_DELAY);
                Ok(Resolved::Known(packet, mac))
            }
            Reachability::Permanent | Reachability::Reachable | Reachability::Probing { .. } => {
                Ok(Resolved::Known(packet, entry.mac))
            }
        }
    }

    /// Learns from an ARP packet or a neighbour's message. Gives the packets that waited.
    ///
    /// Only an entry that is there is changed, or one that `create` allows (RFC 826, "Packet Reception").
    pub fn learn(&mut self, now: Instant, device: DeviceId, address: IpAddr, mac: MacAddr, how: Lesson) -> Queue {
        let key = Key { device, address };
        let (state, deadline) = match how {
            Lesson::Answer => (Reachability::Reachable, now + REACHABLE),
            Lesson::Seen { .. } => (Reachability::Stale, Instant::FAR_FUTURE),
        };
        match self.find(key) {
            Ok(index) => {
                let entry = &mut self.entries[index];
                let news = matches!(how, Lesson::Answer) || entry.mac != mac;
                if entry.state != Reachability::Permanent && news {
                    entry.mac = mac;
                    entry.state = state;
                    self.set_deadline(index, deadline);
                    return core::mem::take(&mut self.entries[index].waiting);
                }
            }
            Err(_) if how == (Lesson::Seen { create: true }) => {
                if self.entries.len() < NEIGHBOURS_MAX || self.forget_oldest() {
                    let entry = Neighbour::new(key, mac, state, deadline, now);
                    self.enter(entry);
                }
            }
            Err(_) => {}
        }
        Queue::default()
    }

    /// All addresses that were set for good.
    pub(crate) fn all_permanent(&self) -> Vec<(DeviceId, IpAddr, MacAddr)> {
        let permanent = self.entries.iter().filter(|entry| entry.state == Reachability::Permanent);
        permanent.map(|entry| (entry.key.device, entry.key.address, entry.mac)).collect()
    }

    /// Forgets the addresses that were set for good, and sets these, which are no more than there is room for. When they
    /// leave no room for all that was learned, that is forgotten too.
    pub(crate) fn replace_permanent(&mut self, permanent: &[(DeviceId, IpAddr, MacAddr)]) {
        let room = NEIGHBOURS_MAX.saturating_sub(permanent.len());
        self.entries.retain(|entry| entry.state != Reachability::Permanent);
        if self.entries.len() > room {
            self.entries.clear();
            self.deadlines = Deadlines::default();
        }
        for &(device, address, mac) in permanent {
            // Nobody waits in an engine that was just restored.
            let _ = self.set_permanent(device, address, mac);
        }
    }

    /// Forgets neighbours on the links of devices. Gives the packets that have waited for them.
    pub(crate) fn forget(&mut self, devices: &[DeviceId], which: Forgotten) -> Vec<Packet> {
        let mut waited = Vec::new();
        if devices.is_empty() {
            return waited;
        }
        let goes = |entry: &Neighbour| which == Forgotten::All || entry.state != Reachability::Permanent;
        for entry in self.entries.extract_if(.., |entry| devices.contains(&entry.key.device) && goes(entry)) {
            self.deadlines.remove(entry.deadline, entry.key);
            waited.extend(entry.waiting);
        }
        waited
    }

    /// Memory of the packets that wait for an address.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.owners.passing.bytes() + self.owners.own.bytes()
    }

    /// How many packets wait for an address.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.iter().map(|entry| entry.waiting.len()).sum()
    }

    /// When something is overdue next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Does what is overdue and gives what the caller has to do about it.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Overdue> {
        let mut todo = Vec::new();
        while let Some(key) = self.deadlines.take_due(now) {
            let Ok(index) = self.find(key) else { continue };
            let entry = &mut self.entries[index];
            if entry.grow_old(now, &mut todo) {
                self.deadlines.add(entry.deadline, key);
            } else {
                self.entries.remove(index);
            }
        }
        todo
    }

    /// Lets a packet wait behind the others. Gives those that had to make room for it.
    fn wait(&mut self, index: usize, packet: Packet) -> Result<Vec<Packet>, Dropped> {
        let (bytes, owner) = (packet.memory_bytes(), self.owners.of(&packet));
        if !owner.has_room(bytes) {
            return Err(packet.drop_for(DropReason::NeighbourQueueFull));
        }
        let waiting = &mut self.entries[index].waiting;
        let mut displaced = Vec::new();
        while waiting.bytes() + bytes > NEIGHBOUR_QUEUE_BYTES_MAX {
            let Some(oldest) = waiting.next() else { break };
            displaced.push(oldest);
        }
        waiting.push(packet, owner);
        Ok(displaced)
    }

    fn find(&self, key: Key) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |entry| entry.key)
    }

    /// Puts an entry that is not there to the others; gives its place.
    fn enter(&mut self, entry: Neighbour) -> usize {
        let index = self.find(entry.key).unwrap_or_else(|index| index);
        self.deadlines.add(entry.deadline, entry.key);
        self.entries.insert(index, entry);
        index
    }

    fn set_deadline(&mut self, index: usize, deadline: Instant) {
        let Neighbour { key, deadline: known, .. } = &mut self.entries[index];
        self.deadlines.remove(core::mem::replace(known, deadline), *key);
        self.deadlines.add(deadline, *key);
    }

    /// Forgets the stale neighbour that has been used least recently; false when none is stale.
    fn forget_oldest(&mut self) -> bool {
        let stale = self.entries.iter().enumerate().filter(|(_, entry)| entry.state == Reachability::Stale);
        let Some(index) = stale.min_by_key(|(_, entry)| entry.used).map(|(index, _)| index) else { return false };
        self.entries.remove(index);
        true
    }
}

/// How an address was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// It answers what was asked.
    Answer,
    /// It stood in a packet that came by.
    Seen {
        /// Whether a neighbour not known yet is remembered: the packet was for this host.
        create: bool,
    },
}

impl Neighbour {
    fn new(key: Key, mac: MacAddr, state: Reachability, deadline: Instant, used: Instant) -> Self {
        Self { key, mac, state, deadline, used, waiting: Queue::default() }
    }

    /// Goes to the next state; false when the entry is done with.
    fn grow_old(&mut self, now: Instant, todo: &mut Vec<Overdue>) -> bool {
        match self.state {
            Reachability::Incomplete { asked } if asked < PROBES => {
                self.state = Reachability::Incomplete { asked: asked + 1 };
                self.deadline = now + RETRANSMIT;
                todo.push(Overdue::Ask(self.key.device, self.key.address, None));
                true
            }
            Reachability::Incomplete { .. } => {
                todo.extend(self.waiting.by_ref().map(Overdue::Failed));
                false
            }
            Reachability::Reachable => {
                self.state = Reachability::Stale;
                self.deadline = Instant::FAR_FUTURE;
                true
            }
            Reachability::Probing { asked } if asked < PROBES => {
                self.state = Reachability::Probing { asked: asked + 1 };
                self.deadline = now + RETRANSMIT;
                todo.push(Overdue::Ask(self.key.device, self.key.address, Some(self.mac)));
                true
            }
            Reachability::Probing { .. } => false,
            // A snapshot that somebody has made up may say otherwise.
            Reachability::Permanent | Reachability::Stale => {
                self.deadline = Instant::FAR_FUTURE;
                true
            }
        }
    }
}

/// How often a neighbour is asked (Linux: `mcast_solicit`, `ucast_solicit`).
const PROBES: u8 = 3;
/// Between two requests (Linux: `retrans_time_ms`).
const RETRANSMIT: Duration = Duration::from_secs(1);
/// How long an answer holds (Linux: `base_reachable_time_ms`).
const REACHABLE: Duration = Duration::from_secs(30);
/// Between the use of a stale neighbour and the first request (Linux: `delay_first_probe_time`).
const FIRST_PROBE_DELAY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
