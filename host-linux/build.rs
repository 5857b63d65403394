//! Takes the helper plugins that `cargo xtask plugins` has built into the program (`src/plugin/shipped.rs`).
//!
//! Those that were built for another contract than `wit/helper.wit` are left out: they would be refused anyway.
//! They are looked for in `target/wasm/plugins` of the repository, or where `TOWPATH_PLUGINS` says. The configuration
//! flag `shipped_helpers` tells the tests that they are there.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

fn main() -> Result<()> {
    println!("cargo::rustc-check-cfg=cfg(shipped_helpers)");
    println!("cargo::rerun-if-env-changed=TOWPATH_PLUGINS");
    let folder = folder();
    // Cargo can only watch a folder that is there.
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rerun-if-changed={CONTRACT}");
    let interface = interface()?;
    let mut components = components(&folder)?;
    components.retain(|(name, file)| {
        let fits =
            fs::read(file).is_ok_and(|bytes| bytes.windows(interface.len()).any(|at| at == interface.as_bytes()));
        if !fits {
            println!(
                "cargo::warning=the helper plugin {name} is left out, for it was built for another version of \
                 wit/helper.wit than `{interface}`; `cargo xtask plugins` builds it again"
            );
        }
        fits
    });
    if components.is_empty() {
        println!("cargo::warning=towpath is built without its helper plugins; `cargo xtask plugins` builds them");
    } else {
        println!("cargo::rustc-cfg=shipped_helpers");
    }
    let mut list = String::from("&[\n");
    for (name, file) in &components {
        list.push_str(&format!("    Shipped {{ name: {name:?}, component: include_bytes!({file:?}) }},\n"));
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?).join("shipped.rs");
    fs::write(&out, list).with_context(|| format!("cannot write {}", out.display()))
}

/// The contract, from the package's folder.
const CONTRACT: &str = "../wit/helper.wit";

/// The name under which a component of this contract exports its functions.
fn interface() -> Result<String> {
    let contract = fs::read_to_string(CONTRACT).with_context(|| format!("cannot read {CONTRACT}"))?;
    let version = contract.split("package towpath:helper@").nth(1).and_then(|rest| rest.split(';').next());
    Ok(format!("towpath:helper/conntrack@{}", version.context("wit/helper.wit names no version")?))
}

fn folder() -> PathBuf {
    // Cargo runs build scripts in their package's folder. An absolute path would outlive a move of the clone.
    env::var_os("TOWPATH_PLUGINS").map_or_else(|| PathBuf::from("../target/wasm/plugins"), PathBuf::from)
}

/// Names and files, in the order of the names.
fn components(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut components = Vec::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let file = fs::canonicalize(file?.path())?;
        let name = file.file_stem().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|_| file.extension().is_some_and(|extension| extension == "wasm")) {
            components.push((name.to_owned(), file.clone()));
        }
    }
    components.sort();
    Ok(components)
}
