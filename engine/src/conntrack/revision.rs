//! What an operator changes about connections that are there (`conntrack -U`).
//!
//! Linux v6.18: `net/netfilter/nf_conntrack_netlink.c`, `ctnetlink_change_conntrack()`, and what conntrack(8) 1.4.7 sends it; both were
//! asked.

use alloc::boxed::Box;

use serde::{Deserialize, Serialize};

use super::{
    Conntrack,
    conn::{Changes, Connection, Status},
    entry::Entry,
};
use crate::{
    event::{Change, Event},
    limits::{FORGET_CONNECTIONS_MAX, FORGET_PLACES_MAX},
    surroundings::Surroundings,
    time::Instant,
};

/// What is to be changed about connections; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// A value and a mask: the mask's bits of the mark are cleared, and those of the value flipped then.
    pub mark: Option<(u32, u32)>,
    /// In how many seconds from now on it is forgotten if nothing refreshes it; at most [`TIMEOUT_SECS_MAX`]. A connection whose timeout
    /// is fixed is left as it is altogether.
    pub timeout_secs: Option<u32>,
    /// Bits that are set, of those in [`Self::SETTABLE`]; others are passed over. None is ever taken back.
    pub status: Status,
}

/// The longest timeout that can be set: `INT_MAX` of a kernel's 250 ticks a second.
pub const TIMEOUT_SECS_MAX: u32 = i32::MAX as u32 / 250;

impl Revision {
    /// Bits of the status that can be set.
    pub const SETTABLE: Status = Status(Status::SEEN_REPLY.0 | Status::ASSURED.0 | Status::FIXED_TIMEOUT.0);

    /// Whether a connection that looks like that would be another one by it. Where not, nothing is done, and nothing told.
    #[must_use]
    pub fn changes(&self, mark: u32, status: Status, secs_left: Option<u32>) -> bool {
        if self.timeout_secs.is_some() && status.contains(Status::FIXED_TIMEOUT) {
            return false;
        }
        self.marked(mark) != mark
            || !status.contains(self.settable())
            || self.timeout_secs().is_some_and(|secs| secs_left != Some(secs))
    }

    fn timeout_secs(&self) -> Option<u32> {
        self.timeout_secs.map(|secs| secs.min(TIMEOUT_SECS_MAX))
    }

    fn marked(&self, mark: u32) -> u32 {
        self.mark.map_or(mark, |(value, mask)| (mark & !mask) ^ value)
    }

    const fn settable(&self) -> Status {
        Status(self.status.0 & Self::SETTABLE.0)
    }
}

impl Conntrack {
    /// Changes the connections of the table that are `meant`, in a part of it: from a slot on, as far as is done in one go. Says how many
    /// have changed, and the slot with which the next part begins, if there is one.
    pub(crate) fn revise_part(
        &mut self,
        now: Instant,
        from: u32,
        meant: impl Fn(&Connection) -> bool,
        revision: &Revision,
        around: &mut Surroundings,
    ) -> (usize, Option<u32>) {
        let (slots, mut next, mut count) = (self.slots(), from, 0);
        while next < slots.min(from.saturating_add(FORGET_PLACES_MAX)) && count < FORGET_CONNECTIONS_MAX {
            let found = self.in_slot(next).map(|(_, connection)| connection);
            if found.is_some_and(|connection| is_there(connection, now) && meant(connection))
                && self.revise(now, next, revision, around)
            {
                count += 1;
            }
            next += 1;
        }
        (count, (next < slots).then_some(next))
    }

    /// Changes a connection, and tells so with all that there is to tell, as Linux does of what comes from outside of it.
    fn revise(&mut self, now: Instant, slot: u32, revision: &Revision, around: &mut Surroundings) -> bool {
        let connection = &mut self.table.slab[slot];
        let left = u32::try_from(connection.expires.since(now).as_secs()).ok();
        if !revision.changes(connection.mark, connection.status, left) {
            return false;
        }
        connection.mark = revision.marked(connection.mark);
        if let Some(secs) = revision.timeout_secs() {
            self.table.refresh(now, slot, secs);
        }
        let connection = &mut self.table.slab[slot];
        connection.status.insert(revision.settable());
        if around.events.wanted().conntrack && connection.tells(TOLD) {
            let entry = Entry::changed(connection, now, TOLD, &self.helper_names);
            around.events.push(now, Event::Connection(Change::Update, Box::new(entry)));
        }
        true
    }
}

fn is_there(connection: &Connection, now: Instant) -> bool {
    connection.is_confirmed() && !connection.status.contains(Status::DYING) && !connection.is_expired(now)
}

