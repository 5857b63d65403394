//! `cargo xtask plugins`: builds each `plugins/NAME/component` to a component `target/wasm/plugins/NAME.wasm`, and each
//! `plugins/examples/NAME/component` to `target/wasm/examples/NAME.wasm`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm};

use crate::{
    places, run, say,
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
    all.map(|(name, folder)| finish(name, &modules, &folder)).collect()
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

fn finish(name: &str, modules: &Path, folder: &Path) -> Result<PathBuf> {
    let module = modules.join(format!("{}.wasm", package(name).replace('-', "_")));
    let file = folder.join(format!("{name}.wasm"));
    write_component(&module, &file)?;
    Ok(file)
}

/// Makes the component of a built module and writes it to a file, unless the very same is there.
///
/// # Errors
/// When the module makes no component without imports, or a file cannot be read or written.
pub(crate) fn write_component(module: &Path, file: &Path) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let component = component(&bytes).with_context(|| format!("{} makes no component", module.display()))?;
    if fs::read(file).is_ok_and(|old| old == component) {
        say(format_args!("{} is up to date ({} bytes)", file.display(), component.len()));
        return Ok(());
    }
    file.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(file, &component))
        .with_context(|| format!("cannot write {}", file.display()))?;
    say(format_args!("wrote {} ({} bytes)", file.display(), component.len()));
    Ok(())
}

/// A component from a core module that carries its WIT (wit-bindgen puts it in), checked: valid, and without imports.
fn component(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default().validate(true).module(module)?.encode()?;
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&component)? else {
        bail!("what came out is WIT, not a component");
    };
    let world = resolve.worlds.get(world).context("it has no world")?;
    let imports: Vec<_> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    if !imports.is_empty() {
        bail!("it imports {}, and a helper imports nothing (wit/helper.wit)", imports.join(", "));
    }
    Ok(component)
}

#[cfg(test)]
mod tests {
    use super::component;

    #[test]
    fn a_module_that_imports_anything_is_refused() {
        let module = r#"(module (import "env" "clock" (func (result i64))) (memory (export "memory") 1))"#;
        let error = component(&wat::parse_str(module).unwrap()).unwrap_err();
        assert!(format!("{error:#}").contains("env"), "{error:#}");
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(component(b"no module").is_err());
    }
}
