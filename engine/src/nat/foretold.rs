//! What a connection's destination would become.

use super::{
    Manip, NatRange,
    address::in_range,
    ports::{Candidates, Key},
};
use crate::conntrack::Tuple;

/// What the destination of a connection becomes in a range as long as no other connection stands there; `None`: lots are drawn.
/// The connection would be in zone 0.
#[must_use]
pub(crate) fn destination(tuple: &Tuple, range: &NatRange) -> Option<Tuple> {
    let moved = in_range(tuple, 0, range, Manip::Destination);
    if range.random || range.random_fully {
        return None;
    }
    let Some((key, candidates)) =
        range.ports.and(Key::of(&moved, Manip::Destination)).zip(Candidates::of(&moved, Manip::Destination, range))
    else {
        return Some(moved);
    };
    let port = key.value(&moved);
    Some(key.with(
        &moved,
        match range.base {
            Some(base) => candidates.at(port.wrapping_sub(base).into()),
            None if candidates.contains(port) => port,
            None => candidates.first,
        },
    ))
}
