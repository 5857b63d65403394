//! Where stations are: which place each was heard at last (IEEE 802.1Q-2022, 8.8: the filtering database, dynamic entries only).

use core::time::Duration;
use std::collections::BTreeMap;

use towpath_engine::{Instant, wire::MacAddr};

use super::Place;

/// Where stations are.
#[derive(Debug)]
pub(super) struct Stations {
    known: BTreeMap<MacAddr, (Place, Instant)>,
    ageing: Duration,
    most: usize,
}

impl Stations {
    /// Remembers so many at most, each for so long after it was heard.
    pub(super) const fn new(ageing: Duration, most: usize) -> Self {
        Self { known: BTreeMap::new(), ageing, most }
    }

    /// A station was heard at a place; whether there is room to remember that. Old ones make room when there is none else.
    pub(super) fn hear(&mut self, now: Instant, station: MacAddr, place: Place) -> bool {
        if let Some(known) = self.known.get_mut(&station) {
            *known = (place, now);
            return true;
        }
        if self.known.len() >= self.most {
            self.known.retain(|_, (_, heard)| now.since(*heard) < self.ageing);
        }
        let has_room = self.known.len() < self.most;
        if has_room {
            self.known.insert(station, (place, now));
        }
        has_room
    }

    /// Where a station is, if it was heard lately.
    pub(super) fn find(&self, now: Instant, station: MacAddr) -> Option<Place> {
        let (place, heard) = self.known.get(&station)?;
        (now.since(*heard) < self.ageing).then_some(*place)
    }

    /// Nothing is known of who was at a place.
    pub(super) fn forget(&mut self, place: Place) {
        self.known.retain(|_, (known, _)| *known != place);
    }

    /// How many are remembered, old ones too.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn station(last: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, last])
    }

    #[test]
    fn a_station_is_where_it_was_heard_last_until_it_has_said_nothing_for_too_long() {
        let mut stations = Stations::new(Duration::from_secs(300), 4);
        let at = Instant::from_secs;
        assert!(stations.hear(at(0), station(1), Place::Port(0)));
        assert!(stations.hear(at(100), station(1), Place::Group(1)));
        assert_eq!(stations.find(at(399), station(1)), Some(Place::Group(1)));
        assert_eq!(stations.find(at(400), station(1)), None);
        assert_eq!(stations.find(at(100), station(2)), None);
        stations.forget(Place::Port(0));
        assert_eq!(stations.find(at(100), station(1)), Some(Place::Group(1)));
        stations.forget(Place::Group(1));
        assert_eq!((stations.find(at(100), station(1)), stations.len()), (None, 0));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for_and_old_ones_make_room() {
        let mut stations = Stations::new(Duration::from_secs(300), 2);
        let heard = |stations: &mut Stations, secs, last| {
            stations.hear(Instant::from_secs(secs), station(last), Place::Port(usize::from(last)))
        };
        assert!(heard(&mut stations, 0, 1) && heard(&mut stations, 200, 2));
        assert!(!heard(&mut stations, 299, 3));
        assert_eq!(stations.len(), 2);
        assert!(heard(&mut stations, 300, 3), "the first is too old");
        assert_eq!(stations.find(Instant::from_secs(300), station(2)), Some(Place::Port(2)));
        assert_eq!((stations.find(Instant::from_secs(300), station(1)), stations.len()), (None, 2));
    }
}
