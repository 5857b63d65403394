//! Compiled components on disk, so that a program starts in a millisecond instead of a tenth of a second.
//!
//! Machine code from a file is run as it is, so the file must be ours: the folder and the files belong to the effective
//! user and nobody else may even read them (0700, 0600). A file is named after its key: the component, wasmtime's version, its
//! settings, and the processor. It starts with the SHA-256 of that key and of the rest, so that it is taken under no other
//! name than it was made for, and appears there only when it is whole.

use std::{
    env, error, fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Once,
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::limits::{CACHED_COMPONENTS_MAX, COMPILED_BYTES_MAX};

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

/// Ending of the files.
const SUFFIX: &str = ".compiled";

/// A folder of compiled components that only we can read and write.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    user: u32,
}

/// Why a folder cannot be the cache.
#[derive(Debug)]
pub enum CacheError {
    /// There is no place for it: neither `XDG_CACHE_HOME` nor `HOME` names a folder of ours.
    NoPlace,
    /// It cannot be made or looked at.
    Inaccessible(PathBuf, io::Error),
    /// It belongs to somebody else, or is no folder.
    NotOurs(PathBuf),
    /// Others may read or write it.
    OpenToOthers(PathBuf),
}

impl Cache {
    /// The effective user's: `/var/cache/towpath/helpers` for root, else `towpath/helpers` in `XDG_CACHE_HOME` or in
    /// `~/.cache`. (Root of a user namespace is not allowed the first and has the second.)
    ///
    /// # Errors
    /// When none of them can be used; says why the last cannot.
    pub fn of_user() -> Result<Self, CacheError> {
        let user = rustix::process::geteuid();
        let of_system = user.is_root().then(|| PathBuf::from("/var/cache"));
        let of_home = env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")))
            // Under sudo the home is somebody else's: nothing of root's may be left in it.
            .filter(|base| base.is_absolute() && owner_of_nearest(base) == Some(user.as_raw()));
        let mut failed = CacheError::NoPlace;
        for base in [of_system, of_home].into_iter().flatten() {
            match Self::open(&base.join("towpath/helpers")) {
                Ok(cache) => return Ok(cache),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// The same, or none. That there is a folder which cannot be used is told once on standard error: each start takes longer then, and
    /// nobody else would say why. To have no place at all is nothing to tell: services without a home have none.
    #[must_use]
    pub fn of_user_if_any() -> Option<Self> {
        static TOLD: Once = Once::new();
        Self::of_user()
            .inspect_err(|error| {
                if !matches!(error, CacheError::NoPlace) {
                    // Nobody may be there to read it.
                    TOLD.call_once(|| drop(writeln!(io::stderr(), "towpath: compiled helpers are not kept: {error}")));
                }
            })
            .ok()
    }

    /// This folder, made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or is not ours alone.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let user = rustix::process::geteuid().as_raw();
        let inaccessible = |error| CacheError::Inaccessible(folder.to_owned(), error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(inaccessible)?;
        let found = fs::symlink_metadata(folder).map_err(inaccessible)?;
        if !found.is_dir() || found.uid() != user {
            return Err(CacheError::NotOurs(folder.to_owned()));
        }
        if found.mode() & OTHERS != 0 {
            return Err(CacheError::OpenToOthers(folder.to_owned()));
        }
        Ok(Self { folder: folder.to_owned(), user })
    }

    /// The compiled component of that key; `None` when there is none, or it is not to be trusted.
    pub(super) fn load(&self, engine: &Engine, key: &str) -> Option<Component> {
        let compiled = self.read(key)?;
        // SAFETY: the bytes are what `Component::serialize` gave us: the file is ours, nobody else could write it, and
        // its digest says that it is whole. Wasmtime itself checks that version and settings are the engine's.
        #[expect(unsafe_code, reason = "loads machine code from our own cache")]
        unsafe { Component::deserialize(engine, compiled) }.ok()
    }

    /// Keeps a compiled component. That it cannot be kept costs time only, so the error is the caller's to ignore.
    pub(super) fn store(&self, key: &str, component: &Component) -> io::Result<()> {
        let compiled = component.serialize().map_err(io::Error::other)?;
        // Made with mode 0600, under a name of its own until it is whole.
        let mut file = tempfile::Builder::new().prefix(".").tempfile_in(&self.folder)?;
        file.write_all(&digest(key, &compiled))?;
        file.write_all(&compiled)?;
        file.persist(self.path(key)).map_err(|failed| failed.error)?;
        self.forget_oldest()
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}{SUFFIX}"))
    }

    /// The file's contents behind its digest, if the file is ours alone and whole.
    fn read(&self, key: &str) -> Option<Vec<u8>> {
        let mut file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(self.path(key))
            .ok()?;
        // Of the open file, so that it cannot be exchanged after the check.
        let found = file.metadata().ok()?;
        let is_ours = found.is_file() && found.uid() == self.user && found.mode() & OTHERS == 0;
        if !is_ours || found.len() > COMPILED_BYTES_MAX {
            return None;
        }
        let mut found = [0; 32];
        file.read_exact(&mut found).ok()?;
        let mut compiled = Vec::new();
        file.take(COMPILED_BYTES_MAX).read_to_end(&mut compiled).ok()?;
        (digest(key, &compiled) == found).then_some(compiled)
    }

    /// Keeps the number of files bounded.
    fn forget_oldest(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            if file.file_name().to_string_lossy().ends_with(SUFFIX) {
                files.push((file.metadata()?.modified()?, file.path()));
            }
        }
        files.sort();
        let surplus = files.len().saturating_sub(CACHED_COMPONENTS_MAX);
        files.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

/// The digest of a file's contents under its key.
fn digest(key: &str, compiled: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update([0]).chain_update(compiled).finalize().into()
}

/// Who owns the folder, or the nearest one above it that there is.
fn owner_of_nearest(folder: &Path) -> Option<u32> {
    folder.ancestors().find_map(|folder| fs::metadata(folder).ok()).map(|found| found.uid())
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, why) = match self {
            Self::NoPlace => {
                return f
                    .write_str("no place for compiled helpers: neither XDG_CACHE_HOME nor HOME is a folder of ours");
            }
            Self::Inaccessible(folder, error) => return write!(f, "{}: {error}", folder.display()),
            Self::NotOurs(folder) => (folder, "belongs to somebody else, so no compiled helper is taken from it"),
            Self::OpenToOthers(folder) => {
                (folder, "is open to others, so no compiled helper is taken from it; `chmod 700` it")
            }
        };
        write!(f, "{}: {why}", folder.display())
    }
}

impl error::Error for CacheError {}
