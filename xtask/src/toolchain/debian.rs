//! Debian's compiler for the web (rustc-web), with a standard library built from its source package (rust-web-src).

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{TARGET, Toolchain, library_folder, probe, system_path};
use crate::{places, run, say};

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
/// Where rust-web-src puts the standard library's source, its lock file and its dependencies.
const SOURCE: &str = "/usr/lib/rustlib/src/rust/library";
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Debian's linkers for WebAssembly, newest first; the last is what gets installed.
const LINKERS: [&str; 4] = ["wasm-ld-22", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19"];
const LINKER_PACKAGE: &str = "lld-19";

/// Debian's compiler, installed if it is missing, with a standard library that is built if it is missing.
pub(crate) fn find() -> Result<Toolchain> {
    let has_packages = [RUSTC, CARGO].iter().all(|file| run::is_program(Path::new(file)))
        && Path::new(SOURCE).join("Cargo.lock").exists();
    if !has_packages {
        install(&PACKAGES)?;
    }
    let linker = match linker() {
        Some(linker) => linker,
        None => {
            install(&[LINKER_PACKAGE])?;
            linker().context("wasm-ld is not there after installing lld")?
        }
    };
    let sysroot = sysroot()?;
    if !probe::works(run::clean(RUSTC).arg("--sysroot").arg(&sysroot)) {
        bail!("the standard library in {} does not work; delete that folder and try again", sysroot.display());
    }
    Ok(Toolchain { cargo: CARGO.into(), rustc: RUSTC.into(), sysroot: Some(sysroot), linker: Some(linker) })
}

/// Installs packages of Debian.
///
/// # Errors
/// When there is no `apt-get`, or it fails, as it does for whoever is not root.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    let Some(apt) = run::find("apt-get") else { bail!("there is no apt-get to install {}", packages.join(" ")) };
    say(format_args!("installing {}", packages.join(" ")));
    let attempt = || {
        let mut command = run::clean(&apt);
        command.args(["install", "-y", "--no-install-recommends"]).args(packages);
        run::run(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    attempt().or_else(|_| {
        run::run(run::clean(&apt).arg("update"))?;
        attempt()
    })
}

/// The linker that a rustup toolchain brings, else Debian's.
fn linker() -> Option<PathBuf> {
    rustups_linker().or_else(|| LINKERS.iter().find_map(|name| run::find(name)))
}

fn rustups_linker() -> Option<PathBuf> {
    let rustup = run::find("rustup")?;
    let sysroot = run::output(run::clean(rustup).args(["run", "stable", "rustc", "--print", "sysroot"]))?;
    let hosts = fs::read_dir(Path::new(sysroot.trim()).join("lib/rustlib")).ok()?;
    hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|file| run::is_program(file))
}

/// The folder with the standard library for this very compiler and source.
fn sysroot() -> Result<PathBuf> {
    let version = run::output(run::clean("dpkg-query").args(["--show", "--showformat=${Version}", "rust-web-src"]))
        .context("dpkg does not know rust-web-src")?;
    let sysroots = places::wasm_sysroots();
    fs::create_dir_all(&sysroots).with_context(|| format!("cannot make the folder {}", sysroots.display()))?;
    let sysroot = fs::canonicalize(&sysroots)?.join(folder_name(&version));
    if !sysroot.exists() {
        say(format_args!(
            "building the standard library for {TARGET} from rust-web-src {version} (once, about a minute)"
        ));
        let work = sysroots.join(format!("build-{}", std::process::id()));
        let built = build(&work, &sysroot).with_context(|| format!("cannot build it in {}", work.display()));
        fs::remove_dir_all(&work).ok();
        built?;
    }
    Ok(sysroot)
}

fn folder_name(version: &str) -> String {
    version.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

/// Builds the standard library as a dependency of an empty crate, and moves its libraries into place at the end.
fn build(work: &Path, sysroot: &Path) -> Result<()> {
    fs::create_dir_all(work.join("src"))?;
    fs::write(work.join("src/lib.rs"), "")?;
    fs::write(work.join("Cargo.toml"), EMPTY_CRATE)?;
    let mut command = run::clean(CARGO);
    command
        .args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort"])
        // The standard library's own dependencies come from the package too: no network.
        .args(["--config", "source.crates-io.replace-with='std-vendor'", "--config"])
        .arg(format!("source.std-vendor.directory='{SOURCE}/vendor'"))
        .current_dir(work)
        .env("CARGO_TARGET_DIR", work.join("target"))
        .env("RUSTC", RUSTC)
        .env("PATH", system_path())
        // Building std is a nightly feature of cargo; the compiler that comes with the source is the one to use it.
        .env("RUSTC_BOOTSTRAP", "1")
        // Without bitcode in it, link-time optimisation of what is built on top fails.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    run::run(&mut command)?;
    let made = work.join("sysroot");
    let libraries = library_folder(&made);
    fs::create_dir_all(&libraries)?;
    for file in fs::read_dir(work.join("target").join(TARGET).join("release/deps"))? {
        let file = file?;
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(file.path(), libraries.join(&*name))?;
        }
    }
    if let Err(error) = fs::rename(&made, sysroot)
        && !sysroot.exists()
    {
        return Err(error).context("cannot move it into place");
    }
    Ok(())
}

const EMPTY_CRATE: &str = r#"[package]
name = "empty"
version = "0.0.0"
edition = "2021"

[workspace]

[profile.release]
opt-level = 3
debug = false
strip = true
"#;
