//! New connections: room for them, and what they inherit.

use alloc::boxed::Box;

use super::{
    Conntrack, EventMask, Expectation, Template,
    conn::{Connection, Status},
    table::is_entered,
    tuple::Tuple,
    zone::Zone,
};
use crate::{
    limits::{CONNECTIONS_BOUND, EVICTION_BUCKETS},
    surroundings::Surroundings,
    sysctl::Sysctls,
    time::Instant,
};

impl Conntrack {
    /// Makes room for as many connections as there may be, so that no packet has to wait for it later.
    pub fn make_room(&mut self, sysctls: &Sysctls) {
        self.table.make_room(room(sysctls));
    }

    /// Makes an unconfirmed connection; `None` when there is no room and nothing could be dropped early.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `__nf_conntrack_alloc()`.
    pub(super) fn create(
        &mut self,
        now: Instant,
        (original, reply): (&Tuple, &Tuple),
        hash: u64,
        zone: Zone,
        around: &mut Surroundings,
    ) -> Option<u32> {
        let max = bound(&around.sysctls);
        if self.len() >= max && !self.drop_early(now, zone, hash, around) {
            return None;
        }
        let mut connection = Connection::new(*original, *reply, zone);
        if around.sysctls.conntrack_acct != 0 {
            connection.status.insert(Status::COUNTED);
        }
        Some(self.table.slab.insert(connection).slot)
    }

    /// Drops connections that nobody has answered, near where the new one belongs: all of the first bucket that has any.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `early_drop()`.
    fn drop_early(&mut self, now: Instant, zone: Zone, hash: u64, around: &mut Surroundings) -> bool {
        for bucket in 0..EVICTION_BUCKETS.min(self.table.buckets()) {
            let mut dropped = 0;
            for slot in self.table.neighbours(zone, hash, bucket) {
                let status = self.table.slab[slot].status;
                if !status.intersects(Status(Status::ASSURED.0 | Status::DYING.0)) {
                    self.destroy(now, slot, around);
                    dropped += 1;
                }
            }
            if dropped > 0 {
                self.statistics.early_drop += dropped;
                return true;
            }
        }
        false
    }

    /// Gives a new connection what others have said of it: an announcement, or else the helper that a rule attaches.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `init_conntrack()`.
    pub(super) fn welcome(
        &mut self,
        now: Instant,
        slot: u32,
        template: &Template,
        around: &mut Surroundings,
    ) -> Option<Box<Expectation>> {
        // What a rule says of events holds whatever the tunable (Linux: `nf_ct_ecache_ext_add()`).
        let untold = (around.sysctls.conntrack_events == 0).then_some(EventMask::NOTHING);
        let events = template.events.or(untold);
        if events.is_some() || template.timeouts.is_some() {
            let extension = self.table.slab[slot].extension_mut();
            (extension.events, extension.timeouts) = (events, template.timeouts);
        }
        let Connection { original, zone_id, .. } = self.table.slab[slot];
        let slab = &self.table.slab;
        let is_alive = |master| slab.get(master).is_some_and(is_entered);
        let expectation = self.expectations.take(now, zone_id, &original, is_alive, &mut around.events);
        let Some(expectation) = expectation else {
            if let Some(helper) = template.helper {
                let connection = &mut self.table.slab[slot];
                connection.extension_mut().helper = Some(helper);
                connection.status.insert(Status::HELPER);
            }
            return None;
        };
        self.statistics.expect_new += 1;
        let mark = self.table.slab.get(expectation.master).map_or(0, |master| master.mark);
        let connection = &mut self.table.slab[slot];
        connection.status.insert(Status::EXPECTED);
        connection.mark = mark;
        let extension = connection.extension_mut();
        extension.master = Some(expectation.master);
        extension.master_tuple = Some(expectation.master_tuple);
        if self.table.slab.get(expectation.master).is_some() {
            *self.announced.entry(expectation.master.slot).or_default() += 1;
        }
        Some(Box::new(expectation))
    }
}

/// How many connections the table is made for: as many as there may be, and at least as many as Linux would make buckets.
pub(crate) fn room(sysctls: &Sysctls) -> u32 {
    bound(sysctls).max(sysctls.conntrack_buckets.min(CONNECTIONS_BOUND))
}

/// How many connections there may be (`net.netfilter.nf_conntrack_max`; 0: as many as ever fit).
fn bound(sysctls: &Sysctls) -> u32 {
    match sysctls.conntrack_max {
        0 => CONNECTIONS_BOUND,
        max => max.min(CONNECTIONS_BOUND),
    }
}
