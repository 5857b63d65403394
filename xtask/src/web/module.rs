//! The page's engine: the crate `towpath-web`, and the JavaScript that speaks with it.

use anyhow::Result;

use crate::{
    host, places, run, say,
    toolchain::{TARGET, Toolchain},
};

/// Package, and with underscores the module.
const PACKAGE: &str = "towpath-web";
/// Cargo profile (in the root `Cargo.toml`).
const PROFILE: &str = "web";
/// What its files are called in the page.
const NAME: &str = "towpath";

/// Builds `web-demo/wasm`.
pub(crate) fn build() -> Result<()> {
    let toolchain = Toolchain::find()?;
    say("building the page's engine");
    run::run(toolchain.cargo("build", &[]).args(["--profile", PROFILE, "--package", PACKAGE]))?;
    let module = places::wasm_target().join(TARGET).join(PROFILE).join(format!("{}.wasm", PACKAGE.replace('-', "_")));
    run::run(
        host::cargo("run")
            .args(["--quiet", "--package", "xtask-bindgen", "--"])
            .arg(module)
            .arg(places::page().join("wasm"))
            .arg(NAME),
    )
}
