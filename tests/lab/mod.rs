//! What Towpath's suites share.

mod bonded;
pub mod fuzz;
pub mod kernel;
pub mod network;
pub mod play;
mod scripted;
mod skip;

pub use self::{
    bonded::Bonded,
    play::{Lab, frame, lab, lab_with_arp},
    scripted::Scripted,
    skip::skip,
};
