//! An engine that was saved and restored goes on as if nothing had happened, and what is no snapshot is refused.

#[path = "snapshot/damage.rs"]
mod damage;
#[path = "snapshot/failover.rs"]
mod failover;
#[path = "snapshot/going_on.rs"]
mod going_on;
#[path = "snapshot/numbers.rs"]
mod numbers;
#[path = "snapshot/repeating.rs"]
mod repeating;
#[path = "snapshot/same.rs"]
mod same;
#[path = "snapshot/sockets.rs"]
mod sockets;
#[path = "snapshot/together.rs"]
mod together;
