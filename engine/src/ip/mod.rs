//! IP: where packets go next, who is there, and what is answered to those that cannot go on.

pub mod defrag;
pub mod extensions;
pub mod fragment;
pub mod icmp_error;
pub mod icmp_limit;
pub mod local;
pub mod metrics;
pub mod neighbour;
pub mod options;
pub(crate) mod path_mtu;
pub mod prefix;
pub mod reject;
pub mod route;
mod source;

pub use defrag::Defrag;
pub use metrics::{Locks, Metric, RouteMetrics};
pub use neighbour::Neighbours;
pub(crate) use path_mtu::PathMtus;
pub use route::{Fate, NextHop, Route, RouteKind, Routes};
