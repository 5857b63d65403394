//! TCP between two engines, over links that are good or bad: RFC 9293 and its family.

#[path = "tcp/closing.rs"]
mod closing;
#[path = "tcp/streams.rs"]
mod streams;
