//! A scenario of the kernel oracle, played through the engine.
//!
//! The answer has the oracle's schema, `kernel-oracle/1`, so that one can be compared with the other. What the kernel
//! drew by lot is taken from `draws.json`; `result.json` is never opened.

mod answer;
mod compare;
mod folder;
mod frames;
pub mod fuzz;
mod material;
pub mod reach;
mod router;
mod scenario;

pub use answer::{Answer, HelpersMade, answer, answer_with, play};
pub use compare::{counters, differences};
pub use folder::Folder;
pub use material::{Input, Material, folders};
