//! `cargo xtask new-helper NAME`: a helper to start from, which builds and passes at once.
//!
//! It lands in `plugins/NAME`, which the workspace, `cargo xtask plugins` and the program take in
//! without being told: a crate, its component, a README, a test that replays a capture against it, one that holds it to the
//! contract, and a fuzz target. Nothing is fetched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::{places, run, say};

/// What is to be made.
#[derive(Args)]
pub(crate) struct NewHelper {
    /// The helper's name, as rules will name it: 1 to 15 of a-z, 0-9 and -, a letter first
    name: String,
}

/// A file of a new helper. `@NAME@`, `@TYPE@` and `@CRATE@` stand for the helper's name, its type and its crate.
struct File {
    path: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($path:literal)+) => {
        [$(File { path: $path, bytes: include_bytes!(concat!("template/", $path, ".in")) }),+]
    };
}

static FILES: [File; 12] = files![
    "Cargo.toml"
    "README.md"
    "captures/session.pcap"
    "component/Cargo.toml"
    "component/src/lib.rs"
    "fuzz/.gitignore"
    "fuzz/Cargo.toml"
    "fuzz/corpus/payloads/command"
    "fuzz/fuzz_targets/payloads.rs"
    "src/lib.rs"
    "tests/capture.rs"
    "tests/contract.rs"
];

impl NewHelper {
    /// Makes it, and enters it into the lock file.
    ///
    /// # Errors
    /// When the name cannot be a helper's or is taken, or a file cannot be written.
    pub(crate) fn make(&self) -> Result<()> {
        let folder = self.make_in(&places::root())?;
        let package = format!("towpath-helper-{}", self.name);
        say(format_args!("wrote {}; next: cargo test --package {package} && cargo xtask plugins", folder.display()));
        Ok(())
    }

    /// The same in any folder that holds such a workspace. Gives the helper's folder.
    fn make_in(&self, root: &Path) -> Result<PathBuf> {
        let folder = root.join("plugins").join(&self.name);
        write(&self.name, &folder)?;
        // Only adds the new packages: what they depend on is in the lock file.
        let mut enter = run::clean("cargo");
        enter.args(["update", "--workspace", "--offline", "--quiet"]).current_dir(root);
        run::run(&mut enter)?;
        Ok(folder)
    }
}

/// Writes a helper's files into a folder that is not there yet.
fn write(name: &str, folder: &Path) -> Result<()> {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    ensure!(
        name.len() <= 15 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(is_plain),
        "'{name}' must be 1 to 15 of a-z, 0-9 and -, and start with a letter"
    );
    ensure!(
        !name.ends_with('-') && !name.contains("--"),
        "'{name}' must have a letter or digit on both sides of each -"
    );
    if folder.exists() {
        bail!("{} is there already", folder.display());
    }
    let (kind, krate) = (camel(name), format!("towpath_helper_{}", name.replace('-', "_")));
    for File { path, bytes } in &FILES {
        let file = folder.join(path);
        let bytes = match str::from_utf8(bytes) {
            Ok(text) => {
                let words = [("@NAME@", name), ("@TYPE@", &kind), ("@CRATE@", &krate)];
                words.iter().fold(text.to_owned(), |text, (word, with)| text.replace(word, with)).into_bytes()
            }
            Err(_) => bytes.to_vec(),
        };
        let place = file.parent().unwrap_or(folder);
        fs::create_dir_all(place)
            .and_then(|()| fs::write(&file, bytes))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// `net-bios` becomes `NetBios`.
fn camel(name: &str) -> String {
    let upper = |part: &str| part[..1].to_ascii_uppercase() + &part[1..];
    name.split('-').map(upper).collect()
}

#[cfg(test)]
mod tests;
