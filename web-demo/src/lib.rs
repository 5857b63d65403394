//! The engine for the page: `towpath-replay` behind wasm-bindgen, and the helpers compiled in.
//!
//! A page makes a [`Gateway`] of texts, opens a capture with it, and takes records piece by piece, so that it can draw
//! in between:
//!
//! ```js
//! const replay = new Replay(source, gateway);
//! let lines = replay.head();
//! for (let more = replay.next(4096); more.length > 0; more = replay.next(4096)) { … }
//! ```
//!
//! The lines are those of `towpath replay --json`. Mistakes come as JavaScript errors whose message is one line, the
//! one that the program prints. Built by `cargo xtask web`.

mod gateway;
mod replay;
mod source;

pub use self::{gateway::Gateway, replay::Replay, source::Source};
