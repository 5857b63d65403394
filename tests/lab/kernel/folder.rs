//! Where a scenario's files are: in a folder, or in memory where there are no folders, as in WebAssembly.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A scenario's files.
#[derive(Clone, Copy, Debug)]
pub enum Folder<'f> {
    /// A folder of this machine.
    At(&'f Path),
    /// Files in memory, each with its name.
    Files(&'f [(String, Vec<u8>)]),
}

impl Folder<'_> {
    /// A file's bytes; `None`: there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) fn find(self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Files(files) => Ok(files.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.clone())),
            Self::At(folder) => match fs::read(folder.join(name)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error).with_context(|| format!("cannot read {}", folder.join(name).display())),
            },
        }
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub(super) fn read(self, name: &str) -> Result<Vec<u8>> {
        self.find(name)?.with_context(|| format!("cannot read {name}: there is no such file"))
    }

    /// A file's text.
    ///
    /// # Errors
    /// When it is not there, cannot be read or is no text.
    pub(super) fn text(self, name: &str) -> Result<String> {
        String::from_utf8(self.read(name)?).with_context(|| format!("{name} is no text"))
    }
}

impl<'f> From<&'f Path> for Folder<'f> {
    fn from(folder: &'f Path) -> Self {
        Self::At(folder)
    }
}

impl<'f> From<&'f PathBuf> for Folder<'f> {
    fn from(folder: &'f PathBuf) -> Self {
        Self::At(folder)
    }
}
