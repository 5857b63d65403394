//! Counters: of drops by reason, and of what passed.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{ending::DropReason, packet::Touched};

/// What the engine has counted since it was made. All counters wrap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Frames taken.
    pub received: u64,
    /// Bytes of frames taken.
    pub received_bytes: u64,
    /// Frames handed out.
    pub transmitted: u64,
    /// Bytes of frames handed out.
    pub transmitted_bytes: u64,
    /// Packets between devices.
    pub forwarded: u64,
    /// Packets taken by this host.
    pub delivered: u64,
    /// Packets this host made.
    pub originated: u64,
    /// Frames whose bytes have joined the packet of an earlier one.
    pub gro_joined: u64,
    /// ICMP errors not sent because of the rate limit.
    pub icmp_limited: u64,
    /// Events lost because nobody fetched them.
    pub events_lost: u64,
    /// Calls whose time lay before the time of an earlier call.
    pub time_stepped_back: u64,
    /// How often the payload of packets was copied and summed, beside the copy by which a frame comes in. Counted when a packet
    /// leaves or ends.
    pub touched: Touched,
    drops: Vec<u64>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            received: 0,
            received_bytes: 0,
            transmitted: 0,
            transmitted_bytes: 0,
            forwarded: 0,
            delivered: 0,
            originated: 0,
            gro_joined: 0,
            icmp_limited: 0,
            events_lost: 0,
            time_stepped_back: 0,
            touched: Touched::default(),
            drops: DropReason::ALL.iter().map(|_| 0).collect(),
        }
    }
}

impl Stats {
    /// Counts a drop.
    pub fn count_drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    /// Drops for one reason.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// The counters beside drops, in the order in which snapshots have them. `events_lost` is not among them: the queue of
    /// events counts them; nor is `touched`, which the pool counts.
    const fn kept(&mut self) -> [&mut u64; 10] {
        let Self {
            received,
            received_bytes,
            transmitted,
            transmitted_bytes,
            forwarded,
            delivered,
            originated,
            gro_joined,
            icmp_limited,
            time_stepped_back,
            events_lost: _,
            touched: _,
            drops: _,
        } = self;
        [
            received,
            received_bytes,
            transmitted,
            transmitted_bytes,
            forwarded,
            delivered,
            originated,
            gro_joined,
            icmp_limited,
            time_stepped_back,
        ]
    }

    /// The counters beside drops, for a snapshot.
    pub(crate) fn totals(&self) -> [u64; 10] {
        self.clone().kept().map(|counter| *counter)
    }

    /// Counters that go on from [`Self::totals`] and drops by the names of their reasons; `None` when a name is unknown.
    pub(crate) fn restore(totals: [u64; 10], drops: &[(String, u64)]) -> Option<Self> {
        let mut stats = Self::default();
        for (counter, total) in stats.kept().into_iter().zip(totals) {
            *counter = total;
        }
        for (name, count) in drops {
            let reason = DropReason::ALL.iter().find(|reason| reason.name() == name)?;
            stats.drops[*reason as usize] = *count;
        }
        Some(stats)
    }

    /// Every reason that has dropped something, with its count, in the reasons' order.
    pub fn all_drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().map(|&reason| (reason, self.drops(reason))).filter(|&(_, count)| count > 0)
    }
}
