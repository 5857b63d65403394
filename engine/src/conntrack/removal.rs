//! The end of connections.
//!
//! A connection that leaves the table can still be read by its identifier until the next packet is tracked: the packet
//! that has ended it still has to be translated.

use alloc::{boxed::Box, vec::Vec};

use super::{
    ConnId, Conntrack, HelperId, LineStarts,
    calling::Memory,
    conn::{Changes, Connection, ProtocolState, Status},
    entry::Entry,
    expect::Expectation,
    tcp_states::TcpState,
};
use crate::{
    event::{Change, Event},
    limits::{FORGET_CONNECTIONS_MAX, FORGET_PLACES_MAX},
    surroundings::Surroundings,
    sysctl::Sysctls,
    time::Instant,
};

impl Conntrack {
    /// Forgets the connection of a packet that goes no further, unless it stands in the table.
    pub fn release(&mut self, now: Instant, id: ConnId, around: &mut Surroundings) {
        if self.table.slab.get(id).is_some() {
            self.forget_unconfirmed(now, id.slot, around);
        }
    }

    /// Takes a connection out of the table, with its expectations, and tells so.
    pub fn kill(&mut self, now: Instant, id: ConnId, around: &mut Surroundings) {
        if self.table.slab.get(id).is_some() {
            self.destroy(now, id.slot, around);
        }
    }

    /// Takes all connections out of the table for which `condemned` is true, in the order in which they came, and says how
    /// many.
    pub fn kill_all(
        &mut self,
        now: Instant,
        condemned: impl Fn(&Connection) -> bool,
        around: &mut Surroundings,
    ) -> usize {
        self.bury();
        let confirmed = self.table.slab.iter().filter(|(_, connection)| connection.is_confirmed());
        let mut slots: Vec<(u64, u32)> = confirmed
            .filter(|(_, connection)| condemned(connection))
            .map(|(slot, connection)| (connection.serial, slot))
            .collect();
        slots.sort_unstable();
        for &(_, slot) in &slots {
            self.destroy(now, slot, around);
        }
        slots.len()
    }

    /// The same for a part of the table: from a slot on, as far as is done in one go. Says how many, and the slot with which the
    /// next part begins, if there is one.
    pub fn kill_part(
        &mut self,
        now: Instant,
        from: u32,
        condemned: impl Fn(&Connection) -> bool,
        around: &mut Surroundings,
    ) -> (usize, Option<u32>) {
        self.bury();
        let (slots, mut next) = (self.slots(), from);
        let mut found = Vec::new();
        while next < slots.min(from.saturating_add(FORGET_PLACES_MAX)) && found.len() < FORGET_CONNECTIONS_MAX {
            let connection = self.in_slot(next).map(|(_, connection)| connection);
            if connection.is_some_and(|connection| connection.is_confirmed() && condemned(connection)) {
                found.push(next);
            }
            next += 1;
        }
        found.iter().for_each(|&slot| self.destroy(now, slot, around));
        self.bury();
        (found.len(), (next < slots).then_some(next))
    }

    /// Forgets a helper's name and what it expects, told in the order in which it came. Its connections go on without one once
    /// `leave_helper` has come by.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_helper.c`, `nf_conntrack_helper_unregister()`.
    pub fn forget_helper(&mut self, now: Instant, helper: HelperId, around: &mut Surroundings) {
        let of_helper = |expectation: &&Expectation| expectation.helper == helper;
        let waiting: Vec<_> = self.expectations.iter().filter(of_helper).map(|expectation| expectation.id).collect();
        for id in waiting {
            self.expectations.remove(now, id, &mut around.events);
        }
        self.helper_names.set(helper, "");
    }

    /// Takes a helper that was unloaded from its connections, in a part of the table, and forgets what it remembers of them. Gives the
    /// slot with which the next part begins, if there is one. What it has rewritten stays booked: sequence numbers move on as they did.
    pub(crate) fn leave_helper(&mut self, helper: HelperId, from: u32) -> Option<u32> {
        let slots = self.slots();
        let to = slots.min(from.saturating_add(FORGET_PLACES_MAX));
        for slot in from..to {
            let Some((id, connection)) = self.in_slot(slot) else { continue };
            if connection.helper() != Some(helper) {
                continue;
            }
            let extension = self.table.slab[slot].extension_mut();
            (extension.helper, extension.helper_state, extension.line_starts) =
                (None, Vec::new(), [LineStarts::default(); 2]);
            self.weigh(id, Memory::State);
        }
        (to < slots).then_some(to)
    }

