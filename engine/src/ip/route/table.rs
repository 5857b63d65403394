//! The routes of one family, by their prefix lengths.

use alloc::vec::Vec;

use super::Route;
use crate::{frame::DeviceId, ip::prefix::Bits, limits::ROUTES_MAX};

/// The routes of one family.
#[derive(Clone, Debug)]
pub(super) struct Table<B> {
    /// Sorted by descending prefix, then destination, then metric. The number is the destination.
    pub(super) routes: Vec<(B, Route)>,
    /// Those of each prefix length, longest first.
    pub(super) lengths: Vec<Length<B>>,
}

/// The routes of one prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length<B> {
    prefix: u8,
    /// Its leading bits.
    mask: B,
    /// Where in all routes they begin, and where they end.
    start: u32,
    end: u32,
}

impl<B: Bits> Length<B> {
    fn new(prefix: u8, start: u32) -> Self {
        Self { prefix, mask: B::ONES.leading(prefix), start, end: start }
    }
}

impl<B> Default for Table<B> {
    fn default() -> Self {
        Self { routes: Vec::new(), lengths: Vec::new() }
    }
}

impl<B: Bits> Table<B> {
    pub(super) fn add(&mut self, destination: B, route: Route) -> bool {
        let key = |(destination, route): &(B, Route)| (u8::MAX - route.prefix, *destination, route.metric);
        let new = (destination.leading(route.prefix), route);
        match self.routes.binary_search_by_key(&key(&new), key) {
            Ok(_) => false,
            Err(_) if self.routes.len() >= ROUTES_MAX => false,
            Err(index) => {
                self.routes.insert(index, new);
                self.count_length(route.prefix);
                true
            }
        }
    }

    pub(super) fn replace(&mut self, destination: B, route: Route) -> bool {
        let key = |(destination, route): &(B, Route)| (u8::MAX - route.prefix, *destination, route.metric);
        let new = (destination.leading(route.prefix), route);
        match self.routes.binary_search_by_key(&key(&new), key) {
            Ok(index) => {
                self.routes[index] = new;
                true
            }
            Err(_) => self.add(destination, route),
        }
    }

    pub(super) fn takes(&self, destination: B, route: &Route) -> bool {
        match self.like(destination, route) {
            Some(known) => known == route,
            None => self.routes.len() < ROUTES_MAX,
        }
    }

    pub(super) fn has(&self, destination: B, route: &Route) -> bool {
        self.like(destination, route) == Some(route)
    }

    /// The route to the same network with the same metric.
    fn like(&self, destination: B, route: &Route) -> Option<&Route> {
        let key = |(destination, route): &(B, Route)| (u8::MAX - route.prefix, *destination, route.metric);
        let index = self.routes.binary_search_by_key(&key(&(destination, *route)), key).ok()?;
        Some(&self.routes[index].1)
    }

    pub(super) fn longest(&self, destination: B, down: &[DeviceId]) -> Option<&Route> {
        self.lengths.iter().find_map(|length| {
            let routes = &self.routes[length.start as usize..length.end as usize];
            let network = destination & length.mask;
            let first = routes.partition_point(|(destination, _)| *destination < network);
            let mut same = routes[first..].iter().take_while(|(destination, _)| *destination == network);
            same.find(|(_, route)| down.is_empty() || !route.leads_to(down)).map(|(_, route)| route)
        })
    }

    /// Makes the routes findable; false when they are not sorted, or too many.
    pub(super) fn index_restored(&mut self) -> bool {
        let key = |(destination, route): &(B, Route)| (u8::MAX - route.prefix, *destination, route.metric);
        self.index_lengths();
        self.routes.len() <= ROUTES_MAX && self.routes.is_sorted_by(|one, next| key(one) < key(next))
    }

    /// Counts a route that has come to the others of its prefix length.
    fn count_length(&mut self, prefix: u8) {
        let at = self.lengths.partition_point(|longer| longer.prefix > prefix);
        if self.lengths.get(at).is_none_or(|known| known.prefix != prefix) {
            let start = at.checked_sub(1).map_or(0, |before| self.lengths[before].end);
            self.lengths.insert(at, Length::new(prefix, start));
        }
        self.lengths[at].end += 1;
        for shorter in &mut self.lengths[at + 1..] {
            (shorter.start, shorter.end) = (shorter.start + 1, shorter.end + 1);
        }
    }

    pub(super) fn index_lengths(&mut self) {
        self.lengths.clear();
        for (index, (_, route)) in (0..).zip(&self.routes) {
            if self.lengths.last().is_none_or(|last| last.prefix != route.prefix) {
                self.lengths.push(Length::new(route.prefix, index));
            }
            if let Some(last) = self.lengths.last_mut() {
                last.end = index + 1;
            }
        }
    }
}
