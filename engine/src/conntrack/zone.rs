//! Zones: connections of different zones do not know of each other.
//!
//! Linux v6.18: `include/net/netfilter/nf_conntrack_zones.h`.

use alloc::collections::BTreeMap;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{conn::Status, tuple::Direction};

/// A zone, and of which directions it is one. The other direction is in zone 0, so that answers to hosts of several zones can
/// arrive in the one that they share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Zone {
    /// Its number; 0 is where all are of whom nothing is said.
    pub id: u16,
    /// Of which directions; of zone 0 always both.
    pub reach: Reach,
}

/// Of which directions a zone is one (Linux: `NF_CT_ZONE_DIR_ORIG`, `NF_CT_ZONE_DIR_REPL`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reach {
    /// Of both.
    #[default]
    Both,
    /// Of the original direction.
    Original,
    /// Of the reply direction.
    Reply,
}

impl Zone {
    /// Where all are of whom nothing is said.
    pub const DEFAULT: Self = Self { id: 0, reach: Reach::Both };

    /// The zone of that number in those directions.
    #[must_use]
    pub const fn new(id: u16, reach: Reach) -> Self {
        Self { id, reach: if id == 0 { Reach::Both } else { reach } }
    }

    /// The zone of that number in both directions.
    #[must_use]
    pub const fn both(id: u16) -> Self {
        Self::new(id, Reach::Both)
    }

    /// The number in one direction.
    #[must_use]
    #[inline]
    pub const fn of(self, direction: Direction) -> u16 {
        match (self.reach, direction) {
            (Reach::Both, _) | (Reach::Original, Direction::Original) | (Reach::Reply, Direction::Reply) => self.id,
            (Reach::Original, Direction::Reply) | (Reach::Reply, Direction::Original) => 0,
        }
    }

    /// The number, when it is that of both directions and not 0: what a listing calls the zone.
    #[must_use]
    pub const fn shared(self) -> Option<u16> {
        match self.reach {
            Reach::Both if self.id != 0 => Some(self.id),
            Reach::Both | Reach::Original | Reach::Reply => None,
        }
    }

    /// The number, when it is that of this direction only.
    #[must_use]
    pub const fn only_of(self, direction: Direction) -> Option<u16> {
        match (self.reach, direction) {
            (Reach::Original, Direction::Original) | (Reach::Reply, Direction::Reply) => Some(self.id),
            (Reach::Both | Reach::Original | Reach::Reply, _) => None,
        }
    }

    /// Under which number sources are kept: those of a zone of one direction among those of zone 0, so that a source keeps its
    /// mapping where it can (Linux: `hash_by_src()`).
    pub(super) const fn of_sources(self) -> u16 {
        match self.reach {
            Reach::Both => self.id,
            Reach::Original | Reach::Reply => 0,
        }
    }
}

/// Writes `5`, or `5 of the original direction`.
impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.reach {
            Reach::Both => "",
            Reach::Original => " of the original direction",
            Reach::Reply => " of the reply direction",
        };
        write!(f, "{}{of}", self.id)
    }
}

impl Reach {
    /// The bit of a connection's status that stands for it.
    pub(super) const fn bit(self) -> Status {
        match self {
            Self::Both => Status(0),
            Self::Original => Status::ZONE_OF_ORIGINAL,
            Self::Reply => Status::ZONE_OF_REPLY,
        }
    }
}

/// In which zones other than 0 there are connections.
#[derive(Clone, Debug, Default)]
pub(super) struct ZonesInUse {
    /// How many are in those of each number.
    numbers: BTreeMap<u16, u32>,
    /// How many are in one of one direction only: then a tuple may stand in the table more than once.
    one_way: u32,
}

impl ZonesInUse {
    /// A connection has come into the table.
    #[inline]
    pub(super) fn enter(&mut self, zone: Zone) {
        if zone.id != 0 {
            *self.numbers.entry(zone.id).or_default() += 1;
            self.one_way += u32::from(zone.reach != Reach::Both);
        }
    }

    /// One has left it.
    #[inline]
    pub(super) fn leave(&mut self, zone: Zone) {
        if zone.id == 0 {
            return;
        }
        if let Some(count) = self.numbers.get_mut(&zone.id) {
            *count -= 1;
            if *count == 0 {
                self.numbers.remove(&zone.id);
            }
        }
        self.one_way -= u32::from(zone.reach != Reach::Both);
    }

    /// Whether any of them is in a zone of one direction.
    #[inline]
    pub(super) const fn has_one_way(&self) -> bool {
        self.one_way > 0
    }

    /// Whether any connection is in one.
    #[inline]
    pub(super) fn are_used(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// The zones' numbers, in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> {
        self.numbers.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_in_use_as_long_as_a_connection_is_in_them() {
        let mut zones = ZonesInUse::default();
        let all = [Zone::DEFAULT, Zone::both(5), Zone::new(5, Reach::Original), Zone::new(7, Reach::Reply)];
        all.into_iter().for_each(|zone| zones.enter(zone));
        assert!(zones.numbers().eq([5, 7]) && zones.has_one_way());
        zones.leave(Zone::new(7, Reach::Reply));
        assert!(zones.numbers().eq([5]) && zones.has_one_way());
        zones.leave(Zone::new(5, Reach::Original));
        assert!(zones.numbers().eq([5]) && !zones.has_one_way());
        zones.leave(Zone::DEFAULT);
        zones.leave(Zone::both(5));
        assert_eq!(zones.numbers().next(), None);
    }

    #[test]
    fn a_zone_of_one_direction_leaves_the_other_in_zone_0() {
        use Direction::{Original, Reply};
        let table = [
            // zone                           original  reply  shared   only of original, reply
            (Zone::both(5), 5, 5, Some(5), None, None),
            (Zone::new(5, Reach::Original), 5, 0, None, Some(5), None),
            (Zone::new(5, Reach::Reply), 0, 5, None, None, Some(5)),
            (Zone::new(0, Reach::Reply), 0, 0, None, None, None),
        ];
        for (zone, original, reply, shared, only_original, only_reply) in table {
            assert_eq!((zone.of(Original), zone.of(Reply)), (original, reply), "{zone:?}");
            assert_eq!(zone.shared(), shared, "{zone:?}");
            assert_eq!((zone.only_of(Original), zone.only_of(Reply)), (only_original, only_reply), "{zone:?}");
        }
    }
}