    /// Forgets all connections and expectations, and tells so.
    pub fn flush(&mut self, now: Instant, around: &mut Surroundings) {
        self.kill_all(now, |_| true, around);
        self.bury();
    }

    /// Takes a TCP connection as closed, because this host has reset it.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `nf_conntrack_tcp_set_closing()`.
    pub fn set_closing(&mut self, now: Instant, id: ConnId, sysctls: &Sysctls) {
        let Some(connection) = self.table.slab.get_mut(id) else { return };
        let ProtocolState::Tcp(tcp) = &mut connection.protocol else { return };
        if !connection.status.contains(Status::CONFIRMED) {
            return;
        }
        let before = core::mem::replace(&mut tcp.state, TcpState::Close);
        if before != TcpState::Close && !connection.status.contains(Status::FIXED_TIMEOUT) {
            connection.changes.insert(Changes::PROTOCOL);
            self.table.refresh(now, id.slot, sysctls.conntrack_tcp_timeout_close);
        }
    }

    /// Forgets a connection after that many seconds, unless a packet of it comes.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_broadcast.c`, `nf_conntrack_broadcast_help()`.
    pub fn forget_after(&mut self, now: Instant, id: ConnId, secs: u32) {
        if self.table.slab.get_mut(id).is_some_and(|connection| !connection.status.contains(Status::FIXED_TIMEOUT)) {
            self.table.refresh(now, id.slot, secs);
        }
    }

    /// Forgets what has run out.
    pub fn handle_timeout(&mut self, now: Instant, around: &mut Surroundings) {
        self.bury();
        for slot in self.table.expired(now) {
            self.destroy(now, slot, around);
        }
        self.expectations.handle_timeout(now, &mut around.events);
        self.bury();
    }

    /// Takes a connection out of the table and tells so; the rest of it goes with [`Self::bury`].
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `nf_ct_delete()`.
    pub(super) fn destroy(&mut self, now: Instant, slot: u32, around: &mut Surroundings) {
        let connection = &mut self.table.slab[slot];
        if connection.status.contains(Status::DYING) {
            return;
        }
        connection.status.insert(Status::DYING);
        if !connection.is_confirmed() {
            return;
        }
        if around.events.wanted().conntrack && connection.tells(Changes::DESTROY) {
            let entry = Entry::destroyed(&self.table.slab[slot], self.table.slab.known(slot), now);
            around.events.push(now, Event::Connection(Change::Destroy, Box::new(entry)));
        }
        self.table.leave(slot);
        self.forget_source(slot);
        self.forget_mapping(slot);
        self.expectations.remove_of(now, self.table.id(slot), &mut around.events);
        self.dying.push(slot);
    }

    /// Frees a connection that was never confirmed; another one is left alone.
    pub(super) fn forget_unconfirmed(&mut self, now: Instant, slot: u32, around: &mut Surroundings) {
        if !self.table.slab[slot].is_confirmed() {
            // A helper may have announced something on the very first packet.
            self.expectations.remove_of(now, self.table.id(slot), &mut around.events);
            self.forget_source(slot);
            self.free(slot);
        }
    }

    /// Frees the connections that have left the table.
    #[inline]
    pub(super) fn bury(&mut self) {
        while let Some(slot) = self.dying.pop() {
            self.free(slot);
        }
    }

    /// The one place where connections end.
    fn free(&mut self, slot: u32) {
        if let Some(extension) = &self.table.slab[slot].extension {
            let master = extension.master;
            self.remembered.take_all(slot);
            self.announced.remove(&slot);
            self.lets_go_of(master);
        }
        self.table.slab.remove(slot);
    }

    /// One of those that `master` has announced is gone.
    fn lets_go_of(&mut self, master: Option<ConnId>) {
        let Some(master) = master.filter(|master| self.table.slab.get(*master).is_some()) else { return };
        if let Some(left) = self.announced.get_mut(&master.slot) {
            *left -= 1;
            if *left == 0 {
                self.announced.remove(&master.slot);
            }
        }
    }
}
