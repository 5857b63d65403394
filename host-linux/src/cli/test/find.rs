//! Finds test files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};

/// The files that are named, and those below the folders that are named, in the order of their names.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let here = [PathBuf::from(".")];
    let mut files = Vec::new();
    for path in if paths.is_empty() { &here[..] } else { paths } {
        if path.is_dir() {
            let before = files.len();
            below(path, &mut files, DEPTH_MAX)?;
            if files.len() == before {
                return Err(anyhow!("{}: no file below it has a name that ends in {ENDING}", path.display()));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn below(folder: &Path, files: &mut Vec<PathBuf>, depth: u32) -> Result<()> {
    let at = |error| anyhow!("{}: {error}", folder.display());
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(at)? {
        entries.push(entry.map_err(at)?.path());
    }
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Hidden folders hold other things; links are not followed, so that there is no circle.
        if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && depth > 0 {
            below(&path, files, depth - 1)?;
        } else if name.ends_with(ENDING) && path.is_file() {
            files.push(path.strip_prefix(".").map_or_else(|_| path.clone(), Path::to_path_buf));
        }
    }
    Ok(())
}

/// How the names of test files end.
const ENDING: &str = ".test.toml";
/// Folders in folders.
const DEPTH_MAX: u32 = 32;
