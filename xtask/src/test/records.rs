//! Builds the component with which the tests make records in WebAssembly.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    places, plugins, run, say,
    toolchain::{TARGET, Toolchain},
};

/// Cargo profile: the page's, so that both share what they depend on.
const PROFILE: &str = "web";

/// Tells the tests where the component is.
pub(super) const VARIABLE: &str = "TOWPATH_RECORDS";

/// Builds `tests/records` for WebAssembly, and says where it is.
///
/// # Errors
/// When there is no toolchain, the build fails, or the module imports something.
pub(super) fn build() -> Result<PathBuf> {
    let toolchain = Toolchain::find()?;
    say("building the engine for WebAssembly, as the tests compare it");
    run::run(toolchain.cargo("build", &[]).args(["--profile", PROFILE, "--package", "records"]))?;
    let module = places::wasm_target().join(TARGET).join(PROFILE).join("records.wasm");
    let component = places::records();
    plugins::write_components(&[(module, component.clone())])?;
    Ok(component)
}
