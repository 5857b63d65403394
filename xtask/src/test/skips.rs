//! Tests that cannot run where they are (no root, no browser) say so in a file; here it is read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::places;

/// Tells the tests where the file is (`lab::skip`).
pub(super) const VARIABLE: &str = "TOWPATH_SKIPS";

/// The file, while tests run.
#[derive(Debug)]
pub(super) struct Skips {
    file: PathBuf,
}

impl Skips {
    /// An empty file.
    pub(super) fn begin() -> Result<Self> {
        let file = places::target().join("skipped-tests.txt");
        fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self { file })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What was skipped, a line each, in order.
    pub(super) fn end(self) -> Result<Vec<String>> {
        let text = fs::read_to_string(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let mut skipped: Vec<String> = text.lines().map(str::to_owned).collect();
        skipped.sort();
        Ok(skipped)
    }
}
