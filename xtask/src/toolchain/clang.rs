//! A C compiler and a linker for WebAssembly: found, or on Debian and its kin installed.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, anyhow};

use super::debian;
use crate::run;

/// Debian's packages.
const PACKAGES: [&str; 2] = ["clang", "lld"];

/// Versions in whose names Debian has both, newest first, beside those that it has without one.
const VERSIONS: std::ops::RangeInclusive<u32> = 14..=22;

/// A clang that can compile for WebAssembly, and its linker.
pub(crate) struct Clang {
    compiler: PathBuf,
    linker: PathBuf,
}

impl Clang {
    /// Finds one, or installs it.
    ///
    /// # Errors
    /// When there is none and none can be installed; the message says what to install.
    pub(crate) fn find_or_install() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        let installed = debian::install(&PACKAGES).and_then(|()| Self::find().context("they are no use"));
        installed.map_err(|error| {
            anyhow!(
                "no C compiler for WebAssembly ({error:#}): install clang and its linker wasm-ld, on Debian, as root, \
                 with `apt-get install {}`",
                PACKAGES.join(" ")
            )
        })
    }

    /// Finds one.
    pub(crate) fn find() -> Option<Self> {
        let compiler = named("clang").find(|compiler| {
            let mut probe = run::clean(compiler);
            run::succeeds(probe.args([TARGET, "-c", "-x", "c", "-o", "/dev/null", "/dev/null"]))
        })?;
        Some(Self { compiler, linker: named("wasm-ld").next()? })
    }

    /// The compiler for a module without start function and without a C library. The caller adds files and the rest.
    pub(crate) fn command(&self) -> Command {
        let mut command = run::clean(&self.compiler);
        let mut linker = std::ffi::OsString::from("-fuse-ld=");
        linker.push(&self.linker);
        command.args([TARGET, "-nostdlib", "-Wl,--no-entry"]).arg(linker);
        command
    }
}

const TARGET: &str = "--target=wasm32-unknown-unknown";

/// All programs with that name, with or without a version behind it.
fn named(name: &str) -> impl Iterator<Item = PathBuf> {
    let versions = VERSIONS.rev().map(move |version| format!("{name}-{version}"));
    std::iter::once(name.to_owned()).chain(versions).filter_map(|name| run::find(&name))
}
