//! Where scripts lie.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The file itself, or all files below a folder, in order.
///
/// # Errors
/// When a folder cannot be read, with its name.
pub fn below(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    let files = entries.iter().map(|entry| below(entry)).collect::<Result<Vec<_>>>()?;
    Ok(files.concat())
}
