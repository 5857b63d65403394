//! Sockets, some at a time, for who asks a running gateway for them.

use towpath_engine::{Engine, Instant};

use crate::{control::Reply, limits::CONTROL_PAGE_PLACES};

/// Tells the sockets at the next places from `from` on; gives the last of these places, or nothing when there are no others.
pub(crate) fn page(engine: &mut Engine, now: Instant, from: u64, tell: &mut dyn FnMut(&Reply)) -> Option<u64> {
    let places = u64::from(engine.socket_places());
    let to = places.min(from + CONTROL_PAGE_PLACES);
    for place in from..to {
        let socket = u32::try_from(place).ok().and_then(|place| engine.socket_at(now, place));
        if let Some(socket) = socket {
            tell(&Reply::Socket(Box::new(socket)));
        }
    }
    (to < places).then(|| to - 1)
}