/// What is told of a connection that an operator has changed.
const TOLD: Changes = Changes(
    Changes::REPLY.0
        | Changes::ASSURED.0
        | Changes::HELPER.0
        | Changes::LABELS.0
        | Changes::PROTOCOL.0
        | Changes::SEQUENCE.0
        | Changes::MARK.0,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conntrack::Template, nat::fixture, wire::checksum::Routines};

    const NOW: Instant = Instant::from_secs(100);

    /// A table with so many connections of UDP, from ports 0 on.
    fn table_of(connections: u16) -> (Conntrack, Surroundings) {
        let (mut conntrack, mut around) = (Conntrack::new(7), Surroundings::new(7, Routines::PORTABLE));
        for port in 0..connections {
            let mut packet = fixture::udp([10, 0, 0, 2], port, [198, 51, 100, 7], 53, b"");
            let tracked = conntrack.track(NOW, &mut packet, &Template::NONE, &mut around);
            assert_eq!((tracked, conntrack.confirm(NOW, &packet, &mut around)), (Ok(None), Ok(())));
        }
        (conntrack, around)
    }

    #[test]
    fn a_connection_whose_timeout_was_lowered_is_over_when_that_says() {
        let (mut conntrack, mut around) = table_of(1);
        let lasting = |secs| Revision { timeout_secs: Some(secs), ..Revision::default() };
        for (secs, left) in [(1000, 1000), (5, 5), (u32::MAX, TIMEOUT_SECS_MAX), (5, 5)] {
            let (count, next) = conntrack.revise_part(NOW, 0, |_| true, &lasting(secs), &mut around);
            assert_eq!((count, next), (1, None));
            assert_eq!(conntrack.entries(NOW)[0].timeout_secs, Some(left));
            let again = conntrack.revise_part(NOW, 0, |_| true, &lasting(secs), &mut around);
            assert_eq!(again, (0, None), "once more is nothing");
        }
        assert!(conntrack.next_timeout().is_some_and(|when| when <= NOW.after_secs(6)));
        let over = NOW.after_secs(6);
        let late = conntrack.revise_part(over, 0, |_| true, &lasting(9), &mut around);
        assert_eq!(late, (0, None), "it is as good as gone");
        conntrack.handle_timeout(over, &mut around);
        assert_eq!(conntrack.entries(over), []);
    }

    #[test]
    fn many_are_changed_in_parts_none_of_them_left_out_or_taken_twice() {
        let total = 3 * FORGET_CONNECTIONS_MAX as u16 + 1;
        let (mut conntrack, mut around) = table_of(total);
        let revision = Revision { mark: Some((1, 1)), ..Revision::default() };
        let (mut from, mut counts) = (Some(0), alloc::vec::Vec::new());
        while let Some(slot) = from {
            let (count, next) = conntrack.revise_part(NOW, slot, |_| true, &revision, &mut around);
            counts.push(count);
            from = next;
        }
        assert_eq!(counts, [FORGET_CONNECTIONS_MAX, FORGET_CONNECTIONS_MAX, FORGET_CONNECTIONS_MAX, 1]);
        assert!(conntrack.entries(NOW).iter().all(|entry| entry.mark == Some(1)));
    }

    /// Answers of Linux v6.18 to conntrack(8) 1.4.7.
    #[test]
    fn a_revision_changes_what_it_names_and_nothing_else() {
        let of = |revision: Revision, status| revision.changes(7, status, Some(29));
        let mark = |value, mask| Revision { mark: Some((value, mask)), ..Revision::default() };
        let (none, fixed) = (Status::default(), Status::FIXED_TIMEOUT);
        assert!(!of(Revision::default(), none));
        assert!(of(mark(0x70, 0xf0), none) && mark(0x70, 0xf0).marked(7) == 0x77);
        assert!(!of(mark(7, u32::MAX), none), "it has that mark");
        assert_eq!(mark(0x70, 0xf0).marked(0x77), 0x77, "once more is nothing");
        let timeout = Revision { timeout_secs: Some(50), ..Revision::default() };
        assert!(of(timeout, none));
        assert!(!of(timeout, fixed), "it is fixed");
        assert!(!of(Revision { mark: Some((1, u32::MAX)), ..timeout }, fixed), "and so is all that comes with it");
        assert!(of(mark(1, u32::MAX), fixed));
        let assured = Revision { status: Status::ASSURED, ..Revision::default() };
        assert!(of(assured, none) && !of(assured, Status::ASSURED));
        assert!(!of(Revision { status: Status::EXPECTED, ..Revision::default() }, none), "that cannot be set");
    }
}
