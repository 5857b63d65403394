//! Whether a compiler's standard library for the target really works.

use std::{fs, path::Path, process, process::Command};

use super::TARGET;
use crate::{places, run};

/// Compiles a few lines with `rustc` for the target.
///
/// A folder for the target proves nothing: Debian's libstd-rust-dev-wasm32 is of another version than rustc-web and
/// sits in the same place.
pub(crate) fn works(rustc: &mut Command) -> bool {
    let folder = places::wasm_target().join(format!("probe-{}", process::id()));
    let works = compiles(rustc, &folder);
    // Nothing depends on the folder being gone.
    let _ = fs::remove_dir_all(&folder);
    works
}

fn compiles(rustc: &mut Command, folder: &Path) -> bool {
    let source = folder.join("probe.rs");
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&source, "#![no_main]\npub fn probe() -> String { String::new() }\n"));
    written.is_ok()
        && run::succeeds(
            rustc
                .args(["--crate-type", "rlib", "--target", TARGET, "-o"])
                .arg(folder.join("probe.rlib"))
                .arg(source)
                .current_dir(places::root()),
        )
}
