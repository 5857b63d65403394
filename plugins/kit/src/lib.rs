//! What a conntrack helper plugin is written against: `wit/helper.wit` in plain Rust, and [`Plugin`], which a helper
//! implements.
//!
//! ```text
//! a crate with `impl Plugin for Gopher`  ─┬─► component!(Gopher)   a sandboxed component for a gateway
//!                                         └─► plugins/native        the same compiled in, for pages and tests
//! ```
//!
//! `cargo xtask new-helper NAME` makes such a crate. What each item means to the engine stands in `wit/helper.wit`.

#![no_std]

extern crate alloc;

pub mod check;
#[cfg(all(feature = "component", target_family = "wasm"))]
pub mod component;
pub mod foreign;
mod manifest;
mod reading;

pub use manifest::{Anchor, AttachPoint, ExpectClass, FailurePolicy, Framing, Manifest, Opener, Protocol, Trigger};
pub use reading::{Context, Direction, Endpoint, Inspection, Pattern, Site, Verdict, Wish};

use alloc::vec::Vec;

/// A helper. The same arguments must give the same answer; nothing is remembered but what goes into
/// [`Inspection::state`].
pub trait Plugin {
    /// What it is and what it asks to be allowed.
    fn manifest() -> Manifest;

    /// Reads a payload that holds one of the manifest's triggers. `state` is what the last inspection on this connection
    /// left. `None`, the common case: nothing of concern.
    fn inspect(context: &Context, state: &[u8], payload: &[u8]) -> Option<Inspection>;

    /// Whether [`Plugin::inspect`] would answer anything, asked before it of nearly all payloads. Worth saying in another way only
    /// where that is much cheaper; yes is always right.
    fn concerns(context: &Context, state: &[u8], payload: &[u8]) -> bool {
        Self::inspect(context, state, payload).is_some()
    }

    /// The bytes to put at `site` so that the payload names `translated` instead of what it named. None at all is an answer
    /// against the contract: for a site that is not this helper's.
    fn render(context: &Context, state: &[u8], site: Site, translated: Endpoint) -> Vec<u8>;
}

/// Makes a WebAssembly component of a [`Plugin`], in a crate of type `cdylib`; expands to nothing on other targets.
///
/// ```
/// towpath_helper_kit::component!(towpath_helper_gopher::Gopher);
/// ```
#[macro_export]
macro_rules! component {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        #[expect(unsafe_code, reason = "generated from wit/helper.wit")]
        #[allow(clippy::all, reason = "generated from wit/helper.wit")]
        mod exported {
            type Exported = $crate::component::Component<$plugin>;
            $crate::component::export!(Exported with_types_in $crate::component::bindings);
        }
    };
}
