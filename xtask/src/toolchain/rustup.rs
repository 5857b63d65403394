//! The compiler at hand, with the target from rustup's servers if need be.

use std::path::Path;

use super::{TARGET, Toolchain, probe};
use crate::{places, run, say};

/// How long rustup may take to download the target.
const DOWNLOAD_SECONDS: u32 = 120;

/// The `cargo` and `rustc` of the search path, if they can build for the target, or can after `rustup target add`.
pub(crate) fn find() -> Option<Toolchain> {
    let rustc = run::find("rustc")?;
    let cargo = run::find("cargo")?;
    if !works(&rustc) {
        let rustup = run::find("rustup")?;
        say(format_args!("asking rustup for {TARGET}"));
        let mut add = run::clean(rustup);
        add.args(["target", "add", TARGET]).current_dir(places::root());
        if !run::succeeds_within(&mut add, DOWNLOAD_SECONDS) || !works(&rustc) {
            say("rustup could not add it");
            return None;
        }
    }
    Some(Toolchain { cargo, rustc, sysroot: None, linker: None })
}

fn works(rustc: &Path) -> bool {
    probe::works(&mut run::clean(rustc))
}
