//! Time that runs out: when what is to be looked at next.
//!
//! | what | for whom | arm, re-arm, cancel | when to wake |
//! |---|---|---|---|
//! | `Wheel` | many things that carry their own links: connections | O(1) | at most a millisecond late, or too early |
//! | [`Timers`] | many timers with numbers: each socket's | O(1) | to the nanosecond, unless 16 run out in one millisecond |
//! | `Deadlines` | few things with keys: neighbours, datagrams, expectations | O(log n) | to the nanosecond |
//!
//! All three give what has run out in an order that depends on deadlines and on numbers or keys alone, never on memory or
//! on what happened before, and none of them has a clock: `now` is an argument. None calls back: a room asks what is due
//! when its own `handle_timeout` is called, and says when to call it again. Whoever owns a [`Timers`] goes about it so:
//!
//! ```text
//!  something happened to socket 7 ──► timers.arm(now, 7, deadline)      a later deadline than before moves nothing
//!  it needs none any more         ──► timers.cancel(7)
//!  Engine::poll_timeout           ──► timers.next()
//!  Engine::handle_timeout         ──► for socket in timers.expired(now) { … }   each is off by then; arm it again
//! ```
//!
//! A thing with several reasons to wake (a socket retransmits, acknowledges late, keeps alive) keeps their times itself
//! and arms its one timer by the earliest, or takes a number for each.

mod deadlines;
mod timers;
mod wheel;

pub(crate) use deadlines::Deadlines;
pub use timers::Timers;
pub(crate) use wheel::{Links, NONE, PLACE_NONE, Timed, Wheel, WheelRecord};
