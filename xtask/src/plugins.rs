//! `cargo xtask plugins`: builds each `plugins/NAME/component` to a component `target/wasm/plugins/NAME.wasm`, and each
//! `plugins/examples/NAME/component` to `target/wasm/examples/NAME.wasm`.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::{
    host, places, run, say,
    toolchain::{TARGET, Toolchain},
};

/// Cargo profile of the components (in the root `Cargo.toml`).
const PROFILE: &str = "component";

/// A helper reads a line and answers: 64 KB of stack instead of 1 MB keep its memory, and so its instance, small.
const STACK: &str = "-Clink-arg=-zstack-size=65536";

/// Builds all plugins and examples; gives the components' files: those of the plugins by name, then those of the examples.
///
/// # Errors
/// When there is no toolchain, a build fails, or a module does not fit the contract.
pub(crate) fn build() -> Result<Vec<PathBuf>> {
    let (names, examples) = (names()?, examples()?);
    let toolchain = Toolchain::find()?;
    say(format_args!("building the plugins {} and the examples {}", names.join(", "), examples.join(", ")));
    let mut command = toolchain.cargo("build", &[STACK]);
    command.args(["--profile", PROFILE]);
    for name in names.iter().chain(&examples) {
        command.args(["--package", &package(name)]);
    }
    run::run(&mut command)?;
    let modules = places::wasm_target().join(TARGET).join(PROFILE);
    let all = names.iter().map(|name| (name, places::components()));
    let all = all.chain(examples.iter().map(|name| (name, places::examples())));
    let module = |name: &str| modules.join(format!("{}.wasm", package(name).replace('-', "_")));
    let pairs: Vec<_> = all.map(|(name, folder)| (module(name), folder.join(format!("{name}.wasm")))).collect();
    write_components(&pairs)?;
    Ok(pairs.into_iter().map(|(_, file)| file).collect())
}

/// The plugins: folders that hold a `component` crate, in alphabetical order.
pub(crate) fn names() -> Result<Vec<String>> {
    named_in("plugins")
}

/// The examples, in alphabetical order.
fn examples() -> Result<Vec<String>> {
    named_in("plugins/examples")
}

fn named_in(folder: &str) -> Result<Vec<String>> {
    let plugins = places::root().join(folder);
    let mut names = Vec::new();
    for folder in fs::read_dir(&plugins).with_context(|| format!("cannot read {}", plugins.display()))? {
        let folder = folder?;
        if folder.path().join("component/Cargo.toml").exists() {
            names.push(folder.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The package in a plugin's folder `component`.
fn package(name: &str) -> String {
    format!("towpath-helper-{name}-component")
}

/// Makes the component of each built module and writes it to its file, unless the very same is there.
///
/// # Errors
/// When a module makes no component without imports, or a file cannot be read or written.
pub(crate) fn write_components(pairs: &[(PathBuf, PathBuf)]) -> Result<()> {
    say("making components of the modules");
    let mut command = host::cargo("run");
    command.args(["--quiet", "--package", "xtask-component", "--"]);
    for (module, file) in pairs {
        command.arg(module).arg(file);
    }
    run::run(&mut command)
}
