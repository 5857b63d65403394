//! Compiled components on disk: used when they are ours alone and whole, and only then.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use towpath::plugin::{Cache, CacheError, Runtime};
use towpath_engine::conntrack::helper::Helper;

use crate::made::Made;

#[test]
fn a_compiled_component_is_kept_for_us_alone() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("a/b");
    assert_eq!(loaded(&cache, "one"), "one");
    let file = only_file(&cache);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);
    assert_eq!(loaded(&cache, "one"), "one");
    assert_eq!(only_file(&cache), file);
}

/// The proof that the file is what runs: another component's, put in its place under its name, answers.
#[test]
fn a_kept_component_is_what_is_run() {
    assert_eq!(Swapped::new().loaded(), "two");
}

#[test]
fn a_component_that_was_kept_for_another_is_not_run() {
    let swapped = Swapped::new();
    fs::copy(&swapped.two, &swapped.one).unwrap();
    assert_eq!(swapped.loaded(), "one");
}

#[test]
fn a_file_that_others_may_read_is_not_taken() {
    let swapped = Swapped::new();
    fs::set_permissions(&swapped.one, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(swapped.loaded(), "one");
    assert_eq!(fs::metadata(&swapped.one).unwrap().mode() & 0o777, 0o600, "it is replaced");
}

#[test]
fn a_link_is_not_followed() {
    let swapped = Swapped::new();
    let elsewhere = swapped.folder.path().join("elsewhere");
    fs::rename(&swapped.one, &elsewhere).unwrap();
    symlink(&elsewhere, &swapped.one).unwrap();
    assert_eq!(swapped.loaded(), "one");
}

#[test]
fn a_damaged_file_is_compiled_anew() {
    for damage in [|bytes: &mut Vec<u8>| bytes[5000] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(5000), Vec::clear] {
        let swapped = Swapped::new();
        let mut bytes = fs::read(&swapped.one).unwrap();
        damage(&mut bytes);
        fs::write(&swapped.one, bytes).unwrap();
        assert_eq!(swapped.loaded(), "one");
    }
}

#[test]
fn a_folder_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = Cache::open(folder.path()).unwrap_err();
    assert!(matches!(error, CacheError::OpenToOthers(_)), "{error}");
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Root can give the folder away; for anybody else, root's are somebody else's.
    let others = if chown(folder.path(), Some(1), None).is_ok() { folder.path() } else { Path::new("/usr") };
    let error = Cache::open(others).unwrap_err();
    assert!(matches!(error, CacheError::NotOurs(_)), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let error = Cache::open("/proc/no/such/folder".as_ref()).unwrap_err();
    assert!(error.to_string().starts_with("/proc/no/such/folder: "), "{error}");
}

#[test]
fn the_oldest_goes_when_there_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    assert_eq!(loaded(&cache, "one"), "one");
    for number in 0..40 {
        fs::write(cache.join(format!("{number}.compiled")), "").unwrap();
    }
    assert_eq!(loaded(&cache, "two"), "two");
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 32);
    assert!(fs::read_dir(&cache).unwrap().flatten().all(|file| file.metadata().unwrap().len() < 1 << 20));
}

/// A cache in which the file of "one" holds what was compiled from "two", as if it had been compiled from "one".
struct Swapped {
    folder: tempfile::TempDir,
    one: PathBuf,
    /// What was kept for "two".
    two: PathBuf,
}

impl Swapped {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let caches = ["cache", "aside"].map(|name| folder.path().join(name));
        let [one, two] = [(&caches[0], "one"), (&caches[1], "two")].map(|(cache, name)| {
            assert_eq!(loaded(cache, name), name);
            only_file(cache)
        });
        let compiled = &fs::read(&two).expect("it is kept")[32..];
        let key = one.file_stem().expect("it is named after its key");
        let digest = Sha256::new().chain_update(key.as_encoded_bytes()).chain_update([0]).chain_update(compiled);
        fs::write(&one, [&digest.finalize()[..], compiled].concat()).expect("a file");
        Self { folder, one, two }
    }

    /// Which of the two runs when the first is loaded.
    fn loaded(&self) -> String {
        loaded(&self.folder.path().join("cache"), "one")
    }
}

/// Loads a component with that name through a cache: the name that its manifest says.
fn loaded(cache: &Path, name: &'static str) -> String {
    let runtime = Runtime::new(Some(Cache::open(cache).expect("a cache"))).expect("wasmtime works here");
    let component = Made { name, ..Made::default() }.component();
    runtime.load_bytes(&component).expect("it is a helper").manifest().name.clone()
}

fn only_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().map(|file| file.path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}
