//! Entry into the table, and telling what has changed.
//!
//! Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `__nf_conntrack_confirm()`.

use alloc::boxed::Box;

use super::{
    Conntrack, FlowHash, Tracking,
    conn::{Changes, Connection, Status},
    entry::Entry,
    table::Found,
    tuple::{Direction, Tuple},
};
use crate::{
    ending::DropReason,
    event::{Change, Event},
    nat::{Manip, ports::Key},
    packet::Packet,
    surroundings::Surroundings,
    time::Instant,
};

impl Conntrack {
    /// Puts the packet's connection into the table if it is not there yet, and tells what changed.
    ///
    /// # Errors
    /// When another connection has one of its tuples: [`DropReason::NatExhausted`] if NAT has looked for a free port and
    /// found none, [`DropReason::ConntrackClash`] if there was none to choose.
    pub fn confirm(&mut self, now: Instant, packet: &Packet, around: &mut Surroundings) -> Result<(), DropReason> {
        let Tracking::Tracked { connection: id, direction, .. } = packet.meta().tracking else { return Ok(()) };
        let Some(connection) = self.table.slab.get(id) else { return Ok(()) };
        match (connection.is_confirmed(), direction) {
            // Of most packets there is nothing to tell.
            (true, _) if connection.changes.is_empty() => Ok(()),
            (true, _) => {
                self.tell_changes(now, id.slot, around);
                Ok(())
            }
            // An answer that this host gives in place of somebody else does not make the connection real.
            (false, Direction::Reply) => Ok(()),
            (false, Direction::Original) => self.confirm_new(now, packet, id.slot, around),
        }
    }

    #[inline(never)]
    fn confirm_new(
        &mut self,
        now: Instant,
        packet: &Packet,
        slot: u32,
        around: &mut Surroundings,
    ) -> Result<(), DropReason> {
        let connection = &self.table.slab[slot];
        let hash = self.known_hash(packet, &connection.original);
        let tuples = [&connection.original, &connection.reply];
        let hashes = [hash, self.table.hasher.hash_of_answers(hash, tuples)];
        if connection.status.contains(Status::DYING) || self.clashes(now, slot, hashes, around) {
            self.statistics.insert_failed += 1;
            self.statistics.drop += 1;
            return Err(why_it_clashes(&self.table.slab[slot]));
        }
        self.enter(now, slot, hashes);
        if around.sysctls.conntrack_timestamp != 0 {
            self.table.slab.set_began(slot, now);
        }
        if around.sysctls.keeps_mappings() {
            self.hold_mapping(slot);
        }
        self.tell_changes(now, slot, around);
        Ok(())
    }

    /// Tells what the packet has changed about its connection, which is in the table already.
    pub(crate) fn tell(&mut self, now: Instant, packet: &Packet, around: &mut Surroundings) {
        if let Some(id) = packet.meta().tracking.connection().filter(|&id| self.connection(id).is_some()) {
            self.tell_changes(now, id.slot, around);
        }
    }

    /// The hash of the connection's original tuple: the packet's own, unless this is not the packet that has started it.
    fn known_hash(&self, packet: &Packet, original: &Tuple) -> u64 {
        packet.meta().flow.map_or(FlowHash::UNKNOWN, |flow| flow.hash).or_else(|| self.table.hash(original))
    }

    /// Whether another connection has a tuple of this one, whose hashes these are. Those whose time is over do not count.
    fn clashes(&mut self, now: Instant, slot: u32, hashes: [u64; 2], around: &mut Surroundings) -> bool {
        if self.table.is_free(self.table.slab[slot].zone(), hashes) {
            return false;
        }
        [Direction::Original, Direction::Reply].into_iter().zip(hashes).any(|(direction, hash)| {
            loop {
                let connection = &self.table.slab[slot];
                match self.table.find_as(direction, now, connection.zone(), connection.tuple(direction), hash) {
                    Some(Found::Alive(..)) => return true,
                    Some(Found::Expired(other)) => self.destroy(now, other, around),
                    None => return false,
                }
            }
        })
    }

    fn enter(&mut self, now: Instant, slot: u32, hashes: [u64; 2]) {
        self.serials += 1;
        let connection = &mut self.table.slab[slot];
        connection.serial = self.serials;
        connection.expires = now + connection.expires.since(Instant::ZERO);
        connection.status.insert(Status::CONFIRMED);
        if connection.helper().is_some() {
            connection.changes.insert(Changes::HELPER);
        }
        let is_expected = connection.master().is_some();
        connection.changes.insert(if is_expected { Changes::RELATED } else { Changes::NEW });
        self.table.enter(now, slot, hashes);
        self.statistics.insert += 1;
    }

    /// Tells what has changed about a connection since it was told last.
    #[inline]
    fn tell_changes(&mut self, now: Instant, slot: u32, around: &mut Surroundings) {
        let connection = &mut self.table.slab[slot];
        if connection.changes.is_empty() || connection.status.contains(Status::DYING) {
            return;
        }
        let changes = core::mem::take(&mut connection.changes);
        if !around.events.wanted().conntrack || !connection.tells(changes) {
            return;
        }
        let is_new = changes.intersects(Changes(Changes::NEW.0 | Changes::RELATED.0));
        let change = if is_new { Change::New } else { Change::Update };
        let entry = Entry::changed(connection, now, changes, &self.helper_names);
        around.events.push(now, Event::Connection(change, Box::new(entry)));
    }
}

/// Why a connection has a tuple that is another's. One packet is judged at a time, so NAT was left with it.
fn why_it_clashes(connection: &Connection) -> DropReason {
    let is_settled = connection.status.intersects(Status(Status::SRC_NAT_DONE.0 | Status::DST_NAT_DONE.0));
    match Key::of(&connection.original, Manip::Source) {
        Some(_) if is_settled => DropReason::NatExhausted,
        Some(_) | None => DropReason::ConntrackClash,
    }
}
