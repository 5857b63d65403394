//! Where things lie.

use std::{env, path::PathBuf};

/// The repository.
pub(crate) fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// The contract of helper plugins.
pub(crate) fn contract() -> PathBuf {
    root().join("wit/helper.wit")
}

/// Where built components go, whatever cargo's target folder is: `target/wasm/plugins` in the repository. The program
/// `towpath` takes them in from there (`host-linux/build.rs`).
pub(crate) fn components() -> PathBuf {
    root().join("target/wasm/plugins")
}

/// Where components of examples go, which are not shipped with the program.
pub(crate) fn examples() -> PathBuf {
    root().join("target/wasm/examples")
}

/// The component with which the tests make records in WebAssembly (`tests/records`).
pub(crate) fn records() -> PathBuf {
    root().join("target/wasm/tests/records.wasm")
}

/// The page.
pub(crate) fn page() -> PathBuf {
    root().join("web-demo")
}

/// Cargo's target folder: the one that this program was built in, so that its own builds land beside it.
pub(crate) fn target() -> PathBuf {
    let built_in = env::current_exe().ok().and_then(|program| Some(program.parent()?.parent()?.to_owned()));
    built_in.unwrap_or_else(|| root().join("target"))
}

/// A program of this workspace, built for this machine.
pub(crate) fn program(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// Target folder of the WebAssembly builds. A second one, because their compiler may be another one.
pub(crate) fn wasm_target() -> PathBuf {
    target().join("wasm-build")
}

/// Where a standard library for WebAssembly is made when the compiler has none; `WASM_SYSROOT_DIR` overrides.
pub(crate) fn wasm_sysroots() -> PathBuf {
    env::var_os("WASM_SYSROOT_DIR").map_or_else(|| target().join("wasm-sysroot"), PathBuf::from)
}
