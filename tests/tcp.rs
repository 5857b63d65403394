//! TCP between two engines, over links that are good or bad: RFC 9293 and its family.

#[path = "tcp/again.rs"]
mod again;
#[path = "tcp/anything.rs"]
mod anything;
#[path = "tcp/closing.rs"]
mod closing;
#[path = "tcp/destinations.rs"]
mod destinations;
#[path = "tcp/fast_open.rs"]
mod fast_open;
#[path = "tcp/for_many.rs"]
mod for_many;
#[path = "tcp/handshake.rs"]
mod handshake;
#[path = "tcp/listening.rs"]
mod listening;
#[path = "tcp/memory.rs"]
mod memory;
#[path = "tcp/streams.rs"]
mod streams;
#[path = "tcp/timing.rs"]
mod timing;
#[path = "tcp/told.rs"]
mod told;
#[path = "tcp/urgent.rs"]
mod urgent;
