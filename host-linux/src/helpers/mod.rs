//! Helpers that come and go while a gateway runs, and what is said of them.
//!
//! ```text
//!  towpath helper load ─► control socket ─► Workshop (beside the path): compile, check, tighten ─► between two packets: LoadHelper
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`about`] | a manifest in words, for people and programs |
//! | [`workshop`] | makes helpers of components while packets pass |
//!
//! Whoever runs the gateway says what helpers it starts with (`gateway.toml`); what is loaded into a running one is gone with it.

pub mod about;
pub mod workshop;

pub use about::{About, Loaded};
pub use workshop::{Made, Workshop};
