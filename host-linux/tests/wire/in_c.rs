//! The component of the helper in C (`plugins/examples/sane`), which takes a C compiler that not every machine has.

use std::{fs, path::Path};

use crate::skip::skip;

/// The component; without it the test `name` is skipped.
pub(crate) fn component(name: &str) -> Option<Vec<u8>> {
    let component = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm/examples/sane.wasm"));
    if component.is_err() {
        skip(name, "there is no component of the helper in C: `cargo xtask c-helper` makes it, with clang");
    }
    component.ok()
}
