//! Scenarios as material for other tests: a router and the frames that come to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use towpath_engine::{Engine, Instant};

pub use super::frames::Input;
use super::{frames, router, scenario::Scenario};

/// A scenario's router and its frames.
#[derive(Debug)]
pub struct Material {
    /// The router, as it is before the first frame.
    pub engine: Engine,
    /// The frames, in order.
    pub inputs: Vec<Input>,
}

impl Material {
    /// The material of a folder, for a run that starts at `now`.
    ///
    /// # Errors
    /// When the scenario cannot be read, or asks for something that is not supported.
    pub fn read(folder: &Path, now: Instant) -> Result<Self> {
        let scenario = Scenario::read(folder.into())?;
        let inputs = frames::read(&scenario, folder.into())?;
        let engine = router::build(
            &scenario,
            folder.into(),
            &frames::addresses(&inputs),
            true,
            0,
            towpath_helpers_native::all(),
            now,
        )?;
        Ok(Self { engine, inputs })
    }
}

/// All folders that hold a scenario, by name.
///
/// # Errors
/// When they cannot be listed.
pub fn folders() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernel");
    let mut found = Vec::new();
    for shelf in ["examples", "scenarios"] {
        let shelf = root.join(shelf);
        for entry in fs::read_dir(&shelf).with_context(|| shelf.display().to_string())? {
            let path = entry?.path();
            if path.join("scenario.json").is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
