//! The components inside this program.
//!
//! `build.rs` takes in what `cargo xtask plugins` has put into `target/wasm/plugins`, so that an installed program
//! finds its helpers without any configuration. A program that was built without them says so when one is asked for.

/// A component that this program brings along.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its helper's name.
    pub name: &'static str,
    /// The component.
    pub component: &'static [u8],
}

/// All of them, by name; empty when the program was built before they were.
pub static COMPONENTS: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));
