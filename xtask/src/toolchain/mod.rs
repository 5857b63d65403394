//! A compiler that can build `wasm32-unknown-unknown`: found, or made. And one for C ([`Clang`]).
//!
//! In this order: the `rustc` at hand, if its standard library for the target works; the same after `rustup target
//! add`; on Debian and its kin the packages rustc-web, cargo-web and rust-web-src, whose standard library is built
//! once, without network, into a folder of ours. `WASM_TOOLCHAIN` is `auto` (the default), `rustup` (only the first
//! two) or `debian` (only the third).
//!
//! Why not just the second: a machine may have no way to rustup's servers. Why not `wasm32-wasip2`: plugins import
//! nothing, so they need no WASI; `plugins.rs` makes the component.

mod clang;
mod debian;
mod probe;
mod rustup;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

pub(crate) use self::clang::Clang;
use crate::{places, run, say};

/// The target.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// What to tell somebody whose machine has no way to build for the target.
const ADVICE: &str = "run `rustup target add wasm32-unknown-unknown`, or on Debian, as root, \
                      `apt-get install rustc-web cargo-web rust-web-src lld-19`";

/// A cargo and a rustc that can build for the target.
pub(crate) struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    /// A sysroot of ours, when the compiler's own has no standard library for the target.
    sysroot: Option<PathBuf>,
    /// The linker, when the compiler does not bring one.
    linker: Option<PathBuf>,
}

impl Toolchain {
    /// Finds or makes one.
    ///
    /// # Errors
    /// When there is none and none can be made; the message says what to install.
    pub(crate) fn find() -> Result<Self> {
        let mode = env::var("WASM_TOOLCHAIN").unwrap_or_default();
        let found = match mode.as_str() {
            "" | "auto" => match rustup::find() {
                Some(found) => Ok(found),
                None => debian::find(),
            },
            "rustup" => rustup::find().ok_or_else(|| anyhow::anyhow!("rustup has none")),
            "debian" => debian::find(),
            other => bail!("WASM_TOOLCHAIN is `{other}`: it must be auto, rustup or debian"),
        };
        let found = found.map_err(|error| anyhow::anyhow!("no compiler for {TARGET} ({error:#}): {ADVICE}"))?;
        say(format_args!("building WebAssembly with {}", found.version()));
        Ok(found)
    }

    /// `cargo SUBCOMMAND` for the target: locked versions, a target folder of its own, `flags` for rustc. The caller
    /// adds the rest.
    pub(crate) fn cargo(&self, subcommand: &str, flags: &[&str]) -> Command {
        let mut encoded = OsString::new();
        if let Some(sysroot) = &self.sysroot {
            encoded.push("--sysroot=");
            encoded.push(sysroot);
        }
        for flag in flags {
            if !encoded.is_empty() {
                encoded.push("\u{1f}");
            }
            encoded.push(flag);
        }
        let mut command = run::clean(&self.cargo);
        command
            .args([subcommand, "--locked", "--target", TARGET, "--target-dir"])
            .arg(places::wasm_target())
            .current_dir(places::root())
            .env("RUSTC", &self.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", encoded);
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        if self.sysroot.is_some() {
            command.env("PATH", system_path());
        }
        command
    }

    fn version(&self) -> String {
        let version = run::output(run::clean(&self.rustc).arg("--version").current_dir(places::root()));
        let version = version.as_deref().map_or("an unknown rustc", str::trim);
        match &self.sysroot {
            Some(sysroot) => format!("{version} and the standard library in {}", sysroot.display()),
            None => version.to_owned(),
        }
    }
}

/// `PATH` with the system's programs first, so that Debian's cargo finds Debian's rustc and not rustup's.
fn system_path() -> OsString {
    let mut path = OsString::from("/usr/bin");
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

/// The name of a library folder in a sysroot.
fn library_folder(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}
