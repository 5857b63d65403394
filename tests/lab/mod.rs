//! What Towpath's suites share.

pub mod fuzz;
pub mod kernel;
pub mod network;
pub mod play;
mod scripted;
mod skip;

pub use self::{
    play::{Lab, frame, lab, lab_with_arp},
    scripted::Scripted,
    skip::skip,
};
